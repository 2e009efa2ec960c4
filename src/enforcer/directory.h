/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every identity this host knows: its own units' and those of its peers. Ids are distinct; two tag
 * sets with one id are refused. Points into the units and peers, which must outlive it.
 */

#include "datapath/datapath.h"
#include "enforcer/documents.h"
#include "enforcer/inputs.h"
#include "enforcer/units.h"

struct identity {
    uint32_t id;
    const char *namespace;
    const struct tag_set *tags;
    const char *name;     /* from its tags; "" when it has none */
    uint32_t enforcer_id; /* the first host that has it */
    uint32_t unit;        /* slot of an own unit, or UNIT_NO_SLOT */
    bool unmatched;       /* no rule can mean it: the Console gave no document for it */
};

struct directory {
    struct identity *identities; /* sorted by id */
    size_t n;
    struct datapath_binding *bindings; /* which enforcer may speak for which identity */
    size_t n_bindings;
};

#define DIRECTORY_MESSAGE_MAX 2048

/*
 * @param own_id   0: no identity, then no bindings either
 * @param peers    may be NULL
 * @param message  on collision: both tag sets
 * @return 0, -ENOMEM, -BULKHEAD_EIDENTITY_COLLISION, -BULKHEAD_ETOOMANY
 */
int directory_new(uint32_t own_id, const struct units *units, const struct peers *peers,
                  char message[DIRECTORY_MESSAGE_MAX], struct directory **ret);

/* What a Console gave: sorted by number. */
struct directory_given {
    struct document_claims *const *identities, *const *hosts;
    size_t n_identities, n_hosts;
};
/* The same from documents; a unit's identity is 0 while it has no number. */
int directory_new_given(uint32_t own_id, const struct units *units,
                        const struct directory_given *given, char message[DIRECTORY_MESSAGE_MAX],
                        struct directory **ret);
void directory_free(struct directory **directory);
const struct identity *directory_find(const struct directory *directory, uint32_t id);
#define _cleanup_directory_ _cleanup_(directory_free)
