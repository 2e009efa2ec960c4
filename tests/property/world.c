/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <errno.h>

static int parse(const char *text, struct estate **ret)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    int r;

    r = estate_builder_new("/", &builder);
    if (r == 0)
        r = estate_builder_add(builder, "random.yaml", text, strlen(text), DOCUMENT_YAML,
                               &diagnostics);
    if (r == 0)
        r = estate_builder_finish(builder, &diagnostics, ret);
    for (size_t i = 0; r < 0 && i < diagnostics.n; i++)
        fprintf(stderr, "%u: %s: %s\n", diagnostics.items[i].line,
                diagnostics.items[i].path ? diagnostics.items[i].path : "",
                diagnostics.items[i].message);
    return r;
}

static int add_policy(struct world *world, const struct gen *gen, size_t pu)
{
    struct policy *policy = NULL;
    int r;

    r = policy_resolve(world->estate, gen_namespaces[gen->pus[pu].namespace], &world->tags[pu],
                       &policy);
    if (r < 0)
        return r;
    for (size_t i = 0; i < world->n_policies; i++) {
        if (memcmp(world->policies[i]->fingerprint, policy->fingerprint,
                   sizeof(policy->fingerprint)) == 0) {
            world->policy_of[pu] = i;
            policy_free(&policy);
            return 0;
        }
    }
    world->policy_of[pu] = world->n_policies;
    world->policies[world->n_policies++] = policy;
    return 0;
}

int world_new(const struct gen *gen, struct world *ret)
{
    struct policy_identity identities[GEN_PUS_MAX];
    size_t n_identities = 0;
    struct world world = {0};
    char *text = gen_print(gen);
    int r;

    r = text ? parse(text, &world.estate) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < gen->n_pus; i++) {
        bool known = false;

        if (gen->pus[i].off)
            continue;
        r = gen_pu_tags(&gen->pus[i], &world.tags[i]);
        if (r < 0)
            break;
        world.ids[i] = identity_id(gen_namespaces[gen->pus[i].namespace], &world.tags[i]);
        for (size_t j = 0; j < n_identities; j++)
            known |= identities[j].id == world.ids[i];
        if (!known)
            identities[n_identities++] = (struct policy_identity){
                .id = world.ids[i],
                .namespace = gen_namespaces[gen->pus[i].namespace],
                .tags = &world.tags[i],
            };
        r = add_policy(&world, gen, i);
    }
    if (r == 0)
        r = policy_compile(world.estate, (const struct policy *const *)world.policies,
                           world.n_policies, identities, n_identities, &world.compiled);
    if (r < 0) {
        fprintf(stderr, "estate not accepted (%d):\n%s", r, text ? text : "");
        world_clear(&world);
    } else {
        *ret = world;
    }
    free(text);
    return r;
}

void world_clear(struct world *world)
{
    policy_compiled_free(&world->compiled);
    for (size_t i = 0; i < GEN_PUS_MAX; i++) {
        policy_free(&world->policies[i]);
        tag_set_clear(&world->tags[i]);
    }
    estate_free(&world->estate);
}

static struct ip_addr address(int i)
{
    struct ip_addr addr;

    assert(ip_addr_parse(gen_addresses[i], &addr) == 0);
    return addr;
}

void world_evaluate(const struct world *world, const struct gen *gen, const struct query *query,
                    struct policy_decision *ret)
{
    struct policy_peer peer = {.has_identity = query->peer >= 0,
                               .has_address = query->address >= 0};

    if (peer.has_identity) {
        peer.namespace = gen_namespaces[gen->pus[query->peer].namespace];
        peer.tags = &world->tags[query->peer];
    }
    if (peer.has_address)
        peer.address = address(query->address);
    policy_evaluate(world->estate, world->policies[world->policy_of[query->pu]], query->direction,
                    &peer, query->protocol, query->port, ret);
}

void world_decide(const struct world *world, const struct query *query, struct policy_decision *ret)
{
    uint32_t class = 0;

    if (query->address >= 0) {
        struct ip_addr addr = address(query->address);

        class = policy_compiled_address_class(world->compiled, &addr);
    }
    policy_compiled_decide(world->compiled, world->policy_of[query->pu], query->direction,
                           query->peer >= 0 ? world->ids[query->peer] : 0, class, query->protocol,
                           query->port, ret);
}

bool decision_equal(const struct policy_decision *a, const struct policy_decision *b)
{
    return a->action == b->action && a->by_default == b->by_default && a->rule == b->rule &&
           a->observed == b->observed && a->observed_rule == b->observed_rule &&
           a->logs_disabled == b->logs_disabled;
}

/* ---- The compiled form as a whole ---------------------------------------------------------------
 */

static int entry_order(const struct policy_class_entry *a, const struct policy_class_entry *b)
{
    if (a->protocol != b->protocol)
        return a->protocol - b->protocol;
    return a->port != b->port ? a->port - b->port : a->prefix_len - b->prefix_len;
}

static const char *class_well_formed(const struct policy_class *class)
{
    if (class->n_entries == 0)
        return "a class without entries";
    for (size_t i = 0; i < class->n_entries; i++) {
        const struct policy_class_entry *entry = &class->entries[i];
        unsigned len = entry->prefix_len;

        if (len > 24 || (len > 0 && len < 8))
            return "an entry with an impossible prefix length";
        if (len == 0 && (entry->protocol != 0 || entry->port != 0))
            return "key bits past prefix length 0";
        if (len > 0 && (entry->port & (0xffffu >> (len - 8))) != 0)
            return "key bits past the prefix length";
        if (i > 0 && entry_order(&class->entries[i - 1], entry) >= 0)
            return "entries out of order, or one twice";
    }
    return NULL;
}

static bool peer_order(const struct policy_peer_entry *a, const struct policy_peer_entry *b)
{
    if (a->direction != b->direction)
        return a->direction < b->direction;
    return a->kind != b->kind ? a->kind < b->kind : a->peer < b->peer;
}

const char *world_well_formed(const struct world *world)
{
    const struct policy_compiled *c = world->compiled;

    for (size_t i = 0; i < c->n_classes; i++) {
        const char *problem = class_well_formed(&c->classes[i]);

        if (problem)
            return problem;
        for (size_t j = 0; j < i; j++) {
            if (memcmp(c->classes[i].fingerprint, c->classes[j].fingerprint, 32) == 0)
                return "two classes with one fingerprint";
        }
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        const struct policy_compiled_policy *policy = &c->policies[i];

        for (size_t j = 0; j < policy->n_peers; j++) {
            if (policy->peers[j].class >= c->n_classes)
                return "a peer of a class that does not exist";
            if (j > 0 && !peer_order(&policy->peers[j - 1], &policy->peers[j]))
                return "peers out of order, or one twice";
        }
    }
    for (size_t i = 1; i < c->n_addresses; i++) {
        if (ip_prefix_compare(&c->addresses[i - 1].prefix, &c->addresses[i].prefix) >= 0)
            return "addresses out of order, or one twice";
    }
    return NULL;
}

/* The raw verdict of POLICY_IDENTITY_ANY, as connect() reads it: most specific entry by plain
 * search. */
static bool any_allows(const struct policy_compiled *c, size_t policy, uint8_t protocol,
                       uint16_t port)
{
    const struct policy_compiled_policy *of = &c->policies[policy];
    const struct policy_class *class = NULL;
    const struct policy_class_entry *best = NULL;

    for (size_t i = 0; i < of->n_peers; i++) {
        if (of->peers[i].direction == MODEL_DIRECTION_OUT &&
            of->peers[i].kind == POLICY_PEER_IDENTITY && of->peers[i].peer == POLICY_IDENTITY_ANY)
            class = &c->classes[of->peers[i].class];
    }
    for (size_t i = 0; class && i < class->n_entries; i++) {
        const struct policy_class_entry *entry = &class->entries[i];
        unsigned len = entry->prefix_len;

        if (len > 0 && entry->protocol != protocol)
            continue;
        if (len > 8 && ((entry->port ^ port) & (0xffffu << (24 - len) & 0xffff)) != 0)
            continue;
        if (!best || best->prefix_len < len)
            best = entry;
    }
    return best && best->verdict.action == MODEL_ACTION_ALLOW;
}

const char *world_any_is_right(const struct world *world, const struct gen *gen, unsigned pu,
                               uint8_t protocol, uint16_t port)
{
    bool expected = false, found;

    for (size_t i = 0; i < gen->n_pus; i++) {
        struct query query = {.pu = pu,
                              .direction = MODEL_DIRECTION_OUT,
                              .peer = (int)i,
                              .address = -1,
                              .protocol = protocol,
                              .port = port};
        struct policy_decision decision;

        if (gen->pus[i].off)
            continue;
        world_evaluate(world, gen, &query, &decision);
        expected |= decision.action == MODEL_ACTION_ALLOW;
    }
    found = any_allows(world->compiled, world->policy_of[pu], protocol, port);
    if (found == expected)
        return NULL;
    return found ? "any identity: allowed where no identity is"
                 : "any identity: not allowed where an identity is";
}

const char *world_classes_are_right(const struct world *world)
{
    for (int i = 0; i < (int)ARRAY_SIZE(gen_addresses); i++) {
        struct ip_addr addr = address(i);
        bool held = false;

        for (size_t j = 0; j < world->estate->n_networks; j++)
            held |= cidr_list_has(&world->estate->networks[j].cidrs, &addr);
        if (held != (policy_compiled_address_class(world->compiled, &addr) != 0))
            return held ? "an address in a network has no class"
                        : "an address in no network has one";
    }
    return NULL;
}

/* ---- Differences
 * --------------------------------------------------------------------------------- */

static bool has_class(const struct policy_compiled *c, const uint8_t fingerprint[32])
{
    for (size_t i = 0; c && i < c->n_classes; i++) {
        if (memcmp(c->classes[i].fingerprint, fingerprint, 32) == 0)
            return true;
    }
    return false;
}

static const char *diff_classes(const struct policy_compiled *before,
                                const struct policy_compiled *after,
                                const struct policy_delta *delta)
{
    size_t n_before = before ? before->n_classes : 0;

    if (n_before + delta->n_classes_added - delta->n_classes_removed != after->n_classes)
        return "difference: number of classes";
    for (size_t i = 0; i < delta->n_classes_added; i++) {
        if (has_class(before, after->classes[delta->classes_added[i]].fingerprint))
            return "difference: a class added that was there";
    }
    if (!before && delta->n_classes_removed + delta->n_addresses_removed > 0)
        return "difference: something removed from nothing";
    for (size_t i = 0; before && i < delta->n_classes_removed; i++) {
        if (has_class(after, before->classes[delta->classes_removed[i]].fingerprint))
            return "difference: a class removed that is needed";
    }
    return NULL;
}

/* Apply to a copy of the old table and compare with the new one, whatever the order. */
static const char *diff_addresses(const struct policy_compiled *before,
                                  const struct policy_compiled *after,
                                  const struct policy_delta *delta)
{
    size_t n = before ? before->n_addresses : 0, matched = 0;
    struct policy_address_entry *table = calloc(n + after->n_addresses + 1, sizeof(*table));

    assert(table);
    for (size_t i = 0; i < n; i++)
        table[i] = before->addresses[i];
    for (size_t i = 0; i < delta->n_addresses_removed; i++)
        table[delta->addresses_removed[i]].prefix.len = 255;
    for (size_t i = 0; i < delta->n_addresses_set; i++) {
        const struct policy_address_entry *set = &after->addresses[delta->addresses_set[i]];
        size_t at = 0;

        while (at < n && ip_prefix_compare(&table[at].prefix, &set->prefix) != 0)
            at++;
        table[at] = *set;
        n += at == n;
    }
    for (size_t i = 0; i < n; i++) {
        bool found = false;

        for (size_t j = 0; j < after->n_addresses; j++)
            found |= ip_prefix_compare(&table[i].prefix, &after->addresses[j].prefix) == 0 &&
                     table[i].address_class == after->addresses[j].address_class;
        if (!found && table[i].prefix.len != 255) {
            free(table);
            return "difference: an address that should be gone or other";
        }
        matched += found;
    }
    free(table);
    return matched == after->n_addresses ? NULL : "difference: an address is missing";
}

static bool policies_equal(const struct policy_compiled *a, size_t i,
                           const struct policy_compiled *b, size_t j)
{
    const struct policy_compiled_policy *x = &a->policies[i], *y = &b->policies[j];

    if (x->n_peers != y->n_peers || x->policy->defaults[0] != y->policy->defaults[0] ||
        x->policy->defaults[1] != y->policy->defaults[1])
        return false;
    for (size_t k = 0; k < x->n_peers; k++) {
        if (x->peers[k].direction != y->peers[k].direction ||
            x->peers[k].kind != y->peers[k].kind || x->peers[k].peer != y->peers[k].peer ||
            memcmp(a->classes[x->peers[k].class].fingerprint,
                   b->classes[y->peers[k].class].fingerprint, 32) != 0)
            return false;
    }
    return true;
}

static const char *diff_policies(const struct policy_compiled *before,
                                 const struct policy_compiled *after,
                                 const struct policy_delta *delta)
{
    for (size_t i = 0, at = 0; i < after->n_policies; i++) {
        bool known = false, changed;

        for (size_t j = 0; before && j < before->n_policies; j++)
            known |= policies_equal(before, j, after, i);
        changed = at < delta->n_policies_changed && delta->policies_changed[at] == i;
        at += changed;
        if (changed == known)
            return known ? "difference: a policy that did not change"
                         : "difference: a changed policy is missing";
    }
    return NULL;
}

const char *world_diff_applies(const struct policy_compiled *before,
                               const struct policy_compiled *after)
{
    _cleanup_policy_delta_ struct policy_delta *delta = NULL;
    const char *problem;

    if (policy_diff(before, after, &delta) < 0)
        return "difference: no memory";
    problem = diff_classes(before, after, delta);
    if (!problem)
        problem = diff_addresses(before, after, delta);
    if (!problem)
        problem = diff_policies(before, after, delta);
    return problem;
}
