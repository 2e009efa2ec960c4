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
    if (n == 0)
        return 0;
    assert(policy->rules);
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

/* Strings with their length before them, numbers in four bytes: different content reads
 * differently. */
static void put_number(struct buf *bytes, size_t number)
{
    const uint8_t big_endian[] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                  (uint8_t)(number >> 8), (uint8_t)number};

    buf_append(bytes, big_endian, sizeof(big_endian));
}

static void put_text(struct buf *bytes, const char *text)
{
    size_t len = strlen(text);

    put_number(bytes, len);
    buf_append(bytes, text, len);
}

static void put_tags(struct buf *bytes, const struct tag_set *tags)
{
    put_number(bytes, tags->n);
    for (size_t i = 0; i < tags->n; i++)
        put_text(bytes, tags->tags[i]);
}

static void put_rule(struct buf *bytes, const struct model_rule *rule)
{
    put_text(bytes, rule->name);
    put_number(bytes, (size_t)rule->action << 2 | (size_t)rule->logs_disabled << 1 |
                          (size_t)rule->observation);
    put_number(bytes, rule->object.n);
    for (size_t i = 0; i < rule->object.n; i++)
        put_tags(bytes, &rule->object.clauses[i]);
    put_number(bytes, rule->n_ports);
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct port_match *port = &rule->ports[i];

        put_number(bytes, (size_t)port->any_protocol << 8 | port->protocol);
        put_number(bytes, (size_t)port->low << 16 | port->high);
    }
}

static int ruleset_digest(const struct model_ruleset *ruleset, struct buf *bytes,
                          uint8_t ret[SHA256_BYTES])
{
    bytes->len = 0;
    put_text(bytes, ruleset->namespace);
    put_text(bytes, ruleset->name);
    for (int direction = 0; direction < 2; direction++) {
        put_number(bytes, ruleset->n_rules[direction]);
        for (size_t i = 0; i < ruleset->n_rules[direction]; i++)
            put_rule(bytes, &ruleset->rules[direction][i]);
    }
    if (bytes->error)
        return bytes->error;
    return hash_sha256(bytes->data, bytes->len, ret);
}

/* Content, not places in memory: the same policy has the same fingerprint in the next estate. */
static int fingerprint(const struct estate *estate, struct policy *policy)
{
    _cleanup_buf_ struct buf bytes = BUF_INIT(FINGERPRINT_BYTES_MAX);
    _cleanup_buf_ struct buf scratch = BUF_INIT(FINGERPRINT_BYTES_MAX);
    const struct model_ruleset *last = NULL;
    int r;

    put_text(&bytes, "bulkhead-policy-1");
    put_number(&bytes, (size_t)policy->defaults[0] << 16 | (size_t)policy->defaults[1] << 8 |
                           (size_t)policy->reject_reset);
    for (size_t i = 0; i < policy->n_rules; i++) {
        uint8_t digest[SHA256_BYTES];

        if (policy->rules[i].ruleset == last)
            continue;
        last = policy->rules[i].ruleset;
        r = ruleset_digest(last, &scratch, digest);
        if (r < 0)
            return r;
        buf_append(&bytes, digest, sizeof(digest));
    }
    put_text(&bytes, "networks");
    for (size_t i = 0; i < estate->n_networks; i++) {
        const struct model_network *network = &estate->networks[i];

        if (!policy_network_in_scope(network, policy->namespace))
            continue;
        put_text(&bytes, network->namespace);
        put_text(&bytes, network->name);
        put_number(&bytes, network->match_processing_units);
        put_tags(&bytes, &network->tags);
    }
    if (bytes.error)
        return bytes.error;
    return hash_sha256(bytes.data, bytes.len, policy->fingerprint);
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
