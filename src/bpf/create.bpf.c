/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * cgroup/sock_create, sock_release: sockets of the host's network namespace. In another namespace
 * anybody can make one, and number its interfaces.
 *
 * Which IP protocols have raw sockets there, so that the tc program leaves their packets to the
 * socket's own processing unit instead of judging them as the host. User space reads the sockets
 * there really are every second and takes back what is gone.
 *
 * Which sockets they are, while there are excludedInterfaces: only theirs can be excluded.
 */
#include "common.h"

static __always_inline int in_host_netns(struct bpf_sock *ctx, const struct abi_control *c)
{
    __u64 host = c->netns_cookie;

    if (c->flags & ABI_CONTROL_INIT_NETNS)
        host = bpf_get_netns_cookie(NULL);
    return host && bpf_get_netns_cookie(ctx) == host;
}

SEC("cgroup/sock_create")
int bulkhead_create(struct bpf_sock *ctx)
{
    __u32 protocol = ctx->protocol & 0xff, type = ctx->type;
    struct abi_control *c = control_get();
    __u8 *known, one = 1;
    __u64 cookie;

    if (!c || (type != SOCKET_RAW && !(c->flags & ABI_CONTROL_HOST_SOCKETS)) ||
        !in_host_netns(ctx, c))
        return PASS;
    if (type == SOCKET_RAW) {
        known = bpf_map_lookup_elem(&raw_protocols, &protocol);
        if (known && !*known)
            *known = 1;
    }
    if (c->flags & ABI_CONTROL_HOST_SOCKETS) {
        cookie = bpf_get_socket_cookie(ctx);
        if (bpf_map_update_elem(&host_sockets, &cookie, &one, BPF_ANY) < 0)
            count(ABI_COUNTER_TABLE_FULL); /* judged like any other */
    }
    return PASS;
}

/* Attached while there are excludedInterfaces. */
SEC("cgroup/sock_release")
int bulkhead_release(struct bpf_sock *ctx)
{
    __u64 cookie = bpf_get_socket_cookie(ctx);

    bpf_map_delete_elem(&host_sockets, &cookie);
    return PASS;
}
