/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Listeners older than the Enforcer: let their SYN-ACKs carry the option. See listeners.bpf.c;
 * where the kernel cannot do that, synack.bpf.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#include "bulkhead.skel.h"
#include "listeners.skel.h"
#include "synack.skel.h"

static int cgroups_write(struct datapath *dp, int fd)
{
    uint8_t one = 1;
    size_t i;

    for (i = 0; i < dp->n_walked; i++)
        if (bpf_map_update_elem(fd, &dp->walked[i].id, &one, BPF_ANY) < 0)
            return -errno;
    return 0;
}

/* The iterator walks the namespace of who reads it. */
static int iterate(struct datapath *dp, size_t ns, void *link)
{
    _cleanup_close_
    int fd = bpf_iter_create(bpf_link__fd(link));
    char buffer[64];
    ssize_t got;

    (void)dp;
    (void)ns;
    if (fd < 0)
        return -errno;
    do
        got = read(fd, buffer, sizeof(buffer));
    while (got > 0 || (got < 0 && errno == EAGAIN));
    return got < 0 ? -errno : 0;
}

/*
 * @param ret_left  listeners that were there before and cannot prove themselves on this kernel
 * @return 0; -errno when nothing could be done (the kernel lacks it): then *ret_left is untouched
 */
static int listeners_flag(struct datapath *dp, uint64_t *ret_left)
{
    struct listeners_bpf *skeleton = listeners_bpf__open();
    struct bpf_link *link = NULL;
    __u32 left = 1;
    int r;

    if (!skeleton)
        return -errno;
    r = namespaces_sync(dp);
    if (r == 0)
        r = listeners_bpf__load(skeleton);
    if (r == 0)
        r = cgroups_write(dp, bpf_map__fd(skeleton->maps.listener_cgroups));
    if (r == 0) {
        link = bpf_program__attach_iter(skeleton->progs.bulkhead_listeners, NULL);
        r = link ? namespaces_visit(dp, iterate, link) : -errno;
    }
    if (r == 0 &&
        bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.listener_counts), &left, ret_left) < 0)
        r = -errno;
    bpf_link__destroy(link);
    listeners_bpf__destroy(skeleton);
    return r;
}

/* ---- Where the kernel cannot --------------------------------------------------------------- */

struct older {
    struct datapath *dp;
    size_t n;
};

static void count_older(int diag_fd, const struct diag_socket *s, void *context)
{
    struct older *older = context;
    uint32_t pu;

    (void)diag_fd;
    if (cgroup_known(older->dp, s->cgroup_id, &pu) &&
        !(s->has_state && s->socket.flags & ABI_SOCKET_WRITES))
        older->n++;
}

/* How many listeners of a namespace did not start under sock_ops: every other is marked. */
static int older_listeners(struct datapath *dp, size_t ns, size_t *ret)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    struct older older = {.dp = dp};
    int map_fd = bpf_map__fd(dp->skeleton->maps.sockets), r = 0;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
        r = diag_dump(dp->netns[ns].diag_fd, families[i], IPPROTO_TCP, 1u << TCP_LISTEN, map_fd,
                      count_older, &older);
    *ret = older.n;
    return r;
}

/* A second object on the maps of the first. */
static int answers_load(struct datapath *dp)
{
    struct bpf_map *map, *ours;
    int r = 0;

    if (dp->synack)
        return 0;
    dp->synack = synack_bpf__open();
    if (!dp->synack)
        return -errno;
    bpf_object__for_each_map(map, dp->synack->obj)
    {
        ours = bpf_object__find_map_by_name(dp->skeleton->obj, bpf_map__name(map));
        if (r == 0)
            r = ours ? bpf_map__reuse_fd(map, bpf_map__fd(ours)) : -ENOENT;
    }
    if (r == 0)
        r = synack_bpf__load(dp->synack);
    if (r < 0) {
        synack_bpf__destroy(dp->synack);
        dp->synack = NULL;
    }
    return r;
}

static int answers_visit(struct datapath *dp, size_t ns, void *context)
{
    size_t n;
    int r;

    if (ns == 0)
        return 0; /* our own: tc_sync() */
    r = older_listeners(dp, ns, &n);
    return r < 0 ? r : tc_answers_sync(dp, n > 0);
}

/* tc writes the option: on our own devices, and on those of each namespace that has such listeners.
 */
static int answers_start(struct datapath *dp)
{
    uint32_t flags = dp->control.flags;
    size_t i, n, total = 0;
    int r, visited;

    r = namespaces_sync(dp);
    for (i = 0; i < dp->n_netns && r == 0; i++) {
        r = older_listeners(dp, i, &n);
        total += n;
    }
    if (r == 0 && total)
        r = answers_load(dp);
    if (r < 0)
        return r;
    if (total)
        dp->control.flags |= ABI_CONTROL_ANSWERS;
    else
        dp->control.flags &= ~(uint32_t)ABI_CONTROL_ANSWERS;
    if (flags == dp->control.flags && !total)
        return 0;
    r = control_write(dp);
    visited = namespaces_visit(dp, answers_visit, NULL);
    if (r == 0)
        r = visited;
    return r < 0 ? r : tc_sync(dp);
}

static int answers_stop_here(struct datapath *dp, size_t ns, void *context)
{
    (void)ns;
    (void)context;
    return tc_answers_sync(dp, false);
}

void answers_detach(struct datapath *dp)
{
    if (namespaces_sync(dp) == 0)
        namespaces_visit(dp, answers_stop_here, NULL);
}

/* For tests on a kernel that could do better. */
static bool answers_forced(void)
{
    const char *how = secure_getenv("BULKHEAD_OLD_LISTENERS");

    return how && strcmp(how, "tc") == 0;
}

/*
 * Once, after the first policy is in force: reading the kernel's type information takes longer than
 * all the rest of a start. What an earlier run found out of this kernel is not tried again.
 */
void listeners_start(struct datapath *dp)
{
    uint64_t left = 0;

    if (!dp->listeners_pending)
        return;
    dp->listeners_pending = false;
    if (!(dp->control.flags & ABI_CONTROL_ANSWERS) && !answers_forced() &&
        listeners_flag(dp, &left) == 0 && !left)
        return;
    dp->old_listeners = answers_start(dp) < 0;
}
