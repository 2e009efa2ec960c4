/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
#pragma once

/*
 * Everything that the kernel side and user space share: map keys and values, events, socket state,
 * the header option. The only file that both include. Change anything here: raise ABI_VERSION; a
 * daemon that finds pins of another version replaces them instead of adopting them.
 *
 * Addresses are 16 bytes in network order, IPv4 as IPv4-mapped IPv6. Integers are in host order
 * unless the name ends in _be. Ports in flow keys are in host order.
 */

#ifndef __bpf__
#include <assert.h>
#include <linux/types.h>
#endif

#define ABI_VERSION 4u

/* ---- Numbers ------------------------------------------------------------------------------- */

#define ABI_PUS_MAX 4096u
#define ABI_CGROUPS_MAX 8192u
#define ABI_CGROUP_DEPTH_MAX 12 /* levels below the enforced cgroup that are searched for a PU */
#define ABI_POLICY_PEERS_MAX 2097152u
#define ABI_VERDICTS_MAX 4194304u
#define ABI_ADDRESSES_MAX 1048576u
#define ABI_PEER_KEYS_MAX 65536u
#define ABI_BINDINGS_MAX 1048576u
#define ABI_FLOWS_MAX 65536u
#define ABI_REPORTS_MAX 131072u
#define ABI_HANDSHAKES_MAX 65536u /* a power of two */
#define ABI_CLAIMS_MAX 16384u
#define ABI_ANSWERS_MAX 8192u
#define ABI_NO_ROOM_PEERS_MAX 4096u
#define ABI_EVENTS_BYTES (1u << 20)
#define ABI_RESETS_MAX                                                                             \
    1000u /* a window: asked for on each CPU; sent by user space on the whole host */
#define ABI_RESETS_WINDOW_SHIFT 30 /* a window is 2^30 ns */
#define ABI_IFACES_MAX 256u
#define ABI_HOST_SOCKETS_MAX 262144u
#define ABI_SERVICE_PORTS_MAX 32768u /* 1024 ranges of 30 prefixes at most */

#define ABI_PU_NONE 0xffffffffu    /* not a PU: not enforced */
#define ABI_PU_UNKNOWN 0xfffffffeu /* a listener nobody has asked yet */
#define ABI_RULE_NONE 0xffffffffu
#define ABI_IDENTITY_ANY 1u

enum abi_action { ABI_NONE = 0, ABI_ALLOW = 1, ABI_REJECT = 2 };
enum abi_direction { ABI_IN = 0, ABI_OUT = 1 };
enum abi_peer_kind { ABI_PEER_IDENTITY = 0, ABI_PEER_ADDRESS = 1 };

/* ---- Identity option (wire.h, docs/formats/identity-option.md) ------------------------------ */

#define ABI_OPTION_KIND 254
#define ABI_OPTION_LEN 20
#define ABI_OPTION_EXID_BE_HI 0xB1 /* ExID 0xB1C4 (RFC 6994) */
#define ABI_OPTION_EXID_BE_LO 0xC4
#define ABI_WIRE_VERSION 1

/* ---- Control: one entry, index 0 --------------------------------------------------------------
 */

enum abi_control_flags {
    ABI_CONTROL_IDENTITY = 1 << 0,            /* identity is configured: add and verify options */
    ABI_CONTROL_EXCLUDED_INTERFACES = 1 << 1, /* the map is not empty */
    ABI_CONTROL_HOST = 1 << 2,                /* sockets in no other PU belong to host_pu */
    ABI_CONTROL_ANSWERS = 1 << 3,      /* tc adds the option to the SYN-ACKs of older listeners */
    ABI_CONTROL_HOST_SOCKETS = 1 << 4, /* keep host_sockets: somebody asks for them */
    ABI_CONTROL_INIT_NETNS = 1 << 5,   /* the host's network namespace is the initial one */
    ABI_CONTROL_SERVICES = 1 << 6,     /* service_ports is not empty */
};

struct abi_control {
    __u32 generation;    /* bumped by every policy switch; never 0 */
    __u32 pu_generation; /* bumped when cgroups or PUs change; never 0 */
    __u32 flags;
    __u32 host_pu; /* index in pus, or ABI_PU_NONE */
    __u32 enforcer_id;
    __u32 epoch;          /* of our own key pair */
    __u32 root_level;     /* level of the enforced cgroup in cgroup v2, 0 = root */
    __u32 bank;           /* 0 or 1: which policies of `pus` and which address trie are in force */
    __u64 own_sockets[2]; /* cookies of the raw sockets that resets are sent from; 0: none */
    __u64 netns_cookie;   /* of the host's network namespace; 0: the kernel does not tell (5.14) */
};

/* ---- Processing units ---------------------------------------------------------------------- */

/* pu_by_cgroup: cgroup id (u64) → index in pus (u32). pus: array of this. */
/*
 * Policies and addresses exist twice. The next ones are written into the bank that is not in force;
 * one write of `control` then switches all PUs and all addresses together.
 */
#define ABI_BANKS 2
struct abi_pu {
    __u32 identity[ABI_BANKS];   /* 0: none */
    __u32 policy[ABI_BANKS];     /* number of the policy version; 0: none, then defaults decide */
    __u8 defaults[ABI_BANKS][2]; /* enum abi_action by direction */
    __u8 reset[ABI_BANKS];       /* 1: what is refused here is answered (rejectMode: reset) */
    __u8 pad[2];
};

/*
 * service_ports: LPM → index in pus (u32). Host services: a socket of the host's network namespace
 * that serves such a port and is in no cgroup of a PU. prefixlen 9..24.
 */
struct abi_port_key {
    __u32 prefixlen;
    __u8 protocol;
    __u8 port_be[2];
    __u8 pad;
};

/* ---- Policy -------------------------------------------------------------------------------- */

/* peer_class: hash → class id (u32). Policy numbers are never reused. */
struct abi_peer_key {
    __u32 policy;
    __u8 direction; /* enum abi_direction */
    __u8 kind;      /* enum abi_peer_kind */
    __u16 pad;
    __u32 peer;
};

/*
 * What a class says about protocol and port: the longest prefix. Most entries are for one port, one
 * protocol or all; those are in a hash, three look-ups at most. Only classes with port ranges use
 * the LPM trie, whose look-up costs many times more once it is large. The class id says what there
 * is.
 */
#define ABI_CLASS_RANGES (1u << 31)   /* entries in `verdict_ranges` (LPM, all of this class) */
#define ABI_CLASS_PORTS (1u << 30)    /* in `verdicts`: length 24, one port */
#define ABI_CLASS_PROTOCOL (1u << 29) /* in `verdicts`: length 8, a whole protocol */
#define ABI_CLASS_ANY (1u << 28)      /* in `verdicts`: length 0, everything */
#define ABI_CLASS_NUMBER (ABI_CLASS_ANY - 1)

/* verdicts: hash → struct abi_verdict */
struct abi_verdict_key {
    __u32 class;
    __u16 port;
    __u8 protocol;
    __u8 length; /* 0, 8 or 24 */
};

/* verdict_ranges: LPM → struct abi_verdict. prefixlen 32 + (0 | 8 | 9..24) */
struct abi_range_key {
    __u32 prefixlen;
    __u32 class_be; /* big endian, so that it is the first bits */
    __u8 protocol;
    __u8 port_be[2];
    __u8 pad;
};

enum abi_verdict_flags { ABI_VERDICT_NO_LOG = 1 << 0, ABI_VERDICT_ID_NO_LOG = 1 << 1 };

struct abi_verdict {
    __u8 action, observed;       /* identity classes; address classes: peer without identity */
    __u8 id_action, id_observed; /* address classes: peer with a proven identity */
    __u32 flags;
    __u32 rule, observed_rule;
    __u32 id_rule, id_observed_rule;
};

/* addresses_0, addresses_1 (by bank): LPM → struct abi_address */
struct abi_address_key {
    __u32 prefixlen;
    __u8 addr[16];
};
enum abi_address_flags {
    ABI_ADDRESS_TARGET = 1 << 0,   /* targetNetworks: identity is added towards it */
    ABI_ADDRESS_EXCLUDED = 1 << 1, /* excludedNetworks: neither judged nor reported */
    ABI_ADDRESS_PEER =
        1 << 2, /* address of a known enforcer: an answer without option was stripped */
};
struct abi_address {
    __u32 address_class;
    __u32 flags;
};

/* ---- Keys and bindings ----------------------------------------------------------------------- */

/* Current and previous of the peer, each with the own key in use and the one before it. Of several
 * with one epoch of the peer the first counts. */
#define ABI_KEYS_PER_PEER 4
/*
 * peer_keys: enforcer id (u32) → this. 128-bit SipHash keys in two little-endian words each.
 * `owner` is that id again, and first: the kernel may make another element of one that a program is
 * reading.
 */
struct abi_peer_keys {
    __u32 owner, pad;
    struct {
        __u64 k0, k1;
        __u16 peer_epoch; /* epoch of the peer's key pair */
        __u16 own_epoch;
        __u8 valid;
        __u8 pad[3];
    } key[ABI_KEYS_PER_PEER];
};

/* bindings: which enforcer may speak for which identity. Hash → u8 (1). */
struct abi_binding_key {
    __u32 enforcer_id;
    __u32 identity;
};

/* ---- State of one socket (sk_storage map `sockets`, cloned to children) -----------------------
 */

enum abi_phase {
    ABI_PHASE_NEW = 0,
    ABI_PHASE_LISTEN,     /* listener; children inherit a copy */
    ABI_PHASE_CONNECTING, /* SYN sent or about to be */
    ABI_PHASE_ACCEPTED,   /* both proofs done, or judged by address; policy let it through */
    ABI_PHASE_REJECTED,   /* was judged and rejected: nothing but RST passes */
    ABI_PHASE_EXISTING,   /* older than the Enforcer */
    ABI_PHASE_EXEMPT,     /* no PU, excluded network or interface */
    ABI_PHASE_UNVERIFIED, /* child of a listener whose proof was not seen: must prove on its next
                             packet */
    ABI_PHASE_DATAGRAM,   /* UDP, ICMP, raw: judged per flow */
};

enum abi_socket_flags {
    ABI_SOCKET_OPTION_SENT = 1 << 0,   /* our SYN carried the option */
    ABI_SOCKET_PEER_VERIFIED = 1 << 1, /* peer_enforcer and peer_identity are proven */
    ABI_SOCKET_CONFIRMED = 1 << 2,     /* the peer is known to have our proof */
    ABI_SOCKET_SIMULTANEOUS = 1 << 3,  /* SYN met SYN */
    ABI_SOCKET_FALLBACK = 1 << 4,      /* gave up on the option (rule 5) */
    ABI_SOCKET_NO_ROOM = 1 << 5,       /* option space full (rule 6) */
    ABI_SOCKET_TARGET = 1 << 6,        /* remote address is in targetNetworks */
    ABI_SOCKET_PEER_CLAIMED = 1 << 7,  /* peer_enforcer/identity claimed by a SYN, not proven */
    ABI_SOCKET_NO_LOG = 1 << 9,        /* the deciding rule has logsDisabled */
    ABI_SOCKET_MAYBE_SELF = 1 << 8,    /* rejected but for a listener that may be of the same PU */
    ABI_SOCKET_WRITES = 1 << 10,       /* listener: sock_ops writes the option of its SYN-ACKs */
    ABI_SOCKET_HOST_NETNS = 1 << 11,   /* known to be in the host's network namespace */
    ABI_SOCKET_INTERFACE = 1 << 12,    /* its last judged packet went over an excluded interface */
};

struct abi_socket {
    __u32 generation; /* equal to control.generation: let through without a look; 0: never */
    __u32 judged;     /* generation it was judged at last; 0: never */
    __u8 phase;       /* enum abi_phase */
    __u8 direction;   /* enum abi_direction: who opened */
    __u8 syns;        /* SYNs sent with the option */
    __u8 observed;    /* of the last decision: enum abi_action */
    __u32 flags;      /* enum abi_socket_flags */
    __u32 pu;         /* index in pus */
    __u32 pu_generation;
    __u32 peer_enforcer;
    __u32 peer_identity; /* 0: judged by address */
    __u32 address_class;
    __u32 policy; /* version that the rules belong to */
    __u32 rule;   /* that decided; ABI_RULE_NONE: default */
    __u32 observed_rule;
    __u64 mac;        /* precomputed proof for our own packets */
    __u64 cgroup;     /* cgroup id of the socket, 0: not looked up */
    __u64 started_ns; /* CLOCK_MONOTONIC */
};

/* ---- Flows without a connection of the kernel (UDP, ICMP, other protocols) --------------------
 */

struct abi_flow_key {
    __u8 local[16], remote[16];
    __u16 local_port, remote_port; /* ICMP echo: both the identifier; others 0 */
    __u32 pu;                      /* ABI_PU_NONE: a reply is on its way to some unit */
    __u8 protocol;
    __u8 icmp_type, icmp_code; /* ICMP: of the query, also for its reply */
    __u8 opener;               /* ICMP: enum abi_direction of the query */
};
struct abi_flow {
    __u64 seen_ns;
    __u32 generation;
    __u8 direction;
    __u8 pad[3];
};

/* ---- Reports ------------------------------------------------------------------------------- */

/* Why a packet was dropped, or what is worth telling though it passed. Order is part of the ABI. */
enum abi_reason {
    ABI_REASON_NONE = 0,
    ABI_REASON_POLICY, /* a rule or a default says Reject */
    ABI_REASON_MAC_MISMATCH,
    ABI_REASON_PEER_MISS,        /* unknown enforcer id or no key */
    ABI_REASON_IDENTITY_UNKNOWN, /* enforcer is not bound to this identity, or nobody is */
    ABI_REASON_EPOCH,            /* key epoch neither current nor previous */
    ABI_REASON_OPTION_INVALID,   /* wrong length, two options, wrong version */
    ABI_REASON_SYN_DATA,         /* SYN with data or Fast Open cookie on a claimed identity */
    ABI_REASON_FRAGMENT,         /* TCP SYN or first header in fragments */
    ABI_REASON_HEADER,           /* truncated, malformed, too many extension headers */
    ABI_REASON_NO_CONNECTION,    /* TCP packet that belongs to nothing */
    ABI_REASON_STRIPPED,         /* identity_stripped: passed or dropped by address */
    ABI_REASON_FALLBACK,         /* identity_fallback: third SYN went without */
    ABI_REASON_NO_ROOM,          /* identity_no_room */
    ABI_REASON_EXPIRED,          /* claimed an identity, came back without it */
    ABI_REASON_NO_MEMORY,        /* a table was full */
    ABI_REASON_MAX
};

/* reports: hash, counted by the kernel, drained by user space. One per kind of flow. */
struct abi_report_key {
    __u8 local[16], remote[16];
    __u32 pu;
    __u32 peer_enforcer, peer_identity;
    __u32 address_class;
    __u32 policy; /* version; 0: none */
    __u32 rule, observed_rule;
    __u16 port; /* destination port, or ICMP type << 8 | code */
    __u8 protocol;
    __u8 direction;
    __u8 action; /* enum abi_action: ALLOW or REJECT */
    __u8 observed;
    __u8 reason;
    __u8 pad;
};
struct abi_report {
    __u64 count;
    __u64 bytes_in, bytes_out;
    __u64 first_ns;
    __u64 announced; /* 1: the event went out, and said 1 of `count` */
};

enum abi_event_type {
    ABI_EVENT_FLOW = 1,    /* first packet of a new kind; the key is in `reports` as well */
    ABI_EVENT_DESTROY = 2, /* a socket was rejected after it was made: close it */
    ABI_EVENT_RESET = 3,   /* refused by policy where rejectMode is reset: answer it */
};

/* In `flow`, RESET knows addresses, protocol, direction and pu; all else is 0. */
struct abi_event {
    __u32 type;
    __u32 ifindex; /* RESET: where the packet came in; DESTROY: what the socket is bound to, or 0 */
    __u64 time_ns;
    __u64 cookie; /* DESTROY; RESET: the socket that the packet was for */
    __u16 local_port, remote_port;
    __u16 payload;  /* RESET, TCP: bytes after the header */
    __u8 tcp_flags; /* RESET */
    __u8 pad;
    __u32 seq, ack; /* RESET */
    struct abi_report_key flow;
    __u32 pad1;
};

/* ---- Counters: per-CPU array of u64 by this index ----------------------------------------------
 */

enum abi_counter {
    ABI_COUNTER_CONNECTIONS_ACCEPTED = 0,
    ABI_COUNTER_CONNECTIONS_REJECTED,
    ABI_COUNTER_CONNECT_DENIED,
    ABI_COUNTER_DATAGRAM_ACCEPTED,
    ABI_COUNTER_DATAGRAM_REJECTED,
    ABI_COUNTER_IDENTITY_SYN_SENT,
    ABI_COUNTER_IDENTITY_SYNACK_SENT,
    ABI_COUNTER_IDENTITY_SYNACK_VERIFIED,
    ABI_COUNTER_IDENTITY_ACK_VERIFIED,
    ABI_COUNTER_MAC_MISMATCH,
    ABI_COUNTER_PEER_MISS,
    ABI_COUNTER_IDENTITY_UNKNOWN,
    ABI_COUNTER_EPOCH,
    ABI_COUNTER_OPTION_INVALID,
    ABI_COUNTER_SYN_DATA,
    ABI_COUNTER_FRAGMENT,
    ABI_COUNTER_HEADER,
    ABI_COUNTER_NO_CONNECTION,
    ABI_COUNTER_IDENTITY_STRIPPED,
    ABI_COUNTER_IDENTITY_FALLBACK,
    ABI_COUNTER_IDENTITY_NO_ROOM,
    ABI_COUNTER_EXPIRED,
    ABI_COUNTER_REJUDGED,
    ABI_COUNTER_REVOKED,
    ABI_COUNTER_ICMP_RELATED,
    ABI_COUNTER_EVENTS_SENT,
    ABI_COUNTER_EVENTS_LOST,       /* ring buffer full: what it would have said is counted here */
    ABI_COUNTER_REPORTS_FULL,      /* no room in `reports`: sent as an event instead */
    ABI_COUNTER_TABLE_FULL,        /* handshakes, sockets, flows: no memory */
    ABI_COUNTER_CLOSED_PORT,       /* answers of the kernel for closed ports that were held back */
    ABI_COUNTER_RESETS_SENT,       /* by user space */
    ABI_COUNTER_RESETS_LOST,       /* ring buffer full, or the answer could not be sent */
    ABI_COUNTER_RESETS_SUPPRESSED, /* more than ABI_RESETS_MAX */
    ABI_COUNTER_MAX
};

#ifndef __bpf__
static_assert(sizeof(struct abi_control) == 56, "abi_control");
static_assert(sizeof(struct abi_pu) == 24, "abi_pu");
static_assert(sizeof(struct abi_port_key) == 8, "abi_port_key");
static_assert(sizeof(struct abi_peer_key) == 12, "abi_peer_key");
static_assert(sizeof(struct abi_verdict_key) == 8, "abi_verdict_key");
static_assert(sizeof(struct abi_range_key) == 12, "abi_range_key");
static_assert(sizeof(struct abi_verdict) == 24, "abi_verdict");
static_assert(sizeof(struct abi_address_key) == 20, "abi_address_key");
static_assert(sizeof(struct abi_peer_keys) == 104, "abi_peer_keys");
static_assert(sizeof(struct abi_socket) == 72, "abi_socket");
static_assert(sizeof(struct abi_flow_key) == 44, "abi_flow_key");
static_assert(sizeof(struct abi_flow) == 16, "abi_flow");
static_assert(sizeof(struct abi_report_key) == 68, "abi_report_key");
static_assert(sizeof(struct abi_report) == 40, "abi_report");
static_assert(sizeof(struct abi_event) == 112, "abi_event");
#endif
