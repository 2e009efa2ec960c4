/* SPDX-License-Identifier: Apache-2.0 */
/* What -k and --set make of text; also pairs on the command line, and lists that are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/api/envelope.h"

static void expect_json(const json_t *value, const char *text)
{
    json_t *wanted = json_loads(text, JSON_DECODE_ANY, NULL);

    if (!wanted || !json_equal(value, wanted)) {
        _cleanup_free_
        char *found = json_dumps(value, JSON_ENCODE_ANY);

        print_error("found %s, expected %s\n", found, text);
    }
    assert_true(wanted && json_equal(value, wanted));
    json_decref(wanted);
}

struct pair {
    const char *key, *value;
};

static void sets_by_type(void **state)
{
    static const struct {
        const char *kind;
        struct pair pairs[4];
        const char *object;
    } cases[] = {
        {"extnet", {{"name", "x"}}, "{\"name\": \"x\"}"},
        {"extnet",
         {{"entries", "192.0.2.0/24"}, {"entries", "10.0.0.0/8"}},
         "{\"entries\": [\"192.0.2.0/24\", \"10.0.0.0/8\"]}"},
        {"extnet",
         {{"entries", "[a, b]"}, {"entries", "c"}},
         "{\"entries\": [\"a\", \"b\", \"c\"]}"},
        {"extnet", {{"entries", "a"}, {"entries", ""}}, "{\"entries\": []}"},
        {"extnet",
         {{"propagate", "TRUE"}, {"protected", "no"}},
         "{\"propagate\": true, \"protected\": false}"},
        {"netset",
         {{"subject", "a=b, c=d"}, {"subject", "e=f"}},
         "{\"subject\": [[\"a=b\", \"c=d\"], [\"e=f\"]]}"},
        {"netset", {{"subject", "[[a=b]]"}}, "{\"subject\": [[\"a=b\"]]}"},
        {"netset",
         {{"annotations", "k=v"}, {"annotations", "k=w"}, {"annotations", "l="}},
         "{\"annotations\": {\"k\": [\"v\", \"w\"], \"l\": [\"\"]}}"},
        {"netset",
         {{"outgoingRules", "[{action: Allow, object: [[a=b]]}]"}},
         "{\"outgoingRules\": [{\"action\": \"Allow\", \"object\": [[\"a=b\"]]}]}"},
        {"issue",
         {{"opaque", "a=b=c"}, {"quota", "-5"}},
         "{\"opaque\": {\"a\": \"b=c\"}, \"quota\": -5}"},
        {"issue", {{"metadata", "{a: 1, b: [x]}"}}, "{\"metadata\": {\"a\": 1, \"b\": [\"x\"]}}"},
        {"search", {{"score", "1.5"}}, "{\"score\": 1.5}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *object = json_object();
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);

        for (size_t j = 0; j < 4 && cases[i].pairs[j].key; j++)
            assert_int_equal(value_set(schema_kind_find(cases[i].kind), object,
                                       cases[i].pairs[j].key, cases[i].pairs[j].value, &problem),
                             0);
        expect_json(object, cases[i].object);
        json_decref(object);
    }
}

static void refuses_values(void **state)
{
    static const struct {
        const char *kind, *key, *value, *problem;
    } cases[] = {
        {"extnet", "nme", "x", "externalnetwork has no attribute 'nme'; did you mean 'name'?"},
        {"extnet", "zzzz", "x", "has no attribute 'zzzz'"},
        {"extnet", "propagate", "maybe", "propagate: found 'maybe', expected true or false"},
        {"extnet", "name", "\xff", "expected text in UTF-8"},
        {"issue", "quota", "many", "quota: found 'many', expected a whole number"},
        {"issue", "quota", "99999999999999999999", "expected a whole number"},
        {"issue", "quota", "", "expected a whole number"},
        {"issue", "opaque", "novalue", "expected name=value"},
        {"issue", "opaque", "=x", "expected name=value"},
        {"issue", "metadata", "{a: [", "expected JSON or YAML"},
        {"search", "score", "1.5.5", "expected a number"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *object = json_object();
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);

        assert_int_equal(value_set(schema_kind_find(cases[i].kind), object, cases[i].key,
                                   cases[i].value, &problem),
                         -BULKHEAD_EINVALID_INPUT);
        if (!strstr(problem.data, cases[i].problem))
            print_error("'%s', expected '%s'\n", problem.data, cases[i].problem);
        assert_non_null(strstr(problem.data, cases[i].problem));
        json_decref(object);
    }
}

static int set_text(json_t *values, const char *text)
{
    size_t len = strcspn(text, "=");

    return values_set(values, text, len, text + len + 1);
}

static void sets_values_of_templates(void **state)
{
    json_t *values = json_object(), *more;

    assert_int_equal(set_text(values, "a=1"), 0);
    assert_int_equal(set_text(values, "b.c.d=true"), 0);
    assert_int_equal(set_text(values, "b.c.e='1'"), 0);
    assert_int_equal(set_text(values, "f={x,2,}"), 0);
    assert_int_equal(set_text(values, "g=-7"), 0);
    assert_int_equal(set_text(values, "h=1.2.3"), 0);
    assert_int_equal(set_text(values, "i=null"), 0);
    assert_int_equal(set_text(values, "j="), 0);
    assert_int_equal(set_text(values, "k=-"), 0);
    assert_int_equal(set_text(values, "a.x=y"), 0); /* what was no map becomes one */
    expect_json(values, "{\"a\": {\"x\": \"y\"}, \"b\": {\"c\": {\"d\": true, \"e\": \"1\"}},"
                        " \"f\": [\"x\", 2], \"g\": -7, \"h\": \"1.2.3\", \"i\": null, \"j\": \"\","
                        " \"k\": \"-\"}");
    assert_int_equal(set_text(values, ".x=y"), -EINVAL);
    assert_int_equal(set_text(values, "x.=y"), -EINVAL);
    assert_int_equal(set_text(values, "x=\xff"), -EINVAL);

    more = json_loads("{\"b\": {\"c\": {\"d\": 2}, \"z\": []}, \"f\": {}}", 0, NULL);
    assert_int_equal(values_merge(values, more), 0);
    expect_json(json_object_get(values, "b"), "{\"c\": {\"d\": 2, \"e\": \"1\"}, \"z\": []}");
    expect_json(json_object_get(values, "f"), "{}");
    json_decref(more);
    json_decref(values);
}

static void finds_nodes(void **state)
{
    static const char text[] = "a:\n  - b: 1\n  - c:\n      d: [x, y]\n";
    static const struct {
        const char *path;
        unsigned line;
    } cases[] = {{"a", 2},  {"a[0].b", 2}, {"a[1].c.d[1]", 4}, {"a[1].c.zz", 4}, {"a[9].b", 2},
                 {"zz", 1}, {"", 1},       {"a[1].c", 4}};
    _cleanup_document_ struct document *document = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    json_t *value;

    assert_int_equal(
        document_parse("f", text, strlen(text), DOCUMENT_YAML, &diagnostics, &document), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(node_at(document_root(document, 0), cases[i].path)->line, cases[i].line);
    value = node_json(document_root(document, 0));
    expect_json(value, "{\"a\": [{\"b\": 1}, {\"c\": {\"d\": [\"x\", \"y\"]}}]}");
    json_decref(value);
}

static void names_objects(void **state)
{
    _cleanup_free_
    char *filter = api_name_filter("a\"b\\c d");

    assert_string_equal(filter, "name == \"a\\\"b\\\\c d\"");
    assert_true(api_is_id("0123456789abcdef01234567"));
    assert_false(api_is_id("0123456789abcdef0123456"));
    assert_false(api_is_id("0123456789abcdef0123456g"));
    assert_string_equal(api_attribute_nearest(schema_kind_find("netset"), "subjekt"), "subject");
}

static void makes_stubs_that_fit(void **state)
{
    const struct schema_kind *const *kinds;
    size_t n;

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_
        char *text = NULL;
        _cleanup_document_ struct document *document = NULL;
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        size_t len;
        json_t *object, *again;
        FILE *out;

        if (!(kinds[i]->verbs & SCHEMA_CREATE))
            continue;
        object = stub_object(kinds[i]);
        out = open_memstream(&text, &len);
        stub_print(kinds[i], object, out);
        fclose(out);
        assert_int_equal(document_parse("stub", text, len, DOCUMENT_YAML, &diagnostics, &document),
                         0);
        again = node_json(document_root(document, 0));
        assert_true(json_equal(object, again));
        json_decref(object);
        json_decref(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_by_type),
        cmocka_unit_test(refuses_values),
        cmocka_unit_test(sets_values_of_templates),
        cmocka_unit_test(finds_nodes),
        cmocka_unit_test(names_objects),
        cmocka_unit_test(makes_stubs_that_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
