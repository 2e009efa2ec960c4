/* SPDX-License-Identifier: Apache-2.0 */
#include "console/api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/error.h"
#include "base/text.h"
#include "console/api_internal.h"
#include "console/render.h"

#define WARNING_BYTES_MAX 512

/* ---- Registration ------------------------------------------------------------------------- */

int api_register(struct console *console, const struct api_hooks *hooks)
{
    struct api *api = console->api;

    if (api->n_hooks == API_HOOKS_MAX)
        return -BULKHEAD_ETOOMANY;
    api->hooks[api->n_hooks++] = *hooks;
    return 0;
}

int api_register_sub_route(struct console *console, const char *parent, const char *child,
                           void (*handle)(struct api_call *call))
{
    struct api *api = console->api;
    struct api_sub_route *route = &api->sub_routes[api->n_sub_routes];

    if (api->n_sub_routes == API_SUB_ROUTES_MAX)
        return -BULKHEAD_ETOOMANY;
    route->parent = strdup(parent);
    route->child = strdup(child);
    route->handle = handle;
    api->n_sub_routes++;
    return route->parent && route->child ? 0 : -ENOMEM;
}

const struct api_hooks *api_hooks_of(const struct api *api, const struct schema_kind *kind)
{
    for (size_t i = 0; i < api->n_hooks; i++)
        if (strcmp(api->hooks[i].kind, kind->name) == 0)
            return &api->hooks[i];
    return NULL;
}

static bool is_kind(const struct schema_kind *kind, const char *word)
{
    return strcmp(kind->name, word) == 0 || (kind->plural && strcmp(kind->plural, word) == 0);
}

static void (*sub_route_of(const struct api *api,
                           const struct api_route *route))(struct api_call *call)
{
    for (size_t i = 0; i < api->n_sub_routes; i++)
        if (is_kind(route->parent, api->sub_routes[i].parent) &&
            (strcmp(route->sub_route->child, api->sub_routes[i].child) == 0 ||
             is_kind(route->kind, api->sub_routes[i].child)))
            return api->sub_routes[i].handle;
    return NULL;
}

int api_new(struct console *console, struct api **ret)
{
    struct api *api = calloc(1, sizeof(*api));

    if (!api)
        return -ENOMEM;
    api->console = console;
    *ret = api;
    return 0;
}

void api_free(struct api **api)
{
    struct api *old = *api;

    if (!old)
        return;
    *api = NULL;
    for (size_t i = 0; i < old->n_sub_routes; i++) {
        free(old->sub_routes[i].parent);
        free(old->sub_routes[i].child);
    }
    free(old->openapi);
    free(old);
}

/* ---- One call ----------------------------------------------------------------------------- */

void api_call_free(struct api_call_private *call)
{
    for (size_t i = 0; i < call->public.n_warnings; i++)
        free(call->public.warnings[i]);
    caller_free(&call->public.caller);
    json_decref(call->public.body);
    json_decref(call->public.transient);
    json_decref(call->public.reply);
    json_decref(call->answer);
    free(call->public.cookie);
    if (call->public.password_hash)
        OPENSSL_cleanse(call->public.password_hash, strlen(call->public.password_hash));
    free(call->public.password_hash);
    free(call->public.hook_data);
    api_query_clear(&call->query);
    free(call->namespace);
    free(call->idempotency_key);
    free(call);
}

const char *api_parameter(const struct api_call *call, const char *name)
{
    for (size_t i = 0; i < call->request->n_query; i++)
        if (strcmp(call->request->query[i].name, name) == 0)
            return call->request->query[i].value;
    return NULL;
}

void api_warn(struct api_call *call, const char *format, ...)
{
    char text[WARNING_BYTES_MAX];
    va_list args;

    if (call->n_warnings == API_WARNINGS_MAX)
        return;
    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    /* One header holds them all, parted by ";". */
    for (char *at = text; *at; at++)
        if (*at == ';' || (unsigned char)*at < 0x20 || *at == 0x7f)
            *at = *at == ';' ? ',' : ' ';
    call->warnings[call->n_warnings] = strdup(text);
    call->n_warnings += call->warnings[call->n_warnings] != NULL;
}

const struct object *api_parent(const struct api_call *call)
{
    return *call->parent_id ? objects_find(call->console->objects, call->parent_id) : NULL;
}

const struct object *api_object(const struct api_call *call)
{
    return *call->id ? objects_find(call->console->objects, call->id) : NULL;
}

bool api_namespace_exists(const struct api_call *call, const struct change_set *set,
                          const char *namespace)
{
    const struct schema_kind *kind = schema_kind_find("namespace");
    const struct store_op *op = set ? change_set_find_unique(set, kind, namespace) : NULL;
    const struct space *space = objects_space(call->console->objects, namespace);

    if (op && op->type != STORE_DELETE)
        return true;
    if (!space || !space->object)
        return space && strcmp(namespace, "/") == 0;
    op = set ? change_set_find(set, space->object->id) : NULL;
    return !op || op->type != STORE_DELETE;
}

static void fail(struct api_call_private *call, int status, const char *title, const char *format,
                 ...) _printf_(4, 5);

static void fail(struct api_call_private *call, int status, const char *title, const char *format,
                 ...)
{
    struct api_error error = {0};
    char text[512];
    va_list args;

    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    api_error_set(&error, status, title, "%s", text);
    api_fail(&call->public, &error, NULL);
}

/* ---- From method to verb ------------------------------------------------------------------ */

static unsigned allowed_verbs(const struct api_route *route)
{
    if (route->type == API_ROUTE_CHILDREN)
        return route->sub_route->verbs & (SCHEMA_LIST | SCHEMA_CREATE);
    if (route->type == API_ROUTE_KIND)
        return route->kind->verbs & (SCHEMA_LIST | SCHEMA_CREATE);
    return route->kind->verbs & (SCHEMA_GET | SCHEMA_UPDATE | SCHEMA_DELETE);
}

static unsigned verb_of(const struct api_route *route, enum http_method method, enum auth_verb *ret)
{
    bool one = route->type == API_ROUTE_OBJECT;

    switch (method) {
    case HTTP_GET:
    case HTTP_HEAD:
        *ret = one ? AUTH_GET : AUTH_LIST;
        return one ? SCHEMA_GET : SCHEMA_LIST;
    case HTTP_POST:
        *ret = AUTH_CREATE;
        return one ? 0 : SCHEMA_CREATE;
    case HTTP_PUT:
        *ret = AUTH_UPDATE;
        return one ? SCHEMA_UPDATE : 0;
    case HTTP_PATCH:
        *ret = AUTH_PATCH;
        return one ? SCHEMA_UPDATE : 0;
    case HTTP_DELETE:
        *ret = AUTH_DELETE;
        return one ? SCHEMA_DELETE : 0;
    default:
        return 0;
    }
}

void api_allow_text(const struct api_route *route, char text[64])
{
    unsigned verbs = route->kind ? allowed_verbs(route) : SCHEMA_LIST;

    snprintf(text, 64, "OPTIONS%s%s%s%s", verbs & (SCHEMA_LIST | SCHEMA_GET) ? ", GET, HEAD" : "",
             verbs & SCHEMA_CREATE ? ", POST" : "", verbs & SCHEMA_UPDATE ? ", PUT, PATCH" : "",
             verbs & SCHEMA_DELETE ? ", DELETE" : "");
}

static void answer_options(struct api_call_private *call)
{
    struct http_response response = {.status = 204};
    char text[64];

    api_allow_text(&call->route, text);
    http_response_header(&response, "Allow", "%s", text);
    http_answer(call->public.exchange, &response);
    api_call_free(call);
}

/* ---- The steps of a request --------------------------------------------------------------- */

static int set_namespace(struct api_call_private *call, const char *namespace)
{
    char *copy = strdup(namespace);

    if (!copy)
        return -ENOMEM;
    free(call->namespace);
    call->namespace = copy;
    call->public.namespace = copy;
    return 0;
}

/* The kind whose ID is in the address; NULL: none. */
static const struct schema_kind *addressed_kind(const struct api_route *route)
{
    if (route->type == API_ROUTE_KIND)
        return NULL;
    return route->type == API_ROUTE_OBJECT ? route->kind : route->parent;
}

static void fail_unknown(struct api_call_private *call, const struct schema_kind *kind)
{
    fail(call, 404, "Object not found", "there is no %s with the ID %s", kind->name,
         call->route.id);
}

/* Which namespace is it about? That of the object, else X-Namespace. */
static bool find_namespace(struct api_call_private *call, bool required)
{
    const struct schema_kind *kind = addressed_kind(&call->route);
    const struct http_request *request = call->public.request;
    const struct object *object;
    const char *problem;

    if (kind) {
        if (!kind->stored)
            return !*request->namespace || set_namespace(call, request->namespace) == 0;
        object = objects_find(call->public.console->objects, call->route.id);
        if (!object || object->kind != kind) {
            fail_unknown(call, kind);
            return false;
        }
        if (set_namespace(call, object->space->name) < 0) {
            fail(call, 500, "Internal error", "out of memory");
            return false;
        }
        return true;
    }
    if (!*request->namespace && required) {
        fail(call, 400, "Bad request", "the header X-Namespace is missing");
        return false;
    }
    problem = *request->namespace ? namespace_problem(request->namespace) : NULL;
    if (problem) {
        fail(call, 400, "Bad request", "X-Namespace: expected %s", problem);
        return false;
    }
    if (set_namespace(call, *request->namespace ? request->namespace : "/") < 0) {
        fail(call, 500, "Internal error", "out of memory");
        return false;
    }
    return true;
}

/* IDs can be guessed: one that is somewhere where the caller sees nothing is as unknown to him as
 * one that is nowhere. */
static void fail_forbidden(struct api_call_private *call)
{
    const struct schema_kind *kind = addressed_kind(&call->route);
    const struct api_call *public = &call->public;

    assert(call->route.kind);

    if (kind && kind->stored &&
        !auth_sees(public->console->auth, public->caller, public->namespace))
        fail_unknown(call, kind);
    else
        fail(call, 403, "Forbidden",
             "you may not do this with %s in namespace %s (POST /authz explains it)",
             call->route.kind->name, public->namespace);
}

static bool let_in(struct api_call_private *call, const struct api_hooks *hooks)
{
    struct console *console = call->public.console;
    enum auth_verb verb = call->route.is_word ? AUTH_GET : call->public.verb;
    unsigned bit = 1u << call->public.verb;
    bool open = hooks && (hooks->open_verbs & bit), own = hooks && (hooks->own_verbs & bit);
    struct api_error error = {0};

    if (open && !api_within_strangers(call))
        return false;
    if (!open &&
        auth_authenticate(console->auth, call->public.request, &error, &call->public.caller) < 0) {
        api_fail(&call->public, &error, NULL);
        return false;
    }
    if (!open && !api_within_own(call))
        return false;
    if (!find_namespace(call, !open && !own))
        return false;
    if (!open && !own &&
        !auth_allowed(console->auth, call->public.caller, verb, call->route.kind,
                      call->public.namespace ? call->public.namespace : "/", NULL)) {
        fail_forbidden(call);
        return false;
    }
    if (call->route.type == API_ROUTE_KIND &&
        !objects_space(console->objects, call->public.namespace)) {
        fail(call, 404, "Namespace not found", "there is no namespace %s", call->public.namespace);
        return false;
    }
    return true;
}

/* What is not stored goes to its hook alone: so its table is asked here, once for all of them. */
static bool accept_body(struct api_call_private *call)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    struct api_error error = {0};
    json_t *sparse = NULL;
    int r = schema_accept(call->route.kind, SCHEMA_WRITER_USER, call->public.body, NULL, false,
                          &problems, &sparse);

    if (r < 0) {
        if (!problems.n)
            api_error_result(&error, r, call->route.kind->name);
        api_fail(&call->public, &error, &problems);
        return false;
    }
    json_decref(call->public.body);
    call->public.body = sparse;
    return true;
}

static bool read_body(struct api_call_private *call)
{
    struct api_error error = {0};
    enum auth_verb verb = call->public.verb;

    if (verb == AUTH_LIST || verb == AUTH_GET || verb == AUTH_DELETE)
        return true;
    if (api_body_parse(call->public.request, &error, &call->public.body) == 0)
        return call->route.kind->stored || accept_body(call);
    api_fail(&call->public, &error, NULL);
    return false;
}

static void write_object(struct api_call_private *call, const struct api_hooks *hooks)
{
    bool sets = call->public.verb != AUTH_DELETE;

    if (sets && hooks && hooks->prepare)
        hooks->prepare(&call->public);
    else
        api_replay_or_write(call);
}

void api_prepared(struct api_call *call)
{
    api_replay_or_write(api_private(call));
}

static void dispatch(struct api_call_private *call, const struct api_hooks *hooks)
{
    void (*sub_route)(struct api_call *) =
        call->route.type == API_ROUTE_CHILDREN ? sub_route_of(call->api, &call->route) : NULL;

    if (sub_route) {
        sub_route(&call->public);
    } else if (hooks && hooks->handle &&
               (!call->route.kind->stored || call->route.type == API_ROUTE_CHILDREN)) {
        hooks->handle(&call->public);
    } else if (call->route.type == API_ROUTE_CHILDREN || !call->route.kind->stored) {
        fail(call, 501, "Not implemented", "this Console does not do that yet");
    } else if (call->public.verb == AUTH_LIST) {
        api_read_list(call);
    } else if (call->public.verb == AUTH_GET) {
        api_read_one(call);
    } else {
        write_object(call, hooks);
    }
}

/* The call may be gone afterwards. */
static void dispatch_counted(struct api_call_private *call, const struct api_hooks *hooks)
{
    struct console *console = call->public.console;
    uint64_t start_ns = api_thread_ns();
    char key[LIMITS_KEY_MAX] = "";

    if (call->public.caller)
        api_limits_key(call->public.caller, key);
    dispatch(call, hooks);
    if (*key)
        api_charge_key(console, key, api_thread_ns() - start_ns);
}

static void serve_kind(struct api_call_private *call)
{
    const struct api_hooks *hooks = api_hooks_of(call->api, call->route.kind);
    struct api_error error = {0};
    unsigned verb = verb_of(&call->route, call->public.request->method, &call->public.verb);

    call->public.kind = call->route.kind;
    call->public.parent_kind = call->route.parent;
    if (call->route.type == API_ROUTE_OBJECT)
        memcpy(call->public.id, call->route.id, sizeof(call->public.id));
    if (call->route.type == API_ROUTE_CHILDREN)
        memcpy(call->public.parent_id, call->route.id, sizeof(call->public.parent_id));
    if (!(verb & allowed_verbs(&call->route))) {
        fail(call, 405, "Method not allowed", "this address does not take this method");
        return;
    }
    if (!let_in(call, hooks))
        return;
    if (api_query_parse(call->public.request, &call->route, call->public.verb, console_now_ms(),
                        &error, &call->query) < 0) {
        api_fail(&call->public, &error, NULL);
        return;
    }
    if (read_body(call))
        dispatch_counted(call, hooks);
}

static void make_trace(struct api_call_private *call)
{
    call->api->n_requests++;
    snprintf(call->trace, sizeof(call->trace), "%08x-%llu", (unsigned)(console_now_ms() / 1000),
             (unsigned long long)call->api->n_requests);
}

void api_request(void *context, struct http_exchange *exchange)
{
    struct console *console = context;
    struct api_call_private *call = calloc(1, sizeof(*call));
    struct http_response busy = {.status = 503};

    if (!call) {
        http_answer(exchange, &busy);
        return;
    }
    call->api = console->api;
    call->public.console = console;
    call->public.exchange = exchange;
    call->public.request = http_exchange_request(exchange);
    make_trace(call);
    api_route_parse(call->public.request->path, &call->route);
    if (encoding_choose(call->public.request->accept, &call->encoding) < 0)
        fail(call, 406, "Not acceptable", "expected application/json or application/msgpack");
    else if (call->route.type == API_ROUTE_NONE)
        fail(call, 404, "Not found", "%s", call->route.message);
    else if (call->public.request->method == HTTP_OPTIONS)
        answer_options(call);
    else if (call->route.type != API_ROUTE_META && call->route.type != API_ROUTE_OPENAPI)
        serve_kind(call);
    else if (api_within_strangers(call))
        api_meta(call);
}
