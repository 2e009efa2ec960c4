/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Which processing unit a socket belongs to. Nothing here depends on addresses or namespaces. */
#include "common.h"

static __always_inline int pu_of_cgroup(__u64 cgroup, __u32 *ret)
{
    __u32 *pu = bpf_map_lookup_elem(&pu_by_cgroup, &cgroup);

    if (!pu)
        return 0;
    *ret = *pu;
    return 1;
}

static __always_inline __u32 pu_rest(const struct abi_control *c)
{
    return c->flags & ABI_CONTROL_HOST ? c->host_pu : ABI_PU_NONE;
}

static __always_inline int pu_walk_socket(struct bpf_sock *sk, const struct abi_control *c,
                                          __u32 *ret)
{
    __u64 cgroup = bpf_sk_cgroup_id(sk);
    int i;

    if (pu_of_cgroup(cgroup, ret))
        return 1;
    for (i = ABI_CGROUP_DEPTH_MAX; i > 0; i--) {
        cgroup = bpf_sk_ancestor_cgroup_id(sk, c->root_level + i);
        if (cgroup && pu_of_cgroup(cgroup, ret))
            return 1;
    }
    return 0;
}

/* Was the packet's socket made in the host's network namespace? Not for children of a listener. */
static __always_inline int packet_of_host(struct __sk_buff *skb)
{
    __u64 cookie = bpf_get_socket_cookie(skb);

    return bpf_map_lookup_elem(&host_sockets, &cookie) != 0;
}

/*
 * Is the packet's socket known to be in the host's network namespace? Sockets are noted when they
 * are made (create.bpf.c), those older than the Enforcer by user space (host_sockets.c); a child
 * has it from its listener. What is not known is not.
 */
static __always_inline int socket_of_host(struct __sk_buff *skb, struct abi_socket *st)
{
    if (st->flags & ABI_SOCKET_HOST_NETNS)
        return 1;
    if (!packet_of_host(skb))
        return 0;
    st->flags |= ABI_SOCKET_HOST_NETNS;
    return 1;
}

/*
 * A socket of the host's network namespace that is in no unit: of the host service whose port it
 * serves, else the host's. What this host opens itself stays the host's, whatever its own port is;
 * of UDP nobody can tell who opens, there the own port alone counts.
 */
static __always_inline __u32 pu_of_port(struct bpf_sock *sk, const struct abi_socket *st,
                                        const struct abi_control *c)
{
    __u32 type = sk->type, protocol = sk->protocol, port, *pu;
    struct abi_port_key key;

    if (type == SOCKET_STREAM && protocol == PROTO_TCP) {
        if (sk->state != 10 && (!st || st->direction != ABI_IN))
            return pu_rest(c);
    } else if (type != SOCKET_DGRAM || protocol != PROTO_UDP) {
        return pu_rest(c);
    }
    port = *(volatile __u32 *)&sk->src_port;
    key.prefixlen = 24;
    key.protocol = protocol;
    key.port_be[0] = port >> 8;
    key.port_be[1] = port & 0xff;
    key.pad = 0;
    pu = bpf_map_lookup_elem(&service_ports, &key);
    return pu ? *pu : pu_rest(c);
}

/* Whose the socket at the other end of a packet within one network namespace is. */
static __always_inline __u32 pu_of_peer(struct __sk_buff *skb, struct bpf_sock *peer,
                                        const struct abi_control *c)
{
    __u32 pu;

    if (pu_walk_socket(peer, c, &pu))
        return pu;
    if (!(c->flags & ABI_CONTROL_SERVICES) || !packet_of_host(skb))
        return pu_rest(c);
    return pu_of_port(peer, bpf_sk_storage_get(&sockets, peer, 0, 0), c);
}

/*
 * The deepest registered cgroup that holds the packet's socket, else the host or one of its
 * services. A global function: verified once.
 */
__weak __noinline __u32 pu_of_packet(struct __sk_buff *skb)
{
    struct abi_control *c = control_get();
    struct bpf_sock *sk = skb->sk;
    struct abi_socket *st;
    __u32 pu;

    if (!c || !sk)
        return ABI_PU_NONE;
    sk = bpf_sk_fullsock(sk);
    if (!sk)
        return ABI_PU_NONE;
    if (pu_walk_socket(sk, c, &pu))
        return pu;
    if (!(c->flags & ABI_CONTROL_SERVICES))
        return pu_rest(c);
    st = bpf_sk_storage_get(&sockets, sk, 0, 0);
    return st && socket_of_host(skb, st) ? pu_of_port(sk, st, c) : pu_rest(c);
}

/* The same for the running process: connect() hooks, where sockets have no cgroup helper. */
static __subprog __u32 pu_of_current(const struct abi_control *c)
{
    __u64 cgroup = bpf_get_current_cgroup_id();
    __u32 pu;
    int i;

    if (pu_of_cgroup(cgroup, &pu))
        return pu;
    for (i = ABI_CGROUP_DEPTH_MAX; i > 0; i--) {
        cgroup = bpf_get_current_ancestor_cgroup_id(c->root_level + i);
        if (cgroup && pu_of_cgroup(cgroup, &pu))
            return pu;
    }
    return pu_rest(c);
}

static __always_inline int socket_exempt(struct abi_socket *st, const struct abi_control *c)
{
    st->phase = ABI_PHASE_EXEMPT;
    st->judged = c->generation;
    st->generation = c->generation;
    return PASS;
}

/*
 * Does this packet go over an excluded interface? Interfaces of other network namespaces have the
 * same numbers, and who runs a container chooses them: the socket has to be the host's.
 */
static __always_inline int socket_excluded(struct __sk_buff *skb, struct abi_socket *st,
                                           const struct abi_control *c)
{
    if (interface_excluded(c, skb->ifindex) && socket_of_host(skb, st)) {
        st->flags |= ABI_SOCKET_INTERFACE;
        return 1;
    }
    st->flags &= ~ABI_SOCKET_INTERFACE;
    return 0;
}

/* Who a unit is, in the bank that is in force: identity and policy change together. */
static __always_inline __u32 pu_identity(__u32 index)
{
    struct abi_pu *pu = bpf_map_lookup_elem(&pus, &index);
    struct abi_control *c = control_get();

    if (!pu || !c)
        return 0;
    return c->bank ? pu->identity[1] : pu->identity[0];
}

/* Look the PU up again when cgroups changed. */
static __always_inline void socket_refresh(struct __sk_buff *skb, struct bpf_sock *sk,
                                           struct abi_socket *st, const struct abi_control *c)
{
    if (st->cgroup && st->pu_generation == c->pu_generation)
        return;
    st->pu = pu_of_packet(skb);
    st->cgroup = bpf_sk_cgroup_id(sk);
    st->pu_generation = c->pu_generation;
}
