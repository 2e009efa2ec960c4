/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * cgroup/sock_create: remembers which IP protocols have raw sockets, so that the tc program leaves
 * their packets to the socket's own processing unit instead of judging them as the host.
 */
#include "common.h"

SEC("cgroup/sock_create")
int bulkhead_create(struct bpf_sock *ctx)
{
    __u32 protocol = ctx->protocol & 0xff;
    __u8 *known;

    if (ctx->type != SOCKET_RAW)
        return PASS;
    known = bpf_map_lookup_elem(&raw_protocols, &protocol);
    if (known && !*known)
        *known = 1;
    return PASS;
}
