/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "model/model.h"

const struct setting_text setting_texts[SETTINGS_N] = {
    [SETTING_API] = {"api", "BULKHEAD_API", NULL},
    [SETTING_API_CACERT] = {"api-cacert", "BULKHEAD_API_CACERT", NULL},
    [SETTING_API_SKIP_VERIFY] = {"api-skip-verify", "BULKHEAD_API_SKIP_VERIFY", NULL},
    [SETTING_NAMESPACE] = {"namespace", "BULKHEAD_NAMESPACE", NULL},
    [SETTING_TOKEN] = {"token", "BULKHEAD_TOKEN", NULL},
    [SETTING_CREDS] = {"creds", "BULKHEAD_CREDENTIALS", NULL},
    [SETTING_ENCODING] = {"encoding", "BULKHEAD_ENCODING", "json"},
    [SETTING_TRACKING_ID] = {"tracking-id", "BULKHEAD_TRACKING_ID", NULL},
    [SETTING_TIMEOUT] = {"timeout", "BULKHEAD_TIMEOUT", NULL},
    [SETTING_OUTPUT] = {"output", "BULKHEAD_OUTPUT", NULL},
};

/* ---- Places ------------------------------------------------------------------------------- */

static char *directory(const char *variable, const char *below_home)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    char *path = NULL;
    int r = -1;

    if (base && *base == '/')
        r = asprintf(&path, "%s/bulkhead", base);
    else if (home && *home)
        r = asprintf(&path, "%s/%s/bulkhead", home, below_home);
    return r < 0 ? NULL : path;
}

char *settings_directory(void)
{
    return directory("XDG_CONFIG_HOME", ".config");
}

char *settings_cache_directory(void)
{
    return directory("XDG_CACHE_HOME", ".cache");
}

char *settings_profile_path(const char *name)
{
    _cleanup_free_
    char *base = settings_directory();
    char *path;

    return base && asprintf(&path, "%s/%s.yaml", base, name) >= 0 ? path : NULL;
}

bool settings_profile_name_ok(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= SETTINGS_NAME_MAX && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == len;
}

char *settings_profile_name(const char *flag, enum setting_source *ret_source)
{
    const char *environment = getenv("BULKHEAD_PROFILE");
    _cleanup_free_
    char *base = settings_directory();
    _cleanup_free_
    char *path = NULL, *text = NULL;
    size_t len;

    *ret_source = SETTING_FROM_FLAG;
    if (flag)
        return strdup(flag);
    *ret_source = SETTING_FROM_ENVIRONMENT;
    if (environment && *environment)
        return strdup(environment);
    *ret_source = SETTING_FROM_PROFILE;
    if (base && asprintf(&path, "%s/current", base) >= 0 &&
        file_read(path, SETTINGS_BYTES_MAX, &text, &len) == 0) {
        text[strcspn(text, "\r\n")] = '\0';
        if (*text)
            return TAKE_PTR(text);
    }
    *ret_source = SETTING_BUILT_IN;
    return strdup("default");
}

/* ---- Profiles ----------------------------------------------------------------------------- */

static int say(struct buf *problem, const char *path, const struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics->items[i]);

        buf_printf(problem, "%s%s", i ? "\n" : "", text ? text : path);
    }
    return -BULKHEAD_EINVALID_INPUT;
}

static int set(struct settings *settings, enum setting setting, const char *value,
               enum setting_source source)
{
    char *copy = strdup(value);

    if (!copy)
        return -ENOMEM;
    free(settings->values[setting]);
    settings->values[setting] = copy;
    settings->sources[setting] = source;
    return 0;
}

/* Files in a profile are relative to where it is. */
static int set_from_profile(struct settings *settings, enum setting setting, const char *value)
{
    bool is_file = setting == SETTING_CREDS || setting == SETTING_API_CACERT;
    _cleanup_free_
    char *base = settings_directory();
    _cleanup_free_
    char *path = NULL;

    if (is_file && *value && *value != '/' && base) {
        if (asprintf(&path, "%s/%s", base, value) < 0)
            return -ENOMEM;
        value = path;
    }
    return set(settings, setting, value, SETTING_FROM_PROFILE);
}

static int apply_profile(struct settings *settings, const struct document *document,
                         const char *path, struct diagnostics *diagnostics)
{
    struct node_field fields[SETTINGS_N];
    const struct node *root = document_count(document) ? document_root(document, 0) : NULL;
    unsigned scalars = 1u << NODE_STRING | 1u << NODE_BOOL | 1u << NODE_INTEGER | 1u << NODE_FLOAT;

    for (size_t i = 0; i < SETTINGS_N; i++)
        fields[i] = (struct node_field){.key = setting_texts[i].name, .kinds = scalars};
    if (!root)
        return 0;
    if (root->kind != NODE_MAP) {
        diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, path, root->line, root->column, NULL,
                        "found %s, expected a map such as 'api: https://…'", node_kind_name(root));
        return -BULKHEAD_EINVALID_INPUT;
    }
    if (!node_check_map(document, root, "", fields, SETTINGS_N, diagnostics))
        return -BULKHEAD_EINVALID_INPUT;
    for (size_t i = 0; i < SETTINGS_N; i++) {
        const struct node *value = node_get(root, setting_texts[i].name);
        int r = value ? set_from_profile(settings, (enum setting)i, value->text) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int read_profile(struct settings *settings, bool must_exist, struct buf *problem)
{
    _cleanup_free_
    char *path = settings_profile_path(settings->profile), *text = NULL;
    _cleanup_document_ struct document *document = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    size_t len;
    int r;

    if (!settings_profile_name_ok(settings->profile)) {
        buf_printf(problem, "the name of a profile: found '%s', expected letters, digits, '-', '_'",
                   settings->profile);
        return -BULKHEAD_EINVALID_INPUT;
    }
    r = path ? file_read(path, SETTINGS_BYTES_MAX, &text, &len) : -ENOENT;
    if (r == -ENOENT && !must_exist)
        return 0;
    if (r < 0) {
        buf_printf(problem, "profile '%s': %s: %s", settings->profile, path ? path : "no home",
                   error_text(r));
        return -BULKHEAD_EINVALID_INPUT;
    }
    settings->profile_exists = true;
    r = document_parse(path, text, len, DOCUMENT_YAML, &diagnostics, &document);
    if (r == 0)
        r = apply_profile(settings, document, path, &diagnostics);
    return r == -BULKHEAD_EINVALID_INPUT ? say(problem, path, &diagnostics) : r;
}

/* ---- All of them -------------------------------------------------------------------------- */

bool settings_is_true(const char *value)
{
    static const char *const words[] = {"1", "true", "yes", "on"};

    for (size_t i = 0; value && i < ARRAY_SIZE(words); i++)
        if (strcasecmp(words[i], value) == 0)
            return true;
    return false;
}

static int check(const struct settings *settings, struct buf *problem)
{
    const char *encoding = settings->values[SETTING_ENCODING],
               *namespace = settings->values[SETTING_NAMESPACE],
               *timeout = settings->values[SETTING_TIMEOUT];
    const char *wrong = namespace ? namespace_problem(namespace) : NULL;
    size_t digits = timeout ? strspn(timeout, "0123456789") : 0;

    if (strcmp(encoding, "json") != 0 && strcmp(encoding, "msgpack") != 0)
        buf_printf(problem, "encoding: found '%s', expected json or msgpack", encoding);
    else if (wrong)
        buf_printf(problem, "namespace: found '%s', expected %s", namespace, wrong);
    else if (timeout &&
             (digits == 0 || digits > 6 || timeout[digits] || strspn(timeout, "0") == digits))
        buf_printf(problem, "timeout: found '%s', expected a number of seconds", timeout);
    else
        return 0;
    return -BULKHEAD_EINVALID_INPUT;
}

int settings_resolve(const char *const flags[SETTINGS_N], const char *profile, struct buf *problem,
                     struct settings *ret)
{
    _cleanup_settings_ struct settings settings = {0};
    enum setting_source source;
    int r = 0;

    assert(flags);
    assert(ret);

    settings.profile = settings_profile_name(profile, &source);
    if (!settings.profile)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < SETTINGS_N; i++)
        if (setting_texts[i].built_in)
            r = set(&settings, (enum setting)i, setting_texts[i].built_in, SETTING_BUILT_IN);
    if (r == 0)
        r = read_profile(&settings, source != SETTING_BUILT_IN, problem);
    for (size_t i = 0; r == 0 && i < SETTINGS_N; i++) {
        const char *value = getenv(setting_texts[i].environment);

        if (value && *value)
            r = set(&settings, (enum setting)i, value, SETTING_FROM_ENVIRONMENT);
        if (r == 0 && flags[i])
            r = set(&settings, (enum setting)i, flags[i], SETTING_FROM_FLAG);
    }
    if (r == 0)
        r = check(&settings, problem);
    if (r < 0)
        return r;
    *ret = settings;
    settings = (struct settings){0};
    return 0;
}

int settings_of_profile(const char *name, struct buf *problem, struct settings *ret)
{
    *ret = (struct settings){.profile = strdup(name)};
    return ret->profile ? read_profile(ret, true, problem) : -ENOMEM;
}

void settings_clear(struct settings *settings)
{
    for (size_t i = 0; i < SETTINGS_N; i++) {
        free(settings->values[i]);
        settings->values[i] = NULL;
    }
    free(settings->profile);
    settings->profile = NULL;
}
