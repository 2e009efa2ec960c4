/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One result of the pipeline: estate + units + identities → distinct policies → compiled form. The
 * estate must outlive it; it must outlive the next datapath_apply.
 */

#include "datapath/datapath.h"
#include "enforcer/directory.h"

struct ruling {
    struct policy **policies; /* distinct by fingerprint */
    size_t n_policies, n_rules;
    struct policy_compiled *compiled;
    struct datapath_pu *pus;
    size_t n_pus;
};

/* @return 0, -ENOMEM, -BULKHEAD_ETOOMANY, -BULKHEAD_EIDENTITY_COLLISION */
int ruling_new(const struct estate *estate, const struct units *units,
               const struct directory *directory, struct ruling **ret);
void ruling_free(struct ruling **ruling);
/* Units alone, for datapath_set_fallback. Array owned by the caller. */
int ruling_units(const struct units *units, struct datapath_pu **ret, size_t *ret_n);
/* The policy of a unit; NULL when it is not in this ruling. */
const struct policy *ruling_policy_of(const struct ruling *ruling, uint32_t unit);
#define _cleanup_ruling_ _cleanup_(ruling_free)
