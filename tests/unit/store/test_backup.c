/* SPDX-License-Identifier: Apache-2.0 */
/* Backup and restore, from either database into either, and backups that are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/file.h"
#include "server.h"
#include "store_test.h"

static struct server server;
static bool have_postgres;
static char *directory;

static char *fresh_file(void)
{
    static unsigned int number;

    return text("%s/%u", directory, number++);
}

static void fill(struct store *store)
{
    struct store_op ops[] = {
        op_of(STORE_CREATE, "i1", "/a\nx \"quoted\" \\", "{\"a\":\"ü\\u0000\\n\"}"),
        op_of(STORE_CREATE, "i2", NULL, ""),
        op_of(STORE_LOG, "l1", NULL, "{\"what\":\"first\"}"),
        op_of(STORE_LOG, "l2", NULL, "second\ttab"),
    };

    assert_int_equal(store_setting_put(store, "ca", "one\ntwo", false), 0);
    assert_int_equal(commit_ops(store, ops, 4), 0);
    assert_int_equal(commit_one(store, STORE_CREATE, "i3", NULL, "gone soon"), 0);
    assert_int_equal(commit_one(store, STORE_DELETE, "i3", NULL, NULL), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(commit_one(store, STORE_CREATE, text("m%d", i), NULL, "{}"), 0);
}

static int ignore_change(void *context, enum store_op_type type, const struct store_object *object)
{
    return 0;
}

struct seen {
    uint64_t done, total, calls;
};

static void see_progress(void *context, uint64_t done, uint64_t total)
{
    struct seen *seen = context;

    assert_true(done >= seen->done && done <= total);
    *seen = (struct seen){done, total, seen->calls + 1};
}

static char *log_text(struct store *store)
{
    const struct store_log_query all = {.namespace = "/", .recursive = true};
    struct lines *lines = calloc(1, sizeof(*lines));
    uint64_t total = 0;

    assert_int_equal(store_log_query(store, &all, add_object, lines, &total), 0);
    return join_lines(lines, false);
}

static void expect_same(struct store *a, struct store *b)
{
    _cleanup_buf_ struct buf value = BUF_INIT(100);
    uint64_t revision_a = 0, revision_b = 0;
    char *text_a = load_text(a, &revision_a), *text_b = load_text(b, &revision_b);

    assert_string_equal(text_a, text_b);
    assert_int_equal(revision_a, revision_b);
    free(text_a);
    free(text_b);
    text_a = log_text(a);
    text_b = log_text(b);
    assert_string_equal(text_a, text_b);
    free(text_a);
    free(text_b);
    assert_int_equal(store_setting_get(b, "ca", &value), 0);
    assert_string_equal(value.data, "one\ntwo");
}

static void there_and_back(char *from_uri, char *to_uri)
{
    _cleanup_store_ struct store *from = open_store(from_uri), *to = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct seen seen = {0};
    struct stat st;
    char *path = fresh_file();
    uint64_t revision = 0;

    fill(from);
    assert_int_equal(store_backup(from, path, see_progress, &seen, &problem), 0);
    assert_true(seen.calls > 0 && seen.done == seen.total && seen.total == 10);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    seen = (struct seen){0};
    if (store_restore(to_uri, path, see_progress, &seen, &problem) < 0)
        fail_msg("restore: %s", problem.data);
    assert_true(seen.done == seen.total && seen.total == 10);
    to = open_store(to_uri);
    expect_same(from, to);
    /* It goes on where it was; what was before is compacted. */
    assert_int_equal(store_changes(to, 1, ignore_change, NULL, &revision), -ESTALE);
    assert_int_equal(commit_one(to, STORE_CREATE, "i1", NULL, "{}"), -EEXIST);
    assert_int_equal(commit_one(to, STORE_CREATE, "new", NULL, "{}"), 0);
    assert_int_equal(store_restore(to_uri, path, NULL, NULL, &problem), -ENOTEMPTY);
}

static void test_sqlite_to_sqlite(void **state)
{
    there_and_back(fresh_file(), fresh_file());
}

static void test_across(void **state)
{
    if (!have_postgres)
        skip();
    there_and_back(fresh_file(), server_database(&server));
    there_and_back(server_database(&server), fresh_file());
    there_and_back(server_database(&server), server_database(&server));
}

static void test_of_nothing(void **state)
{
    char *from = fresh_file(), *path = fresh_file(), *to = fresh_file();
    _cleanup_store_ struct store *store = open_store(from);
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);

    assert_int_equal(store_backup(store, path, NULL, NULL, &problem), 0);
    assert_int_equal(store_restore(to, path, NULL, NULL, &problem), 0);
}

static void write_file(const char *path, const char *data, size_t len)
{
    assert_int_equal(file_write_atomic(path, data, len, 0600), 0);
}

/* Every cut and many a flipped bit: refused, with a text, and no database is left behind. */
static void test_damaged(void **state)
{
    char *uri = fresh_file(), *path = fresh_file(), *bad = fresh_file(), *to = fresh_file();
    _cleanup_store_ struct store *store = open_store(uri);
    _cleanup_free_
    char *data = NULL;
    _cleanup_buf_ struct buf ignored = BUF_INIT(4096);
    size_t len = 0;

    fill(store);
    assert_int_equal(store_backup(store, path, NULL, NULL, &ignored), 0);
    assert_int_equal(file_read(path, 1 << 20, &data, &len), 0);
    for (size_t i = 0; i < 2 * len; i += 1 + i % 13) {
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);
        bool cut = i < len;

        if (!cut)
            data[i - len] ^= 0x04;
        write_file(bad, data, cut ? i : len);
        if (store_restore(to, bad, NULL, NULL, &problem) != -EINVAL)
            fail_msg("%s at %zu: %s", cut ? "cut" : "changed", cut ? i : i - len, problem.data);
        assert_true(problem.len > 0);
        assert_int_equal(access(to, F_OK), -1);
        if (!cut)
            data[i - len] ^= 0x04;
    }
    write_file(bad, data, len);
    assert_int_equal(store_restore(to, bad, NULL, NULL, &ignored), 0);
}

static void test_wrong_files(void **state)
{
    static const struct {
        const char *data, *problem;
    } cases[] = {
        {"", "line 1: the file is cut off"},
        {"\n", "line 1: this is not JSON"},
        {"{}\n", "line 1: this is not a backup of Bulkhead"},
        {"{\"bulkhead-backup\":2}\n", "line 1: the backup was made by a newer version"},
        {"{\"bulkhead-backup\":1}\n", "line 1: the header is not complete"},
        {"{\"bulkhead-backup\":1,\"layout\":1,\"revision\":1,\"created\":1,\"settings\":0,"
         "\"objects\":1,\"log\":0}\n{\"object\":{\"id\":\"a\"}}\n",
         "line 2: an object that is not complete"},
        {"{\"bulkhead-backup\":1,\"layout\":1,\"revision\":1,\"created\":1,\"settings\":0,"
         "\"objects\":1,\"log\":0}\n{\"object\":{\"id\":\"a\",\"kind\":\"k\",\"namespace\":\"/\","
         "\"created\":1,\"updated\":1,\"revision\":2,\"body\":\"\"}}\n",
         "line 2: an object newer than the backup"},
        {"{\"bulkhead-backup\":1,\"layout\":1,\"revision\":1,\"created\":1,\"settings\":0,"
         "\"objects\":1,\"log\":0}\n{\"end\":{\"lines\":1,\"sha256\":\"x\"}}\n",
         "line 2: lines are missing or too many"},
    };
    char *path = fresh_file(), *to = fresh_file();
    _cleanup_buf_ struct buf none = BUF_INIT(4096);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);

        write_file(path, cases[i].data, strlen(cases[i].data));
        assert_int_equal(store_restore(to, path, NULL, NULL, &problem), -EINVAL);
        if (!strstr(problem.data, cases[i].problem))
            fail_msg("expected '%s', found '%s'", cases[i].problem, problem.data);
        assert_int_equal(access(to, F_OK), -1);
    }
    assert_int_equal(store_restore(to, "/nonexistent/file", NULL, NULL, &none), -ENOENT);
}

/* Pairs of objects are written together; a backup has both or none, whenever it is taken. */
struct pairs {
    char *uri;
    volatile int stop;
};

static void *write_pairs(void *context)
{
    struct pairs *pairs = context;
    _cleanup_store_ struct store *store = open_store(pairs->uri);

    for (int i = 0; !__atomic_load_n(&pairs->stop, __ATOMIC_SEQ_CST); i++) {
        struct store_op ops[2] = {op_of(STORE_CREATE, text("a%d", i), NULL, "{}"),
                                  op_of(STORE_CREATE, text("b%d", i), NULL, "{}")};

        assert_int_equal(commit_ops(store, ops, 2), 0);
    }
    return NULL;
}

static void back_up_while_written(char *uri)
{
    _cleanup_store_ struct store *store = open_store(uri);
    struct pairs pairs = {.uri = uri};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, write_pairs, &pairs), 0);
    for (int i = 0; i < 5; i++) {
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);
        char *path = fresh_file(), *to = fresh_file();
        struct store *copy;
        uint64_t revision = 0;
        size_t n = 0;

        usleep(50000);
        assert_int_equal(store_backup(store, path, NULL, NULL, &problem), 0);
        assert_int_equal(store_restore(to, path, NULL, NULL, &problem), 0);
        copy = open_store(to);
        assert_int_equal(store_load(copy, count_object, &n, &revision), 0);
        assert_int_equal(n, 2 * revision);
        store_close(&copy);
    }
    __atomic_store_n(&pairs.stop, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
}

static void test_while_others_write(void **state)
{
    back_up_while_written(fresh_file());
    if (have_postgres)
        back_up_while_written(server_database(&server));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sqlite_to_sqlite), cmocka_unit_test(test_across),
        cmocka_unit_test(test_of_nothing),       cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_wrong_files),      cmocka_unit_test(test_while_others_write),
    };
    int failed;

    directory = scratch_make();
    have_postgres = server_start(&server, false);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (have_postgres)
        server_stop(&server);
    scratch_remove(directory);
    return failed;
}
