/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bulkhead.skel.h"
#include "internal.h"
#include "wire/wire.h"

static const char *const units[FIXTURE_UNITS] = {"", "/web", "/db"};
static const char *const tags[FIXTURE_UNITS] = {"app=host", "app=web", "app=db"};

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

static void home_find(struct fixture *f)
{
    char line[512];
    FILE *file = fopen("/proc/self/cgroup", "re");

    assert_non_null(file);
    f->home[0] = '\0';
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, "0::", 3) == 0)
            snprintf(f->home, sizeof(f->home), "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    fclose(file);
    assert_true(f->home[0] == '/');
}

int fixture_setup(struct fixture *f)
{
    if (unshare(CLONE_NEWNET) < 0)
        return -errno;
    loopback_up();
    return fixture_setup_at(f, "");
}

int fixture_setup_at(struct fixture *f, const char *name)
{
    uint8_t public[32];
    char path[1100];
    int i;

    memset(f, 0, sizeof(*f));
    assert_int_equal(cgroup_mount_find(f->mount), 0);
    home_find(f);
    snprintf(f->root, sizeof(f->root), "/bulkhead-bpf-%d%s", getpid(), name);
    for (i = 0; i < FIXTURE_UNITS; i++) {
        snprintf(path, sizeof(path), "%s%s%s", f->mount, f->root, units[i]);
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        struct tag_set given = {0};
        assert_int_equal(tag_set_add(&given, tags[i]), 0);
        assert_int_equal(pu_tags_complete(&given, FIXTURE_NAMESPACE, NULL, NULL, &f->tags[i]), 0);
        tag_set_clear(&given);
        f->identities[i] = identity_id(FIXTURE_NAMESPACE, &f->tags[i]);
    }
    assert_int_equal(wire_keypair_new(f->private_key, public), 0);
    return 0;
}

int fixture_open(struct fixture *f, const char *excluded_network)
{
    struct cidr_list target = {0}, excluded = {0};
    const char *problem;
    char message[DATAPATH_MESSAGE_MAX] = "";
    struct datapath_config config = {.cgroup_root = f->root,
                                     .host_enabled = true,
                                     .target_networks = &target,
                                     .excluded_networks = &excluded,
                                     .enforcer_id = FIXTURE_ENFORCER};
    struct datapath_peer_key key = {.enforcer_id = FIXTURE_ENFORCER};
    struct datapath_binding bindings[FIXTURE_UNITS];
    uint8_t public[32];
    int i, r;

    assert_int_equal(cidr_list_add(&target, "127.0.0.0/8", &problem), 0);
    assert_int_equal(cidr_list_add(&target, "::1", &problem), 0);
    while (excluded_network && *excluded_network) {
        char entry[IP_TEXT_MAX + 1];
        size_t n = strcspn(excluded_network, ",");

        snprintf(entry, sizeof(entry), "%.*s", (int)n, excluded_network);
        assert_int_equal(cidr_list_add(&excluded, entry, &problem), 0);
        excluded_network += n + (excluded_network[n] == ',');
    }
    r = datapath_check(&config, message);
    if (r == 0)
        r = datapath_open(&config, &f->datapath, &f->adopted, message);
    cidr_list_clear(&target);
    cidr_list_clear(&excluded);
    if (r < 0) {
        print_error("%s\n", message);
        return r;
    }
    assert_int_equal(wire_public_key(f->private_key, public), 0);
    assert_int_equal(
        wire_pair_key(f->private_key, FIXTURE_ENFORCER, 0, public, FIXTURE_ENFORCER, 0, key.key),
        0);
    for (i = 0; i < FIXTURE_UNITS; i++)
        bindings[i] = (struct datapath_binding){FIXTURE_ENFORCER, f->identities[i]};
    return datapath_peers_set(f->datapath, &key, 1, bindings, FIXTURE_UNITS);
}

static void before_free(struct fixture *f)
{
    int i;

    policy_compiled_free(&f->before);
    for (i = 0; i < FIXTURE_UNITS; i++)
        policy_free(&f->policies_before[i]);
    estate_free(&f->estate_before);
}

static void estate_load(struct fixture *f, const char *yaml)
{
    struct estate_builder *builder = NULL;
    struct diagnostics diagnostics = {0};
    size_t i;

    assert_int_equal(estate_builder_new(FIXTURE_NAMESPACE, &builder), 0);
    estate_builder_add(builder, "test.yaml", yaml, strlen(yaml), DOCUMENT_YAML, &diagnostics);
    if (estate_builder_finish(builder, &diagnostics, &f->estate) < 0) {
        for (i = 0; i < diagnostics.n; i++)
            print_error("%u: %s: %s\n", diagnostics.items[i].line, diagnostics.items[i].path,
                        diagnostics.items[i].message);
        fail();
    }
    diagnostics_clear(&diagnostics);
    estate_builder_free(&builder);
}

int fixture_policy(struct fixture *f, const char *yaml)
{
    struct policy_identity identities[FIXTURE_UNITS];
    struct datapath_pu pus[FIXTURE_UNITS];
    char cgroups[FIXTURE_UNITS][512];
    size_t missing = 0;
    int i, r;

    before_free(f);
    f->before = f->compiled;
    f->estate_before = f->estate;
    memcpy(f->policies_before, f->policies, sizeof(f->policies));
    f->estate = NULL;
    f->compiled = NULL;
    estate_load(f, yaml);
    for (i = 0; i < FIXTURE_UNITS; i++) {
        assert_int_equal(policy_resolve(f->estate, FIXTURE_NAMESPACE, &f->tags[i], &f->policies[i]),
                         0);
        identities[i] = (struct policy_identity){f->identities[i], FIXTURE_NAMESPACE, &f->tags[i]};
        snprintf(cgroups[i], sizeof(cgroups[i]), "%s%s", f->root, units[i]);
        pus[i] = (struct datapath_pu){.index = (uint32_t)i,
                                      .host = i == FIXTURE_HOST,
                                      .cgroup = cgroups[i],
                                      .identity = f->identities[i],
                                      .policy = (size_t)i};
    }
    r = policy_compile(f->estate, (const struct policy *const *)f->policies, FIXTURE_UNITS,
                       identities, FIXTURE_UNITS, &f->compiled);
    assert_int_equal(r, 0);
    r = datapath_apply(f->datapath, f->compiled, pus, FIXTURE_UNITS, &missing);
    assert_int_equal(missing, 0);
    return r;
}

uint64_t fixture_counter(struct fixture *f, const char *name)
{
    struct datapath_counter counters[DATAPATH_COUNTERS_MAX];
    size_t n = 0, i;

    assert_int_equal(datapath_counters(f->datapath, counters, &n), 0);
    for (i = 0; i < n; i++)
        if (strcmp(counters[i].name, name) == 0)
            return counters[i].value;
    fail_msg("no counter %s", name);
    return 0;
}

void fixture_teardown(struct fixture *f)
{
    char path[1100];
    int i;

    fixture_enter(f, FIXTURE_HOME);
    if (f->datapath)
        datapath_detach(f->datapath);
    datapath_free(&f->datapath);
    before_free(f);
    policy_compiled_free(&f->compiled);
    for (i = 0; i < FIXTURE_UNITS; i++) {
        policy_free(&f->policies[i]);
        tag_set_clear(&f->tags[i]);
    }
    estate_free(&f->estate);
    for (i = FIXTURE_UNITS - 1; i >= 0; i--) {
        snprintf(path, sizeof(path), "%s%s%s", f->mount, f->root, units[i]);
        rmdir(path);
    }
}

void fixture_enter(struct fixture *f, int unit)
{
    char path[1100];
    int fd;

    if (unit == FIXTURE_HOME)
        snprintf(path, sizeof(path), "%s%s/cgroup.procs", f->mount, f->home);
    else
        snprintf(path, sizeof(path), "%s%s%s/cgroup.procs", f->mount, f->root, units[unit]);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "0", 1), 1);
    close(fd);
}

int fixture_program_run(struct fixture *f, const char *program, const void *packet, size_t len)
{
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = (__u32)len,
                        .repeat = 1);
    struct bpf_program *prog =
        bpf_object__find_program_by_name(f->datapath->skeleton->obj, program);

    assert_non_null(prog);
    if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts) < 0)
        return -errno;
    return (int)opts.retval;
}

static int map_fd(struct fixture *f, const char *map)
{
    int fd = bpf_object__find_map_fd_by_name(f->datapath->skeleton->obj, map);

    assert_true(fd >= 0);
    return fd;
}

size_t fixture_entries(struct fixture *f, const char *map)
{
    uint8_t key[128], *at = NULL;
    int fd = map_fd(f, map);
    size_t n = 0;

    for (; bpf_map_get_next_key(fd, at, key) == 0; n++)
        at = key;
    return n;
}

void fixture_empty(struct fixture *f, const char *map)
{
    uint8_t key[128];
    int fd = map_fd(f, map);

    while (bpf_map_get_next_key(fd, NULL, key) == 0)
        assert_int_equal(bpf_map_delete_elem(fd, key), 0);
}

struct datapath_flow fixture_flows[FIXTURE_FLOWS_MAX];
size_t fixture_flows_n;

static void flow_keep(const struct datapath_flow *flow, void *context)
{
    (void)context;
    if (fixture_flows_n < FIXTURE_FLOWS_MAX)
        fixture_flows[fixture_flows_n++] = *flow;
}

void fixture_events(struct fixture *f)
{
    assert_int_equal(datapath_events(f->datapath, flow_keep, NULL), 0);
}

void fixture_drain(struct fixture *f)
{
    assert_int_equal(datapath_reports_drain(f->datapath, flow_keep, NULL), 0);
}

void fixture_flows_forget(struct fixture *f)
{
    fixture_events(f);
    fixture_drain(f);
    fixture_flows_n = 0;
}

pid_t fixture_fork(struct fixture *f, int unit, int (*fn)(void *), void *argument)
{
    char path[1100];
    pid_t pid = fork();
    int fd;

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(path, sizeof(path), "%s%s%s/cgroup.procs", f->mount, f->root, units[unit]);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        _exit(254);
    close(fd);
    _exit(fn(argument));
}

int fixture_wait(pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, 0) < 0)
        return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int fixture_run(struct fixture *f, int unit, int (*fn)(void *), void *argument)
{
    return fixture_wait(fixture_fork(f, unit, fn, argument));
}

static void flow_print(const struct datapath_flow *flow, void *context)
{
    char remote[IP_TEXT_MAX];

    (void)context;
    print_error(
        "flow pu %u %s %s protocol %u port %u peer %x action %d reason %s rule %d policy %u\n",
        flow->pu, flow->direction ? "out" : "in", ip_addr_format(&flow->remote, remote),
        flow->protocol, flow->port, flow->peer_identity, flow->action,
        datapath_reason_name(flow->reason), (int)flow->rule, flow->policy_version);
}

/* For a person who looks at a failure: flows, and every counter that is not zero. */
void fixture_dump(struct fixture *f)
{
    struct datapath_counter counters[DATAPATH_COUNTERS_MAX];
    size_t n = 0, i;

    datapath_events(f->datapath, flow_print, NULL);
    datapath_counters(f->datapath, counters, &n);
    for (i = 0; i < n; i++)
        if (counters[i].value)
            print_error("%s %llu\n", counters[i].name, (unsigned long long)counters[i].value);
}
