/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "model/model.h"
#include "schema/internal.h"

#define NEVER_MS                                                                                   \
    INT64_C(-62135596800000) /* 0001-01-01T00:00:00Z, which some clients send for "unset" */

/* "found X, expected Y". Always NULL. */
static json_t *refuse(struct schema_acceptance *acceptance, const struct schema_path *path,
                      const json_t *value, const char *expected)
{
    _cleanup_buf_ struct buf found = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);

    if (schema_problems_full(acceptance->problems))
        return NULL;
    schema_found(&found, value);
    schema_report(acceptance->problems, path, "found %s, expected %s",
                  found.data ? found.data : "something else", expected);
    return NULL;
}

static json_t *keep(const json_t *value)
{
    return json_incref((json_t *)value);
}

/* ---- Scalars ---- */

static bool check_one(struct schema_acceptance *acceptance,
                      const struct schema_attribute *attribute, const json_t *value,
                      const struct schema_path *path)
{
    _cleanup_buf_ struct buf expected = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);

    if (!attribute->check || attribute->check(value, &expected))
        return true;
    refuse(acceptance, path, value, expected.data ? expected.data : "another value");
    return false;
}

static bool check_length(struct schema_acceptance *acceptance,
                         const struct schema_attribute *attribute, const json_t *value,
                         const struct schema_path *path)
{
    size_t len = json_string_length(value), n = len;
    size_t max = attribute->max_chars ? attribute->max_chars : SCHEMA_STRING_MAX;

    if (len <= max)
        return true;
    if (attribute->max_chars)
        n = text_utf8_count(json_string_value(value), len);
    if (n <= max)
        return true;
    schema_report(acceptance->problems, path, "found %zu %s, expected at most %zu", n,
                  attribute->max_chars ? "characters" : "bytes", max);
    return false;
}

static json_t *accept_string(struct schema_acceptance *acceptance,
                             const struct schema_attribute *attribute, const json_t *value,
                             const struct schema_path *path)
{
    if (!json_is_string(value))
        return refuse(acceptance, path, value, "a string");
    if (strlen(json_string_value(value)) != json_string_length(value))
        return refuse(acceptance, path, value, "text without NUL characters");
    if (!check_length(acceptance, attribute, value, path))
        return NULL;
    /* Empty means unset, as far as that may be. */
    if (json_string_length(value) > 0 && !check_one(acceptance, attribute, value, path))
        return NULL;
    return keep(value);
}

static json_t *accept_element(struct schema_acceptance *acceptance,
                              const struct schema_attribute *attribute, const json_t *value,
                              const struct schema_path *path)
{
    if (json_is_string(value) && json_string_length(value) == 0 && attribute->check)
        return check_one(acceptance, attribute, value, path) ? keep(value) : NULL;
    return accept_string(acceptance, attribute, value, path);
}

static json_t *accept_enum(struct schema_acceptance *acceptance,
                           const struct schema_attribute *attribute, const json_t *value,
                           const struct schema_path *path)
{
    _cleanup_buf_ struct buf words = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);
    const char *text = json_string_value(value);

    for (size_t i = 0; text && attribute->choices[i]; i++)
        if (strcmp(text, attribute->choices[i]) == 0)
            return keep(value);
    if (text && !*text && !attribute->fallback)
        return keep(value);
    for (size_t i = 0; attribute->choices[i]; i++)
        buf_printf(&words, "%s%s",
                   i == 0                      ? ""
                   : attribute->choices[i + 1] ? ", "
                                               : " or ",
                   attribute->choices[i]);
    return refuse(acceptance, path, value, words.data ? words.data : "another word");
}

static json_t *accept_integer(struct schema_acceptance *acceptance,
                              const struct schema_attribute *attribute, const json_t *value,
                              const struct schema_path *path)
{
    int64_t number = json_integer_value(value);
    char range[96];

    if (!json_is_integer(value))
        return refuse(acceptance, path, value, "an integer");
    if ((attribute->minimum || attribute->maximum) &&
        (number < attribute->minimum || number > attribute->maximum)) {
        snprintf(range, sizeof(range), "an integer of %lld to %lld", (long long)attribute->minimum,
                 (long long)attribute->maximum);
        return refuse(acceptance, path, value, range);
    }
    return keep(value);
}

static json_t *accept_time(struct schema_acceptance *acceptance, const json_t *value,
                           const struct schema_path *path)
{
    const char *text = json_string_value(value);
    char formatted[SCHEMA_TIME_LEN + 1];
    json_t *time;
    int64_t ms;

    if (text && !*text)
        return json_null();
    if (!text || strlen(text) != json_string_length(value) || !schema_time_parse(text, &ms) ||
        !schema_time_format(ms, formatted))
        return refuse(acceptance, path, value, "a time like 2026-01-31T12:00:00Z (RFC 3339)");
    if (ms == NEVER_MS)
        return json_null();
    if (strcmp(formatted, text) == 0)
        return keep(value);
    time = json_stringn_nocheck(formatted, SCHEMA_TIME_LEN);
    acceptance->no_memory |= !time;
    return time;
}

static json_t *accept_duration(struct schema_acceptance *acceptance,
                               const struct schema_attribute *attribute, const json_t *value,
                               const struct schema_path *path)
{
    const char *text = json_string_value(value);
    int64_t ms;

    if (!text || strlen(text) != json_string_length(value) ||
        (*text && !schema_duration_parse(text, false, &ms)))
        return refuse(acceptance, path, value, "a duration like 30s, 15m, 24h or 1h30m");
    return check_one(acceptance, attribute, value, path) ? keep(value) : NULL;
}

/* ---- Lists and maps ---- */

static bool check_count(struct schema_acceptance *acceptance,
                        const struct schema_attribute *attribute, size_t n,
                        const struct schema_path *path)
{
    size_t max = attribute->max_items ? attribute->max_items : SCHEMA_LIST_MAX;

    if (n <= max)
        return true;
    schema_report(acceptance->problems, path, "found %zu values, expected at most %zu", n, max);
    return false;
}

static bool check_whole(struct schema_acceptance *acceptance,
                        const struct schema_attribute *attribute, const json_t *value,
                        const struct schema_path *path)
{
    size_t n = acceptance->problems->n;
    bool ok = !attribute->whole || attribute->whole(value, acceptance->problems);

    schema_problems_prefix(acceptance->problems, n, path);
    return ok;
}

static json_t *accept_strings(struct schema_acceptance *acceptance,
                              const struct schema_attribute *attribute, const json_t *value,
                              const struct schema_path *path)
{
    bool ok = true;

    if (!json_is_array(value))
        return refuse(acceptance, path, value, "a list of strings");
    if (!check_count(acceptance, attribute, json_array_size(value), path))
        return NULL;
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct schema_path here = {.parent = path, .index = i};
        json_t *element = accept_element(acceptance, attribute, json_array_get(value, i), &here);

        ok &= element != NULL;
        json_decref(element);
    }
    return ok && check_whole(acceptance, attribute, value, path) ? keep(value) : NULL;
}

static bool check_clause(struct schema_acceptance *acceptance, const json_t *clause,
                         const struct schema_path *path)
{
    static const struct schema_attribute tag = {
        .type = SCHEMA_STRINGS,
        .max_items = MODEL_TAGS_PER_SET_MAX,
        .check = schema_check_tag,
        .whole = schema_whole_unique,
    };
    json_t *accepted;

    if (!json_is_array(clause) || json_array_size(clause) == 0) {
        refuse(acceptance, path, clause, "a list of at least one tag");
        return false;
    }
    accepted = accept_strings(acceptance, &tag, clause, path);
    json_decref(accepted);
    return accepted != NULL;
}

/* No clause may be empty anywhere: it would match everything. */
static json_t *accept_expression(struct schema_acceptance *acceptance,
                                 const struct schema_attribute *attribute, const json_t *value,
                                 const struct schema_path *path)
{
    bool ok = true;

    if (!json_is_array(value))
        return refuse(acceptance, path, value, "a list of lists of tags");
    if (json_array_size(value) > MODEL_CLAUSES_MAX) {
        schema_report(acceptance->problems, path, "found %zu clauses, expected at most %d",
                      json_array_size(value), MODEL_CLAUSES_MAX);
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct schema_path here = {.parent = path, .index = i};

        ok &= check_clause(acceptance, json_array_get(value, i), &here);
    }
    return ok && check_whole(acceptance, attribute, value, path) ? keep(value) : NULL;
}

static json_t *accept_map(struct schema_acceptance *acceptance,
                          const struct schema_attribute *attribute, const json_t *value,
                          const struct schema_path *path)
{
    const struct schema_attribute inner = {.check = attribute->check,
                                           .max_chars = attribute->max_chars};
    const char *key;
    json_t *item;
    bool ok = true;

    if (!json_is_object(value))
        return refuse(acceptance, path, value,
                      attribute->type == SCHEMA_STRING_MAP ? "an object of strings"
                                                           : "an object of lists of strings");
    if (!check_count(acceptance, attribute, json_object_size(value), path))
        return NULL;
    json_object_foreach((json_t *)value, key, item)
    {
        struct schema_path here = {.parent = path, .key = key};
        json_t *accepted = attribute->type == SCHEMA_STRING_MAP
                               ? accept_string(acceptance, &inner, item, &here)
                               : accept_strings(acceptance, &inner, item, &here);

        ok &= accepted != NULL;
        json_decref(accepted);
    }
    return ok && check_whole(acceptance, attribute, value, path) ? keep(value) : NULL;
}

static json_t *accept_objects(struct schema_acceptance *acceptance,
                              const struct schema_attribute *attribute, const json_t *value,
                              const struct schema_path *path)
{
    json_t *list;
    bool ok = true;

    if (!json_is_array(value))
        return refuse(acceptance, path, value, "a list of objects");
    if (!check_count(acceptance, attribute, json_array_size(value), path))
        return NULL;
    list = json_array();
    for (size_t i = 0; list && i < json_array_size(value); i++) {
        struct schema_path here = {.parent = path, .index = i};
        json_t *item = schema_object_accept(acceptance, attribute->embedded,
                                            json_array_get(value, i), NULL, false, &here);

        ok &= item != NULL;
        if (item && json_array_append_new(list, item) < 0)
            acceptance->no_memory = true;
    }
    acceptance->no_memory |= !list;
    if (ok && list && check_whole(acceptance, attribute, list, path))
        return list;
    json_decref(list);
    return NULL;
}

/* ---- Anything ---- */

/* At most `left` lists and objects in each other, no NUL in a text. */
static bool is_bounded(const json_t *value, unsigned left)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_string(value))
        return strlen(json_string_value(value)) == json_string_length(value);
    if (!json_is_array(value) && !json_is_object(value))
        return true;
    if (left == 0)
        return false;
    json_array_foreach((json_t *)value, i, item) if (!is_bounded(item, left - 1)) return false;
    json_object_foreach((json_t *)value, key, item) if (!is_bounded(item, left - 1)) return false;
    return true;
}

static json_t *accept_free(struct schema_acceptance *acceptance,
                           const struct schema_attribute *attribute, const json_t *value,
                           const struct schema_path *path)
{
    if (!is_bounded(value, SCHEMA_DEPTH_MAX)) {
        schema_report(acceptance->problems, path,
                      "found more than %d lists and objects in each other, or text with NUL, "
                      "expected less",
                      SCHEMA_DEPTH_MAX);
        return NULL;
    }
    if (!check_one(acceptance, attribute, value, path) ||
        !check_whole(acceptance, attribute, value, path))
        return NULL;
    return keep(value);
}

json_t *schema_value_accept(struct schema_acceptance *acceptance,
                            const struct schema_attribute *attribute, const json_t *value,
                            const struct schema_path *path)
{
    switch (attribute->type) {
    case SCHEMA_STRING:
        return accept_string(acceptance, attribute, value, path);
    case SCHEMA_BOOL:
        return json_is_boolean(value) ? keep(value)
                                      : refuse(acceptance, path, value, "true or false");
    case SCHEMA_INTEGER:
        return accept_integer(acceptance, attribute, value, path);
    case SCHEMA_FLOAT:
        return json_is_number(value) ? keep(value) : refuse(acceptance, path, value, "a number");
    case SCHEMA_TIME:
        return accept_time(acceptance, value, path);
    case SCHEMA_DURATION:
        return accept_duration(acceptance, attribute, value, path);
    case SCHEMA_ENUM:
        return accept_enum(acceptance, attribute, value, path);
    case SCHEMA_STRINGS:
        return accept_strings(acceptance, attribute, value, path);
    case SCHEMA_TAG_EXPR:
        return accept_expression(acceptance, attribute, value, path);
    case SCHEMA_STRING_MAP:
    case SCHEMA_STRINGS_MAP:
        return accept_map(acceptance, attribute, value, path);
    case SCHEMA_OBJECT:
        return schema_object_accept(acceptance, attribute->embedded, value, NULL, false, path);
    case SCHEMA_OBJECTS:
        return accept_objects(acceptance, attribute, value, path);
    default:
        return accept_free(acceptance, attribute, value, path);
    }
}
