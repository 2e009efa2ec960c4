/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * cgroup/sock_create: notes which IP protocols have raw sockets in the host's network namespace, so
 * that the tc program leaves their packets to the socket's own processing unit instead of judging
 * them as the host. In another namespace anybody can make one. User space reads the sockets there
 * really are every second and takes back what is gone.
 */
#include "common.h"

SEC("cgroup/sock_create")
int bulkhead_create(struct bpf_sock *ctx)
{
    __u32 protocol = ctx->protocol & 0xff;
    struct abi_control *c = control_get();
    __u8 *known;

    if (ctx->type != SOCKET_RAW || !c || !c->netns_cookie ||
        bpf_get_netns_cookie(ctx) != c->netns_cookie)
        return PASS;
    known = bpf_map_lookup_elem(&raw_protocols, &protocol);
    if (known && !*known)
        *known = 1;
    return PASS;
}
