/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tc programs on interfaces. Two judge what reaches the kernel itself: only when the host is a PU,
 * in its own network namespace, not on lo. One writes the option into SYN-ACKs of older listeners:
 * only when there are such (listeners.c), on lo as well. None on excluded interfaces.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "bulkhead.skel.h"
#include "synack.skel.h"

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
    (void)level;
    (void)format;
    (void)args;
    return 0;
}

/* Places of our own in the chain; recognisable in `tc filter show`. */
enum { PLACE_INGRESS, PLACE_EGRESS, PLACE_ANSWERS, PLACES };
static const struct place {
    const char *hook;
    enum bpf_tc_attach_point point;
    uint32_t handle, priority;
} places[PLACES] = {
    [PLACE_INGRESS] = {"tc/ingress", BPF_TC_INGRESS, 0xb1c4, 0xb1c},
    [PLACE_EGRESS] = {"tc/egress", BPF_TC_EGRESS, 0xb1c4, 0xb1c},
    [PLACE_ANSWERS] = {"tc/egress SYN-ACK", BPF_TC_EGRESS, 0xb1c5, 0xb1d},
};

static bool wanted(const struct datapath *dp, size_t place, const char *name)
{
    char **at;

    for (at = dp->excluded_interfaces; at && *at; at++)
        if (strcmp(*at, name) == 0)
            return false;
    if (place == PLACE_ANSWERS)
        return dp->control.flags & ABI_CONTROL_ANSWERS;
    return dp->host_enabled && strcmp(name, "lo") != 0;
}

/* -1: not loaded (yet); one of an earlier run may be there and do the same */
static int program_fd(const struct datapath *dp, size_t place)
{
    switch (place) {
    case PLACE_INGRESS:
        return bpf_program__fd(dp->skeleton->progs.bulkhead_tc_ingress);
    case PLACE_EGRESS:
        return bpf_program__fd(dp->skeleton->progs.bulkhead_tc_egress);
    default:
        return dp->synack ? bpf_program__fd(dp->synack->progs.bulkhead_synack) : -1;
    }
}

static int attach_one(struct datapath *dp, int ifindex, size_t place)
{
    const struct place *p = &places[place];
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = p->point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = p->handle, .priority = p->priority,
                        .prog_fd = program_fd(dp, place), .flags = BPF_TC_F_REPLACE);
    int r = bpf_tc_hook_create(&hook);

    if (r < 0 && r != -EEXIST)
        return r;
    return bpf_tc_attach(&hook, &opts);
}

/* Id of the program that is there; 0: none. */
static uint32_t attached(int ifindex, size_t place)
{
    const struct place *p = &places[place];
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = p->point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = p->handle, .priority = p->priority);

    return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

static uint32_t program_id(const struct datapath *dp, size_t place)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    return bpf_obj_get_info_by_fd(program_fd(dp, place), &info, &len) == 0 ? info.id : 0;
}

static void detach_one(int ifindex, size_t place)
{
    const struct place *p = &places[place];
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = p->point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = p->handle, .priority = p->priority);

    bpf_tc_detach(&hook, &opts);
}

static int excluded_ifaces_write(struct datapath *dp)
{
    int fd = bpf_map__fd(dp->skeleton->maps.excluded_ifaces);
    __u32 key, *at = NULL;
    uint32_t flags = dp->control.flags & ~(uint32_t)ABI_CONTROL_EXCLUDED_INTERFACES;
    uint8_t one = 1;
    char **name;

    while (bpf_map_get_next_key(fd, at, &key) == 0)
        if (bpf_map_delete_elem(fd, &key) < 0)
            break;
    for (name = dp->excluded_interfaces; name && *name; name++) {
        key = if_nametoindex(*name);
        if (!key)
            continue;
        if (bpf_map_update_elem(fd, &key, &one, BPF_ANY) < 0)
            return -errno;
        flags |= ABI_CONTROL_EXCLUDED_INTERFACES;
    }
    if (flags == dp->control.flags)
        return 0;
    dp->control.flags = flags;
    generation_bump(dp, false);
    return control_write(dp);
}

/* One place on all interfaces of the namespace that this thread is in. */
static int place_sync(struct datapath *dp, size_t place, const struct if_nameindex *list,
                      bool (*want)(const struct datapath *dp, size_t place, const char *name))
{
    libbpf_print_fn_t print = libbpf_set_print(quiet);
    int loaded = program_fd(dp, place), r, result = 0;
    uint32_t ours = loaded < 0 ? 0 : program_id(dp, place);
    const struct if_nameindex *i;

    for (i = list; i->if_index; i++) {
        bool on = want(dp, place, i->if_name);
        uint32_t there = attached((int)i->if_index, place);

        if (there && !on)
            detach_one((int)i->if_index, place);
        /* one of an earlier run may use maps of an earlier layout: ours takes its place */
        if (!on || loaded < 0 || (there && there == ours))
            continue;
        r = attach_one(dp, (int)i->if_index, place);
        if (r < 0 && result == 0)
            result = r;
    }
    libbpf_set_print(print);
    return result;
}

/* Interfaces of our namespace: programs where they belong and nowhere else. */
int tc_sync(struct datapath *dp)
{
    struct if_nameindex *list;
    size_t place;
    int r, result;

    result = excluded_ifaces_write(dp);
    list = if_nameindex();
    if (!list)
        return -errno;
    for (place = 0; place < PLACES; place++) {
        r = place_sync(dp, place, list, wanted);
        if (r < 0 && result == 0)
            result = r;
    }
    if_freenameindex(list);
    return result;
}

static bool everywhere(const struct datapath *dp, size_t place, const char *name)
{
    (void)dp;
    (void)place;
    (void)name;
    return true;
}

static bool nowhere(const struct datapath *dp, size_t place, const char *name)
{
    (void)dp;
    (void)place;
    (void)name;
    return false;
}

/* excludedInterfaces are names of our own namespace: they mean nothing in this one. */
int tc_answers_sync(struct datapath *dp, bool on)
{
    struct if_nameindex *list = if_nameindex();
    int r;

    if (!list)
        return -errno;
    r = place_sync(dp, PLACE_ANSWERS, list, on ? everywhere : nowhere);
    if_freenameindex(list);
    return r;
}

void tc_detach(void)
{
    struct if_nameindex *list = if_nameindex(), *i;
    libbpf_print_fn_t print = libbpf_set_print(quiet);
    size_t place;

    for (i = list; i && i->if_index; i++)
        for (place = 0; place < PLACES; place++)
            if (attached((int)i->if_index, place))
                detach_one((int)i->if_index, place);
    libbpf_set_print(print);
    if (list)
        if_freenameindex(list);
}

int tc_programs(struct datapath *dp, struct datapath_program *list, size_t max, size_t *n)
{
    static char names[256][48];
    struct if_nameindex *interfaces = if_nameindex(), *i;
    libbpf_print_fn_t print = libbpf_set_print(quiet);
    size_t place;

    for (i = interfaces; i && i->if_index; i++) {
        for (place = 0; place < PLACES && *n < max && *n < ARRAY_SIZE(names); place++) {
            if (!wanted(dp, place, i->if_name))
                continue;
            snprintf(names[*n], sizeof(names[0]), "%s %s", places[place].hook, i->if_name);
            list[*n] = (struct datapath_program){
                .hook = names[*n], .attached = attached((int)i->if_index, place) != 0};
            (*n)++;
        }
    }
    libbpf_set_print(print);
    if (interfaces)
        if_freenameindex(interfaces);
    return 0;
}

int datapath_interfaces_sync(struct datapath *dp)
{
    return tc_sync(dp);
}
