/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/unmatched.h"

#include <string.h>

static bool in_scope(const struct model_ruleset *ruleset, const char *namespace)
{
    if (strcmp(ruleset->namespace, namespace) == 0)
        return true;
    return ruleset->propagate && namespace_is_within(ruleset->namespace, namespace);
}

static bool selects_any(const struct model_ruleset *ruleset, const struct directory *directory)
{
    for (size_t i = 0; i < directory->n; i++)
        if (in_scope(ruleset, directory->identities[i].namespace) &&
            tag_expr_matches(&ruleset->subject, directory->identities[i].tags))
            return true;
    return false;
}

/* Rulesets that a policy of this host holds need no look. */
static bool *mark_used(const struct estate *estate, const struct ruling *ruling)
{
    bool *used = calloc(estate->n_rulesets + 1, sizeof(*used));

    for (size_t i = 0; used && i < ruling->n_policies; i++)
        for (size_t j = 0; j < ruling->policies[i]->n_rules; j++)
            used[ruling->policies[i]->rules[j].ruleset - estate->rulesets] = true;
    return used;
}

void unmatched_warn(const struct estate *estate, const struct ruling *ruling,
                    const struct directory *directory, struct warnings *warnings)
{
    _cleanup_free_
    bool *used = mark_used(estate, ruling);
    size_t work = 0, found = 0;

    for (size_t i = 0; used && i < estate->n_rulesets; i++) {
        const struct model_ruleset *ruleset = &estate->rulesets[i];

        if (used[i] || ruleset->disabled)
            continue;
        work += directory->n;
        if (work > UNMATCHED_WORK_MAX || found == UNMATCHED_WARNINGS_MAX)
            return;
        if (selects_any(ruleset, directory))
            continue;
        found++;
        warnings_add(warnings, WARNING_POLICY,
                     "%s:%u: ruleset '%s' of %s selects no processing unit of this host or its "
                     "peers",
                     ruleset->position.file ? ruleset->position.file : "policy",
                     ruleset->position.line, ruleset->name, ruleset->namespace);
    }
}
