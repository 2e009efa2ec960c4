/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who is asking, and may they? Two functions that every route and every WebSocket goes through.
 *
 * authentication: bearer token or cookie (ES256 JWT by one of our signing keys), or the client
 * certificate of an Enforcer. authorization: API authorization policies of the namespace and its
 * ancestors whose subject matches the caller's claims, cut down by the token's restrictions and the
 * networks. Nothing is reachable without a policy that says so.
 */

#include <stdbool.h>
#include <stddef.h>

#include "console/error.h"
#include "console/http.h"
#include "console/objects.h"
#include "model/model.h"

#define AUTH_CLAIMS_MAX 128
#define AUTH_TOKEN_BYTES_MAX 8192 /* must fit a header beside others */

struct caller {
    struct tag_set claims;         /* "@auth:realm=certificate", "@auth:subject=…" */
    char *subject;                 /* for activities */
    char *restricted_namespace;    /* NULL: none */
    char **restricted_permissions; /* "@auth:role=…" or "kind,verb"; NULL-terminated, NULL: none */
    struct cidr_list restricted_networks;
    bool has_restricted_networks;
    struct cidr_list origin_networks; /* of the app credential that the token was made from */
    bool has_origin_networks;
    struct ip_addr address; /* of the client */
    bool has_address;
    int64_t expires_ms;      /* of the token; 0: of no token */
    char *enforcer_id;       /* an Enforcer's own certificate; NULL: not one */
    uint8_t certificate[32]; /* SHA-256 of that */
    char *token_id;          /* jti, for quotas */
    json_t *token;           /* claims of the token; NULL: none */
    struct auth_mask *restricted_mask;
};
void caller_free(struct caller **caller);
#define _cleanup_caller_ _cleanup_(caller_free)

enum auth_verb { AUTH_LIST, AUTH_GET, AUTH_CREATE, AUTH_UPDATE, AUTH_PATCH, AUTH_DELETE };

struct console;
struct auth;
struct auth_mask; /* kind × verb, as bits; private to auth */

/* Observes console->objects; uses console->trust and, to publish signing keys, console->commit. */
int auth_new(struct console *console, struct auth **ret);
void auth_free(struct auth **auth);
/* Once, after everything was loaded: index what is there, publish the own signing key. */
int auth_start(struct auth *auth);
/* Once an hour: a new signing key when it is time (trust_signer_rotate), published. */
int auth_rotate(struct auth *auth);

#define AUTH_COOKIE "x-bulkhead-token"

/*
 * Bearer token, cookie AUTH_COOKIE, or an Enforcer's certificate, in this order; one of them that
 * is wrong is not made good by the next. Counts one use of a token with a quota.
 * @return 0, or -EACCES with `error` filled in: 401, or 417 when the quota is used up
 */
int auth_authenticate(struct auth *auth, const struct http_request *request,
                      struct api_error *error, struct caller **ret);
/*
 * @param explain  NULL, or gets one line for every policy that was looked at and why it did or did
 *                 not let the caller in
 */
bool auth_allowed(struct auth *auth, const struct caller *caller, enum auth_verb verb,
                  const struct schema_kind *kind, const char *namespace, json_t *explain);
/* Of an Enforcer that shows the certificate with this fingerprint: NULL, or why it is not let in.
 */
const char *auth_enforcer_problem(const struct auth *auth, const char *id,
                                  const uint8_t sha256[32]);
/* The one of its certificates with this fingerprint, in PEM; NULL: it is none of them. Owned by the
 * caller. */
char *auth_enforcer_certificate(const struct object *enforcer, const uint8_t sha256[32]);
/* May the caller do anything at all there? Who may not is not told what is there, or is not. */
bool auth_sees(struct auth *auth, const struct caller *caller, const char *namespace);
/* A token given as text (GET /events?token=…). */
int auth_authenticate_token(struct auth *auth, const char *token, const char *client,
                            struct api_error *error, struct caller **ret);
/* As auth_authenticate_token(), but the use does not count: for questions about a token. */
int auth_check_token(struct auth *auth, const char *token, const char *client,
                     struct api_error *error, struct caller **ret);
/* Uses of the caller's token: take some (-EDQUOT: not so many left), how many are left (-1: no
 * limit). */
int auth_quota_take(struct auth *auth, const struct caller *caller, int64_t uses);
int64_t auth_quota_left(struct auth *auth, const struct caller *caller);
/*
 * Nobody gives what he does not hold, in permission, namespace, network and time: may the caller
 * have a policy like this one (an object of kind apiauthorizationpolicy) in that namespace?
 * @return 0; -EPERM with `error`, 403: which permission, or which of the policy's limits, is too
 *         far; -ENOMEM
 */
int auth_check_grant(struct auth *auth, const struct caller *caller, const char *namespace,
                     const json_t *policy, struct api_error *error);
/*
 * A policy that is no fallback takes from whom it is for what fallback ones give him there, and
 * gives it back when it goes: both are for who holds that.
 * @param id  of the policy; "" when it is to be made
 * @return as auth_check_grant()
 */
int auth_check_silenced(struct auth *auth, const struct caller *caller, const char *id,
                        const char *namespace, const json_t *policy, struct api_error *error);
/* Are these permissions within those that the caller's token is restricted to? */
bool auth_permissions_within(const json_t *permissions, const struct caller *caller);
/* Whoever can act as somebody has all that this one has: does the caller hold each policy that
 * these claims match, even one that is not in force now? */
bool auth_covers(struct auth *auth, const struct caller *caller, const struct tag_set *claims,
                 const struct cidr_list *from /* where he has to be; NULL: anywhere */);
/* {kind: {verb: true}} of all that the caller may do there, and a line for each policy there. */
json_t *auth_permissions(struct auth *auth, const struct caller *caller, const char *namespace);
void auth_explain(struct auth *auth, const struct caller *caller, const char *namespace,
                  json_t *explain);
/* A caller made of claims and restrictions {namespace, perms, networks} (may be NULL) for questions
 * about somebody else. -EINVAL */
int auth_caller_new(const json_t *claims, const json_t *restrictions, const char *client,
                    struct caller **ret);
/* authorizedSubnets of an app credential; false: there are none, it may be used from anywhere. What
 * cannot be read is in no network. */
bool auth_credential_networks(const struct object *credential, struct cidr_list *ret);
/* What a token made from this password or key is bound to: changes when it does. */
#define AUTH_MARK_LEN 32
int auth_mark(const char *secret, char ret[AUTH_MARK_LEN + 1]);
/* Log-outs: a hidden object for each account or app credential, named by its ID. When more tokens
 * than these have been given up at once, all that were made so far are. */
#define AUTH_REVOCATION_KIND "tokenrevocation"
#define AUTH_REVOKED_MAX 32
#define AUTH_REVOCATION_KEEP_MS (31LL * 24 * 3600 * 1000) /* no token lives longer */
/* Namespaces in which the caller may do anything at all; JSON list of names. */
json_t *auth_namespaces(struct auth *auth, const struct caller *caller);

/* Hooks of everything that has to do with credentials; for api_register_all(). */
int hooks_auth(struct console *console);
