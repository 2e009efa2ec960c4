/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tc programs on the interfaces of the host's own network namespace. Only when the host is a PU:
 * they judge what reaches the kernel itself. Never on lo, never on excluded interfaces.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "bulkhead.skel.h"

/* A place of our own in the chain; recognisable in `tc filter show`. */
#define TC_HANDLE 0xb1c4
#define TC_PRIORITY 0xb1c

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
    (void)level;
    (void)format;
    (void)args;
    return 0;
}

static bool excluded(const struct datapath *dp, const char *name)
{
    char **at;

    for (at = dp->excluded_interfaces; at && *at; at++)
        if (strcmp(*at, name) == 0)
            return true;
    return strcmp(name, "lo") == 0;
}

static const enum bpf_tc_attach_point points[] = {BPF_TC_INGRESS, BPF_TC_EGRESS};

static int program_fd(const struct datapath *dp, enum bpf_tc_attach_point point)
{
    return bpf_program__fd(point == BPF_TC_INGRESS ? dp->skeleton->progs.bulkhead_tc_ingress
                                                   : dp->skeleton->progs.bulkhead_tc_egress);
}

static int attach_one(struct datapath *dp, int ifindex, enum bpf_tc_attach_point point)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
                        .prog_fd = program_fd(dp, point), .flags = BPF_TC_F_REPLACE);
    int r = bpf_tc_hook_create(&hook);

    if (r < 0 && r != -EEXIST)
        return r;
    return bpf_tc_attach(&hook, &opts);
}

/* Id of the program that is there; 0: none. */
static uint32_t attached(int ifindex, enum bpf_tc_attach_point point)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

    return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

static uint32_t program_id(const struct datapath *dp, enum bpf_tc_attach_point point)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    return bpf_obj_get_info_by_fd(program_fd(dp, point), &info, &len) == 0 ? info.id : 0;
}

static void detach_one(int ifindex, enum bpf_tc_attach_point point)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

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

/* Interfaces of our namespace: programs where they belong and nowhere else. */
int tc_sync(struct datapath *dp)
{
    struct if_nameindex *list, *i;
    uint32_t ours[ARRAY_SIZE(points)];
    libbpf_print_fn_t print;
    size_t p;
    int r, result;

    result = excluded_ifaces_write(dp);
    list = if_nameindex();
    if (!list)
        return -errno;
    for (p = 0; p < ARRAY_SIZE(points); p++)
        ours[p] = program_id(dp, points[p]);
    print = libbpf_set_print(quiet);
    for (i = list; i->if_index; i++) {
        for (p = 0; p < ARRAY_SIZE(points); p++) {
            bool wanted = dp->host_enabled && !excluded(dp, i->if_name);
            uint32_t there = attached((int)i->if_index, points[p]);

            if (there && !wanted)
                detach_one((int)i->if_index, points[p]);
            /* one of an earlier run may use maps of an earlier layout: ours takes its place */
            if (!wanted || (there && there == ours[p]))
                continue;
            r = attach_one(dp, (int)i->if_index, points[p]);
            if (r < 0 && result == 0)
                result = r;
        }
    }
    libbpf_set_print(print);
    if_freenameindex(list);
    return result;
}

void tc_detach(struct datapath *dp)
{
    struct if_nameindex *list = if_nameindex(), *i;
    libbpf_print_fn_t print = libbpf_set_print(quiet);
    size_t p;

    (void)dp;
    for (i = list; i && i->if_index; i++)
        for (p = 0; p < ARRAY_SIZE(points); p++)
            if (attached((int)i->if_index, points[p]))
                detach_one((int)i->if_index, points[p]);
    libbpf_set_print(print);
    if (list)
        if_freenameindex(list);
}

int tc_programs(struct datapath *dp, struct datapath_program *list, size_t max, size_t *n)
{
    static char names[256][48];
    struct if_nameindex *interfaces, *i;
    libbpf_print_fn_t print;
    size_t p;

    if (!dp->host_enabled)
        return 0;
    interfaces = if_nameindex();
    print = libbpf_set_print(quiet);
    for (i = interfaces; i && i->if_index; i++) {
        for (p = 0; p < ARRAY_SIZE(points) && *n < max && *n < ARRAY_SIZE(names); p++) {
            if (excluded(dp, i->if_name))
                continue;
            snprintf(names[*n], sizeof(names[0]), "tc/%s %s", p ? "egress" : "ingress", i->if_name);
            list[*n] = (struct datapath_program){
                .hook = names[*n], .attached = attached((int)i->if_index, points[p]) != 0};
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
