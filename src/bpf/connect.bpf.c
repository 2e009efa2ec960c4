/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * cgroup/connect4, connect6: TCP connections that no proof could save fail at once with EPERM;
 * the others get their socket state. UDP connect() sends nothing and is often used to look up a
 * route only, so datagrams are judged when they are sent.
 */
#include "report.h"
#include "socket.h"

static __always_inline void packet_from_ctx(struct packet *p, const __u32 *remote, __u16 port)
{
    __builtin_memset(p, 0, sizeof(*p));
    address_copy(p->remote, remote);
    p->remote_port = port;
    p->protocol = PROTO_TCP;
}

/*
 * Both ends of one PU may always talk. Is there a local listener that is, or may be, ours? Its
 * state says so once it was asked; until then the handshake finds out.
 */
static __subprog int listener_may_be_self(struct bpf_sock_addr *ctx, const __u32 *remote,
                                          __u16 port, __u32 pu, __u32 pu_generation)
{
    struct bpf_sock_tuple tuple;
    struct abi_socket *st;
    struct bpf_sock *sk;
    int self;

    __builtin_memset(&tuple, 0, sizeof(tuple));
    if (remote[2] == bpf_htonl(0xffff) && !(remote[0] | remote[1])) {
        tuple.ipv4.daddr = remote[3];
        tuple.ipv4.dport = bpf_htons(port);
        sk = bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    } else {
        address_copy(tuple.ipv6.daddr, remote);
        tuple.ipv6.dport = bpf_htons(port);
        sk = bpf_sk_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
    }
    if (!sk)
        return 0;
    st = bpf_sk_storage_get(&sockets, sk, 0, 0);
    /* What was noted before units changed says nothing now. */
    self = !st || st->pu == pu || st->pu == ABI_PU_UNKNOWN || st->pu_generation != pu_generation;
    bpf_sk_release(sk);
    return self;
}

static __subprog int connect_judge(struct bpf_sock_addr *ctx, const __u32 *remote, __u16 port)
{
    struct abi_control *c = control_get();
    struct address_info info;
    struct abi_socket *st;
    struct decision d;
    struct packet p;
    int target;

    if (!c || !ctx->sk)
        return DROP;
    st = bpf_sk_storage_get(&sockets, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!st) {
        count(ABI_COUNTER_TABLE_FULL);
        return DROP;
    }
    __builtin_memset(st, 0, sizeof(*st));
    st->phase = ABI_PHASE_CONNECTING;
    st->direction = ABI_OUT;
    st->rule = st->observed_rule = ABI_RULE_NONE;
    st->pu = pu_of_current(c);
    st->pu_generation = c->pu_generation;
    st->cgroup = bpf_get_current_cgroup_id();
    info = address_lookup(c, remote);
    if (st->pu == ABI_PU_NONE || info.flags & ABI_ADDRESS_EXCLUDED)
        return PASS; /* egress sees the packet and the socket's own cgroup */
    target = info.flags & ABI_ADDRESS_TARGET && c->flags & ABI_CONTROL_IDENTITY &&
             pu_identity(st->pu) != 0;
    if (target)
        st->flags |= ABI_SOCKET_TARGET;
    if (c->flags & ABI_CONTROL_EXCLUDED_INTERFACES)
        return PASS;
    d.pu = st->pu;
    d.identity = 0;
    d.address_class = info.address_class;
    d.protocol = PROTO_TCP;
    d.direction = ABI_OUT;
    d.port = port;
    decide(&d);
    if (d.action == ABI_ALLOW || (target && identity_could_help(&d))) {
        st->judged = d.generation;
        return PASS;
    }
    if (target && listener_may_be_self(ctx, remote, port, st->pu, st->pu_generation)) {
        st->flags |= ABI_SOCKET_MAYBE_SELF;
        return PASS;
    }
    packet_from_ctx(&p, remote, port);
    count(ABI_COUNTER_CONNECT_DENIED);
    return refuse(&p, &d, 0, ABI_REASON_POLICY, 0);
}

SEC("cgroup/connect4")
int bulkhead_connect4(struct bpf_sock_addr *ctx)
{
    __be32 addr = ctx->user_ip4;
    __u32 remote[4];

    if (ctx->protocol != PROTO_TCP)
        return PASS;
    if (!addr) /* connect() to 0.0.0.0 goes to the loopback address */
        addr = bpf_htonl(0x7f000001);
    address_from_v4(remote, addr);
    return connect_judge(ctx, remote, bpf_ntohs((__u16)ctx->user_port));
}

SEC("cgroup/connect6")
int bulkhead_connect6(struct bpf_sock_addr *ctx)
{
    __u32 remote[4];

    if (ctx->protocol != PROTO_TCP)
        return PASS;
    remote[0] = ctx->user_ip6[0];
    remote[1] = ctx->user_ip6[1];
    remote[2] = ctx->user_ip6[2];
    remote[3] = ctx->user_ip6[3];
    if (!(remote[0] | remote[1] | remote[2] | remote[3]))
        remote[3] = bpf_htonl(1);
    return connect_judge(ctx, remote, bpf_ntohs((__u16)ctx->user_port));
}
