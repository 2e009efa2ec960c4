/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "store/postgres/postgres.h"

#define OBJECT_COLUMNS "id, kind, namespace, unique_key, created_ms, updated_ms, revision, body"
#define LOG_COLUMNS "id, ''::text, namespace, NULL::text, created_ms, created_ms, revision, body"
/* As in sqlite/read.c. */
#define LOG_MATCHES                                                                                \
    " FROM log WHERE (namespace = $1::text OR (namespace >= $2::text AND namespace < $3::text))"   \
    " AND created_ms >= $4::int8 AND created_ms < $5::int8"                                        \
    " AND ($6::text IS NULL OR id = $6::text)"

/* Whoever looks at rows; one of the two is set. */
struct looker {
    store_visit_fn *visit;
    store_change_fn *change;
    void *context;
};

static int look(void *context, const PGresult *result, int row)
{
    const struct looker *looker = context;
    bool gone = PQgetisnull(result, row, 7);
    struct store_object object = {
        .id = result_text(result, row, 0),
        .kind = result_text(result, row, 1),
        .namespace = result_text(result, row, 2),
        .unique_key = result_text(result, row, 3),
        .created_ms = gone ? 0 : result_int(result, row, 4),
        .updated_ms = gone ? 0 : result_int(result, row, 5),
        .revision = (uint64_t)result_int(result, row, 6),
        .body = result_text(result, row, 7),
        .body_len = gone ? 0 : (size_t)PQgetlength(result, row, 7),
    };

    if (looker->change)
        return looker->change(looker->context, (enum store_op_type)result_int(result, row, 8),
                              &object);
    if (object.kind && !*object.kind)
        object.kind = NULL;
    return looker->visit(looker->context, &object);
}

/* One state of the database for all that follows. */
static int begin_read(struct postgres *postgres)
{
    int r = postgres_ready(postgres);

    return r < 0 ? r
                 : postgres_command(postgres, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                                              "SET LOCAL statement_timeout = 0");
}

static int read_clock(struct postgres *postgres, uint64_t *ret_revision, uint64_t *ret_compacted)
{
    _cleanup_result_ PGresult *result = NULL;
    int r;

    r = postgres_query(postgres, "SELECT revision, compacted FROM clock", NULL, &result);
    if (r < 0)
        return r;
    if (PQntuples(result) != 1)
        return store_fail(&postgres->store, -EIO,
                          "the database has lost its clock; restore a backup");
    *ret_revision = (uint64_t)result_int(result, 0, 0);
    *ret_compacted = (uint64_t)result_int(result, 0, 1);
    return 0;
}

struct dump_context {
    const struct store_dump *dump;
    void *context;
};

static int take_setting(void *context, const PGresult *result, int row)
{
    const struct dump_context *dump = context;
    const struct store_pair pair = {result_text(result, row, 0), result_text(result, row, 1)};

    return dump->dump->setting(dump->context, &pair);
}

static int tell_counts(struct postgres *postgres, const struct store_dump *dump, void *context,
                       uint64_t revision)
{
    _cleanup_result_ PGresult *result = NULL;
    int r;

    if (!dump->begin)
        return 0;
    r = postgres_query(postgres,
                       "SELECT (SELECT count(*) FROM settings), (SELECT count(*) FROM objects),"
                       " (SELECT count(*) FROM log)",
                       NULL, &result);
    if (r < 0)
        return r;
    return dump->begin(context, revision, (uint64_t)result_int(result, 0, 0),
                       (uint64_t)result_int(result, 0, 1), (uint64_t)result_int(result, 0, 2));
}

int postgres_dump(struct store *store, const struct store_dump *dump, void *context,
                  uint64_t *ret_revision)
{
    struct postgres *postgres = (struct postgres *)store;
    struct dump_context settings = {dump, context};
    struct looker objects = {.visit = dump->object, .context = context};
    struct looker log = {.visit = dump->log, .context = context};
    uint64_t revision = 0, compacted = 0;
    int r;

    r = begin_read(postgres);
    if (r == 0)
        r = read_clock(postgres, &revision, &compacted);
    if (r == 0)
        r = tell_counts(postgres, dump, context, revision);
    if (r == 0 && dump->setting)
        r = postgres_stream(postgres, "SELECT name, value FROM settings ORDER BY name", NULL,
                            take_setting, &settings);
    if (r == 0 && dump->object)
        r = postgres_stream(postgres, "SELECT " OBJECT_COLUMNS " FROM objects", NULL, look,
                            &objects);
    if (r == 0 && dump->log)
        r = postgres_stream(postgres, "SELECT " LOG_COLUMNS " FROM log ORDER BY number", NULL, look,
                            &log);
    postgres_rollback(postgres);
    if (r < 0)
        return r;
    *ret_revision = revision;
    return 0;
}

static int stream_changes(struct postgres *postgres, uint64_t since, store_change_fn *visit,
                          void *context)
{
    _cleanup_params_ struct params params = {0};
    struct looker looker = {.change = visit, .context = context};

    params_int(&params, (int64_t)since);
    params_int(&params, STORE_DELETE);
    return postgres_stream(
        postgres,
        "SELECT c.id, c.kind, o.namespace, o.unique_key, o.created_ms, o.updated_ms, c.revision,"
        " o.body, c.type FROM changes c LEFT JOIN objects o ON o.id = c.id WHERE c.revision > $1"
        " AND (CASE WHEN o.id IS NULL THEN c.type = $2"
        " ELSE o.revision = c.revision AND c.type <> $2 END) ORDER BY c.revision, c.seq",
        &params, look, &looker);
}

int postgres_changes(struct store *store, uint64_t since, store_change_fn *visit, void *context,
                     uint64_t *ret_revision)
{
    struct postgres *postgres = (struct postgres *)store;
    uint64_t revision = 0, compacted = 0;
    int r;

    r = begin_read(postgres);
    if (r == 0)
        r = read_clock(postgres, &revision, &compacted);
    if (r == 0 && (since < compacted || since > revision))
        r = store_fail(store, -ESTALE, "changes after revision %" PRIu64 " are not there any more",
                       since);
    if (r == 0 && since < revision)
        r = stream_changes(postgres, since, visit, context);
    postgres_rollback(postgres);
    if (r < 0)
        return r;
    *ret_revision = revision;
    return 0;
}

static int64_t monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes everything that was notified, however often. */
static bool any_news(struct postgres *postgres)
{
    PGnotify *notify;
    bool any = false;

    while ((notify = PQnotifies(postgres->connection))) {
        PQfreemem(notify);
        any = true;
    }
    return any;
}

static int wait_for_news(struct postgres *postgres, int timeout_ms)
{
    int64_t now = monotonic_ms(), until = now + MAX(timeout_ms, 0);

    do {
        struct pollfd pollfd = {PQsocket(postgres->connection), POLLIN, 0};
        int n;

        if (any_news(postgres))
            return 1;
        n = poll(&pollfd, 1, timeout_ms < 0 ? -1 : (int)(until - now));
        if (n > 0 && !PQconsumeInput(postgres->connection))
            return postgres_lost(postgres);
        now = monotonic_ms();
    } while (timeout_ms < 0 || now < until);
    return any_news(postgres);
}

int postgres_wait(struct store *store, int timeout_ms)
{
    struct postgres *postgres = (struct postgres *)store;
    int r;

    if (postgres->connection && postgres->listening)
        return wait_for_news(postgres, timeout_ms);
    r = postgres_ready(postgres);
    if (r == 0)
        r = postgres_command(postgres, "LISTEN " POSTGRES_CHANNEL);
    if (r < 0)
        return r;
    postgres->listening = true;
    return 1;
}

static int read_text(struct postgres *postgres, const char *what, const char *sql, const char *name,
                     struct buf *ret_value)
{
    _cleanup_params_ struct params params = {0};
    _cleanup_result_ PGresult *result = NULL;
    int r;

    params_text(&params, name);
    r = postgres_ready(postgres);
    if (r == 0)
        r = postgres_query(postgres, sql, &params, &result);
    if (r < 0)
        return r;
    if (PQntuples(result) == 0)
        return store_fail(&postgres->store, -ENOENT, "there is no %s of this name", what);
    buf_append(ret_value, PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0));
    return ret_value->error;
}

int postgres_setting_get(struct store *store, const char *name, struct buf *ret_value)
{
    return read_text((struct postgres *)store, "setting",
                     "SELECT value FROM settings WHERE name = $1", name, ret_value);
}

int postgres_idempotent(struct store *store, const char *key, struct buf *ret_answer)
{
    return read_text((struct postgres *)store, "answer",
                     "SELECT answer FROM idempotency WHERE key = $1", key, ret_answer);
}

static void add_log_params(struct params *params, const struct store_log_query *query)
{
    const char *above = strcmp(query->namespace, "/") == 0 ? "" : query->namespace;
    char bound[STORE_NAMESPACE_BYTES_MAX + 2];

    params_text(params, query->namespace);
    snprintf(bound, sizeof(bound), "%s/", above);
    params_text(params, query->recursive ? bound : NULL);
    snprintf(bound, sizeof(bound), "%s0", above);
    params_text(params, query->recursive ? bound : NULL);
    params_int(params, query->from_ms);
    params_int(params, query->to_ms ? query->to_ms : INT64_MAX);
    params_text(params, query->id);
}

static int query_log(struct postgres *postgres, const struct store_log_query *query,
                     struct looker *looker, uint64_t *ret_total)
{
    _cleanup_params_ struct params count = {0}, page = {0};
    _cleanup_result_ PGresult *result = NULL;
    int r;

    add_log_params(&count, query);
    add_log_params(&page, query);
    params_int(&page, query->limit ? (int64_t)query->limit : INT64_MAX);
    params_int(&page, (int64_t)query->offset);
    r = postgres_query(postgres, "SELECT count(*)" LOG_MATCHES, &count, &result);
    if (r < 0)
        return r;
    *ret_total = (uint64_t)result_int(result, 0, 0);
    return postgres_stream(postgres,
                           "SELECT " LOG_COLUMNS LOG_MATCHES
                           " ORDER BY created_ms DESC, number DESC LIMIT $7 OFFSET $8",
                           &page, look, looker);
}

int postgres_log_query(struct store *store, const struct store_log_query *query,
                       store_visit_fn *visit, void *context, uint64_t *ret_total)
{
    struct postgres *postgres = (struct postgres *)store;
    struct looker looker = {.visit = visit, .context = context};
    uint64_t total = 0;
    int r;

    if (strlen(query->namespace) > STORE_NAMESPACE_BYTES_MAX)
        return store_fail(store, -EINVAL, "the namespace is too long");
    r = begin_read(postgres);
    if (r == 0)
        r = query_log(postgres, query, &looker, &total);
    postgres_rollback(postgres);
    if (r < 0)
        return r;
    *ret_total = total;
    return 0;
}

static int ignore_setting(void *context, const struct store_pair *setting)
{
    return 0;
}

static int ignore_object(void *context, const struct store_object *object)
{
    return 0;
}

int postgres_check(struct store *store)
{
    static const struct store_dump everything = {
        .setting = ignore_setting, .object = ignore_object, .log = ignore_object};
    uint64_t revision = 0;

    return postgres_dump(store, &everything, NULL, &revision);
}
