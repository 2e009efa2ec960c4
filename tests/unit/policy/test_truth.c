/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_test.h"

/*
 * The truth table of docs/developer/policy.md, both sides of each flow; then each decision on what
 * rulesets leave open, a table for each. Every question goes to the reference and to the tables.
 * W = app=web, D = app=db, X = no identity at 192.0.2.7 inside the external network `partners`.
 */

#define HEAD "APIVersion: 1\ndata:\n"
#define REJECT_BOTH                                                                                \
    "  namespaces:\n"                                                                              \
    "    - {name: /s, defaultPUIncomingTrafficAction: Reject,"                                     \
    " defaultPUOutgoingTrafficAction: Reject}\n"
#define NETWORK(more)                                                                              \
    "  externalnetworks:\n"                                                                        \
    "    - {name: partners, namespace: /s, propagate: true, entries: ['192.0.2.0/24'],"            \
    " associatedTags: ['externalnetwork:name=partners']" more "}\n"
#define RULESETS "  networkrulesetpolicies:\n"
#define W_OUT                                                                                      \
    "    - {name: out, namespace: /s, subject: [['app=web']], outgoingRules: [{action: Allow,"     \
    " object: [['app=db']], protocolPorts: [tcp/5432], name: r}]}\n"
#define D_IN(more)                                                                                 \
    "    - {name: in, namespace: /s, subject: [['app=db']], incomingRules: [{action: Allow,"       \
    " object: [['app=web']], protocolPorts: [tcp/5432], name: r" more "}]}\n"
#define D_IN_PARTNERS                                                                              \
    "    - {name: in, namespace: /s, subject: [['app=db']], incomingRules: [{action: Allow,"       \
    " object: [['externalnetwork:name=partners']], protocolPorts: [tcp/5432], name: r}]}\n"

#define W_TO_D(at_port)                                                                            \
    {                                                                                              \
        .namespace = "/s", .tags = "app=web", .direction = MODEL_DIRECTION_OUT,                    \
        .peer_namespace = "/s", .peer_tags = "app=db", .port = at_port                             \
    }
#define D_FROM_W(at, at_port)                                                                      \
    {                                                                                              \
        .namespace = "/s", .tags = "app=db", .direction = MODEL_DIRECTION_IN,                      \
        .peer_namespace = "/s", .peer_tags = "app=web", .address = at, .port = at_port             \
    }
#define D_FROM_X(at)                                                                               \
    {                                                                                              \
        .namespace = "/s", .tags = "app=db", .direction = MODEL_DIRECTION_IN, .address = at,       \
        .port = "tcp/5432"                                                                         \
    }

struct row {
    const char *what, *estate;
    struct test_side side;
    const char *expected;
};

static void run_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct estate *estate = test_estate("/s", rows[i].estate);

        print_message("%s\n", rows[i].what);
        test_expect(estate, &rows[i].side, rows[i].expected);
        estate_free(&estate);
    }
}

static void test_truth_table(void **state)
{
    static const char nothing[] = HEAD REJECT_BOTH;
    static const char out_only[] = HEAD REJECT_BOTH RULESETS W_OUT;
    static const char both[] = HEAD REJECT_BOTH RULESETS W_OUT D_IN("");
    static const char parent_rejects[] = HEAD REJECT_BOTH RULESETS W_OUT D_IN(
        "") "    - {name: guard, namespace: /, propagate: true,"
            " subject: [['app=db']], incomingRules: [{action: Reject, object: [['app=web']], name: "
            "g}]}\n";
    static const char partners[] = HEAD REJECT_BOTH NETWORK("") RULESETS D_IN_PARTNERS;
    static const char partners_match[] =
        HEAD REJECT_BOTH NETWORK(", matchProcessingUnits: true") RULESETS D_IN_PARTNERS;
    static const char observed[] =
        HEAD REJECT_BOTH RULESETS W_OUT D_IN(", observationEnabled: true");
    static const char open[] =
        HEAD "  namespaces:\n    - {name: /s, defaultPUIncomingTrafficAction: Allow,"
             " defaultPUOutgoingTrafficAction: Allow}\n" RULESETS
             "    - {name: no, namespace: /s, subject: [['app=db']], incomingRules: [{action:"
             " Reject, object: [['app=web']], name: r}]}\n";
    static const struct row rows[] = {
        {"no rulesets: sender", nothing, W_TO_D("tcp/5432"), "Reject default"},
        {"no rulesets: receiver", nothing, D_FROM_W(NULL, "tcp/5432"), "Reject default"},
        {"out only: sender", out_only, W_TO_D("tcp/5432"), "Allow out/r"},
        {"out only: receiver", out_only, D_FROM_W(NULL, "tcp/5432"), "Reject default"},
        {"both: sender", both, W_TO_D("tcp/5432"), "Allow out/r"},
        {"both: receiver", both, D_FROM_W(NULL, "tcp/5432"), "Allow in/r"},
        {"both, other port: sender", both, W_TO_D("tcp/22"), "Reject default"},
        {"both, other protocol", both, D_FROM_W(NULL, "udp/5432"), "Reject default"},
        {"parent rejects: sender", parent_rejects, W_TO_D("tcp/5432"), "Allow out/r"},
        {"parent rejects: receiver", parent_rejects, D_FROM_W(NULL, "tcp/5432"), "Reject guard/g"},
        {"partners, no identity", partners, D_FROM_X("192.0.2.7"), "Allow in/r"},
        {"elsewhere, no identity", partners, D_FROM_X("198.51.100.7"), "Reject default"},
        {"partners, W", partners, D_FROM_W("192.0.2.7", "tcp/5432"), "Reject default"},
        {"partners, W, matchProcessingUnits", partners_match, D_FROM_W("192.0.2.7", "tcp/5432"),
         "Allow in/r"},
        {"observed: sender", observed, W_TO_D("tcp/5432"), "Allow out/r"},
        {"observed: receiver", observed, D_FROM_W(NULL, "tcp/5432"),
         "Reject default observed Allow in/r"},
        {"default Allow: sender", open, W_TO_D("tcp/5432"), "Allow default"},
        {"default Allow: receiver", open, D_FROM_W(NULL, "tcp/5432"), "Reject no/r"},
    };

    run_rows(rows, ARRAY_SIZE(rows));
}

#define IN_RULES(rules)                                                                            \
    "    - {name: in, namespace: /s, subject: [['app=db']], incomingRules: [" rules "]}\n"
#define TWO_NETWORKS                                                                               \
    "  externalnetworks:\n"                                                                        \
    "    - {name: wide, namespace: /s, entries: ['192.0.2.0/24', '!192.0.2.64/26'],"               \
    " associatedTags: ['net=wide', 'kind=x']}\n"                                                   \
    "    - {name: narrow, namespace: /s, entries: ['192.0.2.0/28', '192.0.2.64/28'],"              \
    " associatedTags: ['net=narrow', 'zone=y']}\n"

static void test_several_networks(void **state)
{
    static const char reject_wide[] = HEAD REJECT_BOTH TWO_NETWORKS RULESETS IN_RULES(
        "{action: Allow, object: [['net=narrow']], name: narrow},"
        "{action: Reject, object: [['net=wide']], name: wide}");
    static const char reject_narrow[] = HEAD REJECT_BOTH TWO_NETWORKS RULESETS IN_RULES(
        "{action: Allow, object: [['net=wide']], name: wide},"
        "{action: Reject, object: [['net=narrow']], name: narrow}");
    static const char mixture[] = HEAD REJECT_BOTH TWO_NETWORKS RULESETS IN_RULES(
        "{action: Allow, object: [['net=wide', 'zone=y']], name: mixed}");
    static const struct row rows[] = {
        {"both hold it: reject wins", reject_wide, D_FROM_X("192.0.2.7"), "Reject in/wide"},
        {"longer prefix has no meaning", reject_narrow, D_FROM_X("192.0.2.7"), "Reject in/narrow"},
        {"only the wide one", reject_wide, D_FROM_X("192.0.2.40"), "Reject in/wide"},
        {"only the wide one allows", reject_narrow, D_FROM_X("192.0.2.40"), "Allow in/wide"},
        {"hole of wide, in narrow", reject_wide, D_FROM_X("192.0.2.65"), "Allow in/narrow"},
        {"hole of wide, in no other", reject_wide, D_FROM_X("192.0.2.100"), "Reject default"},
        {"tags of two networks do not add up", mixture, D_FROM_X("192.0.2.7"), "Reject default"},
    };

    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_identity_and_network(void **state)
{
    static const char rejects[] = HEAD REJECT_BOTH NETWORK("")
        RULESETS IN_RULES("{action: Allow, object: [['app=web']], name: web},"
                          "{action: Reject, object: [['externalnetwork:name=partners']], name: p}");
    static const char observed[] = HEAD REJECT_BOTH NETWORK("")
        RULESETS IN_RULES("{action: Allow, object: [['externalnetwork:name=partners']],"
                          " observationEnabled: true, name: a},"
                          "{action: Reject, object: [['externalnetwork:name=partners']],"
                          " protocolPorts: [tcp/22], observationEnabled: true, name: r}");
    static const char observed_match[] = HEAD REJECT_BOTH NETWORK(", matchProcessingUnits: true")
        RULESETS IN_RULES("{action: Allow, object: [['externalnetwork:name=partners']],"
                          " observationEnabled: true, name: a}");
    static const struct row rows[] = {
        {"reject by address beats allow by identity", rejects, D_FROM_W("192.0.2.7", "tcp/5432"),
         "Reject in/p"},
        {"outside the network", rejects, D_FROM_W("198.51.100.7", "tcp/5432"), "Allow in/web"},
        {"no address known", rejects, D_FROM_W(NULL, "tcp/5432"), "Allow in/web"},
        {"observed allow, no identity", observed, D_FROM_X("192.0.2.7"),
         "Reject default observed Allow in/a"},
        {"observed allow, identity", observed, D_FROM_W("192.0.2.7", "tcp/5432"), "Reject default"},
        {"observed reject, identity", observed, D_FROM_W("192.0.2.7", "tcp/22"),
         "Reject default observed Reject in/r"},
        {"observed allow, matchProcessingUnits", observed_match, D_FROM_W("192.0.2.7", "tcp/22"),
         "Reject default observed Allow in/a"},
    };

    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_ports_and_order(void **state)
{
    static const char ports[] = HEAD REJECT_BOTH RULESETS IN_RULES(
        "{action: Allow, object: [['app=web']], protocolPorts: [], name: empty,"
        " logsDisabled: true},"
        "{action: Reject, object: [['app=web']], protocolPorts: ['tcp/80:90', icmp/8/0,"
        " sctp], name: r}");
    static const char names[] = HEAD REJECT_BOTH RULESETS
        "    - {name: b, namespace: /s, subject: [['app=db']], incomingRules: [{action: Allow,"
        " object: [['app=web']], name: 'b0'}]}\n"
        "    - {name: a, namespace: /s, subject: [['app=db']], incomingRules: [{action: Allow,"
        " object: [['env=x']], name: 'a0'}, {action: Allow, object: [['app=web']],"
        " protocolPorts: [tcp/22], name: 'a1'}]}\n"
        "    - {name: z, namespace: /, propagate: true, subject: [['app=db']], incomingRules:"
        " [{action: Allow, object: [['app=web']], protocolPorts: [udp/53], name: 'z0'}]}\n";
    static const char observed[] = HEAD REJECT_BOTH RULESETS IN_RULES(
        "{action: Allow, object: [['app=web']], observationEnabled: true, name: o1},"
        "{action: Reject, object: [['app=web']], observationEnabled: true, name: o2},"
        "{action: Reject, object: [['app=web']], observationEnabled: true,"
        " protocolPorts: [tcp/80], name: o3},"
        "{action: Allow, object: [['app=web'], ['app=none']], name: a}");
    static const struct row rows[] = {
        {"empty list is any", ports, D_FROM_W(NULL, "tcp/79"), "Allow in/empty"},
        {"first of a range", ports, D_FROM_W(NULL, "tcp/80"), "Reject in/r"},
        {"last of a range", ports, D_FROM_W(NULL, "tcp/90"), "Reject in/r"},
        {"past a range", ports, D_FROM_W(NULL, "tcp/91"), "Allow in/empty"},
        {"icmp type and code", ports, D_FROM_W(NULL, "icmp/8/0"), "Reject in/r"},
        {"icmp other code", ports, D_FROM_W(NULL, "icmp/8/1"), "Allow in/empty"},
        {"icmp6 is not icmp", ports, D_FROM_W(NULL, "icmp6/8/0"), "Allow in/empty"},
        {"protocol without ports", ports, D_FROM_W(NULL, "sctp"), "Reject in/r"},
        {"other protocol", ports, D_FROM_W(NULL, "gre"), "Allow in/empty"},
        {"name: ruleset b when a does not match", names, D_FROM_W(NULL, "tcp/80"), "Allow b/b0"},
        {"name: ruleset a before b", names, D_FROM_W(NULL, "tcp/22"), "Allow a/a1"},
        {"name: the root before all", names, D_FROM_W(NULL, "udp/53"), "Allow z/z0"},
        {"observed: reject wins, first is named", observed, D_FROM_W(NULL, "tcp/80"),
         "Allow in/a observed Reject in/o2"},
    };

    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_logs_disabled(void **state)
{
    static const char text[] = HEAD REJECT_BOTH RULESETS IN_RULES(
        "{action: Allow, object: [['app=web']], name: loud},"
        "{action: Allow, object: [['app=web']], logsDisabled: true, protocolPorts:"
        " [tcp/22], name: quiet1},"
        "{action: Reject, object: [['app=web']], logsDisabled: true, protocolPorts:"
        " [tcp/23], name: quiet2}");
    static const struct {
        const char *port;
        bool disabled;
    } rows[] = {{"tcp/22", false}, {"tcp/23", true}, {"tcp/24", false}};
    struct estate *estate = test_estate("/s", text);
    struct policy *policy = test_resolve(estate, "/s", "app=db");

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct test_side side = D_FROM_W(NULL, rows[i].port);

        assert_int_equal(test_ask_policy(estate, policy, &side).logs_disabled, rows[i].disabled);
    }
    policy_free(&policy);
    estate_free(&estate);
}

/*
 * Access lists of the product's open ancestor (its aclcache, acl and ports tests), said in these
 * words: accept 172/8 and reject all; a rule that only observes; a list with holes in holes.
 */
static const char accept_reject[] = HEAD REJECT_BOTH
    "  externalnetworks:\n"
    "    - {name: a, namespace: /s, entries: ['172.0.0.0/8'], associatedTags: ['n=a']}\n"
    "    - {name: all, namespace: /s, entries: ['0.0.0.0/0'], associatedTags: "
    "['n=all']}\n" RULESETS IN_RULES("{action: Allow, object: [['n=a']], name: a},"
                                     "{action: Reject, object: [['n=all']], name: all}");
static const char observe[] = HEAD REJECT_BOTH
    "  externalnetworks:\n"
    "    - {name: a, namespace: /s, entries: ['172.0.0.0/8'], associatedTags: ['n=a']}\n"
    "    - {name: b, namespace: /s, entries: ['172.1.0.0/16'], associatedTags: "
    "['n=b']}\n" RULESETS IN_RULES(
        "{action: Allow, object: [['n=a']], name: a},"
        "{action: Reject, object: [['n=b']], observationEnabled: true, name: b}");
static const char holes[] = HEAD REJECT_BOTH
    "  externalnetworks:\n"
    "    - {name: h, namespace: /s, entries: ['0.0.0.0/1', '!10.10.10.0/24', '128.0.0.0/1',"
    " '!10.0.0.0/8', '10.10.0.0/16'], associatedTags: ['n=h']}\n" RULESETS IN_RULES(
        "{action: Allow, object: [['n=h']], name: h}");
static const char base[] = HEAD REJECT_BOTH
    "  externalnetworks:\n"
    "    - {name: b, namespace: /s, entries: ['172.0.0.0/8', '172.17.0.0/16'],"
    " associatedTags: ['n=b']}\n"
    "    - {name: c, namespace: /s, entries: ['192.168.100.0/24', '10.1.1.1'],"
    " associatedTags: ['n=c']}\n"
    "    - {name: d, namespace: /s, entries: ['0.0.0.0/0'], associatedTags: ['n=d']}\n" RULESETS
        IN_RULES("{action: Allow, object: [['n=b']], protocolPorts: ['tcp/400:500'], name: b},"
                 "{action: Allow, object: [['n=c']], protocolPorts: [tcp/80], name: c},"
                 "{action: Allow, object: [['n=d']], protocolPorts: [tcp/443, udp/443], name: d}");
static const struct {
    const char *estate, *address, *port, *expected;
} access_rows[] = {
    {accept_reject, "172.1.1.1", "tcp/1", "Reject in/all"},
    {observe, "172.1.1.1", "tcp/1", "Allow in/a observed Reject in/b"},
    {observe, "172.2.1.1", "tcp/1", "Allow in/a"},
    {holes, "10.10.2.100", "tcp/1", "Allow in/h"},
    {holes, "10.10.10.100", "tcp/1", "Reject default"},
    {holes, "10.4.10.100", "tcp/1", "Reject default"},
    {holes, "192.168.10.100", "tcp/1", "Allow in/h"},
    {holes, "9.255.255.255", "tcp/1", "Allow in/h"},
    {holes, "11.0.0.0", "tcp/1", "Allow in/h"},
    {base, "172.17.0.1", "tcp/400", "Allow in/b"},
    {base, "172.17.0.1", "tcp/500", "Allow in/b"},
    {base, "172.17.0.1", "tcp/501", "Reject default"},
    {base, "172.17.0.1", "tcp/399", "Reject default"},
    {base, "172.200.0.1", "tcp/443", "Allow in/b"},
    {base, "192.168.100.1", "tcp/80", "Allow in/c"},
    {base, "192.168.101.1", "tcp/80", "Reject default"},
    {base, "10.1.1.1", "tcp/80", "Allow in/c"},
    {base, "10.1.1.2", "tcp/80", "Reject default"},
    {base, "10.1.1.2", "tcp/443", "Allow in/d"},
    {base, "10.1.1.2", "udp/443", "Allow in/d"},
    {base, "10.1.1.2", "udp/80", "Reject default"},
    {base, "2001:db8::1", "tcp/443", "Reject default"},
};

static void test_access_lists(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(access_rows); i++) {
        struct estate *estate = test_estate("/s", access_rows[i].estate);
        struct test_side side = D_FROM_X(access_rows[i].address);

        side.port = access_rows[i].port;
        test_expect(estate, &side, access_rows[i].expected);
        estate_free(&estate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth_table),          cmocka_unit_test(test_several_networks),
        cmocka_unit_test(test_identity_and_network), cmocka_unit_test(test_ports_and_order),
        cmocka_unit_test(test_logs_disabled),        cmocka_unit_test(test_access_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
