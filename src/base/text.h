/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct buf;

/*
 * Decode one UTF-8 sequence (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
 * @return its length in bytes (1..4); 0 when `text` does not start with a valid one or len is 0
 */
size_t text_utf8_next(const char *text, size_t len, uint32_t *ret_point);
/* Whole text valid? *ret_bad (may be NULL): offset of the first wrong byte, untouched when valid.
 */
bool text_utf8_valid(const char *text, size_t len, size_t *ret_bad);
/* Number of code points; a wrong byte counts as one. */
size_t text_utf8_count(const char *text, size_t len);

/* snprintf() for text that others read: what does not fit is cut off between two characters, never
 * within one, also where a precision ("%.150s") cut before. @param size  of `ret`, > 0 */
void text_format(char *ret, size_t size, const char *format, ...) _printf_(3, 4);
void text_vformat(char *ret, size_t size, const char *format, va_list args) _printf_(3, 0);

#define TEXT_QUOTE_MAX 80 /* characters of foreign text that a message shows */

/*
 * Append foreign text between single quotes, at most TEXT_QUOTE_MAX characters of it ("..." then),
 * control characters, quotes, backslashes and wrong bytes escaped: 'tcp/80\n'.
 */
void text_quote(struct buf *buf, const char *text, size_t len);
/* The body of a JSON string without its quotes; wrong bytes become U+FFFD. */
void text_json_escape(struct buf *buf, const char *text, size_t len);
