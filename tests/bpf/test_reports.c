/* SPDX-License-Identifier: Apache-2.0 */

/* What is told, how often, and what happens when there is no room; what is left after detaching. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

#define ME "172.31.0.1"
#define REMOTE "192.0.2.1"

static struct fixture fixture;

#define DEFAULTS(action)                                                                           \
    "APIVersion: 1\ndata:\n  namespaces:\n"                                                        \
    "    - {name: /t, defaultPUIncomingTrafficAction: " action                                     \
    ", defaultPUOutgoingTrafficAction: " action "}\n"

static void udp_out(struct fixture *f, uint16_t port, int expected)
{
    struct packet p;

    packet_begin(&p, ME, REMOTE);
    packet_udp(&p, 40000, port);
    assert_int_equal(fixture_program_run(f, "bulkhead_egress", p.bytes, p.len), expected);
}

static void begin(void)
{
    fixture_enter(&fixture, FIXTURE_HOME);
    assert_int_equal(fixture_policy(&fixture, DEFAULTS("Reject")), 0);
    fixture_enter(&fixture, FIXTURE_WEB);
    fixture_flows_forget(&fixture);
}

static void test_first_at_once_then_counted(void **state)
{
    int i;

    (void)state;
    begin();
    for (i = 0; i < 10; i++)
        udp_out(&fixture, 53, 0);
    udp_out(&fixture, 54, 0);
    fixture_events(&fixture);
    assert_int_equal(fixture_flows_n, 2);
    for (i = 0; i < 2; i++) {
        assert_true(fixture_flows[i].first);
        assert_int_equal(fixture_flows[i].count, 1);
        assert_int_equal(fixture_flows[i].port, 53 + i);
        assert_int_equal(fixture_flows[i].reason, ABI_REASON_POLICY);
    }
    fixture_drain(&fixture);
    assert_int_equal(fixture_flows_n, 3); /* nothing more to say of the second */
    assert_false(fixture_flows[2].first);
    assert_int_equal(fixture_flows[2].count, 9);
    assert_int_equal(fixture_entries(&fixture, "reports"), 0);
    fixture_drain(&fixture);
    assert_int_equal(fixture_flows_n, 3);
}

static uint64_t told(void)
{
    uint64_t n = 0;

    for (size_t i = 0; i < fixture_flows_n; i++)
        n += fixture_flows[i].count;
    return n;
}

/* Nobody reads the ring: what it had no room for is in the table, whole. */
static void test_ring_full(void **state)
{
    unsigned kinds = ABI_EVENTS_BYTES / sizeof(struct abi_event) + 100, i, events;

    (void)state;
    begin();
    for (i = 0; i < kinds; i++)
        udp_out(&fixture, (uint16_t)(1 + i), 0);
    udp_out(&fixture, (uint16_t)kinds, 0);
    assert_int_equal(fixture_counter(&fixture, "events_lost"), 0);
    assert_int_equal(fixture_entries(&fixture, "reports"), kinds);
    assert_int_equal(datapath_events(fixture.datapath, NULL, NULL), 0);
    events = (unsigned)fixture_counter(&fixture, "events_sent");
    fixture_flows_n = 0;
    fixture_drain(&fixture);
    assert_true(fixture_flows_n > 50 && fixture_flows_n < 2000);
    assert_int_equal(told(), fixture_flows_n + 1); /* the last one twice */
    assert_true(events > 0);
}

/* The table is full: told by the ring; both full: counted as lost. */
static void test_table_full(void **state)
{
    static struct abi_report_key keys[ABI_REPORTS_MAX];
    static struct abi_report values[ABI_REPORTS_MAX];
    __u32 n = ABI_REPORTS_MAX;
    uint64_t full, i;

    (void)state;
    begin();
    for (i = 0; i < n; i++)
        keys[i].rule = (uint32_t)i;
    assert_int_equal(bpf_map_update_batch(bpf_map__fd(fixture.datapath->skeleton->maps.reports),
                                          keys, values, &n, NULL),
                     0);
    full = fixture_counter(&fixture, "reports_full");
    udp_out(&fixture, 53, 0);
    assert_int_equal(fixture_counter(&fixture, "reports_full"), full + 1);
    fixture_events(&fixture);
    assert_int_equal(fixture_flows_n, 1);
    assert_int_equal(fixture_flows[0].port, 53);
    assert_int_equal(fixture_counter(&fixture, "events_lost"), 0);
    for (i = 0; i < ABI_EVENTS_BYTES / sizeof(struct abi_event) + 100; i++)
        udp_out(&fixture, 53, 0);
    assert_in_range(fixture_counter(&fixture, "events_lost"), 100, 2000);
    fixture_empty(&fixture, "reports");
}

/* A kernel thread may be what ends a connection: both ends within five seconds. */
static void wait_for_bytes(uint64_t bytes)
{
    uint64_t n = 0;

    for (int turn = 0; n < bytes && turn < 500; turn++) {
        usleep(10000);
        fixture_drain(&fixture);
        n = 0;
        for (size_t i = 0; i < fixture_flows_n; i++)
            n += fixture_flows[i].bytes_in + fixture_flows[i].bytes_out;
    }
}

static void test_bytes_at_the_end(void **state)
{
    uint64_t in = 0, out = 0;

    (void)state;
    fixture_enter(&fixture, FIXTURE_HOME);
    assert_int_equal(fixture_policy(&fixture, DEFAULTS("Allow")), 0);
    fixture_flows_forget(&fixture);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5432), 0);
    wait_for_bytes(4);
    for (size_t i = 0; i < fixture_flows_n; i++) {
        assert_int_equal(fixture_flows[i].count, 0);
        assert_int_equal(fixture_flows[i].port, 5432);
        in += fixture_flows[i].bytes_in;
        out += fixture_flows[i].bytes_out;
    }
    /* one byte each way at each end; SYN and FIN are none */
    assert_int_equal(in, 2);
    assert_int_equal(out, 2);
}

static unsigned filter_program(const char *interface, enum bpf_tc_attach_point point)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(interface),
                        .attach_point = point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 0xb1c4, .priority = 0xb1c);

    return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

static unsigned own_program(void)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    assert_int_equal(
        bpf_obj_get_info_by_fd(
            bpf_program__fd(fixture.datapath->skeleton->progs.bulkhead_tc_ingress), &info, &len),
        0);
    return info.id;
}

/* Interfaces come: they get the programs; after a restart, those of this run. */
static void test_interfaces(void **state)
{
    (void)state;
    fixture_enter(&fixture, FIXTURE_HOME);
    assert_int_equal(system("ip link add bh0 type veth peer name bh1"), 0);
    assert_int_equal(filter_program("bh0", BPF_TC_INGRESS), 0);
    assert_int_equal(datapath_interfaces_sync(fixture.datapath), 0);
    assert_int_equal(filter_program("bh0", BPF_TC_INGRESS), own_program());
    assert_int_not_equal(filter_program("bh0", BPF_TC_EGRESS), 0);
    assert_int_equal(filter_program("lo", BPF_TC_INGRESS), 0);
    datapath_free(&fixture.datapath);
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_true(fixture.adopted);
    assert_int_equal(filter_program("bh0", BPF_TC_INGRESS), own_program());
    assert_int_equal(fixture_policy(&fixture, DEFAULTS("Reject")), 0);
}

/* A second one below the first: another subtree, another policy; both count. */
static void test_two_at_once(void **state)
{
    static struct fixture other;

    (void)state;
    fixture_enter(&fixture, FIXTURE_HOME);
    assert_int_equal(fixture_policy(&fixture, DEFAULTS("Allow")), 0);
    assert_int_equal(fixture_setup_at(&other, "-other"), 0);
    assert_int_equal(fixture_open(&other, NULL), 0);
    assert_false(other.adopted);
    assert_int_equal(fixture_policy(&other, DEFAULTS("Reject")), 0);
    assert_int_not_equal(tcp_connection(&other, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5434), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5434), 0);
    fixture_teardown(&other);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5434), 0);
    assert_int_equal(fixture_policy(&fixture, DEFAULTS("Reject")), 0);
    assert_int_not_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5434), 0);
}

static void test_nothing_is_left(void **state)
{
    char path[PATH_BYTES];
    unsigned id = own_program();
    int fd;

    (void)state;
    fixture_enter(&fixture, FIXTURE_HOME);
    snprintf(path, sizeof(path), "%s", fixture.datapath->pin_dir);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5433) == 0, 0);
    assert_int_equal(datapath_detach(fixture.datapath), 0);
    datapath_free(&fixture.datapath);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(filter_program("bh0", BPF_TC_INGRESS), 0);
    assert_int_equal(filter_program("bh0", BPF_TC_EGRESS), 0);
    fd = bpf_prog_get_fd_by_id(id);
    for (int turn = 0; fd >= 0 && turn < 500; turn++) {
        usleep(10000);
        close(fd);
        fd = bpf_prog_get_fd_by_id(id);
    }
    assert_true(fd < 0); /* nobody holds the program */
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5433), 0);
}

static int setup(void **state)
{
    (void)state;
    libbpf_set_print(NULL); /* what is asked for here is often not there */
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
        cmocka_unit_test(test_first_at_once_then_counted),
        cmocka_unit_test(test_ring_full),
        cmocka_unit_test(test_table_full),
        cmocka_unit_test(test_bytes_at_the_end),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_interfaces),
        cmocka_unit_test(test_nothing_is_left),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
