/* SPDX-License-Identifier: Apache-2.0 */
/* Text that is safe to print: what is foreign is escaped, once, here. */
#include <langinfo.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "cli/output.h"

#define TEXT_ESCAPED_BYTES_MAX ((size_t)64 << 20)

/* Controls, and what changes the order or the lines of text around it (UAX #9, UAX #14). */
static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0xfeff ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f);
}

static void append_char(struct buf *buf, const char *at, size_t len, uint32_t c, bool ascii)
{
    if (c == '\\')
        buf_puts(buf, "\\\\");
    else if (c == '\n')
        buf_puts(buf, "\\n");
    else if (c == '\t')
        buf_puts(buf, "\\t");
    else if (len == 1 && is_unsafe(c))
        buf_printf(buf, "\\x%02x", (unsigned)c);
    else if (is_unsafe(c) || (ascii && c >= 0x80))
        buf_printf(buf, "\\u{%x}", (unsigned)c);
    else
        buf_append(buf, at, len);
}

char *text_escape(const char *text, bool ascii)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(TEXT_ESCAPED_BYTES_MAX);

    for (size_t len = strlen(text); len > 0;) {
        uint32_t c = 0;
        size_t n = text_utf8_next(text, len, &c);

        if (n == 0)
            buf_printf(&buf, "\\x%02x", (unsigned char)*text);
        else
            append_char(&buf, text, n, c, ascii);
        text += n ? n : 1;
        len -= n ? n : 1;
    }
    if (!buf.error && !buf.data)
        return strdup("");
    return buf_steal(&buf);
}

char *text_safe(const char *text)
{
    return text_escape(text, strcmp(nl_langinfo(CODESET), "UTF-8") != 0);
}
