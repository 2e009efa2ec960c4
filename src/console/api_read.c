/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/api_reader.h"
#include "console/encoding.h"

/* A list on its way out: each object is encoded as it comes, none is kept. */
struct listing {
    struct api_call_private *call;
    struct objects_query query;
    const struct api_hooks *hooks;
    enum encoding encoding;
    struct http_response response;
    size_t n;
    uint64_t total;
    bool plain, failed;
    char last[SCHEMA_ID_LEN + 1];
    void *owned;
    void (*free_owned)(void *owned);
};

static int list_begin(void *context, struct objects_read *read)
{
    struct listing *listing = context;

    return objects_read_add(read, &listing->query);
}

static void list_page(void *context, const struct objects_query *query, uint64_t total, size_t n)
{
    struct listing *listing = context;

    listing->total = total;
    encoding_list_begin(listing->encoding, n, &listing->response.body);
}

static bool list_one(void *context, const struct object *object)
{
    struct listing *listing = context;
    struct buf *body = &listing->response.body;
    json_t *shown;

    encoding_list_next(listing->encoding, listing->n++, body);
    memcpy(listing->last, object->id, sizeof(listing->last));
    if (listing->plain && object_show_text(object, body) == 0)
        return true;
    shown = object_show(object, (const char *const *)listing->call->public.request->fields);
    if (!shown) {
        listing->failed = true;
        return false;
    }
    api_show_live(listing->call->public.console, listing->hooks, object, shown);
    encoding_append(listing->encoding, shown, body);
    json_decref(shown);
    return !body->error;
}

static void list_fail(struct api_call_private *call, int r)
{
    struct api_error error = {0};

    if (r == -ESTALE)
        api_error_set(&error, 400, "Bad request", "after: the object is gone; begin the list anew");
    else
        api_error_result(&error, r, call->public.kind->name);
    api_fail(&call->public, &error, NULL);
}

static void list_answer(void *context, int r)
{
    struct listing *listing = context;
    struct api_call_private *call = listing->call;
    struct http_response *response = &listing->response;

    encoding_list_end(listing->encoding, &response->body);
    if (r == 0)
        r = listing->failed ? -ENOMEM : response->body.error;
    if (r < 0) {
        list_fail(call, r);
        return;
    }
    response->content_type = encoding_content_type(listing->encoding);
    http_response_header(response, "X-Count-Total", "%llu", (unsigned long long)listing->total);
    if (listing->query.limit && call->query.cursor && listing->n == listing->query.limit)
        http_response_header(response, "X-Next", "%s", listing->last);
    api_send(call, response);
}

static size_t list_held(const void *context)
{
    const struct listing *listing = context;

    return listing->response.body.len;
}

static void list_free(void *context)
{
    struct listing *listing = context;

    http_response_clear(&listing->response);
    if (listing->free_owned)
        listing->free_owned(listing->owned);
    free(listing);
}

/* Nothing but the object as it is, in JSON: no tree is needed. */
static bool is_plain(const struct api_call_private *call, const struct api_hooks *hooks)
{
    return call->encoding == ENCODING_JSON && !call->public.request->fields &&
           !(hooks && hooks->live);
}

/* As objects_query.value. */
static json_t *live_value(void *context, const struct object *object, const char *attribute)
{
    const struct listing *listing = context;

    for (const char *const *name = listing->hooks->live; *name; name++)
        if (strcmp(*name, attribute) == 0)
            return listing->hooks->value(listing->call->public.console, object, attribute);
    return NULL;
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

void api_read_query(struct api_call_private *call, const struct objects_query *query, void *owned,
                    void (*free_owned)(void *owned))
{
    static const struct api_reader reader = {
        .begin = list_begin,
        .visitor = {list_page, list_one},
        .answer = list_answer,
        .held = list_held,
        .free = list_free,
    };
    struct listing *listing = calloc(1, sizeof(*listing));

    if (!listing) {
        if (free_owned)
            free_owned(owned);
        list_fail(call, -ENOMEM);
        return;
    }
    listing->call = call;
    listing->query = *query;
    listing->hooks = api_hooks_of(call->api, call->public.kind);
    listing->encoding = call->encoding;
    listing->response =
        (struct http_response){.status = 200, .body = BUF_INIT(API_ANSWER_BYTES_MAX)};
    listing->plain = is_plain(call, listing->hooks);
    listing->owned = owned;
    listing->free_owned = free_owned;
    page_of(&call->query, &listing->query);
    if (listing->hooks && listing->hooks->live) {
        listing->query.value = live_value;
        listing->query.value_context = listing;
    }
    api_read(&call->public, &reader, listing);
}

void api_read_list(struct api_call_private *call)
{
    const struct objects_query query = {
        .kind = call->public.kind,
        .space = objects_space(call->public.console->objects, call->public.namespace),
        .recursive = call->query.recursive,
        .propagated = call->query.propagated,
        .archived = call->query.archived,
        .filter = call->query.filter,
    };

    api_read_query(call, &query, NULL, NULL);
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
