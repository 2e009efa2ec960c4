/* SPDX-License-Identifier: Apache-2.0 */

/* From one policy to the next: what is in the maps, what an earlier run left, which unit is whose.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "bulkhead.skel.h"
#include "fixture.h"
#include "internal.h"
#include "packet.h"
#include "tcp.h"
#include "world.h"

#define SWITCHES 50
#define ME "172.31.0.1"
#define REMOTE "192.0.2.1"

static struct fixture fixture;
static struct world worlds[2];
static struct gen gens[2];
static unsigned turn;

static void unit_directory(const char *name, bool make)
{
    char path[1100];

    snprintf(path, sizeof(path), "%s%s%s", fixture.mount, fixture.root, name);
    if (make)
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
    else
        rmdir(path);
}

static void enter(const char *name)
{
    char path[1100];
    FILE *f;

    snprintf(path, sizeof(path), "%s%s%s/cgroup.procs", fixture.mount, fixture.root, name);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs("0", f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int gen_apply(const struct gen *gen, const struct world *world, size_t *ret_missing)
{
    struct datapath_pu pus[GEN_PUS_MAX];
    char cgroups[GEN_PUS_MAX][300];
    size_t i;

    for (i = 0; i < gen->n_pus; i++) {
        snprintf(cgroups[i], sizeof(cgroups[i]), "%s/p%zu", fixture.root, i);
        pus[i] = (struct datapath_pu){.index = (uint32_t)i,
                                      .cgroup = cgroups[i],
                                      .identity = world->ids[i],
                                      .policy = world->policy_of[i]};
    }
    return datapath_apply(fixture.datapath, world->compiled, pus, gen->n_pus, ret_missing);
}

/* A random estate takes over; the one before it stays alive, as the daemon does it. */
static const struct world *world_next(struct gen_entropy *entropy)
{
    struct world *world = &worlds[++turn % 2];
    size_t missing;

    gen_fill(entropy, &gens[turn % 2]);
    world_clear(world);
    memset(world, 0, sizeof(*world));
    assert_int_equal(world_new(&gens[turn % 2], world), 0);
    assert_int_equal(gen_apply(&gens[turn % 2], world, &missing), 0);
    assert_int_equal(missing, 0);
    return world;
}

static void retired_wait(void)
{
    usleep(1100000);
    fixture_drain(&fixture);
    assert_null(fixture.datapath->retired);
}

static size_t peers_of(const struct policy_compiled *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_policies; i++)
        n += c->policies[i].n_peers;
    return n;
}

/* The maps hold this compilation and nothing else. */
static void assert_only(const struct policy_compiled *c, size_t n_pus)
{
    size_t hashed = 0, ranged = 0, i, j;

    for (i = 0; i < c->n_classes; i++) {
        bool ranges = false;

        for (j = 0; j < c->classes[i].n_entries; j++) {
            uint8_t len = c->classes[i].entries[j].prefix_len;

            ranges |= len != 0 && len != 8 && len != 24;
        }
        *(ranges ? &ranged : &hashed) += c->classes[i].n_entries;
    }
    assert_int_equal(fixture_entries(&fixture, "peer_class"), peers_of(c));
    assert_int_equal(fixture_entries(&fixture, "verdicts"), hashed);
    assert_int_equal(fixture_entries(&fixture, "verdict_ranges"), ranged);
    assert_int_equal(fixture_entries(&fixture, "addresses_0"), fixture.datapath->n_addresses[0]);
    assert_int_equal(fixture_entries(&fixture, "addresses_1"), fixture.datapath->n_addresses[1]);
    /* the prefixes of networks, of targetNetworks (two), and where IPv4 begins */
    assert_in_range(fixture.datapath->n_addresses[fixture.datapath->control.bank], c->n_addresses,
                    c->n_addresses + 3);
    assert_int_equal(fixture_entries(&fixture, "pu_by_cgroup"), n_pus);
}

static void test_switches_leave_nothing(void **state)
{
    struct gen_entropy entropy = {.state = (uint64_t)time(NULL)};
    const struct world *world = NULL;
    int i;

    (void)state;
    print_message("seed %" PRIu64 "\n", entropy.state);
    for (i = 0; i < SWITCHES; i++)
        world = world_next(&entropy);
    retired_wait();
    assert_only(world->compiled, gens[turn % 2].n_pus);
}

static void test_there_and_back(void **state)
{
    struct gen_entropy a = {.state = 11}, b = {.state = 12};
    const struct world *world;

    (void)state;
    world_next(&a);
    world_next(&b);
    a.state = 11;
    world = world_next(&a);
    retired_wait();
    assert_only(world->compiled, gens[turn % 2].n_pus);
}

/* The same again is no change at all. */
static void test_the_same_again(void **state)
{
    struct gen_entropy a = {.state = 21};
    uint32_t next_class, next_version;

    (void)state;
    world_next(&a);
    next_class = fixture.datapath->next_class;
    next_version = fixture.datapath->next_version;
    a.state = 21;
    world_next(&a);
    assert_int_equal(fixture.datapath->next_class, next_class);
    assert_int_equal(fixture.datapath->next_version, next_version);
}

static void reopen(void)
{
    datapath_free(&fixture.datapath);
    assert_int_equal(fixture_open(&fixture, NULL), 0);
    assert_true(fixture.adopted);
}

static void test_adoption_purges(void **state)
{
    struct gen_entropy entropy = {.state = 31};
    const struct world *world;

    (void)state;
    world_next(&entropy);
    world_next(&entropy);
    reopen(); /* with entries that were to be retired */
    world = world_next(&entropy);
    retired_wait();
    assert_only(world->compiled, gens[turn % 2].n_pus);
}

#define REJECT_ALL                                                                                 \
    "APIVersion: 1\ndata:\n  namespaces:\n"                                                        \
    "    - {name: /t, defaultPUIncomingTrafficAction: Reject, defaultPUOutgoingTrafficAction: "    \
    "Reject}\n"
#define REJECT_OUT                                                                                 \
    "APIVersion: 1\ndata:\n  namespaces:\n"                                                        \
    "    - {name: /t, defaultPUIncomingTrafficAction: Allow, defaultPUOutgoingTrafficAction: "     \
    "Reject}\n"
#define ALLOW_ALL                                                                                  \
    "APIVersion: 1\ndata:\n  namespaces:\n"                                                        \
    "    - {name: /t, defaultPUIncomingTrafficAction: Allow, defaultPUOutgoingTrafficAction: "     \
    "Allow}\n"

/* A policy without rules has no entry but the one of its units: its number is taken all the same.
 */
static void test_adoption_reuses_no_version(void **state)
{
    uint32_t before;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, REJECT_ALL), 0);
    assert_int_equal(fixture_policy(&fixture, REJECT_OUT), 0);
    before = fixture.datapath->next_version;
    reopen();
    assert_in_range(fixture.datapath->next_version, before, UINT32_MAX);
}

/* A daemon that died between classes and peers has left entries that nothing refers to. */
static void test_adoption_reuses_no_class(void **state)
{
    struct gen_entropy entropy = {.state = 41};
    struct abi_verdict_key key = {0};
    struct abi_range_key range = {.prefixlen = 32};
    struct abi_verdict value = {.action = ABI_ALLOW};
    const struct world *world;
    uint32_t number;

    (void)state;
    world_next(&entropy);
    number = fixture.datapath->next_class + 5;
    key.class = number | ABI_CLASS_ANY;
    range.class_be = htonl((number + 1) | ABI_CLASS_RANGES);
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(fixture.datapath->skeleton->maps.verdicts),
                                         &key, &value, BPF_ANY),
                     0);
    assert_int_equal(
        bpf_map_update_elem(bpf_map__fd(fixture.datapath->skeleton->maps.verdict_ranges), &range,
                            &value, BPF_ANY),
        0);
    reopen();
    assert_in_range(fixture.datapath->next_class, number + 2, UINT32_MAX);
    world = world_next(&entropy);
    retired_wait();
    assert_only(world->compiled, gens[turn % 2].n_pus);
}

/* Cgroups that are no units any more, more than a few of them. */
static void test_adoption_forgets_units(void **state)
{
    struct gen_entropy entropy = {.state = 51};
    uint64_t id = 1;
    uint32_t pu = 0;

    (void)state;
    world_next(&entropy);
    for (id = 1ull << 40; id < (1ull << 40) + 1000; id++)
        assert_int_equal(
            bpf_map_update_elem(bpf_map__fd(fixture.datapath->skeleton->maps.pu_by_cgroup), &id,
                                &pu, BPF_ANY),
            0);
    reopen();
    world_next(&entropy);
    assert_int_equal(fixture_entries(&fixture, "pu_by_cgroup"), gens[turn % 2].n_pus);
}

static int udp_out(void)
{
    struct packet p;

    packet_begin(&p, ME, REMOTE);
    packet_udp(&p, 40000, 53);
    return fixture_program_run(&fixture, "bulkhead_egress", p.bytes, p.len);
}

static void apply_units(const struct datapath_pu *pus, size_t n, size_t missing)
{
    size_t found = 99;

    fixture_enter(&fixture, FIXTURE_HOME);
    assert_int_equal(datapath_apply(fixture.datapath, fixture.compiled, pus, n, &found), 0);
    assert_int_equal(found, missing);
}

/* Whose unit a packet of this cgroup is of: as reported. */
static uint32_t unit_of(const char *cgroup)
{
    enter(cgroup);
    fixture_empty(&fixture, "flows");
    fixture_flows_forget(&fixture);
    udp_out();
    fixture_events(&fixture);
    fixture_enter(&fixture, FIXTURE_HOME);
    return fixture_flows_n ? fixture_flows[0].pu : ABI_PU_NONE;
}

static void test_units_come_and_go(void **state)
{
    char p0[300], nested[300], late[300];
    struct datapath_pu pus[4] = {
        {.index = 0, .host = true},
        {.index = 7, .cgroup = p0, .identity = fixture.identities[FIXTURE_WEB]},
        {.index = 4095, .cgroup = nested, .identity = 301},
        {.index = 9, .cgroup = late, .identity = 302}};

    (void)state;
    snprintf(p0, sizeof(p0), "%s/p0", fixture.root);
    snprintf(nested, sizeof(nested), "%s/p0/a/b", fixture.root);
    snprintf(late, sizeof(late), "%s/late", fixture.root);
    unit_directory("/p0/a", true);
    unit_directory("/p0/a/b", true);
    unit_directory("/p0/a/b/c", true);
    assert_int_equal(fixture_policy(&fixture, ALLOW_ALL), 0);
    apply_units(pus, 4, 1);
    assert_int_equal(unit_of(""), 0);
    assert_int_equal(unit_of("/p1"), 0);
    assert_int_equal(unit_of("/p0"), 7);
    assert_int_equal(unit_of("/p0/a"), 7);
    assert_int_equal(unit_of("/p0/a/b"), 4095);
    assert_int_equal(unit_of("/p0/a/b/c"), 4095);
    /* a cgroup that appears later, goes and comes again */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(datapath_cgroups_sync(fixture.datapath), 0);
        unit_directory("/late", true);
        assert_int_equal(unit_of("/late"), 0);
        assert_int_equal(datapath_cgroups_sync(fixture.datapath), 1);
        assert_int_equal(unit_of("/late"), 9);
        unit_directory("/late", false);
        assert_int_equal(datapath_cgroups_sync(fixture.datapath), 1);
        assert_int_equal(fixture_entries(&fixture, "pu_by_cgroup"), 2);
    }
    /* one less; then the number of one for another */
    apply_units(pus, 2, 0);
    assert_int_equal(unit_of("/p0/a/b/c"), 7);
    pus[1].cgroup = nested;
    apply_units(pus, 2, 0);
    assert_int_equal(unit_of("/p0"), 0);
    assert_int_equal(unit_of("/p0/a/b"), 7);
    apply_units(pus + 1, 1, 0);
    assert_int_equal(unit_of("/p0"), ABI_PU_NONE); /* nobody's: neither judged nor reported */
    unit_directory("/p0/a/b/c", false);
    unit_directory("/p0/a/b", false);
    unit_directory("/p0/a", false);
}

static int chatter(void *argument)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int *ends = argument, listener = ends[0], a = socket(AF_INET, SOCK_STREAM, 0), b;
    struct timeval patience = {.tv_sec = 2};
    char byte = 0;

    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (bind(listener, (struct sockaddr *)&in, len) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&in, &len) < 0 ||
        connect(a, (struct sockaddr *)&in, len) < 0)
        return errno;
    b = accept(listener, NULL, NULL);
    setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (write(ends[1], "r", 1) != 1)
        return 250;
    while (recv(ends[2], &byte, 1, MSG_DONTWAIT) < 0)
        if (send(a, "x", 1, MSG_NOSIGNAL) != 1 || recv(b, &byte, 1, 0) != 1)
            return errno ? errno : EPIPE;
    return 0;
}

/* Everything is allowed to everybody: whose a socket is may change, it must not be cut for that. */
static void test_changing_units_cuts_nothing(void **state)
{
    char p0[300], p1[300];
    struct datapath_pu pus[3] = {
        {.index = 0, .host = true, .identity = fixture.identities[FIXTURE_HOST]},
        {.index = 70, .cgroup = p0, .identity = fixture.identities[FIXTURE_WEB]},
        {.index = 71, .cgroup = p1, .identity = fixture.identities[FIXTURE_WEB]}};
    int up[2], down[2], ends[3];
    pid_t pid;

    (void)state;
    snprintf(p0, sizeof(p0), "%s/p0", fixture.root);
    snprintf(p1, sizeof(p1), "%s/p1", fixture.root);
    assert_int_equal(fixture_policy(&fixture, ALLOW_ALL), 0);
    apply_units(pus, 2, 0);
    assert_int_equal(pipe(up), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, down), 0);
    ends[1] = up[1];
    ends[2] = down[0];
    /* the answerer is the host's: its cgroup is the one the listener was made in */
    enter("");
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    enter("/p0");
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(chatter(ends));
    }
    fixture_enter(&fixture, FIXTURE_HOME);
    tcp_expect_byte(up[0]);
    for (uint32_t i = 0; i < 400; i++) {
        pus[1].index = 100 + i % 50;
        pus[2].index = 100 + (i + 1) % 50;
        apply_units(pus, 1 + i % 3, 0);
    }
    assert_int_equal(write(down[1], "x", 1), 1);
    assert_int_equal(fixture_wait(pid), 0);
}

static void test_too_many_units(void **state)
{
    struct datapath_pu pu = {.index = ABI_PUS_MAX, .cgroup = "/p0"};
    size_t missing, entries;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, REJECT_ALL), 0);
    entries = fixture_entries(&fixture, "pu_by_cgroup");
    assert_true(datapath_apply(fixture.datapath, fixture.compiled, &pu, 1, &missing) < 0);
    assert_int_equal(fixture_entries(&fixture, "pu_by_cgroup"), entries);
    fixture_enter(&fixture, FIXTURE_WEB);
    assert_int_equal(udp_out(), 0);
    fixture_enter(&fixture, FIXTURE_HOME);
}

static void test_fallback(void **state)
{
    struct datapath_pu pu = {.index = 3};
    char cgroup[300];

    (void)state;
    snprintf(cgroup, sizeof(cgroup), "%s/p0", fixture.root);
    pu.cgroup = cgroup;
    assert_int_equal(datapath_set_fallback(fixture.datapath, MODEL_ACTION_REJECT, &pu, 1), 0);
    enter("/p0");
    fixture_empty(&fixture, "flows");
    assert_int_equal(udp_out(), 0);
    assert_int_equal(datapath_set_fallback(fixture.datapath, MODEL_ACTION_ALLOW, &pu, 1), 0);
    assert_int_equal(udp_out(), 1);
    fixture_enter(&fixture, FIXTURE_HOME);
}

static void test_peers(void **state)
{
    struct datapath_peer_key keys[6] = {
        {.enforcer_id = 9, .peer_epoch = 1}, {.enforcer_id = 8},
        {.enforcer_id = 9, .peer_epoch = 2}, {.enforcer_id = 9, .peer_epoch = 3},
        {.enforcer_id = 0x01000000},         {.enforcer_id = 256}};
    struct datapath_binding bindings[4] = {{9, 1000}, {9, 1001}, {8, 1000}, {0x01000000, 1}};
    struct abi_peer_keys value;
    uint32_t id = 9;
    int fd = bpf_map__fd(fixture.datapath->skeleton->maps.peer_keys);

    (void)state;
    assert_int_equal(datapath_peers_set(fixture.datapath, keys, 6, bindings, 4), 0);
    assert_int_equal(fixture_entries(&fixture, "peer_keys"), 4);
    assert_int_equal(fixture_entries(&fixture, "bindings"), 4);
    assert_int_equal(bpf_map_lookup_elem(fd, &id, &value), 0);
    assert_true(value.key[0].valid && value.key[1].valid);
    assert_int_equal(datapath_peers_set(fixture.datapath, keys + 3, 2, bindings + 1, 2), 0);
    assert_int_equal(fixture_entries(&fixture, "peer_keys"), 2);
    assert_int_equal(fixture_entries(&fixture, "bindings"), 2);
    assert_int_equal(bpf_map_lookup_elem(fd, &id, &value), 0);
    assert_int_equal(value.key[0].peer_epoch, 3);
    assert_false(value.key[1].valid);
    assert_int_equal(datapath_peers_set(fixture.datapath, NULL, 0, NULL, 0), 0);
    assert_int_equal(fixture_entries(&fixture, "peer_keys"), 0);
    assert_int_equal(fixture_entries(&fixture, "bindings"), 0);
}

#define FILLING (1u << 31) /* policy number of entries that only take room */

static void fill(int fd, uint32_t from, uint32_t to, bool full)
{
    enum { CHUNK = 4096 };
    struct abi_peer_key *keys = calloc(CHUNK, sizeof(*keys));
    uint32_t *classes = calloc(CHUNK, sizeof(*classes)), n;

    assert_true(keys && classes);
    while (from < to) {
        for (n = 0; n < CHUNK && from < to; n++)
            keys[n] = (struct abi_peer_key){.policy = FILLING, .peer = from++};
        if (full)
            assert_int_equal(map_write(fd, keys, classes, n, sizeof(*keys), sizeof(*classes)), 0);
        else
            assert_int_equal(map_delete(fd, keys, n, sizeof(*keys)), 0);
    }
    free(keys);
    free(classes);
}

/* A table without room: the apply fails, the last policy stays, and nothing is left of the new. */
static void test_no_room(void **state)
{
    int fd = bpf_map__fd(fixture.datapath->skeleton->maps.peer_class);
    struct gen_entropy entropy = {.state = 61};
    struct world world = {0};
    struct gen gen;
    size_t there, hashed, ranged, peers = 0, missing;
    uint32_t filled, room;

    (void)state;
    assert_int_equal(fixture_policy(&fixture, REJECT_ALL), 0);
    retired_wait();
    while (peers < 8) { /* one that is not too small */
        world_clear(&world);
        memset(&world, 0, sizeof(world));
        gen_fill(&entropy, &gen);
        assert_int_equal(world_new(&gen, &world), 0);
        peers = peers_of(world.compiled);
    }
    there = fixture_entries(&fixture, "peer_class");
    hashed = fixture_entries(&fixture, "verdicts");
    ranged = fixture_entries(&fixture, "verdict_ranges");
    filled = ABI_POLICY_PEERS_MAX - (uint32_t)there;
    fill(fd, 0, filled, true);
    for (room = 0; room < peers; room += (uint32_t)(peers + 1) / 2) {
        fill(fd, filled - room, filled, false);
        assert_true(gen_apply(&gen, &world, &missing) < 0);
        assert_int_equal(fixture_entries(&fixture, "peer_class"), ABI_POLICY_PEERS_MAX - room);
        assert_int_equal(fixture_entries(&fixture, "verdicts"), hashed);
        assert_int_equal(fixture_entries(&fixture, "verdict_ranges"), ranged);
        fill(fd, filled - room, filled, true);
    }
    fill(fd, 0, filled, false);
    assert_int_equal(gen_apply(&gen, &world, &missing), 0);
    retired_wait();
    assert_only(world.compiled, gen.n_pus);
    assert_int_equal(fixture_policy(&fixture, REJECT_ALL), 0);
    world_clear(&world);
}

static int setup(void **state)
{
    char name[16];
    unsigned i;

    (void)state;
    if (fixture_setup(&fixture) || fixture_open(&fixture, NULL))
        return -1;
    for (i = 0; i < GEN_PUS_MAX; i++) {
        snprintf(name, sizeof(name), "/p%u", i);
        unit_directory(name, true);
    }
    return 0;
}

static int teardown(void **state)
{
    char name[16];
    unsigned i;

    (void)state;
    fixture_enter(&fixture, FIXTURE_HOME);
    unit_directory("/late", false);
    unit_directory("/p0/a/b/c", false);
    unit_directory("/p0/a/b", false);
    unit_directory("/p0/a", false);
    for (i = 0; i < GEN_PUS_MAX; i++) {
        snprintf(name, sizeof(name), "/p%u", i);
        unit_directory(name, false);
    }
    fixture_teardown(&fixture);
    world_clear(&worlds[0]);
    world_clear(&worlds[1]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switches_leave_nothing),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_the_same_again),
        cmocka_unit_test(test_adoption_purges),
        cmocka_unit_test(test_adoption_reuses_no_class),
        cmocka_unit_test(test_adoption_forgets_units),
        cmocka_unit_test(test_adoption_reuses_no_version),
        cmocka_unit_test(test_units_come_and_go),
        cmocka_unit_test(test_changing_units_cuts_nothing),
        cmocka_unit_test(test_too_many_units),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_peers),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
