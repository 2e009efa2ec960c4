/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where a program of the bench runs: cgroup, network namespace, mount namespace, CPU, scheduling
 * class. Entered by the program itself, before its first socket, so that nothing but the program is
 * moved. The program dies with its parent.
 */

#include <stdbool.h>

struct place {
    const char *cgroup; /* directory; NULL: stay */
    const char *netns;  /* file such as /run/netns/NAME; NULL: stay */
    int cpu;            /* -1: any */
    bool realtime; /* SCHED_FIFO 1, so that other load of the machine does not show in the figure */
    bool own_bpffs; /* private mount namespace with an empty bpffs at /sys/fs/bpf */
};

#define PLACE_NONE ((struct place){.cpu = -1})

/* Takes one --cgroup, --netns, --cpu, --rt or --bpffs with its value. Words used; 0: not ours. */
int place_option(struct place *place, int argc, char *const argv[]);
/* Exits with a message on failure: a figure measured elsewhere would be wrong. */
void place_enter(const struct place *place);

/* CLOCK_MONOTONIC in nanoseconds. */
unsigned long long place_now_ns(void);
/* perror-like, then exit 1 */
_Noreturn void fail(const char *what);
/* A number from text, within the bounds, or exit 2. */
long number(const char *text, long low, long high);
