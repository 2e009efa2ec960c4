/* SPDX-License-Identifier: Apache-2.0 */
#include "flatten.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A verdict as a key without padding. */
struct value {
    uint32_t flags, rule, observed_rule, id_flags, id_rule, id_observed_rule;
};

static uint8_t slots_of(const struct flatten *flatten, const struct model_rule *rule, bool id)
{
    bool address = flatten->kind == POLICY_PEER_ADDRESS;

    /* Rejects by address hold for everybody, so they need no slot of their own for identities. */
    if (rule->action == MODEL_ACTION_REJECT)
        return rule->observation ? 1 << FLATTEN_OBSERVED_REJECT : 1 << FLATTEN_REJECT;
    if (rule->observation)
        return 1 << FLATTEN_OBSERVED_ALLOW | (address && id ? 1 << FLATTEN_ID_OBSERVED_ALLOW : 0);
    return 1 << FLATTEN_ALLOW | (address && id ? 1 << FLATTEN_ID_ALLOW : 0);
}

static void win(uint32_t best[FLATTEN_SLOTS], uint8_t slots, uint32_t rule)
{
    for (unsigned i = 0; i < FLATTEN_SLOTS; i++) {
        if (slots >> i & 1 && rule < best[i])
            best[i] = rule;
    }
}

/* Ranges of all rules; `any` goes into the base, which every protocol starts from. */
static int collect(struct flatten *flatten, const uint32_t *rules, size_t n)
{
    int r;

    flatten->n_spans = 0;
    memset(flatten->base, 0xff, sizeof(flatten->base));
    for (size_t i = 0; i < n; i++) {
        uint32_t index = FLATTEN_INDEX(rules[i]);
        const struct model_rule *rule = flatten->policy->rules[index].rule;
        uint8_t slots = slots_of(flatten, rule, FLATTEN_ID(rules[i]));

        r = vec_reserve(&flatten->spans, &flatten->spans_size, flatten->n_spans + rule->n_ports,
                        sizeof(*flatten->spans));
        if (r < 0)
            return r;
        for (size_t j = 0; j < rule->n_ports; j++) {
            const struct port_match *port = &rule->ports[j];

            if (port->any_protocol)
                win(flatten->base, slots, index);
            else
                flatten->spans[flatten->n_spans++] =
                    (struct flatten_span){.low = port->low,
                                          .high = port->high,
                                          .rule = index,
                                          .protocol = port->protocol,
                                          .slots = slots};
        }
    }
    return 0;
}

/* By protocol, rules staying in order. start[p] … start[p + 1] are those of protocol p. */
static int sort_by_protocol(struct flatten *flatten, size_t start[FLATTEN_PROTOCOLS + 2])
{
    int r;

    r = vec_reserve(&flatten->sorted, &flatten->sorted_size, flatten->n_spans,
                    sizeof(*flatten->sorted));
    if (r < 0)
        return r;
    memset(start, 0, (FLATTEN_PROTOCOLS + 2) * sizeof(*start));
    for (size_t i = 0; i < flatten->n_spans; i++)
        start[flatten->spans[i].protocol + 2]++;
    for (size_t i = 2; i < FLATTEN_PROTOCOLS + 2; i++)
        start[i] += start[i - 1];
    for (size_t i = 0; i < flatten->n_spans; i++)
        flatten->sorted[start[flatten->spans[i].protocol + 1]++] = flatten->spans[i];
    return 0;
}

static void mark_bound(struct flatten *flatten, uint32_t port)
{
    uint32_t word = port / 64;

    flatten->bounds[word] |= (uint64_t)1 << (port % 64);
    flatten->bound_words[word / 64] |= (uint64_t)1 << (word % 64);
}

/* The ranges that begin in one word of bounds, which is cleared. */
static void take_bounds(struct flatten *flatten, uint32_t word)
{
    for (uint64_t bits = flatten->bounds[word]; bits != 0; bits &= bits - 1) {
        uint32_t port = word * 64 + (uint32_t)__builtin_ctzll(bits);

        flatten->range_of[port] = (uint32_t)flatten->low.n;
        flatten->low.v[flatten->low.n++] = port;
    }
    flatten->bounds[word] = 0;
}

/* Cut the ports where any span begins or ends. */
static int cut(struct flatten *flatten, const struct flatten_span *spans, size_t n)
{
    int r;

    r = vec_reserve(&flatten->low.v, &flatten->low.size, MIN(2 * n + 1, (size_t)LPM_PORTS),
                    sizeof(*flatten->low.v));
    if (r < 0)
        return r;
    mark_bound(flatten, 0);
    for (size_t i = 0; i < n; i++) {
        mark_bound(flatten, spans[i].low);
        if (spans[i].high < LPM_PORTS - 1)
            mark_bound(flatten, spans[i].high + 1u);
    }
    flatten->low.n = 0;
    for (uint32_t i = 0; i < ARRAY_SIZE(flatten->bound_words); i++) {
        for (uint64_t words = flatten->bound_words[i]; words != 0; words &= words - 1)
            take_bounds(flatten, i * 64 + (uint32_t)__builtin_ctzll(words));
        flatten->bound_words[i] = 0;
    }
    return 0;
}

static int reset_ranges(struct flatten *flatten)
{
    size_t n = flatten->low.n;
    int r;

    r = vec_reserve(&flatten->best, &flatten->best_size, n, sizeof(*flatten->best));
    for (unsigned slot = 0; r == 0 && slot < FLATTEN_SLOTS; slot++)
        r = vec_reserve(&flatten->next[slot], &flatten->next_size[slot], n + 1,
                        sizeof(*flatten->next[slot]));
    if (r < 0)
        return r;
    memset(flatten->best, 0xff, n * sizeof(*flatten->best));
    for (unsigned slot = 0; slot < FLATTEN_SLOTS; slot++) {
        for (size_t i = 0; i <= n; i++)
            flatten->next[slot][i] = (uint32_t)i;
    }
    return 0;
}

static uint32_t free_range(uint32_t *next, uint32_t at)
{
    while (next[at] != at)
        at = next[at] = next[next[at]]; /* path halving */
    return at;
}

/* Rules come in order, so whoever is first on a range keeps it; won ranges are jumped over. */
static void paint(struct flatten *flatten, const struct flatten_span *spans, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t from = flatten->range_of[spans[i].low];
        uint32_t to = spans[i].high + 1u < LPM_PORTS ? flatten->range_of[spans[i].high + 1u]
                                                     : (uint32_t)flatten->low.n;

        for (unsigned slot = 0; slot < FLATTEN_SLOTS; slot++) {
            uint32_t *next = flatten->next[slot];

            if (!(spans[i].slots >> slot & 1))
                continue;
            for (uint32_t at = free_range(next, from); at < to; at = free_range(next, at)) {
                flatten->best[at][slot] = spans[i].rule;
                next[at] = at + 1;
            }
        }
    }
}

static uint32_t flags(const struct flatten *flatten, uint32_t reject, uint32_t allow,
                      uint32_t observed_reject, uint32_t observed_allow, uint32_t *ret_rule,
                      uint32_t *ret_observed_rule)
{
    uint32_t action = MODEL_ACTION_NONE, observed = MODEL_ACTION_NONE, no_log = 0;

    *ret_rule = reject != POLICY_RULE_NONE ? reject : allow;
    *ret_observed_rule = observed_reject != POLICY_RULE_NONE ? observed_reject : observed_allow;
    if (*ret_rule != POLICY_RULE_NONE) {
        action = reject != POLICY_RULE_NONE ? MODEL_ACTION_REJECT : MODEL_ACTION_ALLOW;
        no_log = flatten->policy->rules[*ret_rule].rule->logs_disabled;
    }
    if (*ret_observed_rule != POLICY_RULE_NONE)
        observed = observed_reject != POLICY_RULE_NONE ? MODEL_ACTION_REJECT : MODEL_ACTION_ALLOW;
    return action | observed << 8 | no_log << 16;
}

/* Reject wins, then Allow. */
static struct value fold(const struct flatten *flatten, const uint32_t best[FLATTEN_SLOTS])
{
    struct value value = {.id_rule = POLICY_RULE_NONE, .id_observed_rule = POLICY_RULE_NONE};

    value.flags =
        flags(flatten, best[FLATTEN_REJECT], best[FLATTEN_ALLOW], best[FLATTEN_OBSERVED_REJECT],
              best[FLATTEN_OBSERVED_ALLOW], &value.rule, &value.observed_rule);
    if (flatten->kind == POLICY_PEER_ADDRESS)
        value.id_flags = flags(flatten, best[FLATTEN_REJECT], best[FLATTEN_ID_ALLOW],
                               best[FLATTEN_OBSERVED_REJECT], best[FLATTEN_ID_OBSERVED_ALLOW],
                               &value.id_rule, &value.id_observed_rule);
    return value;
}

static int add_entry(struct flatten *flatten, uint8_t prefix_len, uint8_t protocol, uint16_t port,
                     const struct value *value)
{
    int r;

    r = vec_reserve(&flatten->entries, &flatten->entries_size, flatten->n_entries + 1,
                    sizeof(*flatten->entries));
    if (r < 0)
        return r;
    flatten->entries[flatten->n_entries++] = (struct policy_class_entry){
        .prefix_len = prefix_len,
        .protocol = protocol,
        .port = port,
        .verdict = {.action = value->flags & 0xff,
                    .observed = value->flags >> 8 & 0xff,
                    .logs_disabled = value->flags >> 16 & 1,
                    .rule = value->rule,
                    .observed_rule = value->observed_rule,
                    .id_action = value->id_flags & 0xff,
                    .id_observed = value->id_flags >> 8 & 0xff,
                    .id_logs_disabled = value->id_flags >> 16 & 1,
                    .id_rule = value->id_rule,
                    .id_observed_rule = value->id_observed_rule},
    };
    return 0;
}

static bool allows(const struct flatten_any *any, const struct value *value)
{
    uint32_t action = value->flags & 0xff;

    return (action == MODEL_ACTION_NONE ? any->fallback : action) == MODEL_ACTION_ALLOW;
}

static int any_note(struct flatten *flatten, uint8_t protocol, const struct value *base)
{
    struct flatten_any *any = flatten->any;
    uint64_t *ports = any->protocol[protocol].ports;

    if (!ports)
        ports = any->protocol[protocol].ports = calloc(LPM_PORTS / 64, sizeof(*ports));
    if (!ports)
        return -ENOMEM;
    any->protocol[protocol].open += allows(any, base);
    for (size_t i = 0; i < flatten->low.n; i++) {
        const struct value *value;
        uint32_t end = i + 1 < flatten->low.n ? flatten->low.v[i + 1] : LPM_PORTS;
        size_t len;

        value = intern_get(&flatten->values, flatten->value.v[i], &len);
        if (!allows(any, value))
            continue;
        for (uint32_t port = flatten->low.v[i]; port < end;) {
            if (port % 64 == 0 && end - port >= 64) {
                ports[port / 64] = UINT64_MAX;
                port += 64;
            } else {
                ports[port / 64] |= (uint64_t)1 << (port % 64);
                port++;
            }
        }
    }
    return 0;
}

/* Ranges and values of a protocol to entries below prefix_len 8. */
static int emit_protocol(struct flatten *flatten, uint8_t protocol)
{
    int r;

    r = lpm_build(&flatten->lpm, flatten->low.v, flatten->value.v, flatten->low.n, 0);
    for (size_t i = 0; r == 0 && i < flatten->lpm.n_entries; i++) {
        const struct lpm_entry *entry = &flatten->lpm.entries[i];
        size_t len;

        r = add_entry(flatten, (uint8_t)(8 + LPM_PORT_BITS - entry->bits), protocol, entry->port,
                      intern_get(&flatten->values, entry->value, &len));
    }
    return r;
}

static int start_values(struct flatten *flatten, const struct value *base)
{
    uint32_t id;
    bool is_new;

    intern_clear(&flatten->values);
    flatten->value.n = 0;
    return intern_add(&flatten->values, base, sizeof(*base), &id, &is_new);
}

static int flatten_protocol(struct flatten *flatten, uint8_t protocol,
                            const struct flatten_span *spans, size_t n, const struct value *base)
{
    int r;

    r = cut(flatten, spans, n);
    if (r == 0)
        r = reset_ranges(flatten);
    if (r == 0)
        r = start_values(flatten, base);
    if (r < 0)
        return r;
    paint(flatten, spans, n);
    for (size_t i = 0; i < flatten->low.n; i++) {
        struct value value;
        uint32_t id;
        bool is_new;

        for (unsigned slot = 0; slot < FLATTEN_SLOTS; slot++)
            flatten->best[i][slot] = MIN(flatten->best[i][slot], flatten->base[slot]);
        value = fold(flatten, flatten->best[i]);
        r = intern_add(&flatten->values, &value, sizeof(value), &id, &is_new);
        if (r == 0)
            r = u32s_push(&flatten->value, id);
        if (r < 0)
            return r;
    }
    if (flatten->any)
        r = any_note(flatten, protocol, base);
    return r < 0 ? r : emit_protocol(flatten, protocol);
}

static bool is_none(const struct value *value)
{
    return value->rule == POLICY_RULE_NONE && value->observed_rule == POLICY_RULE_NONE &&
           value->id_rule == POLICY_RULE_NONE && value->id_observed_rule == POLICY_RULE_NONE &&
           value->flags == 0;
}

int flatten_rules(struct flatten *flatten, const uint32_t *rules, size_t n)
{
    size_t start[FLATTEN_PROTOCOLS + 2];
    struct value base;
    int r;

    flatten->n_entries = 0;
    r = collect(flatten, rules, n);
    if (r == 0)
        r = sort_by_protocol(flatten, start);
    if (r < 0)
        return r;
    base = fold(flatten, flatten->base);
    if (!is_none(&base))
        r = add_entry(flatten, 0, 0, 0, &base);
    if (flatten->any)
        flatten->any->open += allows(flatten->any, &base);
    for (size_t i = 0; r == 0 && i < FLATTEN_PROTOCOLS; i++) {
        if (start[i] < start[i + 1])
            r = flatten_protocol(flatten, (uint8_t)i, &flatten->sorted[start[i]],
                                 start[i + 1] - start[i], &base);
    }
    return r;
}

/* Ports of one protocol as ranges of allowed (true) and not. */
static int any_ranges(struct flatten *flatten, uint8_t protocol, uint32_t yes, uint32_t no)
{
    const uint64_t *ports = flatten->any->protocol[protocol].ports;
    bool full = flatten->any->open > flatten->any->protocol[protocol].open;
    uint32_t last = INTERN_NONE;
    int r = 0;

    flatten->low.n = flatten->value.n = 0;
    for (uint32_t port = 0; r == 0 && port < LPM_PORTS;) {
        uint64_t word = full ? UINT64_MAX : ports[port / 64] >> (port % 64);
        uint32_t value = word & 1 ? yes : no;
        bool whole = port % 64 == 0 && (word == 0 || word == UINT64_MAX);

        if (value != last) {
            r = u32s_push(&flatten->low, port);
            if (r == 0)
                r = u32s_push(&flatten->value, value);
        }
        last = value;
        port += whole ? 64 : 1;
    }
    return r;
}

int flatten_any(struct flatten *flatten)
{
    struct value yes = {.flags = MODEL_ACTION_ALLOW,
                        .rule = POLICY_RULE_NONE,
                        .observed_rule = POLICY_RULE_NONE,
                        .id_rule = POLICY_RULE_NONE,
                        .id_observed_rule = POLICY_RULE_NONE};
    struct value no = yes;
    bool open = flatten->any->open > 0, is_new;
    uint32_t yes_id, no_id;
    int r;

    no.flags = MODEL_ACTION_NONE;
    flatten->n_entries = 0;
    r = start_values(flatten, open ? &yes : &no);
    if (r == 0)
        r = intern_add(&flatten->values, &yes, sizeof(yes), &yes_id, &is_new);
    if (r == 0)
        r = intern_add(&flatten->values, &no, sizeof(no), &no_id, &is_new);
    if (r == 0 && open)
        r = add_entry(flatten, 0, 0, 0, &yes);
    for (size_t i = 0; r == 0 && i < FLATTEN_PROTOCOLS; i++) {
        if (!flatten->any->protocol[i].ports)
            continue;
        r = any_ranges(flatten, (uint8_t)i, yes_id, no_id);
        if (r == 0)
            r = emit_protocol(flatten, (uint8_t)i);
    }
    return r;
}

void flatten_any_reset(struct flatten_any *any, enum model_action fallback)
{
    for (size_t i = 0; i < FLATTEN_PROTOCOLS; i++)
        free(any->protocol[i].ports);
    *any = (struct flatten_any){.fallback = fallback};
}

void flatten_free(struct flatten *flatten)
{
    free(flatten->spans);
    free(flatten->sorted);
    u32s_free(&flatten->low);
    u32s_free(&flatten->value);
    free(flatten->best);
    for (unsigned slot = 0; slot < FLATTEN_SLOTS; slot++)
        free(flatten->next[slot]);
    intern_free(&flatten->values);
    lpm_free(&flatten->lpm);
    free(flatten->entries);
    *flatten = (struct flatten){0};
}
