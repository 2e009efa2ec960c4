/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long policy takes, for tests/bench:
 *
 *   compile_bench RULES IDENTITIES [POLICIES]
 *
 * Makes an estate of RULES outgoing and incoming rules in memory, as an envelope, and prints one
 * `key value` line for each thing measured. What it looks like: applications of a few tiers in
 * several environments; rulesets of 20 rules, each rule an object of one to three tags and one to
 * three port ranges; one external network for 50 rules; a guard rail of rejects at the top. One
 * processing unit that every ruleset selects, so that one policy holds all the rules.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/buf.h"
#include "model/model.h"
#include "policy/policy.h"

#define RULES_MAX POLICY_RULES_MAX
#define IDENTITIES_MAX 1000000
#define POLICIES_MAX 4096
#define RULES_PER_RULESET 20
#define RULES_PER_NETWORK 50
#define TIERS 8
#define ENVIRONMENTS 4
#define TEXT_BYTES_MAX ((size_t)1 << 30)

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Applications grow with the rules, so that each peer matches a few dozen of them. */
static unsigned n_applications(unsigned n_rules)
{
    return n_rules / 40 + 1;
}

static void print_rule(struct buf *text, unsigned i, unsigned n_rules)
{
    unsigned app = i * 2654435761u % n_applications(n_rules);

    buf_printf(text, "        - action: %s\n          object: [[",
               i % 50 == 49 ? "Reject" : "Allow");
    if (i % 10 == 9)
        buf_printf(text, "'externalnetwork:name=n%u'", i / RULES_PER_NETWORK);
    else if (i % 10 == 8)
        buf_printf(text, "'tier=%u', 'env=%u', 'app=a%u'", i % TIERS, i / 10 % ENVIRONMENTS, app);
    else
        buf_printf(text, "'app=a%u', 'env=%u'", app, i % ENVIRONMENTS);
    buf_printf(text, "]]\n          protocolPorts: [tcp/%u", 1024 + i % 5000);
    if (i % 3 == 0)
        buf_printf(text, ", tcp/%u:%u", 10000 + i % 200 * 100, 10000 + i % 200 * 100 + 49);
    if (i % 5 == 0)
        buf_printf(text, ", udp/%u", 1024 + i % 3000);
    buf_printf(text, "]\n          name: r%u\n", i);
}

static void print_networks(struct buf *text, unsigned n_rules)
{
    buf_puts(text, "  externalnetworks:\n");
    for (unsigned i = 0; i <= n_rules / RULES_PER_NETWORK; i++)
        buf_printf(text,
                   "    - name: n%u\n      namespace: /bench\n      propagate: true\n"
                   "      associatedTags: ['externalnetwork:name=n%u']\n"
                   "      entries: ['10.%u.%u.0/24', '!10.%u.%u.128/28', '2001:db8:%x::/48']\n",
                   i, i, i / 256 % 256, i % 256, i / 256 % 256, i % 256, i & 0xffff);
}

/* Rules [from, to) as one envelope. */
static char *envelope(unsigned from, unsigned to, unsigned n_rules)
{
    struct buf text = BUF_INIT(TEXT_BYTES_MAX);

    buf_puts(&text, "APIVersion: 1\ndata:\n");
    if (from == 0) {
        buf_puts(&text, "  namespaces:\n    - name: /bench\n");
        print_networks(&text, n_rules);
    }
    buf_puts(&text, "  networkrulesetpolicies:\n");
    for (unsigned i = from; i < to; i++) {
        if (i % RULES_PER_RULESET == 0)
            buf_printf(&text,
                       "    - name: s%u\n      namespace: /bench\n      propagate: true\n"
                       "      subject: [['$identity=processingunit']]\n      %s:\n",
                       i / RULES_PER_RULESET,
                       i / RULES_PER_RULESET % 2 ? "incomingRules" : "outgoingRules");
        print_rule(&text, i, n_rules);
    }
    return buf_steal(&text);
}

static int parse(unsigned n_rules, struct estate **ret, double *ret_ms, size_t *ret_bytes)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    unsigned step = 2000 * RULES_PER_RULESET;
    double start;
    int r;

    r = estate_builder_new("/bench", &builder);
    for (unsigned from = 0; r == 0 && from < n_rules; from += step) {
        char *text = envelope(from, from + MIN(step, n_rules - from), n_rules);

        if (!text)
            return -ENOMEM;
        *ret_bytes += strlen(text);
        start = now_ms();
        r = estate_builder_add(builder, "bench.yaml", text, strlen(text), DOCUMENT_YAML,
                               &diagnostics);
        *ret_ms += now_ms() - start;
        free(text);
    }
    start = now_ms();
    if (r == 0)
        r = estate_builder_finish(builder, &diagnostics, ret);
    *ret_ms += now_ms() - start;
    for (size_t i = 0; r < 0 && i < diagnostics.n && i < 5; i++)
        fprintf(stderr, "%u: %s: %s\n", diagnostics.items[i].line, diagnostics.items[i].path,
                diagnostics.items[i].message);
    return r;
}

static int make_identities(unsigned n_rules, unsigned n, struct tag_set *tags,
                           struct policy_identity *identities)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < n; i++) {
        _cleanup_tag_set_ struct tag_set given = {0};

        r = tag_set_addf(&given, "app=a%u", i * 2246822519u % n_applications(n_rules));
        if (r == 0)
            r = tag_set_addf(&given, "env=%u", i % ENVIRONMENTS);
        if (r == 0)
            r = tag_set_addf(&given, "tier=%u", i / ENVIRONMENTS % TIERS);
        if (r == 0)
            r = tag_set_addf(&given, "image=registry.example/app%u:1.%u", i % 1000, i);
        if (r == 0)
            r = tag_set_addf(&given, "owner=team%u", i % 50);
        if (r == 0)
            r = pu_tags_complete(&given, "/bench", NULL, NULL, &tags[i]);
        identities[i] =
            (struct policy_identity){.id = 256 + i, .namespace = "/bench", .tags = &tags[i]};
    }
    return r;
}

static void print_compiled(const struct policy_compiled *compiled)
{
    size_t entries = 0;

    for (size_t i = 0; i < compiled->n_classes; i++)
        entries += compiled->classes[i].n_entries;
    printf("classes %zu\nclass_entries %zu\n", compiled->n_classes, entries);
    printf("peers %zu\n", compiled->n_policies ? compiled->policies[0].n_peers : 0);
    printf("address_entries %zu\n", compiled->n_addresses);
}

static int measure(const struct estate *estate, const struct policy_identity *identities, size_t n,
                   const struct policy **policies, size_t n_policies)
{
    _cleanup_policy_compiled_ struct policy_compiled *compiled = NULL;
    _cleanup_policy_ struct policy *policy = NULL;
    size_t before;
    double start;
    int r;

    start = now_ms();
    r = policy_resolve(estate, "/bench", identities[0].tags, &policy);
    if (r < 0)
        return r;
    printf("resolve_ms %.1f\npolicy_rules %zu\n", now_ms() - start, policy->n_rules);
    for (size_t i = 0; i < n_policies; i++)
        policies[i] = policy;
    before = heap_bytes();
    start = now_ms();
    r = policy_compile(estate, policies, n_policies, identities, n, &compiled);
    if (r < 0)
        return r;
    printf("compile_ms %.1f\n", now_ms() - start);
    printf("compiled_kib %zu\n", (heap_bytes() - before) / 1024);
    print_compiled(compiled);
    return 0;
}

static int run(unsigned n_rules, unsigned n_identities, unsigned n_policies)
{
    _cleanup_estate_ struct estate *estate = NULL;
    struct tag_set *tags = calloc(n_identities, sizeof(*tags));
    struct policy_identity *identities = calloc(n_identities, sizeof(*identities));
    const struct policy **policies = calloc(n_policies, sizeof(const struct policy *));
    double parse_ms = 0;
    size_t bytes = 0;
    struct rusage usage;
    int r = tags && identities && policies ? 0 : -ENOMEM;

    if (r == 0)
        r = parse(n_rules, &estate, &parse_ms, &bytes);
    if (r == 0) {
        printf("rules %u\nidentities %u\nestate_bytes %zu\n", n_rules, n_identities, bytes);
        printf("parse_ms %.1f\nestate_kib %zu\n", parse_ms, heap_bytes() / 1024);
        r = make_identities(n_rules, n_identities, tags, identities);
    }
    if (r == 0)
        r = measure(estate, identities, n_identities, policies, n_policies);
    for (unsigned i = 0; tags && i < n_identities; i++)
        tag_set_clear(&tags[i]);
    free(tags);
    free(identities);
    free(policies);
    if (r == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
        printf("max_rss_kib %ld\n", usage.ru_maxrss);
    return r;
}

/* A whole number of 1..max; 0 when it is none. */
static unsigned number(const char *text, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    return *text && !*end && value <= max ? (unsigned)value : 0;
}

int main(int argc, char **argv)
{
    unsigned n_rules = argc > 1 ? number(argv[1], RULES_MAX) : 0;
    unsigned n_identities = argc > 2 ? number(argv[2], IDENTITIES_MAX) : 0;
    unsigned n_policies = argc > 3 ? number(argv[3], POLICIES_MAX) : 1;
    int r;

    if (argc < 3 || argc > 4 || n_rules == 0 || n_identities == 0 || n_policies == 0) {
        fprintf(stderr,
                "usage: compile_bench RULES IDENTITIES [POLICIES]   (1..%d, 1..%d, 1..%d)\n",
                RULES_MAX, IDENTITIES_MAX, POLICIES_MAX);
        return 2;
    }
    r = run(n_rules, n_identities, n_policies);
    if (r < 0)
        fprintf(stderr, "compile_bench: failed: %d\n", r);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
