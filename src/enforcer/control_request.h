/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control socket's protocol (docs/operator/control-socket.md): one JSON object on one line
 * asks, one JSON object per line answers. Parsing is pure: bytes in, request or error out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

#define CONTROL_VERSION 1
#define CONTROL_REQUEST_BYTES_MAX 65536
#define CONTROL_MESSAGE_MAX 256
#define CONTROL_ARGUMENT_MAX 512
#define CONTROL_GROUPS_MAX 4096

enum control_command {
    CONTROL_STATUS,
    CONTROL_PUS,
    CONTROL_FLOWS,
    CONTROL_COUNTERS,
    CONTROL_NETSTAT,
    CONTROL_DISABLE,
    CONTROL_ENABLE,
};

enum control_code {
    CONTROL_OK,
    CONTROL_UNKNOWN_COMMAND,
    CONTROL_BAD_REQUEST,
    CONTROL_FORBIDDEN,
    CONTROL_TOO_LARGE,
    CONTROL_BUSY,
    CONTROL_INTERNAL,
};

struct control_request {
    enum control_command command;
    bool follow;                   /* flows */
    char pu[CONTROL_ARGUMENT_MAX]; /* netstat: id or name; "" for all */
};

/* @param line  without its newline. CONTROL_OK, or what the answer's error says, with a message */
enum control_code control_request_parse(const char *line, size_t len, struct control_request *ret,
                                        char message[CONTROL_MESSAGE_MAX]);
const char *control_command_name(enum control_command command);
bool control_command_writes(enum control_command command);
const char *control_code_name(enum control_code code);
/* {"ok":false,"error":{…}} and a newline */
void control_error_print(struct buf *buf, enum control_code code, const char *message);

/* Who is at the other end of the socket (SO_PEERCRED, SO_PEERGROUPS). */
struct control_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    gid_t groups[CONTROL_GROUPS_MAX];
    size_t n_groups;
};
/* root and the daemon's user: all; members of the socket's group: what changes nothing; others:
 * nothing. */
bool control_allowed(const struct control_peer *peer, uid_t own_uid, gid_t socket_gid,
                     enum control_command command);
