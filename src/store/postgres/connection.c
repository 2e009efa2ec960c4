/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "store/postgres/postgres.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

int postgres_silence_ms = POSTGRES_STATEMENT_MS + 5000;

/* libpq ends its texts with newlines, and has several lines in them. */
static void keep_text(struct postgres *postgres, const char *before, const char *text)
{
    char *problem = postgres->store.problem;
    size_t len;

    store_fail(&postgres->store, 0, "%s%s", before, text);
    len = strlen(problem);
    while (len > 0 && problem[len - 1] == '\n')
        problem[--len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (problem[i] == '\n' || problem[i] == '\t')
            problem[i] = ' ';
}

static void drop(struct postgres *postgres)
{
    PQfinish(postgres->connection);
    postgres->connection = NULL;
    postgres->listening = false;
}

int postgres_lost(struct postgres *postgres)
{
    if (postgres->connection) {
        const char *text = PQerrorMessage(postgres->connection);

        keep_text(postgres,
                  "the database server is gone: ", *text ? text : "it does not answer any more");
    }
    drop(postgres);
    return -ECONNREFUSED;
}

static const struct {
    const char *state; /* the beginning of an SQLSTATE; the longer come first */
    int error;
    const char *mend;
} states[] = {
    {"57014", ECONNREFUSED, "the database server took too long: "},
    {"57P", ECONNREFUSED, "the database server is gone: "},
    {"08", ECONNREFUSED, "the database server is gone: "},
    {"25P03", ECONNREFUSED, "the database server is gone: "},
    {"53100", ENOSPC, "no space left on the database server (make room; writes go on then): "},
    {"53200", ENOMEM, "the database server has no memory left: "},
    {"53", ECONNREFUSED, "the database server is full: "},
    {"25006", EROFS, "the database is for reading only (a standby?): "},
    {"55P03", EBUSY, "another process has been writing to the database for too long: "},
    {"42501", EACCES, "the database user may not do this: "},
    {"28", EACCES, "the database server does not let us in: "},
    {"XX001", EIO, "the database is damaged; restore a backup: "},
    {"XX002", EIO, "the database is damaged; REINDEX or restore a backup: "},
    {"", EIO, "the database server refuses: "},
};

int postgres_error(struct postgres *postgres, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    size_t i = 0;

    if (!state)
        return postgres_lost(postgres);
    while (strncmp(state, states[i].state, strlen(states[i].state)) != 0)
        i++;
    keep_text(postgres, states[i].mend, PQresultErrorMessage(result));
    return -states[i].error;
}

/* Until there is something to read (or, with POLLOUT, to write). */
static int wait_for(struct postgres *postgres, short events)
{
    struct pollfd pollfd = {PQsocket(postgres->connection), events, 0};
    int n;

    do
        n = poll(&pollfd, 1, postgres->silence_ms);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return postgres_lost(postgres);
    if ((pollfd.revents & ~POLLOUT) && !PQconsumeInput(postgres->connection))
        return postgres_lost(postgres);
    return 0;
}

/* All that was sent is on its way; what comes back meanwhile is taken in, so that the server does
 * not wait for us while we wait for it. */
static int flush(struct postgres *postgres)
{
    int left, r = 0;

    while ((left = PQflush(postgres->connection)) > 0 && r == 0)
        r = wait_for(postgres, POLLIN | POLLOUT);
    if (r == 0 && left < 0)
        return postgres_lost(postgres);
    return r;
}

/* *ret_result NULL: no more of this statement. */
static int next_result(struct postgres *postgres, PGresult **ret_result)
{
    int r;

    while (PQisBusy(postgres->connection)) {
        r = wait_for(postgres, POLLIN);
        if (r < 0)
            return r;
    }
    *ret_result = PQgetResult(postgres->connection);
    return 0;
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE;
}

/* Takes all results of the statement; the last good one goes to ret, if anybody wants it. */
static int finish(struct postgres *postgres, PGresult **ret)
{
    _cleanup_result_ PGresult *kept = NULL;
    int r = flush(postgres), failed = 0;

    while (r == 0) {
        _cleanup_result_ PGresult *result = NULL;

        r = next_result(postgres, &result);
        if (r < 0 || !result)
            break;
        if (!is_good(result))
            failed = postgres_error(postgres, result);
        if (!postgres->connection)
            return failed;
        PQclear(kept);
        kept = TAKE_PTR(result);
    }
    if (r < 0 || failed < 0)
        return r < 0 ? r : failed;
    if (ret)
        *ret = TAKE_PTR(kept);
    return 0;
}

int postgres_command(struct postgres *postgres, const char *sql)
{
    if (!postgres->connection)
        return -ECONNREFUSED;
    if (!PQsendQuery(postgres->connection, sql))
        return postgres_lost(postgres);
    return finish(postgres, NULL);
}

static int send_statement(struct postgres *postgres, const char *sql, struct params *params)
{
    const char *values[POSTGRES_PARAMS_MAX];
    int lengths[POSTGRES_PARAMS_MAX], formats[POSTGRES_PARAMS_MAX], n = params ? params->n : 0;

    if (!postgres->connection)
        return -ECONNREFUSED;
    if (params && params_finish(params) < 0)
        return -ENOMEM;
    for (int i = 0; i < n; i++) {
        values[i] = params->null[i] ? NULL : params->data[i].data;
        lengths[i] = (int)params->data[i].len;
        formats[i] = 1;
    }
    if (!PQsendQueryParams(postgres->connection, sql, n, params ? params->types : NULL, values,
                           lengths, formats, 1))
        return postgres_lost(postgres);
    return 0;
}

int postgres_query(struct postgres *postgres, const char *sql, struct params *params,
                   PGresult **ret)
{
    int r = send_statement(postgres, sql, params);

    return r < 0 ? r : finish(postgres, ret);
}

static int take_rows(const PGresult *result, postgres_row_fn *row, void *context)
{
    int r = 0;

    for (int i = 0; r == 0 && i < PQntuples(result); i++)
        r = row(context, result, i);
    return r;
}

int postgres_stream(struct postgres *postgres, const char *sql, struct params *params,
                    postgres_row_fn *row, void *context)
{
    int r, stopped = 0;

    r = send_statement(postgres, sql, params);
    if (r == 0)
        PQsetSingleRowMode(postgres->connection);
    if (r == 0)
        r = flush(postgres);
    while (r == 0) {
        _cleanup_result_ PGresult *result = NULL;

        r = next_result(postgres, &result);
        if (r < 0 || !result)
            break;
        if (!is_good(result))
            stopped = postgres_error(postgres, result);
        else if (stopped == 0)
            stopped = take_rows(result, row, context);
        if (!postgres->connection)
            break;
    }
    return r < 0 ? r : stopped;
}

void postgres_rollback(struct postgres *postgres)
{
    char problem[sizeof(postgres->store.problem)];

    if (!postgres->connection || PQtransactionStatus(postgres->connection) == PQTRANS_IDLE)
        return;
    /* What led here is what the operator wants to know. */
    memcpy(problem, postgres->store.problem, sizeof(problem));
    if (postgres_command(postgres, "ROLLBACK") < 0)
        drop(postgres);
    memcpy(postgres->store.problem, problem, sizeof(problem));
}

int pipe_open(struct postgres *postgres)
{
    return PQenterPipelineMode(postgres->connection) ? 0 : postgres_lost(postgres);
}

int pipe_send(struct postgres *postgres, const char *sql, struct params *params)
{
    int r = send_statement(postgres, sql, params);

    return r < 0 ? r : flush(postgres);
}

/* One result of one statement, and the NULL behind it. 1: that was the end of the pipeline. */
static int pipe_next(struct postgres *postgres, size_t statement, bool skip, pipe_rows_fn *rows,
                     void *context)
{
    _cleanup_result_ PGresult *result = NULL, *end = NULL;
    int r;

    r = next_result(postgres, &result);
    if (r < 0)
        return r;
    if (!result)
        return postgres_lost(postgres);
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
        return 1;
    if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED || skip)
        r = 0;
    else if (!is_good(result))
        r = postgres_error(postgres, result);
    else if (rows)
        r = rows(context, statement, result);
    if (!postgres->connection)
        return r;
    return next_result(postgres, &end) < 0 ? -ECONNREFUSED : r;
}

int pipe_close(struct postgres *postgres, pipe_rows_fn *rows, void *context)
{
    int r, first = 0;

    if (!postgres->connection)
        return -ECONNREFUSED;
    if (!PQpipelineSync(postgres->connection))
        return postgres_lost(postgres);
    r = flush(postgres);
    if (r < 0)
        return r;
    for (size_t i = 0; r <= 0; i++) {
        r = pipe_next(postgres, i, first < 0, rows, context);
        if (r < 0 && first == 0)
            first = r;
        if (!postgres->connection)
            return first;
    }
    if (!PQexitPipelineMode(postgres->connection))
        return postgres_lost(postgres);
    return first;
}

int64_t result_int(const PGresult *result, int row, int column)
{
    const unsigned char *bytes = (const unsigned char *)PQgetvalue(result, row, column);
    uint64_t number = 0;

    assert(PQgetlength(result, row, column) == sizeof(number));
    for (size_t i = 0; i < sizeof(number); i++)
        number = number << 8 | bytes[i];
    return (int64_t)number;
}

const char *result_text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

static int set_up(struct postgres *postgres)
{
    const char *encoding = PQparameterStatus(postgres->connection, "server_encoding");
    int r;

    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return store_fail(&postgres->store, -EIO,
                          "the database has the encoding %s; make it with ENCODING UTF8",
                          encoding ? encoding : "unknown");
    /* What a commit promises must not depend on what the server was told elsewhere. */
    r = postgres_command(
        postgres,
        "SET search_path = bulkhead; SET client_encoding = 'UTF8';"
        "SET statement_timeout = " TEXT_OF(
            POSTGRES_STATEMENT_MS) ";"
                                   "SET lock_timeout = " TEXT_OF(
                                       STORE_BUSY_MS) ";"
                                                      "SET idle_in_transaction_session_timeout = "
                                                      "60000;"
                                                      "SET default_transaction_isolation = 'read "
                                                      "committed';"
                                                      "SET client_min_messages = 'error';"
                                                      "SELECT set_config('synchronous_commit', "
                                                      "'on', false)"
                                                      " WHERE "
                                                      "current_setting('synchronous_commit') = "
                                                      "'off'");
    if (r == 0 && postgres->store.read_only)
        r = postgres_command(postgres, "SET default_transaction_read_only = on");
    return r;
}

static int make_connection(struct postgres *postgres)
{
    /* What the URI says comes last, and counts. */
    const char *const names[] = {"connect_timeout",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "fallback_application_name",
                                 "dbname",
                                 NULL};
    const char *const values[] = {TEXT_OF(POSTGRES_CONNECT_S), "10",          "5", "3", "15000",
                                  "bulkhead-console",          postgres->uri, NULL};
    int r;

    postgres->connection = PQconnectdbParams(names, values, 1);
    if (!postgres->connection)
        return -ENOMEM;
    if (PQstatus(postgres->connection) != CONNECTION_OK) {
        keep_text(postgres,
                  "cannot connect to the database server: ", PQerrorMessage(postgres->connection));
        drop(postgres);
        /* A server that is there but does not want us needs the operator, not patience. */
        return PQpingParams(names, values, 1) == PQPING_OK ? -EACCES : -ECONNREFUSED;
    }
    if (PQsetnonblocking(postgres->connection, 1) < 0)
        return postgres_lost(postgres);
    r = set_up(postgres);
    if (r < 0)
        drop(postgres);
    return r;
}

/* A server that has ended since the last call said so, or closed the connection. */
static bool still_there(struct postgres *postgres)
{
    struct pollfd pollfd = {PQsocket(postgres->connection), POLLIN, 0};

    while (poll(&pollfd, 1, 0) > 0)
        if (!PQconsumeInput(postgres->connection))
            return false;
    return PQstatus(postgres->connection) == CONNECTION_OK;
}

int postgres_ready(struct postgres *postgres)
{
    int64_t version = 0;
    int r;

    *postgres->store.problem = '\0';
    if (postgres->connection && still_there(postgres))
        return 0;
    drop(postgres);
    r = make_connection(postgres);
    if (r == 0)
        r = postgres_layout_version(postgres, &version);
    if (r == 0 && version != STORE_LAYOUT)
        r = store_fail(&postgres->store, -BULKHEAD_ELAYOUT,
                       "the database has layout %lld now, this version of Bulkhead knows %d",
                       (long long)version, STORE_LAYOUT);
    if (r < 0)
        drop(postgres);
    return r == -EACCES ? -ECONNREFUSED : r;
}

static void close_it(struct store *store)
{
    struct postgres *postgres = (struct postgres *)store;

    PQfinish(postgres->connection);
    free(postgres->uri);
    free(postgres);
}

static const struct store_backend backend = {
    .close = close_it,
    .begin = postgres_begin,
    .write = postgres_write,
    .rollback = postgres_undo,
    .dump = postgres_dump,
    .changes = postgres_changes,
    .wait = postgres_wait,
    .idempotent = postgres_idempotent,
    .log_query = postgres_log_query,
    .setting_get = postgres_setting_get,
    .setting_put = postgres_setting_put,
    .compact = postgres_compact,
    .check = postgres_check,
};

int store_postgres_open(const char *uri, const struct store_options *options, struct buf *problem,
                        struct store **ret)
{
    _cleanup_store_ struct store *store = NULL;
    struct postgres *postgres = calloc(1, sizeof(*postgres));
    int r;

    if (!postgres)
        return -ENOMEM;
    store = &postgres->store;
    store->backend = &backend;
    store->read_only = options->read_only;
    postgres->silence_ms = postgres_silence_ms;
    postgres->uri = strdup(uri);
    if (!postgres->uri)
        return -ENOMEM;
    r = make_connection(postgres);
    if (r == 0)
        r = postgres_layout(postgres, options);
    if (r < 0) {
        buf_puts(problem, *store->problem ? store->problem : error_text(r));
        return r;
    }
    *ret = TAKE_PTR(store);
    return 0;
}
