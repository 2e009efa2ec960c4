/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * rejectMode: reset. A program of these hooks cannot send a packet, so user space is asked to
 * answer what was refused. Never on the way of a packet that passes; bounded, so that a flood of
 * refused packets takes neither the ring nor the daemon.
 */
#include "common.h"

#define PACKET_TYPE_HOST 0

static __always_inline struct pending *pending_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&pending, &zero);
}

/* At most ABI_RESETS_MAX per CPU and window. */
static __always_inline int reset_affordable(struct pending *pd)
{
    __u64 window = bpf_ktime_get_ns() >> ABI_RESETS_WINDOW_SHIFT;

    if (pd->resets_window != window) {
        pd->resets_window = window;
        pd->resets = 0;
    }
    if (pd->resets >= ABI_RESETS_MAX) {
        count(ABI_COUNTER_RESETS_SUPPRESSED);
        return 0;
    }
    pd->resets++;
    return 1;
}

static __always_inline void reset_event_fill(struct abi_event *event, struct __sk_buff *skb,
                                             const struct packet *p)
{
    __builtin_memset(event, 0, sizeof(*event));
    event->type = ABI_EVENT_RESET;
    event->ifindex = skb->ifindex;
    event->time_ns = bpf_ktime_get_ns();
    event->cookie = bpf_get_socket_cookie(skb);
    event->local_port = p->local_port;
    event->remote_port = p->remote_port;
    event->payload = p->payload;
    event->tcp_flags = p->tcp_flags;
    event->seq = p->seq;
    event->ack = p->ack;
    address_copy(event->flow.local, p->local);
    address_copy(event->flow.remote, p->remote);
    event->flow.protocol = p->protocol;
    event->flow.direction = ABI_IN;
}

/*
 * Have the sender of a packet that policy refused told so, if the unit's namespace wants it. What
 * was sent to a group or to everybody is never answered (RFC 1122 3.2.2).
 */
static __subprog int reset_ask(struct __sk_buff *skb, const struct packet *p, __u32 unit)
{
    struct abi_control *c = control_get();
    struct pending *pd = pending_get();
    struct abi_event *event;

    if (!c || !pd || !unit_resets(c, unit))
        return DROP;
    if (skb->pkt_type != PACKET_TYPE_HOST || !reset_affordable(pd))
        return DROP;
    event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        count(ABI_COUNTER_RESETS_LOST);
        return DROP;
    }
    reset_event_fill(event, skb, p);
    event->flow.pu = unit;
    bpf_ringbuf_submit(event, 0);
    return DROP;
}
