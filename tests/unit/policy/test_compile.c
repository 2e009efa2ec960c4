/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_test.h"

#include "base/error.h"

/* The shape of the tables: what the kernel finds there, and how much of it there is. */

#define DATA "APIVersion: 1\ndata:\n"
#define RULES(direction, rules)                                                                    \
    "  networkrulesetpolicies:\n    - {name: s, namespace: /s, subject: [['app=a']], " direction   \
    ": [" rules "]}\n"

struct compiled {
    struct estate *estate;
    struct policy *policy;
    struct tag_set tags[4];
    struct policy_compiled *compiled;
};

/* For the PU app=a in /s; one identity for each of `peers`, with ids from 256. */
static struct compiled compile(const char *text, const char *const *peers, size_t n)
{
    struct compiled c = {.estate = test_estate("/s", text)};
    struct policy_identity identities[4];

    c.policy = test_resolve(c.estate, "/s", "app=a");
    for (size_t i = 0; i < n; i++) {
        c.tags[i] = test_tags("/s", peers[i]);
        /* Not in ascending order, as a daemon may have them. */
        identities[n - 1 - i] = (struct policy_identity){
            .id = 256 + (uint32_t)i, .namespace = "/s", .tags = &c.tags[i]};
    }
    assert_int_equal(policy_compile(c.estate, (const struct policy *const *)&c.policy, 1,
                                    identities, n, &c.compiled),
                     0);
    return c;
}

static void clear(struct compiled *c)
{
    policy_compiled_free(&c->compiled);
    policy_free(&c->policy);
    for (size_t i = 0; i < ARRAY_SIZE(c->tags); i++)
        tag_set_clear(&c->tags[i]);
    estate_free(&c->estate);
}

static const struct policy_class *class_of(const struct compiled *c, enum model_direction direction,
                                           enum policy_peer_kind kind, uint32_t peer)
{
    const struct policy_compiled_policy *policy = &c->compiled->policies[0];

    for (size_t i = 0; i < policy->n_peers; i++) {
        if (policy->peers[i].direction == direction && policy->peers[i].kind == kind &&
            policy->peers[i].peer == peer)
            return &c->compiled->classes[policy->peers[i].class];
    }
    return NULL;
}

/* "0:0/0 A0; 6:80/24 R1": protocol:port/prefix_len action and rule */
static void describe(const struct policy_class *class, char *text, size_t size)
{
    size_t len = 0;

    *text = '\0';
    for (size_t i = 0; class && i < class->n_entries; i++) {
        const struct policy_class_entry *e = &class->entries[i];

        len += (size_t)snprintf(text + len, size - len, "%s%u:%u/%u %c%d", i > 0 ? "; " : "",
                                e->protocol, e->port, e->prefix_len, "-AR"[e->verdict.action],
                                (int)e -> verdict.rule);
    }
}

static void test_class_entries(void **state)
{
    static const struct {
        const char *rules, *expected;
    } rows[] = {
        {"{action: Allow, object: [['app=b']]}", "0:0/0 A0"},
        {"{action: Allow, object: [['app=b']], protocolPorts: [tcp/80]}", "6:80/24 A0"},
        {"{action: Allow, object: [['app=b']], protocolPorts: ['tcp/0:65535']}", "6:0/8 A0"},
        {"{action: Allow, object: [['app=b']], protocolPorts: [gre]}", "47:0/8 A0"},
        /* what `any` says is folded into the more specific entry */
        {"{action: Allow, object: [['app=b']]},"
         "{action: Reject, object: [['app=b']], protocolPorts: [tcp/80]}",
         "0:0/0 A0; 6:80/24 R1"},
        /* an Allow under a Reject of everything costs nothing */
        {"{action: Allow, object: [['app=b']], protocolPorts: [tcp/80]},"
         "{action: Reject, object: [['app=b']]}",
         "0:0/0 R1"},
        /* the hole between two ranges comes from the shorter prefix, not from entries of its own */
        {"{action: Allow, object: [['app=b']], protocolPorts: ['tcp/0:65535']},"
         "{action: Reject, object: [['app=b']], protocolPorts: ['tcp/1024:2047']}",
         "6:0/8 A0; 6:1024/14 R1"},
        /* first in order is named, on each port */
        {"{action: Allow, object: [['app=b']], protocolPorts: ['tcp/80:81']},"
         "{action: Allow, object: [['app=b']], protocolPorts: ['tcp/80:83']}",
         "6:80/22 A0; 6:82/23 A1"},
        /* everything but one port: one entry for all, one for the port */
        {"{action: Allow, object: [['app=b']], protocolPorts: ['tcp/1:65535']}",
         "6:0/8 A0; 6:0/24 -"},
        {"{action: Allow, object: [['app=other']]}", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        static const char *const peers[] = {"app=b"};
        char estate[1024], text[1024], *at;
        struct compiled c;

        snprintf(estate, sizeof(estate), DATA RULES("incomingRules", "%s"), rows[i].rules);
        c = compile(estate, peers, 1);
        describe(class_of(&c, MODEL_DIRECTION_IN, POLICY_PEER_IDENTITY, 256), text, sizeof(text));
        while ((at = strstr(text, "--1")) != NULL) /* no rule */
            memmove(at + 1, at + 3, strlen(at + 3) + 1);
        assert_string_equal(text, rows[i].expected);
        clear(&c);
    }
}

static void test_peers_are_shared(void **state)
{
    static const char *const peers[] = {"app=b,env=p", "app=b,env=q", "app=c", "app=none"};
    struct compiled c = compile(
        DATA RULES("incomingRules", "{action: Allow, object: [['app=b'], ['app=c', 'x=1']]}"),
        peers, 4);

    assert_int_equal(c.compiled->n_classes, 1);
    assert_int_equal(c.compiled->policies[0].n_peers, 2);
    assert_ptr_equal(class_of(&c, MODEL_DIRECTION_IN, POLICY_PEER_IDENTITY, 256),
                     class_of(&c, MODEL_DIRECTION_IN, POLICY_PEER_IDENTITY, 257));
    assert_null(class_of(&c, MODEL_DIRECTION_IN, POLICY_PEER_IDENTITY, 258));
    assert_null(class_of(&c, MODEL_DIRECTION_IN, POLICY_PEER_IDENTITY, 259));
    clear(&c);
}

static void test_address_verdicts(void **state)
{
    struct compiled c = compile(
        DATA
        "  externalnetworks:\n"
        "    - {name: n, namespace: /s, entries: ['10.0.0.0/8'], associatedTags: ['n=1']}\n" RULES(
            "incomingRules", "{action: Allow, object: [['n=1']], protocolPorts: [tcp/80]},"
                             "{action: Reject, object: [['n=1']], protocolPorts: [tcp/81],"
                             " observationEnabled: true}"),
        NULL, 0);
    const struct policy_class *class = &c.compiled->classes[0];

    assert_int_equal(c.compiled->n_classes, 1);
    assert_int_equal(class->n_entries, 2);
    assert_int_equal(class->entries[0].verdict.action, MODEL_ACTION_ALLOW);
    assert_int_equal(class->entries[0].verdict.id_action, MODEL_ACTION_NONE);
    assert_int_equal(class->entries[0].verdict.id_rule, POLICY_RULE_NONE);
    assert_int_equal(class->entries[1].verdict.action, MODEL_ACTION_NONE);
    assert_int_equal(class->entries[1].verdict.observed, MODEL_ACTION_REJECT);
    assert_int_equal(class->entries[1].verdict.id_observed, MODEL_ACTION_REJECT);
    assert_int_equal(class->entries[1].verdict.id_observed_rule, 1);
    clear(&c);
}

static void expect_addresses(const char *networks, const char *expected)
{
    char estate[1024], text[1024] = "", prefix[IP_TEXT_MAX];
    struct compiled c;
    size_t len = 0;

    snprintf(estate, sizeof(estate), DATA "  externalnetworks:\n%s", networks);
    c = compile(estate, NULL, 0);
    for (size_t i = 0; i < c.compiled->n_addresses; i++) {
        const struct policy_address_entry *entry = &c.compiled->addresses[i];

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s", i > 0 ? " " : "",
                                entry->address_class ? "" : "-",
                                ip_prefix_format(&entry->prefix, prefix));
    }
    assert_string_equal(text, expected);
    clear(&c);
}

/* '-' before a prefix: class 0, nobody holds it. */
static void test_address_table(void **state)
{
    expect_addresses("    - {name: n, entries: ['10.0.0.0/8']}\n", "10.0.0.0/8");
    expect_addresses("    - {name: n, entries: ['10.0.0.0/8', '10.1.0.0/16']}\n", "10.0.0.0/8");
    expect_addresses("    - {name: n, entries: ['10.0.0.0/8', '!10.1.0.0/16', '10.1.1.0/24']}\n",
                     "10.0.0.0/8 -10.1.0.0/16 10.1.1.0/24");
    expect_addresses("    - {name: n, entries: ['0.0.0.0/0']}\n", "0.0.0.0/0");
    /* ::/0 is IPv6 only, so IPv4 has an entry of its own below it */
    expect_addresses("    - {name: n, entries: ['::/0']}\n", "::/0 -0.0.0.0/0");
    expect_addresses("    - {name: n, entries: ['::/0', '0.0.0.0/0']}\n", "::/0 0.0.0.0/0");
    expect_addresses("    - {name: n, entries: ['::/0', '10.0.0.0/8']}\n",
                     "::/0 -0.0.0.0/0 10.0.0.0/8");
    expect_addresses("    - {name: n, entries: ['::/64']}\n", "::/64 -0.0.0.0/0");
    expect_addresses("    - {name: n, entries: ['2001:db8::/32']}\n", "2001:db8::/32");
    expect_addresses("    - {name: n, entries: ['*.example.com']}\n", "");
}

static uint32_t class_at(const struct compiled *c, const char *address)
{
    struct ip_addr addr;

    assert_int_equal(ip_addr_parse(address, &addr), 0);
    return policy_compiled_address_class(c->compiled, &addr);
}

static void test_address_classes(void **state)
{
    static const char first[] =
        DATA "  externalnetworks:\n"
             "    - {name: a, namespace: /s, entries: ['10.0.0.0/8']}\n"
             "    - {name: b, namespace: /other, entries: ['10.1.0.0/16', '2001:db8::/32']}\n";
    static const char second[] = DATA "  externalnetworks:\n"
                                      "    - {name: a, namespace: /s, entries: ['192.0.2.0/24']}\n"
                                      "    - {name: c, namespace: /s, entries: ['192.0.2.0/25']}\n";
    struct compiled x = compile(first, NULL, 0), y = compile(second, NULL, 0);

    assert_int_equal(x.compiled->n_address_classes, 3);
    assert_int_not_equal(class_at(&x, "10.0.0.1"), 0);
    assert_int_not_equal(class_at(&x, "10.0.0.1"), class_at(&x, "10.1.0.1"));
    assert_int_not_equal(class_at(&x, "2001:db8::1"), class_at(&x, "10.1.0.1"));
    assert_int_equal(class_at(&x, "2001:db9::1"), 0);
    assert_int_equal(class_at(&x, "192.0.2.1"), 0);
    /* the same set of networks has the same id in another estate, whatever it holds there */
    assert_int_equal(class_at(&x, "10.0.0.1"), class_at(&y, "192.0.2.200"));
    assert_int_not_equal(class_at(&x, "10.1.0.1"), class_at(&y, "192.0.2.1"));
    clear(&x);
    clear(&y);
}

static void expect_any_class(const char *head, const char *rules, const char *const *peers,
                             size_t n, const char *expected)
{
    char estate[1024], text[1024], *at;
    struct compiled c;

    snprintf(estate, sizeof(estate), DATA "%s" RULES("outgoingRules", "%s"), head, rules);
    c = compile(estate, peers, n);
    describe(class_of(&c, MODEL_DIRECTION_OUT, POLICY_PEER_IDENTITY, POLICY_IDENTITY_ANY), text,
             sizeof(text));
    while ((at = strstr(text, "-1")) != NULL) /* no rule */
        memmove(at, at + 2, strlen(at + 2) + 1);
    assert_string_equal(text, expected);
    assert_null(class_of(&c, MODEL_DIRECTION_IN, POLICY_PEER_IDENTITY, POLICY_IDENTITY_ANY));
    clear(&c);
}

#define OPEN "  namespaces:\n    - {name: /s, defaultPUOutgoingTrafficAction: Allow}\n"

static void test_any_identity(void **state)
{
    static const char *const peers[] = {"app=b", "app=c"};

    expect_any_class("", "{action: Allow, object: [['app=none']]}", peers, 2, "");
    expect_any_class("", "{action: Allow, object: [['app=b']], observationEnabled: true}", peers, 2,
                     "");
    expect_any_class("", "{action: Allow, object: [['app=b']]}", peers, 2, "0:0/0 A");
    expect_any_class("",
                     "{action: Allow, object: [['app=b']], protocolPorts: [tcp/80]},"
                     "{action: Allow, object: [['app=c']], protocolPorts: [tcp/81, udp/53]}",
                     peers, 2, "6:80/23 A; 17:53/24 A");
    /* a port that one rejects is still open while another allows it */
    expect_any_class("",
                     "{action: Allow, object: [['$identity=processingunit']], protocolPorts:"
                     " ['tcp/80:81']},"
                     "{action: Reject, object: [['app=c']], protocolPorts: [tcp/80]}",
                     peers, 2, "6:80/23 A");
    expect_any_class(
        "",
        "{action: Allow, object: [['$identity=processingunit']], protocolPorts:"
        " ['tcp/80:81']},"
        "{action: Reject, object: [['$identity=processingunit']], protocolPorts: [tcp/80]}",
        peers, 2, "6:81/24 A");
    /* default Allow: everything but what is rejected for all of them */
    expect_any_class(OPEN, "{action: Reject, object: [['app=b']]}", peers, 2, "0:0/0 A");
    expect_any_class(OPEN, "{action: Reject, object: [['app=b']]}", peers, 1, "");
    expect_any_class(OPEN, "{action: Reject, object: [['app=b']], protocolPorts: [tcp/80]}", peers,
                     1, "0:0/0 A; 6:80/24 -");
    expect_any_class(OPEN, "{action: Reject, object: [['app=b']]}", NULL, 0, "");
}

static void test_wrong_identities(void **state)
{
    struct estate *estate =
        test_estate("/s", DATA RULES("incomingRules", "{action: Allow, object: [['app=b']]}"));
    struct policy *policy = test_resolve(estate, "/s", "app=a");
    struct tag_set b = test_tags("/s", "app=b"), c = test_tags("/s", "app=c");
    const struct policy_identity twice[] = {{.id = 300, .namespace = "/s", .tags = &b},
                                            {.id = 299, .namespace = "/s", .tags = &b},
                                            {.id = 300, .namespace = "/s", .tags = &c}};
    struct policy_compiled *untouched = (void *)&b, *compiled = untouched;

    assert_int_equal(
        policy_compile(estate, (const struct policy *const *)&policy, 1, twice, 3, &compiled),
        -BULKHEAD_EIDENTITY_COLLISION);
    assert_ptr_equal(compiled, untouched);
    tag_set_clear(&b);
    tag_set_clear(&c);
    policy_free(&policy);
    estate_free(&estate);
}

static void test_nothing(void **state)
{
    struct estate *estate = test_estate("/s", DATA "  namespaces:\n    - {name: /s}\n");
    struct policy_compiled *compiled = NULL;
    struct policy *policy = test_resolve(estate, "/s", "app=a");
    struct policy_decision decision;

    assert_int_equal(policy_compile(estate, NULL, 0, NULL, 0, &compiled), 0);
    assert_int_equal(compiled->n_policies, 0);
    policy_compiled_free(&compiled);
    assert_int_equal(
        policy_compile(estate, (const struct policy *const *)&policy, 1, NULL, 0, &compiled), 0);
    policy_compiled_decide(compiled, 0, MODEL_DIRECTION_IN, 4711, 12, PROTOCOL_TCP, 80, &decision);
    assert_int_equal(decision.action, MODEL_ACTION_REJECT);
    assert_true(decision.by_default);
    policy_compiled_free(&compiled);
    policy_free(&policy);
    estate_free(&estate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_entries),    cmocka_unit_test(test_peers_are_shared),
        cmocka_unit_test(test_address_verdicts), cmocka_unit_test(test_address_table),
        cmocka_unit_test(test_address_classes),  cmocka_unit_test(test_any_identity),
        cmocka_unit_test(test_wrong_identities), cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
