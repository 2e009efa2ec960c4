/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Flow reports: the first of a kind as an event at once, all of them counted in `reports`. */
#include "decide.h"

struct report_extra {
    __u64 cookie;  /* not 0: the socket is to be destroyed */
    __u32 ifindex; /* that the socket is bound to */
    __u32 peer_enforcer;
    __u8 reason;
    __u8 pad[7];
};

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

static __always_inline void event_fill(struct abi_event *event, const struct abi_report_key *key,
                                       __u32 type, __u64 cookie, __u16 local_port,
                                       __u16 remote_port)
{
    event->type = type;
    event->ifindex = 0;
    event->time_ns = bpf_ktime_get_ns();
    event->cookie = cookie;
    event->local_port = local_port;
    event->remote_port = remote_port;
    event->payload = 0;
    event->tcp_flags = event->pad = 0;
    event->seq = event->ack = event->pad1 = 0;
    event->flow = *key;
}

/* Ask user space to close a socket. Lost when the ring is full: the socket stays mute all the same.
 */
static __always_inline void event_destroy(const struct abi_report_key *key,
                                          const struct report_extra *extra, __u16 local_port,
                                          __u16 remote_port)
{
    struct abi_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event)
        return;
    event_fill(event, key, ABI_EVENT_DESTROY, extra->cookie, local_port, remote_port);
    event->ifindex = extra->ifindex;
    bpf_ringbuf_submit(event, 0);
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
    event_fill(event, key, ABI_EVENT_FLOW, 0, 0, 0);
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
static __subprog int report(const struct packet *p, const struct decision *d,
                            const struct report_extra *extra)
{
    struct abi_report_key key;

    report_key_fill(&key, p->local, p->remote, d, extra->peer_enforcer, extra->reason);
    if (extra->cookie)
        event_destroy(&key, extra, p->local_port, p->remote_port);
    if (d->no_log && extra->reason <= ABI_REASON_POLICY)
        return 0;
    report_count(&key);
    return 0;
}

static __always_inline __u32 reason_counter(__u8 reason)
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
    return ABI_COUNTER_CONNECTIONS_REJECTED;
}

static __always_inline void extra_fill(struct report_extra *extra, __u32 peer_enforcer, __u8 reason)
{
    __builtin_memset(extra, 0, sizeof(*extra));
    extra->peer_enforcer = peer_enforcer;
    extra->reason = reason;
}

static __always_inline int refuse_with(const struct packet *p, struct decision *d,
                                       const struct report_extra *extra)
{
    __u8 reason = extra->reason;

    d->action = ABI_REJECT;
    if (reason != ABI_REASON_POLICY) {
        d->rule = d->observed_rule = ABI_RULE_NONE;
        d->observed = ABI_NONE;
    }
    count(reason_counter(reason));
    report(p, d, extra);
    return DROP;
}

/* Drop for `reason`: count, report with what is known, never an allow. */
static __always_inline int refuse(const struct packet *p, struct decision *d, __u32 peer_enforcer,
                                  __u8 reason, __u64 destroy_cookie)
{
    struct report_extra extra;

    extra_fill(&extra, peer_enforcer, reason);
    extra.cookie = destroy_cookie;
    return refuse_with(p, d, &extra);
}

/* Drop by policy, and have the packet's socket closed by user space. */
static __always_inline int refuse_and_close(struct __sk_buff *skb, const struct packet *p,
                                            struct decision *d, __u32 peer_enforcer)
{
    struct bpf_sock *sk = skb->sk;
    struct report_extra extra;

    extra_fill(&extra, peer_enforcer, ABI_REASON_POLICY);
    extra.cookie = bpf_get_socket_cookie(skb);
    /* without it sock_diag does not find a socket that is bound to a device */
    extra.ifindex = sk ? sk->bound_dev_if : 0;
    return refuse_with(p, d, &extra);
}

static __always_inline void report_accept(const struct packet *p, const struct decision *d,
                                          __u32 peer_enforcer, __u8 reason)
{
    struct report_extra extra;

    extra_fill(&extra, peer_enforcer, reason);
    report(p, d, &extra);
}
