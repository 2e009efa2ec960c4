/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/model.h"

#define RULESET(body) "data:\n  networkrulesetpolicies:\n  - name: a\n" body
#define RULE(body) RULESET("    subject: [[a=b]]\n    incomingRules:\n    - " body "\n")
#define NETWORK(body) "data:\n  externalnetworks:\n  - name: n\n" body
#define ENTRIES(list) NETWORK("    entries: " list "\n")

static int read_text(const char *namespace, const char *text, enum document_format format,
                     struct diagnostics *diagnostics, struct estate **ret)
{
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    int r, added;

    assert_int_equal(estate_builder_new(namespace, &builder), 0);
    added = estate_builder_add(builder, "f", text, strlen(text), format, diagnostics);
    r = estate_builder_finish(builder, diagnostics, ret);
    assert_true(added == 0 || r < 0); /* what was refused is not accepted at the end */
    return r;
}

static void test_limits(void **state)
{
    size_t size = 4u << 20, at;
    char *text = malloc(size);
    static const struct {
        const char *head, *item, *tail, *problem;
        unsigned n, fits;
    } rows[] = {
        {RULESET("    subject: ["), "[a=%u], ", "]\n", "found 1025 clauses, expected at most 1024",
         1025, 1024},
        {RULESET("    subject: [["), "a=%u, ", "]]\n", "found 257 tags, expected at most 256", 257,
         256},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: ["), "tcp/%u, ", "]}\n",
         "found 1025 entries, expected at most 1024", 1025, 1024},
        {ENTRIES("["), "'::%x', ", "]\n", "found 65537 entries, expected at most 65536", 65537,
         65536},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: ["),
         "'icmp/%u/0,2,4,6,8,10,12,14,16,18,20', ", "]}\n",
         "found more than 1024 ports, ranges and ICMP codes, expected at most that many", 94, 93},
    };

    assert_non_null(text);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (unsigned less = 0; less < 2; less++) {
            _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
            _cleanup_estate_ struct estate *estate = NULL;
            unsigned n = less ? rows[i].fits : rows[i].n;

            at = (size_t)snprintf(text, size, "%s", rows[i].head);
            at -= text[at - 1] == '\n'; /* of the macro */
            for (unsigned j = 0; j < n; j++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                at += (size_t)snprintf(text + at, size - at, rows[i].item, j);
#pragma GCC diagnostic pop
            }
            snprintf(text + at, size - at, "%s", rows[i].tail);
            if (less) {
                assert_int_equal(read_text("/", text, DOCUMENT_YAML, &diagnostics, &estate), 0);
                continue;
            }
            assert_int_equal(read_text("/", text, DOCUMENT_YAML, &diagnostics, &estate),
                             -BULKHEAD_EINVALID_INPUT);
            assert_string_equal(diagnostics.items[0].message, rows[i].problem);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
