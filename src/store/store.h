/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the Console keeps its objects: SQLite (one file in the data directory, the default) or
 * PostgreSQL (several Consoles on one database). Blocking calls; the Console makes them in a thread
 * of their own. One handle belongs to one thread.
 *
 * The revision is the clock of the whole system: one more for every committed transaction, in
 * commit order. Every object carries the revision that wrote it last; the `changes` table says for
 * every revision what changed, until it is compacted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define STORE_BODY_BYTES_MAX (16u << 20)
#define STORE_BATCH_MAX 1024 /* transactions in one commit */
#define STORE_OPS_MAX 200000 /* in one transaction (an import) */

struct store;

struct store_object {
    const char *id;   /* SCHEMA_ID_LEN hexadecimal digits */
    const char *kind; /* schema_kind.name */
    const char *namespace;
    const char *unique_key; /* unique within the kind; NULL: none */
    const char *body;       /* sparse JSON */
    size_t body_len;
    int64_t created_ms, updated_ms; /* since the epoch, UTC */
    uint64_t revision;              /* out */
};

enum store_op_type {
    STORE_CREATE,
    STORE_UPDATE,
    STORE_DELETE, /* only kind and id count */
    STORE_LOG,    /* an activity: id, namespace, created_ms, body; read back by store_log_query() */
};

struct store_op {
    enum store_op_type type;
    struct store_object object;
    uint64_t expected_revision; /* UPDATE, DELETE: refused when it is another one; 0: any */
};

/* All of its ops or none. */
struct store_transaction {
    struct store_op *ops;
    size_t n_ops;
    const char *idempotency_key; /* NULL: none. Known already: result -EALREADY */
    const char *idempotency_answer;
    /* out */
    int result;        /* 0; -EEXIST unique key or id taken; -ESTALE other revision; -ENOENT gone;
                          -EALREADY */
    size_t failed_op;  /* index, when result is one of them */
    uint64_t revision; /* when result is 0 */
};

struct store_options {
    bool read_only;
    bool create;                  /* make an empty database where there is none */
    const char *backup_directory; /* migrations put a copy here first (SQLite) */
};

/*
 * @param uri  a path of an SQLite file, or postgresql://…
 * @param problem  text for the operator: what failed and the mend
 * @return 0; -ENOENT; -EACCES; -ENOSPC; -ECONNREFUSED: server cannot be reached;
 *         -BULKHEAD_ELAYOUT: written by a newer version; -EIO
 */
int store_open(const char *uri, const struct store_options *options, struct buf *problem,
               struct store **ret);
void store_close(struct store **store);
#define _cleanup_store_ _cleanup_(store_close)

/* Every object, in one consistent read. `visit` returns < 0 to stop. */
typedef int store_visit_fn(void *context, const struct store_object *object);
int store_load(struct store *store, store_visit_fn *visit, void *context, uint64_t *ret_revision);

/*
 * Group commit: all transactions that do not fail by themselves are durable together when this
 * returns 0. On < 0 none of them is known to be (the connection broke at commit: they may be; the
 * caller reloads).
 * @return 0; -ENOSPC; -ECONNREFUSED: database gone; -EROFS; -EIO
 */
int store_commit(struct store *store, struct store_transaction *const *transactions, size_t n,
                 struct buf *problem);

/*
 * What others committed after `since`, in order of revision; the newest state of each object
 * (deleted ones: op STORE_DELETE, body NULL). -ESTALE: already compacted, load anew.
 */
typedef int store_change_fn(void *context, enum store_op_type type,
                            const struct store_object *object);
int store_changes(struct store *store, uint64_t since, store_change_fn *visit, void *context,
                  uint64_t *ret_revision);
/* Wait until another process may have committed. 1 news, 0 timeout, -ENOTSUP (SQLite),
 * -ECONNREFUSED. */
int store_wait(struct store *store, int timeout_ms);

/* The answer that was stored with an idempotency key. -ENOENT. */
int store_idempotent(struct store *store, const char *key, struct buf *ret_answer);

/* Activities, newest first. */
struct store_log_query {
    const char *namespace;
    bool recursive;
    int64_t from_ms, to_ms; /* 0: open */
    const char *id;         /* NULL: any */
    size_t offset, limit;
};
int store_log_query(struct store *store, const struct store_log_query *query, store_visit_fn *visit,
                    void *context, uint64_t *ret_total);

/* Small texts of the installation itself (fingerprint of its CA, …). -ENOENT. */
int store_setting_get(struct store *store, const char *name, struct buf *ret_value);
/* With `only_new`, -EEXIST when it is set already. */
int store_setting_put(struct store *store, const char *name, const char *value, bool only_new);

struct store_compaction {
    int64_t changes_before_ms, log_before_ms, idempotency_before_ms;
    uint64_t log_entries_max;
    /* out */
    uint64_t changes_removed, log_removed;
};
int store_compact(struct store *store, struct store_compaction *compaction);

/* A consistent copy in one file while others write (SQLite: a database; PostgreSQL: the objects and
 * log as JSON lines with a header). `progress` may be NULL. */
typedef void store_progress_fn(void *context, uint64_t done, uint64_t total);
int store_backup(struct store *store, const char *path, store_progress_fn *progress, void *context,
                 struct buf *problem);
/* Into an empty or missing database only, from a backup of either kind. */
int store_restore(const char *uri, const char *path, store_progress_fn *progress, void *context,
                  struct buf *problem);
