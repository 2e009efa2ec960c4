/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

#define OPTIONS_STATE_DEFAULT "/var/lib/bulkhead"
#define OPTIONS_SOCKET_DEFAULT "/run/bulkhead/enforcer.sock"
#define OPTIONS_MESSAGE_MAX 256

enum options_command {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_DESCRIBE,
    OPTIONS_DETACH,
    OPTIONS_REGISTER,
    OPTIONS_HELP, /* print options_help(topic) */
    OPTIONS_VERSION,
};

struct options {
    enum options_command command;
    enum options_command topic;          /* of help; OPTIONS_HELP: the program as a whole */
    const char *config, *state, *socket; /* point into argv */
};

/* 0, or -EINVAL with what is wrong: the caller exits with 2. */
int options_parse(int argc, char *const argv[], struct options *ret,
                  char message[OPTIONS_MESSAGE_MAX]);
const char *options_help(enum options_command topic);
