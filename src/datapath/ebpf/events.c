/* SPDX-License-Identifier: Apache-2.0 */

/* What the kernel tells: events at once, counted reports every second, counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "bulkhead.skel.h"

#define DRAIN_BATCH 1024

static void flow_of(const struct abi_report_key *key, struct datapath_flow *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->pu = key->pu;
    ret->direction = (enum model_direction)key->direction;
    memcpy(ret->local.bytes, key->local, 16);
    memcpy(ret->remote.bytes, key->remote, 16);
    ret->port = key->port;
    ret->protocol = key->protocol;
    ret->peer_enforcer = key->peer_identity ? key->peer_enforcer : 0;
    ret->peer_identity = key->peer_identity;
    ret->address_class = key->address_class;
    ret->action = (enum model_action)key->action;
    ret->observed = (enum model_action)key->observed;
    ret->policy_version = key->policy;
    ret->rule = key->rule;
    ret->observed_rule = key->observed_rule;
    ret->reason = key->reason;
}

static int event_take(void *context, void *data, size_t size)
{
    struct datapath *dp = context;
    const struct abi_event *event = data;
    struct datapath_flow flow;

    if (size < sizeof(*event))
        return 0;
    if (event->type == ABI_EVENT_DESTROY) {
        live_destroy_cookie(dp, event);
        return 0;
    }
    if (event->type == ABI_EVENT_RESET) {
        resets_answer(dp, event);
        return 0;
    }
    if (event->type != ABI_EVENT_FLOW || !dp->fn)
        return 0;
    flow_of(&event->flow, &flow);
    flow.count = 1;
    flow.time_ns = event->time_ns;
    flow.first = true;
    dp->fn(&flow, dp->context);
    return 0;
}

int events_open(struct datapath *dp)
{
    dp->ring = ring_buffer__new(bpf_map__fd(dp->skeleton->maps.events), event_take, dp, NULL);
    return dp->ring ? 0 : -errno;
}

int datapath_events_fd(const struct datapath *dp)
{
    return ring_buffer__epoll_fd(dp->ring);
}

/* Bounded by the size of the ring (ABI_EVENTS_BYTES). */
int datapath_events(struct datapath *dp, datapath_flow_fn *fn, void *context)
{
    int r;

    dp->fn = fn;
    dp->context = context;
    r = ring_buffer__consume(dp->ring);
    dp->fn = NULL;
    return r < 0 ? r : 0;
}

static void report_give(const struct abi_report_key *key, const struct abi_report *report,
                        uint64_t now, datapath_flow_fn *fn, void *context)
{
    struct datapath_flow flow;
    uint64_t told = report->announced ? 1 : 0;

    flow_of(key, &flow);
    flow.count = report->count > told ? report->count - told : 0;
    flow.bytes_in = report->bytes_in;
    flow.bytes_out = report->bytes_out;
    flow.time_ns = now;
    if (flow.count | flow.bytes_in | flow.bytes_out)
        fn(&flow, context);
}

/*
 * Read and empty `reports` (lookup-and-delete in batches, kernel 5.6). A count that a program adds
 * to an entry in the instant it is taken out is lost; the flow itself was reported.
 */
int datapath_reports_drain(struct datapath *dp, datapath_flow_fn *fn, void *context)
{
    int fd = bpf_map__fd(dp->skeleton->maps.reports);
    _cleanup_free_
    struct abi_report_key *keys = malloc(DRAIN_BATCH * sizeof(*keys));
    _cleanup_free_
    struct abi_report *values = malloc(DRAIN_BATCH * sizeof(*values));
    uint64_t now = now_ns();
    __u32 in = 0, out = 0, count;
    size_t left = 2 * ABI_REPORTS_MAX, i;
    bool first = true;
    int r = 0;

    if (!keys || !values)
        return -ENOMEM;
    listeners_start(dp);
    raw_protocols_sync(dp);
    map_retired_collect(dp, now - RETIRE_AFTER_NS);
    namespaces_expire(dp);
    while (r == 0 && left) {
        count = DRAIN_BATCH;
        r = bpf_map_lookup_and_delete_batch(fd, first ? NULL : &in, &out, keys, values, &count,
                                            NULL);
        if (r < 0 && errno != ENOENT)
            return -errno;
        for (i = 0; i < count; i++)
            report_give(&keys[i], &values[i], now, fn, context);
        left = left > count + 1 ? left - count - 1 : 0;
        in = out;
        first = false;
    }
    return 0;
}

const char *datapath_reason_name(uint8_t reason)
{
    static const char *const names[ABI_REASON_MAX] = {
        [ABI_REASON_NONE] = "",
        [ABI_REASON_POLICY] = "policy",
        [ABI_REASON_MAC_MISMATCH] = "mac_mismatch",
        [ABI_REASON_PEER_MISS] = "peer_miss",
        [ABI_REASON_IDENTITY_UNKNOWN] = "identity_unknown",
        [ABI_REASON_EPOCH] = "epoch",
        [ABI_REASON_OPTION_INVALID] = "option_invalid",
        [ABI_REASON_SYN_DATA] = "syn_data",
        [ABI_REASON_FRAGMENT] = "fragment",
        [ABI_REASON_HEADER] = "header",
        [ABI_REASON_NO_CONNECTION] = "no_connection",
        [ABI_REASON_STRIPPED] = "identity_stripped",
        [ABI_REASON_FALLBACK] = "identity_fallback",
        [ABI_REASON_NO_ROOM] = "identity_no_room",
        [ABI_REASON_EXPIRED] = "expired",
        [ABI_REASON_NO_MEMORY] = "no_memory",
    };

    return reason < ABI_REASON_MAX ? names[reason] : "unknown";
}

static const struct {
    const char *name, *help;
} counter_texts[ABI_COUNTER_MAX] = {
    [ABI_COUNTER_CONNECTIONS_ACCEPTED] = {"connections_accepted", "TCP connections let through"},
    [ABI_COUNTER_CONNECTIONS_REJECTED] = {"connections_rejected", "TCP packets rejected by policy"},
    [ABI_COUNTER_CONNECT_DENIED] = {"connect_denied",
                                    "connect() calls that failed with EPERM at once"},
    [ABI_COUNTER_DATAGRAM_ACCEPTED] = {"datagram_accepted",
                                       "new flows without connection let through"},
    [ABI_COUNTER_DATAGRAM_REJECTED] =
        {"datagram_rejected", "packets without connection (UDP, ICMP, other) rejected by policy"},
    [ABI_COUNTER_IDENTITY_SYN_SENT] = {"identity_syn_sent", "SYNs sent with the identity option"},
    [ABI_COUNTER_IDENTITY_SYNACK_SENT] = {"identity_synack_sent", "SYN-ACKs sent with a proof"},
    [ABI_COUNTER_IDENTITY_SYNACK_VERIFIED] = {"identity_synack_verified",
                                              "proofs of answerers verified"},
    [ABI_COUNTER_IDENTITY_ACK_VERIFIED] = {"identity_ack_verified", "proofs of openers verified"},
    [ABI_COUNTER_MAC_MISMATCH] = {"mac_mismatch", "dropped: the proof does not verify"},
    [ABI_COUNTER_PEER_MISS] = {"peer_miss", "dropped: unknown enforcer id or no key for it"},
    [ABI_COUNTER_IDENTITY_UNKNOWN] = {"identity_unknown",
                                      "dropped: enforcer not bound to this identity"},
    [ABI_COUNTER_EPOCH] = {"epoch", "dropped: key epoch neither current nor previous"},
    [ABI_COUNTER_OPTION_INVALID] = {"option_invalid", "dropped: identity option malformed"},
    [ABI_COUNTER_SYN_DATA] = {"syn_data", "dropped: SYN with data on a claimed identity"},
    [ABI_COUNTER_FRAGMENT] = {"fragment", "dropped: fragments of a TCP header or SYN"},
    [ABI_COUNTER_HEADER] = {"header", "dropped: headers truncated or malformed"},
    [ABI_COUNTER_NO_CONNECTION] = {"no_connection", "dropped: TCP packet that belongs to nothing"},
    [ABI_COUNTER_IDENTITY_STRIPPED] = {"identity_stripped",
                                       "option removed on the way: judged by address"},
    [ABI_COUNTER_IDENTITY_FALLBACK] = {"identity_fallback", "third SYN sent without the option"},
    [ABI_COUNTER_IDENTITY_NO_ROOM] = {"identity_no_room", "no room for the option in a SYN"},
    [ABI_COUNTER_EXPIRED] = {"expired", "dropped: refused with an identity, came back without"},
    [ABI_COUNTER_REJUDGED] = {"rejudged", "live connections judged again after a change"},
    [ABI_COUNTER_REVOKED] = {"revoked", "live connections cut by a changed policy"},
    [ABI_COUNTER_ICMP_RELATED] = {"icmp_related", "ICMP errors that belong to a known flow"},
    [ABI_COUNTER_EVENTS_SENT] = {"events_sent", "events put into the ring buffer"},
    [ABI_COUNTER_EVENTS_LOST] = {"events_lost", "events that neither ring nor table had room for"},
    [ABI_COUNTER_REPORTS_FULL] = {"reports_full",
                                  "flow kinds that the report table had no room for"},
    [ABI_COUNTER_TABLE_FULL] = {"table_full", "state that could not be allocated"},
    [ABI_COUNTER_CLOSED_PORT] = {"closed_port", "answers for closed ports held back"},
    [ABI_COUNTER_RESETS_SENT] = {"resets_sent", "RST and ICMP sent where rejectMode is reset"},
    [ABI_COUNTER_RESETS_LOST] = {"resets_lost",
                                 "answers not sent: ring full, other network namespace"},
    [ABI_COUNTER_RESETS_SUPPRESSED] = {"resets_suppressed",
                                       "answers not sent: too many in a second"},
};

int datapath_counters(struct datapath *dp, struct datapath_counter ret[DATAPATH_COUNTERS_MAX],
                      size_t *ret_n)
{
    int cpus = libbpf_num_possible_cpus(), fd = bpf_map__fd(dp->skeleton->maps.counters), cpu;
    _cleanup_free_
    __u64 *values = NULL;
    __u32 i;

    if (cpus < 1)
        return -EIO;
    values = calloc((size_t)cpus, sizeof(*values));
    if (!values)
        return -ENOMEM;
    for (i = 0; i < ABI_COUNTER_MAX; i++) {
        ret[i] =
            (struct datapath_counter){.name = counter_texts[i].name, .help = counter_texts[i].help};
        if (bpf_map_lookup_elem(fd, &i, values) < 0)
            return -errno;
        for (cpu = 0; cpu < cpus; cpu++)
            ret[i].value += values[cpu];
        ret[i].value += dp->counted[i];
    }
    *ret_n = ABI_COUNTER_MAX;
    return 0;
}

static_assert(ABI_COUNTER_MAX <= DATAPATH_COUNTERS_MAX, "room for all counters");
