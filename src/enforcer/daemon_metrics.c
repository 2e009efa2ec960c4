/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/daemon.h"

static void add(struct datapath_counter *list, size_t *n, const char *name, const char *help,
                uint64_t value)
{
    assert(*n < DAEMON_COUNTERS_MAX);
    list[(*n)++] = (struct datapath_counter){.name = name, .help = help, .value = value};
}

static void add_flows(const struct daemon *daemon, struct datapath_counter *list, size_t *n)
{
    struct flows_counters flows;

    flows_counters(daemon->flows, &flows);
    add(list, n, "flow_reports", "Reports taken in from the kernel.", flows.reports);
    add(list, n, "flow_records", "Kinds of flow seen.", flows.records);
    add(list, n, "flow_records_evicted",
        "Records that went to make room; what they had counted is not shown any more.",
        flows.evicted);
    add(list, n, "flow_reports_dropped",
        "Flows counted in evicted records that no follower had been told of.", flows.dropped);
}

static void add_control(const struct daemon *daemon, struct datapath_counter *list, size_t *n)
{
    struct control_counters control = {0};

    if (daemon->control)
        control_counters(daemon->control, &control);
    add(list, n, "flow_follower_dropped",
        "Records not sent to a follower because it did not keep up.", control.flows_dropped);
    add(list, n, "control_requests", "Requests on the control socket.", control.requests);
    add(list, n, "control_refused", "Requests and clients that were refused.", control.refused);
}

static void add_daemon(const struct daemon *daemon, struct datapath_counter *list, size_t *n)
{
    const struct daemon_counters *own = &daemon->counters;

    add(list, n, "policy_loads", "Policies read and put in force.", own->policy_loads);
    add(list, n, "policy_refused", "Policies refused as a whole.", own->policy_refused);
    add(list, n, "peers_loads", "Sets of peers read and used.", own->peers_loads);
    add(list, n, "peers_refused", "Sets of peers refused as a whole.", own->peers_refused);
    add(list, n, "applies", "Changes written to the kernel.", own->applies);
    add(list, n, "apply_failures", "Changes that the kernel did not take.", own->apply_failures);
    add(list, n, "connections_cut", "Live connections cut after a change of policy.",
        own->destroyed);
    add(list, n, "unit_changes", "Times that processing units came or went.", own->unit_changes);
}

static void add_remote(const struct daemon *daemon, struct datapath_counter *list, size_t *n)
{
    struct remote_counters remote;

    if (!daemon->remote)
        return;
    remote_counters(daemon->remote, &remote);
    add(list, n, "console_connects", "Connections to a Console that came about.", remote.connects);
    add(list, n, "console_resumed", "Of these, those after which nothing had to be sent.",
        remote.resumed);
    add(list, n, "console_inventories", "Of these, those that needed a comparison.",
        remote.snapshots);
    add(list, n, "console_deltas", "Messages with changes that came from a Console.",
        remote.deltas);
}

size_t daemon_counters_list(struct daemon *daemon, struct datapath_counter ret[DAEMON_COUNTERS_MAX])
{
    size_t n = 0;

    if (daemon->datapath && datapath_counters(daemon->datapath, ret, &n) < 0)
        n = 0;
    add_flows(daemon, ret, &n);
    add_control(daemon, ret, &n);
    add_daemon(daemon, ret, &n);
    add_remote(daemon, ret, &n);
    return n;
}

void daemon_metrics_collect(struct buf *buf, void *context)
{
    struct daemon *daemon = context;
    struct datapath_counter counters[DAEMON_COUNTERS_MAX];
    struct control_counters control = {0};
    size_t n = daemon_counters_list(daemon, counters);

    for (size_t i = 0; i < n; i++)
        metrics_counter(buf, counters[i].name, counters[i].help, counters[i].value);
    if (daemon->control)
        control_counters(daemon->control, &control);
    metrics_gauge(buf, "processing_units", "Processing units of this host.",
                  (double)daemon->units.n);
    metrics_gauge(buf, "peers", "Other hosts that are known.", (double)daemon_peers_count(daemon));
    metrics_gauge(buf, "identities", "Tag sets that are known, own and peers'.",
                  daemon->directory ? (double)daemon->directory->n : 0);
    metrics_gauge(buf, "policy_revision", "Policies put in force since the start.",
                  daemon->policy_revision);
    metrics_gauge(buf, "policy_rules", "Rules of the distinct policies in force.",
                  daemon->ruling ? (double)daemon->ruling->n_rules : 0);
    metrics_gauge(buf, "policy_apply_seconds", "From reading the last policy to the kernel.",
                  (double)daemon->counters.apply_last_us / 1e6);
    metrics_gauge(buf, "enforcing", "1 when programs are attached, 0 while disabled.",
                  daemon->datapath ? 1 : 0);
    metrics_gauge(buf, "flow_records_kept", "Records in the table.",
                  (double)flows_count(daemon->flows));
    metrics_gauge(buf, "followers", "Clients that follow flows.", (double)control.followers);
    metrics_gauge(buf, "uptime_seconds", "Since the daemon started.",
                  (double)(daemon_now_ns() - daemon->started_ns) / 1e9);
    if (daemon->remote) {
        struct remote_counters remote;

        remote_counters(daemon->remote, &remote);
        metrics_gauge(buf, "console_connected", "1 while there is a connection to a Console.",
                      remote.connected);
    }
    metrics_gauge(buf, "warnings", "Warnings in `bulkhead enforcer status`.",
                  (double)warnings_count(&daemon->warnings));
    metrics_build_info(buf, BULKHEAD_VERSION);
}
