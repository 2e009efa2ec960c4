/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_console */
/* First line: verb and path ("1/namespaces"); each line behind it a parameter, name=value. */
#include "console/api_internal.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), *line = strchr(text, '\n');
    struct http_request request = {0};
    struct api_error error = {0};
    struct api_route route;
    struct api_query query;
    enum auth_verb verb = AUTH_LIST;

    if (line)
        *line++ = '\0';
    if (*text >= '0' && *text <= '5')
        verb = (enum auth_verb)(*text - '0');
    api_route_parse(*text ? text + 1 : text, &route);
    FUZZ_CHECK(route.type == API_ROUTE_NONE || route.type == API_ROUTE_META ||
               route.type == API_ROUTE_OPENAPI || route.kind);
    while (line && *line && request.n_query < HTTP_QUERY_MAX) {
        char *end = strchr(line, '\n'), *equals;

        if (end)
            *end++ = '\0';
        equals = strchr(line, '=');
        if (equals)
            *equals++ = '\0';
        request.query[request.n_query++] = (struct http_parameter){line, equals};
        if (!equals)
            request.query[request.n_query - 1].value = line + strlen(line);
        line = end;
    }
    if (route.kind) {
        int r = api_query_parse(&request, &route, verb, 1700000000000, &error, &query);

        FUZZ_CHECK(r == 0 || error.status == 400);
        FUZZ_CHECK(r < 0 || !(query.paged && query.cursor));
        api_query_clear(&query);
    }
    free(text);
    return 0;
}
