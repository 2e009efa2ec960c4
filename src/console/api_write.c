/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "console/api_internal.h"
#include "console/render.h"

#define ORGANIZATIONAL "@org:"

static int refuse(struct api_error *error, int status, const char *title, const char *attribute,
                  const char *format, ...) _printf_(5, 6);

static int refuse(struct api_error *error, int status, const char *title, const char *attribute,
                  const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    api_error_set(error, status, title, "%s", text);
    text_format(error->attribute, sizeof(error->attribute), "%s", attribute ? attribute : "");
    return -EINVAL;
}

/* ---- What namespaces give ----------------------------------------------------------------- */

static bool is_policeable(const struct schema_kind *kind)
{
    return strcmp(kind->name, "processingunit") == 0 || strcmp(kind->name, "enforcer") == 0 ||
           strcmp(kind->name, "externalnetwork") == 0;
}

static bool list_has(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)list, i,
                       item) if (json_is_string(item) &&
                                 strcmp(json_string_value(item), text) == 0) return true;
    return false;
}

static void add_organizational(const struct object *namespace, json_t *metadata)
{
    json_t *body = object_parse(namespace), *item;
    size_t i;

    json_array_foreach(json_object_get(body, "organizationalMetadata"), i, item)
    {
        const char *text = json_string_value(item);

        if (text && !list_has(metadata, text))
            json_array_append(metadata, item);
    }
    json_decref(body);
}

/* Rules tell tenants apart by these tags: only namespaces give them, whoever makes the object. */
static void drop_organizational(json_t *metadata)
{
    for (size_t i = json_array_size(metadata); i-- > 0;) {
        const char *text = json_string_value(json_array_get(metadata, i));

        if (text && strncmp(text, ORGANIZATIONAL, strlen(ORGANIZATIONAL)) == 0)
            json_array_remove(metadata, i);
    }
}

int api_stamp_metadata(struct console *console, const char *namespace,
                       const struct schema_kind *kind, json_t *sparse)
{
    const struct space *space = objects_space(console->objects, namespace);
    json_t *old = json_object_get(sparse, "metadata"), *metadata;

    if (!is_policeable(kind))
        return 0;
    metadata = old ? json_copy(old) : json_array();
    if (!metadata)
        return -ENOMEM;
    drop_organizational(metadata);
    for (; space; space = space->parent)
        if (space->object)
            add_organizational(space->object, metadata);
    if (json_array_size(metadata) == 0) {
        json_object_del(sparse, "metadata");
        json_decref(metadata);
        return 0;
    }
    return json_object_set_new(sparse, "metadata", metadata) < 0 ? -ENOMEM : 0;
}

/* ---- Checks of every write ---------------------------------------------------------------- */

/* Attributes that are taken once go from what is stored into call->transient. */
static int take_transient(struct api_call *call, const struct schema_kind *kind, json_t *sparse)
{
    const struct schema_attribute *attribute;

    json_decref(call->transient);
    call->transient = NULL;
    for (size_t i = 0; (attribute = schema_attribute_at(kind, i)); i++) {
        json_t *value = json_object_get(sparse, attribute->name);

        if (!(attribute->flags & SCHEMA_TRANSIENT) || !value)
            continue;
        if (!call->transient)
            call->transient = json_object();
        if (!call->transient || json_object_set(call->transient, attribute->name, value) < 0)
            return -ENOMEM;
        json_object_del(sparse, attribute->name);
    }
    return 0;
}

/* Is the name free, also after what the set does already? */
static int check_unique(const struct api_call *call, const struct schema_kind *kind,
                        const char *namespace, const char *id, const json_t *sparse,
                        const struct change_set *set, struct api_error *error)
{
    const char *name = json_string_value(json_object_get(sparse, "name"));
    _cleanup_free_
    char *key = name ? objects_unique_key(kind, namespace, name) : NULL;
    const struct object *other;
    const struct store_op *op;

    if (!key)
        return 0;
    op = change_set_find_unique(set, kind, key);
    other = objects_find_unique(call->console->objects, kind, key);
    if (other) {
        const struct store_op *change = change_set_find(set, other->id);

        if (strcmp(other->id, id) == 0 || (change && change->type == STORE_DELETE))
            other = NULL;
    }
    if (!other && (!op || op->type == STORE_DELETE || strcmp(op->object.id, id) == 0))
        return 0;
    return refuse(error, 422, "Duplicate key", "name", "there is a %s named '%.200s' already%s%s",
                  kind->name, name, kind->unique == SCHEMA_UNIQUE_NAME ? "" : " in namespace ",
                  kind->unique == SCHEMA_UNIQUE_NAME ? "" : namespace);
}

static int check_protected(const struct object *before, bool override, struct api_error *error)
{
    if (override || !object_flag(before, "protected"))
        return 0;
    return refuse(error, 403, "Protected", "protected",
                  "%s '%.200s' is protected; ?override=true does it nevertheless",
                  before->kind->name, before->name);
}

static void warn_one(void *context, const char *text)
{
    api_warn(context, "%s", text);
}

void api_warn_no_effect(struct api_call *call, const struct schema_kind *kind, const json_t *sparse)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)sparse, name, value)
    {
        const struct schema_attribute *attribute = schema_attribute_find(kind, name);

        if (attribute && (attribute->flags & SCHEMA_NO_EFFECT))
            api_warn(call, "%s: nothing in this version acts upon it", name);
    }
}

static void warn(struct api_call *call, const struct schema_kind *kind, const json_t *sparse)
{
    api_warn_no_effect(call, kind, sparse);
    if (call->console->render && kind->plural)
        render_warnings(call->console->render, kind->plural, call->namespace, sparse, warn_one,
                        call);
}

static int from_result(int r, struct api_error *error, const struct schema_kind *kind)
{
    if (r < 0 && !error->status)
        api_error_result(error, r, kind->name);
    return r;
}

int api_prepare_create(struct api_call *call, json_t *sparse, struct change_set *set,
                       struct api_error *error)
{
    const struct schema_kind *kind = call->kind;
    const struct api_hooks *hooks = api_hooks_of(call->console->api, kind);
    int r;

    if (!api_namespace_exists(call, set, call->namespace))
        return refuse(error, 422, "Validation error", "namespace", "there is no namespace %.300s",
                      call->namespace);
    r = take_transient(call, kind, sparse);
    if (r == 0)
        r = change_set_make_id(call->id);
    if (r == 0 && hooks && hooks->create)
        r = hooks->create(call, sparse, set, error);
    if (r == 0)
        r = api_stamp_metadata(call->console, call->namespace, kind, sparse);
    if (r == 0)
        r = check_unique(call, kind, call->namespace, call->id, sparse, set, error);
    if (r == 0)
        r = change_set_create_as(set, kind, call->namespace, sparse, call->id);
    if (r == 0)
        warn(call, kind, sparse);
    return from_result(r, error, kind);
}

int api_prepare_update(struct api_call *call, const struct object *before, json_t *sparse,
                       struct change_set *set, struct api_error *error)
{
    const struct api_hooks *hooks = api_hooks_of(call->console->api, before->kind);
    int r;

    r = check_protected(before, api_private(call)->query.override, error);
    if (r == 0)
        r = take_transient(call, before->kind, sparse);
    if (r == 0 && hooks && hooks->update)
        r = hooks->update(call, before, sparse, set, error);
    if (r == 0)
        r = check_unique(call, before->kind, before->space->name, before->id, sparse, set, error);
    if (r == 0)
        r = change_set_update(set, before, sparse);
    if (r == 0)
        warn(call, before->kind, sparse);
    return from_result(r, error, before->kind);
}

int api_prepare_delete(struct api_call *call, const struct object *before, bool override,
                       struct change_set *set, struct api_error *error)
{
    const struct api_hooks *hooks = api_hooks_of(call->console->api, before->kind);
    int r;

    r = check_protected(before, override, error);
    if (r == 0 && hooks && hooks->remove)
        r = hooks->remove(call, before, set, error);
    if (r == 0)
        r = change_set_delete(set, before);
    return from_result(r, error, before->kind);
}

/* ---- Locking by updateTime ---------------------------------------------------------------- */

/* What clients send back of what they were shown, and cannot change. */
static int check_computed(const struct object *before, json_t *body, struct api_error *error)
{
    const char *id = json_string_value(json_object_get(body, "ID"));
    const char *namespace = json_string_value(json_object_get(body, "namespace"));
    const char *updated = json_string_value(json_object_get(body, "updateTime"));
    int64_t updated_ms;

    if (id && *id && strcmp(id, before->id) != 0)
        return refuse(error, 422, "Validation error", "ID",
                      "found '%.60s', expected no change: the address has another one", id);
    if (namespace && *namespace && strcmp(namespace, before->space->name) != 0)
        return refuse(error, 422, "Validation error", "namespace",
                      "found '%.200s', expected no change: objects cannot move", namespace);
    if (updated && schema_time_parse(updated, &updated_ms) && updated_ms != before->updated_ms)
        return refuse(error, 409, "Conflict", "updateTime",
                      "%s was changed since you read it; read it again, then try again",
                      before->kind->name);
    return 0;
}

/* ---- Requests ----------------------------------------------------------------------------- */

static enum schema_writer writer_of(const struct api_call *call)
{
    return call->caller && call->caller->enforcer_id ? SCHEMA_WRITER_ENFORCER : SCHEMA_WRITER_USER;
}

static int create(struct api_call_private *call, struct change_set *set,
                  struct schema_problems *problems, struct api_error *error)
{
    json_t *sparse = NULL;
    int r;

    r = schema_accept(call->public.kind, writer_of(&call->public), call->public.body, NULL, false,
                      problems, &sparse);
    if (r == 0)
        r = api_prepare_create(&call->public, sparse, set, error);
    json_decref(sparse);
    return r;
}

static int update(struct api_call_private *call, struct change_set *set,
                  struct schema_problems *problems, struct api_error *error)
{
    const struct object *before = api_object(&call->public);
    json_t *stored, *sparse = NULL;
    int r;

    if (!before)
        return -ENOENT;
    r = check_computed(before, call->public.body, error);
    if (r < 0)
        return r;
    stored = object_parse(before);
    r = stored ? schema_accept(before->kind, writer_of(&call->public), call->public.body, stored,
                               call->public.verb == AUTH_PATCH, problems, &sparse)
               : -ENOMEM;
    if (r == 0)
        r = api_prepare_update(&call->public, before, sparse, set, error);
    json_decref(stored);
    json_decref(sparse);
    return r;
}

static int remove_one(struct api_call_private *call, struct change_set *set,
                      struct api_error *error)
{
    const struct object *before = api_object(&call->public);

    if (!before)
        return -ENOENT;
    return api_prepare_delete(&call->public, before, call->query.override, set, error);
}

/* The object as it will be; what only this answer shows on top. */
static json_t *body_of(struct api_call_private *call, const struct change_set *set)
{
    const struct store_op *op = change_set_find(set, call->public.id);
    const char *const *fields = (const char *const *)call->public.request->fields;
    json_t *body;

    if (call->public.verb == AUTH_DELETE)
        return object_show(api_object(&call->public), fields);
    body = op ? objects_preview(&op->object, fields) : NULL;
    if (body && call->public.reply)
        json_object_update(body, call->public.reply);
    return body;
}

void api_write(struct api_call_private *call)
{
    _cleanup_change_set_ struct change_set *set = NULL;
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    struct api_error error = {0};
    json_t *body = NULL;
    int r;

    r = change_set_new(&set);
    if (r == 0 && call->public.verb == AUTH_CREATE)
        r = create(call, set, &problems, &error);
    else if (r == 0 && call->public.verb == AUTH_DELETE)
        r = remove_one(call, set, &error);
    else if (r == 0)
        r = update(call, set, &problems, &error);
    if (r == 0) {
        body = body_of(call, set);
        r = body ? 0 : -ENOMEM;
    }
    if (r < 0) {
        if (!error.status && !problems.n)
            api_error_result(&error, r, call->public.kind->name);
        api_fail(&call->public, &error, &problems);
        return;
    }
    api_commit(&call->public, &set, 200, body);
}
