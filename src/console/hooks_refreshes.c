/* SPDX-License-Identifier: Apache-2.0 */
#include "console/api_internal.h"
#include "console/events.h"
#include "console/push_internal.h"

/*
 * Refreshes: said once to Enforcers that are connected here, and to who listens on /events; never
 * stored. POST /enforcers/:id/enforcerrefreshes to one, POST /enforcerrefreshes to those that
 * `selector` selects in the namespace (and below it with `propagate`), POST
 * /processingunits/:id/processingunitrefreshes to the one that has the unit.
 */

#define LOG_SECONDS 60
#define LOG_SECONDS_MAX 86400

unsigned enforcer_log_seconds(const json_t *body)
{
    const char *text = json_string_value(json_object_get(body, "logLevelDuration"));
    int64_t ms = 0;

    if (!text || !schema_duration_parse(text, false, &ms) || ms < 1000)
        return LOG_SECONDS;
    return (unsigned)MIN(ms / 1000, (int64_t)LOG_SECONDS_MAX);
}

static void answer(struct api_call *call, const char *id, const char *namespace)
{
    json_t *more = json_pack("{s:s, s:s}", "ID", id, "namespace", namespace);
    json_t *complete = more ? schema_complete(call->kind, call->body, more, NULL) : NULL;
    struct api_error error = {0};

    json_decref(more);
    if (!complete) {
        api_error_result(&error, -ENOMEM, call->kind->name);
        api_fail(call, &error, NULL);
        return;
    }
    events_publish(call->console->events, call->kind, namespace, "create", complete);
    api_answer(call, 200, complete);
}

/* ---- Enforcers ---------------------------------------------------------------------------- */

struct refreshing {
    struct api_call *call;
    const json_t *selector; /* none: every one */
    size_t n, n_away;
};

static bool refresh_one(void *context, const struct object *enforcer)
{
    struct refreshing *refreshing = context;
    const struct api_call *call = refreshing->call;
    _cleanup_(json_decrefp) json_t *own = NULL;
    const json_t *from = call->body; /* where the log level is said */

    if (json_array_size(refreshing->selector) > 0 &&
        !json_expression_matches(refreshing->selector, &enforcer->tags))
        return true;
    if (!json_object_get(from, "logLevel")) {
        own = object_parse(enforcer);
        from = own;
    }
    refreshing->n++;
    if (push_refresh(call->console->push, enforcer->id,
                     json_string_value(json_object_get(from, "logLevel")),
                     enforcer_log_seconds(from), true) < 0)
        refreshing->n_away++;
    return true;
}

static void enforcers_handle(struct api_call *call)
{
    const struct object *enforcer = api_parent(call);
    struct refreshing refreshing = {.call = call};
    struct objects_query query = {
        .kind = schema_kind_find("enforcer"),
        .space = objects_space(call->console->objects, call->namespace),
        .recursive = json_is_true(json_object_get(call->body, "propagate")),
    };
    uint64_t total;

    if (enforcer) {
        refresh_one(&refreshing, enforcer);
    } else {
        refreshing.selector = json_object_get(call->body, "selector");
        objects_list(call->console->objects, &query, refresh_one, &refreshing, &total);
        if (refreshing.n == 0)
            api_warn(call, "selector: selects no Enforcer of %s now", call->namespace);
    }
    if (refreshing.n_away > 0)
        api_warn(call,
                 "%zu of %zu Enforcers have no connection to this Console now; they get everything "
                 "when they come back",
                 refreshing.n_away, refreshing.n);
    api_warn_no_effect(call, call->kind, call->body);
    answer(call, enforcer ? enforcer->id : "", call->namespace);
}

/* ---- Processing units --------------------------------------------------------------------- */

static void units_handle(struct api_call *call)
{
    const struct object *unit = api_parent(call);
    _cleanup_free_
    char *enforcer_id = object_text(unit, "enforcerID");

    if (!enforcer_id ||
        push_refresh(call->console->push, enforcer_id, NULL, 0,
                     json_is_true(json_object_get(call->body, "refreshPolicy"))) < 0)
        api_warn(call, "the unit's Enforcer has no connection to this Console now");
    api_warn_no_effect(call, call->kind, call->body);
    answer(call, unit->id, unit->space->name);
}

int hooks_refreshes(struct console *console)
{
    static const struct api_hooks all[] = {
        {.kind = "enforcerrefresh", .handle = enforcers_handle},
        {.kind = "processingunitrefresh", .handle = units_handle},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register(console, &all[i]);
    return r;
}
