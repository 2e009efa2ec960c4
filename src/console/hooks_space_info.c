/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/hooks.h"
#include "console/render.h"

/* What holds in a namespace, and short ways to change some of it. */

static void fail_result(struct api_call *call, int r)
{
    struct api_error error = {0};

    api_error_result(&error, r, call->kind->name);
    api_fail(call, &error, NULL);
}

static void answer_one(struct api_call *call, json_t *object)
{
    json_t *complete = object ? schema_complete(call->kind, object, NULL,
                                                (const char *const *)call->request->fields)
                              : NULL;

    json_decref(object);
    if (complete)
        api_answer(call, 200, json_pack("[o]", complete));
    else
        fail_result(call, -ENOMEM);
}

static const struct object *own_object(const struct api_call *call)
{
    const struct space *space = objects_space(call->console->objects, call->namespace);

    return space ? space->object : NULL;
}

/* ---- Resolved values --------------------------------------------------------------------------
 */

/* The nearest of the namespace and those above it that says something; Reject if none does. */
static char *action_in_force(const struct space *space, const char *attribute)
{
    for (; space; space = space->parent) {
        char *action = space->object ? object_text(space->object, attribute) : NULL;

        if (action && strcmp(action, "Inherit") != 0)
            return action;
        free(action);
    }
    return strdup("Reject");
}

static json_t *prefixes_in_force(const struct api_call *call)
{
    const char *const *prefix = render_tag_prefixes(call->console->render, call->namespace);
    json_t *list = json_array();

    for (; prefix && *prefix; prefix++)
        json_array_append_new(list, json_string(*prefix));
    return list;
}

static void info_handle(struct api_call *call)
{
    const struct space *space = objects_space(call->console->objects, call->namespace);
    const struct object *object = own_object(call);
    _cleanup_free_
    char *in = action_in_force(space, "defaultPUIncomingTrafficAction");
    _cleanup_free_
    char *out = action_in_force(space, "defaultPUOutgoingTrafficAction");
    _cleanup_free_
    char *description = object ? object_text(object, "description") : NULL;

    answer_one(call,
               json_pack("{s:s, s:s, s:s, s:s, s:o, s:b}", "name", call->namespace, "description",
                         description ? description : "", "PUIncomingTrafficAction",
                         in ? in : "Reject", "PUOutgoingTrafficAction", out ? out : "Reject",
                         "prefixes", prefixes_in_force(call), "protected",
                         object && object_flag(object, "protected")));
}

static void organizational_handle(struct api_call *call)
{
    json_t *sparse = json_object(), *metadata;
    int r = api_stamp_metadata(call->console, call->namespace, schema_kind_find("processingunit"),
                               sparse);

    metadata = json_object_get(sparse, "metadata");
    metadata = metadata ? json_incref(metadata) : json_array();
    json_decref(sparse);
    if (r < 0) {
        json_decref(metadata);
        fail_result(call, r);
        return;
    }
    answer_one(call, json_pack("{s:s, s:o}", "namespace", call->namespace, "metadata", metadata));
}

static void accessible_handle(struct api_call *call)
{
    json_t *names = auth_namespaces(call->console->auth, call->caller), *list = json_array(), *name;
    size_t i;

    json_array_foreach(names, i, name)
        json_array_append_new(list, json_pack("{s:O}", "name", name));
    json_decref(names);
    api_answer_made(call, 200, list);
}

/* ---- Changes of the namespace -----------------------------------------------------------------
 */

/* Set attributes of the namespace of the request; needs the right to update it, which is a right in
 * its parent. `shown` (stolen) is the answer. */
static void change_namespace(struct api_call *call, json_t *patch, json_t *shown)
{
    const struct object *object = own_object(call);
    const char *home = object ? object->space->name : "/";
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    _cleanup_change_set_ struct change_set *set = NULL;
    struct api_error error = {0};
    json_t *stored = NULL, *sparse = NULL;
    int r = object ? 0 : -ENOENT;

    if (object && call->caller &&
        !auth_allowed(call->console->auth, call->caller, AUTH_UPDATE, object->kind, home, NULL)) {
        api_error_set(&error, 403, "Forbidden",
                      "you may not update namespaces in %s, where this one is", home);
        r = -EACCES;
    }
    if (r == 0) {
        stored = object_parse(object);
        r = schema_accept(object->kind, SCHEMA_WRITER_USER, patch, stored, true, &problems,
                          &sparse);
    }
    if (r == 0)
        r = change_set_new(&set);
    if (r == 0)
        r = api_prepare_update(call, object, sparse, set, &error);
    json_decref(stored);
    json_decref(sparse);
    json_decref(patch);
    if (r == 0) {
        api_commit(call, &set, 200, shown);
        return;
    }
    json_decref(shown);
    if (!error.status && !problems.n)
        api_error_result(&error, r, "the namespace");
    api_fail(call, &error, &problems);
}

static void copy_member(json_t *from, const char *name, json_t *to, const char *new_name)
{
    json_t *value = json_object_get(from, name);

    if (value)
        json_object_set(to, new_name, value);
}

static void actions_handle(struct api_call *call)
{
    const struct object *object = own_object(call);
    _cleanup_free_
    char *in = object ? object_text(object, "defaultPUIncomingTrafficAction") : NULL;
    _cleanup_free_
    char *out = object ? object_text(object, "defaultPUOutgoingTrafficAction") : NULL;
    json_t *given, *patch;

    if (call->verb == AUTH_LIST) {
        answer_one(call, json_pack("{s:s, s:s}", "Incoming", in ? in : "Inherit", "Outgoing",
                                   out ? out : "Inherit"));
        return;
    }
    given = json_incref(call->body);
    patch = json_object();
    copy_member(given, "Incoming", patch, "defaultPUIncomingTrafficAction");
    copy_member(given, "Outgoing", patch, "defaultPUOutgoingTrafficAction");
    change_namespace(call, patch, given);
}

static void prefixes_handle(struct api_call *call)
{
    json_t *given, *patch;

    if (call->verb == AUTH_LIST) {
        answer_one(call, json_pack("{s:o}", "prefixes", prefixes_in_force(call)));
        return;
    }
    given = json_incref(call->body);
    patch = json_object();
    if (!json_object_get(given, "prefixes"))
        json_object_set_new(given, "prefixes", json_array());
    copy_member(given, "prefixes", patch, "tagPrefixes");
    change_namespace(call, patch, given);
}

int hooks_space_info(struct console *console)
{
    const struct api_hooks all[] = {
        {.kind = "namespaceinfo", .handle = info_handle},
        {.kind = "organizationalmetadata", .handle = organizational_handle},
        {.kind = "accessiblenamespace", .handle = accessible_handle, .own_verbs = 1u << AUTH_LIST},
        {.kind = "putrafficaction", .handle = actions_handle},
        {.kind = "tagprefix", .handle = prefixes_handle},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register(console, &all[i]);
    return r;
}
