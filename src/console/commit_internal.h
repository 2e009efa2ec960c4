/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What commit.c and commit_news.c share. */

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>

#include "console/commit.h"

struct commit_request {
    struct commit_request *next;
    struct change_set *set;
    struct store_transaction tx;
    commit_done_fn *done;
    void *context;
};

struct commit_list {
    struct commit_request *first, *last;
    size_t n;
};

struct commit_reading {
    struct commit_reading *next;
    void (*work)(struct store *store, void *context);
    void (*done)(void *context);
    void *context;
};

/* Changes that somebody else committed, or that we do not know whether we did. */
struct commit_news {
    struct store_op *ops; /* own what they point to */
    size_t n, size;
    uint64_t revision;
    bool everything; /* all there is: what is not in it, is gone */
};

struct commit {
    /* of the loop's thread */
    uv_loop_t *loop;
    uv_async_t *async; /* lives on until the loop has closed it */
    struct objects *objects;
    struct commit_list held;
    size_t objects_max; /* 0: any number */
    /* of the writer's */
    struct store *store;
    bool unsure;
    /* constant */
    char *uri;
    bool following, started, async_ready, writing, reading, follower_runs;
    pthread_t writer, reader, follower;
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t work, reads, taken;
    struct commit_list queue, done;
    struct commit_reading *readings, *readings_done;
    struct commit_news *news;
    uint64_t applied; /* the revision that memory has */
    enum commit_state state;
    int64_t last_us; /* of the last transaction */
    bool stopping;
};

/* Fetch what is newer than `applied`, hand it to the loop, wait until it was taken. */
int commit_news_fetch(struct commit *commit, struct store *store);
void commit_news_apply(struct commit *commit, struct commit_news *news);
void commit_news_free(struct commit_news **news);
