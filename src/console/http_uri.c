/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_uri.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static int refuse(struct http_refusal *refusal, int status, const char *why)
{
    *refusal = (struct http_refusal){status, why};
    return -EINVAL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* In place. @return false for an incomplete escape or for bytes that are no text */
static bool decode(char *text, bool plus_is_space, bool controls)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        int high, low;

        if (*in == '%') {
            high = hex_value(in[1]);
            low = high < 0 ? -1 : hex_value(in[2]);
            if (low < 0)
                return false;
            *out = (char)(high << 4 | low);
            in += 2;
        } else {
            *out = plus_is_space && *in == '+' ? ' ' : *in;
        }
        if (*out == '\0' || (!controls && ((unsigned char)*out < 0x20 || *out == 0x7f)))
            return false;
        out++;
    }
    *out = '\0';
    return text_utf8_valid(text, (size_t)(out - text), NULL);
}

static int query_parse(char *query, struct http_request *request, struct http_refusal *refusal)
{
    char *rest = query;

    while (rest) {
        char *item = strsep(&rest, "&"), *value;

        if (!*item)
            continue;
        if (request->n_query == HTTP_QUERY_MAX)
            return refuse(refusal, 400, "the query has too many parameters");
        value = strchr(item, '=');
        if (value)
            *value++ = '\0';
        else
            value = item + strlen(item);
        if (!decode(item, true, true) || !decode(value, true, true))
            return refuse(refusal, 400, "the query is not percent-encoded UTF-8");
        request->query[request->n_query++] = (struct http_parameter){item, value};
    }
    return 0;
}

/* https://host/path, as to a proxy; what host it names does not matter here. */
static char *skip_authority(char *target)
{
    static char root[] = "/";
    char *rest;

    if (strncasecmp(target, "https://", 8) == 0)
        rest = target + 8;
    else if (strncasecmp(target, "http://", 7) == 0)
        rest = target + 7;
    else
        return NULL;
    rest += strcspn(rest, "/?");
    return *rest ? rest : root;
}

int http_uri_parse(char *target, struct http_request *request, struct http_refusal *refusal)
{
    static char root[] = "/";
    char *path = target, *query;
    int r;

    assert(target);
    assert(request);
    assert(refusal);

    if (strcmp(target, "*") == 0 && request->method == HTTP_OPTIONS) {
        request->path = target;
        return 0;
    }
    if (*path != '/')
        path = skip_authority(target);
    if (!path)
        return refuse(refusal, 400, "the request target does not begin with '/'");
    if (strchr(path, '#'))
        return refuse(refusal, 400, "the request target has a fragment");
    query = strchr(path, '?');
    if (query) {
        *query++ = '\0';
        r = query_parse(query, request, refusal);
        if (r < 0)
            return r;
    }
    if (!decode(path, false, false))
        return refuse(refusal, 400, "the path is not percent-encoded UTF-8");
    request->path = *path ? path : root;
    return 0;
}
