/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_test.h"

/* What one edit comes to; that every difference is exact is property.policy's business. */

#define HEAD                                                                                       \
    "APIVersion: 1\ndata:\n  externalnetworks:\n"                                                  \
    "    - {name: n, namespace: /s, entries: [%s], associatedTags: ['net=n']}\n"                   \
    "  networkrulesetpolicies:\n"                                                                  \
    "    - {name: a, namespace: /s, subject: [['app=a']], incomingRules: [{action: Allow,"         \
    " object: [['app=b']], protocolPorts: [%s]}]}\n"                                               \
    "    - {name: c, namespace: /s, subject: [['app=c']], incomingRules: [{action: Allow,"         \
    " object: [['net=n']], protocolPorts: [tcp/443]}]}\n"

struct compiled {
    struct estate *estate;
    struct policy *policies[2]; /* of app=a and app=c */
    struct tag_set b;
    struct policy_compiled *compiled;
};

static struct compiled compile(const char *entries, const char *ports, uint32_t identity)
{
    struct compiled c = {0};
    struct policy_identity id = {.id = identity, .namespace = "/s"};
    char text[1024];

    snprintf(text, sizeof(text), HEAD, entries, ports);
    c.estate = test_estate("/s", text);
    c.policies[0] = test_resolve(c.estate, "/s", "app=a");
    c.policies[1] = test_resolve(c.estate, "/s", "app=c");
    c.b = test_tags("/s", "app=b");
    id.tags = &c.b;
    assert_int_equal(
        policy_compile(c.estate, (const struct policy *const *)c.policies, 2, &id, 1, &c.compiled),
        0);
    return c;
}

static void clear(struct compiled *c)
{
    policy_compiled_free(&c->compiled);
    policy_free(&c->policies[0]);
    policy_free(&c->policies[1]);
    tag_set_clear(&c->b);
    estate_free(&c->estate);
}

static void test_edits(void **state)
{
    static const struct {
        const char *what, *entries, *ports;
        uint32_t identity;
        size_t classes_added, classes_removed, set, removed, changed;
        size_t which; /* policy that changed, when one did */
    } rows[] = {
        {"nothing", "'10.0.0.0/8'", "tcp/80", 300, 0, 0, 0, 0, 0, 0},
        {"a port", "'10.0.0.0/8'", "tcp/81", 300, 1, 1, 0, 0, 1, 0},
        {"ports said otherwise", "'10.0.0.0/8'", "'tcp/80', 'TCP/80:81', 'tcp/81'", 300, 1, 1, 0, 0,
         1, 0},
        {"an identity", "'10.0.0.0/8'", "tcp/80", 301, 0, 0, 0, 0, 1, 0},
        {"an address more", "'10.0.0.0/8', '192.0.2.1'", "tcp/80", 300, 0, 0, 1, 0, 0, 0},
        {"another address", "'192.0.2.1'", "tcp/80", 300, 0, 0, 1, 1, 0, 0},
        {"a hole", "'10.0.0.0/8', '!10.1.0.0/16'", "tcp/80", 300, 0, 0, 1, 0, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct compiled before = compile("'10.0.0.0/8'", "tcp/80", 300);
        struct compiled after = compile(rows[i].entries, rows[i].ports, rows[i].identity);
        struct policy_delta *delta = NULL;

        print_message("%s\n", rows[i].what);
        assert_int_equal(policy_diff(before.compiled, after.compiled, &delta), 0);
        assert_int_equal(delta->n_classes_added, rows[i].classes_added);
        assert_int_equal(delta->n_classes_removed, rows[i].classes_removed);
        assert_int_equal(delta->n_addresses_set, rows[i].set);
        assert_int_equal(delta->n_addresses_removed, rows[i].removed);
        assert_int_equal(delta->n_policies_changed, rows[i].changed);
        if (rows[i].changed > 0)
            assert_int_equal(delta->policies_changed[0], rows[i].which);
        policy_delta_free(&delta);
        clear(&before);
        clear(&after);
    }
}

static void test_from_nothing(void **state)
{
    struct compiled after = compile("'10.0.0.0/8'", "tcp/80", 300);
    struct policy_delta *delta = NULL;

    assert_int_equal(policy_diff(NULL, after.compiled, &delta), 0);
    assert_int_equal(delta->n_classes_added, after.compiled->n_classes);
    assert_int_equal(delta->n_classes_removed, 0);
    assert_int_equal(delta->n_addresses_set, 1);
    assert_int_equal(delta->n_addresses_removed, 0);
    assert_int_equal(delta->n_policies_changed, 2);
    policy_delta_free(&delta);
    clear(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_edits),
                                       cmocka_unit_test(test_from_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
