/* SPDX-License-Identifier: Apache-2.0 */
#include "console/hooks_auth.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "console/realm.h"
#include "console/trust.h"

/*
 * POST /issue: what a realm found out becomes a token. A token that was made from another one has
 * its restrictions at least, ends with it at the latest, and its uses come out of the other's.
 */

#define VALIDITY_DEFAULT_MS (24LL * 3600 * 1000)
#define VALIDITY_MAX_MS (30LL * 24 * 3600 * 1000)

struct realm_attempt {
    struct api_call *call;
    json_t *request; /* sparse */
};

static void attempt_free(struct realm_attempt *attempt)
{
    json_decref(attempt->request);
    free(attempt);
}

struct api_call *realm_call(const struct realm_attempt *attempt)
{
    return attempt->call;
}

const char *realm_metadata(const struct realm_attempt *attempt, const char *name)
{
    return json_string_value(json_object_get(json_object_get(attempt->request, "metadata"), name));
}

void realm_drop(struct realm_attempt *attempt)
{
    attempt_free(attempt);
}

void realm_refuse(struct realm_attempt *attempt, int status, const char *format, ...)
{
    struct api_error error = {0};
    char text[sizeof(error.description)];
    va_list args;

    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    api_error_set(&error, status, status == 401 ? "Unauthorized" : "No token", "%s", text);
    api_fail(attempt->call, &error, NULL);
    attempt_free(attempt);
}

void realm_fail(struct realm_attempt *attempt, const struct api_error *error)
{
    api_fail(attempt->call, error, NULL);
    attempt_free(attempt);
}

/* ---- Restrictions --------------------------------------------------------------------------- */

static const char *text_of(const json_t *request, const char *name)
{
    const char *text = json_string_value(json_object_get(request, name));

    return text && *text ? text : NULL;
}

static bool networks_within(const json_t *networks, const struct caller *parent)
{
    struct cidr_list wanted = {0};
    bool within = !parent->has_restricted_networks ||
                  (cidr_list_add_list(&wanted, networks) == 0 &&
                   cidr_list_within(&wanted, &parent->restricted_networks));

    cidr_list_clear(&wanted);
    return within;
}

/* One restriction: the request's when it is within the parent's, the parent's when there is none.
 */
static int put_restriction(json_t *restrictions, const char *name, json_t *wanted,
                           const json_t *parent, bool within)
{
    json_t *of_parent = json_object_get(parent, name);

    if (wanted && of_parent && !within)
        return -EPERM;
    if (!wanted && !of_parent)
        return 0;
    return json_object_set(restrictions, name, wanted ? wanted : of_parent);
}

/* @param ret  new reference; NULL: none. -EPERM with the attribute in question */
static int make_restrictions(const json_t *request, const struct caller *parent,
                             const char **ret_attribute, json_t **ret)
{
    json_t *of_parent = parent ? json_object_get(parent->token, "restrictions") : NULL;
    const char *namespace = text_of(request, "restrictedNamespace");
    json_t *permissions = json_object_get(request, "restrictedPermissions");
    json_t *networks = json_object_get(request, "restrictedNetworks");
    json_t *out = json_object();
    bool within;
    int r = out ? 0 : -ENOMEM;

    *ret_attribute = "restrictedNamespace";
    within = !namespace || !parent || !parent->restricted_namespace ||
             namespace_is_within(parent->restricted_namespace, namespace);
    if (r == 0)
        r = put_restriction(out, "namespace",
                            namespace ? json_object_get(request, "restrictedNamespace") : NULL,
                            of_parent, within);
    if (r == 0) {
        *ret_attribute = "restrictedPermissions";
        r = put_restriction(out, "perms", json_array_size(permissions) ? permissions : NULL,
                            of_parent, !parent || auth_permissions_within(permissions, parent));
    }
    if (r == 0) {
        *ret_attribute = "restrictedNetworks";
        r = put_restriction(out, "networks", json_array_size(networks) ? networks : NULL, of_parent,
                            !parent || networks_within(networks, parent));
    }
    if (r < 0 || json_object_size(out) == 0) {
        json_decref(out);
        out = NULL;
    }
    if (r == 0)
        *ret = out;
    return r;
}

/* ---- Validity and quota --------------------------------------------------------------------- */

/* In seconds since the epoch; 0: none is left. */
static int64_t make_expiry(struct realm_attempt *attempt, const struct realm_identity *identity)
{
    const char *text = text_of(attempt->request, "validity");
    int64_t now_ms = console_now_ms(), wanted_ms = VALIDITY_DEFAULT_MS, ms;

    if (text && (!schema_duration_parse(text, false, &wanted_ms) || wanted_ms < 1000))
        return 0;
    ms = MIN(wanted_ms, VALIDITY_MAX_MS);
    if (identity->max_validity_ms)
        ms = MIN(ms, identity->max_validity_ms);
    if (identity->parent)
        ms = MIN(ms, identity->parent->expires_ms - now_ms);
    if (ms < wanted_ms)
        api_warn(attempt->call, "validity was cut to %lld seconds", (long long)(ms / 1000));
    return ms < 1000 ? 0 : (now_ms + ms) / 1000;
}

/* Uses of the new token are taken from its parent's at once: both together are no more than were
 * given. -EDQUOT: so many are not left. */
static int take_quota(struct realm_attempt *attempt, const struct caller *parent, int64_t *quota)
{
    struct auth *auth = attempt->call->console->auth;
    int64_t left = parent ? auth_quota_left(auth, parent) : -1;

    *quota = json_integer_value(json_object_get(attempt->request, "quota"));
    if (left < 0)
        return 0;
    if (*quota == 0)
        *quota = left;
    if (*quota == 0)
        return -EDQUOT;
    return auth_quota_take(auth, parent, *quota);
}

/* ---- The token ------------------------------------------------------------------------------ */

static json_t *make_claims(struct realm_attempt *attempt, const struct realm_identity *identity,
                           json_t *restrictions, int64_t expires, int64_t quota)
{
    const char *audience = text_of(attempt->request, "audience");
    json_t *opaque = json_object_get(attempt->request, "opaque");
    json_t *parent = identity->parent ? identity->parent->token : NULL;
    json_t *claims =
        json_pack("{s:s, s:s, s:s, s:O, s:I}", "use", "api", "realm", identity->realm, "sub",
                  identity->subject, "data", identity->data, "exp", (json_int_t)expires);
    int r = claims ? 0 : -ENOMEM;

    if (!opaque && parent)
        opaque = json_object_get(parent, "opaque");
    if (r == 0 && identity->origin)
        r = json_object_set(claims, "origin", identity->origin);
    if (r == 0 && parent) { /* ends with the first of them */
        json_t *family = json_object_get(parent, "family");

        r = json_object_set(claims, "family", family ? family : json_object_get(parent, "jti"));
    }
    if (r == 0 && restrictions)
        r = json_object_set(claims, "restrictions", restrictions);
    if (r == 0 && quota > 0)
        r = json_object_set_new(claims, "quota", json_integer(quota));
    if (r == 0 && json_object_size(opaque) > 0)
        r = json_object_set(claims, "opaque", opaque);
    if (r == 0 && audience)
        r = json_object_set_new(claims, "aud", json_string(audience));
    if (r < 0) {
        json_decref(claims);
        return NULL;
    }
    return claims;
}

/* HttpOnly and Strict: scripts cannot read it, other sites cannot send it. */
static int set_cookie(struct api_call *call, const char *token, int64_t expires)
{
    const char *wanted = api_parameter(call, "asCookie");
    long long age = (long long)(expires - console_now_ms() / 1000);

    if (!wanted || strcmp(wanted, "false") == 0)
        return 0;
    if (asprintf(&call->cookie,
                 AUTH_COOKIE "=%s; Path=/; Max-Age=%lld; Secure; HttpOnly; SameSite=Strict", token,
                 age) < 0) {
        call->cookie = NULL;
        return -ENOMEM;
    }
    return 0;
}

static void answer(struct realm_attempt *attempt, const char *token, int64_t expires)
{
    struct api_call *call = attempt->call;
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    json_t *claims = NULL, *sparse = json_copy(attempt->request), *complete;

    json_object_del(sparse, "metadata"); /* passwords are in there */
    json_object_del(sparse, "data");
    complete = sparse ? schema_complete(call->kind, sparse, NULL, NULL) : NULL;
    json_decref(sparse);
    if (!complete || set_cookie(call, token, expires) < 0 ||
        trust_token_verify(call->console->trust, token, console_now_ms(), &problem, &claims) < 0 ||
        json_object_set_new(complete, "claims", claims) < 0 ||
        json_object_set_new(complete, "token", json_string(token)) < 0) {
        json_decref(complete);
        realm_refuse(attempt, 500, "out of memory");
        return;
    }
    api_answer(call, 200, complete);
    attempt_free(attempt);
}

static void sign(struct realm_attempt *attempt, const struct realm_identity *identity,
                 json_t *restrictions, int64_t expires, int64_t quota)
{
    json_t *claims = make_claims(attempt, identity, restrictions, expires, quota);
    _cleanup_free_
    char *token = NULL;
    int r = claims
                ? trust_token_sign(attempt->call->console->trust, claims, console_now_ms(), &token)
                : -ENOMEM;

    json_decref(claims);
    if (r == -EMSGSIZE || (r == 0 && strlen(token) > AUTH_TOKEN_BYTES_MAX))
        realm_refuse(attempt, 422,
                     "the token would be longer than %d bytes: fewer restrictions "
                     "or less in opaque",
                     AUTH_TOKEN_BYTES_MAX);
    else if (r < 0)
        realm_refuse(attempt, 500, "the token cannot be signed");
    else
        answer(attempt, token, expires);
}

void realm_accept(struct realm_attempt *attempt, struct realm_identity *identity)
{
    json_t *restrictions = NULL;
    int64_t expires = make_expiry(attempt, identity), quota = 0;
    const char *attribute;
    int r;

    if (!identity->subject || !identity->data) {
        realm_identity_clear(identity);
        realm_refuse(attempt, 500, "out of memory");
        return;
    }
    r = make_restrictions(attempt->request, identity->parent, &attribute, &restrictions);
    if (r == 0 && expires)
        r = take_quota(attempt, identity->parent, &quota);
    if (r == -EPERM)
        realm_refuse(attempt, 403, "%s: goes beyond what the token that is exchanged may",
                     attribute);
    else if (r == -EDQUOT)
        realm_refuse(attempt, 417, "the token that is exchanged has not so many uses left");
    else if (r < 0)
        realm_refuse(attempt, 500, "out of memory");
    else if (!expires)
        realm_refuse(attempt, 422, "validity: less than a second would be left");
    else
        sign(attempt, identity, restrictions, expires, quota);
    json_decref(restrictions);
    realm_identity_clear(identity);
}

/* ---- The route ------------------------------------------------------------------------------ */

static void issue(struct api_call *call)
{
    struct realm_attempt *attempt = calloc(1, sizeof(*attempt));
    struct api_error error = {0};
    const struct realm *realm;
    const char *name;

    if (!attempt) {
        api_error_result(&error, -ENOMEM, "issue");
        api_fail(call, &error, NULL);
        return;
    }
    attempt->call = call;
    attempt->request = json_incref(call->body);
    name = json_string_value(json_object_get(attempt->request, "realm"));
    realm = name ? realm_find(name) : NULL;
    if (realm)
        realm->identify(attempt);
    else
        realm_refuse(attempt, 422, "realm %s is not available on this Console; there are %s",
                     name ? name : "''", realm_names());
}

static const struct api_hooks issue_hooks = {
    .kind = "issue",
    .handle = issue,
    .open_verbs = 1u << AUTH_CREATE,
};

int hooks_issue(struct console *console)
{
    return api_register(console, &issue_hooks);
}
