/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * sock_ops: the identity option on SYN, SYN-ACK and the opener's packets until the answerer is
 * known to have its proof; what becomes of a connection. The option is written by
 * BPF_SOCK_OPS_WRITE_HDR_OPT_CB (net/ipv4/tcp_output.c: bpf_skops_write_hdr_opt).
 *
 * A listener is flagged when it starts to listen; those older than the Enforcer by listeners.bpf.c,
 * or else synack.bpf.c writes their option.
 */
#include "identity.h"
#include "report.h"
#include "socket.h"

enum tcp_state {
    TCP_STATE_FIN_WAIT2 = 5,
    TCP_STATE_CLOSE = 7,
    TCP_STATE_CLOSE_WAIT = 8,
    TCP_STATE_LAST_ACK = 9,
    TCP_STATE_CLOSING = 11,
};

/* The compiler must not join two loads into one with a computed offset: the verifier refuses that.
 */
#define CTX(field) (*(volatile __u32 *)&ctx->field)

static __subprog int ctx_addresses(struct bpf_sock_ops *ctx, __u32 *local, __u32 *remote)
{
    if (ctx->family == 2) {
        address_from_v4(local, CTX(local_ip4));
        address_from_v4(remote, CTX(remote_ip4));
        return 0;
    }
    local[0] = CTX(local_ip6[0]);
    local[1] = CTX(local_ip6[1]);
    local[2] = CTX(local_ip6[2]);
    local[3] = CTX(local_ip6[3]);
    remote[0] = CTX(remote_ip6[0]);
    remote[1] = CTX(remote_ip6[1]);
    remote[2] = CTX(remote_ip6[2]);
    remote[3] = CTX(remote_ip6[3]);
    return 0;
}

static __always_inline struct pending *pending_of(struct bpf_sock_ops *ctx)
{
    __u32 zero = 0, local[4], remote[4];
    struct pending *pd = bpf_map_lookup_elem(&pending, &zero);

    if (!pd || pd->kind == PENDING_NONE)
        return 0;
    ctx_addresses(ctx, local, remote);
    if (pd->local_port != ctx->local_port ||
        pd->remote_port != (__u16)bpf_ntohl(ctx->remote_port) || !address_equal(pd->remote, remote))
        return 0;
    return pd;
}

static __always_inline struct handshake *handshake_slot(__u64 cookie)
{
    __u32 slot = cookie & (ABI_HANDSHAKES_MAX - 1);

    return bpf_map_lookup_elem(&handshakes, &slot);
}

/*
 * Request socket: the SYN-ACK. The first one is made while its SYN is looked at; those sent again
 * by timer find what the SYN claimed by the cookie of the request.
 */
static __subprog struct handshake *synack_handshake(struct bpf_sock_ops *ctx, int keep)
{
    struct pending *pd = pending_of(ctx);
    struct handshake *h;
    __u64 cookie;

    if (pd && pd->kind == PENDING_SYN && !keep)
        return &pd->handshake;
    cookie = bpf_get_socket_cookie(ctx);
    h = handshake_slot(cookie);
    if (!h)
        return 0;
    if (pd && pd->kind == PENDING_SYN) {
        if (ctx->args[0] != BPF_WRITE_HDR_TCP_SYNACK_COOKIE) {
            *(volatile __u64 *)&h->cookie = cookie;
            h->k0 = pd->handshake.k0;
            h->k1 = pd->handshake.k1;
            h->peer_enforcer = pd->handshake.peer_enforcer;
            h->peer_identity = pd->handshake.peer_identity;
            h->identity = pd->handshake.identity;
            h->isn_remote = pd->handshake.isn_remote;
            h->peer_epoch = pd->handshake.peer_epoch;
            h->own_epoch = pd->handshake.own_epoch;
            *(volatile __u64 *)&h->cookie_end = cookie;
        }
        return &pd->handshake;
    }
    return h->cookie == cookie && h->cookie_end == cookie ? h : 0;
}

static __subprog int synack_write(struct bpf_sock_ops *ctx, struct abi_control *c)
{
    struct tcp_header *t = ctx->skb_data;
    struct handshake *h;
    struct option o;
    struct proof proof;

    if ((void *)(t + 1) > ctx->skb_data_end)
        return 0;
    proof.isn_b = bpf_ntohl(t->seq);
    proof.isn_a = bpf_ntohl(t->ack) - 1;
    h = synack_handshake(ctx, 0);
    if (!h || h->isn_remote != proof.isn_a)
        return 0;
    proof_of_answer(&proof, h, c->enforcer_id);
    option_fill(&o, c->enforcer_id, h->identity, proof_mac(&proof));
    if (bpf_store_hdr_opt(ctx, &o, sizeof(o), 0) == 0)
        count(ABI_COUNTER_IDENTITY_SYNACK_SENT);
    return 0;
}

/* SYN met SYN: our SYN-ACK goes out from the full socket and proves us as the answerer of theirs.
 */
static __subprog int crossed_write(struct bpf_sock_ops *ctx, struct abi_socket *st,
                                   struct abi_control *c)
{
    struct tcp_header *t = ctx->skb_data;
    struct abi_peer_keys *keys;
    struct option o;
    struct proof proof;

    if (!(st->flags & ABI_SOCKET_PEER_CLAIMED) || (void *)(t + 1) > ctx->skb_data_end)
        return 0;
    keys = bpf_map_lookup_elem(&peer_keys, &st->peer_enforcer);
    if (!keys || !keys->key[0].valid)
        return 0;
    proof.isn_b = bpf_ntohl(t->seq);
    proof.isn_a = bpf_ntohl(t->ack) - 1;
    proof.k0 = keys->key[0].k0;
    proof.k1 = keys->key[0].k1;
    proof.enforcer_a = st->peer_enforcer;
    proof.identity_a = st->peer_identity;
    proof.enforcer_b = c->enforcer_id;
    proof.identity_b = pu_identity(st->pu);
    proof.epoch_a = keys->key[0].peer_epoch;
    proof.epoch_b = keys->key[0].own_epoch;
    if (!keys_are_of(keys, st->peer_enforcer))
        return 0;
    proof.role = 'B';
    option_fill(&o, c->enforcer_id, proof.identity_b, proof_mac(&proof));
    bpf_store_hdr_opt(ctx, &o, sizeof(o), 0);
    return 0;
}

static __subprog int full_write(struct bpf_sock_ops *ctx, struct abi_socket *st,
                                struct abi_control *c)
{
    struct option o;

    if (ctx->skb_tcp_flags & TCP_SYN && ctx->skb_tcp_flags & TCP_ACK)
        return crossed_write(ctx, st, c);
    if (ctx->skb_tcp_flags & TCP_SYN) {
        option_fill(&o, c->enforcer_id, pu_identity(st->pu), hello_tail(c->epoch));
        if (bpf_store_hdr_opt(ctx, &o, sizeof(o), 0) == 0) {
            st->flags |= ABI_SOCKET_OPTION_SENT;
            st->syns++;
            count(ABI_COUNTER_IDENTITY_SYN_SENT);
        }
        return 0;
    }
    if (st->flags & ABI_SOCKET_PEER_VERIFIED) {
        option_fill(&o, c->enforcer_id, pu_identity(st->pu), st->mac);
        bpf_store_hdr_opt(ctx, &o, sizeof(o), 0);
    }
    return 0;
}

static __subprog int full_reserve(struct bpf_sock_ops *ctx, struct abi_socket *st)
{
    if (st->phase == ABI_PHASE_CONNECTING) {
        if (ctx->args[0] != BPF_WRITE_HDR_TCP_CURRENT_MSS && st->syns >= 2) {
            /* two SYNs with the option went unanswered: rule 5 of the protocol */
            if (!(st->flags & ABI_SOCKET_FALLBACK))
                count(ABI_COUNTER_IDENTITY_FALLBACK);
            st->flags |= ABI_SOCKET_FALLBACK;
            st->flags &= ~ABI_SOCKET_OPTION_SENT;
            return 0;
        }
        if (st->flags & ABI_SOCKET_FALLBACK)
            return 0;
        if (bpf_reserve_hdr_opt(ctx, ABI_OPTION_LEN, 0) < 0 && !(st->flags & ABI_SOCKET_NO_ROOM)) {
            st->flags |= ABI_SOCKET_NO_ROOM;
            count(ABI_COUNTER_IDENTITY_NO_ROOM);
        }
        return 0;
    }
    if (st->phase == ABI_PHASE_ACCEPTED && st->flags & ABI_SOCKET_PEER_VERIFIED &&
        !(st->flags & ABI_SOCKET_CONFIRMED)) {
        bpf_reserve_hdr_opt(ctx, ABI_OPTION_LEN, 0);
        return 0;
    }
    bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
    return 0;
}

/* Its SYN-ACKs can carry the option from now on; children start with the same flag. */
static __subprog int listening(struct bpf_sock_ops *ctx)
{
    struct bpf_sock *sk = ctx->sk;
    struct abi_socket *st;

    bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
    if (!sk)
        return 0;
    st = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!st) {
        st = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!st)
            return 0; /* taken for an older one, which costs a look at each SYN-ACK */
        st->pu = ABI_PU_UNKNOWN;
    }
    st->flags |= ABI_SOCKET_WRITES;
    return 0;
}

static __subprog int connecting(struct bpf_sock_ops *ctx, struct abi_control *c)
{
    struct bpf_sock *sk = ctx->sk;
    struct abi_socket *st;

    if (!sk)
        return 0;
    st = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!st)
        return 0;
    if (st->phase == ABI_PHASE_NEW) {
        /* made inside the kernel, without connect(): egress finds the PU */
        st->phase = ABI_PHASE_CONNECTING;
        st->direction = ABI_OUT;
        st->rule = st->observed_rule = ABI_RULE_NONE;
        st->pu = ABI_PU_NONE;
    }
    if (st->flags & ABI_SOCKET_TARGET)
        bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
    else
        bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
    return 0;
}

/* The child: takes over what the third packet proved. */
static __subprog int established(struct bpf_sock_ops *ctx, struct abi_control *c)
{
    struct bpf_sock *sk = ctx->sk;
    struct abi_socket *st;
    struct handshake *h;
    struct pending *pd;
    __u64 cookie;

    if (!sk)
        return 0;
    bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
    st = bpf_sk_storage_get(&sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (!st)
        return 0;
    if (st->phase != ABI_PHASE_LISTEN && st->phase != ABI_PHASE_NEW)
        return 0; /* exempt, or an opener whose SYN met a SYN */
    st->started_ns = bpf_ktime_get_ns();
    st->direction = ABI_IN;
    st->generation = 0;
    st->judged = 0;
    st->phase = ABI_PHASE_UNVERIFIED;
    st->flags &= ABI_SOCKET_HOST_NETNS | ABI_SOCKET_INTERFACE;
    pd = pending_of(ctx);
    if (!pd)
        return 0;
    if (pd->kind == PENDING_EXEMPT) {
        st->phase = ABI_PHASE_EXEMPT;
    } else if (pd->kind == PENDING_VERIFIED || pd->kind == PENDING_ADDRESS) {
        st->phase = ABI_PHASE_ACCEPTED;
        st->flags = ABI_SOCKET_CONFIRMED | (pd->no_log ? ABI_SOCKET_NO_LOG : 0) |
                    (st->flags & ABI_SOCKET_HOST_NETNS);
        st->peer_enforcer = pd->peer_enforcer;
        st->peer_identity = pd->peer_identity;
        st->policy = pd->policy;
        st->rule = pd->rule;
        st->observed_rule = pd->observed_rule;
        st->observed = pd->observed;
        st->address_class = pd->address_class;
    } else {
        return 0;
    }
    st->judged = pd->judged;
    st->generation = pd->judged;
    if (!(c->flags & ABI_CONTROL_IDENTITY))
        return 0;
    if (pd->kind != PENDING_ADDRESS)
        return 0;
    /* the request had an identity, its third packet came without */
    cookie = bpf_get_socket_cookie(ctx);
    h = handshake_slot(cookie);
    if (h && h->cookie == cookie)
        count(ABI_COUNTER_IDENTITY_STRIPPED);
    return 0;
}

static __always_inline __u64 without(__u64 bytes, __u32 more)
{
    return bytes > more ? bytes - more : 0;
}

/*
 * The kernel counts a FIN as a byte received, and SYN and FIN as bytes acknowledged. What there was
 * of them shows in the state that ends. (In FIN-WAIT-2 the peer's FIN is taken for granted: without
 * it the socket ended by a timeout or RST, and one byte is missing.)
 */
static __always_inline __u32 fin_received(__u32 state)
{
    return state == TCP_STATE_FIN_WAIT2 || state == TCP_STATE_CLOSE_WAIT ||
           state == TCP_STATE_LAST_ACK || state == TCP_STATE_CLOSING;
}

static __always_inline __u32 fin_acknowledged(struct bpf_sock_ops *ctx, __u32 state)
{
    if (state == TCP_STATE_LAST_ACK || state == TCP_STATE_CLOSING)
        return ctx->snd_una == ctx->snd_nxt;
    return state == TCP_STATE_FIN_WAIT2;
}

/* Last words of a connection: how much it carried. */
static __subprog int closed(struct bpf_sock_ops *ctx)
{
    struct bpf_sock *sk = ctx->sk;
    struct abi_report_key key;
    struct abi_socket *st;
    __u32 local[4], remote[4];
    __u64 in, out;

    if (!sk)
        return 0;
    st = bpf_sk_storage_get(&sockets, sk, 0, 0);
    if (!st || st->phase != ABI_PHASE_ACCEPTED || st->flags & ABI_SOCKET_NO_LOG)
        return 0;
    in = without(ctx->bytes_received, fin_received(ctx->args[0]));
    out =
        without(ctx->bytes_acked, fin_acknowledged(ctx, ctx->args[0]) + (st->direction == ABI_OUT));
    if (!(in | out))
        return 0;
    ctx_addresses(ctx, local, remote);
    __builtin_memset(&key, 0, sizeof(key));
    address_copy(key.local, local);
    address_copy(key.remote, remote);
    key.pu = st->pu;
    key.peer_enforcer = st->peer_enforcer;
    key.peer_identity = st->peer_identity;
    key.address_class = st->address_class;
    key.policy = st->policy;
    key.rule = st->rule;
    key.observed_rule = st->observed_rule;
    key.port = st->direction == ABI_OUT ? (__u16)bpf_ntohl(ctx->remote_port) : ctx->local_port;
    key.protocol = PROTO_TCP;
    key.direction = st->direction;
    key.action = ABI_ALLOW;
    key.observed = st->observed;
    report_bytes(&key, in, out);
    return 0;
}

SEC("sockops")
int bulkhead_sockops(struct bpf_sock_ops *ctx)
{
    struct abi_control *c = control_get();
    struct bpf_sock *sk = ctx->sk;
    struct abi_socket *st;

    if (!c) {
        ctx->reply = -1;
        return 1;
    }
    switch (ctx->op) {
    case BPF_SOCK_OPS_TCP_LISTEN_CB:
        listening(ctx);
        break;
    case BPF_SOCK_OPS_TCP_CONNECT_CB:
        connecting(ctx, c);
        break;
    case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
        established(ctx, c);
        break;
    case BPF_SOCK_OPS_STATE_CB:
        if (ctx->args[1] == TCP_STATE_CLOSE)
            closed(ctx);
        break;
    case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
    case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
        if (!ctx->is_fullsock) {
            if (ctx->op == BPF_SOCK_OPS_WRITE_HDR_OPT_CB)
                synack_write(ctx, c);
            else if (synack_handshake(ctx, 1))
                bpf_reserve_hdr_opt(ctx, ABI_OPTION_LEN, 0);
            break;
        }
        if (!sk)
            break;
        st = bpf_sk_storage_get(&sockets, sk, 0, 0);
        if (!st)
            break;
        if (ctx->op == BPF_SOCK_OPS_WRITE_HDR_OPT_CB)
            full_write(ctx, st, c);
        else
            full_reserve(ctx, st);
        break;
    default:
        ctx->reply = -1; /* no opinion. It is where args[0] is: not before the others are asked */
    }
    return 1;
}
