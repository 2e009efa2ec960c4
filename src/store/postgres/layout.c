/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "store/postgres/postgres.h"

#define MIGRATION_LOCK "4742348102117" /* any number; the same in every version */

/* As in sqlite/layout.c: step i makes layout i + 1, and is never changed once it was released.
 * Texts compare byte by byte, whatever the database's language. */
static const char *const steps[] = {
    "CREATE TABLE schema_version (one int PRIMARY KEY CHECK (one = 1), version bigint NOT NULL);"
    "INSERT INTO schema_version VALUES (1, 0);"
    "CREATE TABLE clock (one int PRIMARY KEY CHECK (one = 1), revision bigint NOT NULL,"
    " compacted bigint NOT NULL) WITH (fillfactor = 10);"
    "INSERT INTO clock VALUES (1, 0, 0);"
    "CREATE TABLE objects (id text COLLATE \"C\" PRIMARY KEY, kind text COLLATE \"C\" NOT NULL,"
    " namespace text COLLATE \"C\" NOT NULL, unique_key text COLLATE \"C\","
    " created_ms bigint NOT NULL, updated_ms bigint NOT NULL, revision bigint NOT NULL,"
    " body text NOT NULL);"
    "CREATE UNIQUE INDEX objects_by_key ON objects (kind, unique_key)"
    " WHERE unique_key IS NOT NULL;"
    "CREATE TABLE changes (revision bigint NOT NULL, seq bigint NOT NULL, type bigint NOT NULL,"
    " id text COLLATE \"C\" NOT NULL, kind text COLLATE \"C\" NOT NULL, at_ms bigint NOT NULL,"
    " PRIMARY KEY (revision, seq));"
    "CREATE TABLE settings (name text COLLATE \"C\" PRIMARY KEY, value text NOT NULL);",

    "CREATE TABLE log (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " id text COLLATE \"C\" NOT NULL UNIQUE, namespace text COLLATE \"C\" NOT NULL,"
    " created_ms bigint NOT NULL, revision bigint NOT NULL, body text NOT NULL);"
    "CREATE INDEX log_by_time ON log (created_ms, number);"
    "CREATE INDEX log_by_namespace ON log (namespace, created_ms, number);"
    "CREATE TABLE idempotency (key text COLLATE \"C\" PRIMARY KEY, answer text NOT NULL,"
    " at_ms bigint NOT NULL);"
    "CREATE INDEX idempotency_by_time ON idempotency (at_ms);",
};
static_assert(ARRAY_SIZE(steps) == STORE_LAYOUT, "a step for each layout");

int postgres_layout_version(struct postgres *postgres, int64_t *ret_version)
{
    _cleanup_result_ PGresult *there = NULL, *result = NULL;
    int r;

    r = postgres_query(postgres,
                       "SELECT count(*) FROM pg_catalog.pg_tables"
                       " WHERE schemaname = 'bulkhead' AND tablename = 'schema_version'",
                       NULL, &there);
    if (r < 0)
        return r;
    if (result_int(there, 0, 0) == 0) {
        *ret_version = 0;
        return 0;
    }
    r = postgres_query(postgres, "SELECT version FROM bulkhead.schema_version", NULL, &result);
    if (r < 0)
        return r;
    *ret_version = PQntuples(result) == 1 ? result_int(result, 0, 0) : 0;
    return 0;
}

static int check_version(struct postgres *postgres, const struct store_options *options,
                         int64_t version)
{
    struct store *store = &postgres->store;

    if (version > STORE_LAYOUT)
        return store_fail(
            store, -BULKHEAD_ELAYOUT,
            "the database has layout %lld, written by a newer version of Bulkhead; "
            "this one knows %d. Install the newer version, or restore a backup into a "
            "new database",
            (long long)version, STORE_LAYOUT);
    if (version == 0 && (!options->create || options->read_only))
        return store_fail(store, -ENOENT, "the database has no tables of Bulkhead");
    if (version < STORE_LAYOUT && options->read_only)
        return store_fail(store, -BULKHEAD_ELAYOUT,
                          "the database has layout %lld, of an older version of Bulkhead; start "
                          "the Console once to bring it to %d",
                          (long long)version, STORE_LAYOUT);
    return 0;
}

/* The administrator may have made the schema for a user who may not. */
static int make_schema(struct postgres *postgres)
{
    _cleanup_result_ PGresult *result = NULL;
    int r;

    r = postgres_query(postgres,
                       "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = 'bulkhead'",
                       NULL, &result);
    if (r < 0 || result_int(result, 0, 0) > 0)
        return r;
    return postgres_command(postgres, "CREATE SCHEMA bulkhead");
}

/* Copies of all tables beside them, in the same transaction: before_layout_2_objects … */
static int copy_first(struct postgres *postgres)
{
    char sql[640];

    snprintf(sql, sizeof(sql),
             "DO $$ DECLARE t text; BEGIN"
             " FOR t IN SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'bulkhead'"
             " AND tablename NOT LIKE 'before\\_layout\\_%%' LOOP"
             " EXECUTE format('DROP TABLE IF EXISTS bulkhead.%%I', 'before_layout_%d_' || t);"
             " EXECUTE format('CREATE TABLE bulkhead.%%I AS TABLE bulkhead.%%I',"
             " 'before_layout_%d_' || t, t);"
             " END LOOP; END $$",
             STORE_LAYOUT, STORE_LAYOUT);
    return postgres_command(postgres, sql);
}

static int take_steps(struct postgres *postgres, const struct store_options *options)
{
    int64_t version = 0;
    char sql[64];
    int r;

    r = postgres_command(postgres, "BEGIN; SET LOCAL statement_timeout = 0;"
                                   "SET LOCAL lock_timeout = 0;"
                                   "SELECT pg_advisory_xact_lock(" MIGRATION_LOCK ")");
    /* Another Console may have done it meanwhile. */
    if (r == 0)
        r = postgres_layout_version(postgres, &version);
    if (r == 0)
        r = check_version(postgres, options, version);
    if (r == 0 && version == 0)
        r = make_schema(postgres);
    if (r == 0 && version > 0 && version < STORE_LAYOUT)
        r = copy_first(postgres);
    for (; r == 0 && version < STORE_LAYOUT; version++)
        r = postgres_command(postgres, steps[version]);
    snprintf(sql, sizeof(sql), "UPDATE schema_version SET version = %d; COMMIT", STORE_LAYOUT);
    if (r == 0)
        r = postgres_command(postgres, sql);
    if (r < 0)
        postgres_rollback(postgres);
    return r;
}

int postgres_layout(struct postgres *postgres, const struct store_options *options)
{
    int64_t version = 0;
    int r, silence_ms = postgres->silence_ms;

    r = postgres_layout_version(postgres, &version);
    if (r == 0)
        r = check_version(postgres, options, version);
    if (r < 0 || version == STORE_LAYOUT)
        return r;
    postgres->silence_ms = POSTGRES_MIGRATION_MS;
    r = take_steps(postgres, options);
    postgres->silence_ms = silence_ms;
    return r;
}
