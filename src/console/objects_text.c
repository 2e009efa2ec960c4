/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The complete form of an object straight from its text to text: no tree is built. What
 * object_show() gives as a tree, in the same order; a test compares them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "console/objects_internal.h"

#define TEMPLATE_DEPTH_MAX 8

enum text_source { FROM_BODY, FROM_ID, FROM_NAMESPACE, FROM_CREATED, FROM_UPDATED, FROM_TAGS };

struct text_slot {
    const char *name;
    size_t name_len;
    char *fallback; /* JSON text */
    enum text_source source;
    struct text_template *embedded; /* NULL: the value as it is */
};

struct text_template {
    struct text_slot *slots;
    size_t n;
};

void text_template_free(struct text_template **template)
{
    struct text_template *old = *template;

    if (!old)
        return;
    *template = NULL;
    for (size_t i = 0; i < old->n; i++) {
        free(old->slots[i].fallback);
        text_template_free(&old->slots[i].embedded);
    }
    free(old->slots);
    free(old);
}

static enum text_source source_of(const char *name)
{
    static const struct {
        const char *name;
        enum text_source source;
    } known[] = {
        {"ID", FROM_ID},
        {"namespace", FROM_NAMESPACE},
        {"createTime", FROM_CREATED},
        {"updateTime", FROM_UPDATED},
        {"normalizedTags", FROM_TAGS},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].source;
    return FROM_BODY;
}

static int template_new(const struct schema_kind *kind, unsigned depth, struct text_template **ret);

static int add_slot(struct text_template *template, const struct schema_attribute *attribute,
                    const json_t *value, unsigned depth)
{
    struct text_slot *slot = &template->slots[template->n++];
    int r = 0;

    *slot = (struct text_slot){.name = attribute->name, .name_len = strlen(attribute->name)};
    slot->fallback = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (attribute->flags & SCHEMA_COMPUTED)
        slot->source = source_of(attribute->name);
    if (attribute->type == SCHEMA_OBJECT || attribute->type == SCHEMA_OBJECTS)
        r = template_new(attribute->embedded, depth + 1, &slot->embedded);
    return slot->fallback ? r : -ENOMEM;
}

// NOLINTNEXTLINE(misc-no-recursion): TEMPLATE_DEPTH_MAX
static int template_new(const struct schema_kind *kind, unsigned depth, struct text_template **ret)
{
    struct text_template *template = calloc(1, sizeof(*template));
    json_t *empty = json_object(), *all = empty ? schema_complete(kind, empty, NULL, NULL) : NULL;
    const struct schema_attribute *attribute;
    int r = template && all && depth < TEMPLATE_DEPTH_MAX ? 0 : -ENOMEM;

    if (r == 0) {
        template->slots = calloc(json_object_size(all) + 1, sizeof(*template->slots));
        r = template->slots ? 0 : -ENOMEM;
    }
    for (size_t i = 0; r == 0 && (attribute = schema_attribute_at(kind, i)); i++) {
        const json_t *value = json_object_get(all, attribute->name);

        if (value)
            r = add_slot(template, attribute, value, depth);
    }
    json_decref(empty);
    json_decref(all);
    if (r < 0)
        text_template_free(&template);
    else
        *ret = template;
    return r;
}

/* ---- Writing -----------------------------------------------------------------------------------
 */

static void put_string(struct buf *buf, const char *text)
{
    buf_append(buf, "\"", 1);
    text_json_escape(buf, text, strlen(text));
    buf_append(buf, "\"", 1);
}

static void put_tags(struct buf *buf, const struct tag_set *tags)
{
    for (size_t i = 0; i < tags->n; i++) {
        buf_append(buf, i ? "," : "[", 1);
        put_string(buf, tags->tags[i]);
    }
    buf_puts(buf, tags->n ? "]" : "[]");
}

static void put_computed(struct buf *buf, enum text_source source, const struct object *object)
{
    char text[TIME_TEXT_MAX];

    switch (source) {
    case FROM_ID:
        put_string(buf, object->id);
        return;
    case FROM_NAMESPACE:
        put_string(buf, object->space->name);
        return;
    case FROM_CREATED:
        put_string(buf, time_text(object->created_ms, text));
        return;
    case FROM_UPDATED:
        put_string(buf, time_text(object->updated_ms, text));
        return;
    default:
        put_tags(buf, &object->tags);
        return;
    }
}

static void put_object(struct buf *buf, const struct text_template *template, const char *body,
                       size_t len, const struct object *object);

static void put_value(struct buf *buf, const struct text_slot *slot, const struct json_slice *value)
{
    struct json_scan scan;
    struct json_slice key, element;
    size_t n = 0;

    if (!slot->embedded) {
        buf_append(buf, value->text, value->len);
    } else if (value->text[0] == '{') {
        put_object(buf, slot->embedded, value->text, value->len, NULL);
    } else {
        buf_append(buf, "[", 1);
        json_scan_begin(&scan, value->text, value->len);
        while (json_scan_next(&scan, &key, &element)) {
            if (n++)
                buf_append(buf, ",", 1);
            put_object(buf, slot->embedded, element.text, element.len, NULL);
        }
        buf_append(buf, "]", 1);
    }
}

/* @param object  NULL in embedded ones: there nothing is computed */
// NOLINTNEXTLINE(misc-no-recursion): as deep as the template
static void put_object(struct buf *buf, const struct text_template *template, const char *body,
                       size_t len, const struct object *object)
{
    struct json_slice values[SCHEMA_TEXT_SLOTS_MAX] = {0}, key, value;
    struct json_scan scan;

    json_scan_begin(&scan, body, len);
    while (json_scan_next(&scan, &key, &value)) {
        for (size_t i = 0; i < template->n && i < SCHEMA_TEXT_SLOTS_MAX; i++) {
            if (template->slots[i].name_len == key.len &&
                memcmp(template->slots[i].name, key.text, key.len) == 0) {
                values[i] = value;
                break;
            }
        }
    }
    buf_append(buf, "{", 1);
    for (size_t i = 0; i < template->n; i++) {
        const struct text_slot *slot = &template->slots[i];

        buf_append(buf, i ? ",\"" : "\"", i ? 2 : 1);
        buf_append(buf, slot->name, slot->name_len);
        buf_append(buf, "\":", 2);
        if (object && slot->source != FROM_BODY)
            put_computed(buf, slot->source, object);
        else if (values[i].len && !json_slice_is(&values[i], "null"))
            put_value(buf, slot, &values[i]);
        else
            buf_puts(buf, slot->fallback);
    }
    buf_append(buf, "}", 1);
}

int object_show_text(const struct object *object, struct buf *buf)
{
    struct kind_table *table = object_entry_of(object)->table;
    int r = 0;

    if (!table->text)
        r = template_new(table->kind, 0, &table->text);
    if (r == 0 && table->text->n > SCHEMA_TEXT_SLOTS_MAX)
        r = -E2BIG;
    if (r < 0)
        return r;
    put_object(buf, table->text, object->body, object->body_len, object);
    return buf->error;
}
