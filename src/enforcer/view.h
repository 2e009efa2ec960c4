/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a set of entries means, all at once or not at all: the estate (through the same reader as
 * policy files), identities and hosts from verified documents, our own units, the profile. A view
 * stands by itself: entries may change while it is in force.
 */

#include "enforcer/entries.h"
#include "enforcer/units.h"
#include "model/model.h"

#define VIEW_INTERFACES_MAX 256

struct view_unit {
    char *local_id;
    char id[33]; /* of its object at the Console */
    char *namespace;
    struct tag_set tags;
    uint32_t identity; /* 0: no number yet */
    UT_hash_handle hh;
};

struct view_profile { /* what it does not have is NULL or empty */
    uint64_t version; /* of the entry; 0: none */
    struct cidr_list target_networks, excluded_networks;
    char **excluded_interfaces; /* NULL-terminated */
    struct tag_expr ignore;
    struct unit_services host;
    char *host_problem; /* why `host` is not what is mapped now */
};

struct view {
    struct estate *estate;
    struct document_claims **identities, **hosts; /* sorted by number; references held */
    size_t n_identities, n_hosts;
    struct view_unit *units; /* by local id */
    struct view_profile profile;
    size_t n_left_out; /* documents that could not be believed */
};

/*
 * Documents are verified once per entry; which of them are refused is a warning and no failure.
 * @param namespace    of this Enforcer
 * @param diagnostics  problems of the policy, and documents left out
 * @return 0, -ENOMEM, -BULKHEAD_EINVALID_INPUT: the policy cannot be used as it is
 */
int view_new(struct entries *entries, const char *namespace, int64_t now_s,
             struct diagnostics *diagnostics, struct view **ret);
void view_free(struct view **view);
#define _cleanup_view_ _cleanup_(view_free)
/* NULL: the Console does not know this unit (yet). */
const struct view_unit *view_unit_find(const struct view *view, const char *local_id);
/* As far as the datapath is opened by it. */
bool view_profile_equal(const struct view_profile *a, const struct view_profile *b);
