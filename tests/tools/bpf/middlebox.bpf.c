/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */

/*
 * A router's interface that misbehaves as some middleboxes do. One tc egress program per interface,
 * told by the map `box` what to do, telling there what it did. TCP over IPv4 without options or
 * over IPv6 without extension headers; everything else passes.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define OPTION_KIND 254
#define OPTION_LEN 20
#define OPTIONS_MAX 40

enum box_flags {
    BOX_STRIP = 1 << 0,       /* overwrite the option with NOPs */
    BOX_DROP_OPTION = 1 << 1, /* drop what carries the option */
};

/* Layout known to tests/e2e/estate/middlebox.py: eleven u32. */
struct box {
    __u32 flags;
    __u32 port;                    /* either port must be this; 0: any */
    __u32 seq_add, ack_add;        /* modulo 2^32 */
    __u32 match_mask, match_flags; /* TCP flags of segments to be counted; mask 0: none */
    __u32 drop_from, drop_to;      /* of the counted ones, numbered from 1, these are dropped */
    __u32 matched, dropped, with_option; /* what was seen */
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct box);
} box SEC(".maps");

struct place {
    __u32 tcp;    /* offset of the TCP header */
    __u32 option; /* offset of the identity option; 0: none */
    struct tcphdr header;
};

static __always_inline int find_tcp(struct __sk_buff *skb, struct place *place)
{
    __u8 first, protocol;

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN, &first, 1) < 0 ||
            bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1) < 0)
            return 0;
        place->tcp = ETH_HLEN + (first & 0xf) * 4;
    } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN + 6, &protocol, 1) < 0)
            return 0;
        place->tcp = ETH_HLEN + sizeof(struct ipv6hdr);
    } else {
        return 0;
    }
    return protocol == IPPROTO_TCP &&
           bpf_skb_load_bytes(skb, place->tcp, &place->header, sizeof(place->header)) == 0;
}

static __always_inline void find_option(struct __sk_buff *skb, struct place *place)
{
    __u32 at = sizeof(struct tcphdr), end = place->header.doff * 4;

    for (int i = 0; i < OPTIONS_MAX; i++) {
        __u8 kind, len = 1;

        if (at >= end || bpf_skb_load_bytes(skb, place->tcp + at, &kind, 1) < 0 || kind == 0)
            return;
        if (kind == OPTION_KIND && at + OPTION_LEN <= end) {
            place->option = place->tcp + at;
            return;
        }
        if (kind != 1 && (bpf_skb_load_bytes(skb, place->tcp + at + 1, &len, 1) < 0 || len < 2))
            return;
        at += len;
    }
}

static __always_inline void strip_option(struct __sk_buff *skb, const struct place *place)
{
    __be32 old[OPTION_LEN / 4], nops[OPTION_LEN / 4];
    __s64 sum;

    __builtin_memset(nops, 1, sizeof(nops));
    if (bpf_skb_load_bytes(skb, place->option, old, sizeof(old)) < 0)
        return;
    sum = bpf_csum_diff(old, sizeof(old), nops, sizeof(nops), 0);
    if (sum < 0 || bpf_skb_store_bytes(skb, place->option, nops, sizeof(nops), 0) < 0)
        return;
    bpf_l4_csum_replace(skb, place->tcp + __builtin_offsetof(struct tcphdr, check), 0, (__u64)sum,
                        0);
}

static __always_inline void add_to(struct __sk_buff *skb, __u32 at, __be32 old, __u32 add,
                                   __u32 check)
{
    __be32 new = bpf_htonl(bpf_ntohl(old) + add);

    bpf_l4_csum_replace(skb, check, old, new, sizeof(new));
    bpf_skb_store_bytes(skb, at, &new, sizeof(new), 0);
}

static __always_inline int count_drops(struct box *config, const struct place *place)
{
    __u8 flags = ((const __u8 *)&place->header)[13];
    __u32 nth;

    if (!config->match_mask || (flags & config->match_mask) != config->match_flags)
        return 0;
    nth = __sync_fetch_and_add(&config->matched, 1) + 1;
    return nth >= config->drop_from && nth <= config->drop_to;
}

SEC("tc")
int middlebox(struct __sk_buff *skb)
{
    struct place place;
    __u32 zero = 0, check;
    struct box *config = bpf_map_lookup_elem(&box, &zero);

    __builtin_memset(&place, 0, sizeof(place));
    if (!config || !find_tcp(skb, &place))
        return TC_ACT_OK;
    if (config->port && place.header.source != bpf_htons(config->port) &&
        place.header.dest != bpf_htons(config->port))
        return TC_ACT_OK;
    find_option(skb, &place);
    if (place.option)
        __sync_fetch_and_add(&config->with_option, 1);
    if ((place.option && config->flags & BOX_DROP_OPTION) || count_drops(config, &place)) {
        __sync_fetch_and_add(&config->dropped, 1);
        return TC_ACT_SHOT;
    }
    if (place.option && config->flags & BOX_STRIP)
        strip_option(skb, &place);
    check = place.tcp + __builtin_offsetof(struct tcphdr, check);
    if (config->seq_add)
        add_to(skb, place.tcp + __builtin_offsetof(struct tcphdr, seq), place.header.seq,
               config->seq_add, check);
    if (config->ack_add && place.header.ack)
        add_to(skb, place.tcp + __builtin_offsetof(struct tcphdr, ack_seq), place.header.ack_seq,
               config->ack_add, check);
    return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
