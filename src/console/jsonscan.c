/* SPDX-License-Identifier: Apache-2.0 */
#include "console/jsonscan.h"

#include <jansson.h>
#include <string.h>

static void skip_space(struct json_scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' ||
                                    *scan->at == '\r' || *scan->at == ','))
        scan->at++;
}

/* Past the closing quote; NULL when there is none. `at` is behind the opening one. */
static const char *skip_string(const char *at, const char *end)
{
    for (;;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *back = quote;

        if (!quote)
            return NULL;
        while (back > at && back[-1] == '\\')
            back--;
        at = quote + 1;
        if ((quote - back) % 2 == 0)
            return at;
    }
}

static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;

    for (; at < end; at++) {
        switch (*at) {
        case '"':
            at = skip_string(at + 1, end);
            if (!at || depth == 0)
                return at;
            at--;
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0)
                return at;
            if (--depth == 0)
                return at + 1;
            break;
        case ',':
            if (depth == 0)
                return at;
            break;
        default:
            break;
        }
    }
    return depth == 0 ? at : NULL;
}

void json_scan_begin(struct json_scan *scan, const char *text, size_t len)
{
    *scan = (struct json_scan){.at = text, .end = text + len};
    skip_space(scan);
    if (scan->at < scan->end && (*scan->at == '{' || *scan->at == '['))
        scan->close = *scan->at++ == '{' ? '}' : ']';
    else
        scan->at = scan->end;
}

static bool stop(struct json_scan *scan)
{
    scan->at = scan->end;
    return false;
}

bool json_scan_next(struct json_scan *scan, struct json_slice *ret_key,
                    struct json_slice *ret_value)
{
    const char *end;

    *ret_key = (struct json_slice){0};
    skip_space(scan);
    if (scan->at >= scan->end || *scan->at == scan->close)
        return stop(scan);
    if (scan->close == '}') {
        if (*scan->at != '"')
            return stop(scan);
        end = skip_string(scan->at + 1, scan->end);
        if (!end)
            return stop(scan);
        *ret_key = (struct json_slice){scan->at + 1, (size_t)(end - scan->at) - 2};
        scan->at = end;
        skip_space(scan);
        if (scan->at >= scan->end || *scan->at != ':')
            return stop(scan);
        scan->at++;
        skip_space(scan);
    }
    end = skip_value(scan->at, scan->end);
    if (!end || end == scan->at)
        return stop(scan);
    *ret_value = (struct json_slice){scan->at, (size_t)(end - scan->at)};
    scan->at = end;
    while (ret_value->len && (end[-1] == ' ' || end[-1] == '\n')) {
        end--;
        ret_value->len--;
    }
    return ret_value->len > 0;
}

bool json_slice_is(const struct json_slice *slice, const char *text)
{
    return strlen(text) == slice->len && memcmp(text, slice->text, slice->len) == 0;
}

bool json_scan_find(const char *text, size_t len, const char *key, struct json_slice *ret_value)
{
    struct json_scan scan;
    struct json_slice name, value;

    json_scan_begin(&scan, text, len);
    while (json_scan_next(&scan, &name, &value)) {
        if (scan.close == '}' && json_slice_is(&name, key)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

char *json_slice_string(const struct json_slice *slice)
{
    json_t *value;
    char *text;

    if (slice->len < 2 || slice->text[0] != '"')
        return NULL;
    if (!memchr(slice->text, '\\', slice->len))
        return strndup(slice->text + 1, slice->len - 2);
    value = json_loadb(slice->text, slice->len, JSON_DECODE_ANY, NULL);
    text = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
    json_decref(value);
    return text;
}
