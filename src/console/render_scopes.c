/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "console/render_internal.h"

/* Sets of entries: parts, which never change, and scopes made of them. */

int items_add(struct items *items, struct render_entry *entry)
{
    int r;

    if (!entry || entry->dead)
        return 0;
    r = vec_reserve(&items->v, &items->size, items->n + 1, sizeof(*items->v));
    if (r < 0)
        return r;
    items->v[items->n++] = (struct render_item){.entry = entry, .version = entry->version};
    return 0;
}

void items_clear(struct items *items)
{
    free(items->v);
    *items = (struct items){0};
}

static int items_append(struct items *items, const struct render_part *part)
{
    int r = vec_reserve(&items->v, &items->size, items->n + part->n + 1, sizeof(*items->v));

    if (r < 0)
        return r;
    for (size_t i = 0; i < part->n; i++)
        items->v[items->n++] = part->items[i];
    return 0;
}

/* Of the versions of one entry the present one comes first. */
static int compare_items(const void *a, const void *b)
{
    const struct render_item *x = a, *y = b;

    if (x->entry != y->entry)
        return (x->entry->id > y->entry->id) - (x->entry->id < y->entry->id);
    return (y->version == y->entry->version) - (x->version == x->entry->version);
}

static bool in_order(const struct items *items)
{
    for (size_t i = 1; i < items->n; i++)
        if (compare_items(&items->v[i - 1], &items->v[i]) > 0)
            return false;
    return true;
}

/* In order, each entry once. */
static void items_settle(struct items *items)
{
    size_t n = 0;

    if (!in_order(items)) /* often it is: rulesets are found in the order in which they were made */
        qsort(items->v, items->n, sizeof(*items->v), compare_items);
    for (size_t i = 0; i < items->n; i++)
        if (n == 0 || items->v[n - 1].entry != items->v[i].entry)
            items->v[n++] = items->v[i];
    items->n = n;
}

/* ---- Parts --------------------------------------------------------------------------------- */

int part_new(struct items *items, struct render_part **ret)
{
    struct render_part *part;

    items_settle(items);
    part = malloc(sizeof(*part) + items->n * sizeof(part->items[0]));
    if (!part)
        return -ENOMEM;
    part->references = 1;
    part->n = items->n;
    for (size_t i = 0; i < items->n; i++) {
        part->items[i] = items->v[i];
        part->items[i].entry->references++;
    }
    *ret = part;
    return 0;
}

void render_part_unref(struct render_part **part)
{
    struct render_part *old = TAKE_PTR(*part);

    if (!old || --old->references > 0)
        return;
    for (size_t i = 0; i < old->n; i++)
        entry_unref(&old->items[i].entry);
    free(old);
}

static const struct render_item *part_find(const struct render_part *part,
                                           const struct render_entry *entry)
{
    size_t low = 0, high = part && entry ? part->n : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (part->items[middle].entry == entry)
            return &part->items[middle];
        if (part->items[middle].entry->id < entry->id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool part_has(const struct render_part *part, const struct render_entry *entry)
{
    return part_find(part, entry) != NULL;
}

bool part_equal(const struct render_part *a, const struct render_part *b)
{
    if (!a || !b || a->n != b->n)
        return a == b;
    for (size_t i = 0; i < a->n; i++)
        if (a->items[i].entry != b->items[i].entry || a->items[i].version != b->items[i].version)
            return false;
    return true;
}

/* ---- Scopes -------------------------------------------------------------------------------- */

int scope_push(struct render_scope *scope, struct render_part *part)
{
    int r;

    if (!part)
        return 0;
    r = vec_reserve(&scope->parts, &scope->size, scope->n + 1, sizeof(struct render_part *));
    if (r < 0)
        return r;
    part->references++;
    scope->parts[scope->n++] = part;
    return 0;
}

void render_scope_clear(struct render_scope *scope)
{
    for (size_t i = 0; i < scope->n; i++)
        render_part_unref(&scope->parts[i]);
    free(scope->parts);
    *scope = (struct render_scope){0};
}

struct render_part *render_scope_whole(const struct render_scope *scope)
{
    _cleanup_items_ struct items items = {0};
    struct render_part *part = NULL;
    int r = 0;

    for (size_t i = 0; i < scope->n && r == 0; i++)
        r = items_append(&items, scope->parts[i]);
    if (r == 0)
        r = part_new(&items, &part);
    return r == 0 ? part : NULL;
}

/* ---- Differences --------------------------------------------------------------------------- */

static int compare_parts(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (struct render_part *const *)a,
              y = (uintptr_t) * (struct render_part *const *)b;

    return (x > y) - (x < y);
}

/* Parts of both, without references. */
struct sides {
    struct pointers before, now, common;
};

static void sides_clear(struct sides *sides)
{
    pointers_free(&sides->before);
    pointers_free(&sides->now);
    pointers_free(&sides->common);
}

static int sorted(const struct render_scope *scope, struct pointers *ret)
{
    int r = 0;

    for (size_t i = 0; i < scope->n && r == 0; i++)
        r = pointers_push(ret, scope->parts[i]);
    if (ret->n > 1)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_parts);
    return r;
}

static bool is_part_of(const struct pointers *sorted_parts, struct render_part *part)
{
    return sorted_parts->n > 0 && bsearch(&part, sorted_parts->v, sorted_parts->n,
                                          sizeof(*sorted_parts->v), compare_parts) != NULL;
}

/* In the order of the scopes: then what stands opposite each other mostly belongs together. */
static int sides_of(const struct render_scope *before, const struct render_scope *now,
                    struct sides *ret)
{
    _cleanup_pointers_ struct pointers all_before = {0};
    _cleanup_pointers_ struct pointers all_now = {0};
    int r = sorted(before, &all_before);

    if (r == 0)
        r = sorted(now, &all_now);
    for (size_t i = 0; i < before->n && r == 0; i++)
        r = pointers_push(is_part_of(&all_now, before->parts[i]) ? &ret->common : &ret->before,
                          before->parts[i]);
    for (size_t i = 0; i < now->n && r == 0; i++)
        if (!is_part_of(&all_before, now->parts[i]))
            r = pointers_push(&ret->now, now->parts[i]);
    return r;
}

/* In parts [0 .. n), in this version or (0) in any. */
static bool is_in(const struct pointers *parts, size_t n, const struct render_item *item,
                  uint64_t version)
{
    for (size_t i = 0; i < n; i++) {
        const struct render_item *found = part_find(parts->v[i], item->entry);

        if (found && (!version || found->version == version))
            return true;
    }
    return false;
}

/* Nobody has it any more; said once. */
static bool is_gone(const struct sides *sides, size_t at, const struct render_item *item)
{
    return !is_in(&sides->common, sides->common.n, item, 0) &&
           !is_in(&sides->now, sides->now.n, item, 0) && !is_in(&sides->before, at, item, 0);
}

/* Nobody had it, in this version; said once. */
static bool is_new(const struct sides *sides, size_t at, const struct render_item *item)
{
    return !is_in(&sides->common, sides->common.n, item, item->version) &&
           !is_in(&sides->before, sides->before.n, item, item->version) &&
           !is_in(&sides->now, at, item, 0);
}

/*
 * One part of each side, which mostly are what one rendering was and is: both in order of entries,
 * so what differs is found in one walk, and only of that it is asked whether other parts have it.
 */
static int walk(const struct sides *sides, size_t at, bool gone, render_difference_fn *visit,
                void *context)
{
    static const struct render_part none;
    const struct render_part *before = at < sides->before.n ? sides->before.v[at] : &none;
    const struct render_part *now = at < sides->now.n ? sides->now.v[at] : &none;
    size_t i = 0, j = 0;
    int r = 0;

    while (r == 0 && (i < before->n || j < now->n)) {
        const struct render_item *old = i < before->n ? &before->items[i] : NULL;
        const struct render_item *item = j < now->n ? &now->items[j] : NULL;

        if (old && item && old->entry == item->entry) {
            if (!gone && old->version != item->version && is_new(sides, at, item))
                r = visit(context, item, false);
            i++;
            j++;
        } else if (old && (!item || old->entry->id < item->entry->id)) {
            if (gone && is_gone(sides, at, old))
                r = visit(context, old, true);
            i++;
        } else {
            if (!gone && is_new(sides, at, item))
                r = visit(context, item, false);
            j++;
        }
    }
    return r;
}

int render_scope_compare(const struct render_scope *before, const struct render_scope *now,
                         render_difference_fn *visit, void *context)
{
    struct sides sides = {0};
    int r = sides_of(before, now, &sides);

    /* A number that is given again is an entry with the key of one that goes: that one first. */
    for (size_t i = 0; r == 0 && i < sides.before.n; i++)
        r = walk(&sides, i, true, visit, context);
    for (size_t i = 0; r == 0 && i < sides.now.n; i++)
        r = walk(&sides, i, false, visit, context);
    sides_clear(&sides);
    return r;
}
