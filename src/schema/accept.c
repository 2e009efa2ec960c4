/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "model/model.h"
#include "schema/internal.h"

/*
 * An object in three arrays by place of its attributes: what was given, what is stored, and what
 * comes out of both. Attributes of an embedded object have nothing stored.
 */
struct merge {
    struct schema_acceptance *acceptance;
    const struct schema_kind *kind;
    const struct schema_index *index;
    const struct schema_path *path;
    const json_t *given[SCHEMA_ATTRIBUTES_MAX], *stored[SCHEMA_ATTRIBUTES_MAX];
    bool creating, partial;
};

static void report_unknown(struct merge *merge, const char *name)
{
    _cleanup_buf_ struct buf quoted = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);
    struct schema_path here = {.parent = merge->path, .key = name};
    const char *nearest;

    if (schema_problems_full(merge->acceptance->problems))
        return;
    nearest = schema_attribute_nearest(merge->kind, name);
    text_quote(&quoted, name, strlen(name));
    if (nearest)
        schema_report(merge->acceptance->problems, &here,
                      "found unknown attribute %s, did you mean '%s'?", quoted.data, nearest);
    else
        schema_report(merge->acceptance->problems, &here,
                      "found unknown attribute %s, expected one of those of the kind", quoted.data);
}

static bool sort_in(struct merge *merge, const json_t *given, const json_t *stored)
{
    const char *key;
    json_t *item;
    bool ok = true;
    int at;

    json_object_foreach((json_t *)given, key, item)
    {
        at = schema_index_find(merge->index, key);
        if (at >= 0) {
            merge->given[at] = item;
            continue;
        }
        report_unknown(merge, key);
        ok = false;
    }
    json_object_foreach((json_t *)stored, key, item)
    {
        at = schema_index_find(merge->index, key);
        if (at >= 0) /* else a newer Console wrote it */
            merge->stored[at] = item;
    }
    return ok;
}

/* NULL when the writer may set the attribute, else why not. */
static const char *why_fixed(const struct merge *merge, unsigned flags)
{
    enum schema_writer writer = merge->acceptance->writer;

    if (writer == SCHEMA_WRITER_CONSOLE)
        return NULL;
    if (flags & SCHEMA_READ_ONLY)
        return "the attribute is read-only";
    if ((flags & SCHEMA_ENFORCER_WRITES) && writer != SCHEMA_WRITER_ENFORCER)
        return "only Enforcers set it";
    if ((flags & SCHEMA_CREATION_ONLY) && !merge->creating)
        return "it is set at creation only";
    return NULL;
}

/* Never kept: checked for its type at most. */
static bool is_dropped(const struct merge *merge, unsigned flags)
{
    if (flags & SCHEMA_COMPUTED)
        return true;
    return (flags & SCHEMA_ANSWER) == SCHEMA_ANSWER &&
           merge->acceptance->writer != SCHEMA_WRITER_CONSOLE;
}

static bool is_unchanged(const struct schema_attribute *attribute, const json_t *value,
                         const json_t *stored)
{
    if (!stored || json_is_null(stored))
        return schema_is_default(attribute, value);
    return json_equal((json_t *)value, (json_t *)stored);
}

static bool report_fixed(struct merge *merge, const struct schema_path *path, const json_t *value,
                         const char *why)
{
    _cleanup_buf_ struct buf found = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);

    schema_found(&found, value);
    schema_report(merge->acceptance->problems, path, "found %s, expected no change: %s",
                  found.data ? found.data : "another value", why);
    return false;
}

/* What an absent attribute becomes; NULL: its default. */
static const json_t *when_absent(const struct merge *merge, size_t i, const char *fixed)
{
    unsigned flags = merge->index->attributes[i]->flags;

    if (merge->partial || fixed || (flags & (SCHEMA_SECRET | SCHEMA_CREATION_ONLY)))
        return merge->stored[i];
    /* Read-only ones of the Console itself stay until it says otherwise. */
    return (flags & (SCHEMA_READ_ONLY | SCHEMA_ENFORCER_WRITES)) ? merge->stored[i] : NULL;
}

/* New reference in *ret, NULL for the default. False: a problem was added. */
static bool merge_one(struct merge *merge, size_t i, json_t **ret)
{
    const struct schema_attribute *attribute = merge->index->attributes[i];
    const char *fixed = why_fixed(merge, attribute->flags);
    struct schema_path here = {.parent = merge->path, .key = attribute->name};
    const json_t *given = merge->given[i];
    json_t *value;

    *ret = NULL;
    if (json_is_null(given) && !(attribute->flags & SCHEMA_NOT_NULL)) {
        if (merge->partial && !fixed)
            return true;
        given = NULL;
    }
    if (!given) {
        *ret = json_incref((json_t *)when_absent(merge, i, fixed));
        return true;
    }
    value = schema_value_accept(merge->acceptance, attribute, given, &here);
    if (!value)
        return false;
    if (is_dropped(merge, attribute->flags)) {
        json_decref(value);
        return true;
    }
    if (fixed && !is_unchanged(attribute, value, merge->stored[i])) {
        json_decref(value);
        return report_fixed(merge, &here, given, fixed);
    }
    *ret = value;
    return true;
}

/* REQUIRED: there, and not empty; kept even when it equals the default, so that what is stored
 * reads the same everywhere. */
static bool settle_one(struct merge *merge, size_t i, json_t **value)
{
    const struct schema_attribute *attribute = merge->index->attributes[i];
    struct schema_path here = {.parent = merge->path, .key = attribute->name};
    bool missing =
        !*value || ((json_is_string(*value) || json_is_array(*value)) && schema_is_empty(*value));

    if (!(attribute->flags & SCHEMA_REQUIRED)) {
        if (*value && schema_is_default(attribute, *value)) {
            json_decref(*value);
            *value = NULL;
        }
        return true;
    }
    if (!missing || ((attribute->flags & SCHEMA_TRANSIENT) && !merge->creating))
        return true;
    if (json_is_array(*value))
        schema_report(merge->acceptance->problems, &here,
                      "found an empty list, expected at least one value");
    else
        schema_report(merge->acceptance->problems, &here, "found nothing, expected a value");
    return false;
}

static json_t *merge_all(struct merge *merge)
{
    json_t *result = json_object(), *value;
    bool ok = true;

    for (size_t i = 0; result && i < merge->index->n; i++) {
        const char *name = merge->index->attributes[i]->name;

        if (!merge_one(merge, i, &value) || !settle_one(merge, i, &value)) {
            json_decref(value);
            ok = false;
        } else if (value && json_object_set_new_nocheck(result, name, value) < 0) {
            merge->acceptance->no_memory = true;
        }
    }
    merge->acceptance->no_memory |= !result;
    if (ok)
        return result;
    json_decref(result);
    return NULL;
}

json_t *schema_object_accept(struct schema_acceptance *acceptance, const struct schema_kind *kind,
                             const json_t *given, const json_t *stored, bool partial,
                             const struct schema_path *path)
{
    _cleanup_buf_ struct buf found = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);
    struct merge merge = {.acceptance = acceptance,
                          .kind = kind,
                          .index = schema_index_of(kind),
                          .path = path,
                          .creating = !stored,
                          .partial = partial};
    size_t n = acceptance->problems->n;
    json_t *result;
    bool ok;

    if (!json_is_object(given)) {
        schema_found(&found, given);
        schema_report(acceptance->problems, path, "found %s, expected an object", found.data);
        return NULL;
    }
    ok = sort_in(&merge, given, stored);
    result = merge_all(&merge);
    if (ok && result && kind->check) {
        ok = kind->check(result, acceptance->problems);
        schema_problems_prefix(acceptance->problems, n, path);
    }
    if (ok)
        return result;
    json_decref(result);
    return NULL;
}

int schema_accept(const struct schema_kind *kind, enum schema_writer writer, const json_t *given,
                  const json_t *stored, bool partial, struct schema_problems *problems,
                  json_t **ret)
{
    struct schema_acceptance acceptance = {.writer = writer, .problems = problems};
    json_t *result;

    assert(kind);
    assert(given);
    assert(problems);
    assert(ret);

    result = schema_object_accept(&acceptance, kind, given, stored, partial, NULL);
    /* No problem could be added: there was no memory for it. */
    if (!result && problems->n == 0)
        acceptance.no_memory = true;
    if (acceptance.no_memory || !result) {
        json_decref(result);
        return acceptance.no_memory ? -ENOMEM : -BULKHEAD_EINVALID_INPUT;
    }
    *ret = result;
    return 0;
}
