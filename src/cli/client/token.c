/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: what they say, where they are kept, how they are got. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "cli/client/session_internal.h"

/* ---- What a token says -------------------------------------------------------------------- */

/* Base64url without padding (RFC 7515). */
static char *base64url_decode(const char *text, size_t len, size_t *ret_len)
{
    _cleanup_free_
    char *padded = malloc(len + 4);
    size_t n = len;

    if (!padded)
        return NULL;
    for (size_t i = 0; i < len; i++)
        padded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    while (n % 4)
        padded[n++] = '=';
    padded[n] = '\0';
    return base64_decode(padded, ret_len);
}

json_t *token_claims(const char *token)
{
    const char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    _cleanup_free_
    char *text = NULL;
    size_t len;
    json_t *claims;

    if (!second)
        return NULL;
    text = base64url_decode(first + 1, (size_t)(second - first - 1), &len);
    claims = text ? json_loadb(text, len, 0, NULL) : NULL;
    if (json_is_object(claims))
        return claims;
    json_decref(claims);
    return NULL;
}

json_int_t token_expiry(const char *token)
{
    json_t *claims = token_claims(token);
    json_int_t expiry = json_integer_value(json_object_get(claims, "exp"));

    json_decref(claims);
    return expiry;
}

/* ---- Kept tokens -------------------------------------------------------------------------- */

/* One file for each (Console, certificate). */
char *token_cache_path(const char *api, const struct credential *credential)
{
    _cleanup_free_
    char *directory = settings_cache_directory(), *what = NULL, *name = NULL;
    char *path;

    if (!directory || !credential->certificate ||
        asprintf(&what, "%s\n%s", api, credential->certificate) < 0)
        return NULL;
    name = sha256_hex(what, strlen(what));
    return name && asprintf(&path, "%s/token-%.32s", directory, name) >= 0 ? path : NULL;
}

char *token_cache_read(const char *path)
{
    _cleanup_free_
    char *token = NULL;
    struct stat status;
    size_t len;
    json_int_t expiry;

    /* A file that others can write is not ours. */
    if (stat(path, &status) < 0 || status.st_uid != geteuid() || (status.st_mode & 077) ||
        file_read(path, SESSION_CACHE_BYTES_MAX, &token, &len) < 0)
        return NULL;
    token[strcspn(token, "\n")] = '\0';
    expiry = token_expiry(token);
    return expiry > (json_int_t)time(NULL) + SESSION_TOKEN_MARGIN_S ? TAKE_PTR(token) : NULL;
}

/* Failing is no error: the next call asks again. */
void token_cache_write(const char *path, const char *token)
{
    _cleanup_free_
    char *directory = settings_cache_directory();

    if (directory && dir_make(directory, 0700) == 0)
        file_write_atomic(path, token, strlen(token), 0600);
}

/* ---- New tokens --------------------------------------------------------------------------- */

int session_issue(struct session *session, const json_t *body, json_t **ret_issue)
{
    struct client_request request = {
        .method = "POST", .path = "/issue", .body = body, .token = "", .doing = "getting a token"};
    _cleanup_client_answer_ struct client_answer answer = {0};
    const char *realm = json_string_value(json_object_get(body, "realm"));
    int r = session_exchange(session, &request, &answer);

    if (r != CLI_DONE)
        return r;
    if (answer.status < 200 || answer.status > 299) {
        _cleanup_free_
        char *what = NULL;

        if (asprintf(&what, "no token by realm %s from %s", realm ? realm : "?",
                     client_api(session->client)) < 0)
            return cli_no_memory(session->call);
        return session_refused(session, what, &answer);
    }
    if (!json_is_string(json_object_get(answer.body, "token"))) {
        if (!session->quiet)
            cli_error(session->call, "%s: the answer to /issue has no token",
                      client_api(session->client));
        return CLI_FAILED;
    }
    *ret_issue = json_incref(answer.body);
    return CLI_DONE;
}

static int issue_by_certificate(struct session *session)
{
    json_t *body = json_pack("{s:s}", "realm", "Certificate"), *issue = NULL;
    int r = body ? session_issue(session, body, &issue) : cli_no_memory(session->call);

    json_decref(body);
    if (r != CLI_DONE)
        return r;
    free(session->token);
    session->token = strdup(json_string_value(json_object_get(issue, "token")));
    json_decref(issue);
    if (!session->token)
        return cli_no_memory(session->call);
    if (session->cache)
        token_cache_write(session->cache, session->token);
    return CLI_DONE;
}

static int no_credential(struct session *session)
{
    if (!session->quiet)
        cli_usage_error(session->call,
                        "no credential: give --creds FILE or --token TOKEN, set "
                        "BULKHEAD_CREDENTIALS or BULKHEAD_TOKEN, or run 'bulkhead configure' once");
    return CLI_USAGE;
}

int session_authenticate(struct session *session, bool again)
{
    if (session->token && !again)
        return CLI_DONE;
    if (session->token_is_given || !session->credential || !session->credential->certificate)
        return no_credential(session);
    if (!again && session->cache) {
        session->token = token_cache_read(session->cache);
        if (session->token)
            return CLI_DONE;
    }
    return session->quiet ? CLI_FAILED : issue_by_certificate(session);
}
