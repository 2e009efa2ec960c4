/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

/*
 * The reference: every rule against every network, in the words of docs/developer/policy.md. Slow
 * on purpose; nothing here is shared with the compiler, so that one can be tested with the other.
 */

static bool ports_match(const struct model_rule *rule, uint8_t protocol, uint16_t port)
{
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct port_match *match = &rule->ports[i];

        if (match->any_protocol)
            return true;
        if (match->protocol == protocol && match->low <= port && port <= match->high)
            return true;
    }
    return false;
}

/* An external network in scope that holds the address, whose own tags satisfy the object. To a peer
 * that proved an identity an Allow rule applies only through a network with matchProcessingUnits.
 */
static bool address_matches(const struct estate *estate, const struct policy *policy,
                            const struct model_rule *rule, const struct policy_peer *peer)
{
    for (size_t i = 0; i < estate->n_networks; i++) {
        const struct model_network *network = &estate->networks[i];

        if (!policy_network_in_scope(network, policy->namespace))
            continue;
        if (!cidr_list_has(&network->cidrs, &peer->address))
            continue;
        if (!tag_expr_matches(&rule->object, &network->tags))
            continue;
        if (peer->has_identity && rule->action == MODEL_ACTION_ALLOW &&
            !network->match_processing_units)
            continue;
        return true;
    }
    return false;
}

static bool rule_matches(const struct estate *estate, const struct policy *policy,
                         const struct model_rule *rule, const struct policy_peer *peer,
                         uint8_t protocol, uint16_t port)
{
    if (!ports_match(rule, protocol, port))
        return false;
    if (peer->has_identity && tag_expr_matches(&rule->object, peer->tags))
        return true;
    return peer->has_address && address_matches(estate, policy, rule, peer);
}

/* Rules come in order: an action is taken over only where it beats the one found before. */
static bool beats(enum model_action action, enum model_action found)
{
    return found == MODEL_ACTION_NONE ||
           (action == MODEL_ACTION_REJECT && found == MODEL_ACTION_ALLOW);
}

void policy_evaluate(const struct estate *estate, const struct policy *policy,
                     enum model_direction direction, const struct policy_peer *peer,
                     uint8_t protocol, uint16_t port, struct policy_decision *ret)
{
    struct policy_decision decision = {
        .rule = POLICY_RULE_NONE,
        .observed_rule = POLICY_RULE_NONE,
    };

    assert(!peer->has_identity || peer->tags);
    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct model_rule *rule = policy->rules[i].rule;

        if (policy->rules[i].direction != direction)
            continue;
        if (!rule_matches(estate, policy, rule, peer, protocol, port))
            continue;
        if (rule->observation && beats(rule->action, decision.observed)) {
            decision.observed = rule->action;
            decision.observed_rule = (uint32_t)i;
        }
        if (!rule->observation && beats(rule->action, decision.action)) {
            decision.action = rule->action;
            decision.rule = (uint32_t)i;
            decision.logs_disabled = rule->logs_disabled;
        }
    }
    if (decision.action == MODEL_ACTION_NONE) {
        decision.action = policy->defaults[direction];
        decision.by_default = true;
    }
    *ret = decision;
}
