/* SPDX-License-Identifier: Apache-2.0 */

/* The datapath on real sockets over loopback, without the daemon. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "fixture.h"

#define PORT 5432
#define OTHER_PORT 22

static struct fixture fixture;

struct endpoint {
    int family;
    uint16_t port;
    int ready[2]; /* pipe: the server listens */
    int hold[2];  /* pipe: the client may go on */
};

static socklen_t address_fill(const struct endpoint *e, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->ss_family = (sa_family_t)e->family;
    if (e->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;

        in->sin_port = htons(e->port);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

    in6->sin6_port = htons(e->port);
    in6->sin6_addr = in6addr_loopback;
    return sizeof(*in6);
}

/* Echo until the peer goes; exit code 0 or the errno of the connection. */
static int server(void *argument)
{
    struct endpoint *e = argument;
    struct sockaddr_storage address;
    socklen_t len = address_fill(e, &address);
    int fd = socket(e->family, SOCK_STREAM, 0), one = 1, connection;
    char byte;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 8) < 0)
        return 253;
    if (write(e->ready[1], "r", 1) != 1)
        return 252;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 4000) != 1)
        return ETIMEDOUT;
    connection = accept(fd, NULL, NULL);
    while (read(connection, &byte, 1) == 1)
        if (write(connection, &byte, 1) != 1)
            return errno;
    return 0;
}

static int connect_within(int fd, const struct sockaddr_storage *address, socklen_t len, int ms)
{
    struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return connect(fd, (const struct sockaddr *)address, len) < 0 ? errno : 0;
}

/* Connect, one byte there and back; exit code 0 or the errno. */
static int client(void *argument)
{
    struct endpoint *e = argument;
    struct sockaddr_storage address;
    socklen_t len = address_fill(e, &address);
    int fd = socket(e->family, SOCK_STREAM, 0), r;
    char byte = 'x';

    r = connect_within(fd, &address, len, 2500);
    if (r)
        return r;
    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
        return errno ? errno : EPIPE;
    if (e->hold[0] < 0)
        return 0;
    /* hold the connection until told, then use it again */
    if (write(e->ready[1], "c", 1) != 1 || read(e->hold[0], &byte, 1) != 1)
        return 251;
    errno = 0;
    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
        return errno ? errno : EPIPE;
    return 0;
}

static void expect_byte(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
}

static size_t flows_seen[3]; /* by action */

static void note_flow(const struct datapath_flow *flow, void *context)
{
    (void)context;
    flows_seen[flow->action]++;
}

/* From one unit to a server in another; the client's exit code. */
static int connection(int from, int to, int family, uint16_t port)
{
    struct endpoint e = {.family = family, .port = port, .hold = {-1, -1}};
    pid_t pid, c;
    int r, status = 0;

    assert_int_equal(pipe(e.ready), 0);
    pid = fixture_fork(&fixture, to, server, &e);
    expect_byte(e.ready[0]);
    c = fixture_fork(&fixture, from, client, &e);
    /* late rejects are closed by whoever drains the events */
    while (waitpid(c, &status, WNOHANG) == 0) {
        if (fixture.datapath)
            datapath_events(fixture.datapath, note_flow, NULL);
        usleep(2000);
    }
    r = WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
    kill(pid, 9);
    fixture_wait(pid);
    close(e.ready[0]);
    close(e.ready[1]);
    return r;
}

#define REJECT_ALL                                                                                 \
    "APIVersion: 1\ndata:\n  namespaces:\n"                                                        \
    "    - {name: /t, defaultPUIncomingTrafficAction: Reject, defaultPUOutgoingTrafficAction: "    \
    "Reject}\n"
#define ALLOW_ALL                                                                                  \
    "APIVersion: 1\ndata:\n  namespaces:\n"                                                        \
    "    - {name: /t, defaultPUIncomingTrafficAction: Allow, defaultPUOutgoingTrafficAction: "     \
    "Allow}\n"
#define WEB_TO_DB                                                                                  \
    REJECT_ALL "  networkrulesetpolicies:\n"                                                       \
               "    - name: web-to-db\n      namespace: /t\n      subject: [['app=web']]\n"        \
               "      outgoingRules: [{action: Allow, object: [['app=db']], protocolPorts: "       \
               "[tcp/5432]}]\n"                                                                    \
               "    - name: db-from-web\n      namespace: /t\n      subject: [['app=db']]\n"       \
               "      incomingRules: [{action: Allow, object: [['app=web']], protocolPorts: "      \
               "[tcp/5432]}]\n"

#define HOST_FROM_WEB                                                                              \
    "    - name: host-from-web\n      namespace: /t\n      subject: [['app=host']]\n"              \
    "      incomingRules: [{action: Allow, object: [['app=web']], protocolPorts: [any]}]\n"

static void test_fresh_lets_everything_through(void **state)
{
    (void)state;
    assert_false(fixture.adopted);
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
}

static void test_identity_admits_both_families(void **state)
{
    uint64_t before = fixture_counter(&fixture, "identity_ack_verified");

    (void)state;
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    int r = connection(FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT);
    if (r)
        fixture_dump(&fixture);
    assert_int_equal(r, 0);
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_DB, AF_INET6, PORT), 0);
    assert_int_equal(fixture_counter(&fixture, "identity_ack_verified"), before + 2);
    assert_int_equal(fixture_counter(&fixture, "mac_mismatch"), 0);
}

static void test_certain_reject_is_eperm(void **state)
{
    (void)state;
    /* nobody listens: no proof could save it */
    struct endpoint nobody = {.family = AF_INET, .port = OTHER_PORT, .hold = {-1, -1}};
    assert_int_equal(fixture_run(&fixture, FIXTURE_WEB, client, &nobody), EPERM);
    nobody.family = AF_INET6;
    assert_int_equal(fixture_run(&fixture, FIXTURE_DB, client, &nobody), EPERM);
    assert_int_equal(fixture_run(&fixture, FIXTURE_HOST, client, &nobody), EPERM);
}

static void test_wrong_port_or_unit(void **state)
{
    (void)state;
    /* a local listener might be of the same PU, but is not */
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_DB, AF_INET, OTHER_PORT), EPERM);
    assert_int_equal(connection(FIXTURE_DB, FIXTURE_WEB, AF_INET6, PORT), EPERM);
    assert_int_equal(connection(FIXTURE_HOST, FIXTURE_DB, AF_INET, PORT), EPERM);
}

static void test_same_unit_needs_no_rule(void **state)
{
    (void)state;
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_WEB, AF_INET, OTHER_PORT), 0);
    assert_int_equal(connection(FIXTURE_DB, FIXTURE_DB, AF_INET6, OTHER_PORT), 0);
}

static void test_wrong_peer_is_cut_after_its_proof(void **state)
{
    (void)state;
    /* port 5432 could be db, so the SYN goes out; the host's side drops it in silence */
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_HOST, AF_INET, PORT), EINPROGRESS);
    /* the host lets it in, but proves to be somebody that web must not talk to */
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB HOST_FROM_WEB), 0);
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_HOST, AF_INET, PORT), ECONNABORTED);
}

static void test_flows_are_reported(void **state)
{
    (void)state;
    assert_true(flows_seen[MODEL_ACTION_ALLOW] >= 4);
    assert_true(flows_seen[MODEL_ACTION_REJECT] >= 3);
}

static void test_policy_change_cuts_only_the_rejected(void **state)
{
    struct endpoint e = {.family = AF_INET, .port = PORT};
    pid_t s, c;
    size_t destroyed = 0;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    assert_int_equal(pipe(e.ready), 0);
    assert_int_equal(pipe(e.hold), 0);
    s = fixture_fork(&fixture, FIXTURE_DB, server, &e);
    expect_byte(e.ready[0]);
    c = fixture_fork(&fixture, FIXTURE_WEB, client, &e);
    expect_byte(e.ready[0]);
    /* the same rules again: nothing happens to it */
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    assert_int_equal(datapath_rejudge(fixture.datapath, &destroyed), 0);
    assert_int_equal(destroyed, 0);
    assert_int_equal(fixture_policy(&fixture, REJECT_ALL), 0);
    assert_int_equal(datapath_rejudge(fixture.datapath, &destroyed), 0);
    assert_true(destroyed >= 1);
    assert_int_equal(write(e.hold[1], "g", 1), 1);
    int r = fixture_wait(c);
    assert_true(r == ECONNABORTED || r == ECONNRESET);
    kill(s, 9);
    fixture_wait(s);
}

static void test_adoption(void **state)
{
    (void)state;
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    datapath_free(&fixture.datapath);
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_DB, AF_INET, OTHER_PORT), EPERM);
    policy_compiled_free(&fixture.before);
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_true(fixture.adopted);
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_DB, AF_INET, OTHER_PORT), EPERM);
    assert_int_equal(fixture_policy(&fixture, ALLOW_ALL), 0);
    assert_int_equal(connection(FIXTURE_WEB, FIXTURE_DB, AF_INET, OTHER_PORT), 0);
}

static void test_programs_are_attached(void **state)
{
    struct datapath_program *programs = NULL;
    size_t n = 0, i;

    (void)state;
    assert_int_equal(datapath_programs(fixture.datapath, &programs, &n), 0);
    assert_true(n >= 6);
    for (i = 0; i < n; i++)
        assert_true(programs[i].attached);
    free(programs);
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
        cmocka_unit_test(test_fresh_lets_everything_through),
        cmocka_unit_test(test_identity_admits_both_families),
        cmocka_unit_test(test_certain_reject_is_eperm),
        cmocka_unit_test(test_wrong_port_or_unit),
        cmocka_unit_test(test_same_unit_needs_no_rule),
        cmocka_unit_test(test_wrong_peer_is_cut_after_its_proof),
        cmocka_unit_test(test_flows_are_reported),
        cmocka_unit_test(test_policy_change_cuts_only_the_rejected),
        cmocka_unit_test(test_adoption),
        cmocka_unit_test(test_programs_are_attached),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
