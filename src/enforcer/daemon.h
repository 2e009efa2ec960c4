/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The running daemon: one libuv loop, one thread. This header is for the files that make it up.
 *
 *   daemon.c         start, loop, stop
 *   daemon_apply.c   units, peers, policy → directory → ruling → datapath
 *   daemon_watch.c   news from inotify, netlink, timers, signals
 *   daemon_reload.c  SIGHUP
 *   daemon_root.c    cgroupRoot removed and made again
 *   daemon_flows.c   reports from the datapath → table → followers
 *   remote.h         mode: console
 *   commands.c       answers on the control socket; daemon_metrics.c: the same for Prometheus
 *
 * Ownership: ruling points into estate; directory points into units and peers. So a ruling is freed
 * before its estate, a directory before what it points into is changed.
 */

#include "enforcer/loop.h"

#include "enforcer/config.h"
#include "enforcer/control.h"
#include "enforcer/directory.h"
#include "enforcer/flows.h"
#include "enforcer/flowtext.h"
#include "enforcer/metrics.h"
#include "enforcer/names.h"
#include "enforcer/offline.h"
#include "enforcer/options.h"
#include "enforcer/ruling.h"
#include "enforcer/warnings.h"
#include "enforcer/watch.h"

#define DAEMON_DEBOUNCE_MS 5
#define DAEMON_WRITER_WAIT_MS 500 /* for a file that somebody is writing */
#define DAEMON_TREE_DEBOUNCE_MS 10
#define DAEMON_DRAIN_MS 1000
#define DAEMON_RESCAN_MS 10000
#define DAEMON_ROOT_RETRY_MS 1000 /* while cgroupRoot is gone */
#define DAEMON_SAVE_MS 250        /* the copy on disk is off the way from file to kernel */
#define DAEMON_LINE_FLOWS 64      /* flows in one line of a stream */

enum daemon_force {                 /* what is enforced */
                    FORCE_NOTHING,  /* no datapath: disabled */
                    FORCE_ADOPTED,  /* what the kernel had from an earlier run */
                    FORCE_FALLBACK, /* no policy known: failMode */
                    FORCE_POLICY,
};

struct daemon;
struct remote;
struct view;

struct input_watch {     /* policy or peers */
    struct watch *watch; /* NULL: nothing to watch */
    uv_poll_t *poll;
    uv_timer_t debounce;
    uint64_t waiting_since_ms; /* for writers; 0: not waiting */
    void (*changed)(struct daemon *daemon);
    struct daemon *daemon;
};

struct daemon_counters {
    uint64_t policy_loads, policy_refused, peers_loads, peers_refused;
    uint64_t applies, apply_failures, destroyed, unit_changes;
    uint64_t apply_last_us; /* gauge: file read to kernel, of the last policy */
};

struct daemon {
    uv_loop_t loop;
    const struct options *options;
    struct config *config;
    char host_name[OFFLINE_HOST_NAME_MAX];
    char cgroup_mount[WORKLOAD_PATH_MAX], own_cgroup[WORKLOAD_PATH_MAX]; /* "": shared */
    bool own_cgroup_looked;
    int lock;
    uint64_t started_ns;

    struct remote *remote; /* NULL: standalone */
    struct units units;
    struct workload_tree *tree;
    struct peers *peers; /* NULL: none */
    uint8_t public_key[WIRE_KEY_BYTES];
    struct directory *directory; /* NULL after a collision */
    struct estate *estate;       /* NULL: no policy known */
    struct ruling *ruling;
    struct datapath *datapath; /* NULL while disabled */
    bool root_lost;            /* no datapath because cgroupRoot is gone */
    unsigned limits_said;      /* of this kernel, among the warnings: a bit for each */
    enum daemon_force force;
    uint32_t policy_revision;
    uint8_t policy_digest[INPUTS_DIGEST_BYTES]; /* of the files in force; zeros: of no files */
    bool ready, stopping;

    struct names *names;
    struct flows *flows;
    struct flowtext_cache *cache;
    struct warnings warnings;
    struct daemon_counters counters;

    struct control *control;
    struct metrics_server *metrics;
    struct input_watch policy_watch, peers_watch;
    int netlink;
    uv_poll_t *events_poll; /* NULL while there is no datapath */
    uv_poll_t *netlink_poll, *tree_poll;
    uv_timer_t drain_timer, report_timer, rescan_timer, save_timer, tree_timer;
    uv_signal_t term, interrupt, hangup;
};

uint64_t daemon_now_ns(void);

/* ---- daemon_apply.c ----------------------------------------------------------------------------
 */

/* Scan cgroups and take over what changed; then, when anything did, identities and policy. */
int daemon_units_refresh(struct daemon *daemon);
/* Read the peers; the last good set stays when something is wrong. @return 0, < 0 refused */
int daemon_peers_load(struct daemon *daemon);
/* Read the policy and put it in force; the running one stays when something is wrong. */
int daemon_policy_load(struct daemon *daemon);
/* The policy of an earlier run, or failMode. For a start at which daemon_policy_load failed. */
void daemon_policy_fallback(struct daemon *daemon);
/* Check and open the datapath. What is known is put in force by the caller. */
int daemon_attach(struct daemon *daemon, char message[DATAPATH_MESSAGE_MAX]);
int daemon_detach(struct daemon *daemon);
/* Attach and put in force what is known; for `enable`. */
int daemon_enable(struct daemon *daemon, char message[DATAPATH_MESSAGE_MAX]);
void daemon_disabled_warn(struct daemon *daemon);
size_t daemon_peers_count(const struct daemon *daemon);
/* Identities, keys and policy anew, after units or peers changed. */
int daemon_identities_apply(struct daemon *daemon);
int daemon_keys_apply(struct daemon *daemon);
int daemon_reapply(struct daemon *daemon);

/* @param estate  taken over on success; may be the present one */
int daemon_put_in_force(struct daemon *daemon, struct estate *estate);
void daemon_policy_said(struct daemon *daemon, uint64_t began_ns); /* log and counters */
void daemon_manager_tell(struct daemon *daemon);
/* Units as cgroups, configuration and Console say. */
int daemon_units_scan(struct daemon *daemon, bool *ret_changed);

/* ---- daemon_view.c ------------------------------------------------------------------------------
 */

/* All of a view at once; on success the remote has it, and its estate is the daemon's. */
int daemon_view_put(struct daemon *daemon, struct view *view, uint64_t began_ns);
void daemon_units_console(struct daemon *daemon); /* before units are looked for */
int daemon_directory_make(struct daemon *daemon, char message[DIRECTORY_MESSAGE_MAX]);
/* What the datapath is opened with; points into daemon, config and view. */
void daemon_datapath_config(struct daemon *daemon, struct datapath_config *ret);
/* Registered while running. */
void daemon_number_set(struct daemon *daemon, uint32_t number);

/* ---- remote.c, for the others ---------------------------------------------------------------- */

int remote_new(struct daemon *daemon, struct remote **ret);
void remote_start(struct remote *remote); /* connect */
void remote_close(struct remote *remote); /* NULL-safe; then run the loop to its end */
void remote_free(struct remote **remote);
int remote_keys_apply(struct remote *remote);
void remote_met(struct remote *remote, const struct datapath_flow *flow);
void remote_units_changed(struct remote *remote);
void remote_units_warn(struct remote *remote);  /* what the Console says is wrong with them */
int remote_first_policy(struct remote *remote); /* from the copy on disk; -ENOENT */
size_t remote_peers_count(const struct remote *remote);
struct remote_counters {
    uint64_t connects, resumed, snapshots, deltas;
    bool connected;
};
void remote_counters(const struct remote *remote, struct remote_counters *ret);

/* ---- daemon_watch.c -----------------------------------------------------------------------------
 */

void daemon_watch_init(struct daemon *daemon); /* timers; before anything is loaded */
int daemon_watch_start(struct daemon *daemon);
void daemon_watch_stop(struct daemon *daemon);
/* The configuration named other directories. */
int daemon_inputs_watch(struct daemon *daemon);
void daemon_report_start(struct daemon *daemon); /* with the interval of the configuration */
/* A poll handle on the heap, so that it can be closed at any time. */
int poll_new(uv_loop_t *loop, int fd, uv_poll_cb callback, void *data, uv_poll_t **ret);
void poll_close(uv_poll_t **poll); /* before its descriptor is closed; NULL-safe */
void daemon_save_later(struct daemon *daemon);

/* ---- daemon_root.c ------------------------------------------------------------------------------
 */

/* Attach again when cgroupRoot was removed. @return false: it cannot be now; try again soon */
bool daemon_root_check(struct daemon *daemon);

/* ---- daemon_reload.c ----------------------------------------------------------------------------
 */

void daemon_reload(struct daemon *daemon);
/* Open the datapath anew with what it is given now; enforcement does not pause. */
int daemon_datapath_reopen(struct daemon *daemon);

/* ---- daemon_flows.c -----------------------------------------------------------------------------
 */

int daemon_flows_poll(struct daemon *daemon); /* after daemon_attach */
void daemon_flows_unpoll(struct daemon *daemon);
void daemon_flows_drain(struct daemon *daemon);
/* Send to followers what is new, or everything that changed. */
void daemon_flows_tell(struct daemon *daemon, bool all_changed);
void daemon_flowtext(const struct daemon *daemon, struct flowtext *ret);
/* The answer to `flows`. */
int daemon_flows_stream(struct daemon *daemon, bool follow, struct control_stream **ret);

/* ---- commands.c, daemon_metrics.c
 * ------------------------------------------------------------------ */

void commands_run(const struct control_request *request, struct control_reply *reply,
                  void *context);
void daemon_metrics_collect(struct buf *buf, void *context);
#define DAEMON_COUNTERS_MAX (DATAPATH_COUNTERS_MAX + 24)
size_t daemon_counters_list(struct daemon *daemon,
                            struct datapath_counter ret[DAEMON_COUNTERS_MAX]);
