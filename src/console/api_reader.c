/* SPDX-License-Identifier: Apache-2.0 */
#include "console/api_reader.h"

#include <errno.h>
#include <stdlib.h>

#include "console/api_internal.h"
#include "console/slices.h"
#include "console/tagtable.h"

struct reading {
    struct api_call *call;
    const struct api_reader *reader;
    void *context;
    struct objects_read *read; /* NULL: not begun */
    bool visited;
    bool begun;
    uint64_t own_ns; /* of the thread, not counted yet */
    size_t held;
};

static void reading_free(struct reading *reading)
{
    slices_hold(reading->call->console->slices, &reading->held, 0);
    objects_read_free(&reading->read);
    free(reading);
}

/* The answer may show objects, so the read ends after it. */
static void answer(struct reading *reading, int result)
{
    const struct api_reader *reader = reading->reader;
    void *context = reading->context;
    struct objects_read *read = TAKE_PTR(reading->read);

    reading_free(reading);
    reader->answer(context, result);
    reader->free(context);
    objects_read_free(&read);
}

static int begin(struct reading *reading)
{
    int r = objects_read_new(reading->call->console->objects, &reading->read);

    return r < 0 ? r : reading->reader->begin(reading->context, reading->read);
}

static int go_on(struct reading *reading, uint64_t until_ns)
{
    const struct api_reader *reader = reading->reader;
    int r = reading->read ? 0 : begin(reading);

    if (r == 0 && !reading->visited) {
        r = objects_read_step(reading->read, until_ns, &reader->visitor, reading->context);
        reading->visited = r == 1;
    }
    if (reading->visited && reader->finish && r >= 0)
        r = reader->finish(reading->context, until_ns);
    if (r >= 0 && reader->held &&
        !slices_hold(reading->call->console->slices, &reading->held,
                     reader->held(reading->context)))
        r = -ENOBUFS;
    return r;
}

static void count(struct reading *reading, uint64_t ns)
{
    reading->own_ns += ns;
    if (reading->own_ns < LIMITS_WORK_SHORT_MS * 1000000ull)
        return;
    api_charge(reading->call, reading->own_ns);
    reading->own_ns = 0;
}

static bool step(void *context, uint64_t until_ns)
{
    struct reading *reading = context;
    uint64_t begun = api_thread_ns();
    int r = go_on(reading, until_ns);

    if (reading->begun) /* the first slice counts as part of the request */
        count(reading, api_thread_ns() - begun);
    reading->begun = true;
    if (r == 0)
        return false;
    answer(reading, MIN(r, 0));
    return true;
}

static bool is_wanted(void *context)
{
    const struct reading *reading = context;

    return !http_exchange_gone(reading->call->exchange);
}

static void cancel(void *context)
{
    answer(context, -ECANCELED);
}

/* As limits count: by subject. */
static uint64_t number_of(const struct api_call *call)
{
    char key[LIMITS_KEY_MAX];

    if (!call->caller)
        return tag_table_hash(call->request->client);
    api_limits_key(call->caller, key);
    return tag_table_hash(key);
}

void api_read(struct api_call *call, const struct api_reader *reader, void *context)
{
    static const struct slice_work work = {step, is_wanted, cancel};
    struct reading *reading = calloc(1, sizeof(*reading));
    struct api_error error = {0};
    int r = reading ? 0 : -ENOMEM;

    if (r == 0) {
        *reading = (struct reading){.call = call, .reader = reader, .context = context};
        r = slices_run(call->console->slices, number_of(call), &work, reading);
    }
    if (r == 0)
        return;
    free(reading);
    if (r == -EAGAIN)
        api_error_set(&error, 429, "Too many requests",
                      "%d of your lists wait already; ask for one after the other",
                      SLICES_CALLER_MAX);
    else
        api_error_result(&error, r, call->kind->name);
    reader->free(context);
    api_fail(call, &error, NULL);
}
