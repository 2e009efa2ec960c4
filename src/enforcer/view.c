/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/view_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

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
    view_profile_clear(&view->profile);
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
        r = estate_builder_add(estate, VIEW_SOURCE, text.data, text.len, DOCUMENT_JSON,
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
        diagnostics_add(builder->diagnostics, DIAGNOSTIC_WARNING, VIEW_SOURCE, 0, 0, entry->key,
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
    return tag_set_add_list(&unit->tags, json_object_get(json, "tags"));
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
            diagnostics_add(builder->diagnostics, DIAGNOSTIC_WARNING, VIEW_SOURCE, 0, 0, entry->key,
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
        r = view_profile_read(entries, builder->diagnostics, &view->profile);
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
