/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flow reports, gathered: one compact record per kind of flow, counted. No texts, no allocation per
 * report; names are looked up when somebody asks (flowtext.h).
 *
 * A record is `fresh` until flows_take has given it out for the first time, then `dirty` whenever
 * it counted something since. When the table is full the record that was touched longest ago goes;
 * that is counted (flow_records_evicted), and so is what it had counted but nobody was told
 * (flow_reports_dropped).
 */

#include "datapath/datapath.h"

#define FLOWS_MAX 32768

/* What makes a kind of flow: everything of struct datapath_flow but the counts and the time. */
struct flow_key {
    struct ip_addr local, remote;
    uint32_t pu;
    uint32_t peer_enforcer, peer_identity, address_class;
    uint32_t policy_version, rule, observed_rule;
    uint16_t port;
    uint8_t protocol, direction, action, observed, reason, pad;
};
static_assert(sizeof(struct flow_key) == 68, "flow_key has no holes: it is hashed as bytes");

struct flow_record {
    struct flow_key key;
    uint32_t older, newer; /* list by last touch */
    uint32_t used, hash;
    uint64_t count, bytes_in, bytes_out;                /* since the record exists */
    uint64_t told_count, told_bytes_in, told_bytes_out; /* of these: given out by flows_take */
    int64_t time_ms;                                    /* newest, CLOCK_REALTIME */
};

/* What one line of a stream says: counts since the line before about the same record. */
struct flow_news {
    struct flow_key key;
    uint64_t count, bytes_in, bytes_out;
    int64_t time_ms;
};

struct flows_counters {
    uint64_t reports; /* taken in */
    uint64_t records; /* made */
    uint64_t evicted; /* records that had to go */
    uint64_t dropped; /* flows counted in a record that went before anybody was told */
};

struct flows;
/* @param max  records, a power of two ≤ FLOWS_MAX */
int flows_new(size_t max, struct flows **ret);
void flows_free(struct flows **flows);

/*
 * Count one report. @param clock_offset_ns  CLOCK_REALTIME minus CLOCK_MONOTONIC
 * @return true when it made a new record: it waits in the list of fresh ones
 */
bool flows_add(struct flows *flows, const struct datapath_flow *flow, int64_t clock_offset_ns);

/* Up to `max` news: of fresh records only, or of all that changed. Gives 0 when there is no more.
 */
size_t flows_take_fresh(struct flows *flows, struct flow_news *ret, size_t max);
/* Walks the table in slot order; *cursor starts at 0. */
size_t flows_take_changed(struct flows *flows, size_t *cursor, struct flow_news *ret, size_t max);

/* All records with their whole counts, oldest touched first; array owned by the caller. */
int flows_snapshot(const struct flows *flows, struct flow_news **ret, size_t *ret_n);
/* A slot of a unit is given to another one: its records go. */
void flows_forget_unit(struct flows *flows, uint32_t pu);
size_t flows_count(const struct flows *flows);
void flows_counters(const struct flows *flows, struct flows_counters *ret);
#define _cleanup_flows_ _cleanup_(flows_free)
