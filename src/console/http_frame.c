/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_frame.h"

#include <string.h>

#include "base/text.h"

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LEN_16 126
#define LEN_64 127

static enum http_opcode opcode_of(const struct http_frames *frames)
{
    return (enum http_opcode)(frames->header[0] & OPCODE);
}

static bool is_control(const struct http_frames *frames)
{
    return opcode_of(frames) >= HTTP_OPCODE_CLOSE;
}

/* Bytes of the header that is being read, as far as its first two bytes say. */
static size_t header_size(const struct http_frames *frames)
{
    unsigned len = frames->header[1] & 0x7f;

    if (frames->header_len < 2)
        return 2;
    return 2u + (len == LEN_16 ? 2u : len == LEN_64 ? 8u : 0u) + 4u;
}

static uint64_t header_payload(const struct http_frames *frames)
{
    const uint8_t *h = frames->header;
    uint64_t len = h[1] & 0x7f;

    if (len == LEN_16)
        return (uint64_t)h[2] << 8 | h[3];
    if (len == LEN_64) {
        len = 0;
        for (unsigned i = 2; i < 10; i++)
            len = len << 8 | h[i];
    }
    return len;
}

/* The first two bytes say enough to refuse most of what is wrong. */
static int start_check(const struct http_frames *frames)
{
    enum http_opcode opcode = opcode_of(frames);

    if ((frames->header[0] & RESERVED) || !(frames->header[1] & MASKED))
        return -HTTP_CLOSE_PROTOCOL;
    switch (opcode) {
    case HTTP_OPCODE_CONTINUATION:
        return frames->in_message ? 0 : -HTTP_CLOSE_PROTOCOL;
    case HTTP_OPCODE_TEXT:
    case HTTP_OPCODE_BINARY:
        return frames->in_message ? -HTTP_CLOSE_PROTOCOL : 0;
    case HTTP_OPCODE_CLOSE:
    case HTTP_OPCODE_PING:
    case HTTP_OPCODE_PONG:
        if (!(frames->header[0] & FIN) || (frames->header[1] & 0x7f) > HTTP_FRAME_CONTROL_MAX)
            return -HTTP_CLOSE_PROTOCOL;
        return 0;
    default:
        return -HTTP_CLOSE_PROTOCOL;
    }
}

static int payload_begin(struct http_frames *frames)
{
    frames->left = header_payload(frames);
    frames->in_payload = true;
    frames->key_at = 0;
    if (is_control(frames)) {
        frames->control_len = 0;
        return 0;
    }
    if (frames->left > frames->message.max - frames->message.len)
        return -HTTP_CLOSE_TOO_BIG;
    if (opcode_of(frames) != HTTP_OPCODE_CONTINUATION) {
        frames->in_message = true;
        frames->is_text = opcode_of(frames) == HTTP_OPCODE_TEXT;
        frames->fragments = 0;
    }
    return ++frames->fragments > HTTP_SOCKET_FRAGMENTS_MAX ? -HTTP_CLOSE_POLICY : 0;
}

static int header_feed(struct http_frames *frames, const uint8_t *data, size_t len, size_t *used)
{
    int r;

    while (*used < len) {
        frames->header[frames->header_len++] = data[(*used)++];
        if (frames->header_len == 2) {
            r = start_check(frames);
            if (r < 0)
                return r;
        }
        if (frames->header_len == header_size(frames))
            return payload_begin(frames);
    }
    return 0;
}

static void unmask(struct http_frames *frames, uint8_t *data, size_t len)
{
    const uint8_t *key = frames->header + header_size(frames) - 4;

    for (size_t i = 0; i < len; i++)
        data[i] ^= key[(frames->key_at + i) & 3];
    frames->key_at = (uint8_t)((frames->key_at + len) & 3);
}

static int payload_feed(struct http_frames *frames, const uint8_t *data, size_t len, size_t *used)
{
    size_t n = (size_t)MIN(frames->left, (uint64_t)(len - *used));

    if (is_control(frames)) {
        if (n)
            memcpy(frames->control + frames->control_len, data + *used, n);
        unmask(frames, frames->control + frames->control_len, n);
        frames->control_len = (uint8_t)(frames->control_len + n);
    } else if (n) {
        buf_append(&frames->message, data + *used, n);
        if (frames->message.error)
            return -HTTP_CLOSE_TRY_LATER;
        unmask(frames, (uint8_t *)frames->message.data + frames->message.len - n, n);
    }
    *used += n;
    frames->left -= n;
    return 0;
}

/* A frame is complete. @return as http_frames_next() */
static int frame_end(struct http_frames *frames, struct http_frame_event *ret_event)
{
    bool control = is_control(frames), fin = frames->header[0] & FIN;

    frames->in_payload = false;
    frames->header_len = 0;
    if (control) {
        *ret_event =
            (struct http_frame_event){opcode_of(frames), frames->control, frames->control_len};
        return 1;
    }
    if (!fin)
        return 0;
    frames->in_message = false;
    if (frames->is_text && frames->message.len &&
        !text_utf8_valid(frames->message.data, frames->message.len, NULL))
        return -HTTP_CLOSE_NOT_TEXT;
    *ret_event = (struct http_frame_event){frames->is_text ? HTTP_OPCODE_TEXT : HTTP_OPCODE_BINARY,
                                           frames->message.data ? frames->message.data : "",
                                           frames->message.len};
    return 1;
}

int http_frames_next(struct http_frames *frames, const uint8_t *data, size_t len, size_t *ret_used,
                     struct http_frame_event *ret_event)
{
    size_t used = 0;
    int r = 0;

    assert(frames);
    assert(data || len == 0);
    assert(ret_used);
    assert(ret_event);

    while (r == 0 && used < len) {
        if (!frames->in_payload)
            r = header_feed(frames, data, len, &used);
        if (r == 0 && frames->in_payload)
            r = payload_feed(frames, data, len, &used);
        if (r == 0 && frames->in_payload && frames->left == 0)
            r = frame_end(frames, ret_event);
    }
    if (r < 0)
        return r;
    *ret_used = used;
    return r;
}

void http_frames_message_done(struct http_frames *frames)
{
    if (!frames->in_message)
        buf_free(&frames->message);
}

void http_frames_clear(struct http_frames *frames)
{
    buf_free(&frames->message);
}

int http_frame_close_code(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    int code;

    if (len == 0)
        return HTTP_CLOSE_NONE;
    if (len == 1)
        return -HTTP_CLOSE_PROTOCOL;
    code = bytes[0] << 8 | bytes[1];
    if (code < 1000 || code >= 5000 || code == 1004 || code == 1005 || code == 1006 ||
        (code > 1014 && code < 3000))
        return -HTTP_CLOSE_PROTOCOL;
    if (!text_utf8_valid((const char *)bytes + 2, len - 2, NULL))
        return -HTTP_CLOSE_NOT_TEXT;
    return code;
}

size_t http_frame_header(enum http_opcode opcode, size_t len,
                         uint8_t ret_header[HTTP_FRAME_HEADER_MAX])
{
    ret_header[0] = (uint8_t)(FIN | opcode);
    if (len < LEN_16) {
        ret_header[1] = (uint8_t)len;
        return 2;
    }
    if (len <= UINT16_MAX) {
        ret_header[1] = LEN_16;
        ret_header[2] = (uint8_t)(len >> 8);
        ret_header[3] = (uint8_t)len;
        return 4;
    }
    ret_header[1] = LEN_64;
    for (unsigned i = 0; i < 8; i++)
        ret_header[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
    return 10;
}
