/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "store/decide.h"
#include "store/postgres/postgres.h"

#define CHUNK_ROWS 2000
#define CHUNK_BYTES (8u << 20)

/* Many rows as arrays, one statement for each chunk of them. */
struct rows {
    const char *sql;
    const char *types; /* of the arrays */
    size_t n;
    void (*fill)(const void *from, size_t i, struct params *params);
    const void *from;
    int64_t now_ms; /* behind the arrays, when not 0 */
};

static void push(struct params *params, int array, const char *text)
{
    params_push_text(params, array, text, text ? strlen(text) : 0);
}

static int send_rows(struct postgres *postgres, const struct rows *rows)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < rows->n;) {
        _cleanup_params_ struct params params = {0};

        params_arrays(&params, rows->types);
        for (size_t end = i + CHUNK_ROWS;
             i < rows->n && i < end && params_bytes(&params) < CHUNK_BYTES; i++)
            rows->fill(rows->from, i, &params);
        if (rows->now_ms)
            params_int(&params, rows->now_ms);
        r = pipe_send(postgres, rows->sql, &params);
    }
    return r;
}

static void fill_string(const void *from, size_t i, struct params *params)
{
    push(params, 0, ((const char *const *)from)[i]);
}

static void fill_pair(const void *from, size_t i, struct params *params)
{
    const struct store_pair *pair = (const struct store_pair *)from + i;

    push(params, 0, pair->name);
    push(params, 1, pair->value);
}

struct found {
    struct decide *wanted;
    uint64_t revision;
};

/* Rows of the clock, of objects, of idempotency keys and of the lock are told apart by their
 * columns. */
static int take_found(void *context, size_t statement, const PGresult *result)
{
    struct found *found = context;
    int r = 0, columns = PQnfields(result);

    if (columns == 2 && PQntuples(result) == 1)
        found->revision = (uint64_t)result_int(result, 0, 0);
    if (columns == 3 && PQntuples(result) == 1)
        decide_found_lock(found->wanted);
    for (int i = 0; columns == 1 && r == 0 && i < PQntuples(result); i++)
        r = decide_found_idempotency(found->wanted, result_text(result, i, 0));
    for (int i = 0; columns == 5 && r == 0 && i < PQntuples(result); i++) {
        const struct store_object row = {
            .id = result_text(result, i, 0),
            .kind = result_text(result, i, 1),
            .unique_key = result_text(result, i, 2),
            .created_ms = result_int(result, i, 3),
            .revision = (uint64_t)result_int(result, i, 4),
        };

        r = decide_found_object(found->wanted, &row);
    }
    return r;
}

static int send_wanted(struct postgres *postgres, const struct decide *wanted)
{
    const char *const *ids = NULL, *const *idempotency = NULL;
    const struct store_pair *keys = NULL;
    struct rows rows[] = {
        {"SELECT id, kind, unique_key, created_ms, revision FROM objects WHERE id = ANY ($1)", "s",
         decide_wanted_ids(wanted, &ids), fill_string, NULL, 0},
        {"SELECT o.id, o.kind, o.unique_key, o.created_ms, o.revision"
         " FROM unnest($1::text[], $2::text[]) AS w (kind, unique_key)"
         " JOIN objects o ON o.kind = w.kind AND o.unique_key = w.unique_key",
         "ss", decide_wanted_keys(wanted, &keys), fill_pair, NULL, 0},
        {"SELECT key FROM idempotency WHERE key = ANY ($1)", "s",
         decide_wanted_idempotency(wanted, &idempotency), fill_string, NULL, 0},
    };
    int r = 0;

    rows[0].from = ids;
    rows[1].from = keys;
    rows[2].from = idempotency;
    /* A statement of its own: it sees what was committed before the clock was ours. */
    r = pipe_send(postgres,
                  "SELECT name, 0, 0 FROM settings WHERE name = '" STORE_MAINTENANCE
                  "' AND value <> ''",
                  NULL);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
        r = send_rows(postgres, &rows[i]);
    return r;
}

/* What was sent half cannot be taken back: the connection is given up. */
static int close_pipe(struct postgres *postgres, int r, pipe_rows_fn *rows, void *context)
{
    if (r < 0) {
        postgres_lost(postgres);
        return r;
    }
    return pipe_close(postgres, rows, context);
}

static int begin_once(struct postgres *postgres, struct decide *wanted, struct found *found)
{
    int r;

    r = postgres_ready(postgres);
    if (r == 0)
        r = pipe_open(postgres);
    if (r < 0)
        return r;
    r = pipe_send(postgres, "BEGIN", NULL);
    if (r == 0)
        r = pipe_send(postgres, "SELECT revision, compacted FROM clock FOR UPDATE", NULL);
    if (r == 0 && wanted)
        r = send_wanted(postgres, wanted);
    r = close_pipe(postgres, r, take_found, found);
    if (r < 0)
        postgres_rollback(postgres);
    return r;
}

int postgres_begin(struct store *store, struct decide *wanted, uint64_t *ret_revision)
{
    struct postgres *postgres = (struct postgres *)store;
    struct found found = {wanted, 0};
    bool was_connected = postgres->connection != NULL;
    int r;

    /* Nothing has been written: a server that was started again in between is no error. */
    r = begin_once(postgres, wanted, &found);
    if (r == -ECONNREFUSED && was_connected && !postgres->connection)
        r = begin_once(postgres, wanted, &found);
    if (r == 0)
        *ret_revision = found.revision;
    return r;
}

static void fill_put(const void *from, size_t i, struct params *params)
{
    const struct store_put *put = (const struct store_put *)from + i;
    const struct store_object *object = put->object;

    push(params, 0, object->id);
    push(params, 1, object->kind);
    push(params, 2, object->namespace);
    push(params, 3, object->unique_key);
    params_push_int(params, 4, put->created_ms);
    params_push_int(params, 5, object->updated_ms);
    params_push_int(params, 6, (int64_t)put->revision);
    params_push_text(params, 7, object->body, object->body_len);
}

/* NULL matches no row. */
static void fill_rekeyed(const void *from, size_t i, struct params *params)
{
    const struct store_put *put = (const struct store_put *)from + i;

    push(params, 0, put->rekeyed ? put->object->id : NULL);
}

static void fill_change(const void *from, size_t i, struct params *params)
{
    const struct store_change *change = (const struct store_change *)from + i;

    params_push_int(params, 0, (int64_t)change->revision);
    params_push_int(params, 1, (int64_t)change->seq);
    params_push_int(params, 2, (int64_t)change->type);
    push(params, 3, change->id);
    push(params, 4, change->kind);
}

static void fill_log(const void *from, size_t i, struct params *params)
{
    const struct store_log_entry *entry = (const struct store_log_entry *)from + i;

    push(params, 0, entry->object->id);
    push(params, 1, entry->object->namespace);
    params_push_int(params, 2, entry->object->created_ms);
    params_push_int(params, 3, (int64_t)entry->revision);
    params_push_text(params, 4, entry->object->body, entry->object->body_len);
}

static bool any_rekeyed(const struct store_effects *effects)
{
    for (size_t i = 0; i < effects->n_puts; i++)
        if (effects->puts[i].rekeyed)
            return true;
    return false;
}

static int send_effects(struct postgres *postgres, const struct store_effects *e)
{
    const struct rows rows[] = {
        {"DELETE FROM objects WHERE id = ANY ($1)", "s", e->n_deletes, fill_string, e->deletes, 0},
        {"UPDATE objects SET unique_key = NULL WHERE id = ANY ($1)", "s",
         any_rekeyed(e) ? e->n_puts : 0, fill_rekeyed, e->puts, 0},
        {"INSERT INTO objects (id, kind, namespace, unique_key, created_ms, updated_ms, revision,"
         " body) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int8[],"
         " $6::int8[], $7::int8[], $8::text[])"
         " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, namespace = excluded.namespace,"
         " unique_key = excluded.unique_key, created_ms = excluded.created_ms,"
         " updated_ms = excluded.updated_ms, revision = excluded.revision, body = excluded.body",
         "ssssiiis", e->n_puts, fill_put, e->puts, 0},
        {"INSERT INTO changes (revision, seq, type, id, kind, at_ms)"
         " SELECT *, $6::int8 FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::text[],"
         " $5::text[])",
         "iiiss", e->n_changes, fill_change, e->changes, e->now_ms},
        {"INSERT INTO log (id, namespace, created_ms, revision, body)"
         " SELECT a, b, c, d, e FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[],"
         " $5::text[]) WITH ORDINALITY AS u (a, b, c, d, e, n) ORDER BY n"
         " ON CONFLICT (id) DO NOTHING",
         "ssiis", e->n_log, fill_log, e->log, 0},
        {"INSERT INTO idempotency (key, answer, at_ms)"
         " SELECT *, $3::int8 FROM unnest($1::text[], $2::text[])",
         "ss", e->n_idempotency, fill_pair, e->idempotency, e->now_ms},
        {"INSERT INTO settings (name, value) SELECT * FROM unnest($1::text[], $2::text[])"
         " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
         "ss", e->n_settings, fill_pair, e->settings, 0},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++)
        r = send_rows(postgres, &rows[i]);
    return r;
}

static int send_clock(struct postgres *postgres, const struct store_effects *effects)
{
    _cleanup_params_ struct params clock = {0}, news = {0};
    char revision[32];
    int r;

    params_int(&clock, (int64_t)effects->revision);
    params_int(&clock, (int64_t)effects->compacted);
    r = pipe_send(postgres,
                  "UPDATE clock SET revision = $1::int8,"
                  " compacted = greatest(compacted, $2::int8)",
                  &clock);
    snprintf(revision, sizeof(revision), "%" PRIu64, effects->revision);
    params_text(&news, revision);
    if (r == 0)
        r = pipe_send(postgres, "SELECT pg_notify('" POSTGRES_CHANNEL "', $1::text)", &news);
    return r;
}

int postgres_write(struct store *store, const struct store_effects *effects, bool commit)
{
    struct postgres *postgres = (struct postgres *)store;
    int r;

    if (!postgres->connection)
        return -ECONNREFUSED;
    r = pipe_open(postgres);
    if (r < 0)
        return r;
    r = send_effects(postgres, effects);
    if (r == 0)
        r = send_clock(postgres, effects);
    if (r == 0 && commit)
        r = pipe_send(postgres, "COMMIT", NULL);
    r = close_pipe(postgres, r, NULL, NULL);
    if (r < 0)
        postgres_rollback(postgres);
    return r;
}

void postgres_undo(struct store *store)
{
    postgres_rollback((struct postgres *)store);
}

static uint64_t rows_of(PGresult *result)
{
    return strtoull(PQcmdTuples(result), NULL, 10);
}

int postgres_setting_put(struct store *store, const char *name, const char *value, bool only_new)
{
    struct postgres *postgres = (struct postgres *)store;
    _cleanup_params_ struct params params = {0};
    _cleanup_result_ PGresult *result = NULL;
    int r;

    params_text(&params, name);
    params_text(&params, value);
    r = postgres_ready(postgres);
    if (r == 0)
        r = postgres_query(postgres,
                           only_new ? "INSERT INTO settings (name, value) VALUES ($1, $2)"
                                      " ON CONFLICT (name) DO NOTHING"
                                    : "INSERT INTO settings (name, value) VALUES ($1, $2)"
                                      " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                           &params, &result);
    if (r == 0 && rows_of(result) == 0)
        r = store_fail(store, -EEXIST, "the setting %s is there already", name);
    return r;
}

/* A deletion with a bound and a limit, until it finds no more. */
static int remove_rows(struct postgres *postgres, const struct store_compaction *compaction,
                       const char *sql, int64_t bound, uint64_t *removed)
{
    uint64_t n = 0;
    int r;

    do {
        _cleanup_params_ struct params params = {0};
        _cleanup_result_ PGresult *result = NULL;

        params_int(&params, bound);
        params_int(&params, STORE_COMPACT_STEP);
        r = postgres_query(postgres, sql, &params, &result);
        if (r < 0)
            return r;
        n = rows_of(result);
        *removed += n;
    } while (n == STORE_COMPACT_STEP && store_compact_pause(compaction));
    return 0;
}

/* The first column of the one row that there may be. */
static int number(struct postgres *postgres, const char *sql, int64_t a, int64_t b,
                  int64_t otherwise, int64_t *ret_number)
{
    _cleanup_params_ struct params params = {0};
    _cleanup_result_ PGresult *result = NULL;
    int r;

    params_int(&params, a);
    params_int(&params, b);
    r = postgres_query(postgres, sql, &params, &result);
    if (r < 0)
        return r;
    *ret_number = PQntuples(result) > 0 ? result_int(result, 0, 0) : otherwise;
    return 0;
}

/* One step of at most about STORE_COMPACT_STEP rows (a transaction's stay together). */
static int remove_changes(struct postgres *postgres, int64_t kept, int64_t *ret_first,
                          uint64_t *removed)
{
    _cleanup_params_ struct params first = {0}, compacted = {0};
    _cleanup_result_ PGresult *result = NULL;
    int r;

    r = postgres_command(postgres, "BEGIN; SELECT revision FROM clock FOR UPDATE");
    if (r == 0)
        r = number(postgres,
                   "SELECT revision + 1 FROM changes WHERE revision < $1"
                   " ORDER BY revision, seq LIMIT 1 OFFSET $2",
                   kept, STORE_COMPACT_STEP, kept, ret_first);
    if (r == 0) {
        params_int(&first, *ret_first);
        r = postgres_query(postgres, "DELETE FROM changes WHERE revision < $1", &first, &result);
    }
    if (r == 0) {
        params_int(&compacted, *ret_first - 1);
        r = postgres_query(postgres, "UPDATE clock SET compacted = greatest(compacted, $1::int8)",
                           &compacted, NULL);
    }
    if (r == 0)
        r = postgres_command(postgres, "COMMIT");
    if (r < 0)
        postgres_rollback(postgres);
    else
        *removed += rows_of(result);
    return r;
}

static int compact_changes(struct postgres *postgres, struct store_compaction *compaction)
{
    _cleanup_result_ PGresult *clock = NULL;
    int64_t kept = 0, first = 0, next = 0;
    int r;

    r = postgres_query(postgres, "SELECT revision + 1 FROM clock", NULL, &clock);
    /* Only what is older than every change that stays: the clock of the wall may have jumped. What
     * came after the clock was read is above it. */
    next = r == 0 ? result_int(clock, 0, 0) : 0;
    if (r == 0 && compaction->changes_before_ms)
        r = number(postgres,
                   "SELECT revision FROM changes WHERE at_ms >= $1 AND revision >= $2"
                   " ORDER BY revision, seq LIMIT 1",
                   compaction->changes_before_ms, 0, next, &kept);
    if (compaction->changes_max)
        kept = MAX(kept, next - (int64_t)MIN(compaction->changes_max, (uint64_t)INT64_MAX));
    while (r == 0 && first < kept) {
        r = remove_changes(postgres, kept, &first, &compaction->changes_removed);
        if (!store_compact_pause(compaction))
            break;
    }
    return r;
}

/* Of at most `max` the oldest is from when? Later than *ms: then that takes its place. */
static int raise_bound(struct postgres *postgres, const char *sql, uint64_t max, int64_t *ms)
{
    int64_t oldest = 0;
    int r = max ? number(postgres, sql, (int64_t)max - 1, 1, 0, &oldest) : 0;

    *ms = MAX(*ms, oldest);
    return r;
}

static int compact_log(struct postgres *postgres, struct store_compaction *compaction)
{
    int64_t before_ms = compaction->log_before_ms;
    int r;

    r = raise_bound(postgres,
                    "SELECT created_ms FROM log ORDER BY created_ms DESC OFFSET $1 LIMIT $2",
                    compaction->log_entries_max, &before_ms);
    if (r == 0 && before_ms)
        r = remove_rows(postgres, compaction,
                        "DELETE FROM log WHERE number IN"
                        " (SELECT number FROM log WHERE created_ms < $1 LIMIT $2)",
                        before_ms, &compaction->log_removed);
    /* Those of the very millisecond of the bound. */
    if (r == 0 && compaction->log_entries_max)
        r = remove_rows(postgres, compaction,
                        "DELETE FROM log WHERE number IN (SELECT number FROM log"
                        " ORDER BY created_ms DESC, number DESC OFFSET $1 LIMIT $2)",
                        (int64_t)compaction->log_entries_max, &compaction->log_removed);
    return r;
}

static int compact_idempotency(struct postgres *postgres, struct store_compaction *compaction)
{
    int64_t before_ms = compaction->idempotency_before_ms;
    int r;

    r = raise_bound(postgres,
                    "SELECT at_ms FROM idempotency ORDER BY at_ms DESC OFFSET $1 LIMIT $2",
                    compaction->idempotency_max, &before_ms);
    if (r == 0 && before_ms)
        r = remove_rows(postgres, compaction,
                        "DELETE FROM idempotency WHERE key IN"
                        " (SELECT key FROM idempotency WHERE at_ms < $1 LIMIT $2)",
                        before_ms, &compaction->idempotency_removed);
    return r;
}

int postgres_compact(struct store *store, struct store_compaction *compaction)
{
    struct postgres *postgres = (struct postgres *)store;
    int r;

    r = postgres_ready(postgres);
    if (r == 0 && (compaction->changes_before_ms || compaction->changes_max))
        r = compact_changes(postgres, compaction);
    if (r == 0)
        r = compact_log(postgres, compaction);
    if (r == 0)
        r = compact_idempotency(postgres, compaction);
    return r;
}
