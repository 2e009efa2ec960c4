/* SPDX-License-Identifier: Apache-2.0 */
#include "console/orphans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "console/commit.h"
#include "console/console.h"
#include "console/objects_internal.h"

#define TRIES_MAX 10

/* One at a time for a namespace: two would take the same objects away. */
struct sweep {
    struct orphans *orphans;
    struct sweep *next;
    char *namespace;
    unsigned tries;
    bool again; /* there is more since it began */
};

struct orphans {
    struct console *console;
    struct sweep *sweeps;
};

static void sweep_free(struct sweep *sweep)
{
    struct sweep **at = &sweep->orphans->sweeps;

    while (*at && *at != sweep)
        at = &(*at)->next;
    if (*at)
        *at = sweep->next;
    free(sweep->namespace);
    free(sweep);
}

struct finding {
    struct change_set *set;
    int result;
};

static bool take(void *context, const struct object *object)
{
    struct finding *finding = context;

    finding->result = change_set_delete(finding->set, object);
    return finding->result == 0;
}

/* What is in a namespace that is gone, as much as a set holds. */
static int find(struct sweep *sweep, struct change_set *set)
{
    const struct objects *objects = sweep->orphans->console->objects;
    /* objects_space() knows only namespaces that are there. */
    const struct space_entry *entry = objects_space_find(objects, sweep->namespace);
    const struct space *space = entry ? &entry->public : NULL;
    struct finding finding = {.set = set};
    size_t n;
    const struct schema_kind *const *kinds = schema_kinds(&n);

    if (!space || space->object)
        return 0;
    for (size_t i = 0; i < n && finding.result == 0; i++)
        if (kinds[i]->stored)
            objects_in_space(objects, space, kinds[i], take, &finding);
    if (finding.result != -BULKHEAD_ETOOMANY || change_set_count(set) == 0)
        return finding.result;
    sweep->again = true;
    return 0;
}

static void failed(const struct sweep *sweep, int result)
{
    log_event(LOG_LEVEL_ERROR, "orphans.left", LOG_F("namespace", "%s", sweep->namespace),
              LOG_F("problem", "%s", error_text(result)));
}

static void run(struct sweep *sweep);

static void swept(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct sweep *sweep = context;

    sweep->tries = result < 0 ? sweep->tries + 1 : 0;
    if ((sweep->again || result < 0) && sweep->tries < TRIES_MAX &&
        !sweep->orphans->console->stopping) {
        run(sweep);
        return;
    }
    if (result < 0)
        failed(sweep, result);
    sweep_free(sweep);
}

static void run(struct sweep *sweep)
{
    _cleanup_change_set_ struct change_set *set = NULL;
    int r = change_set_new(&set);

    sweep->again = false;
    if (r == 0)
        r = find(sweep, set);
    if (r < 0)
        failed(sweep, r);
    if (r < 0 || change_set_count(set) == 0) {
        sweep_free(sweep);
        return;
    }
    log_event(LOG_LEVEL_WARN, "orphans.deleted", LOG_F("namespace", "%s", sweep->namespace),
              LOG_F("objects", "%zu", change_set_count(set)));
    commit_submit(sweep->orphans->console->commit, &set, swept, sweep);
}

static void start(struct orphans *orphans, const char *namespace)
{
    struct sweep *sweep = orphans->sweeps;

    while (sweep && strcmp(sweep->namespace, namespace) != 0)
        sweep = sweep->next;
    if (sweep) {
        sweep->again = true;
        return;
    }
    sweep = calloc(1, sizeof(*sweep));
    if (!sweep)
        return;
    sweep->orphans = orphans;
    sweep->namespace = strdup(namespace);
    if (!sweep->namespace) {
        free(sweep);
        return;
    }
    sweep->next = orphans->sweeps;
    orphans->sweeps = sweep;
    run(sweep);
}

static void observe(void *context, uint64_t revision, const struct object_change *changes, size_t n)
{
    struct orphans *orphans = context;

    for (size_t i = 0; i < n && !orphans->console->stopping; i++) {
        const struct object *before = changes[i].before, *after = changes[i].after;

        if (!after && strcmp(before->kind->name, "namespace") == 0)
            start(orphans, before->name);
        if (after && after->space->parent && !after->space->object)
            start(orphans, after->space->name);
    }
}

static bool has_objects(const struct space_entry *space)
{
    for (size_t i = 0; i < space->n_buckets; i++)
        if (space->buckets[i].list.n > 0)
            return true;
    return false;
}

static bool is_left(const struct space_entry *space)
{
    return space->public.parent && !space->public.object && has_objects(space);
}

bool orphans_in(struct console *console, const char *namespace)
{
    const struct space_entry *space = objects_space_find(console->objects, namespace);

    if (!space || !is_left(space))
        return false;
    if (console->orphans) /* should it have given up */
        start(console->orphans, namespace);
    return true;
}

/* What a Console had not yet taken away when it was killed. */
static void sweep_all(struct orphans *orphans)
{
    const struct objects *objects = orphans->console->objects;

    for (size_t i = 0; i < objects->n_space_heads; i++)
        for (const struct space_entry *at = objects->spaces[i]; at; at = at->next)
            if (is_left(at))
                start(orphans, at->name);
}

int orphans_new(struct console *console, struct orphans **ret)
{
    struct orphans *orphans = calloc(1, sizeof(*orphans));
    int r;

    if (!orphans)
        return -ENOMEM;
    orphans->console = console;
    r = objects_observe(console->objects, observe, orphans);
    if (r < 0) {
        free(orphans);
        return r;
    }
    sweep_all(orphans);
    *ret = orphans;
    return 0;
}

void orphans_free(struct orphans **orphans)
{
    free(*orphans);
    *orphans = NULL;
}
