/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_test.h"

/* Why nothing matched, as a person is told it. */

#define DATA "APIVersion: 1\ndata:\n"
#define IN(rules)                                                                                  \
    "  networkrulesetpolicies:\n    - {name: s, namespace: /s, subject: [['app=a']],"              \
    " incomingRules: [" rules "]}\n"
#define NETWORK                                                                                    \
    "  externalnetworks:\n    - {name: p, namespace: /s, entries: ['192.0.2.0/24'],"               \
    " associatedTags: ['net=p']}\n"

struct row {
    const char *estate, *tags, *address, *port;
    int rule;
    const char *missing;
};

static void expect(const struct row *row)
{
    struct estate *estate = test_estate("/s", row->estate);
    struct policy *policy = test_resolve(estate, "/s", "app=a");
    struct tag_set tags = {0};
    struct policy_peer peer = {.has_identity = row->tags, .has_address = row->address};
    char *missing = (char *)"untouched";
    uint32_t rule = 12345;
    const char *problem;
    uint8_t protocol;
    uint16_t port;

    assert_int_equal(port_parse(row->port, &protocol, &port, &problem), 0);
    if (row->tags) {
        tags = test_tags("/s", row->tags);
        peer.namespace = "/s";
        peer.tags = &tags;
    }
    if (row->address)
        assert_int_equal(ip_addr_parse(row->address, &peer.address), 0);
    assert_int_equal(
        policy_nearest(estate, policy, MODEL_DIRECTION_IN, &peer, protocol, port, &rule, &missing),
        0);
    assert_int_equal((int)rule, row->rule);
    if (row->missing)
        assert_string_equal(missing, row->missing);
    else
        assert_null(missing);
    free(missing);
    tag_set_clear(&tags);
    policy_free(&policy);
    estate_free(&estate);
}

static void test_rows(void **state)
{
    static const char two[] =
        DATA IN("{action: Allow, object: [['app=b', 'env=p']], protocolPorts: [tcp/80]},"
                "{action: Allow, object: [['app=c', 'env=p', 'x=1']]}");
    static const char ports[] =
        DATA IN("{action: Allow, object: [['app=b']], protocolPorts: [tcp/22, 'tcp/8000:8100',"
                " udp/53, icmp/8, 'icmp/3/1:2', gre]}");
    static const char clauses[] =
        DATA IN("{action: Allow, object: [['app=b', 'env=p', 'x=1'], ['app=c', 'env=q']]}");
    static const char observed[] =
        DATA IN("{action: Allow, object: [['app=b']], observationEnabled: true}");
    static const char network[] =
        DATA NETWORK IN("{action: Allow, object: [['net=p']], protocolPorts: [tcp/80]}");
    static const char rejects[] = DATA IN("{action: Reject, object: [['app=b', 'env=p']]}, "
                                          "{action: Allow, object: [['app=z', 'y=1', 'x=1']]}");
    static const char none[] = DATA NETWORK;
    const struct row rows[] = {
        {two, "app=b", NULL, "tcp/80", 0, "object tag env=p"},
        /* a tag weighs more than a port */
        {two, "app=b,env=p", NULL, "tcp/443", 0, "port tcp/443 (rule has tcp/80)"},
        {two, "app=c,env=p", NULL, "tcp/443", 1, "object tag x=1"},
        {two, "app=c", NULL, "tcp/443", 1, "object tags env=p, x=1"},
        {two, NULL, "10.0.0.1", "tcp/80", 0, "object tags app=b, env=p"},
        {ports, "app=b", NULL, "tcp/5432", 0,
         "port tcp/5432 (rule has icmp/3/1:2, icmp/8, tcp/22, tcp/8000:8100, udp/53, gre)"},
        {clauses, "app=c", NULL, "tcp/1", 0, "object tag env=q"},
        {clauses, "app=b,env=p", NULL, "tcp/1", 0, "object tag x=1"},
        {observed, "app=b", NULL, "tcp/1", 0,
         "a decision (observationEnabled: the rule only observes)"},
        {network, NULL, "192.0.2.1", "tcp/443", 0, "port tcp/443 (rule has tcp/80)"},
        {network, NULL, "198.51.100.1", "tcp/80", 0, "object tag net=p"},
        {network, "app=b", "192.0.2.1", "tcp/80", 0,
         "matchProcessingUnits of external network p in /s (the peer has an identity)"},
        {network, "app=b", NULL, "tcp/80", 0, "object tag net=p"},
        /* under default Reject a Reject rule would have changed nothing */
        {rejects, "app=b", NULL, "tcp/1", 1, "object tags app=z, x=1, y=1"},
        {none, "app=b", NULL, "tcp/1", -1, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        print_message("row %zu\n", i);
        expect(&rows[i]);
    }
}

static void test_many_tags(void **state)
{
    const struct row row = {
        DATA IN("{action: Allow, object: [['a=1', 'b=1', 'c=1', 'd=1', 'e=1', 'f=1', 'g=1', 'h=1',"
                " 'i=1', 'j=1']]}"),
        "b=1",
        NULL,
        "tcp/1",
        0,
        "object tags a=1, c=1, d=1, e=1, f=1, g=1, h=1, i=1 and 1 more"};

    expect(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_many_tags)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
