/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by names.c and names_file.c only. */

#include "base/buf.h"
#include "enforcer/names.h"

/* Names of one estate. Rules are numbered through: all of ruleset 0 (in, then out), of ruleset 1, …
 */
struct names_pool {
    unsigned refs;
    char *text;
    size_t text_len;
    struct {
        uint32_t namespace, name; /* offsets in text */
    } * rulesets;
    struct {
        uint32_t ruleset, name;
    } * rules;
    uint32_t *first; /* number of the first rule of ruleset i; not of a pool that was loaded */
    size_t n_rulesets, n_rules;
};

struct names_version {
    uint32_t number;
    bool current;
    struct names_pool *pool;
    uint32_t *rules; /* rule index in the policy → number in the pool */
    size_t n_rules;
};

struct names {
    struct names_version *versions; /* oldest first */
    size_t n;
};

/* One reference, no text yet; NULL: no memory. */
struct names_pool *names_pool_new(size_t n_rulesets, size_t n_rules);
void names_pool_unref(struct names_pool **pool);
