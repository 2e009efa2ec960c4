/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "console/api_internal.h"

/* What a write leaves in /activities: one entry for the call, whatever it changed. */

#define DIFF_BYTES_MAX 65536
#define MESSAGE_BYTES_MAX 1400

static bool is_secret(const struct schema_kind *kind, const char *name)
{
    const struct schema_attribute *attribute = schema_attribute_find(kind, name);

    return !attribute || (attribute->flags & (SCHEMA_SECRET | SCHEMA_TRANSIENT));
}

static void put_line(struct buf *diff, char sign, const char *name, const json_t *value)
{
    _cleanup_free_
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    if (text)
        buf_printf(diff, "%c %s: %s\n", sign, name, text);
}

/* One line for each attribute of the stored form that went or came. */
static void put_diff(const struct schema_kind *kind, const json_t *before, const json_t *after,
                     struct buf *diff)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)before, name, value)
    {
        const json_t *other = json_object_get(after, name);

        if (is_secret(kind, name) || (other && json_equal(value, (json_t *)other)))
            continue;
        put_line(diff, '-', name, value);
        put_line(diff, '+', name, other);
    }
    json_object_foreach((json_t *)after, name,
                        value) if (!is_secret(kind, name) && !json_object_get(before, name))
        put_line(diff, '+', name, value);
}

char *api_diff(const struct schema_kind *kind, const json_t *before, const json_t *after)
{
    _cleanup_buf_ struct buf diff = BUF_INIT(DIFF_BYTES_MAX);

    put_diff(kind, before, after, &diff);
    return diff.data && !diff.error ? strdup(diff.data) : strdup("");
}

static void diff_of(const struct api_call *call, const struct store_op *op, struct buf *diff)
{
    const struct schema_kind *kind = schema_kind_find(op->object.kind);
    const struct object *object = objects_find(call->console->objects, op->object.id);
    json_t *before = object ? object_parse(object) : NULL;
    json_t *after =
        op->type == STORE_DELETE ? NULL : json_loadb(op->object.body, op->object.body_len, 0, NULL);

    if (kind)
        put_diff(kind, before, after, diff);
    json_decref(before);
    json_decref(after);
}

static const char *operation_of(const struct store_op *op)
{
    return op->type == STORE_CREATE ? "create" : op->type == STORE_UPDATE ? "update" : "delete";
}

static json_t *claims_json(const struct caller *caller)
{
    json_t *list = json_array();

    for (size_t i = 0; list && caller && i < caller->claims.n; i++)
        json_array_append_new(list, json_string(caller->claims.tags[i]));
    return list;
}

static const char *name_of(const struct api_call *call, const struct store_op *op, char *text,
                           size_t size)
{
    const struct object *object = objects_find(call->console->objects, op->object.id);
    json_t *body =
        op->object.body ? json_loadb(op->object.body, op->object.body_len, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(body, "name"));

    text_format(text, size, "%s", name ? name : object ? object->name : "");
    json_decref(body);
    return text;
}

static const struct store_op *main_op(const struct api_call *call, const struct change_set *set)
{
    const struct store_op *op = *call->id ? change_set_find(set, call->id) : NULL;

    return op ? op : change_set_at(set, 0);
}

/* Bookkeeping behind a call (a log-out, a refresh): people know it by what they called. */
static bool is_hidden(const struct store_op *op)
{
    const struct schema_kind *kind = schema_kind_find(op->object.kind);

    return kind && kind->hidden;
}

int api_log_changes(struct api_call *call, struct change_set *set)
{
    const struct store_op *op = main_op(call, set);
    _cleanup_buf_ struct buf diff = BUF_INIT(DIFF_BYTES_MAX);
    char name[MODEL_NAMESPACE_MAX + 1], message[MESSAGE_BYTES_MAX],
        namespace[MODEL_NAMESPACE_MAX + 1];
    char source[INET6_ADDRSTRLEN + 16] = "";
    const char *kind;
    json_t *activity;
    int r;

    /* A poke is a GET, and comes every few seconds: it would push out all that people do. */
    if (!op || op->type == STORE_LOG || call->verb == AUTH_LIST)
        return 0;
    diff_of(call, op, &diff);
    name_of(call, op, name, sizeof(name));
    kind = is_hidden(op) ? call->kind->name : op->object.kind;
    text_format(message, sizeof(message), "%s %s '%s' (%s)%s", operation_of(op), kind, name,
                op->object.id, change_set_count(set) > 1 ? " and more" : "");
    snprintf(namespace, sizeof(namespace), "%s",
             is_hidden(op) && call->namespace ? call->namespace : op->object.namespace);
    if (call->request)
        snprintf(source, sizeof(source), " from %s", call->request->client);
    activity = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s+, s:o, s:s}", "operation", operation_of(op),
                         "targetIdentity", kind, "targetID", op->object.id, "targetName", name,
                         "message", message, "source",
                         call->caller && call->caller->subject ? call->caller->subject : "console",
                         call->caller ? source : "", "claims", claims_json(call->caller), "diff",
                         diff.data && !diff.error ? diff.data : "");
    if (!activity)
        return 0; /* not UTF-8 somewhere: no reason to refuse the write */
    r = change_set_log(set, namespace, activity);
    json_decref(activity);
    return r;
}

/* ---- Refused writes -------------------------------------------------------------------------- */

static const char *const words[] = {
    [AUTH_CREATE] = "create",
    [AUTH_UPDATE] = "update",
    [AUTH_PATCH] = "update",
    [AUTH_DELETE] = "delete",
};

/* Not what a repetition will do: too many at once, no database, locked; nor who nobody knows. */
static bool is_of_interest(const struct api_call *call, int status)
{
    bool writes = call->verb < ARRAY_SIZE(words) && words[call->verb];
    bool kept = call->kind && !call->kind->hidden &&
                (call->kind->stored || strcmp(call->kind->name, "import") == 0);
    char key[LIMITS_KEY_MAX];

    if (!writes || !kept || !call->caller || !call->caller->subject || !call->request ||
        api_private(call)->query.dry_run || status < 400 || status >= 500 || status == 401 ||
        status == 423 || status == 429)
        return false;
    api_limits_key(call->caller, key);
    return limits_take(call->console->limits, LIMIT_REFUSALS, key, 1, uv_hrtime()) == 0;
}

static json_t *refusal(const struct api_call *call, int status, const struct api_error *error,
                       const struct schema_problems *problems)
{
    bool checked = problems && problems->n > 0;
    char message[MESSAGE_BYTES_MAX], source[INET6_ADDRSTRLEN + 16];
    const char *title = error && error->title ? error->title : "Validation error";
    const char *description = checked ? problems->items[0].message
                              : error ? error->description
                                      : "";
    const char *name = json_string_value(json_object_get(call->body, "name"));

    text_format(message, sizeof(message), "refused: %s %s '%s'%s%s: %d %s: %s", words[call->verb],
                call->kind->name, name ? name : "", *call->id ? " of ID " : "", call->id, status,
                title, description);
    snprintf(source, sizeof(source), " from %s", call->request->client);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s+, s:o, s:s, s:{s:i, s:s, s:s, s:s}}",
                     "operation", words[call->verb], "targetIdentity", call->kind->name, "targetID",
                     call->id, "targetName", name ? name : "", "message", message, "source",
                     call->caller->subject, source, "claims", claims_json(call->caller), "diff", "",
                     "error", "code", status, "title", title, "description", description,
                     "attribute",
                     checked ? problems->items[0].attribute
                     : error ? error->attribute
                             : "");
}

static void ignore_result(void *context, int result, size_t failed_op, uint64_t revision)
{
}

void api_log_refusal(struct api_call *call, int status, const struct api_error *error,
                     const struct schema_problems *problems)
{
    _cleanup_change_set_ struct change_set *set = NULL;
    bool there = call->namespace && objects_space(call->console->objects, call->namespace);
    json_t *activity;
    int r;

    if (!is_of_interest(call, status))
        return;
    activity = refusal(call, status, error, problems);
    r = activity ? change_set_new(&set) : -ENOMEM;
    if (r == 0)
        r = change_set_log(set, there ? call->namespace : "/", activity);
    if (r == 0)
        commit_submit(call->console->commit, &set, ignore_result, NULL);
    json_decref(activity);
}
