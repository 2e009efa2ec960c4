/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * tc on the devices of the host: what has no local socket to be judged by. Ingress: ICMP and other
 * protocols to the kernel itself, fragments that hide a SYN. Egress: the kernel's answers for
 * closed ports, held back where the policy would not have let the question in. All as the host's
 * PU; nothing that is only forwarded is touched.
 */
#include "datagram.h"

#define TC_PASS (-1) /* TC_ACT_UNSPEC: the next filter */
#define TC_DROP 2    /* TC_ACT_SHOT */

#define FIB_NOT_FORWARDED 4 /* BPF_FIB_LKUP_RET_NOT_FWDED: a local address */
#define FIB_FORWARD_OFF 5   /* BPF_FIB_LKUP_RET_FWD_DISABLED: a host that forwards nothing */

/* Is `to` an address of this host (or forwarding is off, so that everything that comes is for it)?
 */
static __subprog int address_is_local(struct __sk_buff *skb, const __u32 *from, const __u32 *to)
{
    struct bpf_fib_lookup fib;
    long r;

    __builtin_memset(&fib, 0, sizeof(fib));
    fib.ifindex = skb->ifindex;
    if (skb->protocol == bpf_htons(ETHERTYPE_IP)) {
        if ((bpf_ntohl(to[3]) >> 28) == 0xe || to[3] == 0xffffffff)
            return 1; /* multicast, broadcast */
        fib.family = 2;
        fib.ipv4_src = from[3];
        fib.ipv4_dst = to[3];
    } else {
        if ((bpf_ntohl(to[0]) >> 24) == 0xff)
            return 1;
        fib.family = 10;
        address_copy(fib.ipv6_src, from);
        address_copy(fib.ipv6_dst, to);
    }
    r = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
    return r == FIB_NOT_FORWARDED || r == FIB_FORWARD_OFF;
}

static __always_inline void decision_host(struct decision *d, const struct abi_control *c,
                                          const struct packet *p, __u8 direction)
{
    d->pu = c->host_pu;
    d->identity = 0;
    d->address_class = p->address_class;
    d->protocol = p->protocol;
    d->direction = direction;
    d->port = datagram_port(p, direction);
    d->policy = 0;
    d->no_log = 0;
}

/* RFC 1858, 3128: no SYN in fragments, no header that a later fragment could rewrite. */
static __always_inline int fragment_refused(const struct packet *p, int parsed)
{
    if (p->protocol != PROTO_TCP || !(p->first_fragment | p->later_fragment))
        return 0;
    if (p->later_fragment)
        return p->later_fragment <= 2;
    return parsed != PARSE_OK || p->tcp_flags & TCP_SYN;
}

/* Is this packet for the host itself, and to be judged? */
static __always_inline int host_concerned(struct __sk_buff *skb, const struct packet *p,
                                          const struct abi_control *c)
{
    return !interface_excluded(c, skb->ifindex) && !(p->address_flags & ABI_ADDRESS_EXCLUDED) &&
           address_is_local(skb, (__u32 *)p->remote, (__u32 *)p->local);
}

/*
 * What could not be parsed. The stack drops it, or a socket's hook does, but for one thing: it
 * walks more IPv6 extension headers than we do, and answers what it finds behind them.
 */
static __always_inline int host_malformed(struct __sk_buff *skb, const struct packet *p,
                                          const struct abi_control *c)
{
    struct decision d;

    if (skb->protocol != bpf_htons(ETHERTYPE_IP6) || !host_concerned(skb, p, c))
        return TC_PASS;
    decision_host(&d, c, p, ABI_IN);
    refuse(p, &d, 0, ABI_REASON_HEADER, 0);
    return TC_DROP;
}

static __subprog int host_ingress(struct __sk_buff *skb, const struct abi_control *c)
{
    struct decision d;
    struct packet p;
    __u32 protocol;
    __u8 *raw;
    int parsed = parse(skb, &p, 1);

    if (parsed == PARSE_NOT_IP)
        return TC_PASS;
    if (parsed == PARSE_OK && !(p.first_fragment | p.later_fragment) &&
        (p.protocol == PROTO_TCP || p.protocol == PROTO_UDP))
        return TC_PASS;
    packet_address(skb, c, &p);
    if (fragment_refused(&p, parsed)) {
        decision_host(&d, c, &p, ABI_IN);
        refuse(&p, &d, 0, ABI_REASON_FRAGMENT, 0);
        return TC_DROP;
    }
    if (parsed != PARSE_OK)
        return host_malformed(skb, &p, c);
    if (p.later_fragment || p.protocol == PROTO_TCP || p.protocol == PROTO_UDP ||
        always_allowed(&p))
        return TC_PASS;
    protocol = p.protocol;
    raw = bpf_map_lookup_elem(&raw_protocols, &protocol);
    if ((raw && *raw && !is_icmp(p.protocol)) || flow_is_reply(&p))
        return TC_PASS;
    if (interface_excluded(c, skb->ifindex) || p.address_flags & ABI_ADDRESS_EXCLUDED ||
        !address_is_local(skb, (__u32 *)p.remote, (__u32 *)p.local))
        return TC_PASS;
    if (icmp_is_error(&p) && icmp_related(skb, &p)) {
        count(ABI_COUNTER_ICMP_RELATED);
        return TC_PASS;
    }
    decision_host(&d, c, &p, ABI_IN);
    return datagram_judge(&p, c, &d, 0) == PASS ? TC_PASS : TC_DROP;
}

/* The question that a port unreachable answers: quoted in it. Fills `p` as that flow, seen from
 * here. */
static __subprog int closed_port_udp(struct __sk_buff *skb, struct packet *p)
{
    __u32 at = (__u32)p->l4 + 8;
    __be16 ports[2];
    __u8 protocol, ihl;

    if (p->protocol == PROTO_ICMP) {
        if (p->icmp != (3 << 8 | 3) || load(skb, at, &ihl, 1) < 0 ||
            load(skb, at + 9, &protocol, 1) < 0)
            return 0;
        at += (__u32)(ihl & 0xf) * 4;
    } else {
        if (p->protocol != PROTO_ICMP6 || p->icmp != (1 << 8 | 4) ||
            load(skb, at + 6, &protocol, 1) < 0)
            return 0;
        at += 40;
    }
    if (protocol != PROTO_UDP || load(skb, at, ports, sizeof(ports)) < 0)
        return 0;
    p->protocol = PROTO_UDP;
    p->remote_port = bpf_ntohs(ports[0]);
    p->local_port = bpf_ntohs(ports[1]);
    return 1;
}

static __subprog int host_egress(struct __sk_buff *skb, const struct abi_control *c)
{
    struct decision d;
    struct packet p;

    if (parse(skb, &p, 0) != PARSE_OK || p.later_fragment)
        return TC_PASS;
    if (p.protocol == PROTO_TCP) {
        /* RST, ACK with sequence 0 answers a SYN that found no listener (RFC 9293 3.5.2) */
        if ((p.tcp_flags & (TCP_RST | TCP_ACK | TCP_SYN)) != (TCP_RST | TCP_ACK) || p.seq)
            return TC_PASS;
    } else if (!closed_port_udp(skb, &p)) {
        return TC_PASS;
    }
    packet_address(skb, c, &p);
    if (interface_excluded(c, skb->ifindex) || p.address_flags & ABI_ADDRESS_EXCLUDED ||
        !address_is_local(skb, (__u32 *)p.remote, (__u32 *)p.local))
        return TC_PASS;
    decision_host(&d, c, &p, ABI_IN);
    decide(&d);
    if (d.action == ABI_ALLOW || own_packet(skb, c))
        return TC_PASS;
    refuse(&p, &d, 0, ABI_REASON_POLICY, 0);
    if (unit_resets(c, c->host_pu))
        return TC_PASS; /* rejectMode: reset: this is an answer already */
    count(ABI_COUNTER_CLOSED_PORT);
    return TC_DROP;
}

SEC("tc")
int bulkhead_tc_ingress(struct __sk_buff *skb)
{
    struct abi_control *c = control_get();

    if (!c || !(c->flags & ABI_CONTROL_HOST))
        return TC_PASS;
    return host_ingress(skb, c);
}

SEC("tc")
int bulkhead_tc_egress(struct __sk_buff *skb)
{
    struct abi_control *c = control_get();

    if (!c || !(c->flags & ABI_CONTROL_HOST))
        return TC_PASS;
    return host_egress(skb, c);
}
