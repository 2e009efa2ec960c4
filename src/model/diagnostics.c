/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "model/check.h"
#include "model/model.h"

#define PATH_TEXT_MAX 4096
#define PATH_KEY_SHOWN_MAX TEXT_QUOTE_MAX
#define DIAGNOSTIC_TEXT_MAX 65536
#define WORDS_SHOWN_MAX 30

int array_grow(void *array, size_t n, size_t item_bytes)
{
    void **items = array;
    void *more;

    /* Full whenever n is 0 or a power of two. */
    if (n & (n - 1))
        return 0;
    more = reallocarray(*items, n ? 2 * n : 1, item_bytes);
    if (!more)
        return -ENOMEM;
    *items = more;
    return 0;
}

/* Warnings get half of the places, so that they cannot hide the errors. */
static bool is_full(const struct diagnostics *list, enum diagnostic_severity severity)
{
    return list->n >= MODEL_DIAGNOSTICS_MAX ||
           (severity == DIAGNOSTIC_WARNING && list->n_warnings >= MODEL_DIAGNOSTICS_MAX / 2);
}

static void count(struct diagnostics *list, enum diagnostic_severity severity)
{
    if (severity == DIAGNOSTIC_ERROR)
        list->n_errors++;
    else
        list->n_warnings++;
}

static void add_owned(struct diagnostics *list, struct diagnostic *item)
{
    if (item->file && item->path && item->message &&
        array_grow(&list->items, list->n, sizeof(*list->items)) == 0) {
        list->items[list->n++] = *item;
        return;
    }
    list->n_dropped++;
    free(item->file);
    free(item->path);
    free(item->message);
}

static void add_v(struct diagnostics *list, struct diagnostic item, const char *format,
                  va_list args) __attribute__((format(printf, 3, 0)));

/* Takes item.path; the file is copied. */
static void add_v(struct diagnostics *list, struct diagnostic item, const char *format,
                  va_list args)
{
    item.file = strdup(item.file ? item.file : "");
    if (vasprintf(&item.message, format, args) < 0)
        item.message = NULL;
    count(list, item.severity);
    add_owned(list, &item);
}

void diagnostics_add(struct diagnostics *list, enum diagnostic_severity severity, const char *file,
                     unsigned line, unsigned column, const char *path, const char *format, ...)
{
    struct diagnostic item = {
        .severity = severity, .file = (char *)file, .line = line, .column = column};
    va_list args;

    assert(list);
    assert(format);

    if (is_full(list, severity)) {
        count(list, severity);
        list->n_dropped++;
        return;
    }
    item.path = strdup(path ? path : "");
    va_start(args, format);
    add_v(list, item, format, args);
    va_end(args);
}

void diagnostics_clear(struct diagnostics *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].file);
        free(list->items[i].path);
        free(list->items[i].message);
    }
    free(list->items);
    *list = (struct diagnostics){0};
}

char *diagnostic_format(const struct diagnostic *diagnostic)
{
    _cleanup_buf_ struct buf text = BUF_INIT(DIAGNOSTIC_TEXT_MAX);

    assert(diagnostic);

    if (diagnostic->file && *diagnostic->file) {
        buf_puts(&text, diagnostic->file);
        if (diagnostic->line)
            buf_printf(&text, ":%u", diagnostic->line);
        buf_puts(&text, ": ");
    }
    if (diagnostic->path && *diagnostic->path)
        buf_printf(&text, "%s: ", diagnostic->path);
    buf_puts(&text, diagnostic->message ? diagnostic->message : "");
    return buf_steal(&text);
}

/* Keys come from the file: what is no plain word is quoted. */
static void put_key(struct buf *text, const char *key, bool known)
{
    size_t len = strlen(key);
    size_t plain = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    if (known || (len > 0 && plain == len && len <= PATH_KEY_SHOWN_MAX))
        buf_puts(text, key);
    else
        text_quote(text, key, len);
}

static void put_path(struct buf *text, const struct path *path)
{
    if (!path)
        return;
    put_path(text, path->parent); /* at most MODEL_DOCUMENT_DEPTH_MAX deep */
    if (!path->parent) {
        if (path->key)
            put_key(text, path->key, true);
    } else if (path->key) {
        if (text->len > 0)
            buf_puts(text, ".");
        put_key(text, path->key, false);
    } else {
        buf_printf(text, "[%zu]", path->index);
    }
}

void check_report(const struct check *check, enum diagnostic_severity severity, unsigned line,
                  unsigned column, const struct path *path, const char *format, ...)
{
    _cleanup_buf_ struct buf text = BUF_INIT(PATH_TEXT_MAX);
    struct diagnostic item = {
        .severity = severity, .file = (char *)check->file, .line = line, .column = column};
    va_list args;

    if (is_full(check->diagnostics, severity)) {
        count(check->diagnostics, severity);
        check->diagnostics->n_dropped++;
        return;
    }
    put_path(&text, path);
    item.path = buf_steal(&text);
    va_start(args, format);
    add_v(check->diagnostics, item, format, args);
    va_end(args);
}

struct quoted quoted_len(const char *text, size_t len)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(QUOTED_MAX - 1);
    struct quoted result;

    text_quote(&buf, text, len);
    /* 80 characters of at most 6 bytes each, two quotes and three dots always fit. */
    snprintf(result.text, sizeof(result.text), "%s", buf.error || !buf.data ? "'...'" : buf.data);
    return result;
}

struct quoted quoted(const char *text)
{
    return quoted_len(text, strlen(text));
}

struct quoted described(const struct node *node)
{
    struct quoted result, text;

    if (node->kind == NODE_NULL || node->kind >= NODE_LIST) {
        snprintf(result.text, sizeof(result.text), "%s", node_kind_name(node));
        return result;
    }
    text = quoted_len(node->text, node->text_len);
    snprintf(result.text, sizeof(result.text), "%s %.480s", node_kind_name(node), text.text);
    return result;
}

static void report_words(const struct check *check, const struct node *node,
                         const struct path *path, const char *const *words, size_t n)
{
    _cleanup_buf_ struct buf text = BUF_INIT(DIAGNOSTIC_TEXT_MAX);

    for (size_t i = 0; i < n && i < WORDS_SHOWN_MAX; i++)
        buf_printf(&text, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
    check_error(check, node, path, "found %s, expected %s", described(node).text,
                text.data ? text.data : "another word");
}

int check_word(const struct check *check, const struct node *node, const struct path *path,
               const char *const *words, size_t n)
{
    if (node->kind == NODE_STRING)
        for (size_t i = 0; i < n; i++)
            if (strcmp(node->text, words[i]) == 0)
                return (int)i;
    report_words(check, node, path, words, n);
    return -1;
}

static bool has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    return false;
}

bool check_text(const struct check *check, const struct node *node, const struct path *path,
                size_t min, size_t max)
{
    size_t n;

    if (node->kind != NODE_STRING) {
        check_error(check, node, path, "found %s, expected a string", described(node).text);
        return false;
    }
    n = text_utf8_count(node->text, node->text_len);
    if (n < min || n > max) {
        check_error(check, node, path, "found %zu characters %s, expected %zu to %zu", n,
                    quoted_len(node->text, node->text_len).text, min, max);
        return false;
    }
    if (has_control(node->text, node->text_len)) {
        check_error(check, node, path, "found %s, expected text without control characters",
                    quoted_len(node->text, node->text_len).text);
        return false;
    }
    return true;
}
