/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A WebSocket client (RFC 6455), just enough for GET /events: text messages, no extensions. */

#include "cli/client/client.h"

#define SOCKET_MESSAGE_BYTES_MAX ((size_t)16 << 20)
#define SOCKET_HEAD_BYTES_MAX 65536
#define SOCKET_PING_S 30

/* ---- Frames; pure ------------------------------------------------------------------------- */

enum frame_opcode {
    FRAME_CONTINUATION = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10
};

struct frame {
    enum frame_opcode opcode;
    bool final;
    const char *payload;
    size_t len;
};

/*
 * The first frame in `data`, from a server (not masked).
 * @param ret_used  bytes of it
 * @return 0; -EAGAIN: not all there yet; -EPROTO: not allowed; -E2BIG: longer than the maximum
 */
int frame_parse(const char *data, size_t len, struct frame *ret, size_t *ret_used);
/* One masked frame of a client, appended. */
void frame_append(enum frame_opcode opcode, const void *data, size_t len, const uint8_t mask[4],
                  struct buf *buf);

/* ---- The connection ----------------------------------------------------------------------- */

struct socket;
/* @param path  with its query; `token`: Authorization header. 0, or -errno and client_message() */
int socket_open(struct client *client, const char *path, const char *token, struct socket **ret);
int socket_send(struct socket *socket, const char *text);
/* The next message, NUL-terminated, good until the next call. -ENODATA: the Console closed.
 * -EPIPE: `watch_fd` (the reader of our output) is gone. */
int socket_receive(struct socket *socket, int watch_fd, const char **ret, size_t *ret_len);
/* Why, for people, not escaped. */
const char *socket_message(const struct socket *socket);
void socket_close(struct socket **socket);
#define _cleanup_socket_ _cleanup_(socket_close)
