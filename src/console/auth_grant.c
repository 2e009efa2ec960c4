/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_internal.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

/*
 * Nobody gives what he does not hold. A right has four edges: permissions, the namespace, networks
 * and time. Whoever makes a policy must hold, now and with this token, rights that reach as far as
 * the policy does on each of them. Each of his own policies counts by itself: two that only
 * together cover the same networks or times give neither on.
 *
 * The end of a token is not an edge: it is about the token, a new one is to be had any time. That
 * of a policy is.
 */

/* ---- What the caller holds ------------------------------------------------------------------ */

static bool schedules_same(const struct schedule *a, const struct schedule *b)
{
    return a->minutes == b->minutes && a->hours == b->hours && a->days == b->days &&
           a->months == b->months && a->weekdays == b->weekdays && a->any_day == b->any_day &&
           a->any_weekday == b->any_weekday;
}

enum edge { EDGE_NONE, EDGE_NETWORKS, EDGE_END, EDGE_SCHEDULE };

/* Where `wanted` reaches further than `own` does. */
static enum edge edge_crossed(const struct auth_policy *wanted, const struct auth_policy *own)
{
    if (own->has_subnets &&
        (!wanted->has_subnets || !cidr_list_within(&wanted->subnets, &own->subnets)))
        return EDGE_NETWORKS;
    if (own->expires_ms && (!wanted->expires_ms || wanted->expires_ms > own->expires_ms))
        return EDGE_END;
    if (own->has_schedule &&
        (!wanted->has_schedule || !schedules_same(&wanted->schedule, &own->schedule) ||
         wanted->schedule.duration_ms > own->schedule.duration_ms))
        return EDGE_SCHEDULE;
    return EDGE_NONE;
}

struct holding {
    const struct auth_policy *wanted;
    struct auth_mask normal, fallback;         /* of policies that apply */
    struct auth_mask far_normal, far_fallback; /* of those that reach as far as `wanted` */
    const struct auth_policy *edged;           /* one that does not, with what is wanted */
    bool any;
};

static bool overlap(const struct auth_mask *a, const struct auth_mask *b)
{
    struct auth_mask both = *a;

    auth_mask_and(&both, b);
    return !auth_mask_empty(&both);
}

static void hold(void *context, const struct auth_policy *policy)
{
    struct holding *holding = context;

    holding->any |= !policy->fallback;
    auth_mask_or(policy->fallback ? &holding->fallback : &holding->normal, &policy->mask);
    if (edge_crossed(holding->wanted, policy) == EDGE_NONE)
        auth_mask_or(policy->fallback ? &holding->far_fallback : &holding->far_normal,
                     &policy->mask);
    else if (overlap(&policy->mask, &holding->wanted->mask))
        holding->edged = policy;
}

static bool is_from(const struct auth_policy *wanted, const struct cidr_list *networks)
{
    return wanted->has_subnets && cidr_list_within(&wanted->subnets, networks);
}

static bool token_from_networks(const struct caller *caller, const struct auth_policy *wanted)
{
    return (caller->has_restricted_networks && !is_from(wanted, &caller->restricted_networks)) ||
           (caller->has_origin_networks && !is_from(wanted, &caller->origin_networks));
}

static bool token_for_some_uses(const struct caller *caller)
{
    return json_integer_value(json_object_get(caller->token, "quota")) > 0;
}

/* ---- Saying no ------------------------------------------------------------------------------ */

static int refuse(struct api_error *error, const char *attribute, const char *text)
{
    api_error_set(error, 403, "Forbidden", "%s", text);
    text_format(error->attribute, sizeof(error->attribute), "%s", attribute);
    return -EPERM;
}

/* The first permission of the policy that is not within `own`. */
static const char *first_missing(const json_t *policy, const struct auth_mask *own)
{
    const json_t *permissions = json_object_get(policy, "authorizedIdentities");

    for (size_t i = 0; i < json_array_size(permissions); i++) {
        const char *text = json_string_value(json_array_get(permissions, i));
        struct auth_mask mask = {0};

        if (text)
            auth_mask_add(&mask, text);
        if (!auth_mask_within(&mask, own))
            return text;
    }
    return "all of it";
}

static int refuse_edge(const struct holding *holding, const char *missing, struct api_error *error)
{
    const struct auth_policy *wanted = holding->wanted, *own = holding->edged;
    enum edge edge = own ? edge_crossed(wanted, own) : EDGE_NONE;
    char text[1024], end[SCHEMA_TIME_LEN + 1] = "";
    const char *attribute = "authorizedSubnets";
    const char *how = "for some networks: set authorizedSubnets to some within those";

    if (edge == EDGE_END) {
        attribute = "expirationTime";
        how = "until it expires: set expirationTime, at the latest ";
        schema_time_format(own->expires_ms, end);
    } else if (edge == EDGE_SCHEDULE) {
        attribute = "activeSchedule";
        how = "at times: set the same activeSchedule, and no longer activeDuration";
    }
    text_format(text, sizeof(text), "you hold %.200s in %.300s by the policy '%.200s' only %s%s",
                missing, wanted->authorized, own ? own->name : "", how, end);
    return refuse(error, attribute, text);
}

static int refuse_permission(const struct auth_policy *wanted, const char *missing,
                             struct api_error *error)
{
    char text[1024];

    text_format(text, sizeof(text), "you cannot give %.300s in %.300s: you do not have it", missing,
                wanted->authorized);
    return refuse(error, "authorizedIdentities", text);
}

/* ---- The question --------------------------------------------------------------------------- */

/* What the caller holds, and how much of it reaches as far as `wanted`. */
static void weigh(const struct auth *auth, const struct caller *caller,
                  const struct auth_policy *wanted, struct holding *ret)
{
    const struct auth_question question = {
        .claims = &caller->claims,
        .address = caller->has_address ? &caller->address : NULL,
        .namespace = wanted->authorized,
        .now_ms = auth->now_ms(),
    };

    *ret = (struct holding){.wanted = wanted};
    auth_policies_visit(&auth->policies, &question, hold, ret);
    if (!ret->any) {
        ret->normal = ret->fallback;
        ret->far_normal = ret->far_fallback;
    }
    if (caller->restricted_mask) {
        auth_mask_and(&ret->normal, caller->restricted_mask);
        auth_mask_and(&ret->far_normal, caller->restricted_mask);
    }
    if (caller->restricted_namespace &&
        !namespace_is_within(caller->restricted_namespace, wanted->authorized))
        ret->normal = ret->far_normal = (struct auth_mask){0};
}

static bool holds(const struct auth *auth, const struct caller *caller,
                  const struct auth_policy *wanted)
{
    struct holding holding;

    if (auth_mask_empty(&wanted->mask))
        return true;
    weigh(auth, caller, wanted, &holding);
    return !token_from_networks(caller, wanted) && !token_for_some_uses(caller) &&
           auth_mask_within(&wanted->mask, &holding.far_normal);
}

static int check(const struct caller *caller, const struct holding *holding, const json_t *policy,
                 struct api_error *error)
{
    const struct auth_policy *wanted = holding->wanted;

    if (auth_mask_empty(&wanted->mask))
        return 0;
    if (!auth_mask_within(&wanted->mask, &holding->normal))
        return refuse_permission(wanted, first_missing(policy, &holding->normal), error);
    if (token_for_some_uses(caller))
        return refuse(error, "",
                      "the token is good for some uses only: rights cannot be given with it");
    if (token_from_networks(caller, wanted))
        return refuse(error, "authorizedSubnets",
                      "the token, or its app credential, is restricted to networks: set "
                      "authorizedSubnets to some within those");
    if (!auth_mask_within(&wanted->mask, &holding->far_normal))
        return refuse_edge(holding, first_missing(policy, &holding->far_normal), error);
    return 0;
}

int auth_check_grant(struct auth *auth, const struct caller *caller, const char *namespace,
                     const json_t *policy, struct api_error *error)
{
    struct auth_policy *wanted = NULL;
    struct holding holding;
    int r;

    assert(auth && caller && namespace && policy && error);

    r = auth_policy_new(namespace, policy, &wanted);
    if (r < 0)
        return r;
    weigh(auth, caller, wanted, &holding);
    r = check(caller, &holding, policy, error);
    auth_policy_free(&wanted);
    return r;
}

/* ---- Fallback policies ---------------------------------------------------------------------- */

/* "@auth:realm=certificate" → length of "@auth:realm=" when nobody has two of these. */
static size_t single_key(const char *claim)
{
    static const char *const keys[] = {
        "@auth:realm=", "@auth:subject=", "@auth:id=", "@auth:account="};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (strncmp(claim, keys[i], strlen(keys[i])) == 0)
            return strlen(keys[i]);
    return 0;
}

/* Can somebody have the claims of both? */
static bool clauses_meet(const struct tag_set *a, const struct tag_set *b)
{
    for (size_t i = 0; i < a->n; i++) {
        size_t len = single_key(a->tags[i]);

        for (size_t j = 0; j < b->n && len > 0; j++)
            if (strncmp(a->tags[i], b->tags[j], len) == 0 && strcmp(a->tags[i], b->tags[j]) != 0)
                return false;
    }
    return true;
}

static bool policies_meet(const struct auth_policy *a, const struct auth_policy *b)
{
    if (!namespace_is_within(a->authorized, b->authorized) &&
        !namespace_is_within(b->authorized, a->authorized))
        return false;
    for (size_t i = 0; i < a->n_clauses; i++)
        for (size_t j = 0; j < b->n_clauses; j++)
            if (clauses_meet(&a->clauses[i], &b->clauses[j]))
                return true;
    return false;
}

int auth_check_silenced(struct auth *auth, const struct caller *caller, const char *id,
                        const char *namespace, const json_t *policy, struct api_error *error)
{
    struct auth_policy *own = NULL, *fallback = NULL, *next = NULL;
    int r = 0;

    assert(auth && caller && id && namespace && policy && error);

    if (!auth->policies.fallbacks)
        return 0;
    r = auth_policy_new(namespace, policy, &own);
    if (r < 0)
        return r;
    HASH_ITER(hh_fallback, auth->policies.fallbacks, fallback, next)
    {
        if (r == 0 && !own->fallback && strcmp(fallback->id, id) != 0 &&
            policies_meet(own, fallback) && !holds(auth, caller, fallback))
            r = refuse(error, "subject",
                       "fallback policies count for somebody whom the policy names, or not, as it "
                       "is there or not: they give more than you hold");
    }
    auth_policy_free(&own);
    return r;
}

bool auth_permissions_within(const json_t *permissions, const struct caller *caller)
{
    struct auth_mask wanted = {0};

    for (size_t i = 0; i < json_array_size(permissions); i++) {
        const char *text = json_string_value(json_array_get(permissions, i));

        if (text)
            auth_mask_add(&wanted, text);
    }
    return !caller->restricted_mask || auth_mask_within(&wanted, caller->restricted_mask);
}

struct covering {
    const struct auth *auth;
    const struct caller *caller;
    const struct cidr_list *from;
    bool all;
};

static void cover(void *context, const struct auth_policy *policy)
{
    struct covering *covering = context;
    struct auth_policy wanted = *policy; /* lent, but for where it counts */

    if (covering->from && !wanted.has_subnets) {
        wanted.has_subnets = true;
        wanted.subnets = *covering->from;
    }
    covering->all = covering->all && holds(covering->auth, covering->caller, &wanted);
}

bool auth_covers(struct auth *auth, const struct caller *caller, const struct tag_set *claims,
                 const struct cidr_list *from)
{
    struct covering covering = {auth, caller, from, true};

    assert(auth && caller && claims);

    auth_policies_matching(&auth->policies, claims, cover, &covering);
    return covering.all;
}
