/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The object API. One path for every route:
 *
 *   http request → route (kind, id, child) → authenticate → authorize → query and body checked
 *     against the kind's table → hooks → commit → answer, with warnings in X-Messages
 *
 * A kind that only stores needs nothing here. A kind that does more registers hooks, in a file of
 * its own.
 */

#include <jansson.h>

#include "console/auth.h"
#include "console/commit.h"
#include "console/console.h"
#include "console/error.h"
#include "console/http.h"
#include "console/objects.h"

#define API_WARNINGS_MAX 32

/* One request that has been let in. Lives until it is answered. */
struct api_call {
    struct console *console;
    struct http_exchange *exchange;
    const struct http_request *request;
    struct caller *caller; /* NULL: the Console itself (first start), or an open verb */
    const struct schema_kind *kind, *parent_kind;
    char id[SCHEMA_ID_LEN + 1]; /* "" for lists; of a creation, also while a hook runs and for
                                 * each object of an import: the ID that it will have */
    char parent_id[SCHEMA_ID_LEN + 1]; /* of /parents/:id/children */
    enum auth_verb verb;
    const char *namespace; /* X-Namespace; of the object when an id is given */
    json_t *body; /* of a kind that is not stored: in sparse form, checked against its table */
    char *warnings[API_WARNINGS_MAX];
    size_t n_warnings;
    json_t *transient;   /* attributes of the body that are taken once and never stored, or NULL */
    json_t *reply;       /* attributes that only this answer shows; hooks of writes may set it */
    bool reply_secret;   /* and that are not stored for a repeated request (Idempotency-Key) */
    char *cookie;        /* Set-Cookie of the answer, or NULL; free()d with the call */
    char *password_hash; /* of the body's password, made off the loop; or NULL */
    void *hook_data;     /* free()d with the call */
};
const char *api_parameter(const struct api_call *call, const char *name); /* NULL when absent */
void api_warn(struct api_call *call, const char *format, ...) _printf_(2, 3);

/* `namespace` is there, or `set` makes it (an import makes both at once). */
bool api_namespace_exists(const struct api_call *call, const struct change_set *set,
                          const char *namespace);

/* Each ends the call. */
void api_answer(struct api_call *call, int status, json_t *body /* stolen; NULL: none */);
/* A page of a list of `total`; next: the cursor of the page after it, or NULL. */
void api_answer_list(struct api_call *call, int status, json_t *page /* stolen */, uint64_t total,
                     const char *next);
/* What the query wants of a whole list: filter, order, page, X-Fields. */
void api_answer_made(struct api_call *call, int status, json_t *all /* stolen */);
void api_fail(struct api_call *call, const struct api_error *error,
              const struct schema_problems *problems);
/* Commit, then answer with `body` (stolen; shown in the caller's encoding), or with the error.
 * Adds the activity and the idempotency answer. */
void api_commit(struct api_call *call, struct change_set **set, int status, json_t *body);

/* As an answer shows it: complete, with computed attributes, X-Fields, and the kind's `live` ones.
 * New reference; NULL on ENOMEM. */
json_t *api_show(struct api_call *call, const struct object *object);

/*
 * Every hook may be NULL. Those of writes may alter `object`, add ops to `set`, warn, or refuse by
 * filling `error` in and returning < 0. Import runs the same ones for each of its objects.
 */
struct api_hooks {
    const char *kind;
    int (*create)(struct api_call *call, json_t *object, struct change_set *set,
                  struct api_error *error);
    int (*update)(struct api_call *call, const struct object *before, json_t *object,
                  struct change_set *set, struct api_error *error);
    int (*remove)(struct api_call *call, const struct object *before, struct change_set *set,
                  struct api_error *error);
    /* Before a write by a route of its own (not one of an import): what takes long, off the loop.
     * Ends with api_prepared(), or ends the call. */
    void (*prepare)(struct api_call *call);
    /* Attributes that are not as they are stored, but as they are now; NULL-terminated. `value`:
     * new reference; NULL: as it is stored. Answers, filters and order ask it. */
    const char *const *live;
    json_t *(*value)(struct console *console, const struct object *object, const char *attribute);
    /* Kinds that are not stored, also as child of a sub-route (parent_kind and parent_id are set
     * then): do everything, end the call. */
    void (*handle)(struct api_call *call);
    /* Bits 1 << enum auth_verb that need no authentication and no authorization, because `handle`
     * does that itself (issue). `caller` is NULL then. */
    unsigned open_verbs;
    /* Those that need a caller, but no authorization: `handle` answers by what the caller may. */
    unsigned own_verbs;
};
int api_new(struct console *console, struct api **ret);
void api_free(struct api **api);
int api_register(struct console *console, const struct api_hooks *hooks);
/* /parents/:id/children of a child kind that is stored: `handle` does everything. The parent exists
 * and the caller may do `verb` with the child kind in the parent's namespace. */
int api_register_sub_route(struct console *console, const char *parent, const char *child,
                           void (*handle)(struct api_call *call));
/* The parent of a sub-route, the object of a route with an id; NULL when there is none. */
void api_prepared(struct api_call *call);
const struct object *api_parent(const struct api_call *call);
const struct object *api_object(const struct api_call *call);
/* Hooks of every kind; hooks.c lists the files. */
int api_register_all(struct console *console);

void api_request(void *context, struct http_exchange *exchange);
