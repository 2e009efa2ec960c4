/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

_Noreturn void fail(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

long number(const char *text, long low, long high)
{
    char *end = NULL;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || !end || end == text || *end || value < low || value > high) {
        fprintf(stderr, "%s: found '%s', expected a number of %ld..%ld\n",
                program_invocation_short_name, text, low, high);
        exit(2);
    }
    return value;
}

unsigned long long place_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec;
}

int place_option(struct place *place, int argc, char *const argv[])
{
    if (argc >= 1 && strcmp(argv[0], "--rt") == 0) {
        place->realtime = true;
        return 1;
    }
    if (argc >= 1 && strcmp(argv[0], "--bpffs") == 0) {
        place->own_bpffs = true;
        return 1;
    }
    if (argc < 2)
        return 0;
    if (strcmp(argv[0], "--cgroup") == 0)
        place->cgroup = argv[1];
    else if (strcmp(argv[0], "--netns") == 0)
        place->netns = argv[1];
    else if (strcmp(argv[0], "--cpu") == 0)
        place->cpu = (int)number(argv[1], 0, CPU_SETSIZE - 1);
    else
        return 0;
    return 2;
}

static void enter_cgroup(const char *cgroup)
{
    char path[4096];
    int fd;

    if (snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        fail(cgroup);
    }
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        fail(path);
    close(fd);
}

static void enter_netns(const char *netns)
{
    int fd = open(netns, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        fail(netns);
    close(fd);
}

static void mount_bpffs(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        fail("unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        fail("mount --make-rprivate /");
    if (mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700") < 0)
        fail("mount bpffs");
}

void place_enter(const struct place *place)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        fail("prctl");
    if (place->cgroup)
        enter_cgroup(place->cgroup);
    if (place->netns)
        enter_netns(place->netns);
    if (place->own_bpffs)
        mount_bpffs();
    if (place->cpu >= 0) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(place->cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
            fail("sched_setaffinity");
    }
    if (place->realtime) {
        struct sched_param param = {.sched_priority = 1};

        if (sched_setscheduler(0, SCHED_FIFO, &param) < 0)
            fail("sched_setscheduler");
    }
}
