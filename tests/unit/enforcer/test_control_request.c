/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "enforcer/control_request.h"

static void test_hostile(void **state)
{
    static const struct {
        const char *line;
        enum control_code code;
        const char *message;
    } rows[] = {
        {"", CONTROL_BAD_REQUEST, "one JSON object"},
        {"null", CONTROL_BAD_REQUEST, "one JSON object"},
        {"[]", CONTROL_BAD_REQUEST, "one JSON object"},
        {"\"status\"", CONTROL_BAD_REQUEST, "one JSON object"},
        {"{", CONTROL_BAD_REQUEST, "one JSON object"},
        {"{}x", CONTROL_BAD_REQUEST, "one JSON object"},
        {"{} {}", CONTROL_BAD_REQUEST, "one JSON object"},
        {"\xff\xfe", CONTROL_BAD_REQUEST, "one JSON object"},
        {"{}", CONTROL_BAD_REQUEST, "version: expected 1"},
        {"{\"version\":2,\"command\":\"status\"}", CONTROL_BAD_REQUEST, "version"},
        {"{\"version\":\"1\",\"command\":\"status\"}", CONTROL_BAD_REQUEST, "version"},
        {"{\"version\":1.0,\"command\":\"status\"}", CONTROL_BAD_REQUEST, "version"},
        {"{\"version\":1,\"version\":1,\"command\":\"status\"}", CONTROL_BAD_REQUEST, "duplicate"},
        {"{\"version\":1}", CONTROL_BAD_REQUEST, "command: expected a string"},
        {"{\"version\":1,\"command\":7}", CONTROL_BAD_REQUEST, "command: expected a string"},
        {"{\"version\":1,\"command\":\"fly\"}", CONTROL_UNKNOWN_COMMAND, "'fly'"},
        {"{\"version\":1,\"command\":\"Status\"}", CONTROL_UNKNOWN_COMMAND, "'Status'"},
        {"{\"version\":1,\"command\":\"status\\u0000\"}", CONTROL_BAD_REQUEST, "NUL"},
        {"{\"version\":1,\"command\":\"status\",\"more\":1}", CONTROL_BAD_REQUEST, "'more'"},
        {"{\"version\":1,\"command\":\"status\",\"arguments\":[]}", CONTROL_BAD_REQUEST,
         "arguments: expected an object"},
        {"{\"version\":1,\"command\":\"status\",\"arguments\":{\"follow\":true}}",
         CONTROL_BAD_REQUEST, "unknown key 'follow' for status"},
        {"{\"version\":1,\"command\":\"flows\",\"arguments\":{\"follow\":1}}", CONTROL_BAD_REQUEST,
         "arguments.follow: expected true or false"},
        {"{\"version\":1,\"command\":\"flows\",\"arguments\":{\"pu\":\"a\"}}", CONTROL_BAD_REQUEST,
         "unknown key 'pu' for flows"},
        {"{\"version\":1,\"command\":\"netstat\",\"arguments\":{\"pu\":7}}", CONTROL_BAD_REQUEST,
         "arguments.pu: expected"},
        {"{\"version\":1,\"command\":\"disable\",\"arguments\":{\"yes\":true}}",
         CONTROL_BAD_REQUEST, "unknown key 'yes' for disable"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char message[CONTROL_MESSAGE_MAX];
        struct control_request request;
        enum control_code code =
            control_request_parse(rows[i].line, strlen(rows[i].line), &request, message);

        if (code != rows[i].code || !strstr(message, rows[i].message))
            fail_msg("row %zu: %s '%s'", i, control_code_name(code), message);
    }
}

static void test_sizes(void **state)
{
    static char line[CONTROL_REQUEST_BYTES_MAX + 1];
    char message[CONTROL_MESSAGE_MAX];
    struct control_request request;
    int len;

    memset(line, ' ', sizeof(line));
    memcpy(line, "{\"version\":1,\"command\":\"status\"}", 32);
    assert_int_equal(control_request_parse(line, sizeof(line) - 1, &request, message), CONTROL_OK);
    assert_int_equal(control_request_parse(line, sizeof(line), &request, message),
                     CONTROL_TOO_LARGE);
    memset(line, '[', sizeof(line));
    assert_int_equal(control_request_parse(line, sizeof(line) - 1, &request, message),
                     CONTROL_BAD_REQUEST);
    len = snprintf(line, sizeof(line),
                   "{\"version\":1,\"command\":\"netstat\",\"arguments\":"
                   "{\"pu\":\"%0512d\"}}",
                   0);
    assert_int_equal(control_request_parse(line, (size_t)len, &request, message),
                     CONTROL_BAD_REQUEST);
}

static void assert_parses(const char *line, enum control_command command, bool follow,
                          const char *pu)
{
    char message[CONTROL_MESSAGE_MAX];
    struct control_request request;

    assert_int_equal(control_request_parse(line, strlen(line), &request, message), CONTROL_OK);
    assert_int_equal(request.command, command);
    assert_int_equal(request.follow, follow);
    assert_string_equal(request.pu, pu);
}

static void test_good(void **state)
{
    assert_parses("{\"version\":1,\"command\":\"status\"}", CONTROL_STATUS, false, "");
    assert_parses(" {\"command\":\"pus\",\"arguments\":{},\"version\":1}\r", CONTROL_PUS, false,
                  "");
    assert_parses("{\"version\":1,\"command\":\"flows\",\"arguments\":{\"follow\":true}}",
                  CONTROL_FLOWS, true, "");
    assert_parses("{\"version\":1,\"command\":\"flows\"}", CONTROL_FLOWS, false, "");
    assert_parses("{\"version\":1,\"command\":\"netstat\",\"arguments\":{\"pu\":\"w\\u00e9b\"}}",
                  CONTROL_NETSTAT, false,
                  "w\xc3\xa9"
                  "b");
    assert_parses("{\"version\":1,\"command\":\"netstat\",\"arguments\":{\"pu\":null}}",
                  CONTROL_NETSTAT, false, "");
    assert_parses("{\"version\":1,\"command\":\"enable\"}", CONTROL_ENABLE, false, "");
}

static void test_who_may(void **state)
{
    static struct control_peer root = {.uid = 0, .gid = 0};
    static struct control_peer own = {.uid = 990, .gid = 1};
    static struct control_peer primary = {.uid = 1000, .gid = 50};
    static struct control_peer member = {
        .uid = 1000, .gid = 1000, .groups = {7, 50}, .n_groups = 2};
    static struct control_peer other = {.uid = 1000, .gid = 1000, .groups = {0, 7}, .n_groups = 2};

    for (int command = CONTROL_STATUS; command <= CONTROL_ENABLE; command++) {
        bool writes = command == CONTROL_DISABLE || command == CONTROL_ENABLE;

        assert_int_equal(control_command_writes((enum control_command)command), writes);
        assert_true(control_allowed(&root, 990, 50, (enum control_command)command));
        assert_true(control_allowed(&own, 990, 50, (enum control_command)command));
        assert_int_equal(control_allowed(&primary, 990, 50, (enum control_command)command),
                         !writes);
        assert_int_equal(control_allowed(&member, 990, 50, (enum control_command)command), !writes);
        assert_false(control_allowed(&other, 990, 50, (enum control_command)command));
    }
}

static void test_error_text(void **state)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(4096);

    control_error_print(&buf, CONTROL_FORBIDDEN, "no \"way\"\n");
    assert_string_equal(buf.data,
                        "{\"ok\":false,\"error\":{\"code\":\"forbidden\",\"message\":\"no "
                        "\\\"way\\\"\\u000a\"}}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile),    cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_good),       cmocka_unit_test(test_who_may),
        cmocka_unit_test(test_error_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
