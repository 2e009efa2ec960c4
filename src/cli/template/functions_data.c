/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of templates that compare, choose, count and build. */
#include <string.h>

#include "cli/template/internal.h"

#define ARGUMENTS struct run *run, json_t *const *arguments, size_t n
#define UNTIL_MAX 100000

/* ---- Choosing ----------------------------------------------------------------------------- */

static json_t *f_default(ARGUMENTS)
{
    return json_incref(n > 1 && value_is_true(arguments[1]) ? arguments[1] : arguments[0]);
}

static json_t *f_coalesce(ARGUMENTS)
{
    for (size_t i = 0; i < n; i++)
        if (value_is_true(arguments[i]))
            return json_incref(arguments[i]);
    return json_null();
}

static json_t *f_ternary(ARGUMENTS)
{
    return json_incref(arguments[value_is_true(arguments[2]) ? 0 : 1]);
}

static json_t *f_required(ARGUMENTS)
{
    if (!json_is_null(arguments[1]) &&
        !(json_is_string(arguments[1]) && json_string_length(arguments[1]) == 0))
        return json_incref(arguments[1]);
    return run_fail(run, "%.400s",
                    json_is_string(arguments[0]) ? json_string_value(arguments[0])
                                                 : "a value is missing");
}

static json_t *f_fail(ARGUMENTS)
{
    return run_fail(run, "%.400s",
                    json_is_string(arguments[0]) ? json_string_value(arguments[0]) : "fail");
}

static json_t *f_empty(ARGUMENTS)
{
    return json_boolean(!value_is_true(arguments[0]));
}

static json_t *f_and(ARGUMENTS)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (!value_is_true(arguments[i]))
            return json_incref(arguments[i]);
    return json_incref(arguments[n - 1]);
}

static json_t *f_or(ARGUMENTS)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (value_is_true(arguments[i]))
            return json_incref(arguments[i]);
    return json_incref(arguments[n - 1]);
}

/* ---- Comparing ---------------------------------------------------------------------------- */

/* -1, 0, 1; the error is set when the two cannot be compared. */
static int compare(struct run *run, const json_t *a, const json_t *b)
{
    if (json_is_string(a) && json_is_string(b)) {
        int order = strcmp(json_string_value(a), json_string_value(b));

        return (order > 0) - (order < 0);
    }
    if (json_is_integer(a) && json_is_integer(b))
        return (json_integer_value(a) > json_integer_value(b)) -
               (json_integer_value(a) < json_integer_value(b));
    if (json_is_number(a) && json_is_number(b))
        return (json_number_value(a) > json_number_value(b)) -
               (json_number_value(a) < json_number_value(b));
    run_fail(run, "expected two numbers or two texts to compare");
    return 0;
}

static json_t *f_eq(ARGUMENTS)
{
    for (size_t i = 1; i < n; i++)
        if (json_equal(arguments[0], arguments[i]))
            return json_true();
    return json_false();
}

static json_t *f_ne(ARGUMENTS)
{
    return json_boolean(!json_equal(arguments[0], arguments[1]));
}

static json_t *f_lt(ARGUMENTS)
{
    int order = compare(run, arguments[0], arguments[1]);

    return run->error ? NULL : json_boolean(order < 0);
}

static json_t *f_le(ARGUMENTS)
{
    int order = compare(run, arguments[0], arguments[1]);

    return run->error ? NULL : json_boolean(order <= 0);
}

static json_t *f_gt(ARGUMENTS)
{
    int order = compare(run, arguments[0], arguments[1]);

    return run->error ? NULL : json_boolean(order > 0);
}

static json_t *f_ge(ARGUMENTS)
{
    int order = compare(run, arguments[0], arguments[1]);

    return run->error ? NULL : json_boolean(order >= 0);
}

/* ---- Counting ----------------------------------------------------------------------------- */

static json_t *count(ARGUMENTS, bool subtract)
{
    json_int_t sum = json_integer_value(arguments[0]);

    for (size_t i = 0; i < n; i++) {
        json_int_t value = json_integer_value(arguments[i]);
        bool wrong = i > 0 && (subtract ? __builtin_sub_overflow(sum, value, &sum)
                                        : __builtin_add_overflow(sum, value, &sum));

        if (!json_is_integer(arguments[i]) || wrong)
            return run_fail(run, "expected whole numbers that are not too large");
    }
    return json_integer(sum);
}

static json_t *f_add(ARGUMENTS)
{
    return count(run, arguments, n, false);
}

static json_t *f_sub(ARGUMENTS)
{
    return count(run, arguments, n, true);
}

static json_t *f_int(ARGUMENTS)
{
    const char *text = json_string_value(arguments[0]);
    char *end = NULL;

    if (json_is_integer(arguments[0]))
        return json_incref(arguments[0]);
    if (text && *text) {
        long long value = strtoll(text, &end, 10);

        if (*end == '\0')
            return json_integer(value);
    }
    return run_fail(run, "int: expected a whole number");
}

static json_t *f_until(ARGUMENTS)
{
    json_int_t end = json_integer_value(arguments[0]);
    json_t *list;

    if (!json_is_integer(arguments[0]) || end < 0 || end > UNTIL_MAX)
        return run_fail(run, "until: expected a number of 0..%d", UNTIL_MAX);
    list = run_charge(run, (size_t)end * 64) ? json_array() : NULL;
    for (json_int_t i = 0; list && i < end; i++)
        json_array_append_new(list, json_integer(i));
    return list;
}

static json_t *f_len(ARGUMENTS)
{
    switch (json_typeof(arguments[0])) {
    case JSON_STRING:
        return json_integer((json_int_t)json_string_length(arguments[0]));
    case JSON_ARRAY:
        return json_integer((json_int_t)json_array_size(arguments[0]));
    case JSON_OBJECT:
        return json_integer((json_int_t)json_object_size(arguments[0]));
    default:
        return run_fail(run, "len: expected a text, a list or a map");
    }
}

/* ---- Lists and maps ----------------------------------------------------------------------- */

static json_t *or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

static json_t *f_index(ARGUMENTS)
{
    json_t *value = arguments[0];

    for (size_t i = 1; i < n; i++) {
        if (json_is_object(value) && json_is_string(arguments[i]))
            value = json_object_get(value, json_string_value(arguments[i]));
        else if (json_is_array(value) && json_is_integer(arguments[i]))
            value = json_array_get(value, (size_t)json_integer_value(arguments[i]));
        else
            return run_fail(run, "index: expected a list and a number, or a map and a key");
    }
    return or_null(value);
}

/* Values may share parts, so that a few steps make a tree that has no end when it is written out:
 * count what it is, written out. False: too large or too deep. */
static bool weigh(const json_t *value, unsigned depth, size_t *left)
{
    size_t weight = 1 + json_string_length(value), i;
    const char *key;
    json_t *item;

    if (depth == 0 || weight > *left)
        return false;
    *left -= weight;
    json_array_foreach(value, i, item) if (!weigh(item, depth - 1, left)) return false;
    json_object_foreach((json_t *)value, key, item) if (!weigh(item, depth - 1, left)) return false;
    return true;
}

static json_t *checked(struct run *run, json_t *value)
{
    size_t left = TEMPLATE_STRING_MAX / 16;

    if (!value)
        return NULL;
    if (!weigh(value, TEMPLATE_DEPTH_MAX, &left))
        run_fail(run, "a list or map is too large, or deeper than %d", TEMPLATE_DEPTH_MAX);
    if (run_charge(run, (TEMPLATE_STRING_MAX / 16 - left) * 64))
        return value;
    json_decref(value);
    return NULL;
}

static json_t *f_list(ARGUMENTS)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < n; i++)
        json_array_append(list, arguments[i]);
    return checked(run, list);
}

static json_t *f_dict(ARGUMENTS)
{
    json_t *map = json_object();

    for (size_t i = 0; map && i < n; i += 2) {
        if (i + 1 == n || !json_is_string(arguments[i])) {
            json_decref(map);
            return run_fail(run, "dict: expected pairs of a text and a value");
        }
        json_object_set(map, json_string_value(arguments[i]), arguments[i + 1]);
    }
    return checked(run, map);
}

static json_t *f_has_key(ARGUMENTS)
{
    if (!json_is_object(arguments[0]) || !json_is_string(arguments[1]))
        return run_fail(run, "hasKey: expected a map and a key");
    return json_boolean(json_object_get(arguments[0], json_string_value(arguments[1])));
}

static json_t *f_get(ARGUMENTS)
{
    if (!json_is_object(arguments[0]) || !json_is_string(arguments[1]))
        return run_fail(run, "get: expected a map and a key");
    return or_null(json_object_get(arguments[0], json_string_value(arguments[1])));
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* In order. */
static json_t *f_keys(ARGUMENTS)
{
    size_t size = json_object_size(arguments[0]), i = 0;
    _cleanup_free_
    json_t **keys = calloc(size + 1, sizeof(*keys));
    json_t *list = json_array(), *value;
    const char *key;

    if (!json_is_object(arguments[0]) || !keys || !list) {
        json_decref(list);
        return run_fail(run, "keys: expected a map");
    }
    json_object_foreach(arguments[0], key, value) keys[i++] = json_string(key);
    qsort(keys, size, sizeof(*keys), compare_strings);
    for (i = 0; i < size; i++)
        json_array_append_new(list, keys[i]);
    return list;
}

static json_t *f_has(ARGUMENTS)
{
    json_t *item;
    size_t i;

    if (!json_is_array(arguments[1]))
        return run_fail(run, "has: expected a value and a list");
    json_array_foreach(arguments[1], i, item)
    {
        if (json_equal(item, arguments[0]))
            return json_true();
    }
    return json_false();
}

static json_t *f_first(ARGUMENTS)
{
    if (!json_is_array(arguments[0]))
        return run_fail(run, "first: expected a list");
    return or_null(json_array_get(arguments[0], 0));
}

static json_t *f_last(ARGUMENTS)
{
    size_t size = json_array_size(arguments[0]);

    if (!json_is_array(arguments[0]))
        return run_fail(run, "last: expected a list");
    return or_null(size ? json_array_get(arguments[0], size - 1) : NULL);
}

/* `not` of Go. */
static json_t *f_not(ARGUMENTS)
{
    return json_boolean(!value_is_true(arguments[0]));
}

#define MANY TEMPLATE_ARGUMENTS_MAX
const struct template_function template_functions_data[] = {
    {"default", 1, 2, f_default}, {"coalesce", 1, MANY, f_coalesce},
    {"ternary", 3, 3, f_ternary}, {"required", 2, 2, f_required},
    {"fail", 1, 1, f_fail},       {"empty", 1, 1, f_empty},
    {"and", 1, MANY, f_and},      {"or", 1, MANY, f_or},
    {"not", 1, 1, f_not},         {"eq", 2, MANY, f_eq},
    {"ne", 2, 2, f_ne},           {"lt", 2, 2, f_lt},
    {"le", 2, 2, f_le},           {"gt", 2, 2, f_gt},
    {"ge", 2, 2, f_ge},           {"add", 1, MANY, f_add},
    {"sub", 2, 2, f_sub},         {"int", 1, 1, f_int},
    {"until", 1, 1, f_until},     {"len", 1, 1, f_len},
    {"index", 1, MANY, f_index},  {"list", 0, MANY, f_list},
    {"dict", 0, MANY, f_dict},    {"hasKey", 2, 2, f_has_key},
    {"get", 2, 2, f_get},         {"keys", 1, 1, f_keys},
    {"has", 2, 2, f_has},         {"first", 1, 1, f_first},
    {"last", 1, 1, f_last},       {0},
};
