/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The filter language of `q=` (product reference 4.2): key OP value, joined by `and` and `or` of
 * EQUAL precedence, left-associative: `a or b and c` is `(a or b) and c`. Pure.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define FILTER_BYTES_MAX 65536
#define FILTER_NODES_MAX 4096
#define FILTER_DEPTH_MAX 64
#define FILTER_PATTERN_MAX 512 /* bytes of a regular expression */
#define FILTER_PATTERNS_MAX 32
/* The C library's matcher takes a time that grows with the square of the text for some patterns: 2
 * ms for one of this length, 7 s for one of 64 KiB. So a longer one fits no pattern. */
#define FILTER_FIT_BYTES_MAX 1024

enum filter_op {
    FILTER_EQUAL,
    FILTER_NOT_EQUAL,
    FILTER_LESS,
    FILTER_LESS_EQUAL,
    FILTER_GREATER,
    FILTER_GREATER_EQUAL,
    FILTER_CONTAINS,
    FILTER_NOT_CONTAINS,
    FILTER_IN,
    FILTER_NOT_IN,
    FILTER_MATCHES, /* list of POSIX extended regular expressions, any of them */
    FILTER_EXISTS,
    FILTER_NOT_EXISTS,
    FILTER_AND,
    FILTER_OR,
};

struct filter_node {
    enum filter_op op;
    const struct filter_node *left, *right; /* AND, OR */
    const char *key;                        /* the others */
    const json_t *value; /* scalar; a list for contains, in, matches; NULL for exists */
    bool is_time;        /* value is milliseconds since the epoch */
};
struct filter; /* owns its nodes */

/*
 * @param now_ms  what now() means
 * @param problem where and what was expected: "column 12: found 'foo', expected an operator …"
 * @return 0, -EINVAL, -BULKHEAD_ETOOMANY, -ENOMEM
 */
int filter_parse(const char *text, int64_t now_ms, struct buf *problem, struct filter **ret);
void filter_free(struct filter **filter);
const struct filter_node *filter_root(const struct filter *filter);
/*
 * What an operator means (docs/user/filters.md): an attribute that is a list is equal to each of
 * its elements; contains and in are true for any of their values; an attribute that is missing or
 * null is equal to nothing but false. Each negative operator is true exactly when its positive one
 * is not. exists: neither missing, null, "", [] nor {}. Times compare as times.
 *
 * Value of a key of the object under test: borrowed or new reference in *ret_owned (may stay NULL).
 * NULL: the object has no such attribute.
 */
typedef const json_t *filter_get_fn(void *context, const char *key, json_t **ret_owned);
bool filter_matches(const struct filter *filter, filter_get_fn *get, void *context);
bool filter_matches_json(const struct filter *filter, const json_t *object);
/* Every key, once, so that unknown attributes can be refused; `visit` returns false to stop. */
bool filter_keys(const struct filter *filter, bool (*visit)(void *context, const char *key),
                 void *context);
#define _cleanup_filter_ _cleanup_(filter_free)
