/* SPDX-License-Identifier: Apache-2.0 */

/* rejectMode: reset. The packets byte by byte, then real sockets over loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "internal.h"
#include "tcp.h"

#define PORT 5432
#define FLOOD 5000

#define NAMESPACE(in, mode)                                                                        \
    "APIVersion: 1\ndata:\n  namespaces:\n    - {name: /t, defaultPUIncomingTrafficAction: " in    \
    ", defaultPUOutgoingTrafficAction: Allow, rejectMode: " mode "}\n"
#define RESET NAMESPACE("Reject", "reset")
#define SILENT NAMESPACE("Reject", "drop")

static struct fixture fixture;
static const int families[] = {AF_INET, AF_INET6};

/* ---- What is sent --------------------------------------------------------------------------- */

static uint16_t folded(const uint8_t *data, size_t len, uint32_t sum)
{
    size_t i;

    for (i = 0; i < len; i++)
        sum += (uint32_t)data[i] << (i & 1 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static struct abi_event event_of(const char *local, const char *remote, uint8_t protocol)
{
    struct abi_event event = {.local_port = 80, .remote_port = 40000};
    struct ip_addr addr;

    event.flow.protocol = protocol;
    assert_int_equal(ip_addr_parse(local, &addr), 0);
    memcpy(event.flow.local, addr.bytes, 16);
    assert_int_equal(ip_addr_parse(remote, &addr), 0);
    memcpy(event.flow.remote, addr.bytes, 16);
    return event;
}

static void test_rst_answers_syn_and_ack(void **state)
{
    struct abi_event event = event_of("10.0.0.1", "10.0.0.2", IPPROTO_TCP);
    uint8_t p[RESET_BYTES_MAX];
    /* 10.0.0.1:80 → 10.0.0.2:40000, seq 0, ack 0x01020304 + 1 + 5, RST|ACK */
    static const uint8_t syn[20] = {0, 80, 0x9c, 0x40, 0, 0, 0, 0, 1, 2, 3, 10, 0x50, 0x14, 0, 0};
    static const uint8_t ack[14] = {0, 80, 0x9c, 0x40, 9, 8, 7, 6, 0, 0, 0, 0, 0x50, 0x04};

    (void)state;
    event.tcp_flags = 0x02;
    event.seq = 0x01020304;
    event.payload = 5;
    assert_int_equal(reset_build(&event, p), 40);
    assert_memory_equal(p + 20, syn, 16);
    assert_memory_equal(p + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
    assert_int_equal(folded(p, 20, 0), 0xffff);
    assert_int_equal(folded(p + 20, 20, folded(p + 12, 8, 6 + 20)), 0xffff);
    event.tcp_flags = 0x10;
    event.ack = 0x09080706;
    assert_int_equal(reset_build(&event, p), 40);
    assert_memory_equal(p + 20, ack, sizeof(ack));
    event = event_of("fd00::1", "fd00::2", IPPROTO_TCP);
    event.tcp_flags = 0x02;
    assert_int_equal(reset_build(&event, p), 60);
    assert_int_equal(folded(p + 40, 20, folded(p + 8, 32, 6 + 20)), 0xffff);
}

static void test_icmp_quotes_the_datagram(void **state)
{
    struct abi_event event = event_of("10.0.0.1", "10.0.0.2", IPPROTO_UDP);
    uint8_t p[RESET_BYTES_MAX];

    (void)state;
    assert_int_equal(reset_build(&event, p), 20 + 8 + 28);
    assert_int_equal(p[20], 3);
    assert_int_equal(p[21], 13);
    assert_int_equal(folded(p + 20, 36, 0), 0xffff);
    assert_memory_equal(p + 28 + 12, "\x0a\0\0\2\x0a\0\0\1\x9c\x40\0\x50", 12);
    event = event_of("fd00::1", "fd00::2", IPPROTO_UDP);
    assert_int_equal(reset_build(&event, p), 40 + 8 + 48);
    assert_int_equal(p[40], 1);
    assert_int_equal(p[41], 1);
    assert_int_equal(folded(p + 40, 56, folded(p + 8, 32, 58 + 56)), 0xffff);
}

static void test_what_is_never_answered(void **state)
{
    static const struct {
        const char *local, *remote;
        uint8_t protocol, flags;
    } rows[] = {
        {"10.0.0.1", "10.0.0.2", IPPROTO_TCP, 0x04},
        {"10.0.0.1", "10.0.0.2", IPPROTO_ICMP, 0},
        {"224.0.0.1", "10.0.0.2", IPPROTO_UDP, 0},
        {"10.0.0.1", "255.255.255.255", IPPROTO_UDP, 0},
        {"10.0.0.1", "0.0.0.0", IPPROTO_TCP, 0x02},
        {"ff02::1", "fd00::2", IPPROTO_UDP, 0},
        {"fd00::1", "::", IPPROTO_TCP, 0x02},
        {"fd00::1", "ff02::1", IPPROTO_UDP, 0},
        {"fd00::1", "10.0.0.2", IPPROTO_UDP, 0},
    };
    uint8_t p[RESET_BYTES_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        struct abi_event event = event_of(rows[i].local, rows[i].remote, rows[i].protocol);

        event.tcp_flags = rows[i].flags;
        assert_int_equal(reset_build(&event, p), 0);
    }
}

static void test_bucket(void **state)
{
    struct resets r = {0};
    uint64_t now = 3600ULL * 1000000000ULL;
    unsigned n = 0;

    (void)state;
    while (resets_affordable(&r, now))
        n++;
    assert_int_equal(n, ABI_RESETS_MAX);
    assert_false(resets_affordable(&r, now + 999999));
    assert_true(resets_affordable(&r, now + 1000000));
    assert_false(resets_affordable(&r, now + 1999999));
}

/* ---- Sockets ----------------------------------------------------------------------------------
 */

/* Like fixture_fork(); FIXTURE_HOME is a process that no program sees. */
static pid_t start(int unit, int (*fn)(void *), void *argument)
{
    pid_t pid;

    if (unit != FIXTURE_HOME)
        return fixture_fork(&fixture, unit, fn, argument);
    pid = fork();
    if (pid == 0)
        _exit(fn(argument));
    return pid;
}

static int finish(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        fixture_events(&fixture);
        usleep(1000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static long elapsed_ms(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

static int run_pair(int from, int to, int (*server)(void *), int (*client)(void *), int family,
                    long *ret_ms)
{
    struct tcp_endpoint e = {.family = family, .port = PORT, .hold = {-1, -1}};
    struct timespec began;
    pid_t pid;
    int r;

    assert_int_equal(pipe(e.ready), 0);
    pid = start(to, server, &e);
    tcp_expect_byte(e.ready[0]);
    clock_gettime(CLOCK_MONOTONIC, &began);
    r = finish(start(from, client, &e));
    *ret_ms = elapsed_ms(&began);
    kill(pid, 9);
    fixture_wait(pid);
    close(e.ready[0]);
    close(e.ready[1]);
    return r;
}

static socklen_t loopback_of(const struct tcp_endpoint *e, struct sockaddr_in6 *ret)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(e->port)};

    memset(ret, 0, sizeof(*ret));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (e->family == AF_INET) {
        memcpy(ret, &in, sizeof(in));
        return sizeof(in);
    }
    ret->sin6_family = AF_INET6;
    ret->sin6_port = htons(e->port);
    ret->sin6_addr = in6addr_loopback;
    return sizeof(*ret);
}

static int udp_server(void *argument)
{
    struct tcp_endpoint *e = argument;
    struct sockaddr_in6 to;
    socklen_t len = loopback_of(e, &to);
    int fd = socket(e->family, SOCK_DGRAM, 0);

    if (bind(fd, (struct sockaddr *)&to, len) < 0 || write(e->ready[1], "r", 1) != 1)
        return 253;
    return (int)sleep(10);
}

/* One datagram over a connected socket; what the socket is told within half a second. */
static int udp_client(void *argument)
{
    struct tcp_endpoint *e = argument;
    struct sockaddr_in6 to;
    socklen_t len = loopback_of(e, &to);
    int fd = socket(e->family, SOCK_DGRAM, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte = 'x';

    if (connect(fd, (struct sockaddr *)&to, len) < 0 || send(fd, &byte, 1, 0) != 1)
        return 253;
    if (poll(&p, 1, 500) != 1)
        return ETIMEDOUT;
    return recv(fd, &byte, 1, 0) < 0 ? errno : 0;
}

static int udp_flood(void *argument)
{
    struct tcp_endpoint *e = argument;
    struct sockaddr_in6 to;
    socklen_t len = loopback_of(e, &to);
    int fd = socket(e->family, SOCK_DGRAM, 0), i;

    for (i = 0; i < FLOOD; i++)
        if (sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len) != 1)
            return errno;
    return 0;
}

/* By identity (web proves one) and by address (nobody's process has none). */
static void test_connect_is_refused_at_once(void **state)
{
    static const int senders[] = {FIXTURE_WEB, FIXTURE_HOME};
    uint64_t before = fixture_counter(&fixture, "resets_sent");
    size_t i, j;
    long ms = 0;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, RESET), 0);
    for (i = 0; i < ARRAY_SIZE(families); i++) {
        for (j = 0; j < ARRAY_SIZE(senders); j++) {
            assert_int_equal(
                run_pair(senders[j], FIXTURE_DB, tcp_server, tcp_client, families[i], &ms),
                ECONNREFUSED);
            assert_true(ms < 500);
        }
    }
    assert_int_equal(fixture_counter(&fixture, "resets_sent"), before + 4);
}

static void test_datagram_is_prohibited(void **state)
{
    static const int wanted[] = {EHOSTUNREACH, EACCES};
    size_t i;
    long ms = 0;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, RESET), 0);
    for (i = 0; i < ARRAY_SIZE(families); i++) {
        assert_int_equal(
            run_pair(FIXTURE_WEB, FIXTURE_DB, udp_server, udp_client, families[i], &ms), wanted[i]);
        assert_int_equal(
            run_pair(FIXTURE_HOME, FIXTURE_DB, udp_server, udp_client, families[i], &ms),
            wanted[i]);
    }
}

static void test_default_is_silent(void **state)
{
    uint64_t before = fixture_counter(&fixture, "resets_sent");
    long ms = 0;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, SILENT), 0);
    assert_int_equal(run_pair(FIXTURE_WEB, FIXTURE_DB, tcp_server, tcp_client, AF_INET, &ms),
                     EINPROGRESS);
    assert_int_equal(run_pair(FIXTURE_HOME, FIXTURE_DB, udp_server, udp_client, AF_INET6, &ms),
                     ETIMEDOUT);
    assert_int_equal(fixture_counter(&fixture, "resets_sent"), before);
}

static void test_allowed_is_not_reset(void **state)
{
    uint64_t before = fixture_counter(&fixture, "resets_sent");

    (void)state;
    assert_int_equal(fixture_policy(&fixture, NAMESPACE("Allow", "reset")), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
    assert_int_equal(fixture_counter(&fixture, "resets_sent"), before);
}

static void test_flood_is_bounded(void **state)
{
    uint64_t sent = fixture_counter(&fixture, "resets_sent");
    uint64_t suppressed = fixture_counter(&fixture, "resets_suppressed");
    uint64_t lost = fixture_counter(&fixture, "resets_lost"), all;
    struct timespec began;
    long ms = 0;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, RESET), 0);
    clock_gettime(CLOCK_MONOTONIC, &began);
    assert_int_equal(run_pair(FIXTURE_HOME, FIXTURE_DB, udp_server, udp_flood, AF_INET, &ms), 0);
    fixture_events(&fixture);
    sent = fixture_counter(&fixture, "resets_sent") - sent;
    suppressed = fixture_counter(&fixture, "resets_suppressed") - suppressed;
    lost = fixture_counter(&fixture, "resets_lost") - lost;
    all = sent + suppressed + lost;
    assert_int_equal(all, FLOOD);
    assert_true(sent > 0);
    assert_true(sent <= ABI_RESETS_MAX + (uint64_t)elapsed_ms(&began) + 1);
}

static int elsewhere(void *argument)
{
    struct tcp_endpoint e = {.family = AF_INET, .port = PORT, .hold = {-1, -1}};
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd, r;
    pid_t pid;

    (void)argument;
    if (unshare(CLONE_NEWNET) < 0 || pipe(e.ready) < 0)
        return 253;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
        return 252;
    pid = fork();
    if (pid == 0)
        _exit(tcp_server(&e));
    tcp_expect_byte(e.ready[0]);
    fixture_enter(&fixture, FIXTURE_HOME);
    r = tcp_client(&e);
    kill(pid, 9);
    waitpid(pid, NULL, 0);
    return r;
}

/* Same addresses and ports, another network namespace: nothing is sent in this one. */
static void test_other_namespace_is_left_alone(void **state)
{
    uint64_t sent = fixture_counter(&fixture, "resets_sent");
    uint64_t lost = fixture_counter(&fixture, "resets_lost");

    (void)state;
    assert_int_equal(fixture_policy(&fixture, RESET), 0);
    assert_int_equal(finish(fixture_fork(&fixture, FIXTURE_DB, elsewhere, NULL)), EINPROGRESS);
    assert_int_equal(fixture_counter(&fixture, "resets_sent"), sent);
    assert_true(fixture_counter(&fixture, "resets_lost") > lost);
}

/* After a restart the sockets are others: the programs know the new ones. */
static void test_after_adoption(void **state)
{
    long ms = 0;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, RESET), 0);
    datapath_free(&fixture.datapath);
    policy_compiled_free(&fixture.before);
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_true(fixture.adopted);
    assert_int_equal(run_pair(FIXTURE_HOME, FIXTURE_DB, tcp_server, tcp_client, AF_INET, &ms),
                     ECONNREFUSED);
}

static int setup(void **state)
{
    (void)state;
    return fixture_setup(&fixture) || fixture_open(&fixture, NULL);
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
        cmocka_unit_test(test_rst_answers_syn_and_ack),
        cmocka_unit_test(test_icmp_quotes_the_datagram),
        cmocka_unit_test(test_what_is_never_answered),
        cmocka_unit_test(test_bucket),
        cmocka_unit_test(test_connect_is_refused_at_once),
        cmocka_unit_test(test_datagram_is_prohibited),
        cmocka_unit_test(test_default_is_silent),
        cmocka_unit_test(test_allowed_is_not_reset),
        cmocka_unit_test(test_flood_is_bounded),
        cmocka_unit_test(test_other_namespace_is_left_alone),
        cmocka_unit_test(test_after_adoption),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
