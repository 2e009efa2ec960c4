/* SPDX-License-Identifier: Apache-2.0 */
#include "console/events_config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/model.h"

static int fail(char problem[EVENTS_PROBLEM_MAX], const char *format, ...) _printf_(2, 3);
static int fail(char problem[EVENTS_PROBLEM_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vformat(problem, EVENTS_PROBLEM_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

enum events_type events_type_of(const char *word)
{
    if (strcmp(word, "create") == 0)
        return EVENTS_CREATE;
    if (strcmp(word, "update") == 0)
        return EVENTS_UPDATE;
    if (strcmp(word, "delete") == 0)
        return EVENTS_DELETE;
    return 0;
}

/* A member that must be an object; NULL when absent or null. */
static int member(const json_t *json, const char *name, char *problem, const json_t **ret)
{
    const json_t *value = json_object_get(json, name);

    *ret = NULL;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_object(value))
        return fail(problem, "%s: expected an object", name);
    *ret = value;
    return 0;
}

static int check_names(const json_t *json, char *problem)
{
    static const char *const known[] = {"filters", "identities", "parameters"};
    json_t *object = (json_t *)json; /* the iterator changes nothing */

    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        const char *name = json_object_iter_key(i), *nearest;
        size_t j = 0;

        while (j < ARRAY_SIZE(known) && strcmp(name, known[j]) != 0)
            j++;
        if (j < ARRAY_SIZE(known))
            continue;
        nearest = nearest_word(name, known, ARRAY_SIZE(known));
        return fail(problem, "unknown attribute '%.60s'%s%s", name,
                    nearest ? "; did you mean " : "", nearest ? nearest : "");
    }
    return 0;
}

/* ---- Identities ---------------------------------------------------------------------------- */

/* NULL: there is none, and the problem is told. */
static const struct schema_kind *kind_of(const char *name, char *problem)
{
    const struct schema_kind *kind = schema_kind_find(name);
    const char *nearest;

    if (kind && !kind->hidden && kind->plural)
        return kind;
    nearest = schema_kind_nearest(name);
    fail(problem, "unknown identity '%.60s'%s%s", name, nearest ? "; did you mean " : "",
         nearest ? nearest : "");
    return NULL;
}

static int types_of(const char *name, const json_t *list, char *problem, unsigned *ret)
{
    unsigned types = 0;

    if (!list || json_is_null(list) || (json_is_array(list) && json_array_size(list) == 0)) {
        *ret = EVENTS_TYPES_ALL;
        return 0;
    }
    if (!json_is_array(list))
        return fail(problem, "identities.%.60s: expected a list", name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        enum events_type type = word ? events_type_of(word) : 0;

        if (!type)
            return fail(problem,
                        "identities.%.60s[%zu]: found '%.60s', expected create, update or delete",
                        name, i, word ? word : "something else than text");
        types |= type;
    }
    *ret = types;
    return 0;
}

static struct events_identity *find(const struct events_config *config,
                                    const struct schema_kind *kind)
{
    for (size_t i = 0; i < config->n; i++)
        if (config->identities[i].kind == kind)
            return &config->identities[i];
    return NULL;
}

static int parse_identities(const json_t *identities, char *problem, struct events_config *config)
{
    json_t *object = (json_t *)identities;
    size_t n_kinds;

    if (!identities || json_object_size(identities) == 0)
        return 0;
    schema_kinds(&n_kinds);
    config->identities = calloc(n_kinds, sizeof(*config->identities));
    if (!config->identities)
        return -ENOMEM;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        const char *name = json_object_iter_key(i);
        struct events_identity identity = {.kind = kind_of(name, problem)};
        int r = -EINVAL;

        if (identity.kind)
            r = types_of(name, json_object_iter_value(i), problem, &identity.types);
        if (r == 0 && find(config, identity.kind))
            r = fail(problem, "identities: %s is there twice", identity.kind->name);
        if (r < 0)
            return r;
        config->identities[config->n++] = identity;
    }
    return 0;
}

/* ---- Filters ------------------------------------------------------------------------------- */

static bool allowed(const struct filter_node *node)
{
    switch (node->op) {
    case FILTER_AND:
    case FILTER_OR:
        return allowed(node->left) && allowed(node->right);
    case FILTER_EQUAL:
    case FILTER_NOT_EQUAL:
    case FILTER_MATCHES:
    case FILTER_EXISTS:
    case FILTER_NOT_EXISTS:
        return true;
    default:
        return false;
    }
}

struct key_check {
    const struct schema_kind *kind;
    char *problem;
    bool failed;
};

static bool check_key(void *context, const char *key)
{
    struct key_check *check = context;
    const char *nearest;

    if (schema_attribute_find(check->kind, key))
        return true;
    check->failed = true;
    nearest = schema_attribute_nearest(check->kind, key);
    fail(check->problem, "filters.%s: unknown attribute '%.60s'%s%s", check->kind->name, key,
         nearest ? "; did you mean " : "", nearest ? nearest : "");
    return false;
}

static int parse_filter(struct events_identity *identity, const char *text, int64_t now_ms,
                        char *problem)
{
    _cleanup_buf_ struct buf why = BUF_INIT(EVENTS_PROBLEM_MAX / 2);
    struct key_check check = {identity->kind, problem, false};
    int r = filter_parse(text, now_ms, &why, &identity->filter);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return fail(problem, "filters.%s: %s", identity->kind->name,
                    why.data ? why.data : "not a filter");
    if (filter_root(identity->filter) && !allowed(filter_root(identity->filter)))
        return fail(problem,
                    "filters.%s: expected only ==, !=, matches, exists, not exists, and, or",
                    identity->kind->name);
    filter_keys(identity->filter, check_key, &check);
    return check.failed ? -EINVAL : 0;
}

static int parse_filters(const json_t *filters, int64_t now_ms, char *problem,
                         struct events_config *config)
{
    json_t *object = (json_t *)filters;

    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        const char *name = json_object_iter_key(i);
        const char *text = json_string_value(json_object_iter_value(i));
        const struct schema_kind *kind = kind_of(name, problem);
        struct events_identity *identity;
        int r;

        if (!kind)
            return -EINVAL;
        identity = find(config, kind);
        if (!identity)
            return fail(problem, "filters.%s: the identity is not among identities", kind->name);
        if (!text || identity->filter)
            return fail(problem, "filters.%s: expected one text", kind->name);
        r = parse_filter(identity, text, now_ms, problem);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- Parameters ---------------------------------------------------------------------------- */

static int parse_parameters(const json_t *parameters, char *problem, struct events_config *config)
{
    json_t *object = (json_t *)parameters;

    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        const char *name = json_object_iter_key(i);
        const json_t *value = json_object_iter_value(i);

        if (strcmp(name, "token") != 0)
            return fail(problem, "unknown parameter '%.60s'; only token is known", name);
        if (json_is_array(value) && json_array_size(value) == 1)
            value = json_array_get(value, 0);
        if (!json_is_string(value))
            return fail(problem, "parameters.token: expected one text");
        config->token = strdup(json_string_value(value));
        if (!config->token)
            return -ENOMEM;
    }
    return 0;
}

int events_config_parse(const json_t *json, int64_t now_ms, char problem[EVENTS_PROBLEM_MAX],
                        struct events_config *ret)
{
    const json_t *identities = NULL, *filters = NULL, *parameters = NULL;
    struct events_config config = {0};
    int r;

    assert(problem);
    assert(ret);

    if (!json_is_object(json))
        return fail(problem, "expected an object with identities, filters, parameters");
    r = check_names(json, problem);
    if (r == 0)
        r = member(json, "identities", problem, &identities);
    if (r == 0)
        r = member(json, "filters", problem, &filters);
    if (r == 0)
        r = member(json, "parameters", problem, &parameters);
    if (r == 0)
        r = parse_identities(identities, problem, &config);
    if (r == 0 && filters)
        r = parse_filters(filters, now_ms, problem, &config);
    if (r == 0 && parameters)
        r = parse_parameters(parameters, problem, &config);
    config.selects = identities || filters || !config.token;
    if (r < 0) {
        events_config_clear(&config);
        return r;
    }
    *ret = config;
    return 0;
}

void events_config_clear(struct events_config *config)
{
    for (size_t i = 0; i < config->n; i++)
        filter_free(&config->identities[i].filter);
    free(config->identities);
    free(config->token);
    *config = (struct events_config){0};
}

/* ---- Asking -------------------------------------------------------------------------------- */

bool events_config_wants(const struct events_config *config, const struct schema_kind *kind,
                         enum events_type type, const struct filter **ret_filter)
{
    const struct events_identity *identity = find(config, kind);

    *ret_filter = identity ? identity->filter : NULL;
    if (config->n == 0)
        return true;
    return identity && (identity->types & type);
}
