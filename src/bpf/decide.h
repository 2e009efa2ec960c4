/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Policy: two lookups for the peer's identity, two for its address; then the default. */
#include "common.h"

struct decision {
    /* in */
    __u32 pu;
    __u32 identity;      /* proven or claimed; 0: none */
    __u32 address_class; /* 0: in no network */
    __u16 port;
    __u8 protocol;
    __u8 direction;
    /* out */
    __u8 action, observed, no_log, address_rejects;
    __u32 policy, rule, observed_rule;
};

/* The longest prefix of (protocol, port) in a class. */
static __subprog struct abi_verdict *class_lookup(__u32 class, __u8 protocol, __u16 port)
{
    struct abi_verdict_key key;
    struct abi_verdict *v;

    if (class & ABI_CLASS_RANGES) {
        struct abi_range_key range;

        range.prefixlen = 32 + 8 + 16;
        range.class_be = bpf_htonl(class);
        range.protocol = protocol;
        range.port_be[0] = port >> 8;
        range.port_be[1] = port & 0xff;
        range.pad = 0;
        return bpf_map_lookup_elem(&verdict_ranges, &range);
    }
    key.class = class;
    key.protocol = protocol;
    if (class & ABI_CLASS_PORTS) {
        key.port = port;
        key.length = 24;
        v = bpf_map_lookup_elem(&verdicts, &key);
        if (v)
            return v;
    }
    key.port = 0;
    if (class & ABI_CLASS_PROTOCOL) {
        key.length = 8;
        v = bpf_map_lookup_elem(&verdicts, &key);
        if (v)
            return v;
    }
    if (!(class & ABI_CLASS_ANY))
        return 0;
    key.protocol = 0;
    key.length = 0;
    return bpf_map_lookup_elem(&verdicts, &key);
}

static __always_inline struct abi_verdict *verdict_lookup(__u32 policy, __u8 direction, __u8 kind,
                                                          __u32 peer, __u8 protocol, __u16 port)
{
    struct abi_peer_key key;
    __u32 *class;

    key.policy = policy;
    key.direction = direction;
    key.kind = kind;
    key.pad = 0;
    key.peer = peer;
    class = bpf_map_lookup_elem(&peer_class, &key);
    return class ? class_lookup(*class, protocol, port) : 0;
}

/* Reject wins; of two that say the same, the rule that comes first is named. */
static __always_inline void decision_join(struct decision *d, __u8 action, __u32 rule, __u8 no_log)
{
    if (action == ABI_NONE)
        return;
    if (action > d->action || (action == d->action && rule < d->rule)) {
        d->action = action;
        d->rule = rule;
        d->no_log = no_log;
    }
}

static __always_inline void decision_observe(struct decision *d, __u8 action, __u32 rule)
{
    if (action == ABI_NONE)
        return;
    if (action > d->observed || (action == d->observed && rule < d->observed_rule)) {
        d->observed = action;
        d->observed_rule = rule;
    }
}

/* Fills the out part. Same order as policy_compiled_decide(). */
static __subprog int decide(struct decision *d)
{
    struct abi_control *c = control_get();
    struct abi_verdict *v;
    struct abi_pu *pu;
    __u32 policy;

    d->action = d->observed = ABI_NONE;
    d->no_log = d->address_rejects = 0;
    d->rule = d->observed_rule = ABI_RULE_NONE;
    d->policy = 0;
    pu = bpf_map_lookup_elem(&pus, &d->pu);
    if (!pu || !c) {
        d->action = ABI_REJECT;
        return 0;
    }
    policy = c->bank ? pu->policy[1] : pu->policy[0];
    d->policy = policy;
    if (d->identity) {
        v = verdict_lookup(policy, d->direction, ABI_PEER_IDENTITY, d->identity, d->protocol,
                           d->port);
        if (v) {
            decision_join(d, v->action, v->rule, !!(v->flags & ABI_VERDICT_NO_LOG));
            decision_observe(d, v->observed, v->observed_rule);
        }
    }
    if (d->address_class) {
        v = verdict_lookup(policy, d->direction, ABI_PEER_ADDRESS, d->address_class, d->protocol,
                           d->port);
        if (v) {
            d->address_rejects = v->id_action == ABI_REJECT;
            if (d->identity) {
                decision_join(d, v->id_action, v->id_rule, !!(v->flags & ABI_VERDICT_ID_NO_LOG));
                decision_observe(d, v->id_observed, v->id_observed_rule);
            } else {
                decision_join(d, v->action, v->rule, !!(v->flags & ABI_VERDICT_NO_LOG));
                decision_observe(d, v->observed, v->observed_rule);
            }
        }
    }
    if (d->action == ABI_NONE)
        d->action = pu->defaults[c->bank & 1][d->direction & 1];
    if (d->action != ABI_ALLOW)
        d->action = ABI_REJECT;
    return 0;
}

/* Could a proof of identity still let an outgoing connection through? */
static __always_inline int identity_could_help(struct decision *d)
{
    struct abi_verdict *v;

    if (d->address_rejects)
        return 0;
    v = verdict_lookup(d->policy, ABI_OUT, ABI_PEER_IDENTITY, ABI_IDENTITY_ANY, d->protocol, d->port);
    return v && v->action == ABI_ALLOW;
}
