/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* Counters, packet headers, addresses: what every hook needs. */
#include "maps.h"

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMP6 58

#define ETHERTYPE_IP 0x0800
#define ETHERTYPE_IP6 0x86DD

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define SOCKET_STREAM 1
#define SOCKET_DGRAM 2
#define SOCKET_RAW 3

#define EXTENSION_HEADERS_MAX 8

#define DROP 0
#define PASS 1

static __always_inline void count(__u32 counter)
{
    __u64 *value = bpf_map_lookup_elem(&counters, &counter);

    if (value)
        *value += 1;
}

static __always_inline struct abi_control *control_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&control, &zero);
}

/*
 * One packet, seen from the local side. Ports in host order; for ICMP they are the identifier of a
 * query (both), else 0, and `icmp` is type << 8 | code.
 */
struct packet {
    __u8 local[16], remote[16];
    __u32 seq, ack;
    __u16 local_port, remote_port;
    __u16 l4;      /* offset of the transport header from the network header */
    __u16 payload; /* TCP: bytes after its header */
    __u16 icmp;
    __u8 protocol;
    __u8 tcp_flags;
    __u8 tcp_header;     /* bytes */
    __u8 first_fragment; /* a fragment that begins the datagram */
    __u8 later_fragment; /* its offset in units of 8 bytes, at most 255; 0: not one */
    __u8 pad[3];
    __u32 address_class; /* of `remote`, and enum abi_address_flags: packet_address() */
    __u32 address_flags;
};

enum parse_result { PARSE_OK = 0, PARSE_BAD = 1, PARSE_NOT_IP = 2 };

/* Addresses are handled as four words: everything that holds one is aligned to four bytes. */
static __always_inline void address_from_v4(void *to, __be32 addr)
{
    __u32 *t = to;

    t[0] = t[1] = 0;
    t[2] = bpf_htonl(0xffff);
    t[3] = addr;
}

static __always_inline void address_copy(void *to, const void *from)
{
    const __u32 *f = from;
    __u32 *t = to;

    t[0] = f[0];
    t[1] = f[1];
    t[2] = f[2];
    t[3] = f[3];
}

static __always_inline int address_is_loopback(const void *addr)
{
    const __u32 *a = addr;

    if (a[0] | a[1])
        return 0;
    if (a[2] == bpf_htonl(0xffff))
        return ((const __u8 *)addr)[12] == 127;
    return !a[2] && a[3] == bpf_htonl(1);
}

static __always_inline int address_is_v4(const void *addr)
{
    const __u32 *a = addr;

    return !(a[0] | a[1]) && a[2] == bpf_htonl(0xffff);
}

static __always_inline int address_equal(const void *one, const void *other)
{
    const __u32 *a = one, *b = other;

    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/*
 * The same value, of which the verifier knows nothing any more: else each round of a loop has
 * bounds of its own, no two states are alike and a walk over 40 bytes takes a million steps to
 * verify.
 */
static __always_inline void forget_bounds(__u32 *value, __u64 noise)
{
    __u64 v = *value;

    asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(v) : "r"(noise));
    *value = v;
}

static __always_inline int load(struct __sk_buff *skb, __u32 offset, void *to, __u32 len)
{
    return bpf_skb_load_bytes_relative(skb, offset, to, len, BPF_HDR_START_NET);
}

struct ip4_header {
    __u8 version_ihl, tos;
    __be16 total, id, fragment;
    __u8 ttl, protocol;
    __be16 checksum;
    __be32 source, destination;
};
struct ip6_header {
    __u8 version_class, flow[3];
    __be16 payload;
    __u8 next, hops;
    __u8 source[16], destination[16];
};

struct tcp_header {
    __be16 source, destination;
    __be32 seq, ack;
    __u8 offset, flags;
    __be16 window, checksum, urgent;
};

/* Is what this unit refuses to be answered (rejectMode: reset)? */
static __always_inline int unit_resets(const struct abi_control *c, __u32 unit)
{
    struct abi_pu *pu = bpf_map_lookup_elem(&pus, &unit);

    return pu && (c->bank ? pu->reset[1] : pu->reset[0]);
}

/* Is this packet an answer of the Enforcer itself (rejectMode: reset)? */
static __always_inline int own_packet(struct __sk_buff *skb, const struct abi_control *c)
{
    __u64 cookie = bpf_get_socket_cookie(skb);

    return cookie && (cookie == c->own_sockets[0] || cookie == c->own_sockets[1]);
}

/* Does an ICMP message carry the identifier of a query? */
static __always_inline int icmp_has_id(__u8 protocol, __u8 type)
{
    if (protocol == PROTO_ICMP6)
        return type == 128 || type == 129;
    return type == 8 || type == 0 || type == 13 || type == 14;
}

static __always_inline int is_extension(__u8 next)
{
    return next == 0 || next == 43 || next == 44 || next == 51 || next == 60 || next == 135;
}

/*
 * Where the transport header of a packet is and what it is. A global function that returns a
 * number: it is verified once, and nothing of its many paths reaches the caller. (Verified inline,
 * each path through the extension headers was followed through the rest of the program: 400,000
 * steps.)
 */
#define LAYOUT_L4(l) ((__u32)(l)&0xffff)
#define LAYOUT_PROTOCOL(l) ((__u8)((l) >> 16))
#define LAYOUT_LATER_FRAGMENT(l) ((__u8)((l) >> 24)) /* in units of 8 bytes, at most 255 */
#define LAYOUT_TOTAL(l) ((__u32)((l) >> 32) & 0xfffff)
#define LAYOUT_FIRST_FRAGMENT(l) ((__u8)((l) >> 52) & 1)
#define LAYOUT_RESULT(l) ((__u32)((l) >> 60)) /* enum parse_result */

static __always_inline __u64 layout_make(__u32 l4, __u8 protocol, __u32 fragment, __u32 more,
                                         __u32 total)
{
    return (l4 & 0xffff) | (__u64)protocol << 16 | (__u64)(fragment > 255 ? 255 : fragment) << 24 |
           (__u64)(total & 0xfffff) << 32 | (__u64)(!fragment && more) << 52;
}

#define LAYOUT_BAD ((__u64)PARSE_BAD << 60)

/* IPv6 extension headers up to the transport header, at most EXTENSION_HEADERS_MAX of them. */
static __always_inline __u64 layout_of_v6(struct __sk_buff *skb, __u8 next, __u32 total)
{
    struct {
        __u8 next, len;
        __be16 fragment;
    } h;
    __u32 offset = sizeof(struct ip6_header), fragment = 0, more = 0;
    int i;

    for (i = 0; i < EXTENSION_HEADERS_MAX; i++) {
        if (!is_extension(next))
            break;
        if (load(skb, offset, &h, sizeof(h)) < 0)
            return LAYOUT_BAD | layout_make(offset, next, fragment, more, total);
        if (next == 44) {
            fragment = bpf_ntohs(h.fragment) >> 3;
            more = bpf_ntohs(h.fragment) & 1;
            offset += 8;
        } else if (next == 51) {
            offset += ((__u32)h.len + 2) * 4;
        } else {
            offset += ((__u32)h.len + 1) * 8;
        }
        next = h.next;
        if (fragment)
            break;
    }
    if (!fragment && is_extension(next))
        return LAYOUT_BAD | layout_make(offset, next, fragment, more, total);
    return layout_make(offset, next, fragment, more, total);
}

__weak __noinline __u64 packet_layout(struct __sk_buff *skb)
{
    if (skb->protocol == bpf_htons(ETHERTYPE_IP)) {
        struct ip4_header h;
        __u32 offset, fragment;

        if (load(skb, 0, &h, sizeof(h)) < 0)
            return LAYOUT_BAD;
        offset = (h.version_ihl & 0xf) * 4;
        fragment = bpf_ntohs(h.fragment);
        if (offset < sizeof(h))
            return LAYOUT_BAD | layout_make(0, h.protocol, 0, 0, 0);
        return layout_make(offset, h.protocol, fragment & 0x1fff, fragment & 0x2000,
                           bpf_ntohs(h.total));
    }
    if (skb->protocol == bpf_htons(ETHERTYPE_IP6)) {
        struct ip6_header h;

        if (load(skb, 0, &h, sizeof(h)) < 0)
            return LAYOUT_BAD;
        return layout_of_v6(skb, h.next, sizeof(h) + bpf_ntohs(h.payload));
    }
    return (__u64)PARSE_NOT_IP << 60;
}

/* A TCP header cut short: who it was meant for, so that the report can say it. */
static __always_inline int parse_ports_only(struct __sk_buff *skb, struct packet *p, int ingress)
{
    __be16 ports[2];

    if (load(skb, p->l4, ports, sizeof(ports)) == 0) {
        p->local_port = bpf_ntohs(ports[ingress ? 1 : 0]);
        p->remote_port = bpf_ntohs(ports[ingress ? 0 : 1]);
    }
    return PARSE_BAD;
}

/* The transport header at p->l4. `total` is where the datagram ends. */
static __always_inline int parse_transport(struct __sk_buff *skb, struct packet *p, __u32 total,
                                           int ingress)
{
    __u16 source = 0, destination = 0;

    if (p->protocol == PROTO_TCP) {
        struct tcp_header t;

        if (load(skb, p->l4, &t, sizeof(t)) < 0)
            return parse_ports_only(skb, p, ingress);
        source = bpf_ntohs(t.source);
        destination = bpf_ntohs(t.destination);
        p->seq = bpf_ntohl(t.seq);
        p->ack = bpf_ntohl(t.ack);
        p->tcp_flags = t.flags;
        p->tcp_header = (t.offset >> 4) * 4;
        if (p->tcp_header < 20 || p->l4 + p->tcp_header > total)
            return parse_ports_only(skb, p, ingress);
        p->payload = total - p->l4 - p->tcp_header;
    } else if (p->protocol == PROTO_UDP) {
        __be16 ports[4];

        if (load(skb, p->l4, ports, sizeof(ports)) < 0)
            return PARSE_BAD;
        source = bpf_ntohs(ports[0]);
        destination = bpf_ntohs(ports[1]);
    } else if (p->protocol == PROTO_ICMP || p->protocol == PROTO_ICMP6) {
        struct {
            __u8 type, code;
            __be16 checksum, id, seq;
        } i;

        if (load(skb, p->l4, &i, sizeof(i)) < 0)
            return PARSE_BAD;
        p->icmp = (__u16)i.type << 8 | i.code;
        if (icmp_has_id(p->protocol, i.type))
            source = destination = bpf_ntohs(i.id);
    }
    p->local_port = ingress ? destination : source;
    p->remote_port = ingress ? source : destination;
    return PARSE_OK;
}

/*
 * Fill `p` from an skb. Fragments: the cgroup hooks see whole datagrams on ingress; at tc the first
 * fragment has ports and later ones have none.
 */
static __subprog int parse(struct __sk_buff *skb, struct packet *p, int ingress)
{
    __u64 layout = packet_layout(skb);
    __u32 total = LAYOUT_TOTAL(layout), addresses[8];
    int i;

    __builtin_memset(p, 0, sizeof(*p));
    if (LAYOUT_RESULT(layout) == PARSE_NOT_IP)
        return PARSE_NOT_IP;
    if (skb->protocol == bpf_htons(ETHERTYPE_IP)) {
        addresses[0] = addresses[1] = addresses[4] = addresses[5] = 0;
        addresses[2] = addresses[6] = bpf_htonl(0xffff);
        if (load(skb, 12, &addresses[3], 4) < 0 || load(skb, 16, &addresses[7], 4) < 0)
            return PARSE_BAD;
    } else if (load(skb, 8, addresses, sizeof(addresses)) < 0) {
        return PARSE_BAD;
    }
    for (i = 0; i < 8; i++)
        forget_bounds(&addresses[i], skb->len);
    address_copy(ingress ? p->remote : p->local, addresses);
    address_copy(ingress ? p->local : p->remote, addresses + 4);
    p->l4 = LAYOUT_L4(layout);
    p->protocol = LAYOUT_PROTOCOL(layout);
    p->later_fragment = LAYOUT_LATER_FRAGMENT(layout);
    p->first_fragment = LAYOUT_FIRST_FRAGMENT(layout);
    if (LAYOUT_RESULT(layout) != PARSE_OK)
        return PARSE_BAD;
    /* GSO packets past 64 KiB have no total in the header */
    if (total < p->l4 || total == sizeof(struct ip6_header))
        total = skb->len;
    if (p->later_fragment)
        return PARSE_OK;
    return parse_transport(skb, p, total, ingress);
}

struct address_info {
    __u32 address_class;
    __u32 flags;
};

static __always_inline struct address_info address_lookup(const struct abi_control *c,
                                                          const void *remote)
{
    struct abi_address_key key;
    struct address_info info;
    struct abi_address *found;

    info.address_class = 0;
    info.flags = 0;
    key.prefixlen = 128;
    address_copy(key.addr, remote);
    if (c->bank)
        found = bpf_map_lookup_elem(&addresses_1, &key);
    else
        found = bpf_map_lookup_elem(&addresses_0, &key);
    if (found) {
        info.address_class = found->address_class;
        info.flags = found->flags;
    }
    return info;
}

/* Look the remote address up once; everything that judges the packet uses the result. */
static __always_inline void packet_address(struct __sk_buff *skb, const struct abi_control *c,
                                           struct packet *p)
{
    struct address_info info = address_lookup(c, p->remote);

    forget_bounds(&info.address_class, skb->len);
    forget_bounds(&info.flags, skb->len);
    p->address_class = info.address_class;
    p->address_flags = info.flags;
}

/*
 * Is this number one of excludedInterfaces? It means something in the host's network namespace
 * only: for a packet of a socket ask socket_excluded() (socket.h).
 */
static __always_inline int interface_excluded(const struct abi_control *c, __u32 ifindex)
{
    if (!(c->flags & ABI_CONTROL_EXCLUDED_INTERFACES))
        return 0;
    return bpf_map_lookup_elem(&excluded_ifaces, &ifindex) != 0;
}

/* ICMPv6 that must never be stopped: RS, RA, NS, NA, inverse ND, MLDv2 (product reference 1.7). */
static __always_inline int always_allowed(const struct packet *p)
{
    if (p->protocol != PROTO_ICMP6 || (p->icmp & 0xff) || address_is_v4(p->local))
        return 0; /* nothing needs protocol 58 in IPv4 */
    switch (p->icmp >> 8) {
    case 133:
    case 134:
    case 135:
    case 136:
    case 141:
    case 142:
    case 143:
        return 1;
    }
    return 0;
}

static __always_inline int icmp_is_error(const struct packet *p)
{
    __u8 type = p->icmp >> 8;

    if (p->protocol == PROTO_ICMP)
        return type == 3 || type == 4 || type == 11 || type == 12;
    return p->protocol == PROTO_ICMP6 && type >= 1 && type <= 4;
}
