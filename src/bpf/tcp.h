/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * TCP connections after the handshake, both directions: judged again when the policy changed.
 *
 * Life of struct abi_socket.phase
 *   opener    connect() ─▶ CONNECTING ─ SYN-ACK judged ─▶ ACCEPTED | REJECTED
 *   answerer  listener LISTEN ─ third packet judged, child made ─▶ ACCEPTED (UNVERIFIED if unseen)
 *   older than the Enforcer ─▶ EXISTING ─ explicit Reject ─▶ REJECTED
 *   no PU, excluded ─▶ EXEMPT; when it becomes somebody's it is treated as EXISTING
 */
#include "identity.h"
#include "report.h"
#include "socket.h"

static __always_inline void decision_for(struct decision *d, const struct abi_socket *st,
                                         const struct packet *p, __u8 direction, __u32 identity)
{
    d->pu = st->pu;
    d->identity = identity;
    d->address_class = p->address_class;
    d->protocol = PROTO_TCP;
    d->direction = direction;
    d->port = direction == ABI_OUT ? p->remote_port : p->local_port;
}

static __always_inline void socket_remember(struct abi_socket *st, const struct decision *d)
{
    st->address_class = d->address_class;
    st->policy = d->policy;
    st->rule = d->rule;
    st->observed_rule = d->observed_rule;
    st->observed = d->observed;
    if (d->no_log)
        st->flags |= ABI_SOCKET_NO_LOG;
    else
        st->flags &= ~ABI_SOCKET_NO_LOG;
}

/* Same PU at both ends: our own enforcer id and our own identity. */
static __always_inline int peer_is_self(const struct abi_control *c, const struct abi_socket *st,
                                        __u32 enforcer, __u32 identity)
{
    return enforcer == c->enforcer_id && identity && identity == pu_identity(st->pu);
}

static __always_inline void decide_peer(struct decision *d, const struct abi_control *c,
                                        const struct abi_socket *st, __u32 enforcer)
{
    decide(d);
    if (d->action == ABI_REJECT && d->identity && peer_is_self(c, st, enforcer, d->identity)) {
        d->action = ABI_ALLOW;
        d->rule = ABI_RULE_NONE;
    }
}

static __always_inline int packet_of_rejected(const struct packet *p)
{
    return p->tcp_flags & TCP_RST ? PASS : DROP;
}

/* A connection that was let through and is now rejected: cut here, closed by user space. */
static __subprog int connection_revoke(struct __sk_buff *skb, struct abi_socket *st,
                                       const struct packet *p, struct decision *d)
{
    st->phase = ABI_PHASE_REJECTED;
    st->generation = 0;
    socket_remember(st, d);
    count(ABI_COUNTER_REVOKED);
    return refuse_and_close(skb, p, d, st->peer_enforcer) | packet_of_rejected(p);
}

/*
 * Older than the Enforcer: who opened it is not known, so a rule of either direction counts, and
 * only a rule: the default leaves it alone.
 */
static __subprog int connection_existing(struct __sk_buff *skb, struct abi_socket *st,
                                         const struct packet *p, const struct abi_control *c)
{
    struct decision d;
    __u8 direction;

    if (p->address_flags & ABI_ADDRESS_EXCLUDED || socket_excluded(skb, st, c))
        return socket_exempt(st, c);
    for (direction = ABI_IN; direction <= ABI_OUT; direction++) {
        decision_for(&d, st, p, direction, 0);
        decide(&d);
        if (d.action == ABI_REJECT && d.rule != ABI_RULE_NONE) {
            st->direction = direction;
            return connection_revoke(skb, st, p, &d);
        }
    }
    st->judged = d.generation;
    st->generation = d.generation;
    return PASS;
}

/* An accepted connection meets a packet under a new generation, or before both proofs are known. */
static __subprog int connection_rejudge(struct __sk_buff *skb, struct abi_socket *st,
                                        const struct packet *p, const struct abi_control *c)
{
    struct decision d;

    if (p->address_flags & ABI_ADDRESS_EXCLUDED || socket_excluded(skb, st, c))
        return socket_exempt(st, c);
    count(ABI_COUNTER_REJUDGED);
    decision_for(&d, st, p, st->direction, st->peer_identity);
    decide_peer(&d, c, st, st->peer_enforcer);
    if (d.action == ABI_ALLOW && st->flags & ABI_SOCKET_SIMULTANEOUS) {
        decision_for(&d, st, p, ABI_IN, st->peer_identity);
        decide_peer(&d, c, st, st->peer_enforcer);
    }
    if (d.action != ABI_ALLOW)
        return connection_revoke(skb, st, p, &d);
    socket_remember(st, &d);
    st->judged = d.generation;
    return PASS;
}

static __always_inline void socket_new_existing(struct abi_socket *st)
{
    st->phase = ABI_PHASE_EXISTING;
    st->rule = st->observed_rule = ABI_RULE_NONE;
    st->direction = ABI_OUT;
}

/* Every packet of a connection past its handshake that the fast path did not let through. */
static __always_inline int connection_packet(struct __sk_buff *skb, struct abi_socket *st,
                                             const struct packet *p, const struct abi_control *c,
                                             int ingress)
{
    if (st->phase == ABI_PHASE_REJECTED)
        return packet_of_rejected(p);
    if (st->phase == ABI_PHASE_EXISTING || st->phase == ABI_PHASE_EXEMPT)
        return connection_existing(skb, st, p, c);
    if (st->judged != c->generation && connection_rejudge(skb, st, p, c) != PASS)
        return packet_of_rejected(p);
    /* the first packet of the answerer after its SYN-ACK: it has our proof */
    if (ingress && !(p->tcp_flags & TCP_SYN))
        st->flags |= ABI_SOCKET_CONFIRMED;
    if (st->flags & ABI_SOCKET_CONFIRMED)
        st->generation = st->judged;
    return PASS;
}

/* The SYN, and what Fast Open put into it. */
#define SYN_BYTES_MAX 65536

/*
 * Does a SYN-ACK acknowledge our SYN? More is let through here than the stack takes (snd_nxt is not
 * up to date yet when the answer comes over loopback), never less.
 */
static __subprog int acknowledges_syn(struct __sk_buff *skb, const struct packet *p)
{
    struct bpf_sock *sk = skb->sk;
    struct bpf_tcp_sock *tp;
    __u32 acked;

    if (!sk)
        return 1;
    tp = bpf_tcp_sock(sk);
    if (!tp)
        return 1;
    acked = p->ack - tp->snd_una;
    return acked >= 1 && acked <= SYN_BYTES_MAX;
}
