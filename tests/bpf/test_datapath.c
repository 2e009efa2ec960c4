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
#include "tcp.h"

#define PORT 5432
#define OTHER_PORT 22

static struct fixture fixture;

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
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
}

static void test_identity_admits_both_families(void **state)
{
    uint64_t before = fixture_counter(&fixture, "identity_ack_verified");

    (void)state;
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    int r = tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT);
    if (r)
        fixture_dump(&fixture);
    assert_int_equal(r, 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET6, PORT), 0);
    assert_int_equal(fixture_counter(&fixture, "identity_ack_verified"), before + 2);
    assert_int_equal(fixture_counter(&fixture, "mac_mismatch"), 0);
}

static void test_certain_reject_is_eperm(void **state)
{
    (void)state;
    /* nobody listens: no proof could save it */
    struct tcp_endpoint nobody = {.family = AF_INET, .port = OTHER_PORT, .hold = {-1, -1}};
    assert_int_equal(fixture_run(&fixture, FIXTURE_WEB, tcp_client, &nobody), EPERM);
    nobody.family = AF_INET6;
    assert_int_equal(fixture_run(&fixture, FIXTURE_DB, tcp_client, &nobody), EPERM);
    assert_int_equal(fixture_run(&fixture, FIXTURE_HOST, tcp_client, &nobody), EPERM);
}

static void test_wrong_port_or_unit(void **state)
{
    (void)state;
    /* a local listener might be of the same PU, but is not */
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, OTHER_PORT), EPERM);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_DB, FIXTURE_WEB, AF_INET6, PORT), EPERM);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_HOST, FIXTURE_DB, AF_INET, PORT), EPERM);
}

static void test_same_unit_needs_no_rule(void **state)
{
    (void)state;
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_WEB, AF_INET, OTHER_PORT), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_DB, FIXTURE_DB, AF_INET6, OTHER_PORT), 0);
}

static void test_wrong_peer_is_cut_after_its_proof(void **state)
{
    (void)state;
    /* port 5432 could be db, so the SYN goes out; the host's side drops it in silence */
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_HOST, AF_INET, PORT),
                     EINPROGRESS);
    /* the host lets it in, but proves to be somebody that web must not talk to */
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB HOST_FROM_WEB), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_HOST, AF_INET, PORT),
                     ECONNABORTED);
}

static void test_flows_are_reported(void **state)
{
    (void)state;
    assert_true(tcp_flows_seen[MODEL_ACTION_ALLOW] >= 4);
    assert_true(tcp_flows_seen[MODEL_ACTION_REJECT] >= 3);
}

static void test_policy_change_cuts_only_the_rejected(void **state)
{
    struct tcp_endpoint e = {.family = AF_INET, .port = PORT};
    pid_t s, c;
    size_t destroyed = 0;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, WEB_TO_DB), 0);
    assert_int_equal(pipe(e.ready), 0);
    assert_int_equal(pipe(e.hold), 0);
    s = fixture_fork(&fixture, FIXTURE_DB, tcp_server, &e);
    tcp_expect_byte(e.ready[0]);
    c = fixture_fork(&fixture, FIXTURE_WEB, tcp_client, &e);
    tcp_expect_byte(e.ready[0]);
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
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, PORT), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, OTHER_PORT), EPERM);
    policy_compiled_free(&fixture.before);
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_true(fixture.adopted);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, OTHER_PORT), EPERM);
    assert_int_equal(fixture_policy(&fixture, ALLOW_ALL), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, OTHER_PORT), 0);
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
