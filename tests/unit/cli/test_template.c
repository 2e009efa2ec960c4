/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/template/template.h"

static const char data[] =
    "{\"Values\": {\"name\": \"web\", \"port\": 80, \"on\": true, \"off\": false, \"empty\": \"\","
    " \"list\": [\"a\", \"b\"], \"map\": {\"z\": 1, \"k\": \"v\"}, \"quote\": \"a'b\\\"c\","
    " \"nested\": {\"deep\": [1, 2]}, \"lines\": \"x\\ny\", \"null\": null}}";

static int render(const char *text, char **ret_out, char **ret_problem)
{
    _cleanup_template_ struct template *template = NULL;
    _cleanup_template_output_ struct template_output out = TEMPLATE_OUTPUT_INIT;
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    json_t *root = json_loads(data, 0, NULL);
    int r = template_parse("t.yaml", text, strlen(text), &problem, &template);

    assert_non_null(root);
    if (r == 0)
        r = template_run(template, root, &problem, &out);
    json_decref(root);
    *ret_out = strdup(out.text.data ? out.text.data : "");
    *ret_problem = strdup(problem.data ? problem.data : "");
    return r;
}

static const struct {
    const char *text, *problem;
} wrong[] = {
    {"a\n{{ .Values.name", "t.yaml:2: found '{{', expected '}}' after it"},
    {"{{ }}", "t.yaml:1: found the end of the action, expected a value"},
    {"{{ include \"x\" . }}", "found 'include', expected a function of"},
    {"{{ env \"HOME\" }}", "found 'env', expected a function of"},
    {"{{ template \"x\" }}", "found 'template', expected a function"},
    {"{{ define \"x\" }}{{ end }}", "found 'define', expected a function"},
    {"{{ if .Values.on }}", "t.yaml:1: this block has no {{end}}"},
    {"{{ if true }}{{ else }}{{ else }}{{ end }}", "two {{else}}"},
    {"{{ end }}", "found {{end}} outside of a block"},
    {"\n\n{{ else }}", "t.yaml:3: found {{else}} outside of a block"},
    {"{{ end 1 }}", "found '1', expected the end of the action"},
    {"{{ .Values.name | 1 }}", "found '1', expected a function behind '|'"},
    {"{{ .Values.name | }}", "found the end of the action, expected a function behind '|'"},
    {"{{ 1 2 }}", "found '2', expected '|' or the end: only functions take arguments"},
    {"{{ (1 }}", "found the end of the action, expected ')'"},
    {"{{ \"\\q\" }}", "expected a number or a string"},
    {"{{ 12x }}", "expected a number or a string"},
    {"{{ quote }}", "quote: found 0 arguments, expected 1 or more"},
    {"{{ print (list) indent }}", "indent: found 0 arguments, expected 2"},
    {"{{ quote.x }}", "quote: found 0 arguments"},
    {"{{ default 1 2 3 }}", "default: found 3 arguments"},
    {"{{ $x }}", "found variable $x, which is not set here"},
    {"{{ $x = 1 }}", "found $x =, expected :="},
    {"{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", "found variable $x"},
    {"{{ .Values.missing }}", "found no value here"},
    {"\n{{ .Values.null }}", "t.yaml:2: found no value here"},
    {"{{ .Values.list }}", "found a list where text is needed"},
    {"{{ .Values.name.x }}", "found .x of something that is no map"},
    {"{{ range 3 }}{{ end }}", "range: found something else, expected a list or a map"},
    {"{{ range $a, $b = .Values.list }}{{ end }}", "expected ':='"},
    {"{{ lt 1 \"a\" }}", "expected two numbers or two texts"},
    {"{{ add 9223372036854775807 1 }}", "expected whole numbers that are not too large"},
    {"{{ until 100001 }}", "until: expected a number of 0..100000"},
    {"{{ required \"port is needed\" .Values.nothing }}", "t.yaml:1: port is needed"},
    {"{{ fail \"no\" }}", "t.yaml:1: no"},
    {"{{ b64dec \"!\" }}", "b64dec: found something that is no base64"},
    {"{{ b64dec \"/w==\" }}", "the result is no UTF-8 text"},
    {"{{ printf \"%x\" 1 }}", "printf: expected %s"},
    {"{{ printf \"%s\" }}", "fewer values"},
    {"{{ printf \"a\" 1 }}", "more values"},
    {"{{ indent 1001 \"a\" }}", "indent: expected a number of 0..1000"},
    {"{{ dict 1 2 }}", "dict: expected pairs"},
    {"{{ index .Values.list \"a\" }}", "index: expected a list and a number"},
    {"{{ $x := list 1 }}{{ range until 100 }}{{ $x = list $x }}{{ end }}", "deeper than 64"},
    {"{{ $x := \"0123456789\" }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}",
     "too large, or deeper"},
    {"{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}", "steps"},
};

static void refuses_what_it_does_not_know(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        _cleanup_free_
        char *out = NULL, *problem = NULL;
        int r = render(wrong[i].text, &out, &problem);

        if (r != -BULKHEAD_EINVALID_INPUT || !strstr(problem, wrong[i].problem))
            print_error("%s: %d, '%s'\n", wrong[i].text, r, problem);
        assert_int_equal(r, -BULKHEAD_EINVALID_INPUT);
        assert_non_null(strstr(problem, wrong[i].problem));
    }
}

static void renders(void **state)
{
    static const struct {
        const char *text, *out;
    } cases[] = {
        {"", ""},
        {"plain } text {", "plain } text {"},
        {"{{ .Values.name }}:{{ .Values.port }}", "web:80"},
        {"{{ $.Values.on }} {{ 1.5 }} {{ -3 }} {{ `a\\n` }} {{ \"a\\tb\" }}",
         "true 1.5 -3 a\\n a\tb"},
        {"a  {{- /* a }} comment */ -}}  b", "ab"},
        {"a {{- 1 }} {{ 2 -}} \n b", "a1 2b"},
        {"{{ if .Values.off }}x{{ else if .Values.on }}y{{ else }}z{{ end }}", "y"},
        {"{{ if .Values.empty }}x{{ else }}z{{ end }}", "z"},
        {"{{ if not .Values.missing }}none{{ end }}", "none"},
        {"{{ range .Values.list }}<{{ . }}>{{ else }}-{{ end }}", "<a><b>"},
        {"{{ range $i, $v := .Values.list }}{{ $i }}{{ $v }}{{ end }}", "0a1b"},
        {"{{ range $k, $v := .Values.map }}{{ $k }}={{ $v }};{{ end }}", "k=v;z=1;"},
        {"{{ range .Values.missing }}x{{ else }}none{{ end }}", "none"},
        {"{{ range until 3 }}{{ . }}{{ end }}", "012"},
        {"{{ with .Values.nested }}{{ index .deep 1 }}{{ end }}", "2"},
        {"{{ with $x := .Values.name }}{{ $x }}{{ . }}{{ end }}", "webweb"},
        {"{{ with .Values.missing }}x{{ else }}{{ .Values.name }}{{ end }}", "web"},
        {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
        {"{{ .Values.missing | default \"d\" }} {{ default 1 .Values.port }}", "d 80"},
        {"{{ .Values.missing.more | default 5 }}", "5"},
        {"{{ .Values.quote | quote }} {{ squote .Values.quote }}", "\"a'b\\\"c\" 'a''b\"c'"},
        {"{{ .Values.list | toJson }} {{ toJson .Values.on }}", "[\"a\",\"b\"] true"},
        {"x:{{ toYaml .Values.list | nindent 2 }}", "x:\n  - a\n  - b"},
        {"{{ toYaml 5 }} {{ toYaml \"a\" }}", "5 a"},
        {"{{ .Values.lines | indent 2 }}", "  x\n  y"},
        {"{{ join \",\" .Values.list | upper }} {{ \"AbC\" | lower }}", "A,B abc"},
        {"{{ trim \" a \" }}{{ trimPrefix \"a\" \"ab\" }}{{ trimSuffix \"b\" \"ab\" }}", "aba"},
        {"{{ replace \"a\" \"xx\" \"banana\" }}", "bxxnxxnxx"},
        {"{{ contains \"an\" \"banana\" }} {{ hasPrefix \"x\" \"banana\" }}", "true false"},
        {"{{ index (splitList \",\" \"a,b,c\") 2 }} {{ len (splitList \",\" \"\") }}", "c 1"},
        {"{{ b64enc \"hi\" }} {{ b64dec \"aGk=\" }}", "aGk= hi"},
        {"{{ sha256sum \"\" | len }}", "64"},
        {"{{ printf \"%s-%d %q%%\" \"a\" 5 \"b\" }}", "a-5 \"b\"%"},
        {"{{ eq 1 2 1 }} {{ ne 1 1 }} {{ lt 1 2 }} {{ ge \"b\" \"a\" }}", "true false true true"},
        {"{{ and 1 0 2 }} {{ or 0 \"\" 3 }} {{ ternary 1 2 true }}", "0 3 1"},
        {"{{ add 1 2 3 }} {{ sub 5 7 }} {{ int \"12\" }} {{ len .Values.map }}", "6 -2 12 2"},
        {"{{ (dict \"a\" (list 1 2)).a | toJson }} {{ hasKey .Values \"name\" }}", "[1,2] true"},
        {"{{ keys .Values.map | join \" \" }} {{ get .Values.map \"k\" }}", "k z v"},
        {"{{ has \"a\" .Values.list }} {{ first .Values.list }}{{ last .Values.list }}", "true ab"},
        {"{{ coalesce .Values.empty .Values.name }} {{ empty .Values.empty }}", "web true"},
        {"{{ \"}}\" }}", "}}"},
        {"{{ cat \"a\" 1 }}{{ print \"b\" 2 }}", "a 1b2"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_
        char *out = NULL, *problem = NULL;
        int r = render(cases[i].text, &out, &problem);

        if (r < 0 || strcmp(out, cases[i].out) != 0)
            print_error("%s: %d, '%s', '%s'\n", cases[i].text, r, out, problem);
        assert_int_equal(r, 0);
        assert_string_equal(out, cases[i].out);
    }
}

/* Problems found in what came out are told with lines of what was written. */
static void knows_the_lines(void **state)
{
    static const char text[] = "a\n"                        /* 1 */
                               "{{ range .Values.list }}\n" /* 2 */
                               "- {{ . }}\n"                /* 3 */
                               "{{ end }}b\n"               /* 4 */
                               "{{ .Values.lines }}\n"      /* 5 */
                               "c";                         /* 6 */
    static const unsigned lines[] = {1, 2, 3, 3, 3, 4, 5, 5, 6};
    /* "a", "", "- a", "", "- b", "b", "x", "y", "c": a text node begins in the line of its action
     */
    _cleanup_template_ struct template *template = NULL;
    _cleanup_template_output_ struct template_output out = TEMPLATE_OUTPUT_INIT;
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    json_t *root = json_loads(data, 0, NULL);

    assert_int_equal(template_parse("t", text, strlen(text), &problem, &template), 0);
    assert_int_equal(template_run(template, root, &problem, &out), 0);
    assert_string_equal(out.text.data, "a\n\n- a\n\n- b\nb\nx\ny\nc");
    assert_int_equal(out.n_lines, ARRAY_SIZE(lines));
    assert_int_equal(template_output_line(&out, 1), lines[0]);
    assert_int_equal(template_output_line(&out, 3), lines[2]);
    assert_int_equal(template_output_line(&out, 7), lines[6]);
    assert_int_equal(template_output_line(&out, 8), lines[7]);
    assert_int_equal(template_output_line(&out, 9), lines[8]);
    assert_int_equal(template_output_line(&out, 99), lines[8]);
    assert_int_equal(template_output_line(&out, 0), 0);
    json_decref(root);
}

static void nests_so_deep_and_no_deeper(void **state)
{
    char text[8192] = "";

    for (unsigned depth = TEMPLATE_DEPTH_MAX; depth <= TEMPLATE_DEPTH_MAX + 1; depth++) {
        _cleanup_free_
        char *out = NULL, *problem = NULL;
        size_t len = 0;

        for (unsigned i = 0; i < depth; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "{{if true}}");
        for (unsigned i = 0; i < depth; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "{{end}}");
        assert_int_equal(render(text, &out, &problem),
                         depth > TEMPLATE_DEPTH_MAX ? -BULKHEAD_EINVALID_INPUT : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(renders),
        cmocka_unit_test(knows_the_lines),
        cmocka_unit_test(nests_so_deep_and_no_deeper),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
