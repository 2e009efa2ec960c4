/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/macros.h"

static void test_wrong_addresses(void **state)
{
    static const char *const wrong[] = {
        "",
        " ",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "::1%lo",
        ":::",
        "1::2::3",
        "12345::",
        "g::",
        "1:2:3:4:5:6:7",
        "::1.2.3.256",
        "0x7f.1",
        "localhost",
        "1.2.3.4/8",
        "[::1]",
    };
    struct ip_addr addr;

    memset(&addr, 0xab, sizeof(addr));
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(ip_addr_parse(wrong[i], &addr), -EINVAL);
    for (size_t i = 0; i < sizeof(addr.bytes); i++)
        assert_int_equal(addr.bytes[i], 0xab); /* untouched */
}

static void test_addresses(void **state)
{
    static const struct {
        const char *text, *printed;
        bool v4;
    } rows[] = {
        {"10.0.0.7", "10.0.0.7", true},
        {"0.0.0.0", "0.0.0.0", true},
        {"255.255.255.255", "255.255.255.255", true},
        {"::ffff:10.0.0.7", "10.0.0.7", true},
        {"::", "::", false},
        {"::1", "::1", false},
        {"1::", "1::", false},
        {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1", false},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", false},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1", false},
        {"::1.2.3.4", "::102:304", false},
        {"fe80:0:0:0:0:0:0:0", "fe80::", false},
        {"0:0:0:0:0:0:1:0", "::1:0", false},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", false},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
         false},
    };
    char text[IP_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ip_addr addr, again;

        assert_int_equal(ip_addr_parse(rows[i].text, &addr), 0);
        assert_string_equal(ip_addr_format(&addr, text), rows[i].printed);
        assert_int_equal(ip_addr_is_v4(&addr), rows[i].v4);
        assert_int_equal(ip_addr_parse(text, &again), 0);
        assert_memory_equal(&addr, &again, sizeof(addr));
    }
}

static void test_from_v4(void **state)
{
    struct ip_addr addr, parsed;

    ip_addr_from_v4(htonl(0x0a000007), &addr);
    assert_int_equal(ip_addr_parse("10.0.0.7", &parsed), 0);
    assert_memory_equal(&addr, &parsed, sizeof(addr));
}

static void test_wrong_prefixes(void **state)
{
    static const struct {
        const char *text;
        int error;
    } rows[] = {
        {"", -EINVAL},
        {"/", -EINVAL},
        {"/8", -EINVAL},
        {"10.0.0.0/", -EINVAL},
        {"10.0.0.0/+8", -EINVAL},
        {"10.0.0.0/-1", -EINVAL},
        {"10.0.0.0/08", -EINVAL},
        {"10.0.0.0/8 ", -EINVAL},
        {"10.0.0.0/8/8", -EINVAL},
        {"10.0.0/8", -EINVAL},
        {"10.0.0.0/33", -ERANGE},
        {"10.0.0.0/4294967304", -ERANGE},
        {"::/129", -ERANGE},
        {"10.0.0.1/8", -EDOM},
        {"10.0.0.0/1", -EDOM},
        {"::1/127", -EDOM},
        {"2001:db8::1/32", -EDOM},
        {"128.0.0.0/0", -EDOM},
        {"::ffff:10.0.0.0/8", -EDOM},
        {"10000000000000000000000000000000000000000000000000000000000000000000.0.0.0/8", -EINVAL},
    };
    struct ip_prefix prefix;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(ip_prefix_parse(rows[i].text, &prefix), rows[i].error);
}

static void test_prefixes(void **state)
{
    static const struct {
        const char *text, *printed;
        unsigned len;
        bool v4;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0/8", 104, true},
        {"10.0.0.7", "10.0.0.7/32", 128, true},
        {"0.0.0.0/0", "0.0.0.0/0", 96, true},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8", 104, true},
        {"::/0", "::/0", 0, false},
        {"::1", "::1/128", 128, false},
        {"2001:db8::/33", "2001:db8::/33", 33, false},
        {"192.0.2.128/25", "192.0.2.128/25", 121, true},
        {"fc00::/7", "fc00::/7", 7, false},
    };
    char text[IP_TEXT_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ip_prefix prefix, again;

        assert_int_equal(ip_prefix_parse(rows[i].text, &prefix), 0);
        assert_int_equal(prefix.len, rows[i].len);
        assert_int_equal(ip_prefix_is_v4(&prefix), rows[i].v4);
        assert_string_equal(ip_prefix_format(&prefix, text), rows[i].printed);
        assert_int_equal(ip_prefix_parse(text, &again), 0);
        assert_int_equal(ip_prefix_compare(&prefix, &again), 0);
    }
}

static void test_contains(void **state)
{
    static const struct {
        const char *outer, *inner;
        bool contains;
    } rows[] = {
        {"10.0.0.0/8", "10.1.0.0/16", true},
        {"10.0.0.0/8", "10.0.0.0/8", true},
        {"10.1.0.0/16", "10.0.0.0/8", false},
        {"10.0.0.0/8", "11.0.0.0/16", false},
        {"::/0", "10.0.0.0/8", false},
        {"::/0", "2001:db8::/32", true},
        {"0.0.0.0/0", "::/0", false},
        {"0.0.0.0/0", "10.0.0.7", true},
        {"192.0.2.0/25", "192.0.2.128/26", false},
        {"192.0.2.128/25", "192.0.2.200", true},
        {"fc00::/7", "fd00::1", true},
        {"fc00::/7", "fe00::1", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ip_prefix outer, inner;

        assert_int_equal(ip_prefix_parse(rows[i].outer, &outer), 0);
        assert_int_equal(ip_prefix_parse(rows[i].inner, &inner), 0);
        assert_int_equal(ip_prefix_contains(&outer, &inner), rows[i].contains);
        if (inner.len == 128)
            assert_int_equal(ip_prefix_has(&outer, &inner.addr), rows[i].contains);
    }
}

static void test_everything_of_ipv6_holds_no_ipv4(void **state)
{
    struct ip_prefix all;
    struct ip_addr addr;

    assert_int_equal(ip_prefix_parse("::/0", &all), 0);
    assert_int_equal(ip_addr_parse("10.0.0.7", &addr), 0);
    assert_false(ip_prefix_has(&all, &addr));
    assert_int_equal(ip_prefix_parse("::/64", &all), 0);
    assert_false(ip_prefix_has(&all, &addr));
}

static void test_order(void **state)
{
    struct ip_prefix a, b;

    assert_int_equal(ip_prefix_parse("10.0.0.0/8", &a), 0);
    assert_int_equal(ip_prefix_parse("10.0.0.0/9", &b), 0);
    assert_true(ip_prefix_compare(&a, &b) < 0);
    assert_true(ip_prefix_compare(&b, &a) > 0);
    assert_int_equal(ip_prefix_parse("9.0.0.0/32", &b), 0);
    assert_true(ip_prefix_compare(&a, &b) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_addresses),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_from_v4),
        cmocka_unit_test(test_wrong_prefixes),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_everything_of_ipv6_holds_no_ipv4),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
