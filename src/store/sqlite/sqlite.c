/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

#define CACHE_KIB 32768
#define WAL_PAGES 2000 /* written back into the file at this size */
#define WAL_AGAIN_MS 10
#define WAL_BYTES_KEPT (64 * 1024 * 1024) /* on the disk, after a long read made it grow */

static int damaged(struct sqlite *sqlite, const char *doing)
{
    return store_fail(
        &sqlite->store, -EIO,
        "%s: the database %s is damaged (%s). Stop the Console, move the file and its "
        "-wal and -shm away, and restore a backup (bulkhead-console restore)",
        doing, sqlite->path, sqlite3_errmsg(sqlite->db));
}

static int no_space(struct sqlite *sqlite, const char *doing)
{
    return store_fail(&sqlite->store, -ENOSPC,
                      "%s: no space left for %s. Make room; writes go on by themselves then", doing,
                      sqlite->path);
}

static int system_error(struct sqlite *sqlite, const char *doing, int otherwise)
{
    int error = sqlite3_system_errno(sqlite->db);

    if (error == ENOSPC || error == EDQUOT)
        return no_space(sqlite, doing);
    if (error != EACCES && error != EPERM && error != EROFS && error != ENOENT && error != EMFILE)
        error = -otherwise;
    return store_fail(&sqlite->store, -error, "%s: %s: %s (%s)", doing, sqlite->path,
                      error_text(error), sqlite3_errmsg(sqlite->db));
}

int sqlite_error(struct sqlite *sqlite, const char *doing)
{
    struct store *store = &sqlite->store;

    switch (sqlite3_errcode(sqlite->db) & 0xff) {
    case SQLITE_FULL:
        return no_space(sqlite, doing);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return system_error(sqlite, doing, -EIO);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return damaged(sqlite, doing);
    case SQLITE_READONLY:
        return store_fail(store, -EROFS, "%s: %s cannot be written (%s)", doing, sqlite->path,
                          sqlite3_errmsg(sqlite->db));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return store_fail(store, -EBUSY, "%s: another process has been writing to %s for %d s",
                          doing, sqlite->path, STORE_BUSY_MS / 1000);
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return store_fail(store, -EACCES, "%s: %s: %s", doing, sqlite->path,
                          sqlite3_errmsg(sqlite->db));
    case SQLITE_NOMEM:
        return store_fail(store, -ENOMEM, "%s: out of memory", doing);
    default:
        return store_fail(store, -EIO, "%s: %s: %s", doing, sqlite->path,
                          sqlite3_errmsg(sqlite->db));
    }
}

static int prepare(struct sqlite *sqlite, enum sqlite_text text)
{
    if (sqlite->statements[text])
        return 0;
    if (sqlite3_prepare_v3(sqlite->db, sqlite_texts[text], -1, SQLITE_PREPARE_PERSISTENT,
                           &sqlite->statements[text], NULL) != SQLITE_OK)
        return sqlite_error(sqlite, "cannot prepare");
    return 0;
}

static int bind_all(sqlite3_stmt *statement, const char *types, va_list args)
{
    int rc = SQLITE_OK;

    for (int i = 0; types[i] && rc == SQLITE_OK; i++) {
        const char *text;

        switch (types[i]) {
        case 's':
            text = va_arg(args, const char *);
            rc = sqlite3_bind_text(statement, i + 1, text, -1, SQLITE_STATIC);
            break;
        case 'b':
            text = va_arg(args, const char *);
            rc = sqlite3_bind_text64(statement, i + 1, text, va_arg(args, size_t), SQLITE_STATIC,
                                     SQLITE_UTF8);
            break;
        default:
            assert(types[i] == 'i');
            rc = sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
        }
    }
    return rc;
}

static int bind_args(struct sqlite *sqlite, enum sqlite_text text, sqlite3_stmt **ret_statement,
                     const char *types, va_list args)
{
    int r = prepare(sqlite, text);

    if (r < 0)
        return r;
    if (bind_all(sqlite->statements[text], types, args) != SQLITE_OK)
        return sqlite_error(sqlite, "cannot bind");
    *ret_statement = sqlite->statements[text];
    return 0;
}

int sqlite_bind(struct sqlite *sqlite, enum sqlite_text text, sqlite3_stmt **ret_statement,
                const char *types, ...)
{
    va_list args;
    int r;

    va_start(args, types);
    r = bind_args(sqlite, text, ret_statement, types, args);
    va_end(args);
    return r;
}

int sqlite_step(struct sqlite *sqlite, sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement), r;

    if (rc == SQLITE_ROW)
        return 1;
    r = rc == SQLITE_DONE ? 0 : sqlite_error(sqlite, "cannot go on");
    sqlite3_reset(statement);
    return r;
}

int sqlite_run(struct sqlite *sqlite, enum sqlite_text text, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list args;
    int r;

    va_start(args, types);
    r = bind_args(sqlite, text, &statement, types, args);
    va_end(args);
    if (r < 0)
        return r;
    do
        r = sqlite_step(sqlite, statement);
    while (r > 0);
    return r;
}

int sqlite_number(struct sqlite *sqlite, uint64_t *ret_number, enum sqlite_text text,
                  const char *types, ...)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = NULL;
    va_list args;
    int r;

    va_start(args, types);
    r = bind_args(sqlite, text, &statement, types, args);
    va_end(args);
    if (r < 0)
        return r;
    r = sqlite_step(sqlite, statement);
    if (r < 0)
        return r;
    if (r == 0 || sqlite3_column_type(statement, 0) == SQLITE_NULL)
        return -ENOENT;
    *ret_number = (uint64_t)sqlite3_column_int64(statement, 0);
    return 0;
}

void sqlite_reset(sqlite3_stmt **statement)
{
    if (*statement)
        sqlite3_reset(*statement);
}

void sqlite_rollback(struct sqlite *sqlite)
{
    for (size_t i = 0; i < SQLITE_TEXTS; i++)
        sqlite3_reset(sqlite->statements[i]);
    if (!sqlite3_get_autocommit(sqlite->db))
        sqlite3_exec(sqlite->db, "ROLLBACK", NULL, NULL, NULL);
}

static void sqlite_close_it(struct store *store)
{
    struct sqlite *sqlite = (struct sqlite *)store;

    for (size_t i = 0; i < SQLITE_TEXTS; i++)
        sqlite3_finalize(sqlite->statements[i]);
    sqlite3_close(sqlite->db);
    free(sqlite->path);
    free(sqlite);
}

static const struct store_backend backend = {
    .close = sqlite_close_it,
    .begin = sqlite_begin,
    .write = sqlite_write,
    .rollback = sqlite_undo,
    .dump = sqlite_dump,
    .changes = sqlite_read_changes,
    .idempotent = sqlite_idempotent,
    .log_query = sqlite_log_query,
    .setting_get = sqlite_setting_get,
    .setting_put = sqlite_setting_put,
    .compact = sqlite_compact,
    .check = sqlite_check,
};

/* SQLite would make it with the umask. Its -wal and -shm get the mode of the file. */
static int make_file(struct sqlite *sqlite, const struct store_options *options, bool *ret_fresh)
{
    struct stat st;
    int fd;

    *ret_fresh = false;
    if (stat(sqlite->path, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            return store_fail(&sqlite->store, -EACCES, "%s is not a file", sqlite->path);
        *ret_fresh = st.st_size == 0;
        return 0;
    }
    if (errno != ENOENT || !options->create || options->read_only)
        return store_fail(&sqlite->store, -errno, "cannot open %s: %s", sqlite->path,
                          error_text(errno));
    fd = open(sqlite->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return store_fail(&sqlite->store, -errno, "cannot make %s: %s", sqlite->path,
                          error_text(errno));
    close(fd);
    *ret_fresh = true;
    return 0;
}

static int pragmas(struct sqlite *sqlite, const char *format, ...) _printf_(2, 3);
static int pragmas(struct sqlite *sqlite, const char *format, ...)
{
    char sql[512];
    va_list args;

    va_start(args, format);
    vsnprintf(sql, sizeof(sql), format, args);
    va_end(args);
    if (sqlite3_exec(sqlite->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_error(sqlite, "cannot open");
    return 0;
}

/* Nothing here writes to the file: it may turn out to be somebody else's. */
static int set_up(struct sqlite *sqlite)
{
    sqlite3_busy_timeout(sqlite->db, STORE_BUSY_MS);
    sqlite3_extended_result_codes(sqlite->db, 1);
    /* A file from elsewhere must not bring code along in triggers and views. */
    sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    return pragmas(sqlite,
                   "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-%d;"
                   "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=%d;"
                   "PRAGMA journal_size_limit=%d;",
                   CACHE_KIB, WAL_PAGES, WAL_BYTES_KEPT);
}

/* Who changes the mode goes from reading to writing. Where two do it SQLite refuses one at once,
 * because waiting would be for ever: that one begins again. */
static int use_wal(struct sqlite *sqlite)
{
    int r = pragmas(sqlite, "PRAGMA journal_mode=WAL;");

    for (int waited_ms = 0; r == -EBUSY && waited_ms < STORE_BUSY_MS; waited_ms += WAL_AGAIN_MS) {
        sqlite3_sleep(WAL_AGAIN_MS);
        r = pragmas(sqlite, "PRAGMA journal_mode=WAL;");
    }
    return r;
}

static int open_it(struct sqlite *sqlite, const struct store_options *options)
{
    int flags =
        SQLITE_OPEN_NOMUTEX | (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    bool fresh = false;
    int64_t version = 0;
    int r;

    r = make_file(sqlite, options, &fresh);
    if (r < 0)
        return r;
    if (sqlite3_open_v2(sqlite->path, &sqlite->db, flags, NULL) != SQLITE_OK)
        return sqlite->db ? sqlite_error(sqlite, "cannot open") : -ENOMEM;
    r = set_up(sqlite);
    if (r == 0)
        r = sqlite_layout_check(sqlite, options, &version);
    if (r < 0 || options->read_only)
        return r;
    r = use_wal(sqlite);
    if (r == 0)
        r = sqlite_layout_change(sqlite, options, version);
    if (r == 0 && fresh)
        r = store_sync_directory_of(sqlite->path);
    return r;
}

int store_sqlite_open(const char *path, const struct store_options *options, struct buf *problem,
                      struct store **ret)
{
    _cleanup_store_ struct store *store = NULL;
    struct sqlite *sqlite;
    int r;

    sqlite = calloc(1, sizeof(*sqlite));
    if (!sqlite)
        return -ENOMEM;
    store = &sqlite->store;
    store->backend = &backend;
    store->read_only = options->read_only;
    sqlite->path = strdup(path);
    if (!sqlite->path)
        return -ENOMEM;
    r = open_it(sqlite, options);
    if (r < 0) {
        buf_puts(problem, *store->problem ? store->problem : error_text(r));
        return r;
    }
    *ret = TAKE_PTR(store);
    return 0;
}
