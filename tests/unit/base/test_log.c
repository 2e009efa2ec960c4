/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What went to standard error since the last call. */
static const char *logged(void)
{
    static char text[65536];
    ssize_t n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(STDERR_FILENO, 0), 0);
    assert_int_equal(lseek(STDERR_FILENO, 0, SEEK_SET), 0);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void test_level_and_format(void **state)
{
    const char *line;

    log_setup(LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
    log_event(LOG_LEVEL_INFO, "not.shown", LOG_F("a", "%d", 1));
    assert_string_equal(logged(), "");
    log_event(LOG_LEVEL_WARN, "policy.refused", LOG_F("file", "%s", "/etc/a b.yaml"),
              LOG_F("errors", "%d", 3), LOG_F("empty", "%s", ""));
    line = logged();
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 24,
                        " warn policy.refused file=\"/etc/a b.yaml\" errors=3 empty=\"\"\n");
}

static void test_foreign_text_makes_no_line(void **state)
{
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_event(LOG_LEVEL_INFO, "e", LOG_F("a", "%s", "x\n2020 error forged \"q\"\x1b\xff"));
    assert_string_equal(logged() + 24,
                        " info e a=\"x\\u000a2020 error forged \\\"q\\\"\\u001b\\ufffd\"\n");
    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_event(LOG_LEVEL_INFO, "e", LOG_F("a", "%s", "x\n\""), LOG_F("n", "%d", 1));
    assert_string_equal(
        logged() + 33,
        "\",\"level\":\"info\",\"event\":\"e\",\"a\":\"x\\u000a\\\"\",\"n\":\"1\"}\n");
}

static void test_long_value_is_cut(void **state)
{
    struct log_field field;
    char text[2000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    field = log_field("k", "%s", text);
    assert_int_equal(strlen(field.value), sizeof(field.value) - 1);
    assert_string_equal(field.value + sizeof(field.value) - 5, "x...");
}

static void many(void)
{
    for (int i = 0; i < LOG_BURST + 7; i++)
        log_event(LOG_LEVEL_INFO, "burst", LOG_F("i", "%d", i));
}

static void test_burst_is_limited_and_told(void **state)
{
    struct log_site site = {0};

    log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    many();
    assert_int_equal(count_lines(logged()), LOG_BURST);
    for (int i = 0; i < LOG_BURST + 7; i++)
        log_write(&site, LOG_LEVEL_INFO, "burst", &(struct log_field){.key = "k"}, 1);
    assert_int_equal(count_lines(logged()), LOG_BURST);
    site.window_start_s -= LOG_WINDOW_S; /* as if the time had passed */
    log_write(&site, LOG_LEVEL_INFO, "burst", &(struct log_field){.key = "k"}, 1);
    assert_non_null(strstr(logged(), " suppressed=7\n"));
}

static void test_line_past_maximum_keeps_its_event(void **state)
{
    static struct log_field fields[64];
    struct log_site site = {0};
    const char *line;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        fields[i].key = "k";
        memset(fields[i].value, '\x01', sizeof(fields[i].value) - 1);
    }
    log_write(&site, LOG_LEVEL_ERROR, "too.long", fields, ARRAY_SIZE(fields));
    line = logged();
    assert_string_equal(line + 24, " error too.long\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level_and_format),
        cmocka_unit_test(test_foreign_text_makes_no_line),
        cmocka_unit_test(test_long_value_is_cut),
        cmocka_unit_test(test_burst_is_limited_and_told),
        cmocka_unit_test(test_line_past_maximum_keeps_its_event),
    };
    FILE *file = tmpfile();

    if (!file || dup2(fileno(file), STDERR_FILENO) < 0)
        return 1;
    cmocka_set_message_output(CM_OUTPUT_SUBUNIT); /* results to standard output */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
