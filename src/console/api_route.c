/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "console/api_internal.h"

#include "base/text.h"

#define SEGMENTS_MAX 3
#define SEGMENT_BYTES_MAX 64

struct segments {
    char text[SEGMENTS_MAX][SEGMENT_BYTES_MAX];
    size_t n;
    bool wrong; /* too many, too long, empty */
};

static void split(const char *path, struct segments *ret)
{
    *ret = (struct segments){0};
    while (*path == '/') {
        size_t len = strcspn(++path, "/");

        if (len == 0 && !*path)
            return; /* one slash at the end is no harm */
        if (ret->n == SEGMENTS_MAX || len == 0 || len >= SEGMENT_BYTES_MAX) {
            ret->wrong = true;
            return;
        }
        memcpy(ret->text[ret->n++], path, len);
        path += len;
    }
    ret->wrong |= *path != '\0';
}

/* /v/1/namespaces is /namespaces. */
static const char *skip_version(const char *path)
{
    size_t digits;

    if (strncmp(path, "/v/", 3) != 0)
        return path;
    digits = strspn(path + 3, "0123456789");
    return digits && digits < 5 && path[3 + digits] == '/' ? path + 3 + digits : path;
}

static bool is_id(const char *text)
{
    return strlen(text) == SCHEMA_ID_LEN && strspn(text, "0123456789abcdef") == SCHEMA_ID_LEN;
}

static const struct schema_kind *find_kind(const char *plural, struct api_route *ret)
{
    const struct schema_kind *kind = schema_kind_by_plural(plural);
    const char *nearest;

    if (kind && !kind->hidden)
        return kind;
    nearest = schema_kind_nearest(plural);
    kind = schema_kind_find(nearest ? nearest : plural);
    nearest = kind && !kind->hidden ? kind->plural : NULL;
    text_format(ret->message, sizeof(ret->message), "there is no /%.60s%s%s%s", plural,
                nearest ? "; did you mean /" : "", nearest ? nearest : "", nearest ? "?" : "");
    return NULL;
}

static const struct schema_sub_route *find_sub_route(const struct schema_kind *parent,
                                                     const char *child)
{
    for (size_t i = 0; i < parent->n_sub_routes; i++)
        if (strcmp(parent->sub_routes[i].child, child) == 0)
            return &parent->sub_routes[i];
    return NULL;
}

static void parse_object(const struct segments *segments, struct api_route *ret)
{
    const struct schema_sub_route *sub_route;

    if (!is_id(segments->text[1])) {
        text_format(ret->message, sizeof(ret->message),
                    "found '%.60s', expected an ID of %d digits", segments->text[1], SCHEMA_ID_LEN);
        return;
    }
    memcpy(ret->id, segments->text[1], sizeof(ret->id));
    if (segments->n == 2) {
        ret->type = API_ROUTE_OBJECT;
        return;
    }
    sub_route = find_sub_route(ret->kind, segments->text[2]);
    if (!sub_route) {
        text_format(ret->message, sizeof(ret->message), "there is no /%.60s/:id/%.60s",
                    ret->kind->plural, segments->text[2]);
        return;
    }
    ret->parent = ret->kind;
    ret->kind = schema_kind_by_plural(sub_route->child);
    ret->is_word = !ret->kind;
    if (ret->is_word)
        ret->kind = ret->parent;
    ret->sub_route = sub_route;
    ret->type = API_ROUTE_CHILDREN;
}

void api_route_parse(const char *path, struct api_route *ret)
{
    struct segments segments;

    assert(path && ret);

    *ret = (struct api_route){.type = API_ROUTE_NONE};
    snprintf(ret->message, sizeof(ret->message), "there is nothing at this address");
    split(skip_version(path), &segments);
    if (segments.wrong || segments.n == 0)
        return;
    if (segments.n == 1 && strcmp(segments.text[0], "openapi.json") == 0) {
        ret->type = API_ROUTE_OPENAPI;
        return;
    }
    if (strcmp(segments.text[0], "_meta") == 0) {
        if (segments.n == 2) {
            snprintf(ret->meta, sizeof(ret->meta), "%.31s", segments.text[1]);
            ret->type = API_ROUTE_META;
        }
        return;
    }
    ret->kind = find_kind(segments.text[0], ret);
    if (!ret->kind)
        return;
    if (segments.n == 1)
        ret->type = API_ROUTE_KIND;
    else
        parse_object(&segments, ret);
}
