/* SPDX-License-Identifier: Apache-2.0 */

/* What was chosen, in the order that is wanted, each object once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/objects_read.h"

int object_values_compare(const json_t *a, const json_t *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    if (json_is_string(a) && json_is_string(b))
        return strcmp(json_string_value(a), json_string_value(b));
    if (json_is_number(a) && json_is_number(b))
        return (json_number_value(a) > json_number_value(b)) -
               (json_number_value(a) < json_number_value(b));
    if (json_is_boolean(a) && json_is_boolean(b))
        return json_is_true(a) - json_is_true(b);
    return (int)json_typeof(a) - (int)json_typeof(b);
}

static int compare_rows(const void *a, const void *b, void *context)
{
    const struct order_row *left = a, *right = b;
    const struct part *part = context;

    for (size_t i = 0; i < part->n_order; i++) {
        int r = object_values_compare(left->keys[i], right->keys[i]);

        if (r != 0)
            return part->descending[i] ? -r : r;
    }
    return object_entry_compare(&left->entry, &right->entry);
}

int part_order_begin(struct part *part)
{
    while (part->query.order && part->query.order[part->n_order]) {
        if (part->n_order == OBJECTS_ORDER_MAX)
            return -BULKHEAD_ETOOMANY;
        part->descending[part->n_order] = part->query.order[part->n_order][0] == '-';
        part->n_order++;
    }
    if (part->sorted && !part->n_order)
        return 1;
    part->rows = calloc(part->n + 1, sizeof(*part->rows));
    part->keys = part->n_order ? calloc(part->n + 1, part->n_order * sizeof(*part->keys)) : NULL;
    part->n_rows = part->n;
    part->next = 0;
    return part->rows && (part->keys || !part->n_order) ? 0 : -ENOMEM;
}

int part_keys(struct part *part)
{
    struct order_row *row;
    int r;

    if (part->next < part->n) {
        row = &part->rows[part->next];
        row->entry = part->found[part->next];
        row->keys = part->keys ? part->keys + part->next * part->n_order : NULL;
        for (size_t i = 0; i < part->n_order; i++)
            part_value(part, &row->entry->public, part->query.order[i] + part->descending[i],
                       &row->keys[i]);
        part->next++;
        return 0;
    }
    r = sorting_begin(&part->sorting, part->rows, part->n, sizeof(*part->rows), compare_rows, part);
    part->rows = NULL; /* the sorting's */
    part->next = part->kept = 0;
    return r < 0 ? r : 1;
}

/* The same object, found by two tags, is twice in a row. */
int part_settle(struct part *part)
{
    const struct order_row *row = (const struct order_row *)(const void *)part->sorting.items;

    if (part->next == part->n) {
        part->n = part->kept;
        part_order_clear(part);
        return 1;
    }
    row += part->next++;
    for (size_t i = 0; i < part->n_order; i++) {
        json_decref(row->keys[i]);
        row->keys[i] = NULL;
    }
    if (part->kept && part->found[part->kept - 1] == row->entry)
        return 0;
    part->found[part->kept++] = row->entry;
    if (part->query.after && !part->after_found &&
        strcmp(row->entry->public.id, part->query.after) == 0) {
        part->after_found = true;
        part->first = part->kept;
    }
    return 0;
}

void part_order_clear(struct part *part)
{
    for (size_t i = 0; part->keys && i < part->n_rows * part->n_order; i++)
        json_decref(part->keys[i]);
    free(part->keys);
    free(part->rows);
    part->keys = NULL;
    part->rows = NULL;
    sorting_clear(&part->sorting);
}
