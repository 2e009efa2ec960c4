/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between the parser and the evaluator of filters. Private to schema. */

#include <regex.h>

#include "schema/filter.h"

struct filter_item {
    struct filter_node node; /* first, so that a node is its item */
    char *key;
    json_t *value;
    regex_t *patterns; /* FILTER_MATCHES */
    size_t n_patterns;
};

struct filter {
    struct filter_item **items;
    size_t n, size, n_patterns;
    const struct filter_node *root;
};

static inline const struct filter_item *filter_item_of(const struct filter_node *node)
{
    return (const struct filter_item *)node;
}

/* Compile the values of a matches node. False: `problem` says what was expected. */
bool filter_compile(struct filter *filter, struct filter_item *item, struct buf *problem);
