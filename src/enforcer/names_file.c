/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names over a restart: flows that were admitted by a policy version of an earlier run carry its
 * number. JSON; each pool of names once, each version with its rules as numbers in the pool.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "enforcer/names_internal.h"

#define FILE_NAME "rule-names.json"
#define FILE_BYTES_MAX (64u << 20)
#define FILE_ENTRIES_MAX (1u << 20) /* rules and names, of all versions together */
#define FILE_VERSIONS_MAX 65536     /* processing units that differ, and the versions kept */
#define DUMP_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII)

static void json_unref(json_t **json)
{
    json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_unref)

static char *path_in(const char *state)
{
    char *path;

    return asprintf(&path, "%s/%s", state, FILE_NAME) < 0 ? NULL : path;
}

static json_t *text_json(const struct names_pool *pool, uint32_t at)
{
    json_t *json = json_string(pool->text + at);

    return json ? json : json_string("");
}

static json_t *pool_json(const struct names_pool *pool)
{
    json_t *rulesets = json_array(), *rules = json_array();

    for (size_t i = 0; i < pool->n_rulesets; i++)
        json_array_append_new(rulesets,
                              json_pack("[o, o]", text_json(pool, pool->rulesets[i].namespace),
                                        text_json(pool, pool->rulesets[i].name)));
    for (size_t i = 0; i < pool->n_rules; i++)
        json_array_append_new(rules, json_pack("[I, o]", (json_int_t)pool->rules[i].ruleset,
                                               text_json(pool, pool->rules[i].name)));
    return json_pack("{s:o, s:o}", "rulesets", rulesets, "rules", rules);
}

static json_t *version_json(const struct names_version *version, size_t pool)
{
    json_t *rules = json_array();

    for (size_t i = 0; i < version->n_rules; i++)
        json_array_append_new(rules, json_integer(version->rules[i]));
    return json_pack("{s:I, s:I, s:o}", "number", (json_int_t)version->number, "pool",
                     (json_int_t)pool, "rules", rules);
}

static int append(const char *data, size_t len, void *context)
{
    struct buf *buf = context;

    buf_append(buf, data, len);
    return buf->error < 0 ? -1 : 0;
}

/* The newest versions, as many as the file may have. @return index of the first */
static size_t first_saved(const struct names *names)
{
    size_t left = FILE_ENTRIES_MAX, i;

    for (i = names->n; i > 0; i--) {
        const struct names_version *version = &names->versions[i - 1];
        size_t entries = version->n_rules + 1;

        if (i == names->n || version->pool != names->versions[i].pool)
            entries += version->pool->n_rules + version->pool->n_rulesets;
        if (entries > left)
            break;
        left -= entries;
    }
    return i;
}

int names_save(const struct names *names, const char *state)
{
    size_t first = first_saved(names);
    _cleanup_buf_ struct buf buf = BUF_INIT(FILE_BYTES_MAX);
    _cleanup_json_ json_t *json = NULL;
    json_t *pools = json_array(), *versions = json_array();
    _cleanup_free_
    char *path = path_in(state);

    for (size_t i = first; i < names->n; i++) { /* versions of one pool are neighbours */
        if (i == first || names->versions[i].pool != names->versions[i - 1].pool)
            json_array_append_new(pools, pool_json(names->versions[i].pool));
        json_array_append_new(versions,
                              version_json(&names->versions[i], json_array_size(pools) - 1));
    }
    json = json_pack("{s:o, s:o}", "pools", pools, "versions", versions);
    if (!json || !path)
        return -ENOMEM;
    if (json_dump_callback(json, append, &buf, DUMP_FLAGS) < 0)
        return buf.error < 0 ? buf.error : -ENOMEM;
    return file_write_atomic(path, buf.data, buf.len, 0600);
}

/* ---- Load: the file is ours, but nothing in it is believed ----------------------------------- */

static uint32_t number_of(const json_t *json)
{
    json_int_t number = json_is_integer(json) ? json_integer_value(json) : -1;

    return number < 0 || number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

static bool put_text(struct buf *buf, const json_t *json, uint32_t *ret)
{
    const char *text = json_string_value(json);

    if (!text)
        return false;
    *ret = (uint32_t)buf->len;
    buf_append(buf, text, strlen(text) + 1);
    return buf->error == 0;
}

static bool fill_pool(const json_t *rulesets, const json_t *rules, struct names_pool *pool,
                      struct buf *buf)
{
    for (size_t i = 0; i < pool->n_rulesets; i++) {
        const json_t *one = json_array_get(rulesets, i);

        if (!put_text(buf, json_array_get(one, 0), &pool->rulesets[i].namespace) ||
            !put_text(buf, json_array_get(one, 1), &pool->rulesets[i].name))
            return false;
    }
    for (size_t i = 0; i < pool->n_rules; i++) {
        const json_t *one = json_array_get(rules, i);

        pool->rules[i].ruleset = number_of(json_array_get(one, 0));
        if (pool->rules[i].ruleset >= pool->n_rulesets ||
            !put_text(buf, json_array_get(one, 1), &pool->rules[i].name))
            return false;
    }
    return true;
}

static struct names_pool *pool_read(const json_t *json)
{
    _cleanup_(names_pool_unref) struct names_pool *pool = NULL;
    _cleanup_buf_ struct buf buf = BUF_INIT(FILE_BYTES_MAX);
    const json_t *rulesets = json_object_get(json, "rulesets");
    const json_t *rules = json_object_get(json, "rules");

    pool = names_pool_new(json_array_size(rulesets), json_array_size(rules));
    buf_append(&buf, "", 1);
    if (!pool || !fill_pool(rulesets, rules, pool, &buf) || buf.error < 0)
        return NULL;
    pool->text_len = buf.len;
    pool->text = buf_steal(&buf);
    return TAKE_PTR(pool);
}

static bool version_read(const json_t *json, struct names_pool *pool, struct names_version *ret)
{
    const json_t *rules = json_object_get(json, "rules");
    size_t n = json_array_size(rules);
    _cleanup_free_
    uint32_t *numbers = calloc(n + 1, sizeof(*numbers));

    for (size_t i = 0; numbers && i < n; i++) {
        numbers[i] = number_of(json_array_get(rules, i));
        if (numbers[i] >= pool->n_rules)
            return false;
    }
    if (!numbers)
        return false;
    pool->refs++;
    *ret = (struct names_version){.number = number_of(json_object_get(json, "number")),
                                  .pool = pool,
                                  .rules = TAKE_PTR(numbers),
                                  .n_rules = n};
    return true;
}

/* Whatever of it is whole; versions of one pool are neighbours here as well. */
static int take_over(struct names *names, const json_t *json)
{
    const json_t *pools = json_object_get(json, "pools");
    const json_t *versions = json_object_get(json, "versions");
    size_t n = MIN(json_array_size(versions), (size_t)FILE_VERSIONS_MAX);
    _cleanup_(names_pool_unref) struct names_pool *pool = NULL;
    uint32_t last = UINT32_MAX;

    names->versions = calloc(n + 1, sizeof(*names->versions));
    if (!names->versions)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const json_t *version = json_array_get(versions, i);
        uint32_t which = number_of(json_object_get(version, "pool"));

        if (which != last || !pool) {
            names_pool_unref(&pool);
            pool = pool_read(json_array_get(pools, which));
            last = which;
        }
        if (!pool || !version_read(version, pool, &names->versions[names->n]))
            return -EBADMSG;
        names->n++;
    }
    return 0;
}

int names_load(struct names *names, const char *state)
{
    _cleanup_json_ json_t *json = NULL;
    _cleanup_free_
    char *path = path_in(state), *text = NULL;
    size_t len;
    int r;

    if (names->n) /* enforcement was off for a while: still known */
        return 0;
    if (!path)
        return -ENOMEM;
    r = file_read(path, FILE_BYTES_MAX, &text, &len);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    json = json_loadb(text, len, 0, NULL);
    if (!json)
        return -EBADMSG;
    free(names->versions);
    return take_over(names, json);
}

int names_forget(const char *state)
{
    _cleanup_free_
    char *path = path_in(state);

    if (!path)
        return -ENOMEM;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
