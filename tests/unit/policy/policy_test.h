/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An estate from an envelope in the test itself, and one question put to both sides of policy. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "policy/policy.h"

#define TEST_TAGS_MAX 16

static inline struct estate *test_estate(const char *namespace, const char *text)
{
    struct diagnostics diagnostics = {0};
    struct estate_builder *builder = NULL;
    struct estate *estate = NULL;
    int r;

    assert_int_equal(estate_builder_new(namespace, &builder), 0);
    r = estate_builder_add(builder, "test.yaml", text, strlen(text), DOCUMENT_YAML, &diagnostics);
    if (r == 0)
        r = estate_builder_finish(builder, &diagnostics, &estate);
    for (size_t i = 0; r < 0 && i < diagnostics.n; i++)
        print_error("%u: %s: %s\n", diagnostics.items[i].line, diagnostics.items[i].path,
                    diagnostics.items[i].message);
    assert_int_equal(r, 0);
    diagnostics_clear(&diagnostics);
    estate_builder_free(&builder);
    return estate;
}

/* "app=web,env=prod" completed with namespace. Free with tag_set_clear. */
static inline struct tag_set test_tags(const char *namespace, const char *list)
{
    struct tag_set given = {0}, completed = {0};
    char copy[256], *rest = copy, *tag;

    assert_true(snprintf(copy, sizeof(copy), "%s", list) < (int)sizeof(copy));
    while ((tag = strsep(&rest, ",")) != NULL) {
        if (*tag)
            assert_int_equal(tag_set_add(&given, tag), 0);
    }
    assert_int_equal(pu_tags_complete(&given, namespace, NULL, NULL, &completed), 0);
    tag_set_clear(&given);
    return completed;
}

static inline struct policy *test_resolve(const struct estate *estate, const char *namespace,
                                          const char *tags)
{
    struct tag_set set = test_tags(namespace, tags);
    struct policy *policy = NULL;

    assert_int_equal(policy_resolve(estate, namespace, &set, &policy), 0);
    tag_set_clear(&set);
    return policy;
}

/* One side of a flow. */
struct test_side {
    const char *namespace, *tags; /* of the PU that decides */
    enum model_direction direction;
    const char *peer_namespace, *peer_tags; /* NULL: no identity */
    const char *address;                    /* NULL: none */
    const char *port;
};

#define TEST_IDENTITY 4711u

static inline void test_decide_compiled(const struct estate *estate, const struct policy *policy,
                                        const struct test_side *side,
                                        const struct policy_peer *peer, uint8_t protocol,
                                        uint16_t port, struct policy_decision *ret)
{
    const struct policy_identity identity = {
        .id = TEST_IDENTITY, .namespace = side->peer_namespace, .tags = peer->tags};
    struct policy_compiled *compiled = NULL;
    uint32_t class = 0;

    assert_int_equal(
        policy_compile(estate, &policy, 1, &identity, peer->has_identity ? 1 : 0, &compiled), 0);
    if (peer->has_address)
        class = policy_compiled_address_class(compiled, &peer->address);
    policy_compiled_decide(compiled, 0, side->direction, peer->has_identity ? TEST_IDENTITY : 0,
                           class, protocol, port, ret);
    policy_compiled_free(&compiled);
}

/* What the reference says, after a check that the tables say the same. `policy` resolved for the
 * side. */
static inline struct policy_decision test_ask_policy(const struct estate *estate,
                                                     const struct policy *policy,
                                                     const struct test_side *side)
{
    struct policy_peer peer = {.has_identity = side->peer_tags, .has_address = side->address};
    struct policy_decision expected, found;
    struct tag_set tags = {0};
    const char *problem;
    uint8_t protocol;
    uint16_t port;

    assert_int_equal(port_parse(side->port, &protocol, &port, &problem), 0);
    if (side->peer_tags) {
        tags = test_tags(side->peer_namespace, side->peer_tags);
        peer.namespace = side->peer_namespace;
        peer.tags = &tags;
    }
    if (side->address)
        assert_int_equal(ip_addr_parse(side->address, &peer.address), 0);
    policy_evaluate(estate, policy, side->direction, &peer, protocol, port, &expected);
    test_decide_compiled(estate, policy, side, &peer, protocol, port, &found);
    assert_int_equal(found.action, expected.action);
    assert_int_equal(found.by_default, expected.by_default);
    assert_int_equal(found.rule, expected.rule);
    assert_int_equal(found.observed, expected.observed);
    assert_int_equal(found.observed_rule, expected.observed_rule);
    assert_int_equal(found.logs_disabled, expected.logs_disabled);
    tag_set_clear(&tags);
    return expected;
}

/* "Allow web-to-db/from-web", "Reject default", with " observed Allow NAME/RULE" behind when it is
 * so. */
static inline void test_describe(const struct policy *policy,
                                 const struct policy_decision *decision, char *text, size_t size)
{
    static const char *const words[] = {"?", "Allow", "Reject"};
    int n;

    if (decision->by_default)
        n = snprintf(text, size, "%s default", words[decision->action]);
    else
        n = snprintf(text, size, "%s %s/%s", words[decision->action],
                     policy->rules[decision->rule].ruleset->name,
                     policy->rules[decision->rule].rule->name);
    if (decision->observed != MODEL_ACTION_NONE)
        snprintf(text + n, size - (size_t)n, " observed %s %s/%s", words[decision->observed],
                 policy->rules[decision->observed_rule].ruleset->name,
                 policy->rules[decision->observed_rule].rule->name);
}

static inline void test_expect(const struct estate *estate, const struct test_side *side,
                               const char *expected)
{
    struct policy *policy = test_resolve(estate, side->namespace, side->tags);
    struct policy_decision decision = test_ask_policy(estate, policy, side);
    char text[256];

    test_describe(policy, &decision, text, sizeof(text));
    if (strcmp(text, expected) != 0)
        print_error("%s: peer %s %s, %s\n", side->tags, side->peer_tags ? side->peer_tags : "-",
                    side->address ? side->address : "-", side->port);
    assert_string_equal(text, expected);
    policy_free(&policy);
}
