/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "schema/internal.h"

static json_t *empty_value(enum schema_type type)
{
    switch (type) {
    case SCHEMA_STRING:
    case SCHEMA_DURATION:
    case SCHEMA_ENUM:
        return json_stringn_nocheck("", 0);
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
    case SCHEMA_STRING_MAP:
    case SCHEMA_STRINGS_MAP:
        return json_object();
    default:
        return json_null(); /* a time, an object, anything: none */
    }
}

json_t *schema_fallback(const struct schema_attribute *attribute)
{
    const char *text = attribute->fallback;

    if (!text)
        return empty_value(attribute->type);
    /* Most are plain words: no need for the parser. */
    if (*text == '"' && !strchr(text, '\\'))
        return json_stringn_nocheck(text + 1, strlen(text) - 2);
    return json_loads(text, JSON_DECODE_ANY, NULL);
}

bool schema_is_empty(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    case JSON_REAL:
        return json_real_value(value) == 0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    default:
        return false;
    }
}

bool schema_is_default(const struct schema_attribute *attribute, const json_t *value)
{
    const char *text = attribute->fallback;
    json_t *fallback;
    bool equal;

    if (json_is_null(value))
        return true;
    if (!text) /* an object without attributes is not the same as none */
        return attribute->type != SCHEMA_OBJECT && attribute->type != SCHEMA_FREE &&
               schema_is_empty(value);
    if (*text == '"' && json_is_string(value) && !strchr(text, '\\'))
        return json_string_length(value) == strlen(text) - 2 &&
               memcmp(json_string_value(value), text + 1, json_string_length(value)) == 0;
    fallback = schema_fallback(attribute);
    equal = fallback && json_equal(fallback, (json_t *)value);
    json_decref(fallback);
    return equal;
}

/* ---- The complete form ---- */

static json_t *complete_object(const struct schema_kind *kind, const json_t *sparse,
                               const bool *wanted);

static json_t *complete_list(const struct schema_kind *kind, const json_t *list)
{
    json_t *result = json_array();
    size_t n = json_array_size(list);

    for (size_t i = 0; result && i < n; i++) {
        json_t *item = complete_object(kind, json_array_get(list, i), NULL);

        if (!item || json_array_append_new(result, item) < 0) {
            json_decref(result);
            return NULL;
        }
    }
    return result;
}

static json_t *complete_value(const struct schema_attribute *attribute, const json_t *value)
{
    if (!value || json_is_null(value))
        return schema_fallback(attribute);
    if (attribute->type == SCHEMA_OBJECT && json_is_object(value))
        return complete_object(attribute->embedded, value, NULL);
    if (attribute->type == SCHEMA_OBJECTS && json_is_array(value))
        return complete_list(attribute->embedded, value);
    return json_incref((json_t *)value);
}

static json_t *complete_object(const struct schema_kind *kind, const json_t *sparse,
                               const bool *wanted)
{
    const struct schema_index *index = schema_index_of(kind);
    const json_t *values[SCHEMA_ATTRIBUTES_MAX] = {0};
    json_t *result = json_object(), *item;
    const char *key;

    json_object_foreach((json_t *)sparse, key, item)
    {
        int at = schema_index_find(index, key);

        if (at >= 0)
            values[at] = item;
    }
    for (size_t i = 0; result && i < index->n; i++) {
        const struct schema_attribute *attribute = index->attributes[i];

        if ((attribute->flags & SCHEMA_SECRET) || (wanted && !wanted[i]))
            continue;
        item = complete_value(attribute, values[i]);
        if (!item || json_object_set_new_nocheck(result, attribute->name, item) < 0) {
            json_decref(result);
            return NULL;
        }
    }
    return result;
}

/* Values of attributes that are wanted and no secrets; unknown names are taken as they are. */
static int merge(const struct schema_index *index, const bool *wanted, const json_t *computed,
                 json_t *result)
{
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)computed, key, item)
    {
        int at = schema_index_find(index, key);

        if (at < 0 ? wanted != NULL
                   : (wanted && !wanted[at]) || (index->attributes[at]->flags & SCHEMA_SECRET))
            continue;
        if (json_object_set_nocheck(result, key, item) < 0)
            return -1;
    }
    return 0;
}

json_t *schema_complete(const struct schema_kind *kind, const json_t *sparse,
                        const json_t *computed, const char *const *fields)
{
    const struct schema_index *index;
    bool wanted[SCHEMA_ATTRIBUTES_MAX] = {0};
    json_t *result;

    assert(kind);
    assert(sparse);

    index = schema_index_of(kind);
    for (size_t i = 0; fields && fields[i]; i++) {
        int at = schema_index_find(index, fields[i]);

        if (at >= 0)
            wanted[at] = true;
    }
    result = complete_object(kind, sparse, fields ? wanted : NULL);
    if (result && merge(index, fields ? wanted : NULL, computed, result) < 0) {
        json_decref(result);
        return NULL;
    }
    return result;
}
