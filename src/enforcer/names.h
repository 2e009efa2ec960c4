/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which ruleset and rule a number in a report means. Reports carry (policy version, rule index);
 * the policies themselves are freed after each change, so the names of the last versions are kept
 * here in a compact form: one pool of texts per estate, shared by its versions, and one number per
 * rule.
 */

#include "enforcer/ruling.h"

#define NAMES_VERSIONS_KEPT 16     /* besides the ones in force */
#define NAMES_BYTES_MAX (8u << 20) /* of versions no longer in force */

struct names; /* life cycle: new ── names_add_ruling after each apply ──▶ … ── free */

struct names_rule {
    const char *namespace, *ruleset, *rule; /* rule: "" when it has no name */
};

int names_new(struct names **ret);
void names_free(struct names **names);
/*
 * Take over the names of a ruling that was just applied.
 * @param versions  policy version of ruling->policies[i]
 * @return 0, -ENOMEM (then reports of these versions have no names)
 */
int names_add(struct names *names, const struct estate *estate,
              const struct policy *const *policies, const uint32_t *versions, size_t n);
/* false: version no longer known, or no such rule. Texts live until the next names_add. */
bool names_find(const struct names *names, uint32_t version, uint32_t rule, struct names_rule *ret);

/*
 * Keep the names, and have them again: the kernel counts on with the numbers of an earlier run.
 * @param names  of names_load: when they are not empty, nothing is read; what could be read is
 * there also when it fails
 * @return 0 (also when there is no file), -EBADMSG: not whole, -errno
 */
int names_save(const struct names *names, const char *state);
int names_load(struct names *names, const char *state);
/* The kernel begins anew: the numbers that were kept mean nothing any more. */
int names_forget(const char *state);

/* Id of a ruleset, made of its namespace and name: 24 hex digits. */
#define RULESET_ID_TEXT 25
void ruleset_id(const char *namespace, const char *name, char ret[RULESET_ID_TEXT]);
#define _cleanup_names_ _cleanup_(names_free)
