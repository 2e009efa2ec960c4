/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Threads and what belongs to whom:
 *
 *   loop      submits requests, applies results and news to memory in order of revision, calls back
 *   writer    takes all requests that wait, store_commit(), hands them back
 *   reader    commit_read()
 *   follower  PostgreSQL only: store_wait(), store_changes(), hands over news and waits until the
 *             loop has taken them
 *
 * Order: with one Console revisions come without gaps. With several, a request whose revision is
 * not the next one waits (`held`) until the follower brings what lies between; what the follower
 * brings of our own requests is left out by its revision, or makes them done.
 */
#include "console/commit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "console/changeset.h"
#include "console/commit_internal.h"

#define FOLLOW_WAIT_MS 1000
#define PROBLEM_BYTES_MAX 2048

/* ---- Requests ----------------------------------------------------------------------------- */

static void append(struct commit_list *list, struct commit_request *request)
{
    request->next = NULL;
    if (list->last)
        list->last->next = request;
    else
        list->first = request;
    list->last = request;
    list->n++;
}

static struct commit_request *take(struct commit_list *list)
{
    struct commit_request *request = list->first;

    if (request) {
        list->first = request->next;
        if (!list->first)
            list->last = NULL;
        list->n--;
    }
    return request;
}

static void finish(struct commit_request *request)
{
    if (request->done)
        request->done(request->context, request->tx.result, request->tx.failed_op,
                      request->tx.revision);
    change_set_free(&request->set);
    free(request);
}

static void must_apply(struct commit *commit, uint64_t revision, const struct store_op *ops,
                       size_t n)
{
    int r = objects_apply(commit->objects, revision, ops, n);

    if (r == 0)
        return;
    /* Memory no longer is what the database says: only a new start makes that right. */
    log_event(LOG_LEVEL_ERROR, "commit.apply", LOG_F("error", "%s", error_text(r)));
    abort();
}

/* @return false: something of another Console lies between */
static bool settle(struct commit *commit, struct commit_request *request)
{
    uint64_t applied = objects_revision(commit->objects);

    if (request->tx.result == 0 && request->tx.revision > applied) {
        if (commit->following && request->tx.revision != applied + 1)
            return false;
        must_apply(commit, request->tx.revision, request->tx.ops, request->tx.n_ops);
    }
    finish(request);
    return true;
}

static void settle_held(struct commit *commit)
{
    while (commit->held.first) {
        struct commit_request *request = take(&commit->held);

        if (settle(commit, request))
            continue;
        request->next = commit->held.first;
        commit->held.first = request;
        if (!commit->held.last)
            commit->held.last = request;
        commit->held.n++;
        return;
    }
}

/* ---- In the loop -------------------------------------------------------------------------- */

static void on_async(uv_async_t *async)
{
    struct commit *commit = async->data;
    struct commit_list done;
    struct commit_reading *reading;
    struct commit_news *news;

    if (!commit)
        return;
    pthread_mutex_lock(&commit->lock);
    done = commit->done;
    commit->done = (struct commit_list){0};
    reading = commit->readings_done;
    commit->readings_done = NULL;
    news = commit->news;
    pthread_mutex_unlock(&commit->lock);
    for (struct commit_request *request; (request = take(&done));)
        if (commit->held.first && request->tx.result == 0)
            append(&commit->held, request);
        else if (!settle(commit, request))
            append(&commit->held, request);
    if (news)
        commit_news_apply(commit, news);
    settle_held(commit);
    pthread_mutex_lock(&commit->lock);
    commit->applied = objects_revision(commit->objects);
    if (news) {
        commit->news = NULL;
        pthread_cond_broadcast(&commit->taken);
    }
    pthread_mutex_unlock(&commit->lock);
    commit_news_free(&news);
    while (reading) {
        struct commit_reading *next = reading->next;

        reading->done(reading->context);
        free(reading);
        reading = next;
    }
}

static void hand_back(struct commit *commit, struct commit_request *request)
{
    pthread_mutex_lock(&commit->lock);
    append(&commit->done, request);
    pthread_mutex_unlock(&commit->lock);
    uv_async_send(commit->async);
}

void commit_objects_max_set(struct commit *commit, size_t max)
{
    commit->objects_max = max;
}

/* Those that wait are not counted: they are COMMIT_QUEUE_MAX at most, and a few imports. */
static bool is_too_many(const struct commit *commit, const struct change_set *set)
{
    size_t n = objects_count_all(commit->objects), max = commit->objects_max;

    if (max == 0)
        return false;
    if (!set->lockable)
        max += max / 100 * COMMIT_OWN_PERCENT;
    for (size_t i = 0; i < set->n; i++)
        n += set->ops[i].type == STORE_CREATE;
    return n > max && n > objects_count_all(commit->objects);
}

void commit_submit(struct commit *commit, struct change_set **set, commit_done_fn *done,
                   void *context)
{
    struct commit_request *request = calloc(1, sizeof(*request));
    int refused = is_too_many(commit, *set) ? -EDQUOT : 0;

    assert(request); /* nobody could be told */
    request->set = TAKE_PTR(*set);
    request->done = done;
    request->context = context;
    request->tx = (struct store_transaction){
        .ops = request->set->ops,
        .n_ops = request->set->n,
        .idempotency_key = request->set->idempotency_key,
        .idempotency_answer = request->set->idempotency_answer,
        .lockable = request->set->lockable,
    };
    pthread_mutex_lock(&commit->lock);
    if (commit->stopping || commit->state == COMMIT_GONE)
        refused = -ECONNREFUSED;
    else if (commit->queue.n >= COMMIT_QUEUE_MAX)
        refused = -EBUSY;
    else if (!refused) {
        append(&commit->queue, request);
        pthread_cond_signal(&commit->work);
    }
    pthread_mutex_unlock(&commit->lock);
    if (refused) {
        request->tx.result = refused;
        hand_back(commit, request);
    }
}

enum commit_state commit_state(const struct commit *commit)
{
    struct commit *open = (struct commit *)commit;
    enum commit_state state;

    pthread_mutex_lock(&open->lock);
    state = open->state;
    pthread_mutex_unlock(&open->lock);
    return state;
}

int64_t commit_last_us(const struct commit *commit)
{
    struct commit *open = (struct commit *)commit;
    int64_t last_us;

    pthread_mutex_lock(&open->lock);
    last_us = open->last_us;
    pthread_mutex_unlock(&open->lock);
    return last_us;
}

void commit_read(struct commit *commit, void (*work)(struct store *store, void *context),
                 void (*done)(void *context), void *context)
{
    struct commit_reading *reading = calloc(1, sizeof(*reading)), **at;

    assert(reading);
    *reading = (struct commit_reading){.work = work, .done = done, .context = context};
    pthread_mutex_lock(&commit->lock);
    for (at = &commit->readings; *at;)
        at = &(*at)->next;
    *at = reading;
    pthread_cond_signal(&commit->reads);
    pthread_mutex_unlock(&commit->lock);
}

/* ---- Writer ------------------------------------------------------------------------------- */

static void note_state(struct commit *commit, int result, int64_t began_us,
                       const struct store *store)
{
    int64_t took_us = (int64_t)(uv_hrtime() / 1000) - began_us;
    enum commit_state state = COMMIT_OK;

    if (result == -ENOSPC)
        state = COMMIT_DISK_FULL;
    else if (result < 0 && result != -EBUSY)
        state = COMMIT_GONE;
    pthread_mutex_lock(&commit->lock);
    commit->last_us = took_us;
    if (state != commit->state) {
        if (state == COMMIT_OK)
            log_event(LOG_LEVEL_INFO, "database.back",
                      LOG_F("revision", "%" PRIu64, commit->applied));
        else
            log_event(LOG_LEVEL_ERROR,
                      state == COMMIT_DISK_FULL ? "database.disk_full" : "database.gone",
                      LOG_F("problem", "%s", store_problem(store)));
    }
    commit->state = state;
    pthread_mutex_unlock(&commit->lock);
}

static void write_batch(struct commit *commit, struct store *store, struct commit_request **batch,
                        size_t n)
{
    struct store_transaction *transactions[STORE_BATCH_MAX];
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    int64_t began_us = (int64_t)(uv_hrtime() / 1000);
    int r;

    for (size_t i = 0; i < n; i++)
        transactions[i] = &batch[i]->tx;
    /* Perhaps an earlier one was committed although we were told that it failed. */
    r = commit->unsure ? commit_news_fetch(commit, store) : 0;
    if (r == 0) {
        commit->unsure = false;
        r = store_commit(store, transactions, n, &problem);
        if (r < 0 && !commit->following)
            commit->unsure = true;
    }
    for (size_t i = 0; r < 0 && i < n; i++)
        batch[i]->tx.result = r == -EROFS || r == -EIO ? -ECONNREFUSED : r;
    note_state(commit, r, began_us, store);
    pthread_mutex_lock(&commit->lock);
    for (size_t i = 0; i < n; i++)
        append(&commit->done, batch[i]);
    pthread_mutex_unlock(&commit->lock);
    uv_async_send(commit->async);
}

static void wait_ms(pthread_cond_t *condition, pthread_mutex_t *lock, unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(condition, lock, &until);
}

/* While something is wrong: does a small write work again? */
static void probe(struct commit *commit, struct store *store)
{
    int64_t began_us = (int64_t)(uv_hrtime() / 1000);
    int r = store_setting_put(store, "console.probe", "1", false);

    if (r == 0 && commit->unsure) {
        r = commit_news_fetch(commit, store);
        commit->unsure = r < 0;
    }
    note_state(commit, r, began_us, store);
}

static void *writer(void *context)
{
    struct commit *commit = context;
    struct commit_request *batch[STORE_BATCH_MAX];

    for (;;) {
        bool wrong;
        size_t n = 0;

        pthread_mutex_lock(&commit->lock);
        while (!commit->stopping && !commit->queue.first && commit->state == COMMIT_OK)
            pthread_cond_wait(&commit->work, &commit->lock);
        wrong = commit->state != COMMIT_OK;
        if (!commit->stopping && !commit->queue.first)
            wait_ms(&commit->work, &commit->lock, COMMIT_RETRY_MS);
        while (n < STORE_BATCH_MAX && commit->queue.first)
            batch[n++] = take(&commit->queue);
        if (n == 0 && commit->stopping) {
            pthread_mutex_unlock(&commit->lock);
            return NULL;
        }
        pthread_mutex_unlock(&commit->lock);
        if (n > 0)
            write_batch(commit, commit->store, batch, n);
        else if (wrong)
            probe(commit, commit->store);
    }
}

/* ---- Reader and follower ------------------------------------------------------------------ */

static void *reader(void *context)
{
    struct commit *commit = context;
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    const struct store_options options = {.read_only = true};
    _cleanup_store_ struct store *store = NULL;

    pthread_mutex_lock(&commit->lock);
    for (;;) {
        struct commit_reading *reading;

        while (!commit->stopping && !commit->readings)
            pthread_cond_wait(&commit->reads, &commit->lock);
        reading = commit->readings;
        if (!reading)
            break;
        commit->readings = reading->next;
        pthread_mutex_unlock(&commit->lock);
        if (!store && store_open(commit->uri, &options, &problem, &store) < 0)
            store = NULL;
        reading->work(store, reading->context);
        pthread_mutex_lock(&commit->lock);
        reading->next = commit->readings_done;
        commit->readings_done = reading;
        uv_async_send(commit->async);
    }
    pthread_mutex_unlock(&commit->lock);
    return NULL;
}

static void *follower(void *context)
{
    struct commit *commit = context;
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    const struct store_options options = {.read_only = true};
    _cleanup_store_ struct store *store = NULL;
    bool again = false;

    for (;;) {
        bool stopping;
        int r = 0;

        pthread_mutex_lock(&commit->lock);
        if (again && !commit->stopping)
            wait_ms(&commit->taken, &commit->lock, COMMIT_RETRY_MS);
        stopping = commit->stopping;
        pthread_mutex_unlock(&commit->lock);
        if (stopping)
            return NULL;
        if (!store)
            r = store_open(commit->uri, &options, &problem, &store);
        if (r == 0)
            r = store_wait(store, FOLLOW_WAIT_MS);
        if (r > 0 || (r == 0 && again))
            r = commit_news_fetch(commit, store);
        again = r < 0;
    }
}

/* ---- Start and end ------------------------------------------------------------------------ */

static int load_visit(void *context, const struct store_object *object)
{
    return objects_load(context, object);
}

static int start(struct commit *commit)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&commit->lock, NULL);
    pthread_cond_init(&commit->work, &attributes);
    pthread_cond_init(&commit->reads, &attributes);
    pthread_cond_init(&commit->taken, &attributes);
    pthread_condattr_destroy(&attributes);
    commit->started = true;
    if (uv_async_init(commit->loop, commit->async, on_async) < 0)
        return -EIO;
    commit->async->data = commit;
    commit->async_ready = true;
    if (pthread_create(&commit->writer, NULL, writer, commit) != 0)
        return -EAGAIN;
    commit->writing = true;
    if (pthread_create(&commit->reader, NULL, reader, commit) != 0)
        return -EAGAIN;
    commit->reading = true;
    if (commit->following && pthread_create(&commit->follower, NULL, follower, commit) != 0)
        return -EAGAIN;
    commit->follower_runs = commit->following;
    return 0;
}

int commit_new(uv_loop_t *loop, const char *uri, const struct store_options *options,
               struct objects *objects, struct buf *problem, struct commit **ret)
{
    struct commit *commit = calloc(1, sizeof(*commit));
    uint64_t revision = 0;
    int r;

    if (!commit)
        return -ENOMEM;
    commit->loop = loop;
    commit->objects = objects;
    commit->following = strstr(uri, "://") != NULL;
    commit->uri = strdup(uri);
    commit->async = calloc(1, sizeof(*commit->async));
    r = commit->uri && commit->async ? 0 : -ENOMEM;
    if (r == 0)
        r = store_open(uri, options, problem, &commit->store);
    if (r == 0) {
        r = store_load(commit->store, load_visit, objects, &revision);
        if (r < 0)
            buf_printf(problem, "%s: %s", uri, store_problem(commit->store));
    }
    if (r == 0)
        r = objects_apply(objects, revision, NULL, 0);
    commit->applied = revision;
    if (r == 0)
        r = start(commit);
    if (r < 0) {
        commit_free(&commit);
        return r;
    }
    *ret = commit;
    return 0;
}

static void async_closed(uv_handle_t *handle)
{
    free(handle);
}

static void stop_threads(struct commit *commit)
{
    pthread_mutex_lock(&commit->lock);
    commit->stopping = true;
    pthread_cond_broadcast(&commit->work);
    pthread_cond_broadcast(&commit->reads);
    pthread_cond_broadcast(&commit->taken);
    pthread_mutex_unlock(&commit->lock);
    if (commit->writing)
        pthread_join(commit->writer, NULL);
    if (commit->reading)
        pthread_join(commit->reader, NULL);
    if (commit->follower_runs)
        pthread_join(commit->follower, NULL);
}

void commit_free(struct commit **commit)
{
    struct commit *old = *commit;
    struct commit_request *request;

    if (!old)
        return;
    if (old->started)
        stop_threads(old);
    if (old->async_ready) {
        on_async(old->async); /* what is done, is told */
        while ((request = take(&old->held)))
            finish(request);
        old->async->data = NULL;
        uv_close((uv_handle_t *)old->async, async_closed);
    } else {
        free(old->async);
    }
    *commit = NULL;
    commit_news_free(&old->news);
    if (old->started) {
        pthread_mutex_destroy(&old->lock);
        pthread_cond_destroy(&old->work);
        pthread_cond_destroy(&old->reads);
        pthread_cond_destroy(&old->taken);
    }
    store_close(&old->store);
    free(old->uri);
    free(old);
}
