/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of api.h share. */

#include "console/api.h"
#include "console/encoding.h"

#define API_HOOKS_MAX 128
#define API_SUB_ROUTES_MAX 64
#define API_ANSWER_BYTES_MAX (512u << 20)

#define API_IDEMPOTENCY_KEY_MAX 255

/* ---- Routes (pure) ------------------------------------------------------------------------ */

enum api_route_type {
    API_ROUTE_NONE,     /* `message` says why */
    API_ROUTE_META,     /* /_meta/NAME */
    API_ROUTE_OPENAPI,  /* /openapi.json */
    API_ROUTE_KIND,     /* /kinds */
    API_ROUTE_OBJECT,   /* /kinds/:id */
    API_ROUTE_CHILDREN, /* /parents/:id/kinds */
};
struct api_route {
    enum api_route_type type;
    const struct schema_kind *kind, *parent; /* of CHILDREN: the child and its parent */
    const struct schema_sub_route *sub_route;
    bool is_word; /* CHILDREN whose child is no kind (poke): `kind` is the parent's */
    char id[SCHEMA_ID_LEN + 1];
    char meta[32];
    char message[256];
};
void api_route_parse(const char *path, struct api_route *ret);
/* Methods that the address takes, as header Allow says them. */
void api_allow_text(const struct api_route *route, char text[64]);

/* ---- Query strings (pure) ----------------------------------------------------------------- */

struct api_query {
    bool recursive, propagated, archived, override, dry_run;
    bool paged, cursor; /* page and pagesize; limit and after */
    size_t page, pagesize, limit;
    const char *after;
    const char *order[OBJECTS_ORDER_MAX + 1]; /* NULL-terminated */
    size_t n_order;
    struct filter *filter;
};
/* @return 0, or -EINVAL with `error`: 400 */
int api_query_parse(const struct http_request *request, const struct api_route *route,
                    enum auth_verb verb, int64_t now_ms, struct api_error *error,
                    struct api_query *ret);
void api_query_clear(struct api_query *query);

/* ---- Calls -------------------------------------------------------------------------------- */

struct api_sub_route {
    char *parent, *child;
    void (*handle)(struct api_call *call);
};

struct api {
    struct console *console;
    struct api_hooks hooks[API_HOOKS_MAX];
    struct api_sub_route sub_routes[API_SUB_ROUTES_MAX];
    size_t n_hooks, n_sub_routes;
    char *openapi;
    uint64_t n_requests, n_failed;
};

struct api_call_private {
    struct api_call public;
    struct api *api;
    struct api_route route;
    struct api_query query;
    enum encoding encoding; /* of the answer */
    char trace[40];
    char *namespace; /* copy that public.namespace points to */
    char *idempotency_key;
    json_t *answer; /* while it is being committed */
    int status;
};
static inline struct api_call_private *api_private(const struct api_call *call)
{
    return (struct api_call_private *)(uintptr_t)call;
}

/* ---- Limits (api_limits.c) ----------------------------------------------------------------- */

/* Whose requests count together. */
void api_limits_key(const struct caller *caller, char ret[LIMITS_KEY_MAX]);
/* Each: false when it is over the limit, and then the call is answered with 429. */
bool api_within_strangers(struct api_call_private *call);
bool api_within_own(struct api_call_private *call);
/* Time that the request took of what all share: the loop, the database. */
void api_charge(const struct api_call *call, uint64_t ns);
void api_charge_key(struct console *console, const char *key, uint64_t ns);
uint64_t api_thread_ns(void); /* processor time of this thread */

const struct api_hooks *api_hooks_of(const struct api *api, const struct schema_kind *kind);
void api_call_free(struct api_call_private *call);

/* A warning for each attribute that does nothing in this version. */
void api_warn_no_effect(struct api_call *call, const struct schema_kind *kind,
                        const json_t *sparse);
/* Put what is live of an object in its place. */
void api_show_live(struct console *console, const struct api_hooks *hooks,
                   const struct object *object, json_t *shown);

/* Ends the call with a response that is made already. */
void api_send(struct api_call_private *call, struct http_response *response);
void api_read_list(struct api_call_private *call);
/* A list of what `query` finds, with the page that the request asks for. `owned`, which the query
 * may point into, is freed when the call is over. */
void api_read_query(struct api_call_private *call, const struct objects_query *query, void *owned,
                    void (*free_owned)(void *owned));
void api_read_one(struct api_call_private *call);
void api_write(struct api_call_private *call);
void api_meta(struct api_call_private *call);
/* Answer of an earlier request with the same Idempotency-Key, else go on with `api_write`. */
void api_replay_or_write(struct api_call_private *call);

/* Everything that one creation, update or deletion is, but for the commit. Import uses them. */
int api_prepare_create(struct api_call *call, json_t *sparse, struct change_set *set,
                       struct api_error *error);
int api_prepare_update(struct api_call *call, const struct object *before, json_t *sparse,
                       struct change_set *set, struct api_error *error);
int api_prepare_delete(struct api_call *call, const struct object *before, bool override,
                       struct change_set *set, struct api_error *error);
/* Tags "@org:…" that namespaces give to what is made in them, in place of those in `sparse`. */
int api_stamp_metadata(struct console *console, const char *namespace,
                       const struct schema_kind *kind, json_t *sparse);
/* What was changed by whom, for /activities; added to the set. */
int api_log_changes(struct api_call *call, struct change_set *set);
/* The call is a write that is refused with this: an activity, unless its caller has many. */
void api_log_refusal(struct api_call *call, int status, const struct api_error *error,
                     const struct schema_problems *problems);

/* "- name: old" and "+ name: new" for each attribute that differs; owned by the caller. */
char *api_diff(const struct schema_kind *kind, const json_t *before, const json_t *after);

/* Body of a request as JSON: 400, 413, 415 in `error`. */
int api_body_parse(const struct http_request *request, struct api_error *error, json_t **ret);
