/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "console/render.h"

/*
 * The incremental table against one that is built anew from the same objects: after every change
 * each Enforcer's scope must be the same, and every Enforcer whose scope is another one now must
 * have been named by render_flush().
 */

#define PLACES 5
#define RULESETS 12
#define NETWORKS 6
#define ENFORCERS 5
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

static void put_ruleset(struct render *render, const char *id, const char *namespace,
                        const json_t *body)
{
    _cleanup_free_
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

    assert_int_equal(render_ruleset_put(render, id, namespace, text, text ? strlen(text) : 0), 0);
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

static void number_all(void *context, const char *namespace, const struct tag_set *tags,
                       uint32_t candidate)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tags->n; i++)
        json_array_append_new(list, json_string(tags->tags[i]));
    json_array_append_new(context, json_pack("{s:s, s:o, s:I}", "ns", namespace, "tags", list,
                                             "number", (json_int_t)candidate));
}

static void give_numbers(struct render *render)
{
    json_t *missing = json_array(), *item;
    size_t i, j;

    render_missing(render, number_all, missing);
    json_array_foreach(missing, i, item)
    {
        _cleanup_tag_set_ struct tag_set tags = {0};
        json_t *list = json_object_get(item, "tags");

        for (j = 0; j < json_array_size(list); j++)
            tag_set_add(&tags, json_string_value(json_array_get(list, j)));
        assert_int_equal(render_identity_put(
                             render, (uint32_t)json_integer_value(json_object_get(item, "number")),
                             json_string_value(json_object_get(item, "ns")), &tags),
                         0);
    }
    json_decref(missing);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "key version\n" in order; NULL when the Enforcer is not known. */
static char *scope_text(struct render *render, const char *id)
{
    _cleanup_render_scope_ struct render_scope scope = {0};
    struct buf text = BUF_INIT(1 << 20);
    char **lines;

    if (render_scope_of(render, id, &scope) < 0)
        return strdup("");
    lines = calloc(scope.n + 1, sizeof(*lines));
    for (size_t i = 0; i < scope.n; i++) {
        struct buf line = BUF_INIT(4096), body = BUF_INIT(1 << 20);
        json_t *claims = NULL;

        assert_int_equal(render_entry_body(render, scope.items[i].entry, &body, &claims), 0);
        if (claims) {
            char *dump = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);

            buf_puts(&body, dump);
            free(dump);
            json_decref(claims);
        }
        assert_int_equal(link_version(body.data, body.len), scope.items[i].version);
        buf_printf(&line, "%s %llx\n", scope.items[i].entry->key,
                   (unsigned long long)scope.items[i].version);
        buf_free(&body);
        lines[i] = buf_steal(&line);
    }
    qsort(lines, scope.n, sizeof(*lines), compare_texts);
    buf_puts(&text, "");
    for (size_t i = 0; i < scope.n; i++) {
        buf_puts(&text, lines[i]);
        free(lines[i]);
    }
    free(lines);
    return text.data ? buf_steal(&text) : strdup("");
}

static void note_concerned(void *context, const char *enforcer_id)
{
    bool *concerned = context;

    concerned[enforcer_id[1] - '0'] = true;
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

static void run(uint64_t seed, int steps)
{
    struct world world = {.seed = seed};
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
    }
    render_free(&render);
    for (int i = 0; i < ENFORCERS; i++)
        free(known[i]);
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

static void put_lonely(struct render *render, const char *id, uint32_t number,
                       const char *namespace)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    const struct render_enforcer_input enforcer = {
        .id = id, .namespace = namespace, .number = number};
    const struct render_unit_input unit = {.id = id,
                                           .local_id = "l",
                                           .enforcer_id = id,
                                           .namespace = namespace,
                                           .tags = &tags,
                                           .active = true};

    assert_int_equal(tag_set_addf(&tags, "app=%s", id), 0);
    assert_int_equal(render_enforcer_put(render, &enforcer), 0);
    assert_int_equal(render_unit_put(render, &unit), 0);
}

static void put_object(struct render *render, const char *kind, const char *name, const char *text)
{
    json_t *body = json_loads(text, 0, NULL);

    assert_non_null(body);
    if (strcmp(kind, "namespace") == 0)
        assert_int_equal(render_namespace_put(render, name, body), 0);
    else if (strcmp(kind, "ruleset") == 0)
        put_ruleset(render, text, name, body);
    else
        assert_int_equal(render_network_put(render, text, name, body), 0);
    json_decref(body);
}

static bool knows(struct render *render, const char *id, const char *key)
{
    char *text = scope_text(render, id);
    bool has = strstr(text, key) != NULL;

    free(text);
    return has;
}

static const char allow[] = "{\"defaultPUIncomingTrafficAction\": \"Allow\"}";

static void flush(struct render *render)
{
    bool concerned[ENFORCERS];

    give_numbers(render);
    assert_int_equal(render_flush(render, note_concerned, concerned), 0);
}

/* e0 in /a, e1 in /b, e2 in /c; numbers 2000, 2001, 2002. */
static struct render *three_lonely(void)
{
    struct render *render;

    assert_int_equal(render_new(&render), 0);
    assert_int_equal(render_trust_put(render, "{}"), 0);
    put_lonely(render, "e0", 2000, "/a");
    put_lonely(render, "e1", 2001, "/b");
    put_lonely(render, "e2", 2002, "/c");
    return render;
}

/* No rule needs them: whoever fetches a host is told of it, and the host of whoever fetched. */
static void test_fetch(void **state)
{
    bool concerned[ENFORCERS] = {false};
    uint32_t met = 2001, stranger = 4711;
    struct render *render = three_lonely();

    put_object(render, "namespace", "/", allow);
    flush(render);
    assert_false(knows(render, "e0", "h:2001"));

    assert_int_equal(render_fetch(render, "e9", &met, 1, NULL, 0), -ENOENT);
    assert_int_equal(render_fetch(render, "e0", &stranger, 1, NULL, 0), 0);
    assert_int_equal(render_fetch(render, "e0", &met, 1, NULL, 0), 0);
    assert_int_equal(render_flush(render, note_concerned, concerned), 0);
    assert_true(concerned[0] && concerned[1] && !concerned[2]);
    assert_true(knows(render, "e0", "h:2001"));
    assert_true(knows(render, "e1", "h:2000"));
    assert_true(knows(render, "e1", "i:"));
    render_free(&render);
}

#define TO_NETWORK                                                                                 \
    "{\"name\": \"r\", \"subject\": [[\"app=e1\"]], \"outgoingRules\": [{\"action\": \"Allow\", "  \
    "\"object\": [[\"externalnetwork:name=x\"]]}]}"
#define TO_UNIT(subject, object)                                                                   \
    "{\"name\": \"r\", \"subject\": [[\"" subject "\"]], \"incomingRules\": [{\"action\": "        \
    "\"Allow\", \"object\": [[\"" object "\"]]}]}"
#define NETWORK                                                                                    \
    "{\"name\": \"x\", \"associatedTags\": [\"externalnetwork:name=x\"], \"entries\": "            \
    "[\"192.0.2.0/24\"]}"

/* e0 asks for everything that there is: it is told of those that could talk to it. */
static void test_fetch_needs_a_reason(void **state)
{
    static const struct {
        struct {
            const char *kind, *namespace, *body;
        } objects[2];
        bool host, back;
    } cases[] = {
        {{{NULL, NULL, NULL}}, false, false},
        {{{"namespace", "/a", allow}}, false, false}, /* e0 is open, but e1 could not answer */
        {{{"namespace", "/b", allow}}, true, false},
        {{{"namespace", "/c", allow}}, false, false},
        {{{"namespace", "/b", allow}, {"namespace", "/a", allow}}, true, true},
        {{{"ruleset", "/b", TO_NETWORK}}, false, false}, /* there is no such network */
        {{{"ruleset", "/b", TO_NETWORK}, {"network", "/c", NETWORK}}, false, false},
        {{{"ruleset", "/b", TO_NETWORK}, {"network", "/b", NETWORK}}, true, false},
        {{{"ruleset", "/c", TO_NETWORK}, {"network", "/c", NETWORK}}, false, false},
        {{{"ruleset", "/b", TO_UNIT("app=e1", "app=e0")}}, true, true} /* e1 by its rule */,
        {{{"ruleset", "/b", TO_UNIT("app=e1", "app=e2")}}, false, false},
        {{{"ruleset", "/b", TO_UNIT("app=e1", "app=e1")}}, false, false},
    };
    uint32_t hosts[] = {2000, 2001, 2002};
    _cleanup_tag_set_ struct tag_set tags = {0};
    uint32_t identity;
    char key[32];

    assert_int_equal(tag_set_add(&tags, "app=e1"), 0);
    identity = identity_id("/b", &tags);
    snprintf(key, sizeof(key), "i:%u", identity);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct render *render = three_lonely();

        for (size_t j = 0; j < 2 && cases[i].objects[j].kind; j++)
            put_object(render, cases[i].objects[j].kind, cases[i].objects[j].namespace,
                       cases[i].objects[j].body);
        flush(render);
        assert_int_equal(render_fetch(render, "e0", hosts, 3, &identity, 1), 0);
        flush(render);
        if (knows(render, "e0", "h:2001") != cases[i].host ||
            knows(render, "e0", key) != cases[i].host ||
            knows(render, "e1", "h:2000") != cases[i].back)
            fail_msg("case %zu", i);
        render_free(&render);
    }
}

/* What an answer was remembered for is not true any more. */
static void test_fetch_after_a_change(void **state)
{
    struct render *render = three_lonely();
    uint32_t met = 2001;

    flush(render);
    assert_int_equal(render_fetch(render, "e0", &met, 1, NULL, 0), 0);
    put_object(render, "namespace", "/b", allow);
    flush(render);
    assert_false(knows(render, "e0", "h:2001"));
    put_object(render, "namespace", "/b", "{\"defaultPUIncomingTrafficAction\": \"Reject\"}");
    flush(render);
    assert_int_equal(render_fetch(render, "e0", &met, 1, NULL, 0), 0);
    flush(render);
    assert_false(knows(render, "e0", "h:2001"));
    put_object(render, "namespace", "/b", allow);
    flush(render);
    assert_int_equal(render_fetch(render, "e0", &met, 1, NULL, 0), 0);
    flush(render);
    assert_true(knows(render, "e0", "h:2001"));
    render_free(&render);
}

/* What is handed on of a ruleset is what policy files have, as it is stored; tags are compared as
 * they are meant, however they are written. */
static void test_ruleset_text(void **state)
{
    static const char body[] = "{\"description\":\"stays here\",\"name\":\"a "
                               "\\\"b\\\"\",\"outgoingRules\":[{\"object\":[[\"ne"
                               "t=x\"]],\"action\":\"Allow\"}],\"subject\":[[\"none=\\\"\"],[\"app="
                               "\\u00650\",\"app=e0\"]]}";
    static const char expected[] =
        "{\"name\":\"a "
        "\\\"b\\\"\",\"outgoingRules\":[{\"object\":[[\"net=x\"]],\"action\":\"Allow\"}],"
        "\"subject\":[[\"none=\\\"\"],[\"app=\\u00650\",\"app=e0\"]],\"namespace\":\"/a\"}";
    struct render *render = three_lonely();
    char line[64];

    snprintf(line, sizeof(line), "r:one %llx\n",
             (unsigned long long)link_version(expected, strlen(expected)));
    assert_int_equal(render_ruleset_put(render, "one", "/a", body, strlen(body)), 0);
    flush(render);
    assert_true(knows(render, "e0", line));
    assert_false(knows(render, "e1", "r:one"));
    assert_int_equal(render_ruleset_put(render, "one", "/a", NULL, 0), 0);
    flush(render);
    assert_false(knows(render, "e0", "r:one"));
    render_free(&render);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incremental), cmocka_unit_test(test_fetch),
        cmocka_unit_test(test_fetch_needs_a_reason), cmocka_unit_test(test_fetch_after_a_change),
        cmocka_unit_test(test_ruleset_text)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
