/* SPDX-License-Identifier: Apache-2.0 */

/* Connections that are there when something changes: opened before, excluded, idle, silent, raced.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "bulkhead.skel.h"
#include "fixture.h"
#include "internal.h"
#include "packet.h"
#include "tcp.h"

#define PORT 5432

static struct fixture fixture;

#define NAMESPACE(in, out)                                                                         \
    "APIVersion: 1\ndata:\n  namespaces:\n"                                                        \
    "    - {name: /t, defaultPUIncomingTrafficAction: " in                                         \
    ", defaultPUOutgoingTrafficAction: " out "}\n"                                                 \
    "  externalnetworks:\n"                                                                        \
    "    - {name: lo, namespace: /t, associatedTags: ['net=lo'], entries: [127.0.0.0/8]}\n"
#define REJECT_ALL NAMESPACE("Reject", "Reject")
#define ALLOW_ALL NAMESPACE("Allow", "Allow")
#define RULES(rules)                                                                               \
    "  networkrulesetpolicies:\n"                                                                  \
    "    - name: all\n      namespace: /t\n      subject: [['$identity=processingunit']]\n" rules
#define REJECT_LO ALLOW_ALL RULES("      incomingRules: [{action: Reject, object: [['net=lo']]}]\n")

/* A connection that waits in the middle. */
struct held {
    struct tcp_endpoint e;
    pid_t server, client;
};

static void held_open(struct held *h, uint16_t port)
{
    memset(h, 0, sizeof(*h));
    h->e.family = AF_INET;
    h->e.port = port;
    assert_int_equal(pipe(h->e.ready) | pipe(h->e.hold), 0);
    h->server = fixture_fork(&fixture, FIXTURE_DB, tcp_server, &h->e);
    tcp_expect_byte(h->e.ready[0]);
    h->client = fixture_fork(&fixture, FIXTURE_WEB, tcp_client, &h->e);
    tcp_expect_byte(h->e.ready[0]);
}

/* Use it once more. @return the client's errno, 0 when it works */
static int held_finish(struct held *h)
{
    int r, i;

    assert_int_equal(write(h->e.hold[1], "g", 1), 1);
    r = fixture_wait(h->client);
    kill(h->server, SIGKILL);
    fixture_wait(h->server);
    for (i = 0; i < 2; i++) {
        close(h->e.ready[i]);
        close(h->e.hold[i]);
    }
    return r;
}

/* After each test: nothing is enforced. */
static int done(void **state)
{
    (void)state;
    if (fixture.datapath)
        datapath_detach(fixture.datapath);
    datapath_free(&fixture.datapath);
    return 0;
}

static void test_older_than_the_enforcer(void **state)
{
    struct held a, b, c;
    size_t destroyed = 9;

    (void)state;
    held_open(&a, PORT);
    held_open(&b, PORT + 1);
    held_open(&c, PORT + 2);
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_int_equal(fixture_policy(&fixture, REJECT_ALL), 0);
    assert_int_equal(datapath_rejudge(fixture.datapath, &destroyed), 0);
    assert_int_equal(destroyed, 0);
    assert_int_equal(held_finish(&a), 0);
    /* only a rule cuts it: at its next packet, or when idle by rejudge */
    assert_int_equal(fixture_policy(&fixture, REJECT_LO), 0);
    assert_int_not_equal(held_finish(&b), 0);
    assert_int_equal(datapath_rejudge(fixture.datapath, &destroyed), 0);
    assert_true(destroyed >= 1);
    int r = held_finish(&c);
    assert_true(r == ECONNABORTED || r == ECONNRESET);
}

static void test_excluded_is_left_alone(void **state)
{
    struct held a;
    size_t destroyed = 9;

    (void)state;
    assert_int_equal(fixture_open(&fixture, "127.0.0.0/8"), 0);
    assert_int_equal(fixture_policy(&fixture, ALLOW_ALL), 0);
    held_open(&a, PORT);
    assert_int_equal(fixture_policy(&fixture, REJECT_LO), 0);
    assert_int_equal(datapath_rejudge(fixture.datapath, &destroyed), 0);
    assert_int_equal(destroyed, 0);
    assert_int_equal(held_finish(&a), 0);
}

/* Another protocol than UDP over loopback: being on one host is not being one unit. */
static int raw_receive(void *argument)
{
    struct timeval patience = {.tv_sec = 1};
    int *ready = argument, fd = socket(AF_INET, SOCK_RAW, 253);
    char byte[64];

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (fd < 0 || write(ready[1], "r", 1) != 1)
        return 255;
    return recv(fd, byte, sizeof(byte), 0) > 0 ? 0 : errno;
}

static int raw_send(void *argument)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_RAW, 253);

    (void)argument;
    return sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1 ? 0 : errno;
}

static void test_other_protocols_on_loopback(void **state)
{
    int ready[2];
    pid_t pid;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_int_equal(fixture_policy(&fixture, REJECT_ALL), 0);
    assert_int_equal(pipe(ready), 0);
    pid = fixture_fork(&fixture, FIXTURE_DB, raw_receive, ready);
    tcp_expect_byte(ready[0]);
    assert_int_equal(fixture_run(&fixture, FIXTURE_WEB, raw_send, NULL), EPERM);
    assert_int_equal(fixture_wait(pid), EAGAIN);
}

#define RACES 3000

static int race_server(void *argument)
{
    struct tcp_endpoint *e = argument;
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(e->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), i;
    char byte;

    if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 128) < 0 ||
        write(e->ready[1], "r", 1) != 1)
        return 255;
    for (i = 0; i < RACES; i++) {
        int c = accept(fd, NULL, NULL);

        if (read(c, &byte, 1) != 1 || write(c, &byte, 1) != 1)
            return errno ? errno : EPIPE;
        close(c);
    }
    return 0;
}

static int race_client(void *argument)
{
    struct tcp_endpoint *e = argument;
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(e->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger hard = {.l_onoff = 1};
    struct timeval patience = {.tv_sec = 3};
    struct pollfd p = {.events = POLLOUT};
    int i;
    char byte = 'x';

    for (i = 0; i < RACES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        cpu_set_t cpu;

        /* the handshake runs on one CPU, the data is sent from the other at once */
        CPU_ZERO(&cpu);
        CPU_SET(i % 2, &cpu);
        sched_setaffinity(0, sizeof(cpu), &cpu);
        if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0 && errno != EINPROGRESS)
            return errno;
        CPU_ZERO(&cpu);
        CPU_SET(1 - i % 2, &cpu);
        sched_setaffinity(0, sizeof(cpu), &cpu);
        p.fd = fd;
        if (poll(&p, 1, 3000) != 1)
            return ETIMEDOUT;
        fcntl(fd, F_SETFL, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        errno = 0;
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            return errno ? errno : EPIPE;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        close(fd);
    }
    return 0;
}

#define WEB_TO_DB                                                                                  \
    REJECT_ALL "  networkrulesetpolicies:\n"                                                       \
               "    - name: web-to-db\n      namespace: /t\n      subject: [['app=web']]\n"        \
               "      outgoingRules: [{action: Allow, object: [['app=db']]}]\n"                    \
               "    - name: db-from-web\n      namespace: /t\n      subject: [['app=db']]\n"       \
               "      incomingRules: [{action: Allow, object: [['app=web']]}]\n"

/* Data that comes while its connection is still being made on another CPU. */
static void test_data_races_the_handshake(void **state)
{
    struct tcp_endpoint e = {.family = AF_INET, .port = PORT, .hold = {-1, -1}};
    uint64_t before;
    pid_t s, c;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    before = fixture_counter(&fixture, "connections_rejected");
    assert_int_equal(pipe(e.ready), 0);
    s = fixture_fork(&fixture, FIXTURE_DB, race_server, &e);
    tcp_expect_byte(e.ready[0]);
    c = fixture_fork(&fixture, FIXTURE_WEB, race_client, &e);
    assert_int_equal(fixture_wait(c), 0);
    kill(s, SIGKILL);
    fixture_wait(s);
    assert_int_equal(fixture_counter(&fixture, "connections_rejected"), before);
    assert_int_equal(fixture_counter(&fixture, "mac_mismatch"), 0);
}

/* An element of the table of keys that has become another peer's proves nothing. */
static void test_keys_of_another_peer(void **state)
{
    struct abi_peer_keys keys;
    uint32_t id = FIXTURE_ENFORCER;
    uint64_t before;
    int fd;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
    fd = bpf_map__fd(fixture.datapath->skeleton->maps.peer_keys);
    assert_int_equal(bpf_map_lookup_elem(fd, &id, &keys), 0);
    assert_int_equal(keys.owner, FIXTURE_ENFORCER);
    before = fixture_counter(&fixture, "epoch");
    keys.owner++;
    assert_int_equal(bpf_map_update_elem(fd, &id, &keys, BPF_ANY), 0);
    assert_int_not_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
    assert_true(fixture_counter(&fixture, "epoch") > before);
    keys.owner--;
    assert_int_equal(bpf_map_update_elem(fd, &id, &keys, BPF_ANY), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
}

static int connect_slowly(void *argument)
{
    struct tcp_endpoint *e = argument;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(e->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                       from = {.sin_family = AF_INET,
                               .sin_port = htons(40001),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), problem = 0;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof(problem);

    if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno != EINPROGRESS)
        return errno;
    if (write(e->ready[1], "c", 1) != 1)
        return 250;
    poll(&p, 1, 700);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len);
    return problem;
}

/* Anybody can send a SYN-ACK; only one that acknowledges our SYN says anything about the
 * connection. */
static void test_forged_answer(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct tcp_endpoint e = {.family = AF_INET, .port = PORT, .hold = {-1, -1}};
    struct packet p;
    pid_t s, c;
    int raw, i;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    /* the host's side drops the SYN in silence */
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    assert_int_equal(pipe(e.ready), 0);
    s = fixture_fork(&fixture, FIXTURE_HOST, tcp_server, &e);
    tcp_expect_byte(e.ready[0]);
    c = fixture_fork(&fixture, FIXTURE_WEB, connect_slowly, &e);
    tcp_expect_byte(e.ready[0]);
    raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    packet_begin(&p, "127.0.0.1", "127.0.0.1");
    packet_tcp(&p, PORT, 40001, TCP_FLAG_SYN | TCP_FLAG_ACK, 1);
    packet_tcp_checksum(&p);
    for (i = 0; i < 50; i++) {
        assert_true(sendto(raw, p.bytes + PACKET_LINK, p.len - PACKET_LINK, 0,
                           (struct sockaddr *)&to, sizeof(to)) > 0);
        fixture_events(&fixture);
        usleep(2000);
    }
    close(raw);
    assert_int_equal(fixture_wait(c), 0);
    kill(s, SIGKILL);
    fixture_wait(s);
}

static void ignore_socket(const struct datapath_socket *socket, void *context)
{
    (void)socket;
    (void)context;
}

static int in_namespace(void *argument)
{
    int *ready = argument;
    char byte;

    if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "r", 1) != 1)
        return 255;
    return read(ready[2], &byte, 1) == 1 ? 0 : 254;
}

/* A network namespace must be able to go when its last process does. */
static void test_namespaces_are_let_go(void **state)
{
    int up[2], down[2], ends[3];
    pid_t pid;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_int_equal(fixture_policy(&fixture, ALLOW_ALL), 0);
    fixture_drain(&fixture); /* looks for old listeners, once */
    usleep(1100000);
    assert_int_equal(pipe(up) | pipe(down), 0);
    ends[1] = up[1];
    ends[2] = down[0];
    pid = fixture_fork(&fixture, FIXTURE_WEB, in_namespace, ends);
    tcp_expect_byte(up[0]);
    assert_int_equal(datapath_sockets(fixture.datapath, ignore_socket, NULL), 0);
    assert_int_equal(fixture.datapath->n_netns, 2);
    assert_int_equal(write(down[1], "x", 1), 1);
    assert_int_equal(fixture_wait(pid), 0);
    usleep(1100000);
    fixture_drain(&fixture);
    assert_int_equal(fixture.datapath->n_netns, 0);
}

/* Who a unit is changes with its policy, not before: the bank in force has the last one. */
static void test_identity_is_banked(void **state)
{
    uint32_t before = fixture.identities[FIXTURE_WEB], unit = FIXTURE_WEB, bank;
    struct abi_pu pu;

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_int_equal(fixture_policy(&fixture, ALLOW_ALL), 0);
    fixture.identities[FIXTURE_WEB] = before + 1;
    assert_int_equal(fixture_policy(&fixture, ALLOW_ALL), 0);
    fixture.identities[FIXTURE_WEB] = before;
    bank = fixture.datapath->control.bank;
    assert_int_equal(
        bpf_map_lookup_elem(bpf_map__fd(fixture.datapath->skeleton->maps.pus), &unit, &pu), 0);
    assert_int_equal(pu.identity[bank], before + 1);
    assert_int_equal(pu.identity[bank ^ 1], before);
}

/* A start that fails must not end the enforcement of an earlier run, whose layout it cannot adopt.
 */
static int open_with_few_descriptors(void *argument)
{
    struct fixture *f = argument;
    rlim_t next = (rlim_t)open("/dev/null", O_RDONLY);
    struct rlimit few = {next + 6, next + 6};

    setrlimit(RLIMIT_NOFILE, &few);
    f->datapath = NULL; /* the parent's */
    _exit(fixture_open(f, NULL) < 0 ? 0 : 1);
}

static void test_a_failed_start_changes_nothing(void **state)
{
    char path[PATH_BYTES * 2], away[PATH_BYTES * 2];

    (void)state;
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_int_equal(fixture_policy(&fixture, REJECT_ALL), 0);
    assert_int_not_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
    snprintf(path, sizeof(path), "%s/maps-v%u", fixture.datapath->pin_dir, ABI_VERSION);
    snprintf(away, sizeof(away), "%s/maps-v999", fixture.datapath->pin_dir);
    datapath_free(&fixture.datapath);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(fixture_run(&fixture, FIXTURE_HOST, open_with_few_descriptors, &fixture), 0);
    assert_int_not_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
    rmdir(path);
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_true(fixture.adopted);
}

static int setup(void **state)
{
    (void)state;
    return fixture_setup(&fixture);
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
        cmocka_unit_test_teardown(test_older_than_the_enforcer, done),
        cmocka_unit_test_teardown(test_excluded_is_left_alone, done),
        cmocka_unit_test_teardown(test_other_protocols_on_loopback, done),
        cmocka_unit_test_teardown(test_data_races_the_handshake, done),
        cmocka_unit_test_teardown(test_keys_of_another_peer, done),
        cmocka_unit_test_teardown(test_forged_answer, done),
        cmocka_unit_test_teardown(test_namespaces_are_let_go, done),
        cmocka_unit_test_teardown(test_identity_is_banked, done),
        cmocka_unit_test_teardown(test_a_failed_start_changes_nothing, done),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
