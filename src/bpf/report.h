/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Flow reports: the first of a kind as an event at once, all of them counted in `reports`. */
#include "decide.h"

static __always_inline void report_key_fill(struct abi_report_key *key, const __u8 *local,
                                            const __u8 *remote, const struct decision *d,
                                            __u32 peer_enforcer, __u8 reason)
{
    __builtin_memset(key, 0, sizeof(*key));
    address_copy(key->local, local);
    address_copy(key->remote, remote);
    key->pu = d->pu;
    key->peer_enforcer = peer_enforcer;
    key->peer_identity = d->identity;
    key->address_class = d->address_class;
    key->policy = d->policy;
    key->rule = d->rule;
    key->observed_rule = d->observed_rule;
    key->port = d->port;
    key->protocol = d->protocol;
    key->direction = d->direction;
    key->action = d->action;
    key->observed = d->observed;
    key->reason = reason;
}

static __always_inline void event_fill(struct abi_event *event, const struct abi_report_key *key)
{
    event->type = ABI_EVENT_FLOW;
    event->ifindex = 0;
    event->time_ns = bpf_ktime_get_ns();
    event->cookie = 0;
    event->local_port = event->remote_port = event->payload = 0;
    event->tcp_flags = event->pad = 0;
    event->seq = event->ack = event->pad1 = 0;
    event->flow = *key;
}

/*
 * Ask user space to close the socket of a packet. Lost when the ring is full: the socket stays mute
 * all the same. Not part of refuse(): the stack of 5.10 has no room for that.
 */
static __subprog int close_ask(struct __sk_buff *skb, const struct packet *p)
{
    struct abi_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    struct bpf_sock *sk = skb->sk;

    if (!event)
        return 0;
    __builtin_memset(event, 0, sizeof(*event));
    event->type = ABI_EVENT_DESTROY;
    /* without it sock_diag does not find a socket that is bound to a device */
    event->ifindex = sk ? sk->bound_dev_if : 0;
    event->time_ns = bpf_ktime_get_ns();
    event->cookie = bpf_get_socket_cookie(skb);
    event->local_port = p->local_port;
    event->remote_port = p->remote_port;
    address_copy(event->flow.local, p->local);
    address_copy(event->flow.remote, p->remote);
    bpf_ringbuf_submit(event, 0);
    return 0;
}

/*
 * Add to the counted report of this kind; tell user space at once when it is the first. What
 * neither the table nor the ring had room for is counted as lost.
 */
static __always_inline void report_again(const struct abi_report_key *key)
{
    struct abi_report *known = bpf_map_lookup_elem(&reports, key);

    if (known)
        __sync_fetch_and_add(&known->count, 1);
}

static __always_inline void report_count(const struct abi_report_key *key)
{
    struct abi_report *known = bpf_map_lookup_elem(&reports, key);
    struct abi_report fresh;
    struct abi_event *event;
    long r;

    if (known) {
        __sync_fetch_and_add(&known->count, 1);
        return;
    }
    fresh.count = 1;
    fresh.bytes_in = fresh.bytes_out = 0;
    fresh.first_ns = bpf_ktime_get_ns();
    fresh.announced = 1;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        fresh.announced = 0;
        r = bpf_map_update_elem(&reports, key, &fresh, BPF_NOEXIST);
        if (r == -17) /* EEXIST: another CPU was first */
            report_again(key);
        else if (r < 0)
            count(ABI_COUNTER_EVENTS_LOST);
        return;
    }
    r = bpf_map_update_elem(&reports, key, &fresh, BPF_NOEXIST);
    if (r == -17) {
        bpf_ringbuf_discard(event, 0);
        report_again(key);
        return;
    }
    event_fill(event, key);
    bpf_ringbuf_submit(event, 0);
    count(ABI_COUNTER_EVENTS_SENT);
    if (r < 0)
        count(ABI_COUNTER_REPORTS_FULL);
}

/* What a finished connection carried; its kind may have been drained in between. */
static __always_inline void report_bytes(const struct abi_report_key *key, __u64 in, __u64 out)
{
    struct abi_report fresh;
    struct abi_report *known = bpf_map_lookup_elem(&reports, key);

    if (known) {
        __sync_fetch_and_add(&known->bytes_in, in);
        __sync_fetch_and_add(&known->bytes_out, out);
        return;
    }
    fresh.count = 0;
    fresh.bytes_in = in;
    fresh.bytes_out = out;
    fresh.first_ns = bpf_ktime_get_ns();
    fresh.announced = 0;
    if (bpf_map_update_elem(&reports, key, &fresh, BPF_NOEXIST) < 0)
        count(ABI_COUNTER_REPORTS_FULL);
}

/* Report what was decided about a packet; rules with logsDisabled are silent unless it is a fault.
 */
static __subprog int report(const struct packet *p, const struct decision *d, __u32 peer_enforcer,
                            __u8 reason)
{
    struct abi_report_key key;

    if (d->no_log && reason <= ABI_REASON_POLICY)
        return 0;
    report_key_fill(&key, p->local, p->remote, d, peer_enforcer, reason);
    report_count(&key);
    return 0;
}

static __always_inline __u32 reason_counter(__u8 reason, __u8 protocol)
{
    switch (reason) {
    case ABI_REASON_MAC_MISMATCH:
        return ABI_COUNTER_MAC_MISMATCH;
    case ABI_REASON_PEER_MISS:
        return ABI_COUNTER_PEER_MISS;
    case ABI_REASON_IDENTITY_UNKNOWN:
        return ABI_COUNTER_IDENTITY_UNKNOWN;
    case ABI_REASON_EPOCH:
        return ABI_COUNTER_EPOCH;
    case ABI_REASON_OPTION_INVALID:
        return ABI_COUNTER_OPTION_INVALID;
    case ABI_REASON_SYN_DATA:
        return ABI_COUNTER_SYN_DATA;
    case ABI_REASON_FRAGMENT:
        return ABI_COUNTER_FRAGMENT;
    case ABI_REASON_HEADER:
        return ABI_COUNTER_HEADER;
    case ABI_REASON_NO_CONNECTION:
        return ABI_COUNTER_NO_CONNECTION;
    case ABI_REASON_EXPIRED:
        return ABI_COUNTER_EXPIRED;
    case ABI_REASON_NO_MEMORY:
        return ABI_COUNTER_TABLE_FULL;
    }
    return protocol == PROTO_TCP ? ABI_COUNTER_CONNECTIONS_REJECTED : ABI_COUNTER_DATAGRAM_REJECTED;
}

/*
 * Drop for `reason`: count, report with what is known, never an allow.
 * @param none  0: a socket that is to be closed goes through refuse_and_close()
 */
static __always_inline int refuse(const struct packet *p, struct decision *d, __u32 peer_enforcer,
                                  __u8 reason, __u64 none)
{
    (void)none;
    d->action = ABI_REJECT;
    if (reason != ABI_REASON_POLICY) {
        d->rule = d->observed_rule = ABI_RULE_NONE;
        d->observed = ABI_NONE;
    }
    count(reason_counter(reason, p->protocol));
    report(p, d, peer_enforcer, reason);
    return DROP;
}

/* Drop by policy, and have the packet's socket closed by user space. */
static __always_inline int refuse_and_close(struct __sk_buff *skb, const struct packet *p,
                                            struct decision *d, __u32 peer_enforcer)
{
    close_ask(skb, p);
    return refuse(p, d, peer_enforcer, ABI_REASON_POLICY, 0);
}

static __always_inline void report_accept(const struct packet *p, const struct decision *d,
                                          __u32 peer_enforcer, __u8 reason)
{
    report(p, d, peer_enforcer, reason);
}
