/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/ruling.h"

#include <errno.h>
#include <string.h>

void ruling_free(struct ruling **at)
{
    struct ruling *ruling = *at;

    if (!ruling)
        return;
    policy_compiled_free(&ruling->compiled);
    for (size_t i = 0; i < ruling->n_policies; i++)
        policy_free(&ruling->policies[i]);
    free(ruling->policies);
    free(ruling->pus);
    free(ruling);
    *at = NULL;
}

int ruling_units(const struct units *units, struct datapath_pu **ret, size_t *ret_n)
{
    struct datapath_pu *pus = calloc(units->n + 1, sizeof(*pus));
    size_t n = 0;

    if (!pus)
        return -ENOMEM;
    for (uint32_t i = 0; i < ABI_PUS_MAX; i++) {
        const struct unit *unit = units->slots[i];

        if (!unit || unit->gone)
            continue;
        pus[n++] = (struct datapath_pu){
            .index = i,
            .host = unit->kind == UNIT_HOST,
            .cgroup = unit->cgroup,
            .ports = unit->ports,
            .n_ports = unit->n_ports,
            .identity = unit->identity,
        };
    }
    *ret = pus;
    *ret_n = n;
    return 0;
}

/* Takes the policy over; the place of an equal one, or of this one. */
static size_t place_policy(struct ruling *ruling, struct policy *policy)
{
    for (size_t i = 0; i < ruling->n_policies; i++) {
        assert(ruling->policies[i] && policy);
        if (memcmp(ruling->policies[i]->fingerprint, policy->fingerprint,
                   sizeof(policy->fingerprint)) != 0)
            continue;
        policy_free(&policy);
        return i;
    }
    ruling->n_rules += policy->n_rules;
    ruling->policies[ruling->n_policies] = policy;
    return ruling->n_policies++;
}

static int resolve_all(struct ruling *ruling, const struct estate *estate,
                       const struct units *units)
{
    for (size_t i = 0; i < ruling->n_pus; i++) {
        const struct unit *unit = units_get(units, ruling->pus[i].index);
        struct policy *policy;
        int r;

        r = policy_resolve(estate, unit->namespace, &unit->tags, &policy);
        if (r < 0)
            return r;
        ruling->pus[i].policy = place_policy(ruling, policy);
    }
    return 0;
}

static int compile(struct ruling *ruling, const struct estate *estate,
                   const struct directory *directory)
{
    _cleanup_free_
    struct policy_identity *identities = calloc(directory->n + 1, sizeof(*identities));
    size_t n = 0;

    if (!identities)
        return -ENOMEM;
    for (size_t i = 0; i < directory->n; i++)
        if (!directory->identities[i].unmatched)
            identities[n++] = (struct policy_identity){
                .id = directory->identities[i].id,
                .namespace = directory->identities[i].namespace,
                .tags = directory->identities[i].tags,
            };
    return policy_compile(estate, (const struct policy *const *)ruling->policies,
                          ruling->n_policies, identities, n, &ruling->compiled);
}

int ruling_new(const struct estate *estate, const struct units *units,
               const struct directory *directory, struct ruling **ret)
{
    _cleanup_ruling_ struct ruling *ruling = calloc(1, sizeof(*ruling));
    int r;

    if (!ruling)
        return -ENOMEM;
    r = ruling_units(units, &ruling->pus, &ruling->n_pus);
    if (r < 0)
        return r;
    ruling->policies = calloc(ruling->n_pus + 1, sizeof(struct policy *));
    if (!ruling->policies)
        return -ENOMEM;
    r = resolve_all(ruling, estate, units);
    if (r == 0)
        r = compile(ruling, estate, directory);
    if (r == 0)
        *ret = TAKE_PTR(ruling);
    return r;
}

const struct policy *ruling_policy_of(const struct ruling *ruling, uint32_t unit)
{
    for (size_t i = 0; ruling && i < ruling->n_pus; i++)
        if (ruling->pus[i].index == unit)
            return ruling->policies[ruling->pus[i].policy];
    return NULL;
}
