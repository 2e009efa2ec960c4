/* SPDX-License-Identifier: Apache-2.0 */
#include "console/encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REPEATED_MAX 4096

static void is_refused(enum encoding encoding, const char *data, size_t len, const char *expected)
{
    char problem[ENCODING_PROBLEM_MAX];
    json_t *value = encoding_decode(encoding, data, len, problem, sizeof(problem));

    assert_null(value);
    if (!strstr(problem, expected))
        fail_msg("found '%s', expected '%s'", problem, expected);
}

static void test_wrong_json(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "empty"},
        {"1", "line 1, column 1"},
        {"null", "line 1"},
        {"{\"a\":1,\n \"a\":2}", "line 2, column 4: duplicate object key"},
        {"[1,]", "line 1, column 4"},
        {"[01]", "line 1"},
        {"[1] 2", "line 1, column 5: end of file expected"},
        {"{\"a\":\"\\u0000\"}", "\\u0000 is not allowed"},
        {"[\"\xff\"]", "unable to decode byte 0xff"},
        {"[\"\xed\xa0\x80\"]", "unable to decode byte"},
        {"[99999999999999999999]", "too big integer"},
        {"[1e999]", "real number overflow"},
        {"[NaN]", "invalid token"},
        {"{a:1}", "string or '}' expected"},
        {"[\"a\nb\"]", "unexpected newline"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        is_refused(ENCODING_JSON, cases[i].text, strlen(cases[i].text), cases[i].expected);
}

static void test_wrong_msgpack(void **state)
{
    static const struct {
        const char *data;
        size_t len;
        const char *expected;
    } cases[] = {
#define CASE(data, expected) {data, sizeof(data) - 1, expected}
        CASE("\x01", "byte 0: expected an object or a list"),
        CASE("\x92\x01", "byte 2: the body ends"),
        CASE("\xdd\xff\xff\xff\xff", "byte 5: the body ends"),
        CASE("\xdf\xff\xff\xff\xff", "byte 5: the body ends"),
        CASE("\xdb\xff\xff\xff\xff", "byte 5: the body ends"),
        CASE("\x82\xa1"
             "a\x01\xa1"
             "a\x02",
             "byte 4: the name 'a' is there twice"),
        CASE("\x81\x01\x02", "byte 1: a name that is not text"),
        CASE("\x91\xc1", "byte 1: a byte that begins no value"),
        CASE("\x91\xc4\x01x", "byte 1: binary data"),
        CASE("\x91\xd4\x05x", "an extension that is not a timestamp"),
        CASE("\x91\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "too large"),
        CASE("\x91\xcb\x7f\xf0\0\0\0\0\0\0", "not finite"),
        CASE("\x91\xa1\xff", "byte 2: text that is not UTF-8"),
        CASE("\x91\xa1\0", "NUL"),
        CASE("\x90\x90", "byte 1: there is more behind the value"),
        CASE("\x91\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff", "a timestamp that is not one"),
#undef CASE
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        is_refused(ENCODING_MSGPACK, cases[i].data, cases[i].len, cases[i].expected);
}

static char *repeated(const char *what, size_t n, size_t *ret_len)
{
    size_t len = strlen(what);
    char *text = malloc(len * n + 1);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * len, what, len);
    text[len * n] = '\0';
    *ret_len = len * n;
    return text;
}

static void test_limits(void **state)
{
    char text[REPEATED_MAX], problem[ENCODING_PROBLEM_MAX], *many;
    json_t *value;
    size_t len;

    memset(text, '[', ENCODING_DEPTH_MAX + 1);
    memset(text + ENCODING_DEPTH_MAX + 1, ']', ENCODING_DEPTH_MAX + 1);
    value =
        encoding_decode(ENCODING_JSON, text + 1, 2 * ENCODING_DEPTH_MAX, problem, sizeof(problem));
    assert_non_null(value);
    json_decref(value);
    is_refused(ENCODING_JSON, text, 2 * ENCODING_DEPTH_MAX + 2, "column 33: nested too deeply");
    memset(text, '\x91', ENCODING_DEPTH_MAX);
    text[ENCODING_DEPTH_MAX] = '\x90';
    is_refused(ENCODING_MSGPACK, text, ENCODING_DEPTH_MAX + 1, "byte 33: nested too deeply");
    value =
        encoding_decode(ENCODING_MSGPACK, text + 1, ENCODING_DEPTH_MAX, problem, sizeof(problem));
    assert_non_null(value);
    json_decref(value);

    many = repeated("[],", ENCODING_VALUES_MAX, &len);
    is_refused(ENCODING_JSON, many, len, "too many values");
    free(many);
    many = repeated("\x90", ENCODING_VALUES_MAX + 10, &len);
    memcpy(many, "\xdd\x00\x0f\x42\x45", 5);
    is_refused(ENCODING_MSGPACK, many, len, "too many values");
    free(many);
}

static void is_shown(const char *json)
{
    _cleanup_buf_ struct buf text = BUF_INIT(65536), packed = BUF_INIT(65536);
    char problem[ENCODING_PROBLEM_MAX];
    json_t *value = encoding_decode(ENCODING_JSON, json, strlen(json), problem, sizeof(problem));
    json_t *again;

    assert_non_null(value);
    encoding_append(ENCODING_JSON, value, &text);
    assert_string_equal(text.data, json);
    encoding_append(ENCODING_MSGPACK, value, &packed);
    again = encoding_decode(ENCODING_MSGPACK, packed.data, packed.len, problem, sizeof(problem));
    assert_true(json_equal(value, again));
    json_decref(value);
    json_decref(again);
}

static void test_there_and_back(void **state)
{
    is_shown("{}");
    is_shown("[]");
    is_shown("[0,-1,127,128,-128,-129,65536,9223372036854775807,-9223372036854775808]");
    is_shown("[true,false,null,1.5,-0.25,1.0,1e+300,0.1,0.30000000000000004]");
    is_shown("{\"name\":\"a\\\"b\\\\c\\u000a\xc3\xa9\",\"list\":[{\"x\":[[]]}],\"\":\"\"}");
}

static void test_lists_by_element(void **state)
{
    static const enum encoding encodings[] = {ENCODING_JSON, ENCODING_MSGPACK};
    char problem[ENCODING_PROBLEM_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(encodings); i++) {
        _cleanup_buf_ struct buf buf = BUF_INIT(65536);
        json_t *one = json_pack("{si}", "a", 1), *list;

        encoding_list_begin(encodings[i], 2, &buf);
        for (size_t j = 0; j < 2; j++) {
            encoding_list_next(encodings[i], j, &buf);
            encoding_append(encodings[i], one, &buf);
        }
        encoding_list_end(encodings[i], &buf);
        list = encoding_decode(encodings[i], buf.data, buf.len, problem, sizeof(problem));
        assert_int_equal(json_array_size(list), 2);
        assert_true(json_equal(json_array_get(list, 1), one));
        json_decref(list);
        json_decref(one);
    }
}

static void test_timestamps(void **state)
{
    static const char data[] = "\x92\xd6\xff\x5f\x5e\x10\x00\xc7\x0c\xff\x1d\xcd\x65\x00"
                               "\xff\xff\xff\xff\xff\xff\xff\xff";
    char problem[ENCODING_PROBLEM_MAX];
    json_t *list =
        encoding_decode(ENCODING_MSGPACK, data, sizeof(data) - 1, problem, sizeof(problem));

    assert_string_equal(json_string_value(json_array_get(list, 0)), "2020-09-13T12:26:40.000Z");
    assert_string_equal(json_string_value(json_array_get(list, 1)), "1969-12-31T23:59:59.500Z");
    json_decref(list);
}

static void test_content_type(void **state)
{
    static const struct {
        const char *type;
        int result;
        enum encoding encoding;
    } cases[] = {
        {"", 0, ENCODING_JSON},
        {"application/json", 0, ENCODING_JSON},
        {"Application/JSON ; Charset=UTF-8", 0, ENCODING_JSON},
        {"application/json;charset=\"utf-8\"", 0, ENCODING_JSON},
        {"application/msgpack", 0, ENCODING_MSGPACK},
        {"application/x-msgpack", 0, ENCODING_MSGPACK},
        {"application/json; charset=latin1", -1, 0},
        {"application/jsonx", -1, 0},
        {"text/plain", -1, 0},
        {"application/x-www-form-urlencoded", -1, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum encoding encoding = ENCODING_JSON;
        int r = encoding_of_content(cases[i].type, &encoding);

        assert_int_equal(r < 0, cases[i].result < 0);
        if (r == 0)
            assert_int_equal(encoding, cases[i].encoding);
    }
}

static void test_accept(void **state)
{
    static const struct {
        const char *accept;
        int result;
        enum encoding encoding;
    } cases[] = {
        {"", 0, ENCODING_JSON},
        {" , ", 0, ENCODING_JSON},
        {"*/*", 0, ENCODING_JSON},
        {"application/*", 0, ENCODING_JSON},
        {"application/msgpack", 0, ENCODING_MSGPACK},
        {"application/msgpack,application/json", 0, ENCODING_MSGPACK},
        {"application/json, application/msgpack", 0, ENCODING_JSON},
        {"application/json;q=0.5, application/msgpack;q=0.6", 0, ENCODING_MSGPACK},
        {"application/msgpack;q=0.5, */*;q=0.8", 0, ENCODING_JSON},
        {"application/msgpack, */*;q=0.1", 0, ENCODING_MSGPACK},
        {"application/json;q=0, application/msgpack;q=0.001", 0, ENCODING_MSGPACK},
        {"text/html, application/xhtml+xml, */*;q=0.8", 0, ENCODING_JSON},
        {"text/html", -1, 0},
        {"application/json;q=0", -1, 0},
        {"application/json;q=0.000, */*", -1, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum encoding encoding = ENCODING_MSGPACK;
        int r = encoding_choose(cases[i].accept, &encoding);

        if ((r < 0) != (cases[i].result < 0) || encoding != cases[i].encoding)
            fail_msg("%s: found %d, %d", cases[i].accept, r, (int)encoding);
    }
}

/* Built piece by piece it is the same as at one go. */
static void test_lengths_at_the_end(void **state)
{
    for (int e = ENCODING_JSON; e <= ENCODING_MSGPACK; e++) {
        _cleanup_buf_ struct buf buf = BUF_INIT(65536);
        char problem[ENCODING_PROBLEM_MAX];
        struct encoding_open map, list, none;
        json_t *three = json_integer(3), *value, *expected;

        encoding_begin(e, true, &buf, &map);
        encoding_next(e, &map, "a \"quoted\" name", &buf);
        encoding_begin(e, false, &buf, &list);
        for (int i = 0; i < 300; i++) {
            encoding_next(e, &list, NULL, &buf);
            encoding_append(e, three, &buf);
        }
        encoding_end(e, &list, &buf);
        encoding_next(e, &map, "empty", &buf);
        encoding_begin(e, false, &buf, &none);
        encoding_end(e, &none, &buf);
        encoding_end(e, &map, &buf);
        value = encoding_decode(e, (const uint8_t *)buf.data, buf.len, problem, sizeof(problem));
        if (!value)
            fail_msg("%s", problem);
        expected = json_pack("{s:[], s:[]}", "a \"quoted\" name", "empty");
        for (int i = 0; i < 300; i++)
            json_array_append(json_object_get(expected, "a \"quoted\" name"), three);
        assert_true(json_equal(value, expected));
        json_decref(three);
        json_decref(value);
        json_decref(expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_json),
        cmocka_unit_test(test_wrong_msgpack),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_lengths_at_the_end),
        cmocka_unit_test(test_lists_by_element),
        cmocka_unit_test(test_timestamps),
        cmocka_unit_test(test_content_type),
        cmocka_unit_test(test_accept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
