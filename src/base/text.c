/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

size_t text_utf8_next(const char *text, size_t len, uint32_t *ret_point)
{
    static const uint32_t lowest[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    uint32_t point;
    size_t n;

    assert(ret_point);

    if (len == 0)
        return 0;
    if (bytes[0] < 0x80) {
        *ret_point = bytes[0];
        return 1;
    }
    if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf) {
        n = 2;
        point = bytes[0] & 0x1f;
    } else if ((bytes[0] & 0xf0) == 0xe0) {
        n = 3;
        point = bytes[0] & 0x0f;
    } else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4) {
        n = 4;
        point = bytes[0] & 0x07;
    } else {
        return 0;
    }
    if (n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3f);
    }
    if (point < lowest[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return n;
}

bool text_utf8_valid(const char *text, size_t len, size_t *ret_bad)
{
    uint32_t point;

    for (size_t at = 0; at < len;) {
        size_t n;

        /* Nearly all of it is ASCII: eight bytes at a time. */
        while (len - at >= 8) {
            uint64_t word;

            memcpy(&word, text + at, sizeof(word));
            if (word & 0x8080808080808080ULL)
                break;
            at += 8;
        }
        n = text_utf8_next(text + at, len - at, &point);
        if (n == 0 && at < len) {
            if (ret_bad)
                *ret_bad = at;
            return false;
        }
        at += n;
    }
    return true;
}

size_t text_utf8_count(const char *text, size_t len)
{
    uint32_t point;
    size_t count = 0;

    for (size_t at = 0; at < len; count++) {
        size_t n = text_utf8_next(text + at, len - at, &point);

        at += n ? n : 1;
    }
    return count;
}

/* Wrong bytes go. */
static void keep_characters(char *text)
{
    size_t len = strlen(text), kept = 0;
    uint32_t point;

    for (size_t at = 0; at < len;) {
        size_t n = text_utf8_next(text + at, len - at, &point);

        memmove(text + kept, text + at, n);
        kept += n;
        at += n ? n : 1;
    }
    text[kept] = '\0';
}

void text_vformat(char *ret, size_t size, const char *format, va_list args)
{
    assert(ret);
    assert(size > 0);

    if (vsnprintf(ret, size, format, args) < 0)
        *ret = '\0';
    if (!text_utf8_valid(ret, strlen(ret), NULL))
        keep_characters(ret);
}

void text_format(char *ret, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vformat(ret, size, format, args);
    va_end(args);
}

static bool is_control(uint32_t point)
{
    /*
     * C0, DEL, C1, line and paragraph separators, what turns the direction of
     * text around, the byte order mark and noncharacters (which YAML does not allow unescaped).
     */
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) ||
           point == 0xfeff || point == 0xfffe || point == 0xffff;
}

static void quote_one(struct buf *buf, const char *text, size_t n, uint32_t point)
{
    if (n == 0)
        buf_printf(buf, "\\x%02x", (unsigned char)*text);
    else if (point == '\n')
        buf_puts(buf, "\\n");
    else if (point == '\t')
        buf_puts(buf, "\\t");
    else if (point == '\'' || point == '\\')
        buf_printf(buf, "\\%c", (int)point);
    else if (is_control(point))
        buf_printf(buf, point < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)point);
    else
        buf_append(buf, text, n);
}

void text_quote(struct buf *buf, const char *text, size_t len)
{
    size_t shown = 0, at = 0;
    uint32_t point = 0;

    buf_puts(buf, "'");
    while (at < len && shown < TEXT_QUOTE_MAX) {
        size_t n = text_utf8_next(text + at, len - at, &point);

        quote_one(buf, text + at, n, point);
        at += n ? n : 1;
        shown++;
    }
    buf_puts(buf, at < len ? "'..." : "'");
}

void text_json_escape(struct buf *buf, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t point = 0;
        size_t n = text_utf8_next(text + at, len - at, &point);

        if (n == 0)
            buf_puts(buf, "\\ufffd");
        else if (point == '"' || point == '\\')
            buf_printf(buf, "\\%c", (int)point);
        else if (is_control(point))
            buf_printf(buf, "\\u%04x", (unsigned)point);
        else
            buf_append(buf, text + at, n);
        at += n ? n : 1;
    }
}
