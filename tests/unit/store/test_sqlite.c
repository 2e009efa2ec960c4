/* SPDX-License-Identifier: Apache-2.0 */
/* What can happen to a file: kill -9, a full disk, damage, other versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/file.h"
#include "crash.h"
#include "store_test.h"

static char *directory;

static char *fresh_file(void)
{
    static unsigned int number;

    return text("%s/%u.db", directory, number++);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *error = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    sqlite3_close(db);
}

/* Opens, expecting an error with a text that has `part` in it. */
static void expect_refused(const char *path, int expected, const char *part)
{
    const struct store_options options = {.create = true};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct store *store = NULL;
    int r = store_open(path, &options, &problem, &store);

    if (r != expected)
        fail_msg("found %d, expected %d: %s", r, expected, problem.data);
    assert_null(store);
    if (!strstr(problem.data, part))
        fail_msg("'%s' not in '%s'", part, problem.data);
}

static void test_mode(void **state)
{
    char *path = fresh_file();
    struct stat st;
    mode_t mask = umask(0);
    struct store *store = open_store(path);

    umask(mask);
    assert_int_equal(commit_one(store, STORE_CREATE, "i", NULL, "{}"), 0);
    for (const char *const *suffix = (const char *const[]){"", "-wal", "-shm", NULL}; *suffix;
         suffix++) {
        assert_int_equal(stat(text("%s%s", path, *suffix), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    store_close(&store);
    assert_int_equal(stat(path, &st), 0);
}

static void test_no_directory(void **state)
{
    expect_refused("/nonexistent/a/b.db", -ENOENT, "cannot make /nonexistent/a/b.db");
    expect_refused("/tmp", -EACCES, "is not a file");
}

static void test_killed(void **state)
{
    char *path = fresh_file();

    for (unsigned int i = 0; i < 15; i++)
        crash_and_check(path, i, 5 + i * 17 % 60);
}

static void test_not_a_database(void **state)
{
    char *path = fresh_file(), *other = fresh_file();
    static const char noise[4096] = "This is a text and not a database at all.";

    assert_int_equal(file_write_atomic(path, noise, sizeof(noise), 0600), 0);
    expect_refused(path, -EIO, "restore a backup");
    run_sql(other, "CREATE TABLE songs (name TEXT)");
    expect_refused(other, -EIO, "database of another program");
    run_sql(other, "INSERT INTO songs VALUES ('untouched')");
}

/* A page in the middle overwritten: said when it is read, with the mend; never a crash. */
static void test_damaged(void **state)
{
    char *path = fresh_file();
    struct store *store = open_store(path);
    struct store_op *ops = calloc(3000, sizeof(*ops));
    char(*ids)[16] = calloc(3000, sizeof(*ids)), noise[4096];
    struct stat st;
    uint64_t revision = 0;
    size_t n = 0;
    int fd;

    for (int i = 0; i < 3000; i++) {
        snprintf(ids[i], sizeof(ids[i]), "i%d", i);
        ops[i] = op_of(STORE_CREATE, ids[i], ids[i], "{\"some\":\"text that fills pages\"}");
    }
    assert_int_equal(commit_ops(store, ops, 3000), 0);
    store_close(&store);
    memset(noise, 0xa5, sizeof(noise));
    assert_int_equal(stat(path, &st), 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    for (off_t at = 40 * 4096; at + 4096 < st.st_size; at += 3 * 4096)
        assert_int_equal(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
    close(fd);
    store = open_store(path);
    assert_int_equal(store_load(store, count_object, &n, &revision), -EIO);
    assert_non_null(strstr(store_problem(store), "restore a backup"));
    assert_int_equal(store_check(store), -EIO);
    assert_non_null(strstr(store_problem(store), "restore a backup"));
    store_close(&store);
    free(ids);
    free(ops);
}

/* Layout 1 as the first version made it. */
static const char layout_1[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE schema_version (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT "
    "NULL);"
    "INSERT INTO schema_version VALUES (1, 1);"
    "CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL,"
    " compacted INTEGER NOT NULL);"
    "INSERT INTO clock VALUES (1, 7, 0);"
    "CREATE TABLE objects (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,"
    " namespace TEXT NOT NULL, unique_key TEXT, created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL);"
    "CREATE UNIQUE INDEX objects_by_key ON objects (kind, unique_key) WHERE unique_key IS NOT NULL;"
    "CREATE TABLE changes (revision INTEGER NOT NULL, seq INTEGER NOT NULL, type INTEGER NOT NULL,"
    " id TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (revision, seq)) WITHOUT ROWID;"
    "CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "INSERT INTO objects VALUES (1, 'old', 'thing', '/a', 'k', 1000, 2000, 7, '{}');";

static void test_older_version(void **state)
{
    char *path = fresh_file(), *backups = scratch_make();
    const struct store_options options = {.create = true, .backup_directory = backups};
    const struct store_options reading = {.read_only = true};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct store *store = NULL;
    char **names = NULL;
    struct stat st;
    size_t n = 0;

    run_sql(path, layout_1);
    assert_int_equal(store_open(path, &reading, &problem, &store), -BULKHEAD_ELAYOUT);
    if (store_open(path, &options, &problem, &store) < 0)
        fail_msg("%s", problem.data);
    assert_objects(store, "old thing /a k 1000 2000 @7 {}\n");
    assert_int_equal(commit_one(store, STORE_LOG, "l", NULL, "{}"), 0);
    store_close(&store);

    assert_int_equal(dir_list(backups, NULL, &names, &n), 0);
    assert_int_equal(n, 1);
    assert_non_null(strstr(names[0], ".layout-1."));
    assert_int_equal(stat(text("%s/%s", backups, names[0]), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    /* The copy is whole, and of the old layout: it can be brought forward once more. */
    run_sql(text("%s/%s", backups, names[0]), "SELECT * FROM objects; UPDATE schema_version"
                                              " SET version = version WHERE version = 1");
    store = open_store(text("%s/%s", backups, names[0]));
    assert_objects(store, "old thing /a k 1000 2000 @7 {}\n");
    store_close(&store);
    /* The second time there is nothing to do, and nothing is copied. */
    assert_int_equal(store_open(path, &options, &problem, &store), 0);
    store_close(&store);
    strv_free(&names);
    assert_int_equal(dir_list(backups, NULL, &names, &n), 0);
    assert_int_equal(n, 2); /* the copy, and the copy of the copy beside it */
    strv_free(&names);
    scratch_remove(backups);
}

/* No copy, no migration: the database stays as it was. */
static void test_older_version_without_backup(void **state)
{
    char *path = fresh_file();
    const struct store_options options = {.create = true, .backup_directory = "/proc/nowhere"};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct store *store = NULL;

    run_sql(path, layout_1);
    assert_true(store_open(path, &options, &problem, &store) < 0);
    assert_non_null(strstr(problem.data, "/proc/nowhere"));
    run_sql(path, "CREATE TABLE log (still INTEGER)"); /* it is not there yet */
    /* A step that fails takes all steps back. */
    assert_true(store_open(path, &(struct store_options){.create = true}, &problem, &store) < 0);
    run_sql(path, "DROP TABLE log");
    store = open_store(path);
    assert_objects(store, "old thing /a k 1000 2000 @7 {}\n");
    store_close(&store);
}

static void test_newer_version(void **state)
{
    char *path = fresh_file();
    struct store *store = open_store(path);

    store_close(&store);
    run_sql(path, "UPDATE schema_version SET version = 99");
    expect_refused(path, -BULKHEAD_ELAYOUT, "newer version");
}

static void test_busy(void **state)
{
    char *path = fresh_file();
    _cleanup_store_ struct store *store = open_store(path);
    struct store_op op = op_of(STORE_CREATE, "i", NULL, "{}");
    struct store_transaction transaction = {.ops = &op, .n_ops = 1};
    sqlite3 *other = NULL;

    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_objects(store, "");
    assert_int_equal(commit_all(store, &transaction, 1), -EBUSY);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    assert_int_equal(commit_all(store, &transaction, 1), 0);
    assert_int_equal(store_wait(store, 0), -ENOTSUP);
}

/* In a child with a mount namespace of its own: a file system of 2 MiB. */
static void fill_disk(void)
{
    static char body[20000];
    const char *mount_point = text("%s/full", directory);
    char *path = text("%s/full/console.db", directory);
    char *ballast = text("%s/full/ballast", directory);
    struct store_op op = op_of(STORE_CREATE, NULL, NULL, body);
    struct store_transaction transaction = {.ops = &op, .n_ops = 1};
    struct store *store;
    int n = 0, r = 0, fd;
    size_t found = 0;
    uint64_t revision = 0;

    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mkdir(mount_point, 0700), 0);
    assert_int_equal(mount("tmpfs", mount_point, "tmpfs", 0, "size=2m"), 0);
    memset(body, 'x', sizeof(body) - 1);
    op.object.body_len = sizeof(body) - 1;
    fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 1 << 20), 0);
    close(fd);
    store = open_store(path);
    for (; n < 1000 && r == 0; n++) {
        op.object.id = text("i%d", n);
        r = commit_all(store, &transaction, 1);
    }
    assert_int_equal(r, -ENOSPC);
    assert_non_null(strstr(store_problem(store), "no space"));
    n--;
    assert_true(n > 5);
    for (int i = 0; i < 20; i++)
        assert_int_equal(commit_all(store, &transaction, 1), -ENOSPC);
    assert_int_equal(store_load(store, count_object, &found, &revision), 0);
    assert_int_equal(found, n);
    assert_int_equal(revision, n);
    assert_int_equal(unlink(ballast), 0);
    for (int i = 0; i < 5; i++) {
        op.object.id = text("i%d", n + i);
        assert_int_equal(commit_all(store, &transaction, 1), 0);
        assert_int_equal(transaction.result, 0);
    }
    assert_int_equal(store_check(store), 0);
    store_close(&store);
    store = open_store(path);
    found = 0;
    assert_int_equal(store_load(store, count_object, &found, &revision), 0);
    assert_int_equal(found, n + 5);
    store_close(&store);
}

static void test_disk_full(void **state)
{
    int status = 0;
    pid_t pid;

    if (geteuid() != 0)
        skip();
    pid = fork();
    if (pid == 0) {
        fill_disk(); /* a failed assertion ends the child with another status, or jumps back */
        fflush(NULL);
        _exit(42);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    rmdir(text("%s/full", directory));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode),
        cmocka_unit_test(test_no_directory),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_not_a_database),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_older_version),
        cmocka_unit_test(test_older_version_without_backup),
        cmocka_unit_test(test_newer_version),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_disk_full),
    };
    int failed;

    directory = scratch_make();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove(directory);
    return failed;
}
