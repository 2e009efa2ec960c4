/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "schema/filter_internal.h"
#include "schema/schema.h"

/* ---- Values ---- */

/* Three-way comparison of what can be compared; false: it cannot. */
static bool compare_times(const json_t *value, int64_t ms, int *ret)
{
    int64_t own;

    if (!json_is_string(value) || !schema_time_parse(json_string_value(value), &own))
        return false;
    *ret = (own > ms) - (own < ms);
    return true;
}

static bool compare(const json_t *value, const struct filter_node *node, int *ret)
{
    const json_t *wanted = node->value;
    double a, b;
    int64_t ms;

    if (node->is_time)
        return compare_times(value, json_integer_value(wanted), ret);
    if (json_is_integer(value) && json_is_integer(wanted)) {
        *ret = (json_integer_value(value) > json_integer_value(wanted)) -
               (json_integer_value(value) < json_integer_value(wanted));
        return true;
    }
    if (json_is_number(value) && json_is_number(wanted)) {
        a = json_number_value(value);
        b = json_number_value(wanted);
        *ret = (a > b) - (a < b);
        return true;
    }
    if (!json_is_string(value) || !json_is_string(wanted))
        return false;
    if (schema_time_parse(json_string_value(wanted), &ms) && compare_times(value, ms, ret))
        return true;
    *ret = strcmp(json_string_value(value), json_string_value(wanted));
    return true;
}

/* A word without quotes may look like a number or a truth and be meant as text. */
static bool equals_text(const char *value, const json_t *wanted)
{
    char text[32];

    if (json_is_boolean(wanted))
        return strcmp(value, json_is_true(wanted) ? "true" : "false") == 0;
    if (!json_is_integer(wanted))
        return false;
    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(wanted));
    return strcmp(value, text) == 0;
}

static bool equals_scalar(const json_t *value, const json_t *wanted)
{
    if (json_is_string(value))
        return json_is_string(wanted)
                   ? strcmp(json_string_value(value), json_string_value(wanted)) == 0
                   : equals_text(json_string_value(value), wanted);
    if (json_is_number(value) && json_is_number(wanted))
        return json_is_integer(value) && json_is_integer(wanted)
                   ? json_integer_value(value) == json_integer_value(wanted)
                   : json_number_value(value) == json_number_value(wanted);
    return json_is_boolean(value) && json_is_boolean(wanted) &&
           json_is_true(value) == json_is_true(wanted);
}

/* A list is equal to each of its elements; nothing is equal to false. */
static bool equals(const json_t *value, const json_t *wanted)
{
    if (!value || json_is_null(value))
        return json_is_false(wanted);
    if (!json_is_array(value))
        return equals_scalar(value, wanted);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (equals_scalar(json_array_get(value, i), wanted))
            return true;
    return false;
}

static bool is_equal(const json_t *value, const struct filter_node *node)
{
    int order;

    if (node->is_time)
        return value && compare(value, node, &order) && order == 0;
    return equals(value, node->value);
}

static bool is_any_of(const json_t *value, const struct filter_node *node)
{
    for (size_t i = 0; i < json_array_size(node->value); i++)
        if (equals(value, json_array_get(node->value, i)))
            return true;
    return false;
}

static bool fits(const json_t *value, const struct filter_item *item)
{
    if (!json_is_string(value) || json_string_length(value) > FILTER_FIT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < item->n_patterns; i++)
        if (regexec(&item->patterns[i], json_string_value(value), 0, NULL, 0) == 0)
            return true;
    return false;
}

static bool fits_any(const json_t *value, const struct filter_item *item)
{
    if (!json_is_array(value))
        return value && fits(value, item);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (fits(json_array_get(value, i), item))
            return true;
    return false;
}

static bool is_set(const json_t *value)
{
    if (!value || json_is_null(value))
        return false;
    if (json_is_string(value))
        return json_string_length(value) > 0;
    if (json_is_array(value))
        return json_array_size(value) > 0;
    return !json_is_object(value) || json_object_size(value) > 0;
}

static bool is_ordered(const json_t *value, const struct filter_node *node)
{
    int order;

    if (!value || !compare(value, node, &order))
        return false;
    switch (node->op) {
    case FILTER_LESS:
        return order < 0;
    case FILTER_LESS_EQUAL:
        return order <= 0;
    case FILTER_GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool compare_node(const struct filter_node *node, const json_t *value)
{
    switch (node->op) {
    case FILTER_EQUAL:
        return is_equal(value, node);
    case FILTER_NOT_EQUAL:
        return !is_equal(value, node);
    case FILTER_CONTAINS:
    case FILTER_IN:
        return is_any_of(value, node);
    case FILTER_NOT_CONTAINS:
    case FILTER_NOT_IN:
        return !is_any_of(value, node);
    case FILTER_MATCHES:
        return fits_any(value, filter_item_of(node));
    case FILTER_EXISTS:
        return is_set(value);
    case FILTER_NOT_EXISTS:
        return !is_set(value);
    default:
        return is_ordered(value, node);
    }
}

/* At most FILTER_NODES_MAX / 2 deep. */
static bool matches(const struct filter_node *node, filter_get_fn *get, void *context)
{
    json_t *owned = NULL;
    bool result;

    if (node->op == FILTER_AND)
        return matches(node->left, get, context) && matches(node->right, get, context);
    if (node->op == FILTER_OR)
        return matches(node->left, get, context) || matches(node->right, get, context);
    result = compare_node(node, get(context, node->key, &owned));
    json_decref(owned);
    return result;
}

bool filter_matches(const struct filter *filter, filter_get_fn *get, void *context)
{
    assert(filter);
    assert(get);

    return matches(filter->root, get, context);
}

static const json_t *member(void *context, const char *key, json_t **ret_owned)
{
    return json_object_get(context, key);
}

bool filter_matches_json(const struct filter *filter, const json_t *object)
{
    return filter_matches(filter, member, (void *)object);
}

const struct filter_node *filter_root(const struct filter *filter)
{
    assert(filter);

    return filter->root;
}

static bool is_first(const struct filter *filter, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (filter->items[i]->key && strcmp(filter->items[i]->key, filter->items[n]->key) == 0)
            return false;
    return true;
}

bool filter_keys(const struct filter *filter, bool (*visit)(void *context, const char *key),
                 void *context)
{
    assert(filter);
    assert(visit);

    for (size_t i = 0; i < filter->n; i++)
        if (filter->items[i]->key && is_first(filter, i) && !visit(context, filter->items[i]->key))
            return false;
    return true;
}
