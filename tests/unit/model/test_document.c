/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/model.h"
#include "problems.h"

#define DEEP_32 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

struct row {
    const char *text, *problems;
};

static void check_wrong(const struct row *rows, size_t n, enum document_format format)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        _cleanup_document_ struct document *document = NULL;
        int r = document_parse("f", rows[i].text, strlen(rows[i].text), format, &diagnostics,
                               &document);

        assert_string_equal(problems_text(&diagnostics), rows[i].problems);
        assert_int_equal(r, -BULKHEAD_EINVALID_INPUT);
        assert_null(document);
    }
}

static void test_wrong_yaml(void **state)
{
    static const struct row rows[] = {
        {"a: 1\na: 2\n", "2:1 a: found the key 'a' again, expected it once (first in line 1)"},
        {"x:\n  - {b: 1, b: 2}\n",
         "2:12 x[0].b: found the key 'b' again, expected it once (first in line 2)"},
        {"x:\n- y\n- z: {a: 1}\n  z: 1\n",
         "4:3 x[1].z: found the key 'z' again, expected it once (first in line 3)"},
        {"a: &x 1\nb: *x\n",
         "1:4 a: found an anchor, expected a plain value (text that starts with & must be quoted)\n"
         "2:4 b: found an alias, expected a plain value (text that starts with * must be quoted)"},
        {"e: [!192.0.2.0/25]\n",
         "1:18 found invalid YAML (while scanning a tag: did not find expected whitespace or line "
         "break), expected YAML (text that starts with * & ! @ ` % | > must be quoted)"},
        {"e:\n- !192.0.2.0/25\n", "2:3 e[0]: found a YAML tag, expected a plain value (text that "
                                  "starts with ! must be quoted)"},
        {"a: !!str 1\n", "1:4 a: found a YAML tag, expected a plain value (text that starts with ! "
                         "must be quoted)"},
        {"a: !t {}\n", "1:4 a: found a YAML tag, expected a plain value (text that starts with ! "
                       "must be quoted)"},
        {"1: x\n", "1:1 found an integer '1', expected a string as key (quote it)"},
        {"true: x\n", "1:1 found a boolean 'true', expected a string as key (quote it)"},
        {"a:\n  ~: x\n", "2:3 a: found nothing, expected a string as key (quote it)"},
        {"? [a]\n: b\n", "1:3 found a list, expected a string as key"},
        {"a: \"x\\0y\"\n", "1:4 a: found a NUL character, expected text without it"},
        {"x: [a, b\n", NULL},
        {"a: b: c\n", NULL},
        {"e: [*.partner.example]\n", NULL},
        {"\ta: 1\n", NULL},
        {"a: \x01\n", NULL},
        {"a: \x7f\n", NULL},
        {"[" DEEP_32 "]",
         "1:33 [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"
         "[0][0][0][0][0][0][0][0][0]: found lists and maps in each other more than "
         "32 deep, expected less depth"},
        {"a: \xff\n", "1:4 found the byte 0xff, expected UTF-8 text"},
        {"\xc3\xa4: \xc3\n", "1:4 found the byte 0xc3, expected UTF-8 text"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        _cleanup_document_ struct document *document = NULL;

        if (rows[i].problems) {
            check_wrong(&rows[i], 1, DOCUMENT_YAML);
            continue;
        }
        /* The words are libyaml's: only the place is ours to promise. */
        assert_int_equal(document_parse("f", rows[i].text, strlen(rows[i].text), DOCUMENT_YAML,
                                        &diagnostics, &document),
                         -BULKHEAD_EINVALID_INPUT);
        assert_int_equal(diagnostics.n, 1);
        assert_int_not_equal(diagnostics.items[0].line, 0);
        assert_ptr_equal(strstr(diagnostics.items[0].message, "found invalid YAML ("),
                         diagnostics.items[0].message);
    }
}

static void test_yaml_hints(void **state)
{
    static const struct row rows[] = {
        {"a:\n  - *.partner.example\n",
         "2:6 found invalid YAML (while scanning an alias: did not find expected alphabetic or "
         "numeric "
         "character), expected YAML (text that starts with * & ! @ ` % | > must be quoted)"},
        {"a:\n  - @org:x=y\n",
         "2:5 found invalid YAML (while scanning for the next token: found character that cannot "
         "start "
         "any token), expected YAML (text that starts with * & ! @ ` % | > must be quoted)"},
        {"a: 1\nb: \x01\n",
         "2:4 found invalid YAML (control characters are not allowed), expected YAML"},
    };

    check_wrong(rows, ARRAY_SIZE(rows), DOCUMENT_YAML);
}

static void test_wrong_json(void **state)
{
    static const struct row rows[] = {
        {"{\"a\": 1,\n \"a\": 2}",
         "2:2 found a key again in the same object at '\"a\"', expected each key once"},
        {"{\"a\": 1,}", "1:9 found invalid JSON at '}', expected one JSON value (RFC 8259)"},
        {"{\"a\": 1", "1:7 found the end of the text, expected one JSON value (RFC 8259)"},
        {"{} x", "1:4 found more text after the value at 'x', expected one JSON value (RFC 8259)"},
        {"[\n\n  nul]", "3:3 found invalid JSON at 'nul', expected one JSON value (RFC 8259)"},
        {"{'a': 1}", "1:2 found invalid JSON at '\\'', expected one JSON value (RFC 8259)"},
        {"[\"\\u0000\"]",
         "1:2 found a NUL character at '\"\\\\u0000\"', expected one JSON value (RFC 8259)"},
        {"[123456789012345678901]",
         "1:22 found a number that is too large, expected one JSON value (RFC 8259)"},
        {"\xef\xbb\xbf{}", NULL},
        {"[1] [2]",
         "1:5 found more text after the value at '[', expected one JSON value (RFC 8259)"},
        {"[" DEEP_32 "]",
         "1:33 [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"
         "[0][0][0][0][0][0][0][0][0]: found lists and maps in each other more than "
         "32 deep, expected less depth"},
        {"// c\n{}", "1:1 found invalid JSON at '/', expected one JSON value (RFC 8259)"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        _cleanup_document_ struct document *document = NULL;

        if (rows[i].problems)
            check_wrong(&rows[i], 1, DOCUMENT_JSON);
        else
            assert_int_equal(document_parse("f", rows[i].text, strlen(rows[i].text), DOCUMENT_JSON,
                                            &diagnostics, &document),
                             -BULKHEAD_EINVALID_INPUT);
    }
}

static void test_nul_bytes(void **state)
{
    for (int format = DOCUMENT_YAML; format <= DOCUMENT_JSON; format++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        _cleanup_document_ struct document *document = NULL;

        assert_int_equal(document_parse("f", "a:\n b\0", 6, (enum document_format)format,
                                        &diagnostics, &document),
                         -BULKHEAD_EINVALID_INPUT);
        assert_string_equal(problems_text(&diagnostics),
                            "2:3 found a NUL byte, expected UTF-8 text");
    }
}

static void test_too_long(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct document *document = NULL;
    char *text = calloc(1, MODEL_DOCUMENT_BYTES_MAX + 1);

    assert_non_null(text);
    assert_int_equal(document_parse("f", text, MODEL_DOCUMENT_BYTES_MAX + 1, DOCUMENT_YAML,
                                    &diagnostics, &document),
                     -BULKHEAD_EINVALID_INPUT);
    assert_string_equal(problems_text(&diagnostics),
                        "0:0 found 67108865 bytes, expected at most 67108864");
    free(text);
}

static void test_scalars(void **state)
{
    static const struct {
        const char *text;
        enum node_kind kind;
        int64_t integer;
    } rows[] = {
        {"~", NODE_NULL, 0},
        {"null", NODE_NULL, 0},
        {"true", NODE_BOOL, 0},
        {"False", NODE_BOOL, 0},
        {"no", NODE_STRING, 0},
        {"on", NODE_STRING, 0},
        {"yes", NODE_STRING, 0},
        {"y", NODE_STRING, 0},
        {"nULL", NODE_STRING, 0},
        {"0", NODE_INTEGER, 0},
        {"-12", NODE_INTEGER, -12},
        {"+3", NODE_INTEGER, 3},
        {"010", NODE_INTEGER, 10},
        {"0o10", NODE_INTEGER, 8},
        {"0xfF", NODE_INTEGER, 255},
        {"0b1", NODE_STRING, 0},
        {"1_000", NODE_STRING, 0},
        {"12:30", NODE_STRING, 0},
        {"9223372036854775807", NODE_INTEGER, INT64_MAX},
        {"9223372036854775808", NODE_FLOAT, 0},
        {"1.5", NODE_FLOAT, 0},
        {".5", NODE_FLOAT, 0},
        {"1.", NODE_FLOAT, 0},
        {"1e3", NODE_FLOAT, 0},
        {"1e", NODE_STRING, 0},
        {".", NODE_STRING, 0},
        {"-", NODE_STRING, 0},
        {".inf", NODE_FLOAT, 0},
        {"-.INF", NODE_FLOAT, 0},
        {".nan", NODE_FLOAT, 0},
        {"-.nan", NODE_STRING, 0},
        {"1.2.3.4", NODE_STRING, 0},
        {"10.0.0.0/8", NODE_STRING, 0},
        {"2001:db8::/32", NODE_STRING, 0},
        {"\"1\"", NODE_STRING, 0},
        {"'~'", NODE_STRING, 0},
        {"2022-01-01", NODE_STRING, 0},
        {"0x", NODE_STRING, 0},
        {"0o8", NODE_STRING, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        _cleanup_document_ struct document *document = NULL;
        const struct node *node;
        char text[64];

        snprintf(text, sizeof(text), "[x, %s]", rows[i].text);
        assert_int_equal(
            document_parse("f", text, strlen(text), DOCUMENT_YAML, &diagnostics, &document), 0);
        node = document_root(document, 0)->children[1];
        assert_int_equal(node->kind, rows[i].kind);
        if (node->kind == NODE_INTEGER)
            assert_true(node->integer == rows[i].integer);
    }
}

static void check_place(const struct node *node, const char *key, unsigned key_line,
                        unsigned key_column, unsigned line, unsigned column)
{
    if (key)
        assert_string_equal(node->key, key);
    else
        assert_null(node->key);
    assert_int_equal(node->key_line, key_line);
    assert_int_equal(node->key_column, key_column);
    assert_int_equal(node->line, line);
    assert_int_equal(node->column, column);
}

static void test_yaml_positions(void **state)
{
    static const char text[] = "# c\n"
                               "\xc3\xa4: {x: \xc3\xa4, y: 2}\n" /* columns are characters */
                               "list:\n"
                               "  - a=b\n"
                               "  -   'q'\n"
                               "none:\n"
                               "---\n"
                               "---\n"
                               "second\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_document_ struct document *document = NULL;
    const struct node *root;

    assert_int_equal(
        document_parse("f", text, strlen(text), DOCUMENT_YAML, &diagnostics, &document), 0);
    assert_int_equal(document_count(document), 3);
    assert_null(document_root(document, 1));
    check_place(document_root(document, 2), NULL, 0, 0, 9, 1);
    root = document_root(document, 0);
    check_place(root, NULL, 0, 0, 2, 1);
    check_place(root->children[0], "\xc3\xa4", 2, 1, 2, 4);
    check_place(root->children[0]->children[0], "x", 2, 5, 2, 8);
    check_place(root->children[0]->children[1], "y", 2, 11, 2, 14);
    check_place(root->children[1], "list", 3, 1, 4, 3);
    check_place(root->children[1]->children[0], NULL, 0, 0, 4, 5);
    check_place(root->children[1]->children[1], NULL, 0, 0, 5, 7);
    assert_true(root->children[1]->children[1]->quoted);
    assert_int_equal(node_get(root, "none")->kind, NODE_NULL);
    assert_int_equal(node_get(root, "none")->key_line, 6);
    assert_null(node_get(root, "absent"));
}

static void test_json_positions(void **state)
{
    static const char text[] = "{\"\xc3\xa4\\\"\\u00e4\": {\"x\" :\t\"\xc3\xa4\", \"y\":2},\n"
                               " \"list\": [1.5e3, true,\r\n null,[], {} , \"\\\\\"]}\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_document_ struct document *document = NULL;
    const struct node *root, *list;

    assert_int_equal(
        document_parse("f", text, strlen(text), DOCUMENT_JSON, &diagnostics, &document), 0);
    assert_int_equal(document_count(document), 1);
    root = document_root(document, 0);
    check_place(root, NULL, 0, 0, 1, 1);
    check_place(root->children[0], "\xc3\xa4\"\xc3\xa4", 1, 2, 1, 15);
    check_place(root->children[0]->children[0], "x", 1, 16, 1, 22);
    check_place(root->children[0]->children[1], "y", 1, 27, 1, 31);
    assert_true(root->children[0]->children[1]->integer == 2);
    list = root->children[1];
    check_place(list, "list", 2, 2, 2, 10);
    check_place(list->children[0], NULL, 0, 0, 2, 11);
    assert_string_equal(list->children[0]->text, "1.5e3");
    check_place(list->children[1], NULL, 0, 0, 2, 18);
    assert_true(list->children[1]->boolean);
    check_place(list->children[2], NULL, 0, 0, 3, 2);
    check_place(list->children[3], NULL, 0, 0, 3, 7);
    check_place(list->children[4], NULL, 0, 0, 3, 11);
    check_place(list->children[5], NULL, 0, 0, 3, 16);
    assert_string_equal(list->children[5]->text, "\\");
}

static void test_empty(void **state)
{
    static const char *const texts[] = {"", " \n\t\r\n", "# nothing\n"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        for (int format = DOCUMENT_YAML; format <= DOCUMENT_JSON; format++) {
            _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
            _cleanup_document_ struct document *document = NULL;

            if (*texts[i] == '#' && format == DOCUMENT_JSON)
                continue;
            if (strchr(texts[i], '\t') && format == DOCUMENT_YAML)
                continue;
            assert_int_equal(document_parse("f", texts[i], strlen(texts[i]),
                                            (enum document_format)format, &diagnostics, &document),
                             0);
            assert_int_equal(document_count(document), 0);
        }
    }
}

static void test_depth_32_is_right(void **state)
{
    for (int format = DOCUMENT_YAML; format <= DOCUMENT_JSON; format++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        _cleanup_document_ struct document *document = NULL;

        assert_int_equal(document_parse("f", DEEP_32, strlen(DEEP_32), (enum document_format)format,
                                        &diagnostics, &document),
                         0);
    }
}

static void test_check_map(void **state)
{
    static const struct node_field fields[] = {
        {"name", 1u << NODE_STRING, true},
        {"size", 1u << NODE_INTEGER | 1u << NODE_STRING, false},
        {"needed", 1u << NODE_LIST, true},
    };
    static const char text[] =
        "m:\n  nmae: x\n  name: 5\n  zzzzzzzz: 1\n  \"a b\\n\": 1\n  size: []\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_document_ struct document *document = NULL;
    const struct node *map;

    assert_int_equal(
        document_parse("f", text, strlen(text), DOCUMENT_YAML, &diagnostics, &document), 0);
    map = node_get(document_root(document, 0), "m");
    assert_false(node_check_map(document, map, "m", fields, ARRAY_SIZE(fields), &diagnostics));
    assert_string_equal(
        problems_text(&diagnostics),
        "2:3 m.nmae: found the unknown key 'nmae', expected 'name'\n"
        "3:9 m.name: found an integer '5', expected a string (quote it)\n"
        "4:3 m.zzzzzzzz: found the unknown key 'zzzzzzzz', expected one of name, size, "
        "needed\n"
        "5:3 m.'a b\\n': found the unknown key 'a b\\n', expected one of name, size, "
        "needed\n"
        "6:9 m.size: found a list, expected an integer or a string\n"
        "2:3 m: found no 'needed', expected this key");
    diagnostics_clear(&diagnostics);
    assert_false(node_check_map(document, node_get(map, "size"), "", fields, 0, &diagnostics));
    assert_string_equal(problems_text(&diagnostics), "6:9 found a list, expected a map");
}

static void test_diagnostics_are_bounded(void **state)
{
    _cleanup_diagnostics_ struct diagnostics list = {0};
    char *text;

    for (int i = 0; i < 1000; i++)
        diagnostics_add(&list, DIAGNOSTIC_WARNING, "f", 1, 1, "", "w%d", i);
    for (int i = 0; i < 1000; i++)
        diagnostics_add(&list, DIAGNOSTIC_ERROR, "f", 1, 1, "a.b", "e%d", i);
    assert_int_equal(list.n, MODEL_DIAGNOSTICS_MAX);
    assert_int_equal(list.n_errors, 1000);
    assert_int_equal(list.n_warnings, 1000);
    assert_int_equal(list.n_dropped, 2000 - MODEL_DIAGNOSTICS_MAX);
    assert_int_equal(list.items[list.n - 1].severity, DIAGNOSTIC_ERROR);
    text = diagnostic_format(&list.items[list.n - 1]);
    assert_string_equal(text, "f:1: a.b: e99");
    free(text);
    text = diagnostic_format(&(struct diagnostic){.message = (char *)"m", .file = (char *)"f"});
    assert_string_equal(text, "f: m");
    free(text);
    text = diagnostic_format(&(struct diagnostic){.message = (char *)"m", .path = (char *)"p"});
    assert_string_equal(text, "p: m");
    free(text);
}

static void test_many_equal_keys(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct document *document = NULL;
    char text[4000] = "";
    size_t at = 0;

    for (int i = 0; i < 20; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "k%d: 1\n", i % 15);
    assert_int_equal(document_parse("f", text, at, DOCUMENT_YAML, &diagnostics, &document),
                     -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(diagnostics.n, 5);
    assert_int_equal(diagnostics.items[0].line, 16);
    assert_string_equal(diagnostics.items[0].message,
                        "found the key 'k0' again, expected it once (first in line 1)");
}

/* libyaml compares each with all others. */
static void test_many_directives(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct document *document = NULL;
    char text[4000] = "";
    size_t at = 0;

    for (int i = 0; i < 65; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%%TAG !a%d! tag:x\n", i);
    assert_int_equal(document_parse("f", text, at, DOCUMENT_YAML, &diagnostics, &document),
                     -BULKHEAD_EINVALID_INPUT);
    assert_string_equal(problems_text(&diagnostics),
                        "65:1 found more than 64 lines that start with '%', "
                        "expected at most that many");
}

static void test_format_by_name(void **state)
{
    assert_int_equal(document_format_of("a.json"), DOCUMENT_JSON);
    assert_int_equal(document_format_of("a.JSON"), DOCUMENT_JSON);
    assert_int_equal(document_format_of("json"), DOCUMENT_YAML);
    assert_int_equal(document_format_of("a.yaml"), DOCUMENT_YAML);
    assert_int_equal(document_format_of(""), DOCUMENT_YAML);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_yaml),      cmocka_unit_test(test_yaml_hints),
        cmocka_unit_test(test_wrong_json),      cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_too_long),        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_yaml_positions),  cmocka_unit_test(test_json_positions),
        cmocka_unit_test(test_empty),           cmocka_unit_test(test_depth_32_is_right),
        cmocka_unit_test(test_check_map),       cmocka_unit_test(test_diagnostics_are_bounded),
        cmocka_unit_test(test_many_equal_keys), cmocka_unit_test(test_many_directives),
        cmocka_unit_test(test_format_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
