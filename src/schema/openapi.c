/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "schema/internal.h"

/*
 * OpenAPI 3.0.3 of what the tables describe. json_pack() copies and takes; any failure shows as
 * NULL in the end, because setting NULL into an object fails: `ok` is sticky.
 */

struct writer {
    bool ok;
};

/* Takes `value`. */
static void set(struct writer *writer, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) < 0)
        writer->ok = false;
}

static void append(struct writer *writer, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) < 0)
        writer->ok = false;
}

static json_t *words(struct writer *writer, const char *const *choices)
{
    json_t *list = json_array();

    for (size_t i = 0; choices[i]; i++)
        append(writer, list, json_string(choices[i]));
    return list;
}

static json_t *reference(const char *section, const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", section, name));
}

/* ---- Schemas ---- */

static json_t *string_type(void)
{
    return json_pack("{s:s}", "type", "string");
}

static json_t *list_of(json_t *items)
{
    return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

static json_t *map_of(json_t *values)
{
    return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", values);
}

static json_t *enum_type(struct writer *writer, const struct schema_attribute *attribute)
{
    json_t *type = string_type(), *choices = words(writer, attribute->choices);

    if (!attribute->fallback)
        append(writer, choices, json_string(""));
    set(writer, type, "enum", choices);
    return type;
}

static json_t *integer_type(struct writer *writer, const struct schema_attribute *attribute)
{
    json_t *type = json_pack("{s:s, s:s}", "type", "integer", "format", "int64");

    if (attribute->minimum || attribute->maximum) {
        set(writer, type, "minimum", json_integer(attribute->minimum));
        set(writer, type, "maximum", json_integer(attribute->maximum));
    }
    return type;
}

static json_t *type_of(struct writer *writer, const struct schema_attribute *attribute)
{
    switch (attribute->type) {
    case SCHEMA_STRING:
    case SCHEMA_DURATION:
        return string_type();
    case SCHEMA_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case SCHEMA_INTEGER:
        return integer_type(writer, attribute);
    case SCHEMA_FLOAT:
        return json_pack("{s:s}", "type", "number");
    case SCHEMA_TIME:
        return json_pack("{s:s, s:s, s:b}", "type", "string", "format", "date-time", "nullable", 1);
    case SCHEMA_ENUM:
        return enum_type(writer, attribute);
    case SCHEMA_STRINGS:
        return list_of(string_type());
    case SCHEMA_TAG_EXPR:
        return list_of(list_of(string_type()));
    case SCHEMA_STRING_MAP:
        return map_of(string_type());
    case SCHEMA_STRINGS_MAP:
        return map_of(list_of(string_type()));
    case SCHEMA_OBJECT:
        /* $ref stands alone in 3.0: what is said about it goes around it. */
        return json_pack("{s:[o], s:b}", "allOf", reference("schemas", attribute->embedded->entity),
                         "nullable", 1);
    case SCHEMA_OBJECTS:
        return list_of(reference("schemas", attribute->embedded->entity));
    default:
        return json_object();
    }
}

static json_t *property(struct writer *writer, const struct schema_attribute *attribute)
{
    json_t *type = type_of(writer, attribute);

    set(writer, type, "description", json_string(attribute->help));
    if (attribute->fallback)
        set(writer, type, "default", schema_fallback(attribute));
    if (attribute->max_chars && attribute->type == SCHEMA_STRING)
        set(writer, type, "maxLength", json_integer((json_int_t)attribute->max_chars));
    if (attribute->max_items && json_object_get(type, "items"))
        set(writer, type, "maxItems", json_integer((json_int_t)attribute->max_items));
    if (attribute->flags & SCHEMA_DEPRECATED)
        set(writer, type, "deprecated", json_true());
    if (attribute->flags & SCHEMA_NO_EFFECT)
        set(writer, type, "x-no-effect", json_true());
    if (attribute->flags & SCHEMA_READ_ONLY)
        set(writer, type, "readOnly", json_true());
    else if (attribute->flags & SCHEMA_SECRET)
        set(writer, type, "writeOnly", json_true());
    if (attribute->flags & SCHEMA_CREATION_ONLY)
        set(writer, type, "x-creation-only", json_true());
    if (attribute->flags & SCHEMA_ENFORCER_WRITES)
        set(writer, type, "x-enforcer-writes", json_true());
    return type;
}

static json_t *schema_of(struct writer *writer, const struct schema_kind *kind)
{
    json_t *properties = json_object(), *required = json_array();
    json_t *schema = json_pack("{s:s, s:s, s:b, s:o}", "type", "object", "description", kind->help,
                               "additionalProperties", 0, "properties", properties);
    const struct schema_attribute *attribute;

    for (size_t i = 0; (attribute = schema_attribute_at(kind, i)); i++) {
        bool is_private = (attribute->flags & (SCHEMA_SECRET | SCHEMA_READ_ONLY)) ==
                          (SCHEMA_SECRET | SCHEMA_READ_ONLY);

        if (is_private)
            continue;
        set(writer, properties, attribute->name, property(writer, attribute));
        if (attribute->flags & SCHEMA_REQUIRED)
            append(writer, required, json_string(attribute->name));
    }
    if (json_array_size(required) > 0)
        set(writer, schema, "required", required);
    else
        json_decref(required);
    return schema;
}

static json_t *error_schema(void)
{
    return list_of(json_pack(
        "{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s, s:{s:{s:s, s:s}}}, s:{s:s}}}", "type",
        "object", "properties", "code", "type", "integer", "title", "type", "string", "description",
        "type", "string", "subject", "type", "string", "data", "type", "object", "properties",
        "attribute", "type", "string", "description", "Path of the attribute that is wrong.",
        "trace", "type", "string"));
}

/* ---- Operations ---- */

struct operation {
    const struct schema_kind *kind; /* of body and answer; NULL: neither (poke) */
    const char *id, *summary;
    bool body, list, empty; /* empty: the answer */
};

static json_t *content(json_t *schema)
{
    json_t *both = json_object();

    if (json_object_set_new(both, "application/json", json_pack("{s:O}", "schema", schema)) < 0 ||
        json_object_set_new(both, "application/msgpack", json_pack("{s:o}", "schema", schema)) <
            0) {
        json_decref(both);
        return NULL;
    }
    return both;
}

static json_t *answer_of(const struct operation *operation)
{
    json_t *schema;

    if (!operation->kind || operation->empty)
        return json_pack("{s:{s:s}}", "204", "description", "Done.");
    schema = reference("schemas", operation->kind->entity);
    if (operation->list)
        schema = list_of(schema);
    return json_pack("{s:{s:s, s:o}}", "200", "description", "Done.", "content", content(schema));
}

static json_t *operation_of(struct writer *writer, const struct operation *operation,
                            json_t *parameters)
{
    json_t *responses = answer_of(operation);
    json_t *result =
        json_pack("{s:s, s:s, s:o, s:o}", "operationId", operation->id, "summary",
                  operation->summary, "parameters", parameters, "responses", responses);

    set(writer, responses, "default", reference("responses", "Error"));
    if (operation->body)
        set(writer, result, "requestBody",
            json_pack("{s:b, s:o}", "required", 1, "content",
                      content(reference("schemas", operation->kind->entity))));
    return result;
}

static json_t *key_type(const struct schema_query_key *key)
{
    switch (key->type) {
    case SCHEMA_INTEGER:
        return json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
    case SCHEMA_FLOAT:
        return json_pack("{s:s, s:i}", "type", "number", "minimum", 0);
    case SCHEMA_TIME:
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    default:
        return string_type();
    }
}

static void add_keys(struct writer *writer, json_t *parameters, const struct schema_query_key *keys,
                     size_t n, unsigned verb)
{
    for (size_t i = 0; i < n; i++) {
        json_t *schema;
        bool there = keys[i].verbs && !(keys[i].verbs & verb);

        for (size_t j = 0; j < json_array_size(parameters); j++) {
            const json_t *name = json_object_get(json_array_get(parameters, j), "name");

            there |= name && strcmp(json_string_value(name), keys[i].name) == 0;
        }
        if (there)
            continue;
        schema = key_type(&keys[i]);
        if (keys[i].choices)
            set(writer, schema, "enum", words(writer, keys[i].choices));
        append(writer, parameters,
               json_pack("{s:s, s:s, s:s, s:o}", "name", keys[i].name, "in", "query", "description",
                         keys[i].help, "schema", schema));
    }
}

/* Parameters of a route: the namespace, the keys of the route itself, the keys of every such route.
 */
static json_t *parameters_of(struct writer *writer, const struct schema_query_key *keys, size_t n,
                             unsigned verb)
{
    json_t *parameters = json_array();
    const struct schema_query_key *common;
    size_t n_common;

    append(writer, parameters, reference("parameters", "Namespace"));
    if (verb == SCHEMA_LIST || verb == SCHEMA_GET)
        append(writer, parameters, reference("parameters", "Fields"));
    if (verb == SCHEMA_CREATE)
        append(writer, parameters, reference("parameters", "IdempotencyKey"));
    add_keys(writer, parameters, keys, n, verb);
    common = schema_verb_keys((enum schema_verb)verb, &n_common);
    add_keys(writer, parameters, common, n_common, verb);
    return parameters;
}

static void add_operation(struct writer *writer, json_t *path, const char *method,
                          struct operation *operation, json_t *id, json_t *parameters)
{
    operation->id = json_string_value(id);
    if (!operation->id)
        writer->ok = false;
    else
        set(writer, path, method, operation_of(writer, operation, parameters));
    json_decref(id);
}

static void add_collection(struct writer *writer, json_t *paths, const struct schema_kind *kind)
{
    struct operation list = {.kind = kind, .summary = kind->help, .list = true};
    struct operation create = {.kind = kind, .summary = kind->help, .body = true};
    json_t *path = json_object(), *route = json_sprintf("/%s", kind->plural);

    if (kind->verbs & SCHEMA_LIST)
        add_operation(writer, path, "get", &list, json_sprintf("list%s", kind->entity),
                      parameters_of(writer, kind->keys, kind->n_keys, SCHEMA_LIST));
    if (kind->verbs & SCHEMA_CREATE)
        add_operation(writer, path, "post", &create, json_sprintf("create%s", kind->entity),
                      parameters_of(writer, kind->keys, kind->n_keys, SCHEMA_CREATE));
    if (json_object_size(path) > 0 && route)
        set(writer, paths, json_string_value(route), json_incref(path));
    json_decref(path);
    json_decref(route);
}

static void add_member(struct writer *writer, json_t *paths, const struct schema_kind *kind)
{
    struct operation get = {.kind = kind, .summary = "Read one."};
    struct operation put = {.kind = kind, .summary = "Replace one.", .body = true};
    struct operation patch = {.kind = kind, .summary = "Change some attributes.", .body = true};
    struct operation delete = {.kind = kind, .summary = "Delete one."};
    json_t *path = json_object(), *route = json_sprintf("/%s/{id}", kind->plural);

    if (kind->verbs & SCHEMA_GET)
        add_operation(writer, path, "get", &get, json_sprintf("get%s", kind->entity),
                      parameters_of(writer, kind->keys, kind->n_keys, SCHEMA_GET));
    if (kind->verbs & SCHEMA_UPDATE) {
        add_operation(writer, path, "put", &put, json_sprintf("update%s", kind->entity),
                      parameters_of(writer, kind->keys, kind->n_keys, SCHEMA_UPDATE));
        add_operation(writer, path, "patch", &patch, json_sprintf("patch%s", kind->entity),
                      parameters_of(writer, kind->keys, kind->n_keys, SCHEMA_UPDATE));
    }
    if (kind->verbs & SCHEMA_DELETE)
        add_operation(writer, path, "delete", &delete, json_sprintf("delete%s", kind->entity),
                      parameters_of(writer, kind->keys, kind->n_keys, SCHEMA_DELETE));
    if (json_object_size(path) > 0 && route) {
        set(writer, path, "parameters", json_pack("[o]", reference("parameters", "ID")));
        set(writer, paths, json_string_value(route), json_incref(path));
    }
    json_decref(path);
    json_decref(route);
}

static void add_sub_route(struct writer *writer, json_t *paths, const struct schema_kind *kind,
                          const struct schema_sub_route *sub)
{
    const struct schema_kind *child = schema_kind_by_plural(sub->child);
    bool creates = sub->verbs & SCHEMA_CREATE;
    struct operation operation = {.kind = child, .body = creates, .list = !creates};
    json_t *path = json_object(), *route = json_sprintf("/%s/{id}/%s", kind->plural, sub->child);

    operation.summary = child ? child->help : "Report oneself.";
    add_operation(writer, path, creates ? "post" : "get", &operation,
                  json_sprintf("%s%s%s", creates ? "create" : "list", kind->entity,
                               child ? child->entity : sub->child),
                  parameters_of(writer, sub->keys, sub->n_keys,
                                child ? (creates ? SCHEMA_CREATE : SCHEMA_LIST) : 0));
    set(writer, path, "parameters", json_pack("[o]", reference("parameters", "ID")));
    if (route)
        set(writer, paths, json_string_value(route), json_incref(path));
    json_decref(path);
    json_decref(route);
}

static json_t *common_parameters(void)
{
    return json_pack(
        "{s:{s:s, s:s, s:s, s:{s:s}}, s:{s:s, s:s, s:s, s:{s:s}}, s:{s:s, s:s, s:s, s:{s:s}},"
        "s:{s:s, s:s, s:b, s:s, s:{s:s, s:s}}}",
        "Namespace", "name", "X-Namespace", "in", "header", "description",
        "Namespace of the request.", "schema", "type", "string", /**/
        "Fields", "name", "X-Fields", "in", "header", "description",
        "Only these attributes; repeated.", "schema", "type", "string", /**/
        "IdempotencyKey", "name", "Idempotency-Key", "in", "header", "description",
        "The same key again gets the first answer again.", "schema", "type", "string", /**/
        "ID", "name", "id", "in", "path", "required", 1, "description", "ID of the object.",
        "schema", "type", "string", "pattern", "^[0-9a-f]{24}$");
}

static json_t *frame(const char *version, json_t *paths, json_t *schemas)
{
    json_t *error = content(reference("schemas", "Error"));
    json_t *components =
        json_pack("{s:o, s:o, s:{s:{s:s, s:o}}, s:{s:{s:s, s:s, s:s}}}", "schemas", schemas,
                  "parameters", common_parameters(), "responses", "Error", "description",
                  "What went wrong, as a list.", "content", error, "securitySchemes", "bearer",
                  "type", "http", "scheme", "bearer", "bearerFormat", "JWT");

    return json_pack("{s:s, s:{s:s, s:s, s:{s:s}}, s:[{s:[]}], s:o, s:o}", "openapi", "3.0.3",
                     "info", "title", "Bulkhead Console", "version", version, "license", "name",
                     "Apache-2.0", "security", "bearer", "paths", paths, "components", components);
}

json_t *schema_openapi(const char *version)
{
    struct writer writer = {.ok = true};
    json_t *paths = json_object(), *schemas = json_object(), *result;
    const struct schema_kind *const *kinds;
    size_t n;

    assert(version);

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++) {
        if (kinds[i]->hidden)
            continue;
        set(&writer, schemas, kinds[i]->entity, schema_of(&writer, kinds[i]));
        if (!kinds[i]->plural)
            continue;
        add_collection(&writer, paths, kinds[i]);
        add_member(&writer, paths, kinds[i]);
        for (size_t j = 0; j < kinds[i]->n_sub_routes; j++)
            add_sub_route(&writer, paths, kinds[i], &kinds[i]->sub_routes[j]);
    }
    set(&writer, schemas, "Error", error_schema());
    result = frame(version, paths, schemas);
    if (writer.ok)
        return result;
    json_decref(result);
    return NULL;
}
