/* SPDX-License-Identifier: Apache-2.0 */

/* The programs on interfaces, on packets made by hand: what reaches or leaves the kernel itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "bpf/abi.h"
#include "fixture.h"
#include "packet.h"

#define ME "10.9.0.1"
#define ME6 "2001:db8:9::1"
#define GOOD "192.0.2.1"
#define GOOD6 "2001:db8:1::1"
#define OTHER "198.51.100.1"
#define OTHER6 "2001:db8:f::1"
#define EXCLUDED "203.0.113.9"
#define EXCLUDED_V6 "2001:db8:e::1"

#define INGRESS "bulkhead_tc_ingress"
#define EGRESS "bulkhead_tc_egress"
#define PASS (-1) /* the next filter */
#define DROP 2

static struct fixture fixture;

#define POLICY                                                                                     \
    "APIVersion: 1\ndata:\n"                                                                       \
    "  namespaces:\n"                                                                              \
    "    - {name: /t, defaultPUIncomingTrafficAction: Reject, defaultPUOutgoingTrafficAction: "    \
    "Reject}\n"                                                                                    \
    "  externalnetworks:\n"                                                                        \
    "    - {name: good, namespace: /t, associatedTags: ['externalnetwork:name=good'], entries: "   \
    "[192.0.2.0/24, '2001:db8:1::/48']}\n"                                                         \
    "  networkrulesetpolicies:\n"                                                                  \
    "    - name: all\n      namespace: /t\n      subject: [['$identity=processingunit']]\n"        \
    "      outgoingRules: [{action: Allow, object: [['externalnetwork:name=good']], "              \
    "protocolPorts: [udp/53, icmp/8/0]}]\n"                                                        \
    "      incomingRules: [{action: Allow, object: [['externalnetwork:name=good']], "              \
    "protocolPorts: [tcp/80, udp/5000, icmp/8/0, icmp6/128/0, gre]}]\n"

static int run(const char *program, const struct packet *p)
{
    return fixture_program_run(&fixture, program, p->bytes, p->len);
}

static int icmp(const char *program, const char *from, const char *to, uint8_t type)
{
    struct packet p;

    packet_begin(&p, from, to);
    packet_icmp(&p, type, 0, 42);
    return run(program, &p);
}

static int bare(const char *from, const char *to, uint8_t protocol)
{
    struct packet p;

    packet_begin(&p, from, to);
    packet_end(&p, protocol, "0123456789abcdef", 16);
    return run(INGRESS, &p);
}

static void begin(void)
{
    assert_int_equal(fixture_policy(&fixture, POLICY), 0);
    fixture_empty(&fixture, "flows");
    fixture_flows_forget(&fixture);
}

static void test_what_no_socket_judges(void **state)
{
    (void)state;
    begin();
    assert_int_equal(icmp(INGRESS, GOOD, ME, 8), PASS);
    assert_int_equal(icmp(INGRESS, OTHER, ME, 8), DROP);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 13), DROP);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 5), DROP);
    assert_int_equal(icmp(INGRESS, GOOD6, ME6, 128), PASS);
    assert_int_equal(icmp(INGRESS, OTHER6, ME6, 128), DROP);
    assert_int_equal(icmp(INGRESS, OTHER6, ME6, 135), PASS);
    assert_int_equal(icmp(INGRESS, OTHER6, ME6, 137), DROP);
    assert_int_equal(icmp(INGRESS, EXCLUDED, ME, 8), PASS);
    assert_int_equal(bare(GOOD, ME, 47), PASS);
    assert_int_equal(bare(OTHER, ME, 47), DROP);
    assert_int_equal(bare(GOOD, ME, 132), DROP);
    /* sockets have hooks of their own */
    assert_int_equal(bare(OTHER, ME, 17), PASS);
    assert_int_equal(bare(OTHER, ME, 6), PASS);
    fixture_events(&fixture);
    for (size_t i = 0; i < fixture_flows_n; i++)
        assert_int_equal(fixture_flows[i].pu, FIXTURE_HOST);
    assert_true(fixture_flows_n >= 8);
}

/* The reply to what a unit asked passes, though the host itself asked nothing. */
static void test_replies_to_units(void **state)
{
    (void)state;
    begin();
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0), DROP);
    fixture_enter(&fixture, FIXTURE_WEB);
    assert_int_equal(icmp("bulkhead_egress", ME, GOOD, 8), 1);
    fixture_enter(&fixture, FIXTURE_HOME);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 0), PASS);
    assert_int_equal(icmp(INGRESS, GOOD, ME, 14), DROP);
    assert_int_equal(icmp(INGRESS, OTHER, ME, 0), DROP);
}

static int tcp_fragment(const char *from, const char *to, uint16_t offset, bool more, uint8_t flags,
                        size_t cut)
{
    struct packet p;

    packet_begin(&p, from, to);
    packet_fragment(&p, offset, more);
    packet_tcp(&p, 4000, 80, flags, 1);
    p.len -= cut;
    return run(INGRESS, &p);
}

static void test_fragments(void **state)
{
    static const char *const from[] = {GOOD, GOOD6}, *const to[] = {ME, ME6};

    (void)state;
    begin();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tcp_fragment(from[i], to[i], 0, false, TCP_FLAG_SYN, 0), PASS);
        assert_int_equal(tcp_fragment(from[i], to[i], 0, true, TCP_FLAG_SYN, 0), DROP);
        assert_int_equal(tcp_fragment(from[i], to[i], 0, true, TCP_FLAG_SYN | TCP_FLAG_ACK, 0),
                         DROP);
        assert_int_equal(tcp_fragment(from[i], to[i], 0, true, TCP_FLAG_ACK, 0), PASS);
        for (size_t cut = 1; cut <= 20; cut++)
            assert_int_equal(tcp_fragment(from[i], to[i], 0, true, TCP_FLAG_ACK, cut), DROP);
        assert_int_equal(tcp_fragment(from[i], to[i], 1, true, 0, 12), DROP);
        assert_int_equal(tcp_fragment(from[i], to[i], 2, true, 0, 0), DROP);
        assert_int_equal(tcp_fragment(from[i], to[i], 2, false, 0, 0), DROP);
        assert_int_equal(tcp_fragment(from[i], to[i], 3, true, 0, 0), PASS);
        assert_int_equal(tcp_fragment(from[i], to[i], 185, false, 0, 0), PASS);
        assert_int_equal(tcp_fragment(from[i], to[i], 8189, false, 0, 0), PASS);
    }
    fixture_events(&fixture);
    fixture_drain(&fixture);
    assert_true(fixture_flows_n > 0);
    for (size_t i = 0; i < fixture_flows_n; i++) {
        assert_int_equal(fixture_flows[i].reason, ABI_REASON_FRAGMENT);
        assert_int_equal(fixture_flows[i].action, MODEL_ACTION_REJECT);
    }
    struct packet p;
    packet_begin(&p, OTHER, ME);
    packet_fragment(&p, 1, true);
    packet_udp(&p, 1, 2);
    assert_int_equal(run(INGRESS, &p), PASS);
}

/* More extension headers than are walked: the kernel would walk them all and answer. */
static void test_endless_extensions(void **state)
{
    struct packet p;

    (void)state;
    begin();
    for (int n = 0; n < 16; n++) {
        packet_begin(&p, OTHER6, ME6);
        for (int i = 0; i < n; i++)
            packet_extension(&p, EXT_DESTINATION, 0);
        packet_icmp(&p, 128, 0, 1);
        assert_int_equal(run(INGRESS, &p), DROP);
        packet_begin(&p, GOOD6, ME6);
        for (int i = 0; i < n; i++)
            packet_extension(&p, EXT_DESTINATION, 0);
        packet_icmp(&p, 128, 0, 1);
        assert_int_equal(run(INGRESS, &p), n <= 8 ? PASS : DROP);
        packet_begin(&p, EXCLUDED_V6, ME6);
        for (int i = 0; i < n; i++)
            packet_extension(&p, EXT_DESTINATION, 0);
        packet_icmp(&p, 128, 0, 1);
        assert_int_equal(run(INGRESS, &p), PASS);
    }
    /* the transport header is in the second fragment (RFC 7112 forbids it) */
    packet_begin(&p, OTHER6, ME6);
    packet_fragment(&p, 0, true);
    packet_extension(&p, EXT_DESTINATION, 0);
    packet_end(&p, 58, NULL, 0);
    assert_int_equal(run(INGRESS, &p), DROP);
}

static int ask_udp(void *argument)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)},
                       from = {.sin_family = AF_INET, .sin_port = htons(4000)};
    int *ready = argument, fd = socket(AF_INET, SOCK_DGRAM, 0);
    char byte;

    inet_pton(AF_INET, GOOD, &to.sin_addr);
    if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
        return errno;
    if (write(ready[1], "r", 1) != 1)
        return 250;
    return read(ready[2], &byte, 1) == 1 ? 0 : 251;
}

/* Errors come back for the flows of all units, not only for those of the host. */
static void test_errors_of_a_units_flow(void **state)
{
    struct packet question, error;
    int up[2], down[2], ends[4];
    pid_t pid;
    char byte;

    (void)state;
    begin();
    packet_begin(&question, ME, GOOD);
    packet_udp(&question, 4000, 53);
    packet_begin(&error, OTHER, ME);
    packet_error(&error, 3, 4, &question);
    assert_int_equal(run(INGRESS, &error), DROP);
    assert_int_equal(pipe(up) | pipe(down), 0);
    memcpy(ends, up, sizeof(up));
    memcpy(ends + 2, down, sizeof(down));
    pid = fixture_fork(&fixture, FIXTURE_WEB, ask_udp, ends);
    close(up[1]);
    assert_int_equal(read(up[0], &byte, 1), 1);
    assert_int_equal(run(INGRESS, &error), PASS);
    packet_begin(&question, ME, GOOD);
    packet_udp(&question, 4000, 54);
    packet_begin(&error, OTHER, ME);
    packet_error(&error, 3, 4, &question);
    assert_int_equal(run(INGRESS, &error), DROP);
    assert_int_equal(write(down[1], "x", 1), 1);
    assert_int_equal(fixture_wait(pid), 0);
}

static int answer_tcp(const char *to, uint16_t from_port, uint8_t flags, uint32_t seq)
{
    struct packet p;

    packet_begin(&p, strchr(to, ':') ? ME6 : ME, to);
    packet_tcp(&p, from_port, 4000, flags, seq);
    return run(EGRESS, &p);
}

static int answer_udp(const char *to, uint16_t port, uint8_t type, uint8_t code)
{
    struct packet question, p;
    const char *me = strchr(to, ':') ? ME6 : ME;

    packet_begin(&question, to, me);
    packet_udp(&question, 4000, port);
    packet_begin(&p, me, to);
    packet_error(&p, type, code, &question);
    return run(EGRESS, &p);
}

static void test_closed_ports_are_silent(void **state)
{
    uint64_t before;

    (void)state;
    begin();
    before = fixture_counter(&fixture, "closed_port");
    assert_int_equal(answer_tcp(OTHER, 80, TCP_FLAG_RST | TCP_FLAG_ACK, 0), DROP);
    assert_int_equal(answer_tcp(GOOD, 81, TCP_FLAG_RST | TCP_FLAG_ACK, 0), DROP);
    assert_int_equal(answer_tcp(GOOD, 80, TCP_FLAG_RST | TCP_FLAG_ACK, 0), PASS);
    assert_int_equal(answer_tcp(OTHER6, 80, TCP_FLAG_RST | TCP_FLAG_ACK, 0), DROP);
    assert_int_equal(answer_tcp(GOOD6, 80, TCP_FLAG_RST | TCP_FLAG_ACK, 0), PASS);
    assert_int_equal(answer_tcp(EXCLUDED, 81, TCP_FLAG_RST | TCP_FLAG_ACK, 0), PASS);
    assert_int_equal(answer_udp(OTHER, 5000, 3, 3), DROP);
    assert_int_equal(answer_udp(GOOD, 5001, 3, 3), DROP);
    assert_int_equal(answer_udp(GOOD, 5000, 3, 3), PASS);
    assert_int_equal(answer_udp(OTHER6, 5000, 1, 4), DROP);
    assert_int_equal(answer_udp(GOOD6, 5000, 1, 4), PASS);
    assert_int_equal(fixture_counter(&fixture, "closed_port"), before + 6);
    /* what is no answer for a closed port */
    assert_int_equal(answer_tcp(OTHER, 80, TCP_FLAG_RST | TCP_FLAG_ACK, 7), PASS);
    assert_int_equal(answer_tcp(OTHER, 80, TCP_FLAG_RST, 0), PASS);
    assert_int_equal(answer_tcp(OTHER, 80, TCP_FLAG_ACK, 0), PASS);
    assert_int_equal(answer_tcp(OTHER, 80, TCP_FLAG_SYN | TCP_FLAG_ACK, 0), PASS);
    assert_int_equal(answer_udp(OTHER, 5000, 3, 4), PASS);
    assert_int_equal(answer_udp(OTHER, 5000, 11, 0), PASS);
    assert_int_equal(answer_udp(OTHER6, 5000, 1, 3), PASS);
    fixture_events(&fixture);
    fixture_drain(&fixture);
    for (size_t i = 0; i < fixture_flows_n; i++) {
        assert_int_equal(fixture_flows[i].direction, MODEL_DIRECTION_IN);
        assert_int_equal(fixture_flows[i].action, MODEL_ACTION_REJECT);
        assert_true(fixture_flows[i].port == 80 || fixture_flows[i].port == 81 ||
                    fixture_flows[i].port == 5000 || fixture_flows[i].port == 5001);
    }
    assert_int_equal(fixture_flows_n, 6);
}

static int setup(void **state)
{
    (void)state;
    if (fixture_setup(&fixture) ||
        system("ip link add bh0 type veth peer name bh1 && ip link set bh1 up && ip link set bh0 "
               "up && ip addr add " ME "/24 dev bh0 && "
               "ip route add default dev bh0") != 0)
        return -1;
    return fixture_open(&fixture, "203.0.113.0/24,2001:db8:e::/48");
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
        cmocka_unit_test(test_what_no_socket_judges),
        cmocka_unit_test(test_replies_to_units),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_endless_extensions),
        cmocka_unit_test(test_errors_of_a_units_flow),
        cmocka_unit_test(test_closed_ports_are_silent),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
