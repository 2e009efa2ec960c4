/* SPDX-License-Identifier: Apache-2.0 */

/* The cgroup programs on packets made by hand: parsing, datagrams, replies, errors, garbage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "bpf/abi.h"
#include "fixture.h"
#include "packet.h"

#define ME "10.9.0.1"
#define ME6 "2001:db8:9::1"
#define GOOD "192.0.2.1"
#define GOOD_HOLE "192.0.2.200"
#define GOOD6 "2001:db8:1::1"
#define OTHER "198.51.100.1"
#define OTHER6 "2001:db8:f::1"
#define EXCLUDED "203.0.113.9"

#define INGRESS "bulkhead_ingress"
#define EGRESS "bulkhead_egress"
#define GARBAGE_ROUNDS 10000
#define GARBAGE_MAX 120

static struct fixture fixture;

#define NETWORKS                                                                                   \
    "APIVersion: 1\ndata:\n"                                                                       \
    "  namespaces:\n"                                                                              \
    "    - {name: /t, defaultPUIncomingTrafficAction: Reject, defaultPUOutgoingTrafficAction: "    \
    "Reject}\n"                                                                                    \
    "  externalnetworks:\n"                                                                        \
    "    - {name: good, namespace: /t, associatedTags: ['externalnetwork:name=good'], entries: "   \
    "[192.0.2.0/24, '!192.0.2.128/25', '2001:db8:1::/48']}\n"
#define RULES(out, in)                                                                             \
    "  networkrulesetpolicies:\n"                                                                  \
    "    - name: all\n      namespace: /t\n      subject: [['$identity=processingunit']]\n"        \
    "      outgoingRules: [{action: Allow, object: [['externalnetwork:name=good']], "              \
    "protocolPorts: [" out "]}]\n"                                                                 \
    "      incomingRules: [{action: Allow, object: [['externalnetwork:name=good']], "              \
    "protocolPorts: [" in "]}]\n"
#define BASIC                                                                                      \
    NETWORKS RULES("udp/53, icmp/8/0, icmp6/128/0, gre", "udp/5000:5003, icmp/13/0, tcp/80")
#define NOTHING NETWORKS

/* The kernel refuses a test run of less than a network header. */
static bool too_short(const struct packet *p, size_t len)
{
    return len < PACKET_LINK + (p->v6 ? 40u : 20u);
}

static int run(const char *program, const struct packet *p)
{
    return fixture_program_run(&fixture, program, p->bytes, p->len);
}

static int udp(const char *program, const char *from, const char *to, uint16_t from_port,
               uint16_t to_port)
{
    struct packet p;

    packet_begin(&p, from, to);
    packet_udp(&p, from_port, to_port);
    return run(program, &p);
}

static int icmp(const char *program, const char *from, const char *to, uint8_t type, uint16_t id)
{
    struct packet p;

    packet_begin(&p, from, to);
    packet_icmp(&p, type, 0, id);
    return run(program, &p);
}

static int bare(const char *program, const char *from, const char *to, uint8_t protocol)
{
    struct packet p;

    packet_begin(&p, from, to);
    packet_end(&p, protocol, "0123456789abcdef", 16);
    return run(program, &p);
}

/* As unit `unit`, nothing known of any flow. */
static void begin(int unit, const char *policy)
{
    fixture_enter(&fixture, FIXTURE_HOME);
    assert_int_equal(fixture_policy(&fixture, policy), 0);
    fixture_enter(&fixture, unit);
    fixture_empty(&fixture, "flows");
    fixture_flows_forget(&fixture);
}

static void test_udp_by_address(void **state)
{
    (void)state;
    begin(FIXTURE_WEB, BASIC);
    assert_int_equal(udp(EGRESS, ME, GOOD, 4000, 53), 1);
    assert_int_equal(udp(EGRESS, ME, GOOD, 4000, 54), 0);
    assert_int_equal(udp(EGRESS, ME, GOOD_HOLE, 4000, 53), 0);
    assert_int_equal(udp(EGRESS, ME, OTHER, 4000, 53), 0);
    assert_int_equal(udp(EGRESS, ME6, GOOD6, 4000, 53), 1);
    assert_int_equal(udp(EGRESS, ME6, OTHER6, 4000, 53), 0);
    /* the ends of a range, and just past them */
    assert_int_equal(udp(INGRESS, GOOD, ME, 4001, 4999), 0);
    assert_int_equal(udp(INGRESS, GOOD, ME, 4001, 5000), 1);
    assert_int_equal(udp(INGRESS, GOOD, ME, 4001, 5003), 1);
    assert_int_equal(udp(INGRESS, GOOD, ME, 4001, 5004), 0);
    assert_int_equal(udp(INGRESS, OTHER, ME, 4001, 5000), 0);
    assert_int_equal(udp(INGRESS, GOOD6, ME6, 4001, 5002), 1);
    /* TCP by a raw socket: no connection to belong to */
    struct packet p;
    packet_begin(&p, GOOD, ME);
    packet_tcp(&p, 4000, 80, TCP_FLAG_SYN, 1);
    assert_int_equal(run(INGRESS, &p), 1);
    packet_begin(&p, OTHER, ME);
    packet_tcp(&p, 4000, 80, TCP_FLAG_SYN, 1);
    assert_int_equal(run(INGRESS, &p), 0);
}

static void test_other_protocols(void **state)
{
    static const uint8_t protocols[] = {0, 2, 4, 41, 50, 51, 132, 136, 253, 255};

    (void)state;
    begin(FIXTURE_WEB, BASIC);
    assert_int_equal(bare(EGRESS, ME, GOOD, 47), 1);
    assert_int_equal(bare(EGRESS, ME6, GOOD6, 47), 1);
    assert_int_equal(bare(EGRESS, ME, OTHER, 47), 0);
    for (size_t i = 0; i < sizeof(protocols); i++) {
        assert_int_equal(bare(EGRESS, ME, GOOD, protocols[i]), 0);
        assert_int_equal(bare(INGRESS, GOOD, ME, protocols[i]), 0);
    }
}

static void test_replies_follow_their_question(void **state)
{
    (void)state;
    begin(FIXTURE_WEB, BASIC);
    assert_int_equal(udp(INGRESS, GOOD, ME, 53, 4000), 0);
    assert_int_equal(udp(EGRESS, ME, GOOD, 4000, 53), 1);
    assert_int_equal(udp(INGRESS, GOOD, ME, 53, 4000), 1);
    assert_int_equal(udp(INGRESS, GOOD, ME, 53, 4001), 0);
    assert_int_equal(udp(INGRESS, GOOD, ME, 54, 4000), 0);
    assert_int_equal(udp(INGRESS, "192.0.2.2", ME, 53, 4000), 0);
    assert_int_equal(udp(INGRESS, GOOD, "10.9.0.2", 53, 4000), 0);
    /* the other way round */
    assert_int_equal(udp(EGRESS, ME, GOOD, 5000, 4000), 0);
    assert_int_equal(udp(INGRESS, GOOD, ME, 4000, 5000), 1);
    assert_int_equal(udp(EGRESS, ME, GOOD, 5000, 4000), 1);
    /* of another unit */
    fixture_enter(&fixture, FIXTURE_DB);
    assert_int_equal(udp(INGRESS, GOOD, ME, 53, 4000), 0);
    fixture_enter(&fixture, FIXTURE_WEB);
    assert_int_equal(bare(INGRESS, GOOD, ME, 47), 0);
    assert_int_equal(bare(EGRESS, ME, GOOD, 47), 1);
    assert_int_equal(bare(INGRESS, GOOD, ME, 47), 1);
}

static void test_a_new_policy_ends_flows(void **state)
{
    (void)state;
    begin(FIXTURE_WEB, BASIC);
    assert_int_equal(udp(EGRESS, ME, GOOD, 4000, 53), 1);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 8, 77), 1);
    assert_int_equal(fixture_policy(&fixture, BASIC), 0);
    assert_int_equal(udp(INGRESS, GOOD, ME, 53, 4000), 1);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0, 77), 1);
    assert_int_equal(fixture_policy(&fixture, NOTHING), 0);
    assert_int_equal(udp(INGRESS, GOOD, ME, 53, 4000), 0);
    assert_int_equal(udp(EGRESS, ME, GOOD, 4000, 53), 0);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0, 77), 0);
    /* and what it ended does not come back by itself */
    assert_int_equal(fixture_policy(&fixture, BASIC), 0);
    assert_int_equal(udp(INGRESS, GOOD, ME, 53, 4000), 0);
}

static void test_icmp_queries(void **state)
{
    (void)state;
    begin(FIXTURE_WEB, BASIC);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0, 1), 0);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 8, 1), 1);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0, 1), 1);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0, 2), 0);
    assert_int_equal(icmp(INGRESS, OTHER, ME, 0, 1), 0);
    assert_int_equal(icmp(EGRESS, ME, OTHER, 8, 1), 0);
    assert_int_equal(icmp(EGRESS, ME6, GOOD6, 128, 1), 1);
    assert_int_equal(icmp(INGRESS, GOOD6, ME6, 129, 1), 1);
    assert_int_equal(icmp(INGRESS, GOOD6, ME6, 129, 2), 0);
    /* a question back, with the same identifier, is a question of its own */
    assert_int_equal(icmp(INGRESS, GOOD, ME, 8, 1), 0);
    assert_int_equal(icmp(INGRESS, GOOD6, ME6, 128, 1), 0);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 0, 1), 0);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 13, 1), 0);
    /* a timestamp and its reply; after a new policy as well */
    assert_int_equal(icmp(EGRESS, ME, GOOD, 14, 9), 0);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 13, 9), 1);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 14, 9), 1);
    assert_int_equal(fixture_policy(&fixture, BASIC), 0);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 14, 9), 1);
    /* the reply may be the first packet after a change, in either family */
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0, 1), 1);
    assert_int_equal(icmp(INGRESS, GOOD6, ME6, 129, 1), 1);
}

/* One message that no query stands behind must not open the door for all others. */
static void test_icmp_messages_are_no_flow(void **state)
{
    (void)state;
    begin(FIXTURE_WEB, NETWORKS RULES("icmp/9/0", "udp/1"));
    assert_int_equal(icmp(EGRESS, ME, GOOD, 9, 0), 1);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 5, 0), 0);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 9, 0), 0);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 10, 0), 0);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 9, 0), 1);
    struct packet p;
    packet_begin(&p, ME, GOOD);
    packet_icmp(&p, 9, 1, 0);
    assert_int_equal(run(EGRESS, &p), 0);
    /* a rule for replies is none for queries */
    begin(FIXTURE_WEB, NETWORKS RULES("udp/1", "icmp/0/0"));
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0, 3), 1);
    assert_int_equal(icmp(EGRESS, ME, GOOD, 8, 3), 0);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0, 3), 1);
}

static void test_always_allowed(void **state)
{
    (void)state;
    begin(FIXTURE_WEB, NOTHING);
    for (unsigned type = 0; type < 256; type++) {
        bool always = (type >= 133 && type <= 136) || (type >= 141 && type <= 143);
        struct packet p;

        packet_begin(&p, OTHER6, ME6);
        packet_icmp(&p, (uint8_t)type, 0, 0);
        assert_int_equal(run(INGRESS, &p), always);
        packet_begin(&p, ME6, OTHER6);
        packet_icmp(&p, (uint8_t)type, 0, 0);
        assert_int_equal(run(EGRESS, &p), always);
        packet_begin(&p, ME6, OTHER6);
        packet_icmp(&p, (uint8_t)type, 1, 0);
        assert_int_equal(run(EGRESS, &p), 0);
        assert_int_equal(icmp(INGRESS, OTHER, ME, (uint8_t)type, 0), 0);
        packet_begin(&p, ME, OTHER);
        packet_icmp(&p, (uint8_t)type, 0, 0);
        p.bytes[p.next_at] = 58; /* ICMPv6 in IPv4 */
        assert_int_equal(run(EGRESS, &p), 0);
    }
}

static void test_related_errors(void **state)
{
    struct packet question, error;

    (void)state;
    begin(FIXTURE_WEB, BASIC);
    packet_begin(&question, ME, GOOD);
    packet_udp(&question, 4000, 53);
    packet_begin(&error, OTHER, ME);
    packet_error(&error, 3, 3, &question);
    assert_int_equal(run(INGRESS, &error), 0);
    assert_int_equal(run(EGRESS, &question), 1);
    assert_int_equal(run(INGRESS, &error), 0); /* nobody has that port: see test_tc.c */

    packet_begin(&question, ME, GOOD);
    packet_icmp(&question, 8, 0, 7);
    packet_begin(&error, OTHER, ME); /* any router may send it */
    packet_error(&error, 11, 0, &question);
    assert_int_equal(run(INGRESS, &error), 0);
    assert_int_equal(run(EGRESS, &question), 1);
    assert_int_equal(run(INGRESS, &error), 1);
    packet_begin(&error, OTHER, ME);
    packet_error(&error, 5, 1, &question); /* a redirect is no error */
    assert_int_equal(run(INGRESS, &error), 0);
    packet_begin(&question, ME, GOOD);
    packet_icmp(&question, 8, 0, 8);
    packet_begin(&error, OTHER, ME);
    packet_error(&error, 11, 0, &question);
    assert_int_equal(run(INGRESS, &error), 0);
    packet_begin(&question, ME, GOOD);
    packet_icmp(&question, 0, 0, 7); /* our answer to a question that never came */
    packet_begin(&error, OTHER, ME);
    packet_error(&error, 11, 0, &question);
    assert_int_equal(run(INGRESS, &error), 0);

    packet_begin(&question, ME6, GOOD6);
    packet_icmp(&question, 128, 0, 7);
    packet_begin(&error, OTHER6, ME6);
    packet_error(&error, 2, 0, &question);
    assert_int_equal(run(INGRESS, &error), 0);
    assert_int_equal(run(EGRESS, &question), 1);
    assert_int_equal(run(INGRESS, &error), 1);
    /* a TCP segment that belongs to no connection */
    packet_begin(&question, ME, GOOD);
    packet_tcp(&question, 4000, 80, TCP_FLAG_ACK, 1);
    packet_begin(&error, OTHER, ME);
    packet_error(&error, 3, 4, &question);
    assert_int_equal(run(INGRESS, &error), 0);
}

static void test_excluded_network(void **state)
{
    (void)state;
    begin(FIXTURE_WEB, NOTHING);
    assert_int_equal(udp(EGRESS, ME, EXCLUDED, 1, 2), 1);
    assert_int_equal(udp(INGRESS, EXCLUDED, ME, 3, 4), 1);
    assert_int_equal(bare(INGRESS, EXCLUDED, ME, 253), 1);
    assert_int_equal(udp(INGRESS, "203.0.113.200", ME, 3, 4), 0); /* a hole */
    fixture_events(&fixture);
    assert_int_equal(fixture_flows_n, 1);
    assert_int_equal(fixture_flows[0].action, MODEL_ACTION_REJECT);
}

static void test_options_and_extensions(void **state)
{
    static const uint8_t kinds[] = {EXT_HOP, EXT_ROUTING, EXT_AUTH, EXT_DESTINATION, EXT_MOBILITY};
    struct packet p;

    (void)state;
    begin(FIXTURE_WEB, BASIC);
    for (size_t n = 0; n <= 40; n += 4) {
        for (int allowed = 0; allowed < 2; allowed++) {
            packet_begin(&p, ME, GOOD);
            packet_options(&p, n);
            packet_udp(&p, 4000, allowed ? 53 : 54);
            assert_int_equal(run(EGRESS, &p), allowed);
        }
    }
    for (int n = 0; n <= 12; n++) {
        for (size_t kind = 0; kind < sizeof(kinds); kind++) {
            for (uint8_t units = 0; units < 4; units++) {
                for (int allowed = 0; allowed < 2; allowed++) {
                    packet_begin(&p, ME6, GOOD6);
                    for (int i = 0; i < n; i++)
                        packet_extension(&p, kinds[kind], units);
                    packet_udp(&p, 4000, allowed ? 53 : 54);
                    assert_int_equal(run(EGRESS, &p), allowed && n <= 8);
                }
            }
        }
    }
    /* all kinds in one chain, with the atomic fragment that some stacks send */
    packet_begin(&p, ME6, GOOD6);
    for (size_t kind = 0; kind < sizeof(kinds); kind++)
        packet_extension(&p, kinds[kind], 1);
    packet_fragment(&p, 0, false);
    packet_udp(&p, 4000, 53);
    assert_int_equal(run(EGRESS, &p), 1);
    /* a header that says it is longer than the packet */
    packet_begin(&p, ME6, GOOD6);
    packet_extension(&p, EXT_DESTINATION, 0);
    p.bytes[PACKET_LINK + 40 + 1] = 255;
    packet_udp(&p, 4000, 53);
    assert_int_equal(run(EGRESS, &p), 0);
    /* no next header */
    packet_begin(&p, ME6, GOOD6);
    packet_end(&p, 59, NULL, 0);
    assert_int_equal(run(EGRESS, &p), 0);
}

static void test_cut_short(void **state)
{
    struct packet packets[4], p;
    static const size_t transports[4] = {20, 40, 20, 60};

    (void)state;
    begin(FIXTURE_WEB, NETWORKS RULES("any", "any"));
    packet_begin(&packets[0], ME, GOOD);
    packet_udp(&packets[0], 1, 2);
    packet_begin(&packets[1], ME6, GOOD6);
    packet_icmp(&packets[1], 200, 0, 1);
    packet_begin(&packets[2], ME, GOOD);
    packet_tcp(&packets[2], 1, 2, TCP_FLAG_ACK, 1);
    packet_begin(&packets[3], ME, GOOD);
    packet_options(&packets[3], 40);
    packet_udp(&packets[3], 1, 2);
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
        size_t needs = PACKET_LINK + transports[i] + (i == 2 ? 20 : 8);

        for (size_t len = PACKET_LINK + 1; len < packets[i].len; len++) {
            p = packets[i];
            assert_int_equal(fixture_program_run(&fixture, EGRESS, p.bytes, len),
                             too_short(&p, len) ? -EINVAL : len >= needs);
        }
    }
    /* a TCP header that claims to end past the packet, or before its own end */
    for (unsigned offset = 0; offset < 16; offset++) {
        p = packets[2];
        p.bytes[PACKET_LINK + 20 + 12] = (uint8_t)(offset << 4);
        assert_int_equal(run(EGRESS, &p), offset == 5);
    }
}

static uint64_t random_state;

static uint32_t random_next(void)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(random_state >> 33);
}

static void garbage_packet(struct packet *p)
{
    static const uint8_t protocols[] = {1, 6, 17, 58, 0, 43, 44, 51, 60, 135, 132, 47, 255};
    bool v6 = random_next() % 2;
    unsigned flips = random_next() % 8;
    size_t len;

    packet_begin(p, v6 ? OTHER6 : OTHER, v6 ? ME6 : ME);
    if (random_next() % 3 == 0 && v6)
        packet_extension(p, protocols[5 + random_next() % 5], random_next() % 3);
    if (random_next() % 4 == 0)
        packet_fragment(p, (uint16_t)(random_next() % 8), random_next() % 2);
    packet_end(p, protocols[random_next() % sizeof(protocols)], NULL, 0);
    while (p->len < PACKET_LINK + GARBAGE_MAX)
        p->bytes[p->len++] = (uint8_t)random_next();
    while (flips--)
        p->bytes[PACKET_LINK + random_next() % GARBAGE_MAX] ^= (uint8_t)(1u << random_next() % 8);
    len = random_next() % GARBAGE_MAX + 1;
    p->len = PACKET_LINK + len;
}

/* Where the transport header of an ICMPv6 packet that passes must be: walked here by other code. */
static bool may_pass(const struct packet *p)
{
    const uint8_t *ip = p->bytes + PACKET_LINK;
    size_t len = p->len - PACKET_LINK, at = 40;
    uint8_t next = ip[6];

    if (p->bytes[12] != 0x86 || len < 40)
        return false;
    for (int i = 0; i < 8 && next != 58; i++) {
        if (at + 4 > len)
            return false;
        uint8_t type = next;

        if (type != 0 && type != 43 && type != 44 && type != 51 && type != 60 && type != 135)
            return false;
        next = ip[at];
        at += type == 44 ? 8 : type == 51 ? (ip[at + 1] + 2u) * 4 : (ip[at + 1] + 1u) * 8;
    }
    if (next != 58 || at + 8 > len || ip[at + 1] != 0)
        return false;
    return (ip[at] >= 133 && ip[at] <= 136) || (ip[at] >= 141 && ip[at] <= 143);
}

static void test_garbage(void **state)
{
    const char *seed = getenv("BPF_TEST_SEED");

    (void)state;
    random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    print_message("BPF_TEST_SEED=%llu\n", (unsigned long long)random_state);
    begin(FIXTURE_WEB, NOTHING);
    for (int i = 0; i < GARBAGE_ROUNDS; i++) {
        const char *program = i % 2 ? INGRESS : EGRESS;
        struct packet p;
        int r;

        garbage_packet(&p);
        r = run(program, &p);
        if ((r == 1 && may_pass(&p)) || (r == -EINVAL && too_short(&p, p.len)))
            continue;
        if (r != 0) {
            print_error("%s returned %d for", program, r);
            for (size_t at = PACKET_LINK; at < p.len; at++)
                print_error(" %02x", p.bytes[at]);
            print_error("\n");
        }
        assert_int_equal(r, 0);
    }
    for (size_t len = 1; len <= GARBAGE_MAX; len++) {
        uint8_t bytes[PACKET_LINK + GARBAGE_MAX] = {0};

        /* neither IPv4 nor IPv6 */
        bytes[12] = 0x88;
        bytes[13] = 0xcc;
        assert_int_equal(fixture_program_run(&fixture, EGRESS, bytes, PACKET_LINK + len), 0);
        assert_int_equal(fixture_program_run(&fixture, INGRESS, bytes, PACKET_LINK + len), 0);
    }
}

static void test_outside_every_unit(void **state)
{
    (void)state;
    /* the host has everything that is in no unit of its own */
    begin(FIXTURE_HOST, BASIC);
    assert_int_equal(udp(EGRESS, ME, GOOD, 4000, 53), 1);
    assert_int_equal(udp(EGRESS, ME, OTHER, 4000, 53), 0);
    fixture_events(&fixture);
    assert_int_equal(fixture_flows_n, 2);
    assert_int_equal(fixture_flows[0].pu, FIXTURE_HOST);
    assert_int_equal(fixture_flows[1].pu, FIXTURE_HOST);
}

static int setup(void **state)
{
    (void)state;
    return fixture_setup(&fixture) || fixture_open(&fixture, "203.0.113.0/24,!203.0.113.128/25");
}

static int teardown(void **state)
{
    (void)state;
    fixture_teardown(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp_by_address),
        cmocka_unit_test(test_other_protocols),
        cmocka_unit_test(test_replies_follow_their_question),
        cmocka_unit_test(test_a_new_policy_ends_flows),
        cmocka_unit_test(test_icmp_queries),
        cmocka_unit_test(test_icmp_messages_are_no_flow),
        cmocka_unit_test(test_always_allowed),
        cmocka_unit_test(test_related_errors),
        cmocka_unit_test(test_excluded_network),
        cmocka_unit_test(test_options_and_extensions),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_outside_every_unit),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
