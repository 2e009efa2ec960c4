/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/flows.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "wire/wire.h"

#define NONE UINT32_MAX
#define NS_PER_MS 1000000

/*
 * Records live in one array; `index` is an open-addressing hash of twice its size that holds slot
 * numbers + 1. The hash is keyed, because whoever sends packets chooses addresses and ports. Free
 * slots are chained through `newer`.
 */
struct flows {
    struct flow_record *records;
    uint32_t *index;
    uint32_t *fresh;             /* ring of slots that were made and not given out yet */
    uint32_t max, mask, n, high; /* high: slots ever used */
    uint32_t oldest, newest, free;
    uint32_t fresh_first, n_fresh;
    uint8_t hash_key[WIRE_PAIR_KEY_BYTES];
    struct flows_counters counters;
};

enum { RECORD_FREE = 0, RECORD_FRESH = 1, RECORD_TOLD = 2 };

int flows_new(size_t max, struct flows **ret)
{
    _cleanup_flows_ struct flows *flows = calloc(1, sizeof(*flows));

    assert(max >= 2 && max <= FLOWS_MAX && (max & (max - 1)) == 0);

    if (!flows)
        return -ENOMEM;
    flows->max = (uint32_t)max;
    flows->mask = (uint32_t)(2 * max - 1);
    flows->oldest = flows->newest = flows->free = NONE;
    flows->records = calloc(max, sizeof(*flows->records));
    flows->index = calloc(2 * max, sizeof(*flows->index));
    flows->fresh = calloc(max, sizeof(*flows->fresh));
    if (!flows->records || !flows->index || !flows->fresh)
        return -ENOMEM;
    if (getrandom(flows->hash_key, sizeof(flows->hash_key), 0) != sizeof(flows->hash_key))
        return -EIO;
    *ret = TAKE_PTR(flows);
    return 0;
}

void flows_free(struct flows **at)
{
    if (!*at)
        return;
    free((*at)->records);
    free((*at)->index);
    free((*at)->fresh);
    free(*at);
    *at = NULL;
}

/* ---- Hash --------------------------------------------------------------------------------------
 */

static uint32_t hash_of(const struct flows *flows, const struct flow_key *key)
{
    return (uint32_t)wire_siphash(flows->hash_key, key, sizeof(*key));
}

/* Place of the key in the index, or the empty place where it belongs. */
static uint32_t find_place(const struct flows *flows, const struct flow_key *key, uint32_t hash)
{
    uint32_t place = hash & flows->mask;

    while (flows->index[place] &&
           memcmp(&flows->records[flows->index[place] - 1].key, key, sizeof(*key)) != 0)
        place = (place + 1) & flows->mask;
    return place;
}

/* Linear probing without tombstones: what follows and may move up does (Knuth 6.4, algorithm R). */
static void index_remove(struct flows *flows, uint32_t place)
{
    uint32_t hole = place;

    for (uint32_t next = (hole + 1) & flows->mask; flows->index[next];
         next = (next + 1) & flows->mask) {
        uint32_t home = flows->records[flows->index[next] - 1].hash & flows->mask;

        if (((next - home) & flows->mask) < ((next - hole) & flows->mask))
            continue;
        flows->index[hole] = flows->index[next];
        hole = next;
    }
    flows->index[hole] = 0;
}

/* ---- List by last touch
 * -------------------------------------------------------------------------- */

static void list_append(struct flows *flows, uint32_t slot)
{
    struct flow_record *record = &flows->records[slot];

    record->older = flows->newest;
    record->newer = NONE;
    if (flows->newest != NONE)
        flows->records[flows->newest].newer = slot;
    else
        flows->oldest = slot;
    flows->newest = slot;
}

static void list_remove(struct flows *flows, uint32_t slot)
{
    struct flow_record *record = &flows->records[slot];

    if (record->older != NONE)
        flows->records[record->older].newer = record->newer;
    else
        flows->oldest = record->newer;
    if (record->newer != NONE)
        flows->records[record->newer].older = record->older;
    else
        flows->newest = record->older;
}

/* ---- Records
 * ------------------------------------------------------------------------------------- */

static void record_remove(struct flows *flows, uint32_t slot)
{
    struct flow_record *record = &flows->records[slot];

    flows->counters.evicted++;
    flows->counters.dropped += record->count - record->told_count;
    list_remove(flows, slot);
    index_remove(flows, find_place(flows, &record->key, record->hash));
    record->used = RECORD_FREE;
    record->newer = flows->free;
    flows->free = slot;
    flows->n--;
}

static uint32_t take_slot(struct flows *flows)
{
    uint32_t slot;

    if (flows->n == flows->max)
        record_remove(flows, flows->oldest);
    if (flows->free == NONE)
        return flows->high++; /* its page is touched only now */
    slot = flows->free;
    flows->free = flows->records[slot].newer;
    return slot;
}

/* The ring of fresh ones is as long as the table; entries whose record went are skipped when taken.
 */
static void push_fresh(struct flows *flows, uint32_t slot)
{
    if (flows->n_fresh == flows->max) {
        flows->fresh_first = (flows->fresh_first + 1) & (flows->max - 1);
        flows->n_fresh--;
    }
    flows->fresh[(flows->fresh_first + flows->n_fresh++) & (flows->max - 1)] = slot;
}

static uint32_t record_make(struct flows *flows, const struct flow_key *key, uint32_t hash)
{
    uint32_t slot = take_slot(flows);

    flows->records[slot] = (struct flow_record){.key = *key, .hash = hash, .used = RECORD_FRESH};
    flows->index[find_place(flows, key, hash)] = slot + 1;
    flows->n++;
    flows->counters.records++;
    list_append(flows, slot);
    push_fresh(flows, slot);
    return slot;
}

static void key_of(const struct datapath_flow *flow, struct flow_key *ret)
{
    *ret = (struct flow_key){
        .local = flow->local,
        .remote = flow->remote,
        .pu = flow->pu,
        .peer_enforcer = flow->peer_enforcer,
        .peer_identity = flow->peer_identity,
        .address_class = flow->address_class,
        .policy_version = flow->policy_version,
        .rule = flow->rule,
        .observed_rule = flow->observed_rule,
        .port = flow->port,
        .protocol = flow->protocol,
        .direction = (uint8_t)flow->direction,
        .action = (uint8_t)flow->action,
        .observed = (uint8_t)flow->observed,
        .reason = flow->reason,
    };
}

bool flows_add(struct flows *flows, const struct datapath_flow *flow, int64_t clock_offset_ns)
{
    struct flow_record *record;
    struct flow_key key;
    uint32_t hash, place, slot;
    int64_t time_ms = ((int64_t)flow->time_ns + clock_offset_ns) / NS_PER_MS;
    bool made = false;

    key_of(flow, &key);
    flows->counters.reports++;
    hash = hash_of(flows, &key);
    place = find_place(flows, &key, hash);
    if (flows->index[place]) {
        slot = flows->index[place] - 1;
        list_remove(flows, slot);
        list_append(flows, slot);
    } else {
        slot = record_make(flows, &key, hash);
        made = true;
    }
    record = &flows->records[slot];
    record->count += flow->count;
    record->bytes_in += flow->bytes_in;
    record->bytes_out += flow->bytes_out;
    record->time_ms = MAX(record->time_ms, time_ms);
    return made;
}

/* ---- Giving out
 * ---------------------------------------------------------------------------------- */

static void tell(struct flow_record *record, struct flow_news *ret)
{
    *ret = (struct flow_news){
        .key = record->key,
        .count = record->count - record->told_count,
        .bytes_in = record->bytes_in - record->told_bytes_in,
        .bytes_out = record->bytes_out - record->told_bytes_out,
        .time_ms = record->time_ms,
    };
    record->told_count = record->count;
    record->told_bytes_in = record->bytes_in;
    record->told_bytes_out = record->bytes_out;
    record->used = RECORD_TOLD;
}

static bool is_changed(const struct flow_record *record)
{
    return record->used == RECORD_FRESH ||
           (record->used == RECORD_TOLD &&
            (record->count != record->told_count || record->bytes_in != record->told_bytes_in ||
             record->bytes_out != record->told_bytes_out));
}

size_t flows_take_fresh(struct flows *flows, struct flow_news *ret, size_t max)
{
    size_t n = 0;

    while (n < max && flows->n_fresh > 0) {
        uint32_t slot = flows->fresh[flows->fresh_first];

        flows->fresh_first = (flows->fresh_first + 1) & (flows->max - 1);
        flows->n_fresh--;
        if (flows->records[slot].used == RECORD_FRESH)
            tell(&flows->records[slot], &ret[n++]);
    }
    return n;
}

size_t flows_take_changed(struct flows *flows, size_t *cursor, struct flow_news *ret, size_t max)
{
    size_t n = 0;

    for (; n < max && *cursor < flows->high; (*cursor)++)
        if (is_changed(&flows->records[*cursor]))
            tell(&flows->records[*cursor], &ret[n++]);
    return n;
}

int flows_snapshot(const struct flows *flows, struct flow_news **ret, size_t *ret_n)
{
    struct flow_news *news = calloc((size_t)flows->n + 1, sizeof(*news));
    size_t n = 0;

    if (!news)
        return -ENOMEM;
    for (uint32_t slot = flows->oldest; slot != NONE; slot = flows->records[slot].newer) {
        const struct flow_record *record = &flows->records[slot];

        news[n++] = (struct flow_news){
            .key = record->key,
            .count = record->count,
            .bytes_in = record->bytes_in,
            .bytes_out = record->bytes_out,
            .time_ms = record->time_ms,
        };
    }
    assert(n == flows->n);
    *ret = news;
    *ret_n = n;
    return 0;
}

void flows_forget_unit(struct flows *flows, uint32_t pu)
{
    for (uint32_t slot = flows->oldest; slot != NONE;) {
        uint32_t next = flows->records[slot].newer;

        if (flows->records[slot].key.pu == pu)
            record_remove(flows, slot);
        slot = next;
    }
}

size_t flows_count(const struct flows *flows)
{
    return flows->n;
}

void flows_counters(const struct flows *flows, struct flows_counters *ret)
{
    *ret = flows->counters;
}
