/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead profiles. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/client/session.h"
#include "cli/profiles.h"

static const char *const suffixes[] = {".yaml", NULL};
static const char *const source_names[] = {"built-in", "profile", "environment", "flag"};

char **profiles_names(size_t *ret_n)
{
    _cleanup_free_
    char *directory = settings_directory();
    char **names = NULL;

    *ret_n = 0;
    if (!directory || dir_list(directory, suffixes, &names, ret_n) < 0)
        return NULL;
    for (size_t i = 0; i < *ret_n; i++)
        names[i][strlen(names[i]) - strlen(suffixes[0])] = '\0';
    return names;
}

int cli_profiles_list(struct cli_call *call)
{
    static const struct cli_column columns[] = {{.title = "", .key = "mark"},
                                                {.title = "PROFILE", .key = "name"},
                                                {.title = "API", .key = "api"},
                                                {.title = "NAMESPACE", .key = "namespace"}};
    enum setting_source source;
    _cleanup_free_
    char *in_force = settings_profile_name(cli_value(call, "profile"), &source);
    _cleanup_(strv_free) char **names = NULL;
    json_t *list = json_array();
    size_t n;
    int r;

    names = profiles_names(&n);
    for (size_t i = 0; i < n; i++) {
        _cleanup_settings_ struct settings settings = {0};
        _cleanup_buf_ struct buf problem = BUF_INIT(4096);
        bool now = in_force && strcmp(names[i], in_force) == 0;
        const char *mark = !now ? "" : source >= SETTING_FROM_ENVIRONMENT ? ">" : "*";

        /* One that cannot be read is listed as well; `show` says why. */
        settings_of_profile(names[i], &problem, &settings);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s?, s:s?, s:b}", "mark", mark, "name",
                                        names[i], "api", settings.values[SETTING_API], "namespace",
                                        settings.values[SETTING_NAMESPACE], "current", now));
    }
    r = cli_answer_list(call, list, columns, ARRAY_SIZE(columns));
    json_decref(list);
    return r;
}

int profiles_use(struct cli_call *call, const char *name)
{
    _cleanup_free_
    char *directory = settings_directory(), *path = NULL, *text = NULL;
    int r;

    if (!directory || asprintf(&path, "%s/current", directory) < 0 ||
        asprintf(&text, "%s\n", name) < 0)
        return cli_no_memory(call);
    r = dir_make(directory, 0700);
    if (r == 0)
        r = file_write_atomic(path, text, strlen(text), 0600);
    if (r == 0)
        return CLI_DONE;
    cli_error(call, "cannot write %s: %s", path, error_text(r));
    return CLI_FAILED;
}

int cli_profiles_use(struct cli_call *call)
{
    const char *name = call->arguments[0];
    _cleanup_free_
    char *path = settings_profile_path(name), *text = NULL;
    _cleanup_(strv_free) char **names = NULL;
    size_t n, len;
    const char *nearest;

    if (settings_profile_name_ok(name) && path &&
        file_read(path, SETTINGS_BYTES_MAX, &text, &len) == 0)
        return profiles_use(call, name);
    names = profiles_names(&n);
    nearest = nearest_word(name, (const char *const *)names, n);
    return cli_usage_error(call, "there is no such profile%s%s%s",
                           nearest ? "; did you mean '" : "", nearest ? nearest : "",
                           nearest ? "'?" : "");
}

/* What is in force and who says so. Of the token only that there is one. */
int cli_profiles_show(struct cli_call *call)
{
    static const struct cli_column columns[] = {{.title = "SETTING", .key = "setting"},
                                                {.title = "VALUE", .key = "value"},
                                                {.title = "FROM", .key = "from"}};
    _cleanup_settings_ struct settings settings = {0};
    json_t *list;
    int r = session_settings(call, call->n_arguments ? call->arguments[0] : NULL, &settings);

    if (r != CLI_DONE)
        return r;
    list = json_array();
    json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "setting", "profile", "value",
                                          settings.profile, "from",
                                          settings.profile_exists ? "file" : "no file"));
    for (size_t i = 0; i < SETTINGS_N; i++) {
        const char *value = settings.values[i];

        if (value && i == SETTING_TOKEN)
            value = "(set)";
        if (value)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "setting",
                                                  setting_texts[i].name, "value", value, "from",
                                                  source_names[settings.sources[i]]));
    }
    r = cli_answer_list(call, list, columns, ARRAY_SIZE(columns));
    json_decref(list);
    return r;
}
