/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "console/api_internal.h"
#include "console/encoding.h"

#define RETRY_AFTER_S 2

/* ---- Bodies ------------------------------------------------------------------------------- */

int api_body_parse(const struct http_request *request, struct api_error *error, json_t **ret)
{
    enum encoding encoding;
    char problem[ENCODING_PROBLEM_MAX] = "";
    json_t *body;

    if (encoding_of_content(request->content_type, &encoding) < 0) {
        api_error_set(error, 415, "Unsupported media type",
                      "expected application/json or application/msgpack");
        return -EINVAL;
    }
    if (request->body_len == 0) {
        api_error_set(error, 400, "Bad request", "the body is missing");
        return -EINVAL;
    }
    body = encoding_decode(encoding, request->body, request->body_len, problem, sizeof(problem));
    if (!body) {
        api_error_set(error, 400, "Bad request", "the body cannot be read: %s", problem);
        return -EINVAL;
    }
    if (!json_is_object(body)) {
        json_decref(body);
        api_error_set(error, 400, "Bad request", "the body is no object");
        return -EINVAL;
    }
    *ret = body;
    return 0;
}

/* ---- Answers ------------------------------------------------------------------------------ */

static void add_messages(const struct api_call *call, struct http_response *response)
{
    _cleanup_buf_ struct buf text = BUF_INIT(HTTP_HEADER_BYTES_MAX / 2);

    for (size_t i = 0; i < call->n_warnings; i++) {
        if (i)
            buf_puts(&text, "; ");
        buf_puts(&text, call->warnings[i]);
    }
    if (call->n_warnings && text.data)
        http_response_header(response, "X-Messages", "%s", text.data);
}

void api_send(struct api_call_private *call, struct http_response *response)
{
    add_messages(&call->public, response);
    if (call->public.cookie)
        http_response_header(response, "Set-Cookie", "%s", call->public.cookie);
    http_answer(call->public.exchange, response);
    api_call_free(call);
}

static void answer(struct api_call *call, int status, json_t *body, const uint64_t *total,
                   const char *next)
{
    enum encoding encoding = api_private(call)->encoding;
    struct http_response response = {.status = status, .body = BUF_INIT(API_ANSWER_BYTES_MAX)};

    if (body) {
        encoding_append(encoding, body, &response.body);
        response.content_type = encoding_content_type(encoding);
    }
    if (response.body.error) {
        buf_free(&response.body);
        response = (struct http_response){.status = 500};
    }
    if (total)
        http_response_header(&response, "X-Count-Total", "%llu", (unsigned long long)*total);
    if (next)
        http_response_header(&response, "X-Next", "%s", next);
    json_decref(body);
    api_send(api_private(call), &response);
}

void api_answer(struct api_call *call, int status, json_t *body)
{
    uint64_t total = json_array_size(body);

    answer(call, status, body, json_is_array(body) ? &total : NULL, NULL);
}

void api_answer_list(struct api_call *call, int status, json_t *page, uint64_t total,
                     const char *next)
{
    answer(call, status, page, &total, next);
}

void api_fail(struct api_call *call, const struct api_error *error,
              const struct schema_problems *problems)
{
    enum encoding encoding = api_private(call)->encoding;
    int status = error && error->status ? error->status : problems && problems->n ? 422 : 500;
    struct http_response response = {.status = status, .body = BUF_INIT(API_ANSWER_BYTES_MAX)};
    json_t *body = api_error_json(error, problems, api_private(call)->trace);
    char allow[64];

    api_private(call)->api->n_failed++;
    api_log_refusal(call, status, error, problems);
    if (status >= 500)
        log_event(LOG_LEVEL_WARN, "api.failed", LOG_F("status", "%d", status),
                  LOG_F("path", "%s", call->request->path),
                  LOG_F("trace", "%s", api_private(call)->trace),
                  LOG_F("description", "%s", error ? error->description : ""));
    if (body) {
        encoding_append(encoding, body, &response.body);
        response.content_type = encoding_content_type(encoding);
        json_decref(body);
    }
    if (status == 405) {
        api_allow_text(&api_private(call)->route, allow);
        http_response_header(&response, "Allow", "%s", allow);
    }
    if (status == 401)
        http_response_header(&response, "WWW-Authenticate", "Bearer");
    if (status == 503 || status == 429)
        http_response_header(&response, "Retry-After", "%u",
                             error && error->retry_after_s ? error->retry_after_s : RETRY_AFTER_S);
    api_send(api_private(call), &response);
}

void api_show_live(struct console *console, const struct api_hooks *hooks,
                   const struct object *object, json_t *shown)
{
    for (const char *const *name = hooks ? hooks->live : NULL; name && *name; name++) {
        /* It is there unless X-Fields leave it out. */
        json_t *value = json_object_get(shown, *name) ? hooks->value(console, object, *name) : NULL;

        if (value)
            json_object_set_new(shown, *name, value);
    }
}

json_t *api_show(struct api_call *call, const struct object *object)
{
    const struct api_hooks *hooks = api_hooks_of(call->console->api, object->kind);
    json_t *shown = object_show(object, (const char *const *)call->request->fields);

    if (shown)
        api_show_live(call->console, hooks, object, shown);
    return shown;
}

/* ---- Idempotency -------------------------------------------------------------------------- */

/* The same key of somebody else, or for something else, is another key. */
static char *scoped_key(const struct api_call *call)
{
    _cleanup_buf_ struct buf text = BUF_INIT(HTTP_HEADER_BYTES_MAX * 2 + AUTH_TOKEN_BYTES_MAX);
    uint8_t digest[SHA256_BYTES];
    char *key = malloc(SHA256_BYTES * 2 + 1);

    /* All claims: an account may be named like the subject of something else. */
    for (size_t i = 0; call->caller && i < call->caller->claims.n; i++)
        buf_printf(&text, "%s\n", call->caller->claims.tags[i]);
    buf_printf(&text, "\n%d %s\n%s\n%s", (int)call->request->method, call->request->path,
               call->namespace, call->request->idempotency_key);
    if (!key || text.error || hash_sha256(text.data, text.len, digest) < 0) {
        free(key);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(key + 2 * i, 3, "%02x", digest[i]);
    return key;
}

struct replay {
    struct api_call_private *call;
    struct buf answer;
    int result;
    bool after_conflict; /* somebody was faster with the same key */
};

static void replay_work(struct store *store, void *context)
{
    struct replay *replay = context;

    replay->result = store ? store_idempotent(store, replay->call->idempotency_key, &replay->answer)
                           : -ECONNREFUSED;
}

static void replay_done(void *context)
{
    struct replay *replay = context;
    struct api_call_private *call = replay->call;
    json_t *stored = replay->result == 0 && replay->answer.data
                         ? json_loadb(replay->answer.data, replay->answer.len, 0, NULL)
                         : NULL;
    struct api_error error = {0};

    buf_free(&replay->answer);
    if (stored) {
        json_t *body = json_object_get(stored, "body");

        api_answer(&call->public, (int)json_integer_value(json_object_get(stored, "status")),
                   json_is_null(body) ? NULL : json_incref(body));
        json_decref(stored);
    } else if (replay->result == -ENOENT && !replay->after_conflict) {
        api_write(call);
    } else {
        api_error_result(&error, replay->result == -ENOENT ? -EBUSY : replay->result,
                         "the earlier answer");
        api_fail(&call->public, &error, NULL);
    }
    free(replay);
}

static void replay(struct api_call_private *call, bool after_conflict)
{
    struct replay *replay = calloc(1, sizeof(*replay));
    struct api_error error = {0};

    if (!replay) {
        api_error_result(&error, -ENOMEM, "the request");
        api_fail(&call->public, &error, NULL);
        return;
    }
    replay->call = call;
    replay->answer = BUF_INIT(STORE_BODY_BYTES_MAX);
    replay->after_conflict = after_conflict;
    commit_read(call->public.console->commit, replay_work, replay_done, replay);
}

void api_replay_or_write(struct api_call_private *call)
{
    const char *key = call->public.request->idempotency_key;
    struct api_error error = {0};

    if (!*key || call->public.verb != AUTH_CREATE) {
        api_write(call);
        return;
    }
    if (strlen(key) > API_IDEMPOTENCY_KEY_MAX) {
        api_error_set(&error, 400, "Bad request", "Idempotency-Key: expected at most %d characters",
                      API_IDEMPOTENCY_KEY_MAX);
        api_fail(&call->public, &error, NULL);
        return;
    }
    call->idempotency_key = scoped_key(&call->public);
    if (!call->idempotency_key) {
        api_error_result(&error, -ENOMEM, "the request");
        api_fail(&call->public, &error, NULL);
        return;
    }
    replay(call, false);
}

/* ---- Maintenance -------------------------------------------------------------------------- */

struct locked {
    struct api_call_private *call;
    struct buf reason;
};

static void locked_work(struct store *store, void *context)
{
    struct locked *locked = context;

    if (store)
        store_setting_get(store, STORE_MAINTENANCE, &locked->reason);
}

static void locked_done(void *context)
{
    struct locked *locked = context;
    struct api_error error = {0};

    api_error_result(&error, -BULKHEAD_ELOCKED, "");
    if (locked->reason.len)
        api_error_set(&error, 423, "Locked", "nothing can be changed during maintenance: %.900s",
                      locked->reason.data);
    api_fail(&locked->call->public, &error, NULL);
    buf_free(&locked->reason);
    free(locked);
}

/* With the reason, which nobody has to remember while there is none. */
static void refuse_locked(struct api_call_private *call)
{
    struct locked *locked = calloc(1, sizeof(*locked));
    struct api_error error = {0};

    if (!locked) {
        api_error_result(&error, -BULKHEAD_ELOCKED, "");
        api_fail(&call->public, &error, NULL);
        return;
    }
    locked->call = call;
    locked->reason = BUF_INIT(STORE_BODY_BYTES_MAX);
    commit_read(call->public.console->commit, locked_work, locked_done, locked);
}

/* ---- Commit ------------------------------------------------------------------------------- */

static void committed(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct api_call_private *call = context;
    struct api_error error = {0};

    if (result == 0) {
        api_answer(&call->public, call->status, TAKE_PTR(call->answer));
    } else if (result == -EALREADY) {
        replay(call, true);
    } else if (result == -BULKHEAD_ELOCKED) {
        refuse_locked(call);
    } else {
        api_error_result(&error, result, call->public.kind->name);
        api_fail(&call->public, &error, NULL);
    }
}

static int add_idempotency(struct api_call_private *call, struct change_set *set, int status,
                           json_t *body)
{
    _cleanup_free_
    char *text = NULL;
    json_t *answer, *kept;
    const char *name;
    json_t *value;
    int r;

    if (!call->idempotency_key)
        return 0;
    kept = json_copy(body);
    if (body && !kept)
        return -ENOMEM;
    if (call->public.reply_secret)
        json_object_foreach(call->public.reply, name, value) json_object_del(kept, name);
    answer = json_pack("{s:i, s:o?}", "status", status, "body", kept);
    text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    r = text ? change_set_idempotency(set, call->idempotency_key, text) : -ENOMEM;
    return r;
}

void api_commit(struct api_call *call, struct change_set **set, int status, json_t *body)
{
    struct api_call_private *private = api_private(call);
    _cleanup_change_set_ struct change_set *own = TAKE_PTR(*set);
    struct api_error error = {0};
    int r;

    json_decref(private->answer);
    private->answer = body;
    private->status = status;
    change_set_lockable(own);
    r = api_log_changes(call, own);
    if (r == 0)
        r = add_idempotency(private, own, status, body);
    if (r < 0) {
        api_error_result(&error, r, call->kind->name);
        api_fail(call, &error, NULL);
        return;
    }
    commit_submit(call->console->commit, &own, committed, private);
}
