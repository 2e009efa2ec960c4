/* SPDX-License-Identifier: Apache-2.0 */
#include "console/hooks_auth.h"

#include <errno.h>
#include <string.h>

#include "console/api_internal.h"

/*
 * POST /logout: the token that is sent is good no more, at no Console, and neither is what was made
 * from it. What is remembered is bounded by what tokens are made from: a list of AUTH_REVOKED_MAX
 * for each, and when it is full all of its tokens go instead of one.
 */

#define TRIES_MAX 20

struct leaving {
    struct api_call *call;
    unsigned tries;
};

static void refuse(struct api_call *call, int status, const char *title, const char *text)
{
    struct api_error error = {0};

    api_error_set(&error, status, title, "%s", text);
    api_fail(call, &error, NULL);
}

/* What is to be remembered, after `before` (NULL: nothing). New reference, NULL on ENOMEM. */
static json_t *remember(const struct api_call *call, const char *origin_id, json_t *before)
{
    bool everywhere = json_is_true(json_object_get(call->body, "everywhere"));
    json_t *old = json_object_get(before, "tokens"), *tokens = old ? json_copy(old) : json_array();
    json_int_t not_before = json_integer_value(json_object_get(before, "notBefore"));

    if (everywhere || json_array_size(tokens) >= AUTH_REVOKED_MAX) {
        not_before = (json_int_t)(console_now_ms() / 1000);
        json_array_clear(tokens);
    }
    json_array_append_new(tokens, json_string(call->caller->token_id));
    return json_pack("{s:s, s:o, s:I}", "name", origin_id, "tokens", tokens, "notBefore",
                     not_before);
}

static int prepare(struct api_call *call, const char *origin_id, struct change_set *set)
{
    const struct schema_kind *kind = schema_kind_find(AUTH_REVOCATION_KIND);
    const struct object *object = objects_find_unique(call->console->objects, kind, origin_id);
    json_t *before = object ? object_parse(object) : NULL;
    json_t *after = !object || before ? remember(call, origin_id, before) : NULL;
    int r = after ? 0 : -ENOMEM;

    if (r == 0)
        r = object ? change_set_update(set, object, after)
                   : change_set_create(set, kind, "/", after, NULL);
    json_decref(before);
    json_decref(after);
    return r < 0 ? r : api_log_changes(call, set);
}

static void try(struct leaving *leaving);

static void answer(struct api_call *call)
{
    if (*call->request->cookie) {
        free(call->cookie);
        call->cookie =
            strdup(AUTH_COOKIE "=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    }
    api_answer(call, 204, NULL);
}

static void left(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct leaving *leaving = context;
    struct api_call *call = leaving->call;
    struct api_error error = {0};
    bool again = result == -ESTALE || result == -EEXIST || result == -ENOENT;

    if (again && ++leaving->tries < TRIES_MAX && !call->console->stopping) {
        try(leaving);
        return;
    }
    free(leaving);
    if (result == 0) {
        answer(call);
        return;
    }
    api_error_result(&error, result, "the log-out");
    api_fail(call, &error, NULL);
}

/* Also during maintenance: what somebody has lost must not stay good. */
static void try(struct leaving *leaving)
{
    struct api_call *call = leaving->call;
    const json_t *origin = json_object_get(call->caller->token, "origin");
    _cleanup_change_set_ struct change_set *set = NULL;
    int r = change_set_new(&set);

    if (r == 0)
        r = prepare(call, json_string_value(json_object_get(origin, "id")), set);
    if (r == 0) {
        commit_submit(call->console->commit, &set, left, leaving);
        return;
    }
    free(leaving);
    refuse(call, 503, "Not logged out", "out of memory: try again");
}

static void logout(struct api_call *call)
{
    const json_t *origin = json_object_get(call->caller->token, "origin");
    struct leaving *leaving;

    if (!call->caller->token_id || !json_is_string(json_object_get(origin, "id"))) {
        refuse(call, 422, "Not logged out",
               "only the token of an account or of an app credential can be given up");
        return;
    }
    leaving = calloc(1, sizeof(*leaving));
    if (!leaving) {
        refuse(call, 503, "Not logged out", "out of memory: try again");
        return;
    }
    leaving->call = call;
    try(leaving);
}

int hooks_logout(struct console *console)
{
    static const struct api_hooks hooks = {
        .kind = "logout",
        .handle = logout,
        .own_verbs = 1u << AUTH_CREATE,
    };

    return api_register(console, &hooks);
}
