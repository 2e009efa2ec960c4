/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "console/api_internal.h"

/* What is the same in every installation of this version: open to everybody. */

static json_t *verbs_json(unsigned verbs)
{
    json_t *list = json_array();

    if (verbs & (SCHEMA_LIST | SCHEMA_GET))
        json_array_append_new(list, json_string("GET"));
    if (verbs & SCHEMA_CREATE)
        json_array_append_new(list, json_string("POST"));
    if (verbs & SCHEMA_UPDATE) {
        json_array_append_new(list, json_string("PUT"));
        json_array_append_new(list, json_string("PATCH"));
    }
    if (verbs & SCHEMA_DELETE)
        json_array_append_new(list, json_string("DELETE"));
    return list;
}

static void add_route(json_t *list, const char *format, const char *a, const char *b,
                      unsigned verbs, const char *identity)
{
    if (verbs)
        json_array_append_new(list, json_pack("{s:o, s:o, s:s}", "URL", json_sprintf(format, a, b),
                                              "verbs", verbs_json(verbs), "identity", identity));
}

static json_t *routes_json(void)
{
    json_t *list = json_array();
    size_t n;
    const struct schema_kind *const *kinds = schema_kinds(&n);

    for (size_t i = 0; i < n; i++) {
        const struct schema_kind *kind = kinds[i];

        if (kind->hidden || !kind->plural)
            continue;
        add_route(list, "/%s%s", kind->plural, "", kind->verbs & (SCHEMA_LIST | SCHEMA_CREATE),
                  kind->name);
        add_route(list, "/%s/:id%s", kind->plural, "",
                  kind->verbs & (SCHEMA_GET | SCHEMA_UPDATE | SCHEMA_DELETE), kind->name);
        for (size_t j = 0; j < kind->n_sub_routes; j++) {
            const struct schema_kind *child = schema_kind_by_plural(kind->sub_routes[j].child);

            add_route(list, "/%s/:id/%s", kind->plural, kind->sub_routes[j].child,
                      kind->sub_routes[j].verbs, child ? child->name : "");
        }
    }
    return list;
}

static void answer_openapi(struct api_call_private *call)
{
    struct http_response response = {
        .status = 200,
        .content_type = "application/json",
        .body = BUF_INIT(API_ANSWER_BYTES_MAX),
    };
    struct api_error error = {0};

    if (!call->api->openapi) {
        json_t *openapi = schema_openapi(BULKHEAD_VERSION);

        call->api->openapi = openapi ? json_dumps(openapi, JSON_COMPACT) : NULL;
        json_decref(openapi);
    }
    if (!call->api->openapi) {
        api_error_result(&error, -ENOMEM, "openapi.json");
        api_fail(&call->public, &error, NULL);
        return;
    }
    buf_puts(&response.body, call->api->openapi);
    api_send(call, &response);
}

void api_meta(struct api_call_private *call)
{
    const char *name = call->route.meta;
    struct api_error error = {0};

    if (call->public.request->method != HTTP_GET && call->public.request->method != HTTP_HEAD) {
        api_error_set(&error, 405, "Method not allowed", "this address takes GET only");
        api_fail(&call->public, &error, NULL);
    } else if (call->route.type == API_ROUTE_OPENAPI) {
        answer_openapi(call);
    } else if (strcmp(name, "name") == 0) {
        api_answer(&call->public, 200, json_pack("{s:s}", "name", "bulkhead-console"));
    } else if (strcmp(name, "version") == 0) {
        api_answer(&call->public, 200, json_pack("{s:s}", "version", BULKHEAD_VERSION));
    } else if (strcmp(name, "routes") == 0) {
        api_answer(&call->public, 200, routes_json());
    } else if (strcmp(name, "config") == 0) {
        api_answer(&call->public, 200,
                   json_pack("{s:s, s:i, s:i, s:[s, s]}", "version", BULKHEAD_VERSION,
                             "bodyBytesMax", (int)HTTP_BODY_BYTES_MAX, "idDigits", SCHEMA_ID_LEN,
                             "encodings", "application/json", "application/msgpack"));
    } else {
        api_error_set(&error, 404, "Not found",
                      "there is no /_meta/%.40s, expected name, version, routes or config", name);
        api_fail(&call->public, &error, NULL);
    }
}
