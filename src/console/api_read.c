/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/encoding.h"

/* A list on its way out: each object is encoded as it comes, none is kept. */
struct listing {
    struct api_call *call;
    const struct api_hooks *hooks;
    enum encoding encoding;
    struct buf *body;
    size_t n, expected;
    bool plain;
    char last[SCHEMA_ID_LEN + 1];
    bool failed;
};

static bool list_one(void *context, const struct object *object)
{
    struct listing *listing = context;
    json_t *shown;

    encoding_list_next(listing->encoding, listing->n++, listing->body);
    memcpy(listing->last, object->id, sizeof(listing->last));
    if (listing->plain && object_show_text(object, listing->body) == 0)
        return true;
    shown = object_show(object, (const char *const *)listing->call->request->fields);
    if (!shown) {
        listing->failed = true;
        return false;
    }
    if (listing->hooks && listing->hooks->show)
        listing->hooks->show(listing->call->console, object, shown);
    encoding_append(listing->encoding, shown, listing->body);
    json_decref(shown);
    return !listing->body->error;
}

/* Nothing but the object as it is, in JSON: no tree is needed. */
static bool is_plain(const struct api_call_private *call, const struct api_hooks *hooks)
{
    return call->encoding == ENCODING_JSON && !call->public.request->fields &&
           !(hooks && hooks->show);
}

static void page_of(const struct api_query *query, struct objects_query *ret)
{
    if (query->paged && query->pagesize) {
        ret->offset = (query->page ? query->page - 1 : 0) * query->pagesize;
        ret->limit = query->pagesize;
    }
    if (query->cursor) {
        ret->limit = query->limit;
        ret->after = query->after;
    }
    if (query->n_order)
        ret->order = query->order;
}

static bool nothing(void *context, const struct object *object)
{
    (*(size_t *)context)++;
    return true;
}

/*
 * MessagePack says at the front how many there are, and a page may be shorter than its limit: then
 * count first. The second run finds the same, because nothing else runs between.
 */
static int run(struct listing *listing, const struct objects *objects,
               const struct objects_query *query, uint64_t *ret_total)
{
    int r = 0;

    if (listing->encoding != ENCODING_JSON)
        r = objects_list(objects, query, nothing, &listing->expected, ret_total);
    if (r < 0)
        return r;
    encoding_list_begin(listing->encoding, listing->expected, listing->body);
    r = objects_list(objects, query, list_one, listing, ret_total);
    encoding_list_end(listing->encoding, listing->body);
    if (r == 0 && listing->failed)
        r = -ENOMEM;
    return r == 0 ? listing->body->error : r;
}

void api_read_list(struct api_call_private *call)
{
    const struct objects *objects = call->public.console->objects;
    struct http_response response = {.status = 200, .body = BUF_INIT(API_ANSWER_BYTES_MAX)};
    struct listing listing = {
        .call = &call->public,
        .hooks = api_hooks_of(call->api, call->public.kind),
        .encoding = call->encoding,
        .body = &response.body,
    };
    struct objects_query query = {
        .kind = call->public.kind,
        .space = objects_space(objects, call->public.namespace),
        .recursive = call->query.recursive,
        .propagated = call->query.propagated,
        .archived = call->query.archived,
        .filter = call->query.filter,
    };
    struct api_error error = {0};
    uint64_t total = 0;
    int r;

    listing.plain = is_plain(call, listing.hooks);
    page_of(&call->query, &query);
    r = run(&listing, objects, &query, &total);
    if (r < 0) {
        buf_free(&response.body);
        if (r == -ESTALE)
            api_error_set(&error, 400, "Bad request",
                          "after: the object is gone; begin the list anew");
        else
            api_error_result(&error, r, call->public.kind->name);
        api_fail(&call->public, &error, NULL);
        return;
    }
    response.content_type = encoding_content_type(listing.encoding);
    http_response_header(&response, "X-Count-Total", "%llu", (unsigned long long)total);
    if (query.limit && call->query.cursor && listing.n == query.limit)
        http_response_header(&response, "X-Next", "%s", listing.last);
    api_send(call, &response);
}

void api_read_one(struct api_call_private *call)
{
    const struct object *object = api_object(&call->public);
    struct http_response response = {.status = 200, .body = BUF_INIT(API_ANSWER_BYTES_MAX)};
    struct api_error error = {0};
    json_t *shown;

    if (object && is_plain(call, api_hooks_of(call->api, object->kind)) &&
        object_show_text(object, &response.body) == 0) {
        response.content_type = encoding_content_type(call->encoding);
        api_send(call, &response);
        return;
    }
    buf_free(&response.body);
    shown = object ? api_show(&call->public, object) : NULL;
    if (shown) {
        api_answer(&call->public, 200, shown);
        return;
    }
    api_error_result(&error, object ? -ENOMEM : -ENOENT, call->public.kind->name);
    api_fail(&call->public, &error, NULL);
}
