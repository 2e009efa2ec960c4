/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of objects.h share. */

#include "console/jsonscan.h"
#include "console/objects.h"
#include "console/tagtable.h"

/*
 * One object: one allocation, in this order: the entry, its places in the lists of its tags, name,
 * body. Immutable but for places and links; a new version is a new entry.
 */
struct object_entry {
    struct object public;
    struct kind_table *table;
    struct object_entry *next_id, *next_unique; /* of the same hash */
    uint32_t hash_id, hash_unique;
    bool archived, propagate, linked;
    char *tags[]; /* public.tags points here */
};

static inline uint32_t *object_entry_places(struct object_entry *entry)
{
    return (uint32_t *)(void *)(entry->tags + entry->public.tags.n);
}

static inline const struct object_entry *object_entry_of(const struct object *object)
{
    return (const struct object_entry *)(const void *)object;
}

/* Sorted by ID; `unsorted` after a load that came in another order. */
struct id_list {
    struct object_entry **items;
    size_t n, size, n_archived;
    bool unsorted;
};
int id_list_reserve(struct id_list *list);
void id_list_add(struct id_list *list, struct object_entry *entry); /* after a reserve */
void id_list_remove(struct id_list *list, const struct object_entry *entry);
/* Same ID, other entry. */
void id_list_replace(struct id_list *list, const struct object_entry *before,
                     struct object_entry *after);
void id_list_sort(struct id_list *list);
/* Index of the first entry with an ID greater than `id`. */
size_t id_list_after(const struct id_list *list, const char *id);
void id_list_clear(struct id_list *list);
int object_entry_compare(const void *a, const void *b); /* of pointers to entries, by ID */

#define SCHEMA_TEXT_SLOTS_MAX 128 /* attributes of a kind that can be shown without a tree */
struct text_template;
void text_template_free(struct text_template **template);

struct kind_table {
    const struct schema_kind *kind;
    struct id_list all;
    struct text_template *text; /* made at first use */
};

struct space_bucket {
    struct kind_table *table;
    struct id_list list;
};

struct space_entry {
    struct space public;
    struct space_entry *next; /* of the same hash */
    uint32_t hash;
    size_t n_buckets;
    struct space_bucket *buckets;
    char name[];
};

#define OBJECTS_OBSERVERS_MAX 16
#define OBJECTS_SPACES_MAX 1000000
#define OBJECTS_MAX 20000000

struct hash_heads {
    struct object_entry **heads;
    size_t n, n_heads;
};

struct tag_list;
struct objects_read;

struct entry_chain { /* by next_id, of entries that are out of all lists */
    struct object_entry *first, *last;
};

struct objects {
    uint64_t revision, n_unknown;
    struct kind_table *tables; /* as schema_kinds() */
    size_t n_tables, n_entries;
    struct hash_heads by_id, by_unique;
    struct space_entry **spaces;
    size_t n_spaces, n_space_heads;
    struct space_entry *root;
    struct tag_table tags;
    struct tag_list *scratch;
    struct objects_read *oldest, *youngest; /* that are under way */
    struct entry_chain dead;                /* no read needs them any more */
    size_t dead_bytes;                      /* of these and of those that reads keep */
    struct {
        objects_observer_fn *fn;
        void *context;
    } observers[OBJECTS_OBSERVERS_MAX];
    size_t n_observers;
};

/* Its last use is over: its tags go, and its memory. */
void object_entry_drop(struct objects *objects, struct object_entry *entry);
/* The same, as soon as no read can have it. */
void objects_bury(struct objects *objects, struct object_entry *entry);
void objects_reap_all(struct objects *objects); /* no read is under way */

struct kind_table *objects_table(const struct objects *objects, const char *kind);
struct id_list *space_bucket_find(const struct space_entry *space, const struct kind_table *table);
struct id_list *space_bucket_make(struct space_entry *space, struct kind_table *table);
int space_make(struct objects *objects, const char *name, struct space_entry **ret);
struct space_entry *objects_space_find(const struct objects *objects, const char *name);

/* Of as many tags as there may be, and one that turns out to be too long. */
#define TAG_LIST_BYTES_MAX ((MODEL_TAGS_PER_SET_MAX + 2) * (MODEL_TAG_BYTES_MAX + 1))
/* What is read of an object's body: tags, sorted, without duplicates, and some more. */
struct tag_list {
    struct buf text;
    size_t starts[MODEL_TAGS_PER_SET_MAX];
    const char *tags[MODEL_TAGS_PER_SET_MAX];
    size_t n;
    struct json_slice name; /* JSON; empty when it has none */
    bool archived, propagate;
};
int tag_list_collect(struct tag_list *list, const struct schema_kind *kind,
                     const struct store_object *object);

/* Value of an attribute for filters and ordering; as filter_get_fn. */
const json_t *object_value(const struct object *object, const char *key, json_t **ret_owned);
/* As `order` sorts values, NULL first: <0, 0, >0. */
int object_values_compare(const json_t *a, const json_t *b);
/* RFC 3339 in UTC with milliseconds. */
#define TIME_TEXT_MAX 32
const char *time_text(int64_t ms, char text[TIME_TEXT_MAX]);
