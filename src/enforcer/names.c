/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/names_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#define POOL_BYTES_MAX (1u << 30)

int names_new(struct names **ret)
{
    struct names *names = calloc(1, sizeof(*names));

    if (!names)
        return -ENOMEM;
    *ret = names;
    return 0;
}

void names_pool_unref(struct names_pool **at)
{
    struct names_pool *pool = *at;

    *at = NULL;
    if (!pool || --pool->refs > 0)
        return;
    free(pool->text);
    free(pool->rulesets);
    free(pool->rules);
    free(pool->first);
    free(pool);
}

static void version_clear(struct names_version *version)
{
    names_pool_unref(&version->pool);
    free(version->rules);
    *version = (struct names_version){0};
}

void names_free(struct names **at)
{
    struct names *names = *at;

    if (!names)
        return;
    for (size_t i = 0; i < names->n; i++)
        version_clear(&names->versions[i]);
    free(names->versions);
    free(names);
    *at = NULL;
}

static uint32_t put_text(struct buf *buf, const char *text)
{
    uint32_t at = (uint32_t)buf->len;

    buf_append(buf, text, strlen(text) + 1);
    return at;
}

static void fill_pool(struct names_pool *pool, const struct estate *estate, struct buf *buf)
{
    uint32_t unnamed = put_text(buf, "");
    uint32_t rule = 0;

    for (size_t i = 0; i < estate->n_rulesets; i++) {
        const struct model_ruleset *ruleset = &estate->rulesets[i];

        pool->first[i] = rule;
        pool->rulesets[i].namespace = put_text(buf, ruleset->namespace);
        pool->rulesets[i].name = put_text(buf, ruleset->name);
        for (int direction = 0; direction < 2; direction++)
            for (size_t j = 0; j < ruleset->n_rules[direction]; j++, rule++) {
                const char *name = ruleset->rules[direction][j].name;

                pool->rules[rule].ruleset = (uint32_t)i;
                pool->rules[rule].name = name && *name ? put_text(buf, name) : unnamed;
            }
    }
}

struct names_pool *names_pool_new(size_t n_rulesets, size_t n_rules)
{
    _cleanup_(names_pool_unref) struct names_pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    pool->refs = 1;
    pool->n_rulesets = n_rulesets;
    pool->n_rules = n_rules;
    pool->rulesets = calloc(n_rulesets + 1, sizeof(*pool->rulesets));
    pool->first = calloc(n_rulesets + 1, sizeof(*pool->first));
    pool->rules = calloc(n_rules + 1, sizeof(*pool->rules));
    return pool->rulesets && pool->first && pool->rules ? TAKE_PTR(pool) : NULL;
}

static int pool_of_estate(const struct estate *estate, struct names_pool **ret)
{
    _cleanup_(names_pool_unref) struct names_pool *pool = NULL;
    _cleanup_buf_ struct buf buf = BUF_INIT(POOL_BYTES_MAX);
    size_t n_rules = 0;

    for (size_t i = 0; i < estate->n_rulesets; i++)
        n_rules += estate->rulesets[i].n_rules[0] + estate->rulesets[i].n_rules[1];
    pool = names_pool_new(estate->n_rulesets, n_rules);
    if (!pool)
        return -ENOMEM;
    fill_pool(pool, estate, &buf);
    if (buf.error < 0)
        return buf.error;
    pool->text_len = buf.len;
    pool->text = buf_steal(&buf);
    *ret = TAKE_PTR(pool);
    return 0;
}

static int version_new(struct names_pool *pool, const struct estate *estate,
                       const struct policy *policy, uint32_t number, struct names_version *ret)
{
    uint32_t *rules = calloc(policy->n_rules + 1, sizeof(*rules));

    if (!rules)
        return -ENOMEM;
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        size_t ruleset = (size_t)(rule->ruleset - estate->rulesets);

        assert(ruleset < pool->n_rulesets);
        rules[i] = pool->first[ruleset] + rule->index_in_ruleset;
        if (rule->direction == MODEL_DIRECTION_OUT)
            rules[i] += (uint32_t)rule->ruleset->n_rules[MODEL_DIRECTION_IN];
        assert(rules[i] < pool->n_rules);
    }
    pool->refs++;
    *ret = (struct names_version){.number = number,
                                  .current = true,
                                  .pool = pool,
                                  .rules = rules,
                                  .n_rules = policy->n_rules};
    return 0;
}

/* A pool that several versions share is counted with the first of them only. */
static size_t version_bytes(const struct names *names, size_t i)
{
    const struct names_version *version = &names->versions[i];
    const struct names_pool *pool = version->pool;
    size_t bytes = version->n_rules * sizeof(*version->rules);

    if (i > 0 && names->versions[i - 1].pool == pool)
        return bytes;
    return bytes + pool->text_len + pool->n_rulesets * (sizeof(*pool->rulesets) + 4) +
           pool->n_rules * sizeof(*pool->rules);
}

static void remove_at(struct names *names, size_t i)
{
    version_clear(&names->versions[i]);
    memmove(&names->versions[i], &names->versions[i + 1],
            (names->n - i - 1) * sizeof(*names->versions));
    names->n--;
}

/* The newest of the old ones stay, as far as the limits go. */
static void trim(struct names *names)
{
    size_t kept = 0, bytes = 0;

    for (size_t i = names->n; i-- > 0;) {
        if (names->versions[i].current)
            continue;
        bytes += version_bytes(names, i);
        if (++kept > NAMES_VERSIONS_KEPT || bytes > NAMES_BYTES_MAX) {
            remove_at(names, i);
            kept--;
        }
    }
}

static void remove_number(struct names *names, uint32_t number)
{
    for (size_t i = names->n; i-- > 0;)
        if (names->versions[i].number == number)
            remove_at(names, i);
}

int names_add(struct names *names, const struct estate *estate,
              const struct policy *const *policies, const uint32_t *versions, size_t n)
{
    _cleanup_(names_pool_unref) struct names_pool *pool = NULL;
    struct names_version *grown;
    int r;

    for (size_t i = 0; i < names->n; i++)
        names->versions[i].current = false;
    for (size_t i = 0; i < n; i++)
        remove_number(names, versions[i]);
    trim(names);
    r = pool_of_estate(estate, &pool);
    if (r < 0)
        return r;
    grown = reallocarray(names->versions, names->n + n + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    names->versions = grown;
    for (size_t i = 0; i < n; i++) {
        r = version_new(pool, estate, policies[i], versions[i], &grown[names->n]);
        if (r < 0)
            return r;
        names->n++;
    }
    return 0;
}

bool names_find(const struct names *names, uint32_t version, uint32_t rule, struct names_rule *ret)
{
    for (size_t i = names->n; i-- > 0;) {
        const struct names_version *found = &names->versions[i];
        const struct names_pool *pool = found->pool;
        uint32_t ruleset;

        if (found->number != version)
            continue;
        if (rule >= found->n_rules)
            return false;
        ruleset = pool->rules[found->rules[rule]].ruleset;
        ret->namespace = pool->text + pool->rulesets[ruleset].namespace;
        ret->ruleset = pool->text + pool->rulesets[ruleset].name;
        ret->rule = pool->text + pool->rules[found->rules[rule]].name;
        return true;
    }
    return false;
}

void ruleset_id(const char *namespace, const char *name, char ret[RULESET_ID_TEXT])
{
    _cleanup_buf_ struct buf buf = BUF_INIT(1u << 16);
    uint8_t digest[SHA256_BYTES] = {0};

    buf_printf(&buf, "bulkhead-ruleset-1\n%s\n%s\n", namespace, name);
    if (buf.error == 0)
        hash_sha256(buf.data, buf.len, digest);
    for (size_t i = 0; i < (RULESET_ID_TEXT - 1) / 2; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}
