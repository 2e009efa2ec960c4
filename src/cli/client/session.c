/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/session.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/client/session_internal.h"

#define QUIET_TIMEOUT_S 2

/* ---- Opening ------------------------------------------------------------------------------ */

/* What environment and profile say of the form of the answer, where no flag does. */
static int set_format(struct cli_call *call, const struct settings *settings)
{
    const char *wanted = settings->values[SETTING_OUTPUT];
    enum cli_format format;

    if (!wanted || settings->sources[SETTING_OUTPUT] == SETTING_FROM_FLAG ||
        cli_value(call, "template"))
        return CLI_DONE;
    format = cli_format_find(wanted);
    if (format == CLI_FORMATS_N || format == CLI_TEMPLATE)
        return cli_usage_error(call, "output, in the profile or BULKHEAD_OUTPUT: found something "
                                     "else, expected table, json, yaml or none");
    call->output.format = format;
    return CLI_DONE;
}

int session_settings(struct cli_call *call, const char *profile, struct settings *ret)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(CLIENT_MESSAGE_MAX);
    const char *flags[SETTINGS_N] = {0};
    int r;

    for (size_t i = 0; i < SETTINGS_N; i++) {
        if (i == SETTING_API_SKIP_VERIFY)
            flags[i] = cli_flag(call, setting_texts[i].name) ? "true" : NULL;
        else
            flags[i] = cli_value(call, setting_texts[i].name);
    }
    r = settings_resolve(flags, profile ? profile : cli_value(call, "profile"), &problem, ret);
    if (r == 0)
        return set_format(call, ret);
    if (r == -ENOMEM || !problem.data)
        return cli_no_memory(call);
    cli_complain(call, problem.data);
    return CLI_USAGE;
}

/* What stands nearer to the user counts; a token that stands where the credential does counts. */
static bool token_wins(const struct settings *settings)
{
    return settings->values[SETTING_TOKEN] &&
           (!settings->values[SETTING_CREDS] ||
            settings->sources[SETTING_TOKEN] >= settings->sources[SETTING_CREDS]);
}

static int load_credential(struct session *session)
{
    struct settings *settings = &session->settings;
    _cleanup_buf_ struct buf problem = BUF_INIT(CLIENT_MESSAGE_MAX);
    int r;

    if (token_wins(settings)) {
        session->token = strdup(settings->values[SETTING_TOKEN]);
        session->token_is_given = true;
        if (!session->token)
            return cli_no_memory(session->call);
    }
    if (!settings->values[SETTING_CREDS])
        return CLI_DONE;
    r = credential_read(settings->values[SETTING_CREDS], &problem, &session->credential);
    if (r < 0) {
        cli_complain(session->call, problem.data ? problem.data : "out of memory");
        return CLI_USAGE;
    }
    if (!session->token && session->credential->token) {
        session->token = strdup(session->credential->token);
        session->token_is_given = true;
    }
    return CLI_DONE;
}

/* Of the setting and of what the credential says, the one that was given nearer to the user. */
static const char *setting_or(const struct session *session, enum setting setting,
                              const char *of_credential)
{
    const struct settings *settings = &session->settings;
    const char *value = settings->values[setting];

    if (!of_credential)
        return value;
    return value && settings->sources[setting] >= settings->sources[SETTING_CREDS] ? value
                                                                                   : of_credential;
}

static int load_trust(struct session *session)
{
    const char *file = session->settings.values[SETTING_API_CACERT];
    const struct credential *credential = session->credential;
    size_t len;
    int r;

    if (credential && credential->authority)
        session->ca = strdup(credential->authority);
    if (!file)
        return CLI_DONE;
    r = file_read(file, CREDENTIAL_BYTES_MAX, &session->only_ca, &len);
    if (r == 0 && strstr(session->only_ca, "-----BEGIN CERTIFICATE"))
        return CLI_DONE;
    cli_complain(session->call, "--api-cacert: cannot be read, or has no certificate in PEM:");
    cli_complain(session->call, file);
    return CLI_USAGE;
}

static char *url_of(const char *api)
{
    char *url;

    if (strstr(api, "://")) /* checked in open_session() */
        return strdup(api);
    return asprintf(&url, "https://%s", api) < 0 ? NULL : url;
}

static int make_client(struct session *session, const char *api)
{
    const struct settings *settings = &session->settings;
    const struct credential *credential = session->credential;
    const char *timeout = settings->values[SETTING_TIMEOUT];
    _cleanup_free_
    char *url = url_of(api);
    struct client_config config = {
        .api = url,
        .ca_pem = session->ca,
        .only_ca_pem = session->only_ca,
        .skip_verify = settings_is_true(settings->values[SETTING_API_SKIP_VERIFY]),
        .certificate_pem = credential ? credential->certificate : NULL,
        .key_pem = credential ? credential->key : NULL,
        .msgpack = strcmp(settings->values[SETTING_ENCODING], "msgpack") == 0,
        .tracking_id = settings->values[SETTING_TRACKING_ID],
        .timeout_s = timeout ? strtol(timeout, NULL, 10) : SETTINGS_TIMEOUT_S,
        .log = cli_flag(session->call, "verbose") ? session->call->err : NULL,
    };

    if (session->quiet) {
        config.timeout_s = QUIET_TIMEOUT_S;
        config.tries = 1;
    } else if (fileno(session->call->err) >= 0 && isatty(fileno(session->call->err))) {
        config.progress = session->call->err;
        config.shared = isatty(fileno(session->call->output.out));
    }
    if (config.skip_verify && !session->quiet)
        fputs("bulkhead: WARNING: --api-skip-verify: nobody checks that this is your Console; the "
              "token and everything else can be read and changed on the way\n",
              session->call->err);
    if (!url || client_new(&config, &session->client) < 0)
        return cli_no_memory(session->call);
    if (credential && !cli_flag(session->call, "no-cache"))
        session->cache = token_cache_path(url, credential);
    return CLI_DONE;
}

static int replace(char **text, const char *value)
{
    free(*text);
    *text = strdup(value);
    return *text ? 0 : -ENOMEM;
}

int session_use_certificate(struct session *session, const char *certificate, const char *key)
{
    _cleanup_free_
    char *api = strdup(client_api(session->client));

    if (!session->credential)
        session->credential = calloc(1, sizeof(*session->credential));
    if (!api || !session->credential ||
        replace(&session->credential->certificate, certificate) < 0 ||
        replace(&session->credential->key, key) < 0)
        return cli_no_memory(session->call);
    client_free(&session->client);
    free(session->cache);
    session->cache = NULL;
    return make_client(session, api);
}

static int open_session(struct cli_call *call, struct session *session)
{
    const char *api;
    int r;

    session->call = call;
    r = session_settings(call, NULL, &session->settings);
    if (r == CLI_DONE)
        r = load_credential(session);
    if (r == CLI_DONE)
        r = load_trust(session);
    if (r != CLI_DONE)
        return r;
    api = setting_or(session, SETTING_API, session->credential ? session->credential->api : NULL);
    if (!api)
        return cli_usage_error(call, "no Console: give --api URL or --creds FILE, set BULKHEAD_API "
                                     "or BULKHEAD_CREDENTIALS, or run 'bulkhead configure' once");
    if (strstr(api, "://") && strncmp(api, "https://", 8) != 0) {
        cli_complain(call, "the Console's address: expected https://…, as tokens travel; found");
        cli_complain(call, api);
        return CLI_USAGE;
    }
    session->namespace = setting_or(session, SETTING_NAMESPACE,
                                    session->credential ? session->credential->namespace : NULL);
    if (!session->namespace)
        session->namespace = "/";
    return make_client(session, api);
}

int session_open(struct cli_call *call, struct session *ret)
{
    *ret = (struct session){0};
    return open_session(call, ret);
}

int session_open_quiet(struct cli_call *call, struct session *ret)
{
    *ret = (struct session){.quiet = true};
    if (open_session(call, ret) != CLI_DONE)
        return -EINVAL;
    return session_authenticate(ret, false) == CLI_DONE ? 0 : -EACCES;
}

void session_clear(struct session *session)
{
    client_free(&session->client);
    credential_free(&session->credential);
    settings_clear(&session->settings);
    free(session->ca);
    free(session->only_ca);
    free(session->token);
    free(session->cache);
    *session = (struct session){0};
}

/* ---- Asking ------------------------------------------------------------------------------- */

/* "; " joins them. */
static void print_messages(const struct session *session, const char *messages)
{
    while (messages && *messages) {
        const char *end = strstr(messages, "; ");
        size_t len = end ? (size_t)(end - messages) : strlen(messages);
        _cleanup_free_
        char *one = strndup(messages, len);
        _cleanup_free_
        char *safe = one ? text_safe(one) : NULL;

        if (safe && *safe)
            fprintf(session->call->err, "bulkhead: warning: %s\n", safe);
        messages = end ? end + 2 : NULL;
    }
}

int session_exchange(struct session *session, const struct client_request *request,
                     struct client_answer *ret)
{
    struct client_request with = *request;

    if (with.token && !*with.token)
        with.token = NULL;
    if (client_send(session->client, &with, ret) < 0) {
        if (!session->quiet)
            cli_complain(session->call, client_message(session->client));
        return CLI_FAILED;
    }
    if (!session->quiet)
        print_messages(session, ret->messages);
    return CLI_DONE;
}

static void print_error(const struct session *session, const json_t *error)
{
    const char *title = json_string_value(json_object_get(error, "title")),
               *description = json_string_value(json_object_get(error, "description")),
               *attribute = json_string_value(json_member(error, "data.attribute"));
    _cleanup_buf_ struct buf line = BUF_INIT(CLIENT_HEADER_MAX);
    _cleanup_free_
    char *safe = NULL;

    if (attribute && *attribute)
        buf_printf(&line, "%s: %s", attribute, description ? description : title ? title : "wrong");
    else
        buf_printf(&line, "%s%s%s", title ? title : "", title && description ? ": " : "",
                   description ? description : "");
    safe = line.data ? text_safe(line.data) : NULL;
    fprintf(session->call->err, "  %s\n", safe ? safe : "");
}

int session_refused(struct session *session, const char *what, const struct client_answer *answer)
{
    _cleanup_free_
    char *safe = text_safe(what);
    json_t *error;
    size_t i;

    if (session->quiet)
        return CLI_FAILED;
    cli_error(session->call, "%s: %ld", safe ? safe : "", answer->status);
    json_array_foreach(answer->body, i, error) print_error(session, error);
    if (json_is_object(answer->body))
        print_error(session, answer->body);
    if (answer->text) {
        _cleanup_free_
        char *text = text_safe(answer->text);

        fprintf(session->call->err, "  %.300s\n", text ? text : "");
    }
    return answer->status == 400 || answer->status == 422 ? CLI_USAGE : CLI_FAILED;
}

static bool is_accepted(long status, const long *accepted)
{
    if (status >= 200 && status <= 299)
        return true;
    for (; accepted && *accepted; accepted++)
        if (*accepted == status)
            return true;
    return false;
}

int session_try(struct session *session, struct client_request *request, const long *accepted,
                struct client_answer *ret)
{
    bool own_token = !request->token;
    _cleanup_free_
    char *what = NULL;
    int r = own_token ? session_authenticate(session, false) : CLI_DONE;

    *ret = (struct client_answer){.total = -1};
    if (r != CLI_DONE)
        return r;
    if (!request->namespace)
        request->namespace = session->namespace;
    if (own_token)
        request->token = session->token;
    r = session_exchange(session, request, ret);
    if (r == CLI_DONE && ret->status == 401 && own_token && !session->token_is_given &&
        !session->quiet) {
        client_answer_clear(ret);
        r = session_authenticate(session, true);
        request->token = session->token;
        if (r == CLI_DONE)
            r = session_exchange(session, request, ret);
    }
    if (own_token)
        request->token = NULL;
    if (r != CLI_DONE || is_accepted(ret->status, accepted))
        return r;
    if (asprintf(&what, "%s %s%s in namespace %s", request->method, client_api(session->client),
                 request->path, request->namespace) < 0)
        return cli_no_memory(session->call);
    return session_refused(session, what, ret);
}

int session_send(struct session *session, struct client_request *request, struct client_answer *ret)
{
    return session_try(session, request, NULL, ret);
}
