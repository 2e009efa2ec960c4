/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On random estates: the tables decide exactly as the reference evaluator does, in every field.
 *
 *   property_policy [SEED [CASES]]      or PROPERTY_SEED, PROPERTY_CASES in the environment
 *
 * On failure the estate is made smaller as long as the same question still fails, then printed.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "world.h"

#define SEED_DEFAULT 20261122
#define CASES_DEFAULT 200000
#define QUERIES_PER_ESTATE 125
#define VARIANTS_PER_ESTATE 4 /* small changes of one estate, for the difference */

static const char *const action_names[] = {"none", "Allow", "Reject"};

/* What was seen, so that a generator that stopped making hard cases is noticed. */
struct seen {
    uint64_t allowed, rejected, defaults, observed, quiet, identity, both, address;
};

static void query_fill(struct gen_entropy *entropy, const struct gen *gen, struct query *query)
{
    query->pu = gen_below(entropy, gen->n_pus);
    query->direction = gen_below(entropy, 2) ? MODEL_DIRECTION_OUT : MODEL_DIRECTION_IN;
    query->peer = gen_chance(entropy, 60) ? (int)gen_below(entropy, gen->n_pus) : -1;
    query->address =
        gen_chance(entropy, 80) ? (int)gen_below(entropy, ARRAY_SIZE(gen_addresses)) : -1;
    query->protocol = gen_protocols[gen_below(entropy, ARRAY_SIZE(gen_protocols))];
    query->port = gen_chance(entropy, 80)
                      ? gen_port_points[gen_below(entropy, ARRAY_SIZE(gen_port_points))]
                      : (uint16_t)gen_next(entropy);
}

static bool query_holds(const struct world *world, const struct gen *gen, const struct query *query,
                        struct seen *seen)
{
    struct policy_decision expected, found;

    world_evaluate(world, gen, query, &expected);
    world_decide(world, query, &found);
    if (seen) {
        seen->allowed += !expected.by_default && expected.action == MODEL_ACTION_ALLOW;
        seen->rejected += !expected.by_default && expected.action == MODEL_ACTION_REJECT;
        seen->defaults += expected.by_default;
        seen->observed += expected.observed != MODEL_ACTION_NONE;
        seen->quiet += expected.logs_disabled;
        seen->identity += query->peer >= 0;
        seen->address += query->address >= 0;
        seen->both += query->peer >= 0 && query->address >= 0 && !expected.by_default;
    }
    return decision_equal(&expected, &found);
}

/* Does the same question still fail on this estate? */
static bool still_fails(const struct gen *gen, const struct query *query)
{
    struct world world = {0};
    bool fails;

    if (gen->pus[query->pu].off || (query->peer >= 0 && gen->pus[query->peer].off))
        return false;
    if (world_new(gen, &world) < 0)
        return false;
    fails = !query_holds(&world, gen, query, NULL);
    world_clear(&world);
    return fails;
}

/* Switch one thing off for good if the failure survives it. */
static bool try_without(struct gen *gen, const struct query *query, bool *off)
{
    if (*off)
        return false;
    *off = true;
    if (still_fails(gen, query))
        return true;
    *off = false;
    return false;
}

static void shrink(struct gen *gen, const struct query *query)
{
    bool again = true;

    while (again) {
        again = false;
        for (size_t i = 0; i < gen->n_rulesets; i++)
            again |= try_without(gen, query, &gen->rulesets[i].off);
        for (size_t i = 0; i < gen->n_networks; i++)
            again |= try_without(gen, query, &gen->networks[i].off);
        for (size_t i = 0; i < gen->n_pus; i++)
            again |= try_without(gen, query, &gen->pus[i].off);
        for (size_t i = 0; i < gen->n_rulesets * 2 * GEN_RULES_MAX; i++) {
            struct gen_ruleset *ruleset = &gen->rulesets[i / (2 * GEN_RULES_MAX)];
            size_t direction = i / GEN_RULES_MAX % 2, at = i % GEN_RULES_MAX;

            if (!ruleset->off && at < ruleset->n_rules[direction])
                again |= try_without(gen, query, &ruleset->rules[direction][at].off);
        }
    }
}

static void print_decision(const char *who, const struct policy_decision *d)
{
    printf("  %s: %s%s rule %d, observed %s rule %d%s\n", who, action_names[d->action],
           d->by_default ? " by default" : "", (int)d->rule, action_names[d->observed],
           (int)d->observed_rule, d->logs_disabled ? ", logs disabled" : "");
}

static void print_pu(const char *what, const struct gen *gen, int pu)
{
    _cleanup_buf_ struct buf text = BUF_INIT(GEN_TEXT_BYTES_MAX);

    if (pu < 0)
        return;
    gen_print_mask(&text, gen->pus[pu].tags);
    printf("  %s: namespace %s, tags %s\n", what, gen_namespaces[gen->pus[pu].namespace],
           text.data);
}

static void report(struct gen *gen, const struct query *query, const char *problem)
{
    struct policy_decision decision;
    struct world world = {0};
    char port[PORT_TEXT_MAX];
    char *text;

    if (!problem)
        shrink(gen, query);
    text = gen_print(gen);
    printf("%s\nFAILED: %s\n", text ? text : "", problem ? problem : "table and reference differ");
    free(text);
    print_pu("processing unit", gen, (int)query->pu);
    print_pu("peer", gen, query->peer);
    if (query->address >= 0)
        printf("  peer address: %s\n", gen_addresses[query->address]);
    printf("  %s %s\n", query->direction == MODEL_DIRECTION_OUT ? "outgoing" : "incoming",
           port_format(query->protocol, query->port, port));
    if (world_new(gen, &world) < 0)
        return;
    world_evaluate(&world, gen, query, &decision);
    print_decision("reference", &decision);
    world_decide(&world, query, &decision);
    print_decision("table", &decision);
    world_clear(&world);
}

static const char *check_whole(const struct world *world, const struct policy_compiled *before)
{
    const char *problem = world_well_formed(world);

    if (!problem)
        problem = world_classes_are_right(world);
    if (!problem)
        problem = world_diff_applies(before, world->compiled);
    return problem;
}

/* All that is asked of one estate. Returns false after printing what failed. */
static bool check_estate(struct gen_entropy *entropy, struct gen *gen, struct world *world,
                         const struct policy_compiled *before, uint64_t n_queries,
                         struct seen *seen)
{
    struct query query = {.peer = -1, .address = -1};
    const char *problem = check_whole(world, before);

    for (uint64_t i = 0; !problem && i < n_queries; i++) {
        query_fill(entropy, gen, &query);
        if (!query_holds(world, gen, &query, seen)) {
            report(gen, &query, NULL);
            return false;
        }
        if (i % 8 == 0)
            problem = world_any_is_right(world, gen, query.pu, query.protocol, query.port);
    }
    if (problem)
        report(gen, &query, problem);
    return !problem;
}

/* A small edit, as a user makes it. */
static void vary(struct gen_entropy *entropy, struct gen *gen)
{
    if (gen->n_rulesets > 0) {
        struct gen_ruleset *ruleset = &gen->rulesets[gen_below(entropy, gen->n_rulesets)];

        switch (gen_below(entropy, 3)) {
        case 0:
            ruleset->off = !ruleset->off;
            break;
        case 1:
            ruleset->propagate = !ruleset->propagate;
            break;
        default:
            if (ruleset->n_rules[1] > 0)
                ruleset->rules[1][0].off = !ruleset->rules[1][0].off;
        }
    }
    if (gen->n_networks > 0 && gen_chance(entropy, 40)) {
        struct gen_network *network = &gen->networks[gen_below(entropy, gen->n_networks)];

        network->off = !network->off;
    }
}

static bool run(struct gen_entropy *entropy, uint64_t n_cases, struct seen *seen,
                uint64_t *ret_done, uint64_t *ret_estates)
{
    struct world world = {0}, before = {0};
    bool ok = true;
    uint64_t done = 0, estates = 0;
    struct gen gen;

    for (; ok && done < n_cases; done += QUERIES_PER_ESTATE, estates++) {
        if (estates % VARIANTS_PER_ESTATE == 0)
            gen_fill(entropy, &gen);
        else
            vary(entropy, &gen);
        ok = world_new(&gen, &world) == 0 &&
             check_estate(entropy, &gen, &world, before.compiled, QUERIES_PER_ESTATE, seen);
        world_clear(&before);
        before = world;
        world = (struct world){0};
    }
    world_clear(&before);
    *ret_done = done;
    *ret_estates = estates;
    return ok;
}

static uint64_t number(const char *text, const char *variable, uint64_t otherwise)
{
    const char *value = text ? text : getenv(variable);

    return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    uint64_t seed = number(argc > 1 ? argv[1] : NULL, "PROPERTY_SEED", SEED_DEFAULT);
    uint64_t n_cases = number(argc > 2 ? argv[2] : NULL, "PROPERTY_CASES", CASES_DEFAULT);
    struct gen_entropy entropy = {.state = seed};
    struct seen seen = {0};
    uint64_t done = 0, estates = 0;
    bool ok;

    printf("seed %" PRIu64 ", %" PRIu64 " cases\n", seed, n_cases);
    ok = run(&entropy, n_cases, &seen, &done, &estates);
    printf("%" PRIu64 " cases on %" PRIu64 " estates: by rule %" PRIu64 " allowed, %" PRIu64
           " rejected; %" PRIu64 " by default; %" PRIu64 " observed; %" PRIu64
           " without log; %" PRIu64 " with identity, %" PRIu64 " with address, %" PRIu64
           " decided with both\n",
           done, estates, seen.allowed, seen.rejected, seen.defaults, seen.observed, seen.quiet,
           seen.identity, seen.address, seen.both);
    /* Each kind of outcome must be common, or the test proves less than it says. */
    if (ok && n_cases >= CASES_DEFAULT &&
        (seen.allowed < done / 20 || seen.rejected < done / 20 || seen.observed < done / 20 ||
         seen.quiet < done / 50 || seen.both < done / 20)) {
        printf("FAILED: the estates are too tame\n");
        ok = false;
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
