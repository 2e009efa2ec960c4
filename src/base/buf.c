/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUF_SIZE_FIRST 128

/* Room for `more` bytes and the NUL. */
static int reserve(struct buf *buf, size_t more)
{
    size_t size;
    char *data;

    if (buf->error)
        return buf->error;
    assert(buf->len <= buf->max);
    if (more > buf->max - buf->len)
        return buf->error = -ENOSPC;
    if (buf->data && buf->len + more < buf->size)
        return 0;
    size = MAX(buf->size * 2, (size_t)BUF_SIZE_FIRST);
    size = MAX(size, buf->len + more + 1);
    data = realloc(buf->data, size);
    if (!data)
        return buf->error = -ENOMEM;
    buf->data = data;
    buf->size = size;
    buf->data[buf->len] = '\0';
    return 0;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    assert(buf);
    assert(data || len == 0);

    if (reserve(buf, len) < 0)
        return;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    int needed;

    assert(buf);

    if (buf->error)
        return;
    va_start(args, format);
    needed = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (needed < 0) {
        buf->error = -ENOMEM;
        return;
    }
    if (reserve(buf, (size_t)needed) < 0)
        return;
    va_start(args, format);
    vsnprintf(buf->data + buf->len, (size_t)needed + 1, format, args);
    va_end(args);
    buf->len += (size_t)needed;
}

void buf_consume(struct buf *buf, size_t len)
{
    assert(buf);
    assert(len <= buf->len);

    if (len == 0)
        return;
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
    buf->data[buf->len] = '\0';
}

char *buf_steal(struct buf *buf)
{
    char *data;

    assert(buf);

    if (!buf->error && !buf->data)
        buf_append(buf, "", 0);
    if (buf->error) {
        buf_free(buf);
        return NULL;
    }
    data = TAKE_PTR(buf->data);
    buf->len = buf->size = 0;
    return data;
}

void buf_free(struct buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    *buf = BUF_INIT(buf->max);
}
