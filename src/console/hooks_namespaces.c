/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/hooks.h"
#include "console/orphans.h"

/*
 * Namespaces: created by their short name, stored by their full path. Each gets an enforcer profile
 * and a mapping to it, both named "default", that count where nothing else is mapped. A namespace
 * that is not empty is deleted only with ?recursive, together with all that is in it.
 */

#define DEFAULT_NAME "default"
#define ALLOWED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static int refuse(struct api_error *error, int status, const char *title, const char *attribute,
                  const char *format, const char *a, const char *b)
{
    char text[512];

    snprintf(text, sizeof(text), format, a, b);
    api_error_set(error, status, title, "%s", text);
    snprintf(error->attribute, sizeof(error->attribute), "%s", attribute);
    return -EINVAL;
}

static char *full_path(const char *parent, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name) < 0 ? NULL : path;
}

/* The part below the parent; NULL when `name` is neither that nor the whole path. */
static const char *short_name(const char *parent, const char *name)
{
    size_t len = strcmp(parent, "/") == 0 ? 0 : strlen(parent);

    if (name[0] == '/') {
        if (strncmp(name, parent, len) != 0 || name[len] != '/')
            return NULL;
        name += len + 1;
    }
    return *name && strspn(name, ALLOWED) == strlen(name) ? name : NULL;
}

/* ---- Organizational metadata ----------------------------------------------------------------- */

/* Stored, or made in the same set; NULL: there is none. */
static json_t *namespace_body(const struct api_call *call, const struct change_set *set,
                              const char *path)
{
    const struct store_op *op = change_set_find_unique(set, schema_kind_find("namespace"), path);
    const struct space *space = objects_space(call->console->objects, path);

    if (op && op->type != STORE_DELETE)
        return json_loadb(op->object.body, op->object.body_len, 0, NULL);
    return space && space->object ? object_parse(space->object) : NULL;
}

/* Does the list have the key of `tag`, and is `tag` itself not in it? */
static bool is_contradicted(const json_t *list, const char *tag)
{
    size_t key_len = strcspn(tag, "=") + 1;
    bool has_key = false;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *other = json_string_value(json_array_get(list, i));

        if (other && strcmp(other, tag) == 0)
            return false;
        has_key |= other && strncmp(other, tag, key_len) == 0;
    }
    return has_key;
}

/* Rules trust "@org:tenant=a" to mean the tenant: who has a namespace below it cannot be another
 * one. What a namespace says of a key holds for all that is below. */
static int check_organizational(const struct api_call *call, const struct change_set *set,
                                const char *path, const json_t *object, struct api_error *error)
{
    const json_t *tags = json_object_get(object, "organizationalMetadata");
    char above[MODEL_NAMESPACE_MAX + 1];
    int r = 0;

    snprintf(above, sizeof(above), "%s", path);
    while (r == 0 && json_array_size(tags) && strcmp(above, "/") != 0) {
        char *slash = strrchr(above, '/');
        json_t *body;

        slash[slash == above] = '\0';
        body = namespace_body(call, set, above);
        for (size_t i = 0; r == 0 && i < json_array_size(tags); i++) {
            const char *tag = json_string_value(json_array_get(tags, i));

            if (tag && is_contradicted(json_object_get(body, "organizationalMetadata"), tag))
                r = refuse(error, 422, "Validation error", "organizationalMetadata",
                           "found '%.200s', expected no other value than that of %.200s", tag,
                           above);
        }
        json_decref(body);
    }
    return r;
}

static int namespace_change(struct api_call *call, const struct object *before, json_t *object,
                            struct change_set *set, struct api_error *error)
{
    json_t *stored = object_parse(before);
    bool same = json_equal(json_object_get(stored, "organizationalMetadata"),
                           json_object_get(object, "organizationalMetadata"));

    json_decref(stored);
    return same ? 0 : check_organizational(call, set, before->name, object, error);
}

/* ---- What comes with a namespace ------------------------------------------------------------- */

static int add(struct change_set *set, const char *kind, const char *namespace, json_t *object)
{
    int r =
        object ? change_set_create(set, schema_kind_find(kind), namespace, object, NULL) : -ENOMEM;

    json_decref(object);
    return r;
}

static int add_default_profile(struct change_set *set, const char *path)
{
    _cleanup_free_
    char *own = NULL;
    int r;

    if (asprintf(&own, "$namespace=%s", path) < 0) {
        own = NULL;
        return -ENOMEM;
    }
    r = add(set, "enforcerprofile", path,
            json_pack("{s:s, s:s}", "name", DEFAULT_NAME, "description",
                      "Settings of Enforcers that no other mapping gives a profile"));
    if (r == 0)
        r = add(set, "enforcerprofilemappingpolicy", path,
                json_pack("{s:s, s:b, s:[[s]], s:[[s, s, s]]}", "name", DEFAULT_NAME, "fallback", 1,
                          "subject", "$identity=enforcer", "object", "$identity=enforcerprofile",
                          "$name=" DEFAULT_NAME, own));
    return r;
}

static int namespace_make(struct api_call *call, json_t *object, struct change_set *set,
                          struct api_error *error)
{
    const char *given = json_string_value(json_object_get(object, "name"));
    const char *name = given ? short_name(call->namespace, given) : NULL;
    _cleanup_free_
    char *path = name ? full_path(call->namespace, name) : NULL;
    const char *problem;

    if (!name)
        return refuse(error, 422, "Validation error", "name",
                      "found '%.200s', expected a name of letters, digits, '-' and '_' (the "
                      "namespace that it goes into is X-Namespace, %.200s)",
                      given ? given : "", call->namespace);
    if (!path)
        return -ENOMEM;
    problem = namespace_problem(path);
    if (problem)
        return refuse(error, 422, "Validation error", "name", "found '%.200s', expected %s", path,
                      problem);
    if (orphans_in(call->console, path))
        return refuse(error, 409, "Conflict", "name",
                      "what was in the namespace %.200s before is being deleted%s: try again", path,
                      "");
    if (check_organizational(call, set, path, object, error) < 0)
        return -EINVAL;
    if (json_object_set_new(object, "name", json_string(path)) < 0)
        return -ENOMEM;
    return add_default_profile(set, path);
}

/* ---- Deletion -------------------------------------------------------------------------------- */

struct emptying {
    struct api_call *call;
    struct change_set *set;
    struct api_error *error;
    bool cascade, override;
    int r;
};

bool namespace_brings(const struct schema_kind *kind, const char *name)
{
    return strcmp(name, DEFAULT_NAME) == 0 &&
           (strcmp(kind->name, "enforcerprofile") == 0 ||
            strcmp(kind->name, "enforcerprofilemappingpolicy") == 0);
}

static bool is_default(const struct object *object)
{
    return namespace_brings(object->kind, object->name);
}

bool namespace_came_with(const struct object *object)
{
    return is_default(object) && object->updated_ms == object->created_ms;
}

static bool empty_one(void *context, const struct object *object)
{
    struct emptying *emptying = context;
    struct api_call *call = emptying->call;
    const struct store_op *op = change_set_find(emptying->set, object->id);

    if (op && op->type == STORE_DELETE)
        return true; /* an import takes it away as well */
    if (!emptying->cascade && !is_default(object)) {
        emptying->r = refuse(emptying->error, 409, "Not empty", "",
                             "the namespace is not empty (there is a %s '%.200s'); ?recursive=true "
                             "deletes it with all that is in it",
                             object->kind->name, object->name);
        return false;
    }
    if (call->caller && !is_default(object) &&
        !auth_allowed(call->console->auth, call->caller, AUTH_DELETE, object->kind,
                      object->space->name, NULL)) {
        emptying->r = refuse(emptying->error, 403, "Forbidden", "",
                             "you may not delete %s '%.200s' that is in it", object->kind->name,
                             object->name);
        return false;
    }
    if (strcmp(object->kind->name, "namespace") != 0) {
        emptying->r =
            api_prepare_delete(call, object, emptying->override, emptying->set, emptying->error);
        return emptying->r == 0;
    }
    if (object_flag(object, "protected") && !emptying->override)
        emptying->r = refuse(emptying->error, 403, "Protected", "protected",
                             "namespace %.200s is protected; ?override=true does it "
                             "nevertheless%s",
                             object->name, "");
    else
        emptying->r = change_set_delete(emptying->set, object);
    return emptying->r == 0;
}

static int empty_space(struct emptying *emptying, const struct space *space)
{
    const struct objects *objects = emptying->call->console->objects;
    size_t n;
    const struct schema_kind *const *kinds = schema_kinds(&n);
    uint64_t total;

    for (size_t i = 0; emptying->r == 0 && i < n; i++) {
        const struct objects_query query = {
            .kind = kinds[i], .space = space, .recursive = true, .archived = true};
        int r;

        if (!kinds[i]->stored)
            continue;
        r = objects_list(objects, &query, empty_one, emptying, &total);
        if (r < 0)
            return r;
    }
    return emptying->r;
}

static int namespace_remove(struct api_call *call, const struct object *before,
                            struct change_set *set, struct api_error *error)
{
    const struct space *space = objects_space(call->console->objects, before->name);
    const struct api_query *query = &api_private(call)->query;
    struct emptying emptying = {
        .call = call,
        .set = set,
        .error = error,
        .cascade = query->recursive,
        .override = query->override,
    };

    if (strcmp(before->name, "/") == 0)
        return refuse(error, 403, "Forbidden", "", "the root namespace cannot be deleted%s%s", "",
                      "");
    return space ? empty_space(&emptying, space) : 0;
}

/* ---- Mappings of units to namespaces --------------------------------------------------------- */

/* Down only: who may say where units of his namespace go must not put them among those of others.
 */
static int check_mapping(struct api_call *call, const char *namespace, const json_t *object,
                         const struct change_set *set, struct api_error *error)
{
    const char *target = json_string_value(json_object_get(object, "mappedNamespace"));

    if (!target || !namespace_is_within(namespace, target) || strcmp(namespace, target) == 0)
        return refuse(error, 422, "Validation error", "mappedNamespace",
                      "found '%.200s', expected a namespace below %s", target ? target : "",
                      namespace);
    if (!api_namespace_exists(call, set, target))
        api_warn(call, "mappedNamespace: there is no namespace %s yet, so units stay in %s", target,
                 namespace);
    return 0;
}

static int mapping_make(struct api_call *call, json_t *object, struct change_set *set,
                        struct api_error *error)
{
    return check_mapping(call, call->namespace, object, set, error);
}

static int mapping_change(struct api_call *call, const struct object *before, json_t *object,
                          struct change_set *set, struct api_error *error)
{
    return check_mapping(call, before->space->name, object, set, error);
}

int hooks_namespaces(struct console *console)
{
    const struct api_hooks namespaces = {
        .kind = "namespace",
        .create = namespace_make,
        .update = namespace_change,
        .remove = namespace_remove,
    };
    const struct api_hooks mappings = {
        .kind = "namespacemappingpolicy",
        .create = mapping_make,
        .update = mapping_change,
    };
    int r = api_register(console, &namespaces);

    return r == 0 ? api_register(console, &mappings) : r;
}
