/* SPDX-License-Identifier: Apache-2.0 */
/* -k KEY VALUE: text becomes what the attribute's type says. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/api/api.h"

static int wrong(struct buf *problem, const char *key, const char *value, const char *expected)
{
    buf_printf(problem, "%s: found ", key);
    text_quote(problem, value, strlen(value));
    buf_printf(problem, ", expected %s", expected);
    return -BULKHEAD_EINVALID_INPUT;
}

static int put(json_t *object, const char *key, json_t *value)
{
    return !value || json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

static int set_bool(json_t *object, const char *key, const char *value, struct buf *problem)
{
    bool yes = strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0,
         no = strcasecmp(value, "false") == 0 || strcasecmp(value, "no") == 0;

    if (!yes && !no)
        return wrong(problem, key, value, "true or false");
    return put(object, key, json_boolean(yes));
}

static int set_number(json_t *object, const char *key, const char *value, bool whole,
                      struct buf *problem)
{
    char *end;

    errno = 0;
    if (whole) {
        long long integer = strtoll(value, &end, 10);

        if (!*value || *end || errno)
            return wrong(problem, key, value, "a whole number");
        return put(object, key, json_integer(integer));
    }
    {
        double real = strtod(value, &end);
        json_t *number = *value && !*end && !errno ? json_real(real) : NULL;

        return number ? put(object, key, number) : wrong(problem, key, value, "a number");
    }
}

/* YAML is what people can type; JSON is YAML. */
static int set_structure(json_t *object, const char *key, const char *value, struct buf *problem)
{
    _cleanup_document_ struct document *document = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    int r = document_parse(key, value, strlen(value), DOCUMENT_YAML, &diagnostics, &document);

    if (r == -BULKHEAD_EINVALID_INPUT)
        return wrong(problem, key, value, "JSON or YAML");
    if (r < 0)
        return r;
    if (document_count(document) != 1 || !document_root(document, 0))
        return put(object, key, json_null());
    return put(object, key, node_json(document_root(document, 0)));
}

/* The list at `key`, made when there is none yet. */
static json_t *list_at(json_t *object, const char *key)
{
    json_t *list = json_object_get(object, key);

    if (json_is_array(list))
        return list;
    if (json_object_set_new(object, key, json_array()) < 0)
        return NULL;
    return json_object_get(object, key);
}

static json_t *map_at(json_t *object, const char *key)
{
    json_t *map = json_object_get(object, key);

    if (json_is_object(map))
        return map;
    if (json_object_set_new(object, key, json_object()) < 0)
        return NULL;
    return json_object_get(object, key);
}

static int append(json_t *list, const char *value)
{
    return !list || json_array_append_new(list, json_string(value)) < 0 ? -ENOMEM : 0;
}

/* One clause: tags that must all be there, separated by commas. */
static int append_clause(json_t *list, const char *value)
{
    json_t *clause = json_array();
    int r = 0;

    while (clause && r == 0 && *value) {
        size_t len = strcspn(value, ",");
        const char *tag = value + strspn(value, " ");

        r = json_array_append_new(clause, json_stringn(tag, len - (size_t)(tag - value)));
        value += len + (value[len] == ',');
    }
    return !list || !clause || r < 0 || json_array_append_new(list, clause) < 0 ? -ENOMEM : 0;
}

static int set_in_map(json_t *object, const char *key, const char *value, bool lists,
                      struct buf *problem)
{
    const char *equals = strchr(value, '=');
    _cleanup_free_
    char *name = NULL;
    json_t *map;

    if (!equals || equals == value)
        return wrong(problem, key, value, "name=value, or a map in JSON");
    name = strndup(value, (size_t)(equals - value));
    map = map_at(object, key);
    if (!name || !map)
        return -ENOMEM;
    return lists ? append(list_at(map, name), equals + 1) : put(map, name, json_string(equals + 1));
}

static int set_typed(const struct schema_attribute *attribute, json_t *object, const char *value,
                     struct buf *problem)
{
    const char *key = attribute->name;

    switch (attribute->type) {
    case SCHEMA_BOOL:
        return set_bool(object, key, value, problem);
    case SCHEMA_INTEGER:
        return set_number(object, key, value, true, problem);
    case SCHEMA_FLOAT:
        return set_number(object, key, value, false, problem);
    case SCHEMA_STRINGS:
    case SCHEMA_TAG_EXPR:
        if (*value == '[')
            return set_structure(object, key, value, problem);
        if (*value == '\0')
            return put(object, key, json_array());
        return attribute->type == SCHEMA_STRINGS ? append(list_at(object, key), value)
                                                 : append_clause(list_at(object, key), value);
    case SCHEMA_STRING_MAP:
    case SCHEMA_STRINGS_MAP:
        if (*value == '{')
            return set_structure(object, key, value, problem);
        return set_in_map(object, key, value, attribute->type == SCHEMA_STRINGS_MAP, problem);
    case SCHEMA_OBJECT:
    case SCHEMA_OBJECTS:
    case SCHEMA_FREE:
        return set_structure(object, key, value, problem);
    default: /* texts; whether they are right is the table's to say */
        return put(object, key, json_string(value));
    }
}

int value_set(const struct schema_kind *kind, json_t *object, const char *key, const char *value,
              struct buf *problem)
{
    const struct schema_attribute *attribute = schema_attribute_find(kind, key);
    const char *nearest;
    size_t bad;

    if (!text_utf8_valid(value, strlen(value), &bad))
        return wrong(problem, key, value, "text in UTF-8");
    if (attribute)
        return set_typed(attribute, object, value, problem);
    nearest = api_attribute_nearest(kind, key);
    buf_printf(problem, "%s has no attribute ", kind->name);
    text_quote(problem, key, strlen(key));
    if (nearest)
        buf_printf(problem, "; did you mean '%s'?", nearest);
    return -BULKHEAD_EINVALID_INPUT;
}
