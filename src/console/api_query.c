/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "console/api_internal.h"

#define KEYS_MAX 64
#define NUMBER_DIGITS_MAX 18
#define FILTER_PROBLEM_MAX 512

static enum schema_verb verb_bit(enum auth_verb verb)
{
    static const enum schema_verb bits[] = {
        [AUTH_LIST] = SCHEMA_LIST,     [AUTH_GET] = SCHEMA_GET,      [AUTH_CREATE] = SCHEMA_CREATE,
        [AUTH_UPDATE] = SCHEMA_UPDATE, [AUTH_PATCH] = SCHEMA_UPDATE, [AUTH_DELETE] = SCHEMA_DELETE,
    };

    return bits[verb];
}

static int refuse(struct api_error *error, const char *key, const char *format, ...) _printf_(3, 4);

static int refuse(struct api_error *error, const char *key, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    api_error_set(error, 400, "Bad request", "%s", text);
    text_format(error->attribute, sizeof(error->attribute), "%s", key);
    return -EINVAL;
}

/* ---- Names -------------------------------------------------------------------------------- */

static int refuse_unknown(struct api_error *error, const char *key, const char *what,
                          const char *name, const char *nearest)
{
    return refuse(error, key, "%s '%.60s'%s%s%s", what, name, nearest ? "; did you mean '" : "",
                  nearest ? nearest : "", nearest ? "'?" : "");
}

struct keys {
    const struct schema_query_key *all[KEYS_MAX];
    size_t n;
};

static void add_keys(struct keys *keys, const struct schema_query_key *more, size_t n,
                     unsigned verb)
{
    for (size_t i = 0; i < n && keys->n < KEYS_MAX; i++)
        if (!more[i].verbs || (more[i].verbs & verb))
            keys->all[keys->n++] = &more[i];
}

/* Every parameter that the verb takes at this address. */
static void keys_of(const struct api_route *route, enum auth_verb verb, struct keys *ret)
{
    const struct schema_query_key *common;
    size_t n;

    *ret = (struct keys){.n = 0};
    if (route->sub_route)
        add_keys(ret, route->sub_route->keys, route->sub_route->n_keys, verb_bit(verb));
    else
        add_keys(ret, route->kind->keys, route->kind->n_keys, verb_bit(verb));
    common = schema_verb_keys(verb_bit(verb), &n);
    add_keys(ret, common, n, verb_bit(verb));
}

/* NULL: refused. */
static const struct schema_query_key *find_key(const struct http_parameter *parameter,
                                               const struct keys *keys, struct api_error *error)
{
    const char *known[KEYS_MAX];

    for (size_t i = 0; i < keys->n; i++) {
        known[i] = keys->all[i]->name;
        if (strcmp(known[i], parameter->name) == 0)
            return keys->all[i];
    }
    refuse_unknown(error, parameter->name, "unknown parameter", parameter->name,
                   nearest_word(parameter->name, known, keys->n));
    return NULL;
}

static int check_choice(const struct http_parameter *parameter, const struct schema_query_key *key,
                        struct api_error *error)
{
    char choices[256];
    size_t len = 0;

    for (const char *const *choice = key->choices; *choice && len < sizeof(choices); choice++) {
        if (strcmp(*choice, parameter->value) == 0)
            return 0;
        len += (size_t)snprintf(choices + len, sizeof(choices) - len, "%s%s", len ? ", " : "",
                                *choice);
    }
    return refuse(error, parameter->name, "found '%.60s', expected one of %s", parameter->value,
                  choices);
}

static bool is_number(const char *text, bool fraction)
{
    size_t len = strspn(text, "0123456789");

    if (fraction && len > 0 && text[len] == '.')
        len += 1 + strspn(text + len + 1, "0123456789");
    return len > 0 && len <= NUMBER_DIGITS_MAX && !text[len];
}

static int check_value(const struct http_parameter *parameter, const struct schema_query_key *key,
                       struct api_error *error)
{
    int64_t ms;

    if (key->choices)
        return check_choice(parameter, key, error);
    if ((key->type == SCHEMA_INTEGER || key->type == SCHEMA_FLOAT) &&
        !is_number(parameter->value, key->type == SCHEMA_FLOAT))
        return refuse(error, parameter->name, "found '%.60s', expected a number", parameter->value);
    if (key->type == SCHEMA_TIME && !schema_time_parse(parameter->value, &ms))
        return refuse(error, parameter->name, "found '%.60s', expected a time (RFC 3339)",
                      parameter->value);
    return 0;
}

/* Of a filter, of `order` and of X-Fields. */
static int check_attribute(const struct schema_kind *kind, const char *key, const char *name,
                           struct api_error *error)
{
    char what[128];

    if (strcmp(name, "namespace") == 0 || schema_attribute_find(kind, name))
        return 0;
    snprintf(what, sizeof(what), "%s has no attribute", kind->name);
    return refuse_unknown(error, key, what, name, schema_attribute_nearest(kind, name));
}

/* ---- Values ------------------------------------------------------------------------------- */

/* A key alone, or any value but false and 0, is yes. */
static bool yes(const char *value)
{
    return strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

/* Of a page: more than this, and there is nothing there. */
static size_t number(const struct http_parameter *parameter)
{
    return (size_t)MIN(strtoull(parameter->value, NULL, 10), (unsigned long long)UINT32_MAX);
}

static int parse_order(const struct http_parameter *parameter, const struct schema_kind *kind,
                       struct api_error *error, struct api_query *ret)
{
    const char *name = parameter->value + (parameter->value[0] == '-');

    if (ret->n_order == OBJECTS_ORDER_MAX)
        return refuse(error, "order", "found more than %d of them", OBJECTS_ORDER_MAX);
    if (check_attribute(kind, "order", name, error) < 0)
        return -EINVAL;
    ret->order[ret->n_order++] = parameter->value;
    return 0;
}

static int parse_one(const struct http_parameter *parameter, const struct schema_kind *kind,
                     struct api_error *error, struct api_query *ret)
{
    const char *name = parameter->name;

    if (strcmp(name, "recursive") == 0)
        ret->recursive = yes(parameter->value);
    else if (strcmp(name, "propagated") == 0)
        ret->propagated = yes(parameter->value);
    else if (strcmp(name, "archived") == 0)
        ret->archived = yes(parameter->value);
    else if (strcmp(name, "override") == 0)
        ret->override = yes(parameter->value);
    else if (strcmp(name, "dryRun") == 0)
        ret->dry_run = yes(parameter->value);
    else if (strcmp(name, "page") == 0) {
        ret->paged = true;
        ret->page = number(parameter);
    } else if (strcmp(name, "pagesize") == 0 || strcmp(name, "pageSize") == 0) {
        ret->paged = true;
        ret->pagesize = number(parameter);
    } else if (strcmp(name, "limit") == 0) {
        ret->cursor = true;
        ret->limit = number(parameter);
    } else if (strcmp(name, "after") == 0) {
        ret->cursor = true;
        ret->after = parameter->value;
    } else if (strcmp(name, "order") == 0) {
        return parse_order(parameter, kind, error, ret);
    }
    return 0;
}

static int check_together(const struct api_query *query, struct api_error *error)
{
    if (query->paged && query->cursor)
        return refuse(error, query->after ? "after" : "limit",
                      "page and pagesize do not go with limit and after");
    if (query->after && query->n_order > 1)
        return refuse(error, "order", "after goes with one order only");
    if (query->after && strspn(query->after, "0123456789abcdef") != SCHEMA_ID_LEN)
        return refuse(error, "after", "found '%.60s', expected the X-Next of the page before",
                      query->after);
    return 0;
}

/* ---- Filter ------------------------------------------------------------------------------- */

struct key_check {
    const struct schema_kind *kind;
    struct api_error *error;
    bool failed;
};

static bool check_key(void *context, const char *key)
{
    struct key_check *check = context;

    check->failed = check_attribute(check->kind, "q", key, check->error) < 0;
    return !check->failed;
}

static void put_quoted(struct buf *text, const char *value)
{
    buf_puts(text, "\"");
    for (; *value; value++)
        buf_printf(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    buf_puts(text, "\"");
}

/* A parameter of the kind's own that is an attribute (accounts?name=…) asks for that value. Those
 * of every list may be called like one: archived. */
static bool is_attribute(const struct schema_kind *kind, const char *name)
{
    for (size_t i = 0; kind->stored && i < kind->n_keys; i++)
        if (strcmp(kind->keys[i].name, name) == 0)
            return schema_attribute_find(kind, name);
    return false;
}

/* Several q are one: ((…) or (…)) and name == "…". One alone stays as it is: problems name columns.
 */
static void put_filter(const struct http_request *request, const struct schema_kind *kind,
                       struct buf *text)
{
    size_t n = 0, n_attributes = 0, seen = 0;
    bool alone;

    for (size_t i = 0; i < request->n_query; i++) {
        n += strcmp(request->query[i].name, "q") == 0;
        n_attributes += is_attribute(kind, request->query[i].name);
    }
    alone = n == 1 && n_attributes == 0;
    for (size_t i = 0; i < request->n_query; i++)
        if (strcmp(request->query[i].name, "q") == 0)
            buf_printf(text, alone ? "%s%s" : "%s(%s)",
                       seen++  ? " or "
                       : alone ? ""
                               : "(",
                       request->query[i].value);
    buf_puts(text, n && !alone ? ")" : "");
    for (size_t i = 0; i < request->n_query; i++) {
        if (!is_attribute(kind, request->query[i].name))
            continue;
        buf_printf(text, "%s%s == ", text->len ? " and " : "", request->query[i].name);
        put_quoted(text, request->query[i].value);
    }
}

static int parse_filter(const struct http_request *request, const struct schema_kind *kind,
                        int64_t now_ms, struct api_error *error, struct api_query *ret)
{
    _cleanup_buf_ struct buf text = BUF_INIT(FILTER_BYTES_MAX),
                             problem = BUF_INIT(FILTER_PROBLEM_MAX);
    struct key_check check = {.kind = kind, .error = error};

    put_filter(request, kind, &text);
    if (text.error)
        return refuse(error, "q", "the filter is longer than %d bytes", FILTER_BYTES_MAX);
    if (!text.len)
        return 0;
    if (filter_parse(text.data, now_ms, &problem, &ret->filter) < 0)
        return refuse(error, "q", "%s", problem.data ? problem.data : "the filter cannot be read");
    filter_keys(ret->filter, check_key, &check);
    return check.failed ? -EINVAL : 0;
}

/* Words of a search, the filter of an export: its hook reads it. */
static bool has_own_q(const struct schema_kind *kind)
{
    for (size_t i = 0; i < kind->n_keys; i++)
        if (strcmp(kind->keys[i].name, "q") == 0)
            return true;
    return false;
}

static int parse_fields(const struct http_request *request, const struct schema_kind *kind,
                        struct api_error *error)
{
    for (char *const *field = request->fields; field && *field; field++)
        if (check_attribute(kind, "X-Fields", *field, error) < 0)
            return -EINVAL;
    return 0;
}

int api_query_parse(const struct http_request *request, const struct api_route *route,
                    enum auth_verb verb, int64_t now_ms, struct api_error *error,
                    struct api_query *ret)
{
    const struct schema_query_key *key;
    struct keys keys;
    int r;

    *ret = (struct api_query){0};
    keys_of(route, verb, &keys);
    r = parse_fields(request, route->kind, error);
    for (size_t i = 0; r == 0 && i < request->n_query; i++) {
        key = find_key(&request->query[i], &keys, error);
        r = key ? check_value(&request->query[i], key, error) : -EINVAL;
        if (r == 0)
            r = parse_one(&request->query[i], route->kind, error, ret);
    }
    if (r == 0)
        r = check_together(ret, error);
    if (r == 0 && !has_own_q(route->kind))
        r = parse_filter(request, route->kind, now_ms, error, ret);
    if (r < 0)
        api_query_clear(ret);
    return r;
}

void api_query_clear(struct api_query *query)
{
    filter_free(&query->filter);
    *query = (struct api_query){0};
}
