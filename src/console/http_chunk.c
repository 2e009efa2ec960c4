/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_chunk.h"

#include <errno.h>
#include <stdbool.h>

static int size_digit(struct http_chunk *chunk, char c)
{
    unsigned value;

    if (c >= '0' && c <= '9')
        value = (unsigned)(c - '0');
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        value = (unsigned)((c | 0x20) - 'a' + 10);
    else
        return -EINVAL;
    if (++chunk->digits > 15)
        return -EINVAL;
    chunk->left = chunk->left << 4 | value;
    return 0;
}

/* In the line with the size. */
static int size_step(struct http_chunk *chunk, char c)
{
    if (++chunk->line > HTTP_CHUNK_LINE_MAX)
        return -EINVAL;
    if (chunk->state == HTTP_CHUNK_SIZE_LF) {
        chunk->state = chunk->left ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER_START;
        return c == '\n' ? 0 : -EINVAL;
    }
    if (c == '\r') {
        chunk->state = HTTP_CHUNK_SIZE_LF;
        return chunk->digits ? 0 : -EINVAL;
    }
    if (chunk->state == HTTP_CHUNK_EXTENSION)
        return (unsigned char)c >= 0x20 || c == '\t' ? 0 : -EINVAL;
    if (c == ';') {
        chunk->state = HTTP_CHUNK_EXTENSION;
        return chunk->digits ? 0 : -EINVAL;
    }
    return size_digit(chunk, c);
}

/* @return 1 at the end */
static int trailer_step(struct http_chunk *chunk, char c)
{
    if (++chunk->trailer > HTTP_CHUNK_TRAILER_MAX)
        return -EINVAL;
    switch (chunk->state) {
    case HTTP_CHUNK_TRAILER_START:
        chunk->state = c == '\r' ? HTTP_CHUNK_END_LF : HTTP_CHUNK_TRAILER;
        return (unsigned char)c > 0x20 || c == '\r' ? 0 : -EINVAL;
    case HTTP_CHUNK_TRAILER:
        if (c == '\r')
            chunk->state = HTTP_CHUNK_TRAILER_LF;
        return (unsigned char)c >= 0x20 || c == '\t' || c == '\r' ? 0 : -EINVAL;
    case HTTP_CHUNK_TRAILER_LF:
        chunk->state = HTTP_CHUNK_TRAILER_START;
        return c == '\n' ? 0 : -EINVAL;
    default:
        return c == '\n' ? 1 : -EINVAL;
    }
}

static int step(struct http_chunk *chunk, char c)
{
    switch (chunk->state) {
    case HTTP_CHUNK_SIZE:
    case HTTP_CHUNK_EXTENSION:
    case HTTP_CHUNK_SIZE_LF:
        return size_step(chunk, c);
    case HTTP_CHUNK_DATA_CR:
        chunk->state = HTTP_CHUNK_DATA_LF;
        return c == '\r' ? 0 : -EINVAL;
    case HTTP_CHUNK_DATA_LF:
        chunk->state = HTTP_CHUNK_SIZE;
        chunk->digits = chunk->line = 0;
        return c == '\n' ? 0 : -EINVAL;
    default:
        return trailer_step(chunk, c);
    }
}

int http_chunk_feed(struct http_chunk *chunk, const char *data, size_t len, struct buf *body,
                    size_t *ret_used)
{
    size_t used = 0;
    int r = 0;

    assert(chunk);
    assert(body);
    assert(ret_used);

    while (r == 0 && used < len) {
        size_t n = (size_t)MIN(chunk->left, (uint64_t)(len - used));

        if (chunk->state != HTTP_CHUNK_DATA) {
            r = step(chunk, data[used++]);
            if (chunk->left > body->max - body->len)
                r = -ENOSPC;
            continue;
        }
        buf_append(body, data + used, n);
        r = body->error;
        used += n;
        chunk->left -= n;
        if (chunk->left == 0)
            chunk->state = HTTP_CHUNK_DATA_CR;
    }
    if (r < 0)
        return r;
    *ret_used = used;
    return r;
}
