/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bodies of requests and answers: JSON and MessagePack, as the same values. Both are read strictly:
 * UTF-8 without NUL, no name twice, nothing behind the value, and limits on depth and number, since
 * memory grows with the number of values, not with the bytes they are written in. Pure.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define ENCODING_DEPTH_MAX 32
#define ENCODING_VALUES_MAX 1000000 /* in one body, names not counted */
#define ENCODING_PROBLEM_MAX 256    /* what a message about a wrong body may need */

enum encoding { ENCODING_JSON, ENCODING_MSGPACK };

/* By Content-Type; nothing said is JSON. -EINVAL: another one (415). */
int encoding_of_content(const char *content_type, enum encoding *ret);
/* By Accept with its weights, the first of equals; nothing said, or anything, is JSON.
 * -EINVAL: neither is wanted (406), and *ret is JSON. */
int encoding_choose(const char *accept, enum encoding *ret);
const char *encoding_content_type(enum encoding encoding);

/*
 * An object or a list, new reference; NULL with `problem` filled in: where and what ("line 3,
 * column 7: …", "byte 12: …"). MessagePack: timestamps (extension -1) become RFC 3339 text in UTC
 * with milliseconds, other extensions and binary data are refused.
 */
json_t *encoding_decode(enum encoding encoding, const void *data, size_t len, char *problem,
                        size_t problem_size);

/* Any value. Errors stick to the buffer. */
void encoding_append(enum encoding encoding, const json_t *value, struct buf *buf);
/* A map or a list whose length is known when it ends. */
struct encoding_open {
    bool is_map;
    size_t at, n;
};
void encoding_begin(enum encoding encoding, bool is_map, struct buf *buf,
                    struct encoding_open *ret);
/* Before each element of a list, or each value of a map; `name`: in maps only. */
void encoding_next(enum encoding encoding, struct encoding_open *open, const char *name,
                   struct buf *buf);
void encoding_end(enum encoding encoding, const struct encoding_open *open, struct buf *buf);
/* A list whose elements are appended one by one; n must be right for MessagePack. */
void encoding_list_begin(enum encoding encoding, size_t n, struct buf *buf);
void encoding_list_next(enum encoding encoding, size_t i, struct buf *buf);
void encoding_list_end(enum encoding encoding, struct buf *buf);
