/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A command that talks to the Console: settings, credential, token, and requests whose errors are
 * said on standard error. The token comes from --token, or from the app credential by way of
 * POST /issue, and is kept in ~/.cache/bulkhead (0600) until a minute before it expires.
 */

#include "cli/client/client.h"
#include "cli/client/credential.h"
#include "cli/client/settings.h"
#include "cli/command.h"

#define SESSION_TOKEN_MARGIN_S 60
#define SESSION_CACHE_BYTES_MAX 65536

struct session {
    struct cli_call *call;
    struct settings settings;
    struct credential *credential; /* NULL: none */
    struct client *client;
    char *ca, *only_ca;    /* PEM */
    char *token;           /* NULL: none yet */
    bool token_is_given;   /* not ours to replace */
    char *cache;           /* file; NULL: none */
    const char *namespace; /* never NULL; belongs to settings or credential */
    bool quiet;            /* say nothing: for completion */
};

/* Settings alone; says what is wrong. `profile` goes before --profile; NULL: none. enum cli_exit.
 */
int session_settings(struct cli_call *call, const char *profile, struct settings *ret);
/* @return enum cli_exit, with everything said; session_clear() in any case */
int session_open(struct cli_call *call, struct session *ret);
/* Without a word, only with a token at hand, and soon. 0 or -errno. */
int session_open_quiet(struct cli_call *call, struct session *ret);
void session_clear(struct session *session);
#define _cleanup_session_ _cleanup_(session_clear)

/*
 * Ask and wait; X-Messages go to standard error. Namespace and token are filled in when they are
 * NULL. Statuses outside 200..299 are said and give CLI_USAGE (400, 404 of a route, 422) or
 * CLI_FAILED.
 * @return enum cli_exit; `ret` is to be cleared in any case
 */
int session_send(struct session *session, struct client_request *request,
                 struct client_answer *ret);
/* The same, but a status in `accepted` (ends with 0) is an answer and not an error. */
int session_try(struct session *session, struct client_request *request, const long *accepted,
                struct client_answer *ret);
/* A token by POST /issue with this body (not taken over); owned by the caller. `with_certificate`:
 * the credential's. enum cli_exit. */
int session_issue(struct session *session, const json_t *body, json_t **ret_issue);
/* Show this client certificate (PEM) in place of the credential's. */
int session_use_certificate(struct session *session, const char *certificate, const char *key);
/* Seconds since the epoch at which a token expires, 0: not said. */
json_int_t token_expiry(const char *token);
/* The claims of a token, unverified; NULL: not a token. New reference. */
json_t *token_claims(const char *token);
