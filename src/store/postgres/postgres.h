/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * PostgreSQL through libpq, one connection, tables in the schema `bulkhead`. A connection that is
 * lost is made again by the next call. Nothing waits for the server without an end: it gives up a
 * statement after POSTGRES_STATEMENT_MS, and when it is silent for postgres_silence_ms it is taken
 * for gone. connection.c: connection, errors, exchanges; params.c: parameters; layout.c: tables and
 * their migrations; write.c: commits, settings, compaction; read.c: the rest.
 *
 * Writers lock the one row of `clock` first: so they come one after another, and revisions become
 * visible in their order.
 */

#include <libpq-fe.h>

#include "store/store_internal.h"

#define POSTGRES_CONNECT_S 10
#define POSTGRES_STATEMENT_MS 20000
#define POSTGRES_MIGRATION_MS 600000
#define POSTGRES_CHANNEL "bulkhead_changes"
extern int postgres_silence_ms; /* a variable for the tests only */

struct postgres {
    struct store store;
    PGconn *connection; /* NULL: lost */
    char *uri;
    int silence_ms;
    bool listening; /* the connection has said LISTEN */
};

#define POSTGRES_PARAMS_MAX 10

/* Parameters of one statement, in binary form. Add each once, in order. */
struct params {
    int n;
    Oid types[POSTGRES_PARAMS_MAX];
    struct buf data[POSTGRES_PARAMS_MAX];
    bool null[POSTGRES_PARAMS_MAX], array[POSTGRES_PARAMS_MAX];
    uint32_t elements[POSTGRES_PARAMS_MAX];
};
void params_free(struct params *params);
#define _cleanup_params_ _cleanup_(params_free)
void params_text(struct params *params, const char *text); /* NULL: NULL */
void params_int(struct params *params, int64_t number);
/* One array for each letter: s text, i int64_t. */
void params_arrays(struct params *params, const char *types);
void params_push_text(struct params *params, int array, const char *text, size_t len);
void params_push_int(struct params *params, int array, int64_t number);
/* @return 0 or -ENOMEM; after it the parameters can be sent */
int params_finish(struct params *params);
size_t params_bytes(const struct params *params);

static inline void result_free(PGresult **result)
{
    PQclear(*result);
    *result = NULL;
}
#define _cleanup_result_ _cleanup_(result_free)

/* A connection that seems to work; a new one when it was lost. */
int postgres_ready(struct postgres *postgres);
/* The connection is good for nothing any more. Returns -ECONNREFUSED. */
int postgres_lost(struct postgres *postgres);
/* -errno of a result that is an error, with a text for the operator. */
int postgres_error(struct postgres *postgres, const PGresult *result);
/* Statements without parameters or rows. */
int postgres_command(struct postgres *postgres, const char *sql);
/* One statement, all of its rows in binary form. `params` may be NULL. */
int postgres_query(struct postgres *postgres, const char *sql, struct params *params,
                   PGresult **ret);
/* The same with the rows one by one; `row` returns < 0 to stop. */
typedef int postgres_row_fn(void *context, const PGresult *result, int row);
int postgres_stream(struct postgres *postgres, const char *sql, struct params *params,
                    postgres_row_fn *row, void *context);
/* Ends a transaction, if there is one; never fails. */
void postgres_rollback(struct postgres *postgres);

/* Several statements in one round trip: pipe_open(), pipe_send() …, pipe_close(). */
int pipe_open(struct postgres *postgres);
int pipe_send(struct postgres *postgres, const char *sql, struct params *params);
/* Waits for all; `rows` (may be NULL) gets the result of each that worked. Returns the error of the
 * first that did not. */
typedef int pipe_rows_fn(void *context, size_t statement, const PGresult *result);
int pipe_close(struct postgres *postgres, pipe_rows_fn *rows, void *context);

int64_t result_int(const PGresult *result, int row, int column);
const char *result_text(const PGresult *result, int row, int column); /* NULL: NULL */

/* Version of the tables that are there; 0: none. */
int postgres_layout_version(struct postgres *postgres, int64_t *ret_version);
int postgres_layout(struct postgres *postgres, const struct store_options *options);

int postgres_begin(struct store *store, struct decide *wanted, uint64_t *ret_revision);
int postgres_write(struct store *store, const struct store_effects *effects, bool commit);
void postgres_undo(struct store *store);
int postgres_setting_put(struct store *store, const char *name, const char *value, bool only_new);
int postgres_compact(struct store *store, struct store_compaction *compaction);

int postgres_dump(struct store *store, const struct store_dump *dump, void *context,
                  uint64_t *ret_revision);
int postgres_changes(struct store *store, uint64_t since, store_change_fn *visit, void *context,
                     uint64_t *ret_revision);
int postgres_wait(struct store *store, int timeout_ms);
int postgres_idempotent(struct store *store, const char *key, struct buf *ret_answer);
int postgres_log_query(struct store *store, const struct store_log_query *query,
                       store_visit_fn *visit, void *context, uint64_t *ret_total);
int postgres_setting_get(struct store *store, const char *name, struct buf *ret_value);
int postgres_check(struct store *store);
