/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_schedule.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/macros.h"

#define MINUTES(n) ((n)*60000LL)
#define HOURS(n) MINUTES(60 * (n))

/* "2026-03-01 12:30:15" */
static int64_t at(const char *text)
{
    struct tm tm = {0};

    assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
    return (int64_t)timegm(&tm) * 1000;
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "*",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * 0 *",
        "* * * * 8",
        "a * * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "1,,2 * * * *",
        "1- * * * *",
        "-1 * * * *",
        "1/ * * * *",
        "* * * foo *",
        "9999999999 * * * *",
        "1;2 * * * *",
        "* * * * mondays",
    };
    struct schedule schedule;

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (schedule_parse(wrong[i], HOURS(1), &schedule) != -EINVAL)
            fail_msg("'%s' was taken", wrong[i]);
    assert_int_equal(schedule_parse("* * * * *", -1, &schedule), -EINVAL);
}

static void test_active(void **state)
{
    static const struct {
        const char *cron;
        int64_t duration_ms;
        const char *now;
        bool active;
    } cases[] = {
        {"0 9 * * *", HOURS(8), "2026-03-04 08:59:59", false},
        {"0 9 * * *", HOURS(8), "2026-03-04 09:00:00", true},
        {"0 9 * * *", HOURS(8), "2026-03-04 16:59:59", true},
        {"0 9 * * *", HOURS(8), "2026-03-04 17:00:00", false},
        {"0 22 * * *", HOURS(8), "2026-03-04 03:00:00", true}, /* over midnight */
        {"0 22 * * *", HOURS(8), "2026-03-04 06:00:00", false},
        {"0 9 * * 1-5", HOURS(1), "2026-03-06 09:30:00", true},  /* Friday */
        {"0 9 * * 1-5", HOURS(1), "2026-03-07 09:30:00", false}, /* Saturday */
        {"0 9 * * mon-fri", HOURS(1), "2026-03-06 09:30:00", true},
        {"0 9 * * 7", HOURS(1), "2026-03-08 09:30:00", true}, /* Sunday, both ways */
        {"0 9 * * 0", HOURS(1), "2026-03-08 09:30:00", true},
        {"0 0 1 * 1", HOURS(24), "2026-03-01 10:00:00", true}, /* the first, or a Monday */
        {"0 0 1 * 1", HOURS(24), "2026-03-02 10:00:00", true},
        {"0 0 1 * 1", HOURS(24), "2026-03-03 10:00:00", false},
        {"0 0 1 jan *", HOURS(24 * 40), "2026-02-09 10:00:00", true},
        {"0 0 1 jan *", HOURS(24 * 40), "2026-02-10 10:00:00", false},
        {"0 0 29 2 *", HOURS(24), "2028-02-29 10:00:00", true},
        {"0 0 31 2 *", HOURS(24 * 366), "2026-03-03 10:00:00", false}, /* never */
        {"*/15 * * * *", MINUTES(5), "2026-03-03 10:49:59", true},
        {"*/15 * * * *", MINUTES(5), "2026-03-03 10:50:00", false},
        {"10-30/10,59 * * * *", MINUTES(1), "2026-03-03 10:20:30", true},
        {"10-30/10,59 * * * *", MINUTES(1), "2026-03-03 10:59:30", true},
        {"10-30/10,59 * * * *", MINUTES(1), "2026-03-03 10:40:30", false},
        {"5/20 * * * *", MINUTES(1), "2026-03-03 10:45:10", true},
        {"* * * * *", 0, "2026-03-03 10:45:10", false},               /* no duration: at no time */
        {"0 0 1 1 *", HOURS(24 * 3660), "2026-12-31 10:45:10", true}, /* at most a year back */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct schedule schedule;

        assert_int_equal(schedule_parse(cases[i].cron, cases[i].duration_ms, &schedule), 0);
        if (schedule_active(&schedule, at(cases[i].now)) != cases[i].active)
            fail_msg("'%s' at %s", cases[i].cron, cases[i].now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_active),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
