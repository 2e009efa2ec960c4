/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a list of matching rules to the entries of a class: who wins on which ports. Internal to
 * src/policy.
 */

#include "intern.h"
#include "lpm.h"
#include "policy/policy.h"

#define FLATTEN_PROTOCOLS 256

/* Index of a matching rule with a flag; lists are sorted and held as these words. */
#define FLATTEN_RULE(index, id) ((uint32_t)(index) << 1 | (uint32_t)(id))
#define FLATTEN_INDEX(word) ((word) >> 1)
#define FLATTEN_ID(word) ((word)&1) /* address classes: counts for a proven identity as well */
static_assert(POLICY_RULES_MAX < 1u << 30, "the index must fit beside its flag");

/* Rules that compete for one thing; the first in order wins within each. */
enum flatten_slot {
    FLATTEN_REJECT,
    FLATTEN_OBSERVED_REJECT,
    FLATTEN_ALLOW,
    FLATTEN_OBSERVED_ALLOW,
    FLATTEN_ID_ALLOW,
    FLATTEN_ID_OBSERVED_ALLOW,
    FLATTEN_SLOTS
};

/* A rule's port range. */
struct flatten_span {
    uint16_t low, high;
    uint32_t rule;
    uint8_t protocol, slots; /* bit mask of 1 << enum flatten_slot */
};

/*
 * What any of a policy's identities may reach: allowed ports by protocol, collected while their
 * classes are made. `open` counts the classes that let through whatever has no entries of its own.
 */
struct flatten_any {
    enum model_action fallback; /* what NONE comes to */
    size_t open;
    struct {
        uint64_t *ports; /* LPM_PORTS bits; NULL: no class has entries of this protocol */
        size_t open;     /* classes counted in `open` above that have entries of this protocol */
    } protocol[FLATTEN_PROTOCOLS];
};

/* Zero-initialised: ready. Scratch memory, kept between calls. */
struct flatten {
    const struct policy *policy;
    enum policy_peer_kind kind;
    struct flatten_any *any; /* NULL: do not collect */

    struct flatten_span *spans, *sorted;
    size_t n_spans, spans_size, sorted_size;
    uint32_t base[FLATTEN_SLOTS];

    uint64_t bounds[LPM_PORTS / 64]; /* bit: a range begins here; clear between protocols */
    uint64_t bound_words[LPM_PORTS / 64 / 64]; /* bit: that word of `bounds` is not 0 */
    uint32_t range_of[LPM_PORTS];              /* by port that begins a range */
    struct u32s low, value;                    /* ranges of the protocol at hand */
    uint32_t (*best)[FLATTEN_SLOTS];           /* by range: winning rule of each slot */
    uint32_t *next[FLATTEN_SLOTS]; /* by range: nearest one at or above it that nobody won yet */
    size_t best_size, next_size[FLATTEN_SLOTS];

    struct intern values; /* distinct verdicts of the protocol at hand; 0 is the inherited one */
    struct lpm lpm;
    struct policy_class_entry *entries;
    size_t n_entries, entries_size;
};

/* Entries are left in flatten->entries, sorted by (protocol, port, prefix_len), prefix_len 0 first.
 * @param rules  FLATTEN_RULE words, ascending. @return 0 or -ENOMEM */
int flatten_rules(struct flatten *flatten, const uint32_t *rules, size_t n);
/* The same for what flatten->any has collected. */
int flatten_any(struct flatten *flatten);
void flatten_any_reset(struct flatten_any *any, enum model_action fallback);
void flatten_free(struct flatten *flatten);
