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
    struct caller *caller;
    const struct schema_kind *kind, *parent_kind;
    char id[SCHEMA_ID_LEN + 1];        /* "" for lists and creations */
    char parent_id[SCHEMA_ID_LEN + 1]; /* of /parents/:id/children */
    enum auth_verb verb;
    const char *namespace; /* X-Namespace; of the object when an id is given */
    json_t *body;
    char *warnings[API_WARNINGS_MAX];
    size_t n_warnings;
    void *hook_data; /* free()d with the call */
};
const char *api_parameter(const struct api_call *call, const char *name); /* NULL when absent */
void api_warn(struct api_call *call, const char *format, ...) _printf_(2, 3);

/* Each ends the call. */
void api_answer(struct api_call *call, int status, json_t *body /* stolen; NULL: none */);
void api_fail(struct api_call *call, const struct api_error *error,
              const struct schema_problems *problems);
/* Commit, then answer with `body` (stolen; shown in the caller's encoding), or with the error.
 * Adds the activity and the idempotency answer. */
void api_commit(struct api_call *call, struct change_set **set, int status, json_t *body);

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
    /* After an object was made complete for an answer: computed and transient attributes. */
    void (*show)(struct console *console, const struct object *object, json_t *complete);
    /* Kinds that are not stored, and sub-routes: do everything, end the call. */
    void (*handle)(struct api_call *call);
};
int api_register(struct console *console, const struct api_hooks *hooks);
/* Hooks of every kind; hooks.c lists the files. */
int api_register_all(struct console *console);

void api_request(void *context, struct http_exchange *exchange);
