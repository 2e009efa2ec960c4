/* SPDX-License-Identifier: Apache-2.0 */
#include "console/hooks_auth.h"

#include <errno.h>
#include <string.h>

#include "console/auth_schedule.h"

/* Questions about tokens and permissions, roles, and what a policy about them must be like. */

static void fail(struct api_call *call, int status, const char *title, const char *attribute,
                 const char *text)
{
    struct api_error error = {0};

    api_error_set(&error, status, title, "%s", text);
    snprintf(error.attribute, sizeof(error.attribute), "%s", attribute);
    api_fail(call, &error, NULL);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text && *text ? text : NULL;
}

static void answer(struct api_call *call, const json_t *sparse, json_t *more)
{
    json_t *complete = more ? schema_complete(call->kind, sparse, NULL, NULL) : NULL;

    if (!complete || json_object_update(complete, more) < 0) {
        json_decref(complete);
        complete = NULL;
    }
    json_decref(more);
    if (complete)
        api_answer(call, 200, complete);
    else
        fail(call, 500, "Internal error", "", "out of memory");
}

/* ---- authn: is a token good? ---------------------------------------------------------------- */

static json_t *tags_of(const struct caller *caller)
{
    json_t *tags = json_array();

    for (size_t i = 0; tags && i < caller->claims.n; i++)
        json_array_append_new(tags, json_string(caller->claims.tags[i]));
    return tags;
}

static void authn_answer(struct api_call *call, const char *token)
{
    _cleanup_caller_ struct caller *other = NULL;
    _cleanup_json_ json_t *sparse = json_object();
    const struct caller *caller = call->caller;
    struct api_error error = {0};

    if (token) {
        if (auth_check_token(call->console->auth, token, call->request->client, &error, &other) <
            0) {
            if (error.status == 429)
                api_fail(call, &error, NULL);
            else
                fail(call, 422, "Not authenticated", "token", error.description);
            return;
        }
        caller = other;
    }
    answer(call, sparse,
           json_pack("{s:o, s:o}", "claims",
                     caller->token ? json_incref(caller->token) : json_object(), "tags",
                     tags_of(caller)));
}

static void authn(struct api_call *call)
{
    const char *token = api_parameter(call, "token");

    if (text_of(call->body, "token"))
        token = text_of(call->body, "token");
    authn_answer(call, token && *token ? token : NULL);
}

/* ---- authz: who may do what, and by which policy? ------------------------------------------- */

static json_t *restrictions_of(const json_t *sparse)
{
    static const char *const names[][2] = {
        {"restrictedNamespace", "namespace"},
        {"restrictedPermissions", "perms"},
        {"restrictedNetworks", "networks"},
    };
    json_t *restrictions = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        json_t *value = json_object_get(sparse, names[i][0]);

        if (json_array_size(value) > 0 || text_of(sparse, names[i][0]))
            json_object_set(restrictions, names[i][1], value);
    }
    return restrictions;
}

struct policy_list {
    struct api_call *call;
    const char *namespace;
    json_t *list;
};

static bool add_policy(void *context, const struct object *object)
{
    struct policy_list *policies = context;
    _cleanup_free_
    char *authorized = object_text(object, "authorizedNamespace");

    if (authorized && namespace_is_within(authorized, policies->namespace))
        json_array_append_new(policies->list, api_show(policies->call, object));
    return true;
}

static json_t *policies_of(struct api_call *call, const char *namespace)
{
    struct policy_list policies = {call, namespace, json_array()};
    const struct space *space = objects_space(call->console->objects, namespace);

    for (; policies.list && space; space = space->parent)
        objects_in_space(call->console->objects, space, schema_kind_find("apiauthorizationpolicy"),
                         add_policy, &policies);
    return policies.list;
}

static void authz_answer(struct api_call *call, const char *namespace)
{
    const json_t *sparse = call->body;
    _cleanup_json_ json_t *restrictions = restrictions_of(sparse);
    _cleanup_caller_ struct caller *caller = NULL;
    struct auth *auth = call->console->auth;
    const char *forward = api_parameter(call, "forwardpolicyrules");
    json_t *lines, *more;

    if (auth_caller_new(json_object_get(sparse, "claims"), restrictions,
                        text_of(sparse, "clientIP"), &caller) < 0) {
        fail(call, 422, "Validation error", "claims", "these claims cannot be understood");
        return;
    }
    lines = json_array();
    if (lines)
        auth_explain(auth, caller, namespace, lines);
    more = json_pack("{s:o, s:o}", "permissions", auth_permissions(auth, caller, namespace),
                     "explanation", lines);
    if (more && forward && strcmp(forward, "false") != 0)
        json_object_set_new(more, "APIAuthorizationPolicies", policies_of(call, namespace));
    answer(call, sparse, more);
}

/* The policies of a place are the business of those who may ask there. */
static bool may_ask(const struct api_call *call, const char *namespace)
{
    return auth_allowed(call->console->auth, call->caller, AUTH_CREATE, call->kind, namespace,
                        NULL);
}

static void authz(struct api_call *call)
{
    const char *where = text_of(call->body, "targetNamespace");
    const char *id = text_of(call->body, "targetID");
    const struct object *target = id ? objects_find(call->console->objects, id) : NULL;

    /* One elsewhere is as unknown as one that is nowhere. */
    if (id && (!target || !namespace_is_within(where, target->space->name) ||
               !may_ask(call, target->space->name))) {
        fail(call, 422, "Validation error", "targetID", "there is no such object there");
        return;
    }
    if (target)
        where = target->space->name;
    if (!may_ask(call, where)) {
        fail(call, 403, "Forbidden", "targetNamespace", "you may not ask about this namespace");
        return;
    }
    authz_answer(call, where);
}

/* ---- apichecks: may I? ---------------------------------------------------------------------- */

static enum auth_verb verb_of(const char *operation)
{
    static const struct {
        const char *operation;
        enum auth_verb verb;
    } operations[] = {
        {"Create", AUTH_CREATE}, {"Delete", AUTH_DELETE}, {"Info", AUTH_LIST},
        {"Patch", AUTH_PATCH},   {"Retrieve", AUTH_GET},  {"RetrieveMany", AUTH_LIST},
        {"Update", AUTH_UPDATE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
        if (operation && strcmp(operations[i].operation, operation) == 0)
            return operations[i].verb;
    return AUTH_LIST;
}

static void apicheck(struct api_call *call)
{
    _cleanup_json_ json_t *authorized = json_object();
    const json_t *identities = json_object_get(call->body, "targetIdentities");

    for (size_t i = 0; i < json_array_size(identities); i++) {
        const char *name = json_string_value(json_array_get(identities, i));
        const struct schema_kind *kind = name ? schema_kind_find(name) : NULL;

        if (kind)
            json_object_set_new(
                authorized, name,
                json_boolean(auth_allowed(call->console->auth, call->caller,
                                          verb_of(text_of(call->body, "operation")), kind,
                                          text_of(call->body, "namespace"), NULL)));
    }
    answer(call, call->body, json_pack("{s:O}", "authorized", authorized));
}

/* ---- roles ---------------------------------------------------------------------------------- */

static json_t *authorizations_of(const struct schema_role *role)
{
    json_t *all = json_object();

    for (const char *const *line = role->authorizations; *line; line++) {
        const char *at = strchr(*line, ':');
        json_t *verbs = json_array();
        char kind[128];

        snprintf(kind, sizeof(kind), "%.*s", (int)(at - *line), *line);
        while (*at) {
            size_t len = strcspn(++at, ",");

            json_array_append_new(verbs, json_stringn(at, len));
            at += len;
        }
        json_object_set_new(all, kind, verbs);
    }
    return all;
}

static void roles(struct api_call *call)
{
    const struct schema_role *all;
    json_t *list = json_array();
    size_t n;

    all = schema_roles(&n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:o}", "key", all[i].key,
                                              "name", all[i].name, "description", all[i].help,
                                              "private", all[i].is_private, "authorizations",
                                              authorizations_of(&all[i])));
    api_answer_made(call, 200, list);
}

/* ---- apiauthorizationpolicies --------------------------------------------------------------- */

static int refuse(struct api_error *error, int status, const char *title, const char *attribute,
                  const char *text)
{
    api_error_set(error, status, title, "%s", text);
    snprintf(error->attribute, sizeof(error->attribute), "%s", attribute);
    return -EINVAL;
}

static int check_schedule(const json_t *object, struct api_error *error)
{
    const char *cron = text_of(object, "activeSchedule");
    const char *duration = text_of(object, "activeDuration");
    struct schedule schedule;
    int64_t ms = 0;

    if (!cron)
        return 0;
    if (!duration || !schema_duration_parse(duration, false, &ms) || ms <= 0)
        return refuse(error, 422, "Validation error", "activeDuration",
                      "a policy with activeSchedule must say how long it stays active");
    if (schedule_parse(cron, ms, &schedule) < 0)
        return refuse(error, 422, "Validation error", "activeSchedule",
                      "expected five fields: minute hour day month weekday");
    return 0;
}

static int check_policy(struct api_call *call, const char *namespace, const json_t *object,
                        struct api_error *error)
{
    const char *authorized = text_of(object, "authorizedNamespace");
    const char *expires = text_of(object, "expirationTime");
    int64_t expires_ms;

    if (!authorized || !namespace_is_within(namespace, authorized))
        return refuse(error, 422, "Validation error", "authorizedNamespace",
                      "expected the policy's own namespace or one below it");
    if (check_schedule(object, error) < 0)
        return -EINVAL;
    if (expires && schema_time_parse(expires, &expires_ms) && expires_ms <= console_now_ms())
        api_warn(call, "the policy has expired already");
    if (!objects_space(call->console->objects, authorized))
        api_warn(call, "there is no namespace %s yet", authorized);
    return call->caller
               ? auth_check_grant(call->console->auth, call->caller, namespace, object, error)
               : 0;
}

static int policy_create(struct api_call *call, json_t *object, struct change_set *set,
                         struct api_error *error)
{
    int r = check_policy(call, call->namespace, object, error);

    return r < 0 || !call->caller ? r
                                  : auth_check_silenced(call->console->auth, call->caller, "",
                                                        call->namespace, object, error);
}

/* What gives more than the caller holds is not his to take away, or to make something else of. */
static int check_before(struct api_call *call, const struct object *before, struct api_error *error)
{
    _cleanup_json_ json_t *body = object_parse(before);
    struct auth *auth = call->console->auth;
    int r;

    if (!call->caller)
        return 0;
    r = body ? auth_check_grant(auth, call->caller, before->space->name, body, error) : -ENOMEM;
    if (r == 0)
        return auth_check_silenced(auth, call->caller, before->id, before->space->name, body,
                                   error);
    if (r != -EPERM)
        return r;
    return refuse(error, 403, "Forbidden", "ID",
                  "the policy gives more than you hold, or for longer, or to more networks: only "
                  "who holds all of it may change or delete it");
}

static int policy_update(struct api_call *call, const struct object *before, json_t *object,
                         struct change_set *set, struct api_error *error)
{
    int r = check_before(call, before, error);

    if (r == 0)
        r = check_policy(call, before->space->name, object, error);
    return r < 0 || !call->caller
               ? r
               : auth_check_silenced(call->console->auth, call->caller, before->id,
                                     before->space->name, object, error);
}

static int policy_remove(struct api_call *call, const struct object *before, struct change_set *set,
                         struct api_error *error)
{
    return check_before(call, before, error);
}

int hooks_authz(struct console *console)
{
    static const struct api_hooks all[] = {
        {.kind = "authn", .handle = authn, .own_verbs = 1u << AUTH_LIST | 1u << AUTH_CREATE},
        {.kind = "authz", .handle = authz, .own_verbs = 1u << AUTH_CREATE},
        {.kind = "apicheck", .handle = apicheck, .own_verbs = 1u << AUTH_CREATE},
        {.kind = "role", .handle = roles, .own_verbs = 1u << AUTH_LIST},
        {.kind = "apiauthorizationpolicy",
         .create = policy_create,
         .update = policy_update,
         .remove = policy_remove},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register(console, &all[i]);
    return r;
}
