/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "console/jsonscan.h"
#include "console/objects.h"

/* ---- A model: the same objects in a plain array, every question answered by looking at all ----
 */

#define MODEL_MAX 400
#define STEPS 4000
#define SPACES 7

static const char *const spaces[SPACES] = {"/", "/a", "/a/x", "/a/x/1", "/a/y", "/b", "/b/z"};
static const char *const kinds[] = {"networkrulesetpolicy", "externalnetwork"};

struct row {
    bool used;
    char id[SCHEMA_ID_LEN + 1], name[32], team[16];
    unsigned space, kind;
    bool propagate, archived;
    uint64_t revision;
};

struct world {
    struct objects *objects;
    struct row rows[MODEL_MAX];
    uint64_t revision;
    uint32_t seed, next_id;
    size_t n_observed;
};

static uint32_t draw(struct world *world, uint32_t below)
{
    world->seed = world->seed * 1664525u + 1013904223u;
    return (world->seed >> 8) % below;
}

static char *body_of(const struct row *row)
{
    char *body = NULL;

    assert_true(asprintf(&body,
                         "{\"name\":\"%s\",\"associatedTags\":[\"team=%s\",\"all=yes\"]%s%s}",
                         row->name, row->team, row->propagate ? ",\"propagate\":true" : "",
                         row->archived ? ",\"archived\":true" : "") > 0);
    return body;
}

static void observe(void *context, uint64_t revision, const struct object_change *changes, size_t n)
{
    struct world *world = context;

    assert_int_equal(revision, world->revision);
    for (size_t i = 0; i < n; i++) {
        const struct object *object = changes[i].after ? changes[i].after : changes[i].before;

        assert_true((changes[i].type == STORE_CREATE) == !changes[i].before);
        assert_true((changes[i].type == STORE_DELETE) == !changes[i].after);
        assert(object);
        /* Tags of what was are still there to be looked at. */
        assert_true(tag_set_has(&object->tags, "all=yes") ||
                    strcmp(object->kind->name, "namespace") == 0);
        if (changes[i].after)
            assert_ptr_equal(objects_find(world->objects, object->id), object);
        else
            assert_null(objects_find(world->objects, object->id));
    }
    world->n_observed += n;
}

static void apply(struct world *world, enum store_op_type type, const char *id, const char *kind,
                  const char *space, const char *body)
{
    const struct store_op op = {
        .type = type,
        .object = {.id = id,
                   .kind = kind,
                   .namespace = space,
                   .body = body,
                   .body_len = body ? strlen(body) : 0,
                   .created_ms = 1000,
                   .updated_ms = 1000 + (int64_t)world->revision},
    };

    world->revision++;
    assert_int_equal(objects_apply(world->objects, world->revision, &op, 1), 0);
    assert_int_equal(objects_revision(world->objects), world->revision);
}

static void make_id(struct world *world, char *id)
{
    /* Mostly growing, as in life, sometimes of another Console whose clock is behind. */
    uint32_t number = draw(world, 8) == 0 ? draw(world, 1u << 20) : 1u << 20;

    snprintf(id, SCHEMA_ID_LEN + 1, "%08x%016x", number, world->next_id++);
}

static void write_row(struct world *world, struct row *row, bool is_new)
{
    _cleanup_free_
    char *body = NULL;

    snprintf(row->name, sizeof(row->name), "%c%u", draw(world, 2) ? 'r' : 's',
             (unsigned)(row - world->rows));
    snprintf(row->team, sizeof(row->team), "%u", (unsigned)draw(world, 5));
    row->propagate = draw(world, 3) == 0;
    row->archived = row->kind == 1 && draw(world, 6) == 0;
    body = body_of(row);
    apply(world, is_new ? STORE_CREATE : STORE_UPDATE, row->id, kinds[row->kind],
          spaces[row->space], body);
    row->revision = world->revision;
}

static void step(struct world *world)
{
    struct row *row = &world->rows[draw(world, MODEL_MAX)];

    if (!row->used) {
        row->used = true;
        row->space = draw(world, SPACES);
        row->kind = draw(world, 2);
        make_id(world, row->id);
        write_row(world, row, true);
    } else if (draw(world, 2)) {
        write_row(world, row, false);
    } else {
        row->used = false;
        apply(world, STORE_DELETE, row->id, kinds[row->kind], spaces[row->space], NULL);
    }
}

/* ---- Questions ------------------------------------------------------------------------------- */

struct question {
    unsigned kind, space;
    bool recursive, propagated, archived;
    const char *filter; /* with %s for a team or a name */
    char text[128], argument[32];
    const char *order[2];
    size_t offset, limit;
};

struct answer {
    const struct row *rows[MODEL_MAX];
    size_t n;
};

static bool within(const char *ancestor, const char *descendant)
{
    return namespace_is_within(ancestor, descendant);
}

static bool matches(const struct question *question, const struct row *row)
{
    switch (question->filter ? question->filter[0] : 0) {
    case 'n': /* name == %s */
        return strcmp(row->name, question->argument) == 0;
    case '(': /* team %s or name */
        return strcmp(row->team, question->argument) == 0 || strcmp(row->name, "r1") == 0;
    case 'a': /* team by contains on associatedTags, and not a name */
        return strcmp(row->team, question->argument) == 0 && row->name[0] == 'r';
    case 'N': /* normalizedTags */
        return strcmp(row->team, question->argument) == 0;
    default:
        return true;
    }
}

static bool wanted(const struct question *question, const struct row *row)
{
    const char *here = spaces[question->space], *there = spaces[row->space];

    if (!row->used || row->kind != question->kind || (row->archived && !question->archived))
        return false;
    if (!(strcmp(here, there) == 0 || (question->recursive && within(here, there)) ||
          (question->propagated && row->propagate && within(there, here))))
        return false;
    return matches(question, row);
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(const struct row *const *)a)->id, (*(const struct row *const *)b)->id);
}

static int by_name_down(const void *a, const void *b)
{
    int r = strcmp((*(const struct row *const *)b)->name, (*(const struct row *const *)a)->name);

    return r ? r : by_id(a, b);
}

static void expect(const struct world *world, const struct question *question, struct answer *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < MODEL_MAX; i++)
        if (wanted(question, &world->rows[i]))
            ret->rows[ret->n++] = &world->rows[i];
    qsort(ret->rows, ret->n, sizeof(ret->rows[0]), question->order[0] ? by_name_down : by_id);
}

struct found {
    const struct object *objects[MODEL_MAX];
    size_t n;
};

static bool take(void *context, const struct object *object)
{
    struct found *found = context;

    found->objects[found->n++] = object;
    return true;
}

static void pick(struct world *world, struct question *question)
{
    static const char *const filters[] = {
        NULL,
        "name == \"%s\"",
        "(associatedTags contains [\"team=%s\"]) or name == r1",
        "associatedTags contains [\"team=%s\"] and name matches [\"^r\"]",
        "NormalizedTags",
    };
    const char *filter = filters[draw(world, 5)];

    *question = (struct question){
        .kind = draw(world, 2),
        .space = draw(world, SPACES),
        .recursive = draw(world, 2),
        .propagated = draw(world, 2),
        .archived = draw(world, 2),
        .filter = filter,
        .order = {draw(world, 4) == 0 ? "-name" : NULL, NULL},
        .offset = draw(world, 3) == 0 ? draw(world, 20) : 0,
        .limit = draw(world, 3) == 0 ? 1 + draw(world, 10) : 0,
    };
    if (filter && filter[0] == 'n')
        snprintf(question->argument, sizeof(question->argument), "r%u",
                 (unsigned)draw(world, MODEL_MAX));
    else
        snprintf(question->argument, sizeof(question->argument), "%u", (unsigned)draw(world, 5));
    if (filter && filter[0] == 'N')
        snprintf(question->text, sizeof(question->text),
                 "normalizedTags contains [\"team=%s\"] and namespace != \"/none\"",
                 question->argument);
    else if (filter)
        // NOLINTNEXTLINE(clang-diagnostic-format-nonliteral): one of the texts above
        snprintf(question->text, sizeof(question->text), filter, question->argument);
}

static void ask(struct world *world)
{
    _cleanup_filter_ struct filter *filter = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(256);
    static struct answer answer;
    static struct found found;
    struct question question;
    struct objects_query query;
    uint64_t total;
    size_t end;

    pick(world, &question);
    if (question.filter)
        assert_int_equal(filter_parse(question.text, 0, &problem, &filter), 0);
    query = (struct objects_query){
        .kind = schema_kind_find(kinds[question.kind]),
        .space = objects_space(world->objects, spaces[question.space]),
        .recursive = question.recursive,
        .propagated = question.propagated,
        .archived = question.archived,
        .filter = filter,
        .order = question.order[0] ? question.order : NULL,
        .offset = question.offset,
        .limit = question.limit,
    };
    expect(world, &question, &answer);
    found.n = 0;
    assert_int_equal(objects_list(world->objects, &query, take, &found, &total), 0);
    assert_int_equal(total, answer.n);
    end = question.limit ? MIN(answer.n, question.offset + question.limit) : answer.n;
    assert_int_equal(found.n, end > question.offset ? end - question.offset : 0);
    for (size_t i = 0; i < found.n; i++)
        assert_string_equal(found.objects[i]->id, answer.rows[question.offset + i]->id);
    if (found.n && question.limit) { /* the page behind a cursor is the rest */
        query.after = found.objects[found.n - 1]->id;
        query.offset = query.limit = 0;
        found.n = 0;
        assert_int_equal(objects_list(world->objects, &query, take, &found, &total), 0);
        assert_int_equal(found.n, answer.n - end);
    }
}

static void check_one(const struct world *world, const struct row *row)
{
    const struct object *object = objects_find(world->objects, row->id);
    const struct schema_kind *kind = schema_kind_find(kinds[row->kind]);
    _cleanup_free_
    char *key = objects_unique_key(kind, spaces[row->space], row->name);

    if (!row->used) {
        assert_null(object);
        return;
    }
    assert_non_null(object);
    assert_string_equal(object->name, row->name);
    assert_int_equal(object->revision, row->revision);
    assert_ptr_equal(objects_find_unique(world->objects, kind, key), object);
    assert_true(object_flag(object, "propagate") == row->propagate);
}

static void check_all(const struct world *world)
{
    for (size_t i = 0; i < MODEL_MAX; i++)
        if (*world->rows[i].id)
            check_one(world, &world->rows[i]);
}

static void world_new(struct world *world)
{
    *world = (struct world){.seed = 42};
    assert_int_equal(objects_new(&world->objects), 0);
    assert_int_equal(objects_observe(world->objects, observe, world), 0);
    for (size_t i = 0; i < SPACES; i++) {
        char id[SCHEMA_ID_LEN + 1], body[64], parent[32] = "/";
        const char *slash = strrchr(spaces[i], '/');

        if (slash != spaces[i])
            snprintf(parent, sizeof(parent), "%.*s", (int)(slash - spaces[i]), spaces[i]);
        snprintf(id, sizeof(id), "%024zx", i + 1);
        snprintf(body, sizeof(body), "{\"name\":\"%s\"}", spaces[i]);
        apply(world, STORE_CREATE, id, "namespace", parent, body);
    }
}

static void test_against_model(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world_new(world);
    for (unsigned i = 0; i < STEPS; i++) {
        step(world);
        ask(world);
        if (i % 100 == 0)
            check_all(world);
    }
    assert_int_equal(world->n_observed, STEPS + SPACES);
    objects_free(&world->objects);
    free(world);
}

/* ---- Single things --------------------------------------------------------------------------- */

static void load(struct objects *objects, const char *id, const char *kind, const char *space,
                 const char *body)
{
    const struct store_object object = {.id = id,
                                        .kind = kind,
                                        .namespace = space,
                                        .body = body,
                                        .body_len = strlen(body),
                                        .created_ms = 1700000000123,
                                        .updated_ms = 1700000000456,
                                        .revision = 7};

    assert_int_equal(objects_load(objects, &object), 0);
}

static bool has(const struct object *object, const char *tag)
{
    return tag_set_has(&object->tags, tag);
}

#define UNIT "00000000000000000000000a"

static void test_normalized_tags(void **state)
{
    struct objects *objects;
    const struct object *unit;
    json_t *shown;

    assert_int_equal(objects_new(&objects), 0);
    load(objects, UNIT, "processingunit", "/a",
         "{\"name\":\"we\\\"b\",\"type\":\"Docker\",\"images\":[\"nginx\",\"nginx:1\"],"
         "\"metadata\":[\"@org:x=y\"],\"associatedTags\":[\"app=web\",\"app=web\",\"no tag\"]}");
    unit = objects_find(objects, UNIT);
    assert_non_null(unit);
    assert_string_equal(unit->name, "we\"b");
    assert_true(has(unit, "$identity=processingunit") && has(unit, "$id=" UNIT));
    assert_true(has(unit, "$namespace=/a") && has(unit, "$name=we\"b") && has(unit, "app=web"));
    assert_true(has(unit, "$type=Docker") && has(unit, "$image=nginx") &&
                has(unit, "$image=nginx:1"));
    assert_true(has(unit, "@org:x=y") && has(unit, "$operationalstatus=Initialized"));
    for (size_t i = 1; i < unit->tags.n; i++)
        assert_true(strcmp(unit->tags.tags[i - 1], unit->tags.tags[i]) < 0);
    shown = object_show(unit, NULL);
    assert_string_equal(json_string_value(json_object_get(shown, "updateTime")),
                        "2023-11-14T22:13:20.456Z");
    assert_int_equal(json_array_size(json_object_get(shown, "normalizedTags")), unit->tags.n);
    json_decref(shown);
    objects_free(&objects);
}

/* Text and tree say the same, in the same order. */
static void compare_shown(const struct object *object)
{
    _cleanup_buf_ struct buf text = BUF_INIT(1u << 20);
    json_t *shown = object_show(object, NULL), *read;
    char *wanted;

    assert_non_null(shown);
    assert_int_equal(object_show_text(object, &text), 0);
    read = json_loads(text.data, 0, NULL);
    assert_non_null(read);
    wanted = json_dumps(shown, JSON_COMPACT);
    json_decref(shown);
    shown = read;
    read = NULL;
    free(text.data);
    text.data = json_dumps(shown, JSON_COMPACT);
    assert_string_equal(text.data, wanted);
    json_decref(shown);
    free(wanted);
}

static void test_text_is_the_tree(void **state)
{
    static const struct {
        const char *kind, *body;
    } rows[] = {
        {"networkrulesetpolicy",
         "{\"name\":\"r\\\"x\",\"subject\":[[\"a=b\"]],\"propagate\":true,\"incomingRules\":["
         "{\"action\":\"Reject\",\"object\":[[\"c=d\"],[\"e=\\u00fc\"]]},"
         "{\"action\":\"Allow\",\"object\":[[\"c=d\"]],\"protocolPorts\":[\"tcp/1\"],"
         "\"name\":\"n\"}],\"annotations\":{\"a\":[\"b,}]\"]}}"},
        {"networkrulesetpolicy", "{\"name\":\"r\",\"outgoingRules\":[],\"nobodyknows\":{}}"},
        {"processingunit",
         "{\"name\":\"p\",\"networkServices\":[{\"protocol\":6}],\"tracing\":{\"IPTables\":true}}"},
        {"namespace", "{\"name\":\"/x\",\"tagPrefixes\":null}"},
        {"account", "{\"name\":\"a\",\"passwordHash\":\"secret\",\"OTPSecret\":\"secret\"}"},
        {"importreference", "{\"name\":\"i\",\"data\":{\"label\":\"l\",\"data\":{\"x\":[1]}}}"},
    };
    struct objects *objects;
    size_t n;
    const struct schema_kind *const *all = schema_kinds(&n);

    assert_int_equal(objects_new(&objects), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        load(objects, UNIT, rows[i].kind, "/a", rows[i].body);
        compare_shown(objects_find(objects, UNIT));
    }
    for (size_t i = 0; i < n; i++) {
        if (!all[i]->stored || all[i]->hidden)
            continue;
        load(objects, UNIT, all[i]->name, "/a", "{\"name\":\"/x\"}");
        compare_shown(objects_find(objects, UNIT));
    }
    objects_free(&objects);
}

static void test_unknown_kinds_and_broken_bodies(void **state)
{
    static const char *const bodies[] = {
        "",         "{",  "[]",         "{\"name\"", "{\"name\":", "{\"name\":\"", "{\"name\":\"x",
        "{\"a\":[", "\"", "{\"a\":\"\\"};
    struct objects *objects;

    assert_int_equal(objects_new(&objects), 0);
    load(objects, UNIT, "fromthefuture", "/", "{}");
    assert_null(objects_find(objects, UNIT));
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        load(objects, UNIT, "externalnetwork", "/", bodies[i]);
        assert_non_null(objects_find(objects, UNIT));
    }
    objects_free(&objects);
}

static void test_spaces(void **state)
{
    struct objects *objects;

    assert_int_equal(objects_new(&objects), 0);
    assert_non_null(objects_space(objects, "/"));
    load(objects, UNIT, "externalnetwork", "/a/b", "{\"name\":\"x\"}");
    assert_null(objects_space(objects, "/a/b")); /* nobody made it yet */
    load(objects, "00000000000000000000000b", "namespace", "/a", "{\"name\":\"/a/b\"}");
    assert_non_null(objects_space(objects, "/a/b"));
    assert_null(objects_space(objects, "/a"));
    assert_string_equal(objects_space(objects, "/a/b")->parent->name, "/a");
    objects_free(&objects);
}

static void test_scan(void **state)
{
    static const char text[] =
        "{ \"a\" : \"x\\\\\\\"y\", \"b\":[1,{\"a\":2},\"]\"], \"c\":{} ,\"d\":-1.5e3}";
    struct json_slice value;
    char *decoded;

    assert_true(json_scan_find(text, sizeof(text) - 1, "a", &value));
    decoded = json_slice_string(&value);
    assert_string_equal(decoded, "x\\\"y");
    free(decoded);
    assert_true(json_scan_find(text, sizeof(text) - 1, "b", &value));
    assert_true(json_slice_is(&value, "[1,{\"a\":2},\"]\"]"));
    assert_null(json_slice_string(&value));
    assert_true(json_scan_find(text, sizeof(text) - 1, "c", &value) && json_slice_is(&value, "{}"));
    assert_true(json_scan_find(text, sizeof(text) - 1, "d", &value));
    assert_true(json_slice_is(&value, "-1.5e3"));
    assert_false(json_scan_find(text, sizeof(text) - 1, "e", &value));
    for (size_t len = 0; len < sizeof(text); len++) /* never past the end */
        json_scan_find(text, len, "zzz", &value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_normalized_tags),
        cmocka_unit_test(test_unknown_kinds_and_broken_bodies),
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_text_is_the_tree),
        cmocka_unit_test(test_against_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
