/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/text.h"

#define LOG_LINE_MAX 16384

/* Only log_setup changes these, before there is a second thread. */
static enum log_level level_max = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_TEXT;
static pthread_mutex_t site_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_setup(enum log_level level, enum log_format format)
{
    level_max = level;
    line_format = format;
}

enum log_level log_level_get(void)
{
    return level_max;
}

struct log_field log_field(const char *key, const char *format, ...)
{
    struct log_field field = {.key = key};
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(field.value, sizeof(field.value), format, args);
    va_end(args);
    if (n < 0)
        field.value[0] = '\0';
    if (n >= (int)sizeof(field.value)) {
        size_t at = sizeof(field.value) - 4;

        /* Not in the middle of a UTF-8 sequence. */
        while (at > 0 && ((unsigned char)field.value[at] & 0xc0) == 0x80)
            at--;
        memcpy(field.value + at, "...", 4);
    }
    return field;
}

/* May this line go out? *ret_suppressed: lines of the last window that did not and were not told
 * yet. */
static bool site_admit(struct log_site *site, long now_s, unsigned int *ret_suppressed)
{
    bool admit;

    pthread_mutex_lock(&site_lock);
    *ret_suppressed = 0;
    if (site->lines == 0 || now_s - site->window_start_s >= LOG_WINDOW_S ||
        now_s < site->window_start_s) {
        site->window_start_s = now_s;
        site->lines = 0;
    }
    admit = site->lines < LOG_BURST;
    if (admit) {
        site->lines++;
        *ret_suppressed = site->suppressed;
        site->suppressed = 0;
    } else {
        site->suppressed++;
    }
    pthread_mutex_unlock(&site_lock);
    return admit;
}

static void put_time(struct buf *line)
{
    struct timespec now;
    char text[64];
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(line, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

static bool is_plain(const char *value)
{
    if (!*value)
        return false;
    for (; *value; value++)
        if ((unsigned char)*value <= ' ' || (unsigned char)*value >= 0x7f ||
            strchr("\"\\=", *value))
            return false;
    return true;
}

static void put_field(struct buf *line, const char *key, const char *value)
{
    bool json = line_format == LOG_FORMAT_JSON;

    if (!json && is_plain(value)) {
        buf_printf(line, " %s=%s", key, value);
        return;
    }
    if (json)
        buf_puts(line, ",\"");
    else
        buf_puts(line, " ");
    text_json_escape(line, key, strlen(key));
    buf_puts(line, json ? "\":\"" : "=\"");
    text_json_escape(line, value, strlen(value));
    buf_puts(line, "\"");
}

static void put_head(struct buf *line, enum log_level level, const char *event)
{
    if (line_format == LOG_FORMAT_JSON) {
        buf_puts(line, "{\"time\":\"");
        put_time(line);
        buf_printf(line, "\",\"level\":\"%s\"", level_names[level]);
        put_field(line, "event", event);
    } else {
        put_time(line);
        buf_printf(line, " %s %s", level_names[level], event);
    }
}

static void write_line(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nowhere to report it */
        data += n;
        len -= (size_t)n;
    }
}

void log_write(struct log_site *site, enum log_level level, const char *event,
               const struct log_field *fields, size_t n)
{
    _cleanup_buf_ struct buf line = BUF_INIT(LOG_LINE_MAX);
    unsigned int suppressed = 0;
    struct timespec now;

    assert(site);
    assert(event);
    assert(fields || n == 0);
    assert((size_t)level < ARRAY_SIZE(level_names));

    if (level > level_max)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!site_admit(site, (long)now.tv_sec, &suppressed))
        return;
    put_head(&line, level, event);
    for (size_t i = 0; i < n; i++)
        put_field(&line, fields[i].key, fields[i].value);
    if (suppressed > 0) {
        char text[16];

        snprintf(text, sizeof(text), "%u", suppressed);
        put_field(&line, "suppressed", text);
    }
    buf_puts(&line, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
    if (line.error) {
        /* Longer than LOG_LINE_MAX, or no memory: the event without its fields is better than
         * nothing. */
        buf_free(&line);
        put_head(&line, level, event);
        buf_puts(&line, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
    }
    if (!line.error)
        write_line(line.data, line.len);
}
