/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the files auth*.c, by nobody else. */

#include "console/auth.h"
#include "console/auth_schedule.h"
#include "console/console.h"
#include "console/trust.h"

#include <uthash.h>

#define AUTH_KINDS_MAX 192
#define AUTH_POLICIES_MAX 200000
#define AUTH_CACHE_MAX 16384 /* verified tokens; about 2 KiB each */
#define AUTH_QUOTAS_MAX 65536
#define AUTH_EXPLAIN_MAX 1000

/* ---- auth_mask.c: permissions as bits ------------------------------------------------------- */

struct auth_mask {
    uint8_t verbs[AUTH_KINDS_MAX]; /* by place in schema_kinds(); bit 1 << enum auth_verb */
};
/* "@auth:role=…" or "kind,verb,verb"; what is not known grants nothing. */
void auth_mask_add(struct auth_mask *mask, const char *permission);
void auth_mask_or(struct auth_mask *mask, const struct auth_mask *other);
void auth_mask_and(struct auth_mask *mask, const struct auth_mask *other);
bool auth_mask_has(const struct auth_mask *mask, const struct schema_kind *kind,
                   enum auth_verb verb);
bool auth_mask_empty(const struct auth_mask *mask);
bool auth_mask_within(const struct auth_mask *inner, const struct auth_mask *outer);
const char *auth_verb_name(enum auth_verb verb);
/* What whoever is let into a namespace at all may read there, and what is only about oneself. */
bool auth_is_basic(const struct schema_kind *kind, enum auth_verb verb);
bool auth_is_own(const struct schema_kind *kind, enum auth_verb verb);

/* ---- auth_policy.c: the index of API authorization policies --------------------------------- */

struct auth_policy {
    UT_hash_handle hh, hh_fallback; /* by id */
    char id[SCHEMA_ID_LEN + 1];
    char *name, *namespace, *authorized; /* of the policy; what it opens, with all below */
    struct tag_set *clauses;
    size_t n_clauses;
    struct auth_mask mask;
    struct cidr_list subnets;
    bool has_subnets, disabled, fallback, broken, has_schedule;
    int64_t expires_ms; /* 0: never */
    struct schedule schedule;
};

/* One clause under the one of its claims that the fewest others are under. */
struct auth_claim_use {
    const struct auth_policy *policy;
    const struct tag_set *clause;
};
struct auth_claim {
    UT_hash_handle hh; /* by text */
    char *text;
    struct auth_claim_use *uses;
    size_t n, size;
};
struct auth_policies {
    struct auth_policy *by_id, *fallbacks; /* the latter with hh_fallback */
    struct auth_claim *by_claim;
};
/* What a policy object says; with `broken` set it can be read in part only, and grants nothing. */
int auth_policy_new(const char *namespace, const json_t *sparse, struct auth_policy **ret);
void auth_policy_free(struct auth_policy **policy);
int auth_policies_put(struct auth_policies *policies, const char *id, const char *namespace,
                      const json_t *sparse);
void auth_policies_remove(struct auth_policies *policies, const char *id);
void auth_policies_clear(struct auth_policies *policies);

struct auth_question {
    const struct tag_set *claims;
    const struct ip_addr *address; /* NULL: not known, in no network */
    const char *namespace;         /* NULL: any */
    int64_t now_ms;
};
/* Why a policy does not answer, apart from its subject; NULL: it does. */
const char *auth_policy_obstacle(const struct auth_policy *policy,
                                 const struct auth_question *question);
/* Every policy whose subject matches, whatever else it says; maybe more than once. */
void auth_policies_matching(const struct auth_policies *policies, const struct tag_set *claims,
                            void (*visit)(void *context, const struct auth_policy *policy),
                            void *context);
/* Every policy that applies, maybe more than once. */
void auth_policies_visit(const struct auth_policies *policies, const struct auth_question *question,
                         void (*visit)(void *context, const struct auth_policy *policy),
                         void *context);
/* The permissions there: of the policies, or of the fallback ones when no other applies. */
void auth_policies_mask(const struct auth_policies *policies, const struct auth_question *question,
                        struct auth_mask *ret);

/* ---- auth_caller.c -------------------------------------------------------------------------- */

/* From the claims of a verified token; -EINVAL: not a token for this API. */
int caller_from_token(const json_t *token, struct caller **ret);
int caller_copy(const struct caller *caller, struct caller **ret);
/* @auth:KEY=VALUE for a claim of `data`: key in lower case, texts, truths and lists of them. */
int caller_claims_add(struct tag_set *claims, const char *key, const json_t *value);

/* ---- auth_token.c: verified tokens, quotas -------------------------------------------------- */

struct auth_cached {
    UT_hash_handle hh; /* by hash */
    uint8_t hash[32];  /* SHA-256 of the token */
    struct caller *caller;
};
struct auth_quota {
    UT_hash_handle hh; /* by id */
    char *id;          /* jti */
    int64_t used, limit, expires_ms;
};

struct auth {
    struct console *console;
    struct auth_policies policies;
    struct auth_cached *cache; /* least recently used first */
    struct auth_quota *quotas;
    int64_t (*now_ms)(void);
    struct auth_mask enforcer_mask; /* of an Enforcer's own certificate, at home and below */
    const struct schema_kind *kind_policy, *kind_signer, *kind_enforcer;
};
void auth_cache_clear(struct auth *auth);
void auth_quotas_clear(struct auth *auth);
/* Is what a token was issued from still there and enabled? NULL, or why not. */
const char *auth_origin_problem(const struct objects *objects, const json_t *token);
