/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the programs decide and report is what policy_compiled_decide() says, for random estates and
 * random questions. BPF_TEST_SEED chooses another run.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "fixture.h"
#include "packet.h"
#include "tcp.h"
#include "world.h"

#define WORLDS 100
#define QUERIES 30 /* of each world: WORLDS * QUERIES cases */
#define ME "172.31.0.1"
#define ME6 "2001:db8:ffff::1"

static struct fixture fixture;

static void unit_path(unsigned pu, char path[1100])
{
    snprintf(path, 1100, "%s%s/p%u", fixture.mount, fixture.root, pu);
}

static void unit_enter(unsigned pu)
{
    char path[1100], procs[1200];
    FILE *f;

    unit_path(pu, path);
    snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
    f = fopen(procs, "we");
    assert_non_null(f);
    assert_true(fputs("0", f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void world_apply(const struct gen *gen, const struct world *world)
{
    struct datapath_pu pus[GEN_PUS_MAX];
    char cgroups[GEN_PUS_MAX][300];
    size_t missing = 0, i;

    for (i = 0; i < gen->n_pus; i++) {
        snprintf(cgroups[i], sizeof(cgroups[i]), "%s/p%zu", fixture.root, i);
        pus[i] = (struct datapath_pu){.index = (uint32_t)i,
                                      .cgroup = cgroups[i],
                                      .identity = world->ids[i],
                                      .policy = world->policy_of[i]};
    }
    assert_int_equal(datapath_apply(fixture.datapath, world->compiled, pus, gen->n_pus, &missing),
                     0);
    assert_int_equal(missing, 0);
}

static void query_packet(const struct query *q, struct packet *p)
{
    const char *remote = gen_addresses[q->address];
    const char *me = strchr(remote, ':') ? ME6 : ME;
    uint16_t from = q->direction == MODEL_DIRECTION_OUT ? 40000 : 40001;

    if (q->direction == MODEL_DIRECTION_OUT)
        packet_begin(p, me, remote);
    else
        packet_begin(p, remote, me);
    switch (q->protocol) {
    case PROTOCOL_TCP:
        packet_tcp(p, from, q->port, TCP_FLAG_SYN, 1);
        break;
    case PROTOCOL_UDP:
        packet_udp(p, from, q->port);
        break;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMP6:
        packet_icmp(p, (uint8_t)(q->port >> 8), (uint8_t)q->port, 1);
        p->bytes[p->next_at] = q->protocol; /* also the one of the other family */
        break;
    default:
        packet_end(p, q->protocol, "0123456789abcdef", 16);
    }
}

static bool query_random(struct gen_entropy *entropy, const struct gen *gen, struct query *q)
{
    const char *remote;

    *q = (struct query){
        .pu = gen_below(entropy, gen->n_pus),
        .direction = gen_below(entropy, 2),
        .peer = -1,
        .address = (int)gen_below(entropy, ARRAY_SIZE(gen_addresses)),
        .protocol = gen_protocols[gen_below(entropy, ARRAY_SIZE(gen_protocols))],
        .port = gen_port_points[gen_below(entropy, ARRAY_SIZE(gen_port_points))],
    };
    remote = gen_addresses[q->address];
    if (q->protocol != PROTOCOL_TCP && q->protocol != PROTOCOL_UDP &&
        q->protocol != PROTOCOL_ICMP && q->protocol != PROTOCOL_ICMP6)
        q->port = 0;
    /* loopback is one's own; protocol 0 in IPv6 is an extension header */
    return strcmp(remote, "::1") != 0 && !(strchr(remote, ':') && q->protocol == 0);
}

static void report_matches(const struct world *world, const struct query *q,
                           const struct policy_decision *d)
{
    bool silent =
        d->logs_disabled || (q->protocol == PROTOCOL_TCP && q->direction == MODEL_DIRECTION_IN);
    const struct datapath_flow *flow = &fixture_flows[0];
    struct ip_addr remote;

    fixture_events(&fixture);
    assert_int_equal(fixture_flows_n, silent ? 0 : 1);
    if (silent)
        return;
    assert_int_equal(ip_addr_parse(gen_addresses[q->address], &remote), 0);
    assert_int_equal(flow->pu, q->pu);
    assert_int_equal(flow->direction, q->direction);
    assert_memory_equal(&flow->remote, &remote, sizeof(remote));
    assert_int_equal(flow->protocol, q->protocol);
    assert_int_equal(flow->port, q->port);
    assert_int_equal(flow->address_class, policy_compiled_address_class(world->compiled, &remote));
    assert_int_equal(flow->peer_identity, 0);
    assert_int_equal(flow->action, d->action);
    assert_int_equal(flow->rule, d->rule);
    assert_int_equal(flow->observed, d->observed);
    assert_int_equal(flow->observed_rule, d->observed_rule);
    assert_int_equal(flow->policy_version,
                     datapath_policy_version(fixture.datapath, world->policy_of[q->pu]));
    assert_int_equal(flow->count, 1);
    assert_true(flow->first);
}

static void query_ask(const struct world *world, const struct query *q)
{
    struct policy_decision expected;
    struct packet p;
    int r;

    unit_enter(q->pu);
    fixture_empty(&fixture, "flows");
    fixture_flows_forget(&fixture);
    world_decide(world, q, &expected);
    query_packet(q, &p);
    r = fixture_program_run(
        &fixture, q->direction == MODEL_DIRECTION_OUT ? "bulkhead_egress" : "bulkhead_ingress",
        p.bytes, p.len);
    if (r != (expected.action == MODEL_ACTION_ALLOW))
        print_error("pu %u %s %s protocol %u port %u\n", q->pu, q->direction ? "to" : "from",
                    gen_addresses[q->address], q->protocol, q->port);
    assert_int_equal(r, expected.action == MODEL_ACTION_ALLOW);
    report_matches(world, q, &expected);
}

static void test_random_estates(void **state)
{
    const char *seed = getenv("BPF_TEST_SEED");
    struct gen_entropy entropy = {.state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL)};
    struct world worlds[2] = {{0}, {0}};
    unsigned i, j, asked = 0;

    (void)state;
    print_message("BPF_TEST_SEED=%llu\n", (unsigned long long)entropy.state);
    for (i = 0; i < WORLDS; i++) {
        struct world *world = &worlds[i % 2]; /* the last one must stay alive */
        struct gen gen;

        gen_fill(&entropy, &gen);
        world_clear(world);
        memset(world, 0, sizeof(*world));
        assert_int_equal(world_new(&gen, world), 0);
        world_apply(&gen, world);
        for (j = 0; j < QUERIES;) {
            struct query query;

            if (!query_random(&entropy, &gen, &query))
                continue;
            query_ask(world, &query);
            asked++;
            j++;
        }
    }
    fixture_enter(&fixture, FIXTURE_HOME);
    assert_true(asked >= 2000);
    /* nothing refers to the worlds any more */
    assert_int_equal(fixture_policy(&fixture, "APIVersion: 1\ndata: {}\n"), 0);
    world_clear(&worlds[0]);
    world_clear(&worlds[1]);
}

#define LOOPBACK(match)                                                                            \
    "APIVersion: 1\ndata:\n"                                                                       \
    "  namespaces:\n"                                                                              \
    "    - {name: /t, defaultPUIncomingTrafficAction: Reject, defaultPUOutgoingTrafficAction: "    \
    "Reject}\n"                                                                                    \
    "  externalnetworks:\n"                                                                        \
    "    - {name: lo, namespace: /t, matchProcessingUnits: " match                                 \
    ", associatedTags: ['net=lo'], entries: [127.0.0.0/8]}\n"                                      \
    "  networkrulesetpolicies:\n"                                                                  \
    "    - name: all\n      namespace: /t\n      subject: [['$identity=processingunit']]\n"        \
    "      outgoingRules: [{action: Allow, object: [['net=lo']]}]\n"                               \
    "      incomingRules: [{action: Allow, object: [['net=lo']]"

/* A proven peer is let through by its network only where the network says so; rejected always. */
static void test_networks_of_proven_peers(void **state)
{
    (void)state;
    assert_int_equal(fixture_policy(&fixture, LOOPBACK("true") "}]\n"), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5432), 0);
    assert_true(fixture_counter(&fixture, "identity_ack_verified") > 0);
    assert_int_not_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET6, 5432), 0);
    assert_int_equal(fixture_policy(&fixture, LOOPBACK("false") "}]\n"), 0);
    assert_int_not_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5432), 0);
    assert_int_equal(fixture_policy(&fixture,
                                    LOOPBACK("true") "}, {action: Reject, object: [['net=lo']], "
                                                     "protocolPorts: [tcp/5432]}]\n"),
                     0);
    assert_int_not_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5432), 0);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5433), 0);
}

/* A rule with logsDisabled is silent to the last byte of its connections. */
static void test_logs_disabled_connection(void **state)
{
    uint64_t bytes = 0;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, LOOPBACK("true") ", logsDisabled: true}]\n"), 0);
    fixture_flows_forget(&fixture);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5434), 0);
    usleep(100000);
    fixture_events(&fixture);
    fixture_drain(&fixture);
    for (size_t i = 0; i < fixture_flows_n; i++)
        assert_int_equal(fixture_flows[i].pu, FIXTURE_WEB);
    assert_int_equal(fixture_policy(&fixture, LOOPBACK("true") "}]\n"), 0);
    fixture_flows_forget(&fixture);
    assert_int_equal(tcp_connection(&fixture, FIXTURE_WEB, FIXTURE_DB, AF_INET, 5434), 0);
    for (int turn = 0; bytes == 0 && turn < 500; turn++) {
        usleep(10000);
        fixture_drain(&fixture);
        for (size_t i = 0; i < fixture_flows_n; i++)
            if (fixture_flows[i].pu == FIXTURE_DB)
                bytes += fixture_flows[i].bytes_in;
        fixture_flows_n = 0;
    }
    assert_in_range(bytes, 1, 2); /* the kernel counts the FIN as one */
}

static int setup(void **state)
{
    char path[1100];
    unsigned i;

    (void)state;
    if (fixture_setup(&fixture) || fixture_open(&fixture, NULL))
        return -1;
    for (i = 0; i < GEN_PUS_MAX; i++) {
        unit_path(i, path);
        if (mkdir(path, 0755) < 0)
            return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    char path[1100];
    unsigned i;

    (void)state;
    fixture_enter(&fixture, FIXTURE_HOME);
    for (i = 0; i < GEN_PUS_MAX; i++) {
        unit_path(i, path);
        rmdir(path);
    }
    fixture_teardown(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_estates),
        cmocka_unit_test(test_networks_of_proven_peers),
        cmocka_unit_test(test_logs_disabled_connection),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
