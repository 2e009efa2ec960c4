/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/objects_internal.h"

/* Tags that an object has by what it is (product reference 1.5), besides $identity, $id, $namespace
 * and $name. */
static const struct own_tag {
    const char *attribute, *key;
    bool everywhere; /* else of processing units and enforcers only */
} own_tags[] = {
    {"type", "$type", true},
    {"image", "$image", false},
    {"images", "$image", false},
    {"enforcerID", "$enforcerid", false},
    {"enforcerNamespace", "$enforcernamespace", false},
    {"operationalStatus", "$operationalstatus", false},
    {"enforcementStatus", "$enforcementstatus", false},
    {"datapathType", "$datapathtype", false},
    {"currentVersion", "$currentversion", false},
    {"machineID", "$machineid", false},
};

static void add(struct tag_list *list, const char *key, const char *value)
{
    size_t start = list->text.len;

    /* Far longer than a tag: the buffer is for tags, and an object that is stored must load. */
    if (list->n == MODEL_TAGS_PER_SET_MAX || !*value || strlen(value) > MODEL_TAG_BYTES_MAX)
        return;
    if (key) {
        buf_puts(&list->text, key);
        buf_append(&list->text, "=", 1);
    }
    buf_puts(&list->text, value);
    if (list->text.error)
        return;
    if (tag_problem(list->text.data + start)) {
        /* A name can be what a tag cannot: then there is no tag of it. */
        list->text.len = start;
        return;
    }
    buf_append(&list->text, "", 1);
    list->starts[list->n++] = start;
}

static void add_slice(struct tag_list *list, const char *key, const struct json_slice *slice)
{
    _cleanup_free_
    char *text = json_slice_string(slice);

    if (text)
        add(list, key, text);
}

static void add_value(struct tag_list *list, const char *key, const struct json_slice *value)
{
    struct json_scan scan;
    struct json_slice name, element;

    if (value->len && value->text[0] != '[') {
        add_slice(list, key, value);
        return;
    }
    json_scan_begin(&scan, value->text, value->len);
    while (json_scan_next(&scan, &name, &element))
        add_slice(list, key, &element);
}

static bool has_own_tags(const struct schema_kind *kind)
{
    return strcmp(kind->name, "processingunit") == 0 || strcmp(kind->name, "enforcer") == 0;
}

/* Which of own_tags[] the kind can have. */
static unsigned own_mask(const struct schema_kind *kind)
{
    unsigned mask = 0;

    for (size_t i = 0; i < ARRAY_SIZE(own_tags); i++) {
        const struct schema_attribute *attribute;

        if (!own_tags[i].everywhere && !has_own_tags(kind))
            continue;
        attribute = schema_attribute_find(kind, own_tags[i].attribute);
        if (attribute && !(attribute->flags & SCHEMA_SECRET))
            mask |= 1u << i;
    }
    return mask;
}

/* @return the bit of the tag that this member gives */
static unsigned add_own(struct tag_list *list, unsigned mask, const struct json_slice *key,
                        const struct json_slice *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_tags); i++) {
        if ((mask & 1u << i) && json_slice_is(key, own_tags[i].attribute)) {
            add_value(list, own_tags[i].key, value);
            return 1u << i;
        }
    }
    return 0;
}

/* What is not stored has its default. */
static void add_own_defaults(struct tag_list *list, const struct schema_kind *kind, unsigned mask)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_tags); i++) {
        const struct schema_attribute *attribute =
            mask & 1u << i ? schema_attribute_find(kind, own_tags[i].attribute) : NULL;

        if (attribute && attribute->fallback)
            add_value(list, own_tags[i].key,
                      &(struct json_slice){attribute->fallback, strlen(attribute->fallback)});
    }
}

/* Everything that is wanted of the body, in one go. */
static void look_at_body(struct tag_list *list, const struct schema_kind *kind,
                         const struct store_object *object)
{
    bool tagged = kind->mixins & SCHEMA_BASE;
    unsigned mask = tagged ? own_mask(kind) : 0;
    struct json_scan scan;
    struct json_slice key, value;

    json_scan_begin(&scan, object->body, object->body_len);
    while (json_scan_next(&scan, &key, &value)) {
        if (json_slice_is(&key, "name")) {
            list->name = value;
            if (tagged)
                add_value(list, "$name", &value);
        } else if (json_slice_is(&key, "archived")) {
            list->archived = json_slice_is(&value, "true");
        } else if (json_slice_is(&key, "propagate")) {
            list->propagate = json_slice_is(&value, "true");
        } else if (tagged &&
                   (json_slice_is(&key, "associatedTags") || json_slice_is(&key, "metadata"))) {
            add_value(list, NULL, &value);
        } else {
            mask &= ~add_own(list, mask, &key, &value);
        }
    }
    add_own_defaults(list, kind, mask);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int tag_list_collect(struct tag_list *list, const struct schema_kind *kind,
                     const struct store_object *object)
{
    size_t n = 0;

    list->n = list->text.len = 0;
    list->name = (struct json_slice){0};
    list->archived = list->propagate = false;
    if (kind->mixins & SCHEMA_BASE) {
        add(list, "$identity", kind->name);
        add(list, "$id", object->id);
        add(list, "$namespace", object->namespace);
    }
    look_at_body(list, kind, object);
    if (list->text.error)
        return list->text.error;
    for (size_t i = 0; i < list->n; i++)
        list->tags[i] = list->text.data + list->starts[i];
    qsort(list->tags, list->n, sizeof(*list->tags), compare);
    for (size_t i = 0; i < list->n; i++)
        if (n == 0 || strcmp(list->tags[n - 1], list->tags[i]) != 0)
            list->tags[n++] = list->tags[i];
    list->n = n;
    return 0;
}

int objects_tags(const struct store_object *object, struct tag_set *ret)
{
    const struct schema_kind *kind = schema_kind_find(object->kind);
    _cleanup_tag_set_ struct tag_set tags = {0};
    struct tag_list *list;
    int r;

    if (!kind)
        return -ENOENT;
    list = calloc(1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    list->text.max = TAG_LIST_BYTES_MAX;
    r = tag_list_collect(list, kind, object);
    for (size_t i = 0; r == 0 && i < list->n; i++)
        r = tag_set_add(&tags, list->tags[i]);
    buf_free(&list->text);
    free(list);
    if (r < 0)
        return r;
    *ret = tags;
    tags = (struct tag_set){0};
    return 0;
}
