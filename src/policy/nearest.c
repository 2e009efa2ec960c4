/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

#define MISSING_TEXT_BYTES_MAX 65536
#define MISSING_LISTED_MAX 8 /* tags or ports that are spelled out; more become a count */

/*
 * How far a rule was from deciding, the most telling part first. The tags are those of the peer's
 * identity or of one external network that holds its address: never a mixture.
 */
struct distance {
    size_t tags;   /* of the object's best clause that the best candidate lacks */
    bool identity; /* the network matches, but peers with an identity need matchProcessingUnits */
    bool ports;
    bool observes;     /* matches in all, and does not decide */
    bool other_action; /* would not have changed the outcome */
    const struct tag_set *clause;
    const struct model_network *network; /* whose tags were compared; NULL: identity, or nothing */
};

static bool nearer(const struct distance *a, const struct distance *b)
{
    const size_t x[] = {a->other_action, a->tags, a->identity, a->ports, a->observes};
    const size_t y[] = {b->other_action, b->tags, b->identity, b->ports, b->observes};

    for (size_t i = 0; i < ARRAY_SIZE(x); i++) {
        if (x[i] != y[i])
            return x[i] < y[i];
    }
    return false;
}

static size_t lacking(const struct tag_set *clause, const struct tag_set *tags)
{
    size_t n = 0;

    for (size_t i = 0; i < clause->n; i++)
        n += !tags || !tag_set_has(tags, clause->tags[i]);
    return n;
}

/* Take over into `best` what these tags come to. */
static void compare_tags(const struct model_rule *rule, const struct tag_set *tags,
                         const struct model_network *network, bool needs_flag,
                         struct distance *best)
{
    for (size_t i = 0; i < rule->object.n; i++) {
        struct distance found = *best;

        found.clause = &rule->object.clauses[i];
        found.tags = lacking(found.clause, tags);
        found.network = network;
        found.identity = needs_flag;
        if (!best->clause || nearer(&found, best))
            *best = found;
    }
}

static bool ports_match(const struct model_rule *rule, uint8_t protocol, uint16_t port)
{
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct port_match *match = &rule->ports[i];

        if (match->any_protocol ||
            (match->protocol == protocol && match->low <= port && port <= match->high))
            return true;
    }
    return false;
}

static struct distance measure(const struct model_rule *rule, enum model_action default_action,
                               const struct policy_peer *peer,
                               const struct model_network *const *networks, size_t n_networks,
                               uint8_t protocol, uint16_t port)
{
    struct distance distance = {
        .ports = !ports_match(rule, protocol, port),
        .observes = rule->observation,
        .other_action = rule->action == default_action,
    };

    compare_tags(rule, peer->has_identity ? peer->tags : NULL, NULL, false, &distance);
    for (size_t i = 0; i < n_networks; i++) {
        bool needs_flag = peer->has_identity && rule->action == MODEL_ACTION_ALLOW &&
                          !networks[i]->match_processing_units;

        compare_tags(rule, &networks[i]->tags, networks[i], needs_flag, &distance);
    }
    return distance;
}

static void separate(struct buf *text)
{
    if (text->len > 0)
        buf_puts(text, "; ");
}

static void say_tags(struct buf *text, const struct distance *distance, const struct tag_set *tags)
{
    size_t said = 0;

    if (distance->tags == 0)
        return;
    buf_puts(text, distance->tags == 1 ? "object tag " : "object tags ");
    for (size_t i = 0; i < distance->clause->n && said < MISSING_LISTED_MAX; i++) {
        const char *tag = distance->clause->tags[i];

        if (tags && tag_set_has(tags, tag))
            continue;
        buf_printf(text, "%s%s", said++ > 0 ? ", " : "", tag);
    }
    if (distance->tags > said)
        buf_printf(text, " and %zu more", distance->tags - said);
}

/* ICMP: type << 8 | code. A range within one type is one type with its codes. */
static void say_icmp(struct buf *text, const char *name, const struct port_match *match)
{
    unsigned type = match->low >> 8, low = match->low & 0xff, high = match->high & 0xff;

    if (type != match->high >> 8)
        buf_printf(text, "%s/%u/%u to %u/%u", name, type, low, match->high >> 8, high);
    else if (low == 0 && high == 0xff)
        buf_printf(text, "%s/%u", name, type);
    else
        buf_printf(text, "%s/%u/%u:%u", name, type, low, high);
}

static void say_match(struct buf *text, const struct port_match *match)
{
    char port[PORT_TEXT_MAX];
    const char *name = protocol_name(match->protocol);

    if (match->any_protocol)
        buf_puts(text, "any");
    else if (match->low == match->high)
        buf_puts(text, port_format(match->protocol, match->low, port));
    else if (!name)
        buf_printf(text, "protocol %u", match->protocol);
    else if (match->low == 0 && match->high == UINT16_MAX)
        buf_puts(text, name);
    else if (match->protocol == PROTOCOL_ICMP || match->protocol == PROTOCOL_ICMP6)
        say_icmp(text, name, match);
    else
        buf_printf(text, "%s/%u:%u", name, match->low, match->high);
}

static void say_ports(struct buf *text, const struct model_rule *rule, uint8_t protocol,
                      uint16_t port)
{
    char wanted[PORT_TEXT_MAX];

    separate(text);
    buf_printf(text, "port %s (rule has ", port_format(protocol, port, wanted));
    for (size_t i = 0; i < rule->n_ports && i < MISSING_LISTED_MAX; i++) {
        if (i > 0)
            buf_puts(text, ", ");
        say_match(text, &rule->ports[i]);
    }
    if (rule->n_ports > MISSING_LISTED_MAX)
        buf_printf(text, " and %zu more", rule->n_ports - MISSING_LISTED_MAX);
    buf_puts(text, ")");
}

static char *explain(const struct model_rule *rule, const struct distance *distance,
                     const struct policy_peer *peer, uint8_t protocol, uint16_t port)
{
    _cleanup_buf_ struct buf text = BUF_INIT(MISSING_TEXT_BYTES_MAX);
    const struct model_network *network = distance->network;

    say_tags(&text, distance, network ? &network->tags : peer->has_identity ? peer->tags : NULL);
    if (distance->identity) {
        separate(&text);
        buf_printf(&text,
                   "matchProcessingUnits of external network %s in %s (the peer has an identity)",
                   network->name, network->namespace);
    }
    if (distance->ports)
        say_ports(&text, rule, protocol, port);
    if (distance->observes) {
        separate(&text);
        buf_puts(&text, "a decision (observationEnabled: the rule only observes)");
    }
    return buf_steal(&text);
}

/* Networks in scope that hold the peer's address. */
static int networks_of(const struct estate *estate, const struct policy *policy,
                       const struct policy_peer *peer, const struct model_network ***ret,
                       size_t *ret_n)
{
    const struct model_network **list =
        calloc(estate->n_networks + 1, sizeof(const struct model_network *));
    size_t n = 0;

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; peer->has_address && i < estate->n_networks; i++) {
        const struct model_network *network = &estate->networks[i];

        if (policy_network_in_scope(network, policy->namespace) &&
            cidr_list_has(&network->cidrs, &peer->address))
            list[n++] = network;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

int policy_nearest(const struct estate *estate, const struct policy *policy,
                   enum model_direction direction, const struct policy_peer *peer, uint8_t protocol,
                   uint16_t port, uint32_t *ret_rule, char **ret_missing)
{
    _cleanup_free_
    const struct model_network **networks = NULL;
    struct distance best = {0};
    uint32_t best_rule = POLICY_RULE_NONE;
    size_t n_networks = 0;
    char *missing = NULL;
    int r;

    r = networks_of(estate, policy, peer, &networks, &n_networks);
    if (r < 0)
        return r;
    for (size_t i = 0; i < policy->n_rules; i++) {
        struct distance distance;

        if (policy->rules[i].direction != direction)
            continue;
        distance = measure(policy->rules[i].rule, policy->defaults[direction], peer, networks,
                           n_networks, protocol, port);
        if (best_rule == POLICY_RULE_NONE || nearer(&distance, &best)) {
            best = distance;
            best_rule = (uint32_t)i;
        }
    }
    if (best_rule != POLICY_RULE_NONE) {
        missing = explain(policy->rules[best_rule].rule, &best, peer, protocol, port);
        if (!missing)
            return -ENOMEM;
    }
    *ret_rule = best_rule;
    *ret_missing = missing;
    return 0;
}
