/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/backoff.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void range(const struct backoff *backoff, uint32_t low, uint32_t high)
{
    for (uint64_t random = 0; random < 200000; random += 997) {
        uint32_t ms = backoff_delay_ms(backoff, random * 2654435761u);

        assert_in_range(ms, low, high);
    }
    assert_in_range(backoff_delay_ms(backoff, UINT64_MAX), low, high);
}

static void test_grows_to_a_minute(void **state)
{
    static const uint32_t bounds[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct backoff backoff = {0};

    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        backoff_failure(&backoff, true);
        range(&backoff, BACKOFF_FLOOR_MS, bounds[i]);
    }
    backoff.failures = UINT32_MAX;
    backoff_failure(&backoff, true);
    range(&backoff, BACKOFF_FLOOR_MS, 60000);
    backoff_success(&backoff);
    backoff_failure(&backoff, true);
    range(&backoff, BACKOFF_FLOOR_MS, 1000);
}

/* Where nobody is, fifteen seconds are enough; another sort of failure begins anew. */
static void test_nobody_there(void **state)
{
    static const uint32_t bounds[] = {1000, 2000, 4000, 8000, 15000, 15000};
    struct backoff backoff = {0};

    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        backoff_failure(&backoff, false);
        range(&backoff, BACKOFF_FLOOR_MS, bounds[i]);
    }
    backoff_failure(&backoff, true);
    range(&backoff, BACKOFF_FLOOR_MS, 1000);
    backoff_failure(&backoff, true);
    range(&backoff, BACKOFF_FLOOR_MS, 2000);
    backoff_failure(&backoff, false);
    range(&backoff, BACKOFF_FLOOR_MS, 1000);
}

/* Full jitter: the whole of the range is used, so that many do not come at once. */
static void test_spreads(void **state)
{
    struct backoff backoff = {.failures = 7, .reached = true};
    uint32_t low = UINT32_MAX, high = 0;

    for (uint64_t i = 0; i < 1000; i++) {
        uint32_t ms = backoff_delay_ms(&backoff, i * 0x9e3779b97f4a7c15ull);

        low = MIN(low, ms);
        high = MAX(high, ms);
    }
    assert_true(low < 1000 && high > 59000);
}

static void test_reasons(void **state)
{
    static const struct {
        enum link_bye code;
        uint32_t low, high;
    } rows[] = {
        {LINK_BYE_GOING_AWAY, BACKOFF_FLOOR_MS, 1000},
        {LINK_BYE_OVERLOAD, BACKOFF_FLOOR_MS, 1000},
        {LINK_BYE_PROTOCOL, BACKOFF_FLOOR_MS, 1000},
        {LINK_BYE_CLOCK, BACKOFF_LONG_MS / 2, BACKOFF_LONG_MS},
        {LINK_BYE_VERSION, BACKOFF_LONG_MS / 2, BACKOFF_LONG_MS},
        {LINK_BYE_REPLACED, BACKOFF_LONG_MS / 2, BACKOFF_LONG_MS},
        {LINK_BYE_REVOKED, BACKOFF_REVOKED_MS / 2, BACKOFF_REVOKED_MS},
        {LINK_BYE_REFUSED, BACKOFF_REVOKED_MS / 2, BACKOFF_REVOKED_MS},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct backoff backoff = {0};

        backoff_bye(&backoff, rows[i].code);
        range(&backoff, rows[i].low, rows[i].high);
        backoff_failure(&backoff,
                        true); /* a failure after it says nothing about the reason any more */
        range(&backoff, BACKOFF_FLOOR_MS, 2000);
    }
}

/* Not before the Console said, and spread afterwards; what it said counts once. */
static void test_later(void **state)
{
    struct backoff backoff = {0};

    backoff_later(&backoff, 30);
    range(&backoff, 30000 + BACKOFF_FLOOR_MS, 31000);
    backoff_later(&backoff, 30);
    range(&backoff, 30000 + BACKOFF_FLOOR_MS, 32000);
    backoff_later(&backoff, UINT32_MAX);
    range(&backoff, BACKOFF_AFTER_MAX_S * 1000 + BACKOFF_FLOOR_MS,
          BACKOFF_AFTER_MAX_S * 1000 + 4000);
    backoff_failure(&backoff, true);
    range(&backoff, BACKOFF_FLOOR_MS, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_a_minute),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_spreads),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
