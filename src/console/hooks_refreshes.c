/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "console/api_internal.h"
#include "console/push_internal.h"
#include "console/push_refreshes.h"

/*
 * Refreshes: said once to Enforcers that are connected, to whichever Console, and to who listens on
 * /events (push_refreshes.h). POST /enforcers/:id/enforcerrefreshes to one, POST /enforcerrefreshes
 * to those that `selector` selects in the namespace (and below it with `propagate`), POST
 * /processingunits/:id/processingunitrefreshes to the one that has the unit.
 */

static void fail(struct api_call *call, int result)
{
    struct api_error error = {0};

    api_error_result(&error, result, call->kind->name);
    api_fail(call, &error, NULL);
}

static void answer(struct api_call *call, const json_t *request)
{
    _cleanup_change_set_ struct change_set *set = NULL;
    json_t *more = json_pack("{s:O, s:O}", "ID", json_object_get(request, "target"), "namespace",
                             json_object_get(request, "at"));
    json_t *complete = more ? schema_complete(call->kind, call->body, more, NULL) : NULL;
    int r = complete ? change_set_new(&set) : -ENOMEM;

    json_decref(more);
    if (r == 0)
        r = change_set_create(set, schema_kind_find(REFRESH_KIND), "/", request, NULL);
    if (r < 0) {
        json_decref(complete);
        fail(call, r);
        return;
    }
    api_commit(call, &set, 200, complete);
}

/* target: ID of the object that it was asked for at, or "". New reference, NULL on ENOMEM. */
static json_t *request_of(const struct api_call *call, const char *target, const char *namespace,
                          const char *enforcer_id)
{
    json_t *request = json_pack("{s:s, s:s, s:s, s:O}", "kind", call->kind->name, "target", target,
                                "at", namespace, "body", call->body);

    if (request && enforcer_id &&
        json_object_set_new(request, "enforcerID", json_string(enforcer_id)) < 0) {
        json_decref(request);
        return NULL;
    }
    return request;
}

/* ---- Enforcers ---------------------------------------------------------------------------- */

struct counting {
    struct console *console;
    size_t n, n_away;
};

static bool count_one(void *context, const struct object *enforcer)
{
    struct counting *counting = context;
    _cleanup_free_
    char *state = NULL;

    counting->n++;
    if (session_find(counting->console->push, enforcer->id))
        return true;
    state = object_text(enforcer, "operationalStatus"); /* what another Console says of it */
    counting->n_away += !(state && strcmp(state, "Connected") == 0);
    return true;
}

static void enforcers_handle(struct api_call *call)
{
    const struct object *enforcer = api_parent(call);
    struct counting counting = {.console = call->console};
    json_t *request = request_of(call, enforcer ? enforcer->id : "",
                                 enforcer ? enforcer->space->name : call->namespace,
                                 enforcer ? enforcer->id : NULL);

    if (!request) {
        fail(call, -ENOMEM);
        return;
    }
    refresh_each(call->console->objects, request, count_one, &counting);
    if (counting.n == 0)
        api_warn(call, "selector: selects no Enforcer of %s now", call->namespace);
    if (counting.n_away > 0)
        api_warn(call,
                 "%zu of %zu Enforcers have no connection now; they get everything when they come "
                 "back",
                 counting.n_away, counting.n);
    api_warn_no_effect(call, call->kind, call->body);
    answer(call, request);
    json_decref(request);
}

/* ---- Processing units --------------------------------------------------------------------- */

static void units_handle(struct api_call *call)
{
    const struct object *unit = api_parent(call), *enforcer;
    struct counting counting = {.console = call->console};
    _cleanup_free_
    char *enforcer_id = object_text(unit, "enforcerID");
    json_t *request = request_of(call, unit->id, unit->space->name, enforcer_id ? enforcer_id : "");

    if (!request) {
        fail(call, -ENOMEM);
        return;
    }
    enforcer = enforcer_id ? objects_find(call->console->objects, enforcer_id) : NULL;
    if (enforcer)
        count_one(&counting, enforcer);
    if (counting.n == counting.n_away)
        api_warn(call, "the unit's Enforcer has no connection now");
    api_warn_no_effect(call, call->kind, call->body);
    answer(call, request);
    json_decref(request);
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
