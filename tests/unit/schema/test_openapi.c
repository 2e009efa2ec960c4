/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "schema/schema.h"

static json_t *api;

static int setup(void **state)
{
    api = schema_openapi("1.2.3");
    return api ? 0 : -1;
}

static int teardown(void **state)
{
    json_decref(api);
    return 0;
}

static json_t *at(json_t *value, const char *a, const char *b, const char *c)
{
    const char *const path[] = {a, b, c};

    for (size_t i = 0; i < ARRAY_SIZE(path) && path[i]; i++)
        value = json_object_get(value, path[i]);
    return value;
}

static void test_head(void **state)
{
    assert_string_equal(json_string_value(at(api, "openapi", NULL, NULL)), "3.0.3");
    assert_string_equal(json_string_value(at(api, "info", "version", NULL)), "1.2.3");
    assert_non_null(at(api, "info", "title", NULL));
}

/* Every $ref points at something. */
static void check_references(json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item) check_references(item);
    json_object_foreach(value, key, item)
    {
        char section[32], name[128];

        check_references(item);
        if (strcmp(key, "$ref") != 0)
            continue;
        assert_int_equal(sscanf(json_string_value(item), "#/components/%31[a-zA-Z]/%127[a-zA-Z0-9]",
                                section, name),
                         2);
        if (!at(api, "components", section, name))
            fail_msg("%s", json_string_value(item));
        assert_int_equal(json_object_size(value), 1);
    }
}

static void test_references(void **state)
{
    check_references(api);
}

/* What OpenAPI 3.0 demands of a schema, as far as it is used here. */
static void check_schema(const char *where, json_t *schema)
{
    static const char *const types[] = {"string", "boolean", "integer",
                                        "number", "array",   "object"};
    const char *type = json_string_value(json_object_get(schema, "type")), *key;
    json_t *item;
    size_t i = 0;

    assert_true(json_is_object(schema));
    while (type && i < ARRAY_SIZE(types) && strcmp(types[i], type) != 0)
        i++;
    if (i == ARRAY_SIZE(types))
        fail_msg("%s: type %s", where, type);
    if (type && strcmp(type, "array") == 0)
        check_schema(where, json_object_get(schema, "items"));
    json_object_foreach(json_object_get(schema, "properties"), key, item) check_schema(key, item);
    json_array_foreach(json_object_get(schema, "required"), i,
                       item) if (!at(schema, "properties", json_string_value(item), NULL))
        fail_msg("%s requires %s", where, json_string_value(item));
}

static void test_schemas(void **state)
{
    const char *name;
    json_t *schema;

    json_object_foreach(at(api, "components", "schemas", NULL), name, schema)
        check_schema(name, schema);
    assert_null(at(api, "components", "schemas", "signingkey"));
    schema = at(at(api, "components", "schemas", "Account"), "properties", NULL, NULL);
    assert_non_null(json_object_get(schema, "password"));
    assert_null(json_object_get(schema, "passwordHash"));
}

static void check_parameters(const char *path, json_t *operation)
{
    json_t *parameters = json_object_get(operation, "parameters"), *item;
    const char *names[64];
    size_t i, n = 0;

    assert_true(json_is_array(parameters));
    json_array_foreach(parameters, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));

        if (!name)
            continue;
        assert_non_null(json_object_get(item, "in"));
        assert_non_null(json_object_get(item, "schema"));
        for (size_t j = 0; j < n; j++)
            if (strcmp(names[j], name) == 0)
                fail_msg("%s: parameter %s twice", path, name);
        assert_true(n < 64);
        names[n++] = name;
    }
}

static void test_operations(void **state)
{
    json_t *ids = json_object(), *operations, *operation;
    const char *path, *method;

    json_object_foreach(at(api, "paths", NULL, NULL), path, operations)
    {
        assert_int_equal(*path, '/');
        json_object_foreach(operations, method, operation)
        {
            const char *id = json_string_value(json_object_get(operation, "operationId"));

            if (strcmp(method, "parameters") == 0)
                continue;
            assert_non_null(id);
            if (json_object_get(ids, id))
                fail_msg("operation %s twice", id);
            json_object_set_new(ids, id, json_true());
            assert_non_null(at(operation, "responses", "default", NULL));
            assert_int_equal(json_object_size(at(operation, "responses", NULL, NULL)), 2);
            check_parameters(path, operation);
        }
    }
    assert_true(json_object_size(ids) > 90);
    json_decref(ids);
}

/* Every route of the tables is there. */
static void test_routes(void **state)
{
    const struct schema_kind *const *kinds;
    json_t *paths = at(api, "paths", NULL, NULL);
    char path[256];
    size_t n;

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "/%s", kinds[i]->plural ? kinds[i]->plural : "");
        assert_int_equal((kinds[i]->verbs & SCHEMA_LIST) != 0,
                         at(paths, path, "get", NULL) != NULL);
        assert_int_equal((kinds[i]->verbs & SCHEMA_CREATE) != 0,
                         at(paths, path, "post", NULL) != NULL);
        for (size_t j = 0; j < kinds[i]->n_sub_routes; j++) {
            snprintf(path, sizeof(path), "/%s/{id}/%s", kinds[i]->plural,
                     kinds[i]->sub_routes[j].child);
            assert_non_null(at(paths, path, NULL, NULL));
        }
    }
}

/* `ninja reference` writes it. */
static void test_reference_is_fresh(void **state)
{
    _cleanup_free_
    char *text = schema_reference();
    _cleanup_free_
    char *file = NULL;
    size_t len;

    assert_non_null(text);
    assert_int_equal(file_read(DOCS_DIR "/formats/objects.md", 1 << 22, &file, &len), 0);
    if (strcmp(text, file) != 0)
        fail_msg("docs/formats/objects.md is stale: run `ninja reference`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),    cmocka_unit_test(test_references),
        cmocka_unit_test(test_schemas), cmocka_unit_test(test_operations),
        cmocka_unit_test(test_routes),  cmocka_unit_test(test_reference_is_fresh),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
