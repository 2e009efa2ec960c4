/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From values on disjoint port ranges to the fewest longest-prefix entries that say the same.
 * Internal to src/policy.
 */

#include "vec.h"

#define LPM_PORT_BITS 16
#define LPM_PORTS (1u << LPM_PORT_BITS)

struct lpm_entry {
    uint16_t port;
    uint8_t bits; /* how many low bits of the port are free: 0 one port, 16 every port */
    uint32_t value;
};

struct lpm_node {
    uint32_t left, right; /* LPM_LEAF: one value on the whole block */
    uint32_t first, n;    /* in sets: values that serve this block best, ascending */
};

/* Zero-initialised: ready. Kept between calls so that a steady compilation allocates nothing. */
struct lpm {
    struct lpm_node *nodes;
    size_t n_nodes, nodes_size;
    struct u32s sets;
    struct lpm_entry *entries;
    size_t n_entries, entries_size;
};

/*
 * @param low        first port of each range, ascending, low[0] = 0; the last one ends at 65535
 * @param value      of each range; neighbours may be equal
 * @param inherited  value of a packet that no entry holds
 * @return 0 with lpm->entries (outer before inner, by port), or -ENOMEM
 */
int lpm_build(struct lpm *lpm, const uint32_t *low, const uint32_t *value, size_t n,
              uint32_t inherited);
void lpm_free(struct lpm *lpm);
