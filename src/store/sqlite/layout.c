/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "store/sqlite/sqlite.h"

/*
 * Step i makes layout i + 1 out of layout i. Steps that were released are never changed; a new
 * layout is a new step here and in postgres/layout.c. docs/formats/database.md describes the
 * result.
 */
static const char *const steps[] = {
    "CREATE TABLE schema_version (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT "
    "NULL);"
    "INSERT INTO schema_version VALUES (1, 0);"
    "CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL,"
    " compacted INTEGER NOT NULL);"
    "INSERT INTO clock VALUES (1, 0, 0);"
    "CREATE TABLE objects (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,"
    " namespace TEXT NOT NULL, unique_key TEXT, created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL);"
    "CREATE UNIQUE INDEX objects_by_key ON objects (kind, unique_key)"
    " WHERE unique_key IS NOT NULL;"
    "CREATE TABLE changes (revision INTEGER NOT NULL, seq INTEGER NOT NULL, type INTEGER NOT NULL,"
    " id TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (revision, seq)) WITHOUT ROWID;"
    "CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",

    "CREATE TABLE log (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " namespace TEXT NOT NULL, created_ms INTEGER NOT NULL, revision INTEGER NOT NULL,"
    " body TEXT NOT NULL);"
    "CREATE INDEX log_by_time ON log (created_ms, number);"
    "CREATE INDEX log_by_namespace ON log (namespace, created_ms, number);"
    "CREATE TABLE idempotency (key TEXT NOT NULL PRIMARY KEY, answer TEXT NOT NULL,"
    " at_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX idempotency_by_time ON idempotency (at_ms);",
};
static_assert(ARRAY_SIZE(steps) == STORE_LAYOUT, "a step for each layout");

/* Statements outside the cache: the tables they name may not be there yet. */
static int ask(struct sqlite *sqlite, const char *sql, int64_t *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int r = 0;

    if (sqlite3_prepare_v2(sqlite->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return sqlite_error(sqlite, "cannot read the layout");
    if (sqlite3_step(statement) == SQLITE_ROW)
        *ret_number = sqlite3_column_int64(statement, 0);
    else
        r = sqlite_error(sqlite, "cannot read the layout");
    sqlite3_finalize(statement);
    return r;
}

/* 0: no tables at all. */
static int read_version(struct sqlite *sqlite, int64_t *ret_version)
{
    int64_t tables = 0, ours = 0;
    int r;

    r = ask(sqlite, "SELECT count(*) FROM sqlite_schema", &tables);
    if (r == 0)
        r = ask(sqlite, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'", &ours);
    if (r < 0)
        return r;
    if (tables > 0 && ours == 0)
        return store_fail(&sqlite->store, -EIO,
                          "%s is a database of another program; name another file", sqlite->path);
    *ret_version = 0;
    return ours ? ask(sqlite, "SELECT version FROM schema_version", ret_version) : 0;
}

static int check_version(struct sqlite *sqlite, const struct store_options *options,
                         int64_t version)
{
    struct store *store = &sqlite->store;

    if (version > STORE_LAYOUT)
        return store_fail(
            store, -BULKHEAD_ELAYOUT,
            "%s has layout %lld, written by a newer version of Bulkhead; this one "
            "knows %d. Install the newer version, or restore a backup into a new file",
            sqlite->path, (long long)version, STORE_LAYOUT);
    if (version == 0 && (!options->create || options->read_only))
        return store_fail(store, -ENOENT, "%s is empty", sqlite->path);
    if (version < STORE_LAYOUT && options->read_only)
        return store_fail(store, -BULKHEAD_ELAYOUT,
                          "%s has layout %lld, of an older version of Bulkhead; start the Console "
                          "once to bring it to %d",
                          sqlite->path, (long long)version, STORE_LAYOUT);
    return 0;
}

static char *backup_name(const struct sqlite *sqlite, const char *directory, int64_t version)
{
    const char *base = strrchr(sqlite->path, '/');
    struct timespec now;
    char stamp[32], *name = NULL;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
    base = base ? base + 1 : sqlite->path;
    if (asprintf(&name, "%s/%s.layout-%lld.%s.%03ldZ", directory, base, (long long)version, stamp,
                 now.tv_nsec / 1000000) < 0)
        return NULL;
    return name;
}

/* A whole copy as a database of its own, before anything is changed. */
static int copy_first(struct sqlite *sqlite, const char *directory, int64_t version)
{
    _cleanup_free_
    char *name = NULL;
    _cleanup_close_
    int fd = -1;
    sqlite3_stmt *statement = NULL;
    int r;

    r = dir_make(directory, 0700);
    if (r < 0)
        return store_fail(&sqlite->store, r, "cannot make %s: %s", directory, error_text(r));
    name = backup_name(sqlite, directory, version);
    if (!name)
        return -ENOMEM;
    /* VACUUM INTO takes an empty file, which so has the right mode from the beginning. */
    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return store_fail(&sqlite->store, -errno, "cannot make %s: %s", name, error_text(errno));
    if (sqlite3_prepare_v2(sqlite->db, "VACUUM INTO ?", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_DONE)
        r = sqlite_error(sqlite, "cannot copy the database before its layout is changed");
    sqlite3_finalize(statement);
    if (r == 0 && fsync(fd) < 0)
        r = store_fail(&sqlite->store, -errno, "cannot write %s: %s", name, error_text(errno));
    if (r == 0)
        r = store_sync_directory_of(name);
    if (r < 0)
        unlink(name);
    return r;
}

static int take_steps(struct sqlite *sqlite, int64_t version)
{
    char sql[64];

    for (; version < STORE_LAYOUT; version++)
        if (sqlite3_exec(sqlite->db, steps[version], NULL, NULL, NULL) != SQLITE_OK)
            return sqlite_error(sqlite, "cannot change the layout");
    snprintf(sql, sizeof(sql), "UPDATE schema_version SET version = %d; COMMIT", STORE_LAYOUT);
    if (sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(sqlite, "cannot change the layout");
    return 0;
}

int sqlite_layout_check(struct sqlite *sqlite, const struct store_options *options,
                        int64_t *ret_version)
{
    int64_t version = 0;
    int r;

    r = read_version(sqlite, &version);
    if (r == 0)
        r = check_version(sqlite, options, version);
    if (r == 0)
        *ret_version = version;
    return r;
}

static int copy_to_directory(struct sqlite *sqlite, const char *directory, int64_t version)
{
    _cleanup_free_
    char *beside = NULL;
    const char *slash = strrchr(sqlite->path, '/');

    if (directory)
        return copy_first(sqlite, directory, version);
    beside =
        slash ? strndup(sqlite->path, MAX((size_t)(slash - sqlite->path), (size_t)1)) : strdup(".");
    return beside ? copy_first(sqlite, beside, version) : -ENOMEM;
}

int sqlite_layout_change(struct sqlite *sqlite, const struct store_options *options,
                         int64_t version)
{
    int r = 0;

    if (version == STORE_LAYOUT)
        return 0;
    if (version > 0)
        r = copy_to_directory(sqlite, options->backup_directory, version);
    if (r < 0)
        return r;
    /* Another process may do the same: what the file has is asked again under the lock. */
    if (sqlite3_exec(sqlite->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(sqlite, "cannot change the layout");
    r = sqlite_layout_check(sqlite, options, &version);
    if (r == 0)
        r = take_steps(sqlite, version);
    if (r < 0)
        sqlite_rollback(sqlite);
    return r;
}
