/* SPDX-License-Identifier: Apache-2.0 */
#include "console/encoding_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* ---- Reading ------------------------------------------------------------------------------- */

struct scan {
    size_t line, column; /* column in characters, from 1 */
    size_t depth, values;
    bool in_string, escaped;
};

static const char *scan_one(struct scan *scan, char c)
{
    if (scan->in_string) {
        if (scan->escaped)
            scan->escaped = false;
        else if (c == '\\')
            scan->escaped = true;
        else if (c == '"')
            scan->in_string = false;
        return NULL;
    }
    switch (c) {
    case '"':
        scan->in_string = true;
        break;
    case '[':
    case '{':
        scan->values++;
        if (++scan->depth > ENCODING_DEPTH_MAX)
            return "nested too deeply";
        break;
    case ']':
    case '}':
        scan->depth -= scan->depth > 0;
        break;
    case ',':
        scan->values++;
        break;
    default:
        break;
    }
    return scan->values > ENCODING_VALUES_MAX ? "too many values" : NULL;
}

/* What jansson has no limits for, before it builds anything. */
static bool within_limits(const char *text, size_t len, char *problem, size_t problem_size)
{
    struct scan scan = {.line = 1, .column = 1};

    for (size_t i = 0; i < len; i++) {
        const char *wrong = scan_one(&scan, text[i]);

        if (wrong) {
            snprintf(problem, problem_size, "line %zu, column %zu: %s", scan.line, scan.column,
                     wrong);
            return false;
        }
        if (text[i] == '\n') {
            scan.line++;
            scan.column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            scan.column++;
        }
    }
    return true;
}

json_t *encoding_json_decode(const char *text, size_t len, char *problem, size_t problem_size)
{
    json_error_t error;
    json_t *value;

    if (!within_limits(text, len, problem, problem_size))
        return NULL;
    value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!value)
        snprintf(problem, problem_size, "line %d, column %d: %s", error.line, error.column,
                 error.text);
    return value;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/*
 * Not json_dumps(): that keeps a table of all containers it is in, to find loops, which costs more
 * than the writing. Values that were decoded or built by the schema have none.
 */
static void append_string(const json_t *value, struct buf *buf)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value), plain = 0;

    while (plain < len && (unsigned char)text[plain] >= 0x20 && text[plain] != '"' &&
           text[plain] != '\\')
        plain++;
    buf_append(buf, "\"", 1);
    buf_append(buf, text, plain);
    if (plain < len)
        text_json_escape(buf, text + plain, len - plain);
    buf_append(buf, "\"", 1);
}

static void append_key(const char *key, struct buf *buf)
{
    buf_append(buf, "\"", 1);
    text_json_escape(buf, key, strlen(key));
    buf_append(buf, "\":", 2);
}

static void append_integer(json_int_t number, struct buf *buf)
{
    char digits[24], *at = digits + sizeof(digits);
    unsigned long long rest =
        number < 0 ? 0ull - (unsigned long long)number : (unsigned long long)number;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        *--at = '-';
    buf_append(buf, at, (size_t)(digits + sizeof(digits) - at));
}

/* The shortest form that is the same number when read back, and a real again, not an integer. */
static void append_real(double number, struct buf *buf)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buf_puts(buf, text);
    if (!strpbrk(text, ".eE"))
        buf_puts(buf, ".0");
}

static void append(const json_t *value, unsigned depth, struct buf *buf);

static void append_list(const json_t *list, unsigned depth, struct buf *buf)
{
    buf_append(buf, "[", 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i)
            buf_append(buf, ",", 1);
        append(json_array_get(list, i), depth + 1, buf);
    }
    buf_append(buf, "]", 1);
}

static void append_object(const json_t *object, unsigned depth, struct buf *buf)
{
    json_t *o = (json_t *)object; /* the iterator changes nothing */
    bool first = true;

    buf_append(buf, "{", 1);
    for (void *i = json_object_iter(o); i; i = json_object_iter_next(o, i)) {
        if (!first)
            buf_append(buf, ",", 1);
        first = false;
        append_key(json_object_iter_key(i), buf);
        append(json_object_iter_value(i), depth + 1, buf);
    }
    buf_append(buf, "}", 1);
}

static void append(const json_t *value, unsigned depth, struct buf *buf)
{
    if (depth > 2 * ENCODING_DEPTH_MAX) {
        buf->error = buf->error ? buf->error : -ELOOP;
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        append_object(value, depth, buf);
        break;
    case JSON_ARRAY:
        append_list(value, depth, buf);
        break;
    case JSON_STRING:
        append_string(value, buf);
        break;
    case JSON_INTEGER:
        append_integer(json_integer_value(value), buf);
        break;
    case JSON_REAL:
        append_real(json_real_value(value), buf);
        break;
    case JSON_TRUE:
        buf_append(buf, "true", 4);
        break;
    case JSON_FALSE:
        buf_append(buf, "false", 5);
        break;
    case JSON_NULL:
        buf_append(buf, "null", 4);
        break;
    }
}

void encoding_json_append(const json_t *value, struct buf *buf)
{
    append(value, 0, buf);
}
