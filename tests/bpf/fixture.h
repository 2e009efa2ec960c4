/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One host on this kernel: a network namespace of its own with loopback up, a cgroup subtree with
 * the PUs `web` and `db`, the datapath attached to it, a policy from YAML text.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "datapath/datapath.h"

struct fixture {
    char mount[512], root[256]; /* cgroup2 mount; our subtree below it */
    char home[512];             /* the cgroup this process came from */
    struct datapath *datapath;
    bool adopted;
    struct estate *estate;
    struct policy *policies[3];
    struct policy_compiled *compiled, *before;
    struct estate *estate_before;
    struct policy *policies_before[3];
    struct tag_set tags[3];
    uint32_t identities[3];
    uint8_t private_key[32];
};

enum { FIXTURE_HOST = 0, FIXTURE_WEB = 1, FIXTURE_DB = 2, FIXTURE_UNITS = 3 };
#define FIXTURE_NAMESPACE "/t"
#define FIXTURE_ENFORCER 7u

int fixture_setup(struct fixture *f);
/* A second host in the network namespace of the first, its cgroups under another name. */
int fixture_setup_at(struct fixture *f, const char *name);
/* @param excluded_network  NULL, or excludedNetworks with commas between them */
int fixture_open(struct fixture *f, const char *excluded_network);
/* Resolve, compile and apply; 0 or negative. */
int fixture_policy(struct fixture *f, const char *yaml);
void fixture_teardown(struct fixture *f);
uint64_t fixture_counter(struct fixture *f, const char *name);

void fixture_dump(struct fixture *f);

/* Run `fn(argument)` in a child in the cgroup of a unit; its return value (0..255) comes back. */
pid_t fixture_fork(struct fixture *f, int unit, int (*fn)(void *), void *argument);
int fixture_wait(pid_t pid);
int fixture_run(struct fixture *f, int unit, int (*fn)(void *), void *argument);

/* Put this process itself into the cgroup of a unit, or back where it came from. */
#define FIXTURE_HOME (-1)
void fixture_enter(struct fixture *f, int unit);

/*
 * BPF_PROG_TEST_RUN: the socket of the packet is a dummy of this process's cgroup.
 * @return what the program returned, or -errno
 */
int fixture_program_run(struct fixture *f, const char *program, const void *packet, size_t len);

/* Entries of a map by name; and the same without them. */
size_t fixture_entries(struct fixture *f, const char *map);
void fixture_empty(struct fixture *f, const char *map);

/* Flows told by events and by the drained table, since the last call of fixture_flows_forget(). */
#define FIXTURE_FLOWS_MAX 4096
extern struct datapath_flow fixture_flows[FIXTURE_FLOWS_MAX];
extern size_t fixture_flows_n;
void fixture_flows_forget(struct fixture *f);
void fixture_events(struct fixture *f); /* add what the ring buffer holds */
void fixture_drain(struct fixture *f);  /* add what the table holds */
