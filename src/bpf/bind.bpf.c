/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * cgroup/post_bind4, post_bind6: note whose a bound socket is, so that a connect() to a listener of
 * this host can be refused at once when it is another unit's. Needs sk_storage in this kind of
 * program (kernel 5.11); without it the SYN finds out, and connect() fails with ECONNABORTED
 * instead of EPERM.
 */
#include "socket.h"

static __always_inline int bound(struct bpf_sock *ctx)
{
    struct abi_control *c = control_get();
    struct abi_socket *st;

    if (!c)
        return PASS;
    st = bpf_sk_storage_get(&sockets, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (st && st->phase == ABI_PHASE_NEW) {
        st->pu = pu_of_current(c); /* by the process; the first packet looks at the socket itself */
        st->pu_generation = c->pu_generation;
    }
    return PASS;
}

SEC("cgroup/post_bind4")
int bulkhead_bind4(struct bpf_sock *ctx)
{
    return bound(ctx);
}

SEC("cgroup/post_bind6")
int bulkhead_bind6(struct bpf_sock *ctx)
{
    return bound(ctx);
}
