/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processing units are resolved once per (namespace, tags) and kept: a file of cases names the same
 * few again and again.
 */
#include "cli/eval.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "base/buf.h"

#define EVAL_KEY_BYTES_MAX ((size_t)1 << 20)

struct eval_pu {
    char *key; /* namespace and tags, one a line */
    char *namespace;
    struct tag_set tags;
    struct policy *policy;
    const char *default_namespace[2]; /* whose default holds, by direction */
    UT_hash_handle hh;
};

struct eval {
    const struct estate *estate;
    const char *namespace;
    struct eval_pu *pus; /* uthash by key */
};

static void pu_free(struct eval_pu **pu)
{
    if (!*pu)
        return;
    free((*pu)->key);
    free((*pu)->namespace);
    tag_set_clear(&(*pu)->tags);
    policy_free(&(*pu)->policy);
    free(*pu);
    *pu = NULL;
}

int eval_new(const struct estate *estate, const char *namespace, struct eval **ret)
{
    struct eval *eval = calloc(1, sizeof(*eval));

    if (!eval)
        return -ENOMEM;
    eval->estate = estate;
    eval->namespace = namespace;
    *ret = eval;
    return 0;
}

void eval_free(struct eval **eval)
{
    struct eval_pu *pu, *next;

    if (!*eval)
        return;
    HASH_ITER(hh, (*eval)->pus, pu, next)
    {
        HASH_DEL((*eval)->pus, pu);
        pu_free(&pu);
    }
    free(*eval);
    *eval = NULL;
}

/* The nearest namespace up the tree that says something; the PU's own when none does. */
static const char *default_namespace(const struct estate *estate, const char *namespace,
                                     enum model_direction direction)
{
    const struct model_namespace *found = NULL;

    for (size_t i = 0; i < estate->n_namespaces; i++) {
        const struct model_namespace *at = &estate->namespaces[i];

        if (at->defaults[direction] != MODEL_ACTION_NONE &&
            namespace_is_within(at->name, namespace) &&
            (!found || namespace_depth(at->name) > namespace_depth(found->name)))
            found = at;
    }
    return found ? found->name : namespace;
}

static int pu_new(const struct eval *eval, const char *namespace, const struct tag_set *tags,
                  struct eval_pu **ret)
{
    _cleanup_(pu_free) struct eval_pu *pu = calloc(1, sizeof(*pu));
    int r;

    if (!pu)
        return -ENOMEM;
    pu->namespace = strdup(namespace);
    if (!pu->namespace)
        return -ENOMEM;
    r = pu_tags_complete(tags, namespace, NULL, NULL, &pu->tags);
    if (r == 0)
        r = policy_resolve(eval->estate, namespace, &pu->tags, &pu->policy);
    if (r < 0)
        return r;
    for (int d = MODEL_DIRECTION_IN; d <= MODEL_DIRECTION_OUT; d++)
        pu->default_namespace[d] = default_namespace(eval->estate, pu->namespace, d);
    *ret = TAKE_PTR(pu);
    return 0;
}

/* @param ret  belongs to eval; NULL for a peer without identity */
static int find_pu(struct eval *eval, const char *namespace, const struct peer *peer,
                   const struct eval_pu **ret)
{
    _cleanup_buf_ struct buf key = BUF_INIT(EVAL_KEY_BYTES_MAX);
    struct eval_pu *pu = NULL;
    const char *where;
    int r;

    *ret = NULL;
    if (!peer_has_identity(peer))
        return 0;
    where = peer->namespace ? peer->namespace : namespace;
    buf_puts(&key, where);
    for (size_t i = 0; i < peer->tags.n; i++)
        buf_printf(&key, "\n%s", peer->tags.tags[i]);
    if (key.error)
        return key.error;

    HASH_FIND_STR(eval->pus, key.data, pu);
    if (!pu) {
        r = pu_new(eval, where, &peer->tags, &pu);
        if (r < 0)
            return r;
        pu->key = buf_steal(&key);
        HASH_ADD_KEYPTR(hh, eval->pus, pu->key, strlen(pu->key), pu);
    }
    *ret = pu;
    return 0;
}

/* ---- JSON -------------------------------------------------------------------------------------
 */

static const char *action_name(enum model_action action)
{
    return action == MODEL_ACTION_ALLOW ? "Allow" : "Reject";
}

static const char *verdict_name(enum model_action action)
{
    return action == MODEL_ACTION_ALLOW ? "Accept" : "Reject";
}

/* {policyNamespace, policyName, ruleName} */
static json_t *rule_json(const struct policy *policy, uint32_t index)
{
    const struct policy_rule *rule = &policy->rules[index];

    return json_pack("{s:s, s:s, s:s}", "policyNamespace", rule->ruleset->namespace, "policyName",
                     rule->ruleset->name, "ruleName", rule->rule->name);
}

static json_t *observed_json(const struct policy *policy, const struct policy_decision *decision)
{
    json_t *list = json_array(), *item = NULL;

    if (!list || decision->observed == MODEL_ACTION_NONE)
        return list;
    item = rule_json(policy, decision->observed_rule);
    if (!item ||
        json_object_set_new(item, "action", json_string(action_name(decision->observed))) ||
        json_array_append(list, item)) {
        json_decref(list);
        list = NULL;
    }
    json_decref(item);
    return list;
}

struct flow {
    enum model_direction direction; /* as this side sees it */
    struct policy_peer peer;        /* the other end */
    uint8_t protocol;
    uint16_t port;
};

static int nearest_json(const struct eval *eval, const struct policy *policy,
                        const struct flow *flow, json_t **ret)
{
    _cleanup_free_
    char *missing = NULL;
    uint32_t rule = POLICY_RULE_NONE;
    int r = policy_nearest(eval->estate, policy, flow->direction, &flow->peer, flow->protocol,
                           flow->port, &rule, &missing);
    json_t *nearest;

    if (r < 0)
        return r;
    if (rule == POLICY_RULE_NONE || !missing) {
        *ret = json_null();
        return 0;
    }
    nearest = rule_json(policy, rule);
    if (!nearest || json_object_set_new(nearest, "missing", json_string(missing))) {
        json_decref(nearest);
        return -ENOMEM;
    }
    *ret = nearest;
    return 0;
}

/* What decided: the rule, or the default of a namespace. */
static json_t *decided_json(const struct eval_pu *pu, const struct flow *flow,
                            const struct policy_decision *decision)
{
    if (!decision->by_default)
        return rule_json(pu->policy, decision->rule);
    return json_pack("{s:s, s:s, s:s}", "policyNamespace", pu->default_namespace[flow->direction],
                     "policyName", "default", "ruleName", "");
}

static int side_json(const struct eval *eval, const struct eval_pu *pu, const struct flow *flow,
                     json_t **ret, bool *ret_accepts)
{
    _cleanup_(json_decrefp) json_t *side = NULL;
    struct policy_decision decision;
    json_t *nearest = json_null();
    int r = 0;

    policy_evaluate(eval->estate, pu->policy, flow->direction, &flow->peer, flow->protocol,
                    flow->port, &decision);
    if (decision.by_default)
        r = nearest_json(eval, pu->policy, flow, &nearest);
    if (r < 0)
        return r;
    side = json_pack("{s:s, s:s}", "side",
                     flow->direction == MODEL_DIRECTION_OUT ? "sender" : "receiver", "verdict",
                     verdict_name(decision.action));
    if (!side || json_object_update_new(side, decided_json(pu, flow, &decision)) < 0 ||
        json_object_set_new(side, "action", json_string(action_name(decision.action))) < 0 ||
        json_object_set_new(side, "default", json_boolean(decision.by_default)) < 0 ||
        json_object_set_new(side, "observed", observed_json(pu->policy, &decision)) < 0 ||
        json_object_set_new(side, "nearest", nearest) < 0)
        return -ENOMEM;
    *ret = TAKE_PTR(side);
    *ret_accepts = decision.action == MODEL_ACTION_ALLOW;
    return 0;
}

static struct policy_peer policy_peer_of(const struct peer *peer, const struct eval_pu *pu)
{
    return (struct policy_peer){
        .has_identity = pu != NULL,
        .namespace = pu ? pu->namespace : NULL,
        .tags = pu ? &pu->tags : NULL,
        .has_address = peer->has_address,
        .address = peer->address,
    };
}

int eval_flow(struct eval *eval, const char *namespace, const struct peer *from,
              const struct peer *to, uint8_t protocol, uint16_t port, json_t **ret)
{
    const struct eval_pu *sender = NULL, *receiver = NULL;
    _cleanup_(json_decrefp) json_t *sides = NULL;
    bool accepted = true;
    int r;

    namespace = namespace ? namespace : eval->namespace;
    r = find_pu(eval, namespace, from, &sender);
    if (r == 0)
        r = find_pu(eval, namespace, to, &receiver);
    if (r < 0)
        return r;
    if (!sender && !receiver)
        return -EDESTADDRREQ;
    sides = json_array();
    if (!sides)
        return -ENOMEM;
    for (int out = 1; out >= 0; out--) {
        const struct eval_pu *pu = out ? sender : receiver;
        struct flow flow = {
            .direction = out ? MODEL_DIRECTION_OUT : MODEL_DIRECTION_IN,
            .peer = out ? policy_peer_of(to, receiver) : policy_peer_of(from, sender),
            .protocol = protocol,
            .port = port,
        };
        json_t *side = NULL;
        bool accepts = true;

        if (!pu)
            continue;
        r = side_json(eval, pu, &flow, &side, &accepts);
        if (r < 0)
            return r;
        if (json_array_append_new(sides, side) < 0)
            return -ENOMEM;
        accepted &= accepts;
    }
    *ret = json_pack("{s:s, s:O}", "verdict", accepted ? "Accept" : "Reject", "sides", sides);
    return *ret ? 0 : -ENOMEM;
}
