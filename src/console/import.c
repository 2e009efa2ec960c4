/* SPDX-License-Identifier: Apache-2.0 */
#include "console/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "console/api_internal.h"
#include "console/hooks.h"

/* ---- Order: namespaces first, parents before children ------------------------------------------
 */

struct item {
    const struct schema_kind *kind;
    const char *plural;
    json_t *object;
    size_t index; /* in its list */
    char *namespace, *name;
};

struct items {
    struct item *list;
    size_t n;
};

static void items_clear(struct items *items)
{
    for (size_t i = 0; i < items->n; i++) {
        free(items->list[i].namespace);
        free(items->list[i].name);
    }
    free(items->list);
}
#define _cleanup_items_ _cleanup_(items_clear)

static bool is_namespace(const struct item *item)
{
    return strcmp(item->kind->name, "namespace") == 0;
}

static int compare(const void *a, const void *b)
{
    const struct item *left = a, *right = b;

    if (is_namespace(left) != is_namespace(right))
        return is_namespace(left) ? -1 : 1;
    if (is_namespace(left) && namespace_depth(left->name) != namespace_depth(right->name))
        return namespace_depth(left->name) < namespace_depth(right->name) ? -1 : 1;
    if (left->kind != right->kind)
        return strcmp(left->kind->name, right->kind->name);
    return (left->index > right->index) - (left->index < right->index);
}

static void problem(struct import *import, const struct item *item, const char *attribute,
                    const char *format, ...) _printf_(4, 5);

static void problem(struct import *import, const struct item *item, const char *attribute,
                    const char *format, ...)
{
    char where[512], text[1024];
    va_list args;

    snprintf(where, sizeof(where), "data.%s[%zu]%s%s", item->plural, item->index,
             *attribute ? "." : "", attribute);
    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    schema_problem_add(import->problems, where, "%s", text);
}

/* "/a/b" as it is, "a/b" below `base`. */
static char *path_below(const char *base, const char *name)
{
    char *path = NULL;

    if (!*name)
        return strdup(base);
    if (*name == '/')
        return strdup(name);
    return asprintf(&path, "%s/%s", strcmp(base, "/") == 0 ? "" : base, name) < 0 ? NULL : path;
}

/* Where the object goes and what it is called; namespaces are in their parent. */
static int place(struct import *import, struct item *item)
{
    const char *namespace = json_string_value(json_object_get(item->object, "namespace"));
    const char *name = json_string_value(json_object_get(item->object, "name"));
    const char *why;
    char *slash;

    item->namespace = path_below(import->call->namespace, namespace ? namespace : "");
    item->name = name && is_namespace(item)
                     ? path_below(item->namespace ? item->namespace : "/", name)
                     : strdup(name ? name : "");
    if (!item->namespace || !item->name)
        return -ENOMEM;
    if (is_namespace(item) && *item->name == '/') {
        free(item->namespace);
        item->namespace = strdup(item->name);
        slash = item->namespace ? strrchr(item->namespace, '/') : NULL;
        if (!slash)
            return -ENOMEM;
        slash[slash == item->namespace] = '\0';
    }
    why = namespace_problem(item->namespace);
    if (why)
        problem(import, item, "namespace", "found '%.200s', expected %s", item->namespace, why);
    else if (!namespace_is_within(import->call->namespace, item->namespace))
        problem(import, item, is_namespace(item) ? "name" : "namespace",
                "found '%.200s', expected something within %.200s, where it is imported into",
                is_namespace(item) ? item->name : item->namespace, import->call->namespace);
    return 0;
}

static int collect(struct import *import, const json_t *data, struct items *items)
{
    const char *plural;
    json_t *list, *object;
    size_t i, n = 0;

    json_object_foreach((json_t *)data, plural, list) n += json_array_size(list);
    items->list = calloc(n + 1, sizeof(*items->list));
    if (!items->list)
        return -ENOMEM;
    json_object_foreach((json_t *)data, plural, list)
    {
        const struct schema_kind *kind = schema_kind_by_plural(plural);

        json_array_foreach(list, i, object)
        {
            struct item *item = &items->list[items->n];

            *item = (struct item){.kind = kind, .plural = plural, .object = object, .index = i};
            items->n++;
            if (!kind || !kind->stored || kind->hidden || !(kind->verbs & SCHEMA_CREATE) ||
                !json_is_object(object)) {
                schema_problem_add(import->problems, plural,
                                   "found something that cannot be imported");
                items->n--;
                break;
            }
            if (place(import, item) < 0)
                return -ENOMEM;
        }
    }
    if (import->problems->n)
        return -EINVAL;
    qsort(items->list, items->n, sizeof(*items->list), compare);
    return 0;
}

/* ---- One object --------------------------------------------------------------------------------
 */

/* In words that are the same whether there is such an object or not. */
static bool may(struct import *import, const struct item *item, enum auth_verb verb)
{
    struct api_call *call = import->call;

    if (!call->caller ||
        auth_allowed(call->console->auth, call->caller, verb, item->kind, item->namespace, NULL))
        return true;
    problem(import, item, "", "you may not %s %s in namespace %.200s",
            verb == AUTH_DELETE ? "delete" : "create or update", item->kind->plural,
            item->namespace);
    return false;
}

static const char *label_of(const json_t *sparse)
{
    json_t *tag;
    size_t i;

    json_array_foreach(json_object_get(sparse, "metadata"), i, tag)
    {
        const char *text = json_string_value(tag);

        if (text && strncmp(text, IMPORT_LABEL_TAG, strlen(IMPORT_LABEL_TAG)) == 0)
            return text + strlen(IMPORT_LABEL_TAG);
    }
    return NULL;
}

/* The attributes of the object as a write takes them: without place, with full name. */
static json_t *given_of(const struct item *item, const json_t *stored)
{
    static const char *const dropped[] = {"ID",         "namespace",      "createTime",
                                          "updateTime", "normalizedTags", NULL};
    json_t *given = json_copy(item->object), *old = json_object_get(stored, "metadata");

    for (size_t i = 0; given && dropped[i]; i++)
        json_object_del(given, dropped[i]);
    if (given && is_namespace(item))
        json_object_set_new(given, "name", json_string(item->name));
    /* Metadata is set at creation; what is there stays. */
    if (given && stored) {
        json_object_del(given, "metadata");
        if (old)
            json_object_set(given, "metadata", old);
    }
    return given;
}

static int add_label(const struct import *import, const struct schema_kind *kind, json_t *sparse)
{
    json_t *old = json_object_get(sparse, "metadata"), *metadata, *tag;

    if (!*import->label || !(kind->mixins & SCHEMA_METADATABLE) || label_of(sparse))
        return 0;
    metadata = old ? json_copy(old) : json_array();
    tag = json_sprintf("%s%s", IMPORT_LABEL_TAG, import->label);
    if (!metadata || json_array_append_new(metadata, tag) < 0) {
        json_decref(metadata);
        return -ENOMEM;
    }
    return json_object_set_new(sparse, "metadata", metadata) < 0 ? -ENOMEM : 0;
}

static int note(struct import *import, const char *operation, const struct item *item,
                const char *id, const json_t *before, const json_t *after)
{
    _cleanup_free_
    char *diff = api_diff(item->kind, before, after);

    return json_array_append_new(
        import->changes, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "operation", operation,
                                   "identity", item->kind->name, "namespace", item->namespace,
                                   "name", item->name, "ID", id, "diff", diff ? diff : ""));
}

/* Problems of the schema get the place of the object in front. */
static int accept_item(struct import *import, const struct item *item, const json_t *stored,
                       json_t **ret)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *given = given_of(item, stored);
    int r =
        given ? schema_accept(item->kind, SCHEMA_WRITER_USER, given, stored, false, &problems, ret)
              : -ENOMEM;

    for (size_t i = 0; i < problems.n; i++)
        problem(import, item, problems.items[i].attribute, "%s", problems.items[i].message);
    json_decref(given);
    return r;
}

static int keep(struct import *import, const char *id)
{
    return json_object_set_new(import->kept, id, json_true());
}

/* The set made it a moment ago: what comes with a namespace. */
static int put_over(struct import *import, const struct item *item, const struct store_op *op)
{
    json_t *sparse = NULL;
    int r;

    if (!may(import, item, AUTH_CREATE))
        return -EINVAL;
    r = accept_item(import, item, NULL, &sparse);
    if (r == 0)
        r = add_label(import, item->kind, sparse);
    if (r == 0)
        r = change_set_replace(import->set, op->object.id, sparse);
    if (r == 0)
        r = keep(import, op->object.id);
    json_decref(sparse);
    return r;
}

static int put_new(struct import *import, const struct item *item)
{
    struct api_call *call = import->call;
    json_t *sparse = NULL;
    int r;

    if (!may(import, item, AUTH_CREATE))
        return -EINVAL;
    r = accept_item(import, item, NULL, &sparse);
    if (r == 0)
        r = add_label(import, item->kind, sparse);
    if (r == 0)
        r = api_prepare_create(call, sparse, import->set, import->error);
    if (r == 0)
        r = note(import, "create", item, call->id, NULL, sparse);
    if (r == 0)
        r = keep(import, call->id);
    json_decref(sparse);
    return r;
}

static int put_changed(struct import *import, const struct item *item, const struct object *before)
{
    json_t *stored = object_parse(before), *sparse = NULL;
    const char *label = label_of(stored);
    int r = stored ? 0 : -ENOMEM;

    if (!may(import, item, AUTH_UPDATE))
        r = -EINVAL;
    if (r == 0 && label && *import->label && strcmp(label, import->label) != 0) {
        problem(import, item, "", "belongs to the import '%.100s' already", label);
        r = -EINVAL;
    }
    if (r == 0)
        r = accept_item(import, item, stored, &sparse);
    if (r == 0)
        r = add_label(import, item->kind, sparse);
    if (r == 0)
        r = keep(import, before->id);
    if (r == 0 && json_equal(stored, sparse)) {
        import->n_unchanged++;
    } else if (r == 0) {
        r = api_prepare_update(import->call, before, sparse, import->set, import->error);
        if (r == 0)
            r = note(import, "update", item, before->id, stored, sparse);
    }
    json_decref(stored);
    json_decref(sparse);
    return r;
}

static const struct object *find(const struct import *import, const struct item *item)
{
    _cleanup_free_
    char *key = objects_unique_key(item->kind, item->namespace, item->name);

    return key ? objects_find_unique(import->call->console->objects, item->kind, key) : NULL;
}

static int put_one(struct import *import, const struct item *item)
{
    _cleanup_free_
    char *key = objects_unique_key(item->kind, item->namespace, item->name);
    const struct store_op *op = key ? change_set_find_unique(import->set, item->kind, key) : NULL;
    const struct object *before = find(import, item);

    /* Only what comes with a namespace is put over: anything else that the set has was checked as
     * it is, be it by an import within this one, and must stay so. */
    if (op && (json_object_get(import->kept, op->object.id) ||
               (op->type == STORE_CREATE && !namespace_brings(item->kind, item->name)))) {
        problem(import, item, "name", "found '%.200s' twice", item->name);
        return -EINVAL;
    }
    if (op && op->type == STORE_CREATE)
        return put_over(import, item, op);
    return before ? put_changed(import, item, before) : put_new(import, item);
}

/* The hooks see the call as if it were about this object alone. */
static int with_item(struct import *import, const struct item *item,
                     int (*run)(struct import *import, const struct item *item))
{
    struct api_call *call = import->call;
    const struct schema_kind *kind = call->kind;
    const char *namespace = call->namespace;
    json_t *reply = call->reply, *transient = call->transient;
    char id[SCHEMA_ID_LEN + 1];
    int r;

    memcpy(id, call->id, sizeof(id));
    call->kind = item->kind;
    call->namespace = item->namespace;
    call->reply = call->transient = NULL;
    r = run(import, item);
    json_decref(call->reply);
    json_decref(call->transient);
    call->reply = reply;
    call->transient = transient;
    call->kind = kind;
    call->namespace = namespace;
    memcpy(call->id, id, sizeof(id));
    if (r < 0 && import->error->status) {
        problem(import, item, import->error->attribute, "%s", import->error->description);
        *import->error = (struct api_error){0};
        return -EINVAL;
    }
    return r;
}

int import_put(struct import *import, const json_t *data)
{
    _cleanup_items_ struct items items = {0};
    int r = collect(import, data, &items);

    if (r < 0)
        return r;
    /* All problems at once, as far as they can be found. */
    for (size_t i = 0; i < items.n; i++) {
        r = with_item(import, &items.list[i], put_one);
        if (r < 0 && import->problems->n == 0)
            return r;
        if (import->problems->n == SCHEMA_PROBLEMS_MAX)
            break;
    }
    return import->problems->n ? -EINVAL : 0;
}

/* ---- Taking away -------------------------------------------------------------------------------
 */

static int remove_found(struct import *import, const struct item *item, const struct object *object)
{
    json_t *stored;
    int r;

    r = api_prepare_delete(import->call, object, import->override, import->set, import->error);
    if (r < 0)
        return r;
    stored = object_parse(object);
    r = note(import, "delete", item, object->id, stored, NULL);
    json_decref(stored);
    return r;
}

static int remove_one(struct import *import, const struct item *item)
{
    const struct object *object = find(import, item);
    const struct store_op *op = object ? change_set_find(import->set, object->id) : NULL;

    if (!may(import, item, AUTH_DELETE))
        return -EINVAL;
    if (op && op->type == STORE_DELETE) /* with its label, and counted there */
        return 0;
    if (!object) {
        import->n_unchanged++;
        return 0;
    }
    return remove_found(import, item, object);
}

int import_remove(struct import *import, const json_t *data)
{
    _cleanup_items_ struct items items = {0};
    int r = collect(import, data, &items);

    /* The other way round: what is in a namespace, then the namespace. */
    for (size_t i = items.n; r == 0 && i-- > 0;)
        r = with_item(import, &items.list[i], remove_one);
    return import->problems->n ? -EINVAL : r;
}

static bool collect_labelled(void *context, const struct object *object)
{
    json_array_append_new(context, json_string(object->id));
    return true;
}

static json_t *labelled(struct import *import, bool namespaces)
{
    _cleanup_tag_set_ struct tag_set clause = {0};
    json_t *ids = json_array();
    size_t n;
    const struct schema_kind *const *kinds = schema_kinds(&n);

    if (tag_set_addf(&clause, "%s%s", IMPORT_LABEL_TAG, import->label) < 0)
        return ids;
    for (size_t i = 0; i < n; i++)
        if ((strcmp(kinds[i]->name, "namespace") == 0) == namespaces &&
            strcmp(kinds[i]->name, "importreference") != 0)
            objects_by_tags(import->call->console->objects, kinds[i], &clause, collect_labelled,
                            ids);
    return ids;
}

static int remove_id(struct import *import, const char *id)
{
    const struct object *object = objects_find(import->call->console->objects, id);
    struct item item;

    if (!object || json_object_get(import->kept, id) ||
        !namespace_is_within(import->call->namespace, object->space->name))
        return 0;
    item = (struct item){.kind = object->kind,
                         .plural = object->kind->plural,
                         .namespace = (char *)object->space->name,
                         .name = (char *)object->name};
    return with_item(import, &item, remove_one);
}

int import_remove_others(struct import *import)
{
    int r = 0;

    if (!*import->label)
        return 0;
    for (int namespaces = 0; r == 0 && namespaces < 2; namespaces++) {
        json_t *ids = labelled(import, namespaces), *id;
        size_t i;

        /* IDs grow: the youngest namespace first, so that children go before their parents. */
        for (i = json_array_size(ids); r == 0 && i-- > 0;) {
            id = json_array_get(ids, i);
            r = remove_id(import, json_string_value(id));
        }
        json_decref(ids);
    }
    return r;
}

void import_clear(struct import *import)
{
    json_decref(import->changes);
    json_decref(import->kept);
    import->changes = import->kept = NULL;
}
