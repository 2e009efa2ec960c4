/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* WebSocket frames (RFC 6455) of clients into messages, and headers of our own frames. No extension
 * is spoken. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "console/http.h"

#define HTTP_FRAME_HEADER_MAX 10 /* of ours: not masked */
#define HTTP_FRAME_CONTROL_MAX 125

enum http_opcode {
    HTTP_OPCODE_CONTINUATION = 0,
    HTTP_OPCODE_TEXT = 1,
    HTTP_OPCODE_BINARY = 2,
    HTTP_OPCODE_CLOSE = 8,
    HTTP_OPCODE_PING = 9,
    HTTP_OPCODE_PONG = 10,
};

/* RFC 6455 7.4.1 */
enum http_close {
    HTTP_CLOSE_NORMAL = 1000,
    HTTP_CLOSE_GOING_AWAY = 1001,
    HTTP_CLOSE_PROTOCOL = 1002,
    HTTP_CLOSE_UNSUPPORTED = 1003,
    HTTP_CLOSE_NONE = 1005, /* no code was given; never sent */
    HTTP_CLOSE_NOT_TEXT = 1007,
    HTTP_CLOSE_POLICY = 1008,
    HTTP_CLOSE_TOO_BIG = 1009,
    HTTP_CLOSE_TRY_LATER = 1013,
};

struct http_frames {
    uint8_t header[14];
    uint8_t header_len, key_at;
    bool in_payload, is_text, in_message;
    uint64_t left; /* of the payload of the present frame */
    uint8_t control[HTTP_FRAME_CONTROL_MAX];
    uint8_t control_len;
    unsigned fragments;
    struct buf message; /* of the present message; max is set by the owner */
};

/* What came: a complete message, or a control frame. `data` is good until the next call. */
struct http_frame_event {
    enum http_opcode opcode; /* TEXT, BINARY, CLOSE, PING, PONG */
    const void *data;
    size_t len;
};

/*
 * Take from `data` up to the end of one message or control frame.
 * @param ret_used  bytes that are done with
 * @return 1: `ret_event` filled in; 0: more is needed; < 0: -CODE to close with (enum http_close)
 */
int http_frames_next(struct http_frames *frames, const uint8_t *data, size_t len, size_t *ret_used,
                     struct http_frame_event *ret_event);
void http_frames_clear(struct http_frames *frames);
/* After a message was looked at: its memory is given back. */
void http_frames_message_done(struct http_frames *frames);
/* Code and reason of a close frame. @return code, HTTP_CLOSE_NONE; < 0: -CODE, it is wrong */
int http_frame_close_code(const void *data, size_t len);
/* @return its length */
size_t http_frame_header(enum http_opcode opcode, size_t len,
                         uint8_t ret_header[HTTP_FRAME_HEADER_MAX]);
