/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/entries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static void entry_free(struct entry **at)
{
    struct entry *entry = *at;

    if (!entry)
        return;
    document_claims_unref(&entry->claims);
    free(entry->key);
    free(entry->body);
    free(entry);
    *at = NULL;
}

static size_t weight(const struct entry *entry)
{
    return strlen(entry->key) + entry->len;
}

static void take_out(struct entries *entries, struct entry *entry)
{
    HASH_DEL(entries->table, entry);
    link_digest_toggle(&entries->digest, entry->key, entry->version);
    entries->n--;
    entries->bytes -= weight(entry);
    entry_free(&entry);
}

static int entry_new(const struct link_entry *from, struct entry **ret)
{
    _cleanup_(entry_free) struct entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return -ENOMEM;
    entry->key = strdup(from->key);
    entry->body = malloc(from->body_len + 1);
    if (!entry->key || !entry->body)
        return -ENOMEM;
    memcpy(entry->body, from->body, from->body_len);
    entry->body[from->body_len] = '\0';
    entry->len = from->body_len;
    entry->version = from->version;
    *ret = TAKE_PTR(entry);
    return 0;
}

int entries_put(struct entries *entries, const struct link_entry *from)
{
    struct entry *old = NULL, *entry;
    int r;

    HASH_FIND_STR(entries->table, from->key, old);
    if (!from->body) {
        if (old)
            take_out(entries, old);
        return 0;
    }
    if (!old && entries->n >= ENTRIES_MAX)
        return -BULKHEAD_ETOOMANY;
    if (entries->bytes + from->body_len > ENTRIES_BYTES_MAX)
        return -BULKHEAD_ETOOMANY;
    r = entry_new(from, &entry);
    if (r < 0)
        return r;
    if (old)
        take_out(entries, old);
    HASH_ADD_KEYPTR(hh, entries->table, entry->key, strlen(entry->key), entry);
    link_digest_toggle(&entries->digest, entry->key, entry->version);
    entries->n++;
    entries->bytes += weight(entry);
    return 0;
}

const struct entry *entries_find(const struct entries *entries, const char *key)
{
    struct entry *entry = NULL;

    HASH_FIND_STR(entries->table, key, entry);
    return entry;
}

void entries_clear(struct entries *entries)
{
    struct entry *entry, *next;

    HASH_ITER(hh, entries->table, entry, next)
    {
        HASH_DEL(entries->table, entry);
        entry_free(&entry);
    }
    *entries = (struct entries){0};
}

int entries_inventory(const struct entries *entries, struct link_entry **ret)
{
    struct link_entry *list = calloc(entries->n + 1, sizeof(*list));
    struct entry *entry, *next;
    size_t n = 0;

    if (!list)
        return -ENOMEM;
    HASH_ITER(hh, entries->table, entry, next)
    list[n++] = (struct link_entry){.key = entry->key, .version = entry->version};
    *ret = list;
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp((*(struct entry *const *)a)->key, (*(struct entry *const *)b)->key);
}

int entries_sorted(const struct entries *entries, struct entry ***ret)
{
    struct entry **list = calloc(entries->n + 1, sizeof(struct entry *));
    struct entry *entry, *next;
    size_t n = 0;

    if (!list)
        return -ENOMEM;
    HASH_ITER(hh, entries->table, entry, next)
    list[n++] = entry;
    qsort(list, n, sizeof(struct entry *), compare_keys);
    *ret = list;
    return 0;
}
