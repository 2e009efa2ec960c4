/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between the files of lists: objects_read.c, objects_candidates.c, objects_order.c. */

#include "console/objects_internal.h"
#include "console/objects_plan.h"
#include "console/sorting.h"

enum part_phase { PART_CHOOSE, PART_KEYS, PART_SORT, PART_SETTLE, PART_PAGE, PART_VISIT, PART_END };

struct order_row {
    struct object_entry *entry;
    json_t **keys; /* n_order of them */
};

/* One query of a read. found[0 .. n) are candidates, then what was chosen, then in order. */
struct part {
    struct objects_query query;
    const struct kind_table *table;
    struct plan plan;
    const char *required[PLAN_REQUIRED_MAX]; /* texts of the tag table: compared, not looked into */
    enum part_phase phase;
    struct object_entry **found;
    size_t n, size;
    bool sorted;       /* found in order of ID, each once */
    size_t next, kept; /* of the present phase */
    size_t n_order;
    bool descending[OBJECTS_ORDER_MAX];
    json_t **keys;
    struct order_row *rows; /* until sorting has them */
    size_t n_rows;
    struct sorting sorting;
    size_t first, end; /* of the page */
    uint64_t total;
    bool after_found;
};

/* For filters and ordering, as filter_get_fn. */
const json_t *part_value(const struct part *part, const struct object *object, const char *key,
                         json_t **ret_owned);

/* objects_candidates.c: everything that may be in the answer, as it is now. */
int part_gather(const struct objects *objects, struct part *part);
/* Is this candidate part of the answer, as far as anything but the filter goes? */
bool part_wants(const struct part *part, const struct object_entry *entry);

/* objects_order.c: each returns 1 when the phase is over, 0 when there is more, < 0. */
int part_order_begin(struct part *part);
int part_keys(struct part *part);   /* of one object */
int part_settle(struct part *part); /* one object */
void part_order_clear(struct part *part);
