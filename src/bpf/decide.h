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
    __u32 generation; /* that the policy asked is of, or an older one: never a newer */
};

/* The longest prefix of (protocol, port) in a class. */
static __always_inline struct abi_verdict *class_lookup(__u32 class, __u8 protocol, __u16 port)
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

/* What is asked of one class of peers, in one number: fits a global function of 5.10. */
#define QUESTION(port, protocol, direction)                                                        \
    ((__u32)(port) | (__u32)(protocol) << 16 | (__u32)(direction) << 24)
#define QUESTION_PORT(q) ((__u16)(q))
#define QUESTION_PROTOCOL(q) ((__u8)((q) >> 16))
#define QUESTION_DIRECTION(q) ((__u8)((q) >> 24) & 1)

/*
 * What a class says, in one number: rule << 32 | flags. `kind` is an enum class_question.
 *
 * Global functions are verified once by themselves; their result is just a number to the caller.
 * (As part of its callers this took most of a million steps.)
 */
enum class_question {
    ASK_IDENTITY = 0,        /* of an identity class */
    ASK_ADDRESS,             /* of an address class, for a peer without identity */
    ASK_ADDRESS_OF_IDENTITY, /* of an address class, for a peer that proved one */
};

#define ANSWER_ACTION(a) ((__u8)(a)&3)
#define ANSWER_NO_LOG(a) ((__u8)((a) >> 2) & 1)
#define ANSWER_REJECTS_IDENTITY(a) ((__u8)((a) >> 3) & 1)
#define ANSWER_OBSERVED(a) ((__u8)((a) >> 4) & 3)
#define ANSWER_RULE(a) ((__u32)((a) >> 32))

__weak __noinline __u64 class_ask(__u32 policy, __u32 kind, __u32 peer, __u32 question)
{
    struct abi_peer_key key;
    struct abi_verdict *v;
    __u32 *class;

    key.policy = policy;
    key.direction = QUESTION_DIRECTION(question);
    key.kind = kind == ASK_IDENTITY ? ABI_PEER_IDENTITY : ABI_PEER_ADDRESS;
    key.pad = 0;
    key.peer = peer;
    class = bpf_map_lookup_elem(&peer_class, &key);
    if (!class)
        return 0;
    v = class_lookup(*class, QUESTION_PROTOCOL(question), QUESTION_PORT(question));
    if (!v)
        return 0;
    if (kind == ASK_ADDRESS_OF_IDENTITY)
        return (__u64)v->id_rule << 32 | (v->id_action & 3) |
               (v->flags & ABI_VERDICT_ID_NO_LOG ? 1 << 2 : 0) |
               (v->id_action == ABI_REJECT ? 1 << 3 : 0) | (v->id_observed & 3) << 4;
    return (__u64)v->rule << 32 | (v->action & 3) | (v->flags & ABI_VERDICT_NO_LOG ? 1 << 2 : 0) |
           (v->id_action == ABI_REJECT ? 1 << 3 : 0) | (v->observed & 3) << 4;
}

/* The rule behind an observed verdict: rarely asked, so not part of the answer. */
__weak __noinline __u32 class_ask_observed(__u32 policy, __u32 kind, __u32 peer, __u32 question)
{
    struct abi_peer_key key;
    struct abi_verdict *v;
    __u32 *class;

    key.policy = policy;
    key.direction = QUESTION_DIRECTION(question);
    key.kind = kind == ASK_IDENTITY ? ABI_PEER_IDENTITY : ABI_PEER_ADDRESS;
    key.pad = 0;
    key.peer = peer;
    class = bpf_map_lookup_elem(&peer_class, &key);
    v = class ? class_lookup(*class, QUESTION_PROTOCOL(question), QUESTION_PORT(question)) : 0;
    if (!v)
        return ABI_RULE_NONE;
    return kind == ASK_ADDRESS_OF_IDENTITY ? v->id_observed_rule : v->observed_rule;
}

/*
 * Reject wins; of two that say the same, the rule that comes first is named.
 * @return joined answer
 */
static __always_inline __u64 answers_join(__u64 a, __u64 b)
{
    __u64 flags = b & (3 << 4);

    if (ANSWER_ACTION(b) > ANSWER_ACTION(a) ||
        (ANSWER_ACTION(b) == ANSWER_ACTION(a) && ANSWER_RULE(b) < ANSWER_RULE(a)))
        a = (b & ~(__u64)(3 << 4)) | (a & (3 << 4));
    a |= b & (1 << 3);
    if (flags > (a & (3 << 4)))
        a = (a & ~(__u64)(3 << 4)) | flags;
    return a;
}

__weak __noinline __u64 policy_ask(__u32 policy, __u32 identity, __u32 address_class,
                                   __u32 question)
{
    __u64 answer = 0;

    if (identity)
        answer = class_ask(policy, ASK_IDENTITY, identity, question);
    if (address_class)
        answer =
            answers_join(answer, class_ask(policy, identity ? ASK_ADDRESS_OF_IDENTITY : ASK_ADDRESS,
                                           address_class, question));
    return answer;
}

/* The first rule in order among those whose observed verdict is the one that won. */
__weak __noinline __u32 policy_ask_observed(__u32 policy, __u32 identity, __u32 address_class,
                                            __u32 question)
{
    __u32 kind = identity ? ASK_ADDRESS_OF_IDENTITY : ASK_ADDRESS;
    __u64 one = identity ? class_ask(policy, ASK_IDENTITY, identity, question) : 0;
    __u64 other = address_class ? class_ask(policy, kind, address_class, question) : 0;
    __u32 rule = ABI_RULE_NONE, second;

    if (ANSWER_OBSERVED(one) && ANSWER_OBSERVED(one) >= ANSWER_OBSERVED(other))
        rule = class_ask_observed(policy, ASK_IDENTITY, identity, question);
    if (ANSWER_OBSERVED(other) && ANSWER_OBSERVED(other) >= ANSWER_OBSERVED(one)) {
        second = class_ask_observed(policy, kind, address_class, question);
        if (second < rule)
            rule = second;
    }
    return rule;
}

/* Fills the out part. Same order as policy_compiled_decide(). */
static __subprog int decide(struct decision *d)
{
    __u32 question = QUESTION(d->port, d->protocol, d->direction);
    struct abi_control *c = control_get();
    struct abi_pu *pu;
    __u64 answer;

    d->generation = c ? *(volatile __u32 *)&c->generation : 0;
    d->action = ABI_REJECT;
    d->observed = ABI_NONE;
    d->no_log = d->address_rejects = 0;
    d->rule = d->observed_rule = ABI_RULE_NONE;
    d->policy = 0;
    pu = bpf_map_lookup_elem(&pus, &d->pu);
    if (!pu || !c)
        return 0;
    d->policy = c->bank ? pu->policy[1] : pu->policy[0];
    answer = policy_ask(d->policy, d->identity, d->address_class, question);
    d->address_rejects = ANSWER_REJECTS_IDENTITY(answer);
    d->observed = ANSWER_OBSERVED(answer);
    if (ANSWER_ACTION(answer)) {
        d->action = ANSWER_ACTION(answer);
        d->rule = ANSWER_RULE(answer);
        d->no_log = ANSWER_NO_LOG(answer);
    } else {
        d->action = pu->defaults[c->bank & 1][d->direction & 1];
    }
    if (d->action != ABI_ALLOW)
        d->action = ABI_REJECT;
    if (d->observed)
        d->observed_rule = policy_ask_observed(d->policy, d->identity, d->address_class, question);
    return 0;
}

/* Could a proof of identity still let an outgoing connection through? */
static __always_inline int identity_could_help(struct decision *d)
{
    __u64 answer;

    if (d->address_rejects)
        return 0;
    answer = class_ask(d->policy, ASK_IDENTITY, ABI_IDENTITY_ANY,
                       QUESTION(d->port, d->protocol, ABI_OUT));
    return ANSWER_ACTION(answer) == ABI_ALLOW;
}
