/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which transactions of a batch fail, and what the others do to the tables: pure, no database. The
 * transactions must live as long as the struct; so must nothing else.
 *
 *   decide_new()        collects what must be known of the database
 *   decide_wanted_…()   says it, for the backend to look up
 *   decide_found_…()    takes what there is; not told: it is not there
 *   decide_run()        sets result, failed_op, revision; collects the effects
 */

#include "store/store_internal.h"

int decide_new(struct store_transaction *const *transactions, size_t n, struct decide **ret);
void decide_free(struct decide **decide);
#define _cleanup_decide_ _cleanup_(decide_free)

/* Ids of objects; (kind, unique key); idempotency keys. Valid until the next decide_found_…(). */
size_t decide_wanted_ids(const struct decide *decide, const char *const **ret_ids);
size_t decide_wanted_keys(const struct decide *decide, const struct store_pair **ret_kind_key);
size_t decide_wanted_idempotency(const struct decide *decide, const char *const **ret_keys);

/* `row`: id, kind, unique_key, created_ms, revision. The same row may be told twice. */
int decide_found_object(struct decide *decide, const struct store_object *row);
int decide_found_idempotency(struct decide *decide, const char *key);
void decide_found_lock(struct decide *decide); /* the maintenance lock is on */

/* @param revision of the clock before the batch
 * @return 0, or -ENOMEM with nothing changed that matters */
int decide_run(struct decide *decide, uint64_t revision, int64_t now_ms,
               const struct store_effects **ret_effects);
/* After the commit: writes the revisions into the objects of the ops. */
void decide_publish(struct decide *decide);
