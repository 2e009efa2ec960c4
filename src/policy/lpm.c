/* SPDX-License-Identifier: Apache-2.0 */
#include "lpm.h"

#include <assert.h>
#include <stdbool.h>

/*
 * ORTC (Draves, King, Venkatachary, Zill, "Constructing Optimal IP Routing Tables", INFOCOM 1999):
 * from the leaves up, each block keeps the values that both halves could share, or else all of
 * them; from the root down, a block gets an entry only where what it inherits is none of its
 * values.
 */

#define LPM_LEAF UINT32_MAX

struct ranges {
    const uint32_t *low, *value;
    size_t n, at; /* `at`: the range that holds the block's first port */
};

static int new_node(struct lpm *lpm, uint32_t left, uint32_t right, uint32_t *ret)
{
    int r;

    r = vec_reserve(&lpm->nodes, &lpm->nodes_size, lpm->n_nodes + 1, sizeof(*lpm->nodes));
    if (r < 0)
        return r;
    lpm->nodes[lpm->n_nodes] =
        (struct lpm_node){.left = left, .right = right, .first = (uint32_t)lpm->sets.n};
    *ret = (uint32_t)lpm->n_nodes++;
    return 0;
}

/* Values of both lists, or of either. */
static int merge(struct lpm *lpm, const struct lpm_node *a, const struct lpm_node *b, bool both)
{
    size_t i = 0, j = 0;
    int r = 0;

    while (r == 0 && (i < a->n || j < b->n)) {
        uint32_t x = i < a->n ? lpm->sets.v[a->first + i] : UINT32_MAX;
        uint32_t y = j < b->n ? lpm->sets.v[b->first + j] : UINT32_MAX;

        if (x == y || !both)
            r = u32s_push(&lpm->sets, MIN(x, y));
        i += x <= y;
        j += y <= x;
    }
    return r;
}

static int build(struct lpm *lpm, struct ranges *ranges, uint32_t start, unsigned bits,
                 uint32_t *ret)
{
    uint32_t end = start + (1u << bits), left = LPM_LEAF, right = LPM_LEAF, node = 0;
    uint32_t range_end = ranges->at + 1 < ranges->n ? ranges->low[ranges->at + 1] : LPM_PORTS;
    struct lpm_node halves[2];
    int r;

    if (range_end >= end) {
        r = new_node(lpm, LPM_LEAF, LPM_LEAF, &node);
        if (r == 0)
            r = u32s_push(&lpm->sets, ranges->value[ranges->at]);
        if (r < 0)
            return r;
        lpm->nodes[node].n = 1;
        ranges->at += range_end == end;
        *ret = node;
        return 0;
    }
    r = build(lpm, ranges, start, bits - 1, &left);
    if (r == 0)
        r = build(lpm, ranges, start + (1u << (bits - 1)), bits - 1, &right);
    if (r == 0)
        r = new_node(lpm, left, right, &node);
    if (r < 0)
        return r;
    halves[0] = lpm->nodes[left];
    halves[1] = lpm->nodes[right];
    r = merge(lpm, &halves[0], &halves[1], true);
    if (r == 0 && lpm->sets.n == lpm->nodes[node].first)
        r = merge(lpm, &halves[0], &halves[1], false);
    lpm->nodes[node].n = (uint32_t)lpm->sets.n - lpm->nodes[node].first;
    *ret = node;
    return r;
}

static bool serves(const struct lpm *lpm, const struct lpm_node *node, uint32_t value)
{
    for (uint32_t i = 0; i < node->n; i++) {
        if (lpm->sets.v[node->first + i] >= value)
            return lpm->sets.v[node->first + i] == value;
    }
    return false;
}

static int emit(struct lpm *lpm, uint32_t at, uint32_t start, unsigned bits, uint32_t inherited)
{
    const struct lpm_node *node = &lpm->nodes[at];
    int r;

    if (!serves(lpm, node, inherited)) {
        inherited = lpm->sets.v[node->first];
        r = vec_reserve(&lpm->entries, &lpm->entries_size, lpm->n_entries + 1,
                        sizeof(*lpm->entries));
        if (r < 0)
            return r;
        lpm->entries[lpm->n_entries++] =
            (struct lpm_entry){.port = (uint16_t)start, .bits = (uint8_t)bits, .value = inherited};
    }
    if (node->left == LPM_LEAF)
        return 0;
    r = emit(lpm, node->left, start, bits - 1, inherited);
    return r < 0 ? r : emit(lpm, node->right, start + (1u << (bits - 1)), bits - 1, inherited);
}

int lpm_build(struct lpm *lpm, const uint32_t *low, const uint32_t *value, size_t n,
              uint32_t inherited)
{
    struct ranges ranges = {.low = low, .value = value, .n = n};
    uint32_t root;
    int r;

    assert(n > 0 && low[0] == 0);
    lpm->n_nodes = lpm->n_entries = lpm->sets.n = 0;
    r = build(lpm, &ranges, 0, LPM_PORT_BITS, &root);
    return r < 0 ? r : emit(lpm, root, 0, LPM_PORT_BITS, inherited);
}

void lpm_free(struct lpm *lpm)
{
    free(lpm->nodes);
    u32s_free(&lpm->sets);
    free(lpm->entries);
    *lpm = (struct lpm){0};
}
