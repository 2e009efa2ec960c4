/* SPDX-License-Identifier: Apache-2.0 */
#include "console/push_refreshes.h"

#include <errno.h>
#include <string.h>

#include "console/events.h"
#include "console/push_internal.h"

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

static const char *text_in(const json_t *object, const char *attribute)
{
    const char *text = json_string_value(json_object_get(object, attribute));

    return text ? text : "";
}

/* ---- Which Enforcers ----------------------------------------------------------------------- */

struct selecting {
    const json_t *selector; /* none: every one */
    refresh_visit_fn *visit;
    void *context;
};

static bool select_one(void *context, const struct object *enforcer)
{
    const struct selecting *selecting = context;

    if (json_array_size(selecting->selector) > 0 &&
        !json_expression_matches(selecting->selector, &enforcer->tags))
        return true;
    return selecting->visit(selecting->context, enforcer);
}

void refresh_each(const struct objects *objects, const json_t *request, refresh_visit_fn *visit,
                  void *context)
{
    const json_t *body = json_object_get(request, "body");
    const char *id = json_string_value(json_object_get(request, "enforcerID"));
    const struct object *enforcer = id ? objects_find(objects, id) : NULL;
    struct objects_query query = {
        .kind = schema_kind_find("enforcer"),
        .space = objects_space(objects, text_in(request, "at")),
        .recursive = json_is_true(json_object_get(body, "propagate")),
    };
    struct selecting selecting = {
        .selector = json_object_get(body, "selector"), .visit = visit, .context = context};
    uint64_t total;

    if (enforcer && strcmp(enforcer->kind->name, "enforcer") == 0)
        visit(context, enforcer);
    else if (!id && query.space)
        objects_list(objects, &query, select_one, &selecting, &total);
}

/* ---- Telling ------------------------------------------------------------------------------- */

struct telling {
    struct push *push;
    const json_t *body;
    bool policy, log; /* log: also what the Enforcer's own object says */
};

static bool tell_one(void *context, const struct object *enforcer)
{
    const struct telling *telling = context;
    _cleanup_(json_decrefp) json_t *own = NULL;
    const json_t *from = telling->body; /* where the log level is said */

    if (!session_find(telling->push, enforcer->id))
        return true; /* another Console has it, or nobody */
    if (telling->log && !json_object_get(from, "logLevel")) {
        own = object_parse(enforcer);
        from = own;
    }
    push_refresh(telling->push, enforcer->id,
                 telling->log ? json_string_value(json_object_get(from, "logLevel")) : NULL,
                 enforcer_log_seconds(from), telling->policy);
    return true;
}

static void publish(struct push *push, const json_t *request)
{
    const struct schema_kind *kind = schema_kind_find(text_in(request, "kind"));
    const char *at = text_in(request, "at");
    _cleanup_(json_decrefp) json_t *more =
        json_pack("{s:s, s:s}", "ID", text_in(request, "target"), "namespace", at);
    _cleanup_(json_decrefp) json_t *complete = NULL;

    if (kind && more && push->console->events)
        complete = schema_complete(kind, json_object_get(request, "body"), more, NULL);
    if (complete)
        events_publish(push->console->events, kind, at, "create", complete);
}

void refresh_tell(struct push *push, const struct object *object)
{
    _cleanup_(json_decrefp) json_t *request = object_parse(object);
    bool unit = strcmp(text_in(request, "kind"), "processingunitrefresh") == 0;
    struct telling telling = {
        .push = push,
        .body = json_object_get(request, "body"),
        .log = !unit,
        .policy = !unit ||
                  json_is_true(json_object_get(json_object_get(request, "body"), "refreshPolicy")),
    };

    /* Loaded late, after a gap in the changes: whoever asked has long stopped waiting. */
    if (!request || console_now_ms() - object->created_ms > REFRESH_AGE_MS)
        return;
    refresh_each(push->console->objects, request, tell_one, &telling);
    publish(push, request);
}
