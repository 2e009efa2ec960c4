/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * State of the eBPF datapath, shared by the files of this directory only.
 *
 * File        | owns
 * ------------|------------------------------------------------------------------
 * check.c     | looking before anything is attached
 * open.c      | skeleton, pins, links, life cycle
 * maps.c      | writing many map entries
 * classes.c   | class numbers and verdict entries
 * apply.c     | policy versions, PUs, the switch
 * addresses.c | one trie out of networks, target, excluded and peer addresses
 * peers.c     | keys, bindings
 * events.c    | ring buffer, reports, counters
 * tc.c        | programs on interfaces
 * services.c  | ports that belong to PUs
 * cgroups.c   | cgroup paths and ids, PU of a cgroup
 * namespaces.c| network namespaces that have processes of this host
 * root.c      | the enforced cgroup: one daemon has it, while it is there
 * diag.c      | sock_diag: dump and destroy sockets
 * listeners.c | listeners older than the Enforcer
 * raw.c       | protocols with raw sockets
 * host.c      | sockets of the host's own network namespace that are older than the Enforcer
 * live.c      | netstat, judging live connections
 * reset.c     | answers to what was refused (rejectMode: reset)
 */

#include <stdarg.h>
#include <stdbool.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/error.h"
#include "base/macros.h"
#include "bpf/abi.h"
#include "datapath/datapath.h"

#define LINKS_MAX 12
#define PATH_BYTES 512
#define NETNS_MAX 4096
#define CGROUPS_WALKED_MAX 65536
#define RANGE_PREFIXES_MAX 30 /* 16 bits: two of each length but the whole */
#define RETIRE_AFTER_NS 1000000000ULL

struct bulkhead_bpf;
struct synack_bpf;
struct ifaddrs;

/* A class as the kernel knows it. Numbers are never reused while pins live. */
struct class_entry {
    uint8_t fingerprint[32];
    uint32_t number; /* with ABI_CLASS_… flags */
};

struct policy_version {
    uint8_t digest[32];
    uint32_t version;
};

struct pu_slot {
    bool used, host;
    char *cgroup;       /* absolute below the mount */
    uint64_t cgroup_id; /* 0: not there */
    uint32_t identity;
    size_t policy;
};

struct service_range {
    struct datapath_ports range;
    uint32_t pu;
};

struct address_item {
    struct abi_address_key key;
    struct abi_address value;
};

/* Keys that nothing refers to any more; removed when no program can still be reading them. */
struct retired {
    struct retired *next;
    uint64_t at_ns;
    int fd;
    size_t key_size, n;
    uint8_t keys[];
};

struct walked_cgroup {
    uint64_t id;
    uint32_t pu;
};

struct netns_handle {
    uint64_t inode;
    int fd, diag_fd;
};

/* Where answers to refused packets are sent from, and how many more may be now. */
struct resets {
    int raw[2], diag_fd; /* IPv4, IPv6; of our own network namespace */
    uint64_t cookies[2]; /* of the raw sockets */
    uint64_t refilled_ns;
    uint32_t tokens;
};

struct datapath {
    struct bulkhead_bpf *skeleton;
    struct synack_bpf *synack; /* only when there are listeners that need it */
    struct ring_buffer *ring;
    int cgroup_fd;
    char cgroup_mount[PATH_BYTES];
    char cgroup_path[PATH_BYTES]; /* mount + root */
    char pin_dir[PATH_BYTES];
    bool links_found; /* an earlier run enforces */
    bool host_enabled, services_enabled, listeners_pending, old_listeners;
    bool namespaces_unknown; /* the kernel does not say which network namespace a socket is in */
    struct bpf_link *links[LINKS_MAX];

    struct cidr_list target, excluded;
    char **excluded_interfaces;
    struct ip_prefix *peer_addresses;
    size_t n_peer_addresses;

    struct abi_control control;
    uint16_t next_epoch, kept_epoch; /* of own keys; in use with the next set of keys */
    bool keeps_epoch;
    char own_cgroup[PATH_BYTES]; /* exempt; "" for none */
    uint64_t own_cgroup_id;
    const struct policy_compiled *compiled; /* borrowed from the daemon until the next apply */
    struct class_entry *classes;            /* same order as compiled->classes */
    size_t n_classes;
    struct policy_version *versions; /* same order as compiled->policies */
    size_t n_versions;
    uint32_t next_class, next_version;
    bool purge; /* adopted maps hold entries of an earlier run below these numbers */
    uint32_t purge_class, purge_version;

    struct pu_slot pus[ABI_PUS_MAX];
    uint32_t pus_end;               /* highest used index + 1 */
    struct service_range *services; /* sorted by protocol and port, disjoint */
    size_t n_services;
    bool services_torn; /* the map may have part of another list */

    struct address_item *addresses[ABI_BANKS]; /* sorted; what each trie holds */
    size_t n_addresses[ABI_BANKS];

    struct retired *retired;

    struct walked_cgroup *walked; /* sorted by id */
    size_t n_walked;
    struct netns_handle *netns;
    size_t n_netns;
    uint64_t walked_at_ns;

    struct resets resets;
    uint64_t counted[ABI_COUNTER_MAX]; /* here, beside what the programs count */

    datapath_flow_fn *fn; /* while events are drained */
    void *context;
};

uint64_t now_ns(void);

/* maps.c */
int map_write(int fd, const void *keys, const void *values, size_t n, size_t key_size,
              size_t value_size);
int map_delete(int fd, const void *keys, size_t n, size_t key_size);
/* Delete later, when no program can still be using what led to these keys. Takes nothing over. */
int map_retire(struct datapath *dp, int fd, const void *keys, size_t n, size_t key_size);
void map_retired_collect(struct datapath *dp, uint64_t before_ns);
int control_write(struct datapath *dp);
void generation_bump(struct datapath *dp, bool pus_changed);

/* classes.c */
int classes_sync(struct datapath *dp, const struct policy_compiled *compiled,
                 struct class_entry **ret_classes);
/* Remove at once what was written from number `first` on: no program has seen it. */
void classes_undo(struct datapath *dp, const struct policy_compiled *compiled,
                  const struct class_entry *classes, uint32_t first);
void classes_retire(struct datapath *dp, const struct class_entry *kept, size_t n_kept);

/* addresses.c */
int addresses_sync(struct datapath *dp, const struct policy_compiled *compiled, uint32_t bank);
int addresses_fd(const struct datapath *dp, uint32_t bank);
/* Did this run write the prefix into the trie of a bank? */
bool address_known(const struct datapath *dp, uint32_t bank, const struct abi_address_key *key);

/* apply.c */
int pus_adopt(struct datapath *dp);
/* Has pu_by_cgroup to have this one? */
bool cgroup_wanted(const struct datapath *dp, uint64_t id);
void purge_stale(struct datapath *dp);

/* events.c */
int events_open(struct datapath *dp);

/* tc.c */
int tc_sync(struct datapath *dp);
/* In the namespace that this thread is in, not our own: the program for older listeners, or not. */
int tc_answers_sync(struct datapath *dp, bool on);
void tc_detach(void);
int tc_programs(struct datapath *dp, struct datapath_program *list, size_t max, size_t *n);

/* cgroups.c */
int cgroup_mount_find(char path[PATH_BYTES]);
/* cgroup id of a directory: 0 when it is not there. */
uint64_t cgroup_id_of(const char *path);
int cgroups_walk(struct datapath *dp);
/* The daemon's own cgroup is nobody's, unless somebody made it a PU. */
int own_cgroup_exempt(struct datapath *dp);
bool cgroup_known(const struct datapath *dp, uint64_t id, uint32_t *ret_pu);

/* root.c */
/* Open the enforced cgroup for this daemon alone. @return 0; -EBUSY with the mend in `message` */
int root_take(struct datapath *dp, char message[DATAPATH_MESSAGE_MAX]);

/* Is this link on the cgroup that the path names now? */
bool root_holds(const struct datapath *dp, const struct bpf_link *link);

/* Remove the pins of enforced cgroups that are no more: nobody else would, and maps are large. */
void root_pins_sweep(const struct datapath *dp);

/* open.c */
void directory_remove(const char *path);

/* namespaces.c */
int namespaces_sync(struct datapath *dp);
void namespaces_close(struct datapath *dp);
/* Call `fn` in each of them. @return 0, or the first error; all are visited */
typedef int namespace_fn(struct datapath *dp, size_t ns, void *context);
int namespaces_visit(struct datapath *dp, namespace_fn *fn, void *context);
/* Let go of what was looked up some time ago: a handle keeps a namespace alive. */
void namespaces_expire(struct datapath *dp);

/* diag.c */
struct diag_socket {
    struct ip_addr local, remote;
    uint16_t local_port, remote_port;
    uint8_t family, protocol, state;
    uint64_t cookie, cgroup_id;
    uint32_t ifindex;
    bool has_state;
    struct abi_socket socket;
};
typedef void diag_fn(int diag_fd, const struct diag_socket *socket, void *context);
int diag_open(void);
int diag_dump(int diag_fd, uint8_t family, uint8_t protocol, uint32_t states, int storage_map_fd,
              diag_fn *fn, void *context);
int diag_destroy(int diag_fd, const struct diag_socket *socket);
/* 0: a socket with this cookie receives what comes for these ends; -ENOENT, -ESTALE: another or
 * none. */
int diag_has(int diag_fd, const struct diag_socket *socket);

/* listeners.c */
void listeners_start(struct datapath *dp);
/* Take the tc programs for older listeners away, in every namespace. */
void answers_detach(struct datapath *dp);

/* raw.c */
void raw_protocols_sync(struct datapath *dp);

/* services.c */
int services_sync(struct datapath *dp, const struct datapath_pu *pus, size_t n_pus, bool *changed);
/* Whose this socket of the host's network namespace in no PU's cgroup is. */
uint32_t service_of(const struct datapath *dp, const struct diag_socket *s, uint32_t rest);

/* host.c */
/* Does anything ask which sockets are in the host's network namespace? */
bool host_sockets_wanted(const struct datapath *dp);
/* Which network namespace is the host's: fills control.netns_cookie and flags. */
void host_namespace_find(struct datapath *dp);
/* Note the sockets that were there before the hooks; forget all when no interface is excluded. */
int host_sockets_sync(struct datapath *dp);
/* Is this an address of an excluded interface? @param list  of getifaddrs(), may be NULL */
bool host_address_excluded(const struct datapath *dp, const struct ifaddrs *list,
                           const struct ip_addr *addr);

/* live.c */
void live_destroy_cookie(struct datapath *dp, const struct abi_event *event);

/* reset.c */
#define RESET_BYTES_MAX 128
void resets_init(struct resets *resets);
void resets_open(struct resets *resets);
void resets_close(struct resets *resets);
/* A bucket of tokens: may one more answer be sent? */
bool resets_affordable(struct resets *resets, uint64_t now);
/* The answer as an IP packet. @return its bytes; 0: this is not to be answered */
size_t reset_build(const struct abi_event *event, uint8_t packet[RESET_BYTES_MAX]);
void resets_answer(struct datapath *dp, const struct abi_event *event);
