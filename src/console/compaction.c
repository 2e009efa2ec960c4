/* SPDX-License-Identifier: Apache-2.0 */
#include "console/compaction.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "console/auth.h"
#include "console/expired.h"
#include "console/logins.h"
#include "console/push_refreshes.h"

#define EVERY_MS (60 * 1000)
#define COMPACTION_TURNS 60      /* of these: every hour */
#define FIRST_MS (2 * 60 * 1000) /* a Console that is started every day has to do it as well */
#define HOUR_MS (3600 * 1000LL)
#define PROBLEM_BYTES_MAX 2048

struct compaction {
    struct console *console;
    uv_timer_t timer;
    uv_work_t work;
    struct store_compaction done;
    struct buf problem;
    atomic_bool stop;
    bool busy, closed;
    unsigned turn;
    int result;
};

struct store_compaction compaction_bounds(const struct console_options *options)
{
    int64_t now_ms = console_now_ms();

    return (struct store_compaction){
        .changes_before_ms = now_ms - COMPACTION_CHANGES_HOURS * HOUR_MS,
        .changes_max = COMPACTION_CHANGES_MAX,
        .log_before_ms = now_ms - options->keep_days * 24 * HOUR_MS,
        .log_entries_max = options->keep_activities,
        .idempotency_before_ms = now_ms - COMPACTION_ANSWERS_HOURS * HOUR_MS,
        .idempotency_max = COMPACTION_ANSWERS_MAX,
    };
}

static void work_on(uv_work_t *work)
{
    struct compaction *compaction = work->data;
    const struct store_options options = {0};
    _cleanup_store_ struct store *store = NULL;

    compaction->result =
        store_open(compaction->console->options->database, &options, &compaction->problem, &store);
    if (compaction->result < 0)
        return;
    compaction->done = compaction_bounds(compaction->console->options);
    compaction->done.stop = &compaction->stop;
    compaction->result = store_compact(store, &compaction->done);
    if (compaction->result < 0)
        buf_puts(&compaction->problem, store_problem(store));
}

static void worked(uv_work_t *work, int status)
{
    struct compaction *compaction = work->data;
    const struct store_compaction *done = &compaction->done;

    compaction->busy = false;
    if (status == 0 && compaction->result < 0)
        log_event(LOG_LEVEL_WARN, "database.not_compacted",
                  LOG_F("problem", "%s", compaction->problem.data ? compaction->problem.data : ""));
    else if (done->changes_removed || done->log_removed || done->idempotency_removed)
        log_event(LOG_LEVEL_INFO, "database.compacted",
                  LOG_F("changes", "%llu", (unsigned long long)done->changes_removed),
                  LOG_F("activities", "%llu", (unsigned long long)done->log_removed),
                  LOG_F("answers", "%llu", (unsigned long long)done->idempotency_removed));
    buf_free(&compaction->problem);
    compaction->problem = BUF_INIT(PROBLEM_BYTES_MAX);
}

/* Tests cannot wait for an hour. */
static uint64_t test_ms(void)
{
    const char *text = getenv("BULKHEAD_TEST_COMPACTION_MS");

    return text ? strtoull(text, NULL, 10) : 0;
}

static uint64_t interval_ms(uint64_t usual)
{
    uint64_t ms = test_ms();

    return ms ? ms : usual;
}

static void due(uv_timer_t *timer)
{
    struct compaction *compaction = timer->data;

    if (compaction->console->stopping)
        return;
    expired_sweep(compaction->console, REFRESH_KIND, (int64_t)interval_ms(REFRESH_KEEP_MS));
    if (compaction->turn++ % (test_ms() ? 1 : COMPACTION_TURNS) != 0)
        return;
    expired_sweep(compaction->console, LOGINS_KIND, (int64_t)interval_ms(LOGINS_KEEP_MS));
    expired_sweep(compaction->console, AUTH_REVOCATION_KIND,
                  (int64_t)interval_ms(AUTH_REVOCATION_KEEP_MS));
    if (compaction->busy)
        return;
    compaction->done = (struct store_compaction){0};
    compaction->busy =
        uv_queue_work(&compaction->console->loop, &compaction->work, work_on, worked) == 0;
}

int compaction_new(struct console *console, struct compaction **ret)
{
    struct compaction *compaction = calloc(1, sizeof(*compaction));
    int r;

    if (!compaction)
        return -ENOMEM;
    compaction->console = console;
    compaction->problem = BUF_INIT(PROBLEM_BYTES_MAX);
    compaction->timer.data = compaction->work.data = compaction;
    r = uv_timer_init(&console->loop, &compaction->timer);
    if (r < 0) {
        free(compaction);
        return r;
    }
    uv_timer_start(&compaction->timer, due, interval_ms(FIRST_MS), interval_ms(EVERY_MS));
    *ret = compaction;
    return 0;
}

static void closed(uv_handle_t *handle)
{
    ((struct compaction *)handle->data)->closed = true;
}

void compaction_free(struct compaction **compaction)
{
    struct compaction *old = *compaction;

    if (!old)
        return;
    *compaction = NULL;
    atomic_store(&old->stop, true);
    if (old->busy)
        uv_cancel((uv_req_t *)&old->work);
    uv_close((uv_handle_t *)&old->timer, closed);
    while (old->busy || !old->closed)
        uv_run(&old->console->loop, UV_RUN_ONCE);
    buf_free(&old->problem);
    free(old);
}
