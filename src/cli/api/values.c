/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "cli/api/envelope.h"

#define VALUES_DEPTH_MAX 32

int values_merge(json_t *values, const json_t *more)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)more, key, value)
    {
        json_t *present = json_object_get(values, key);
        int r = json_is_object(present) && json_is_object(value)
                    ? values_merge(present, value)
                    : json_object_set_new(values, key, json_deep_copy(value));

        if (r < 0)
            return -ENOMEM;
    }
    return 0;
}

static json_t *scalar(const char *text, size_t len)
{
    _cleanup_free_
    char *copy = strndup(text, len);
    json_t *value;

    if (!copy)
        return NULL;
    if (len >= 2 && (*copy == '"' || *copy == '\'') && copy[len - 1] == *copy)
        return json_stringn(copy + 1, len - 2);
    if (strcmp(copy, "true") == 0 || strcmp(copy, "false") == 0)
        return json_boolean(*copy == 't');
    if (strcmp(copy, "null") == 0)
        return json_null();
    if (len > 0 && len < 19 &&
        strspn(copy + (*copy == '-'), "0123456789") == len - (*copy == '-') &&
        strcmp(copy, "-") != 0)
        return json_integer(strtoll(copy, NULL, 10));
    value = json_stringn(copy, len);
    return value;
}

static json_t *list(const char *text, size_t len)
{
    json_t *result = json_array();
    const char *at = text, *end = text + len;

    while (result && at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t n = (size_t)((comma ? comma : end) - at);

        json_array_append_new(result, scalar(at, n));
        at += n + 1;
    }
    return result;
}

int values_set(json_t *values, const char *key, size_t key_len, const char *text)
{
    size_t len = strlen(text);
    json_t *value = len >= 2 && *text == '{' && text[len - 1] == '}' ? list(text + 1, len - 2)
                                                                     : scalar(text, len);

    for (unsigned depth = 0; value; depth++) {
        const char *dot = memchr(key, '.', key_len);
        size_t n = dot ? (size_t)(dot - key) : key_len;
        _cleanup_free_
        char *name = strndup(key, n);
        json_t *next;

        if (n == 0 || depth >= VALUES_DEPTH_MAX || !name) {
            json_decref(value);
            return name ? -EINVAL : -ENOMEM;
        }
        if (!dot)
            return json_object_set_new(values, name, value) < 0 ? -ENOMEM : 0;
        next = json_object_get(values, name);
        if (!json_is_object(next)) {
            next = json_object();
            if (json_object_set_new(values, name, next) < 0) {
                json_decref(value);
                return -ENOMEM;
            }
        }
        values = next;
        key += n + 1;
        key_len -= n + 1;
    }
    return -EINVAL; /* not UTF-8, or no memory */
}
