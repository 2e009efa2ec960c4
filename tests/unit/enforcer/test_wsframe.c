/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/wsframe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGE_MAX 70000

/* Fed whole and byte by byte: what comes out is the same. */
static void expect(const char *bytes, size_t len, const char *events)
{
    for (size_t step = 1; step <= len; step = step == 1 && len > 1 ? len : step + len) {
        struct wsframe_reader reader;
        struct wsframe_event event;
        char seen[512] = "";
        int r = 0;

        wsframe_reader_init(&reader, MESSAGE_MAX);
        for (size_t at = 0; at < len && r >= 0; at += step) {
            r = wsframe_feed(&reader, bytes + at, MIN(step, len - at));
            while (r >= 0 && (r = wsframe_next(&reader, &event)) > 0)
                snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%d:%.*s;",
                         (int)event.opcode, (int)event.len, (const char *)event.data);
        }
        if (r < 0)
            snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "error %d", -r);
        assert_string_equal(seen, events);
        wsframe_reader_clear(&reader);
    }
}
#define EXPECT(bytes, events) expect(bytes, sizeof(bytes) - 1, events)

static void test_frames(void **state)
{
    EXPECT("\x82\x03one\x82\x03two", "2:one;2:two;");
    EXPECT("\x82\x00", "2:;");
    EXPECT("\x02\x02on\x89\x01p\x80\x01"
           "e\x8a\x00",
           "9:p;2:one;10:;");
    EXPECT("\x88\x05\x03\xe8"
           "bye",
           "8:\x03\xe8"
           "bye;");
    EXPECT("\x82\x7e\x00\x03one", "2:one;");
    EXPECT("\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x03one", "2:one;");
}

static void test_wrong(void **state)
{
    EXPECT("\x82\x83\x00\x00\x00\x00one", "error 71"); /* masked */
    EXPECT("\xc2\x00", "error 71");                    /* an extension */
    EXPECT("\x80\x00", "error 71");                    /* goes on with nothing */
    EXPECT("\x02\x00\x82\x00", "error 71");            /* a message in a message */
    EXPECT("\x09\x00", "error 71");                    /* a control frame in parts */
    EXPECT("\x89\x7e\x00\x80", "error 71");            /* a long one */
    EXPECT("\x83\x00", "error 71");                    /* no such kind */
    EXPECT("\x82\x7f\x00\x00\x00\x00\x7f\x00\x00\x00", "error 90");
    EXPECT("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "error 90");
}

static void test_long_message(void **state)
{
    struct wsframe_reader reader;
    struct wsframe_event event;
    char bytes[20004] = "\x02\x7e\x4e\x20"; /* 20,000 bytes, not the last */

    wsframe_reader_init(&reader, 50000);
    assert_int_equal(wsframe_feed(&reader, bytes, sizeof(bytes)), 0);
    assert_int_equal(wsframe_next(&reader, &event), 0);
    bytes[0] = '\0';
    assert_int_equal(wsframe_feed(&reader, bytes, sizeof(bytes)), 0);
    assert_int_equal(wsframe_next(&reader, &event), 0);
    assert_int_equal(wsframe_feed(&reader, bytes, sizeof(bytes)), 0);
    assert_int_equal(wsframe_next(&reader, &event), -EMSGSIZE);
    wsframe_reader_clear(&reader);
}

/* What we send is masked, with another mask each time. */
static void test_put(void **state)
{
    static const size_t lens[] = {0, 1, 125, 126, 65535, 65536};
    static const size_t headers[] = {2, 2, 2, 4, 4, 10};
    static char data[65536];

    memset(data, 'x', sizeof(data));
    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        _cleanup_buf_ struct buf out = BUF_INIT(1 << 20), other = BUF_INIT(1 << 20);
        const uint8_t *mask;

        assert_int_equal(wsframe_put(&out, WSFRAME_BINARY, data, lens[i]), 0);
        assert_int_equal(wsframe_put(&other, WSFRAME_BINARY, data, lens[i]), 0);
        assert_int_equal(out.len, headers[i] + 4 + lens[i]);
        assert_int_equal((uint8_t)out.data[0], 0x82);
        assert_true(out.data[1] & 0x80);
        mask = (const uint8_t *)out.data + headers[i];
        for (size_t j = 0; j < lens[i]; j++)
            assert_int_equal((uint8_t)out.data[headers[i] + 4 + j] ^ mask[j & 3], 'x');
        assert_memory_not_equal(out.data + headers[i], other.data + headers[i], 4);
    }
}

/* ---- Handshake ------------------------------------------------------------------------------- */

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 1.3 */
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: p-1\r\n"

static void test_answer(void **state)
{
    static const struct {
        const char *text;
        int r;
        const char *problem;
    } rows[] = {
        {"HTTP/1.1 101 Switching Protocols\r\n" ACCEPT PROTOCOL "\r\nmore", 1, ""},
        {"HTTP/1.1 101 x\r\nsec-websocket-protocol:p-1\r\nSEC-WEBSOCKET-ACCEPT:  "
         "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
         1, ""},
        {"HTTP/1.1 101 Switching Protocols\r\n" ACCEPT, 0, ""},
        {"", 0, ""},
        {"HTTP/1.1 101 x\r\n" PROTOCOL "\r\n", -EPROTO, "does not speak p-1"},
        {"HTTP/1.1 101 x\r\n" ACCEPT "\r\n", -EPROTO, "does not speak p-1"},
        {"HTTP/1.1 101 x\r\n" ACCEPT "Sec-WebSocket-Protocol: p-10\r\n\r\n", -EPROTO, "speak"},
        {"HTTP/1.1 101 x\r\n" PROTOCOL "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n\r\n",
         -EPROTO, "speak"},
        {"HTTP/1.1 403 Forbidden\r\n\r\nno certificate\x1b", -EACCES,
         "'HTTP/1.1 403 Forbidden': 'no certificate\\x1b'"},
        {"HTTP/1.1 426 Upgrade Required\r\n\r\n[{\"description\": \"speaks p-2\"}]",
         -EPROTONOSUPPORT, "'HTTP/1.1 426 Upgrade Required': 'speaks p-2'"},
        {"SSH-2.0-OpenSSH\r\n\r\n", -EPROTO, "is this a Console?"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_buf_ struct buf problem = BUF_INIT(1024);
        size_t head = 0;
        int r = wsframe_answer(rows[i].text, strlen(rows[i].text), KEY, "p-1", &head, &problem);

        if (r != rows[i].r || !strstr(problem.data ? problem.data : "", rows[i].problem))
            fail_msg("row %zu: %d '%s'", i, r, problem.data ? problem.data : "");
        if (i == 0)
            assert_string_equal(rows[i].text + head, "more");
    }
}

static void test_endless_answer(void **state)
{
    static char text[WSFRAME_ANSWER_BYTES_MAX + 1];
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    size_t head;

    memset(text, 'x', sizeof(text));
    assert_int_equal(wsframe_answer(text, sizeof(text), KEY, "p", &head, &problem), -EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),       cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_long_message), cmocka_unit_test(test_put),
        cmocka_unit_test(test_answer),       cmocka_unit_test(test_endless_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
