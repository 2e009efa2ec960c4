/* SPDX-License-Identifier: Apache-2.0 */

/* What the programs write into a handshake is what src/wire computes
 * (docs/formats/identity-option.md). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "fixture.h"
#include "tcp.h"
#include "wire/wire.h"

#define PORT 5432
#define SEEN_MAX 64

static struct fixture fixture;

struct option_seen {
    uint8_t flags;
    uint32_t seq, ack, enforcer, identity;
    uint16_t to_port, payload;
    uint8_t tail[8];
    bool present;
};

static struct option_seen seen[SEEN_MAX];
static size_t n_seen;

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void option_read(const uint8_t *option, struct option_seen *s)
{
    assert_false(s->present); /* never twice */
    assert_int_equal(option[1], 20);
    assert_int_equal(option[2] << 8 | option[3], 0xb1c4);
    s->present = true;
    s->enforcer = get32(option + 4);
    s->identity = get32(option + 8);
    memcpy(s->tail, option + 12, 8);
}

/* A segment from its network header on. */
static void segment_read(const uint8_t *ip, size_t len)
{
    bool v6 = ip[0] >> 4 == 6;
    const uint8_t *tcp = ip + (v6 ? 40 : (ip[0] & 15) * 4), *at, *end;
    struct option_seen *s = &seen[n_seen];

    if ((v6 ? ip[6] : ip[9]) != IPPROTO_TCP || n_seen == SEEN_MAX)
        return;
    end = tcp + (tcp[12] >> 4) * 4;
    assert_true(end <= ip + len);
    *s = (struct option_seen){.flags = tcp[13],
                              .seq = get32(tcp + 4),
                              .ack = get32(tcp + 8),
                              .to_port = (uint16_t)(tcp[2] << 8 | tcp[3]),
                              .payload = (uint16_t)(ip + len - end)};
    for (at = tcp + 20; at < end && *at;) {
        if (*at == 254)
            option_read(at, s);
        at += *at == 1 ? 1 : at[1];
    }
    n_seen++;
}

static int capture_open(void)
{
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK, htons(ETH_P_ALL));

    assert_true(fd >= 0);
    return fd;
}

static void capture_read(int fd)
{
    struct sockaddr_ll from;
    socklen_t len = sizeof(from);
    uint8_t bytes[4096];
    ssize_t got;

    n_seen = 0;
    while ((got = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len)) > 0)
        if (from.sll_pkttype != PACKET_OUTGOING) /* loopback shows each twice */
            segment_read(bytes, (size_t)got);
    close(fd);
}

static const struct option_seen *packet_with(uint8_t flags)
{
    for (size_t i = 0; i < n_seen; i++)
        if ((seen[i].flags & 0x17) == flags)
            return &seen[i];
    fail_msg("no packet with flags %02x", flags);
    return NULL;
}

static void handshake_check(int family, uint32_t opener, uint32_t answerer)
{
    const struct option_seen *syn = packet_with(0x02), *synack = packet_with(0x12),
                             *ack = packet_with(0x10);
    struct wire_transcript t = {.isn_a = syn->seq,
                                .isn_b = synack->seq,
                                .enforcer_a = FIXTURE_ENFORCER,
                                .identity_a = opener,
                                .enforcer_b = FIXTURE_ENFORCER,
                                .identity_b = answerer};
    static const uint8_t hello[8] = {1};
    uint8_t public[32], key[16];
    uint64_t mac;

    assert_int_equal(wire_public_key(fixture.private_key, public), 0);
    assert_int_equal(
        wire_pair_key(fixture.private_key, FIXTURE_ENFORCER, 0, public, FIXTURE_ENFORCER, 0, key),
        0);
    assert_true(family == AF_INET || family == AF_INET6);
    assert_true(syn->present && synack->present && ack->present);
    assert_int_equal(syn->enforcer, FIXTURE_ENFORCER);
    assert_int_equal(syn->identity, opener);
    assert_memory_equal(syn->tail, hello, sizeof(hello));
    assert_int_equal(synack->ack, syn->seq + 1);
    assert_int_equal(synack->identity, answerer);
    mac = htole64(wire_mac(key, WIRE_ROLE_B, &t));
    assert_memory_equal(synack->tail, &mac, sizeof(mac));
    assert_int_equal(ack->seq, syn->seq + 1);
    assert_int_equal(ack->identity, opener);
    mac = htole64(wire_mac(key, WIRE_ROLE_A, &t));
    assert_memory_equal(ack->tail, &mac, sizeof(mac));
}

#define ALLOW_ALL                                                                                  \
    "APIVersion: 1\ndata:\n  namespaces:\n"                                                        \
    "    - {name: /t, defaultPUIncomingTrafficAction: Allow, defaultPUOutgoingTrafficAction: "     \
    "Allow}\n"

static void check_family(int family)
{
    int fd = capture_open();
    size_t i, after = 0;

    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, family, PORT), 0);
    usleep(50000);
    capture_read(fd);
    handshake_check(family, fixture.identities[FIXTURE_WEB], fixture.identities[FIXTURE_DB]);
    /* the answerer says it once; the opener until it is answered: then no packet carries it */
    for (i = 0; i < n_seen; i++) {
        if (seen[i].to_port != PORT)
            assert_true(!seen[i].present || (seen[i].flags & 0x02));
        if (seen[i].to_port != PORT && seen[i].payload)
            after = i;
    }
    assert_true(after > 0);
    for (i = after + 1; i < n_seen; i++)
        assert_false(seen[i].present);
}

static void test_handshake_v4(void **state)
{
    (void)state;
    check_family(AF_INET);
}

static void test_handshake_v6(void **state)
{
    (void)state;
    check_family(AF_INET6);
}

/* SYN cookies keep no state: the proof in the third packet is checked all the same. */
static void test_handshake_with_cookies(void **state)
{
    FILE *f = fopen("/proc/sys/net/ipv4/tcp_syncookies", "we");
    uint64_t before = fixture_counter(&fixture, "identity_ack_verified");

    (void)state;
    assert_non_null(f);
    fputs("2", f); /* always */
    assert_int_equal(fclose(f), 0);
    check_family(AF_INET);
    check_family(AF_INET6);
    assert_int_equal(fixture_counter(&fixture, "identity_ack_verified"), before + 2);
    assert_int_equal(fixture_counter(&fixture, "mac_mismatch"), 0);
}

static int setup(void **state)
{
    (void)state;
    return fixture_setup(&fixture) || fixture_open(&fixture, NULL) ||
           fixture_policy(&fixture, ALLOW_ALL);
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
        cmocka_unit_test(test_handshake_v4),
        cmocka_unit_test(test_handshake_v6),
        cmocka_unit_test(test_handshake_with_cookies),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
