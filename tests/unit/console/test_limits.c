/* SPDX-License-Identifier: Apache-2.0 */
#include "console/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NS 1000000000ull

static struct limits *make(uint32_t rate, uint32_t burst)
{
    struct limits_config config = {0};
    struct limits *limits = NULL;

    config.kinds[LIMIT_WRITES].rate = rate;
    config.kinds[LIMIT_WRITES].burst = burst;
    assert_int_equal(limits_new(&config, &limits), 0);
    return limits;
}

static unsigned taken(struct limits *limits, const char *key, unsigned tries, uint64_t now_ns)
{
    unsigned n = 0;

    for (unsigned i = 0; i < tries; i++)
        n += limits_take(limits, LIMIT_WRITES, key, 1, now_ns) == 0;
    return n;
}

static void test_a_burst_then_the_rate(void **state)
{
    _cleanup_limits_ struct limits *limits = make(10, 50);
    unsigned n = 0;

    assert_int_equal(taken(limits, "a", 1000, 7 * NS), 50);
    assert_int_equal(limits_refused(limits, LIMIT_WRITES), 950);
    for (uint64_t ms = 0; ms < 10000; ms++)
        n += taken(limits, "a", 3, 7 * NS + ms * 1000000);
    assert_in_range(n, 99, 100);
    assert_int_equal(taken(limits, "a", 1000, 100 * NS), 50); /* no more than that is saved up */
    assert_int_equal(taken(limits, "b", 1000, 100 * NS), 50);
}

static void test_when_to_try_again(void **state)
{
    _cleanup_limits_ struct limits *limits = make(1, 4);

    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 4, NS), 0);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 1, NS), 1);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 3, NS), 3);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 3, NS + NS / 2), 3);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 1000, NS), 4); /* not for ever */
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 1000, 5 * NS), 0);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 3, 8 * NS), 0);
}

static void test_a_debt(void **state)
{
    _cleanup_limits_ struct limits *limits = make(100, 1000);

    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 0, NS), 0);
    limits_charge(limits, LIMIT_WRITES, "a", 3000, NS);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 0, NS), 20);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 0, 21 * NS - 1), 1);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "a", 0, 21 * NS), 0);
    assert_int_equal(limits_take(limits, LIMIT_WRITES, "b", 1000, NS), 0);
}

static void test_none(void **state)
{
    _cleanup_limits_ struct limits *limits = make(0, 0);

    assert_int_equal(taken(limits, "a", 100000, NS), 100000);
    assert_int_equal(limits_take(NULL, LIMIT_WRITES, "a", 1, NS), 0);
    limits_charge(NULL, LIMIT_WRITES, "a", 1, NS);
    assert_int_equal(limits_take(limits, LIMIT_LINK, "a", 1, NS), 0);
}

/* Whatever else is asked, nobody gets more than his rate: nothing can be pushed out. */
static void test_nobody_is_forgotten(void **state)
{
    _cleanup_limits_ struct limits *limits = make(1, 10);
    unsigned n = 0;
    char key[32];

    for (unsigned i = 0; i < 200000; i++) {
        snprintf(key, sizeof(key), "other %u", i);
        limits_take(limits, LIMIT_WRITES, key, 1, NS);
        if (i % 1000 == 0)
            n += taken(limits, "a", 1, NS);
    }
    assert_in_range(n, 1, 10);
}

/* A thousand clients that ask for far too much: whoever asks for little goes on. */
static void test_others_are_not_shut_out(void **state)
{
    _cleanup_limits_ struct limits *limits = make(10, 100);
    unsigned n = 0;
    char key[32];

    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "greedy %u", i);
        taken(limits, key, 200, NS);
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "modest %u", i);
        n += taken(limits, key, 1, NS);
    }
    assert_in_range(n, 997, 1000); /* 0.2 by chance, as 4 of 4 cells of 8,192 have to be hit */
}

static void test_kinds_count_apart(void **state)
{
    _cleanup_limits_ struct limits *limits = NULL;

    assert_int_equal(limits_new(&limits_default, &limits), 0);
    limits_charge(limits, LIMIT_WORK, "a", 1000000, NS);
    assert_true(limits_take(limits, LIMIT_WORK, "a", 0, NS) > 0);
    for (size_t i = 0; i < LIMITS_N; i++)
        if (i != LIMIT_WORK)
            assert_int_equal(limits_take(limits, (enum limit)i, "a", 1, NS), 0);
    assert_int_equal(limits_refused(limits, LIMIT_WORK), 1);
}

static void test_addresses(void **state)
{
    static const char *const rows[][2] = {
        {"192.0.2.7", "192.0.2.7"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
        {"2001:db8:1:2::1", "2001:db8:1:2::"},
        {"no address", "no address"},
    };
    char text[LIMITS_ADDRESS_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        limits_address(rows[i][0], text);
        assert_string_equal(text, rows[i][1]);
    }
}

static void test_options(void **state)
{
    static const char *const wrong[] = {
        "x",
        "writes",
        "writes=",
        "writes=x",
        "writes=-1",
        "writes=1/",
        "writes=1/0",
        "writes=1/x",
        "writes=1,,link=2",
        "writes=10000000",
        "=1",
        "writes=1/1x",
        "writes=1 ",
        "write=1",
        "writes=1/99999999",
        "writes=1;link=2",
        "writes=1/2/3",
        ",",
    };
    struct limits_config config = limits_default;
    char message[256];

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(limits_parse(wrong[i], &config, message, sizeof(message)), -EINVAL);
        assert_non_null(strstr(message, "--limits: found '"));
        assert_memory_equal(&config, &limits_default, sizeof(config));
    }
    assert_int_equal(
        limits_parse("writes=5,passwords=0,link=7/9", &config, message, sizeof(message)), 0);
    assert_int_equal(config.kinds[LIMIT_WRITES].rate, 5);
    assert_int_equal(config.kinds[LIMIT_WRITES].burst, 50);
    assert_int_equal(config.kinds[LIMIT_PASSWORDS].rate, 0);
    assert_int_equal(config.kinds[LIMIT_LINK].rate, 7);
    assert_int_equal(config.kinds[LIMIT_LINK].burst, 9);
    assert_int_equal(config.kinds[LIMIT_WORK].rate, limits_default.kinds[LIMIT_WORK].rate);
    assert_int_equal(limits_parse("", &config, message, sizeof(message)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_the_rate),
        cmocka_unit_test(test_when_to_try_again),
        cmocka_unit_test(test_a_debt),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_nobody_is_forgotten),
        cmocka_unit_test(test_others_are_not_shut_out),
        cmocka_unit_test(test_kinds_count_apart),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
