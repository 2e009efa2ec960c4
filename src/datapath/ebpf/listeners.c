/* SPDX-License-Identifier: Apache-2.0 */

/* Listeners older than the Enforcer: let their SYN-ACKs carry the option. See listeners.bpf.c. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

#include "listeners.skel.h"

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
static int iterate(struct bpf_link *link)
{
    _cleanup_close_
    int fd = bpf_iter_create(bpf_link__fd(link));
    char buffer[64];
    ssize_t got;

    if (fd < 0)
        return -errno;
    do
        got = read(fd, buffer, sizeof(buffer));
    while (got > 0 || (got < 0 && errno == EAGAIN));
    return got < 0 ? -errno : 0;
}

static int iterate_everywhere(struct datapath *dp, struct bpf_link *link)
{
    _cleanup_close_
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    size_t i;
    int r = 0;

    if (own < 0)
        return -errno;
    for (i = 0; i < dp->n_netns && r == 0; i++) {
        if (setns(dp->netns[i].fd, CLONE_NEWNET) < 0)
            continue;
        r = iterate(link);
        if (setns(own, CLONE_NEWNET) < 0)
            abort();
    }
    return r;
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
        r = link ? iterate_everywhere(dp, link) : -errno;
    }
    if (r == 0 &&
        bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.listener_counts), &left, ret_left) < 0)
        r = -errno;
    bpf_link__destroy(link);
    listeners_bpf__destroy(skeleton);
    return r;
}

/*
 * Once, after the first policy is in force: reading the kernel's type information takes longer than
 * all the rest of a start. Where the kernel cannot do it, those listeners are judged by address
 * until they are started again.
 */
void listeners_start(struct datapath *dp)
{
    uint64_t left = 0;

    if (!dp->listeners_pending)
        return;
    dp->listeners_pending = false;
    if (listeners_flag(dp, &left) < 0 || left)
        dp->old_listeners = true;
}
