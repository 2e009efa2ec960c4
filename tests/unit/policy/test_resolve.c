/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_test.h"

/* Which rules, which defaults: propagation, fallback, disabled ones, inheritance. */

static void expect_rules(const struct estate *estate, const char *namespace, const char *tags,
                         const char *expected)
{
    struct policy *policy = test_resolve(estate, namespace, tags);
    char text[512] = "";
    size_t len = 0;

    for (size_t i = 0; i < policy->n_rules; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s/%s:%u", i > 0 ? " " : "",
                                policy->rules[i].ruleset->name,
                                policy->rules[i].direction == MODEL_DIRECTION_IN ? "in" : "out",
                                policy->rules[i].index_in_ruleset);
    if (strcmp(text, expected) != 0)
        print_error("%s %s\n", namespace, tags);
    assert_string_equal(text, expected);
    policy_free(&policy);
}

#define IN "incomingRules: [{action: Allow, object: [['x=1']]}]"
#define OUT "outgoingRules: [{action: Allow, object: [['x=1']]}]"

static void test_rules(void **state)
{
    static const char text[] =
        "APIVersion: 1\ndata:\n  networkrulesetpolicies:\n"
        "    - {name: zroot, namespace: /, propagate: true, subject: [['app=a']], " IN "}\n"
        "    - {name: stays, namespace: /s, subject: [['app=a']], " IN "}\n"
        "    - {name: down, namespace: /s, propagate: true, subject: [['app=a'], ['app=b']], " OUT
        "}\n"
        "    - {name: own, namespace: /s/t, subject: [['app=a', 'env=p']],\n"
        "       incomingRules: [{action: Allow, object: [['x=1']]},\n"
        "         {action: Reject, object: [['x=1']]}],\n"
        "       " OUT "}\n"
        "    - {name: off, namespace: /s/t, disabled: true, subject: [['app=a']], " IN "}\n"
        "    - {name: other, namespace: /other, propagate: true, subject: [['app=a']], " IN "}\n"
        "    - {name: stx, namespace: /s/tx, propagate: true, subject: [['app=a']], " IN "}\n"
        "    - {name: child, namespace: /s/t/u, subject: [['app=a']], " IN "}\n"
        "    - {name: fall, namespace: /s, propagate: true, fallback: true,\n"
        "       subject: [['$identity=processingunit']], " OUT "}\n"
        "    - {name: falloff, namespace: /s, propagate: true, fallback: true, disabled: true,\n"
        "       subject: [['$identity=processingunit']], " IN "}\n"
        "    - {name: fallstays, namespace: /s, fallback: true,\n"
        "       subject: [['$identity=processingunit']], " IN "}\n";
    static const struct {
        const char *namespace, *tags, *expected;
    } rows[] = {
        {"/s/t", "app=a", "zroot/in:0 down/out:0"},
        {"/s/t", "app=a,env=p", "zroot/in:0 down/out:0 own/in:0 own/in:1 own/out:0"},
        {"/s", "app=a", "zroot/in:0 down/out:0 stays/in:0"},
        {"/s/t", "app=b", "down/out:0"},
        {"/s/t", "app=c", "fall/out:0"},
        {"/s", "app=c", "fall/out:0 fallstays/in:0"},
        {"/s/t/u", "app=a", "zroot/in:0 down/out:0 child/in:0"},
        {"/s/tx/y", "app=a", "zroot/in:0 down/out:0 stx/in:0"},
        {"/elsewhere", "app=a", "zroot/in:0"},
        {"/elsewhere", "app=c", ""},
    };
    struct estate *estate = test_estate("/", text);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect_rules(estate, rows[i].namespace, rows[i].tags, rows[i].expected);
    estate_free(&estate);
}

static void test_defaults(void **state)
{
    static const char text[] =
        "APIVersion: 1\ndata:\n  namespaces:\n"
        "    - {name: /a, defaultPUIncomingTrafficAction: Allow, rejectMode: reset}\n"
        "    - {name: /a/b, defaultPUOutgoingTrafficAction: Allow}\n"
        "    - {name: /a/b/c, defaultPUIncomingTrafficAction: Reject,"
        " defaultPUOutgoingTrafficAction: Inherit}\n"
        "    - {name: /a/bc, defaultPUIncomingTrafficAction: Reject}\n"
        "    - {name: /d}\n";
    static const struct {
        const char *namespace;
        enum model_action in, out;
        bool reset;
    } rows[] = {
        {"/", MODEL_ACTION_REJECT, MODEL_ACTION_REJECT, false},
        {"/a", MODEL_ACTION_ALLOW, MODEL_ACTION_REJECT, true},
        {"/a/b", MODEL_ACTION_ALLOW, MODEL_ACTION_ALLOW, true},
        {"/a/b/c", MODEL_ACTION_REJECT, MODEL_ACTION_ALLOW, true},
        {"/a/b/c/not/there", MODEL_ACTION_REJECT, MODEL_ACTION_ALLOW, true},
        {"/a/bc", MODEL_ACTION_REJECT, MODEL_ACTION_REJECT, true},
        {"/a/bcd", MODEL_ACTION_ALLOW, MODEL_ACTION_REJECT, true},
        {"/d", MODEL_ACTION_REJECT, MODEL_ACTION_REJECT, false},
        {"/nobody", MODEL_ACTION_REJECT, MODEL_ACTION_REJECT, false},
    };
    struct estate *estate = test_estate("/", text);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct policy *policy = test_resolve(estate, rows[i].namespace, "app=a");

        if (policy->defaults[MODEL_DIRECTION_IN] != rows[i].in ||
            policy->defaults[MODEL_DIRECTION_OUT] != rows[i].out ||
            policy->reject_reset != rows[i].reset)
            fail_msg("%s: in %d out %d reset %d", rows[i].namespace, (int)policy->defaults[0],
                     (int)policy->defaults[1], policy->reject_reset);
        policy_free(&policy);
    }
    estate_free(&estate);
}

#define RULESET(object)                                                                            \
    "    - {name: r, namespace: /s, propagate: true, subject: [['app=a']], incomingRules: "        \
    "[{action: Allow, object: [['" object "']]}]}\n"
#define NET(more)                                                                                  \
    "  externalnetworks:\n    - {name: n, namespace: /s, entries: ['10.0.0.0/8']" more "}\n"
#define DATA "APIVersion: 1\ndata:\n"

static void test_fingerprint(void **state)
{
    static const struct {
        const char *a, *namespace_a, *tags_a, *b, *namespace_b, *tags_b;
        bool equal;
    } rows[] = {
        /* other tags, another namespace, another estate: the same policy */
        {DATA "  networkrulesetpolicies:\n" RULESET("x=1"), "/s", "app=a,env=p",
         DATA "  networkrulesetpolicies:\n" RULESET("x=1"), "/s/t", "app=a", true},
        {DATA "  networkrulesetpolicies:\n" RULESET("x=1"), "/s", "app=a",
         DATA "  networkrulesetpolicies:\n" RULESET("x=2"), "/s", "app=a", false},
        {DATA "  networkrulesetpolicies:\n" RULESET("x=1"), "/s", "app=a",
         DATA "  networkrulesetpolicies:\n" RULESET("x=1"), "/s", "app=b", false},
        /* a network in scope of one of the two */
        {DATA NET(""), "/s", "app=a", DATA NET(""), "/s/t", "app=a", false},
        {DATA NET(", propagate: true"), "/s", "app=a", DATA NET(", propagate: true"), "/s/t",
         "app=a", true},
        /* what a network says, and where it lies */
        {DATA NET(""), "/s", "app=a", DATA NET(", associatedTags: ['n=1']"), "/s", "app=a", false},
        {DATA NET(""), "/s", "app=a", DATA NET(", matchProcessingUnits: true"), "/s", "app=a",
         false},
        {DATA NET(""), "/s", "app=a",
         DATA "  externalnetworks:\n    - {name: n, namespace: /s, entries: ['192.0.2.1']}\n", "/s",
         "app=a", true},
        /* defaults */
        {DATA "  namespaces:\n    - {name: /s, defaultPUIncomingTrafficAction: Allow}\n", "/s",
         "app=a", DATA, "/s", "app=a", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        static const char empty[] = DATA "  namespaces:\n    - {name: /unused}\n";
        struct estate *x = test_estate("/", strcmp(rows[i].a, DATA) ? rows[i].a : empty);
        struct estate *y = test_estate("/", strcmp(rows[i].b, DATA) ? rows[i].b : empty);
        struct policy *a = test_resolve(x, rows[i].namespace_a, rows[i].tags_a);
        struct policy *b = test_resolve(y, rows[i].namespace_b, rows[i].tags_b);

        print_message("row %zu\n", i);
        assert_int_equal(memcmp(a->fingerprint, b->fingerprint, sizeof(a->fingerprint)) == 0,
                         rows[i].equal);
        policy_free(&a);
        policy_free(&b);
        estate_free(&x);
        estate_free(&y);
    }
}

static void test_scope(void **state)
{
    static const struct {
        const char *owner;
        bool propagate;
        const char *namespace;
        bool in_scope;
    } rows[] = {
        {"/s", false, "/s", true},  {"/s", true, "/s", true},   {"/s", false, "/s/t", false},
        {"/s", true, "/s/t", true}, {"/s", true, "/st", false}, {"/s/t", true, "/s", false},
        {"/", true, "/s", true},    {"/", false, "/s", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct model_network network = {.namespace = (char *)(uintptr_t)rows[i].owner,
                                        .propagate = rows[i].propagate};

        assert_int_equal(policy_network_in_scope(&network, rows[i].namespace), rows[i].in_scope);
    }
}

static void test_free_nothing(void **state)
{
    struct policy *policy = NULL;
    struct policy_compiled *compiled = NULL;
    struct policy_delta *delta = NULL;

    policy_free(&policy);
    policy_compiled_free(&compiled);
    policy_delta_free(&delta);
    assert_null(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_fingerprint),  cmocka_unit_test(test_scope),
        cmocka_unit_test(test_free_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
