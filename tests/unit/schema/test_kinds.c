/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "base/error.h"
#include "schema/schema.h"

/* Every kind and every attribute: what a table must be for everything made from it to work. */

static const struct schema_kind *const *kinds;
static size_t n_kinds;

static int setup(void **state)
{
    kinds = schema_kinds(&n_kinds);
    return 0;
}

static void test_kinds_are_named(void **state)
{
    assert_true(n_kinds > 40);
    for (size_t i = 0; i < n_kinds; i++) {
        const struct schema_kind *kind = kinds[i];

        assert_non_null(kind->entity);
        assert_non_null(kind->help);
        assert_non_null(strchr(".?", kind->help[strlen(kind->help) - 1]));
        assert_true(i == 0 || strcmp(kinds[i - 1]->name, kind->name) < 0);
        if (strcmp(kind->name, "networkrule") != 0)
            assert_ptr_equal(schema_kind_find(kind->name), kind);
        if (!kind->plural)
            continue;
        assert_false(kind->hidden);
        assert_ptr_equal(schema_kind_find(kind->plural), kind);
        assert_ptr_equal(schema_kind_find(kind->entity), kind);
        assert_ptr_equal(schema_kind_by_plural(kind->plural), kind);
        for (const char *const *alias = kind->aliases; alias && *alias; alias++)
            assert_ptr_equal(schema_kind_find(*alias), kind);
    }
}

/* A word means one kind, whatever it is: name, plural or alias. */
static void test_words_are_unique(void **state)
{
    const char *words[1024];
    size_t n = 0;

    for (size_t i = 0; i < n_kinds; i++) {
        words[n++] = kinds[i]->name;
        if (kinds[i]->plural && strcmp(kinds[i]->plural, kinds[i]->name) != 0)
            words[n++] = kinds[i]->plural;
        for (const char *const *alias = kinds[i]->aliases; alias && *alias; alias++)
            words[n++] = *alias;
        assert_true(n < 1000);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(words[i], words[j]) == 0 && strcmp(words[i], "networkrule") != 0)
                fail_msg("the word '%s' stands for two kinds", words[i]);
}

static void check_attribute(const struct schema_kind *kind, const struct schema_attribute *a)
{
    if (!a->help || a->help[strlen(a->help) - 1] != '.')
        fail_msg("%s.%s: no sentence of help", kind->name, a->name);
    if ((a->type == SCHEMA_ENUM) != (a->choices != NULL))
        fail_msg("%s.%s: choices", kind->name, a->name);
    if ((a->type == SCHEMA_OBJECT || a->type == SCHEMA_OBJECTS) != (a->embedded != NULL))
        fail_msg("%s.%s: embedded", kind->name, a->name);
    if ((a->minimum || a->maximum) && a->type != SCHEMA_INTEGER)
        fail_msg("%s.%s: range", kind->name, a->name);
    if ((a->flags & SCHEMA_COMPUTED) && !(a->flags & SCHEMA_READ_ONLY))
        fail_msg("%s.%s: computed, not read-only", kind->name, a->name);
    if (a->fallback && !strchr("\"[{tf0123456789-", *a->fallback))
        fail_msg("%s.%s: default %s", kind->name, a->name, a->fallback);
}

static void test_attributes(void **state)
{
    const struct schema_attribute *a;

    for (size_t i = 0; i < n_kinds; i++) {
        size_t own = 0, n = 0;

        for (; (a = schema_attribute_at(kinds[i], n)); n++) {
            check_attribute(kinds[i], a);
            assert_ptr_equal(schema_attribute_find(kinds[i], a->name), a);
            own += a >= kinds[i]->attributes && a < kinds[i]->attributes + kinds[i]->n_attributes;
        }
        assert_int_equal(own, kinds[i]->n_attributes); /* none is there twice */
        assert_null(schema_attribute_find(kinds[i], "noSuchAttribute"));
    }
}

/* The complete form of nothing has every attribute that is not secret, with a default that the
 * attribute itself would take. */
static void test_defaults(void **state)
{
    const struct schema_attribute *a;

    for (size_t i = 0; i < n_kinds; i++) {
        json_t *nothing = json_object();
        json_t *complete = schema_complete(kinds[i], nothing, NULL, NULL);
        json_t *sparse = NULL;
        struct schema_problems problems = {0};

        assert_non_null(complete);
        for (size_t j = 0; (a = schema_attribute_at(kinds[i], j)); j++)
            if (!(a->flags & SCHEMA_SECRET) != !!json_object_get(complete, a->name))
                fail_msg("%s.%s", kinds[i]->name, a->name);
        schema_accept(kinds[i], SCHEMA_WRITER_CONSOLE, complete, NULL, false, &problems, &sparse);
        for (size_t j = 0; j < problems.n; j++) {
            a = schema_attribute_find(kinds[i], problems.items[j].attribute);
            if ((!a || !(a->flags & SCHEMA_REQUIRED)) && strcmp(kinds[i]->name, "hostservice") != 0)
                fail_msg("%s.%s: %s", kinds[i]->name, problems.items[j].attribute,
                         problems.items[j].message);
        }
        schema_problems_clear(&problems);
        json_decref(sparse);
        json_decref(complete);
        json_decref(nothing);
    }
}

static void test_columns(void **state)
{
    for (size_t i = 0; i < n_kinds; i++) {
        if (kinds[i]->plural && !kinds[i]->columns)
            fail_msg("%s has no columns", kinds[i]->name);
        for (const char *const *column = kinds[i]->columns; column && *column; column++)
            if (!schema_attribute_find(kinds[i], *column))
                fail_msg("%s has no column %s", kinds[i]->name, *column);
    }
}

static void test_routes(void **state)
{
    for (size_t i = 0; i < n_kinds; i++) {
        const struct schema_kind *kind = kinds[i];

        assert_true(kind->plural || kind->verbs == 0);
        assert_true(kind->stored || !kind->unique);
        assert_true(!kind->unique || schema_attribute_find(kind, "name"));
        for (size_t j = 0; j < kind->n_sub_routes; j++) {
            const struct schema_sub_route *route = &kind->sub_routes[j];

            assert_true(route->verbs == SCHEMA_LIST || route->verbs == SCHEMA_CREATE);
            if (strcmp(route->child, "poke") != 0)
                assert_non_null(schema_kind_by_plural(route->child));
        }
        for (size_t j = 0; j < kind->n_keys; j++)
            assert_non_null(kind->keys[j].help);
    }
}

static void test_nearest(void **state)
{
    assert_string_equal(schema_kind_nearest("namespaes"), "namespaces");
    assert_string_equal(schema_kind_nearest("externalnetwrk"), "externalnetwork");
    assert_null(schema_kind_nearest("zzzzzzzzzzzz"));
    assert_null(schema_kind_find("nothing"));
    assert_null(schema_kind_by_plural("NAMESPACES"));
    assert_ptr_equal(schema_kind_find("NETRULESET"), schema_kind_find("networkrulesetpolicies"));
}

static bool is_verb(const char *word)
{
    static const char *const verbs[] = {"any", "get", "list", "post", "put", "patch", "delete"};

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i], word) == 0)
            return true;
    return false;
}

/* "kind:verb,verb" with a kind and verbs that exist. */
static void check_authorization(const char *text)
{
    char copy[128], *at = copy, *kind, *verb;

    snprintf(copy, sizeof(copy), "%s", text);
    kind = strsep(&at, ":");
    assert_true(strcmp(kind, "*") == 0 || schema_kind_find(kind));
    assert_non_null(at);
    while ((verb = strsep(&at, ",")))
        assert_true(is_verb(verb));
}

static void test_roles(void **state)
{
    const struct schema_role *roles;
    size_t n;

    roles = schema_roles(&n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(schema_role_find(roles[i].key), &roles[i]);
        assert_memory_equal(roles[i].key, "@auth:role=", 11);
        for (const char *const *text = roles[i].authorizations; *text; text++)
            check_authorization(*text);
    }
    assert_null(schema_role_find("@auth:role=nobody"));
}

/* What machines may: never who may do what, never policy. */
static void check_machine_role(const struct schema_role *role)
{
    static const char *const never[] = {
        "*:",
        "apiauthorizationpolicy:",
        "appcredential:",
        "account:",
        "networkrulesetpolicy:",
        "externalnetwork:",
        "namespace:",
        "import:",
        "export:",
        "issue:",
        "enforcer:any",
    };

    for (const char *const *text = role->authorizations; *text; text++)
        for (size_t i = 0; i < ARRAY_SIZE(never); i++)
            if (strncmp(*text, never[i], strlen(never[i])) == 0)
                fail_msg("%s: %s", role->key, *text);
}

static void test_machine_roles(void **state)
{
    const struct schema_role *roles;
    size_t n, seen = 0;

    roles = schema_roles(&n);
    for (size_t i = 0; i < n; i++) {
        if (!roles[i].is_private && strcmp(roles[i].key, "@auth:role=enforcer-installer") != 0)
            continue;
        seen++;
        check_machine_role(&roles[i]);
    }
    assert_int_equal(seen, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_are_named), cmocka_unit_test(test_words_are_unique),
        cmocka_unit_test(test_attributes),      cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_columns),         cmocka_unit_test(test_routes),
        cmocka_unit_test(test_nearest),         cmocka_unit_test(test_roles),
        cmocka_unit_test(test_machine_roles),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
