/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enforcer/options.h"

#define WORDS_MAX 10

static int parse(const char *const words[WORDS_MAX], struct options *ret, char *message)
{
    int n = 1;

    while (n < WORDS_MAX && words[n - 1])
        n++;
    char *argv[WORDS_MAX + 1] = {(char *)"bulkhead-enforcer"};

    for (int i = 1; i < n; i++)
        argv[i] = (char *)words[i - 1];
    return options_parse(n, argv, ret, message);
}

static void test_wrong(void **state)
{
    static const struct {
        const char *words[WORDS_MAX], *message;
    } rows[] = {
        {{NULL}, "a command is missing"},
        {{"fly"}, "unknown command 'fly'"},
        {{"chekc"}, "did you mean 'check'?"},
        {{"--config", "x"}, "unknown option '--config' in front of a command"},
        {{"--help", "x"}, "unknown option '--help' in front of a command"},
        {{"run"}, "run: --config FILE is missing"},
        {{"run", "--config"}, "missing value: '--config'"},
        {{"run", "--config", ""}, "missing value: '--config'"},
        {{"run", "--config="}, "missing value: '--config='"},
        {{"run", "--configx", "f"}, "'--configx'"},
        {{"check", "--config", "f", "--what"}, "check: unknown option or missing value: '--what'"},
        {{"check", "--config", "f", "more"}, "'more'"},
        {{"check", "--config", "f", "--state", "d"}, "'--state'"},
        {{"describe", "--config", "f", "--socket", "d"}, "'--socket'"},
        {{"detach", "--config", "f", "--socket", "d"}, "'--socket'"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char message[OPTIONS_MESSAGE_MAX] = "";
        struct options options;

        assert_int_equal(parse(rows[i].words, &options, message), -EINVAL);
        if (!strstr(message, rows[i].message))
            fail_msg("row %zu: '%s', expected '%s'", i, message, rows[i].message);
    }
}

static void test_run(void **state)
{
    static const char *const plain[WORDS_MAX] = {"run", "--config", "f"};
    static const char *const all[WORDS_MAX] = {"run", "--state=d", "--socket", "s", "--config=f"};
    char message[OPTIONS_MESSAGE_MAX];
    struct options options;

    assert_int_equal(parse(plain, &options, message), 0);
    assert_int_equal(options.command, OPTIONS_RUN);
    assert_string_equal(options.config, "f");
    assert_string_equal(options.state, "/var/lib/bulkhead");
    assert_string_equal(options.socket, "/run/bulkhead/enforcer.sock");
    assert_int_equal(parse(all, &options, message), 0);
    assert_string_equal(options.config, "f");
    assert_string_equal(options.state, "d");
    assert_string_equal(options.socket, "s");
}

static void test_help(void **state)
{
    static const struct {
        const char *words[WORDS_MAX];
        enum options_command topic;
    } rows[] = {
        {{"--help"}, OPTIONS_HELP},
        {{"run", "--help"}, OPTIONS_RUN},
        {{"check", "--config", "f", "--help"}, OPTIONS_CHECK},
        {{"describe", "--help"}, OPTIONS_DESCRIBE},
        {{"detach", "--help"}, OPTIONS_DETACH},
    };
    static const char *const version[WORDS_MAX] = {"--version"};
    char message[OPTIONS_MESSAGE_MAX];
    struct options options;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(parse(rows[i].words, &options, message), 0);
        assert_int_equal(options.command, OPTIONS_HELP);
        assert_int_equal(options.topic, rows[i].topic);
        assert_memory_equal(options_help(options.topic), "usage: bulkhead-enforcer ", 25);
    }
    assert_int_equal(parse(version, &options, message), 0);
    assert_int_equal(options.command, OPTIONS_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
