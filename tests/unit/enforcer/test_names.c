/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "enforcer/names.h"

/* One estate with a ruleset of two rules each way, and the policy that holds all of them. */
struct sample {
    struct model_rule rules[2][2];
    struct model_ruleset rulesets[2];
    struct policy_rule policy_rules[5];
    struct estate estate;
    struct policy policy;
    char names[5][16];
};

static void sample_fill(struct sample *sample, const char *suffix)
{
    static char empty[] = "", namespace[] = "/shop", second[] = "second";
    static struct model_rule other = {.name = NULL};
    size_t n = 0;

    *sample = (struct sample){0};
    for (int direction = 0; direction < 2; direction++)
        for (int i = 0; i < 2; i++, n++) {
            snprintf(sample->names[n], sizeof(sample->names[n]), "rule%zu%s", n, suffix);
            sample->rules[direction][i].name = n == 1 ? empty : sample->names[n];
            sample->policy_rules[n] = (struct policy_rule){
                .ruleset = &sample->rulesets[0],
                .rule = &sample->rules[direction][i],
                .direction = (enum model_direction)direction,
                .index_in_ruleset = (uint32_t)i,
            };
        }
    snprintf(sample->names[4], sizeof(sample->names[4]), "first%s", suffix);
    sample->rulesets[0] = (struct model_ruleset){
        .namespace = namespace,
        .name = sample->names[4],
        .rules = {sample->rules[0], sample->rules[1]},
        .n_rules = {2, 2},
    };
    sample->rulesets[1] = (struct model_ruleset){
        .namespace = namespace, .name = second, .rules = {NULL, &other}, .n_rules = {0, 1}};
    sample->policy_rules[4] = (struct policy_rule){
        .ruleset = &sample->rulesets[1], .rule = &other, .direction = MODEL_DIRECTION_OUT};
    sample->estate = (struct estate){.rulesets = sample->rulesets, .n_rulesets = 2};
    sample->policy = (struct policy){.rules = sample->policy_rules, .n_rules = 5};
}

static void add(struct names *names, uint32_t version, const char *suffix)
{
    struct sample *sample = malloc(sizeof(*sample)); /* gone afterwards: names keeps copies */
    const struct policy *policies[1];

    assert_non_null(sample);
    sample_fill(sample, suffix);
    policies[0] = &sample->policy;
    assert_int_equal(names_add(names, &sample->estate, policies, &version, 1), 0);
    free(sample);
}

static void assert_name(const struct names *names, uint32_t version, uint32_t rule,
                        const char *ruleset, const char *name)
{
    struct names_rule found;

    assert_true(names_find(names, version, rule, &found));
    assert_string_equal(found.namespace, "/shop");
    assert_string_equal(found.ruleset, ruleset);
    assert_string_equal(found.rule, name);
}

static void test_unknown(void **state)
{
    _cleanup_names_ struct names *names = NULL;
    struct names_rule found;

    assert_int_equal(names_new(&names), 0);
    assert_false(names_find(names, 1, 0, &found));
    add(names, 7, "");
    assert_false(names_find(names, 8, 0, &found));
    assert_false(names_find(names, 7, 5, &found));
    assert_false(names_find(names, 7, POLICY_RULE_NONE, &found));
}

static void test_rules(void **state)
{
    _cleanup_names_ struct names *names = NULL;

    assert_int_equal(names_new(&names), 0);
    add(names, 7, "");
    assert_name(names, 7, 0, "first", "rule0");
    assert_name(names, 7, 1, "first", "");
    assert_name(names, 7, 2, "first", "rule2");
    assert_name(names, 7, 3, "first", "rule3");
    assert_name(names, 7, 4, "second", "");
}

/* The last versions stay, the oldest go; a version that is named again has the new names. */
static void test_versions(void **state)
{
    _cleanup_names_ struct names *names = NULL;
    struct names_rule found;
    char suffix[8];

    assert_int_equal(names_new(&names), 0);
    for (uint32_t version = 1; version <= NAMES_VERSIONS_KEPT + 5; version++) {
        snprintf(suffix, sizeof(suffix), "-%u", version);
        add(names, version, suffix);
    }
    assert_false(names_find(names, 4, 0, &found));
    assert_name(names, 5, 0, "first-5", "rule0-5");
    assert_name(names, NAMES_VERSIONS_KEPT + 5, 2, "first-21", "rule2-21");
    add(names, 10, "-new");
    assert_name(names, 10, 0, "first-new", "rule0-new");
    assert_name(names, 6, 0, "first-6", "rule0-6");
}

static void test_ruleset_id(void **state)
{
    char a[RULESET_ID_TEXT], b[RULESET_ID_TEXT];

    ruleset_id("/shop", "web", a);
    ruleset_id("/shop", "web", b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 24);
    assert_int_equal(strspn(a, "0123456789abcdef"), 24);
    ruleset_id("/shopweb", "", b);
    assert_string_not_equal(a, b);
}

static void write_file(const char *state, const char *text)
{
    char path[300];
    FILE *f;

    snprintf(path, sizeof(path), "%s/rule-names.json", state);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* What was saved is there again, in a new run, and goes like everything old. */
static void test_saved(void **state)
{
    static const char *const broken[] = {
        "",
        "{",
        "[]",
        "{\"pools\":7,\"versions\":[1]}",
        "{\"pools\":[],\"versions\":[{\"number\":1,\"pool\":0,\"rules\":[]}]}",
        "{\"pools\":[{\"rulesets\":[],\"rules\":[[0,\"x\"]]}],"
        "\"versions\":[{\"number\":1,\"pool\":0,\"rules\":[0]}]}",
        "{\"pools\":[{\"rulesets\":[[\"/a\",\"b\"]],\"rules\":[[0,\"x\"]]}],"
        "\"versions\":[{\"number\":1,\"pool\":0,\"rules\":[1]}]}",
    };
    _cleanup_names_ struct names *names = NULL, *again = NULL, *none = NULL;
    char directory[] = "/tmp/names-XXXXXX", path[300];
    struct names_rule found;

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(names_new(&names) | names_new(&again) | names_new(&none), 0);
    assert_int_equal(names_load(none, directory), 0);
    add(names, 1, "-a");
    add(names, 2, "-b");
    assert_int_equal(names_save(names, directory), 0);
    assert_int_equal(names_load(again, directory), 0);
    assert_true(names_find(again, 1, 0, &found));
    assert_string_equal(found.namespace, "/shop");
    assert_string_equal(found.ruleset, "first-a");
    assert_string_equal(found.rule, "rule0-a");
    assert_true(names_find(again, 2, 1, &found));
    assert_string_equal(found.ruleset, "first-b");
    assert_string_equal(found.rule, "");
    assert_true(names_find(again, 1, 4, &found));
    assert_string_equal(found.ruleset, "second");
    assert_false(names_find(again, 1, 5, &found));
    assert_false(names_find(again, 3, 0, &found));
    for (uint32_t i = 3; i < 3 + 2 * NAMES_VERSIONS_KEPT; i++)
        add(again, i, "-c");
    assert_false(names_find(again, 2, 0, &found));
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        write_file(directory, broken[i]);
        names_load(none, directory);
        assert_false(names_find(none, 1, 0, &found));
    }
    assert_int_equal(names_forget(directory) | names_forget(directory), 0);
    snprintf(path, sizeof(path), "%s/rule-names.json", directory);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown),  cmocka_unit_test(test_rules),
        cmocka_unit_test(test_versions), cmocka_unit_test(test_ruleset_id),
        cmocka_unit_test(test_saved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
