/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bodies in chunks (RFC 9112 7.1). Pure. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define HTTP_CHUNK_LINE_MAX 256     /* size and extensions */
#define HTTP_CHUNK_TRAILER_MAX 4096 /* all trailers; they are not looked at */

struct http_chunk {
    enum {
        HTTP_CHUNK_SIZE,
        HTTP_CHUNK_EXTENSION,
        HTTP_CHUNK_SIZE_LF,
        HTTP_CHUNK_DATA,
        HTTP_CHUNK_DATA_CR,
        HTTP_CHUNK_DATA_LF,
        HTTP_CHUNK_TRAILER_START,
        HTTP_CHUNK_TRAILER,
        HTTP_CHUNK_TRAILER_LF,
        HTTP_CHUNK_END_LF,
    } state;
    uint64_t left;
    unsigned digits, line, trailer;
};

/*
 * @param chunk     zeroed at first
 * @param body      what is inside is appended; its maximum is that of the body
 * @param ret_used  bytes of `data` that are done with
 * @return 1 the body is complete; 0 more is needed; -EINVAL; -ENOSPC body too large; -ENOMEM
 */
int http_chunk_feed(struct http_chunk *chunk, const char *data, size_t len, struct buf *body,
                    size_t *ret_used);
