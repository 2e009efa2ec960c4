/* SPDX-License-Identifier: Apache-2.0 */
#include "console/render_internal.h"

/* Tags that rules name, as small objects: comparing two of them is comparing addresses. */

struct label *label_find(struct render *render, const char *text)
{
    struct label *label = NULL;

    HASH_FIND_STR(render->labels, text, label);
    return label;
}

static int compare_labels(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (struct label *const *)a,
              y = (uintptr_t) * (struct label *const *)b;

    return (x > y) - (x < y);
}

static int identity_label_add(struct identity *identity, struct label *label)
{
    struct label **grown =
        realloc(identity->labels, (identity->n_labels + 1) * sizeof(*identity->labels));

    if (!grown)
        return -ENOMEM;
    grown[identity->n_labels++] = label;
    qsort(grown, identity->n_labels, sizeof(*grown), compare_labels);
    identity->labels = grown;
    return pointers_push(&label->identities, identity);
}

struct label *label_get(struct render *render, const char *text)
{
    struct label *label = label_find(render, text);
    struct identity *identity, *next;
    size_t len = strlen(text);

    if (label)
        return label;
    label = calloc(1, sizeof(*label) + len + 1);
    if (!label)
        return NULL;
    memcpy(label->text, text, len + 1);
    HASH_ADD_KEYPTR(hh, render->labels, label->text, len, label);
    HASH_ITER(hh, render->identities, identity, next)
    {
        if (tag_set_has(&identity->tags, text) && identity_label_add(identity, label) < 0)
            return NULL;
    }
    return label;
}

int labels_of(struct render *render, const struct tag_set *tags, bool subjects, struct label ***ret,
              size_t *ret_n)
{
    struct label **labels = calloc(tags->n + 1, sizeof(*labels));
    size_t n = 0;

    if (!labels)
        return -ENOMEM;
    for (size_t i = 0; i < tags->n; i++) {
        struct label *label = label_find(render, tags->tags[i]);

        if (label && (!subjects || label->subject_uses > 0))
            labels[n++] = label;
    }
    qsort(labels, n, sizeof(struct label *), compare_labels);
    *ret = labels;
    *ret_n = n;
    return 0;
}

/* ---- Expressions --------------------------------------------------------------------------- */

static int clause_add(struct render *render, struct clause *clause, const char *text)
{
    struct label *label = label_get(render, text), **grown;

    if (!label)
        return -ENOMEM;
    grown = realloc(clause->labels, (clause->n + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    grown[clause->n++] = label;
    clause->labels = grown;
    return 0;
}

static void clause_settle(struct clause *clause)
{
    size_t kept = 0;

    if (clause->n > 1)
        qsort(clause->labels, clause->n, sizeof(struct label *), compare_labels);
    for (size_t i = 0; i < clause->n; i++)
        if (kept == 0 || clause->labels[kept - 1] != clause->labels[i])
            clause->labels[kept++] = clause->labels[i];
    clause->n = kept;
}

/* One more, empty; NULL on ENOMEM. */
static struct clause *clauses_add(struct clauses *clauses)
{
    struct clause *grown = realloc(clauses->items, (clauses->n + 1) * sizeof(*grown));

    if (!grown)
        return NULL;
    clauses->items = grown;
    grown[clauses->n] = (struct clause){0};
    return &grown[clauses->n++];
}

static int clause_read(struct render *render, const json_t *list, struct clause *clause)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        int r = text ? clause_add(render, clause, text) : 0;

        if (r < 0)
            return r;
    }
    clause_settle(clause);
    return 0;
}

/* Appends: one ruleset has the object expressions of all its rules in one list. */
int clauses_read(struct render *render, const json_t *expression, struct clauses *clauses)
{
    for (size_t i = 0; i < json_array_size(expression); i++) {
        struct clause *clause = clauses_add(clauses);
        int r = clause ? clause_read(render, json_array_get(expression, i), clause) : -ENOMEM;

        if (r < 0)
            return r;
    }
    return 0;
}

static int clause_scan(struct render *render, const struct json_slice *list, struct clause *clause)
{
    struct json_slice key, tag;
    struct json_scan scan;
    int r = 0;

    json_scan_begin(&scan, list->text, list->len);
    while (r == 0 && json_scan_next(&scan, &key, &tag)) {
        _cleanup_free_
        char *text = json_slice_string(&tag);

        if (tag.text[0] == '"')
            r = text ? clause_add(render, clause, text) : -ENOMEM;
    }
    clause_settle(clause);
    return r;
}

int clauses_scan(struct render *render, const struct json_slice *expression,
                 struct clauses *clauses)
{
    struct json_slice key, list;
    struct json_scan scan;
    int r = 0;

    json_scan_begin(&scan, expression->text, expression->len);
    while (r == 0 && json_scan_next(&scan, &key, &list)) {
        struct clause *clause = clauses_add(clauses);

        r = clause ? clause_scan(render, &list, clause) : -ENOMEM;
    }
    return r;
}

int clauses_copy(const struct clauses *clauses, struct clauses *ret)
{
    struct clauses copy = {.items = calloc(clauses->n + 1, sizeof(*copy.items))};

    if (!copy.items)
        return -ENOMEM;
    for (; copy.n < clauses->n; copy.n++) {
        const struct clause *clause = &clauses->items[copy.n];
        struct label **labels = calloc(clause->n + 1, sizeof(struct label *));

        if (!labels) {
            clauses_clear(&copy);
            return -ENOMEM;
        }
        for (size_t i = 0; i < clause->n; i++)
            labels[i] = clause->labels[i];
        copy.items[copy.n] = (struct clause){.labels = labels, .n = clause->n};
    }
    *ret = copy;
    return 0;
}

void clauses_clear(struct clauses *clauses)
{
    for (size_t i = 0; i < clauses->n; i++)
        free(clauses->items[i].labels);
    free(clauses->items);
    *clauses = (struct clauses){0};
}

/* Both sorted by address. An empty clause matches nothing. */
bool clause_within(const struct clause *clause, struct label *const *labels, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < clause->n; i++) {
        while (at < n && (uintptr_t)labels[at] < (uintptr_t)clause->labels[i])
            at++;
        if (at == n || labels[at] != clause->labels[i])
            return false;
    }
    return clause->n > 0;
}

bool clauses_match(const struct clauses *clauses, struct label *const *labels, size_t n)
{
    for (size_t i = 0; i < clauses->n; i++)
        if (clause_within(&clauses->items[i], labels, n))
            return true;
    return false;
}

int counts_add(struct counts *counts, void *target, bool *ret_new)
{
    int r;

    *ret_new = false;
    for (size_t i = 0; i < counts->n; i++) {
        if (counts->items[i].target != target)
            continue;
        counts->items[i].n++;
        return 0;
    }
    r = vec_reserve(&counts->items, &counts->size, counts->n + 1, sizeof(*counts->items));
    if (r < 0)
        return r;
    counts->items[counts->n++] = (struct counted){.target = target, .n = 1};
    *ret_new = true;
    return 0;
}

bool counts_drop(struct counts *counts, const void *target)
{
    for (size_t i = counts->n; i-- > 0;) {
        if (counts->items[i].target != target)
            continue;
        if (--counts->items[i].n > 0)
            return false;
        counts->items[i] = counts->items[--counts->n];
        return true;
    }
    return false;
}
