/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead configure: from an administrator's file, or from an account, to a profile with an app
 * credential of its own. bulkhead enforcer register: what a host needs to join. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/account.h"
#include "cli/api/api.h"
#include "cli/client/keyfile.h"
#include "cli/client/session_internal.h"
#include "cli/profiles.h"

#define REGISTRATION_ROLE "@auth:role=enforcer"
#define REGISTRATION_VALIDITY "30m"
#define REGISTRATION_TOKEN_MAX "10m"

/* ---- configure ---------------------------------------------------------------------------- */

/* A line from the terminal; the default when it is empty or there is no terminal. */
static char *ask(struct cli_call *call, const char *question, const char *fallback)
{
    char line[4096];

    if (!isatty(STDIN_FILENO))
        return strdup(fallback ? fallback : "");
    fprintf(call->err, "%s%s%s%s: ", question, fallback ? " [" : "", fallback ? fallback : "",
            fallback ? "]" : "");
    fflush(call->err);
    if (!fgets(line, sizeof(line), stdin))
        line[0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    return strdup(*line || !fallback ? line : fallback);
}

/* "~/" is the shell's elsewhere; at our prompt nobody else reads it. */
static char *home_path(char *path)
{
    const char *home = getenv("HOME");
    char *whole;

    if (strncmp(path, "~/", 2) != 0 || !home)
        return path;
    whole = asprintf(&whole, "%s%s", home, path + 1) < 0 ? NULL : whole;
    free(path);
    return whole;
}

/* What was answered; flags of the call point into it. */
struct answers {
    char *creds, *api, *authority;
};

static void answers_clear(struct answers *answers)
{
    free(answers->creds);
    free(answers->api);
    free(answers->authority);
}

/* A file or an address that is a flag from then on, unless it is empty. */
static int ask_option(struct cli_call *call, const char *question, const char *option,
                      char **ret_answer)
{
    char *answer = ask(call, question, NULL);

    *ret_answer = answer ? home_path(answer) : NULL;
    if (!*ret_answer)
        return cli_no_memory(call);
    return **ret_answer ? cli_give(call, option, *ret_answer) : CLI_DONE;
}

/* What a new user is asked who has neither flags, nor environment, nor a profile. */
static int ask_where(struct cli_call *call, struct answers *ret)
{
    _cleanup_settings_ struct settings settings = {0};
    int r = session_settings(call, NULL, &settings);

    if (r != CLI_DONE || !isatty(STDIN_FILENO) || settings.values[SETTING_CREDS] ||
        settings.values[SETTING_TOKEN])
        return r;
    if (!cli_value(call, "account"))
        r = ask_option(call, "Credential file, such as administrator.json (none: an account)",
                       "creds", &ret->creds);
    if (r != CLI_DONE || cli_value(call, "creds") || settings.values[SETTING_API])
        return r;
    r = ask_option(call, "Address of the Console, such as https://console.example:8443", "api",
                   &ret->api);
    if (r == CLI_DONE && !settings.values[SETTING_API_CACERT])
        r = ask_option(call, "Its authority, such as its ca.crt (none: those of this system)",
                       "api-cacert", &ret->authority);
    return r;
}

/* Without a credential, an account will do. */
static int log_in(struct session *session)
{
    struct cli_call *call = session->call;
    const char *given = cli_value(call, "account");
    _cleanup_free_
    char *account = NULL;
    json_t *body, *issue = NULL;
    int r;

    if (session->token || (session->credential && session->credential->certificate))
        return CLI_DONE;
    account = given ? strdup(given) : ask(call, "Account", NULL);
    if (!account || !*account)
        return cli_usage_error(call, "give --creds administrator.json, or --account NAME");
    body = json_pack("{s:s, s:s}", "realm", "Vince", "validity", "15m");
    r = body ? account_metadata(call, account, body) : cli_no_memory(call);
    if (r == CLI_DONE)
        r = session_issue(session, body, &issue);
    if (r == CLI_DONE) {
        session->token = strdup(json_string_value(json_object_get(issue, "token")));
        session->token_is_given = true;
    }
    json_decref(issue);
    json_decref(body);
    return r;
}

/* Names are unique in a namespace; two hosts may do this in the same second. */
static json_t *unique_name(const char *first, const char *a, const char *b)
{
    uint32_t bits = 0;

    if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
        return NULL;
    return json_sprintf("%s-%s%s%s-%08x", first, a, *b ? "-" : "", b, (unsigned)bits);
}

static json_t *own_credential(struct cli_call *call, json_t *roles)
{
    const char *user = getenv("USER");
    char host[256] = "host";

    gethostname(host, sizeof(host) - 1);
    return json_pack("{s:o, s:s, s:O}", "name",
                     unique_name("cli", user && *user ? user : "user", host), "description",
                     "Made by bulkhead configure.", "roles", roles);
}

static int write_checked(struct cli_call *call, const char *path, const char *text)
{
    int r = file_write_atomic(path, text, strlen(text), 0600);

    if (r == 0)
        return CLI_DONE;
    cli_error(call, "cannot write %s: %s", path, error_text(r));
    return CLI_FAILED;
}

static void append_setting(struct buf *text, const char *name, const char *value)
{
    json_t *string = value ? json_string(value) : NULL;
    _cleanup_free_
    char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

    if (quoted) /* a JSON string is a YAML string */
        buf_printf(text, "%s: %s\n", name, quoted);
    json_decref(string);
}

/* With --force, the credential of the profile before is nobody's any more, and good still. */
static void note_old(const struct cli_call *call, const char *path)
{
    _cleanup_credential_ struct credential *old = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_free_
    char *id = NULL;

    if (credential_read(path, &problem, &old) < 0 || !old->id || !(id = text_safe(old->id)))
        return;
    cli_error(call,
              "the app credential that the profile had can be used still: 'bulkhead appcred delete "
              "%s' ends that",
              id);
}

static int write_profile(struct session *session, const char *name, const json_t *file)
{
    struct cli_call *call = session->call;
    _cleanup_free_
    char *directory = settings_directory(), *path = settings_profile_path(name), *creds = NULL,
         *creds_name = NULL, *authority = NULL;
    _cleanup_buf_ struct buf text = BUF_INIT(SETTINGS_BYTES_MAX);
    _cleanup_free_
    char *json = json_dumps(file, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    int r;

    if (!directory || !path || !json || asprintf(&creds_name, "%s.creds.json", name) < 0 ||
        asprintf(&creds, "%s/%s", directory, creds_name) < 0)
        return cli_no_memory(call);
    /* In a profile it would be relative to the profile. */
    if (session->only_ca)
        authority = realpath(session->settings.values[SETTING_API_CACERT], NULL);
    append_setting(&text, "api", client_api(session->client));
    append_setting(&text, "namespace", session->namespace);
    append_setting(&text, "creds", creds_name);
    append_setting(&text, "api-cacert", authority);
    note_old(call, creds);
    r = write_checked(call, creds, json);
    if (r == CLI_DONE)
        r = write_checked(call, path, text.data ? text.data : "");
    if (r == CLI_DONE)
        fprintf(call->err, "bulkhead: wrote profile '%s' (%s) with an app credential of its own\n",
                name, path);
    return r;
}

/* The only profile is the current one. */
static int make_current(struct cli_call *call, const char *name)
{
    _cleanup_(strv_free) char **names = NULL;
    size_t n;

    names = profiles_names(&n);
    if (n == 1 || cli_flag(call, "use"))
        return profiles_use(call, name);
    return CLI_DONE;
}

/* Before anything is made at the Console: that there is a place for it here. */
static int check_name(struct cli_call *call, const char *name)
{
    _cleanup_free_
    char *path = settings_profile_path(name), *directory = settings_directory();
    int r;

    if (!settings_profile_name_ok(name))
        return cli_usage_error(call, "--name: expected letters, digits, '-' and '_'");
    if (!path)
        return cli_usage_error(call, "there is no home directory: set HOME");
    if (access(path, F_OK) == 0 && !cli_flag(call, "force"))
        return cli_usage_error(call,
                               "there is a profile of this name already: --force replaces it");
    r = directory ? dir_make(directory, 0700) : -ENOMEM;
    if (r == 0 && access(directory, W_OK | X_OK) < 0)
        r = -errno;
    if (r == 0)
        return CLI_DONE;
    cli_error(call, "no profile can be written in %s: %s", directory ? directory : "",
              error_text(r));
    return CLI_FAILED;
}

int cli_configure(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    const char *given = cli_value(call, "name");
    _cleanup_free_
    char *name = given ? strdup(given) : ask(call, "Profile", "default");
    _cleanup_(answers_clear) struct answers answers = {0};
    json_t *roles = json_array(), *object = NULL, *file = NULL;
    int r = name && roles ? check_name(call, name) : cli_no_memory(call);

    if (r == CLI_DONE)
        r = roles_given(call, "role", roles);
    if (r == CLI_DONE && json_array_size(roles) == 0)
        json_array_append_new(roles, json_string("@auth:role=namespace.administrator"));
    if (r == CLI_DONE)
        r = ask_where(call, &answers);
    if (r == CLI_DONE)
        r = session_open(call, &session);
    if (r == CLI_DONE)
        r = log_in(&session);
    object = own_credential(call, roles);
    if (r == CLI_DONE)
        r = object ? keyfile_create(&session, object, &file) : cli_no_memory(call);
    if (r == CLI_DONE && (r = write_profile(&session, name, file)) != CLI_DONE)
        cli_error(call, "the app credential %s was made for it: delete it",
                  json_string_value(json_object_get(object, "name")));
    if (r == CLI_DONE)
        r = make_current(call, name);
    json_decref(roles);
    json_decref(object);
    json_decref(file);
    return r;
}

/* ---- enforcer register -------------------------------------------------------------------- */

/* A token that can register Enforcers in the namespace, and nothing else; in a file of the same
 * form as a credential, so that the host needs one file. */
static int registration_token(struct session *session, json_t **ret_file)
{
    const char *validity = cli_value(session->call, "validity"),
               *quota = cli_value(session->call, "quota");
    json_t *body, *issue = NULL;
    _cleanup_free_
    char *ca = NULL;
    const char *authority = session->only_ca ? session->only_ca : session->ca;
    int r = session_authenticate(session, false);

    if (r != CLI_DONE)
        return r;
    body = json_pack("{s:s, s:s, s:s, s:[s], s:{s:s}}", "realm", "BulkheadIdentityToken",
                     "validity", validity ? validity : REGISTRATION_VALIDITY, "restrictedNamespace",
                     session->namespace, "restrictedPermissions", REGISTRATION_ROLE, "metadata",
                     "token", session->token);
    if (body && quota)
        json_object_set_new(body, "quota", json_integer(strtol(quota, NULL, 10)));
    r = body ? input_check(session->call, schema_kind_find("issue"), body, NULL, NULL)
             : cli_no_memory(session->call);
    if (r == CLI_DONE)
        r = session_issue(session, body, &issue);
    json_decref(body);
    if (r != CLI_DONE)
        return r;
    ca = authority ? base64_encode(authority, strlen(authority)) : NULL;
    *ret_file = json_pack("{s:s, s:s, s:s, s:O}", "APIURL", client_api(session->client),
                          "namespace", session->namespace, "certificateAuthority", ca ? ca : "",
                          "token", json_object_get(issue, "token"));
    json_decref(issue);
    return *ret_file ? CLI_DONE : cli_no_memory(session->call);
}

/* For images and for hosts that join later: good until it is deleted, and only for registering. */
static int registration_credential(struct session *session, json_t **ret_file)
{
    const char *name = cli_value(session->call, "name");
    json_t *subnets = json_array(), *object;
    const struct cli_given *given;
    size_t at = 0;
    int r;

    while ((given = cli_next(session->call, "authorized-subnet", &at)))
        json_array_append_new(subnets, json_string(given->value));
    object = json_pack("{s:o, s:[s], s:s, s:s, s:o}", "name",
                       name ? json_string(name) : unique_name("register", "enforcers", ""), "roles",
                       REGISTRATION_ROLE, "maxIssuedTokenValidity", REGISTRATION_TOKEN_MAX,
                       "description", "Registers Enforcers.", "authorizedSubnets", subnets);
    r = object ? input_check(session->call, schema_kind_find("appcredential"), object, NULL, NULL)
               : cli_no_memory(session->call);
    if (r == CLI_DONE)
        r = keyfile_create(session, object, ret_file);
    json_decref(object);
    return r;
}

int cli_enforcer_register(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    const char *path = cli_value(call, "output-file");
    const char *type = cli_value(call, "with");
    json_t *file = NULL;
    int r = session_open(call, &session);

    if (r == CLI_DONE)
        r = type && strcmp(type, "appcred") == 0 ? registration_credential(&session, &file)
                                                 : registration_token(&session, &file);
    if (r == CLI_DONE)
        r = keyfile_write(call, "json", path, file);
    if (r == CLI_DONE && path)
        fprintf(call->err,
                "On the host, in bulkhead-enforcer's configuration:\n"
                "  mode: console\n  namespace: %s\n  console: %s\n  credentials: FILE\n",
                session.namespace, client_api(session.client));
    json_decref(file);
    return r;
}
