/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <string.h>

#include "load.h"

/* RFC 6455, as much as a client of the Console needs: whole frames, no extensions. */

enum { FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };

void socket_ask(struct stream *stream, const char *path, const char *protocol)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(4096);

    buf_printf(&buf,
               "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
               "Sec-WebSocket-Protocol: %s\r\n\r\n",
               path, protocol);
    stream_send(stream, buf.data, buf.len);
}

void socket_send(struct stream *stream, uint8_t opcode, const void *data, size_t len)
{
    static const uint8_t mask[4] = {0x5a, 0xc3, 0x96, 0x0f};
    uint8_t head[14] = {(uint8_t)(0x80 | opcode), 0x80};
    _cleanup_buf_ struct buf buf = BUF_INIT(LOAD_STREAM_BYTES_MAX);
    size_t n = 2;

    if (len < 126) {
        head[1] |= (uint8_t)len;
    } else if (len < 65536) {
        uint16_t big = htobe16((uint16_t)len);

        head[1] |= 126;
        memcpy(head + n, &big, sizeof(big));
        n += sizeof(big);
    } else {
        uint64_t big = htobe64(len);

        head[1] |= 127;
        memcpy(head + n, &big, sizeof(big));
        n += sizeof(big);
    }
    memcpy(head + n, mask, sizeof(mask));
    buf_append(&buf, head, n + sizeof(mask));
    n = buf.len;
    buf_append(&buf, data, len);
    for (size_t i = 0; i < len && buf.error == 0; i++)
        buf.data[n + i] = (char)(buf.data[n + i] ^ mask[i & 3]);
    stream_send(stream, buf.data, buf.len);
}

/* @return bytes of the head and *ret_len of what follows; 0: not all there yet */
static size_t frame_head(const struct buf *in, uint64_t *ret_len)
{
    const uint8_t *bytes = (const uint8_t *)in->data;
    uint16_t small;
    uint64_t big;

    if (in->len < 2)
        return 0;
    *ret_len = bytes[1] & 0x7f;
    if (*ret_len < 126)
        return 2;
    if (*ret_len == 126 && in->len >= 4) {
        memcpy(&small, bytes + 2, sizeof(small));
        *ret_len = be16toh(small);
        return 4;
    }
    if (*ret_len == 127 && in->len >= 10) {
        memcpy(&big, bytes + 2, sizeof(big));
        *ret_len = be64toh(big);
        return 10;
    }
    return 0;
}

static const char *take_answer(struct stream *stream, bool *upgraded)
{
    static char problem[64];
    const char *end =
        stream->in.len ? memmem(stream->in.data, stream->in.len, "\r\n\r\n", 4) : NULL;

    if (!end)
        return NULL;
    if (strncmp(stream->in.data, "HTTP/1.1 101", 12) != 0) {
        snprintf(problem, sizeof(problem), "upgrade: %.12s", stream->in.data);
        return problem;
    }
    *upgraded = true;
    buf_consume(&stream->in, (size_t)(end + 4 - stream->in.data));
    return NULL;
}

const char *socket_read(struct stream *stream, bool *upgraded,
                        void (*message)(void *context, const void *data, size_t len), void *context)
{
    const char *problem = *upgraded ? NULL : take_answer(stream, upgraded);

    while (*upgraded && !problem && stream->fd >= 0) {
        uint64_t len;
        size_t head = frame_head(&stream->in, &len);
        uint8_t first = head ? (uint8_t)stream->in.data[0] : 0;
        const char *data = stream->in.data + head;

        if (head == 0 || stream->in.len - head < len)
            return NULL;
        if (!(first & 0x80))
            return "a fragment";
        if ((first & 0xf) == FRAME_CLOSE)
            return "close";
        if ((first & 0xf) == FRAME_PING)
            socket_send(stream, FRAME_PONG, data, len);
        else if ((first & 0xf) == FRAME_BINARY || (first & 0xf) == FRAME_TEXT)
            message(context, data, len);
        if (stream->fd >= 0)
            buf_consume(&stream->in, head + len);
    }
    return problem;
}
