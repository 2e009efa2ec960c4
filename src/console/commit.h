/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes on their way to the store: a thread of its own takes everything that waits, commits it in
 * one go (one fsync for many requests), and gives it back to the loop, where objects_apply() runs
 * and `done` is called. With PostgreSQL a second thread follows what other Consoles commit.
 */

#include "console/loop.h"

#include "console/objects.h"
#include "store/store.h"

#define COMMIT_QUEUE_MAX 20000
#define COMMIT_OWN_PERCENT 10 /* objects that the Console may make itself, beyond the maximum */
#define COMMIT_RETRY_MS 1000  /* database gone: try again */

struct commit;

/* One transaction under construction; owns copies of everything. */
struct change_set;
int change_set_new(struct change_set **ret);
void change_set_free(struct change_set **set);
#define _cleanup_change_set_ _cleanup_(change_set_free)
/* A new object; its id is made here and may be wanted in `ret_id`. `sparse` is not consumed. */
int change_set_create(struct change_set *set, const struct schema_kind *kind, const char *namespace,
                      const json_t *sparse, char ret_id[SCHEMA_ID_LEN + 1]);
/* The same with an ID made before: certificates and references name an object that is not there
 * yet.
 */
int change_set_make_id(char ret_id[SCHEMA_ID_LEN + 1]);
int change_set_create_as(struct change_set *set, const struct schema_kind *kind,
                         const char *namespace, const json_t *sparse, const char *id);
int change_set_update(struct change_set *set, const struct object *object, const json_t *sparse);
int change_set_delete(struct change_set *set, const struct object *object);
/* Another body for an object that the set itself creates; name and namespace stay. -ENOENT. */
int change_set_replace(struct change_set *set, const char *id, const json_t *sparse);
int change_set_log(struct change_set *set, const char *namespace, const json_t *activity);
int change_set_idempotency(struct change_set *set, const char *key, const char *answer);
/* Not while the database is locked for maintenance: -BULKHEAD_ELOCKED. */
void change_set_lockable(struct change_set *set);
size_t change_set_count(const struct change_set *set);
/* The op of the set that concerns this object or unique key last; NULL when none does. */
const struct store_op *change_set_find(const struct change_set *set, const char *id);
const struct store_op *change_set_find_unique(const struct change_set *set,
                                              const struct schema_kind *kind,
                                              const char *unique_key);
const struct store_op *change_set_at(const struct change_set *set, size_t i);

/*
 * result: as store_transaction.result, or of the whole commit: -ENOSPC → 507, -ECONNREFUSED → 503,
 * -EBUSY (queue full) → 503. Memory already has the change when this is called with 0.
 */
typedef void commit_done_fn(void *context, int result, size_t failed_op, uint64_t revision);
/* Consumes the set. `done` is called exactly once, from the loop, never from within. */
void commit_submit(struct commit *commit, struct change_set **set, commit_done_fn *done,
                   void *context);

enum commit_state { COMMIT_OK, COMMIT_DISK_FULL, COMMIT_GONE };
enum commit_state commit_state(const struct commit *commit);
/* How long the last transaction took, or the last try of one. */
int64_t commit_last_us(const struct commit *commit);

/* A blocking read of the store (activities, idempotency) in a thread: `work` there, `done` in the
 * loop. `store` is NULL while the database is gone. Both are called exactly once, unless the commit
 * is freed: then only `done`. */
void commit_read(struct commit *commit, void (*work)(struct store *store, void *context),
                 void (*done)(void *context), void *context);

int commit_new(uv_loop_t *loop, const char *uri, const struct store_options *options,
               struct objects *objects, struct buf *problem, struct commit **ret);
/* How many objects there may be: a set that would make more is refused (-EDQUOT). What the Console
 * does by itself (sets that are not lockable) may have COMMIT_OWN_PERCENT more. */
void commit_objects_max_set(struct commit *commit, size_t max);
/* Commits what waits, then stops the threads. */
void commit_free(struct commit **commit);
