/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/objects_internal.h"

struct space_entry *objects_space_find(const struct objects *objects, const char *name)
{
    uint32_t hash = tag_table_hash(name);

    if (!objects->n_space_heads)
        return NULL;
    for (struct space_entry *at = objects->spaces[hash & (objects->n_space_heads - 1)]; at;
         at = at->next)
        if (at->hash == hash && strcmp(at->name, name) == 0)
            return at;
    return NULL;
}

static int grow_spaces(struct objects *objects)
{
    size_t n_heads = objects->n_space_heads ? objects->n_space_heads * 2 : 64;
    struct space_entry **heads;

    if (objects->n_spaces < objects->n_space_heads)
        return 0;
    heads = calloc(n_heads, sizeof(struct space_entry *));
    if (!heads)
        return -ENOMEM;
    for (size_t i = 0; i < objects->n_space_heads; i++) {
        for (struct space_entry *at = objects->spaces[i], *next; at; at = next) {
            next = at->next;
            at->next = heads[at->hash & (n_heads - 1)];
            heads[at->hash & (n_heads - 1)] = at;
        }
    }
    free(objects->spaces);
    objects->spaces = heads;
    objects->n_space_heads = n_heads;
    return 0;
}

static int parent_space(struct objects *objects, const char *name, struct space_entry **ret)
{
    _cleanup_free_
    char *parent = NULL;
    const char *slash = strrchr(name, '/');

    if (strcmp(name, "/") == 0 || !slash) {
        *ret = NULL;
        return 0;
    }
    parent = strndup(name, slash == name ? 1 : (size_t)(slash - name));
    return parent ? space_make(objects, parent, ret) : -ENOMEM;
}

/* The space of this name, made with all above it when there is none. */
// NOLINTNEXTLINE(misc-no-recursion): as deep as the path, which namespace_problem() limits
int space_make(struct objects *objects, const char *name, struct space_entry **ret)
{
    struct space_entry *space = objects_space_find(objects, name), *parent = NULL;
    size_t len = strlen(name);
    int r;

    if (space) {
        *ret = space;
        return 0;
    }
    if (objects->n_spaces >= OBJECTS_SPACES_MAX)
        return -BULKHEAD_ETOOMANY;
    r = parent_space(objects, name, &parent);
    if (r == 0)
        r = grow_spaces(objects);
    if (r < 0)
        return r;
    space = calloc(1, sizeof(*space) + len + 1);
    if (!space)
        return -ENOMEM;
    memcpy(space->name, name, len + 1);
    space->public.name = space->name;
    space->hash = tag_table_hash(name);
    if (parent) {
        space->public.parent = &parent->public;
        space->public.next_sibling = parent->public.first_child;
        parent->public.first_child = &space->public;
    }
    space->next = objects->spaces[space->hash & (objects->n_space_heads - 1)];
    objects->spaces[space->hash & (objects->n_space_heads - 1)] = space;
    objects->n_spaces++;
    *ret = space;
    return 0;
}

struct id_list *space_bucket_find(const struct space_entry *space, const struct kind_table *table)
{
    for (size_t i = 0; i < space->n_buckets; i++) {
        if (space->buckets[i].table == table) {
            id_list_sort(&space->buckets[i].list);
            return &space->buckets[i].list;
        }
    }
    return NULL;
}

struct id_list *space_bucket_make(struct space_entry *space, struct kind_table *table)
{
    struct space_bucket *more;

    for (size_t i = 0; i < space->n_buckets; i++)
        if (space->buckets[i].table == table)
            return &space->buckets[i].list;
    more = reallocarray(space->buckets, space->n_buckets + 1, sizeof(*more));
    if (!more)
        return NULL;
    space->buckets = more;
    more[space->n_buckets] = (struct space_bucket){.table = table};
    return &more[space->n_buckets++].list;
}

struct space *objects_space(const struct objects *objects, const char *name)
{
    struct space_entry *space = objects_space_find(objects, name);

    if (!space || (!space->public.object && space != objects->root))
        return NULL;
    return &space->public;
}
