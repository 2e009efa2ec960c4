/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lists. Where the candidates come from, cheapest first:
 *   required tags   `normalizedTags contains ["t"]`, `name ==`, `namespace ==`, `ID ==` joined by
 *                   `and`: the shortest list of objects with one of the tags
 *   any of          the same kind of conditions joined by `or`
 *   the namespace   the objects of the kind in it, or of the whole kind
 * What the conditions above do not decide alone is decided by filter_matches() on each candidate.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/loop.h"
#include "console/objects_internal.h"

#define REQUIRED_MAX 16
#define ANY_MAX 256
#define FILTER_NS_MAX 2000000000ull /* of one list, for the filter */
#define TIME_EVERY 16               /* objects, then the clock is asked */

struct plan {
    char *required[REQUIRED_MAX], *any[ANY_MAX]; /* tags */
    size_t n_required, n_any;
    bool residual; /* the filter must be asked as well */
};

static void plan_clear(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_required; i++)
        free(plan->required[i]);
    for (size_t i = 0; i < plan->n_any; i++)
        free(plan->any[i]);
}

struct search {
    const struct objects *objects;
    const struct objects_query *query;
    const struct kind_table *table;
    struct plan plan;
    struct object_entry **found;
    size_t n, size;
    bool sorted; /* found in order of ID */
    int error;
    uint64_t until_ns, asked; /* when the filter has had its time; of how many it was asked */
};

/* ---- What a filter asks for --------------------------------------------------------------- */

/*
 * The tag that every object has that meets the condition; NULL when there is no such tag.
 * *ret_exact: having it is enough.
 */
static char *tag_of(const struct filter_node *node, const struct schema_kind *kind, bool *ret_exact)
{
    const char *text = json_string_value(node->value), *key = NULL;
    char *tag = NULL;

    if (!(kind->mixins & SCHEMA_BASE))
        return NULL;
    *ret_exact = true;
    if (node->op == FILTER_CONTAINS &&
        (strcmp(node->key, "associatedTags") == 0 || strcmp(node->key, "metadata") == 0))
        *ret_exact = false;
    if (node->op == FILTER_CONTAINS && (!*ret_exact || strcmp(node->key, "normalizedTags") == 0)) {
        if (json_is_array(node->value) && json_array_size(node->value) == 1)
            text = json_string_value(json_array_get(node->value, 0));
        return text ? strdup(text) : NULL;
    }
    if (node->op != FILTER_EQUAL || !text)
        return NULL;
    if (strcmp(node->key, "name") == 0)
        key = "$name";
    else if (strcmp(node->key, "namespace") == 0)
        key = "$namespace";
    else if (strcmp(node->key, "ID") == 0)
        key = "$id";
    if (!key || asprintf(&tag, "%s=%s", key, text) < 0)
        return NULL;
    if (tag_problem(tag)) { /* such a name has no tag: look at all */
        free(tag);
        return NULL;
    }
    return tag;
}

// NOLINTNEXTLINE(misc-no-recursion): FILTER_DEPTH_MAX
static void plan_all(struct plan *plan, const struct filter_node *node,
                     const struct schema_kind *kind)
{
    bool exact = false;
    char *tag;

    if (node->op == FILTER_AND) {
        plan_all(plan, node->left, kind);
        plan_all(plan, node->right, kind);
        return;
    }
    tag = plan->n_required < REQUIRED_MAX ? tag_of(node, kind, &exact) : NULL;
    if (tag)
        plan->required[plan->n_required++] = tag;
    plan->residual |= !tag || !exact;
}

/* @return false when a part of it has no tag */
// NOLINTNEXTLINE(misc-no-recursion): FILTER_DEPTH_MAX
static bool plan_any(struct plan *plan, const struct filter_node *node,
                     const struct schema_kind *kind)
{
    bool exact;
    char *tag;

    if (node->op == FILTER_OR)
        return plan_any(plan, node->left, kind) && plan_any(plan, node->right, kind);
    tag = plan->n_any < ANY_MAX ? tag_of(node, kind, &exact) : NULL;
    if (tag)
        plan->any[plan->n_any++] = tag;
    return tag != NULL;
}

static void plan_make(struct plan *plan, const struct filter *filter,
                      const struct schema_kind *kind)
{
    const struct filter_node *root = filter ? filter_root(filter) : NULL;

    if (!root)
        return;
    if (root->op != FILTER_OR) {
        plan_all(plan, root, kind);
        return;
    }
    plan->residual = true;
    if (plan_any(plan, root, kind))
        return;
    while (plan->n_any)
        free(plan->any[--plan->n_any]);
}

/* ---- Candidates --------------------------------------------------------------------------- */

static const json_t *get(void *context, const char *key, json_t **ret_owned)
{
    return object_value(context, key, ret_owned);
}

static bool in_reach(const struct search *search, const struct object_entry *entry)
{
    const struct space *space = search->query->space, *at;

    if (entry->public.space == space)
        return true;
    if (search->query->recursive)
        for (at = entry->public.space; at; at = at->parent)
            if (at == space)
                return true;
    if (search->query->propagated && entry->propagate)
        for (at = space->parent; at; at = at->parent)
            if (at == entry->public.space)
                return true;
    return false;
}

/* An interned tag is at one address, so there is nothing to compare but pointers. */
static bool has_tag(const struct object_entry *entry, const struct tag_record *record)
{
    for (size_t i = 0; i < entry->public.tags.n; i++)
        if (entry->tags[i] == record->text)
            return true;
    return false;
}

/* Regular expressions take as long as they like, and everybody waits for the loop. */
static bool has_time(struct search *search)
{
    if (++search->asked % TIME_EVERY != 0)
        return true;
    if (search->until_ns == 0)
        search->until_ns = uv_hrtime() + FILTER_NS_MAX;
    if (uv_hrtime() < search->until_ns)
        return true;
    search->error = -ETIME;
    return false;
}

static void offer(struct search *search, struct object_entry *entry,
                  const struct tag_record *const *required, size_t n_required)
{
    const struct objects_query *query = search->query;

    if (!entry->linked || entry->table != search->table || (entry->archived && !query->archived))
        return;
    for (size_t i = 0; i < n_required; i++)
        if (!has_tag(entry, required[i]))
            return;
    if (!in_reach(search, entry))
        return;
    if (search->plan.residual &&
        (!has_time(search) || !filter_matches(query->filter, get, &entry->public)))
        return;
    if (search->n == search->size) {
        size_t size = search->size ? search->size * 2 : 64;
        struct object_entry **more = reallocarray(search->found, size, sizeof(*more));

        if (!more) {
            search->error = -ENOMEM;
            return;
        }
        search->found = more;
        search->size = size;
    }
    search->found[search->n++] = entry;
}

static void offer_list(struct search *search, const struct id_list *list,
                       const struct tag_record *const *required, size_t n_required)
{
    for (size_t i = 0; list && i < list->n && !search->error; i++)
        offer(search, list->items[i], required, n_required);
}

/* The next of a subtree, depth first without recursion; NULL after the last. */
static const struct space *next_space(const struct space *top, const struct space *at)
{
    if (at->first_child)
        return at->first_child;
    for (; at && at != top; at = at->parent)
        if (at->next_sibling)
            return at->next_sibling;
    return NULL;
}

static const struct id_list *bucket_of(const struct search *search, const struct space *space)
{
    return space_bucket_find((const struct space_entry *)(const void *)space, search->table);
}

/* Is more than a quarter of the kind in this subtree? */
static bool is_most(const struct search *search, const struct space *top)
{
    size_t n = 0, limit = search->table->all.n / 4;

    for (const struct space *at = top; at && n <= limit; at = next_space(top, at)) {
        const struct id_list *list = bucket_of(search, at);

        n += list ? list->n : 0;
    }
    return n > limit;
}

static void offer_spaces(struct search *search, const struct tag_record *const *required,
                         size_t n_required)
{
    const struct objects_query *query = search->query;
    const struct space *top = query->space;

    id_list_sort((struct id_list *)&search->table->all);
    search->sorted = true;
    if (query->recursive && (!top->parent || is_most(search, top))) {
        offer_list(search, &search->table->all, required, n_required);
        return;
    }
    search->sorted = !query->recursive && !query->propagated;
    if (query->propagated)
        for (const struct space *at = top->parent; at; at = at->parent)
            offer_list(search, bucket_of(search, at), required, n_required);
    offer_list(search, bucket_of(search, top), required, n_required);
    for (const struct space *at = query->recursive ? next_space(top, top) : NULL; at;
         at = next_space(top, at))
        offer_list(search, bucket_of(search, at), required, n_required);
}

/* Sort by ID, keep each once. */
static void settle(struct search *search)
{
    size_t n = 0;

    if (!search->sorted && search->n > 0)
        qsort(search->found, search->n, sizeof(*search->found), object_entry_compare);
    for (size_t i = 0; i < search->n; i++)
        if (n == 0 || search->found[n - 1] != search->found[i])
            search->found[n++] = search->found[i];
    search->n = n;
    search->sorted = true;
}

/* By tags when that is less work than going through the namespace. */
static bool offer_by_required(struct search *search)
{
    const struct tag_record *records[REQUIRED_MAX], *best = NULL;

    if (!search->plan.n_required)
        return false;
    for (size_t i = 0; i < search->plan.n_required; i++) {
        records[i] = tag_table_find(&search->objects->tags, search->plan.required[i]);
        if (!records[i])
            return true; /* nobody has this tag */
        if (!best || records[i]->n < best->n)
            best = records[i];
    }
    if (best->n > search->table->all.n / 4 + 64) {
        offer_spaces(search, records, search->plan.n_required);
        return true;
    }
    for (uint32_t i = 0; i < best->n && !search->error; i++)
        offer(search, best->members[i].entry, records, search->plan.n_required);
    return true;
}

static bool offer_by_any(struct search *search)
{
    size_t total = 0;

    for (size_t i = 0; i < search->plan.n_any; i++) {
        const struct tag_record *record =
            tag_table_find(&search->objects->tags, search->plan.any[i]);

        total += record ? record->n : 0;
    }
    if (!search->plan.n_any || total > search->table->all.n / 4 + 64)
        return false;
    for (size_t i = 0; i < search->plan.n_any; i++) {
        const struct tag_record *record =
            tag_table_find(&search->objects->tags, search->plan.any[i]);

        for (uint32_t j = 0; record && j < record->n && !search->error; j++)
            offer(search, record->members[j].entry, NULL, 0);
    }
    return true;
}

/* ---- Order -------------------------------------------------------------------------------- */

struct sort_row {
    struct object_entry *entry;
    json_t *keys[OBJECTS_ORDER_MAX];
};

struct sort_order {
    size_t n;
    bool descending[OBJECTS_ORDER_MAX];
};

static int compare_json(const json_t *a, const json_t *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    if (json_is_string(a) && json_is_string(b))
        return strcmp(json_string_value(a), json_string_value(b));
    if (json_is_number(a) && json_is_number(b))
        return (json_number_value(a) > json_number_value(b)) -
               (json_number_value(a) < json_number_value(b));
    return (int)json_typeof(a) - (int)json_typeof(b);
}

static int compare_rows(const void *a, const void *b, void *context)
{
    const struct sort_row *left = a, *right = b;
    const struct sort_order *order = context;

    for (size_t i = 0; i < order->n; i++) {
        int r = compare_json(left->keys[i], right->keys[i]);

        if (r != 0)
            return order->descending[i] ? -r : r;
    }
    return object_entry_compare(&left->entry, &right->entry);
}

static int order(struct search *search)
{
    struct sort_order order = {0};
    struct sort_row *rows;

    while (search->query->order[order.n]) {
        if (order.n == OBJECTS_ORDER_MAX)
            return -BULKHEAD_ETOOMANY;
        order.descending[order.n] = search->query->order[order.n][0] == '-';
        order.n++;
    }
    rows = calloc(search->n + 1, sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    for (size_t i = 0; i < search->n; i++) {
        rows[i].entry = search->found[i];
        for (size_t j = 0; j < order.n; j++)
            object_value(&search->found[i]->public, search->query->order[j] + order.descending[j],
                         &rows[i].keys[j]);
    }
    qsort_r(rows, search->n, sizeof(*rows), compare_rows, &order);
    for (size_t i = 0; i < search->n; i++) {
        search->found[i] = rows[i].entry;
        for (size_t j = 0; j < order.n; j++)
            json_decref(rows[i].keys[j]);
    }
    free(rows);
    return 0;
}

/* ---- Lists -------------------------------------------------------------------------------- */

/* Without conditions a page is a piece of a list that is there already. */
static const struct id_list *whole_list(const struct search *search)
{
    static const struct id_list none = {0};
    const struct objects_query *query = search->query;
    const struct id_list *list;

    if (query->filter || query->order || (query->propagated && query->space->parent) ||
        (query->recursive && query->space->parent))
        return NULL;
    id_list_sort((struct id_list *)&search->table->all);
    list = query->recursive ? &search->table->all : bucket_of(search, query->space);
    if (!list)
        return &none;
    return query->archived || list->n_archived == 0 ? list : NULL;
}

static void visit_page(const struct objects_query *query, struct object_entry *const *items,
                       size_t n, bool (*visit)(void *context, const struct object *object),
                       void *context)
{
    size_t end =
        query->limit && query->limit < n - MIN(query->offset, n) ? query->offset + query->limit : n;

    for (size_t i = query->offset; i < end; i++)
        if (!visit(context, &items[i]->public))
            return;
}

/* @return -ESTALE when the object to go on after is not in an ordered list any more */
static int visit_after(const struct search *search, const struct id_list *list,
                       bool (*visit)(void *context, const struct object *object), void *context)
{
    struct objects_query page = *search->query;

    if (page.after && page.order) {
        while (page.offset < list->n &&
               strcmp(list->items[page.offset]->public.id, page.after) != 0)
            page.offset++;
        if (page.offset++ == list->n)
            return -ESTALE;
    } else if (page.after) {
        page.offset += id_list_after(list, page.after);
    }
    visit_page(&page, list->items, list->n, visit, context);
    return 0;
}

int objects_list(const struct objects *objects, const struct objects_query *query,
                 bool (*visit)(void *context, const struct object *object), void *context,
                 uint64_t *ret_total)
{
    struct search search = {.objects = objects, .query = query};
    const struct id_list *whole;
    struct id_list list;
    int r = 0;

    assert(query->kind && query->space);

    *ret_total = 0;
    search.table = objects_table(objects, query->kind->name);
    if (!search.table)
        return -ENOENT;
    whole = whole_list(&search);
    if (whole) {
        *ret_total = whole->n;
        return visit_after(&search, whole, visit, context);
    }
    plan_make(&search.plan, query->filter, query->kind);
    if (!offer_by_required(&search) && !offer_by_any(&search))
        offer_spaces(&search, NULL, 0);
    settle(&search);
    if (query->order && !search.error)
        r = order(&search);
    if (r == 0)
        r = search.error;
    if (r == 0) {
        *ret_total = search.n;
        list = (struct id_list){.items = search.found, .n = search.n};
        r = visit_after(&search, &list, visit, context);
    }
    plan_clear(&search.plan);
    free(search.found);
    return r;
}

void objects_by_tags(const struct objects *objects, const struct schema_kind *kind,
                     const struct tag_set *clause,
                     bool (*visit)(void *context, const struct object *object), void *context)
{
    const struct tag_record *best = NULL;

    for (size_t i = 0; i < clause->n; i++) {
        const struct tag_record *record = tag_table_find(&objects->tags, clause->tags[i]);

        if (!record)
            return;
        if (!best || record->n < best->n)
            best = record;
    }
    for (uint32_t i = 0; best && i < best->n; i++) {
        const struct object_entry *entry = best->members[i].entry;

        if (entry->linked && entry->public.kind == kind &&
            tag_set_has_all(&entry->public.tags, clause) && !visit(context, &entry->public))
            return;
    }
}

void objects_in_space(const struct objects *objects, const struct space *space,
                      const struct schema_kind *kind,
                      bool (*visit)(void *context, const struct object *object), void *context)
{
    const struct id_list *list = space_bucket_find((const struct space_entry *)(const void *)space,
                                                   objects_table(objects, kind->name));

    for (size_t i = 0; list && i < list->n; i++)
        if (!visit(context, &list->items[i]->public))
            return;
}

void objects_tags_visit(const struct objects *objects,
                        bool (*visit)(void *context, const struct objects_tag *tag), void *context)
{
    for (size_t i = 0; i < objects->tags.n_heads; i++) {
        for (const struct tag_record *at = objects->tags.heads[i]; at; at = at->next) {
            const struct objects_tag tag = {at->text, at->n, at};

            if (!visit(context, &tag))
                return;
        }
    }
}

const struct object *objects_tag_member(const struct objects_tag *tag, size_t i)
{
    const struct tag_record *record = tag->private_data;

    return &record->members[i].entry->public;
}
