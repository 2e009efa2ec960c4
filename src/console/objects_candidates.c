/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where the candidates of a list come from, cheapest first:
 *   a page of a list that is there already, when there are no conditions
 *   clauses        for each, the shortest list of objects with one of its tags
 *   required tags   the shortest list of objects with one of the tags
 *   any of          the lists of all of them
 *   the namespace   the objects of the kind in it, or of the whole kind
 * Only pointers are copied, without looking at what they point to: this is the part of a list that
 * is done at one go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "console/objects_read.h"

static int make_room(struct part *part, size_t more)
{
    size_t size = MAX(part->size * 2, part->n + more);
    struct object_entry **found;

    if (part->n + more <= part->size)
        return 0;
    found = reallocarray(part->found, size, sizeof(*found));
    if (!found)
        return -ENOMEM;
    part->found = found;
    part->size = size;
    return 0;
}

static int take(struct part *part, struct object_entry *const *items, size_t n)
{
    int r = make_room(part, n);

    if (r < 0 || n == 0)
        return r;
    memcpy(part->found + part->n, items, n * sizeof(*items));
    part->n += n;
    return 0;
}

static int take_list(struct part *part, const struct id_list *list)
{
    return list ? take(part, list->items, list->n) : 0;
}

/* Objects that have changed since may still be among those with a tag. */
static int take_members(struct part *part, const struct tag_record *record)
{
    int r = make_room(part, record->n);

    for (uint32_t i = 0; r == 0 && i < record->n; i++)
        if (record->members[i].entry->linked)
            part->found[part->n++] = record->members[i].entry;
    return r;
}

/* ---- Namespaces ---------------------------------------------------------------------------- */

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

static const struct id_list *bucket_of(const struct part *part, const struct space *space)
{
    return space_bucket_find((const struct space_entry *)(const void *)space, part->table);
}

/* Is more than a quarter of the kind in this subtree? */
static bool is_most(const struct part *part, const struct space *top)
{
    size_t n = 0, limit = part->table->all.n / 4;

    for (const struct space *at = top; at && n <= limit; at = next_space(top, at)) {
        const struct id_list *list = bucket_of(part, at);

        n += list ? list->n : 0;
    }
    return n > limit;
}

static int gather_spaces(struct part *part)
{
    const struct objects_query *query = &part->query;
    const struct space *top = query->space;
    int r = 0;

    id_list_sort((struct id_list *)&part->table->all);
    part->sorted = true;
    if (!top || (query->recursive && (!top->parent || is_most(part, top))))
        return take_list(part, &part->table->all);
    part->sorted = !query->recursive && !query->propagated;
    if (query->propagated)
        for (const struct space *at = top->parent; r == 0 && at; at = at->parent)
            r = take_list(part, bucket_of(part, at));
    if (r == 0)
        r = take_list(part, bucket_of(part, top));
    for (const struct space *at = query->recursive ? next_space(top, top) : NULL; r == 0 && at;
         at = next_space(top, at))
        r = take_list(part, bucket_of(part, at));
    return r;
}

/* ---- Tags ---------------------------------------------------------------------------------- */

/* More work than going through the namespace? */
static bool is_long(const struct part *part, size_t n)
{
    return n > part->table->all.n / 4 + 64;
}

static int gather_required(const struct objects *objects, struct part *part)
{
    const struct tag_record *best = NULL;

    for (size_t i = 0; i < part->plan.n_required; i++) {
        const struct tag_record *record = tag_table_find(&objects->tags, part->plan.required[i]);

        if (!record)
            return 0; /* nobody has this tag */
        part->required[i] = record->text;
        if (!best || record->n < best->n)
            best = record;
    }
    return !best || is_long(part, best->n) ? gather_spaces(part) : take_members(part, best);
}

static int gather_any(const struct objects *objects, struct part *part)
{
    const struct tag_record *records[PLAN_ANY_MAX] = {0};
    size_t total = 0;
    int r = 0;

    for (size_t i = 0; i < part->plan.n_any; i++) {
        records[i] = tag_table_find(&objects->tags, part->plan.any[i]);
        total += records[i] ? records[i]->n : 0;
    }
    if (is_long(part, total))
        return gather_spaces(part);
    for (size_t i = 0; r == 0 && i < part->plan.n_any; i++)
        if (records[i])
            r = take_members(part, records[i]);
    return r;
}

/* The clauses of one query may find an object more than once. */
static int gather_clauses(const struct objects *objects, struct part *part)
{
    int r = 0;

    part->plan.residual = part->query.filter != NULL;
    for (size_t i = 0; r == 0 && i < part->query.n_clauses; i++) {
        const struct tag_set *clause = &part->query.clauses[i];
        const struct tag_record *best = NULL;

        for (size_t j = 0; j < clause->n; j++) {
            const struct tag_record *record = tag_table_find(&objects->tags, clause->tags[j]);

            if (!record) {
                best = NULL;
                break;
            }
            if (!best || record->n < best->n)
                best = record;
        }
        if (best)
            r = take_members(part, best);
    }
    return r;
}

/* ---- All of it ----------------------------------------------------------------------------- */

/* Without conditions a page is a piece of a list that is there already; NULL: it is not. */
static const struct id_list *whole_list(const struct part *part)
{
    static const struct id_list none = {0};
    const struct objects_query *query = &part->query;
    const struct id_list *list;

    if (query->filter || query->order || query->accept || !query->space ||
        (query->propagated && query->space->parent) || (query->recursive && query->space->parent))
        return NULL;
    id_list_sort((struct id_list *)&part->table->all);
    list = query->recursive ? &part->table->all : bucket_of(part, query->space);
    if (!list)
        return &none;
    return query->archived || list->n_archived == 0 ? list : NULL;
}

static int gather_page(struct part *part, const struct id_list *list)
{
    const struct objects_query *query = &part->query;
    size_t first = query->offset + (query->after ? id_list_after(list, query->after) : 0), n;

    first = MIN(first, list->n);
    n = query->limit ? MIN(query->limit, list->n - first) : list->n - first;
    part->total = list->n;
    part->end = n;
    part->phase = PART_PAGE;
    return take(part, list->items + first, n);
}

int part_gather(const struct objects *objects, struct part *part)
{
    const struct id_list *whole;

    if (part->query.clauses)
        return gather_clauses(objects, part);
    whole = whole_list(part);
    if (whole)
        return gather_page(part, whole);
    plan_make(&part->plan, part->query.filter, part->query.kind);
    if (part->plan.n_required)
        return gather_required(objects, part);
    return part->plan.n_any ? gather_any(objects, part) : gather_spaces(part);
}

/* ---- One candidate ------------------------------------------------------------------------- */

static bool in_reach(const struct part *part, const struct object_entry *entry)
{
    const struct space *space = part->query.space, *at;

    if (!space || entry->public.space == space)
        return true;
    if (part->query.recursive)
        for (at = entry->public.space; at; at = at->parent)
            if (at == space)
                return true;
    if (part->query.propagated && entry->propagate)
        for (at = space->parent; at; at = at->parent)
            if (at == entry->public.space)
                return true;
    return false;
}

/* An interned tag is at one address as long as an object has it, and candidates keep theirs. */
static bool has_tag(const struct object_entry *entry, const char *tag)
{
    for (size_t i = 0; i < entry->public.tags.n; i++)
        if (entry->tags[i] == tag)
            return true;
    return false;
}

static bool in_clauses(const struct part *part, const struct object_entry *entry)
{
    for (size_t i = 0; i < part->query.n_clauses; i++)
        if (part->query.clauses[i].n &&
            tag_set_has_all(&entry->public.tags, &part->query.clauses[i]))
            return true;
    return false;
}

bool part_wants(const struct part *part, const struct object_entry *entry)
{
    if (entry->table != part->table || (entry->archived && !part->query.archived))
        return false;
    for (size_t i = 0; i < part->plan.n_required; i++)
        if (!has_tag(entry, part->required[i]))
            return false;
    if (part->query.clauses && !in_clauses(part, entry))
        return false;
    return in_reach(part, entry);
}
