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
    const struct object *objects[3 * MODEL_MAX];
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

static struct objects_query query_of(const struct world *world, const struct question *question,
                                     struct filter **ret_filter)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(256);

    *ret_filter = NULL;
    if (question->filter)
        assert_int_equal(filter_parse(question->text, 0, &problem, ret_filter), 0);
    return (struct objects_query){
        .kind = schema_kind_find(kinds[question->kind]),
        .space = objects_space(world->objects, spaces[question->space]),
        .recursive = question->recursive,
        .propagated = question->propagated,
        .archived = question->archived,
        .filter = *ret_filter,
        .order = question->order[0] ? question->order : NULL,
        .offset = question->offset,
        .limit = question->limit,
    };
}

static void ask(struct world *world)
{
    _cleanup_filter_ struct filter *filter = NULL;
    static struct answer answer;
    static struct found found;
    struct question question;
    struct objects_query query;
    uint64_t total;
    size_t end;

    pick(world, &question);
    query = query_of(world, &question, &filter);
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

/* ---- Reads in steps, while everything changes ------------------------------------------------ */

#define READS 5
#define READ_QUERIES 3

struct slow_query {
    struct question question;
    struct filter *filter;
    uint64_t total;
    size_t n;
    struct {
        char id[SCHEMA_ID_LEN + 1];
        uint64_t revision;
    } expected[MODEL_MAX];
};

/* What it should find is written down at its begin. */
struct slow_read {
    struct objects_read *read;
    struct slow_query queries[READ_QUERIES];
    struct found found;
    size_t page; /* queries whose page has been turned */
    size_t steps;
};

static void slow_page(void *context, const struct objects_query *query, uint64_t total, size_t n)
{
    struct slow_read *slow = context;

    assert_int_equal(total, slow->queries[slow->page].total);
    assert_int_equal(n, slow->queries[slow->page].n);
    slow->page++;
}

static bool slow_visit(void *context, const struct object *object)
{
    struct slow_read *slow = context;

    return take(&slow->found, object);
}

static void slow_begin(struct world *world, struct slow_read *slow)
{
    static struct answer answer;

    *slow = (struct slow_read){0};
    assert_int_equal(objects_read_new(world->objects, &slow->read), 0);
    for (size_t i = 0; i < READ_QUERIES; i++) {
        struct slow_query *query = &slow->queries[i];
        struct objects_query objects_query;
        size_t end;

        pick(world, &query->question);
        objects_query = query_of(world, &query->question, &query->filter);
        expect(world, &query->question, &answer);
        query->total = answer.n;
        end = objects_query.limit ? MIN(answer.n, objects_query.offset + objects_query.limit)
                                  : answer.n;
        for (size_t j = objects_query.offset; j < end; j++) {
            snprintf(query->expected[query->n].id, SCHEMA_ID_LEN + 1, "%s", answer.rows[j]->id);
            query->expected[query->n++].revision = answer.rows[j]->revision;
        }
        assert_int_equal(objects_read_add(slow->read, &objects_query), 0);
    }
}

static void slow_end(struct slow_read *slow)
{
    objects_read_free(&slow->read);
    for (size_t i = 0; i < READ_QUERIES; i++)
        filter_free(&slow->queries[i].filter);
}

/* All that was found is still what it was, and can be looked into. */
static void slow_check(struct slow_read *slow)
{
    size_t at = 0;

    assert_int_equal(slow->page, READ_QUERIES);
    for (size_t i = 0; i < READ_QUERIES; i++) {
        for (size_t j = 0; j < slow->queries[i].n; j++, at++) {
            const struct object *object = slow->found.objects[at];
            json_t *shown = object_show(object, NULL);

            assert_string_equal(object->id, slow->queries[i].expected[j].id);
            assert_int_equal(object->revision, slow->queries[i].expected[j].revision);
            assert_string_equal(json_string_value(json_object_get(shown, "ID")), object->id);
            assert_true(json_array_size(json_object_get(shown, "normalizedTags")) >= 5);
            json_decref(shown);
        }
    }
    assert_int_equal(slow->found.n, at);
}

static void slow_step(struct world *world, struct slow_read *slow)
{
    static const struct objects_visitor visitor = {slow_page, slow_visit};
    int r;

    if (!slow->read) {
        slow_begin(world, slow);
    } else if (draw(world, 200) == 0) {
        slow_end(slow); /* the client has gone */
    } else {
        r = objects_read_step(slow->read, 0, &visitor, slow);
        assert_true(r == 0 || r == 1);
        slow->steps++;
        if (r == 0)
            return;
        assert_true(slow->steps >= 2 * READ_QUERIES);
        slow_check(slow);
        slow_end(slow);
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

static void test_reads_see_one_revision(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct slow_read *reads = calloc(READS, sizeof(*reads));

    assert_non_null(world);
    assert_non_null(reads);
    world_new(world);
    for (unsigned i = 0; i < STEPS * 4; i++) {
        step(world);
        slow_step(world, &reads[draw(world, READS)]);
        if (i % 100 == 0)
            check_all(world);
    }
    for (size_t i = 0; i < READS; i++)
        if (reads[i].read)
            slow_end(&reads[i]);
    ask(world);
    objects_free(&world->objects);
    free(world);
    free(reads);
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

#define LONG_BYTES (300u << 10)

/* What an object says of itself becomes tags, however long it is: longer than all that it may have
 * together, it is no tag, and takes none of the others their place. An object that could not be
 * taken in would end the Console at each start. */
static void test_long_texts_beside_tags(void **state)
{
    static const char *const attributes[] = {"image", "images", "machineID", "name", "type"};
    static char body[2 * LONG_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        struct objects *objects;
        bool list = strcmp(attributes[i], "images") == 0;
        int len = snprintf(body, sizeof(body), "{\"%s\":%s\"", attributes[i], list ? "[" : "");
        const struct object *object;
        struct store_op op = {.type = STORE_CREATE,
                              .object = {.id = "000000000000000000000001",
                                         .kind = "processingunit",
                                         .namespace = "/",
                                         .body = body}};

        memset(body + len, 'x', LONG_BYTES);
        len += (int)LONG_BYTES;
        len += snprintf(body + len, sizeof(body) - (size_t)len, "\"%s,\"associatedTags\":[\"k=v\"",
                        list ? ",\"short\"]" : "");
        for (int j = 0; j < 200; j++)
            len += snprintf(body + len, sizeof(body) - (size_t)len, ",\"k%d=%01000d\"", j, j);
        snprintf(body + len, sizeof(body) - (size_t)len, "]}");
        op.object.body_len = strlen(body);
        assert_int_equal(objects_new(&objects), 0);
        assert_int_equal(objects_apply(objects, 1, &op, 1), 0);
        object = objects_find(objects, op.object.id);
        assert_non_null(object);
        assert_true(tag_set_has(&object->tags, "k=v"));
        assert_int_equal(tag_set_has(&object->tags, "$image=short"), list);
        for (size_t j = 0; j < object->tags.n; j++)
            assert_true(strlen(object->tags.tags[j]) <= MODEL_TAG_BYTES_MAX);
        assert_true(object->tags.n >= 201);
        objects_free(&objects);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_reads_see_one_revision),
        cmocka_unit_test(test_long_texts_beside_tags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
