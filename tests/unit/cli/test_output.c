/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "cli/output.h"
#include "cli/template/template.h"
#include "model/model.h"

static void escapes(void **state)
{
    static const struct {
        const char *text, *safe, *ascii; /* ascii NULL: the same */
    } cases[] = {
        {"", "", NULL},
        {"plain text", "plain text", NULL},
        {"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m", NULL},
        {"a\nb\tc\rd", "a\\nb\\tc\\x0dd", NULL},
        {"\x7f", "\\x7f", NULL},
        {"back\\slash", "back\\\\slash", NULL},
        {"\\x1b", "\\\\x1b", NULL},
        {"\xc2\x9b"
         "31m",
         "\\u{9b}31m", NULL},                               /* C1: CSI in eight bits */
        {"\x9b", "\\x9b", NULL},                            /* no UTF-8 */
        {"\xc0\xaf", "\\xc0\\xaf", NULL},                   /* overlong */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", NULL},          /* surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", NULL}, /* past U+10FFFF */
        {"a\xe2\x82", "a\\xe2\\x82", NULL},                 /* cut off */
        {"\xe2\x80\xae"
         "cod",
         "\\u{202e}cod", NULL}, /* right-to-left override */
        {"\xe2\x81\xa6", "\\u{2066}", NULL},
        {"\xe2\x80\xa8", "\\u{2028}", NULL}, /* line separator */
        {"\xe2\x80\x8b", "\\u{200b}", NULL}, /* zero width space */
        {"\xc3\xa9", "\xc3\xa9", "\\u{e9}"},
        {"\xf0\x9f\x9a\xa2", "\xf0\x9f\x9a\xa2", "\\u{1f6a2}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_
        char *safe = text_escape(cases[i].text, false);
        _cleanup_free_
        char *ascii = text_escape(cases[i].text, true);

        assert_string_equal(safe, cases[i].safe);
        assert_string_equal(ascii, cases[i].ascii ? cases[i].ascii : cases[i].safe);
    }
}

static char *printed(enum cli_format format, const json_t *value, bool streamed)
{
    char *text = NULL;
    size_t len;
    struct cli_output output = {.out = open_memstream(&text, &len), .format = format};

    assert_non_null(output.out);
    assert_int_equal(streamed ? output_streamed(&output, value) : output_document(&output, value),
                     0);
    fclose(output.out);
    return text;
}

static bool is_plain_ascii(const char *text)
{
    for (; *text; text++)
        if (*text != '\n' && (*text < 0x20 || *text >= 0x7f))
            return false;
    return true;
}

static const char hostile[] = "\x1b]0;x\x07\x7f\xc2\x9b\xe2\x80\xae\n\"\\ \xc3\xa9";

static void documents_are_ascii(void **state)
{
    static const enum cli_format formats[] = {CLI_JSON, CLI_YAML};
    json_t *value = json_pack("{s:s, s:[s], s:s}", "name", hostile, "tags", hostile, hostile, "k");

    assert_non_null(value);
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        _cleanup_free_
        char *text = printed(formats[i], value, false);

        if (!is_plain_ascii(text))
            fail_msg("%s", text);
    }
    json_decref(value);
}

static void json_reads_back(void **state)
{
    json_t *value = json_pack("{s:s, s:[i, b, n], s:{}}", "name", hostile, "list", 7, 1, "empty");
    _cleanup_free_
    char *text = printed(CLI_JSON, value, false), *line = printed(CLI_JSON, value, true);
    json_t *again = json_loads(text, 0, NULL), *from_line = json_loads(line, 0, NULL);

    assert_true(json_equal(value, again));
    assert_true(json_equal(value, from_line));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    json_decref(value);
    json_decref(again);
    json_decref(from_line);
}

static void yaml_keeps_types(void **state)
{
    json_t *value =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:b, s:n, s:[], s:s}", "a", "true", "b", "12",
                  "c", "", "d", "plain", "e", "no", "f", 12, "g", 1, "h", "i", "j", "- x: 'y'");
    _cleanup_free_
    char *text = printed(CLI_YAML, value, false), *marked = printed(CLI_YAML, value, true);

    assert_string_equal(text, "a: 'true'\nb: '12'\nc: ''\nd: plain\ne: 'no'\nf: 12\ng: true\n"
                              "h: null\ni: []\nj: '- x: ''y'''\n");
    assert_memory_equal(marked, "---\n", 4);
    json_decref(value);
}

/* Texts of several lines stand as they are, and read back as what they were. */
static void yaml_has_lines(void **state)
{
    static const char *const texts[] = {
        "a\nb\n", "- a\n+ b", " a\n  b\n\n\n",    "\n",
        "\n\na",  "a \nb",    "a\n\tb",           "-----BEGIN X-----\n+/=\n",
        "a\r\nb", hostile,    "# no\n---\n...\n", "\xc3\xa9\nb"};
    json_t *lines = json_pack("{s:s}", "key", "- a\n+ b\n");
    _cleanup_free_
    char *plain = printed(CLI_YAML, lines, false);

    assert_string_equal(plain, "key: |\n  - a\n  + b\n");
    json_decref(lines);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        json_t *value = json_pack("{s:s, s:[s]}", "a", texts[i], "b", texts[i]);
        _cleanup_free_
        char *text = printed(CLI_YAML, value, false);
        _cleanup_document_ struct document *document = NULL;
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};

        if (document_parse("t", text, strlen(text), DOCUMENT_YAML, &diagnostics, &document) < 0)
            fail_msg("'%s'", text);
        assert_string_equal(node_get(document_root(document, 0), "a")->text, texts[i]);
        assert_string_equal(node_get(document_root(document, 0), "b")->children[0]->text, texts[i]);
        assert_true(is_plain_ascii(text));
        json_decref(value);
    }
}

static char *reversed(const json_t *row)
{
    (void)row;
    return strdup("\x1b[2J");
}

static const struct cli_column columns[] = {
    {.title = "NAME", .key = "name", .width = 6},
    {.title = "N", .key = "inner.n", .right = true, .width = 3},
    {.title = "VERDICT", .key = "verdict", .colour = colour_of_verdict, .width = 7},
    {.title = "TAGS", .key = "tags"},
    {.title = "CELL", .cell = reversed},
};

static json_t *rows(void)
{
    return json_pack("[{s:s, s:{s:i}, s:s, s:[s, s]}, {s:s, s:s}]", "name", "web", "inner", "n", 12,
                     "verdict", "Accept", "tags", "a=1", "b=2", "name", "d\x1b", "verdict",
                     "Reject");
}

static char *table(bool headers, bool colours, bool by_row, json_t *array)
{
    char *text = NULL;
    size_t len, i;
    struct cli_output output = {
        .out = open_memstream(&text, &len), .headers = headers, .colours = colours};
    json_t *row;

    if (!by_row) {
        assert_int_equal(output_table(&output, array, columns, ARRAY_SIZE(columns)), 0);
    } else {
        if (headers)
            assert_int_equal(output_row(&output, NULL, columns, ARRAY_SIZE(columns)), 0);
        json_array_foreach(array, i, row)
        {
            assert_int_equal(output_row(&output, row, columns, ARRAY_SIZE(columns)), 0);
        }
    }
    fclose(output.out);
    return text;
}

static void tables(void **state)
{
    json_t *array = rows(), *none = json_array();
    _cleanup_free_
    char *plain = table(true, false, false, array), *bare = table(false, false, false, array),
         *coloured = table(false, true, false, array), *empty = table(true, true, false, none),
         *nothing = table(false, true, false, none), *streamed = table(true, true, true, array);

    assert_string_equal(plain, "NAME    N  VERDICT  TAGS     CELL\n"
                               "web    12  Accept   a=1,b=2  \\x1b[2J\n"
                               "d\\x1b      Reject            \\x1b[2J\n");
    assert_string_equal(bare, "web    12  Accept   a=1,b=2  \\x1b[2J\n"
                              "d\\x1b      Reject            \\x1b[2J\n");
    assert_non_null(strstr(coloured, "\x1b[32mAccept"));
    assert_non_null(strstr(coloured, "\x1b[31mReject"));
    assert_string_equal(empty, "NAME  N  VERDICT  TAGS  CELL\n");
    assert_string_equal(nothing, "");
    assert_string_equal(streamed, "NAME      N  VERDICT  TAGS  CELL\n"
                                  "web      12  \x1b[32mAccept\x1b[0m   a=1,b=2  \\x1b[2J\n"
                                  "d\\x1b        \x1b[31mReject\x1b[0m     \\x1b[2J\n");
    json_decref(array);
    json_decref(none);
}

/* What comes one by one is what comes as a whole, in every format. */
static char *listed(struct cli_output output, const json_t *array)
{
    char *text = NULL;
    size_t len, i;
    struct output_list list = {
        .output = &output, .columns = columns, .n_columns = ARRAY_SIZE(columns)};
    json_t *row;

    output.out = open_memstream(&text, &len);
    json_array_foreach(array, i, row)
    {
        assert_int_equal(output_list_add(&list, row), 0);
    }
    assert_int_equal(output_list_end(&list), 0);
    output_list_clear(&list);
    fclose(output.out);
    return text;
}

static void lists_are_documents(void **state)
{
    static const enum cli_format formats[] = {CLI_JSON, CLI_YAML, CLI_NONE};
    json_t *arrays[] = {rows(), json_array()};

    for (size_t a = 0; a < ARRAY_SIZE(arrays); a++) {
        _cleanup_free_
        char *one = table(true, true, false, arrays[a]),
             *other = listed((struct cli_output){.headers = true, .colours = true}, arrays[a]);

        assert_string_equal(one, other);
        for (size_t f = 0; f < ARRAY_SIZE(formats); f++) {
            _cleanup_free_
            char *document = printed(formats[f], arrays[a], false),
                 *list = listed((struct cli_output){.format = formats[f]}, arrays[a]);

            assert_string_equal(document, list);
        }
        json_decref(arrays[a]);
    }
}

/* Rows behind the first ones are printed as they come; a cell that is too wide moves its row. */
static void tables_go_on(void **state)
{
    static const struct cli_column two[] = {{.title = "A", .key = "a"}, {.title = "B", .key = "b"}};
    char *text = NULL;
    size_t len;
    struct cli_output output = {.out = open_memstream(&text, &len), .headers = true};
    struct output_list list = {.output = &output, .columns = two, .n_columns = 2};
    json_t *row = json_pack("{s:s, s:i}", "a", "xxx", "b", 1),
           *wide = json_pack("{s:s, s:i}", "a", "yyyyy", "b", 2);

    for (size_t i = 0; i < OUTPUT_HELD_MAX; i++) {
        fflush(output.out);
        assert_int_equal(len, 0);
        assert_int_equal(output_list_add(&list, row), 0);
    }
    fflush(output.out);
    assert_null(list.held);
    assert_int_equal(len, (OUTPUT_HELD_MAX + 1) * strlen("xxx  1\n"));
    assert_int_equal(output_list_add(&list, wide), 0);
    assert_int_equal(output_list_add(&list, row), 0);
    assert_int_equal(output_list_end(&list), 0);
    output_list_clear(&list);
    fclose(output.out);
    assert_memory_equal(text, "A    B\nxxx  1\n", 14);
    assert_string_equal(text + (OUTPUT_HELD_MAX + 1) * 7, "yyyyy  2\nxxx  1\n");
    free(text);
    json_decref(row);
    json_decref(wide);
}

static void nothing_more_can_be_written(void **state)
{
    struct cli_output output = {.out = fopen("/dev/full", "w"), .format = CLI_JSON};
    struct output_list list = {.output = &output};
    json_t *row = json_pack("{s:s}", "a", "x");
    int r = 0;

    assert_non_null(output.out);
    for (size_t i = 0; i < 100000 && r == 0; i++)
        r = output_list_add(&list, row);
    assert_int_equal(r, -EPIPE);
    assert_true(list.n < 10000);
    fclose(output.out);
    json_decref(row);
}

static char *templated(const char *text, const json_t *value, int expected)
{
    _cleanup_template_ struct template *template = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    char *result = NULL;
    size_t len;
    struct cli_output output = {
        .out = open_memstream(&result, &len), .format = CLI_TEMPLATE, .problem = &problem};

    assert_int_equal(template_parse("t", text, strlen(text), &problem, &template), 0);
    output.template = template;
    assert_int_equal(output_document(&output, value), expected);
    assert_true(expected == 0 || problem.len > 0);
    fclose(output.out);
    return result;
}

static void templates(void **state)
{
    json_t *array = rows(), *number = json_integer(7);
    _cleanup_free_
    char *each = templated("{{.name}}", array, 0),
         *one = templated("{{.name}}", json_array_get(array, 0), 0),
         *scalar = templated("n={{.}}", number, 0),
         *wrong = templated("{{ .name.x.y }}", array, -BULKHEAD_EINVALID_INPUT);

    assert_string_equal(each, "web\nd\x1b\n");
    assert_string_equal(one, "web\n");
    assert_string_equal(scalar, "n=7\n");
    assert_string_equal(wrong, "");
    json_decref(array);
    json_decref(number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),         cmocka_unit_test(documents_are_ascii),
        cmocka_unit_test(json_reads_back), cmocka_unit_test(yaml_keeps_types),
        cmocka_unit_test(tables),          cmocka_unit_test(lists_are_documents),
        cmocka_unit_test(tables_go_on),    cmocka_unit_test(nothing_more_can_be_written),
        cmocka_unit_test(templates),       cmocka_unit_test(yaml_has_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
