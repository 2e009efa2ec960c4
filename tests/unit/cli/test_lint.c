/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/lint.h"
#include "cli/lint_index.h"

#define CLAUSES 300
#define TAGS_MAX 3
#define KEYS 6
#define VALUES 3

static uint32_t random_state = 1;

static unsigned next_random(unsigned below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 16) % below;
}

static struct tag_set random_clause(void)
{
    struct tag_set set = {0};
    unsigned n = 1 + next_random(TAGS_MAX);

    while (n--)
        assert_int_equal(tag_set_addf(&set, "k%u=%u", next_random(KEYS), next_random(VALUES)), 0);
    return set;
}

/* What the index promises, the slow way. */
static bool may_meet(const struct tag_set *a, const struct tag_set *b)
{
    bool share_key = false;

    for (size_t i = 0; i < a->n; i++) {
        for (size_t j = 0; j < b->n; j++) {
            if (strcmp(a->tags[i], b->tags[j]) == 0)
                return true;
            share_key |= strncmp(a->tags[i], b->tags[j], lint_key_len(a->tags[i])) == 0;
        }
    }
    return !share_key;
}

static bool mark(void *arg, size_t item)
{
    ((bool *)arg)[item] = true;
    return false;
}

static bool stop_at_once(void *arg, size_t item)
{
    (*(size_t *)arg)++;
    return true;
}

static void index_finds_all_and_no_more(void **state)
{
    _cleanup_lint_index_ struct lint_index *index = NULL;
    struct tag_set clauses[CLAUSES];

    assert_int_equal(lint_index_new(&index), 0);
    for (size_t i = 0; i < CLAUSES; i++) {
        clauses[i] = random_clause();
        assert_int_equal(lint_index_add(index, &clauses[i], i), 0);
    }
    for (size_t i = 0; i < CLAUSES; i++) {
        bool found[CLAUSES] = {false};
        size_t tries = 0;

        assert_false(lint_index_meets(index, &clauses[i], mark, found));
        for (size_t j = 0; j < CLAUSES; j++)
            assert_int_equal(found[j], may_meet(&clauses[i], &clauses[j]));
        assert_true(lint_index_meets(index, &clauses[i], stop_at_once, &tries));
        assert_int_equal(tries, 1);
    }
    for (size_t i = 0; i < CLAUSES; i++)
        tag_set_clear(&clauses[i]);
}

static void index_without_anything(void **state)
{
    _cleanup_lint_index_ struct lint_index *index = NULL;
    struct tag_set clause = random_clause();
    size_t tries = 0;

    assert_int_equal(lint_index_new(&index), 0);
    assert_false(lint_index_meets(index, &clause, stop_at_once, &tries));
    assert_false(lint_index_has(index, "a=b", stop_at_once, &tries));
    assert_int_equal(tries, 0);
    tag_set_clear(&clause);
}

static struct estate *estate_of(const char *text)
{
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct estate *estate = NULL;

    assert_int_equal(estate_builder_new("/", &builder), 0);
    assert_int_equal(
        estate_builder_add(builder, "f.yaml", text, strlen(text), DOCUMENT_YAML, &diagnostics), 0);
    assert_int_equal(estate_builder_finish(builder, &diagnostics, &estate), 0);
    return estate;
}

#define BIG_RULES 5000

/* Each of very many rules is answered by the very last of very many: the search ends before, and
 * says so. */
static void gives_up_in_the_end(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    fprintf(out, "APIVersion: 1\ndata:\n  networkrulesetpolicies:\n"
                 "    - name: a\n      subject: [['app=a', 'n=1']]\n      outgoingRules:\n");
    for (int i = 0; i < BIG_RULES; i++)
        fprintf(out, "        - {action: Allow, object: [['app=b']], protocolPorts: [tcp/%d]}\n",
                i);
    fprintf(out, "    - name: b\n      subject: [['app=b']]\n      incomingRules:\n");
    for (int i = 0; i < BIG_RULES; i++)
        fprintf(
            out,
            "        - {action: Allow, object: [['app=a', 'n=2']], protocolPorts: ['tcp/0:%d']}\n",
            10000 + i);
    fprintf(out, "        - {action: Allow, object: [['app=a', 'n=1']]}\n"
                 "    - name: c\n      subject: [['app=a', 'n=2']]\n      outgoingRules:\n"
                 "        - {action: Allow, object: [['app=b']]}\n");
    fclose(out);
    estate = estate_of(text);
    assert_int_equal(lint_estate(estate, &diagnostics), 0);
    assert_int_equal(diagnostics.n, 1);
    assert_int_equal(diagnostics.n_warnings, 1);
    assert_non_null(strstr(diagnostics.items[0].message, "too many rules"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_finds_all_and_no_more),
        cmocka_unit_test(index_without_anything),
        cmocka_unit_test(gives_up_in_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
