/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lint_index.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"

#define LINT_KEYS_BYTES_MAX ((size_t)1 << 20)

/* Items under one name: a tag, or the keys of a clause, one a line. */
struct entry {
    char *name;
    const struct tag_set *example; /* of sets of keys: a clause with these keys */
    size_t *items;
    size_t n, size;
    UT_hash_handle hh;
};

struct lint_index {
    struct entry *tags, *keys; /* uthash by name */
};

size_t lint_key_len(const char *tag)
{
    return strcspn(tag, "=") + 1;
}

int lint_index_new(struct lint_index **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

static void free_entries(struct entry **table)
{
    struct entry *entry, *next;

    HASH_ITER(hh, *table, entry, next)
    {
        HASH_DEL(*table, entry);
        free(entry->name);
        free(entry->items);
        free(entry);
    }
}

void lint_index_free(struct lint_index **index)
{
    if (!*index)
        return;
    free_entries(&(*index)->tags);
    free_entries(&(*index)->keys);
    free(*index);
    *index = NULL;
}

static struct entry *find_or_add(struct entry **table, const char *name)
{
    struct entry *entry;

    HASH_FIND_STR(*table, name, entry);
    if (entry)
        return entry;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->name = strdup(name);
    if (!entry->name) {
        free(entry);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, *table, entry->name, strlen(entry->name), entry);
    return entry;
}

static int add_item(struct entry **table, const char *name, const struct tag_set *clause,
                    size_t item)
{
    struct entry *entry = find_or_add(table, name);

    if (!entry)
        return -ENOMEM;
    entry->example = clause;
    if (entry->n > 0 && entry->items[entry->n - 1] == item)
        return 0;
    if (entry->n == entry->size) {
        size_t size = entry->size ? entry->size * 2 : 2;
        size_t *items = reallocarray(entry->items, size, sizeof(*items));

        if (!items)
            return -ENOMEM;
        entry->items = items;
        entry->size = size;
    }
    entry->items[entry->n++] = item;
    return 0;
}

int lint_index_add(struct lint_index *index, const struct tag_set *clause, size_t item)
{
    _cleanup_buf_ struct buf keys = BUF_INIT(LINT_KEYS_BYTES_MAX);

    for (size_t i = 0; i < clause->n; i++) { /* sorted, so equal keys stand together */
        int r = add_item(&index->tags, clause->tags[i], clause, item);

        if (r < 0)
            return r;
        buf_append(&keys, clause->tags[i], lint_key_len(clause->tags[i]));
        buf_puts(&keys, "\n");
    }
    if (keys.error)
        return keys.error;
    return keys.data ? add_item(&index->keys, keys.data, clause, item) : 0;
}

static bool try_all(const struct entry *entry, lint_try_fn *try, void *arg)
{
    for (size_t i = 0; i < entry->n; i++)
        if (try(arg, entry->items[i]))
            return true;
    return false;
}

static bool share_a_key(const struct tag_set *a, const struct tag_set *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++)
            if (strncmp(a->tags[i], b->tags[j], lint_key_len(a->tags[i])) == 0)
                return true;
    return false;
}

bool lint_index_has(const struct lint_index *index, const char *tag, lint_try_fn *try, void *arg)
{
    struct entry *entry;

    HASH_FIND_STR(index->tags, tag, entry);
    return entry && try_all(entry, try, arg);
}

bool lint_index_meets(const struct lint_index *index, const struct tag_set *clause,
                      lint_try_fn *try, void *arg)
{
    for (size_t i = 0; i < clause->n; i++)
        if (lint_index_has(index, clause->tags[i], try, arg))
            return true;
    for (const struct entry *entry = index->keys; entry; entry = entry->hh.next)
        if (!share_a_key(entry->example, clause) && try_all(entry, try, arg))
            return true;
    return false;
}
