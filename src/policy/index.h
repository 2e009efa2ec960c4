/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which rules does a set of tags match, in time that depends on the tags and not on the rules.
 * Internal to src/policy.
 *
 * Rules are numbered through the whole estate in policy order ("ordinals"), so that one index
 * serves every policy: a policy's rules are a subsequence. Equal object expressions are held once;
 * each of their clauses hangs below its tag that the fewest peers have, and is looked at only for
 * peers that have this tag.
 *
 *   zero ── index_build ──▶ tags known ── index_count per tag set ── index_finish ──▶ index_match
 *   any state ── index_free
 */

#include <stdint.h>

#include "intern.h"
#include "policy/policy.h"
#include "vec.h"

struct index_clause {
    uint32_t object;
    uint32_t first_tag, n_tags; /* in clause_tags */
};

struct index {
    const struct estate *estate;
    uint32_t *ruleset_base; /* ordinal of each ruleset's first rule */
    uint32_t n_ordinals;
    struct intern tags, objects; /* of rules that are in some policy */
    struct index_clause *clauses;
    size_t n_clauses, clauses_size;
    struct u32s clause_tags;
    struct u32s object_of, ordinal_of;      /* pairs (object, rule), in order of rules */
    uint32_t *tag_peers;                    /* by tag: how many peers have it */
    uint32_t *tag_start, *tag_clauses;      /* by tag: its clauses */
    uint32_t *object_start, *object_rules;  /* by object: its rules */
    uint32_t *tag_seen, *object_seen, seen; /* marks of the peer that is being matched */
    uint64_t *found;                        /* bit per ordinal, clear between matches */
};

int index_build(const struct estate *estate, const struct policy *const *policies,
                size_t n_policies, struct index *index);
uint32_t index_ordinal(const struct index *index, const struct policy_rule *rule);
/* Numbers of those tags that any rule uses, ascending; appended to an empty `ret`. */
int index_tags(const struct index *index, const struct tag_set *tags, struct u32s *ret);
void index_count(struct index *index, const uint32_t *tags, size_t n);
int index_finish(struct index *index);
/* Ordinals of the rules whose object the tags satisfy, ascending; replaces the content of `ret`. */
int index_match(struct index *index, const uint32_t *tags, size_t n, struct u32s *ret);
void index_free(struct index *index);
