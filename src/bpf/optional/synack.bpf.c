/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * tc egress: the identity option for SYN-ACKs of listeners older than the Enforcer, on kernels
 * where listeners.bpf.c cannot have sock_ops write it. What the SYN claimed was left in `answers`
 * by ingress. A SYN-ACK is all header, so the option goes to the end of the packet. An object of
 * its own, loaded and attached only when there are such listeners.
 */
#include "identity.h"

#define TC_PASS (-1) /* TC_ACT_UNSPEC: the next filter */
#define TC_DROP 2    /* TC_ACT_SHOT */

#define STATE_NEW_SYN_RECV 12 /* a request socket */
#define TCP_HEADER_MAX 60
#define LINK_HEADER_MAX 64

/*
 * Made by the kernel for a request to a listener? A SYN cookie has no socket; what is forwarded has
 * none either, but came in by a device. Never what a raw or packet socket sends: that must not get
 * a proof.
 */
static __always_inline int from_listener(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;
    __u32 state;

    if (!sk)
        return skb->ingress_ifindex == 0;
    state = sk->state;
    asm volatile("" : "+r"(state)); /* or the two loads become one, which the verifier refuses */
    return state == STATE_NEW_SYN_RECV;
}

static __always_inline struct answer *answer_of(struct __sk_buff *skb, const struct packet *p)
{
    struct claim_key key;
    struct answer *a;

    address_copy(key.remote, p->remote);
    key.remote_port = p->remote_port;
    key.local_port = p->local_port;
    key.isn = p->ack - 1;
    a = bpf_map_lookup_elem(&answers, &key);
    /* another network namespace may have a connection with the same numbers */
    if (a && skb->sk && bpf_skb_cgroup_id(skb) != a->cgroup)
        return 0;
    return a;
}

/* New length into the IP header at `at`; IPv4 has a checksum over it. */
static __always_inline int ip_grow(struct __sk_buff *skb, __u32 at, __u16 total)
{
    __be16 before, after;

    if (skb->protocol == bpf_htons(ETHERTYPE_IP)) {
        before = bpf_htons(total);
        after = bpf_htons(total + ABI_OPTION_LEN);
        return bpf_l3_csum_replace(skb, at + 10, before, after, 2) < 0 ||
               bpf_skb_store_bytes(skb, at + 2, &after, 2, 0) < 0;
    }
    after = bpf_htons(total - sizeof(struct ip6_header) + ABI_OPTION_LEN);
    return bpf_skb_store_bytes(skb, at + 4, &after, 2, 0) < 0;
}

/*
 * The option to the end of the TCP header at `at`, whose length counts in its pseudo header. As a
 * rule the checksum is still to be made, and covers no more than the pseudo header; the helpers see
 * to it.
 */
static __always_inline int tcp_grow(struct __sk_buff *skb, __u32 at, const struct packet *p,
                                    struct option *o)
{
    __u32 sum = at + 16;
    __be16 before, after;
    __s64 more = bpf_csum_diff(0, 0, (__be32 *)o, sizeof(*o), 0);

    if (more < 0 || bpf_skb_load_bytes(skb, at + 12, &before, 2) < 0)
        return -1;
    after = before + bpf_htons((ABI_OPTION_LEN / 4) << 12);
    return bpf_skb_store_bytes(skb, at + p->tcp_header, o, sizeof(*o), 0) < 0 ||
           bpf_skb_store_bytes(skb, at + 12, &after, 2, 0) < 0 ||
           bpf_l4_csum_replace(skb, sum, before, after, 2) < 0 ||
           bpf_l4_csum_replace(skb, sum, 0, more, 0) < 0 ||
           bpf_l4_csum_replace(skb, sum, bpf_htons(p->tcp_header),
                               bpf_htons(p->tcp_header + ABI_OPTION_LEN), BPF_F_PSEUDO_HDR | 2) < 0;
}

static __subprog int append(struct __sk_buff *skb, const struct packet *p, struct option *o)
{
    __u16 total = p->l4 + p->tcp_header;
    __u32 at = skb->len - total;

    if (bpf_skb_change_tail(skb, skb->len + ABI_OPTION_LEN, 0) < 0) {
        count(ABI_COUNTER_TABLE_FULL);
        return TC_PASS;
    }
    /* half a change is no packet: the next SYN-ACK may do better */
    if (tcp_grow(skb, at + p->l4, p, o) || ip_grow(skb, at, total))
        return TC_DROP;
    count(ABI_COUNTER_IDENTITY_SYNACK_SENT);
    return TC_PASS;
}

/* Where the network header is: what ends with the TCP header begins that much before. -1: unknown
 */
static __always_inline int network_header(struct __sk_buff *skb, const struct packet *p)
{
    __u32 at = skb->len - (p->l4 + p->tcp_header);
    __be32 seq;

    if (p->payload || at > LINK_HEADER_MAX ||
        bpf_skb_load_bytes(skb, at + p->l4 + 4, &seq, sizeof(seq)) < 0 || bpf_ntohl(seq) != p->seq)
        return -1;
    return at;
}

static __subprog int answer(struct __sk_buff *skb, const struct abi_control *c)
{
    struct packet p;
    struct proof proof;
    struct option o;
    struct answer *a;
    __u32 found;
    int at;

    if (parse(skb, &p, 0) != PARSE_OK || p.protocol != PROTO_TCP || p.later_fragment ||
        (p.tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != (TCP_SYN | TCP_ACK))
        return TC_PASS;
    a = answer_of(skb, &p);
    at = a ? network_header(skb, &p) : -1;
    if (!a || at < 0)
        return TC_PASS;
    found = option_find(skb, at + p.l4 + sizeof(struct tcp_header), at + p.l4 + p.tcp_header);
    if (found & FOUND_ONE)
        return TC_PASS; /* written by sock_ops, or on the device above this one */
    if (found & FOUND_SIGNED || p.tcp_header + ABI_OPTION_LEN > TCP_HEADER_MAX) {
        count(ABI_COUNTER_IDENTITY_NO_ROOM);
        return TC_PASS;
    }
    proof_of_answer(&proof, &a->handshake, c->enforcer_id);
    proof.isn_a = p.ack - 1;
    proof.isn_b = p.seq;
    option_fill(&o, c->enforcer_id, proof.identity_b, proof_mac(&proof));
    return append(skb, &p, &o);
}

SEC("tc")
int bulkhead_synack(struct __sk_buff *skb)
{
    struct abi_control *c;

    if (!from_listener(skb))
        return TC_PASS;
    c = control_get();
    if (!c || !(c->flags & ABI_CONTROL_ANSWERS) || !(c->flags & ABI_CONTROL_IDENTITY))
        return TC_PASS;
    return answer(skb, c);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
