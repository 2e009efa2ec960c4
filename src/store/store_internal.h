/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What both databases do for store.c. A commit is the same for both:
 *
 *   begin()   locks the clock (one writer at a time, also among several Consoles), and looks up the
 *             objects, unique keys and idempotency keys that decide.h asks for
 *   decide    works out in memory which transactions fail, and the net effect of the others
 *   write()   puts the effect into the tables and commits, or rollback()
 *
 * so that ordinary conflicts raise no database errors, need no savepoints, and mean the same in
 * both. A batch costs PostgreSQL two round trips, however many transactions it has.
 */

#include "store/store.h"

#define STORE_LAYOUT 2 /* version of the tables */

struct decide;

/* One row of `objects` to be put or replaced. */
struct store_put {
    const struct store_object *object; /* created_ms and revision are those below */
    int64_t created_ms;
    uint64_t revision;
    bool rekeyed; /* its row is there under another unique key, which must go away first */
};

struct store_change {
    uint64_t revision, seq; /* seq: op within the transaction */
    enum store_op_type type;
    const char *id, *kind;
};

struct store_log_entry {
    const struct store_object *object;
    uint64_t revision;
};

struct store_pair {
    const char *name, *value;
};

/* What a commit does to the tables, in the order of the members. Strings are borrowed. */
struct store_effects {
    const char **deletes;
    struct store_put *puts;
    struct store_change *changes;
    struct store_log_entry *log;
    struct store_pair *idempotency, *settings;
    size_t n_deletes, n_puts, n_changes, n_log, n_idempotency, n_settings;
    uint64_t revision;  /* of the clock afterwards */
    uint64_t compacted; /* of the clock; 0: stays */
    int64_t now_ms;
};

/* One consistent read of everything; members may be NULL. Each returns < 0 to stop. */
struct store_dump {
    /* Totals, before the rest. */
    int (*begin)(void *context, uint64_t revision, uint64_t settings, uint64_t objects,
                 uint64_t log);
    int (*setting)(void *context, const struct store_pair *setting);
    store_visit_fn *object;
    store_visit_fn *log; /* oldest first */
};

struct store_backend {
    void (*close)(struct store *store);
    /* `wanted` may be NULL. On < 0 nothing is open. */
    int (*begin)(struct store *store, struct decide *wanted, uint64_t *ret_revision);
    /* With `commit` the transaction is over, however it ends; without, only when it returns < 0. */
    int (*write)(struct store *store, const struct store_effects *effects, bool commit);
    void (*rollback)(struct store *store);
    int (*dump)(struct store *store, const struct store_dump *dump, void *context,
                uint64_t *ret_revision);
    int (*changes)(struct store *store, uint64_t since, store_change_fn *visit, void *context,
                   uint64_t *ret_revision);
    int (*wait)(struct store *store, int timeout_ms);
    int (*idempotent)(struct store *store, const char *key, struct buf *ret_answer);
    int (*log_query)(struct store *store, const struct store_log_query *query,
                     store_visit_fn *visit, void *context, uint64_t *ret_total);
    int (*setting_get)(struct store *store, const char *name, struct buf *ret_value);
    int (*setting_put)(struct store *store, const char *name, const char *value, bool only_new);
    int (*compact)(struct store *store, struct store_compaction *compaction);
    int (*check)(struct store *store);
};

#define STORE_COMPACT_STEP 2000 /* rows that one transaction of a compaction removes */
#define STORE_COMPACT_PAUSE_MS 5
/* After each step: waits for a moment. @return false: stop */
bool store_compact_pause(const struct store_compaction *compaction);

/* First member of the backends' handles. */
struct store {
    const struct store_backend *backend;
    bool read_only;
    char problem[1024];
};

int store_sqlite_open(const char *path, const struct store_options *options, struct buf *problem,
                      struct store **ret);
int store_postgres_open(const char *uri, const struct store_options *options, struct buf *problem,
                        struct store **ret);
bool store_uri_is_postgres(const char *uri);

/* Keeps the text for store_problem(); returns `error`. */
int store_fail(struct store *store, int error, const char *format, ...) _printf_(3, 4);
int64_t store_now_ms(void);
/* What could never be stored: -EINVAL, -EFBIG. */
int store_check_op(const struct store_op *op);
/* The new name is durable only when the directory is. */
int store_sync_directory_of(const char *path);
