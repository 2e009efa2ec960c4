/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/* The identity option and its proof: docs/formats/identity-option.md; src/wire computes the same.
 */
#include "common.h"

struct option {
    __u8 kind, len, exid_hi, exid_lo;
    __be32 enforcer, identity;
    __u8 tail[8];
} __attribute__((packed));

struct found_option {
    __u32 enforcer, identity;
    __u64 tail;
    __u8 fast_open; /* a Fast Open option is there too */
    __u8 present;
    __u8 pad[6];
};

enum option_result { OPTION_ABSENT = 0, OPTION_FOUND = 1, OPTION_BAD = 2 };

#define TCP_OPTIONS_MAX 40
#define TCP_OPTION_MD5 19
#define TCP_OPTION_AO 29
#define TCP_OPTION_FAST_OPEN 34
#define FAST_OPEN_EXID_HI 0xF9
#define FAST_OPEN_EXID_LO 0x89

/*
 * Walk the TCP options of a packet; `at` and `end` are their bounds, from where its data starts:
 * the network header in cgroup hooks, the link header at tc. Anything that makes our option
 * ambiguous (twice, wrong length) is bad; malformed other options end the walk, as they do in the
 * kernel's own parser.
 *
 * A global function: verified once by itself, not once per path that leads to it.
 * @return offset of the option (bits 0..15), FOUND_…
 */
#define FOUND_ONE (1u << 16)
#define FOUND_BAD (1u << 17)
#define FOUND_FAST_OPEN (1u << 18)
#define FOUND_SIGNED (1u << 19)

__weak __noinline __u32 option_find(struct __sk_buff *skb, __u32 at, __u32 end)
{
    __u32 found = 0; /* offset of our option, FOUND_… */
    int i;

    for (i = 0; i < TCP_OPTIONS_MAX; i++) {
        void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
        __u8 *kind, len;

        forget_bounds(&at, skb->len);
        forget_bounds(&end, skb->len);
        forget_bounds(&found, skb->len);
        if (at >= end || at > 1024)
            break;
        kind = data + at;
        if ((void *)(kind + 1) > data_end || *kind == 0)
            break;
        if (*kind == 1) {
            at++;
            continue;
        }
        if ((void *)(kind + 2) > data_end)
            break;
        len = kind[1];
        if (*kind == TCP_OPTION_FAST_OPEN)
            found |= FOUND_FAST_OPEN;
        if (*kind == TCP_OPTION_MD5 || *kind == TCP_OPTION_AO)
            found |= FOUND_SIGNED;
        if (*kind == ABI_OPTION_KIND && len >= 4 && (void *)(kind + 4) <= data_end) {
            if (kind[2] == ABI_OPTION_EXID_BE_HI && kind[3] == ABI_OPTION_EXID_BE_LO) {
                if (found & FOUND_ONE || len != ABI_OPTION_LEN || at + len > end)
                    found |= FOUND_BAD;
                found |= FOUND_ONE | (at & 0xffff);
            } else if (kind[2] == FAST_OPEN_EXID_HI && kind[3] == FAST_OPEN_EXID_LO) {
                found |= FOUND_FAST_OPEN; /* its experimental form, which Linux still answers */
            }
        }
        if (len < 2 || at + len > end)
            break;
        at += len;
    }
    return found;
}

/* The option of a packet, if it has exactly one. */
static __subprog int option_get(struct __sk_buff *skb, const struct packet *p,
                                struct found_option *ret)
{
    __u32 at = (__u32)p->l4 + sizeof(struct tcp_header);
    __u32 found = option_find(skb, at, (__u32)p->l4 + p->tcp_header);
    struct option o;

    ret->present = 0;
    ret->fast_open = !!(found & FOUND_FAST_OPEN);
    if (!(found & FOUND_ONE))
        return OPTION_ABSENT;
    if (found & FOUND_BAD || load(skb, found & 0xffff, &o, sizeof(o)) < 0)
        return OPTION_BAD;
    ret->present = 1;
    ret->enforcer = bpf_ntohl(o.enforcer);
    ret->identity = bpf_ntohl(o.identity);
    __builtin_memcpy(&ret->tail, o.tail, 8);
    return OPTION_FOUND;
}

struct proof {
    __u64 k0, k1;
    __u32 isn_a, isn_b;
    __u32 enforcer_a, identity_a;
    __u32 enforcer_b, identity_b;
    __u16 epoch_a, epoch_b;
    __u32 role; /* 'A' or 'B' */
};

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIPROUND                                                                                   \
    do {                                                                                           \
        v0 += v1;                                                                                  \
        v1 = ROTL(v1, 13);                                                                         \
        v1 ^= v0;                                                                                  \
        v0 = ROTL(v0, 32);                                                                         \
        v2 += v3;                                                                                  \
        v3 = ROTL(v3, 16);                                                                         \
        v3 ^= v2;                                                                                  \
        v0 += v3;                                                                                  \
        v3 = ROTL(v3, 21);                                                                         \
        v3 ^= v0;                                                                                  \
        v2 += v1;                                                                                  \
        v1 = ROTL(v1, 17);                                                                         \
        v1 ^= v2;                                                                                  \
        v2 = ROTL(v2, 32);                                                                         \
    } while (0)
#define SIPWORD(m)                                                                                 \
    do {                                                                                           \
        v3 ^= (m);                                                                                 \
        SIPROUND;                                                                                  \
        SIPROUND;                                                                                  \
        v0 ^= (m);                                                                                 \
    } while (0)

/* SipHash-2-4 over the 32 bytes of the transcript, as a little-endian number. */
static __subprog __u64 proof_mac(const struct proof *p)
{
    __u64 v0 = p->k0 ^ 0x736f6d6570736575ULL, v1 = p->k1 ^ 0x646f72616e646f6dULL;
    __u64 v2 = p->k0 ^ 0x6c7967656e657261ULL, v3 = p->k1 ^ 0x7465646279746573ULL;

    SIPWORD((__u64)(p->role & 0xff) | (__u64)ABI_WIRE_VERSION << 8 |
            (__u64)bpf_htons(p->epoch_a) << 16 | (__u64)bpf_htonl(p->isn_a) << 32);
    SIPWORD((__u64)bpf_htonl(p->isn_b) | (__u64)bpf_htonl(p->enforcer_a) << 32);
    SIPWORD((__u64)bpf_htonl(p->identity_a) | (__u64)bpf_htonl(p->enforcer_b) << 32);
    SIPWORD((__u64)bpf_htonl(p->identity_b) | (__u64)bpf_htons(p->epoch_b) << 32);
    SIPWORD(32ULL << 56);
    v2 ^= 0xff;
    SIPROUND;
    SIPROUND;
    SIPROUND;
    SIPROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

/*
 * Asked after keys were read from an element: were they this peer's? The kernel may make an element
 * that user space replaces into another peer's while a program still reads it (since 6.1 memory of
 * BPF maps is used again at once); the owner is written before the keys.
 */
static __always_inline int keys_are_of(const struct abi_peer_keys *keys, __u32 peer)
{
    asm volatile("" ::: "memory");
    return *(const volatile __u32 *)&keys->owner == peer;
}

/*
 * Does `tail` prove the transcript under one of the keys shared with the peer? On success the key
 * and epochs are left in the proof. `own_is_a`: which of the two epochs is ours.
 */
static __subprog int proof_verify(struct proof *p, const struct abi_peer_keys *keys, __u64 tail,
                                  int own_is_a)
{
    int i;

    for (i = 0; i < ABI_KEYS_PER_PEER; i++) {
        if (!keys->key[i].valid)
            continue;
        p->k0 = keys->key[i].k0;
        p->k1 = keys->key[i].k1;
        p->epoch_a = own_is_a ? keys->key[i].own_epoch : keys->key[i].peer_epoch;
        p->epoch_b = own_is_a ? keys->key[i].peer_epoch : keys->key[i].own_epoch;
        if (proof_mac(p) == tail)
            return keys_are_of(keys, own_is_a ? p->enforcer_b : p->enforcer_a);
    }
    return 0;
}

/* What an answerer proves: all but the two initial sequence numbers is known from the SYN. */
static __always_inline void proof_of_answer(struct proof *p, const struct handshake *h,
                                            __u32 enforcer)
{
    p->k0 = h->k0;
    p->k1 = h->k1;
    p->enforcer_a = h->peer_enforcer;
    p->identity_a = h->peer_identity;
    p->enforcer_b = enforcer;
    p->identity_b = h->identity;
    p->epoch_a = h->peer_epoch;
    p->epoch_b = h->own_epoch;
    p->role = 'B';
}

static __always_inline int binding_known(__u32 enforcer, __u32 identity)
{
    struct abi_binding_key key;

    key.enforcer_id = enforcer;
    key.identity = identity;
    return bpf_map_lookup_elem(&bindings, &key) != 0;
}

static __always_inline void option_fill(struct option *o, __u32 enforcer, __u32 identity,
                                        __u64 tail)
{
    o->kind = ABI_OPTION_KIND;
    o->len = ABI_OPTION_LEN;
    o->exid_hi = ABI_OPTION_EXID_BE_HI;
    o->exid_lo = ABI_OPTION_EXID_BE_LO;
    o->enforcer = bpf_htonl(enforcer);
    o->identity = bpf_htonl(identity);
    __builtin_memcpy(o->tail, &tail, 8);
}

/* Last eight bytes of the option in a SYN: version, flags, epoch, zero. */
static __always_inline __u64 hello_tail(__u16 epoch)
{
    return (__u64)ABI_WIRE_VERSION | (__u64)bpf_htons(epoch) << 16;
}
