/* SPDX-License-Identifier: Apache-2.0 */
/* What grows has a bound by number as well as by age, in both databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "databases.h"

static int count_change(void *context, enum store_op_type type, const struct store_object *object)
{
    (*(size_t *)context)++;
    return 0;
}

static int count_entry(void *context, const struct store_object *object)
{
    (*(size_t *)context)++;
    return 0;
}

static void commit_many(struct store *store, const char *prefix, int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(commit_one(store, STORE_CREATE, text("%s%d", prefix, i), NULL, "{}"), 0);
}

static void test_changes(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    struct store_compaction compaction = {.changes_before_ms = 1, .changes_max = 100};
    uint64_t revision = 0;
    size_t n = 0;

    commit_many(store, "a", 60);
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.changes_removed, 0); /* neither old nor too many */
    commit_many(store, "b", 60);
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.changes_removed, 20);
    assert_int_equal(store_changes(store, 19, count_change, &n, &revision), -ESTALE);
    assert_int_equal(store_changes(store, 20, count_change, &n, &revision), 0);
    assert_int_equal(n, 100);
    compaction.changes_before_ms = 0;
    compaction.changes_max = 10;
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.changes_removed, 90);
}

static void put_log(struct store *store, int number, int64_t at_ms)
{
    struct store_op op = op_of(STORE_LOG, text("l%d", number), NULL, "{}");

    op.object.created_ms = at_ms;
    assert_int_equal(commit_ops(store, &op, 1), 0);
}

/* Also when all are of one millisecond. */
static void test_log(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    const struct store_log_query all = {.namespace = "/", .recursive = true};
    struct store_compaction compaction = {.log_before_ms = 1, .log_entries_max = 50};
    uint64_t total = 0;
    size_t n = 0;

    for (int i = 0; i < 120; i++)
        put_log(store, i, i < 60 ? 1000 + i : 2000);
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.log_removed, 70);
    assert_int_equal(store_log_query(store, &all, count_entry, &n, &total), 0);
    assert_int_equal(n, 50);
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.log_removed, 0);
}

static void test_answers(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    struct store_compaction compaction = {.idempotency_before_ms = 1, .idempotency_max = 5};
    _cleanup_buf_ struct buf answer = BUF_INIT(100);

    for (int i = 0; i < 20; i++) {
        struct store_op op = op_of(STORE_CREATE, text("i%d", i), NULL, "{}");
        struct store_transaction keyed = {
            .ops = &op, .n_ops = 1, .idempotency_key = text("k%d", i), .idempotency_answer = "a"};

        usleep(1500); /* each of another millisecond */
        assert_int_equal(commit_all(store, &keyed, 1), 0);
    }
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_int_equal(compaction.idempotency_removed, 15);
    assert_int_equal(store_idempotent(store, "k14", &answer), -ENOENT);
    assert_int_equal(store_idempotent(store, "k15", &answer), 0);
}

/* Ends soon when the Console stops, and goes on from there the next time. */
static void test_stopped(void **state)
{
    _cleanup_store_ struct store *store = open_store(fresh_uri());
    enum { N = 9000 };
    struct store_op *ops = calloc(N, sizeof(*ops));
    char(*ids)[16] = calloc(N, sizeof(*ids));
    atomic_bool stop = true;
    struct store_compaction compaction = {.log_before_ms = INT64_MAX, .stop = &stop};

    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof(ids[i]), "l%d", i);
        ops[i] = op_of(STORE_LOG, ids[i], NULL, "{}");
    }
    assert_int_equal(commit_ops(store, ops, N), 0);
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_in_range(compaction.log_removed, 1, N / 2);
    stop = false;
    assert_int_equal(store_compact(store, &compaction), 0);
    assert_in_range(compaction.log_removed, N / 2, N - 1);
    free(ids);
    free(ops);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_changes),
    cmocka_unit_test(test_log),
    cmocka_unit_test(test_answers),
    cmocka_unit_test(test_stopped),
};

int main(void)
{
    return run_on_both(tests, ARRAY_SIZE(tests));
}
