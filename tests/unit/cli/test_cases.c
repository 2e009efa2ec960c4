/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "cli/cases.h"

static void refuses(void **state)
{
    static const struct {
        const char *text, *first;
    } cases[] = {
        {"", "c.json:1: "},
        {"[", "c.json:1: "},
        {"{}", "c.json:1: found a map, expected a list of {from, to, port, expect?}"},
        {"\n\n\"x\"", "c.json:3: found a string, expected a list"},
        {"null", "c.json:1: found "},
        {"[1]", "c.json:1: [0]: found an integer, expected an object {from, to, port, expect?}"},
        {"[\n{\"from\":\"tags:a=b\",\"to\":\"1.2.3.4\",\"port\":\"tcp/1\"},\n3]",
         "c.json:3: [1]: found an integer, expected an object"},
        {"[{\"to\":\"1.2.3.4\",\"port\":\"tcp/1\"}]", "c.json:1: [0]: found no 'from', expected "},
        {"[{\"from\":7,\"to\":\"1.2.3.4\",\"port\":\"tcp/1\"}]", "c.json:1: [0].from: found "},
        {"[{\"from\":\"tags:a=b\",\"to\":\"1.2.3.4\",\"port\":\"tcp/1\",\"expct\":\"Accept\"}]",
         "c.json:1: [0].expct: "},
        {"[{\"from\":\"tags:a=b\",\n\"to\":\"1.2.3\",\"port\":\"tcp/1\"}]",
         "c.json:2: [0].to: found '1.2.3', expected ns:"},
        {"[{\"from\":\"tags:a\",\"to\":\"1.2.3.4\",\"port\":\"tcp/1\"}]",
         "c.json:1: [0].from: found 'a', expected a tag"},
        {"[{\"from\":\"tags:a=b\",\"to\":\"1.2.3.4\",\n\n\"port\":\"tcp/65536\"}]",
         "c.json:3: [0].port: found 'tcp/65536', expected "},
        {"[{\"from\":\"tags:a=b\",\"to\":\"1.2.3.4\",\"port\":\"tcp\"}]",
         "c.json:1: [0].port: found 'tcp', expected "},
        {"[{\"from\":\"tags:a=b\",\"to\":\"1.2.3.4\",\"port\":\"tcp/1\",\"expect\":\"accept\"}]",
         "c.json:1: [0].expect: found 'accept', expected Accept or Reject"},
        {"[{\"from\":\"tags:a=b\",\"to\":\"1.2.3.4\",\"port\":\"tcp/1\",\"namespace\":\"x\"}]",
         "c.json:1: [0].namespace: found 'x', expected a namespace"},
        {"[{\"from\":\"1.2.3.5\",\"to\":\"1.2.3.4\",\"port\":\"tcp/1\"}]",
         "c.json:1: [0]: found two peers without identity, expected tags:"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        _cleanup_flow_cases_ struct flow_cases list = {0};
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        _cleanup_free_
        char *text = NULL;

        assert_int_equal(
            flow_cases_parse("c.json", cases[i].text, strlen(cases[i].text), &diagnostics, &list),
            -BULKHEAD_EINVALID_INPUT);
        assert_true(diagnostics.n > 0);
        text = diagnostic_format(&diagnostics.items[0]);
        if (strncmp(text, cases[i].first, strlen(cases[i].first)) != 0)
            fail_msg("'%s': '%s', expected '%s'", cases[i].text, text, cases[i].first);
    }
}

static void reports_every_wrong_case(void **state)
{
    static const char text[] = "[{\"from\":\"x\",\"to\":\"y\",\"port\":\"z\"},\n"
                               "{\"from\":\"x\",\"to\":\"y\",\"port\":\"z\"}]";
    _cleanup_flow_cases_ struct flow_cases list = {0};
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};

    assert_int_equal(flow_cases_parse("c.json", text, strlen(text), &diagnostics, &list),
                     -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(diagnostics.n_errors, 6);
    assert_int_equal(diagnostics.items[5].line, 2);
    assert_string_equal(diagnostics.items[5].path, "[1].port");
}

static void accepts(void **state)
{
    static const struct {
        const char *file, *text;
    } files[] = {
        {"c.json", "[{\"from\":\"tags:a=b\",\"to\":\"1.2.3.4\",\"port\":\"TCP/80\"},"
                   "{\"from\":\"::1\",\"to\":\"tags:a=b\",\"port\":\"icmp/8/0\","
                   "\"expect\":\"Reject\",\"namespace\":\"/x\"}]"},
        {"c.yaml", "- {from: 'tags:a=b', to: 1.2.3.4, port: tcp/80}\n"
                   "- from: '::1'\n  to: tags:a=b\n  port: icmp/8/0\n  expect: Reject\n"
                   "  namespace: /x\n"},
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        _cleanup_flow_cases_ struct flow_cases list = {0};
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};

        assert_int_equal(flow_cases_parse(files[i].file, files[i].text, strlen(files[i].text),
                                          &diagnostics, &list),
                         0);
        assert_int_equal(diagnostics.n, 0);
        assert_int_equal(list.n, 2);
        assert_int_equal(list.items[0].protocol, PROTOCOL_TCP);
        assert_int_equal(list.items[0].port, 80);
        assert_null(list.items[0].expect);
        assert_null(list.items[0].namespace);
        assert_true(peer_has_identity(&list.items[0].from));
        assert_false(peer_has_identity(&list.items[0].to));
        assert_int_equal(list.items[1].protocol, PROTOCOL_ICMP);
        assert_int_equal(list.items[1].port, 8 << 8);
        assert_string_equal(list.items[1].expect, "Reject");
        assert_string_equal(list.items[1].namespace, "/x");
    }
}

static void accepts_none(void **state)
{
    _cleanup_flow_cases_ struct flow_cases list = {0};
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};

    assert_int_equal(flow_cases_parse("c.json", "[]", 2, &diagnostics, &list), 0);
    assert_int_equal(list.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(reports_every_wrong_case),
        cmocka_unit_test(accepts),
        cmocka_unit_test(accepts_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
