/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

#define SOURCE "Console" /* what stands for the file in messages */

struct builder {
    struct view *view;
    struct entry **entries; /* sorted by key */
    size_t n;
    struct document_signers signers;
    bool has_signers;
    int64_t now_s;
    struct diagnostics *diagnostics;
};

static void json_unref(json_t **json)
{
    json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_unref)

/* ---- Life ------------------------------------------------------------------------------------ */

static void profile_clear(struct view_profile *profile)
{
    cidr_list_clear(&profile->target_networks);
    cidr_list_clear(&profile->excluded_networks);
    for (char **name = profile->excluded_interfaces; name && *name; name++)
        free(*name);
    free(profile->excluded_interfaces);
    tag_expr_clear(&profile->ignore);
}

static void unit_free(struct view_unit **at)
{
    struct view_unit *unit = *at;

    if (!unit)
        return;
    free(unit->local_id);
    free(unit->namespace);
    tag_set_clear(&unit->tags);
    free(unit);
    *at = NULL;
}

void view_free(struct view **at)
{
    struct view *view = *at;
    struct view_unit *unit, *next;

    if (!view)
        return;
    estate_free(&view->estate);
    for (size_t i = 0; i < view->n_identities; i++)
        document_claims_unref(&view->identities[i]);
    for (size_t i = 0; i < view->n_hosts; i++)
        document_claims_unref(&view->hosts[i]);
    free(view->identities);
    free(view->hosts);
    HASH_ITER(hh, view->units, unit, next)
    {
        HASH_DEL(view->units, unit);
        unit_free(&unit);
    }
    profile_clear(&view->profile);
    free(view);
    *at = NULL;
}

const struct view_unit *view_unit_find(const struct view *view, const char *local_id)
{
    struct view_unit *unit = NULL;

    if (view)
        HASH_FIND_STR(view->units, local_id, unit);
    return unit;
}

/* What an entry is (link.h); 0: of a kind that is not known here. */
static char kind_of(const struct entry *entry)
{
    return entry->key[0] && entry->key[1] == ':' ? entry->key[0] : '\0';
}

/* ---- Policy: the same text as in policy files, the same reader --------------------------------
 */

static void put_list(const struct builder *builder, struct buf *text, char kind, const char *plural)
{
    bool first = true;

    buf_printf(text, "\"%s\":[", plural);
    for (size_t i = 0; i < builder->n; i++) {
        if (kind_of(builder->entries[i]) != kind)
            continue;
        buf_puts(text, first ? "" : ",");
        buf_append(text, builder->entries[i]->body, builder->entries[i]->len);
        first = false;
    }
    buf_puts(text, "]");
}

static int build_estate(struct builder *builder, const char *namespace)
{
    _cleanup_buf_ struct buf text = BUF_INIT(MODEL_DOCUMENT_BYTES_MAX);
    _cleanup_estate_builder_ struct estate_builder *estate = NULL;
    int r;

    buf_puts(&text, "{\"APIVersion\":1,\"data\":{");
    put_list(builder, &text, 'n', "namespaces");
    buf_puts(&text, ",");
    put_list(builder, &text, 'x', "externalnetworks");
    buf_puts(&text, ",");
    put_list(builder, &text, 'r', "networkrulesetpolicies");
    buf_puts(&text, "}}");
    if (text.error)
        return text.error == -ENOSPC ? -BULKHEAD_ETOOMANY : text.error;
    r = estate_builder_new(namespace, &estate);
    if (r == 0)
        r = estate_builder_add(estate, SOURCE, text.data, text.len, DOCUMENT_JSON,
                               builder->diagnostics);
    if (r == 0)
        r = estate_builder_finish(estate, builder->diagnostics, &builder->view->estate);
    return r;
}

/* ---- Documents ------------------------------------------------------------------------------- */

static uint32_t number_of(const char *key)
{
    char *end;
    unsigned long number = strtoul(key + 2, &end, 10);

    return *end || number > UINT32_MAX ? 0 : (uint32_t)number;
}

static int look_at(struct builder *builder, struct entry *entry)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    enum document_kind kind = kind_of(entry) == 'i' ? DOCUMENT_IDENTITY : DOCUMENT_HOST;
    const struct document_signers *signers = entry->believed ? NULL : &builder->signers;
    int r;

    if (entry->claims)
        return 0;
    if (!builder->has_signers && signers) {
        buf_puts(&problem, "nobody is known whose signature counts");
        r = -EACCES;
    } else {
        r = document_read(kind, number_of(entry->key), entry->body, signers, builder->now_s,
                          &problem, &entry->claims);
    }
    if (r == -ENOMEM)
        return r;
    entry->refused = r < 0;
    if (entry->refused) {
        builder->view->n_left_out++;
        diagnostics_add(builder->diagnostics, DIAGNOSTIC_WARNING, SOURCE, 0, 0, entry->key,
                        "this document is left out: %s", problem.data ? problem.data : "");
    }
    return 0;
}

static int compare_claims(const void *a, const void *b)
{
    uint32_t x = (*(struct document_claims *const *)a)->id;
    uint32_t y = (*(struct document_claims *const *)b)->id;

    return (x > y) - (x < y);
}

static int build_documents(struct builder *builder, char kind, struct document_claims ***ret,
                           size_t *ret_n)
{
    struct document_claims **list = calloc(builder->n + 1, sizeof(struct document_claims *));
    size_t n = 0;
    int r = 0;

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < builder->n && r == 0; i++) {
        if (kind_of(builder->entries[i]) != kind)
            continue;
        r = look_at(builder, builder->entries[i]);
        if (r == 0 && builder->entries[i]->claims)
            list[n++] = document_claims_ref(builder->entries[i]->claims);
    }
    qsort(list, n, sizeof(struct document_claims *), compare_claims);
    *ret = list; /* the view frees them, also after a failure */
    *ret_n = n;
    return r;
}

/* ---- Units ----------------------------------------------------------------------------------- */

static int read_tags(const json_t *list, struct tag_set *ret)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *tag = json_string_value(json_array_get(list, i));
        int r = tag ? tag_set_add(ret, tag) : -EINVAL;

        if (r < 0)
            return r;
    }
    return 0;
}

static int read_unit(const json_t *json, const char *local_id, struct view_unit *unit)
{
    const char *namespace = json_string_value(json_object_get(json, "namespace"));
    const char *id = json_string_value(json_object_get(json, "ID"));
    json_int_t identity = json_integer_value(json_object_get(json, "identity"));

    if (!namespace || namespace_problem(namespace) || !id || identity < 0 || identity > UINT32_MAX)
        return -EINVAL;
    snprintf(unit->id, sizeof(unit->id), "%s", id);
    unit->identity = (uint32_t)identity;
    unit->local_id = strdup(local_id);
    unit->namespace = strdup(namespace);
    if (!unit->local_id || !unit->namespace)
        return -ENOMEM;
    return read_tags(json_object_get(json, "tags"), &unit->tags);
}

static int add_unit(struct builder *builder, const struct entry *entry)
{
    _cleanup_json_ json_t *json = json_loadb(entry->body, entry->len, 0, NULL);
    _cleanup_(unit_free) struct view_unit *unit = calloc(1, sizeof(*unit));
    int r = unit ? read_unit(json, entry->key + 2, unit) : -ENOMEM;

    if (r == -ENOMEM)
        return r;
    if (r < 0 || json_is_true(json_object_get(json, "archived"))) {
        if (r < 0)
            diagnostics_add(builder->diagnostics, DIAGNOSTIC_WARNING, SOURCE, 0, 0, entry->key,
                            "this unit is left out: it cannot be read");
        return 0;
    }
    HASH_ADD_KEYPTR(hh, builder->view->units, unit->local_id, strlen(unit->local_id), unit);
    TAKE_PTR(unit);
    return 0;
}

static int build_units(struct builder *builder)
{
    int r = 0;

    for (size_t i = 0; i < builder->n && r == 0; i++)
        if (kind_of(builder->entries[i]) == 'u')
            r = add_unit(builder, builder->entries[i]);
    return r;
}

/* ---- Profile --------------------------------------------------------------------------------- */

static int read_cidrs(const json_t *list, struct cidr_list *ret)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i)), *problem;
        int r = text ? cidr_list_add(ret, text, &problem) : -EINVAL;

        if (r < 0)
            return r;
    }
    return 0;
}

static int read_interfaces(const json_t *list, struct view_profile *profile)
{
    size_t n = json_array_size(list);

    if (n == 0)
        return 0;
    if (n > VIEW_INTERFACES_MAX)
        return -EINVAL;
    profile->excluded_interfaces = calloc(n + 1, sizeof(char *));
    if (!profile->excluded_interfaces)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (!name)
            return -EINVAL;
        profile->excluded_interfaces[i] = strdup(name);
        if (!profile->excluded_interfaces[i])
            return -ENOMEM;
    }
    return 0;
}

static int read_expression(const json_t *list, struct tag_expr *ret)
{
    size_t n = json_array_size(list);
    int r = 0;

    if (n > MODEL_CLAUSES_MAX)
        return -EINVAL;
    ret->clauses = calloc(n + 1, sizeof(*ret->clauses));
    if (!ret->clauses)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        const json_t *clause = json_array_get(list, i);

        if (json_array_size(clause) == 0)
            continue; /* would match everything */
        r = read_tags(clause, &ret->clauses[ret->n++]);
    }
    return r;
}

static int read_profile(const json_t *json, struct view_profile *profile)
{
    int r = json_is_object(json) ? 0 : -EINVAL;

    if (r == 0)
        r = read_cidrs(json_object_get(json, "targetNetworks"), &profile->target_networks);
    if (r == 0)
        r = read_cidrs(json_object_get(json, "excludedNetworks"), &profile->excluded_networks);
    if (r == 0)
        r = read_interfaces(json_object_get(json, "excludedInterfaces"), profile);
    if (r == 0)
        r = read_expression(json_object_get(json, "ignoreExpression"), &profile->ignore);
    return r;
}

static int build_profile(struct builder *builder, const struct entries *entries)
{
    const struct entry *entry = entries_find(entries, "p:");
    _cleanup_json_ json_t *json = entry ? json_loadb(entry->body, entry->len, 0, NULL) : NULL;
    int r = entry ? read_profile(json, &builder->view->profile) : 0;

    if (r >= 0 || r == -ENOMEM)
        return r;
    diagnostics_add(builder->diagnostics, DIAGNOSTIC_ERROR, SOURCE, 0, 0,
                    "p:", "found an enforcer profile that cannot be used");
    return -BULKHEAD_EINVALID_INPUT;
}

static bool prefixes_equal(const struct ip_prefix *a, size_t n_a, const struct ip_prefix *b,
                           size_t n_b)
{
    for (size_t i = 0; n_a == n_b && i < n_a; i++)
        if (ip_prefix_compare(&a[i], &b[i]) != 0)
            return false;
    return n_a == n_b;
}

static bool cidrs_equal(const struct cidr_list *a, const struct cidr_list *b)
{
    return prefixes_equal(a->included, a->n_included, b->included, b->n_included) &&
           prefixes_equal(a->excluded, a->n_excluded, b->excluded, b->n_excluded);
}

static bool names_equal(char *const *a, char *const *b)
{
    static char *const nothing[] = {NULL};

    a = a ? a : nothing;
    b = b ? b : nothing;
    for (; *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return !*a && !*b;
}

bool view_profile_equal(const struct view_profile *a, const struct view_profile *b)
{
    return cidrs_equal(&a->target_networks, &b->target_networks) &&
           cidrs_equal(&a->excluded_networks, &b->excluded_networks) &&
           names_equal(a->excluded_interfaces, b->excluded_interfaces);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int build(struct builder *builder, struct entries *entries, const char *namespace)
{
    const struct entry *trust = entries_find(entries, "t:");
    struct view *view = builder->view;
    int r = 0;

    if (trust) {
        r = document_signers_read(trust->body, trust->len, &builder->signers);
        builder->has_signers = r == 0;
        if (r == -ENOMEM)
            return r;
    }
    r = build_documents(builder, 'i', &view->identities, &view->n_identities);
    if (r == 0)
        r = build_documents(builder, 'h', &view->hosts, &view->n_hosts);
    if (r == 0)
        r = build_units(builder);
    if (r == 0)
        r = build_profile(builder, entries);
    return r == 0 ? build_estate(builder, namespace) : r;
}

int view_new(struct entries *entries, const char *namespace, int64_t now_s,
             struct diagnostics *diagnostics, struct view **ret)
{
    struct builder builder = {.now_s = now_s, .n = entries->n, .diagnostics = diagnostics};
    _cleanup_view_ struct view *view = calloc(1, sizeof(*view));
    _cleanup_free_
    struct entry **list = NULL;
    int r = view ? entries_sorted(entries, &list) : -ENOMEM;

    if (r < 0)
        return r;
    builder.view = view;
    builder.entries = list;
    r = build(&builder, entries, namespace);
    document_signers_clear(&builder.signers);
    if (r == 0)
        *ret = TAKE_PTR(view);
    return r;
}
