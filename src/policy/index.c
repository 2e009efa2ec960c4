/* SPDX-License-Identifier: Apache-2.0 */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define SORT_BY_INSERTION_MAX 32

uint32_t index_ordinal(const struct index *index, const struct policy_rule *rule)
{
    size_t at = (size_t)(rule->ruleset - index->estate->rulesets);
    uint32_t ordinal;

    assert(at < index->estate->n_rulesets);
    ordinal = index->ruleset_base[at] + rule->index_in_ruleset;
    if (rule->direction == MODEL_DIRECTION_OUT)
        ordinal += (uint32_t)rule->ruleset->n_rules[MODEL_DIRECTION_IN];
    return ordinal;
}

static int number_rules(struct index *index)
{
    const struct estate *estate = index->estate;
    size_t n = 0;

    index->ruleset_base = calloc(estate->n_rulesets + 1, sizeof(*index->ruleset_base));
    if (!index->ruleset_base)
        return -ENOMEM;
    for (size_t i = 0; i < estate->n_rulesets; i++) {
        index->ruleset_base[i] = (uint32_t)n;
        n += estate->rulesets[i].n_rules[0] + estate->rulesets[i].n_rules[1];
        if (n > INTERN_ITEMS_MAX)
            return -BULKHEAD_ETOOMANY;
    }
    index->n_ordinals = (uint32_t)n;
    return 0;
}

/* Clauses of a new object; `key` is the object as lists of tag numbers, each with its length first.
 */
static int add_clauses(struct index *index, uint32_t object, const struct u32s *key)
{
    int r = 0;

    for (size_t at = 0; r == 0 && at < key->n;) {
        uint32_t n_tags = key->v[at++];

        r = vec_reserve(&index->clauses, &index->clauses_size, index->n_clauses + 1,
                        sizeof(*index->clauses));
        if (r < 0)
            return r;
        index->clauses[index->n_clauses++] = (struct index_clause){
            .object = object, .first_tag = (uint32_t)index->clause_tags.n, .n_tags = n_tags};
        for (uint32_t i = 0; r == 0 && i < n_tags; i++)
            r = u32s_push(&index->clause_tags, key->v[at++]);
    }
    return r;
}

static int add_rule(struct index *index, const struct model_rule *rule, uint32_t ordinal,
                    struct u32s *key)
{
    uint32_t object, tag;
    bool is_new;
    int r = 0;

    key->n = 0;
    for (size_t i = 0; r == 0 && i < rule->object.n; i++) {
        const struct tag_set *clause = &rule->object.clauses[i];

        assert(clause->n > 0); /* the model refuses empty clauses */
        r = u32s_push(key, (uint32_t)clause->n);
        for (size_t j = 0; r == 0 && j < clause->n; j++) {
            r = intern_add(&index->tags, clause->tags[j], strlen(clause->tags[j]), &tag, &is_new);
            if (r == 0)
                r = u32s_push(key, tag);
        }
    }
    if (r == 0)
        r = intern_add(&index->objects, key->v, key->n * sizeof(*key->v), &object, &is_new);
    if (r == 0 && is_new)
        r = add_clauses(index, object, key);
    if (r == 0)
        r = u32s_push(&index->object_of, object);
    if (r == 0)
        r = u32s_push(&index->ordinal_of, ordinal);
    return r;
}

int index_build(const struct estate *estate, const struct policy *const *policies,
                size_t n_policies, struct index *index)
{
    _cleanup_free_
    uint64_t *used = NULL;
    _cleanup_u32s_ struct u32s key = {0};
    int r;

    index->estate = estate;
    r = number_rules(index);
    if (r < 0)
        return r;
    used = calloc(index->n_ordinals / 64 + 1, sizeof(*used));
    if (!used)
        return -ENOMEM;
    for (size_t i = 0; i < n_policies; i++) {
        for (size_t j = 0; j < policies[i]->n_rules; j++) {
            uint32_t ordinal = index_ordinal(index, &policies[i]->rules[j]);

            if (used[ordinal / 64] >> (ordinal % 64) & 1)
                continue;
            used[ordinal / 64] |= (uint64_t)1 << (ordinal % 64);
            r = add_rule(index, policies[i]->rules[j].rule, ordinal, &key);
            if (r < 0)
                return r;
        }
    }
    index->tag_peers = calloc(index->tags.n + 1, sizeof(*index->tag_peers));
    index->tag_seen = calloc(index->tags.n + 1, sizeof(*index->tag_seen));
    index->object_seen = calloc(index->objects.n + 1, sizeof(*index->object_seen));
    index->found = calloc(index->n_ordinals / 64 + 1, sizeof(*index->found));
    if (!index->tag_peers || !index->tag_seen || !index->object_seen || !index->found)
        return -ENOMEM;
    return 0;
}

static void sort_short(uint32_t *list, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t value = list[i];
        size_t at = i;

        for (; at > 0 && list[at - 1] > value; at--)
            list[at] = list[at - 1];
        list[at] = value;
    }
}

int index_tags(const struct index *index, const struct tag_set *tags, struct u32s *ret)
{
    int r;

    assert(ret->n == 0);
    for (size_t i = 0; i < tags->n; i++) {
        uint32_t tag = intern_find(&index->tags, tags->tags[i], strlen(tags->tags[i]));

        if (tag == INTERN_NONE)
            continue;
        r = u32s_push(ret, tag);
        if (r < 0)
            return r;
    }
    sort_short(ret->v, ret->n); /* at most MODEL_TAGS_PER_SET_MAX */
    return 0;
}

void index_count(struct index *index, const uint32_t *tags, size_t n)
{
    for (size_t i = 0; i < n; i++)
        index->tag_peers[tags[i]]++;
}

/* Compressed rows: start[key] … start[key + 1] in `rows` are the values of that key, in given
 * order. */
static int group(const uint32_t *keys, const uint32_t *values, size_t n, size_t n_keys,
                 uint32_t **ret_start, uint32_t **ret_rows)
{
    uint32_t *start = *ret_start = calloc(n_keys + 2, sizeof(*start));
    uint32_t *rows = *ret_rows = calloc(n + 1, sizeof(*rows));

    if (!start || !rows)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        start[keys[i] + 2]++;
    for (size_t i = 2; i < n_keys + 2; i++)
        start[i] += start[i - 1];
    for (size_t i = 0; i < n; i++)
        rows[start[keys[i] + 1]++] = values[i];
    return 0;
}

static uint32_t rarest_tag(const struct index *index, const struct index_clause *clause)
{
    const uint32_t *tags = index->clause_tags.v + clause->first_tag;
    uint32_t rarest = tags[0];

    for (uint32_t i = 1; i < clause->n_tags; i++) {
        if (index->tag_peers[tags[i]] < index->tag_peers[rarest])
            rarest = tags[i];
    }
    return rarest;
}

int index_finish(struct index *index)
{
    _cleanup_free_
    uint32_t *key = NULL, *clause = NULL;
    int r;

    key = calloc(index->n_clauses + 1, sizeof(*key));
    clause = calloc(index->n_clauses + 1, sizeof(*clause));
    if (!key || !clause)
        return -ENOMEM;
    for (size_t i = 0; i < index->n_clauses; i++) {
        key[i] = rarest_tag(index, &index->clauses[i]);
        clause[i] = (uint32_t)i;
    }
    r = group(key, clause, index->n_clauses, index->tags.n, &index->tag_start, &index->tag_clauses);
    if (r < 0)
        return r;
    r = group(index->object_of.v, index->ordinal_of.v, index->object_of.n, index->objects.n,
              &index->object_start, &index->object_rules);
    if (r < 0)
        return r;
    u32s_free(&index->object_of);
    u32s_free(&index->ordinal_of);
    return 0;
}

static bool clause_holds(const struct index *index, const struct index_clause *clause)
{
    const uint32_t *tags = index->clause_tags.v + clause->first_tag;

    for (uint32_t i = 0; i < clause->n_tags; i++) {
        if (index->tag_seen[tags[i]] != index->seen)
            return false;
    }
    return true;
}

static int add_object(struct index *index, uint32_t object, struct u32s *ret)
{
    int r = 0;

    if (index->object_seen[object] == index->seen)
        return 0;
    index->object_seen[object] = index->seen;
    for (uint32_t i = index->object_start[object]; r == 0 && i < index->object_start[object + 1];
         i++)
        r = u32s_push(ret, index->object_rules[i]);
    return r;
}

/* Long lists by a bitmap over all ordinals: linear, where comparing would be the whole cost. */
static void sort_ordinals(struct index *index, struct u32s *list)
{
    size_t n = 0, words = index->n_ordinals / 64 + 1;

    if (list->n <= SORT_BY_INSERTION_MAX) {
        sort_short(list->v, list->n);
        return;
    }
    for (size_t i = 0; i < list->n; i++)
        index->found[list->v[i] / 64] |= (uint64_t)1 << (list->v[i] % 64);
    for (size_t i = 0; i < words; i++) {
        for (uint64_t word = index->found[i]; word != 0; word &= word - 1)
            list->v[n++] = (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(word);
        index->found[i] = 0;
    }
    assert(n == list->n);
}

int index_match(struct index *index, const uint32_t *tags, size_t n, struct u32s *ret)
{
    int r = 0;

    assert(index->tag_start);
    assert(index->seen < UINT32_MAX);
    ret->n = 0;
    index->seen++;
    for (size_t i = 0; i < n; i++)
        index->tag_seen[tags[i]] = index->seen;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t j = index->tag_start[tags[i]]; j < index->tag_start[tags[i] + 1]; j++) {
            const struct index_clause *clause = &index->clauses[index->tag_clauses[j]];

            if (clause_holds(index, clause))
                r = add_object(index, clause->object, ret);
            if (r < 0)
                return r;
        }
    }
    sort_ordinals(index, ret);
    return 0;
}

void index_free(struct index *index)
{
    free(index->ruleset_base);
    intern_free(&index->tags);
    intern_free(&index->objects);
    free(index->clauses);
    u32s_free(&index->clause_tags);
    u32s_free(&index->object_of);
    u32s_free(&index->ordinal_of);
    free(index->tag_peers);
    free(index->tag_start);
    free(index->tag_clauses);
    free(index->object_start);
    free(index->object_rules);
    free(index->tag_seen);
    free(index->object_seen);
    free(index->found);
    *index = (struct index){0};
}
