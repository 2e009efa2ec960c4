/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/client/settings.h"

static char directory[] = "/tmp/bulkhead-settings-XXXXXX";

static int set_up(void **state)
{
    char path[256];

    assert_non_null(mkdtemp(directory));
    setenv("XDG_CONFIG_HOME", directory, 1);
    snprintf(path, sizeof(path), "%s/bulkhead", directory);
    return dir_make(path, 0700);
}

static int tear_down(void **state)
{
    char command[256];

    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

static void write_profile(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/bulkhead/%s", directory, name);
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
}

static void clear_environment(void)
{
    for (size_t i = 0; i < SETTINGS_N; i++)
        unsetenv(setting_texts[i].environment);
    unsetenv("BULKHEAD_PROFILE");
}

static void goes_by_precedence(void **state)
{
    const char *flags[SETTINGS_N] = {0};
    _cleanup_settings_ struct settings settings = {0};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);

    clear_environment();
    write_profile("default.yaml", "api: https://profile\nnamespace: /profile\ncreds: c.json\n"
                                  "output: yaml\n");
    setenv("BULKHEAD_NAMESPACE", "/environment", 1);
    setenv("BULKHEAD_CREDENTIALS", "", 1); /* empty is not set */
    flags[SETTING_OUTPUT] = "json";
    assert_int_equal(settings_resolve(flags, NULL, &problem, &settings), 0);
    assert_string_equal(settings.values[SETTING_API], "https://profile");
    assert_int_equal(settings.sources[SETTING_API], SETTING_FROM_PROFILE);
    assert_string_equal(settings.values[SETTING_NAMESPACE], "/environment");
    assert_int_equal(settings.sources[SETTING_NAMESPACE], SETTING_FROM_ENVIRONMENT);
    assert_string_equal(settings.values[SETTING_OUTPUT], "json");
    assert_int_equal(settings.sources[SETTING_OUTPUT], SETTING_FROM_FLAG);
    assert_string_equal(settings.values[SETTING_ENCODING], "json");
    assert_int_equal(settings.sources[SETTING_ENCODING], SETTING_BUILT_IN);
    assert_null(settings.values[SETTING_TOKEN]);
    /* Files are relative to the profile. */
    assert_non_null(strstr(settings.values[SETTING_CREDS], "/bulkhead/c.json"));
    assert_true(settings.profile_exists);
}

static void profile_of(const char *flag, const char *wanted)
{
    const char *flags[SETTINGS_N] = {0};
    _cleanup_settings_ struct settings settings = {0};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);

    assert_int_equal(settings_resolve(flags, flag, &problem, &settings), 0);
    assert_string_equal(settings.values[SETTING_API], wanted);
}

static void chooses_the_profile(void **state)
{
    clear_environment();
    write_profile("default.yaml", "api: https://default\n");
    write_profile("a.yaml", "api: https://a\n");
    write_profile("b.yaml", "api: https://b\n");
    write_profile("c.yaml", "api: https://c\n");
    profile_of(NULL, "https://default");
    write_profile("current", "a\n");
    profile_of(NULL, "https://a");
    setenv("BULKHEAD_PROFILE", "b", 1);
    profile_of(NULL, "https://b");
    profile_of("c", "https://c");
    clear_environment();
    write_profile("current", "");
}

static void refuses(void **state)
{
    static const struct {
        const char *text, *profile, *problem;
    } cases[] = {
        {"apii: x\n", "p", "p.yaml:1: apii: "},
        {"api: [x]\n", "p", "p.yaml:1: api: found a list"},
        {"[a]\n", "p", "expected a map"},
        {"api: 'x\n", "p", "p.yaml:"},
        {"namespace: shop\n", "p", "namespace: found 'shop', expected"},
        {"encoding: xml\n", "p", "encoding: found 'xml', expected json or msgpack"},
        {"timeout: -1\n", "p", "timeout: found '-1', expected a number"},
        {"timeout: 5x\n", "p", "timeout: found '5x', expected a number"},
        {"", "nothere", "profile 'nothere'"},
        {"", "../x", "the name of a profile: found '../x'"},
    };
    const char *flags[SETTINGS_N] = {0};

    clear_environment();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct settings settings = {0};
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);

        write_profile("p.yaml", cases[i].text);
        assert_int_equal(settings_resolve(flags, cases[i].profile, &problem, &settings),
                         -BULKHEAD_EINVALID_INPUT);
        if (!strstr(problem.data, cases[i].problem))
            print_error("%s: '%s'\n", cases[i].text, problem.data);
        assert_non_null(strstr(problem.data, cases[i].problem));
        assert_null(settings.profile); /* untouched */
    }
}

static void knows_names_and_truth(void **state)
{
    assert_true(settings_profile_name_ok("work-1_x.y"));
    assert_false(settings_profile_name_ok(""));
    assert_false(settings_profile_name_ok(".x"));
    assert_false(settings_profile_name_ok("a/b"));
    assert_true(settings_is_true("Yes") && settings_is_true("1") && settings_is_true("true"));
    assert_false(settings_is_true("0") || settings_is_true(NULL) || settings_is_true(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_by_precedence),
        cmocka_unit_test(chooses_the_profile),
        cmocka_unit_test(refuses),
        cmocka_unit_test(knows_names_and_truth),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
