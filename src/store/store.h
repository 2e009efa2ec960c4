/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the Console keeps its objects: SQLite (one file in the data directory, the default) or
 * PostgreSQL (several Consoles on one database). Blocking calls; the Console makes them in a thread
 * of their own. One handle belongs to one thread, and is not to be used from within a `visit`.
 *
 * After -ECONNREFUSED, -ENOSPC, -EROFS or -EBUSY the handle goes on to be good: the next call tries
 * anew, connects again if need be. What went wrong: store_problem().
 *
 * The revision is the clock of the whole system: one more for every committed transaction, in
 * commit order. Every object carries the revision that wrote it last; the `changes` table says for
 * every revision what changed, until it is compacted. A transaction that only logs counts, too.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define STORE_BODY_BYTES_MAX (16u << 20)
#define STORE_ID_BYTES_MAX 64
#define STORE_KIND_BYTES_MAX 64
#define STORE_NAMESPACE_BYTES_MAX 1024
#define STORE_KEY_BYTES_MAX 2400 /* an index entry of PostgreSQL holds 2,704 bytes */
#define STORE_BATCH_MAX 1024     /* transactions in one commit */
#define STORE_OPS_MAX 200000     /* in one transaction (an import) */
#define STORE_BUSY_MS 10000      /* waits so long for another process that is writing */

struct store;

struct store_object {
    const char *id;   /* SCHEMA_ID_LEN hexadecimal digits */
    const char *kind; /* schema_kind.name */
    const char *namespace;
    const char *unique_key; /* unique within the kind; NULL: none */
    const char *body;       /* sparse JSON */
    size_t body_len;
    int64_t created_ms, updated_ms; /* since the epoch, UTC; UPDATE keeps the old created_ms */
    uint64_t revision;              /* out */
};

enum store_op_type {
    STORE_CREATE,
    STORE_UPDATE, /* the whole new state; also of namespace and unique key */
    STORE_DELETE, /* only kind and id count */
    STORE_LOG,    /* an activity: id, namespace, created_ms, body; read back by store_log_query().
                     One whose id is there already is left out, without an error */
};

struct store_op {
    enum store_op_type type;
    struct store_object object;
    uint64_t expected_revision; /* UPDATE, DELETE: refused when it is another one; 0: any. What an
                                   op before it in the same transaction wrote is as expected */
};

/*
 * All of its ops or none. Those of a batch see what the ones before them did, in the order of the
 * array. When it is done the objects of its ops carry its revision.
 */
struct store_transaction {
    struct store_op *ops;
    size_t n_ops;
    const char *idempotency_key; /* NULL: none. Known already: result -EALREADY */
    const char *idempotency_answer;
    bool lockable; /* what people and programs ask for, and can wait: refused while locked */
    /* out */
    int result; /* 0; -BULKHEAD_ELOCKED; -EEXIST unique key or id taken; -ESTALE other revision;
                   -ENOENT gone; -EALREADY; never stored: -EFBIG body, -EINVAL something else too
                   long, missing or not UTF-8, -BULKHEAD_ETOOMANY ops */
    size_t failed_op;  /* index, when result is one of them but -EALREADY */
    uint64_t revision; /* when result is 0 */
};

struct store_options {
    bool read_only;
    bool create;                  /* make an empty database where there is none */
    const char *backup_directory; /* migrations put a copy here first (SQLite) */
};

/*
 * Makes the tables of this version out of those of an older one.
 * @param uri  a path of an SQLite file, or postgresql://… (postgres://…)
 * @param problem  text for the operator: what failed and the mend
 * @return 0; -ENOENT no file or no tables and not `create`; -EACCES; -ENOSPC; -ECONNREFUSED: server
 *         cannot be reached; -BULKHEAD_ELAYOUT: written by a newer version, or by an older one and
 *         read_only; -EIO: damaged, or not a database of Bulkhead
 */
int store_open(const char *uri, const struct store_options *options, struct buf *problem,
               struct store **ret);
void store_close(struct store **store);
#define _cleanup_store_ _cleanup_(store_close)

/* What the last call that failed found, and the mend, in words for the operator. Never NULL. */
const char *store_problem(const struct store *store);

/* Every object, in one consistent read, in no particular order. `visit` returns < 0 to stop; that
 * is returned. What it gets lives until it returns. Errors as store_commit(). */
typedef int store_visit_fn(void *context, const struct store_object *object);
int store_load(struct store *store, store_visit_fn *visit, void *context, uint64_t *ret_revision);

/*
 * Group commit: all transactions that do not fail by themselves are durable together when this
 * returns 0. On < 0 none of them is known to be (the connection broke at commit: they may be; the
 * caller looks with store_changes() or loads anew).
 * @return 0; -ENOSPC; -ECONNREFUSED: database gone, or stuck; -EBUSY: another process has been
 *         writing for STORE_BUSY_MS; -EROFS; -EIO: damaged; -BULKHEAD_ETOOMANY: n
 */
int store_commit(struct store *store, struct store_transaction *const *transactions, size_t n,
                 struct buf *problem);

/*
 * What was committed after `since`, by this Console and by others, in order of revision, within one
 * of the ops; each object in its newest state and where that was written. STORE_UPDATE may be the
 * first that is heard of an object, and one written twice in a transaction may come twice; deleted
 * ones: STORE_DELETE with id and kind, body NULL. Nothing is ever missed when the next call starts
 * at *ret_revision. -ESTALE: already compacted, or the database is another one: load anew.
 */
typedef int store_change_fn(void *context, enum store_op_type type,
                            const struct store_object *object);
int store_changes(struct store *store, uint64_t since, store_change_fn *visit, void *context,
                  uint64_t *ret_revision);
/* Wait until another process (or another handle of this one) may have committed. The first call,
 * and the first after the connection was lost, says 1 at once. 1 news, 0 timeout, -ENOTSUP
 * (SQLite), -ECONNREFUSED. */
int store_wait(struct store *store, int timeout_ms);

/* The answer that was stored with an idempotency key. -ENOENT. */
int store_idempotent(struct store *store, const char *key, struct buf *ret_answer);

/* Activities, newest first. ret_total: all that match, without offset and limit. */
struct store_log_query {
    const char *namespace;
    bool recursive;
    int64_t from_ms, to_ms; /* from <= time < to; 0: open */
    const char *id;         /* NULL: any */
    size_t offset, limit;   /* limit 0: all */
};
int store_log_query(struct store *store, const struct store_log_query *query, store_visit_fn *visit,
                    void *context, uint64_t *ret_total);

/* Small texts of the installation itself (fingerprint of its CA, …). -ENOENT. */
int store_setting_get(struct store *store, const char *name, struct buf *ret_value);
/* With `only_new`, -EEXIST when it is set already. */
int store_setting_put(struct store *store, const char *name, const char *value, bool only_new);

/*
 * The maintenance lock: a setting that every commit looks at, in the transaction that it is, so
 * that nobody has to be told and no Console remembers it. When this returns, no lockable
 * transaction is committed any more by anybody. store_setting_get() of STORE_MAINTENANCE says
 * whether it is on.
 * @param reason  for people; "" ends it
 */
#define STORE_MAINTENANCE "maintenance"
int store_lock(struct store *store, const char *reason);

/*
 * In small steps with pauses between, so that writers wait for none of them long. What is older
 * than …_before_ms goes, and the oldest of what is more than …_max (revisions; activities; answers,
 * of which some of one and the same millisecond may stay).
 */
struct store_compaction {
    int64_t changes_before_ms, log_before_ms, idempotency_before_ms; /* 0: keep */
    uint64_t changes_max, log_entries_max, idempotency_max;          /* 0: any number */
    const atomic_bool *stop; /* NULL, or ends it after the present step, without an error */
    /* out */
    uint64_t changes_removed, log_removed, idempotency_removed;
};
int store_compact(struct store *store, struct store_compaction *compaction);

/* Read everything and compare (SQLite: integrity check; PostgreSQL: reads all). 0 or -EIO. */
int store_check(struct store *store);

/*
 * A consistent copy of objects, settings and activities in one file while others write: JSON lines
 * with a header, and a count and SHA-256 at the end, the same for both databases
 * (docs/formats/database.md). Written beside, mode 0600, then renamed over `path`.
 * `progress` may be NULL.
 */
typedef void store_progress_fn(void *context, uint64_t done, uint64_t total);
int store_backup(struct store *store, const char *path, store_progress_fn *progress, void *context,
                 struct buf *problem);
/*
 * Into an empty or missing database only (-ENOTEMPTY), from a backup of either kind; all of it or
 * nothing. -EINVAL: the backup is damaged or cut off; `problem` says where.
 */
int store_restore(const char *uri, const char *path, store_progress_fn *progress, void *context,
                  struct buf *problem);
