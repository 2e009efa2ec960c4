/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enforcer/flows.h"

#define OFFSET_NS 5000000

static struct datapath_flow flow_of(uint16_t port, uint64_t count)
{
    struct datapath_flow flow = {
        .pu = 1,
        .direction = MODEL_DIRECTION_OUT,
        .port = port,
        .protocol = PROTOCOL_TCP,
        .action = MODEL_ACTION_ALLOW,
        .rule = 3,
        .observed_rule = POLICY_RULE_NONE,
        .policy_version = 9,
        .count = count,
        .bytes_in = 10 * count,
        .bytes_out = 20 * count,
        .time_ns = (uint64_t)port * 1000000,
    };

    return flow;
}

static bool add(struct flows *flows, uint16_t port, uint64_t count)
{
    struct datapath_flow flow = flow_of(port, count);

    return flows_add(flows, &flow, OFFSET_NS);
}

static void test_counts(void **state)
{
    _cleanup_flows_ struct flows *flows = NULL;
    struct flow_news news[8];
    struct flow_news *all;
    size_t n;

    assert_int_equal(flows_new(8, &flows), 0);
    assert_true(add(flows, 80, 1));
    assert_false(add(flows, 80, 4));
    assert_true(add(flows, 443, 1));
    assert_int_equal(flows_count(flows), 2);

    assert_int_equal(flows_snapshot(flows, &all, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(all[0].key.port, 80);
    assert_int_equal(all[0].count, 5);
    assert_int_equal(all[0].bytes_in, 50);
    assert_int_equal(all[0].bytes_out, 100);
    assert_int_equal(all[0].time_ms, 85);
    free(all);

    assert_int_equal(flows_take_fresh(flows, news, 8), 2);
    assert_int_equal(news[0].count, 5);
    assert_int_equal(flows_take_fresh(flows, news, 8), 0);
}

/* Every part of the key makes a kind of its own. */
static void test_keys(void **state)
{
    _cleanup_flows_ struct flows *flows = NULL;
    struct datapath_flow variants[16];
    size_t n = 0;

    assert_int_equal(flows_new(32, &flows), 0);
    for (size_t i = 0; i < ARRAY_SIZE(variants); i++)
        variants[i] = flow_of(80, 1);
    variants[n++].pu = 2;
    variants[n++].direction = MODEL_DIRECTION_IN;
    variants[n++].local.bytes[15] = 1;
    variants[n++].remote.bytes[0] = 1;
    variants[n++].port = 81;
    variants[n++].protocol = PROTOCOL_UDP;
    variants[n++].peer_enforcer = 1;
    variants[n++].peer_identity = 1;
    variants[n++].address_class = 1;
    variants[n++].action = MODEL_ACTION_REJECT;
    variants[n++].observed = MODEL_ACTION_REJECT;
    variants[n++].policy_version = 1;
    variants[n++].rule = 4;
    variants[n++].observed_rule = 4;
    variants[n++].reason = 1;
    n++; /* the unchanged one */
    assert_int_equal(n, ARRAY_SIZE(variants));
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < n; i++)
            assert_int_equal(flows_add(flows, &variants[i], 0), round == 0);
    assert_int_equal(flows_count(flows), n);
}

/* What is told are the counts since it was told last: they add up to the whole. */
static void test_news_are_differences(void **state)
{
    _cleanup_flows_ struct flows *flows = NULL;
    struct flow_news news[8];
    uint64_t told = 0;
    size_t n;

    assert_int_equal(flows_new(8, &flows), 0);
    for (int round = 0; round < 5; round++) {
        size_t cursor = 0;

        add(flows, 80, 3);
        n = flows_take_changed(flows, &cursor, news, 8);
        assert_int_equal(n, 1);
        assert_int_equal(news[0].count, 3);
        assert_int_equal(news[0].bytes_out, 60);
        told += news[0].count;
        cursor = 0;
        assert_int_equal(flows_take_changed(flows, &cursor, news, 8), 0);
    }
    assert_int_equal(told, 15);
}

/* In pieces, and what is fresh is not told twice. */
static void test_changed_in_pieces(void **state)
{
    _cleanup_flows_ struct flows *flows = NULL;
    struct flow_news news[3];
    size_t cursor = 0;

    assert_int_equal(flows_new(16, &flows), 0);
    for (uint16_t port = 1; port <= 7; port++)
        add(flows, port, 1);
    assert_int_equal(flows_take_fresh(flows, news, 2), 2);
    assert_int_equal(flows_take_changed(flows, &cursor, news, 3), 3);
    assert_int_equal(flows_take_changed(flows, &cursor, news, 3), 2);
    assert_int_equal(flows_take_changed(flows, &cursor, news, 3), 0);
    assert_int_equal(flows_take_fresh(flows, news, 3), 0);
}

static void test_eviction(void **state)
{
    _cleanup_flows_ struct flows *flows = NULL;
    struct flows_counters counters;
    struct flow_news news[4];
    struct flow_news *all;
    size_t n;

    assert_int_equal(flows_new(4, &flows), 0);
    for (uint16_t port = 1; port <= 4; port++)
        add(flows, port, 1);
    flows_take_fresh(flows, news, 4);
    add(flows, 1, 1); /* the oldest by touch is now 2 */
    add(flows, 5, 1);
    assert_int_equal(flows_snapshot(flows, &all, &n), 0);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal(all[i].key.port, 2);
    assert_int_equal(all[0].key.port, 3);
    assert_int_equal(all[3].key.port, 5);
    free(all);
    flows_counters(flows, &counters);
    assert_int_equal(counters.evicted, 1);
    assert_int_equal(counters.dropped, 0);
    assert_int_equal(counters.reports, 6);
    assert_int_equal(counters.records, 5);

    for (uint16_t port = 10; port < 14; port++)
        add(flows, port, 7); /* pushes out 3, 4, then 1 (one not told) and 5 (not told) */
    flows_counters(flows, &counters);
    assert_int_equal(counters.evicted, 5);
    assert_int_equal(counters.dropped, 2);
    assert_int_equal(flows_take_fresh(flows, news, 4), 4);
    assert_int_equal(news[0].key.port, 10);
}

static void test_forget_unit(void **state)
{
    _cleanup_flows_ struct flows *flows = NULL;
    struct datapath_flow other = flow_of(80, 1);
    struct flow_news *all;
    size_t n;

    assert_int_equal(flows_new(8, &flows), 0);
    other.pu = 2;
    add(flows, 1, 1);
    flows_add(flows, &other, 0);
    add(flows, 2, 1);
    flows_forget_unit(flows, 1);
    assert_int_equal(flows_snapshot(flows, &all, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(all[0].key.pu, 2);
    free(all);
    assert_true(add(flows, 1, 1)); /* its place is free again */
}

/* ---- Against a plain list: random additions, evictions and lookups give the same counts
 * ------------- */

enum { LIST_MAX = 64, LIST_PORTS = 200, LIST_STEPS = 200000 };

struct list {
    uint64_t counts[LIST_PORTS];
    unsigned touched[LIST_PORTS]; /* step of the last touch; 0: not in */
    size_t held;
};

static void list_evict(struct list *list)
{
    size_t oldest = LIST_PORTS;

    for (size_t i = 0; i < LIST_PORTS; i++)
        if (list->touched[i] && (oldest == LIST_PORTS || list->touched[i] < list->touched[oldest]))
            oldest = i;
    list->touched[oldest] = 0;
    list->counts[oldest] = 0;
    list->held--;
}

static void list_compare(const struct list *list, const struct flows *flows)
{
    struct flow_news *all;
    size_t n;

    assert_int_equal(flows_snapshot(flows, &all, &n), 0);
    assert_int_equal(n, list->held);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(all[i].count, list->counts[all[i].key.port]);
    free(all);
}

static void test_against_a_list(void **state)
{
    _cleanup_flows_ struct flows *flows = NULL;
    static struct list list;
    uint32_t random = 1;

    assert_int_equal(flows_new(LIST_MAX, &flows), 0);
    for (unsigned step = 1; step <= LIST_STEPS; step++) {
        uint16_t port;

        random = random * 1664525 + 1013904223;
        port = (uint16_t)((random >> 16) % LIST_PORTS);
        if (!list.touched[port] && list.held == LIST_MAX)
            list_evict(&list);
        list.held += !list.touched[port];
        assert_int_equal(add(flows, port, 1), !list.touched[port]);
        list.touched[port] = step;
        list.counts[port]++;
        if (step % 10000 == 0)
            list_compare(&list, flows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_news_are_differences),
        cmocka_unit_test(test_changed_in_pieces),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_forget_unit),
        cmocka_unit_test(test_against_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
