/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "console/auth_internal.h"
#include "request.h"

/* The Console's clock: stands still. */
static int64_t test_now_ms;

static int64_t test_clock(void)
{
    return test_now_ms;
}

struct fixture {
    char dir[64];
    struct console console;
    uint64_t revision;
    unsigned ids;
};

/* ---- Objects -------------------------------------------------------------------------------- */

static void apply(struct fixture *f, enum store_op_type type, const char *kind, const char *id,
                  const char *namespace, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    const char *name = json_string_value(json_object_get(body, "name"));
    char *key = objects_unique_key(schema_kind_find(kind), namespace, name ? name : id);
    const struct store_op op = {
        .type = type,
        .object = {.id = id,
                   .kind = kind,
                   .namespace = namespace,
                   .unique_key = name ? key : NULL,
                   .body = text,
                   .body_len = text ? strlen(text) : 0,
                   .created_ms = test_now_ms,
                   .updated_ms = test_now_ms},
    };

    assert_int_equal(objects_apply(f->console.objects, ++f->revision, &op, 1), 0);
    free(text);
    free(key);
    json_decref(body);
}

static void new_id(struct fixture *f, char id[SCHEMA_ID_LEN + 1])
{
    snprintf(id, SCHEMA_ID_LEN + 1, "%024x", ++f->ids);
}

static void create(struct fixture *f, const char *kind, const char *namespace, const char *format,
                   char id[SCHEMA_ID_LEN + 1])
{
    json_t *body = json_loads(format, 0, NULL);

    assert_non_null(body);
    new_id(f, id);
    apply(f, STORE_CREATE, kind, id, namespace, body);
}

static void make_namespace(struct fixture *f, const char *name)
{
    char id[SCHEMA_ID_LEN + 1], parent[256];

    snprintf(parent, sizeof(parent), "%s", name);
    *strrchr(parent, '/') = '\0';
    new_id(f, id);
    apply(f, STORE_CREATE, "namespace", id, *parent ? parent : "/",
          json_pack("{s:s}", "name", name));
}

/* One for @auth:realm=certificate and @auth:id=WHO; `more` is JSON that comes on top. */
static void grant(struct fixture *f, const char *who, const char *namespace, const char *permission,
                  const char *more, char id[SCHEMA_ID_LEN + 1])
{
    char claim[128];
    json_t *body, *extra = more ? json_loads(more, 0, NULL) : NULL;

    snprintf(claim, sizeof(claim), "@auth:id=%s", who);
    body = json_pack("{s:s, s:[[s, s]], s:[s], s:s}", "name", who, "subject",
                     "@auth:realm=certificate", claim, "authorizedIdentities", permission,
                     "authorizedNamespace", namespace);
    if (extra)
        json_object_update(body, extra);
    json_decref(extra);
    new_id(f, id);
    apply(f, STORE_CREATE, "apiauthorizationpolicy", id, namespace, body);
}

static int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct buf problem = BUF_INIT(1024);

    test_now_ms = (int64_t)time(NULL) * 1000;
    snprintf(f->dir, sizeof(f->dir), "/tmp/bulkhead-auth-XXXXXX");
    *state = f;
    if (!mkdtemp(f->dir) || objects_new(&f->console.objects) < 0 ||
        trust_open(f->dir, NULL, &problem, &f->console.trust) < 0 ||
        auth_new(&f->console, &f->console.auth) < 0 || auth_start(f->console.auth) < 0)
        return -1;
    f->console.auth->now_ms = test_clock;
    make_namespace(f, "/a");
    make_namespace(f, "/a/b");
    make_namespace(f, "/c");
    return 0;
}

static int drop_fixture(void **state)
{
    struct fixture *f = *state;
    char command[128];

    auth_free(&f->console.auth);
    trust_free(&f->console.trust);
    objects_free(&f->console.objects);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    if (system(command) != 0)
        return -1;
    free(f);
    return 0;
}

/* ---- Tokens --------------------------------------------------------------------------------- */

/* For a caller with @auth:id=WHO; `more` is JSON of claims on top. Owned by the caller. */
static char *token_of(struct fixture *f, const char *who, const char *more)
{
    json_t *claims =
        json_pack("{s:s, s:s, s:s, s:{s:s}, s:I}", "use", "api", "realm", "certificate", "sub", who,
                  "data", "id", who, "exp", (json_int_t)(test_now_ms / 1000 + 3600));
    json_t *extra = more ? json_loads(more, 0, NULL) : NULL;
    char *token;

    assert_true(!more || extra);
    if (extra)
        json_object_update(claims, extra);
    assert_int_equal(trust_token_sign(f->console.trust, claims, test_now_ms, &token), 0);
    json_decref(claims);
    json_decref(extra);
    return token;
}

static int authenticate(struct fixture *f, const char *token, const char *client,
                        struct api_error *error, struct caller **ret)
{
    char header[AUTH_TOKEN_BYTES_MAX * 2];
    struct http_request request = {.cookie = (char *)""};

    snprintf(header, sizeof(header), "Bearer %s", token);
    request.authorization = header;
    snprintf(request.client, sizeof(request.client), "%s", client);
    *error = (struct api_error){0};
    return auth_authenticate(f->console.auth, &request, error, ret);
}

static struct caller *caller_of(struct fixture *f, const char *who, const char *more)
{
    struct caller *caller = NULL;
    struct api_error error;
    char *token = token_of(f, who, more);

    if (authenticate(f, token, "192.0.2.1", &error, &caller) < 0)
        fail_msg("%s", error.description);
    free(token);
    return caller;
}

static void expect_refused(struct fixture *f, const char *token, int status, const char *word)
{
    struct caller *caller = NULL;
    struct api_error error;

    assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), -EACCES);
    assert_int_equal(error.status, status);
    if (!strstr(error.description, word))
        fail_msg("'%s', expected '%s' in it", error.description, word);
    assert_null(caller);
}

static bool may(struct fixture *f, const struct caller *caller, enum auth_verb verb,
                const char *kind, const char *namespace)
{
    return auth_allowed(f->console.auth, caller, verb, schema_kind_find(kind), namespace, NULL);
}

/* ---- Authentication ------------------------------------------------------------------------- */

static void test_requests_without_a_token(void **state)
{
    static const struct {
        const char *authorization, *cookie, *word;
    } cases[] = {
        {NULL, NULL, "no token"},
        {"", "", "no token"},
        {"Basic YTpi", "", "Bearer"},
        {"Bearer ", "", "no token"},
        {"Bearer xx.yy.zz", "", "header"},
        {"", AUTH_COOKIE "=x", "no token"},
        {"", "a=b; " AUTH_COOKIE "=x; " AUTH_COOKIE "=y", "more than once"},
        {"", "not-" AUTH_COOKIE "=x", "no token:"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_request request = {.authorization = (char *)cases[i].authorization,
                                       .cookie = (char *)cases[i].cookie};
        struct api_error error = {0};
        struct caller *caller = NULL;

        assert_int_equal(auth_authenticate(f->console.auth, &request, &error, &caller), -EACCES);
        assert_int_equal(error.status, 401);
        if (!strstr(error.description, cases[i].word))
            fail_msg("case %zu: '%s'", i, error.description);
    }
}

static void test_token_and_cookie(void **state)
{
    struct fixture *f = *state;
    char *token = token_of(f, "x", NULL), cookie[AUTH_TOKEN_BYTES_MAX];
    struct http_request request = {.authorization = (char *)"", .cookie = cookie};
    struct api_error error = {0};
    struct caller *caller = NULL;

    snprintf(cookie, sizeof(cookie), "a=b; " AUTH_COOKIE "=%s; c=d", token);
    assert_int_equal(auth_authenticate(f->console.auth, &request, &error, &caller), 0);
    assert_string_equal(caller->subject, "x");
    assert_true(tag_set_has(&caller->claims, "@auth:realm=certificate"));
    assert_true(tag_set_has(&caller->claims, "@auth:id=x"));
    caller_free(&caller);
    /* A wrong header is not made good by a right cookie. */
    request.authorization = (char *)"Bearer nonsense";
    assert_int_equal(auth_authenticate(f->console.auth, &request, &error, &caller), -EACCES);
    free(token);
}

static void test_tokens_that_are_none(void **state)
{
    struct fixture *f = *state;
    char *tokens[] = {
        token_of(f, "x", "{\"use\": \"identity\"}"), /* documents for Enforcers */
        token_of(f, "x", "{\"use\": 1}"),
        token_of(f, "x", "{\"data\": []}"),
        token_of(f, "x", "{\"realm\": null}"),
        token_of(f, "x", "{\"restrictions\": \"none\"}"),
        token_of(f, "x", "{\"restrictions\": {\"networks\": [\"nowhere\"]}}"),
        token_of(f, "x", "{\"restrictions\": {\"perms\": [1]}}"),
        token_of(f, "x", "{\"restrictions\": {\"namespace\": []}}"),
        token_of(f, "x", "{\"aud\": \"https://elsewhere.example\"}"),
        token_of(f, "x", "{\"aud\": [\"https://elsewhere.example\"]}"),
    };
    char *huge = calloc(1, AUTH_TOKEN_BYTES_MAX + 2);

    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
        expect_refused(f, tokens[i], 401, "token");
        free(tokens[i]);
    }
    memset(huge, 'a', AUTH_TOKEN_BYTES_MAX + 1);
    expect_refused(f, huge, 401, "too long");
    free(huge);
}

static void test_expiry_also_from_the_cache(void **state)
{
    struct fixture *f = *state;
    char *token = token_of(f, "x", NULL);
    struct caller *caller = NULL;
    struct api_error error;

    assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
    caller_free(&caller);
    test_now_ms += 3601 * 1000;
    expect_refused(f, token, 401, "expired");
    free(token);
}

static void test_claims_of_outsiders_do_not_shadow_ours(void **state)
{
    struct fixture *f = *state;
    struct caller *caller = caller_of(
        f, "x",
        "{\"data\": {\"Realm\": \"vince\", \"subject\": \"root\", \"Groups\": [\"a\", \"b\", 3],"
        " \"Admin\": true, \"n\": 5, \"sp ace\": \"x\", \"e=q\": \"y\", \"empty\": \"\"}}");

    assert_int_equal(caller->claims.n, 5);
    assert_true(tag_set_has(&caller->claims, "@auth:realm=certificate"));
    assert_true(tag_set_has(&caller->claims, "@auth:subject=x"));
    assert_true(tag_set_has(&caller->claims, "@auth:groups=a"));
    assert_true(tag_set_has(&caller->claims, "@auth:groups=b"));
    assert_true(tag_set_has(&caller->claims, "@auth:admin=true"));
    caller_free(&caller);
}

static void test_origin_is_asked_each_time(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1], more[128];
    struct caller *caller = NULL;
    struct api_error error;
    char *token;

    create(f, "appcredential", "/a", "{\"name\": \"ci\", \"roles\": []}", id);
    snprintf(more, sizeof(more), "{\"origin\": {\"kind\": \"appcredential\", \"id\": \"%s\"}}", id);
    token = token_of(f, id, more);
    assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
    caller_free(&caller);
    apply(f, STORE_UPDATE, "appcredential", id, "/a",
          json_pack("{s:s, s:b}", "name", "ci", "disabled", 1));
    expect_refused(f, token, 401, "disabled");
    apply(f, STORE_UPDATE, "appcredential", id, "/a", json_pack("{s:s}", "name", "ci"));
    assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
    caller_free(&caller);
    apply(f, STORE_DELETE, "appcredential", id, "/a", NULL);
    expect_refused(f, token, 401, "deleted");
    free(token);
}

static void test_origin_account(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1], mark[AUTH_MARK_LEN + 1], more[256];
    struct caller *caller = NULL;
    struct api_error error;
    char *token;

    create(f, "account", "/", "{\"name\": \"ann\", \"passwordHash\": \"one\"}", id);
    assert_int_equal(auth_mark("one", mark), 0);
    snprintf(more, sizeof(more),
             "{\"origin\": {\"kind\": \"account\", \"id\": \"%s\", \"mark\": \"%s\"}}", id, mark);
    token = token_of(f, "ann", more);
    assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
    caller_free(&caller);
    apply(f, STORE_UPDATE, "account", id, "/",
          json_pack("{s:s, s:s, s:s}", "name", "ann", "passwordHash", "one", "status", "Disabled"));
    expect_refused(f, token, 401, "disabled");
    apply(f, STORE_UPDATE, "account", id, "/",
          json_pack("{s:s, s:s}", "name", "ann", "passwordHash", "two"));
    expect_refused(f, token, 401, "password");
    free(token);
}

static void test_quota(void **state)
{
    struct fixture *f = *state;
    char *token = token_of(f, "x", "{\"quota\": 2}");
    struct caller *caller = NULL;
    struct api_error error;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
        assert_int_equal(auth_quota_left(f->console.auth, caller), 1 - i);
        caller_free(&caller);
    }
    expect_refused(f, token, 417, "2 times");
    assert_int_equal(auth_check_token(f->console.auth, token, NULL, &error, &caller), 0);
    assert_int_equal(auth_quota_take(f->console.auth, caller, 1), -EDQUOT);
    caller_free(&caller);
    free(token);
    caller = caller_of(f, "x", NULL);
    assert_int_equal(auth_quota_left(f->console.auth, caller), -1);
    assert_int_equal(auth_quota_take(f->console.auth, caller, 1000), 0);
    caller_free(&caller);
}

static void test_cache_is_bounded(void **state)
{
    struct fixture *f = *state;
    char *first = token_of(f, "first", NULL);
    struct caller *caller = NULL;
    struct api_error error;

    for (int i = 0; i < 50; i++) {
        char *token = token_of(f, "x", NULL);

        assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
        caller_free(&caller);
        free(token);
    }
    assert_int_equal(HASH_COUNT(f->console.auth->cache), 50);
    auth_cache_clear(f->console.auth);
    assert_int_equal(authenticate(f, first, "192.0.2.1", &error, &caller), 0);
    assert_int_equal(HASH_COUNT(f->console.auth->cache), 1);
    caller_free(&caller);
    free(first);
}

/* ---- Certificates of Enforcers -------------------------------------------------------------- */

static char *enforcer_certificate(struct fixture *f, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *csr = request_make(key, NULL, "x"), *pem;
    struct buf problem = BUF_INIT(1024);
    uint8_t sha256[32];
    const struct trust_certificate_request request = {
        .usage = TRUST_ENFORCER,
        .csr = csr,
        .common_name = name,
        .organization = "/a",
        .now_ms = test_now_ms,
        .days = 30,
    };

    assert_int_equal(trust_certificate_sign(f->console.trust, &request, &problem, &pem, sha256), 0);
    EVP_PKEY_free(key);
    free(csr);
    return pem;
}

static int by_certificate(struct fixture *f, char *pem, struct api_error *error,
                          struct caller **ret)
{
    struct http_request request = {.certificate = {.present = true, .pem = pem}};

    return auth_authenticate(f->console.auth, &request, error, ret);
}

static void test_enforcers(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1], name[64], *pem, *newer;
    struct caller *caller = NULL;
    struct api_error error;

    create(f, "enforcer", "/a", "{\"name\": \"h1\"}", id);
    snprintf(name, sizeof(name), "enforcer:%s", id);
    pem = enforcer_certificate(f, name);
    newer = enforcer_certificate(f, name);
    apply(f, STORE_UPDATE, "enforcer", id, "/a",
          json_pack("{s:s, s:s}", "name", "h1", "certificate", pem));
    assert_int_equal(by_certificate(f, pem, &error, &caller), 0);
    assert_string_equal(caller->enforcer_id, id);
    assert_true(tag_set_has(&caller->claims, "@auth:organization=/a"));
    assert_true(may(f, caller, AUTH_CREATE, "datapathcertificate", "/a"));
    assert_true(may(f, caller, AUTH_CREATE, "datapathcertificate", "/a/b"));
    assert_false(may(f, caller, AUTH_CREATE, "datapathcertificate", "/"));
    assert_false(may(f, caller, AUTH_UPDATE, "enforcer", "/a"));
    assert_false(may(f, caller, AUTH_LIST, "networkrulesetpolicy", "/a"));
    caller_free(&caller);
    assert_int_equal(by_certificate(f, newer, &error, &caller), -EACCES);
    assert_non_null(strstr(error.description, "replaced"));
    apply(f, STORE_DELETE, "enforcer", id, "/a", NULL);
    assert_int_equal(by_certificate(f, pem, &error, &caller), -EACCES);
    assert_non_null(strstr(error.description, "deleted"));
    test_now_ms += 40LL * 24 * 3600 * 1000;
    assert_int_equal(by_certificate(f, pem, &error, &caller), -EACCES);
    assert_non_null(strstr(error.description, "expired"));
    free(pem);
    free(newer);
    pem = enforcer_certificate(f, "app:credential:0:x");
    assert_int_equal(by_certificate(f, pem, &error, &caller), -EACCES);
    assert_non_null(strstr(error.description, "/issue"));
    free(pem);
}

/* ---- Authorization -------------------------------------------------------------------------- */

static void test_nothing_without_a_policy(void **state)
{
    static const char *const own[] = {"authn", "role", "apicheck", "accessiblenamespace"};
    struct fixture *f = *state;
    struct caller *caller = caller_of(f, "nobody", NULL);
    const struct schema_kind *const *kinds;
    size_t n;

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++) {
        bool is_own = false;

        for (size_t j = 0; j < ARRAY_SIZE(own); j++)
            is_own |= strcmp(kinds[i]->name, own[j]) == 0;
        for (int verb = AUTH_LIST; verb <= AUTH_DELETE && !is_own; verb++)
            if (auth_allowed(f->console.auth, caller, verb, kinds[i], "/a", NULL))
                fail_msg("%s of %s without a policy", auth_verb_name(verb), kinds[i]->name);
    }
    caller_free(&caller);
}

/* Every kind × every verb × what a credential may be: the answer is what the table says. */
static void test_every_kind_and_verb(void **state)
{
    static const struct {
        const char *who, *restrictions;
        bool reads, writes;
        const char *namespace;
    } cases[] = {
        {"admin", NULL, true, true, "/a"},
        {"admin", NULL, true, true, "/a/b"},
        {"admin", NULL, false, false, "/c"},
        {"admin", NULL, false, false, "/"},
        {"viewer", NULL, true, false, "/a"},
        {"admin", "{\"restrictions\": {\"namespace\": \"/a/b\"}}", false, false, "/a"},
        {"admin", "{\"restrictions\": {\"namespace\": \"/a/b\"}}", true, true, "/a/b"},
        {"admin", "{\"restrictions\": {\"namespace\": \"/\"}}", false, false, "/c"},
        {"admin", "{\"restrictions\": {\"perms\": [\"*,get\"]}}", true, false, "/a"},
        {"viewer", "{\"restrictions\": {\"perms\": [\"*,any\"]}}", true, false, "/a"},
        {"admin", "{\"restrictions\": {\"perms\": []}}", false, false, "/a"},
        {"admin", "{\"restrictions\": {\"perms\": [\"@auth:role=unknown\"]}}", false, false, "/a"},
        {"admin", "{\"restrictions\": {\"networks\": [\"192.0.2.0/24\"]}}", true, true, "/a"},
        {"admin", "{\"restrictions\": {\"networks\": [\"198.51.100.0/24\"]}}", false, false, "/a"},
        {"admin", "{\"restrictions\": {\"networks\": []}}", false, false, "/a"},
    };
    struct fixture *f = *state;
    const struct schema_kind *const *kinds;
    char id[SCHEMA_ID_LEN + 1];
    size_t n;

    grant(f, "admin", "/a", "@auth:role=namespace.administrator", NULL, id);
    grant(f, "viewer", "/a", "*,get", NULL, id);
    kinds = schema_kinds(&n);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct caller *caller = caller_of(f, cases[i].who, cases[i].restrictions);

        for (size_t j = 0; j < n; j++)
            for (int verb = AUTH_LIST; verb <= AUTH_DELETE; verb++) {
                bool wanted = verb <= AUTH_GET ? cases[i].reads : cases[i].writes;

                if (!auth_is_own(kinds[j], verb) &&
                    auth_allowed(f->console.auth, caller, verb, kinds[j], cases[i].namespace,
                                 NULL) != wanted)
                    fail_msg("case %zu: %s of %s", i, auth_verb_name(verb), kinds[j]->name);
            }
        caller_free(&caller);
    }
}

static void test_policy_conditions(void **state)
{
    static const struct {
        const char *more;
        bool allowed;
    } cases[] = {
        {"{}", true},
        {"{\"disabled\": true}", false},
        {"{\"authorizedSubnets\": [\"192.0.2.0/24\"]}", true},
        {"{\"authorizedSubnets\": [\"198.51.100.0/24\"]}", false},
        {"{\"authorizedSubnets\": [\"not a network\"]}", false},
        {"{\"expirationTime\": \"2020-01-01T00:00:00Z\"}", false},
        {"{\"expirationTime\": \"2199-01-01T00:00:00Z\"}", true},
        {"{\"expirationTime\": \"soon\"}", false},
        {"{\"activeSchedule\": \"* * * * *\", \"activeDuration\": \"1m\"}", true},
        {"{\"activeSchedule\": \"0 0 31 2 *\", \"activeDuration\": \"1m\"}", false},
        {"{\"activeSchedule\": \"* * * * *\"}", false},
        {"{\"activeSchedule\": \"nonsense\", \"activeDuration\": \"1m\"}", false},
        {"{\"authorizedNamespace\": \"/a/b\"}", false},
        {"{\"authorizedNamespace\": \"/\"}", false}, /* nobody opens what is above him */
        {"{\"subject\": []}", false},
        {"{\"subject\": [[]]}", false},
        {"{\"subject\": [[\"@auth:realm=certificate\", \"@auth:id=y\"]]}", false},
        {"{\"subject\": [[\"@auth:realm=vince\", \"@auth:id=x\"]]}", false},
        {"{\"subject\": [[\"@auth:id=y\"], [\"@auth:realm=certificate\"]]}", true},
        {"{\"propagationHidden\": true}", true},
        {"{\"fallback\": true}", true},
        {"{\"authorizedIdentities\": []}", false},
        {"{\"authorizedIdentities\": [\"externalnetwork,get\"]}", false},
        {"{\"authorizedIdentities\": [\"networkrulesetpolicy,get,post\"]}", true},
        {"{\"authorizedIdentities\": [\"networkrulesetpolicy,delete,post\"]}", false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char id[SCHEMA_ID_LEN + 1];
        struct caller *caller = caller_of(f, "x", NULL);

        grant(f, "x", "/a", "@auth:role=namespace.viewer", cases[i].more, id);
        if (may(f, caller, AUTH_LIST, "networkrulesetpolicy", "/a") != cases[i].allowed)
            fail_msg("case %zu: %s", i, cases[i].more);
        apply(f, STORE_DELETE, "apiauthorizationpolicy", id, "/a", NULL);
        assert_false(may(f, caller, AUTH_LIST, "networkrulesetpolicy", "/a"));
        caller_free(&caller);
    }
}

static void test_fallback_only_alone(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1], other[SCHEMA_ID_LEN + 1];
    struct caller *caller = caller_of(f, "x", NULL);

    grant(f, "x", "/a", "externalnetwork,get", "{\"fallback\": true, \"name\": \"f\"}", id);
    assert_true(may(f, caller, AUTH_GET, "externalnetwork", "/a"));
    grant(f, "x", "/a", "enforcer,get", NULL, other);
    assert_false(may(f, caller, AUTH_GET, "externalnetwork", "/a"));
    assert_true(may(f, caller, AUTH_GET, "enforcer", "/a"));
    apply(f, STORE_DELETE, "apiauthorizationpolicy", other, "/a", NULL);
    assert_true(may(f, caller, AUTH_GET, "externalnetwork", "/a"));
    caller_free(&caller);
}

static void test_basics_where_one_is_let_in(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *caller = caller_of(f, "x", NULL);
    struct caller *restricted =
        caller_of(f, "x", "{\"restrictions\": {\"perms\": [\"enforcer,get\"]}}");

    grant(f, "x", "/a", "enforcer,get", NULL, id);
    assert_true(may(f, caller, AUTH_LIST, "namespace", "/a"));
    assert_true(may(f, caller, AUTH_LIST, "tag", "/a/b"));
    assert_false(may(f, caller, AUTH_LIST, "namespace", "/"));
    assert_false(may(f, caller, AUTH_LIST, "namespace", "/c"));
    assert_false(may(f, caller, AUTH_CREATE, "namespace", "/a"));
    assert_false(may(f, restricted, AUTH_LIST, "namespace", "/a"));
    caller_free(&caller);
    caller_free(&restricted);
}

static bool explained(struct fixture *f, const struct caller *caller, const char *word)
{
    json_t *lines = json_array();
    bool found = false;

    auth_allowed(f->console.auth, caller, AUTH_GET, schema_kind_find("enforcer"), "/a", lines);
    for (size_t i = 0; i < json_array_size(lines); i++)
        found |= strstr(json_string_value(json_array_get(lines, i)), word) != NULL;
    if (!found)
        json_dumpf(lines, stderr, JSON_INDENT(1));
    json_decref(lines);
    return found;
}

static void test_explanations(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *x = caller_of(f, "x", NULL), *y = caller_of(f, "y", NULL);
    struct caller *z = caller_of(f, "x", "{\"restrictions\": {\"namespace\": \"/c\"}}");

    grant(f, "x", "/a", "enforcer,get", NULL, id);
    grant(f, "y", "/a", "externalnetwork,get", NULL, id);
    grant(f, "x", "/c", "enforcer,get", "{\"name\": \"other\"}", id);
    assert_true(explained(f, x, "policy 'x' in /a"));
    assert_true(explained(f, x, "allows get of enforcer"));
    assert_true(explained(f, x, "policy 'y' in /a"));
    assert_true(explained(f, x, "the caller lacks @auth:id=y"));
    assert_true(explained(f, y, "does not name get of enforcer"));
    assert_true(explained(f, z, "restricted to another namespace"));
    grant(f, "y", "/a", "enforcer,get", "{\"name\": \"off\", \"disabled\": true}", id);
    assert_true(explained(f, y, "is disabled"));
    caller_free(&x);
    caller_free(&y);
    caller_free(&z);
}

static void expect_namespaces(struct fixture *f, const struct caller *caller, const char *wanted)
{
    json_t *names = auth_namespaces(f->console.auth, caller);
    char *text = json_dumps(names, JSON_COMPACT);

    assert_string_equal(text, wanted);
    json_decref(names);
    free(text);
}

static void test_namespaces(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *x = caller_of(f, "x", NULL);
    struct caller *below = caller_of(f, "x", "{\"restrictions\": {\"namespace\": \"/a/b\"}}");
    struct caller *nobody = caller_of(f, "y", NULL);

    grant(f, "x", "/a", "enforcer,get", NULL, id);
    grant(f, "x", "/a", "enforcer,put", "{\"name\": \"again\"}", id);
    expect_namespaces(f, x, "[\"/a\"]");
    expect_namespaces(f, below, "[\"/a/b\"]");
    expect_namespaces(f, nobody, "[]");
    caller_free(&x);
    caller_free(&below);
    caller_free(&nobody);
}

/* Nobody gives what he does not have. */
static void test_granting(void **state)
{
    static const struct {
        const char *who, *restrictions, *permission, *namespace;
        bool allowed;
    } cases[] = {
        {"admin", NULL, "@auth:role=namespace.administrator", "/a", true},
        {"admin", NULL, "@auth:role=namespace.administrator", "/a/b", true},
        {"admin", NULL, "@auth:role=namespace.administrator", "/", false},
        {"admin", NULL, "enforcer,get", "/c", false},
        {"viewer", NULL, "enforcer,get", "/a", true},
        {"viewer", NULL, "enforcer,put", "/a", false},
        {"viewer", NULL, "*,get", "/a", true},
        {"viewer", NULL, "*,any", "/a", false},
        {"admin", "{\"restrictions\": {\"perms\": [\"*,get\"]}}", "enforcer,get", "/a", true},
        {"admin", "{\"restrictions\": {\"perms\": [\"*,get\"]}}", "enforcer,put", "/a", false},
        {"admin", "{\"restrictions\": {\"namespace\": \"/a/b\"}}", "enforcer,get", "/a", false},
    };
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];

    grant(f, "admin", "/a", "@auth:role=namespace.administrator", NULL, id);
    grant(f, "viewer", "/a", "*,get", NULL, id);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct caller *caller = caller_of(f, cases[i].who, cases[i].restrictions);
        json_t *permissions = json_pack("[s]", cases[i].permission);
        const char *missing = NULL;

        if (auth_may_grant(f->console.auth, caller, permissions, cases[i].namespace, &missing) !=
            cases[i].allowed)
            fail_msg("case %zu", i);
        json_decref(permissions);
        caller_free(&caller);
    }
}

static void test_covering(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1];
    struct caller *admin = caller_of(f, "admin", NULL), *viewer = caller_of(f, "viewer", NULL);

    grant(f, "admin", "/a", "@auth:role=namespace.administrator", NULL, id);
    grant(f, "viewer", "/a", "*,get", NULL, id);
    assert_true(auth_covers(f->console.auth, admin, &viewer->claims));
    assert_false(auth_covers(f->console.auth, viewer, &admin->claims));
    /* also by what is switched off now and may be on tomorrow */
    grant(f, "viewer", "/c", "*,get", "{\"name\": \"off\", \"disabled\": true}", id);
    assert_false(auth_covers(f->console.auth, admin, &viewer->claims));
    caller_free(&admin);
    caller_free(&viewer);
}

/* ---- Signing keys of others ----------------------------------------------------------------- */

static void test_signers_come_and_go(void **state)
{
    struct fixture *f = *state, *other;
    char command[256], id[SCHEMA_ID_LEN + 1], kid[64];
    struct buf problem = BUF_INIT(1024);
    struct caller *caller = NULL;
    struct api_error error;
    char *token;

    assert_int_equal(make_fixture((void **)&other), 0);
    trust_free(&other->console.trust);
    snprintf(command, sizeof(command), "cp -p %s/ca.* %s/", f->dir, other->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(trust_open(other->dir, NULL, &problem, &other->console.trust), 0);
    token = token_of(other, "x", NULL);
    expect_refused(f, token, 401, "not known");
    snprintf(kid, sizeof(kid), "%s", trust_signer_kid(other->console.trust));
    new_id(f, id);
    apply(
        f, STORE_CREATE, "signingkey", id, "/",
        json_pack("{s:s, s:s}", "name", kid, "publicKey", trust_signer_pem(other->console.trust)));
    assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
    caller_free(&caller);
    apply(f, STORE_DELETE, "signingkey", id, "/", NULL);
    expect_refused(f, token, 401, "not known"); /* also what was remembered */
    free(token);
    assert_int_equal(drop_fixture((void **)&other), 0);
}

/* ---- Cost ----------------------------------------------------------------------------------- */

static double microseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Far above the figure of 150 µs, for sanitizers and busy machines: fails on linear look-ups. */
static void test_cost_does_not_grow_with_policies(void **state)
{
    struct fixture *f = *state;
    char id[SCHEMA_ID_LEN + 1], who[32];
    char *token = token_of(f, "w7", NULL);
    struct caller *caller = NULL;
    struct api_error error;
    double start, each;

    for (int i = 0; i < 5000; i++) {
        snprintf(who, sizeof(who), "w%d", i);
        grant(f, who, "/a", "enforcer,get", NULL, id);
    }
    assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
    caller_free(&caller);
    start = microseconds();
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(authenticate(f, token, "192.0.2.1", &error, &caller), 0);
        assert_true(may(f, caller, AUTH_GET, "enforcer", "/a/b"));
        caller_free(&caller);
    }
    each = (microseconds() - start) / 1000;
    print_message("%.1f us for a remembered token and its authorization\n", each);
    assert_true(each < 150);
    free(token);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, drop_fixture)
    const struct CMUnitTest tests[] = {
        TEST(test_requests_without_a_token),
        TEST(test_token_and_cookie),
        TEST(test_tokens_that_are_none),
        TEST(test_expiry_also_from_the_cache),
        TEST(test_claims_of_outsiders_do_not_shadow_ours),
        TEST(test_origin_is_asked_each_time),
        TEST(test_origin_account),
        TEST(test_quota),
        TEST(test_cache_is_bounded),
        TEST(test_enforcers),
        TEST(test_nothing_without_a_policy),
        TEST(test_every_kind_and_verb),
        TEST(test_policy_conditions),
        TEST(test_fallback_only_alone),
        TEST(test_basics_where_one_is_let_in),
        TEST(test_explanations),
        TEST(test_namespaces),
        TEST(test_granting),
        TEST(test_covering),
        TEST(test_signers_come_and_go),
        TEST(test_cost_does_not_grow_with_policies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
