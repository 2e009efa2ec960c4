/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * cgroup_skb/egress: every packet that leaves a local socket. Connections were decided by connect()
 * and the SYN-ACK; here a changed policy meets them, a SYN whose socket was made in another cgroup
 * than its process is in now is caught, and what has no connection is judged. Dropping makes the
 * system call fail with EPERM for datagrams, so no sendmsg hook is needed
 * (docs/developer/datapath.md).
 */
#include "datagram.h"
#include "tcp.h"

#define CGROUP_ROOT_ID 1

/* The socket that a SYN within this network namespace will meet: is it of the same PU? */
static __subprog int listener_is_self(struct __sk_buff *skb, const struct packet *p, __u32 pu,
                                      const struct abi_control *c)
{
    struct bpf_sock_tuple tuple;
    struct bpf_sock *peer;
    int self;

    __builtin_memset(&tuple, 0, sizeof(tuple));
    if (skb->protocol == bpf_htons(ETHERTYPE_IP)) {
        __builtin_memcpy(&tuple.ipv4.saddr, p->local + 12, 4);
        __builtin_memcpy(&tuple.ipv4.daddr, p->remote + 12, 4);
        tuple.ipv4.sport = bpf_htons(p->local_port);
        tuple.ipv4.dport = bpf_htons(p->remote_port);
        peer = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    } else {
        address_copy(tuple.ipv6.saddr, p->local);
        address_copy(tuple.ipv6.daddr, p->remote);
        tuple.ipv6.sport = bpf_htons(p->local_port);
        tuple.ipv6.dport = bpf_htons(p->remote_port);
        peer = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
    }
    if (!peer)
        return 0;
    self = pu_of_peer(skb, peer, c) == pu;
    bpf_sk_release(peer);
    return self;
}

/* SYN: as its socket's PU, whoever called connect(); certain rejects that got around connect(). */
static __subprog int opener_syn(struct __sk_buff *skb, struct bpf_sock *sk, struct packet *p,
                                struct abi_socket *st, const struct abi_control *c)
{
    struct decision d;
    __u32 pu = st->pu;

    if (st->cgroup != bpf_sk_cgroup_id(sk)) {
        st->cgroup = 0;
        st->judged = 0;
        socket_refresh(skb, sk, st, c);
        if (st->pu == ABI_PU_NONE)
            return socket_exempt(st, c);
        if (st->pu != pu && st->syns) {
            /* the option in it speaks for the wrong PU: the retransmission will be right */
            st->syns = 0;
            return DROP;
        }
    }
    if (st->judged == c->generation && !(c->flags & ABI_CONTROL_EXCLUDED_INTERFACES) && !p->payload)
        return PASS; /* connect() has done it */
    packet_address(skb, c, p);
    if (p->address_flags & ABI_ADDRESS_EXCLUDED || socket_excluded(skb, st, c))
        return socket_exempt(st, c);
    decision_for(&d, st, p, ABI_OUT, 0);
    decide(&d);
    if (d.action == ABI_REJECT &&
        !(st->flags & ABI_SOCKET_MAYBE_SELF && listener_is_self(skb, p, st->pu, c)) &&
        (!(st->flags & ABI_SOCKET_OPTION_SENT) || !identity_could_help(&d))) {
        st->phase = ABI_PHASE_REJECTED;
        socket_remember(st, &d);
        return refuse_and_close(skb, p, &d, 0);
    }
    if (d.action == ABI_REJECT && p->payload) {
        /* Fast Open: nothing may leave for a peer that has proven nothing. The stack sends a plain
         * SYN at once (net/ipv4/tcp_output.c: tcp_send_syn_data). */
        if (st->syns)
            st->syns--;
        count(ABI_COUNTER_SYN_DATA);
        return DROP;
    }
    st->judged = d.generation;
    return PASS;
}

static __subprog int tcp_egress(struct __sk_buff *skb, struct bpf_sock *sk, struct abi_socket *st,
                                const struct abi_control *c)
{
    struct packet p;
    __u32 state = sk->state;

    if (state == 10)
        return PASS; /* SYN-ACKs: their SYN was judged */
    if (st && st->phase == ABI_PHASE_ACCEPTED && st->judged == c->generation)
        return PASS; /* the peer is not known yet to have our proof */
    if (parse(skb, &p, 0) != PARSE_OK || p.protocol != PROTO_TCP) {
        count(ABI_COUNTER_HEADER);
        return DROP;
    }
    if (!st) {
        st = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!st) {
            count(ABI_COUNTER_TABLE_FULL);
            return DROP;
        }
        socket_new_existing(st);
    }
    socket_refresh(skb, sk, st, c);
    if (st->pu == ABI_PU_NONE)
        return socket_exempt(st, c);
    if (state == 2 && st->phase != ABI_PHASE_EXISTING && st->phase != ABI_PHASE_REJECTED)
        return opener_syn(skb, sk, &p, st, c);
    packet_address(skb, c, &p);
    if (st->phase == ABI_PHASE_EXISTING || st->phase == ABI_PHASE_REJECTED)
        return connection_packet(skb, st, &p, c, 0);
    if (state == 3)
        return PASS;
    switch (st->phase) {
    case ABI_PHASE_ACCEPTED:
    case ABI_PHASE_EXEMPT:
        return connection_packet(skb, st, &p, c, 0);
    }
    return packet_of_rejected(&p);
}

/* Packets that the kernel itself answers with, from sockets of its own in the root cgroup. */
static __always_inline int kernel_answer(const struct packet *p, struct bpf_sock *sk)
{
    if (sk->type != SOCKET_RAW || bpf_sk_cgroup_id(sk) != CGROUP_ROOT_ID)
        return 0;
    if (p->protocol == PROTO_TCP)
        return !p->payload && !(p->tcp_flags & TCP_SYN);
    return icmp_is_error(p);
}

static __subprog int datagram_egress(struct __sk_buff *skb, struct bpf_sock *sk,
                                     struct abi_socket *st, const struct abi_control *c)
{
    struct decision d;
    struct packet p;

    if (sk->type == SOCKET_RAW && own_packet(skb, c))
        return PASS;
    if (!st) {
        st = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!st) {
            count(ABI_COUNTER_TABLE_FULL);
            return DROP;
        }
        st->phase = ABI_PHASE_DATAGRAM;
    }
    socket_refresh(skb, sk, st, c);
    if (st->pu == ABI_PU_NONE)
        return socket_exempt(st, c);
    st->phase = ABI_PHASE_DATAGRAM;
    if (parse(skb, &p, 0) != PARSE_OK) {
        count(ABI_COUNTER_HEADER);
        return DROP;
    }
    packet_address(skb, c, &p);
    if (always_allowed(&p) || p.address_flags & ABI_ADDRESS_EXCLUDED || socket_excluded(skb, st, c))
        return PASS;
    if (kernel_answer(&p, sk))
        return PASS;
    d.pu = st->pu;
    d.identity = 0;
    d.address_class = p.address_class;
    d.protocol = p.protocol;
    d.direction = ABI_OUT;
    d.port = datagram_port(&p, ABI_OUT);
    return datagram_judge(&p, c, &d, loopback_self(skb, &p, st->pu, c));
}

SEC("cgroup_skb/egress")
int bulkhead_egress(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;
    struct abi_control *c = control_get();
    struct abi_socket *st;

    if (!sk || !c)
        return DROP;
    sk = bpf_sk_fullsock(sk);
    if (!sk)
        return DROP;
    st = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (st && st->generation == c->generation)
        return PASS;
    if (sk->type == SOCKET_STREAM && sk->protocol == PROTO_TCP)
        return tcp_egress(skb, sk, st, c);
    return datagram_egress(skb, sk, st, c);
}
