/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_internal.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "console/jsonscan.h"

/*
 * A token's signature is checked once, then its SHA-256 is remembered until it expires, is pushed
 * out by others, or a signing key goes. What may change at any moment is asked at each use:
 * whether it has expired, whether its origin is still there and enabled, whether uses are left.
 */

#define NOT_AUTHENTICATED "Unauthorized"

/* ---- Cache ---------------------------------------------------------------------------------- */

static void cache_remove(struct auth *auth, struct auth_cached *cached)
{
    HASH_DEL(auth->cache, cached);
    caller_free(&cached->caller);
    free(cached);
}

void auth_cache_clear(struct auth *auth)
{
    struct auth_cached *cached = NULL, *next = NULL;

    HASH_ITER(hh, auth->cache, cached, next)
    {
        cache_remove(auth, cached);
    }
}

/* Order of the table is order of insertion: in again at the end. */
static struct auth_cached *cache_find(struct auth *auth, const uint8_t hash[32])
{
    struct auth_cached *cached;

    HASH_FIND(hh, auth->cache, hash, 32, cached);
    if (cached) {
        HASH_DEL(auth->cache, cached);
        HASH_ADD(hh, auth->cache, hash, 32, cached);
    }
    return cached;
}

static int cache_add(struct auth *auth, const uint8_t hash[32], struct caller **caller,
                     struct auth_cached **ret)
{
    struct auth_cached *cached = calloc(1, sizeof(*cached));

    if (!cached)
        return -ENOMEM;
    if (HASH_COUNT(auth->cache) >= AUTH_CACHE_MAX)
        cache_remove(auth, auth->cache);
    memcpy(cached->hash, hash, sizeof(cached->hash));
    cached->caller = TAKE_PTR(*caller);
    HASH_ADD(hh, auth->cache, hash, 32, cached);
    *ret = cached;
    return 0;
}

/* ---- Quotas --------------------------------------------------------------------------------- */

static void quota_remove(struct auth *auth, struct auth_quota *quota)
{
    HASH_DEL(auth->quotas, quota);
    free(quota->id);
    free(quota);
}

void auth_quotas_clear(struct auth *auth)
{
    struct auth_quota *quota = NULL, *next = NULL;

    HASH_ITER(hh, auth->quotas, quota, next)
    {
        quota_remove(auth, quota);
    }
}

static void quotas_expire(struct auth *auth, int64_t now_ms)
{
    struct auth_quota *quota = NULL, *next = NULL;

    HASH_ITER(hh, auth->quotas, quota, next)
    {
        if (quota->expires_ms <= now_ms)
            quota_remove(auth, quota);
    }
}

static int quota_of(struct auth *auth, const struct caller *caller, int64_t limit,
                    struct auth_quota **ret)
{
    struct auth_quota *quota;

    HASH_FIND_STR(auth->quotas, caller->token_id, quota);
    if (!quota) {
        if (HASH_COUNT(auth->quotas) >= AUTH_QUOTAS_MAX)
            quotas_expire(auth, auth->now_ms());
        if (HASH_COUNT(auth->quotas) >= AUTH_QUOTAS_MAX)
            return -ENOSPC;
        quota = calloc(1, sizeof(*quota));
        if (!quota)
            return -ENOMEM;
        quota->id = strdup(caller->token_id);
        if (!quota->id) {
            free(quota);
            return -ENOMEM;
        }
        quota->limit = limit;
        quota->expires_ms = caller->expires_ms;
        HASH_ADD_KEYPTR(hh, auth->quotas, quota->id, strlen(quota->id), quota);
    }
    *ret = quota;
    return 0;
}

int auth_quota_take(struct auth *auth, const struct caller *caller, int64_t uses)
{
    int64_t limit = json_integer_value(json_object_get(caller->token, "quota"));
    struct auth_quota *quota;
    int r;

    if (limit <= 0)
        return 0;
    r = quota_of(auth, caller, limit, &quota);
    if (r < 0)
        return r;
    if (uses > quota->limit - quota->used)
        return -EDQUOT;
    quota->used += uses;
    return 0;
}

int64_t auth_quota_left(struct auth *auth, const struct caller *caller)
{
    int64_t limit = json_integer_value(json_object_get(caller->token, "quota"));
    struct auth_quota *quota;

    if (limit <= 0)
        return -1;
    HASH_FIND_STR(auth->quotas, caller->token_id, quota);
    return quota ? quota->limit - quota->used : limit;
}

/* ---- Origin --------------------------------------------------------------------------------- */

int auth_mark(const char *secret, char ret[AUTH_MARK_LEN + 1])
{
    uint8_t digest[SHA256_BYTES];
    int r = hash_sha256(secret, strlen(secret), digest);

    for (size_t i = 0; r == 0 && i < AUTH_MARK_LEN / 2; i++)
        snprintf(ret + 2 * i, 3, "%02x", digest[i]);
    return r;
}

/* An account: active, and with the password that was used then. */
static const char *account_problem(const struct object *account, const json_t *origin)
{
    const char *mark = json_string_value(json_object_get(origin, "mark"));
    _cleanup_free_
    char *status = object_text(account, "status");
    _cleanup_free_
    char *hash = object_text(account, "passwordHash");
    char now[AUTH_MARK_LEN + 1];

    if (status && *status && strcmp(status, "Active") != 0)
        return "the account of the token has been disabled";
    if (!mark || !hash || auth_mark(hash, now) < 0 || strcmp(mark, now) != 0)
        return "the password of the account has been changed since the token was made";
    return NULL;
}

static bool names(const json_t *list, const json_t *id)
{
    for (size_t i = 0; id && i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), id))
            return true;
    return false;
}

/* Given up, by itself or as what it was made from? Most never log out: then there is no object. */
static const char *revocation_problem(const struct objects *objects, const char *origin_id,
                                      const json_t *token)
{
    static const struct schema_kind *kind; /* looked for once: this is done for every request */
    const struct object *object;
    json_t *body, *list;
    bool revoked;

    if (!kind)
        kind = schema_kind_find(AUTH_REVOCATION_KIND);
    object = objects_find_unique(objects, kind, origin_id);
    if (!object)
        return NULL;
    body = object_parse(object);
    list = json_object_get(body, "tokens");
    revoked = !body || names(list, json_object_get(token, "jti")) ||
              names(list, json_object_get(token, "family")) ||
              json_integer_value(json_object_get(token, "iat")) <=
                  json_integer_value(json_object_get(body, "notBefore"));
    json_decref(body);
    return revoked ? "the token was given up (log-out)" : NULL;
}

const char *auth_origin_problem(const struct objects *objects, const json_t *token)
{
    const json_t *origin = json_object_get(token, "origin");
    const char *id = json_string_value(json_object_get(origin, "id"));
    const char *kind = json_string_value(json_object_get(origin, "kind")), *problem;
    const struct object *object;

    if (!origin)
        return NULL;
    object = id ? objects_find(objects, id) : NULL;
    if (!object || !kind || strcmp(object->kind->name, kind) != 0)
        return "what the token was made from has been deleted";
    if (object_flag(object, "disabled"))
        return "what the token was made from has been disabled";
    problem = strcmp(kind, "account") == 0 ? account_problem(object, origin) : NULL;
    return problem ? problem : revocation_problem(objects, id, token);
}

bool auth_credential_networks(const struct object *credential, struct cidr_list *ret)
{
    struct json_slice value;
    json_t *list;
    bool some;

    if (!json_scan_find(credential->body, credential->body_len, "authorizedSubnets", &value))
        return false;
    list = json_loadb(value.text, value.len, 0, NULL);
    some = !list || json_array_size(list) > 0;
    if (cidr_list_add_list(ret, list) < 0)
        cidr_list_clear(ret);
    json_decref(list);
    return some;
}

/* A token is good from where its credential is, by whatever policy. */
static int take_networks(const struct auth *auth, struct caller *caller, const char *client,
                         struct api_error *error)
{
    const json_t *origin = json_object_get(caller->token, "origin");
    const char *id = json_string_value(json_object_get(origin, "id"));
    const struct object *object = id ? objects_find(auth->console->objects, id) : NULL;

    if (!object || strcmp(object->kind->name, "appcredential") != 0)
        return 0;
    caller->has_origin_networks = auth_credential_networks(object, &caller->origin_networks);
    if (!caller->has_origin_networks ||
        (caller->has_address && cidr_list_has(&caller->origin_networks, &caller->address)))
        return 0;
    api_error_set(error, 401, "Unauthorized", "the app credential may not be used from %s",
                  client ? client : "there");
    return -EACCES;
}

/* ---- Checks --------------------------------------------------------------------------------- */

static int refuse(struct api_error *error, const char *why)
{
    api_error_set(error, 401, NOT_AUTHENTICATED, "%s", why);
    return -EACCES;
}

/* One that is for somebody else is not for us (RFC 8725 3.9). */
static bool is_for_us(const json_t *claims)
{
    const json_t *audience = json_object_get(claims, "aud");

    return !audience || (json_is_string(audience) && !*json_string_value(audience)) ||
           json_equal(audience, json_object_get(claims, "iss"));
}

/* A signature takes time to check, and nobody has to be anybody to send one. */
static int count_stranger(struct auth *auth, const char *client, struct api_error *error)
{
    char address[LIMITS_ADDRESS_MAX];
    uint32_t wait_s;

    limits_address(client ? client : "", address);
    wait_s = limits_take(auth->console->limits, LIMIT_STRANGERS, address, 1, uv_hrtime());
    if (wait_s == 0)
        return 0;
    api_error_limit(error, LIMIT_STRANGERS, address, wait_s);
    return -EACCES;
}

static int verify(struct auth *auth, const char *token, const uint8_t hash[32],
                  struct api_error *error, struct auth_cached **ret)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_caller_ struct caller *caller = NULL;
    json_t *claims;
    int r;

    r = trust_token_verify(auth->console->trust, token, auth->now_ms(), &problem, &claims);
    if (r < 0)
        return refuse(error, problem.data ? problem.data : "the token cannot be checked");
    if (!is_for_us(claims)) {
        json_decref(claims);
        return refuse(error, "the token is for another audience");
    }
    r = caller_from_token(claims, &caller);
    json_decref(claims);
    if (r < 0)
        return refuse(error, "this is not a token for the API");
    r = cache_add(auth, hash, &caller, ret);
    return r < 0 ? refuse(error, "out of memory") : 0;
}

/* Everything but the quota. */
static int check(struct auth *auth, const char *token, const char *client, struct api_error *error,
                 const struct caller **ret)
{
    struct auth_cached *cached;
    const char *problem;
    uint8_t hash[32];
    size_t len = strnlen(token, AUTH_TOKEN_BYTES_MAX + 1);
    int r = 0;

    if (len > AUTH_TOKEN_BYTES_MAX)
        return refuse(error, "the token is too long");
    if (hash_sha256(token, len, hash) < 0)
        return refuse(error, "the token cannot be checked");
    cached = cache_find(auth, hash);
    if (!cached)
        r = count_stranger(auth, client, error);
    if (r == 0 && !cached)
        r = verify(auth, token, hash, error, &cached);
    if (r < 0)
        return r;
    if (cached->caller->expires_ms <= auth->now_ms())
        problem = "the token has expired";
    else
        problem = auth_origin_problem(auth->console->objects, cached->caller->token);
    if (problem) {
        cache_remove(auth, cached);
        return refuse(error, problem);
    }
    *ret = cached->caller;
    return 0;
}

static int take_one(struct auth *auth, const struct caller *caller, struct api_error *error)
{
    int r = auth_quota_take(auth, caller, 1);

    if (r == -EDQUOT) {
        api_error_set(error, 417, "Quota exhausted",
                      "the token may be used %lld times and has been",
                      (long long)json_integer_value(json_object_get(caller->token, "quota")));
        return -EACCES;
    }
    return r < 0 ? refuse(error, "too many tokens with a quota are in use") : 0;
}

int auth_check_token(struct auth *auth, const char *token, const char *client,
                     struct api_error *error, struct caller **ret)
{
    _cleanup_caller_ struct caller *caller = NULL;
    const struct caller *cached;
    int r;

    r = check(auth, token, client, error, &cached);
    if (r < 0)
        return r;
    r = caller_copy(cached, &caller);
    if (r < 0)
        return refuse(error, "out of memory");
    caller->has_address = client && ip_addr_parse(client, &caller->address) == 0;
    r = take_networks(auth, caller, client, error);
    if (r == 0)
        *ret = TAKE_PTR(caller);
    return r;
}

int auth_authenticate_token(struct auth *auth, const char *token, const char *client,
                            struct api_error *error, struct caller **ret)
{
    _cleanup_caller_ struct caller *caller = NULL;
    int r;

    assert(auth);
    assert(token);
    assert(error);
    assert(ret);

    r = auth_check_token(auth, token, client, error, &caller);
    if (r == 0)
        r = take_one(auth, caller, error);
    if (r == 0)
        *ret = TAKE_PTR(caller);
    return r;
}
