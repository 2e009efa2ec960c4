/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "macros.h"

/*
 * A growing byte buffer with a maximum and a sticky error: append as often as needed, look at
 * `error` once. `data` is NUL-terminated whenever it is not NULL; the NUL is not counted.
 */
struct buf {
    char *data;
    size_t len, size, max;
    int error; /* 0, -ENOMEM or -ENOSPC (maximum reached) */
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})
#define _cleanup_buf_ _cleanup_(buf_free)

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) _printf_(2, 3);
void buf_consume(struct buf *buf, size_t len); /* drop bytes at the front */
char *buf_steal(struct buf *buf);              /* owned by the caller; NULL when error is set */
void buf_free(struct buf *buf);
