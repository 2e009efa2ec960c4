/* SPDX-License-Identifier: Apache-2.0 */

/* What a filter asks for, as far as tags can answer it. Pure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/objects_plan.h"
#include "model/model.h"

void plan_clear(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_required; i++)
        free(plan->required[i]);
    for (size_t i = 0; i < plan->n_any; i++)
        free(plan->any[i]);
    plan->n_required = plan->n_any = 0;
}

/*
 * The tag that every object has that meets the condition; NULL when there is no such tag.
 * *ret_exact: having it is enough.
 */
static char *tag_of(const struct filter_node *node, const struct schema_kind *kind, bool *ret_exact)
{
    const char *text = json_string_value(node->value), *key = NULL;
    char *tag = NULL;

    if (!(kind->mixins & SCHEMA_BASE))
        return NULL;
    *ret_exact = true;
    if (node->op == FILTER_CONTAINS &&
        (strcmp(node->key, "associatedTags") == 0 || strcmp(node->key, "metadata") == 0))
        *ret_exact = false;
    if (node->op == FILTER_CONTAINS && (!*ret_exact || strcmp(node->key, "normalizedTags") == 0)) {
        if (json_is_array(node->value) && json_array_size(node->value) == 1)
            text = json_string_value(json_array_get(node->value, 0));
        return text ? strdup(text) : NULL;
    }
    if (node->op != FILTER_EQUAL || !text)
        return NULL;
    if (strcmp(node->key, "name") == 0)
        key = "$name";
    else if (strcmp(node->key, "namespace") == 0)
        key = "$namespace";
    else if (strcmp(node->key, "ID") == 0)
        key = "$id";
    if (!key || asprintf(&tag, "%s=%s", key, text) < 0)
        return NULL;
    if (tag_problem(tag)) { /* such a name has no tag: look at all */
        free(tag);
        return NULL;
    }
    return tag;
}

// NOLINTNEXTLINE(misc-no-recursion): FILTER_DEPTH_MAX
static void plan_all(struct plan *plan, const struct filter_node *node,
                     const struct schema_kind *kind)
{
    bool exact = false;
    char *tag;

    if (node->op == FILTER_AND) {
        plan_all(plan, node->left, kind);
        plan_all(plan, node->right, kind);
        return;
    }
    tag = plan->n_required < PLAN_REQUIRED_MAX ? tag_of(node, kind, &exact) : NULL;
    if (tag)
        plan->required[plan->n_required++] = tag;
    plan->residual |= !tag || !exact;
}

/* @return false when a part of it has no tag */
// NOLINTNEXTLINE(misc-no-recursion): FILTER_DEPTH_MAX
static bool plan_any(struct plan *plan, const struct filter_node *node,
                     const struct schema_kind *kind)
{
    bool exact;
    char *tag;

    if (node->op == FILTER_OR)
        return plan_any(plan, node->left, kind) && plan_any(plan, node->right, kind);
    tag = plan->n_any < PLAN_ANY_MAX ? tag_of(node, kind, &exact) : NULL;
    if (tag)
        plan->any[plan->n_any++] = tag;
    return tag != NULL;
}

void plan_make(struct plan *plan, const struct filter *filter, const struct schema_kind *kind)
{
    const struct filter_node *root = filter ? filter_root(filter) : NULL;

    if (!root)
        return;
    if (root->op != FILTER_OR) {
        plan_all(plan, root, kind);
        return;
    }
    plan->residual = true;
    if (plan_any(plan, root, kind))
        return;
    while (plan->n_any)
        free(plan->any[--plan->n_any]);
}
