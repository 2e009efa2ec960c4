/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/hooks.h"

/* /activities: read from the store's log in a thread, newest first. */

#define ACTIVITIES_DEFAULT 100
#define ACTIVITIES_MAX 10000
#define ACTIVITIES_SCANNED_MAX 100000 /* with a filter */

struct reading {
    struct api_call *call;
    struct store_log_query query;
    struct filter *filter;
    json_t *found;
    size_t skip, wanted, matched;
    uint64_t total, ns; /* ns: how long the database took */
    bool filtered;
    int result;
};

static int visit(void *context, const struct store_object *object)
{
    struct reading *reading = context;
    json_t *activity = json_loadb(object->body, object->body_len, 0, NULL);
    char date[SCHEMA_TIME_LEN + 1];

    if (!activity)
        return 0;
    schema_time_format(object->created_ms, date);
    json_object_set_new(activity, "ID", json_string(object->id));
    json_object_set_new(activity, "namespace", json_string(object->namespace));
    json_object_set_new(activity, "date", json_string(date));
    if (reading->filter && !filter_matches_json(reading->filter, activity)) {
        json_decref(activity);
        return 0;
    }
    if (reading->matched++ >= reading->skip && json_array_size(reading->found) < reading->wanted)
        json_array_append(reading->found, activity);
    json_decref(activity);
    return 0;
}

static void work(struct store *store, void *context)
{
    struct reading *reading = context;

    uint64_t start_ns = uv_hrtime();

    reading->result = store
                          ? store_log_query(store, &reading->query, visit, reading, &reading->total)
                          : -ECONNREFUSED;
    reading->ns = uv_hrtime() - start_ns;
}

static json_t *complete_all(const struct reading *reading)
{
    json_t *list = json_array(), *item;
    size_t i;

    json_array_foreach(reading->found, i, item) json_array_append_new(
        list, schema_complete(reading->call->kind, item, item,
                              (const char *const *)reading->call->request->fields));
    return list;
}

static void done(void *context)
{
    struct reading *reading = context;
    struct api_call *call = reading->call;
    struct api_error error = {0};
    json_t *list = complete_all(reading);
    int r = reading->result;

    if (r == 0 && *call->id && json_array_size(list) == 0)
        r = -ENOENT;
    api_charge(call, reading->ns);
    filter_free(&reading->filter);
    json_decref(reading->found);
    if (r < 0) {
        json_decref(list);
        api_error_result(&error, r, "the activity");
        api_fail(call, &error, NULL);
    } else if (*call->id) {
        api_answer(call, 200, json_incref(json_array_get(list, 0)));
        json_decref(list);
    } else {
        api_answer_list(call, 200, list, reading->filtered ? reading->matched : reading->total,
                        NULL);
    }
    free(reading);
}

/* ---- Times ------------------------------------------------------------------------------------
 */

static int parse_moment(const struct api_call *call, const char *absolute, const char *relative,
                        int64_t *ret, struct api_error *error)
{
    const char *text = api_parameter(call, absolute), *ago = api_parameter(call, relative);
    int64_t ms = 0;

    if (text && !schema_time_parse(text, ret)) {
        api_error_set(error, 400, "Bad request", "%s: found '%.60s', expected a time", absolute,
                      text);
        return -EINVAL;
    }
    if (ago && !schema_duration_parse(ago, true, &ms)) {
        api_error_set(error, 400, "Bad request", "%s: found '%.60s', expected a time like 24h",
                      relative, ago);
        return -EINVAL;
    }
    if (ago)
        *ret = console_now_ms() - (ms < 0 ? -ms : ms);
    return 0;
}

static int parse_filter_of(const struct api_call *call, struct reading *reading,
                           struct api_error *error)
{
    const char *text = api_parameter(call, "q");
    _cleanup_buf_ struct buf problem = BUF_INIT(512);

    if (!text || filter_parse(text, console_now_ms(), &problem, &reading->filter) == 0)
        return 0;
    api_error_set(error, 400, "Bad request", "%s", problem.data ? problem.data : "wrong filter");
    return -EINVAL;
}

static int fill(struct api_call *call, struct reading *reading, struct api_error *error)
{
    const struct api_query *query = &api_private(call)->query;
    size_t limit = query->cursor ? query->limit : query->pagesize;
    int r;

    reading->wanted = MIN(limit ? limit : (size_t)ACTIVITIES_DEFAULT, (size_t)ACTIVITIES_MAX);
    reading->skip = query->page > 1 ? (query->page - 1) * reading->wanted : 0;
    reading->query = (struct store_log_query){
        .namespace = call->namespace,
        .recursive = query->recursive || *call->id,
        .id = *call->id ? call->id : NULL,
    };
    r = parse_moment(call, "startAbsolute", "startRelative", &reading->query.from_ms, error);
    if (r == 0)
        r = parse_moment(call, "endAbsolute", "endRelative", &reading->query.to_ms, error);
    if (r == 0)
        r = parse_filter_of(call, reading, error);
    reading->filtered = reading->filter != NULL;
    if (reading->filter) {
        reading->query.limit = ACTIVITIES_SCANNED_MAX;
    } else {
        reading->query.limit = reading->wanted;
        reading->query.offset = reading->skip;
        reading->skip = 0;
    }
    return r;
}

static void handle(struct api_call *call)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    struct api_error error = {0};

    if (!reading) {
        api_error_result(&error, -ENOMEM, "the activities");
        api_fail(call, &error, NULL);
        return;
    }
    reading->call = call;
    if (!call->namespace || fill(call, reading, &error) < 0) {
        if (!error.status)
            api_error_set(&error, 400, "Bad request", "the header X-Namespace is missing");
        filter_free(&reading->filter);
        free(reading);
        api_fail(call, &error, NULL);
        return;
    }
    reading->found = json_array();
    commit_read(call->console->commit, work, done, reading);
}

int hooks_activities(struct console *console)
{
    const struct api_hooks hooks = {.kind = "activity", .handle = handle};

    return api_register(console, &hooks);
}
