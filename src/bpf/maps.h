/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * Maps of the datapath. Every object file includes this; the definitions are weak, so linking the
 * objects leaves one of each. Types of 5.10: nothing newer is needed.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* A function of its own in the object: keeps programs small for the verifier. */
#define __subprog __noinline __attribute__((unused))

/*
 * SYN that was let in and whose SYN-ACK may have to be sent again by timer. A direct-mapped cache
 * by the cookie of the request socket (cookies are consecutive): no allocation and no list per
 * connection; what a newer handshake overwrites costs a SYN-ACK retransmission its option, and the
 * peer's next SYN brings it back. `cookie` is written first and `cookie_end` last, so that a torn
 * entry is seen.
 */
struct handshake {
    __u64 k0, k1;
    __u32 peer_enforcer, peer_identity;
    __u32 identity; /* of the listener's PU */
    __u32 isn_remote;
    __u16 peer_epoch, own_epoch;
    __u32 pad;
    __u64 cookie, cookie_end;
};

enum pending_kind {
    PENDING_NONE = 0,
    PENDING_SYN,
    PENDING_VERIFIED,
    PENDING_ADDRESS,
    PENDING_EXEMPT,
    PENDING_REFUSED, /* by policy; only within the ingress program */
};

/*
 * What the ingress program found out about a packet to a listener, for the sock_ops callbacks that
 * the same packet causes on the same CPU in the same softirq (SYN-ACK written, child established).
 * Written by ingress only; softirqs of one CPU do not nest.
 */
struct pending {
    __u8 remote[16];
    __u16 remote_port, local_port;
    __u32 kind; /* enum pending_kind */
    struct handshake handshake;
    __u32 judged, policy, rule, observed_rule, address_class, pu;
    __u32 peer_enforcer, peer_identity;
    __u8 observed, no_log, pad[2];
    __u32 resets; /* asked for in this window, on this CPU */
    __u64 resets_window;
};

/* A connection attempt that came with an identity and was refused: not to be judged by address
 * later. */
struct claim_key {
    __u8 remote[16];
    __u16 remote_port, local_port;
    __u32 isn;
};

/*
 * What the SYN to a listener older than the Enforcer claimed, for tc egress: sock_ops does not see
 * the SYN-ACKs of such a listener. `cookie` and `cookie_end` are not used.
 */
struct answer {
    struct handshake handshake;
    __u64 cgroup; /* of the listener */
};

/* A peer of whom it was reported that there is no room for the option (rule 6 of the protocol). */
struct peer_address {
    __u32 addr[4];
};

#define MAP(kind, k, v, n, with, map)                                                              \
    struct {                                                                                       \
        __uint(type, kind);                                                                        \
        __type(key, k);                                                                            \
        __type(value, v);                                                                          \
        __uint(max_entries, n);                                                                    \
        __uint(map_flags, with);                                                                   \
    } map SEC(".maps") __weak

MAP(BPF_MAP_TYPE_ARRAY, __u32, struct abi_control, 1, 0, control);
MAP(BPF_MAP_TYPE_ARRAY, __u32, struct abi_pu, ABI_PUS_MAX, 0, pus);
MAP(BPF_MAP_TYPE_HASH, __u64, __u32, ABI_CGROUPS_MAX, BPF_F_NO_PREALLOC, pu_by_cgroup);
MAP(BPF_MAP_TYPE_HASH, struct abi_peer_key, __u32, ABI_POLICY_PEERS_MAX, BPF_F_NO_PREALLOC,
    peer_class);
MAP(BPF_MAP_TYPE_HASH, struct abi_verdict_key, struct abi_verdict, ABI_VERDICTS_MAX,
    BPF_F_NO_PREALLOC, verdicts);
MAP(BPF_MAP_TYPE_LPM_TRIE, struct abi_range_key, struct abi_verdict, ABI_VERDICTS_MAX,
    BPF_F_NO_PREALLOC, verdict_ranges);
MAP(BPF_MAP_TYPE_LPM_TRIE, struct abi_address_key, struct abi_address, ABI_ADDRESSES_MAX,
    BPF_F_NO_PREALLOC, addresses_0);
MAP(BPF_MAP_TYPE_LPM_TRIE, struct abi_address_key, struct abi_address, ABI_ADDRESSES_MAX,
    BPF_F_NO_PREALLOC, addresses_1);
MAP(BPF_MAP_TYPE_HASH, __u32, struct abi_peer_keys, ABI_PEER_KEYS_MAX, BPF_F_NO_PREALLOC,
    peer_keys);
MAP(BPF_MAP_TYPE_HASH, struct abi_binding_key, __u8, ABI_BINDINGS_MAX, BPF_F_NO_PREALLOC, bindings);
MAP(BPF_MAP_TYPE_HASH, __u32, __u8, ABI_IFACES_MAX, 0, excluded_ifaces);
/* Cookies of sockets in the host's network namespace; a cookie is never used twice. */
MAP(BPF_MAP_TYPE_HASH, __u64, __u8, ABI_HOST_SOCKETS_MAX, BPF_F_NO_PREALLOC, host_sockets);
MAP(BPF_MAP_TYPE_LPM_TRIE, struct abi_port_key, __u32, ABI_SERVICE_PORTS_MAX, BPF_F_NO_PREALLOC,
    service_ports);
MAP(BPF_MAP_TYPE_ARRAY, __u32, __u8, 256, 0, raw_protocols);
MAP(BPF_MAP_TYPE_LRU_HASH, struct abi_flow_key, struct abi_flow, ABI_FLOWS_MAX, 0, flows);
MAP(BPF_MAP_TYPE_ARRAY, __u32, struct handshake, ABI_HANDSHAKES_MAX, 0, handshakes);
MAP(BPF_MAP_TYPE_LRU_HASH, struct claim_key, __u8, ABI_CLAIMS_MAX, 0, claims);
MAP(BPF_MAP_TYPE_LRU_HASH, struct claim_key, struct answer, ABI_ANSWERS_MAX, 0, answers);
MAP(BPF_MAP_TYPE_LRU_HASH, struct peer_address, __u8, ABI_NO_ROOM_PEERS_MAX, 0, no_room_peers);
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct pending, 1, 0, pending);
MAP(BPF_MAP_TYPE_HASH, struct abi_report_key, struct abi_report, ABI_REPORTS_MAX, BPF_F_NO_PREALLOC,
    reports);
MAP(BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, ABI_COUNTER_MAX, 0, counters);

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, ABI_EVENTS_BYTES);
} events SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct abi_socket);
} sockets SEC(".maps") __weak;
