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

static uint32_t new_node(struct lpm *lpm, uint32_t left, uint32_t right)
{
    lpm->nodes[lpm->n_nodes] =
        (struct lpm_node){.left = left, .right = right, .first = (uint32_t)lpm->sets.n};
    return (uint32_t)lpm->n_nodes++;
}

/* Values of both lists, or of either. */
static void merge(struct lpm *lpm, const struct lpm_node *a, const struct lpm_node *b, bool both)
{
    const uint32_t *x = lpm->sets.v + a->first, *x_end = x + a->n;
    const uint32_t *y = lpm->sets.v + b->first, *y_end = y + b->n;
    uint32_t *out = lpm->sets.v + lpm->sets.n;

    while (x < x_end && y < y_end) {
        if (*x == *y || !both)
            *out++ = MIN(*x, *y);
        if (*x == *y) {
            x++;
            y++;
        } else if (*x < *y) {
            x++;
        } else {
            y++;
        }
    }
    for (; !both && x < x_end; x++)
        *out++ = *x;
    for (; !both && y < y_end; y++)
        *out++ = *y;
    lpm->sets.n = (size_t)(out - lpm->sets.v);
}

static uint32_t build(struct lpm *lpm, struct ranges *ranges, uint32_t start, unsigned bits)
{
    uint32_t end = start + (1u << bits), left, right, at;
    uint32_t range_end = ranges->at + 1 < ranges->n ? ranges->low[ranges->at + 1] : LPM_PORTS;
    struct lpm_node *node;

    if (range_end >= end) {
        at = new_node(lpm, LPM_LEAF, LPM_LEAF);
        lpm->nodes[at].n = 1;
        lpm->sets.v[lpm->sets.n++] = ranges->value[ranges->at];
        ranges->at += range_end == end;
        return at;
    }
    left = build(lpm, ranges, start, bits - 1);
    right = build(lpm, ranges, start + (1u << (bits - 1)), bits - 1);
    at = new_node(lpm, left, right);
    node = &lpm->nodes[at];
    merge(lpm, &lpm->nodes[left], &lpm->nodes[right], true);
    if (lpm->sets.n == node->first)
        merge(lpm, &lpm->nodes[left], &lpm->nodes[right], false);
    node->n = (uint32_t)lpm->sets.n - node->first;
    return at;
}

static bool serves(const struct lpm *lpm, const struct lpm_node *node, uint32_t value)
{
    for (uint32_t i = 0; i < node->n; i++) {
        if (lpm->sets.v[node->first + i] >= value)
            return lpm->sets.v[node->first + i] == value;
    }
    return false;
}

static void emit(struct lpm *lpm, uint32_t at, uint32_t start, unsigned bits, uint32_t inherited)
{
    const struct lpm_node *node = &lpm->nodes[at];

    if (!serves(lpm, node, inherited)) {
        inherited = lpm->sets.v[node->first];
        lpm->entries[lpm->n_entries++] =
            (struct lpm_entry){.port = (uint16_t)start, .bits = (uint8_t)bits, .value = inherited};
    }
    if (node->left == LPM_LEAF)
        return;
    emit(lpm, node->left, start, bits - 1, inherited);
    emit(lpm, node->right, start + (1u << (bits - 1)), bits - 1, inherited);
}

/*
 * Room for the worst case, so that nothing below can fail. Each of the n - 1 bounds cuts one block
 * of each size in two; a block holds at most as many values as it has leaves, on LPM_PORT_BITS + 1
 * levels.
 */
static int reserve(struct lpm *lpm, size_t n)
{
    size_t leaves = MIN((n - 1) * LPM_PORT_BITS + 1, (size_t)LPM_PORTS), nodes = 2 * leaves - 1;
    int r;

    r = vec_reserve(&lpm->nodes, &lpm->nodes_size, nodes, sizeof(*lpm->nodes));
    if (r == 0)
        r = vec_reserve(&lpm->sets.v, &lpm->sets.size, leaves * (LPM_PORT_BITS + 1),
                        sizeof(*lpm->sets.v));
    if (r == 0)
        r = vec_reserve(&lpm->entries, &lpm->entries_size, nodes, sizeof(*lpm->entries));
    return r;
}

int lpm_build(struct lpm *lpm, const uint32_t *low, const uint32_t *value, size_t n,
              uint32_t inherited)
{
    struct ranges ranges = {.low = low, .value = value, .n = n};
    int r;

    assert(n > 0 && n <= LPM_PORTS && low[0] == 0);
    r = reserve(lpm, n);
    if (r < 0)
        return r;
    lpm->n_nodes = lpm->n_entries = lpm->sets.n = 0;
    emit(lpm, build(lpm, &ranges, 0, LPM_PORT_BITS), 0, LPM_PORT_BITS, inherited);
    return 0;
}

void lpm_free(struct lpm *lpm)
{
    free(lpm->nodes);
    u32s_free(&lpm->sets);
    free(lpm->entries);
    *lpm = (struct lpm){0};
}
