/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "console/objects_internal.h"

const char *time_text(int64_t ms, char text[TIME_TEXT_MAX])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm))
        return "";
    snprintf(text, TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
             (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100,
             tm.tm_min % 100, tm.tm_sec % 100, (int)(ms % 1000) % 1000);
    return text;
}

json_t *object_parse(const struct object *object)
{
    return json_loadb(object->body, object->body_len, JSON_REJECT_DUPLICATES, NULL);
}

static json_t *tags_json(const struct tag_set *tags)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < tags->n; i++)
        json_array_append_new(list, json_string_nocheck(tags->tags[i]));
    return list;
}

struct shown {
    const char *id, *namespace;
    int64_t created_ms, updated_ms;
    const struct tag_set *tags;
};

static json_t *computed(const struct schema_kind *kind, const struct shown *shown)
{
    json_t *object = json_object();
    char text[TIME_TEXT_MAX];

    json_object_set_new_nocheck(object, "ID", json_string_nocheck(shown->id));
    if (kind->mixins & SCHEMA_NAMESPACED)
        json_object_set_new_nocheck(object, "namespace", json_string_nocheck(shown->namespace));
    if (kind->mixins & SCHEMA_TIMEABLE) {
        json_object_set_new_nocheck(object, "createTime",
                                    json_string_nocheck(time_text(shown->created_ms, text)));
        json_object_set_new_nocheck(object, "updateTime",
                                    json_string_nocheck(time_text(shown->updated_ms, text)));
    }
    if (kind->mixins & SCHEMA_BASE)
        json_object_set_new_nocheck(object, "normalizedTags", tags_json(shown->tags));
    return object;
}

static json_t *complete(const struct schema_kind *kind, const struct shown *shown, json_t *sparse,
                        const char *const *fields)
{
    json_t *more = computed(kind, shown), *result = NULL;

    if (sparse && more)
        result = schema_complete(kind, sparse, more, fields);
    json_decref(more);
    json_decref(sparse);
    return result;
}

json_t *object_show(const struct object *object, const char *const *fields)
{
    const struct shown shown = {object->id, object->space->name, object->created_ms,
                                object->updated_ms, &object->tags};

    return complete(object->kind, &shown, object_parse(object), fields);
}

json_t *objects_preview(const struct store_object *object, const char *const *fields)
{
    const struct schema_kind *kind = schema_kind_find(object->kind);
    _cleanup_tag_set_ struct tag_set tags = {0};
    const struct shown shown = {object->id, object->namespace, object->created_ms,
                                object->updated_ms, &tags};

    if (!kind || objects_tags(object, &tags) < 0)
        return NULL;
    return complete(kind, &shown,
                    json_loadb(object->body, object->body_len, JSON_REJECT_DUPLICATES, NULL),
                    fields);
}

char *object_text(const struct object *object, const char *attribute)
{
    struct json_slice value;

    if (!json_scan_find(object->body, object->body_len, attribute, &value))
        return NULL;
    return json_slice_string(&value);
}

bool object_flag(const struct object *object, const char *attribute)
{
    struct json_slice value;

    return json_scan_find(object->body, object->body_len, attribute, &value) &&
           json_slice_is(&value, "true");
}

/* What the type's empty value looks like when the description names no default. */
static json_t *fallback_value(const struct schema_attribute *attribute)
{
    if (attribute->fallback)
        return json_loads(attribute->fallback, JSON_DECODE_ANY, NULL);
    switch (attribute->type) {
    case SCHEMA_BOOL:
        return json_false();
    case SCHEMA_INTEGER:
        return json_integer(0);
    case SCHEMA_FLOAT:
        return json_real(0);
    case SCHEMA_STRINGS:
    case SCHEMA_TAG_EXPR:
    case SCHEMA_OBJECTS:
        return json_array();
    case SCHEMA_STRING:
    case SCHEMA_ENUM:
    case SCHEMA_DURATION:
        return json_string("");
    default:
        return NULL;
    }
}

const json_t *object_value(const struct object *object, const char *key, json_t **ret_owned)
{
    const struct schema_attribute *attribute;
    struct json_slice value;
    char text[TIME_TEXT_MAX];

    if (strcmp(key, "ID") == 0)
        *ret_owned = json_string_nocheck(object->id);
    else if (strcmp(key, "namespace") == 0)
        *ret_owned = json_string_nocheck(object->space->name);
    else if (strcmp(key, "name") == 0)
        *ret_owned = json_string_nocheck(object->name);
    else if (strcmp(key, "createTime") == 0)
        *ret_owned = json_string_nocheck(time_text(object->created_ms, text));
    else if (strcmp(key, "updateTime") == 0)
        *ret_owned = json_string_nocheck(time_text(object->updated_ms, text));
    else if (strcmp(key, "normalizedTags") == 0)
        *ret_owned = tags_json(&object->tags);
    else {
        attribute = schema_attribute_find(object->kind, key);
        if (!attribute || (attribute->flags & SCHEMA_SECRET))
            return NULL;
        if (json_scan_find(object->body, object->body_len, key, &value))
            *ret_owned = json_loadb(value.text, value.len, JSON_DECODE_ANY, NULL);
        else
            *ret_owned = fallback_value(attribute);
    }
    return *ret_owned;
}
