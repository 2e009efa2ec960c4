/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * WebSocket (RFC 6455) as a client speaks it: the opening handshake, frames out (masked), frames in
 * (not masked) put together to messages. No extension is spoken. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define WSFRAME_HEADER_MAX 14
#define WSFRAME_CONTROL_MAX 125
#define WSFRAME_ANSWER_BYTES_MAX 16384 /* head of the answer to the handshake */
#define WSFRAME_KEY_TEXT 25            /* base64 of 16 bytes, and a NUL */

enum wsframe_opcode {
    WSFRAME_CONTINUATION = 0,
    WSFRAME_TEXT = 1,
    WSFRAME_BINARY = 2,
    WSFRAME_CLOSE = 8,
    WSFRAME_PING = 9,
    WSFRAME_PONG = 10,
};

struct wsframe_reader {
    struct buf input;   /* bytes that are no complete frame yet */
    struct buf message; /* fragments of the present message */
    enum wsframe_opcode opcode;
    bool in_message;
    size_t used; /* of input, by the frame given out last */
};
struct wsframe_event {
    enum wsframe_opcode opcode; /* TEXT, BINARY, CLOSE, PING, PONG */
    const void *data;           /* good until the next call */
    size_t len;
};

void wsframe_reader_init(struct wsframe_reader *reader, size_t message_max);
void wsframe_reader_clear(struct wsframe_reader *reader);
/* -ENOMEM, -EMSGSIZE: more than a message can be */
int wsframe_feed(struct wsframe_reader *reader, const void *data, size_t len);
/* @return 1 with an event; 0: more is needed; -EPROTO: not what a server may send; -EMSGSIZE */
int wsframe_next(struct wsframe_reader *reader, struct wsframe_event *ret);
/* Append one complete frame, masked. -EIO when there is no randomness. */
int wsframe_put(struct buf *out, enum wsframe_opcode opcode, const void *data, size_t len);

/* The request of the handshake; the key that the answer must fit to is left in `ret_key`. */
int wsframe_request(struct buf *out, const char *host, const char *path, const char *protocol,
                    const char *version, char ret_key[WSFRAME_KEY_TEXT]);
/*
 * The answer, as far as it is here.
 * @param ret_head  its length with the empty line, when 1 is returned
 * @param problem   why it is refused, for people: status and what the server says
 * @return 1: accepted; 0: more is needed; -EPROTO, -EPROTONOSUPPORT (status 426), -EACCES (status
 *         other than 101)
 */
int wsframe_answer(const char *data, size_t len, const char *key, const char *protocol,
                   size_t *ret_head, struct buf *problem);
