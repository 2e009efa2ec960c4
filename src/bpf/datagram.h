/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * UDP, ICMP and every other protocol: judged by address, stateful for replies. A flow that was let
 * through is remembered in an LRU table; rejected ones take no room in it.
 */
#include "report.h"
#include "socket.h"

#define FLOW_IDLE_NS (180ULL * 1000000000ULL)
#define FLOW_TOUCH_NS (1000000000ULL)

static __always_inline int is_icmp(__u8 protocol)
{
    return protocol == PROTO_ICMP || protocol == PROTO_ICMP6;
}

/* The type of the query that a message answers; its own when it answers none. */
static __always_inline __u8 icmp_query(__u8 protocol, __u8 type)
{
    if (protocol == PROTO_ICMP6)
        return type == 129 ? 128 : type;
    return type == 0 ? 8 : type == 14 ? 13 : type;
}

/*
 * A query and its replies are one flow; a query of the other side, or any other message, is
 * another: what let one through says nothing of it.
 */
static __always_inline void flow_key_icmp(struct abi_flow_key *key, __u16 icmp, __u8 direction)
{
    __u8 type = icmp >> 8;

    key->icmp_type = icmp_query(key->protocol, type);
    key->icmp_code = icmp & 0xff;
    key->opener = key->icmp_type == type ? direction : !direction;
}

static __always_inline void flow_key_fill(struct abi_flow_key *key, const struct packet *p,
                                          __u32 pu, __u8 direction)
{
    address_copy(key->local, p->local);
    address_copy(key->remote, p->remote);
    key->local_port = p->local_port;
    key->remote_port = p->remote_port;
    key->pu = pu;
    key->protocol = p->protocol;
    key->icmp_type = key->icmp_code = key->opener = 0;
    if (is_icmp(p->protocol))
        flow_key_icmp(key, p->icmp, direction);
}

static __always_inline __u16 datagram_port(const struct packet *p, __u8 direction)
{
    if (is_icmp(p->protocol))
        return p->icmp;
    return direction == ABI_OUT ? p->remote_port : p->local_port;
}

/* Is the flow known and still admitted? 1 yes, 0 not known, -1 known and now rejected. */
static __subprog int flow_known(const struct packet *p, const struct abi_control *c,
                                const struct abi_flow_key *key, struct decision *d)
{
    struct abi_flow *flow = bpf_map_lookup_elem(&flows, key);
    __u64 now;

    if (!flow)
        return 0;
    now = bpf_ktime_get_ns();
    /* signed: another CPU may have touched it a moment later */
    if ((__s64)(now - flow->seen_ns) > (__s64)FLOW_IDLE_NS)
        return 0;
    if (flow->generation != c->generation) {
        d->direction = flow->direction;
        d->port = datagram_port(p, d->direction);
        if (is_icmp(p->protocol)) /* a reply stands for its query */
            d->port = (__u16)key->icmp_type << 8 | key->icmp_code;
        decide(d);
        if (d->action != ABI_ALLOW) {
            bpf_map_delete_elem(&flows, key);
            return -1;
        }
        flow->generation = d->generation;
    }
    if (now - flow->seen_ns > FLOW_TOUCH_NS)
        flow->seen_ns = now;
    return 1;
}

static __subprog int flow_remember(const struct abi_flow_key *key, __u32 generation, __u8 direction)
{
    struct abi_flow flow;

    flow.seen_ns = bpf_ktime_get_ns();
    flow.generation = generation;
    flow.direction = direction;
    flow.pad[0] = flow.pad[1] = flow.pad[2] = 0;
    if (bpf_map_update_elem(&flows, key, &flow, BPF_ANY) < 0)
        count(ABI_COUNTER_TABLE_FULL);
    return 0;
}

/*
 * Whose flow it is cannot be told on an interface. So what a unit sends over a protocol that is
 * judged there, too, leaves a second entry of nobody's: it lets the reply as far as the socket,
 * where the unit's own entry decides.
 */
static __always_inline void flow_in_transit(struct abi_flow_key *key, const struct packet *p,
                                            __u8 direction)
{
    if (p->protocol == PROTO_UDP || direction != ABI_OUT)
        return;
    key->pu = ABI_PU_NONE;
    flow_remember(key, 0, direction);
}

/* On an interface: the reply to something that a unit of this host sent. */
static __subprog int flow_is_reply(const struct packet *p)
{
    struct abi_flow_key key;
    struct abi_flow *flow;

    flow_key_fill(&key, p, ABI_PU_NONE, ABI_IN);
    flow = bpf_map_lookup_elem(&flows, &key);
    return flow && (__s64)(bpf_ktime_get_ns() - flow->seen_ns) <= (__s64)FLOW_IDLE_NS;
}

/* `self`: the other end is known to be the same PU. */
static __subprog int datagram_judge(const struct packet *p, const struct abi_control *c,
                                    struct decision *d, int self)
{
    struct abi_flow_key key;
    __u8 direction = d->direction;
    int known;

    flow_key_fill(&key, p, d->pu, direction);
    known = flow_known(p, c, &key, d);
    if (known > 0) {
        if (!is_icmp(p->protocol) || key.opener == direction)
            flow_in_transit(&key, p, direction);
        return PASS;
    }
    if (known == 0) {
        d->direction = direction;
        d->port = datagram_port(p, direction);
        decide(d);
    }
    if (d->action != ABI_ALLOW && self && known == 0) {
        d->action = ABI_ALLOW;
        d->rule = ABI_RULE_NONE;
    }
    if (d->action != ABI_ALLOW) {
        refuse(p, d, 0, ABI_REASON_POLICY, 0);
        return DROP;
    }
    /* a reply that a rule lets in without its query must not let the query out */
    if (!is_icmp(p->protocol) || key.opener == direction) {
        flow_remember(&key, d->generation, direction);
        flow_in_transit(&key, p, direction);
    }
    count(ABI_COUNTER_DATAGRAM_ACCEPTED);
    report_accept(p, d, 0, ABI_REASON_NONE);
    return PASS;
}

struct inner_header {
    __be16 source_port, destination_port;
};

/* Whose flow a quoted UDP datagram is of: of the unit of the socket that would have sent it. */
static __subprog __u32 pu_of_udp(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, int v6)
{
    struct abi_socket *st;
    struct bpf_sock *sk;
    __u32 pu = ABI_PU_NONE;

    if (v6)
        sk = bpf_sk_lookup_udp(skb, tuple, sizeof(tuple->ipv6), BPF_F_CURRENT_NETNS, 0);
    else
        sk = bpf_sk_lookup_udp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!sk)
        return pu;
    st = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (st)
        pu = st->pu;
    bpf_sk_release(sk);
    return pu;
}

/*
 * An ICMP error belongs to a flow that exists: then it passes (path MTU). The packet it quotes is
 * one that we sent, so its source is the local side.
 */
static __subprog int icmp_related(struct __sk_buff *skb, const struct packet *p)
{
    struct abi_flow_key key;
    struct bpf_sock_tuple tuple;
    struct inner_header ports;
    struct bpf_sock *sk;
    __u32 at = (__u32)p->l4 + 8;
    __u8 protocol;
    int v6 = p->protocol == PROTO_ICMP6;

    __builtin_memset(&key, 0, sizeof(key));
    __builtin_memset(&tuple, 0, sizeof(tuple));
    if (v6) {
        struct ip6_header h;

        if (load(skb, at, &h, sizeof(h)) < 0)
            return 0;
        protocol = h.next;
        address_copy(key.local, h.source);
        address_copy(key.remote, h.destination);
        address_copy(tuple.ipv6.daddr, h.source);
        address_copy(tuple.ipv6.saddr, h.destination);
        at += sizeof(h);
    } else {
        struct ip4_header h;

        if (load(skb, at, &h, sizeof(h)) < 0)
            return 0;
        protocol = h.protocol;
        address_from_v4(key.local, h.source);
        address_from_v4(key.remote, h.destination);
        tuple.ipv4.daddr = h.source;
        tuple.ipv4.saddr = h.destination;
        at += (__u32)(h.version_ihl & 0xf) * 4;
    }
    if (load(skb, at, &ports, sizeof(ports)) < 0)
        return 0;
    if (v6) {
        tuple.ipv6.dport = ports.source_port;
        tuple.ipv6.sport = ports.destination_port;
    } else {
        tuple.ipv4.dport = ports.source_port;
        tuple.ipv4.sport = ports.destination_port;
    }
    if (protocol == PROTO_TCP) {
        if (v6)
            sk = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
        else
            sk = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
        if (!sk)
            return 0;
        v6 = sk->state != 10; /* a listener is no flow */
        bpf_sk_release(sk);
        return v6;
    }
    key.protocol = protocol;
    key.pu = ABI_PU_NONE;
    if (protocol == PROTO_UDP) {
        key.pu = pu_of_udp(skb, &tuple, v6);
        key.local_port = bpf_ntohs(ports.source_port);
        key.remote_port = bpf_ntohs(ports.destination_port);
    } else if (is_icmp(protocol)) {
        flow_key_icmp(&key, bpf_ntohs(ports.source_port), ABI_OUT);
        if (load(skb, at + 4, &ports, sizeof(ports)) < 0)
            return 0;
        if (icmp_has_id(protocol, key.icmp_type))
            key.local_port = key.remote_port = bpf_ntohs(ports.source_port);
    }
    return bpf_map_lookup_elem(&flows, &key) != 0;
}

/* Loopback traffic of one PU with itself; the socket at the other end is looked up. */
static __subprog int loopback_self(struct __sk_buff *skb, const struct packet *p, __u32 pu,
                                   const struct abi_control *c)
{
    struct bpf_sock_tuple tuple;
    struct bpf_sock *peer;
    int self;

    if (!address_is_loopback(p->remote) && !address_equal(p->remote, p->local))
        return 0;
    if (p->protocol != PROTO_UDP)
        return is_icmp(p->protocol); /* the kernel answers; of others the far end is not known */
    __builtin_memset(&tuple, 0, sizeof(tuple));
    if (skb->protocol == bpf_htons(ETHERTYPE_IP)) {
        __builtin_memcpy(&tuple.ipv4.saddr, p->local + 12, 4);
        __builtin_memcpy(&tuple.ipv4.daddr, p->remote + 12, 4);
        tuple.ipv4.sport = bpf_htons(p->local_port);
        tuple.ipv4.dport = bpf_htons(p->remote_port);
        peer = bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    } else {
        address_copy(tuple.ipv6.saddr, p->local);
        address_copy(tuple.ipv6.daddr, p->remote);
        tuple.ipv6.sport = bpf_htons(p->local_port);
        tuple.ipv6.dport = bpf_htons(p->remote_port);
        peer = bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
    }
    if (!peer)
        return 0;
    self = pu_of_peer(skb, peer, c) == pu;
    bpf_sk_release(peer);
    return self;
}
