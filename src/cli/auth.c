/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead auth: tokens, and what they say. */
#include <errno.h>
#include <string.h>
#include <termios.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/account.h"
#include "cli/api/api.h"
#include "cli/interrupt.h"

#define SECRET_MAX 1024

/* ---- What a token is asked for ------------------------------------------------------------ */

static int add_opaque(struct cli_call *call, json_t *body)
{
    const struct cli_given *given;
    json_t *opaque = json_object();
    size_t at = 0;

    while ((given = cli_next(call, "opaque", &at))) {
        _cleanup_free_
        char *key = strndup(given->value, given->key_len);

        if (!key || json_object_set_new(opaque, key, json_string(given->second)) < 0) {
            json_decref(opaque);
            return cli_usage_error(call, "--opaque: expected KEY=VALUE in UTF-8");
        }
    }
    if (json_object_size(opaque) > 0)
        json_object_set(body, "opaque", opaque);
    json_decref(opaque);
    return CLI_DONE;
}

static int add_list(struct cli_call *call, const char *option, const char *attribute, bool roles,
                    json_t *body)
{
    const struct cli_given *given;
    json_t *list = json_array();
    size_t at = 0;
    int r = CLI_DONE;

    if (roles)
        r = roles_given(call, option, list);
    else
        while ((given = cli_next(call, option, &at)))
            json_array_append_new(list, json_string(given->value));
    if (json_array_size(list) > 0)
        json_object_set(body, attribute, list);
    json_decref(list);
    return r;
}

/* Options that all realms take. */
static int make_body(struct cli_call *call, const char *realm, json_t **ret)
{
    static const char *const texts[][2] = {{"validity", "validity"},
                                           {"audience", "audience"},
                                           {"restrict-namespace", "restrictedNamespace"}};
    const char *quota = cli_value(call, "quota");
    json_t *body = json_pack("{s:s}", "realm", realm);
    int r = body ? CLI_DONE : cli_no_memory(call);

    for (size_t i = 0; r == CLI_DONE && i < ARRAY_SIZE(texts); i++) {
        const char *value = cli_value(call, texts[i][0]);

        if (value)
            json_object_set_new(body, texts[i][1], json_string(value));
    }
    if (r == CLI_DONE && quota) {
        _cleanup_buf_ struct buf problem = BUF_INIT(1024);

        if (value_set(schema_kind_find("issue"), body, "quota", quota, &problem) < 0)
            r = cli_usage_error(call, "--quota: expected a number");
    }
    if (r == CLI_DONE)
        r = add_list(call, "restrict-role", "restrictedPermissions", true, body);
    if (r == CLI_DONE)
        r = add_list(call, "restrict-network", "restrictedNetworks", false, body);
    if (r == CLI_DONE)
        r = add_opaque(call, body);
    if (r == CLI_DONE)
        r = input_check(call, schema_kind_find("issue"), body, NULL, NULL);
    if (r == CLI_DONE)
        *ret = body;
    else
        json_decref(body);
    return r;
}

/* Shells read what stands between single quotes as it is. */
static void print_export(FILE *out, const char *name, const char *value)
{
    fprintf(out, "export %s='", name);
    for (; *value; value++) {
        if (*value == '\'')
            fputs("'\\''", out);
        else
            fputc(*value, out);
    }
    fputs("'\n", out);
}

static int print_token(struct session *session, const json_t *issue)
{
    struct cli_call *call = session->call;
    const char *token = json_string_value(json_object_get(issue, "token"));

    if (cli_flag(call, "export")) {
        print_export(call->output.out, "BULKHEAD_TOKEN", token);
        print_export(call->output.out, "BULKHEAD_API", client_api(session->client));
        print_export(call->output.out, "BULKHEAD_NAMESPACE", session->namespace);
        return CLI_DONE;
    }
    return call->output.format == CLI_TABLE ? cli_print_safe(call, token) : cli_answer(call, issue);
}

static int issue_and_print(struct session *session, const json_t *body)
{
    json_t *issue = NULL;
    int r = session_issue(session, body, &issue);

    if (r == CLI_DONE)
        r = print_token(session, issue);
    json_decref(issue);
    return r;
}

/* ---- appcred, cert, token ----------------------------------------------------------------- */

int cli_auth_appcred(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    json_t *body = NULL;
    int r = make_body(call, "Certificate", &body);

    if (r == CLI_DONE)
        r = session_open(call, &session);
    if (r == CLI_DONE && (!session.credential || !session.credential->certificate))
        r = cli_usage_error(call, "no app credential: give --creds FILE");
    if (r == CLI_DONE)
        r = issue_and_print(&session, body);
    json_decref(body);
    return r;
}

static int read_pem(struct cli_call *call, const char *option, char **ret)
{
    const char *path = cli_value(call, option);
    size_t len;
    int r;

    if (!path)
        return cli_usage_error(call, "--%s FILE is missing", option);
    r = file_read(path, CREDENTIAL_BYTES_MAX, ret, &len);
    if (r == 0 && strstr(*ret, "-----BEGIN"))
        return CLI_DONE;
    return cli_usage_error(call, "--%s: %s", option, r < 0 ? error_text(r) : "found no PEM in it");
}

int cli_auth_cert(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_free_
    char *certificate = NULL, *key = NULL;
    json_t *body = NULL;
    int r = make_body(call, "Certificate", &body);

    if (r == CLI_DONE)
        r = read_pem(call, "cert", &certificate);
    if (r == CLI_DONE)
        r = read_pem(call, "cert-key", &key);
    if (r == CLI_DONE)
        r = session_open(call, &session);
    if (r == CLI_DONE)
        r = session_use_certificate(&session, certificate, key);
    if (r == CLI_DONE)
        r = issue_and_print(&session, body);
    json_decref(body);
    return r;
}

int cli_auth_token(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    json_t *body = NULL;
    int r = make_body(call, "BulkheadIdentityToken", &body);

    if (r == CLI_DONE)
        r = session_open(call, &session);
    if (r == CLI_DONE && !session.token)
        r = cli_usage_error(call, "no token: give --token TOKEN, or set BULKHEAD_TOKEN");
    if (r == CLI_DONE)
        json_object_set_new(body, "metadata", json_pack("{s:s}", "token", session.token));
    if (r == CLI_DONE)
        r = issue_and_print(&session, body);
    json_decref(body);
    return r;
}

/* ---- local -------------------------------------------------------------------------------- */

/* A line from the terminal, without echo; from standard input where there is none. */
static int read_secret(struct cli_call *call, const char *prompt, char secret[SECRET_MAX])
{
    struct termios before, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    bool ok;

    if (terminal) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        interrupt_restores(&before);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet); /* before there is a reason to type */
        fprintf(call->err, "%s: ", prompt);
        fflush(call->err);
    }
    ok = fgets(secret, SECRET_MAX, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        interrupt_restores(NULL);
        fputc('\n', call->err);
    }
    if (!ok)
        return cli_usage_error(call, "no password was given");
    secret[strcspn(secret, "\r\n")] = '\0';
    return CLI_DONE;
}

int account_metadata(struct cli_call *call, const char *account, json_t *body)
{
    char password[SECRET_MAX];
    const char *otp = cli_value(call, "otp");
    int r = read_secret(call, "Password", password);
    json_t *metadata;

    if (r != CLI_DONE)
        return r;
    metadata = json_pack("{s:s, s:s}", "vinceAccount", account, "vincePassword", password);
    explicit_bzero(password, sizeof(password));
    if (metadata && otp && strcmp(otp, "-") == 0) {
        r = read_secret(call, "One-time password", password);
        otp = password;
    }
    if (metadata && otp)
        json_object_set_new(metadata, "vinceOTP", json_string(otp));
    if (!metadata || json_object_set_new(body, "metadata", metadata) < 0)
        return cli_usage_error(call, "account and password: expected text in UTF-8");
    return r;
}

int cli_auth_local(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    const char *account = cli_value(call, "account");
    json_t *body = NULL;
    int r = CLI_DONE;

    if (!account)
        return cli_usage_error(call, "--account NAME is missing");
    r = make_body(call, "Vince", &body);
    if (r == CLI_DONE)
        r = session_open(call, &session);
    if (r == CLI_DONE)
        r = account_metadata(call, account, body);
    if (r == CLI_DONE)
        r = issue_and_print(&session, body);
    json_decref(body);
    return r;
}

/* ---- verify ------------------------------------------------------------------------------- */

static int print_claims(struct cli_call *call, const json_t *answer)
{
    json_t *tags = json_object_get(answer, "tags"), *tag;
    json_int_t expires =
        json_integer_value(json_object_get(json_object_get(answer, "claims"), "exp"));
    size_t i;
    int r = CLI_DONE;

    if (call->output.format != CLI_TABLE)
        return cli_answer(call, answer);
    json_array_foreach(tags, i, tag)
    {
        if (r == CLI_DONE && json_is_string(tag))
            r = cli_print_safe(call, json_string_value(tag));
    }
    if (expires)
        fprintf(call->err, "bulkhead: good for %lld more seconds\n",
                (long long)(expires - (json_int_t)time(NULL)));
    return r;
}

/* The Console judges. Exit 1: not good. */
int cli_auth_verify(struct cli_call *call)
{
    _cleanup_session_ struct session session = {0};
    _cleanup_client_answer_ struct client_answer answer = {0};
    struct client_request request = {.method = "GET", .path = "/authn"};
    int r = session_open(call, &session);

    if (r == CLI_DONE)
        r = session_send(&session, &request, &answer);
    return r == CLI_DONE ? print_claims(call, answer.body) : r;
}
