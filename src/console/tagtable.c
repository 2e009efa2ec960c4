/* SPDX-License-Identifier: Apache-2.0 */
#include "console/tagtable.h"

#include <stdlib.h>
#include <string.h>

#include "console/objects_internal.h"

#define HEADS_FIRST 1024

uint32_t tag_table_hash(const char *text)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return (uint32_t)(hash ^ hash >> 32);
}

const struct tag_record *tag_table_find(const struct tag_table *table, const char *text)
{
    uint32_t hash = tag_table_hash(text);

    if (!table->n_heads)
        return NULL;
    for (struct tag_record *at = table->heads[hash & (table->n_heads - 1)]; at; at = at->next)
        if (at->hash == hash && strcmp(at->text, text) == 0)
            return at;
    return NULL;
}

static int grow(struct tag_table *table)
{
    size_t n_heads = table->n_heads ? table->n_heads * 2 : HEADS_FIRST;
    struct tag_record **heads = calloc(n_heads, sizeof(*heads));

    if (!heads)
        return -1;
    for (size_t i = 0; i < table->n_heads; i++) {
        for (struct tag_record *at = table->heads[i], *next; at; at = next) {
            next = at->next;
            at->next = heads[at->hash & (n_heads - 1)];
            heads[at->hash & (n_heads - 1)] = at;
        }
    }
    free(table->heads);
    table->heads = heads;
    table->n_heads = n_heads;
    return 0;
}

static struct tag_record *find_or_make(struct tag_table *table, const char *text)
{
    struct tag_record *record = (struct tag_record *)tag_table_find(table, text);
    size_t len = strlen(text);

    if (record)
        return record;
    if (table->n >= table->n_heads && grow(table) < 0)
        return NULL;
    record = calloc(1, sizeof(*record) + len + 1);
    if (!record)
        return NULL;
    record->hash = tag_table_hash(text);
    memcpy(record->text, text, len + 1);
    record->next = table->heads[record->hash & (table->n_heads - 1)];
    table->heads[record->hash & (table->n_heads - 1)] = record;
    table->n++;
    return record;
}

static struct tag_record *record_of(char *text)
{
    return (struct tag_record *)(void *)(text - offsetof(struct tag_record, text));
}

static void forget(struct tag_table *table, struct tag_record *record)
{
    struct tag_record **at = &table->heads[record->hash & (table->n_heads - 1)];

    while (*at != record)
        at = &(*at)->next;
    *at = record->next;
    table->n--;
    free(record->members);
    free(record);
}

char *tag_table_join(struct tag_table *table, const char *text, struct object_entry *entry,
                     uint32_t which, uint32_t *ret_place)
{
    struct tag_record *record = find_or_make(table, text);

    if (!record)
        return NULL;
    if (record->n == record->size) {
        uint32_t size = record->size ? record->size + record->size / 2 + 1 : 1;
        struct tag_member *more = reallocarray(record->members, size, sizeof(*more));

        if (!more) {
            if (!record->n)
                forget(table, record);
            return NULL;
        }
        record->members = more;
        record->size = size;
    }
    *ret_place = record->n;
    record->members[record->n++] = (struct tag_member){entry, which};
    return record->text;
}

void tag_table_leave(struct tag_table *table, char *text, uint32_t place)
{
    struct tag_record *record = record_of(text);
    struct tag_member last = record->members[--record->n];

    record->members[place] = last;
    object_entry_places(last.entry)[last.which] = place;
    if (record->n == 0)
        forget(table, record);
}

void tag_table_clear(struct tag_table *table)
{
    for (size_t i = 0; i < table->n_heads; i++) {
        for (struct tag_record *at = table->heads[i], *next; at; at = next) {
            next = at->next;
            free(at->members);
            free(at);
        }
    }
    free(table->heads);
    *table = (struct tag_table){0};
}
