/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "policy/lpm.h"

/* The entries say what the ranges say, and no fewer would. */

static uint32_t lookup(const struct lpm *lpm, uint32_t port, uint32_t inherited)
{
    unsigned best = LPM_PORT_BITS + 1;

    for (size_t i = 0; i < lpm->n_entries; i++) {
        const struct lpm_entry *entry = &lpm->entries[i];

        if (entry->bits < best && port >> entry->bits == (uint32_t)entry->port >> entry->bits) {
            best = entry->bits;
            inherited = entry->value;
        }
    }
    return inherited;
}

static void check(struct lpm *lpm, const uint32_t *low, const uint32_t *value, size_t n,
                  uint32_t inherited)
{
    assert_int_equal(lpm_build(lpm, low, value, n, inherited), 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t end = i + 1 < n ? low[i + 1] : LPM_PORTS;

        assert_int_equal(lookup(lpm, low[i], inherited), value[i]);
        assert_int_equal(lookup(lpm, low[i] + (end - low[i]) / 2, inherited), value[i]);
        assert_int_equal(lookup(lpm, end - 1, inherited), value[i]);
    }
}

#define COSTS 3 /* values in the brute force */
#define BLOCKS 16

/* Fewest entries for the blocks [from, from + n) when `inherited` comes from above: by trying all.
 */
static unsigned fewest(const uint32_t *value, unsigned from, unsigned n, uint32_t inherited)
{
    unsigned best = UINT32_MAX;

    if (n == 1)
        return value[from] != inherited;
    for (uint32_t here = 0; here < COSTS; here++) {
        unsigned cost = (here != inherited) + fewest(value, from, n / 2, here) +
                        fewest(value, from + n / 2, n / 2, here);

        best = MIN(best, cost);
    }
    return best;
}

/* All blocks are equally large, so the best table for 16 blocks of 4096 ports is found by trying.
 */
static void test_fewest(void **state)
{
    struct lpm lpm = {0};
    uint64_t seed = 1;

    for (unsigned round = 0; round < 300; round++) {
        uint32_t low[BLOCKS], value[BLOCKS];

        for (uint32_t i = 0; i < BLOCKS; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            low[i] = i * (LPM_PORTS / BLOCKS);
            value[i] = (uint32_t)(seed >> 33) % COSTS;
        }
        check(&lpm, low, value, BLOCKS, 0);
        assert_int_equal(lpm.n_entries, fewest(value, 0, BLOCKS, 0));
    }
    lpm_free(&lpm);
}

static void test_known(void **state)
{
    static const struct {
        uint32_t low[8], value[8];
        size_t n, entries;
    } rows[] = {
        {{0}, {0}, 1, 0},               /* what is inherited needs nothing */
        {{0}, {1}, 1, 1},               /* all ports */
        {{0, 80, 81}, {0, 1, 0}, 3, 1}, /* one port */
        {{0, 1}, {0, 1}, 2, 2},         /* all but port 0 */
        {{0, 65535}, {1, 0}, 2, 2},     /* all but the last */
        {{0, 1024, 65535}, {0, 1, 2}, 3, 3},
        {{0, 1, 65535}, {0, 1, 0}, 3, 3},
    };
    struct lpm lpm = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        check(&lpm, rows[i].low, rows[i].value, rows[i].n, 0);
        assert_int_equal(lpm.n_entries, rows[i].entries);
    }
    lpm_free(&lpm);
}

/* Every port another value: the largest table there is. */
static void test_largest(void **state)
{
    uint32_t *low = calloc(LPM_PORTS, sizeof(*low)), *value = calloc(LPM_PORTS, sizeof(*value));
    struct lpm lpm = {0};

    assert_non_null(low);
    assert_non_null(value);
    for (uint32_t i = 0; i < LPM_PORTS; i++) {
        low[i] = i;
        value[i] = i + 1;
    }
    assert_int_equal(lpm_build(&lpm, low, value, LPM_PORTS, 0), 0);
    assert_int_equal(lpm.n_entries, LPM_PORTS);
    assert_int_equal(lookup(&lpm, 0, 0), 1);
    assert_int_equal(lookup(&lpm, 40000, 0), 40001);
    lpm_free(&lpm);
    free(low);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known), cmocka_unit_test(test_fewest),
                                       cmocka_unit_test(test_largest)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
