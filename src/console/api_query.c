/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "console/api_internal.h"

#define KEYS_MAX 64
#define FILTER_PROBLEM_MAX 512

/* Keys of ours that only one verb of one kind takes. */
static const struct extra_key {
    const char *kind;
    enum auth_verb verb;
    const char *key;
} extra_keys[] = {
    {"import", AUTH_CREATE, "dryRun"},
    {"import", AUTH_CREATE, "override"},
    {"importreference", AUTH_CREATE, "override"},
    {"export", AUTH_CREATE, "recursive"},
    {"namespace", AUTH_DELETE, "recursive"},
};

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
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    api_error_set(error, 400, "Bad request", "%s", text);
    snprintf(error->attribute, sizeof(error->attribute), "%s", key);
    return -EINVAL;
}

/* ---- Names -------------------------------------------------------------------------------- */

static int check_name(const struct http_parameter *parameter, const struct api_route *route,
                      enum auth_verb verb, struct api_error *error)
{
    const struct schema_query_key *own =
        route->sub_route ? route->sub_route->keys : route->kind->keys;
    size_t n_own = route->sub_route ? route->sub_route->n_keys : route->kind->n_keys, n = 0, n_all;
    const struct schema_query_key *all = schema_verb_keys(verb_bit(verb), &n_all);
    const char *known[KEYS_MAX], *nearest;

    for (size_t i = 0; i < n_all && n < KEYS_MAX; i++)
        known[n++] = all[i].name;
    for (size_t i = 0; i < ARRAY_SIZE(extra_keys) && n < KEYS_MAX; i++)
        if (extra_keys[i].verb == verb && strcmp(extra_keys[i].kind, route->kind->name) == 0)
            known[n++] = extra_keys[i].key;
    for (size_t i = 0; i < n_own && n < KEYS_MAX; i++)
        known[n++] = own[i].name;
    for (size_t i = 0; i < n; i++)
        if (strcmp(known[i], parameter->name) == 0)
            return 0;
    nearest = nearest_word(parameter->name, known, n);
    return refuse(error, parameter->name, "unknown parameter '%.60s'%s%s%s", parameter->name,
                  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static int check_choice(const struct http_parameter *parameter, const struct api_route *route,
                        struct api_error *error)
{
    const struct schema_query_key *own =
        route->sub_route ? route->sub_route->keys : route->kind->keys;
    size_t n_own = route->sub_route ? route->sub_route->n_keys : route->kind->n_keys;
    char choices[256];
    size_t len = 0;

    for (size_t i = 0; i < n_own; i++) {
        if (strcmp(own[i].name, parameter->name) != 0 || !own[i].choices)
            continue;
        for (const char *const *choice = own[i].choices; *choice; choice++) {
            if (strcmp(*choice, parameter->value) == 0)
                return 0;
            len += (size_t)snprintf(choices + len, sizeof(choices) - len, "%s%s", len ? ", " : "",
                                    *choice);
            if (len >= sizeof(choices))
                break;
        }
        return refuse(error, parameter->name, "found '%.60s', expected one of %s", parameter->value,
                      choices);
    }
    return 0;
}

/* ---- Values ------------------------------------------------------------------------------- */

/* A key alone, or any value but false and 0, is yes. */
static bool yes(const char *value)
{
    return strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

static int number(const struct http_parameter *parameter, struct api_error *error, size_t *ret)
{
    size_t len = strlen(parameter->value);

    if (len == 0 || len > 9 || strspn(parameter->value, "0123456789") != len)
        return refuse(error, parameter->name, "found '%.60s', expected a number", parameter->value);
    *ret = strtoul(parameter->value, NULL, 10);
    return 0;
}

static int parse_order(const struct http_parameter *parameter, const struct schema_kind *kind,
                       struct api_error *error, struct api_query *ret)
{
    const char *name = parameter->value + (parameter->value[0] == '-');

    if (ret->n_order == OBJECTS_ORDER_MAX)
        return refuse(error, "order", "found more than %d of them", OBJECTS_ORDER_MAX);
    if (!schema_attribute_find(kind, name))
        return refuse(error, "order", "found '%.60s', expected an attribute of %s", name,
                      kind->name);
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
        return number(parameter, error, &ret->page);
    } else if (strcmp(name, "pagesize") == 0 || strcmp(name, "pageSize") == 0) {
        ret->paged = true;
        return number(parameter, error, &ret->pagesize);
    } else if (strcmp(name, "limit") == 0) {
        ret->cursor = true;
        return number(parameter, error, &ret->limit);
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
    const struct schema_attribute *attribute;
    const char *names[KEYS_MAX * 2], *nearest;
    size_t n = 0;

    if (strcmp(key, "namespace") == 0 || schema_attribute_find(check->kind, key))
        return true;
    while (n < ARRAY_SIZE(names) && (attribute = schema_attribute_at(check->kind, n)))
        names[n++] = attribute->name;
    nearest = nearest_word(key, names, n);
    check->failed = true;
    refuse(check->error, "q", "%s has no attribute '%.60s'%s%s%s", check->kind->name, key,
           nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return false;
}

/* Several q are one: (…) or (…). */
static int parse_filter(const struct http_request *request, const struct schema_kind *kind,
                        int64_t now_ms, struct api_error *error, struct api_query *ret)
{
    _cleanup_buf_ struct buf text = BUF_INIT(FILTER_BYTES_MAX),
                             problem = BUF_INIT(FILTER_PROBLEM_MAX);
    struct key_check check = {.kind = kind, .error = error};
    size_t n = 0, seen = 0;

    for (size_t i = 0; i < request->n_query; i++)
        n += strcmp(request->query[i].name, "q") == 0;
    if (n == 0)
        return 0;
    for (size_t i = 0; i < request->n_query; i++)
        if (strcmp(request->query[i].name, "q") == 0)
            buf_printf(&text, n == 1 ? "%s%s" : "%s(%s)", seen++ ? " or " : "",
                       request->query[i].value);
    if (text.error)
        return refuse(error, "q", "the filter is longer than %d bytes", FILTER_BYTES_MAX);
    if (filter_parse(text.data, now_ms, &problem, &ret->filter) < 0)
        return refuse(error, "q", "%s", problem.data ? problem.data : "the filter cannot be read");
    filter_keys(ret->filter, check_key, &check);
    return check.failed ? -EINVAL : 0;
}

int api_query_parse(const struct http_request *request, const struct api_route *route,
                    enum auth_verb verb, int64_t now_ms, struct api_error *error,
                    struct api_query *ret)
{
    int r = 0;

    *ret = (struct api_query){0};
    for (size_t i = 0; r == 0 && i < request->n_query; i++) {
        r = check_name(&request->query[i], route, verb, error);
        if (r == 0)
            r = check_choice(&request->query[i], route, error);
        if (r == 0)
            r = parse_one(&request->query[i], route->kind, error, ret);
    }
    if (r == 0)
        r = check_together(ret, error);
    /* Search has a q of its own: words, not a filter. */
    if (r == 0 && (route->kind->stored || route->type == API_ROUTE_CHILDREN))
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
