/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "model/document_internal.h"
#include "model/print.h"

#define ESTATE_TEXT_MAX (1ul << 31)

static bool is_plain(const char *text)
{
    struct node node = {.text = text, .text_len = strlen(text)};

    if (node.text_len == 0 ||
        !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/", *text))
        return false;
    if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.-") !=
        node.text_len)
        return false;
    document_resolve_scalar(&node);
    return node.kind == NODE_STRING;
}

void print_string(struct buf *buf, const char *text)
{
    if (is_plain(text)) {
        buf_puts(buf, text);
        return;
    }
    /* The escapes of JSON are escapes of YAML. */
    buf_puts(buf, "\"");
    text_json_escape(buf, text, strlen(text));
    buf_puts(buf, "\"");
}

void print_tags(struct buf *buf, const struct tag_set *tags)
{
    buf_puts(buf, "[");
    for (size_t i = 0; i < tags->n; i++) {
        buf_puts(buf, i ? ", " : "");
        print_string(buf, tags->tags[i]);
    }
    buf_puts(buf, "]");
}

void print_expr(struct buf *buf, const struct tag_expr *expr)
{
    buf_puts(buf, "[");
    for (size_t i = 0; i < expr->n; i++) {
        buf_puts(buf, i ? ", " : "");
        print_tags(buf, &expr->clauses[i]);
    }
    buf_puts(buf, "]");
}

static void print_icmp(struct buf *buf, const struct port_match *match)
{
    unsigned type = match->low >> 8, low = match->low & 0xff, high = match->high & 0xff;

    buf_puts(buf, protocol_name(match->protocol));
    if (match->low == 0 && match->high == UINT16_MAX)
        return;
    buf_printf(buf, "/%u", type);
    if (low == 0 && high == 0xff)
        return;
    buf_printf(buf, "/%u", low);
    if (high != low)
        buf_printf(buf, ":%u", high);
}

void print_port_match(struct buf *buf, const struct port_match *match)
{
    if (match->any_protocol) {
        buf_puts(buf, "any");
    } else if (match->protocol == PROTOCOL_ICMP || match->protocol == PROTOCOL_ICMP6) {
        print_icmp(buf, match);
    } else if (match->protocol == PROTOCOL_TCP || match->protocol == PROTOCOL_UDP) {
        buf_printf(buf, "%s/%u", protocol_name(match->protocol), match->low);
        if (match->high != match->low)
            buf_printf(buf, ":%u", match->high);
    } else {
        assert(protocol_name(match->protocol)); /* it came from its name */
        buf_puts(buf, protocol_name(match->protocol));
    }
}

static void print_ports(struct buf *buf, const struct model_rule *rule)
{
    buf_puts(buf, "[");
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct port_match *match = &rule->ports[i];
        _cleanup_buf_ struct buf text = BUF_INIT(PORT_TEXT_MAX);

        print_port_match(&text, match);
        buf_puts(buf, i ? ", " : "");
        /* Quoted: with its colon a range means something else to YAML 1.1. */
        if (strchr(text.data ? text.data : "", ':'))
            buf_printf(buf, "'%s'", text.data);
        else
            print_string(buf, text.data ? text.data : "any");
        if (text.error)
            buf->error = text.error;
    }
    buf_puts(buf, "]");
}

static void print_flag(struct buf *buf, const char *key, bool value)
{
    if (value)
        buf_printf(buf, "      %s: true\n", key);
}

static void print_head(struct buf *buf, const char *name, const char *namespace)
{
    buf_puts(buf, "    - name: ");
    print_string(buf, name);
    if (namespace) {
        buf_puts(buf, "\n      namespace: ");
        print_string(buf, namespace);
    }
    buf_puts(buf, "\n");
}

static void print_default(struct buf *buf, const char *key, enum model_action action)
{
    if (action != MODEL_ACTION_NONE)
        buf_printf(buf, "      %s: %s\n", key, action == MODEL_ACTION_ALLOW ? "Allow" : "Reject");
}

static void print_namespaces(struct buf *buf, const struct estate *estate)
{
    if (estate->n_namespaces)
        buf_puts(buf, "  namespaces:\n");
    for (size_t i = 0; i < estate->n_namespaces; i++) {
        const struct model_namespace *namespace = &estate->namespaces[i];

        print_head(buf, namespace->name, NULL);
        print_default(buf, "defaultPUIncomingTrafficAction",
                      namespace->defaults[MODEL_DIRECTION_IN]);
        print_default(buf, "defaultPUOutgoingTrafficAction",
                      namespace->defaults[MODEL_DIRECTION_OUT]);
        if (namespace->reject_mode_set)
            buf_printf(buf, "      rejectMode: %s\n", namespace->reject_reset ? "reset" : "drop");
    }
}

static void print_prefix(struct buf *buf, const struct ip_prefix *prefix, bool hole)
{
    char text[IP_TEXT_MAX];

    buf_printf(buf, "'%s%s'", hole ? "!" : "", ip_prefix_format(prefix, text));
}

static void print_entries(struct buf *buf, const struct model_network *network)
{
    size_t n = 0;

    buf_puts(buf, "      entries: [");
    for (size_t i = 0; i < network->cidrs.n_included; i++) {
        buf_puts(buf, n++ ? ", " : "");
        print_prefix(buf, &network->cidrs.included[i], false);
    }
    for (size_t i = 0; i < network->cidrs.n_excluded; i++) {
        buf_puts(buf, n++ ? ", " : "");
        print_prefix(buf, &network->cidrs.excluded[i], true);
    }
    for (size_t i = 0; i < network->n_fqdns; i++) {
        buf_puts(buf, n++ ? ", " : "");
        print_string(buf, network->fqdns[i]);
    }
    buf_puts(buf, "]\n");
}

/* Tags of one class; those with '$' are not printed: they follow from the object. */
static void print_class(struct buf *buf, const char *key, const struct tag_set *tags, bool metadata)
{
    size_t n = 0;

    for (size_t i = 0; i < tags->n; i++) {
        if (*tags->tags[i] == '$' || (*tags->tags[i] == '@') != metadata)
            continue;
        if (n++)
            buf_puts(buf, ", ");
        else
            buf_printf(buf, "      %s: [", key);
        print_string(buf, tags->tags[i]);
    }
    if (n)
        buf_puts(buf, "]\n");
}

static void print_networks(struct buf *buf, const struct estate *estate)
{
    if (estate->n_networks)
        buf_puts(buf, "  externalnetworks:\n");
    for (size_t i = 0; i < estate->n_networks; i++) {
        const struct model_network *network = &estate->networks[i];

        print_head(buf, network->name, network->namespace);
        print_flag(buf, "propagate", network->propagate);
        print_flag(buf, "matchProcessingUnits", network->match_processing_units);
        print_entries(buf, network);
        print_class(buf, "associatedTags", &network->tags, false);
        print_class(buf, "metadata", &network->tags, true);
    }
}

static void print_rules(struct buf *buf, const char *key, const struct model_rule *rules, size_t n)
{
    if (n)
        buf_printf(buf, "      %s:\n", key);
    for (size_t i = 0; i < n; i++) {
        const struct model_rule *rule = &rules[i];

        buf_printf(buf, "        - {action: %s, object: ",
                   rule->action == MODEL_ACTION_ALLOW ? "Allow" : "Reject");
        print_expr(buf, &rule->object);
        buf_puts(buf, ", protocolPorts: ");
        print_ports(buf, rule);
        if (*rule->name) {
            buf_puts(buf, ", name: ");
            print_string(buf, rule->name);
        }
        buf_puts(buf, rule->logs_disabled ? ", logsDisabled: true" : "");
        buf_puts(buf, rule->observation ? ", observationEnabled: true" : "");
        buf_puts(buf, "}\n");
    }
}

static void print_rulesets(struct buf *buf, const struct estate *estate)
{
    if (estate->n_rulesets)
        buf_puts(buf, "  networkrulesetpolicies:\n");
    for (size_t i = 0; i < estate->n_rulesets; i++) {
        const struct model_ruleset *ruleset = &estate->rulesets[i];

        print_head(buf, ruleset->name, ruleset->namespace);
        print_flag(buf, "propagate", ruleset->propagate);
        print_flag(buf, "fallback", ruleset->fallback);
        print_flag(buf, "disabled", ruleset->disabled);
        buf_puts(buf, "      subject: ");
        print_expr(buf, &ruleset->subject);
        buf_puts(buf, "\n");
        print_rules(buf, "incomingRules", ruleset->rules[MODEL_DIRECTION_IN],
                    ruleset->n_rules[MODEL_DIRECTION_IN]);
        print_rules(buf, "outgoingRules", ruleset->rules[MODEL_DIRECTION_OUT],
                    ruleset->n_rules[MODEL_DIRECTION_OUT]);
    }
}

char *estate_format(const struct estate *estate)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(ESTATE_TEXT_MAX);

    assert(estate);

    buf_puts(&buf, "APIVersion: 1\n");
    if (estate->n_namespaces + estate->n_networks + estate->n_rulesets == 0)
        buf_puts(&buf, "data: {}\n");
    else
        buf_puts(&buf, "data:\n");
    print_namespaces(&buf, estate);
    print_networks(&buf, estate);
    print_rulesets(&buf, estate);
    return buf_steal(&buf);
}
