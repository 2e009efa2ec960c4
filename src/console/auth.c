/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "console/commit.h"

#define BEARER "Bearer "
#define ENFORCER_NAME "enforcer:"
#define ENFORCER_ROLE "@auth:role=enforcer.runtime"
#define LINE_MAX_BYTES 4096 /* holds the longest name, namespace and claim */

/* ---- Signing keys of all Consoles ----------------------------------------------------------- */

static void signer_add(struct auth *auth, const struct object *object)
{
    _cleanup_free_
    char *kid = object_text(object, "kid"), *pem = object_text(object, "publicKey");
    int r = kid && pem ? trust_signer_add(auth->console->trust, kid, pem) : -EINVAL;

    if (r < 0)
        log_event(LOG_LEVEL_WARN, "auth.signer_refused", LOG_F("id", "%s", object->id),
                  LOG_F("error", "%s", error_text(r)));
}

static void signer_remove(struct auth *auth, const struct object *object)
{
    _cleanup_free_
    char *kid = object_text(object, "kid");

    if (kid)
        trust_signer_remove(auth->console->trust, kid);
    auth_cache_clear(auth); /* it does not know who signed what */
}

static void published(void *context, int result, size_t failed_op, uint64_t revision)
{
    if (result < 0 && result != -EEXIST)
        log_event(LOG_LEVEL_WARN, "auth.signer_not_published",
                  LOG_F("error", "%s", error_text(result)));
}

struct kid_search {
    const char *kid;
    const struct object *found;
};

static bool has_kid(void *context, const struct object *object)
{
    struct kid_search *search = context;
    _cleanup_free_
    char *kid = object_text(object, "kid");

    if (!kid || strcmp(kid, search->kid) != 0)
        return true;
    search->found = object;
    return false;
}

static const struct object *signer_object(struct auth *auth, const char *kid)
{
    struct kid_search search = {.kid = kid};

    objects_in_space(auth->console->objects, objects_space(auth->console->objects, "/"),
                     auth->kind_signer, has_kid, &search);
    return search.found;
}

/* Others can check what we sign only once they have the key, so this comes before the first token
 * as near as can be. @param gone  kid of one that verifies nothing any more; NULL: none */
static int publish(struct auth *auth, const char *gone)
{
    struct trust *trust = auth->console->trust;
    _cleanup_change_set_ struct change_set *set = NULL;
    const struct object *old = gone ? signer_object(auth, gone) : NULL;
    json_t *sparse;
    int r = 0;

    if (!auth->kind_signer || !auth->console->commit)
        return 0;
    if (signer_object(auth, trust_signer_kid(trust)) && !old)
        return 0;
    sparse = json_pack("{s:s, s:s, s:s}", "name", trust_signer_kid(trust), "kid",
                       trust_signer_kid(trust), "publicKey", trust_signer_pem(trust));
    if (!sparse || change_set_new(&set) < 0)
        r = -ENOMEM;
    if (r == 0 && !signer_object(auth, trust_signer_kid(trust)))
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

    return kind ? objects_list(auth->console->objects, &query, put_visited, auth, &total) : 0;
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
    auth_mask_add(&auth->enforcer_mask, ENFORCER_ROLE);
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

static int enforcer_claims(struct caller *caller, const struct object *enforcer,
                           const struct trust_certificate *certificate)
{
    struct tag_set *claims = &caller->claims;

    if (tag_set_addf(claims, "@auth:realm=certificate") < 0 ||
        tag_set_addf(claims, "@auth:subject=%s", certificate->common_name) < 0 ||
        tag_set_addf(claims, "@auth:commonname=%s", certificate->common_name) < 0 ||
        tag_set_addf(claims, "@auth:organization=%s", enforcer->space->name) < 0 ||
        tag_set_addf(claims, "@auth:id=%s", enforcer->id) < 0)
        return -ENOMEM;
    caller->subject = strdup(certificate->common_name);
    caller->enforcer_id = strdup(enforcer->id);
    return caller->subject && caller->enforcer_id ? 0 : -ENOMEM;
}

/* The one that was issued last, as the object has it: an older one is of no use to whoever copied
 * it. */
static bool is_present_certificate(const struct object *enforcer, const uint8_t sha256[32])
{
    static const char *const attributes[] = {"certificate", "previousCertificate"};
    bool same = false;

    for (size_t i = 0; i < ARRAY_SIZE(attributes) && !same; i++) {
        _cleanup_free_
        char *pem = object_text(enforcer, attributes[i]);
        uint8_t stored[32];

        same = pem && *pem && trust_certificate_fingerprint(pem, stored) == 0 &&
               memcmp(stored, sha256, 32) == 0;
    }
    return same;
}

static int enforcer_caller(struct auth *auth, const struct trust_certificate *certificate,
                           struct api_error *error, struct caller **ret)
{
    _cleanup_caller_ struct caller *caller = NULL;
    const struct object *enforcer;

    if (strncmp(certificate->common_name, ENFORCER_NAME, strlen(ENFORCER_NAME)) != 0)
        return refuse(error, "a token is needed; an app credential is traded for one by POST "
                             "/issue with realm Certificate");
    enforcer =
        objects_find(auth->console->objects, certificate->common_name + strlen(ENFORCER_NAME));
    if (!enforcer || enforcer->kind != auth->kind_enforcer)
        return refuse(error, "this Enforcer has been deleted; register it anew");
    if (object_flag(enforcer, "disabled"))
        return refuse(error, "this Enforcer has been disabled");
    if (!is_present_certificate(enforcer, certificate->sha256))
        return refuse(error, "the Enforcer's certificate has been replaced by a newer one; "
                             "is this a copy of another host?");
    caller = calloc(1, sizeof(*caller));
    if (!caller || enforcer_claims(caller, enforcer, certificate) < 0)
        return refuse(error, "out of memory");
    caller->expires_ms = certificate->not_after_ms;
    *ret = TAKE_PTR(caller);
    return 0;
}

static int by_certificate(struct auth *auth, const struct http_request *request,
                          struct api_error *error, struct caller **ret)
{
    struct trust_certificate certificate = {0};
    int r;

    r = trust_certificate_read(auth->console->trust, request->certificate.pem, auth->now_ms(),
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
    if (cookie)
        return auth_authenticate_token(auth, cookie, request->client, error, ret);
    if (request->certificate.present && request->certificate.pem)
        return by_certificate(auth, request, error, ret);
    return refuse(error, "no token: send 'Authorization: Bearer TOKEN'; POST /issue gives one");
}

/* ---- Authorization -------------------------------------------------------------------------- */

static struct auth_question question_of(const struct auth *auth, const struct caller *caller,
                                        const char *namespace)
{
    return (struct auth_question){
        .claims = &caller->claims,
        .address = caller->has_address ? &caller->address : NULL,
        .namespace = namespace,
        .now_ms = auth->now_ms(),
    };
}

/* Where an Enforcer lives; NULL: it is gone. */
static const char *enforcer_namespace(const struct auth *auth, const struct caller *caller)
{
    const struct object *enforcer = objects_find(auth->console->objects, caller->enforcer_id);

    return enforcer && enforcer->kind == auth->kind_enforcer ? enforcer->space->name : NULL;
}

/* What policies give, before the token's own restrictions. */
static void granted(const struct auth *auth, const struct caller *caller, const char *namespace,
                    struct auth_mask *ret)
{
    const struct auth_question question = question_of(auth, caller, namespace);
    const char *home = caller->enforcer_id ? enforcer_namespace(auth, caller) : NULL;

    auth_policies_mask(&auth->policies, &question, ret);
    if (home && namespace_is_within(home, namespace))
        auth_mask_or(ret, &auth->enforcer_mask);
}

/* Why the token itself forbids it; NULL: it does not. */
static const char *restriction(const struct caller *caller, const char *namespace)
{
    if (caller->restricted_namespace &&
        !namespace_is_within(caller->restricted_namespace, namespace))
        return "the token is restricted to another namespace";
    if (caller->has_restricted_networks &&
        (!caller->has_address || !cidr_list_has(&caller->restricted_networks, &caller->address)))
        return "the token is restricted to networks that the client's address is not in";
    return NULL;
}

static void say(json_t *explain, const char *format, ...) _printf_(2, 3);
static void say(json_t *explain, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;

    if (!explain || json_array_size(explain) >= AUTH_EXPLAIN_MAX)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    json_array_append_new(explain, json_string(line));
}

/* The clause that lacks least, for the reader. */
static const char *missing_claim(const struct auth_policy *policy, const struct tag_set *claims)
{
    const char *missing = "any claim";
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < policy->n_clauses; i++) {
        const char *first = NULL;
        size_t n = 0;

        for (size_t j = 0; j < policy->clauses[i].n; j++) {
            if (tag_set_has(claims, policy->clauses[i].tags[j]))
                continue;
            first = first ? first : policy->clauses[i].tags[j];
            n++;
        }
        if (n == 0)
            return NULL;
        if (n < least) {
            least = n;
            missing = first;
        }
    }
    return missing;
}

static void explain_policy(const struct auth_policy *policy, const struct auth_question *question,
                           enum auth_verb verb, const struct schema_kind *kind, json_t *explain)
{
    const char *obstacle = auth_policy_obstacle(policy, question);
    const char *missing = missing_claim(policy, question->claims);
    const char *fallback = policy->fallback ? " (fallback)" : "";

    if (question->namespace && !namespace_is_within(policy->authorized, question->namespace))
        return; /* concerns other places only */
    if (obstacle)
        say(explain, "policy '%s' in %s (%s)%s: %s", policy->name, policy->namespace, policy->id,
            fallback, obstacle);
    else if (missing)
        say(explain, "policy '%s' in %s (%s)%s: the caller lacks %s", policy->name,
            policy->namespace, policy->id, fallback, missing);
    else if (auth_mask_has(&policy->mask, kind, verb))
        say(explain, "policy '%s' in %s (%s)%s: allows %s of %s", policy->name, policy->namespace,
            policy->id, fallback, auth_verb_name(verb), kind->name);
    else
        say(explain, "policy '%s' in %s (%s)%s: applies, but does not name %s of %s", policy->name,
            policy->namespace, policy->id, fallback, auth_verb_name(verb), kind->name);
}

static void explain_policies(const struct auth *auth, const struct auth_question *question,
                             enum auth_verb verb, const struct schema_kind *kind, json_t *explain)
{
    struct auth_policy *policy, *next;

    HASH_ITER(hh, auth->policies.by_id, policy, next)
    {
        explain_policy(policy, question, verb, kind, explain);
    }
}

bool auth_allowed(struct auth *auth, const struct caller *caller, enum auth_verb verb,
                  const struct schema_kind *kind, const char *namespace, json_t *explain)
{
    const struct auth_question question = question_of(auth, caller, namespace);
    const char *forbidden = restriction(caller, namespace);
    struct auth_mask mask;
    bool allowed;

    assert(auth);
    assert(caller);
    assert(kind);
    assert(namespace);

    granted(auth, caller, namespace, &mask);
    if (explain)
        explain_policies(auth, &question, verb, kind, explain);
    if (auth_is_own(kind, verb)) {
        say(explain, "%s of %s is about the caller only: everybody who is known may",
            auth_verb_name(verb), kind->name);
        return true;
    }
    if (forbidden) {
        say(explain, "%s", forbidden);
        return false;
    }
    allowed = auth_mask_has(&mask, kind, verb);
    if (!allowed && auth_is_basic(kind, verb) && !auth_mask_empty(&mask)) {
        say(explain, "whoever may do anything in %s may do this", namespace);
        allowed = true;
    }
    if (allowed && caller->restricted_mask && !auth_mask_has(caller->restricted_mask, kind, verb)) {
        say(explain, "the token is restricted to permissions without %s of %s",
            auth_verb_name(verb), kind->name);
        allowed = false;
    }
    return allowed;
}

bool auth_may_grant(struct auth *auth, const struct caller *caller, const json_t *permissions,
                    const char *namespace, const char **ret_missing)
{
    struct auth_mask own;

    granted(auth, caller, namespace, &own);
    if (restriction(caller, namespace))
        own = (struct auth_mask){0};
    if (caller->restricted_mask)
        auth_mask_and(&own, caller->restricted_mask);
    for (size_t i = 0; i < json_array_size(permissions); i++) {
        const char *text = json_string_value(json_array_get(permissions, i));
        struct auth_mask wanted = {0};

        if (text)
            auth_mask_add(&wanted, text);
        if (text && !auth_mask_within(&wanted, &own)) {
            *ret_missing = text;
            return false;
        }
    }
    return true;
}

/* ---- Namespaces ----------------------------------------------------------------------------- */

struct names {
    const struct caller *caller;
    json_t *list;
};

static void add_name(struct names *names, const char *name)
{
    const char *limit = names->caller->restricted_namespace;

    if (limit && namespace_is_within(name, limit))
        name = limit;
    else if (limit && !namespace_is_within(limit, name))
        return;
    for (size_t i = 0; i < json_array_size(names->list); i++)
        if (strcmp(json_string_value(json_array_get(names->list, i)), name) == 0)
            return;
    json_array_append_new(names->list, json_string(name));
}

static void add_authorized(void *context, const struct auth_policy *policy)
{
    if (!auth_mask_empty(&policy->mask))
        add_name(context, policy->authorized);
}

json_t *auth_namespaces(struct auth *auth, const struct caller *caller)
{
    const struct auth_question question = question_of(auth, caller, NULL);
    struct names names = {.caller = caller, .list = json_array()};
    const char *home = caller->enforcer_id ? enforcer_namespace(auth, caller) : NULL;

    assert(auth);
    assert(caller);

    if (!names.list)
        return NULL;
    auth_policies_visit(&auth->policies, &question, add_authorized, &names);
    if (home)
        add_name(&names, home);
    return names.list;
}
