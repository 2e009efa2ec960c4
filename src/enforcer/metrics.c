/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static void put_help(struct buf *buf, const char *help)
{
    for (; *help; help++) {
        if (*help == '\\')
            buf_puts(buf, "\\\\");
        else if (*help == '\n')
            buf_puts(buf, "\\n");
        else
            buf_append(buf, help, 1);
    }
}

static void put_head(struct buf *buf, const char *name, const char *suffix, const char *type,
                     const char *help)
{
    buf_printf(buf, "# HELP bulkhead_%s%s ", name, suffix);
    put_help(buf, help);
    buf_printf(buf, "\n# TYPE bulkhead_%s%s %s\n", name, suffix, type);
}

void metrics_counter(struct buf *buf, const char *name, const char *help, uint64_t value)
{
    put_head(buf, name, "_total", "counter", help);
    buf_printf(buf, "bulkhead_%s_total %" PRIu64 "\n", name, value);
}

void metrics_gauge(struct buf *buf, const char *name, const char *help, double value)
{
    put_head(buf, name, "", "gauge", help);
    buf_printf(buf, "bulkhead_%s %.17g\n", name, value);
}

void metrics_build_info(struct buf *buf, const char *version)
{
    put_head(buf, "build_info", "", "gauge", "Which build this is.");
    buf_printf(buf, "bulkhead_build_info{version=\"%s\"} 1\n", version);
}

/* Index after the blank line that ends the header, or 0. Bare LF is accepted (RFC 9112, 2.2). */
static size_t header_end(const char *data, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (data[i] == '\n' && data[i + 1] == '\n')
            return i + 2;
        if (i + 2 < len && data[i] == '\n' && data[i + 1] == '\r' && data[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

static bool text_is(const char *data, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(data, text, len) == 0;
}

/* "METHOD SP target SP HTTP/1.x" */
static enum metrics_verdict judge_line(const char *line, size_t len)
{
    const char *target, *version, *end = line + len;
    size_t target_len;

    if (len > 0 && line[len - 1] == '\r')
        end--;
    for (const char *at = line; at < end; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return METRICS_BAD;
    target = memchr(line, ' ', (size_t)(end - line));
    version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
    if (!version || target == line || version == target + 1)
        return METRICS_BAD;
    if (!text_is(version + 1, (size_t)(end - version - 1), "HTTP/1.1") &&
        !text_is(version + 1, (size_t)(end - version - 1), "HTTP/1.0"))
        return METRICS_BAD;
    target_len = (size_t)(version - target - 1);
    if (!text_is(target + 1, target_len, "/metrics") &&
        !(target_len > strlen("/metrics") && memcmp(target + 1, "/metrics?", 9) == 0))
        return METRICS_NOT_FOUND;
    return text_is(line, (size_t)(target - line), "GET") ? METRICS_OK : METRICS_METHOD;
}

enum metrics_verdict metrics_judge(const char *data, size_t len)
{
    const char *end = len ? memchr(data, '\n', len) : NULL;

    if (len && (data[0] < 'A' || data[0] > 'Z'))
        return METRICS_BAD;
    if (!end || header_end(data, len) == 0)
        return len > METRICS_REQUEST_BYTES_MAX ? METRICS_TOO_LARGE : METRICS_MORE;
    return judge_line(data, (size_t)(end - data));
}
