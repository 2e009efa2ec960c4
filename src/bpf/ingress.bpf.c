/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * cgroup_skb/ingress: every packet to a local socket. The established case is one storage look-up
 * and one comparison. A SYN and the third packet of a handshake come with the listening socket, a
 * SYN-ACK with the socket in SYN_SENT (net/ipv4/tcp_ipv4.c: tcp_v4_rcv → tcp_filter), so proofs are
 * checked before anything is established. Nothing is allocated for a packet that proves nothing.
 */
#include "claims.h"
#include "datagram.h"
#include "reset.h"
#include "tcp.h"

static __always_inline void pending_fill(struct pending *pd, const struct packet *p, __u32 kind,
                                         const struct decision *d, const struct abi_control *c)
{
    address_copy(pd->remote, p->remote);
    pd->remote_port = p->remote_port;
    pd->local_port = p->local_port;
    pd->kind = kind;
    pd->judged = d->generation;
    pd->policy = d->policy;
    pd->rule = d->rule;
    pd->observed_rule = d->observed_rule;
    pd->observed = d->observed;
    pd->no_log = d->no_log;
    pd->address_class = d->address_class;
    pd->pu = d->pu;
    pd->peer_enforcer = 0;
    pd->peer_identity = 0;
}

/*
 * What a SYN claims is checked as far as that goes, and kept for its SYN-ACK.
 * @return ABI_REASON_NONE, or why it is refused
 */
static __subprog __u32 listener_claim(const struct packet *p, const struct found_option *o,
                                      struct abi_socket *st, struct pending *pd)
{
    struct abi_peer_keys *keys;
    __u16 epoch = bpf_ntohs((__u16)(o->tail >> 16));
    int i;

    if ((o->tail & 0xff) != ABI_WIRE_VERSION)
        return ABI_REASON_OPTION_INVALID;
    keys = bpf_map_lookup_elem(&peer_keys, &o->enforcer);
    if (!keys)
        return ABI_REASON_PEER_MISS;
    if (!binding_known(o->enforcer, o->identity))
        return ABI_REASON_IDENTITY_UNKNOWN;
    /* Data would be read before anything is proven; a cookie makes a child at once; and the answer
     * to a request for one leaves no room for our proof. The opener's next SYN is a plain one. */
    if (p->payload || o->fast_open)
        return ABI_REASON_SYN_DATA;
    for (i = 0; i < ABI_KEYS_PER_PEER; i++)
        if (keys->key[i].valid && keys->key[i].peer_epoch == epoch)
            break;
    if (i == ABI_KEYS_PER_PEER)
        return ABI_REASON_EPOCH;
    pd->handshake.k0 = keys->key[i].k0;
    pd->handshake.k1 = keys->key[i].k1;
    pd->handshake.own_epoch = keys->key[i].own_epoch;
    if (!keys_are_of(keys, o->enforcer))
        return ABI_REASON_EPOCH;
    pd->handshake.peer_epoch = epoch;
    pd->handshake.peer_enforcer = o->enforcer;
    pd->handshake.peer_identity = o->identity;
    pd->handshake.identity = pu_identity(st->pu);
    pd->handshake.isn_remote = p->seq;
    return ABI_REASON_NONE;
}

/* A SYN with the option: nothing is trusted yet, but a certain reject ends here. */
static __subprog int listener_syn_claim(const struct packet *p, const struct found_option *o,
                                        struct abi_socket *st, const struct abi_control *c,
                                        struct pending *pd)
{
    struct decision d;
    __u32 reason = listener_claim(p, o, st, pd);

    decision_for(&d, st, p, ABI_IN, o->identity);
    d.policy = 0;
    d.no_log = 0;
    if (reason == ABI_REASON_NONE) {
        decide_peer(&d, c, st, o->enforcer);
        if (d.action != ABI_ALLOW) {
            reason = ABI_REASON_POLICY;
            pd->kind = PENDING_REFUSED;
        }
    }
    if (reason != ABI_REASON_NONE) {
        claim_remember(p, p->seq);
        return refuse(p, &d, o->enforcer, reason, 0);
    }
    pending_fill(pd, p, PENDING_SYN, &d, c);
    if (c->flags & ABI_CONTROL_ANSWERS && !(st->flags & ABI_SOCKET_WRITES))
        answer_remember(p, st, pd);
    return PASS;
}

/* By address: no option in this packet. */
static __subprog int listener_by_address(const struct packet *p, struct abi_socket *st,
                                         const struct abi_control *c, struct pending *pd, __u32 isn)
{
    struct claim_key key;
    struct decision d;

    decision_for(&d, st, p, ABI_IN, 0);
    claim_key_fill(&key, p, isn);
    if (bpf_map_lookup_elem(&claims, &key)) {
        d.policy = 0;
        d.no_log = 0;
        return refuse(p, &d, 0, ABI_REASON_EXPIRED, 0);
    }
    decide(&d);
    if (d.action != ABI_ALLOW) {
        pd->kind = PENDING_REFUSED;
        return refuse(p, &d, 0, ABI_REASON_POLICY, 0);
    }
    pending_fill(pd, p, PENDING_ADDRESS, &d, c);
    if (!(p->tcp_flags & TCP_SYN)) {
        count(ABI_COUNTER_CONNECTIONS_ACCEPTED);
        report_accept(p, &d, 0, ABI_REASON_NONE);
    }
    return PASS;
}

/* @return ABI_REASON_NONE, or why the third packet proves nothing */
static __subprog __u32 listener_verify(const struct packet *p, const struct found_option *o,
                                       struct abi_socket *st, const struct abi_control *c)
{
    struct abi_peer_keys *keys = bpf_map_lookup_elem(&peer_keys, &o->enforcer);
    struct proof proof;

    if (!keys)
        return ABI_REASON_PEER_MISS;
    proof.role = 'A';
    proof.isn_a = p->seq - 1;
    proof.isn_b = p->ack - 1;
    proof.enforcer_a = o->enforcer;
    proof.identity_a = o->identity;
    proof.enforcer_b = c->enforcer_id;
    proof.identity_b = pu_identity(st->pu);
    if (!proof_verify(&proof, keys, o->tail, 0))
        return ABI_REASON_MAC_MISMATCH;
    if (!binding_known(o->enforcer, o->identity))
        return ABI_REASON_IDENTITY_UNKNOWN;
    count(ABI_COUNTER_IDENTITY_ACK_VERIFIED);
    return ABI_REASON_NONE;
}

/* The third packet with a proof: the only one that makes a peer's identity real. */
static __subprog int listener_proof(const struct packet *p, const struct found_option *o,
                                    struct abi_socket *st, const struct abi_control *c,
                                    struct pending *pd)
{
    struct decision d;
    __u32 reason = listener_verify(p, o, st, c);

    decision_for(&d, st, p, ABI_IN, o->identity);
    d.policy = 0;
    d.no_log = 0;
    if (reason == ABI_REASON_NONE) {
        decide_peer(&d, c, st, o->enforcer);
        if (d.action != ABI_ALLOW) {
            claim_remember(p, p->seq - 1);
            reason = ABI_REASON_POLICY;
            pd->kind = PENDING_REFUSED;
        }
    }
    if (reason != ABI_REASON_NONE)
        return refuse(p, &d, o->enforcer, reason, 0);
    pending_fill(pd, p, PENDING_VERIFIED, &d, c);
    pd->peer_enforcer = o->enforcer;
    pd->peer_identity = o->identity;
    count(ABI_COUNTER_CONNECTIONS_ACCEPTED);
    report_accept(p, &d, o->enforcer, ABI_REASON_NONE);
    return PASS;
}

/* A packet that is wrong in itself, before any policy. */
static __subprog int listener_malformed(const struct packet *p, struct abi_socket *st, __u32 reason)
{
    struct decision d;

    decision_for(&d, st, p, ABI_IN, 0);
    d.policy = 0;
    d.no_log = 0;
    if (reason == ABI_REASON_OPTION_INVALID)
        claim_remember(p, p->tcp_flags & TCP_ACK ? p->seq - 1 : p->seq);
    return refuse(p, &d, 0, reason, 0);
}

static __always_inline int pending_exempt(struct pending *pd, const struct packet *p,
                                          const struct abi_control *c)
{
    address_copy(pd->remote, p->remote);
    pd->remote_port = p->remote_port;
    pd->local_port = p->local_port;
    pd->kind = PENDING_EXEMPT;
    pd->judged = c->generation;
    return PASS;
}

static __subprog int listener_judge(struct __sk_buff *skb, const struct packet *p,
                                    struct abi_socket *st, const struct abi_control *c,
                                    struct pending *pd)
{
    struct found_option o;
    int found, syn = (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;

    if (p->tcp_flags & TCP_RST)
        return PASS;
    if (socket_excluded(skb, st, c) || p->address_flags & ABI_ADDRESS_EXCLUDED)
        return pending_exempt(pd, p, c);
    if (!syn && (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_ACK)
        return listener_malformed(p, st, ABI_REASON_NO_CONNECTION);
    found = c->flags & ABI_CONTROL_IDENTITY ? option_get(skb, p, &o) : OPTION_ABSENT;
    if (found == OPTION_BAD)
        return listener_malformed(p, st, ABI_REASON_OPTION_INVALID);
    if (found == OPTION_ABSENT)
        return listener_by_address(p, st, c, pd, syn ? p->seq : p->seq - 1);
    if (syn)
        return listener_syn_claim(p, &o, st, c, pd);
    return listener_proof(p, &o, st, c, pd);
}

static __subprog int listener_packet(struct __sk_buff *skb, const struct packet *p,
                                     struct abi_socket *st, const struct abi_control *c)
{
    struct pending *pd = pending_get();
    int verdict;

    if (!pd)
        return DROP;
    pd->kind = PENDING_NONE;
    verdict = listener_judge(skb, p, st, c, pd);
    if (pd->kind != PENDING_REFUSED)
        return verdict;
    pd->kind = PENDING_NONE;
    return reset_ask(skb, p, st->pu);
}

/* A child whose third packet the listener's look-up did not cover: it proves itself now. */
static __always_inline int unverified_packet(struct __sk_buff *skb, const struct packet *p,
                                             struct abi_socket *st, const struct abi_control *c)
{
    struct pending *pd = pending_get();

    if (!pd || p->tcp_flags & TCP_SYN || listener_packet(skb, p, st, c) != PASS)
        return DROP;
    if (pd->kind == PENDING_EXEMPT)
        return socket_exempt(st, c);
    if (pd->kind != PENDING_VERIFIED && pd->kind != PENDING_ADDRESS)
        return packet_of_rejected(p);
    st->phase = ABI_PHASE_ACCEPTED;
    st->direction = ABI_IN;
    st->peer_enforcer = pd->peer_enforcer;
    st->peer_identity = pd->peer_identity;
    st->policy = pd->policy;
    st->rule = pd->rule;
    st->observed_rule = pd->observed_rule;
    st->observed = pd->observed;
    st->address_class = pd->address_class;
    st->flags |= ABI_SOCKET_CONFIRMED | (pd->no_log ? ABI_SOCKET_NO_LOG : 0);
    st->judged = pd->judged;
    st->generation = pd->judged;
    return PASS;
}

/* Our SYN was answered by something we do not let in: say so and have the socket closed. */
static __always_inline int opener_refuse(struct __sk_buff *skb, const struct packet *p,
                                         struct abi_socket *st, struct decision *d, __u32 enforcer)
{
    st->phase = ABI_PHASE_REJECTED;
    st->generation = 0;
    socket_remember(st, d);
    return refuse_and_close(skb, p, d, enforcer);
}

/* Both directions count when SYN met SYN: each side opened and each side was opened. */
static __always_inline void opener_decide(struct decision *d, const struct packet *p,
                                          struct abi_socket *st, const struct abi_control *c,
                                          __u32 enforcer, __u32 identity)
{
    decision_for(d, st, p, ABI_OUT, identity);
    decide_peer(d, c, st, enforcer);
    if (d->action == ABI_ALLOW && st->flags & ABI_SOCKET_SIMULTANEOUS) {
        decision_for(d, st, p, ABI_IN, identity);
        decide_peer(d, c, st, enforcer);
    }
}

static __subprog int opener_accept(const struct packet *p, struct abi_socket *st,
                                   struct decision *d, const struct abi_control *c)
{
    st->phase = ABI_PHASE_ACCEPTED;
    st->direction = ABI_OUT;
    st->started_ns = bpf_ktime_get_ns();
    socket_remember(st, d);
    st->judged = d->generation;
    count(ABI_COUNTER_CONNECTIONS_ACCEPTED);
    return PASS;
}

/* Every one is counted; reported is the first of each peer, as long as the table remembers it. */
static __subprog int no_room_is_news(const struct packet *p)
{
    struct peer_address peer;
    __u8 one = 1;

    address_copy(peer.addr, p->remote);
    return bpf_map_update_elem(&no_room_peers, &peer, &one, BPF_NOEXIST) == 0;
}

/* SYN-ACK without the option: the peer has no identity, or something took it away. */
static __subprog int opener_by_address(struct __sk_buff *skb, const struct packet *p,
                                       struct abi_socket *st, const struct abi_control *c)
{
    struct decision d;
    __u8 reason = ABI_REASON_NONE;

    if (p->address_flags & ABI_ADDRESS_EXCLUDED)
        return socket_exempt(st, c);
    if (st->flags & ABI_SOCKET_OPTION_SENT && p->address_flags & ABI_ADDRESS_PEER) {
        count(ABI_COUNTER_IDENTITY_STRIPPED);
        reason = ABI_REASON_STRIPPED;
    } else if (st->flags & ABI_SOCKET_FALLBACK) {
        reason = ABI_REASON_FALLBACK;
    }
    opener_decide(&d, p, st, c, 0, 0);
    if (d.action != ABI_ALLOW)
        return opener_refuse(skb, p, st, &d, 0);
    if (reason == ABI_REASON_NONE && st->flags & ABI_SOCKET_NO_ROOM && no_room_is_news(p))
        reason = ABI_REASON_NO_ROOM;
    opener_accept(p, st, &d, c);
    st->flags |= ABI_SOCKET_CONFIRMED;
    st->generation = d.generation;
    report_accept(p, &d, 0, reason);
    return PASS;
}

/*
 * Verify the answerer's proof and make our own for the third packet.
 * @return ABI_REASON_NONE, or why the SYN-ACK proves nothing
 */
static __subprog __u32 opener_verify(const struct packet *p, const struct found_option *o,
                                     struct abi_socket *st, const struct abi_control *c)
{
    struct abi_peer_keys *keys = bpf_map_lookup_elem(&peer_keys, &o->enforcer);
    struct proof proof;

    if (!keys)
        return ABI_REASON_PEER_MISS;
    proof.role = 'B';
    proof.isn_a = p->ack - 1;
    proof.isn_b = p->seq;
    proof.enforcer_a = c->enforcer_id;
    proof.identity_a = pu_identity(st->pu);
    proof.enforcer_b = o->enforcer;
    proof.identity_b = o->identity;
    if (!proof_verify(&proof, keys, o->tail, 1))
        return ABI_REASON_MAC_MISMATCH;
    if (!binding_known(o->enforcer, o->identity))
        return ABI_REASON_IDENTITY_UNKNOWN;
    count(ABI_COUNTER_IDENTITY_SYNACK_VERIFIED);
    proof.role = 'A';
    st->mac = proof_mac(&proof);
    return ABI_REASON_NONE;
}

/* SYN-ACK with the option. */
static __subprog int opener_proof(struct __sk_buff *skb, const struct packet *p,
                                  const struct found_option *o, struct abi_socket *st,
                                  const struct abi_control *c)
{
    struct decision d;
    __u32 reason = opener_verify(p, o, st, c);

    decision_for(&d, st, p, ABI_OUT, o->identity);
    d.policy = 0;
    d.no_log = 0;
    if (reason != ABI_REASON_NONE)
        return refuse(p, &d, o->enforcer, reason, 0);
    opener_decide(&d, p, st, c, o->enforcer, o->identity);
    if (d.action != ABI_ALLOW)
        return opener_refuse(skb, p, st, &d, o->enforcer);
    st->flags |= ABI_SOCKET_PEER_VERIFIED;
    st->peer_enforcer = o->enforcer;
    st->peer_identity = o->identity;
    opener_accept(p, st, &d, c);
    report_accept(p, &d, o->enforcer, ABI_REASON_NONE);
    return PASS;
}

/* SYN met SYN: remember what the peer claims; its SYN-ACK has to prove it. */
static __subprog int opener_crossed(struct __sk_buff *skb, const struct packet *p,
                                    const struct found_option *o, struct abi_socket *st,
                                    const struct abi_control *c)
{
    struct decision d;

    st->flags |= ABI_SOCKET_SIMULTANEOUS;
    if (o->present) {
        st->flags |= ABI_SOCKET_PEER_CLAIMED;
        st->peer_enforcer = o->enforcer;
        st->peer_identity = o->identity;
        return PASS;
    }
    opener_decide(&d, p, st, c, 0, 0);
    if (d.action != ABI_ALLOW)
        return opener_refuse(skb, p, st, &d, 0);
    return PASS;
}

static __subprog int opener_malformed(const struct packet *p, struct abi_socket *st)
{
    struct decision d;

    decision_for(&d, st, p, ABI_OUT, 0);
    d.policy = 0;
    d.no_log = 0;
    return refuse(p, &d, 0, ABI_REASON_OPTION_INVALID, 0);
}

/* SYN_SENT, or SYN_RECV of a simultaneous open. */
static __subprog int opener_packet(struct __sk_buff *skb, const struct packet *p,
                                   struct abi_socket *st, const struct abi_control *c, __u32 state)
{
    struct found_option o;
    int found;

    if (p->tcp_flags & TCP_RST)
        return PASS;
    if (st->phase == ABI_PHASE_REJECTED)
        return DROP;
    /* anybody may have sent it, the stack will not take it: it says nothing of the peer */
    if (state == 2 && p->tcp_flags & TCP_ACK && !acknowledges_syn(skb, p))
        return PASS;
    if (socket_excluded(skb, st, c))
        return socket_exempt(st, c);
    if (!(p->tcp_flags & TCP_SYN)) {
        /* an ACK establishes a simultaneous open: only after the SYN-ACK was judged */
        if (state != 3)
            return PASS;
        if (st->phase == ABI_PHASE_ACCEPTED)
            return connection_packet(skb, st, p, c, 1);
        return st->flags & ABI_SOCKET_PEER_CLAIMED ? DROP : opener_by_address(skb, p, st, c);
    }
    found = c->flags & ABI_CONTROL_IDENTITY ? option_get(skb, p, &o) : OPTION_ABSENT;
    if (found == OPTION_ABSENT)
        o.present = 0;
    if (found == OPTION_BAD)
        return opener_malformed(p, st);
    if (!(p->tcp_flags & TCP_ACK))
        return opener_crossed(skb, p, &o, st, c);
    if (found == OPTION_ABSENT)
        return st->flags & ABI_SOCKET_PEER_CLAIMED ? DROP : opener_by_address(skb, p, st, c);
    return opener_proof(skb, p, &o, st, c);
}

static __subprog int tcp_ingress(struct __sk_buff *skb, struct bpf_sock *sk, struct abi_socket *st,
                                 const struct abi_control *c)
{
    struct packet p;
    __u32 state = sk->state;

    if (parse(skb, &p, 1) != PARSE_OK || p.protocol != PROTO_TCP) {
        count(ABI_COUNTER_HEADER);
        return DROP;
    }
    if (!st) {
        st = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!st) {
            count(ABI_COUNTER_TABLE_FULL);
            return DROP;
        }
        if (state == 10)
            st->phase = ABI_PHASE_LISTEN;
        else
            socket_new_existing(st);
    }
    socket_refresh(skb, sk, st, c);
    if (st->pu == ABI_PU_NONE)
        return socket_exempt(st, c);
    packet_address(skb, c, &p);
    if (state == 10) {
        st->phase = ABI_PHASE_LISTEN;
        st->generation = 0;
        if (c->flags & ABI_CONTROL_EXCLUDED_INTERFACES)
            socket_of_host(skb, st); /* its children inherit it */
        return listener_packet(skb, &p, st, c);
    }
    if (st->phase == ABI_PHASE_EXISTING)
        return connection_packet(skb, st, &p, c, 1);
    if (state == 3 && st->phase == ABI_PHASE_LISTEN)
        return PASS; /* a child between its third packet, which was admitted, and established() */
    if (state == 2 || state == 3)
        return opener_packet(skb, &p, st, c, state);
    switch (st->phase) {
    case ABI_PHASE_UNVERIFIED:
        return unverified_packet(skb, &p, st, c);
    case ABI_PHASE_ACCEPTED:
    case ABI_PHASE_REJECTED:
    case ABI_PHASE_EXEMPT:
        return connection_packet(skb, st, &p, c, 1);
    }
    return packet_of_rejected(&p);
}

static __subprog int datagram_ingress(struct __sk_buff *skb, struct bpf_sock *sk,
                                      struct abi_socket *st, const struct abi_control *c)
{
    struct decision d;
    struct packet p;

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
    if (parse(skb, &p, 1) != PARSE_OK) {
        count(ABI_COUNTER_HEADER);
        return DROP;
    }
    packet_address(skb, c, &p);
    if (always_allowed(&p) || p.address_flags & ABI_ADDRESS_EXCLUDED || socket_excluded(skb, st, c))
        return PASS;
    if (icmp_is_error(&p) && icmp_related(skb, &p)) {
        count(ABI_COUNTER_ICMP_RELATED);
        return PASS;
    }
    d.pu = st->pu;
    d.identity = 0;
    d.address_class = p.address_class;
    d.protocol = p.protocol;
    d.direction = ABI_IN;
    d.port = datagram_port(&p, ABI_IN);
    if (p.protocol == PROTO_TCP || (p.protocol == PROTO_UDP && sk->type == SOCKET_RAW)) {
        /* a raw socket listens in on connections: as its own PU, by address, without a report each
         */
        decide(&d);
        return d.action == ABI_ALLOW ? PASS : DROP;
    }
    if (datagram_judge(&p, c, &d, loopback_self(skb, &p, st->pu, c)) == PASS)
        return PASS;
    return p.protocol == PROTO_UDP ? reset_ask(skb, &p, st->pu) : DROP;
}

SEC("cgroup_skb/ingress")
int bulkhead_ingress(struct __sk_buff *skb)
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
        return tcp_ingress(skb, sk, st, c);
    return datagram_ingress(skb, sk, st, c);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
