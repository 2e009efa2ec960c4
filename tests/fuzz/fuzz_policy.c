/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_model bh_policy bh_property */
/*
 * The bytes choose an estate (see estate_random.h) and questions about it: nothing may crash, the
 * tables must say what the reference says, every nearest rule must be explained.
 */
#include "fuzz.h"
#include "world.h"

#define QUERIES 24

static void explain(const struct world *world, const struct gen *gen, const struct query *query)
{
    struct policy_peer peer = {.has_identity = query->peer >= 0};
    char *missing = NULL;
    uint32_t rule;

    if (peer.has_identity) {
        peer.namespace = gen_namespaces[gen->pus[query->peer].namespace];
        peer.tags = &world->tags[query->peer];
    }
    FUZZ_CHECK(policy_nearest(world->estate, world->policies[world->policy_of[query->pu]],
                              query->direction, &peer, query->protocol, query->port, &rule,
                              &missing) == 0);
    FUZZ_CHECK((rule == POLICY_RULE_NONE) == (missing == NULL));
    free(missing);
}

static void ask(struct gen_entropy *entropy, const struct world *world, const struct gen *gen)
{
    struct policy_decision expected, found;
    struct query query;

    query.pu = gen_below(entropy, gen->n_pus);
    query.direction = gen_below(entropy, 2) ? MODEL_DIRECTION_OUT : MODEL_DIRECTION_IN;
    query.peer = (int)gen_below(entropy, gen->n_pus + 1) - 1;
    query.address = (int)gen_below(entropy, ARRAY_SIZE(gen_addresses) + 1) - 1;
    query.protocol = gen_protocols[gen_below(entropy, ARRAY_SIZE(gen_protocols))];
    query.port = gen_port_points[gen_below(entropy, ARRAY_SIZE(gen_port_points))];
    world_evaluate(world, gen, &query, &expected);
    world_decide(world, &query, &found);
    FUZZ_CHECK(decision_equal(&expected, &found));
    FUZZ_CHECK(!world_any_is_right(world, gen, query.pu, query.protocol, query.port));
    if (expected.by_default)
        explain(world, gen, &query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gen_entropy entropy = {.bytes = data, .n_bytes = size};
    struct world world = {0};
    struct gen gen;

    gen_fill(&entropy, &gen);
    /* The generator makes nothing that the model refuses. */
    FUZZ_CHECK(world_new(&gen, &world) == 0);
    FUZZ_CHECK(!world_well_formed(&world));
    FUZZ_CHECK(!world_classes_are_right(&world));
    FUZZ_CHECK(!world_diff_applies(NULL, world.compiled));
    for (unsigned i = 0; i < QUERIES; i++)
        ask(&entropy, &world, &gen);
    world_clear(&world);
    return 0;
}
