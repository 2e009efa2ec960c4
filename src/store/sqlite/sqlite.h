/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One SQLite file in WAL mode. What a commit wrote is on the disk when it returns
 * (synchronous=FULL). sqlite.c: handle, statements, errors; layout.c: tables and their migrations;
 * write.c: commits, settings, compaction; read.c: the rest.
 */

#include <sqlite3.h>

#include "store/store_internal.h"

enum sqlite_text {
    SQLITE_BEGIN_READ,
    SQLITE_BEGIN_WRITE,
    SQLITE_COMMIT_IT,
    SQLITE_GET_IDEMPOTENT,
    SQLITE_CLOCK,
    SQLITE_FIND_ID,
    SQLITE_FIND_KEY,
    SQLITE_FIND_IDEMPOTENCY,
    SQLITE_FIND_LOCK,
    SQLITE_DELETE_OBJECT,
    SQLITE_CLEAR_KEY,
    SQLITE_PUT_OBJECT,
    SQLITE_PUT_CHANGE,
    SQLITE_PUT_LOG,
    SQLITE_PUT_IDEMPOTENCY,
    SQLITE_PUT_SETTING,
    SQLITE_NEW_SETTING,
    SQLITE_SET_CLOCK,
    SQLITE_SET_COMPACTED,
    SQLITE_GET_SETTING,
    SQLITE_COUNT_ALL,
    SQLITE_ALL_SETTINGS,
    SQLITE_ALL_OBJECTS,
    SQLITE_ALL_LOG,
    SQLITE_CHANGES_SINCE,
    SQLITE_QUERY_LOG,
    SQLITE_COUNT_LOG,
    SQLITE_FIRST_KEPT_CHANGE,
    SQLITE_FIRST_CHANGE_PAST,
    SQLITE_COMPACT_CHANGES,
    SQLITE_COMPACT_LOG_TIME,
    SQLITE_COMPACT_LOG_COUNT,
    SQLITE_COMPACT_IDEMPOTENCY,
    SQLITE_NTH_LOG,
    SQLITE_NTH_IDEMPOTENCY,
    SQLITE_TEXTS
};
extern const char *const sqlite_texts[SQLITE_TEXTS];

struct sqlite {
    struct store store;
    sqlite3 *db;
    char *path;
    sqlite3_stmt *statements[SQLITE_TEXTS];
};

/* -errno of the last error of the connection, with a text for the operator. */
int sqlite_error(struct sqlite *sqlite, const char *doing);

/*
 * The cached statement, with its parameters bound: `types` has a letter for each of the arguments:
 * s const char * (NULL: NULL), b const char * and size_t, i int64_t.
 * Strings are borrowed until the statement is reset.
 */
int sqlite_bind(struct sqlite *sqlite, enum sqlite_text text, sqlite3_stmt **ret_statement,
                const char *types, ...);
/* 1 a row, 0 done (reset by itself), < 0 (reset, too). */
int sqlite_step(struct sqlite *sqlite, sqlite3_stmt *statement);
/* Bind, run to the end. */
int sqlite_run(struct sqlite *sqlite, enum sqlite_text text, const char *types, ...);
/* Bind, and the first column of the first row; -ENOENT when there is none. */
int sqlite_number(struct sqlite *sqlite, uint64_t *ret_number, enum sqlite_text text,
                  const char *types, ...);
void sqlite_reset(sqlite3_stmt **statement);
#define _cleanup_sqlite_reset_ _cleanup_(sqlite_reset)
/* Never fails: a transaction that SQLite has ended by itself is no error. */
void sqlite_rollback(struct sqlite *sqlite);

/* Is it a database that this version can work with? Changes nothing. @param ret_version 0: empty */
int sqlite_layout_check(struct sqlite *sqlite, const struct store_options *options,
                        int64_t *ret_version);
/* Makes the tables of this version, of an older one after a copy. */
int sqlite_layout_change(struct sqlite *sqlite, const struct store_options *options,
                         int64_t version);

int sqlite_begin(struct store *store, struct decide *wanted, uint64_t *ret_revision);
int sqlite_write(struct store *store, const struct store_effects *effects, bool commit);
void sqlite_undo(struct store *store);
int sqlite_setting_put(struct store *store, const char *name, const char *value, bool only_new);
int sqlite_compact(struct store *store, struct store_compaction *compaction);

int sqlite_dump(struct store *store, const struct store_dump *dump, void *context,
                uint64_t *ret_revision);
int sqlite_read_changes(struct store *store, uint64_t since, store_change_fn *visit, void *context,
                        uint64_t *ret_revision);
int sqlite_idempotent(struct store *store, const char *key, struct buf *ret_answer);
int sqlite_log_query(struct store *store, const struct store_log_query *query,
                     store_visit_fn *visit, void *context, uint64_t *ret_total);
int sqlite_setting_get(struct store *store, const char *name, struct buf *ret_value);
int sqlite_check(struct store *store);
