/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

static void clear_list(struct cidr_list *list)
{
    cidr_list_clear(list);
}

static void test_wrong_cidrs(void **state)
{
    static const char *const wrong[] = {
        "",         "!",      "!!10.0.0.0/8", "! 10.0.0.0/8",          "10.0.0.0/33", "10.0.0.1/8",
        "10.0.0/8", "::/129", "a.example",    "10.0.0.0/8,11.0.0.0/8", "::1/0",
    };
    _cleanup_(clear_list) struct cidr_list list = {0};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        const char *problem = NULL;

        assert_int_equal(cidr_list_add(&list, wrong[i], &problem), -EINVAL);
        assert_non_null(problem);
    }
    assert_int_equal(list.n_included + list.n_excluded, 0);
}

static void test_holes(void **state)
{
    static const struct {
        const char *entries[6];
        int bad_hole; /* -1: none */
    } rows[] = {
        {{"!10.0.0.0/8"}, 0},
        {{"10.0.0.0/8", "!10.0.0.0/8"}, 0}, /* not larger */
        {{"10.1.0.0/16", "!10.0.0.0/8"}, 0},
        {{"10.0.0.0/8", "!10.1.0.0/16", "!11.0.0.0/16"}, 1},
        {{"::/0", "!10.0.0.0/8"}, 0}, /* the other family */
        {{"0.0.0.0/0", "!::/1"}, 0},
        {{"10.0.0.0/8", "!10.1.0.0/16", "10.1.2.0/24", "!10.1.2.3"}, -1},
        {{"::/0", "0.0.0.0/0", "!10.0.0.0/8", "!fc00::/7"}, -1},
        {{"!10.1.0.0/16", "10.0.0.0/8"}, -1}, /* order has no meaning */
        {{"10.0.0.0/8"}, -1},
        {{NULL}, -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(clear_list) struct cidr_list list = {0};
        const char *problem;
        size_t at = 99;

        for (size_t j = 0; j < 6 && rows[i].entries[j]; j++)
            assert_int_equal(cidr_list_add(&list, rows[i].entries[j], &problem), 0);
        problem = cidr_list_problem(&list, &at);
        if (rows[i].bad_hole < 0) {
            assert_null(problem);
        } else {
            assert_non_null(problem);
            assert_int_equal(at, rows[i].bad_hole);
        }
    }
}

static void test_has(void **state)
{
    static const char *const entries[] = {"10.0.0.0/8", "!10.1.0.0/16",  "10.1.2.0/24",
                                          "!10.1.2.3",  "2001:db8::/32", "!2001:db8:1::/48"};
    static const struct {
        const char *addr;
        bool has;
    } rows[] = {
        {"9.255.255.255", false}, {"10.0.0.0", true},    {"10.1.0.1", false}, {"10.1.2.1", true},
        {"10.1.2.3", false},      {"10.2.0.0", true},    {"11.0.0.0", false}, {"2001:db8::1", true},
        {"2001:db8:1::1", false}, {"2001:db9::", false}, {"::", false},
    };
    _cleanup_(clear_list) struct cidr_list list = {0};
    const char *problem;

    for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
        assert_int_equal(cidr_list_add(&list, entries[i], &problem), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct ip_addr addr;

        assert_int_equal(ip_addr_parse(rows[i].addr, &addr), 0);
        assert_int_equal(cidr_list_has(&list, &addr), rows[i].has);
    }
}

static void fill(struct cidr_list *list, const char *const entries[4])
{
    const char *problem;

    for (size_t i = 0; i < 4 && entries[i]; i++)
        assert_int_equal(cidr_list_add(list, entries[i], &problem), 0);
}

static void test_within(void **state)
{
    static const struct {
        const char *inner[4], *outer[4];
        bool within;
    } rows[] = {
        {{NULL}, {NULL}, true},
        {{"10.0.0.0/8"}, {NULL}, false},
        {{"10.0.0.0/8"}, {"10.0.0.0/8"}, true},
        {{"10.1.0.0/16", "10.2.0.1"}, {"10.0.0.0/8"}, true},
        {{"10.1.0.0/16", "11.0.0.1"}, {"10.0.0.0/8"}, false},
        {{"10.0.0.0/8"}, {"10.1.0.0/16"}, false},
        {{"10.0.0.0/8"}, {"::/0"}, false},
        {{"2001:db8::/48"}, {"2001:db8::/32"}, true},
        {{"::/0"}, {"0.0.0.0/0"}, false},
        {{"10.0.0.0/8"}, {"10.0.0.0/9", "10.128.0.0/9"}, false}, /* simple rather than clever */
        {{"10.0.0.0/8"}, {"10.0.0.0/8", "!10.1.0.0/16"}, false},
        {{"10.2.0.0/16"}, {"10.0.0.0/8", "!10.1.0.0/16"}, true},
        {{"10.1.2.0/24"}, {"10.0.0.0/8", "!10.1.0.0/16"}, false},
        {{"10.1.0.0/16"}, {"10.0.0.0/8", "!10.1.0.0/16"}, false},
        {{"10.1.2.0/24"}, {"10.0.0.0/8", "!10.1.0.0/16", "10.1.2.0/24"}, true},
        {{"10.0.0.0/8", "!10.1.0.0/16"}, {"10.0.0.0/8", "!10.1.0.0/16"}, true},
        {{"10.0.0.0/8", "!10.0.0.0/15"}, {"10.0.0.0/8", "!10.1.0.0/16"}, true},
        {{"10.0.0.0/8", "!10.1.1.0/24"}, {"10.0.0.0/8", "!10.1.0.0/16"}, false},
        {{"10.0.0.0/8", "!10.1.0.0/16", "10.1.1.0/24"}, {"10.0.0.0/8", "!10.1.0.0/16"}, false},
        {{"10.1.0.0/24", "!10.0.0.0/8"}, {"10.1.0.0/16", "!10.1.0.7"}, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(clear_list) struct cidr_list inner = {0}, outer = {0};

        fill(&inner, rows[i].inner);
        fill(&outer, rows[i].outer);
        if (cidr_list_within(&inner, &outer) != rows[i].within)
            fail_msg("row %zu", i);
    }
}

static void test_fqdns(void **state)
{
    static const char *const wrong[] = {
        "",     ".",     "..",   "*",     "*.",
        "a..b", ".a",    "a*.b", "a.*.b", "*a.b",
        "**.a", "a b",   "a/b",  "a:b",   "\xc3\xa4.example",
        "a\n",  "*.*.a", "a..",
    };
    static const char *const right[] = {"a",          "a.example",   "*.partner.example",
                                        "a.example.", "_srv._tcp.a", "A-1.b",
                                        "localhost",  "*.a."};
    char text[300];

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_non_null(fqdn_problem(wrong[i]));
    for (size_t i = 0; i < ARRAY_SIZE(right); i++)
        assert_null(fqdn_problem(right[i]));
    memset(text, 'a', sizeof(text));
    text[64] = '\0';
    assert_non_null(fqdn_problem(text)); /* label */
    text[63] = '\0';
    assert_null(fqdn_problem(text));
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? '.' : 'a';
    text[253] = '\0';
    assert_null(fqdn_problem(text)); /* 253 characters */
    text[253] = 'a';
    text[254] = '\0';
    assert_non_null(fqdn_problem(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_cidrs), cmocka_unit_test(test_holes),
        cmocka_unit_test(test_has),         cmocka_unit_test(test_within),
        cmocka_unit_test(test_fqdns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
