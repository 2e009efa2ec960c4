/* SPDX-License-Identifier: Apache-2.0 */
#include "render_test.h"

/*
 * The incremental table against one that is built anew from the same objects: after every change
 * each Enforcer's scope must be the same, and every Enforcer whose scope is another one now must
 * have been named by render_flush().
 */

#define PLACES 5
#define RULESETS 12
#define NETWORKS 6
#define UNITS 20

static const char *const places[PLACES] = {"/", "/a", "/a/b", "/a/c", "/d"};

struct world {
    json_t *spaces[PLACES], *rulesets[RULESETS], *networks[NETWORKS];
    int ruleset_place[RULESETS], network_place[NETWORKS];
    struct {
        bool there;
        int enforcer, place, tags;
    } units[UNITS];
    struct {
        bool there;
        int generation;
    } enforcers[ENFORCERS];
    uint64_t seed;
};

static unsigned any(struct world *world, unsigned n)
{
    world->seed = world->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(world->seed >> 33) % n;
}

static json_t *random_clause(struct world *world)
{
    static const char *const words[] = {"app=web",
                                        "app=db",
                                        "env=prod",
                                        "@org:tenant=x",
                                        "$namespace=/a",
                                        "$identity=processingunit",
                                        "externalnetwork:name=n1",
                                        "app=cache"};
    json_t *clause = json_array();
    unsigned n = 1 + any(world, 2);

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(clause, json_string(words[any(world, 8)]));
    return clause;
}

static json_t *random_expression(struct world *world)
{
    json_t *expression = json_array();
    unsigned n = 1 + any(world, 2);

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(expression, random_clause(world));
    return expression;
}

static json_t *random_ruleset(struct world *world, int number)
{
    char name[16];

    snprintf(name, sizeof(name), "r%d", number);
    return json_pack("{s:s, s:o, s:b, s:b, s:b, s:[{s:s, s:o}], s:[{s:s, s:o}]}", "name", name,
                     "subject", random_expression(world), "propagate", any(world, 2), "fallback",
                     any(world, 4) == 0, "disabled", any(world, 6) == 0, "incomingRules", "action",
                     "Allow", "object", random_expression(world), "outgoingRules", "action",
                     "Reject", "object", random_expression(world));
}

static void unit_tags(int choice, int place, int number, struct tag_set *tags)
{
    static const char *const sets[6][2] = {{"app=web", "env=prod"},     {"app=db", "env=prod"},
                                           {"app=cache", "x=y"},        {"app=web", "x=y"},
                                           {"@org:tenant=x", "app=db"}, {"x=y", "z=z"}};

    tag_set_add(tags, sets[choice][0]);
    tag_set_add(tags, sets[choice][1]);
    tag_set_addf(tags, "$namespace=%s", places[place]);
    tag_set_addf(tags, "$id=%d", number);
    tag_set_add(tags, "$identity=processingunit");
}

static void put_unit(struct world *world, struct render *render, int i)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    char id[16], local[16], enforcer[16];
    struct render_unit_input input = {
        .id = id, .local_id = local, .enforcer_id = enforcer, .tags = &tags, .active = true};

    snprintf(id, sizeof(id), "u%d", i);
    if (!world->units[i].there) {
        render_unit_remove(render, id);
        return;
    }
    snprintf(local, sizeof(local), "l%d", i);
    snprintf(enforcer, sizeof(enforcer), "e%d", world->units[i].enforcer);
    input.namespace = places[world->units[i].place];
    unit_tags(world->units[i].tags, world->units[i].place, i, &tags);
    assert_int_equal(render_unit_put(render, &input), 0);
}

static void put_enforcer(struct world *world, struct render *render, int i)
{
    char id[16];
    json_t *keys = json_pack("[i]", world->enforcers[i].generation);
    struct render_enforcer_input input = {
        .id = id, .namespace = "/", .number = 1000 + (uint32_t)i, .keys = keys};

    snprintf(id, sizeof(id), "e%d", i);
    if (world->enforcers[i].there)
        assert_int_equal(render_enforcer_put(render, &input), 0);
    else
        render_enforcer_remove(render, id);
    json_decref(keys);
}

static void put(struct world *world, struct render *render, int what, int i)
{
    char id[16];

    snprintf(id, sizeof(id), "%d", i);
    switch (what) {
    case 0:
        put_ruleset(render, id, places[world->ruleset_place[i]], world->rulesets[i]);
        break;
    case 1:
        assert_int_equal(
            render_network_put(render, id, places[world->network_place[i]], world->networks[i]), 0);
        break;
    case 2:
        put_unit(world, render, i);
        break;
    case 3:
        put_enforcer(world, render, i);
        break;
    default:
        if (world->spaces[i])
            assert_int_equal(render_namespace_put(render, places[i], world->spaces[i]), 0);
        else
            render_namespace_remove(render, places[i]);
        break;
    }
}

static void change(struct world *world, int *ret_what, int *ret_i)
{
    static const int sizes[5] = {RULESETS, NETWORKS, UNITS, ENFORCERS, PLACES};
    static const int odds[10] = {0, 0, 0, 1, 2, 2, 2, 3, 4, 2};
    int what = odds[any(world, 10)], i = (int)any(world, (unsigned)sizes[what]);
    bool there = any(world, 4) != 0;
    char name[16];

    *ret_what = what;
    *ret_i = i;
    snprintf(name, sizeof(name), "n%d", i);
    if (what == 0) {
        json_decref(world->rulesets[i]);
        if (!world->rulesets[i]) /* objects do not move */
            world->ruleset_place[i] = (int)any(world, PLACES);
        world->rulesets[i] = there ? random_ruleset(world, i) : NULL;
    } else if (what == 1) {
        json_decref(world->networks[i]);
        if (!world->networks[i])
            world->network_place[i] = (int)any(world, PLACES);
        world->networks[i] =
            there ? json_pack("{s:s, s:b, s:[s]}", "name", name, "propagate", any(world, 2),
                              "entries", any(world, 2) ? "10.0.0.0/8" : "192.0.2.0/24")
                  : NULL;
    } else if (what == 2) {
        world->units[i].there = there;
        world->units[i].enforcer = (int)any(world, ENFORCERS);
        world->units[i].place = (int)any(world, PLACES);
        world->units[i].tags = (int)any(world, 6);
    } else if (what == 3) {
        world->enforcers[i].there = there;
        world->enforcers[i].generation++;
    } else {
        json_decref(world->spaces[i]);
        world->spaces[i] =
            there
                ? json_pack("{s:s, s:o}", "defaultPUIncomingTrafficAction",
                            any(world, 2) ? "Allow" : "Inherit", "tagPrefixes",
                            any(world, 2) ? json_pack("[ss]", "app=", "$namespace=") : json_array())
                : NULL;
    }
}

static struct render *build(struct world *world)
{
    static const int sizes[5] = {RULESETS, NETWORKS, UNITS, ENFORCERS, PLACES};
    bool ignored[ENFORCERS];
    struct render *render;

    assert_int_equal(render_new(&render), 0);
    assert_int_equal(render_trust_put(render, "{}"), 0);
    for (int what = 4; what >= 0; what--)
        for (int i = 0; i < sizes[what]; i++)
            put(world, render, what, i);
    give_numbers(render);
    assert_int_equal(render_flush(render, note_concerned, ignored), 0);
    return render;
}

static void compare(struct world *world, struct render *render, char *known[ENFORCERS],
                    const bool concerned[ENFORCERS])
{
    struct render *fresh = build(world);

    for (int i = 0; i < ENFORCERS; i++) {
        char id[16];
        char *now, *expected;

        snprintf(id, sizeof(id), "e%d", i);
        now = scope_text(render, id);
        expected = scope_text(fresh, id);
        if (world->enforcers[i].there) {
            assert_string_equal(now, expected);
            if (!concerned[i])
                assert_string_equal(now, known[i]);
        }
        free(known[i]);
        known[i] = now;
        free(expected);
    }
    render_free(&fresh);
}

/* What a session was sent, and what its Enforcer made of the differences. */
struct held {
    struct render_scope sent;
    json_t *versions; /* by key */
    bool put_seen;
};

static int take_difference(void *context, const struct render_item *item, bool is_gone)
{
    struct held *held = context;
    const char *key = item->entry->key;

    if (is_gone) {
        assert_false(held->put_seen); /* else it could take away what has just been put */
        assert_int_equal(json_object_del(held->versions, key), 0);
        return 0;
    }
    held->put_seen = true;
    assert_true(json_integer_value(json_object_get(held->versions, key)) !=
                (json_int_t)item->version);
    return json_object_set_new(held->versions, key, json_integer((json_int_t)item->version));
}

static void follow(struct render *render, struct held held[ENFORCERS])
{
    for (int i = 0; i < ENFORCERS; i++) {
        _cleanup_render_scope_ struct render_scope now = {0};
        _cleanup_render_part_ struct render_part *whole = NULL;
        char id[16];

        snprintf(id, sizeof(id), "e%d", i);
        held[i].put_seen = false;
        if (!held[i].versions)
            held[i].versions = json_object();
        if (render_scope_of(render, id, &now) < 0)
            continue;
        assert_int_equal(render_scope_compare(&held[i].sent, &now, take_difference, &held[i]), 0);
        whole = render_scope_whole(&now);
        assert_int_equal(json_object_size(held[i].versions), whole->n);
        for (size_t j = 0; j < whole->n; j++)
            assert_true(
                json_integer_value(json_object_get(held[i].versions, whole->items[j].entry->key)) ==
                (json_int_t)whole->items[j].version);
        render_scope_clear(&held[i].sent);
        held[i].sent = now;
        now = (struct render_scope){0};
    }
}

static void run(uint64_t seed, int steps)
{
    struct world world = {.seed = seed};
    struct held held[ENFORCERS] = {0};
    char *known[ENFORCERS] = {0};
    struct render *render;

    for (int i = 0; i < ENFORCERS; i++) {
        world.enforcers[i].there = true;
        known[i] = strdup("");
    }
    render = build(&world);
    compare(&world, render, known, (bool[ENFORCERS]){true, true, true, true, true});
    for (int step = 0; step < steps; step++) {
        bool concerned[ENFORCERS] = {false};
        int what, i;

        change(&world, &what, &i);
        put(&world, render, what, i);
        give_numbers(render);
        assert_int_equal(render_flush(render, note_concerned, concerned), 0);
        compare(&world, render, known, concerned);
        if (step % 3 == 0) /* a slow session sees the sum of some changes */
            follow(render, held);
    }
    for (int i = 0; i < ENFORCERS; i++) {
        render_scope_clear(&held[i].sent);
        json_decref(held[i].versions);
        free(known[i]);
    }
    render_free(&render);
    for (int i = 0; i < RULESETS; i++)
        json_decref(world.rulesets[i]);
    for (int i = 0; i < NETWORKS; i++)
        json_decref(world.networks[i]);
    for (int i = 0; i < PLACES; i++)
        json_decref(world.spaces[i]);
}

static void test_incremental(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        run(seed, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_incremental)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
