/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "store/sqlite/sqlite.h"

#define OBJECT_COLUMNS "id, kind, namespace, unique_key, created_ms, updated_ms, revision, body"
#define LOG_COLUMNS "id, '', namespace, NULL, created_ms, created_ms, revision, body"

/* What is in a namespace, and with ?2 also below it: names between "/a/" and "/a0" (0 comes after
 * the slash) begin with "/a/". ?2 is NULL for the namespace alone. */
#define LOG_MATCHES                                                                                \
    " FROM log WHERE (namespace = ?1 OR (namespace >= ?2 AND namespace < ?3))"                     \
    " AND created_ms >= ?4 AND created_ms < ?5 AND (?6 IS NULL OR id = ?6)"

const char *const sqlite_texts[SQLITE_TEXTS] = {
    [SQLITE_BEGIN_READ] = "BEGIN",
    [SQLITE_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQLITE_COMMIT_IT] = "COMMIT",
    [SQLITE_GET_IDEMPOTENT] = "SELECT answer FROM idempotency WHERE key = ?1",
    [SQLITE_CLOCK] = "SELECT revision, compacted FROM clock",
    [SQLITE_FIND_ID] = "SELECT id, kind, unique_key, created_ms, revision FROM objects"
                       " WHERE id = ?1",
    [SQLITE_FIND_KEY] = "SELECT id, kind, unique_key, created_ms, revision FROM objects"
                        " WHERE kind = ?1 AND unique_key = ?2",
    [SQLITE_FIND_IDEMPOTENCY] = "SELECT 1 FROM idempotency WHERE key = ?1",
    [SQLITE_FIND_LOCK] =
        "SELECT 1 FROM settings WHERE name = '" STORE_MAINTENANCE "' AND value <> ''",
    [SQLITE_DELETE_OBJECT] = "DELETE FROM objects WHERE id = ?1",
    [SQLITE_CLEAR_KEY] = "UPDATE objects SET unique_key = NULL WHERE id = ?1",
    [SQLITE_PUT_OBJECT] =
        "INSERT INTO objects (" OBJECT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT (id) DO UPDATE SET kind = ?2, namespace = ?3, unique_key = ?4,"
        " created_ms = ?5, updated_ms = ?6, revision = ?7, body = ?8",
    [SQLITE_PUT_CHANGE] = "INSERT INTO changes (revision, seq, type, id, kind, at_ms)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SQLITE_PUT_LOG] = "INSERT INTO log (id, namespace, created_ms, revision, body)"
                       " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
    [SQLITE_PUT_IDEMPOTENCY] = "INSERT INTO idempotency (key, answer, at_ms) VALUES (?1, ?2, ?3)",
    [SQLITE_PUT_SETTING] = "INSERT INTO settings (name, value) VALUES (?1, ?2)"
                           " ON CONFLICT (name) DO UPDATE SET value = ?2",
    [SQLITE_NEW_SETTING] = "INSERT INTO settings (name, value) VALUES (?1, ?2)"
                           " ON CONFLICT (name) DO NOTHING",
    [SQLITE_SET_CLOCK] = "UPDATE clock SET revision = ?1",
    [SQLITE_SET_COMPACTED] = "UPDATE clock SET compacted = max(compacted, ?1)",
    [SQLITE_GET_SETTING] = "SELECT value FROM settings WHERE name = ?1",
    [SQLITE_COUNT_ALL] = "SELECT (SELECT count(*) FROM settings), (SELECT count(*) FROM objects),"
                         " (SELECT count(*) FROM log)",
    [SQLITE_ALL_SETTINGS] = "SELECT name, value FROM settings ORDER BY name",
    [SQLITE_ALL_OBJECTS] = "SELECT " OBJECT_COLUMNS " FROM objects",
    [SQLITE_ALL_LOG] = "SELECT " LOG_COLUMNS " FROM log ORDER BY number",
    /* An object is told where its newest state was written, a deletion where nothing came after. */
    [SQLITE_CHANGES_SINCE] =
        "SELECT c.id, c.kind, o.namespace, o.unique_key, o.created_ms, o.updated_ms, c.revision,"
        " o.body, c.type FROM changes c LEFT JOIN objects o ON o.id = c.id WHERE c.revision > ?1"
        " AND (CASE WHEN o.id IS NULL THEN c.type = ?2"
        " ELSE o.revision = c.revision AND c.type <> ?2 END) ORDER BY c.revision, c.seq",
    [SQLITE_QUERY_LOG] = "SELECT " LOG_COLUMNS LOG_MATCHES
                         " ORDER BY created_ms DESC, number DESC LIMIT ?7 OFFSET ?8",
    [SQLITE_COUNT_LOG] = "SELECT count(*)" LOG_MATCHES,
    [SQLITE_FIRST_KEPT_CHANGE] = "SELECT revision FROM changes WHERE at_ms >= ?1"
                                 " ORDER BY revision, seq LIMIT 1",
    [SQLITE_FIRST_CHANGE_PAST] = "SELECT revision + 1 FROM changes WHERE revision < ?1"
                                 " ORDER BY revision, seq LIMIT 1 OFFSET ?2",
    [SQLITE_COMPACT_CHANGES] = "DELETE FROM changes WHERE revision < ?1",
    [SQLITE_COMPACT_LOG_TIME] = "DELETE FROM log WHERE number IN"
                                " (SELECT number FROM log WHERE created_ms < ?1 LIMIT ?2)",
    [SQLITE_COMPACT_LOG_COUNT] = "DELETE FROM log WHERE number IN (SELECT number FROM log"
                                 " ORDER BY created_ms DESC, number DESC LIMIT ?2 OFFSET ?1)",
    [SQLITE_COMPACT_IDEMPOTENCY] = "DELETE FROM idempotency WHERE key IN"
                                   " (SELECT key FROM idempotency WHERE at_ms < ?1 LIMIT ?2)",
    [SQLITE_NTH_LOG] = "SELECT created_ms FROM log ORDER BY created_ms DESC LIMIT 1 OFFSET ?1",
    [SQLITE_NTH_IDEMPOTENCY] =
        "SELECT at_ms FROM idempotency ORDER BY at_ms DESC LIMIT 1 OFFSET ?1",
};

static const char *text_of(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static struct store_object object_of(sqlite3_stmt *statement)
{
    struct store_object object = {
        .id = text_of(statement, 0),
        .kind = text_of(statement, 1),
        .namespace = text_of(statement, 2),
        .unique_key = text_of(statement, 3),
        .created_ms = sqlite3_column_int64(statement, 4),
        .updated_ms = sqlite3_column_int64(statement, 5),
        .revision = (uint64_t)sqlite3_column_int64(statement, 6),
        .body = text_of(statement, 7),
    };

    object.body_len = (size_t)sqlite3_column_bytes(statement, 7);
    return object;
}

static int read_clock(struct sqlite *sqlite, uint64_t *ret_revision, uint64_t *ret_compacted)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = NULL;
    int r;

    r = sqlite_bind(sqlite, SQLITE_CLOCK, &statement, "");
    if (r == 0)
        r = sqlite_step(sqlite, statement);
    if (r < 0)
        return r;
    if (r == 0)
        return store_fail(&sqlite->store, -EIO, "%s has lost its clock; restore a backup",
                          sqlite->path);
    *ret_revision = (uint64_t)sqlite3_column_int64(statement, 0);
    *ret_compacted = (uint64_t)sqlite3_column_int64(statement, 1);
    return 0;
}

static int visit_all(struct sqlite *sqlite, enum sqlite_text text, store_visit_fn *visit,
                     void *context)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = NULL;
    int r;

    if (!visit)
        return 0;
    r = sqlite_bind(sqlite, text, &statement, "");
    while (r == 0 && (r = sqlite_step(sqlite, statement)) > 0) {
        struct store_object object = object_of(statement);

        if (!object.id || !object.kind || !object.namespace || !object.body)
            return -ENOMEM;
        r = visit(context, &object);
    }
    return r;
}

static int visit_settings(struct sqlite *sqlite, const struct store_dump *dump, void *context)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = NULL;
    int r;

    if (!dump->setting)
        return 0;
    r = sqlite_bind(sqlite, SQLITE_ALL_SETTINGS, &statement, "");
    while (r == 0 && (r = sqlite_step(sqlite, statement)) > 0) {
        struct store_pair pair = {text_of(statement, 0), text_of(statement, 1)};

        r = pair.name && pair.value ? dump->setting(context, &pair) : -ENOMEM;
    }
    return r;
}

static int tell_counts(struct sqlite *sqlite, const struct store_dump *dump, void *context,
                       uint64_t revision)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = NULL;
    uint64_t n[3];
    int r;

    if (!dump->begin)
        return 0;
    r = sqlite_bind(sqlite, SQLITE_COUNT_ALL, &statement, "");
    if (r == 0)
        r = sqlite_step(sqlite, statement);
    if (r < 0)
        return r;
    for (int i = 0; i < 3; i++)
        n[i] = (uint64_t)sqlite3_column_int64(statement, i);
    return dump->begin(context, revision, n[0], n[1], n[2]);
}

int sqlite_dump(struct store *store, const struct store_dump *dump, void *context,
                uint64_t *ret_revision)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    uint64_t revision = 0, compacted = 0;
    int r;

    r = sqlite_run(sqlite, SQLITE_BEGIN_READ, "");
    if (r == 0)
        r = read_clock(sqlite, &revision, &compacted);
    if (r == 0)
        r = tell_counts(sqlite, dump, context, revision);
    if (r == 0)
        r = visit_settings(sqlite, dump, context);
    if (r == 0)
        r = visit_all(sqlite, SQLITE_ALL_OBJECTS, dump->object, context);
    if (r == 0)
        r = visit_all(sqlite, SQLITE_ALL_LOG, dump->log, context);
    sqlite_rollback(sqlite);
    if (r < 0)
        return r;
    *ret_revision = revision;
    return 0;
}

static int visit_changes(struct sqlite *sqlite, uint64_t since, store_change_fn *visit,
                         void *context)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = NULL;
    int r;

    r = sqlite_bind(sqlite, SQLITE_CHANGES_SINCE, &statement, "ii", (int64_t)since,
                    (int64_t)STORE_DELETE);
    while (r == 0 && (r = sqlite_step(sqlite, statement)) > 0) {
        struct store_object object = object_of(statement);
        enum store_op_type type = (enum store_op_type)sqlite3_column_int(statement, 8);

        if (!object.id || !object.kind || (type != STORE_DELETE && !object.body))
            return -ENOMEM;
        r = visit(context, type, &object);
    }
    return r;
}

int sqlite_read_changes(struct store *store, uint64_t since, store_change_fn *visit, void *context,
                        uint64_t *ret_revision)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    uint64_t revision = 0, compacted = 0;
    int r;

    r = sqlite_run(sqlite, SQLITE_BEGIN_READ, "");
    if (r == 0)
        r = read_clock(sqlite, &revision, &compacted);
    if (r == 0 && (since < compacted || since > revision))
        r = store_fail(store, -ESTALE, "changes after revision %" PRIu64 " are not there any more",
                       since);
    if (r == 0 && since < revision)
        r = visit_changes(sqlite, since, visit, context);
    sqlite_rollback(sqlite);
    if (r < 0)
        return r;
    *ret_revision = revision;
    return 0;
}

static int read_text(struct sqlite *sqlite, const char *sql, enum sqlite_text text,
                     const char *name, struct buf *ret_value)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = NULL;
    int r;

    r = sqlite_bind(sqlite, text, &statement, "s", name);
    if (r == 0)
        r = sqlite_step(sqlite, statement);
    if (r < 0)
        return r;
    if (r == 0)
        return store_fail(&sqlite->store, -ENOENT, "there is no %s of this name", sql);
    buf_append(ret_value, sqlite3_column_text(statement, 0),
               (size_t)sqlite3_column_bytes(statement, 0));
    return ret_value->error;
}

int sqlite_setting_get(struct store *store, const char *name, struct buf *ret_value)
{
    return read_text((struct sqlite *)store, "setting", SQLITE_GET_SETTING, name, ret_value);
}

int sqlite_idempotent(struct store *store, const char *key, struct buf *ret_answer)
{
    return read_text((struct sqlite *)store, "answer", SQLITE_GET_IDEMPOTENT, key, ret_answer);
}

/* Both statements in one read, so that total and page fit together. */
static int query_log(struct sqlite *sqlite, const struct store_log_query *query, const char *from,
                     const char *to, store_visit_fn *visit, void *context, uint64_t *ret_total)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = NULL;
    int64_t until = query->to_ms ? query->to_ms : INT64_MAX;
    int64_t limit = query->limit ? (int64_t)query->limit : -1;
    int r;

    r = sqlite_number(sqlite, ret_total, SQLITE_COUNT_LOG, "sssiis", query->namespace, from, to,
                      query->from_ms, until, query->id);
    if (r == 0)
        r = sqlite_bind(sqlite, SQLITE_QUERY_LOG, &statement, "sssiisii", query->namespace, from,
                        to, query->from_ms, until, query->id, limit, (int64_t)query->offset);
    while (r == 0 && (r = sqlite_step(sqlite, statement)) > 0) {
        struct store_object object = object_of(statement);

        if (!object.id || !object.namespace || !object.body)
            return -ENOMEM;
        object.kind = NULL;
        r = visit(context, &object);
    }
    return r;
}

int sqlite_log_query(struct store *store, const struct store_log_query *query,
                     store_visit_fn *visit, void *context, uint64_t *ret_total)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    _cleanup_buf_ struct buf from = BUF_INIT(2 * STORE_NAMESPACE_BYTES_MAX);
    _cleanup_buf_ struct buf to = BUF_INIT(2 * STORE_NAMESPACE_BYTES_MAX);
    const char *above = strcmp(query->namespace, "/") == 0 ? "" : query->namespace;
    uint64_t total = 0;
    int r;

    buf_printf(&from, "%s/", above);
    buf_printf(&to, "%s0", above);
    if (from.error || to.error)
        return store_fail(store, -EINVAL, "the namespace is too long");
    r = sqlite_run(sqlite, SQLITE_BEGIN_READ, "");
    if (r == 0)
        r = query_log(sqlite, query, query->recursive ? from.data : NULL,
                      query->recursive ? to.data : NULL, visit, context, &total);
    sqlite_rollback(sqlite);
    if (r < 0)
        return r;
    *ret_total = total;
    return 0;
}

int sqlite_check(struct store *store)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    sqlite3_stmt *statement = NULL;
    int r = 0;

    if (sqlite3_prepare_v2(sqlite->db, "PRAGMA integrity_check(1)", -1, &statement, NULL) !=
        SQLITE_OK)
        return sqlite_error(sqlite, "cannot check");
    if (sqlite3_step(statement) != SQLITE_ROW)
        r = sqlite_error(sqlite, "cannot check");
    else if (strcmp(text_of(statement, 0), "ok") != 0)
        r = store_fail(store, -EIO,
                       "the database %s is damaged (%s). Stop the Console, move the file and its "
                       "-wal and -shm away, and restore a backup (bulkhead-console restore)",
                       sqlite->path, text_of(statement, 0));
    sqlite3_finalize(statement);
    return r;
}
