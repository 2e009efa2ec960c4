/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "store/decide.h"
#include "store/sqlite/sqlite.h"

/* The row a statement of the SQLITE_FIND_… family found, told to `wanted`. */
static int tell_object(struct sqlite *sqlite, struct decide *wanted, sqlite3_stmt *find)
{
    _cleanup_sqlite_reset_ sqlite3_stmt *statement = find;
    struct store_object row = {0};
    int r;

    r = sqlite_step(sqlite, statement);
    if (r <= 0)
        return r;
    row.id = (const char *)sqlite3_column_text(statement, 0);
    row.kind = (const char *)sqlite3_column_text(statement, 1);
    row.unique_key = (const char *)sqlite3_column_text(statement, 2);
    row.created_ms = sqlite3_column_int64(statement, 3);
    row.revision = (uint64_t)sqlite3_column_int64(statement, 4);
    if (!row.id || !row.kind)
        return -ENOMEM;
    return decide_found_object(wanted, &row);
}

static int find_objects(struct sqlite *sqlite, struct decide *wanted)
{
    const char *const *ids = NULL;
    const struct store_pair *keys = NULL;
    sqlite3_stmt *find = NULL;
    size_t n;
    int r = 0;

    n = decide_wanted_ids(wanted, &ids);
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = sqlite_bind(sqlite, SQLITE_FIND_ID, &find, "s", ids[i]);
        if (r == 0)
            r = tell_object(sqlite, wanted, find);
    }
    n = decide_wanted_keys(wanted, &keys);
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = sqlite_bind(sqlite, SQLITE_FIND_KEY, &find, "ss", keys[i].name, keys[i].value);
        if (r == 0)
            r = tell_object(sqlite, wanted, find);
    }
    return r;
}

static int find_idempotency(struct sqlite *sqlite, struct decide *wanted)
{
    const char *const *keys = NULL;
    size_t n = decide_wanted_idempotency(wanted, &keys);
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        uint64_t one = 0;

        r = sqlite_number(sqlite, &one, SQLITE_FIND_IDEMPOTENCY, "s", keys[i]);
        if (r == 0)
            r = decide_found_idempotency(wanted, keys[i]);
        else if (r == -ENOENT)
            r = 0;
    }
    return r;
}

static int find_lock(struct sqlite *sqlite, struct decide *wanted)
{
    uint64_t one = 0;
    int r = sqlite_number(sqlite, &one, SQLITE_FIND_LOCK, "");

    if (r == 0)
        decide_found_lock(wanted);
    return r == -ENOENT ? 0 : r;
}

int sqlite_begin(struct store *store, struct decide *wanted, uint64_t *ret_revision)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    int r;

    r = sqlite_run(sqlite, SQLITE_BEGIN_WRITE, "");
    if (r < 0)
        return r;
    r = sqlite_number(sqlite, ret_revision, SQLITE_CLOCK, "");
    if (r == 0 && wanted)
        r = find_objects(sqlite, wanted);
    if (r == 0 && wanted)
        r = find_idempotency(sqlite, wanted);
    if (r == 0 && wanted)
        r = find_lock(sqlite, wanted);
    if (r < 0)
        sqlite_rollback(sqlite);
    return r;
}

static int put_objects(struct sqlite *sqlite, const struct store_effects *effects)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < effects->n_deletes; i++)
        r = sqlite_run(sqlite, SQLITE_DELETE_OBJECT, "s", effects->deletes[i]);
    for (size_t i = 0; r == 0 && i < effects->n_puts; i++)
        if (effects->puts[i].rekeyed)
            r = sqlite_run(sqlite, SQLITE_CLEAR_KEY, "s", effects->puts[i].object->id);
    for (size_t i = 0; r == 0 && i < effects->n_puts; i++) {
        const struct store_put *put = &effects->puts[i];
        const struct store_object *object = put->object;

        r = sqlite_run(sqlite, SQLITE_PUT_OBJECT, "ssssiiib", object->id, object->kind,
                       object->namespace, object->unique_key, put->created_ms, object->updated_ms,
                       (int64_t)put->revision, object->body, object->body_len);
    }
    return r;
}

static int put_changes(struct sqlite *sqlite, const struct store_effects *effects)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < effects->n_changes; i++) {
        const struct store_change *change = &effects->changes[i];

        r = sqlite_run(sqlite, SQLITE_PUT_CHANGE, "iiissi", (int64_t)change->revision,
                       (int64_t)change->seq, (int64_t)change->type, change->id, change->kind,
                       effects->now_ms);
    }
    return r;
}

static int put_rest(struct sqlite *sqlite, const struct store_effects *effects)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < effects->n_log; i++) {
        const struct store_object *entry = effects->log[i].object;

        r = sqlite_run(sqlite, SQLITE_PUT_LOG, "ssiib", entry->id, entry->namespace,
                       entry->created_ms, (int64_t)effects->log[i].revision, entry->body,
                       entry->body_len);
    }
    for (size_t i = 0; r == 0 && i < effects->n_idempotency; i++)
        r = sqlite_run(sqlite, SQLITE_PUT_IDEMPOTENCY, "ssi", effects->idempotency[i].name,
                       effects->idempotency[i].value, effects->now_ms);
    for (size_t i = 0; r == 0 && i < effects->n_settings; i++)
        r = sqlite_run(sqlite, SQLITE_PUT_SETTING, "ss", effects->settings[i].name,
                       effects->settings[i].value);
    if (r == 0)
        r = sqlite_run(sqlite, SQLITE_SET_CLOCK, "i", (int64_t)effects->revision);
    if (r == 0 && effects->compacted)
        r = sqlite_run(sqlite, SQLITE_SET_COMPACTED, "i", (int64_t)effects->compacted);
    return r;
}

int sqlite_write(struct store *store, const struct store_effects *effects, bool commit)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    int r;

    r = put_objects(sqlite, effects);
    if (r == 0)
        r = put_changes(sqlite, effects);
    if (r == 0)
        r = put_rest(sqlite, effects);
    if (r == 0 && commit)
        r = sqlite_run(sqlite, SQLITE_COMMIT_IT, "");
    if (r < 0)
        sqlite_rollback(sqlite);
    return r;
}

void sqlite_undo(struct store *store)
{
    sqlite_rollback((struct sqlite *)store);
}

int sqlite_setting_put(struct store *store, const char *name, const char *value, bool only_new)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    int r;

    r = sqlite_run(sqlite, only_new ? SQLITE_NEW_SETTING : SQLITE_PUT_SETTING, "ss", name, value);
    if (r < 0)
        return r;
    if (only_new && sqlite3_changes(sqlite->db) == 0)
        return store_fail(store, -EEXIST, "the setting %s is there already", name);
    return 0;
}

/* Runs a deletion of at most STORE_COMPACT_STEP rows until there are no more. */
static int remove_rows(struct sqlite *sqlite, const struct store_compaction *compaction,
                       enum sqlite_text text, int64_t bound, uint64_t *removed)
{
    int r, n;

    do {
        r = sqlite_run(sqlite, text, "ii", bound, (int64_t)STORE_COMPACT_STEP);
        n = r == 0 ? sqlite3_changes(sqlite->db) : 0;
        *removed += (uint64_t)n;
    } while (n == STORE_COMPACT_STEP && store_compact_pause(compaction));
    return r;
}

/* Of at most `max` the oldest is from when? Later than *ms: then that takes its place. */
static int raise_bound(struct sqlite *sqlite, enum sqlite_text text, uint64_t max, int64_t *ms)
{
    uint64_t oldest = 0;
    int r = max ? sqlite_number(sqlite, &oldest, text, "i", (int64_t)max - 1) : -ENOENT;

    if (r == 0)
        *ms = MAX(*ms, (int64_t)oldest);
    return r == -ENOENT ? 0 : r;
}

/* Removes changes of revisions below `kept`. Readers must see what is compacted at once with it. */
static int remove_changes(struct sqlite *sqlite, uint64_t kept, struct store_compaction *compaction)
{
    int r, n = 0;

    do {
        uint64_t first = kept;

        r = sqlite_run(sqlite, SQLITE_BEGIN_WRITE, "");
        if (r < 0)
            return r;
        r = sqlite_number(sqlite, &first, SQLITE_FIRST_CHANGE_PAST, "ii", (int64_t)kept,
                          (int64_t)STORE_COMPACT_STEP);
        if (r == -ENOENT)
            r = 0;
        if (r == 0)
            r = sqlite_run(sqlite, SQLITE_COMPACT_CHANGES, "i", (int64_t)first);
        n = r == 0 ? sqlite3_changes(sqlite->db) : 0;
        if (r == 0 && first > 0)
            r = sqlite_run(sqlite, SQLITE_SET_COMPACTED, "i", (int64_t)first - 1);
        if (r == 0)
            r = sqlite_run(sqlite, SQLITE_COMMIT_IT, "");
        if (r < 0) {
            sqlite_rollback(sqlite);
            return r;
        }
        compaction->changes_removed += (uint64_t)n;
        if (first >= kept)
            break;
    } while (store_compact_pause(compaction));
    return 0;
}

static int compact_changes(struct sqlite *sqlite, struct store_compaction *compaction)
{
    uint64_t clock = 0, kept = 0;
    int r;

    r = sqlite_number(sqlite, &clock, SQLITE_CLOCK, "");
    if (r < 0)
        return r;
    /* Only what is older than every change that stays: the clock of the wall may have jumped. What
     * came after the clock was read is above it. */
    if (compaction->changes_before_ms)
        r = sqlite_number(sqlite, &kept, SQLITE_FIRST_KEPT_CHANGE, "i",
                          compaction->changes_before_ms);
    if (r == -ENOENT) {
        kept = clock + 1;
        r = 0;
    }
    if (compaction->changes_max && clock > compaction->changes_max)
        kept = MAX(kept, clock + 1 - compaction->changes_max);
    return r < 0 ? r : remove_changes(sqlite, kept, compaction);
}

static int compact_log(struct sqlite *sqlite, struct store_compaction *compaction)
{
    int64_t before_ms = compaction->log_before_ms;
    int r;

    r = raise_bound(sqlite, SQLITE_NTH_LOG, compaction->log_entries_max, &before_ms);
    if (r == 0 && before_ms)
        r = remove_rows(sqlite, compaction, SQLITE_COMPACT_LOG_TIME, before_ms,
                        &compaction->log_removed);
    /* Those of the very millisecond of the bound. */
    if (r == 0 && compaction->log_entries_max)
        r = remove_rows(sqlite, compaction, SQLITE_COMPACT_LOG_COUNT,
                        (int64_t)compaction->log_entries_max, &compaction->log_removed);
    return r;
}

static int compact_idempotency(struct sqlite *sqlite, struct store_compaction *compaction)
{
    int64_t before_ms = compaction->idempotency_before_ms;
    int r;

    r = raise_bound(sqlite, SQLITE_NTH_IDEMPOTENCY, compaction->idempotency_max, &before_ms);
    if (r == 0 && before_ms)
        r = remove_rows(sqlite, compaction, SQLITE_COMPACT_IDEMPOTENCY, before_ms,
                        &compaction->idempotency_removed);
    return r;
}

int sqlite_compact(struct store *store, struct store_compaction *compaction)
{
    struct sqlite *sqlite = (struct sqlite *)store;
    int r = 0;

    if (compaction->changes_before_ms || compaction->changes_max)
        r = compact_changes(sqlite, compaction);
    if (r == 0)
        r = compact_log(sqlite, compaction);
    if (r == 0)
        r = compact_idempotency(sqlite, compaction);
    /* Back into the file what can be; another reader may be in the way, which is no error. */
    if (r == 0)
        sqlite3_wal_checkpoint_v2(sqlite->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return r;
}
