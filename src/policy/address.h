/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the CIDRs of all external networks to one longest-prefix table. Each distinct set of
 * networks that hold an address together is an address class. Internal to src/policy.
 */

#include "intern.h"
#include "policy/policy.h"

struct address_table {
    struct policy_address_entry *entries; /* sorted by prefix */
    size_t n_entries, entries_size;
    struct intern sets; /* lists of network indices, ascending; number 0 is the empty one */
    uint32_t *ids;      /* by set: address class id, 0 for the empty one */
    uint32_t *order;    /* sets without the empty one, by ascending id */
    size_t n_classes;
};

/* @return 0, -ENOMEM, -BULKHEAD_ETOOMANY, -BULKHEAD_EIDENTITY_COLLISION */
int address_table_build(const struct estate *estate, struct address_table *table);
void address_table_free(struct address_table *table);
