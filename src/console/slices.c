/* SPDX-License-Identifier: Apache-2.0 */
#include "console/slices.h"

#include <errno.h>
#include <stdlib.h>

#define MS 1000000ull

struct job {
    struct job *next;
    const struct slice_work *work;
    void *context;
    bool begun;
};

/* One with works under way; the first of them is the one that has begun, if any has. */
struct waiter {
    struct waiter *next;
    uint64_t caller;
    struct job *first, **end;
    size_t n;
};

struct slices {
    uv_idle_t idle; /* runs while there is work: then the loop does not wait */
    uv_check_t check;
    unsigned handles;
    uint64_t spent_ns; /* in this turn */
    struct waiter *first, **end;
    size_t held;
    struct slices_counters counters;
};

/* ---- Queues -------------------------------------------------------------------------------- */

static struct waiter *find(const struct slices *slices, uint64_t caller)
{
    struct waiter *waiter = slices->first;

    while (waiter && waiter->caller != caller)
        waiter = waiter->next;
    return waiter;
}

static void put_last(struct slices *slices, struct waiter *waiter)
{
    waiter->next = NULL;
    *slices->end = waiter;
    slices->end = &waiter->next;
}

static struct waiter *take_first(struct slices *slices)
{
    struct waiter *waiter = slices->first;

    slices->first = waiter->next;
    if (!slices->first)
        slices->end = &slices->first;
    return waiter;
}

static struct waiter *find_or_make(struct slices *slices, uint64_t caller)
{
    struct waiter *waiter = find(slices, caller);

    if (waiter)
        return waiter;
    waiter = calloc(1, sizeof(*waiter));
    if (!waiter)
        return NULL;
    waiter->caller = caller;
    waiter->end = &waiter->first;
    put_last(slices, waiter);
    return waiter;
}

static void end_job(struct slices *slices, struct waiter *waiter)
{
    struct job *job = waiter->first;

    waiter->first = job->next;
    if (!waiter->first)
        waiter->end = &waiter->first;
    waiter->n--;
    slices->counters.begun_now -= job->begun;
    slices->counters.waiting_now--;
    free(job);
}

/* ---- Slices -------------------------------------------------------------------------------- */

static bool step(struct slices *slices, const struct slice_work *work, void *context)
{
    uint64_t begun = uv_hrtime();
    bool over = work->step(context, begun + SLICES_MS * MS);

    slices->spent_ns += uv_hrtime() - begun;
    slices->counters.slices++;
    return over;
}

/* The first work of a caller: a slice of it. */
static void serve(struct slices *slices, struct waiter *waiter)
{
    struct job *job = waiter->first;

    if (!job->work->is_wanted(job->context)) {
        slices->counters.cancelled++;
        job->work->cancel(job->context);
        end_job(slices, waiter);
        return;
    }
    if (!job->begun)
        slices->counters.begun_now++;
    job->begun = true;
    if (step(slices, job->work, job->context))
        end_job(slices, waiter);
}

static void on_idle(uv_idle_t *handle)
{
    struct slices *slices = handle->data;
    size_t skipped = 0;

    slices->counters.turns++;
    while (slices->first && slices->spent_ns < SLICES_TURN_MS * MS) {
        struct waiter *waiter = take_first(slices);

        if (waiter->first->begun || slices->counters.begun_now < SLICES_BEGUN_MAX) {
            serve(slices, waiter);
            skipped = 0;
        } else {
            skipped++;
        }
        if (waiter->n)
            put_last(slices, waiter);
        else
            free(waiter);
        /* Some that have begun are among those who wait, so this cannot be all of them. */
        assert(skipped <= SLICES_WAITING_MAX);
    }
    if (!slices->first)
        uv_idle_stop(&slices->idle);
}

static void on_check(uv_check_t *handle)
{
    struct slices *slices = handle->data;

    slices->spent_ns = 0;
}

static int enqueue(struct slices *slices, uint64_t caller, const struct slice_work *work,
                   void *context, bool begun)
{
    struct job *job = calloc(1, sizeof(*job));
    struct waiter *waiter = job ? find_or_make(slices, caller) : NULL;

    if (!waiter) {
        free(job);
        return -ENOMEM;
    }
    *job = (struct job){.work = work, .context = context, .begun = begun};
    *waiter->end = job;
    waiter->end = &job->next;
    waiter->n++;
    slices->counters.begun_now += begun;
    slices->counters.waiting_now++;
    uv_idle_start(&slices->idle, on_idle);
    return 0;
}

int slices_run(struct slices *slices, uint64_t caller, const struct slice_work *work, void *context)
{
    const struct waiter *waiter = find(slices, caller);
    bool at_once = !waiter && slices->spent_ns < SLICES_TURN_MS * MS &&
                   slices->counters.begun_now < SLICES_BEGUN_MAX;
    int r = 0;

    if (waiter && waiter->n >= SLICES_CALLER_MAX)
        r = -EAGAIN;
    else if (slices->counters.waiting_now >= SLICES_WAITING_MAX)
        r = -ENOBUFS;
    if (r < 0) {
        slices->counters.refused++;
        return r;
    }
    if (at_once && step(slices, work, context))
        return 0;
    r = enqueue(slices, caller, work, context, at_once);
    if (r < 0 && at_once) {
        work->cancel(context);
        return 0;
    }
    return r;
}

bool slices_hold(struct slices *slices, size_t *held, size_t bytes)
{
    slices->held = slices->held - *held + bytes;
    *held = bytes;
    return slices->held <= SLICES_HELD_BYTES_MAX;
}

const struct slices_counters *slices_counters(const struct slices *slices)
{
    return &slices->counters;
}

/* ---- Life ---------------------------------------------------------------------------------- */

int slices_new(uv_loop_t *loop, struct slices **ret)
{
    struct slices *slices = calloc(1, sizeof(*slices));

    if (!slices)
        return -ENOMEM;
    slices->end = &slices->first;
    uv_idle_init(loop, &slices->idle);
    uv_check_init(loop, &slices->check);
    slices->idle.data = slices->check.data = slices;
    slices->handles = 2;
    uv_check_start(&slices->check, on_check);
    uv_unref((uv_handle_t *)&slices->check);
    *ret = slices;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct slices *slices = handle->data;

    if (--slices->handles == 0)
        free(slices);
}

void slices_free(struct slices **slices)
{
    struct slices *old = *slices;

    if (!old)
        return;
    *slices = NULL;
    while (old->first) {
        struct waiter *waiter = take_first(old);

        while (waiter->n) {
            old->counters.cancelled++;
            waiter->first->work->cancel(waiter->first->context);
            end_job(old, waiter);
        }
        free(waiter);
    }
    uv_close((uv_handle_t *)&old->idle, on_closed);
    uv_close((uv_handle_t *)&old->check, on_closed);
}
