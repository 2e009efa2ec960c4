/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All objects in memory, with the indexes that reads need: reads never wait for the database, and
 * go on without it. Bodies stay compact JSON text (sparse form) and are parsed when somebody looks
 * inside. Written by the loop's thread only, after the store has committed.
 *
 * Life of a write: an API call checks it against memory, gives it to commit.h, whose thread commits
 * it with others; back in the loop objects_apply() takes it over, tells the observers, and only
 * then the client gets its 2xx.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "schema/filter.h"
#include "schema/schema.h"
#include "store/store.h"

#define OBJECTS_ORDER_MAX 8

struct object;

/* A namespace and what is in it. The root "/" always exists. */
struct space {
    const char *name; /* full path */
    struct space *parent, *first_child, *next_sibling;
    const struct object *object; /* NULL for the root before its object is made */
};

struct object {
    char id[SCHEMA_ID_LEN + 1];
    const struct schema_kind *kind;
    struct space *space;
    const char *name; /* "" when the kind has none */
    uint64_t revision;
    int64_t created_ms, updated_ms;
    const char *body; /* sparse JSON */
    size_t body_len;
    struct tag_set tags; /* normalizedTags; strings are interned and belong to the table */
};

struct objects;
int objects_new(struct objects **ret);
void objects_free(struct objects **objects);

uint64_t objects_revision(const struct objects *objects);
const struct object *objects_find(const struct objects *objects, const char *id);
const struct object *objects_find_unique(const struct objects *objects,
                                         const struct schema_kind *kind, const char *unique_key);
/* "namespace\nname" or "name", as the kind says; NULL: not unique. Owned by the caller. */
char *objects_unique_key(const struct schema_kind *kind, const char *namespace, const char *name);
struct space *objects_space(const struct objects *objects, const char *name);
size_t objects_count(const struct objects *objects, const struct schema_kind *kind);
size_t objects_count_all(const struct objects *objects);
/* Parsed body, new reference; NULL on ENOMEM. */
json_t *object_parse(const struct object *object);
/* Complete form with ID, namespace, times, normalizedTags; `fields` as schema_complete(). */
json_t *object_show(const struct object *object, const char *const *fields);
/* All attributes as JSON text, appended; the same as object_show() in a fraction of the time. */
int object_show_text(const struct object *object, struct buf *buf);
/* object_show() of one that is not in memory yet; NULL also when its body is no good. */
json_t *objects_preview(const struct store_object *object, const char *const *fields);
/* normalizedTags of an object: associatedTags, metadata and what is known by itself ($…). */
int objects_tags(const struct store_object *object, struct tag_set *ret);
/* One string attribute without parsing the rest twice; owned by the caller, NULL when unset. */
char *object_text(const struct object *object, const char *attribute);
bool object_flag(const struct object *object, const char *attribute);

struct objects_query {
    const struct schema_kind *kind;
    const struct space *space; /* NULL: anywhere */
    bool recursive;            /* also in namespaces below */
    bool propagated;           /* also what ancestors propagate */
    bool archived;
    const struct filter *filter;   /* NULL: all */
    const struct tag_set *clauses; /* NULL: all; else those with all tags of one of them */
    size_t n_clauses;
    bool (*accept)(void *context, const struct object *object); /* NULL: all */
    void *accept_context;
    /* What an attribute is now, for the filter and the order: new reference; NULL: as stored. */
    json_t *(*value)(void *context, const struct object *object, const char *attribute);
    void *value_context;
    const char *const *order; /* attribute names, "-" in front: descending; NULL: by ID */
    size_t offset, limit;     /* limit 0: all */
    const char *after;        /* ID to go on after; with `order`, -ESTALE when it is gone */
};
/* `visit` gets the objects of the page in order. @param ret_total all that match */
int objects_list(const struct objects *objects, const struct objects_query *query,
                 bool (*visit)(void *context, const struct object *object), void *context,
                 uint64_t *ret_total);

/*
 * The same in steps, for what may take long: a read sees the objects as they were when its queries
 * were added, each once, whatever happens to them between the steps; `visit` may keep them until
 * the read is freed or a step fails. Too many changes meanwhile end the oldest read: -ENOBUFS.
 */
#define OBJECTS_READ_QUERIES_MAX 128
struct objects_read;
struct objects_visitor {
    /* Before the first object of each query: all that match, those that are on the page. May be
     * NULL. */
    void (*page)(void *context, const struct objects_query *query, uint64_t total, size_t n);
    bool (*visit)(void *context, const struct object *object); /* false: no more of this query */
};
int objects_read_new(struct objects *objects, struct objects_read **ret);
/* What the query points to must last as long as the read. */
int objects_read_add(struct objects_read *read, const struct objects_query *query);
/* Goes on until `until_ns` of uv_hrtime(), at least a little. @return 1: done; 0: there is more */
int objects_read_step(struct objects_read *read, uint64_t until_ns,
                      const struct objects_visitor *visitor, void *context);
void objects_read_free(struct objects_read **read);
#define _cleanup_objects_read_ _cleanup_(objects_read_free)

/* Objects of a kind that carry every tag of a clause, anywhere; false from `visit` stops. */
void objects_by_tags(const struct objects *objects, const struct schema_kind *kind,
                     const struct tag_set *clause,
                     bool (*visit)(void *context, const struct object *object), void *context);
void objects_in_space(const struct objects *objects, const struct space *space,
                      const struct schema_kind *kind,
                      bool (*visit)(void *context, const struct object *object), void *context);

struct object_change {
    enum store_op_type type;
    const struct object *before, *after; /* NULL: created, deleted. Valid during the call only */
};
typedef void objects_observer_fn(void *context, uint64_t revision,
                                 const struct object_change *changes, size_t n);
int objects_observe(struct objects *objects, objects_observer_fn *observer, void *context);
void objects_unobserve(struct objects *objects, objects_observer_fn *observer, void *context);
/* From the store at the start (no observers told), or from another Console's changes. */
int objects_load(struct objects *objects, const struct store_object *object);
/* What was committed, as one change. Objects of unknown kinds (a newer Console wrote them) are
 * kept, not shown. */
int objects_apply(struct objects *objects, uint64_t revision, const struct store_op *ops, size_t n);
