/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "schema/internal.h"

#define KEY_SHOWN_MAX 64

bool schema_problems_full(struct schema_problems *problems)
{
    bool full = problems->n == SCHEMA_PROBLEMS_MAX;

    problems->n_dropped += full;
    return full;
}

static void add_v(struct schema_problems *problems, struct buf *attribute, const char *format,
                  va_list args)
{
    char text[2 * SCHEMA_PROBLEM_TEXT_MAX], *message, *where;

    if (schema_problems_full(problems))
        return;
    text_vformat(text, sizeof(text), format, args);
    message = strdup(text);
    buf_puts(attribute, "");
    where = buf_steal(attribute);
    if (!where || !message) {
        free(where);
        free(message);
        problems->n_dropped++;
        return;
    }
    problems->items[problems->n++] = (struct schema_problem){where, message};
}

void schema_problem_add(struct schema_problems *problems, const char *attribute, const char *format,
                        ...)
{
    _cleanup_buf_ struct buf where = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);
    va_list args;

    assert(problems);
    assert(attribute);

    buf_puts(&where, attribute);
    va_start(args, format);
    add_v(problems, &where, format, args);
    va_end(args);
}

void schema_problems_clear(struct schema_problems *problems)
{
    assert(problems);

    for (size_t i = 0; i < problems->n; i++) {
        free(problems->items[i].attribute);
        free(problems->items[i].message);
    }
    problems->n = problems->n_dropped = 0;
}

/* Keys come from outside: what is no plain word is quoted. */
static void put_key(struct buf *text, const char *key)
{
    size_t len = strlen(key);
    size_t plain = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    if (len > 0 && plain == len && len <= KEY_SHOWN_MAX)
        buf_puts(text, key);
    else
        text_quote(text, key, len);
}

/* At most SCHEMA_DEPTH_MAX deep. */
void schema_path_put(struct buf *text, const struct schema_path *path)
{
    if (!path)
        return;
    schema_path_put(text, path->parent);
    if (!path->key) {
        buf_printf(text, "[%zu]", path->index);
        return;
    }
    if (text->len > 0)
        buf_puts(text, ".");
    put_key(text, path->key);
}

void schema_report(struct schema_problems *problems, const struct schema_path *path,
                   const char *format, ...)
{
    _cleanup_buf_ struct buf where = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);
    va_list args;

    if (schema_problems_full(problems))
        return;
    schema_path_put(&where, path);
    va_start(args, format);
    add_v(problems, &where, format, args);
    va_end(args);
}

void schema_problems_prefix(struct schema_problems *problems, size_t n,
                            const struct schema_path *path)
{
    for (size_t i = n; path && i < problems->n; i++) {
        _cleanup_buf_ struct buf where = BUF_INIT(SCHEMA_PROBLEM_TEXT_MAX);
        const char *attribute = problems->items[i].attribute;
        char *text;

        schema_path_put(&where, path);
        if (*attribute && *attribute != '[' && *attribute != '.')
            buf_puts(&where, ".");
        buf_puts(&where, attribute);
        text = buf_steal(&where);
        if (!text)
            continue; /* the shorter one is still right */
        free(problems->items[i].attribute);
        problems->items[i].attribute = text;
    }
}

void schema_found(struct buf *text, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        buf_puts(text, "a string ");
        text_quote(text, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        buf_printf(text, "an integer '%" JSON_INTEGER_FORMAT "'", json_integer_value(value));
        break;
    case JSON_REAL:
        buf_printf(text, "a number '%g'", json_real_value(value));
        break;
    case JSON_ARRAY:
        buf_puts(text, json_array_size(value) ? "a list" : "an empty list");
        break;
    case JSON_OBJECT:
        buf_puts(text, "an object");
        break;
    case JSON_NULL:
        buf_puts(text, "null");
        break;
    default:
        buf_puts(text, json_is_true(value) ? "true" : "false");
    }
}
