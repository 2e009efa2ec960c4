/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "vec.h"

#define FINGERPRINT_BYTES_MAX ((size_t)1 << 30)

/* Own namespace, or a propagating object of an ancestor. */
static bool in_scope(const char *owner, bool propagate, const char *namespace)
{
    if (strcmp(owner, namespace) == 0)
        return true;
    return propagate && namespace_is_within(owner, namespace);
}

bool policy_network_in_scope(const struct model_network *network, const char *namespace)
{
    return in_scope(network->namespace, network->propagate, namespace);
}

static int add_rules(struct policy *policy, size_t *size, const struct model_ruleset *ruleset)
{
    size_t n = ruleset->n_rules[MODEL_DIRECTION_IN] + ruleset->n_rules[MODEL_DIRECTION_OUT];
    int r;

    if (n > POLICY_RULES_MAX - policy->n_rules)
        return -BULKHEAD_ETOOMANY;
    r = vec_reserve(&policy->rules, size, policy->n_rules + n, sizeof(*policy->rules));
    if (r < 0)
        return r;
    for (int direction = MODEL_DIRECTION_IN; direction <= MODEL_DIRECTION_OUT; direction++) {
        for (size_t i = 0; i < ruleset->n_rules[direction]; i++)
            policy->rules[policy->n_rules++] = (struct policy_rule){
                .ruleset = ruleset,
                .rule = &ruleset->rules[direction][i],
                .direction = (enum model_direction)direction,
                .index_in_ruleset = (uint32_t)i,
            };
    }
    return 0;
}

/* The estate's rulesets are sorted by (depth, namespace, name), so the rules come out in policy
 * order. */
static int collect(const struct estate *estate, const struct tag_set *tags, bool fallback,
                   struct policy *policy, size_t *ret_selected)
{
    size_t size = policy->n_rules, selected = 0;
    int r;

    for (size_t i = 0; i < estate->n_rulesets; i++) {
        const struct model_ruleset *ruleset = &estate->rulesets[i];

        if (ruleset->disabled || ruleset->fallback != fallback)
            continue;
        if (!in_scope(ruleset->namespace, ruleset->propagate, policy->namespace))
            continue;
        if (!tag_expr_matches(&ruleset->subject, tags))
            continue;
        r = add_rules(policy, &size, ruleset);
        if (r < 0)
            return r;
        selected++;
    }
    *ret_selected = selected;
    return 0;
}

/* Nearest namespace up the tree that says something; Reject and silent drop when none does. */
static void inherit(const struct estate *estate, struct policy *policy)
{
    unsigned default_depth[2] = {0, 0}, reset_depth = 0;

    policy->defaults[MODEL_DIRECTION_IN] = MODEL_ACTION_REJECT;
    policy->defaults[MODEL_DIRECTION_OUT] = MODEL_ACTION_REJECT;
    for (size_t i = 0; i < estate->n_namespaces; i++) {
        const struct model_namespace *ns = &estate->namespaces[i];
        unsigned depth;

        if (!namespace_is_within(ns->name, policy->namespace))
            continue;
        depth = namespace_depth(ns->name);
        for (int direction = 0; direction < 2; direction++) {
            if (ns->defaults[direction] == MODEL_ACTION_NONE || depth < default_depth[direction])
                continue;
            policy->defaults[direction] = ns->defaults[direction];
            default_depth[direction] = depth;
        }
        if (ns->reject_mode_set && depth >= reset_depth) {
            policy->reject_reset = ns->reject_reset;
            reset_depth = depth;
        }
    }
}

static void describe_rule(struct buf *text, const struct model_rule *rule)
{
    /* Every string with its length before it, so that two different rules never read the same. */
    buf_printf(text, "%zu:%s %d %d %d", strlen(rule->name), rule->name, (int)rule->action,
               rule->logs_disabled, rule->observation);
    for (size_t i = 0; i < rule->object.n; i++) {
        const struct tag_set *clause = &rule->object.clauses[i];

        buf_printf(text, "|%zu", clause->n);
        for (size_t j = 0; j < clause->n; j++)
            buf_printf(text, ",%zu:%s", strlen(clause->tags[j]), clause->tags[j]);
    }
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct port_match *port = &rule->ports[i];

        buf_printf(text, ";%d/%u/%u/%u", port->any_protocol, port->protocol, port->low, port->high);
    }
    buf_puts(text, "\n");
}

static int ruleset_digest(const struct model_ruleset *ruleset, uint8_t ret[SHA256_BYTES])
{
    _cleanup_buf_ struct buf text = BUF_INIT(FINGERPRINT_BYTES_MAX);

    buf_printf(&text, "%zu:%s%zu:%s\n", strlen(ruleset->namespace), ruleset->namespace,
               strlen(ruleset->name), ruleset->name);
    for (int direction = 0; direction < 2; direction++) {
        buf_printf(&text, "direction %d\n", direction);
        for (size_t i = 0; i < ruleset->n_rules[direction]; i++)
            describe_rule(&text, &ruleset->rules[direction][i]);
    }
    if (text.error)
        return text.error;
    return hash_sha256(text.data, text.len, ret);
}

/* Content, not places in memory: the same policy has the same fingerprint in the next estate. */
static int fingerprint(const struct estate *estate, struct policy *policy)
{
    _cleanup_buf_ struct buf text = BUF_INIT(FINGERPRINT_BYTES_MAX);
    const struct model_ruleset *last = NULL;
    int r;

    buf_printf(&text, "bulkhead-policy-1 %d %d %d\n", (int)policy->defaults[0],
               (int)policy->defaults[1], policy->reject_reset);
    for (size_t i = 0; i < policy->n_rules; i++) {
        uint8_t digest[SHA256_BYTES];

        if (policy->rules[i].ruleset == last)
            continue;
        last = policy->rules[i].ruleset;
        r = ruleset_digest(last, digest);
        if (r < 0)
            return r;
        buf_append(&text, digest, sizeof(digest));
    }
    buf_puts(&text, "networks\n");
    for (size_t i = 0; i < estate->n_networks; i++) {
        const struct model_network *network = &estate->networks[i];

        if (policy_network_in_scope(network, policy->namespace))
            buf_printf(&text, "%zu:%s%zu:%s\n", strlen(network->namespace), network->namespace,
                       strlen(network->name), network->name);
    }
    if (text.error)
        return text.error;
    return hash_sha256(text.data, text.len, policy->fingerprint);
}

int policy_resolve(const struct estate *estate, const char *namespace, const struct tag_set *tags,
                   struct policy **ret)
{
    _cleanup_policy_ struct policy *policy = NULL;
    size_t selected = 0;
    int r;

    assert(estate);
    assert(namespace);
    assert(tags);
    assert(ret);

    policy = calloc(1, sizeof(*policy));
    if (!policy)
        return -ENOMEM;
    policy->namespace = strdup(namespace);
    if (!policy->namespace)
        return -ENOMEM;
    r = collect(estate, tags, false, policy, &selected);
    if (r == 0 && selected == 0)
        r = collect(estate, tags, true, policy, &selected);
    if (r < 0)
        return r;
    inherit(estate, policy);
    r = fingerprint(estate, policy);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(policy);
    return 0;
}

void policy_free(struct policy **policy)
{
    if (!*policy)
        return;
    free((*policy)->namespace);
    free((*policy)->rules);
    free(*policy);
    *policy = NULL;
}
