/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What grows in the database and nobody needs any more goes: by age and by number, an hour after
 * the last time, in a thread of libuv's with a handle of its own, so that neither the loop nor the
 * writer nor readers wait for it. Several Consoles do it alike, and find less to do.
 */

#include "console/console.h"
#include "store/store.h"

#define COMPACTION_CHANGES_HOURS 24
#define COMPACTION_CHANGES_MAX 2000000 /* revisions that a Console may lag behind */
#define COMPACTION_ANSWERS_HOURS 24
#define COMPACTION_ANSWERS_MAX 1000000

/* The bounds of an installation with these options, now. */
struct store_compaction compaction_bounds(const struct console_options *options);

struct compaction;
int compaction_new(struct console *console, struct compaction **ret);
/* Ends one that is under way after its present step, and waits for that. */
void compaction_free(struct compaction **compaction);
