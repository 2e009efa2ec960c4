/* SPDX-License-Identifier: Apache-2.0 */
/* What can happen to a server: stopped, crashed, stuck, full of others, of another version. */
#include <pthread.h>

#include "base/file.h"
#include "crash.h"
#include "server.h"
#include "store/postgres/postgres.h"
#include "store_test.h"

static struct server server;

static int try_create(struct store *store, const char *id)
{
    struct store_op op = op_of(STORE_CREATE, id, NULL, "{}");
    struct store_transaction transaction = {.ops = &op, .n_ops = 1};
    int r = commit_all(store, &transaction, 1);

    return r < 0 ? r : transaction.result;
}

static void test_no_server(void **state)
{
    const struct store_options options = {.create = true};
    static const struct {
        const char *uri;
        int result;
    } cases[] = {
        {"postgresql:///x?host=/nonexistent", -ECONNREFUSED},
        {"postgresql://127.0.0.1:1/x", -ECONNREFUSED},
        {"postgresql:///nothere?user=postgres&host=", -EACCES},
        {"postgresql:///postgres?user=nobodythere&host=", -EACCES},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);
        struct store *store = NULL;
        bool ours = cases[i].result == -EACCES;

        assert_int_equal(store_open(text("%s%s", cases[i].uri, ours ? server.directory : ""),
                                    &options, &problem, &store),
                         cases[i].result);
        assert_true(problem.len > 0);
        assert_null(strchr(problem.data, '\n'));
    }
}

static void test_encoding(void **state)
{
    const struct store_options options = {.create = true};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct store *store = NULL;

    server_sql(server.uri, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
    assert_int_equal(store_open(text("postgresql:///latin?host=%s&user=postgres", server.directory),
                                &options, &problem, &store),
                     -EIO);
    assert_non_null(strstr(problem.data, "UTF8"));
}

/* Stopped: said at once; the same handle goes on when the server is there again. */
static void test_stopped_and_started(void **state)
{
    char *uri = server_database(&server);
    _cleanup_store_ struct store *store = open_store(uri);
    uint64_t revision = 0;
    size_t n = 0;

    assert_int_equal(try_create(store, "i1"), 0);
    for (int round = 0; round < 2; round++) {
        server_halt(&server, round ? SIGQUIT : SIGINT);
        assert_int_equal(try_create(store, "i2"), -ECONNREFUSED);
        assert_int_equal(store_load(store, count_object, &n, &revision), -ECONNREFUSED);
        assert_int_equal(store_wait(store, 0), -ECONNREFUSED);
        assert_true(strlen(store_problem(store)) > 0);
        server_run(&server);
        assert_int_equal(try_create(store, text("j%d", round)), 0);
        /* Restarted between two calls: nobody notices. */
        server_halt(&server, SIGINT);
        server_run(&server);
        assert_int_equal(try_create(store, text("k%d", round)), 0);
    }
    assert_int_equal(store_load(store, count_object, &n, &revision), 0);
    assert_int_equal(n, 5);
    assert_int_equal(revision, 5);
}

/* The connection is taken away in the middle of things. */
static void test_thrown_out(void **state)
{
    char *uri = server_database(&server);
    _cleanup_store_ struct store *store = open_store(uri);

    for (int i = 0; i < 3; i++) {
        server_sql(server.uri, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               " WHERE application_name = 'bulkhead-console'");
        usleep(50000);
        assert_int_equal(try_create(store, text("i%d", i)), 0);
    }
}

static void test_killed_console(void **state)
{
    char *uri = server_database(&server);

    for (unsigned int i = 0; i < 8; i++)
        crash_and_check(uri, i, 5 + i * 17 % 60);
}

/* The server crashes under commits; what was said to be committed is there. The server is started
 * from the first thread: it dies with the one that starts it. */
struct committer {
    char *uri;
    volatile int stop;
    size_t said, unknown, wrong, after;
};

static void *commit_on(void *context)
{
    struct committer *committer = context;
    _cleanup_store_ struct store *store = open_store(committer->uri);

    for (int i = 0; !__atomic_load_n(&committer->stop, __ATOMIC_SEQ_CST); i++) {
        int r = try_create(store, text("i%d", i));

        committer->said += r == 0;
        committer->unknown += r == -ECONNREFUSED;
        committer->wrong += r != 0 && r != -ECONNREFUSED;
        committer->after += r == 0 && committer->unknown > 0;
        if (r < 0)
            usleep(20000);
    }
    return NULL;
}

static void test_server_crashes(void **state)
{
    struct committer committer = {.uri = server_database(&server)};
    struct store *store = open_store(committer.uri);
    uint64_t revision = 0;
    size_t n = 0;
    pthread_t thread;

    store_close(&store);
    assert_int_equal(pthread_create(&thread, NULL, commit_on, &committer), 0);
    for (int i = 0; i < 3; i++) {
        usleep(200000);
        server_halt(&server, SIGQUIT);
        usleep(100000);
        server_run(&server);
    }
    usleep(500000);
    __atomic_store_n(&committer.stop, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    assert_int_equal(committer.wrong, 0);
    assert_true(committer.unknown > 0 && committer.after > 0);
    store = open_store(committer.uri);
    assert_int_equal(store_load(store, count_object, &n, &revision), 0);
    assert_true(n >= committer.said && n <= committer.said + committer.unknown);
    assert_int_equal(revision, n);
    store_close(&store);
}

/* A server that is there and says nothing. */
static void test_stuck(void **state)
{
    char *uri = server_database(&server);
    _cleanup_store_ struct store *store = NULL;
    PGconn *watch = PQconnectdb(server.uri);
    PGresult *pids;
    pid_t pid;
    int r;

    postgres_silence_ms = 700;
    store = open_store(uri);
    postgres_silence_ms = POSTGRES_STATEMENT_MS + 5000;
    assert_int_equal(try_create(store, "i1"), 0);
    pids = PQexec(watch, "SELECT pid FROM pg_stat_activity"
                         " WHERE application_name = 'bulkhead-console'");
    assert_int_equal(PQntuples(pids), 1);
    pid = (pid_t)strtol(PQgetvalue(pids, 0, 0), NULL, 10);
    PQclear(pids);
    PQfinish(watch);
    kill(pid, SIGSTOP);
    /* Nothing of it can be there yet: tried once more, over a new connection. */
    r = try_create(store, "i2");
    kill(pid, SIGCONT);
    assert_int_equal(r, 0);
    assert_objects(store, "i1 thing /a - 1000 2000 @1 {}\n"
                          "i2 thing /a - 1000 2000 @2 {}\n");
}

/* Somebody holds the clock for too long. */
static void test_busy(void **state)
{
    char *uri = server_database(&server);
    _cleanup_store_ struct store *store = open_store(uri);
    PGconn *other = PQconnectdb(uri);
    uint64_t revision = 0;
    size_t n = 0;

    PQclear(PQexec(other, "BEGIN"));
    PQclear(PQexec(other, "SELECT * FROM bulkhead.clock FOR UPDATE"));
    assert_int_equal(try_create(store, "i1"), -EBUSY);
    assert_int_equal(store_load(store, count_object, &n, &revision), 0);
    PQfinish(other);
    assert_int_equal(try_create(store, "i1"), 0);
}

static void *commit_later(void *context)
{
    struct store *store = open_store(context);

    usleep(200000);
    assert_int_equal(try_create(store, "i1"), 0);
    store_close(&store);
    return NULL;
}

static void test_wait(void **state)
{
    char *uri = server_database(&server);
    _cleanup_store_ struct store *store = open_store(uri);
    pthread_t thread;

    assert_int_equal(store_wait(store, 0), 1);
    assert_int_equal(store_wait(store, 0), 0);
    assert_int_equal(store_wait(store, 50), 0);
    assert_int_equal(pthread_create(&thread, NULL, commit_later, uri), 0);
    assert_int_equal(store_wait(store, 10000), 1);
    pthread_join(thread, NULL);
    assert_int_equal(store_wait(store, 50), 0);
    server_halt(&server, SIGINT);
    assert_int_equal(store_wait(store, 1000), -ECONNREFUSED);
    server_run(&server);
    assert_int_equal(store_wait(store, 1000), 1);
    assert_int_equal(store_wait(store, 50), 0);
}

/* What makes layout 1 out of layout 2, so that the way back can be tried. */
static const char to_layout_1[] = "DROP TABLE bulkhead.log; DROP TABLE bulkhead.idempotency;"
                                  "UPDATE bulkhead.schema_version SET version = 1";

static void test_other_versions(void **state)
{
    char *uri = server_database(&server);
    const struct store_options options = {.create = true}, reading = {.read_only = true};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct store *store = open_store(uri);

    assert_int_equal(try_create(store, "old"), 0);
    store_close(&store);
    for (int i = 0; i < 2; i++) {
        server_sql(uri, to_layout_1);
        assert_int_equal(store_open(uri, &reading, &problem, &store), -BULKHEAD_ELAYOUT);
        store = open_store(uri);
        assert_objects(store, "old thing /a - 1000 2000 @1 {}\n");
        assert_int_equal(store_check(store), 0);
        server_sql(uri, "SELECT * FROM bulkhead.before_layout_2_objects WHERE id = 'old'");
        /* While it is open somebody migrates it to a version of the future. */
        server_sql(uri, "UPDATE bulkhead.schema_version SET version = 99");
        server_sql(server.uri, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               " WHERE application_name = 'bulkhead-console'");
        usleep(50000);
        assert_int_equal(try_create(store, "new"), -BULKHEAD_ELAYOUT);
        store_close(&store);
        assert_int_equal(store_open(uri, &options, &problem, &store), -BULKHEAD_ELAYOUT);
        assert_non_null(strstr(problem.data, "newer version"));
        server_sql(uri, "UPDATE bulkhead.schema_version SET version = 2");
    }
}

/* A user who may do nothing but use a schema that was made for him. */
static void test_plain_user(void **state)
{
    char *uri = server_database(&server), *user_uri = text("%s%s", uri, "");
    const struct store_options options = {.create = true};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct store *store = NULL;
    char *at;

    server_sql(server.uri, "CREATE ROLE plain LOGIN");
    at = strstr(user_uri, "user=postgres");
    snprintf(at, 16, "user=plain");
    assert_int_equal(store_open(user_uri, &options, &problem, &store), -EACCES);
    server_sql(uri, "CREATE SCHEMA bulkhead AUTHORIZATION plain");
    store = open_store(user_uri);
    assert_int_equal(try_create(store, "i"), 0);
    store_close(&store);
    server_sql(uri, "ALTER ROLE plain SET default_transaction_read_only = on");
    store = open_store(user_uri);
    assert_int_equal(try_create(store, "j"), -EROFS);
    store_close(&store);
}

/* An import: more rows than one statement takes, bodies larger than one statement takes. */
static void test_large(void **state)
{
    enum { N = 20000 };
    _cleanup_store_ struct store *store = open_store(server_database(&server));
    struct store_op *ops = calloc(N, sizeof(*ops));
    char(*ids)[16] = calloc(N, sizeof(*ids)), *body = malloc((5 << 20) + 1);
    uint64_t revision = 0;
    size_t n = 0;

    memset(body, 'x', 5 << 20);
    body[5 << 20] = '\0';
    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof(ids[i]), "i%d", i);
        ops[i] = op_of(STORE_CREATE, ids[i], ids[i], i < 5 ? body : "{}");
    }
    assert_int_equal(commit_ops(store, ops, N), 0);
    assert_int_equal(store_load(store, count_object, &n, &revision), 0);
    assert_int_equal(n, N);
    assert_int_equal(revision, 1);
    free(body);
    free(ids);
    free(ops);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_server),      cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_thrown_out),     cmocka_unit_test(test_killed_console),
        cmocka_unit_test(test_stuck),          cmocka_unit_test(test_busy),
        cmocka_unit_test(test_wait),           cmocka_unit_test(test_stopped_and_started),
        cmocka_unit_test(test_server_crashes), cmocka_unit_test(test_other_versions),
        cmocka_unit_test(test_plain_user),     cmocka_unit_test(test_large),
    };
    int failed;

    if (!server_start(&server, true))
        return 0;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return failed;
}
