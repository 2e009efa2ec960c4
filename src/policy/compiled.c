/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <string.h>

/* The compiled form, looked up as the kernel does it. */

#define ADDRESS_BITS 128
#define PROTOCOL_BITS 8
#define KEY_BITS 24

void policy_compiled_free(struct policy_compiled **compiled)
{
    struct policy_compiled *c = *compiled;

    if (!c)
        return;
    for (size_t i = 0; c->policies && i < c->n_policies; i++)
        free(c->policies[i].peers);
    for (size_t i = 0; i < c->n_classes; i++)
        free(c->classes[i].entries);
    free(c->policies);
    free(c->classes);
    free(c->addresses);
    free(c);
    *compiled = NULL;
}

static int address_compare(const void *key, const void *element)
{
    const struct policy_address_entry *entry = element;

    return ip_prefix_compare(key, &entry->prefix);
}

static void cut_address(struct ip_prefix *prefix, unsigned len)
{
    for (unsigned i = 0; i < sizeof(prefix->addr.bytes); i++) {
        unsigned bits = len > i * 8 ? MIN(len - i * 8, 8u) : 0;

        prefix->addr.bytes[i] &= (uint8_t)(0xff00u >> bits);
    }
    prefix->len = (uint8_t)len;
}

uint32_t policy_compiled_address_class(const struct policy_compiled *compiled,
                                       const struct ip_addr *addr)
{
    struct ip_prefix prefix = {.addr = *addr};

    if (compiled->n_addresses == 0)
        return 0;
    for (int len = ADDRESS_BITS; len >= 0; len--) {
        const struct policy_address_entry *entry;

        cut_address(&prefix, (unsigned)len);
        entry = bsearch(&prefix, compiled->addresses, compiled->n_addresses, sizeof(*entry),
                        address_compare);
        if (entry)
            return entry->address_class;
    }
    return 0;
}

static int peer_compare(const void *a, const void *b)
{
    const struct policy_peer_entry *x = a, *y = b;

    if (x->direction != y->direction)
        return x->direction - y->direction;
    if (x->kind != y->kind)
        return x->kind - y->kind;
    return (x->peer > y->peer) - (x->peer < y->peer);
}

static int entry_compare(const void *a, const void *b)
{
    const struct policy_class_entry *x = a, *y = b;

    if (x->protocol != y->protocol)
        return x->protocol - y->protocol;
    if (x->port != y->port)
        return x->port - y->port;
    return x->prefix_len - y->prefix_len;
}

/* The first two lookups: peer → class, (class, protocol, port) → verdict. NULL: the default
 * decides. */
static const struct policy_verdict *look_up(const struct policy_compiled *compiled,
                                            const struct policy_compiled_policy *policy,
                                            enum model_direction direction,
                                            enum policy_peer_kind kind, uint32_t peer,
                                            uint8_t protocol, uint16_t port)
{
    struct policy_peer_entry key = {
        .direction = (uint8_t)direction, .kind = (uint8_t)kind, .peer = peer};
    const struct policy_peer_entry *found;
    const struct policy_class *class;

    if (peer == 0 || policy->n_peers == 0)
        return NULL;
    found = bsearch(&key, policy->peers, policy->n_peers, sizeof(key), peer_compare);
    if (!found)
        return NULL;
    class = &compiled->classes[found->class];
    for (int len = KEY_BITS; len >= 0; len = len == PROTOCOL_BITS ? 0 : len - 1) {
        struct policy_class_entry wanted = {.prefix_len = (uint8_t)len};
        const struct policy_class_entry *entry;

        if (len > 0) {
            wanted.protocol = protocol;
            wanted.port = (uint16_t)(port & 0xffffu << (KEY_BITS - len));
        }
        entry = bsearch(&wanted, class->entries, class->n_entries, sizeof(wanted), entry_compare);
        if (entry)
            return &entry->verdict;
        if (len == 0)
            break;
    }
    return NULL;
}

/* What one of the two verdicts has to say. */
struct voice {
    uint8_t action;
    uint32_t rule;
    bool logs_disabled;
};

/* Reject wins; of two that say the same, the first rule in order is named. */
static struct voice stronger(struct voice a, struct voice b)
{
    if (a.action != b.action)
        return a.action > b.action ? a : b;
    return a.rule <= b.rule ? a : b;
}
static_assert(MODEL_ACTION_NONE < MODEL_ACTION_ALLOW && MODEL_ACTION_ALLOW < MODEL_ACTION_REJECT,
              "stronger() compares actions as numbers");

void policy_compiled_decide(const struct policy_compiled *compiled, size_t policy,
                            enum model_direction direction, uint32_t identity,
                            uint32_t address_class, uint8_t protocol, uint16_t port,
                            struct policy_decision *ret)
{
    struct voice decided = {.rule = POLICY_RULE_NONE}, observed = {.rule = POLICY_RULE_NONE};
    const struct policy_compiled_policy *of;
    const struct policy_verdict *v;

    assert(policy < compiled->n_policies);
    of = &compiled->policies[policy];
    v = look_up(compiled, of, direction, POLICY_PEER_ADDRESS, address_class, protocol, port);
    if (v && identity != 0) {
        decided = (struct voice){v->id_action, v->id_rule, v->id_logs_disabled};
        observed = (struct voice){v->id_observed, v->id_observed_rule, false};
    } else if (v) {
        decided = (struct voice){v->action, v->rule, v->logs_disabled};
        observed = (struct voice){v->observed, v->observed_rule, false};
    }
    v = look_up(compiled, of, direction, POLICY_PEER_IDENTITY, identity, protocol, port);
    if (v) {
        decided = stronger(decided, (struct voice){v->action, v->rule, v->logs_disabled});
        observed = stronger(observed, (struct voice){v->observed, v->observed_rule, false});
    }
    *ret = (struct policy_decision){
        .action = (enum model_action)decided.action,
        .rule = decided.rule,
        .logs_disabled = decided.logs_disabled,
        .observed = (enum model_action)observed.action,
        .observed_rule = observed.rule,
    };
    if (ret->action == MODEL_ACTION_NONE) {
        ret->action = of->policy->defaults[direction];
        ret->by_default = true;
    }
}
