/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_model */
/* One tag a line; the tags up to an empty line are one clause, the ones behind it the set that is
 * asked. */
#include <errno.h>

#include "fuzz.h"
#include "model/model.h"

#define LINES_MAX 600

static void check_sorted(const struct tag_set *set)
{
    FUZZ_CHECK(set->n <= MODEL_TAGS_PER_SET_MAX);
    for (size_t i = 0; i < set->n; i++) {
        FUZZ_CHECK(!tag_problem(set->tags[i]));
        FUZZ_CHECK(i == 0 || strcmp(set->tags[i - 1], set->tags[i]) < 0);
        FUZZ_CHECK(tag_set_has(set, set->tags[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"name", "namespace", "protocolPorts", "object"};
    char *text = fuzz_text(data, size), *line = text;
    _cleanup_tag_set_ struct tag_set clause = {0}, tags = {0}, copy = {0};
    struct tag_expr expr = {&clause, 1};
    struct tag_set *current = &clause;
    bool expected = true;

    for (int i = 0; line && i < LINES_MAX; i++) {
        char *end = strchr(line, '\n');
        int r;

        if (end)
            *end++ = '\0';
        r = tag_set_add(current, line);
        FUZZ_CHECK((r == -EINVAL) == (tag_problem(line) != NULL));
        if (!namespace_problem(line))
            FUZZ_CHECK(namespace_is_within("/", line) && namespace_depth(line) <= 32);
        nearest_word(line, words, ARRAY_SIZE(words));
        if (!*line)
            current = &tags;
        line = end;
    }
    check_sorted(&clause);
    check_sorted(&tags);
    for (size_t i = 0; i < clause.n; i++)
        expected &= tag_set_has(&tags, clause.tags[i]);
    FUZZ_CHECK(tag_set_has_all(&tags, &clause) == expected);
    FUZZ_CHECK(tag_expr_matches(&expr, &tags) == (expected && clause.n > 0));
    FUZZ_CHECK(tag_set_copy(&tags, &copy) == 0 && tag_set_equal(&tags, &copy));
    FUZZ_CHECK(identity_id("/", &tags) > 255 && identity_id("/", &tags) == identity_id("/", &copy));
    free(text);
    return 0;
}
