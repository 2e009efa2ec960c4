/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth.h"

#include "auth_test.h"

/* ---- Authorization -------------------------------------------------------------------------- */

static void test_nothing_without_a_policy(void **state)
{
    static const char *const own[] = {"authn", "role", "apicheck", "accessiblenamespace", "logout"};
    struct fixture *f = *state;
    struct caller *caller = caller_of(f, "nobody", NULL);
    const struct schema_kind *const *kinds;
    size_t n;

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++) {
        bool is_own = false;

        for (size_t j = 0; j < ARRAY_SIZE(own); j++)
            is_own |= strcmp(kinds[i]->name, own[j]) == 0;
        for (int verb = AUTH_LIST; verb <= AUTH_DELETE && !is_own; verb++)
            if (auth_allowed(f->console.auth, caller, verb, kinds[i], "/a", NULL))
                fail_msg("%s of %s without a policy", auth_verb_name(verb), kinds[i]->name);
    }
    caller_free(&caller);
}

static void expect_kind(struct fixture *f, const struct caller *caller,
                        const struct schema_kind *kind, const char *namespace, bool reads,
                        bool writes)
{
    for (enum auth_verb verb = AUTH_LIST; verb <= AUTH_DELETE; verb++) {
        bool wanted = verb <= AUTH_GET ? reads : writes;

        if (!auth_is_own(kind, verb) &&
            auth_allowed(f->console.auth, caller, verb, kind, namespace, NULL) != wanted)
            fail_msg("%s in %s: %s of %s", caller->subject, namespace, auth_verb_name(verb),
                     kind->name);
    }
}

/* Every kind × every verb × what a credential may be: the answer is what the table says. */
static void test_every_kind_and_verb(void **state)
{
    static const struct {
        const char *who, *restrictions;
        bool reads, writes;
        const char *namespace;
    } cases[] = {
        {"admin", NULL, true, true, "/a"},
        {"admin", NULL, true, true, "/a/b"},
        {"admin", NULL, false, false, "/c"},
        {"admin", NULL, false, false, "/"},
        {"viewer", NULL, true, false, "/a"},
        {"admin", "{\"restrictions\": {\"namespace\": \"/a/b\"}}", false, false, "/a"},
        {"admin", "{\"restrictions\": {\"namespace\": \"/a/b\"}}", true, true, "/a/b"},
        {"admin", "{\"restrictions\": {\"namespace\": \"/\"}}", false, false, "/c"},
        {"admin", "{\"restrictions\": {\"perms\": [\"*,get\"]}}", true, false, "/a"},
        {"viewer", "{\"restrictions\": {\"perms\": [\"*,any\"]}}", true, false, "/a"},
        {"admin", "{\"restrictions\": {\"perms\": []}}", false, false, "/a"},
        {"admin", "{\"restrictions\": {\"perms\": [\"@auth:role=unknown\"]}}", false, false, "/a"},
        {"admin", "{\"restrictions\": {\"networks\": [\"192.0.2.0/24\"]}}", true, true, "/a"},
        {"admin", "{\"restrictions\": {\"networks\": [\"198.51.100.0/24\"]}}", false, false, "/a"},
        {"admin", "{\"restrictions\": {\"networks\": []}}", false, false, "/a"},
    };
    struct fixture *f = *state;
    const struct schema_kind *const *kinds;
    char id[SCHEMA_ID_LEN + 1];
    size_t n;

    grant(f, "admin", "/a", "@auth:role=namespace.administrator", NULL, id);
    grant(f, "viewer", "/a", "*,get", NULL, id);
    kinds = schema_kinds(&n);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct caller *caller = caller_of(f, cases[i].who, cases[i].restrictions);

        for (size_t j = 0; j < n; j++)
            expect_kind(f, caller, kinds[j], cases[i].namespace, cases[i].reads, cases[i].writes);
        caller_free(&caller);
    }
}

static void test_policy_conditions(void **state)
{
    static const struct {
        const char *more;
        bool allowed;
    } cases[] = {
        {"{}", true},
        {"{\"disabled\": true}", false},
        {"{\"authorizedSubnets\": [\"192.0.2.0/24\"]}", true},
        {"{\"authorizedSubnets\": [\"198.51.100.0/24\"]}", false},
        {"{\"authorizedSubnets\": [\"not a network\"]}", false},
        {"{\"expirationTime\": \"2020-01-01T00:00:00Z\"}", false},
        {"{\"expirationTime\": \"2199-01-01T00:00:00Z\"}", true},
        {"{\"expirationTime\": \"soon\"}", false},
        {"{\"activeSchedule\": \"* * * * *\", \"activeDuration\": \"1m\"}", true},
        {"{\"activeSchedule\": \"0 0 31 2 *\", \"activeDuration\": \"1m\"}", false},
        {"{\"activeSchedule\": \"* * * * *\"}", false},
        {"{\"activeSchedule\": \"nonsense\", \"activeDuration\": \"1m\"}", false},
        {"{\"authorizedNamespace\": \"/a/b\"}", false},
        {"{\"authorizedNamespace\": \"/\"}", false}, /* nobody opens what is above him */
        {"{\"subject\": []}", false},
        {"{\"subject\": [[]]}", false},
        {"{\"subject\": [[\"@auth:realm=certificate\", \"@auth:id=y\"]]}", false},
        {"{\"subject\": [[\"@auth:realm=vince\", \"@auth:id=x\"]]}", false},
        {"{\"subject\": [[\"@auth:id=y\"], [\"@auth:realm=certificate\"]]}", true},
        {"{\"propagationHidden\": true}", true},
        {"{\"fallback\": true}", true},
        {"{\"authorizedIdentities\": []}", false},
        {"{\"authorizedIdentities\": [\"externalnetwork,get\"]}", false},
        {"{\"authorizedIdentities\": [\"networkrulesetpolicy,get,post\"]}", true},
        {"{\"authorizedIdentities\": [\"networkrulesetpolicy,delete,post\"]}", false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char id[SCHEMA_ID_LEN + 1];
        struct caller *caller = caller_of(f, "x", NULL);

        grant(f, "x", "/a", "@auth:role=namespace.viewer", cases[i].more, id);
        if (may(f, caller, AUTH_LIST, "networkrulesetpolicy", "/a") != cases[i].allowed)
            fail_msg("case %zu: %s", i, cases[i].more);
        apply(f, STORE_DELETE, "apiauthorizationpolicy", id, "/a", NULL);
        assert_false(may(f, caller, AUTH_LIST, "networkrulesetpolicy", "/a"));
        caller_free(&caller);
    }
}

static void test_fallback_only_alone(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1], other[SCHEMA_ID_LEN + 1];
    struct caller *caller = caller_of(f, "x", NULL);

    grant(f, "x", "/a", "externalnetwork,get", "{\"fallback\": true, \"name\": \"f\"}", id);
    assert_true(may(f, caller, AUTH_GET, "externalnetwork", "/a"));
    grant(f, "x", "/a", "enforcer,get", NULL, other);
    assert_false(may(f, caller, AUTH_GET, "externalnetwork", "/a"));
    assert_true(may(f, caller, AUTH_GET, "enforcer", "/a"));
    apply(f, STORE_DELETE, "apiauthorizationpolicy", other, "/a", NULL);
    assert_true(may(f, caller, AUTH_GET, "externalnetwork", "/a"));
    caller_free(&caller);
}

static void test_basics_where_one_is_let_in(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *caller = caller_of(f, "x", NULL);
    struct caller *restricted =
        caller_of(f, "x", "{\"restrictions\": {\"perms\": [\"enforcer,get\"]}}");

    grant(f, "x", "/a", "enforcer,get", NULL, id);
    assert_true(may(f, caller, AUTH_LIST, "namespace", "/a"));
    assert_true(may(f, caller, AUTH_LIST, "tag", "/a/b"));
    assert_false(may(f, caller, AUTH_LIST, "namespace", "/"));
    assert_false(may(f, caller, AUTH_LIST, "namespace", "/c"));
    assert_false(may(f, caller, AUTH_CREATE, "namespace", "/a"));
    assert_false(may(f, restricted, AUTH_LIST, "namespace", "/a"));
    caller_free(&caller);
    caller_free(&restricted);
}

static bool explained(struct fixture *f, const struct caller *caller, const char *word)
{
    json_t *lines = json_array();
    bool found = false;

    auth_allowed(f->console.auth, caller, AUTH_GET, schema_kind_find("enforcer"), "/a", lines);
    for (size_t i = 0; i < json_array_size(lines); i++)
        found |= strstr(json_string_value(json_array_get(lines, i)), word) != NULL;
    if (!found)
        json_dumpf(lines, stderr, JSON_INDENT(1));
    json_decref(lines);
    return found;
}

static void test_explanations(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *x = caller_of(f, "x", NULL), *y = caller_of(f, "y", NULL);
    struct caller *z = caller_of(f, "x", "{\"restrictions\": {\"namespace\": \"/c\"}}");

    grant(f, "x", "/a", "enforcer,get", NULL, id);
    grant(f, "y", "/a", "externalnetwork,get", NULL, id);
    grant(f, "x", "/c", "enforcer,get", "{\"name\": \"other\"}", id);
    assert_true(explained(f, x, "policy 'x' in /a"));
    assert_true(explained(f, x, "allows get of enforcer"));
    assert_true(explained(f, x, "policy 'y' in /a"));
    assert_true(explained(f, x, "the caller lacks @auth:id=y"));
    assert_true(explained(f, y, "does not name get of enforcer"));
    assert_true(explained(f, z, "restricted to another namespace"));
    grant(f, "y", "/a", "enforcer,get", "{\"name\": \"off\", \"disabled\": true}", id);
    assert_true(explained(f, y, "is disabled"));
    caller_free(&x);
    caller_free(&y);
    caller_free(&z);
}

static void expect_namespaces(struct fixture *f, const struct caller *caller, const char *wanted)
{
    json_t *names = auth_namespaces(f->console.auth, caller);
    char *text = json_dumps(names, JSON_COMPACT);

    assert_string_equal(text, wanted);
    json_decref(names);
    free(text);
}

static void test_namespaces(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *x = caller_of(f, "x", NULL);
    struct caller *below = caller_of(f, "x", "{\"restrictions\": {\"namespace\": \"/a/b\"}}");
    struct caller *nobody = caller_of(f, "y", NULL);

    grant(f, "x", "/a", "enforcer,get", NULL, id);
    grant(f, "x", "/a", "enforcer,put", "{\"name\": \"again\"}", id);
    expect_namespaces(f, x, "[\"/a\"]");
    expect_namespaces(f, below, "[\"/a/b\"]");
    expect_namespaces(f, nobody, "[]");
    caller_free(&x);
    caller_free(&below);
    caller_free(&nobody);
}

/* Nobody gives what he does not have. */
static void test_granting(void **state)
{
    static const struct {
        const char *who, *restrictions, *permission, *namespace;
        bool allowed;
    } cases[] = {
        {"admin", NULL, "@auth:role=namespace.administrator", "/a", true},
        {"admin", NULL, "@auth:role=namespace.administrator", "/a/b", true},
        {"admin", NULL, "@auth:role=namespace.administrator", "/", false},
        {"admin", NULL, "enforcer,get", "/c", false},
        {"viewer", NULL, "enforcer,get", "/a", true},
        {"viewer", NULL, "enforcer,put", "/a", false},
        {"viewer", NULL, "*,get", "/a", true},
        {"viewer", NULL, "*,any", "/a", false},
        {"admin", "{\"restrictions\": {\"perms\": [\"*,get\"]}}", "enforcer,get", "/a", true},
        {"admin", "{\"restrictions\": {\"perms\": [\"*,get\"]}}", "enforcer,put", "/a", false},
        {"admin", "{\"restrictions\": {\"namespace\": \"/a/b\"}}", "enforcer,get", "/a", false},
    };
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];

    grant(f, "admin", "/a", "@auth:role=namespace.administrator", NULL, id);
    grant(f, "viewer", "/a", "*,get", NULL, id);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct caller *caller = caller_of(f, cases[i].who, cases[i].restrictions);
        json_t *policy = json_pack("{s:[s]}", "authorizedIdentities", cases[i].permission);
        struct api_error error = {0};
        int r = auth_check_grant(f->console.auth, caller, cases[i].namespace, policy, &error);

        if (r != (cases[i].allowed ? 0 : -EPERM) || (r < 0 && error.status != 403))
            fail_msg("case %zu: %s", i, error.description);
        json_decref(policy);
        caller_free(&caller);
    }
}

/* What ends, or counts at times or from somewhere, is given on with the same edges or narrower. */
static void test_granting_keeps_limits(void **state)
{
    static const char end[] = "{\"expirationTime\": \"2199-01-01T00:00:00Z\"}";
    static const char net[] = "{\"authorizedSubnets\": [\"192.0.2.0/24\", \"!192.0.2.9\"]}";
    static const char plan[] = "{\"activeSchedule\": \"* * * * *\", \"activeDuration\": \"1h\"}";
    static const struct {
        const char *own, *restrictions, *wanted, *attribute; /* NULL: allowed */
    } cases[] = {
        {"{}", NULL, "{}", NULL},
        {end, NULL, "{}", "expirationTime"},
        {end, NULL, "{\"expirationTime\": \"2199-01-01T00:00:01Z\"}", "expirationTime"},
        {end, NULL, "{\"expirationTime\": \"2199-01-01T00:00:00Z\"}", NULL},
        {end, NULL, "{\"expirationTime\": \"2030-01-01T00:00:00Z\"}", NULL},
        {end, NULL, "{\"disabled\": true}", "expirationTime"},
        {net, NULL, "{}", "authorizedSubnets"},
        {net, NULL, "{\"authorizedSubnets\": [\"192.0.2.0/24\"]}", "authorizedSubnets"},
        {net, NULL, "{\"authorizedSubnets\": [\"192.0.2.0/28\"]}", "authorizedSubnets"},
        {net, NULL, "{\"authorizedSubnets\": [\"192.0.2.1\", \"::1\"]}", "authorizedSubnets"},
        {net, NULL, "{\"authorizedSubnets\": [\"192.0.2.1\", \"192.0.2.128/25\"]}", NULL},
        {plan, NULL, "{}", "activeSchedule"},
        {plan, NULL, "{\"activeSchedule\": \"* * * * *\", \"activeDuration\": \"2h\"}",
         "activeSchedule"},
        {plan, NULL, "{\"activeSchedule\": \"0 * * * *\", \"activeDuration\": \"1h\"}",
         "activeSchedule"},
        {plan, NULL, "{\"activeSchedule\": \"* * * * *\", \"activeDuration\": \"30m\"}", NULL},
        {"{}", "{\"quota\": 5}", "{}", ""},
        {"{}", "{\"restrictions\": {\"networks\": [\"192.0.2.0/24\"]}}", "{}", "authorizedSubnets"},
        {"{}", "{\"restrictions\": {\"networks\": [\"192.0.2.0/24\"]}}",
         "{\"authorizedSubnets\": [\"192.0.2.0/25\"]}", NULL},
    };
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct caller *caller = caller_of(f, "x", cases[i].restrictions);
        json_t *policy = json_loads(cases[i].wanted, 0, NULL);
        struct api_error error = {0};
        int r;

        grant(f, "x", "/a", "enforcer,any", cases[i].own, id);
        json_object_set_new(policy, "authorizedIdentities", json_pack("[s]", "enforcer,get"));
        r = auth_check_grant(f->console.auth, caller, "/a", policy, &error);
        if (r != (cases[i].attribute ? -EPERM : 0) ||
            (r < 0 && strcmp(error.attribute, cases[i].attribute) != 0))
            fail_msg("case %zu: %s (%s)", i, error.description, error.attribute);
        apply(f, STORE_DELETE, "apiauthorizationpolicy", id, "/a", NULL);
        json_decref(policy);
        caller_free(&caller);
    }
}

/* A right without limits makes one with limits of no matter. */
static void test_granting_by_the_furthest(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *caller = caller_of(f, "x", NULL);
    json_t *policy = json_pack("{s:[s]}", "authorizedIdentities", "enforcer,get,post");
    struct api_error error = {0};

    grant(f, "x", "/a", "enforcer,any", "{\"expirationTime\": \"2199-01-01T00:00:00Z\"}", id);
    grant(f, "x", "/a", "enforcer,get", "{\"name\": \"get\"}", id);
    assert_int_equal(auth_check_grant(f->console.auth, caller, "/a", policy, &error), -EPERM);
    grant(f, "x", "/a", "enforcer,post", "{\"name\": \"post\"}", id);
    assert_int_equal(auth_check_grant(f->console.auth, caller, "/a", policy, &error), 0);
    json_decref(policy);
    caller_free(&caller);
}

/* Whoever is measured against somebody is so with his limits, too. */
static void test_covering_keeps_limits(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *brief = caller_of(f, "brief", NULL), *viewer = caller_of(f, "viewer", NULL);

    grant(f, "brief", "/a", "*,any", "{\"expirationTime\": \"2199-01-01T00:00:00Z\"}", id);
    grant(f, "viewer", "/a", "*,get", NULL, id);
    assert_false(auth_covers(f->console.auth, brief, &viewer->claims, NULL));
    assert_false(auth_covers(f->console.auth, viewer, &brief->claims, NULL));
    apply(f, STORE_DELETE, "apiauthorizationpolicy", id, "/a", NULL);
    grant(f, "viewer", "/a", "*,get", "{\"expirationTime\": \"2198-01-01T00:00:00Z\"}", id);
    assert_true(auth_covers(f->console.auth, brief, &viewer->claims, NULL));
    caller_free(&brief);
    caller_free(&viewer);
}

static void test_covering(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *admin = caller_of(f, "admin", NULL), *viewer = caller_of(f, "viewer", NULL);

    grant(f, "admin", "/a", "@auth:role=namespace.administrator", NULL, id);
    grant(f, "viewer", "/a", "*,get", NULL, id);
    assert_true(auth_covers(f->console.auth, admin, &viewer->claims, NULL));
    assert_false(auth_covers(f->console.auth, viewer, &admin->claims, NULL));
    /* also by what is switched off now and may be on tomorrow */
    grant(f, "viewer", "/c", "*,get", "{\"name\": \"off\", \"disabled\": true}", id);
    assert_false(auth_covers(f->console.auth, admin, &viewer->claims, NULL));
    caller_free(&admin);
    caller_free(&viewer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_without_a_policy),
        TEST(test_every_kind_and_verb),
        TEST(test_policy_conditions),
        TEST(test_fallback_only_alone),
        TEST(test_basics_where_one_is_let_in),
        TEST(test_explanations),
        TEST(test_namespaces),
        TEST(test_granting),
        TEST(test_granting_keeps_limits),
        TEST(test_granting_by_the_furthest),
        TEST(test_covering),
        TEST(test_covering_keeps_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
