/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_internal.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/*
 * A clause can only match a caller who has each of its claims, so it is enough to look it up under
 * one: the one that the fewest clauses are under yet. A check costs a look-up for each claim of the
 * caller, whatever the number of policies.
 */

#define REALM "@auth:realm="

void auth_policy_free(struct auth_policy **at)
{
    struct auth_policy *policy = *at;

    if (!policy)
        return;
    *at = NULL;
    for (size_t i = 0; i < policy->n_clauses; i++)
        tag_set_clear(&policy->clauses[i]);
    free(policy->clauses);
    cidr_list_clear(&policy->subnets);
    free(policy->name);
    free(policy->namespace);
    free(policy->authorized);
    free(policy);
}

/* ---- From the object ------------------------------------------------------------------------ */

static int read_subject(struct auth_policy *policy, const json_t *subject)
{
    size_t n = json_array_size(subject);

    policy->clauses = calloc(n + 1, sizeof(*policy->clauses));
    if (!policy->clauses)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const json_t *clause = json_array_get(subject, i);
        struct tag_set *set = &policy->clauses[policy->n_clauses++];

        for (size_t j = 0; j < json_array_size(clause); j++) {
            const char *claim = json_string_value(json_array_get(clause, j));
            int r = claim ? tag_set_add(set, claim) : -EINVAL;

            if (r < 0)
                return r;
        }
        if (set->n == 0) /* would match everybody */
            return -EINVAL;
    }
    return 0;
}

static int read_times(struct auth_policy *policy, const json_t *sparse)
{
    const char *expires = json_string_value(json_object_get(sparse, "expirationTime"));
    const char *cron = json_string_value(json_object_get(sparse, "activeSchedule"));
    const char *duration = json_string_value(json_object_get(sparse, "activeDuration"));
    int64_t duration_ms = 0;

    if (expires && *expires && !schema_time_parse(expires, &policy->expires_ms))
        return -EINVAL;
    if (duration && *duration && !schema_duration_parse(duration, false, &duration_ms))
        return -EINVAL;
    policy->has_schedule = cron && *cron;
    return policy->has_schedule ? schedule_parse(cron, duration_ms, &policy->schedule) : 0;
}

static int read_all(struct auth_policy *policy, const char *namespace, const json_t *sparse)
{
    const char *name = json_string_value(json_object_get(sparse, "name"));
    const char *authorized = json_string_value(json_object_get(sparse, "authorizedNamespace"));
    const json_t *identities = json_object_get(sparse, "authorizedIdentities");
    int r;

    policy->name = strdup(name ? name : "");
    policy->namespace = strdup(namespace);
    policy->authorized = strdup(authorized && *authorized ? authorized : namespace);
    if (!policy->name || !policy->namespace || !policy->authorized)
        return -ENOMEM;
    policy->disabled = json_is_true(json_object_get(sparse, "disabled"));
    policy->fallback = json_is_true(json_object_get(sparse, "fallback"));
    for (size_t i = 0; i < json_array_size(identities); i++) {
        const char *text = json_string_value(json_array_get(identities, i));

        if (text)
            auth_mask_add(&policy->mask, text);
    }
    r = read_subject(policy, json_object_get(sparse, "subject"));
    policy->has_subnets = json_array_size(json_object_get(sparse, "authorizedSubnets")) > 0;
    if (r == 0)
        r = cidr_list_add_list(&policy->subnets, json_object_get(sparse, "authorizedSubnets"));
    if (r == 0)
        r = read_times(policy, sparse);
    /* Nobody can open what is not below him, whoever let such an object in. */
    if (r == 0 && !namespace_is_within(policy->namespace, policy->authorized))
        r = -EINVAL;
    return r;
}

int auth_policy_new(const char *namespace, const json_t *sparse, struct auth_policy **ret)
{
    struct auth_policy *policy = calloc(1, sizeof(*policy));
    int r = policy ? read_all(policy, namespace, sparse) : -ENOMEM;

    if (r == -ENOMEM) {
        auth_policy_free(&policy);
        return r;
    }
    policy->broken = r < 0;
    *ret = policy;
    return 0;
}

/* ---- Index ---------------------------------------------------------------------------------- */

static struct auth_claim *claim_find(const struct auth_policies *policies, const char *text)
{
    struct auth_claim *claim;

    HASH_FIND(hh, policies->by_claim, text, strlen(text), claim);
    return claim;
}

static int claim_make(struct auth_policies *policies, const char *text, struct auth_claim **ret)
{
    struct auth_claim *claim = claim_find(policies, text);

    if (!claim) {
        claim = calloc(1, sizeof(*claim));
        if (!claim)
            return -ENOMEM;
        claim->text = strdup(text);
        if (!claim->text) {
            free(claim);
            return -ENOMEM;
        }
        HASH_ADD_KEYPTR(hh, policies->by_claim, claim->text, strlen(claim->text), claim);
    }
    *ret = claim;
    return 0;
}

/* Least used one; the realm, which everybody of a kind has, only when there is nothing else. */
static const char *best_claim(const struct auth_policies *policies, const struct tag_set *clause)
{
    const char *best = clause->tags[0];
    size_t best_n = SIZE_MAX;

    for (size_t i = 0; i < clause->n; i++) {
        const struct auth_claim *claim = claim_find(policies, clause->tags[i]);
        size_t n = claim ? claim->n : 0;

        if (strncmp(clause->tags[i], REALM, strlen(REALM)) == 0)
            n = SIZE_MAX - 1;
        if (n < best_n) {
            best = clause->tags[i];
            best_n = n;
        }
    }
    return best;
}

static int link_clause(struct auth_policies *policies, const struct auth_policy *policy,
                       const struct tag_set *clause)
{
    struct auth_claim *claim;
    int r = claim_make(policies, best_claim(policies, clause), &claim);

    if (r < 0)
        return r;
    if (claim->n == claim->size) {
        size_t size = claim->size ? claim->size * 2 : 2;
        struct auth_claim_use *more = reallocarray(claim->uses, size, sizeof(*more));

        if (!more)
            return -ENOMEM;
        claim->uses = more;
        claim->size = size;
    }
    claim->uses[claim->n++] = (struct auth_claim_use){policy, clause};
    return 0;
}

static void claim_free(struct auth_policies *policies, struct auth_claim *claim)
{
    HASH_DEL(policies->by_claim, claim);
    free(claim->text);
    free(claim->uses);
    free(claim);
}

static void claim_forget(struct auth_policies *policies, const char *text,
                         const struct auth_policy *policy)
{
    struct auth_claim *claim = claim_find(policies, text);

    if (!claim)
        return;
    for (size_t i = 0; i < claim->n;) {
        if (claim->uses[i].policy == policy)
            claim->uses[i] = claim->uses[--claim->n];
        else
            i++;
    }
    if (claim->n == 0)
        claim_free(policies, claim);
}

void auth_policies_remove(struct auth_policies *policies, const char *id)
{
    struct auth_policy *policy;

    assert(policies);
    assert(id);

    HASH_FIND_STR(policies->by_id, id, policy);
    if (!policy)
        return;
    for (size_t i = 0; i < policy->n_clauses; i++)
        for (size_t j = 0; j < policy->clauses[i].n; j++)
            claim_forget(policies, policy->clauses[i].tags[j], policy);
    HASH_DEL(policies->by_id, policy);
    if (policy->fallback)
        HASH_DELETE(hh_fallback, policies->fallbacks, policy);
    auth_policy_free(&policy);
}

/* A policy that cannot be read stays in the table, so that an explanation can say so. */
int auth_policies_put(struct auth_policies *policies, const char *id, const char *namespace,
                      const json_t *sparse)
{
    struct auth_policy *policy;
    int r;

    assert(policies);
    assert(id && strlen(id) <= SCHEMA_ID_LEN);
    assert(namespace);

    auth_policies_remove(policies, id);
    if (HASH_COUNT(policies->by_id) >= AUTH_POLICIES_MAX)
        return -BULKHEAD_ETOOMANY;
    r = auth_policy_new(namespace, sparse, &policy);
    if (r < 0)
        return r;
    memcpy(policy->id, id, strlen(id));
    HASH_ADD_STR(policies->by_id, id, policy);
    if (policy->fallback)
        HASH_ADD(hh_fallback, policies->fallbacks, id, strlen(policy->id), policy);
    for (size_t i = 0; !policy->broken && i < policy->n_clauses; i++) {
        r = link_clause(policies, policy, &policy->clauses[i]);
        if (r < 0) {
            auth_policies_remove(policies, id);
            return r;
        }
    }
    return 0;
}

void auth_policies_clear(struct auth_policies *policies)
{
    struct auth_policy *policy = NULL, *next = NULL;
    struct auth_claim *claim = NULL, *next_claim = NULL;

    HASH_ITER(hh, policies->by_claim, claim, next_claim)
    {
        claim_free(policies, claim);
    }
    HASH_CLEAR(hh_fallback, policies->fallbacks);
    HASH_ITER(hh, policies->by_id, policy, next)
    {
        HASH_DEL(policies->by_id, policy);
        auth_policy_free(&policy);
    }
}

/* ---- Questions ------------------------------------------------------------------------------ */

const char *auth_policy_obstacle(const struct auth_policy *policy,
                                 const struct auth_question *question)
{
    if (policy->broken)
        return "cannot be understood";
    if (question->namespace && !namespace_is_within(policy->authorized, question->namespace))
        return "is for another namespace";
    if (policy->disabled)
        return "is disabled";
    if (policy->expires_ms && policy->expires_ms <= question->now_ms)
        return "has expired";
    if (policy->has_schedule && !schedule_active(&policy->schedule, question->now_ms))
        return "is not active at this time";
    if (policy->has_subnets &&
        (!question->address || !cidr_list_has(&policy->subnets, question->address)))
        return "is not for the client's address";
    return NULL;
}

void auth_policies_matching(const struct auth_policies *policies, const struct tag_set *claims,
                            void (*visit)(void *context, const struct auth_policy *policy),
                            void *context)
{
    for (size_t i = 0; i < claims->n; i++) {
        const struct auth_claim *claim = claim_find(policies, claims->tags[i]);

        for (size_t j = 0; claim && j < claim->n; j++)
            if (tag_set_has_all(claims, claim->uses[j].clause))
                visit(context, claim->uses[j].policy);
    }
}

struct filter_visit {
    const struct auth_question *question;
    void (*visit)(void *context, const struct auth_policy *policy);
    void *context;
};

static void visit_unobstructed(void *context, const struct auth_policy *policy)
{
    const struct filter_visit *filter = context;

    if (!auth_policy_obstacle(policy, filter->question))
        filter->visit(filter->context, policy);
}

void auth_policies_visit(const struct auth_policies *policies, const struct auth_question *question,
                         void (*visit)(void *context, const struct auth_policy *policy),
                         void *context)
{
    struct filter_visit filter = {question, visit, context};

    auth_policies_matching(policies, question->claims, visit_unobstructed, &filter);
}

struct masks {
    struct auth_mask normal, fallback;
    bool any;
};

static void collect(void *context, const struct auth_policy *policy)
{
    struct masks *masks = context;

    masks->any |= !policy->fallback;
    auth_mask_or(policy->fallback ? &masks->fallback : &masks->normal, &policy->mask);
}

void auth_policies_mask(const struct auth_policies *policies, const struct auth_question *question,
                        struct auth_mask *ret)
{
    struct masks masks = {0};

    auth_policies_visit(policies, question, collect, &masks);
    *ret = masks.any ? masks.normal : masks.fallback;
}
