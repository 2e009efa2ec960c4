/* SPDX-License-Identifier: Apache-2.0 */
#include "console/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

void api_error_set(struct api_error *error, int status, const char *title, const char *format, ...)
{
    va_list args;

    error->status = status;
    error->title = title;
    error->attribute[0] = '\0';
    error->retry_after_s = 0;
    va_start(args, format);
    text_vformat(error->description, sizeof(error->description), format, args);
    va_end(args);
}

void api_error_limit(struct api_error *error, enum limit kind, const char *who, uint32_t wait_s)
{
    static const char *const words[LIMITS_N] = {
        [LIMIT_WRITES] = "too many writes",
        [LIMIT_WORK] = "too much work in requests that take long",
        [LIMIT_STRANGERS] = "too many requests without a known token",
        [LIMIT_PASSWORDS] = "too many passwords",
        [LIMIT_REFUSALS] = "too many refused writes",
        [LIMIT_LINK] = "too many messages",
    };

    api_error_set(error, 429, "Too many requests", "%s by %.200s: try again in %u s", words[kind],
                  who, wait_s);
    error->retry_after_s = wait_s;
}

void api_error_result(struct api_error *error, int result, const char *what)
{
    switch (result) {
    case -ENOENT:
        api_error_set(error, 404, "Object not found", "%s is not there (any more)", what);
        return;
    case -EEXIST:
        api_error_set(error, 422, "Duplicate key", "%s: the name is taken already", what);
        text_format(error->attribute, sizeof(error->attribute), "name");
        return;
    case -ESTALE:
        api_error_set(error, 409, "Conflict",
                      "%s was changed by somebody else meanwhile; read it again, then try again",
                      what);
        return;
    case -ENOSPC:
        api_error_set(error, 507, "Disk full",
                      "the Console's disk is full: nothing can be written until there is space");
        return;
    case -EDQUOT:
        api_error_set(error, 507, "Too many objects",
                      "the Console has as many objects as it may (--objects-max): delete some");
        return;
    case -ECONNREFUSED:
    case -EROFS:
    case -EIO:
        api_error_set(error, 503, "Database unavailable",
                      "the Console's database cannot be written to at present; try again later");
        return;
    case -EBUSY:
        api_error_set(error, 503, "Too busy", "too many writes are waiting; try again later");
        return;
    case -ECANCELED: /* nobody is there to read this */
        api_error_set(error, 408, "Given up", "%s: the client has gone", what);
        return;
    case -ENOBUFS:
        api_error_set(error, 503, "Too busy",
                      "too many long lists at a time, or too much changed meanwhile; try again "
                      "later, or ask for less at once");
        return;
    case -EFBIG:
        api_error_set(error, 413, "Too large", "%s is larger than can be stored", what);
        return;
    case -BULKHEAD_ELOCKED:
        api_error_set(error, 423, "Locked", "nothing can be changed during maintenance");
        return;
    case -EINVAL:
        api_error_set(error, 422, "Validation error", "%s cannot be stored as it is", what);
        return;
    case -ETIME:
        api_error_set(error, 422, "Too slow",
                      "the filter takes too long: ask for less at once, or without matches");
        return;
    case -BULKHEAD_ETOOMANY:
        api_error_set(error, 422, "Too many", "%s: more than can be done at once", what);
        return;
    default:
        api_error_set(error, 500, "Internal error", "%s: %s", what, error_text(result));
        return;
    }
}

static json_t *one(int status, const char *title, const char *description, const char *attribute,
                   const char *trace)
{
    json_t *item =
        json_pack("{s:i, s:s, s:s, s:s, s:s}", "code", status, "title", title, "description",
                  description, "subject", "bulkhead", "trace", trace ? trace : "");

    if (!item) /* what a client sent, and is not UTF-8 */
        return json_pack("{s:i, s:s, s:s, s:s}", "code", status, "title", title, "subject",
                         "bulkhead", "trace", "");
    if (attribute && *attribute)
        json_object_set_new(item, "data", json_pack("{s:s}", "attribute", attribute));
    return item;
}

json_t *api_error_json(const struct api_error *error, const struct schema_problems *problems,
                       const char *trace)
{
    json_t *list = json_array();

    for (size_t i = 0; list && problems && i < problems->n; i++)
        json_array_append_new(list, one(422, "Validation error", problems->items[i].message,
                                        problems->items[i].attribute, trace));
    if (list && json_array_size(list) == 0)
        json_array_append_new(
            list, one(error->status, error->title, error->description, error->attribute, trace));
    return list;
}
