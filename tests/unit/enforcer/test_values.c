/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "enforcer/config.h"

static void test_wrong_durations(void **state)
{
    static const char *const rows[] = {
        "",
        "s",
        "30",
        "30 s",
        " 30s",
        "30s ",
        "-1s",
        "+1s",
        "1.5s",
        "1d",
        "1S",
        "30ss",
        "0x10s",
        "99999999999999999999s",
        "18446744073709551615h",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t ms = 7;

        assert_true(duration_parse(rows[i], &ms) < 0);
        assert_int_equal(ms, 7);
    }
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {
        {"0ms", 0},     {"500ms", 500},  {"30s", 30000},
        {"5m", 300000}, {"1h", 3600000}, {"18446744073709551615ms", UINT64_MAX},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t ms;

        assert_int_equal(duration_parse(rows[i].text, &ms), 0);
        assert_true(ms == rows[i].ms);
    }
}

static void test_wrong_endpoints(void **state)
{
    static const char *const rows[] = {
        "",          ":",           ":9464",         "127.0.0.1",  "127.0.0.1:",
        "9464",      "127.0.0.1:0", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:9464 ",
        "::1:9464",  "[::1]",       "[::1:9464",     "[]:9464",    "[127.0.0.1]:9464",
        "host:9464", "[::1]x:9464", "1.2.3:9464",    "[::1%lo]:1", "1.2.3.4:1:2",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sockaddr_storage endpoint;

        if (endpoint_parse(rows[i], &endpoint) != -EINVAL)
            fail_msg("'%s' was taken", rows[i]);
    }
}

static void test_endpoints(void **state)
{
    static const struct {
        const char *text, *printed;
    } rows[] = {
        {"127.0.0.1:9464", "127.0.0.1:9464"},
        {"0.0.0.0:65535", "0.0.0.0:65535"},
        {"localhost:1", "127.0.0.1:1"},
        {"[::1]:9464", "[::1]:9464"},
        {"[2001:db8:0::1]:80", "[2001:db8::1]:80"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct sockaddr_storage endpoint;
        char text[ENDPOINT_TEXT_MAX];

        assert_int_equal(endpoint_parse(rows[i].text, &endpoint), 0);
        assert_string_equal(endpoint_format(&endpoint, text), rows[i].printed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_durations),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_wrong_endpoints),
        cmocka_unit_test(test_endpoints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
