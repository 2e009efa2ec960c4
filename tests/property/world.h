/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A random estate that went all the way: parsed, resolved for each of its PUs, compiled. */

#include "estate_random.h"

struct world {
    struct estate *estate;
    struct tag_set tags[GEN_PUS_MAX];     /* completed, by PU */
    uint32_t ids[GEN_PUS_MAX];            /* identity of each PU; 0: switched off */
    size_t policy_of[GEN_PUS_MAX];        /* index in policies */
    struct policy *policies[GEN_PUS_MAX]; /* distinct by fingerprint */
    size_t n_policies;
    struct policy_compiled *compiled;
};

/* 0; < 0 with a text on standard error */
int world_new(const struct gen *gen, struct world *ret);
void world_clear(struct world *world);

/* Who asks for what. */
struct query {
    unsigned pu;
    enum model_direction direction;
    int peer;    /* PU whose identity is proven; -1: none */
    int address; /* index in gen_addresses; -1: none */
    uint8_t protocol;
    uint16_t port;
};

/* What the reference says. */
void world_evaluate(const struct world *world, const struct gen *gen, const struct query *query,
                    struct policy_decision *ret);
/* What the tables say. */
void world_decide(const struct world *world, const struct query *query,
                  struct policy_decision *ret);
bool decision_equal(const struct policy_decision *a, const struct policy_decision *b);

/*
 * Each looks at the whole compiled form; NULL, or what is wrong.
 * well_formed: sorted, distinct, clean keys; contents and fingerprints agree.
 * any_is_right: POLICY_IDENTITY_ANY at this port says what asking for every identity says.
 * classes_are_right: an address has a class exactly when a network holds it.
 * diff_applies: `before` with the difference applied is `after`.
 */
const char *world_well_formed(const struct world *world);
const char *world_any_is_right(const struct world *world, const struct gen *gen, unsigned pu,
                               uint8_t protocol, uint16_t port);
const char *world_classes_are_right(const struct world *world);
const char *world_diff_applies(const struct policy_compiled *before,
                               const struct policy_compiled *after);
