/* SPDX-License-Identifier: Apache-2.0 */
#include "console/expired.h"

#include <stdlib.h>

#include "console/commit.h"
#include "console/objects.h"

#define SWEEP_MAX 1000 /* objects of one transaction */

struct sweeping {
    struct console *console;
    const char *kind; /* static */
    struct change_set *set;
    int64_t before_ms;
    int result;
};

static bool sweep_one(void *context, const struct object *object)
{
    struct sweeping *sweeping = context;

    if (object->updated_ms >= sweeping->before_ms)
        return true;
    sweeping->result = change_set_delete(sweeping->set, object);
    return sweeping->result == 0 && change_set_count(sweeping->set) < SWEEP_MAX;
}

static void sweep(struct console *console, const char *kind, int64_t before_ms);

static void swept(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct sweeping *sweeping = context;

    /* One that has changed meanwhile, or gone at another Console: the next hour is early enough. */
    if (result == 0 && !sweeping->console->stopping)
        sweep(sweeping->console, sweeping->kind, sweeping->before_ms);
    free(sweeping);
}

static void sweep(struct console *console, const char *kind, int64_t before_ms)
{
    const struct objects_query query = {
        .kind = schema_kind_find(kind),
        .space = objects_space(console->objects, "/"),
        .archived = true,
    };
    struct sweeping *sweeping = calloc(1, sizeof(*sweeping));
    uint64_t total;

    if (!sweeping)
        return;
    sweeping->console = console;
    sweeping->kind = kind;
    sweeping->before_ms = before_ms;
    sweeping->result = change_set_new(&sweeping->set);
    if (sweeping->result == 0)
        objects_list(console->objects, &query, sweep_one, sweeping, &total);
    if (sweeping->result < 0 || change_set_count(sweeping->set) == 0) {
        change_set_free(&sweeping->set);
        free(sweeping);
        return;
    }
    commit_submit(console->commit, &sweeping->set, swept, sweeping);
}

void expired_sweep(struct console *console, const char *kind, int64_t keep_ms)
{
    sweep(console, kind, console_now_ms() - keep_ms);
}
