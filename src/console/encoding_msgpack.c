/* SPDX-License-Identifier: Apache-2.0 */
#include "console/encoding_internal.h"

#include <errno.h>
#include <math.h>
#include <msgpack.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

/* ---- Reading ------------------------------------------------------------------------------- */

/*
 * Not msgpack_unpack_next(): it believes the number of elements that a list claims to have, and
 * takes memory for all of them.
 */
struct reader {
    const uint8_t *data;
    size_t len, at;
    size_t depth, values;
    char *problem;
    size_t problem_size;
    bool failed;
};

static void fail(struct reader *reader, size_t at, const char *format, ...) _printf_(3, 4);
static void fail(struct reader *reader, size_t at, const char *format, ...)
{
    va_list args;
    int n;

    if (reader->failed)
        return;
    reader->failed = true;
    n = snprintf(reader->problem, reader->problem_size, "byte %zu: ", at);
    if (n < 0 || (size_t)n >= reader->problem_size)
        return;
    va_start(args, format);
    text_vformat(reader->problem + n, reader->problem_size - (size_t)n, format, args);
    va_end(args);
}

static bool has(struct reader *reader, uint64_t n)
{
    if (!reader->failed && n > reader->len - reader->at)
        fail(reader, reader->len, "the body ends in the middle of a value");
    return !reader->failed;
}

/* Big-endian, `bytes` of them; 0 when failed. */
static uint64_t number(struct reader *reader, size_t bytes)
{
    uint64_t value = 0;

    if (!has(reader, bytes))
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | reader->data[reader->at++];
    return value;
}

static const char *text(struct reader *reader, uint64_t len)
{
    const char *start = (const char *)reader->data + reader->at;
    size_t bad = 0;

    if (!has(reader, len))
        return NULL;
    if (!text_utf8_valid(start, (size_t)len, &bad)) {
        fail(reader, reader->at + bad, "text that is not UTF-8");
        return NULL;
    }
    if (memchr(start, '\0', (size_t)len)) {
        fail(reader, reader->at, "text with a NUL inside");
        return NULL;
    }
    reader->at += (size_t)len;
    return start;
}

static json_t *read_text(struct reader *reader, uint64_t len)
{
    const char *start = text(reader, len);

    return start ? json_stringn_nocheck(start, (size_t)len) : NULL;
}

static json_t *read_real(struct reader *reader, size_t bytes)
{
    size_t at = reader->at;
    uint64_t bits = number(reader, bytes);
    uint32_t bits32 = (uint32_t)bits;
    double wide;
    float narrow;

    memcpy(&wide, &bits, sizeof(wide));
    memcpy(&narrow, &bits32, sizeof(narrow));
    if (bytes == sizeof(narrow))
        wide = (double)narrow;
    if (!isfinite(wide)) {
        fail(reader, at, "a number that is not finite");
        return NULL;
    }
    return reader->failed ? NULL : json_real(wide);
}

static json_t *read_integer(struct reader *reader, size_t bytes, bool is_signed)
{
    size_t at = reader->at;
    uint64_t value = number(reader, bytes);
    unsigned shift = (unsigned)(64 - 8 * bytes);

    if (reader->failed)
        return NULL;
    if (!is_signed && value > INT64_MAX) {
        fail(reader, at, "the integer %llu is too large", (unsigned long long)value);
        return NULL;
    }
    if (is_signed)
        return json_integer((int64_t)(value << shift) >> shift);
    return json_integer((json_int_t)value);
}

/* Timestamps only: 32 bits of seconds; 30 of nanoseconds and 34 of seconds; 32 and 64. */
static json_t *read_extension(struct reader *reader, uint64_t len)
{
    size_t at = reader->at;
    uint64_t type = number(reader, 1), bits, nanoseconds = 0;
    int64_t seconds;
    struct tm parts;
    char out[64];
    size_t n;

    if (!reader->failed && (type != 0xff || (len != 4 && len != 8 && len != 12)))
        fail(reader, at, "an extension that is not a timestamp");
    if (len == 12)
        nanoseconds = number(reader, 4);
    bits = number(reader, len == 4 ? 4 : 8);
    seconds = (int64_t)bits;
    if (len == 8) {
        nanoseconds = bits >> 34;
        seconds = (int64_t)(bits & 0x3ffffffffull);
    }
    if (reader->failed)
        return NULL;
    /* RFC 3339 has years of four digits */
    if (nanoseconds > 999999999 || seconds < -62135596800 || seconds > 253402300799 ||
        !gmtime_r(&(time_t){seconds}, &parts)) {
        fail(reader, at, "a timestamp that is not one");
        return NULL;
    }
    n = strftime(out, sizeof(out), "%Y-%m-%dT%H:%M:%S", &parts);
    /* strftime() writes the years 1 to 999 without zeros in front. */
    if (n == 0 || parts.tm_year + 1900 < 1000) {
        fail(reader, at, "a timestamp before the year 1000");
        return NULL;
    }
    snprintf(out + n, sizeof(out) - n, ".%03uZ", (unsigned)(nanoseconds / 1000000));
    return json_string(out);
}

static json_t *read_value(struct reader *reader);

static bool enter(struct reader *reader, uint64_t count, unsigned least_bytes)
{
    if (!has(reader, count * least_bytes))
        return false;
    if (++reader->depth > ENCODING_DEPTH_MAX)
        fail(reader, reader->at, "nested too deeply");
    return !reader->failed;
}

static json_t *read_list(struct reader *reader, uint64_t count)
{
    json_t *list = enter(reader, count, 1) ? json_array() : NULL;

    while (list && !reader->failed && count--)
        if (json_array_append_new(list, read_value(reader)) < 0)
            fail(reader, reader->at, "out of memory");
    reader->depth--;
    return list;
}

/* The length of a name: a text in one of its four forms. */
static uint64_t read_name_length(struct reader *reader)
{
    size_t at = reader->at;
    uint8_t byte = (uint8_t)number(reader, 1);

    if ((byte & 0xe0) == 0xa0)
        return byte & 0x1f;
    if (byte >= 0xd9 && byte <= 0xdb)
        return number(reader, (size_t)1 << (byte - 0xd9));
    fail(reader, at, "a name that is not text");
    return 0;
}

static void read_member(struct reader *reader, json_t *object)
{
    size_t at = reader->at;
    uint64_t len = read_name_length(reader);
    const char *name = text(reader, len);
    json_t *value;

    if (!name)
        return;
    if (json_object_getn(object, name, (size_t)len)) {
        _cleanup_buf_ struct buf quoted = BUF_INIT(1024);

        text_quote(&quoted, name, (size_t)len);
        fail(reader, at, "the name %s is there twice", quoted.data ? quoted.data : "");
        return;
    }
    value = read_value(reader);
    if (!reader->failed && json_object_setn_new_nocheck(object, name, (size_t)len, value) < 0)
        fail(reader, at, "out of memory");
    else if (reader->failed)
        json_decref(value);
}

static json_t *read_object(struct reader *reader, uint64_t count)
{
    json_t *object = enter(reader, count, 2) ? json_object() : NULL;

    while (object && !reader->failed && count--)
        read_member(reader, object);
    reader->depth--;
    return object;
}

static json_t *read_byte(struct reader *reader, size_t at, uint8_t byte)
{
    switch (byte) {
    case 0xc0:
        return json_null();
    case 0xc2:
    case 0xc3:
        return json_boolean(byte == 0xc3);
    case 0xc4:
    case 0xc5:
    case 0xc6:
        fail(reader, at, "binary data where text is expected");
        return NULL;
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return read_extension(reader, number(reader, (size_t)1 << (byte - 0xc7)));
    case 0xca:
    case 0xcb:
        return read_real(reader, byte == 0xca ? 4 : 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return read_integer(reader, (size_t)1 << (byte - 0xcc), false);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return read_integer(reader, (size_t)1 << (byte - 0xd0), true);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return read_extension(reader, 1ull << (byte - 0xd4));
    case 0xd9:
    case 0xda:
    case 0xdb:
        return read_text(reader, number(reader, (size_t)1 << (byte - 0xd9)));
    case 0xdc:
    case 0xdd:
        return read_list(reader, number(reader, byte == 0xdc ? 2 : 4));
    case 0xde:
    case 0xdf:
        return read_object(reader, number(reader, byte == 0xde ? 2 : 4));
    default:
        fail(reader, at, "a byte that begins no value");
        return NULL;
    }
}

static json_t *read_value(struct reader *reader)
{
    size_t at = reader->at;
    uint8_t byte = (uint8_t)number(reader, 1);
    json_t *value;

    if (!reader->failed && ++reader->values > ENCODING_VALUES_MAX)
        fail(reader, at, "too many values");
    if (reader->failed)
        return NULL;
    if (byte <= 0x7f)
        value = json_integer(byte);
    else if (byte >= 0xe0)
        value = json_integer((int8_t)byte);
    else if (byte <= 0x8f)
        value = read_object(reader, byte & 0x0f);
    else if (byte <= 0x9f)
        value = read_list(reader, byte & 0x0f);
    else if (byte <= 0xbf)
        value = read_text(reader, byte & 0x1f);
    else
        value = read_byte(reader, at, byte);
    if (!value)
        fail(reader, at, "out of memory");
    return value;
}

json_t *encoding_msgpack_decode(const uint8_t *data, size_t len, char *problem, size_t problem_size)
{
    struct reader reader = {
        .data = data, .len = len, .problem = problem, .problem_size = problem_size};
    json_t *value = read_value(&reader);

    if (!reader.failed && !json_is_object(value) && !json_is_array(value))
        fail(&reader, 0, "expected an object or a list");
    if (!reader.failed && reader.at != len)
        fail(&reader, reader.at, "there is more behind the value");
    if (!reader.failed)
        return value;
    json_decref(value);
    return NULL;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int write_to_buf(void *context, const char *data, size_t len)
{
    struct buf *buf = context;

    buf_append(buf, data, len);
    return buf->error;
}

static void pack_text(msgpack_packer *packer, const char *string, size_t len)
{
    msgpack_pack_str(packer, len);
    msgpack_pack_str_body(packer, string, len);
}

static void pack(msgpack_packer *packer, const json_t *value, unsigned depth);

static void pack_object(msgpack_packer *packer, const json_t *object, unsigned depth)
{
    json_t *o = (json_t *)object; /* the iterator changes nothing */

    msgpack_pack_map(packer, json_object_size(object));
    for (void *i = json_object_iter(o); i; i = json_object_iter_next(o, i)) {
        pack_text(packer, json_object_iter_key(i), json_object_iter_key_len(i));
        pack(packer, json_object_iter_value(i), depth + 1);
    }
}

static void pack(msgpack_packer *packer, const json_t *value, unsigned depth)
{
    struct buf *buf = packer->data;

    if (depth > 2 * ENCODING_DEPTH_MAX) {
        buf->error = buf->error ? buf->error : -ELOOP;
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_object(packer, value, depth);
        break;
    case JSON_ARRAY:
        msgpack_pack_array(packer, json_array_size(value));
        for (size_t i = 0; i < json_array_size(value); i++)
            pack(packer, json_array_get(value, i), depth + 1);
        break;
    case JSON_STRING:
        pack_text(packer, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(packer, json_integer_value(value));
        break;
    case JSON_REAL:
        msgpack_pack_double(packer, json_real_value(value));
        break;
    case JSON_TRUE:
        msgpack_pack_true(packer);
        break;
    case JSON_FALSE:
        msgpack_pack_false(packer);
        break;
    case JSON_NULL:
        msgpack_pack_nil(packer);
        break;
    }
}

void encoding_msgpack_append(const json_t *value, struct buf *buf)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buf, write_to_buf);
    pack(&packer, value, 0);
}

void encoding_msgpack_list(size_t n, struct buf *buf)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buf, write_to_buf);
    msgpack_pack_array(&packer, n);
}
