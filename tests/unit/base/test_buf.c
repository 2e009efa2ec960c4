/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

static void test_maximum_is_sticky(void **state)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(4);

    buf_puts(&buf, "abcd");
    assert_int_equal(buf.error, 0);
    assert_string_equal(buf.data, "abcd");
    buf_puts(&buf, "e");
    assert_int_equal(buf.error, -ENOSPC);
    assert_string_equal(buf.data, "abcd");
    buf_puts(&buf, "");
    buf_printf(&buf, "%d", 1);
    assert_int_equal(buf.error, -ENOSPC);
    assert_int_equal(buf.len, 4);
    assert_null(buf_steal(&buf));
}

static void test_printf_past_maximum(void **state)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(8);

    buf_printf(&buf, "%s", "12345678");
    assert_int_equal(buf.error, 0);
    buf_printf(&buf, "%s", "9");
    assert_int_equal(buf.error, -ENOSPC);
}

static void test_grow_and_consume(void **state)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(1 << 20);

    for (int i = 0; i < 10000; i++)
        buf_printf(&buf, "%04d ", i);
    assert_int_equal(buf.error, 0);
    assert_int_equal(buf.len, 50000);
    buf_consume(&buf, 0);
    buf_consume(&buf, 49995);
    assert_string_equal(buf.data, "9999 ");
    buf_consume(&buf, 5);
    assert_string_equal(buf.data, "");
    buf_append(&buf, "a\0b", 3);
    assert_int_equal(buf.len, 3);
    assert_memory_equal(buf.data, "a\0b", 4);
}

static void test_steal(void **state)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(16);
    char *text = buf_steal(&buf);

    assert_string_equal(text, ""); /* nothing appended: the empty text, not NULL */
    free(text);
    buf_puts(&buf, "abc");
    text = buf_steal(&buf);
    assert_string_equal(text, "abc");
    assert_null(buf.data);
    free(text);
    buf_puts(&buf, "again");
    assert_string_equal(buf.data, "again");
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        size_t len, bad; /* bad == len: valid */
    } rows[] = {
        {"\x80", 1, 0},
        {"\xc0\x80", 2, 0},
        {"\xc1\xbf", 2, 0},
        {"a\xc3", 2, 1},
        {"\xe0\x80\x80", 3, 0},
        {"\xe0\x9f\xbf", 3, 0},
        {"\xed\xa0\x80", 3, 0},
        {"\xed\xbf\xbf", 3, 0},
        {"\xf0\x80\x80\x80", 4, 0},
        {"ab\xf4\x90\x80\x80", 6, 2},
        {"\xf5\x80\x80\x80", 4, 0},
        {"12345678\xff", 9, 8},
        {"1234567\xff"
         "12345678",
         16, 7},
        {"", 0, 0},
        {"\xc2\x80", 2, 2},
        {"\xe0\xa0\x80", 3, 3},
        {"\xef\xbf\xbf", 3, 3},
        {"\xf0\x90\x80\x80", 4, 4},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"plain text of more than 8", 25, 25},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t bad = rows[i].len;

        bool valid = text_utf8_valid(rows[i].text, rows[i].len, &bad);

        assert_int_equal(valid, rows[i].bad == rows[i].len);
        assert_int_equal(bad, rows[i].bad);
    }
    assert_int_equal(text_utf8_count("a\xc3\xa4\xff", 4), 3);
}

static void test_quote(void **state)
{
    static const struct {
        const char *text, *quoted;
    } rows[] = {
        {"", "''"},
        {"tcp/80", "'tcp/80'"},
        {"a\nb\tc\x1b[2J", "'a\\nb\\tc\\x1b[2J'"},
        {"it's \\ here", "'it\\'s \\\\ here'"},
        {"\xff"
         "a",
         "'\\xffa'"},
        {"\xc3\xa4", "'\xc3\xa4'"},
        {"\xe2\x80\xae"
         "evil",
         "'\\u202eevil'"},
        {"\xc2\x85", "'\\x85'"},
    };
    _cleanup_buf_ struct buf buf = BUF_INIT(4096);
    char many[200];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_free(&buf);
        text_quote(&buf, rows[i].text, strlen(rows[i].text));
        assert_string_equal(buf.data, rows[i].quoted);
    }
    memset(many, 'x', sizeof(many));
    buf_free(&buf);
    text_quote(&buf, many, sizeof(many));
    assert_int_equal(buf.len, TEXT_QUOTE_MAX + strlen("''..."));
    assert_string_equal(buf.data + buf.len - 5, "x'...");
}

/* Never within a character: at the end of the room, and where a precision cut. */
static void test_format(void **state)
{
    const char *text = "a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80z"; /* of 1, 2, 3, 4 and 1 bytes */
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};

    for (size_t size = 1; size <= ARRAY_SIZE(kept); size++) {
        char out[ARRAY_SIZE(kept) + 8];

        text_format(out, size, "%s", text);
        assert_int_equal(strlen(out), kept[size - 1]);
        assert_memory_equal(out, text, kept[size - 1]);
        text_format(out, sizeof(out), "%.*s|", (int)size - 1, text);
        assert_int_equal(strlen(out), kept[size - 1] + 1);
        assert_int_equal(out[kept[size - 1]], '|');
    }
}

static void test_json_escape(void **state)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(4096);

    text_json_escape(&buf, "a\"\\\n\x01\xff\xc3\xa4", 8);
    assert_string_equal(buf.data, "a\\\"\\\\\\u000a\\u0001\\ufffd\xc3\xa4");
}

static void test_error_texts(void **state)
{
    assert_string_equal(error_text(-ENOENT), "No such file or directory");
    assert_string_equal(error_text(ENOENT), error_text(-ENOENT));
    for (int e = BULKHEAD_ERROR_BASE; e < BULKHEAD_ERROR_END; e++) {
        assert_string_not_equal(error_text(-e), "unknown error");
        assert_string_equal(error_text(-e), error_text(e));
    }
    assert_string_equal(error_text(-BULKHEAD_ERROR_END), "unknown error");
    assert_string_equal(error_text(-4000), "unknown error");
    assert_non_null(error_text(-2147483647 - 1));
}

static void test_sha256(void **state)
{
    /* FIPS 180-4 examples */
    static const uint8_t of_nothing[4] = {0xe3, 0xb0, 0xc4, 0x42};
    static const uint8_t of_abc[4] = {0xba, 0x78, 0x16, 0xbf};
    uint8_t digest[SHA256_BYTES];

    assert_int_equal(hash_sha256("", 0, digest), 0);
    assert_memory_equal(digest, of_nothing, 4);
    assert_int_equal(hash_sha256(NULL, 0, digest), 0);
    assert_memory_equal(digest, of_nothing, 4);
    assert_int_equal(hash_sha256("abc", 3, digest), 0);
    assert_memory_equal(digest, of_abc, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maximum_is_sticky),
        cmocka_unit_test(test_printf_past_maximum),
        cmocka_unit_test(test_grow_and_consume),
        cmocka_unit_test(test_steal),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_json_escape),
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_sha256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
