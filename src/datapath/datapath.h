/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The interface between the daemon and what decides about packets. Implementation: ebpf/ (cgroup
 * v2, sock_ops, tc). All calls from one thread, the daemon's loop.
 *
 * Life cycle
 *   new ── open ──▶ attached (adopts pins of an earlier run when there are any)
 *   attached ── apply / pus_set / … ──▶ attached
 *   attached ── free ──▶ the daemon is gone, enforcement goes on from the pins
 *   attached ── detach ──▶ nothing is enforced, pins removed (the only way to stop enforcing)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "model/model.h"
#include "policy/policy.h"

struct datapath;

struct datapath_config {
    const char *cgroup_root; /* "/" or a path below the cgroup2 mount */
    const char *pin_root;    /* NULL: /sys/fs/bpf/bulkhead */
    bool host_enabled;
    bool services; /* PUs may have ports: needs the sockets of the host's network namespace */
    const struct cidr_list *target_networks;   /* already with the defaults of wire.md when empty */
    const struct cidr_list *excluded_networks; /* may be NULL */
    const char *const *excluded_interfaces;    /* NULL-terminated; may be NULL */
    uint32_t enforcer_id;                      /* 0: no identity */
    uint16_t epoch;
    bool keep_epoch; /* with pins of an earlier run of this enforcer: its epoch stays in use */
    const char *own_cgroup; /* exempt: of nobody, neither judged nor reported; may be NULL */
};

/* What is wrong and how to mend it, for people. */
#define DATAPATH_MESSAGE_MAX 512

/*
 * Look before anything is attached: cgroup2 mounted, capabilities, kernel features, bpffs.
 * @return 0; -BULKHEAD_EPRIVILEGE; -BULKHEAD_EKERNEL; -errno; with the mend in `message`
 */
int datapath_check(const struct datapath_config *config, char message[DATAPATH_MESSAGE_MAX]);

/*
 * Load and attach, or adopt the pins of an earlier run: then enforcement never paused and
 * ret_adopted is true. After a fresh open everything passes until the first datapath_apply.
 */
int datapath_open(const struct datapath_config *config, struct datapath **ret, bool *ret_adopted,
                  char message[DATAPATH_MESSAGE_MAX]);
void datapath_free(struct datapath **datapath);
int datapath_detach(struct datapath *datapath);
/* Also without an open datapath: remove pins and tc filters of an earlier run. -EBUSY: a daemon
 * enforces this cgroup. */
int datapath_detach_pinned(const struct datapath_config *config,
                           char message[DATAPATH_MESSAGE_MAX]);

struct datapath_ports {
    uint8_t protocol; /* TCP or UDP */
    uint16_t low, high;
};
#define DATAPATH_SERVICE_RANGES_MAX 1024 /* of all PUs together */

struct datapath_pu {
    uint32_t index;     /* chosen by the daemon, < ABI_PUS_MAX, stable while the PU lives */
    bool host;          /* everything in no other PU; cgroup is not used */
    const char *cgroup; /* path below the cgroup2 mount, absolute in it; NULL: none */
    /* Host service: what serves these ports on the host and is in no cgroup of a PU. No two
     * overlap.
     */
    const struct datapath_ports *ports;
    size_t n_ports;
    uint32_t identity;
    size_t policy; /* index in compiled.policies */
};

/*
 * Make the kernel enforce `compiled` for exactly these PUs. Builds aside, switches each policy by
 * one write, bumps the generation. Only what differs from the last call is written. On failure the
 * last policy stays. A PU whose cgroup does not exist yet is left out and counted in *ret_missing.
 *
 * `compiled` must stay alive until the next call has returned (the difference is taken against it);
 * decisions of the last DATAPATH_POLICY_VERSIONS_KEPT versions can still be named.
 */
int datapath_apply(struct datapath *datapath, const struct policy_compiled *compiled,
                   const struct datapath_pu *pus, size_t n_pus, size_t *ret_missing);
/* Before any policy is known (failMode): every PU allows or rejects. */
int datapath_set_fallback(struct datapath *datapath, enum model_action action,
                          const struct datapath_pu *pus, size_t n_pus);

/* Policy version number that datapath_apply gave to compiled.policies[i] in its last run. */
uint32_t datapath_policy_version(const struct datapath *datapath, size_t i);

struct datapath_peer_key {
    uint32_t enforcer_id;
    uint16_t peer_epoch, own_epoch;
    uint8_t key[16];
};
struct datapath_binding {
    uint32_t enforcer_id, identity;
};
/* Make the kernel know exactly these keys and bindings (own enforcer included); of one enforcer in
 * the order given, current before previous. */
int datapath_peers_set(struct datapath *datapath, const struct datapath_peer_key *keys,
                       size_t n_keys, const struct datapath_binding *bindings, size_t n_bindings);

/*
 * A new own key: the next datapath_peers_set brings keys of `epoch` and puts it in use. Keys of the
 * epoch before stay beside them until the change after, for handshakes that are under way.
 */
void datapath_epoch_set(struct datapath *datapath, uint16_t epoch);
uint16_t datapath_epoch(const struct datapath *datapath); /* in use in the kernel */

/* Addresses of known enforcers: an answer from there without identity is reported as stripped. */
int datapath_peer_addresses_set(struct datapath *datapath, const struct ip_prefix *addresses,
                                size_t n);

/* ---- Reports ------------------------------------------------------------------------------- */

struct datapath_flow {
    uint32_t pu;                    /* index; ABI_PU_NONE cannot occur */
    enum model_direction direction; /* of the flow, seen from the PU */
    struct ip_addr local, remote;
    uint16_t port; /* destination port, or ICMP type << 8 | code */
    uint8_t protocol;
    uint32_t peer_enforcer, peer_identity; /* 0: no identity */
    uint32_t address_class;
    enum model_action action; /* ALLOW or REJECT */
    enum model_action observed;
    uint32_t policy_version;             /* 0: none */
    uint32_t rule, observed_rule;        /* POLICY_RULE_NONE: default */
    uint8_t reason;                      /* enum abi_reason */
    uint64_t count, bytes_in, bytes_out; /* since the last report of this kind */
    uint64_t time_ns;                    /* CLOCK_MONOTONIC of the newest */
    bool first; /* from the ring buffer, at once; else from the drained table */
};
const char *datapath_reason_name(uint8_t reason); /* "policy", "mac_mismatch", …; "" for none */

typedef void datapath_flow_fn(const struct datapath_flow *flow, void *context);
/* Pollable; readable when datapath_events has something. */
int datapath_events_fd(const struct datapath *datapath);
/* Drain the ring buffer (bounded work per call). Sockets that the kernel rejected late are
 * destroyed here. */
int datapath_events(struct datapath *datapath, datapath_flow_fn *fn, void *context);
/* Read and empty the counted reports; call every second or so. */
int datapath_reports_drain(struct datapath *datapath, datapath_flow_fn *fn, void *context);

struct datapath_counter {
    const char *name, *help;
    uint64_t value;
};
#define DATAPATH_COUNTERS_MAX 64
int datapath_counters(struct datapath *datapath, struct datapath_counter ret[DATAPATH_COUNTERS_MAX],
                      size_t *ret_n);

struct datapath_program {
    const char *hook; /* "sock_ops", "cgroup_skb/ingress", "tc/ingress eth0" … */
    bool attached;
};
/* What is attached where, looked up in the kernel now. Array owned by the caller (free). */
int datapath_programs(struct datapath *datapath, struct datapath_program **ret, size_t *ret_n);
/* What this kernel cannot do for this host, for people; NULL when there is nothing to say. */
#define DATAPATH_WARNINGS 2
const char *datapath_warning(const struct datapath *datapath, unsigned which);
/* Interfaces may have come or gone: attach tc programs to the new ones. Cheap; call on netlink
 * news. */
int datapath_interfaces_sync(struct datapath *datapath);
/* Cgroups may have come or gone: cgroup ids of the PUs are looked up again. Returns what changed
 * (0/1) or < 0. */
int datapath_cgroups_sync(struct datapath *datapath);

/* The enforced cgroup was removed, perhaps made again: nothing of this datapath decides any more.
 * Detach, free, and open another. */
bool datapath_stale(const struct datapath *datapath);

/* ---- Live sockets (sock_diag in every network namespace that has processes of this host) --------
 */

enum datapath_socket_type {
    DATAPATH_SOCKET_EXISTING,
    DATAPATH_SOCKET_PU_TO_PU,
    DATAPATH_SOCKET_PU_TO_EXT,
    DATAPATH_SOCKET_EXT_TO_PU,
    DATAPATH_SOCKET_LISTEN,
};
struct datapath_socket {
    enum datapath_socket_type type;
    uint32_t pu;
    enum model_direction direction;
    struct ip_addr local, remote;
    uint16_t local_port, remote_port;
    uint8_t protocol;
    uint32_t peer_enforcer, peer_identity;
    uint32_t policy_version, rule;
    uint64_t duration_ns;
};
typedef void datapath_socket_fn(const struct datapath_socket *socket, void *context);
int datapath_sockets(struct datapath *datapath, datapath_socket_fn *fn, void *context);

/*
 * Judge every live connection against the policy applied last and destroy the ones it rejects
 * (SOCK_DESTROY: ECONNABORTED here, RST to the peer). The kernel does the same on each socket's
 * next packet; this reaches the silent ones. @param ret_destroyed may be NULL
 */
int datapath_rejudge(struct datapath *datapath, size_t *ret_destroyed);
