/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_internal.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "console/commit.h"

#define BEARER "Bearer "
#define ENFORCER_NAME "enforcer:"
/* What an Enforcer may by its own certificate, at home and below. It reports over its link, so it
 * needs no right to write anybody's objects here. */
static const char *const of_enforcers[] = {
    "datapathcertificate,post", "trustedca,list",     "namespaceinfo,list", "enforcer,get",
    "enforcerprofile,get",      "renderedpolicy,get", "hostservice,list",
};

/* ---- Signing keys of all Consoles ----------------------------------------------------------- */

/* The name of the object is the kid. */
static void signer_add(struct auth *auth, const struct object *object)
{
    _cleanup_free_
    char *pem = object_text(object, "publicKey");
    int r = pem ? trust_signer_add(auth->console->trust, object->name, pem) : -EINVAL;

    if (r < 0)
        log_event(LOG_LEVEL_WARN, "auth.signer_refused", LOG_F("id", "%s", object->id),
                  LOG_F("error", "%s", error_text(r)));
}

static void signer_remove(struct auth *auth, const struct object *object)
{
    trust_signer_remove(auth->console->trust, object->name);
    auth_cache_clear(auth); /* it does not know who signed what */
}

static void published(void *context, int result, size_t failed_op, uint64_t revision)
{
    if (result < 0 && result != -EEXIST)
        log_event(LOG_LEVEL_WARN, "auth.signer_not_published",
                  LOG_F("error", "%s", error_text(result)));
}

static const struct object *signer_object(struct auth *auth, const char *kid)
{
    return objects_find_unique(auth->console->objects, auth->kind_signer, kid);
}

/*
 * Others can check what we sign only once they have the key, so this comes before the first token
 * as near as can be.
 *
 * @param gone  kid of one that verifies nothing any more; NULL: none
 */
static int publish(struct auth *auth, const char *gone)
{
    struct trust *trust = auth->console->trust;
    _cleanup_change_set_ struct change_set *set = NULL;
    const struct object *old = gone ? signer_object(auth, gone) : NULL;
    bool known = signer_object(auth, trust_signer_kid(trust));
    json_t *sparse;
    int r = 0;

    if (!auth->console->commit || (known && !old))
        return 0;
    sparse = json_pack("{s:s, s:s}", "name", trust_signer_kid(trust), "publicKey",
                       trust_signer_pem(trust));
    if (!sparse || change_set_new(&set) < 0)
        r = -ENOMEM;
    if (r == 0 && !known)
        r = change_set_create(set, auth->kind_signer, "/", sparse, NULL);
    if (r == 0 && old)
        r = change_set_delete(set, old);
    json_decref(sparse);
    if (r == 0)
        commit_submit(auth->console->commit, &set, published, auth);
    return r;
}

int auth_rotate(struct auth *auth)
{
    _cleanup_free_
    char *dropped = NULL;
    bool is_new;
    int r;

    assert(auth);

    r = trust_signer_rotate(auth->console->trust, auth->now_ms(), &is_new, &dropped);
    if (r == 0 && (is_new || dropped))
        r = publish(auth, dropped);
    if (dropped)
        auth_cache_clear(auth);
    return r;
}

/* ---- What objects say ----------------------------------------------------------------------- */

static void put(struct auth *auth, const struct object *object)
{
    json_t *sparse;
    int r;

    if (object->kind == auth->kind_signer)
        signer_add(auth, object);
    if (object->kind != auth->kind_policy)
        return;
    sparse = object_parse(object);
    r = sparse ? auth_policies_put(&auth->policies, object->id, object->space->name, sparse)
               : -ENOMEM;
    json_decref(sparse);
    if (r < 0) /* grants nothing then */
        log_event(LOG_LEVEL_ERROR, "auth.policy_lost", LOG_F("id", "%s", object->id),
                  LOG_F("error", "%s", error_text(r)));
}

static void observe(void *context, uint64_t revision, const struct object_change *changes, size_t n)
{
    struct auth *auth = context;

    for (size_t i = 0; i < n; i++) {
        const struct object *before = changes[i].before;

        if (changes[i].after) {
            put(auth, changes[i].after);
            continue;
        }
        if (before && before->kind == auth->kind_policy)
            auth_policies_remove(&auth->policies, before->id);
        if (before && before->kind == auth->kind_signer)
            signer_remove(auth, before);
    }
}

static bool put_visited(void *context, const struct object *object)
{
    put(context, object);
    return true;
}

static int put_all(struct auth *auth, const struct schema_kind *kind)
{
    const struct objects_query query = {
        .kind = kind,
        .space = objects_space(auth->console->objects, "/"),
        .recursive = true,
    };
    uint64_t total;

    return objects_list(auth->console->objects, &query, put_visited, auth, &total);
}

int auth_start(struct auth *auth)
{
    int r;

    assert(auth);

    r = put_all(auth, auth->kind_policy);
    if (r == 0)
        r = put_all(auth, auth->kind_signer);
    return r < 0 ? r : publish(auth, NULL);
}

int auth_new(struct console *console, struct auth **ret)
{
    struct auth *auth;
    int r;

    assert(console && console->objects && console->trust);
    assert(ret);

    auth = calloc(1, sizeof(*auth));
    if (!auth)
        return -ENOMEM;
    auth->console = console;
    auth->now_ms = console_now_ms;
    auth->kind_policy = schema_kind_find("apiauthorizationpolicy");
    auth->kind_signer = schema_kind_find("signingkey");
    auth->kind_enforcer = schema_kind_find("enforcer");
    for (size_t i = 0; i < ARRAY_SIZE(of_enforcers); i++)
        auth_mask_add(&auth->enforcer_mask, of_enforcers[i]);
    assert(auth->kind_policy && auth->kind_signer && auth->kind_enforcer);
    r = objects_observe(console->objects, observe, auth);
    if (r < 0) {
        free(auth);
        return r;
    }
    *ret = auth;
    return 0;
}

void auth_free(struct auth **auth)
{
    if (!auth || !*auth)
        return;
    auth_policies_clear(&(*auth)->policies);
    auth_cache_clear(*auth);
    auth_quotas_clear(*auth);
    free(*auth);
    *auth = NULL;
}

/* ---- Authentication ------------------------------------------------------------------------- */

static int refuse(struct api_error *error, const char *why)
{
    api_error_set(error, 401, "Unauthorized", "%s", why);
    return -EACCES;
}

/* Value of our cookie, owned by the caller; NULL: absent. There twice: neither is believed. */
static char *cookie_value(const char *cookies, bool *ret_twice)
{
    static const char name[] = AUTH_COOKIE "=";
    char *value = NULL;

    *ret_twice = false;
    while (*cookies) {
        size_t len;

        cookies += strspn(cookies, "; ");
        len = strcspn(cookies, ";");
        if (len >= strlen(name) && strncmp(cookies, name, strlen(name)) == 0) {
            *ret_twice |= value != NULL;
            free(value);
            value = strndup(cookies + strlen(name), len - strlen(name));
        }
        cookies += len;
    }
    return value;
}

/* A realm of its own: what policies give to app credentials of a namespace is not meant for its
 * Enforcers. */
static int enforcer_claims(struct caller *caller, const struct object *enforcer,
                           const struct trust_certificate *certificate)
{
    struct tag_set *claims = &caller->claims;

    if (tag_set_addf(claims, "@auth:realm=enforcer") < 0 ||
        tag_set_addf(claims, "@auth:subject=%s", certificate->common_name) < 0 ||
        tag_set_addf(claims, "@auth:commonname=%s", certificate->common_name) < 0 ||
        tag_set_addf(claims, "@auth:organization=%s", enforcer->space->name) < 0 ||
        tag_set_addf(claims, "@auth:id=%s", enforcer->id) < 0)
        return -ENOMEM;
    caller->subject = strdup(certificate->common_name);
    caller->enforcer_id = strdup(enforcer->id);
    return caller->subject && caller->enforcer_id ? 0 : -ENOMEM;
}

/* The one that was issued last, or the one before it (for the case that an answer got lost), as the
 * object has it; an older one is of no use to whoever copied it. */
char *auth_enforcer_certificate(const struct object *enforcer, const uint8_t sha256[32])
{
    static const char *const attributes[] = {"certificate", "previousCertificate"};

    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        _cleanup_free_
        char *pem = object_text(enforcer, attributes[i]);
        uint8_t stored[32];

        if (pem && *pem && trust_certificate_fingerprint(pem, stored) == 0 &&
            memcmp(stored, sha256, sizeof(stored)) == 0)
            return TAKE_PTR(pem);
    }
    return NULL;
}

const char *auth_enforcer_problem(const struct auth *auth, const char *id, const uint8_t sha256[32])
{
    const struct object *enforcer = objects_find(auth->console->objects, id);
    _cleanup_free_
    char *pem = NULL;

    if (!enforcer || enforcer->kind != auth->kind_enforcer)
        return "this Enforcer has been deleted; register it anew";
    if (object_flag(enforcer, "disabled"))
        return "this Enforcer has been disabled";
    pem = auth_enforcer_certificate(enforcer, sha256);
    return pem ? NULL
               : "the Enforcer's certificate has been replaced by a newer one; is this a copy of "
                 "another host?";
}

static int enforcer_caller(struct auth *auth, const struct trust_certificate *certificate,
                           struct api_error *error, struct caller **ret)
{
    const char *id = certificate->common_name + strlen(ENFORCER_NAME), *problem;
    _cleanup_caller_ struct caller *caller = NULL;

    if (strncmp(certificate->common_name, ENFORCER_NAME, strlen(ENFORCER_NAME)) != 0)
        return refuse(error, "a token is needed; an app credential is traded for one by POST "
                             "/issue with realm Certificate");
    problem = auth_enforcer_problem(auth, id, certificate->sha256);
    if (problem)
        return refuse(error, problem);
    caller = calloc(1, sizeof(*caller));
    if (!caller ||
        enforcer_claims(caller, objects_find(auth->console->objects, id), certificate) < 0)
        return refuse(error, "out of memory");
    caller->expires_ms = certificate->not_after_ms;
    memcpy(caller->certificate, certificate->sha256, sizeof(caller->certificate));
    *ret = TAKE_PTR(caller);
    return 0;
}

static int by_certificate(struct auth *auth, const struct http_request *request,
                          struct api_error *error, struct caller **ret)
{
    struct trust_certificate certificate = {0};
    int r;

    r = trust_certificate_check(auth->console->trust, request->certificate.x509, auth->now_ms(),
                                &certificate);
    if (r == -ETIME)
        return refuse(error, "the client certificate has expired or is not valid yet");
    if (r < 0)
        return refuse(error, "the client certificate is not one of this Console's");
    r = enforcer_caller(auth, &certificate, error, ret);
    trust_certificate_clear(&certificate);
    if (r == 0)
        (*ret)->has_address = ip_addr_parse(request->client, &(*ret)->address) == 0;
    return r;
}

/* A browser sends the cookie along whoever wrote the page. SameSite keeps it from other sites, but
 * not from other hosts of the same site. */
static bool is_own_page(const struct auth *auth, const struct http_request *request)
{
    const char *origin = request->origin, *url = auth->console->public_url;
    const char *host = origin ? strstr(origin, "://") : NULL;

    if (!origin || !*origin || (url && strcasecmp(origin, url) == 0))
        return true;
    return host && request->host && strcasecmp(host + 3, request->host) == 0;
}

int auth_authenticate(struct auth *auth, const struct http_request *request,
                      struct api_error *error, struct caller **ret)
{
    _cleanup_free_
    char *cookie = NULL;
    bool twice = false;

    assert(auth);
    assert(request);
    assert(error);
    assert(ret);

    if (request->authorization && *request->authorization) {
        if (strncasecmp(request->authorization, BEARER, strlen(BEARER)) != 0)
            return refuse(error, "the header Authorization is not 'Bearer TOKEN'");
        return auth_authenticate_token(auth, request->authorization + strlen(BEARER),
                                       request->client, error, ret);
    }
    if (request->cookie)
        cookie = cookie_value(request->cookie, &twice);
    if (twice)
        return refuse(error, "the cookie " AUTH_COOKIE " is there more than once");
    if (cookie && !is_own_page(auth, request)) {
        api_error_set(error, 403, "Forbidden", "a page of another origin cannot use the cookie");
        return -EACCES;
    }
    if (cookie)
        return auth_authenticate_token(auth, cookie, request->client, error, ret);
    if (request->certificate.present)
        return by_certificate(auth, request, error, ret);
    return refuse(error, "no token: send 'Authorization: Bearer TOKEN'; POST /issue gives one");
}
