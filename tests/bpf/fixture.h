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
