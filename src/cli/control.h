/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Client of the enforcer's control socket. One request a connection: a JSON object on one line; the
 * answers are JSON objects, one a line. Whoever listens there is not trusted: sizes and forms are
 * checked, texts are escaped by whoever prints them.
 */

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"

#define CONTROL_SOCKET_DEFAULT "/run/bulkhead/enforcer.sock"
#define CONTROL_VERSION 1
#define CONTROL_REQUEST_BYTES_MAX 65536
#define CONTROL_LINE_BYTES_MAX ((size_t)256 << 20) /* one answer: all flows of a busy host */
#define CONTROL_TIMEOUT_MS 30000                   /* silence in the middle of a single answer */
#define CONTROL_MESSAGE_MAX 512

struct control {
    int fd;
    struct buf input;
    size_t searched;                   /* bytes of input known to hold no newline */
    json_int_t dropped;                /* flows that the last answer says were left out */
    char message[CONTROL_MESSAGE_MAX]; /* why the last call failed, for people; not escaped */
};

#define CONTROL_INIT ((struct control){.fd = -1, .input = BUF_INIT(CONTROL_LINE_BYTES_MAX)})

/* Connect and send `command` with `arguments` (taken over, may be NULL). 0 or -errno and a message.
 */
int control_request(struct control *control, const char *path, const char *command,
                    json_t *arguments);

/*
 * The result of the next answer.
 *
 * @param timeout_ms  -1: wait for ever, or until the reader of `watch_fd` is gone (-1: nobody)
 * @return 0; -ENODATA: closed by the enforcer before or in the middle of a line; -EPIPE: the
 *         reader is gone; -EPROTO: no answer of this protocol; -EREMOTEIO: the enforcer says no;
 *         another -errno. All with a message.
 */
int control_answer(struct control *control, int timeout_ms, int watch_fd, json_t **ret);

void control_clear(struct control *control);
#define _cleanup_control_ _cleanup_(control_clear)
