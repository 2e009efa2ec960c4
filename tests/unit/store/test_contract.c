/* SPDX-License-Identifier: Apache-2.0 */
/* What store.h promises, for both databases: the same tests run twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "databases.h"

static void test_create_update_delete(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());

    assert_objects(store, "");
    assert_int_equal(commit_one(store, STORE_CREATE, "i1", "/a\nx", "{}"), 0);
    assert_int_equal(commit_one(store, STORE_CREATE, "i2", NULL, "{\"b\":\"\\u0000 ü \\\\\"}"), 0);
    assert_objects(store, "i1 thing /a /a\nx 1000 2000 @1 {}\n"
                          "i2 thing /a - 1000 2000 @2 {\"b\":\"\\u0000 ü \\\\\"}\n");
    assert_int_equal(commit_one(store, STORE_UPDATE, "i1", "/a\ny", "{\"c\":1}"), 0);
    assert_int_equal(commit_one(store, STORE_DELETE, "i2", NULL, NULL), 0);
    assert_objects(store, "i1 thing /a /a\ny 1000 2000 @3 {\"c\":1}\n");
    assert_int_equal(commit_one(store, STORE_CREATE, "i3", "/a\nx", "{}"), 0);
    assert_objects(store, "i1 thing /a /a\ny 1000 2000 @3 {\"c\":1}\n"
                          "i3 thing /a /a\nx 1000 2000 @5 {}\n");
}

/* Whoever locks, all others see it in the commit itself. */
static void test_maintenance(void **state)
{
    char *uri = fresh_uri();
    _cleanup_store_ struct store *store = open_store(uri), *other = open_store(uri);
    _cleanup_buf_ struct buf reason = BUF_INIT(1024);

    assert_int_equal(commit_lockable(store, "i1", "key"), 0);
    assert_int_equal(store_lock(other, "new disks"), 0);
    assert_int_equal(store_setting_get(store, STORE_MAINTENANCE, &reason), 0);
    assert_string_equal(reason.data, "new disks");
    assert_int_equal(commit_lockable(store, "i2", NULL), -BULKHEAD_ELOCKED);
    assert_int_equal(commit_lockable(other, "i2", NULL), -BULKHEAD_ELOCKED);
    assert_int_equal(commit_lockable(store, "i3", "key"), -EALREADY);
    assert_int_equal(commit_one(store, STORE_CREATE, "i3", NULL, "{}"), 0);
    assert_objects(other, "i1 thing /a - 1000 2000 @1 {}\ni3 thing /a - 1000 2000 @2 {}\n");
    assert_int_equal(store_lock(store, ""), 0);
    assert_int_equal(commit_lockable(other, "i2", NULL), 0);
}

static void test_ordinary_conflicts(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    struct store_op op;

    assert_int_equal(commit_one(store, STORE_CREATE, "i1", "k1", "{}"), 0);
    assert_int_equal(commit_one(store, STORE_CREATE, "i2", "k2", "{}"), 0);
    assert_int_equal(commit_one(store, STORE_CREATE, "i1", "k3", "{}"), -EEXIST);
    assert_int_equal(commit_one(store, STORE_CREATE, "i3", "k1", "{}"), -EEXIST);
    assert_int_equal(commit_one(store, STORE_UPDATE, "i2", "k1", "{}"), -EEXIST);
    assert_int_equal(commit_one(store, STORE_UPDATE, "i9", "k9", "{}"), -ENOENT);
    assert_int_equal(commit_one(store, STORE_DELETE, "i9", NULL, NULL), -ENOENT);
    op = op_of(STORE_DELETE, "i1", NULL, NULL);
    op.object.kind = "other";
    assert_int_equal(commit_ops(store, &op, 1), -ENOENT);
    op = op_of(STORE_UPDATE, "i1", "k1", "{\"new\":1}");
    op.expected_revision = 2;
    assert_int_equal(commit_ops(store, &op, 1), -ESTALE);
    op.expected_revision = 1;
    op.object.created_ms = 77;
    assert_int_equal(commit_ops(store, &op, 1), 0);
    assert_int_equal(op.object.revision, 3);
    op = op_of(STORE_DELETE, "i1", NULL, NULL);
    op.expected_revision = 1;
    assert_int_equal(commit_ops(store, &op, 1), -ESTALE);
    /* The same key in another kind is another key. */
    op = op_of(STORE_CREATE, "i3", "k1", "{}");
    op.object.kind = "other";
    assert_int_equal(commit_ops(store, &op, 1), 0);
    assert_objects(store, "i1 thing /a k1 1000 2000 @3 {\"new\":1}\n"
                          "i2 thing /a k2 1000 2000 @2 {}\n"
                          "i3 other /a k1 1000 2000 @4 {}\n");
}

static void test_all_ops_or_none(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    struct store_op ops[] = {
        op_of(STORE_CREATE, "i1", "k1", "1"), op_of(STORE_UPDATE, "i0", "k2", "2"),
        op_of(STORE_LOG, "l1", NULL, "log"),  op_of(STORE_CREATE, "i2", "k0", "3"),
        op_of(STORE_CREATE, "i3", "k1", "4"),
    };
    struct store_transaction transaction = {.ops = ops, .n_ops = ARRAY_SIZE(ops)};
    const struct store_log_query all = {.namespace = "/", .recursive = true};
    uint64_t total = 0;
    size_t n = 0;

    assert_int_equal(commit_one(store, STORE_CREATE, "i0", "k0", "0"), 0);
    assert_int_equal(commit_all(store, &transaction, 1), 0);
    assert_int_equal(transaction.result, -EEXIST);
    assert_int_equal(transaction.failed_op, 4);
    assert_objects(store, "i0 thing /a k0 1000 2000 @1 0\n");
    assert_int_equal(store_log_query(store, &all, count_object, &n, &total), 0);
    assert_int_equal(total, 0);

    transaction.n_ops = 4; /* without the one that fails; k0 was freed by the second */
    assert_int_equal(commit_all(store, &transaction, 1), 0);
    assert_int_equal(transaction.result, 0);
    assert_int_equal(transaction.revision, 2);
    assert_objects(store, "i0 thing /a k2 1000 2000 @2 2\n"
                          "i1 thing /a k1 1000 2000 @2 1\n"
                          "i2 thing /a k0 1000 2000 @2 3\n");
    assert_int_equal(store_log_query(store, &all, count_object, &n, &total), 0);
    assert_int_equal(total, 1);
    assert_int_equal(n, 1);
}

/* Those of a batch see each other, and one that fails takes nobody along. */
static void test_batch(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    struct store_op swap[] = {op_of(STORE_UPDATE, "i1", "t", "1"),
                              op_of(STORE_UPDATE, "i2", "k1", "2"),
                              op_of(STORE_UPDATE, "i1", "k2", "1")};
    struct store_op again[] = {op_of(STORE_DELETE, "i3", NULL, NULL),
                               op_of(STORE_CREATE, "i3", "k4", "again")};
    struct store_op a = op_of(STORE_CREATE, "i1", "k1", "a"),
                    b = op_of(STORE_CREATE, "i2", "k2", "b");
    struct store_op c = op_of(STORE_CREATE, "i9", "k1", "c"),
                    d = op_of(STORE_CREATE, "i3", "k3", "d");
    struct store_op gone = op_of(STORE_CREATE, "i4", "k9", "e"),
                    del = op_of(STORE_DELETE, "i4", NULL, NULL);
    struct store_transaction transactions[] = {
        {.ops = &a, .n_ops = 1},    {.ops = &b, .n_ops = 1},   {.ops = &c, .n_ops = 1},
        {.ops = swap, .n_ops = 3},  {.ops = &d, .n_ops = 1},   {.ops = again, .n_ops = 2},
        {.ops = &gone, .n_ops = 1}, {.ops = &del, .n_ops = 1},
    };
    const int results[] = {0, 0, -EEXIST, 0, 0, 0, 0, 0};
    const uint64_t revisions[] = {1, 2, 0, 3, 4, 5, 6, 7};

    again[1].object.created_ms = 5;
    assert_int_equal(commit_all(store, transactions, ARRAY_SIZE(transactions)), 0);
    for (size_t i = 0; i < ARRAY_SIZE(transactions); i++) {
        assert_int_equal(transactions[i].result, results[i]);
        assert_int_equal(transactions[i].revision, revisions[i]);
    }
    assert_objects(store, "i1 thing /a k2 1000 2000 @3 1\n"
                          "i2 thing /a k1 1000 2000 @3 2\n"
                          "i3 thing /a k4 5 2000 @5 again\n");
    /* The same swap with rows that are in the database. */
    swap[1].object.unique_key = "k2";
    swap[2].object.unique_key = "k1";
    assert_int_equal(commit_ops(store, swap, 3), 0);
    assert_objects(store, "i1 thing /a k1 1000 2000 @8 1\n"
                          "i2 thing /a k2 1000 2000 @8 2\n"
                          "i3 thing /a k4 5 2000 @5 again\n");
}

static void test_what_can_never_be_stored(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    char *big = calloc(1, STORE_BODY_BYTES_MAX + 2), *key = calloc(1, STORE_KEY_BYTES_MAX + 2);
    struct store_op ops[8], good = op_of(STORE_CREATE, "good", "k", "{}");
    const int results[] = {-EINVAL, -EINVAL, -EINVAL, -EFBIG, -EINVAL, -EINVAL, -EINVAL, -EINVAL};
    struct store_transaction transactions[ARRAY_SIZE(ops) + 1];

    memset(big, 'x', STORE_BODY_BYTES_MAX + 1);
    memset(key, 'x', STORE_KEY_BYTES_MAX + 1);
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        ops[i] = op_of(STORE_CREATE, text("i%zu", i), NULL, "{}");
        transactions[i] = (struct store_transaction){.ops = &ops[i], .n_ops = 1};
    }
    ops[0].object.id = "";
    ops[1].object.kind = NULL;
    ops[2].object.unique_key = key;
    ops[3].object.body = big;
    ops[3].object.body_len = STORE_BODY_BYTES_MAX + 1;
    ops[4].object.body = "\xff";
    ops[4].object.body_len = 1;
    ops[5].object.body = "a\0b";
    ops[5].object.body_len = 3;
    ops[6].object.namespace = "\xc3";
    transactions[7].idempotency_key = "";
    transactions[8] = (struct store_transaction){.ops = &good, .n_ops = 1};
    assert_int_equal(commit_all(store, transactions, ARRAY_SIZE(transactions)), 0);
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        assert_int_equal(transactions[i].result, results[i]);
    assert_int_equal(transactions[8].result, 0);
    assert_objects(store, "good thing /a k 1000 2000 @1 {}\n");

    /* The longest that is allowed. */
    key[STORE_KEY_BYTES_MAX] = '\0';
    for (size_t i = 0; i < STORE_KEY_BYTES_MAX; i++)
        key[i] = (char)('!' + (i * 7919 + i / 90 * 31) % 90); /* hard to compress */
    ops[2].object.body_len = STORE_BODY_BYTES_MAX;
    ops[2].object.body = big;
    assert_int_equal(commit_ops(store, &ops[2], 1), 0);
    free(big);
    free(key);
}

static void test_idempotency(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    _cleanup_buf_ struct buf answer = BUF_INIT(100);
    struct store_op a = op_of(STORE_CREATE, "i1", NULL, "{}"),
                    b = op_of(STORE_CREATE, "i2", NULL, "{}");
    struct store_op bad = op_of(STORE_UPDATE, "i9", NULL, "{}");
    struct store_transaction transactions[] = {
        {.ops = &bad, .n_ops = 1, .idempotency_key = "one", .idempotency_answer = "never"},
        {.ops = &a, .n_ops = 1, .idempotency_key = "one", .idempotency_answer = "first \"'"},
        {.ops = &b, .n_ops = 1, .idempotency_key = "one", .idempotency_answer = "second"},
    };

    assert_int_equal(store_idempotent(store, "one", &answer), -ENOENT);
    assert_int_equal(commit_all(store, transactions, 3), 0);
    assert_int_equal(transactions[0].result, -ENOENT);
    assert_int_equal(transactions[1].result, 0);
    assert_int_equal(transactions[2].result, -EALREADY);
    assert_int_equal(store_idempotent(store, "one", &answer), 0);
    assert_string_equal(answer.data, "first \"'");
    assert_int_equal(commit_all(store, transactions + 2, 1), 0);
    assert_int_equal(transactions[2].result, -EALREADY);
    assert_objects(store, "i1 thing /a - 1000 2000 @1 {}\n");
}

static void test_settings(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    _cleanup_buf_ struct buf value = BUF_INIT(100);

    assert_int_equal(store_setting_get(store, "ca", &value), -ENOENT);
    assert_int_equal(store_setting_put(store, "ca", "1", true), 0);
    assert_int_equal(store_setting_put(store, "ca", "2", true), -EEXIST);
    assert_int_equal(store_setting_get(store, "ca", &value), 0);
    assert_string_equal(value.data, "1");
    assert_int_equal(store_setting_put(store, "ca", "3", false), 0);
    buf_consume(&value, value.len);
    assert_int_equal(store_setting_get(store, "ca", &value), 0);
    assert_string_equal(value.data, "3");
    assert_int_equal(store_setting_put(store, "ca", "\xff", false), -EINVAL);
}

static void add_log(struct store *store, const char *id, const char *namespace, int64_t at)
{
    struct store_op op = op_of(STORE_LOG, id, NULL, "{\"activity\":1}");

    op.object.namespace = namespace;
    op.object.created_ms = at;
    assert_int_equal(commit_ops(store, &op, 1), 0);
}

static int add_id(void *context, const struct store_object *object)
{
    assert_string_equal(object->body, "{\"activity\":1}");
    buf_printf(context, "%s ", object->id);
    return 0;
}

static void test_log(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    static const struct {
        struct store_log_query query;
        const char *ids;
        uint64_t total;
    } cases[] = {
        {{.namespace = "/", .recursive = true}, "l5 l4 l3 l6 l2 l1 ", 6},
        {{.namespace = "/"}, "l1 ", 1},
        {{.namespace = "/a", .recursive = true}, "l4 l3 l6 l2 ", 4},
        {{.namespace = "/a"}, "l6 l2 ", 2},
        {{.namespace = "/a/b"}, "l4 l3 ", 2},
        {{.namespace = "/none", .recursive = true}, "", 0},
        {{.namespace = "/", .recursive = true, .offset = 1, .limit = 2}, "l4 l3 ", 6},
        {{.namespace = "/", .recursive = true, .offset = 9, .limit = 2}, "", 6},
        {{.namespace = "/", .recursive = true, .from_ms = 20, .to_ms = 40}, "l3 l6 l2 ", 3},
        {{.namespace = "/", .recursive = true, .id = "l3"}, "l3 ", 1},
        {{.namespace = "/a", .id = "l3"}, "", 0},
    };

    add_log(store, "l1", "/", 10);
    add_log(store, "l2", "/a", 20);
    add_log(store, "l3", "/a/b", 30);
    add_log(store, "l4", "/a/b", 40);
    add_log(store, "l5", "/ab", 50);
    add_log(store, "l6", "/a", 20);
    add_log(store, "l6", "/a", 99); /* known: left out */
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_buf_ struct buf ids = BUF_INIT(1000);
        uint64_t total = 99;

        buf_puts(&ids, "");
        assert_int_equal(store_log_query(store, &cases[i].query, add_id, &ids, &total), 0);
        assert_string_equal(ids.data, cases[i].ids);
        assert_int_equal(total, cases[i].total);
    }
}

static int add_change(void *context, enum store_op_type type, const struct store_object *object)
{
    static const char letters[] = "CUD";

    buf_printf(context, "%c%s@%" PRIu64 "%s ", letters[type], object->id, object->revision,
               type == STORE_DELETE ? (object->body ? "!" : "") : object->body);
    return 0;
}

static void expect_changes(struct store *store, uint64_t since, const char *expected,
                           uint64_t expected_revision)
{
    _cleanup_buf_ struct buf changes = BUF_INIT(1 << 20);
    uint64_t revision = 0;

    buf_puts(&changes, "");
    assert_int_equal(store_changes(store, since, add_change, &changes, &revision), 0);
    assert_string_equal(changes.data, expected);
    assert_int_equal(revision, expected_revision);
}

static void test_changes_and_compaction(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    struct store_compaction compaction = {.changes_before_ms = INT64_MAX};
    struct store_op ops[] = {op_of(STORE_CREATE, "p", NULL, "1"),
                             op_of(STORE_CREATE, "c", NULL, "2")};
    uint64_t revision = 0;
    size_t n = 0;

    expect_changes(store, 0, "", 0);
    assert_int_equal(commit_ops(store, ops, 2), 0);
    assert_int_equal(commit_one(store, STORE_CREATE, "x", NULL, "3"), 0);
    assert_int_equal(commit_one(store, STORE_UPDATE, "p", NULL, "4"), 0);
    assert_int_equal(commit_one(store, STORE_DELETE, "x", NULL, NULL), 0);
    add_log(store, "l", "/", 1);
    expect_changes(store, 0, "Cc@12 Up@34 Dx@4 ", 5);
    expect_changes(store, 3, "Dx@4 ", 5);
    expect_changes(store, 5, "", 5);
    assert_int_equal(store_changes(store, 6, add_change, NULL, &revision), -ESTALE);
    assert_int_equal(commit_one(store, STORE_CREATE, "x", NULL, "5"), 0);
    expect_changes(store, 3, "Cx@65 ", 6);

    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.changes_removed, 6);
    assert_int_equal(store_changes(store, 3, add_change, NULL, &revision), -ESTALE);
    expect_changes(store, 6, "", 6);
    assert_int_equal(commit_one(store, STORE_DELETE, "x", NULL, NULL), 0);
    expect_changes(store, 6, "Dx@7 ", 7);
    compaction = (struct store_compaction){.changes_before_ms = 1};
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.changes_removed, 0);
    expect_changes(store, 6, "Dx@7 ", 7);
    assert_int_equal(store_load(store, count_object, &n, &revision), 0);
    assert_int_equal(n, 2);
}

static void test_compaction_of_log_and_answers(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    _cleanup_buf_ struct buf ids = BUF_INIT(1000), answer = BUF_INIT(100);
    const struct store_log_query all = {.namespace = "/", .recursive = true};
    struct store_compaction compaction = {.log_before_ms = 3, .idempotency_before_ms = 1};
    struct store_op op = op_of(STORE_CREATE, "i", NULL, "");
    struct store_transaction keyed = {
        .ops = &op, .n_ops = 1, .idempotency_key = "k", .idempotency_answer = "a"};
    uint64_t total = 0;

    assert_int_equal(commit_all(store, &keyed, 1), 0);
    for (int i = 1; i <= 9; i++)
        add_log(store, text("l%d", i), "/", i);
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.log_removed, 2);
    assert_int_equal(store_idempotent(store, "k", &answer), 0);
    compaction =
        (struct store_compaction){.log_entries_max = 3, .idempotency_before_ms = INT64_MAX};
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.log_removed, 4);
    assert_int_equal(store_idempotent(store, "k", &answer), -ENOENT);
    assert_int_equal(store_log_query(store, &all, add_id, &ids, &total), 0);
    assert_string_equal(ids.data, "l9 l8 l7 ");
}

/* More rows than one step removes: what is left out of a replica's sight is so for good. */
static void test_compaction_in_steps(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    enum { N = 26000 };
    struct store_op *ops = calloc(N, sizeof(*ops));
    struct store_compaction compaction = {.changes_before_ms = INT64_MAX};
    uint64_t revision = 0;
    char(*ids)[16] = calloc(N, sizeof(*ids));

    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof(ids[i]), "i%d", i);
        ops[i] = op_of(STORE_CREATE, ids[i], NULL, "{}");
    }
    assert_int_equal(commit_ops(store, ops, N - 2), 0);
    assert_int_equal(commit_ops(store, ops + N - 2, 1), 0);
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.changes_removed, N - 1);
    assert_int_equal(commit_ops(store, ops + N - 1, 1), 0);
    assert_int_equal(store_changes(store, 1, add_change, NULL, &revision), -ESTALE);
    expect_changes(store, 2, text("C%s@3{} ", ids[N - 1]), 3);
    free(ids);
    free(ops);
}

static int stop_at_third(void *context, const struct store_object *object)
{
    return ++*(int *)context == 3 ? -ECANCELED : 0;
}

static void test_visitor_stops(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    uint64_t revision = 12345;
    int n = 0;

    for (int i = 0; i < 5; i++)
        assert_int_equal(commit_one(store, STORE_CREATE, text("i%d", i), NULL, "{}"), 0);
    assert_int_equal(store_load(store, stop_at_third, &n, &revision), -ECANCELED);
    assert_int_equal(n, 3);
    assert_int_equal(revision, 12345);
    assert_int_equal(commit_one(store, STORE_CREATE, "more", NULL, "{}"), 0);
}

static void test_reopened_and_read_only(void **state)
{
    char *uri = fresh_uri();
    const struct store_options none = {0}, reading = {.read_only = true};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct store *store = NULL;
    struct store_op op = op_of(STORE_CREATE, "i2", NULL, "{}");
    struct store_transaction transaction = {.ops = &op, .n_ops = 1};

    assert_int_equal(store_open(uri, &none, &problem, &store), -ENOENT);
    assert_null(store);
    assert_true(problem.len > 0);
    store = open_store(uri);
    assert_int_equal(commit_one(store, STORE_CREATE, "i1", "k", "{}"), 0);
    store_close(&store);
    assert_int_equal(store_open(uri, &reading, &problem, &store), 0);
    assert_objects(store, "i1 thing /a k 1000 2000 @1 {}\n");
    assert_int_equal(commit_all(store, &transaction, 1), -EROFS);
    assert_int_equal(store_setting_put(store, "a", "b", false), -EROFS);
    store_close(&store);
    store = open_store(uri);
    assert_int_equal(commit_one(store, STORE_CREATE, "i2", "k", "{}"), -EEXIST);
    assert_int_equal(store_check(store), 0);
    store_close(&store);
}

/* Several handles on one database, all at once: each creates objects of which every second one has
 * a name that the others want, too, while one follows. */
#define RACERS 3
#define RACER_BATCHES 40
#define RACER_BATCH 8
struct racer {
    char *uri;
    int number, won;
    volatile int *running;
};

static void *race(void *context)
{
    struct racer *racer = context;
    _cleanup_store_ struct store *store = open_store(racer->uri);

    for (int batch = 0; batch < RACER_BATCHES; batch++) {
        struct store_transaction transactions[RACER_BATCH] = {0};
        struct store_op ops[RACER_BATCH];
        char ids[RACER_BATCH][32], keys[RACER_BATCH][32];

        for (int i = 0; i < RACER_BATCH; i++) {
            int owner = i % 2 ? racer->number : 0;

            snprintf(ids[i], sizeof(ids[i]), "r%d-%d-%d", racer->number, batch, i);
            snprintf(keys[i], sizeof(keys[i]), "k%d-%d-%d", owner, batch, i);
            ops[i] = op_of(STORE_CREATE, ids[i], keys[i], "{}");
            transactions[i] = (struct store_transaction){.ops = &ops[i], .n_ops = 1};
        }
        assert_int_equal(commit_all(store, transactions, RACER_BATCH), 0);
        for (int i = 0; i < RACER_BATCH; i++) {
            assert_true(transactions[i].result == 0 ||
                        (transactions[i].result == -EEXIST && !(i % 2)));
            racer->won += transactions[i].result == 0;
        }
    }
    __atomic_sub_fetch(racer->running, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

struct follower {
    uint64_t last, n;
};

static int follow(void *context, enum store_op_type type, const struct store_object *object)
{
    struct follower *follower = context;

    assert_int_equal(type, STORE_CREATE);
    assert_int_equal(object->revision, follower->last + 1); /* one op each: none may be missing */
    follower->last = object->revision;
    follower->n++;
    return 0;
}

static void test_handles_race(void **state)
{
    char *uri = fresh_uri();
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    volatile int running = RACERS;
    struct follower follower = {0};
    uint64_t revision = 0;
    int won = 0;
    bool last;

    { /* nobody waits for the tables */
        _cleanup_store_ struct store *store = open_store(uri);
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){uri, i + 1, 0, &running};
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        do {
            last = __atomic_load_n(&running, __ATOMIC_SEQ_CST) == 0;
            assert_int_equal(store_changes(store, revision, follow, &follower, &revision), 0);
            assert_int_equal(revision, follower.last);
        } while (!last);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        won += racers[i].won;
    }
    assert_int_equal(won, RACER_BATCHES * RACER_BATCH / 2 * (RACERS + 1));
    assert_int_equal(follower.n, won);
}

static void *open_only(void *context)
{
    struct store *store = open_store(context);

    store_close(&store);
    return NULL;
}

static void test_tables_made_by_several_at_once(void **state)
{
    pthread_t threads[4];

    for (int turn = 0; turn < (postgres ? 1 : 20); turn++) {
        char *uri = fresh_uri();

        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, open_only, uri), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
            pthread_join(threads[i], NULL);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_create_update_delete),
    cmocka_unit_test(test_ordinary_conflicts),
    cmocka_unit_test(test_maintenance),
    cmocka_unit_test(test_all_ops_or_none),
    cmocka_unit_test(test_batch),
    cmocka_unit_test(test_what_can_never_be_stored),
    cmocka_unit_test(test_idempotency),
    cmocka_unit_test(test_settings),
    cmocka_unit_test(test_log),
    cmocka_unit_test(test_changes_and_compaction),
    cmocka_unit_test(test_compaction_of_log_and_answers),
    cmocka_unit_test(test_compaction_in_steps),
    cmocka_unit_test(test_visitor_stops),
    cmocka_unit_test(test_reopened_and_read_only),
    cmocka_unit_test(test_handles_race),
    cmocka_unit_test(test_tables_made_by_several_at_once),
};

int main(void)
{
    return run_on_both(tests, ARRAY_SIZE(tests));
}
