/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "schema/filter.h"
#include "schema/schema.h"

#define NOW_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static const json_t *get(void *context, const char *key, json_t **ret_owned)
{
    return json_object_get(context, key);
}

static bool matches(json_t *object, const char *text)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_filter_ struct filter *filter = NULL;

    if (filter_parse(text, NOW_MS, &problem, &filter) < 0)
        fail_msg("%s: %s", text, problem.data);
    return filter_matches(filter, get, object);
}

/* The object that the tables ask. */
static json_t *example(void)
{
    static const char text[] =
        "{\"name\": \"web 1\", \"number\": 5, \"load\": 1.5, \"on\": true, \"off\": false,"
        "\"text5\": \"5\", \"textTrue\": \"true\", \"empty\": \"\", \"none\": null, \"no\": [],"
        "\"tags\": [\"a=b\", \"$name=web\", \"@org:t=x\"], \"@cloud\": \"aws\", \"my key\": 1,"
        "\"ID\": \"507212345678901234567890\", \"ports\": [80, 443],"
        "\"time\": \"2025-12-31T23:30:00.000Z\", \"map\": {\"a\": 1}}";
    json_t *object = json_loads(text, 0, NULL);

    assert_non_null(object);
    return object;
}

static const char *const true_filters[] = {
    "name == \"web 1\"",
    "name == 'web 1'",
    "name == web\\ 1",
    "(name==\"web 1\")",
    "number == 5",
    "number==5.0",
    "load == 1.5",
    "number != 6",
    "number > 4 and number >= 5 and number < 6 and number <= 5",
    "load > 1 and load < 2",
    "on == true",
    "off == false",
    "text5 == 5",
    "textTrue == true",
    "text5 == \"5\"",
    "tags == a=b",
    "tags == \"$name=web\"",
    "tags contains [\"$name=web\"]",
    "tags contains [x=y, a=b]",
    "tags contains a=b",
    "tags NOT CONTAINS [\"x=y\"]",
    "tags not  contains\t[q, r]",
    "name in [\"web 1\", \"web 2\"]",
    "name not in [a, b]",
    "number in [4, 5]",
    "ports contains [443]",
    "ports == 80",
    "name matches \"^web [0-9]+$\"",
    "name matches [\"^x\", \"1$\"]",
    "name matches ^web\\b",
    "tags matches \"^@org:\"",
    "name exists",
    "on exists and off exists",
    "nothing not exists and none not exists and empty not exists and no not exists",
    "map exists",
    "nothing == false",
    "none == false",
    "nothing != x",
    "nothing not in [x]",
    "nothing not contains x",
    "@cloud == aws",
    "\"my key\" == 1",
    "ID == 507212345678901234567890",
    "time < now()",
    "time > now(\"-1h\")",
    "time <= now('-30m')",
    "time == date(\"2025-12-31 23:30\")",
    "time == date('2026-01-01T01:30:00+02:00')",
    "time == date(2025-12-31T23:30:00Z)",
    "time >= date(2025-12-31)",
    "time < \"2026-01-01T00:00:00+00:20\"",
    "time != date(\"2025-12-31\")",
    "name > a and name < zz",
    "name == 'web 1' AND number == 5 Or on == false",
    /* and, or: equal precedence, from the left */
    "number == 5 or on == true and off == false",
    "off == true and on == true or number == 5",
    "(number == 5) and (((on == true)))",
};

static void test_true(void **state)
{
    json_t *object = example();

    for (size_t i = 0; i < ARRAY_SIZE(true_filters); i++)
        if (!matches(object, true_filters[i]))
            fail_msg("should be true: %s", true_filters[i]);
    json_decref(object);
}

static const char *const false_filters[] = {
    "name == web",
    "name == Web\\ 1",
    "number == 6",
    "number == \"5\"",
    "number > 5",
    "number < text",
    "on == false",
    "on != true",
    "tags == a",
    "tags contains [a, b]",
    "tags not contains [\"a=b\"]",
    "name in [web]",
    "name matches ^eb",
    "number matches \"5\"",
    "nothing exists",
    "empty exists",
    "nothing == x",
    "nothing == true",
    "nothing > 0",
    "nothing < 0",
    "nothing matches .*",
    "nothing contains x",
    "map == a",
    "time > now()",
    "time == now()",
    "name < now()",
    "name == date(2026-01-01)",
    /* with the usual precedence it would be true */
    "number == 5 or on == true and off == true",
};

static void test_false(void **state)
{
    json_t *object = example();

    for (size_t i = 0; i < ARRAY_SIZE(false_filters); i++)
        if (matches(object, false_filters[i]))
            fail_msg("should be false: %s", false_filters[i]);
    json_decref(object);
}

static void test_wrong(void **state)
{
    static const struct {
        const char *text, *problem;
    } wrong[] = {
        {"", "column 1: found the end, expected the name of an attribute, or '('"},
        {"name",
         "column 5: found the end, expected an operator: ==, !=, <, <=, >, >=, contains, in, "
         "matches, exists, not …"},
        {"name = x",
         "column 6: found '=', expected an operator: ==, !=, <, <=, >, >=, contains, in, "
         "matches, exists, not …"},
        {"näme is x", "column 6: found 'is', expected an operator: ==, !=, <, <=, >, >=, contains, "
                      "in, matches, exists, not …"},
        {"name ==", "column 8: found the end, expected a value: a word, a quoted text, a number, "
                    "true or false"},
        {"name == \"x", "column 9: found '\"x', expected a quote at the end of the text as well"},
        {"name == x y", "column 11: found 'y', expected 'and', 'or' or the end"},
        {"name == x and", "column 14: found the end, expected the name of an attribute, or '('"},
        {"(name == x", "column 11: found the end, expected 'and', 'or' or ')'"},
        {"name == x)", "column 10: found ')', expected 'and', 'or' or the end"},
        {"name not x", "column 10: found 'x', expected contains, in or exists behind 'not'"},
        {"name in [a", "column 11: found the end, expected ',' or ']'"},
        {"name in [a,]", "column 12: found ']', expected a value: a word, a quoted text, a number, "
                         "true or false"},
        {"name in []", "column 10: found ']', expected a value: a word, a quoted text, a number, "
                       "true or false"},
        {"$name == x",
         "column 1: found '$name', expected the name of an attribute: tags that start "
         "with '$' are values, as in normalizedTags contains [\"$name=x\"]"},
        {"\"$name\" == x",
         "column 1: found '\"$name\"', expected the name of an attribute: tags that start with '$' "
         "are values, as in normalizedTags contains [\"$name=x\"]"},
        {"on > true",
         "column 6: found 'true', expected a number, a text or a time to compare with"},
        {"time > date(tomorrow)", "column 13: found 'tomorrow)', expected a time in date(): "
                                  "2026-01-31, 2026-01-31 23:50 or RFC 3339"},
        {"time > now(1y)", "column 12: found '1y)', expected a duration in now(): -1h, 30m, -7d"},
        {"time > now(-1h", "column 15: found the end, expected ')'"},
        {"name matches [\"(\"]", "column 14: found '[\"(\"]', expected an extended regular "
                                 "expression (Unmatched ( or \\()"},
        {"name matches \"(a)\\1\"", "column 14: found '\"(a)\\\\1\"', expected a regular "
                                    "expression without back references and "
                                    "with fewer repetitions in each other"},
        {"number matches 5", "column 16: found '5', expected a quoted regular expression"},
        {"a == \xff", "column 6: found '\\xff', expected UTF-8 text"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_buf_ struct buf problem = BUF_INIT(1024);
        struct filter *filter = NULL;

        assert_int_equal(filter_parse(wrong[i].text, NOW_MS, &problem, &filter), -EINVAL);
        assert_null(filter);
        if (strcmp(problem.data, wrong[i].problem) != 0)
            fail_msg("%s\n  found    %s\n  expected %s", wrong[i].text, problem.data,
                     wrong[i].problem);
    }
}

/* Patterns that would take the compiler gigabytes or hours. */
static void test_hostile_patterns(void **state)
{
    static const char *const hostile[] = {
        "((a{255}){255}){255}",
        "a{255}{255}",
        "(((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+",
        "a+++++++++++++",
        "(a{100,}){100,}",
        "[(](a{200}){200}",
        "[])](a{200}){200}",
        "[[:alpha:])](a{200}){200}",
        "x{256}",
        "(.)\\1",
    };
    static const char *const fine[] = {
        "^[a-z0-9]+(\\.[a-z0-9]+)+$", "^.{1,63}$", "[a-f0-9]{24}", "(foo|bar)+baz*", "[{]x",
    };
    char text[256];

    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        _cleanup_buf_ struct buf problem = BUF_INIT(1024);
        struct filter *filter = NULL;

        snprintf(text, sizeof(text), "a matches \"%s\"", hostile[i]);
        if (filter_parse(text, NOW_MS, &problem, &filter) != -EINVAL)
            fail_msg("taken: %s", hostile[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
        _cleanup_buf_ struct buf problem = BUF_INIT(1024);
        _cleanup_filter_ struct filter *filter = NULL;

        snprintf(text, sizeof(text), "a matches '%s'", fine[i]);
        if (filter_parse(text, NOW_MS, &problem, &filter) < 0)
            fail_msg("%s: %s", fine[i], problem.data);
    }
}

static void test_limits(void **state)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024), text = BUF_INIT(1 << 20);
    _cleanup_filter_ struct filter *filter = NULL;
    json_t *object = example();

    for (int i = 0; i < FILTER_DEPTH_MAX + 1; i++)
        buf_puts(&text, "(");
    assert_int_equal(filter_parse(text.data, NOW_MS, &problem, &filter), -BULKHEAD_ETOOMANY);
    text.len = 0;
    buf_puts(&text, "a exists");
    for (int i = 0; i < FILTER_NODES_MAX / 2 - 1; i++)
        buf_puts(&text, " or a exists");
    assert_int_equal(filter_parse(text.data, NOW_MS, &problem, &filter), 0);
    assert_false(filter_matches(filter, get, object));
    filter_free(&filter);
    buf_puts(&text, " or a exists");
    assert_int_equal(filter_parse(text.data, NOW_MS, &problem, &filter), -BULKHEAD_ETOOMANY);
    text.len = 0;
    for (int i = 0; i <= FILTER_BYTES_MAX; i++)
        buf_puts(&text, " ");
    assert_int_equal(filter_parse(text.data, NOW_MS, &problem, &filter), -BULKHEAD_ETOOMANY);
    json_decref(object);
}

/* A long text would take the matcher seconds (the square of it); it fits no pattern. */
static void test_long_texts_fit_no_pattern(void **state)
{
    char text[FILTER_FIT_BYTES_MAX + 2];
    json_t *object;

    memset(text, 'a', sizeof(text));
    text[FILTER_FIT_BYTES_MAX] = '\0';
    object = json_pack("{s:s, s:[s, s]}", "longest", text, "some", "short", text);
    assert_true(matches(object, "longest matches \"^a+$\""));
    text[FILTER_FIT_BYTES_MAX] = 'a';
    text[FILTER_FIT_BYTES_MAX + 1] = '\0';
    json_object_set_new(object, "longer", json_string(text));
    json_array_append_new(json_object_get(object, "some"), json_string(text));
    assert_false(matches(object, "longer matches \"^a+$\""));
    assert_true(matches(object, "longer exists and longer != a"));
    assert_true(matches(object, "some matches \"^short$\""));
    json_decref(object);
}

static bool collect(void *context, const char *key)
{
    buf_printf(context, "%s ", key);
    return true;
}

static void test_tree(void **state)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024), keys = BUF_INIT(1024);
    _cleanup_filter_ struct filter *filter = NULL;
    const struct filter_node *root;

    assert_int_equal(filter_parse("a == 1 or b == 2 and a contains [x]", NOW_MS, &problem, &filter),
                     0);
    root = filter_root(filter);
    assert_int_equal(root->op, FILTER_AND);
    assert_int_equal(root->left->op, FILTER_OR);
    assert_int_equal(root->right->op, FILTER_CONTAINS);
    assert_true(json_is_array(root->right->value));
    assert_true(filter_keys(filter, collect, &keys));
    assert_string_equal(keys.data, "a b ");
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } right[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1969-12-31T23:59:59.5Z", -500},
        {"2026-01-01", NOW_MS},
        {"2026-01-01 01:00", NOW_MS + 3600000},
        {"2026-01-01T02:00:00.123456+02:00", NOW_MS + 123},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
        {"0001-01-01T00:00:00Z", INT64_C(-62135596800000)},
    };
    static const char *const wrong[] = {
        "",
        "2026",
        "2026-13-01",
        "2026-02-29",
        "2026-01-01T00:00",
        "2026-01-01T00:00:00",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00Z ",
        "2026-01-01T00:00:00.Z",
        "x2026-01-01",
    };
    char text[SCHEMA_TIME_LEN + 1];
    int64_t ms;

    for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
        assert_true(schema_time_parse(right[i].text, &ms));
        assert_int_equal(ms, right[i].ms);
        assert_true(schema_time_format(ms, text));
        assert_true(schema_time_parse(text, &ms));
        assert_int_equal(ms, right[i].ms);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (schema_time_parse(wrong[i], &ms))
            fail_msg("taken: %s", wrong[i]);
    assert_true(schema_time_format(NOW_MS + 5, text));
    assert_string_equal(text, "2026-01-01T00:00:00.005Z");
    assert_false(schema_time_format(INT64_MAX, text));
}

static void test_durations(void **state)
{
    static const char *const wrong[] = {"",    "5",   "h",   "1w",
                                        "1h-", "-1h", "1.h", "99999999999999999h"};
    int64_t ms;

    assert_true(schema_duration_parse("1h30m", false, &ms) && ms == 5400000);
    assert_true(schema_duration_parse("1.5h", false, &ms) && ms == 5400000);
    assert_true(schema_duration_parse("250ms", false, &ms) && ms == 250);
    assert_true(schema_duration_parse("4d", false, &ms) && ms == 345600000);
    assert_true(schema_duration_parse("0", false, &ms) && ms == 0);
    assert_true(schema_duration_parse("-1h", true, &ms) && ms == -3600000);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        if (schema_duration_parse(wrong[i], false, &ms))
            fail_msg("taken: %s", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_true),
        cmocka_unit_test(test_false),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_hostile_patterns),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_long_texts_fit_no_pattern),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_durations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
