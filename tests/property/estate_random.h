/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Small random estates, dense in what can go wrong: few namespaces, few tags, networks that
 * overlap, rules that contradict each other. Made from a seed (property test) or from bytes
 * (fuzzer) as a plain structure, printed as an import envelope, so that a failing one can be made
 * smaller and shown.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "model/model.h"
#include "policy/policy.h"

#define GEN_NETWORKS_MAX 6
#define GEN_ENTRIES_MAX 5
#define GEN_RULESETS_MAX 8
#define GEN_RULES_MAX 4 /* a direction */
#define GEN_CLAUSES_MAX 3
#define GEN_PORTS_MAX 3
#define GEN_PUS_MAX 6
#define GEN_TEXT_BYTES_MAX 262144

static const char *const gen_namespaces[] = {"/", "/a", "/a/b", "/a/b/c", "/a/x", "/d"};

/* The first GEN_PLAIN_TAGS can be given to PUs and networks; the rest comes from attributes. */
#define GEN_PLAIN_TAGS 8
#define GEN_EVERY_PU (1u << 8)
static const char *const gen_tags[] = {
    "app=a",
    "app=b",
    "app=c",
    "env=p",
    "env=q",
    "both=1",
    "externalnetwork:name=x",
    "externalnetwork:name=y",
    "$identity=processingunit",
    "$identity=externalnetwork",
    "$namespace=/a/b",
    "$namespace=/a",
    "$name=n0",
    "none=ever",
};

/* ::/64 and ::/0 cover ::ffff:0:0/96 by their bits: they must not hold IPv4. */
static const char *const gen_prefixes[] = {
    "0.0.0.0/0",   "10.0.0.0/8",    "10.128.0.0/9",  "10.1.0.0/16",
    "10.1.2.0/24", "10.1.2.3",      "10.1.2.128/25", "192.0.2.0/24",
    "::/0",        "::/64",         "2001:db8::/32", "2001:db8:1::/48",
    "fd00::/8",    "2001:db8:1::5", "8000::/1",      "::ffff:0:0:0/96",
};
static const char *const gen_addresses[] = {
    "10.1.2.3",      "10.1.2.4",      "10.1.2.200",   "10.1.9.9", "10.200.0.1",
    "10.2.0.1",      "192.0.2.7",     "198.51.100.1", "::1",      "2001:db8:1::5",
    "2001:db8:1::6", "2001:db8:2::1", "fd00::1",      "fe80::1",  "::ffff:0:1:2",
};
static const char *const gen_ports[] = {
    "tcp/80",      "tcp/443",   "tcp/0:1023", "tcp/80:443",  "tcp/8000:8100",
    "tcp/0:65535", "tcp/65535", "tcp/0",      "udp/53",      "udp/1:65535",
    "icmp",        "icmp/8",    "icmp/8/0",   "icmp/3/0:3",  "icmp6/128/0",
    "icmp6",       "sctp",      "gre",        "tcp/1:65534", "TCP/79:81",
};
static const uint8_t gen_protocols[] = {1, 6, 6, 6, 17, 17, 58, 132, 47, 50, 0, 255};
static const uint16_t gen_port_points[] = {0,    1,    53,   79,   80,   81,    442,   443,
                                           444,  1023, 1024, 7999, 8000, 8050,  8100,  8101,
                                           2048, 2049, 768,  771,  772,  32768, 65534, 65535};

struct gen_expr {
    uint32_t clauses[GEN_CLAUSES_MAX]; /* bit per tag */
    size_t n;
};

struct gen_rule {
    bool off, reject, observation, logs_disabled, named;
    struct gen_expr object;
    unsigned ports[GEN_PORTS_MAX]; /* index in gen_ports; n_ports 0: any */
    size_t n_ports;
};

struct gen_ruleset {
    bool off, propagate, fallback, disabled;
    unsigned namespace;
    struct gen_expr subject;
    struct gen_rule rules[2][GEN_RULES_MAX];
    size_t n_rules[2];
};

struct gen_network {
    bool off, propagate, match_processing_units, fqdn;
    unsigned namespace;
    uint32_t tags;
    unsigned entries[GEN_ENTRIES_MAX]; /* index in gen_prefixes */
    bool holes[GEN_ENTRIES_MAX];
    size_t n_entries;
};

struct gen_pu {
    bool off;
    unsigned namespace;
    uint32_t tags;
};

struct gen {
    unsigned defaults[ARRAY_SIZE(gen_namespaces)][2]; /* 0 Inherit, 1 Allow, 2 Reject */
    bool reset[ARRAY_SIZE(gen_namespaces)];
    struct gen_network networks[GEN_NETWORKS_MAX];
    struct gen_ruleset rulesets[GEN_RULESETS_MAX];
    struct gen_pu pus[GEN_PUS_MAX];
    size_t n_networks, n_rulesets, n_pus;
};

/* ---- Choices ------------------------------------------------------------------------------- */

struct gen_entropy {
    uint64_t state;
    const uint8_t *bytes; /* instead of the state, when not NULL; zeros past the end */
    size_t n_bytes;
};

static inline uint64_t gen_next(struct gen_entropy *entropy)
{
    uint64_t z;

    if (entropy->bytes) {
        if (entropy->n_bytes == 0)
            return 0;
        entropy->n_bytes--;
        return *entropy->bytes++;
    }
    z = entropy->state += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline unsigned gen_below(struct gen_entropy *entropy, size_t n)
{
    return (unsigned)(gen_next(entropy) % n);
}

static inline bool gen_chance(struct gen_entropy *entropy, unsigned percent)
{
    return gen_below(entropy, 100) >= 100 - percent;
}

/* Rather a namespace near the root, whose objects reach more PUs. */
static inline unsigned gen_high(struct gen_entropy *entropy)
{
    return gen_below(entropy, 1 + gen_below(entropy, ARRAY_SIZE(gen_namespaces)));
}

static inline void gen_expr_fill(struct gen_entropy *entropy, bool subject, struct gen_expr *expr)
{
    size_t wanted = 1 + (gen_chance(entropy, 30) ? gen_below(entropy, GEN_CLAUSES_MAX) : 0);

    for (size_t i = 0; i < wanted; i++) {
        uint32_t clause = 0;
        bool known = false;

        do
            clause |= 1u << gen_below(entropy, ARRAY_SIZE(gen_tags));
        while (gen_chance(entropy, 15));
        if (subject && gen_chance(entropy, 70))
            clause = GEN_EVERY_PU; /* or else most rulesets select nobody */
        for (size_t j = 0; j < expr->n; j++)
            known |= expr->clauses[j] == clause;
        if (!known)
            expr->clauses[expr->n++] = clause;
    }
}

static inline void gen_network_fill(struct gen_entropy *entropy, struct gen_network *network)
{
    struct ip_prefix prefixes[GEN_ENTRIES_MAX];
    size_t tries = 1 + gen_below(entropy, GEN_ENTRIES_MAX * 2);

    network->namespace = gen_high(entropy);
    network->propagate = gen_chance(entropy, 80);
    network->match_processing_units = gen_chance(entropy, 30);
    network->fqdn = gen_chance(entropy, 15);
    network->tags = gen_next(entropy) & ((1u << GEN_PLAIN_TAGS) - 1);
    for (size_t i = 0; i < tries && network->n_entries < GEN_ENTRIES_MAX; i++) {
        unsigned pick = gen_below(entropy, ARRAY_SIZE(gen_prefixes));
        struct ip_prefix prefix;
        bool known = false, inside = false;

        assert(ip_prefix_parse(gen_prefixes[pick], &prefix) == 0);
        for (size_t j = 0; j < network->n_entries; j++) {
            known |= network->entries[j] == pick;
            inside |= !network->holes[j] && ip_prefix_contains(&prefixes[j], &prefix);
        }
        if (known)
            continue;
        prefixes[network->n_entries] = prefix;
        network->holes[network->n_entries] = inside && gen_chance(entropy, 60);
        network->entries[network->n_entries++] = pick;
    }
}

static inline bool gen_rule_same(const struct gen_rule *a, const struct gen_rule *b)
{
    return a->reject == b->reject && a->object.n == b->object.n && a->n_ports == b->n_ports &&
           memcmp(a->object.clauses, b->object.clauses, sizeof(a->object.clauses)) == 0 &&
           memcmp(a->ports, b->ports, sizeof(a->ports)) == 0;
}

static inline void gen_rule_fill(struct gen_entropy *entropy, struct gen_rule *rule)
{
    size_t wanted = gen_chance(entropy, 30) ? 0 : 1 + gen_below(entropy, GEN_PORTS_MAX);

    rule->reject = gen_chance(entropy, 30);
    rule->observation = gen_chance(entropy, 25);
    rule->logs_disabled = gen_chance(entropy, 20);
    rule->named = gen_chance(entropy, 50);
    gen_expr_fill(entropy, false, &rule->object);
    for (size_t i = 0; i < wanted; i++) {
        unsigned pick = gen_below(entropy, ARRAY_SIZE(gen_ports));
        bool known = false;

        for (size_t j = 0; j < rule->n_ports; j++)
            known |= rule->ports[j] == pick;
        if (!known)
            rule->ports[rule->n_ports++] = pick;
    }
}

static inline void gen_ruleset_fill(struct gen_entropy *entropy, struct gen_ruleset *ruleset)
{
    ruleset->namespace = gen_high(entropy);
    ruleset->propagate = gen_chance(entropy, 85);
    ruleset->fallback = gen_chance(entropy, 15);
    ruleset->disabled = gen_chance(entropy, 5);
    gen_expr_fill(entropy, true, &ruleset->subject);
    for (int direction = 0; direction < 2; direction++) {
        size_t wanted = gen_below(entropy, GEN_RULES_MAX + 1);

        for (size_t i = 0; i < wanted; i++) {
            struct gen_rule rule = {0};
            bool known = false;

            gen_rule_fill(entropy, &rule);
            for (size_t j = 0; j < ruleset->n_rules[direction]; j++)
                known |= gen_rule_same(&ruleset->rules[direction][j], &rule);
            if (!known)
                ruleset->rules[direction][ruleset->n_rules[direction]++] = rule;
        }
    }
}

static inline void gen_fill(struct gen_entropy *entropy, struct gen *gen)
{
    memset(gen, 0, sizeof(*gen));
    for (size_t i = 0; i < ARRAY_SIZE(gen_namespaces); i++) {
        gen->defaults[i][0] = gen_below(entropy, 3);
        gen->defaults[i][1] = gen_below(entropy, 3);
        gen->reset[i] = gen_chance(entropy, 20);
    }
    gen->n_networks = gen_below(entropy, GEN_NETWORKS_MAX + 1);
    for (size_t i = 0; i < gen->n_networks; i++)
        gen_network_fill(entropy, &gen->networks[i]);
    gen->n_rulesets = gen_below(entropy, GEN_RULESETS_MAX + 1);
    for (size_t i = 0; i < gen->n_rulesets; i++)
        gen_ruleset_fill(entropy, &gen->rulesets[i]);
    gen->n_pus = 1 + gen_below(entropy, GEN_PUS_MAX);
    for (size_t i = 0; i < gen->n_pus; i++) {
        gen->pus[i].namespace = gen_below(entropy, ARRAY_SIZE(gen_namespaces));
        gen->pus[i].tags = gen_next(entropy) & ((1u << GEN_PLAIN_TAGS) - 1);
    }
}

/* ---- The envelope -----------------------------------------------------------------------------
 */

static inline void gen_print_mask(struct buf *text, uint32_t mask)
{
    const char *comma = "";

    buf_puts(text, "[");
    for (size_t i = 0; i < ARRAY_SIZE(gen_tags); i++) {
        if (!(mask >> i & 1))
            continue;
        buf_printf(text, "%s'%s'", comma, gen_tags[i]);
        comma = ", ";
    }
    buf_puts(text, "]");
}

static inline void gen_print_expr(struct buf *text, const struct gen_expr *expr)
{
    buf_puts(text, "[");
    for (size_t i = 0; i < expr->n; i++) {
        buf_puts(text, i > 0 ? ", " : "");
        gen_print_mask(text, expr->clauses[i]);
    }
    buf_puts(text, "]");
}

static inline void gen_print_namespaces(struct buf *text, const struct gen *gen)
{
    static const char *const words[] = {"Inherit", "Allow", "Reject"};

    buf_puts(text, "APIVersion: 1\ndata:\n  namespaces:\n");
    for (size_t i = 0; i < ARRAY_SIZE(gen_namespaces); i++) {
        buf_printf(text, "    - name: '%s'\n", gen_namespaces[i]);
        buf_printf(text, "      defaultPUIncomingTrafficAction: %s\n", words[gen->defaults[i][0]]);
        buf_printf(text, "      defaultPUOutgoingTrafficAction: %s\n", words[gen->defaults[i][1]]);
        if (gen->reset[i])
            buf_puts(text, "      rejectMode: reset\n");
    }
}

static inline void gen_print_networks(struct buf *text, const struct gen *gen)
{
    const char *head = "  externalnetworks:\n";

    for (size_t i = 0; i < gen->n_networks; i++) {
        const struct gen_network *network = &gen->networks[i];
        const char *comma = "";

        if (network->off)
            continue;
        buf_printf(text, "%s    - name: n%zu\n      namespace: '%s'\n", head, i,
                   gen_namespaces[network->namespace]);
        head = "";
        buf_printf(text, "      propagate: %s\n", network->propagate ? "true" : "false");
        if (network->match_processing_units)
            buf_puts(text, "      matchProcessingUnits: true\n");
        if (network->tags) {
            buf_puts(text, "      associatedTags: ");
            gen_print_mask(text, network->tags);
            buf_puts(text, "\n");
        }
        buf_puts(text, "      entries: [");
        for (size_t j = 0; j < network->n_entries; j++, comma = ", ")
            buf_printf(text, "%s'%s%s'", comma, network->holes[j] ? "!" : "",
                       gen_prefixes[network->entries[j]]);
        buf_printf(text, "%s]\n", network->fqdn ? ", '*.example.com'" : "");
    }
}

static inline void gen_print_rules(struct buf *text, const struct gen_ruleset *ruleset,
                                   int direction)
{
    const char *head = direction ? "      outgoingRules:\n" : "      incomingRules:\n";

    for (size_t i = 0; i < ruleset->n_rules[direction]; i++) {
        const struct gen_rule *rule = &ruleset->rules[direction][i];

        if (rule->off)
            continue;
        buf_printf(text, "%s        - action: %s\n          object: ", head,
                   rule->reject ? "Reject" : "Allow");
        head = "";
        gen_print_expr(text, &rule->object);
        buf_puts(text, "\n          protocolPorts: [");
        for (size_t j = 0; j < rule->n_ports; j++)
            buf_printf(text, "%s%s", j > 0 ? ", " : "", gen_ports[rule->ports[j]]);
        buf_puts(text, rule->n_ports == 0 ? "any]\n" : "]\n");
        if (rule->named)
            buf_printf(text, "          name: r%d-%zu\n", direction, i);
        if (rule->observation)
            buf_puts(text, "          observationEnabled: true\n");
        if (rule->logs_disabled)
            buf_puts(text, "          logsDisabled: true\n");
    }
}

static inline void gen_print_rulesets(struct buf *text, const struct gen *gen)
{
    const char *head = "  networkrulesetpolicies:\n";

    for (size_t i = 0; i < gen->n_rulesets; i++) {
        const struct gen_ruleset *ruleset = &gen->rulesets[i];

        if (ruleset->off)
            continue;
        buf_printf(text, "%s    - name: s%zu\n      namespace: '%s'\n", head, i,
                   gen_namespaces[ruleset->namespace]);
        head = "";
        buf_printf(text, "      propagate: %s\n", ruleset->propagate ? "true" : "false");
        if (ruleset->fallback)
            buf_puts(text, "      fallback: true\n");
        if (ruleset->disabled)
            buf_puts(text, "      disabled: true\n");
        buf_puts(text, "      subject: ");
        gen_print_expr(text, &ruleset->subject);
        buf_puts(text, "\n");
        for (int direction = 0; direction < 2; direction++)
            gen_print_rules(text, ruleset, direction);
    }
}

/* Owned by the caller (free); NULL on ENOMEM. */
static inline char *gen_print(const struct gen *gen)
{
    struct buf text = BUF_INIT(GEN_TEXT_BYTES_MAX);

    gen_print_namespaces(&text, gen);
    gen_print_networks(&text, gen);
    gen_print_rulesets(&text, gen);
    return buf_steal(&text);
}

/* Completed tags of a PU. 0 or < 0 */
static inline int gen_pu_tags(const struct gen_pu *pu, struct tag_set *ret)
{
    _cleanup_tag_set_ struct tag_set given = {0};
    int r;

    for (size_t i = 0; i < GEN_PLAIN_TAGS; i++) {
        if (!(pu->tags >> i & 1))
            continue;
        r = tag_set_add(&given, gen_tags[i]);
        if (r < 0)
            return r;
    }
    return pu_tags_complete(&given, gen_namespaces[pu->namespace], NULL, NULL, ret);
}
