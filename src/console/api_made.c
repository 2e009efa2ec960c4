/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that are made for the answer and not stored: filter, order, pages and X-Fields as of all
 * others. They are short: at one go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/objects_internal.h"

struct made_row {
    json_t *object; /* of the list */
    size_t at;      /* where it was: rows that are equal stay in order */
};

static int compare_made(const void *a, const void *b, void *context)
{
    const struct made_row *left = a, *right = b;
    const struct api_query *query = context;

    for (size_t i = 0; i < query->n_order; i++) {
        bool descending = query->order[i][0] == '-';
        const char *name = query->order[i] + descending;
        int r = object_values_compare(json_object_get(left->object, name),
                                      json_object_get(right->object, name));

        if (r != 0)
            return descending ? -r : r;
    }
    return (left->at > right->at) - (left->at < right->at);
}

/* Those that the filter wants, in order. */
static size_t made_choose(const struct api_query *query, const json_t *all, struct made_row *rows)
{
    size_t n = 0, i;
    json_t *object;

    json_array_foreach(all, i,
                       object) if (!query->filter || filter_matches_json(query->filter, object))
        rows[n++] = (struct made_row){.object = object, .at = i};
    qsort_r(rows, n, sizeof(*rows), compare_made, (void *)query);
    return n;
}

/* Where the page begins, and how many are on it. Many of these objects have no ID: their cursor is
 * a place in the list, written like one. */
static void made_page(const struct api_query *query, size_t n_rows, size_t *ret_from, size_t *ret_n)
{
    size_t from = 0, size = query->cursor ? query->limit : query->pagesize;

    if (query->paged && query->page > 1)
        from = (query->page - 1) * size; /* both of 32 bits */
    if (query->after)
        from = strtoull(query->after, NULL, 16);
    from = MIN(from, n_rows);
    *ret_from = from;
    *ret_n = size ? MIN(size, n_rows - from) : n_rows - from;
}

static json_t *only_fields(const json_t *object, char *const *fields)
{
    json_t *shown = json_object();

    for (; *fields; fields++) {
        json_t *value = json_object_get(object, *fields);

        if (value)
            json_object_set(shown, *fields, value);
    }
    return shown;
}

void api_answer_made(struct api_call *call, int status, json_t *all)
{
    const struct api_query *query = &api_private(call)->query;
    struct made_row *rows = calloc(json_array_size(all) + 1, sizeof(*rows));
    struct api_error error = {0};
    json_t *page = json_array();
    char next[SCHEMA_ID_LEN + 1];
    size_t n_rows, from, n;

    if (!rows || !page) {
        free(rows);
        json_decref(page);
        json_decref(all);
        api_error_result(&error, -ENOMEM, call->kind->name);
        api_fail(call, &error, NULL);
        return;
    }
    n_rows = made_choose(query, all, rows);
    made_page(query, n_rows, &from, &n);
    for (size_t i = from; i < from + n; i++)
        json_array_append_new(page, call->request->fields
                                        ? only_fields(rows[i].object, call->request->fields)
                                        : json_incref(rows[i].object));
    free(rows);
    json_decref(all);
    snprintf(next, sizeof(next), "%0*zx", SCHEMA_ID_LEN, from + n);
    api_answer_list(call, status, page, n_rows, query->cursor && from + n < n_rows ? next : NULL);
}
