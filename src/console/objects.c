/* SPDX-License-Identifier: Apache-2.0 */
#include "console/objects.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/objects_internal.h"

#define HEADS_FIRST 1024

static struct space_entry *space_of(const struct object_entry *entry)
{
    return (struct space_entry *)(void *)entry->public.space;
}

/* ---- Hashes over entries ------------------------------------------------------------------ */

struct kind_table *objects_table(const struct objects *objects, const char *kind)
{
    for (size_t low = 0, high = objects->n_tables; low < high;) {
        size_t middle = low + (high - low) / 2;
        int r = strcmp(objects->tables[middle].kind->name, kind);

        if (r == 0)
            return &objects->tables[middle];
        if (r < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int grow_heads(struct hash_heads *heads, bool by_id)
{
    size_t n = heads->n_heads ? heads->n_heads * 2 : HEADS_FIRST;
    struct object_entry **more;

    if (heads->n < heads->n_heads)
        return 0;
    more = calloc(n, sizeof(struct object_entry *));
    if (!more)
        return -ENOMEM;
    for (size_t i = 0; i < heads->n_heads; i++) {
        for (struct object_entry *at = heads->heads[i], *next; at; at = next) {
            size_t head = (by_id ? at->hash_id : at->hash_unique) & (n - 1);

            next = by_id ? at->next_id : at->next_unique;
            *(by_id ? &at->next_id : &at->next_unique) = more[head];
            more[head] = at;
        }
    }
    free(heads->heads);
    heads->heads = more;
    heads->n_heads = n;
    return 0;
}

static struct object_entry *find_id(const struct objects *objects, const char *id)
{
    uint32_t hash = tag_table_hash(id);

    if (!objects->by_id.n_heads)
        return NULL;
    for (struct object_entry *at = objects->by_id.heads[hash & (objects->by_id.n_heads - 1)]; at;
         at = at->next_id)
        if (at->hash_id == hash && strcmp(at->public.id, id) == 0)
            return at;
    return NULL;
}

/* `namespace` NULL: the name alone is unique. */
static uint32_t unique_hash(const char *kind, const char *namespace, const char *name)
{
    uint32_t hash = tag_table_hash(name) * 31u + tag_table_hash(kind);

    return namespace ? hash * 31u + tag_table_hash(namespace) : hash;
}

static const char *unique_space(const struct object_entry *entry)
{
    return entry->public.kind->unique == SCHEMA_UNIQUE_NAME_IN_NAMESPACE ? entry->public.space->name
                                                                         : NULL;
}

char *objects_unique_key(const struct schema_kind *kind, const char *namespace, const char *name)
{
    char *key = NULL;

    if (kind->unique == SCHEMA_UNIQUE_NOTHING || !name || !*name)
        return NULL;
    if (kind->unique == SCHEMA_UNIQUE_NAME)
        return strdup(name);
    return asprintf(&key, "%s\n%s", namespace, name) < 0 ? NULL : key;
}

const struct object *objects_find_unique(const struct objects *objects,
                                         const struct schema_kind *kind, const char *unique_key)
{
    const char *name = unique_key, *newline = NULL;
    _cleanup_free_
    char *namespace = NULL;
    uint32_t hash;

    if (kind->unique == SCHEMA_UNIQUE_NOTHING || !objects->by_unique.n_heads)
        return NULL;
    if (kind->unique == SCHEMA_UNIQUE_NAME_IN_NAMESPACE) {
        newline = strchr(unique_key, '\n');
        if (!newline)
            return NULL;
        name = newline + 1;
        namespace = strndup(unique_key, (size_t)(newline - unique_key));
        if (!namespace)
            return NULL;
    }
    hash = unique_hash(kind->name, namespace, name);
    for (struct object_entry *at =
             objects->by_unique.heads[hash & (objects->by_unique.n_heads - 1)];
         at; at = at->next_unique)
        if (at->hash_unique == hash && at->public.kind == kind &&
            strcmp(at->public.name, name) == 0 &&
            (!namespace || strcmp(at->public.space->name, namespace) == 0))
            return &at->public;
    return NULL;
}

/* ---- Entries ------------------------------------------------------------------------------ */

void object_entry_drop(struct objects *objects, struct object_entry *entry)
{
    for (size_t i = 0; i < entry->public.tags.n; i++)
        tag_table_leave(&objects->tags, entry->tags[i], object_entry_places(entry)[i]);
    free(entry);
}

/* Out of the lists by ID, or another one with the same ID in its place. */
static void leave_lists(struct object_entry *entry, struct object_entry *instead)
{
    struct id_list *bucket = space_bucket_find(space_of(entry), entry->table);

    if (instead) {
        id_list_replace(&entry->table->all, entry, instead);
        id_list_replace(bucket, entry, instead);
    } else {
        id_list_remove(&entry->table->all, entry);
        id_list_remove(bucket, entry);
    }
}

static void join_lists(struct object_entry *entry)
{
    id_list_add(&entry->table->all, entry);
    id_list_add(space_bucket_make(space_of(entry), entry->table), entry);
}

/* Takes the entry out of all indexes but the lists, and the tags, which observers may still want
 * to see. */
static void unlink_entry(struct objects *objects, struct object_entry *entry)
{
    struct object_entry **at;
    struct space_entry *own;

    for (at = &objects->by_id.heads[entry->hash_id & (objects->by_id.n_heads - 1)]; *at != entry;)
        at = &(*at)->next_id;
    *at = entry->next_id;
    objects->by_id.n--;
    for (at = &objects->by_unique.heads[entry->hash_unique & (objects->by_unique.n_heads - 1)];
         *at != entry;)
        at = &(*at)->next_unique;
    *at = entry->next_unique;
    objects->by_unique.n--;
    if (strcmp(entry->public.kind->name, "namespace") == 0) {
        own = objects_space_find(objects, entry->public.name);
        if (own && own->public.object == &entry->public)
            own->public.object = NULL;
    }
    objects->n_entries--;
    entry->linked = false;
}

/* Room for one more in everything, so that link_entry() cannot fail. */
static int reserve(struct objects *objects, struct object_entry *entry)
{
    struct id_list *bucket = space_bucket_make(space_of(entry), entry->table);
    struct space_entry *own;
    int r;

    if (objects->n_entries >= OBJECTS_MAX)
        return -BULKHEAD_ETOOMANY;
    r = bucket ? id_list_reserve(bucket) : -ENOMEM;
    if (r == 0)
        r = id_list_reserve(&entry->table->all);
    if (r == 0)
        r = grow_heads(&objects->by_id, true);
    if (r == 0)
        r = grow_heads(&objects->by_unique, false);
    if (r == 0 && strcmp(entry->public.kind->name, "namespace") == 0)
        r = space_make(objects, entry->public.name, &own);
    return r;
}

static void link_entry(struct objects *objects, struct object_entry *entry)
{
    struct object_entry **head;

    head = &objects->by_id.heads[entry->hash_id & (objects->by_id.n_heads - 1)];
    entry->next_id = *head;
    *head = entry;
    objects->by_id.n++;
    head = &objects->by_unique.heads[entry->hash_unique & (objects->by_unique.n_heads - 1)];
    entry->next_unique = *head;
    *head = entry;
    objects->by_unique.n++;
    if (strcmp(entry->public.kind->name, "namespace") == 0)
        objects_space_find(objects, entry->public.name)->public.object = &entry->public;
    objects->n_entries++;
    entry->linked = true;
}

/* Either may be NULL. An object that changes keeps its place in the lists: no search, no sorting.
 */
static void exchange(struct objects *objects, struct object_entry *before,
                     struct object_entry *after)
{
    bool stays = before && after && before->table == after->table &&
                 before->public.space == after->public.space;

    if (before) {
        leave_lists(before, stays ? after : NULL);
        unlink_entry(objects, before);
    }
    if (after) {
        link_entry(objects, after);
        if (!stays)
            join_lists(after);
    }
}

static int join_tags(struct objects *objects, struct object_entry *entry,
                     const struct tag_list *list)
{
    uint32_t *places = (uint32_t *)(void *)(entry->tags + list->n);

    for (size_t i = 0; i < list->n; i++) {
        entry->tags[i] =
            tag_table_join(&objects->tags, list->tags[i], entry, (uint32_t)i, &places[i]);
        if (!entry->tags[i]) {
            while (i-- > 0)
                tag_table_leave(&objects->tags, entry->tags[i], places[i]);
            return -ENOMEM;
        }
    }
    entry->public.tags = (struct tag_set){entry->tags, list->n};
    return 0;
}

static void fill(struct object_entry *entry, const struct store_object *object, const char *name,
                 size_t n_tags)
{
    char *text = (char *)((uint32_t *)(void *)(entry->tags + n_tags) + n_tags);
    size_t name_len = strlen(name);

    memcpy(entry->public.id, object->id, MIN(strlen(object->id), (size_t)SCHEMA_ID_LEN));
    memcpy(text, name, name_len + 1);
    entry->public.name = text;
    text += name_len + 1;
    memcpy(text, object->body, object->body_len);
    entry->public.body = text;
    entry->public.body_len = object->body_len;
    entry->public.kind = entry->table->kind;
    entry->public.revision = object->revision;
    entry->public.created_ms = object->created_ms;
    entry->public.updated_ms = object->updated_ms;
}

/* An entry with its tags joined and room reserved, not yet in the indexes. -ENOENT: kind unknown.
 */
static int entry_new(struct objects *objects, const struct store_object *object,
                     struct tag_list *list, struct object_entry **ret)
{
    struct kind_table *table = objects_table(objects, object->kind);
    _cleanup_free_
    char *name = NULL;
    struct object_entry *entry;
    struct space_entry *space;
    int r;

    if (!table)
        return -ENOENT;
    r = space_make(objects, object->namespace, &space);
    if (r == 0)
        r = tag_list_collect(list, table->kind, object);
    if (r < 0)
        return r;
    name = json_slice_string(&list->name);
    entry = calloc(1, sizeof(*entry) + list->n * (sizeof(char *) + sizeof(uint32_t)) +
                          (name ? strlen(name) : 0) + 1 + object->body_len + 1);
    if (!entry)
        return -ENOMEM;
    entry->table = table;
    entry->public.space = &space->public;
    entry->archived = list->archived;
    entry->propagate = list->propagate;
    fill(entry, object, name ? name : "", list->n);
    entry->hash_id = tag_table_hash(entry->public.id);
    entry->hash_unique = unique_hash(table->kind->name, unique_space(entry), entry->public.name);
    r = reserve(objects, entry);
    if (r == 0)
        r = join_tags(objects, entry, list);
    if (r < 0) {
        free(entry);
        return r;
    }
    *ret = entry;
    return 0;
}

/* ---- The table ---------------------------------------------------------------------------- */

int objects_new(struct objects **ret)
{
    struct objects *objects = calloc(1, sizeof(*objects));
    const struct schema_kind *const *kinds;
    int r = 0;

    if (!objects)
        return -ENOMEM;
    kinds = schema_kinds(&objects->n_tables);
    objects->tables = calloc(objects->n_tables + 1, sizeof(*objects->tables));
    objects->scratch = calloc(1, sizeof(*objects->scratch));
    if (!objects->tables || !objects->scratch)
        r = -ENOMEM;
    else
        objects->scratch->text.max = TAG_LIST_BYTES_MAX;
    for (size_t i = 0; r == 0 && i < objects->n_tables; i++)
        objects->tables[i].kind = kinds[i];
    if (r == 0)
        r = space_make(objects, "/", &objects->root);
    if (r < 0) {
        objects_free(&objects);
        return r;
    }
    *ret = objects;
    return 0;
}

void objects_free(struct objects **objects)
{
    struct objects *old = *objects;

    if (!old)
        return;
    *objects = NULL;
    objects_reap_all(old);
    for (size_t i = 0; old->tables && i < old->n_tables; i++) {
        for (size_t j = 0; j < old->tables[i].all.n; j++)
            free(old->tables[i].all.items[j]);
        id_list_clear(&old->tables[i].all);
        text_template_free(&old->tables[i].text);
    }
    for (size_t i = 0; i < old->n_space_heads; i++) {
        for (struct space_entry *at = old->spaces[i], *next; at; at = next) {
            next = at->next;
            for (size_t j = 0; j < at->n_buckets; j++)
                id_list_clear(&at->buckets[j].list);
            free(at->buckets);
            free(at);
        }
    }
    tag_table_clear(&old->tags);
    if (old->scratch)
        buf_free(&old->scratch->text);
    free(old->scratch);
    free(old->spaces);
    free(old->by_id.heads);
    free(old->by_unique.heads);
    free(old->tables);
    free(old);
}

uint64_t objects_revision(const struct objects *objects)
{
    return objects->revision;
}

const struct object *objects_find(const struct objects *objects, const char *id)
{
    const struct object_entry *entry = find_id(objects, id);

    return entry ? &entry->public : NULL;
}

size_t objects_count_all(const struct objects *objects)
{
    return objects->n_entries;
}

size_t objects_count(const struct objects *objects, const struct schema_kind *kind)
{
    const struct kind_table *table = objects_table(objects, kind->name);

    return table ? table->all.n : 0;
}

/* ---- Changes ------------------------------------------------------------------------------ */

int objects_load(struct objects *objects, const struct store_object *object)
{
    struct object_entry *entry, *before = find_id(objects, object->id);
    int r;

    r = entry_new(objects, object, objects->scratch, &entry);
    if (r == -ENOENT) {
        objects->n_unknown++;
        return 0;
    }
    if (r < 0)
        return r;
    exchange(objects, before, entry);
    if (before)
        objects_bury(objects, before);
    objects->revision = MAX(objects->revision, object->revision);
    return 0;
}

int objects_observe(struct objects *objects, objects_observer_fn *observer, void *context)
{
    if (objects->n_observers == OBJECTS_OBSERVERS_MAX)
        return -BULKHEAD_ETOOMANY;
    objects->observers[objects->n_observers].fn = observer;
    objects->observers[objects->n_observers++].context = context;
    return 0;
}

void objects_unobserve(struct objects *objects, objects_observer_fn *observer, void *context)
{
    size_t n = 0;

    for (size_t i = 0; i < objects->n_observers; i++)
        if (objects->observers[i].fn != observer || objects->observers[i].context != context)
            objects->observers[n++] = objects->observers[i];
    objects->n_observers = n;
}

/* One op; what it did goes into `change`. @return 1 when it did something */
static int apply_one(struct objects *objects, uint64_t revision, const struct store_op *op,
                     struct object_change *change)
{
    struct object_entry *before, *after = NULL;
    int r;

    if (op->type == STORE_LOG)
        return 0;
    before = find_id(objects, op->object.id);
    if (op->type == STORE_DELETE) {
        if (!before)
            return 0;
    } else {
        r = entry_new(objects, &op->object, objects->scratch, &after);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        after->public.revision = op->object.revision ? op->object.revision : revision;
    }
    exchange(objects, before, after);
    change->type = !after ? STORE_DELETE : before ? STORE_UPDATE : STORE_CREATE;
    change->before = before ? &before->public : NULL;
    change->after = after ? &after->public : NULL;
    return 1;
}

int objects_apply(struct objects *objects, uint64_t revision, const struct store_op *ops, size_t n)
{
    _cleanup_free_
    struct object_change *changes = calloc(n + 1, sizeof(*changes));
    size_t n_changes = 0;
    int r = 0;

    if (!changes)
        return -ENOMEM;
    for (size_t i = 0; r >= 0 && i < n; i++) {
        r = apply_one(objects, revision, &ops[i], &changes[n_changes]);
        n_changes += r > 0;
    }
    objects->revision = MAX(objects->revision, revision);
    for (size_t i = 0; n_changes && i < objects->n_observers; i++)
        objects->observers[i].fn(objects->observers[i].context, revision, changes, n_changes);
    for (size_t i = 0; i < n_changes; i++)
        if (changes[i].before)
            objects_bury(objects, (struct object_entry *)(void *)changes[i].before);
    return r < 0 ? r : 0;
}
