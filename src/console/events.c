/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One event takes one way: from a change of an object (or events_publish()) to an occasion, which
 * is shown and encoded when the first client wants it, to every client that asked for it and may
 * list or get it. A client that does not read is cut off by the bound of its queue (http.h); it
 * lists again when it comes back.
 */

#include "console/events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "console/encoding.h"
#include "console/error.h"
#include "console/events_config.h"
#include "console/events_encode.h"
#include "console/objects.h"
#include "model/model.h"

#define EVENT_BYTES_MAX (2u << 20)
#define SWEEP_MS 1000
#define TOKEN_CHECK_MS 30000 /* is the credential behind the token still good? */
#define TOKEN_CHECKS_MAX 100 /* in one sweep */
#define CONFIGS_MAX 10       /* in one sweep, of one client */

#define CLOSE_UNSUPPORTED 1003
#define CLOSE_POLICY 1008

struct client {
    struct events *events;
    struct http_socket *socket;
    struct client *next, *prev;
    struct caller *caller;
    char *namespace;
    char *token; /* to ask again; NULL: came with a certificate */
    char address[INET6_ADDRSTRLEN];
    bool recursive, wants_errors;
    enum encoding in, out;
    struct events_config config;
    unsigned configs; /* since the last sweep */
    int64_t check_ms;
    /* The last answer of auth_allowed(), good within one delivery. */
    const struct schema_kind *asked_kind;
    const char *asked_namespace;
    bool asked_answer;
};

struct events {
    struct console *console;
    struct client *clients;
    size_t n;
    uv_timer_t *sweep;
};

struct occasion {
    const struct schema_kind *kind;
    const char *namespace, *type_name;
    enum events_type type;
    const struct object *object; /* shown when needed; NULL: `entity` is there already */
    json_t *entity;
    struct http_payload *payloads[2]; /* by encoding */
    bool failed;
};

/* ---- Delivery ------------------------------------------------------------------------------ */

static bool in_scope(const struct client *client, const char *namespace)
{
    size_t len = strlen(client->namespace);

    if (strcmp(client->namespace, namespace) == 0)
        return true;
    if (!client->recursive)
        return false;
    if (strcmp(client->namespace, "/") == 0)
        return true;
    return strncmp(client->namespace, namespace, len) == 0 && namespace[len] == '/';
}

static bool may(struct client *client, const struct occasion *occasion)
{
    struct auth *auth = client->events->console->auth;

    if (client->asked_kind == occasion->kind && client->asked_namespace == occasion->namespace)
        return client->asked_answer;
    client->asked_kind = occasion->kind;
    client->asked_namespace = occasion->namespace;
    client->asked_answer =
        auth_allowed(auth, client->caller, AUTH_LIST, occasion->kind, occasion->namespace, NULL) ||
        auth_allowed(auth, client->caller, AUTH_GET, occasion->kind, occasion->namespace, NULL);
    return client->asked_answer;
}

static const json_t *entity_of(struct occasion *occasion)
{
    if (!occasion->entity && !occasion->failed)
        occasion->entity = object_show(occasion->object, NULL);
    occasion->failed = occasion->failed || !occasion->entity;
    return occasion->entity;
}

static struct http_payload *payload_of(struct occasion *occasion, enum encoding encoding)
{
    struct buf buf = BUF_INIT(EVENT_BYTES_MAX);
    struct http_payload **payload = &occasion->payloads[encoding];

    if (*payload || occasion->failed || !entity_of(occasion))
        return *payload;
    events_encode(encoding, occasion->entity, occasion->kind->name, occasion->type_name,
                  console_now_ms(), &buf);
    if (buf.error || http_payload_new(buf.data, buf.len, encoding == ENCODING_JSON, payload) < 0)
        occasion->failed = true;
    buf_free(&buf);
    return *payload;
}

static void deliver_one(struct client *client, struct occasion *occasion)
{
    const struct filter *filter = NULL;
    struct http_payload *payload;

    /* What is no object is for those who ask for it. */
    if (!occasion->kind->stored && client->config.n == 0)
        return;
    if (!in_scope(client, occasion->namespace) ||
        !events_config_wants(&client->config, occasion->kind, occasion->type, &filter) ||
        !may(client, occasion))
        return;
    if (filter && (!entity_of(occasion) || !filter_matches_json(filter, occasion->entity)))
        return;
    payload = payload_of(occasion, client->out);
    if (payload)
        http_socket_send(client->socket, payload);
}

static void deliver(struct events *events, struct occasion *occasion)
{
    for (struct client *c = events->clients; c; c = c->next)
        deliver_one(c, occasion);
    json_decref(occasion->entity);
    for (size_t i = 0; i < ARRAY_SIZE(occasion->payloads); i++)
        http_payload_unref(&occasion->payloads[i]);
}

/* Policies may have changed since. */
static void forget_answers(struct events *events)
{
    for (struct client *c = events->clients; c; c = c->next)
        c->asked_kind = NULL;
}

static void on_changes(void *context, uint64_t revision, const struct object_change *changes,
                       size_t n)
{
    struct events *events = context;

    if (!events->clients)
        return;
    forget_answers(events);
    for (size_t i = 0; i < n; i++) {
        const struct object *object = changes[i].after ? changes[i].after : changes[i].before;
        struct occasion occasion = {.object = object, .kind = object->kind};

        if (!occasion.kind || occasion.kind->hidden || !object->space)
            continue;
        occasion.namespace = object->space->name;
        occasion.type_name = !changes[i].before  ? "create"
                             : !changes[i].after ? "delete"
                                                 : "update";
        occasion.type = events_type_of(occasion.type_name);
        deliver(events, &occasion);
    }
    forget_answers(events);
}

void events_publish(struct events *events, const struct schema_kind *kind, const char *namespace,
                    const char *type, const json_t *entity)
{
    struct occasion occasion = {.kind = kind,
                                .namespace = namespace,
                                .type_name = type,
                                .type = events_type_of(type),
                                .entity = json_incref((json_t *)entity)};

    assert(occasion.type);
    forget_answers(events);
    deliver(events, &occasion);
    forget_answers(events);
}

/* ---- Configuration ------------------------------------------------------------------------- */

static void send_error(struct client *client, const struct api_error *error)
{
    struct buf buf = BUF_INIT(EVENT_BYTES_MAX);
    json_t *list = api_error_json(error, NULL, "");
    struct http_payload *payload = NULL;

    if (!list)
        return;
    events_encode(client->out, list, "error", "error", console_now_ms(), &buf);
    if (!buf.error &&
        http_payload_new(buf.data, buf.len, client->out == ENCODING_JSON, &payload) == 0)
        http_socket_send(client->socket, payload);
    http_payload_unref(&payload);
    buf_free(&buf);
    json_decref(list);
}

static void refuse(struct client *client, const char *why)
{
    struct api_error error = {0};

    if (!client->wants_errors) {
        http_socket_close(client->socket, CLOSE_UNSUPPORTED, why);
        return;
    }
    api_error_set(&error, 400, "Bad request", "%s", why);
    send_error(client, &error);
}

/* A new token instead of the one that is about to expire. */
static int renew(struct client *client, const char *token)
{
    struct api_error error = {0};
    struct caller *caller = NULL;
    char *copy;
    int r = auth_authenticate_token(client->events->console->auth, token, client->address, &error,
                                    &caller);

    if (r < 0) {
        refuse(client, error.description);
        return r;
    }
    copy = strdup(token);
    if (!copy) {
        caller_free(&caller);
        return -ENOMEM;
    }
    free(client->token);
    client->token = copy;
    caller_free(&client->caller);
    client->caller = caller;
    return 0;
}

static void configure(struct client *client, const json_t *json)
{
    char problem[EVENTS_PROBLEM_MAX] = "";
    struct events_config config = {0};
    int r = events_config_parse(json, console_now_ms(), problem, &config);

    if (r < 0) {
        refuse(client, *problem ? problem : "out of memory");
        return;
    }
    r = config.token ? renew(client, config.token) : 0;
    if (r == 0 && config.selects) {
        events_config_clear(&client->config);
        client->config = config;
        return;
    }
    events_config_clear(&config);
}

static void on_message(struct http_socket *socket, void *session, const void *data, size_t len,
                       bool text)
{
    struct client *client = session;
    char problem[ENCODING_PROBLEM_MAX];
    json_t *json;

    if (++client->configs > CONFIGS_MAX) {
        http_socket_close(socket, CLOSE_POLICY, "too many configurations in one second");
        return;
    }
    if (len > EVENTS_CONFIG_BYTES_MAX) {
        refuse(client, "the configuration is larger than 64 KiB");
        return;
    }
    json = encoding_decode(text ? ENCODING_JSON : client->in, data, len, problem, sizeof(problem));
    if (json)
        configure(client, json);
    else
        refuse(client, problem);
    json_decref(json);
}

/* ---- Clients ------------------------------------------------------------------------------- */

static void client_free(struct client *client)
{
    if (!client)
        return;
    events_config_clear(&client->config);
    caller_free(&client->caller);
    free(client->namespace);
    free(client->token);
    free(client);
}

static void on_closed(struct http_socket *socket, void *session)
{
    struct client *client = session;
    struct events *events = client->events;

    if (events) {
        if (client->prev)
            client->prev->next = client->next;
        else
            events->clients = client->next;
        if (client->next)
            client->next->prev = client->prev;
        events->n--;
    }
    client_free(client);
}

static int parameters(struct client *client, const struct http_request *request,
                      const char **ret_token, struct http_socket *socket)
{
    static const char *const known[] = {"enableErrors", "mode", "namespace", "token"};

    for (size_t i = 0; i < request->n_query; i++) {
        const struct http_parameter *p = &request->query[i];
        const char *nearest;

        if (strcmp(p->name, "namespace") == 0) {
            free(client->namespace);
            client->namespace = strdup(p->value);
            if (!client->namespace)
                return 503;
        } else if (strcmp(p->name, "token") == 0) {
            *ret_token = p->value;
        } else if (strcmp(p->name, "enableErrors") == 0) {
            client->wants_errors = strcmp(p->value, "false") != 0 && strcmp(p->value, "0") != 0;
        } else if (strcmp(p->name, "mode") == 0 && strcmp(p->value, "all") == 0) {
            client->recursive = true;
        } else if (strcmp(p->name, "mode") == 0) {
            http_socket_explain(socket, "mode: found '%.60s', expected all", p->value);
            return 400;
        } else {
            nearest = nearest_word(p->name, known, ARRAY_SIZE(known));
            http_socket_explain(socket, "unknown parameter '%.60s'%s%s", p->name,
                                nearest ? "; did you mean " : "", nearest ? nearest : "");
            return 400;
        }
    }
    return 0;
}

/* "https://console.example" and "console.example" */
static bool same_origin(const struct http_request *request)
{
    const char *origin = strstr(request->origin, "://");

    return !*request->origin || (origin && strcasecmp(origin + 3, request->host) == 0);
}

/* The text of the token, so that it can be asked about again; NULL: there is none. */
static char *token_text(const struct http_request *request, const char *parameter)
{
    const char *cookie = strstr(request->cookie, AUTH_COOKIE "=");

    if (parameter)
        return strdup(parameter);
    if (strncasecmp(request->authorization, "Bearer ", 7) == 0)
        return strdup(request->authorization + 7 + strspn(request->authorization + 7, " "));
    if (cookie) {
        cookie += strlen(AUTH_COOKIE "=");
        return strndup(cookie, strcspn(cookie, "; "));
    }
    return NULL;
}

static int identify(struct client *client, const struct http_request *request, const char *token,
                    struct http_socket *socket)
{
    struct auth *auth = client->events->console->auth;
    struct api_error error = {0};
    int r;

    /* A browser sends the cookie whoever wrote the page, and asks nobody before a WebSocket. */
    if (!token && !*request->authorization && *request->cookie && !same_origin(request)) {
        http_socket_explain(socket, "a page of another origin cannot use the cookie");
        return 403;
    }
    r = token ? auth_authenticate_token(auth, token, request->client, &error, &client->caller)
              : auth_authenticate(auth, request, &error, &client->caller);
    if (r < 0) {
        http_socket_explain(socket, "%s", error.description);
        return error.status ? error.status : 503;
    }
    client->token = token_text(request, token);
    memcpy(client->address, request->client, sizeof(client->address));
    client->check_ms = (int64_t)uv_now(&client->events->console->loop) + TOKEN_CHECK_MS;
    return 0;
}

static int choose_encodings(struct client *client, const struct http_request *request,
                            struct http_socket *socket)
{
    if (encoding_of_content(request->content_type, &client->in) < 0) {
        http_socket_explain(socket, "Content-Type: expected JSON or MessagePack");
        return 415;
    }
    client->out = client->in;
    if (*request->accept && encoding_choose(request->accept, &client->out) < 0) {
        http_socket_explain(socket, "Accept: expected JSON or MessagePack");
        return 406;
    }
    if (!*request->content_type)
        client->in = client->out;
    return 0;
}

/* @return 0, or the status to refuse with */
static int admit(struct client *client, const struct http_request *request,
                 struct http_socket *socket)
{
    const char *token = NULL;
    int status = parameters(client, request, &token, socket);

    if (status == 0)
        status = identify(client, request, token, socket);
    if (status == 0)
        status = choose_encodings(client, request, socket);
    if (status)
        return status;
    if (!client->namespace)
        client->namespace = strdup(request->namespace);
    if (!client->namespace)
        return 503;
    if (!*client->namespace) {
        http_socket_explain(socket, "namespace: expected a namespace");
        return 400;
    }
    if (!objects_space(client->events->console->objects, client->namespace)) {
        http_socket_explain(socket, "namespace '%.200s': not found", client->namespace);
        return 404;
    }
    return 0;
}

int events_upgrade(struct events *events, const struct http_request *request,
                   struct http_socket *socket, void **ret_session,
                   const struct http_socket_events **ret_events)
{
    static const struct http_socket_events table = {.message = on_message, .closed = on_closed};
    struct client *client;
    int status;

    if (events->n >= EVENTS_CLIENTS_MAX) {
        http_socket_explain(socket, "%d clients listen already", EVENTS_CLIENTS_MAX);
        return 503;
    }
    client = calloc(1, sizeof(*client));
    if (!client)
        return 503;
    client->events = events;
    client->socket = socket;
    status = admit(client, request, socket);
    if (status) {
        client_free(client);
        return status;
    }
    client->next = events->clients;
    if (client->next)
        client->next->prev = client;
    events->clients = client;
    events->n++;
    *ret_session = client;
    *ret_events = &table;
    return 101;
}

/* ---- Life ---------------------------------------------------------------------------------- */

/* @return true: a token was looked at */
static bool sweep_one(struct client *client, int64_t now_ms, bool may_check)
{
    struct auth *auth = client->events->console->auth;
    struct api_error error = {0};
    struct caller *caller = NULL;

    client->configs = 0;
    if (client->caller->expires_ms && console_now_ms() >= client->caller->expires_ms) {
        http_socket_close(client->socket, CLOSE_POLICY, "the token has expired");
        return false;
    }
    if (!client->token || now_ms < client->check_ms || !may_check)
        return false;
    client->check_ms = now_ms + TOKEN_CHECK_MS;
    if (auth_check_token(auth, client->token, client->address, &error, &caller) < 0 &&
        error.status != 429) /* too much is checked now: the next time */
        http_socket_close(client->socket, CLOSE_POLICY, error.description);
    caller_free(&caller);
    return true;
}

static void on_sweep(uv_timer_t *timer)
{
    struct events *events = timer->data;
    int64_t now_ms = (int64_t)uv_now(&events->console->loop);
    unsigned checked = 0;

    for (struct client *c = events->clients; c; c = c->next)
        checked += sweep_one(c, now_ms, checked < TOKEN_CHECKS_MAX);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

int events_new(struct console *console, struct events **ret)
{
    struct events *events = calloc(1, sizeof(*events));
    int r;

    assert(console);
    assert(ret);

    if (!events)
        return -ENOMEM;
    events->console = console;
    events->sweep = calloc(1, sizeof(*events->sweep));
    r = events->sweep ? objects_observe(console->objects, on_changes, events) : -ENOMEM;
    if (r < 0) {
        free(events->sweep);
        free(events);
        return r;
    }
    uv_timer_init(&console->loop, events->sweep);
    events->sweep->data = events;
    uv_timer_start(events->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)events->sweep);
    *ret = events;
    return 0;
}

/* Sockets that are still open lose their events; they are freed when they close. */
void events_free(struct events **events)
{
    struct events *e = TAKE_PTR(*events);

    if (!e)
        return;
    objects_unobserve(e->console->objects, on_changes, e);
    uv_timer_stop(e->sweep);
    uv_close((uv_handle_t *)e->sweep, on_timer_closed);
    for (struct client *c = e->clients; c; c = c->next) {
        http_socket_close(c->socket, 1001, "the Console stops");
        c->events = NULL;
    }
    free(e);
}
