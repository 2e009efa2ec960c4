/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "console/api_internal.h"
#include "console/changeset.h"

#define ID "0123456789abcdef01234567"

static void test_routes(void **state)
{
    static const struct {
        const char *path;
        enum api_route_type type;
        const char *kind, *parent, *says;
    } rows[] = {
        {"/namespaces", API_ROUTE_KIND, "namespace", NULL, NULL},
        {"/namespaces/", API_ROUTE_KIND, "namespace", NULL, NULL},
        {"/v/1/namespaces", API_ROUTE_KIND, "namespace", NULL, NULL},
        {"/namespaces/" ID, API_ROUTE_OBJECT, "namespace", NULL, NULL},
        {"/processingunits/" ID "/renderedpolicies", API_ROUTE_CHILDREN, "renderedpolicy",
         "processingunit", NULL},
        {"/enforcers/" ID "/poke", API_ROUTE_CHILDREN, "enforcer", "enforcer", NULL},
        {"/openapi.json", API_ROUTE_OPENAPI, NULL, NULL, NULL},
        {"/_meta/version", API_ROUTE_META, NULL, NULL, NULL},
        {"/", API_ROUTE_NONE, NULL, NULL, "nothing"},
        {"", API_ROUTE_NONE, NULL, NULL, "nothing"},
        {"//", API_ROUTE_NONE, NULL, NULL, "nothing"},
        {"/v/x/namespaces", API_ROUTE_NONE, NULL, NULL, "/v"},
        {"/namespace", API_ROUTE_NONE, NULL, NULL, "/namespaces?"},
        {"/signingkeys", API_ROUTE_NONE, NULL, NULL, "there is no"},
        {"/networkrules", API_ROUTE_NONE, NULL, NULL, "there is no"},
        {"/namespaces/xyz", API_ROUTE_NONE, NULL, NULL, "expected an ID"},
        {"/namespaces/0123456789ABCDEF01234567", API_ROUTE_NONE, NULL, NULL, "expected an ID"},
        {"/namespaces/" ID "/enforcers", API_ROUTE_NONE, NULL, NULL, "there is no"},
        {"/namespaces/" ID "/trustedcas/x", API_ROUTE_NONE, NULL, NULL, "nothing"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct api_route route;

        api_route_parse(rows[i].path, &route);
        assert_int_equal(route.type, rows[i].type);
        if (rows[i].kind)
            assert_string_equal(route.kind->name, rows[i].kind);
        if (rows[i].parent)
            assert_string_equal(route.parent->name, rows[i].parent);
        if (rows[i].says)
            assert_non_null(strstr(route.message, rows[i].says));
    }
}

static int parse(const char *path, enum auth_verb verb, const char *name, const char *value,
                 struct api_error *error, struct api_query *ret)
{
    struct http_request request = {.n_query = name ? 1 : 0};
    struct api_route route;

    request.query[0] = (struct http_parameter){(char *)name, (char *)value};
    api_route_parse(path, &route);
    *error = (struct api_error){0};
    return api_query_parse(&request, &route, verb, 0, error, ret);
}

static void test_queries(void **state)
{
    static const struct {
        const char *path;
        enum auth_verb verb;
        const char *name, *value, *says; /* NULL: accepted */
    } rows[] = {
        {"/namespaces", AUTH_LIST, "recursive", "", NULL},
        {"/namespaces", AUTH_LIST, "recursiv", "", "'recursive'"},
        {"/namespaces", AUTH_CREATE, "recursive", "", "unknown"},
        {"/namespaces/" ID, AUTH_DELETE, "recursive", "", NULL},
        {"/enforcers/" ID, AUTH_DELETE, "recursive", "", "unknown"},
        {"/enforcers/" ID, AUTH_DELETE, "override", "", NULL},
        {"/import", AUTH_CREATE, "dryRun", "", NULL},
        {"/namespaces", AUTH_LIST, "page", "1", NULL},
        {"/namespaces", AUTH_LIST, "page", "-1", "expected a number"},
        {"/namespaces", AUTH_LIST, "page", "", "expected a number"},
        {"/namespaces", AUTH_LIST, "limit", "9999999999999999999", "expected a number"},
        {"/namespaces", AUTH_LIST, "after", ID, NULL},
        {"/namespaces", AUTH_LIST, "after", ID "0", "X-Next"},
        {"/namespaces", AUTH_LIST, "order", "-name", NULL},
        {"/namespaces", AUTH_LIST, "order", "nme", "did you mean 'name'"},
        {"/namespaces", AUTH_LIST, "q", "name == x", NULL},
        {"/namespaces", AUTH_LIST, "q", "nam == x", "did you mean 'name'"},
        {"/namespaces", AUTH_LIST, "q", "name ==", "column"},
        {"/search", AUTH_LIST, "q", "three words here", NULL},
        {"/export", AUTH_CREATE, "q", "name == x", NULL},
        {"/activities", AUTH_LIST, "q", "operation == create", NULL},
        {"/activities", AUTH_LIST, "q", "operatoin == create", "did you mean 'operation'"},
        {"/roles", AUTH_LIST, "q", "three words here", "column"},
        {"/trustedcas", AUTH_LIST, "type", "X509", NULL},
        {"/trustedcas", AUTH_LIST, "type", "PGP", "expected one of"},
        {"/accounts", AUTH_LIST, "name", "a \"b\" \\", NULL},
        {"/accounts", AUTH_CREATE, "name", "x", "unknown"},
        {"/importreferences", AUTH_LIST, "override", "", "unknown"},
        {"/activities", AUTH_LIST, "startAbsolute", "2026-01-31", NULL},
        {"/activities", AUTH_LIST, "startAbsolute", "soon", "expected a time"},
        {"/enforcers", AUTH_LIST, "startAbsolute", "2026-01-31", "unknown"},
        {"/enforcers/" ID "/poke", AUTH_LIST, "cpuload", "12.5", NULL},
        {"/enforcers/" ID "/poke", AUTH_LIST, "cpuload", "12.5%", "expected a number"},
        {"/enforcers/" ID "/poke", AUTH_LIST, "memory", "123456789012", NULL},
        {"/enforcers/" ID "/poke", AUTH_LIST, "memory", "-1", "expected a number"},
        {"/enforcers/" ID "/poke", AUTH_LIST, "ts", "yesterday", "expected a time"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct api_query query;
        struct api_error error;
        int r = parse(rows[i].path, rows[i].verb, rows[i].name, rows[i].value, &error, &query);

        if (!rows[i].says) {
            assert_int_equal(r, 0);
        } else {
            assert_int_equal(r, -EINVAL);
            assert_int_equal(error.status, 400);
            assert_string_equal(error.attribute, rows[i].name);
            assert_non_null(strstr(error.description, rows[i].says));
        }
        api_query_clear(&query);
    }
}

/* ---- Change sets ----------------------------------------------------------------------------- */

static void test_ids_grow(void **state)
{
    char before[SCHEMA_ID_LEN + 1], id[SCHEMA_ID_LEN + 1];

    assert_int_equal(change_set_make_id(before), 0);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(change_set_make_id(id), 0);
        assert_int_equal(strlen(id), SCHEMA_ID_LEN);
        assert_true(strcmp(before, id) < 0);
        memcpy(before, id, sizeof(id));
    }
}

static void test_change_set(void **state)
{
    const struct schema_kind *kind = schema_kind_find("externalnetwork");
    _cleanup_change_set_ struct change_set *set = NULL;
    char ids[100][SCHEMA_ID_LEN + 1], key[64];
    json_t *body;

    assert_int_equal(change_set_new(&set), 0);
    assert_null(change_set_find(set, ID));
    assert_null(change_set_find_unique(set, kind, "/\nx"));
    for (int i = 0; i < 100; i++) {
        body = json_pack("{s:o}", "name", json_sprintf("x%d", i));
        assert_int_equal(change_set_create(set, kind, "/a", body, ids[i]), 0);
        json_decref(body);
    }
    assert_int_equal(change_set_count(set), 100);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "/a\nx%d", i);
        assert_ptr_equal(change_set_find(set, ids[i]), change_set_at(set, (size_t)i));
        assert_ptr_equal(change_set_find_unique(set, kind, key), change_set_at(set, (size_t)i));
    }
    assert_null(change_set_find_unique(set, schema_kind_find("hostservice"), "/a\nx1"));
    body = json_pack("{s:s, s:b}", "name", "x5", "propagate", 1);
    assert_int_equal(change_set_replace(set, ids[5], body), 0);
    assert_string_equal(change_set_at(set, 5)->object.body, "{\"name\":\"x5\",\"propagate\":true}");
    assert_int_equal(change_set_replace(set, ID, body), -ENOENT);
    json_decref(body);
}

static void test_errors(void **state)
{
    static const struct {
        int result, status;
    } rows[] = {{-ENOENT, 404},       {-EEXIST, 422}, {-ESTALE, 409}, {-ENOSPC, 507},
                {-ECONNREFUSED, 503}, {-EBUSY, 503},  {-EFBIG, 413},  {-ENOMEM, 500}};
    struct api_error error = {0};
    json_t *list;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        api_error_result(&error, rows[i].result, "it");
        assert_int_equal(error.status, rows[i].status);
        list = api_error_json(&error, NULL, "trace");
        assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "code")),
                         rows[i].status);
        json_decref(list);
    }
    api_error_set(&error, 400, "Bad request", "\xff");
    list = api_error_json(&error, NULL, "trace");
    assert_int_equal(json_array_size(list), 1); /* not UTF-8: said without it */
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),   cmocka_unit_test(test_queries),
        cmocka_unit_test(test_ids_grow), cmocka_unit_test(test_change_set),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
