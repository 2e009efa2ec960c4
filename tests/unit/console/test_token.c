/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jwt.h>

#include "base/file.h"
#include "base/macros.h"
#include "request.h"

#define DAY_MS (24LL * 3600 * 1000)

struct fixture {
    char dir[64];
    struct trust *trust;
    struct buf problem;
    int64_t now_ms;
    char *signing_pem; /* private half of the present key: what an attacker does not have */
};

static int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char path[256];
    size_t len;

    if (!f)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "/tmp/bulkhead-token-XXXXXX");
    f->problem = BUF_INIT(4096);
    f->now_ms = (int64_t)time(NULL) * 1000;
    *state = f;
    if (!mkdtemp(f->dir) || trust_open(f->dir, NULL, &f->problem, &f->trust) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/signing-%s.key", f->dir, trust_signer_kid(f->trust));
    return file_read(path, 65536, &f->signing_pem, &len);
}

static int drop_fixture(void **state)
{
    struct fixture *f = *state;
    char command[128];

    trust_free(&f->trust);
    buf_free(&f->problem);
    free(f->signing_pem);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    if (system(command) != 0)
        return -1;
    free(f);
    return 0;
}

static char *sign(struct fixture *f, int64_t lives_ms)
{
    json_t *claims =
        json_pack("{s:s, s:I}", "sub", "ci", "exp", (json_int_t)((f->now_ms + lives_ms) / 1000));
    char *token = NULL;

    assert_int_equal(trust_token_sign(f->trust, claims, f->now_ms, &token), 0);
    json_decref(claims);
    return token;
}

static int verify(struct fixture *f, const char *token, int64_t now_ms)
{
    json_t *claims = NULL;
    int r;

    buf_free(&f->problem);
    r = trust_token_verify(f->trust, token, now_ms, &f->problem, &claims);
    assert_true((r == 0) == (claims != NULL));
    assert_true((r == 0) == (f->problem.len == 0));
    json_decref(claims);
    return r;
}

static void expect_refused(struct fixture *f, const char *token, const char *word)
{
    assert_int_equal(verify(f, token, f->now_ms), -EACCES);
    if (!strstr(f->problem.data, word))
        fail_msg("'%s' refused with '%s', expected '%s' in it", token, f->problem.data, word);
}

static char *issuer_of(struct fixture *f)
{
    char *token = sign(f, DAY_MS), *issuer;
    json_t *claims = NULL;

    assert_int_equal(trust_token_verify(f->trust, token, f->now_ms, &f->problem, &claims), 0);
    issuer = strdup(json_string_value(json_object_get(claims, "iss")));
    json_decref(claims);
    free(token);
    return issuer;
}

/* A token by libjwt itself, with any algorithm, key, header and claims. */
static char *forge(struct fixture *f, jwt_alg_t alg, const char *key, const char *headers,
                   const char *claims)
{
    char *issuer = issuer_of(f), *token, all[1024];
    jwt_t *jwt;

    snprintf(all, sizeof(all), "{\"iss\": \"%s\", \"iat\": %lld, \"exp\": %lld}", issuer,
             (long long)f->now_ms / 1000, (long long)f->now_ms / 1000 + 60);
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, key ? (int)strlen(key) : 0),
                     0);
    assert_int_equal(jwt_add_header(jwt, "kid", trust_signer_kid(f->trust)), 0);
    if (headers)
        assert_int_equal(jwt_add_headers_json(jwt, headers), 0);
    assert_int_equal(jwt_add_grants_json(jwt, all), 0);
    if (claims) {
        json_t *set = json_loads(claims, 0, NULL);
        const char *name;
        json_t *value;

        json_object_foreach(set, name, value)
        {
            jwt_del_grants(jwt, name);
        }
        json_decref(set);
        assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    }
    token = jwt_encode_str(jwt);
    assert_non_null(token);
    jwt_free(jwt);
    free(issuer);
    return token;
}

static void refuse_forged(struct fixture *f, jwt_alg_t alg, const char *key, const char *headers,
                          const char *claims, const char *word)
{
    char *token = forge(f, alg, key, headers, claims);

    expect_refused(f, token, word);
    free(token);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    char *token = sign(f, DAY_MS), *second = sign(f, DAY_MS);
    json_t *claims = NULL, *others = NULL;

    assert_int_equal(trust_token_verify(f->trust, token, f->now_ms, &f->problem, &claims), 0);
    assert_int_equal(trust_token_verify(f->trust, second, f->now_ms, &f->problem, &others), 0);
    assert_string_equal(json_string_value(json_object_get(claims, "sub")), "ci");
    assert_int_equal(json_integer_value(json_object_get(claims, "iat")), f->now_ms / 1000);
    assert_int_equal(strlen(json_string_value(json_object_get(claims, "jti"))), 32);
    assert_false(json_equal(json_object_get(claims, "jti"), json_object_get(others, "jti")));
    json_decref(claims);
    json_decref(others);
    free(token);
    free(second);
}

/* Another implementation reads what we sign; test_headers_and_claims() has the other way round. */
static void test_libjwt_reads_ours(void **state)
{
    struct fixture *f = *state;
    const char *pem = trust_signer_pem(f->trust);

    for (int i = 0; i < 50; i++) { /* r or s begins with a zero byte now and then */
        char *token = sign(f, DAY_MS);
        jwt_t *jwt = NULL;

        assert_int_equal(jwt_decode(&jwt, token, (const unsigned char *)pem, (int)strlen(pem)), 0);
        assert_int_equal(jwt_get_alg(jwt), JWT_ALG_ES256);
        assert_string_equal(jwt_get_grant(jwt, "sub"), "ci");
        assert_string_equal(jwt_get_header(jwt, "kid"), trust_signer_kid(f->trust));
        jwt_free(jwt);
        free(token);
    }
}

static void test_times(void **state)
{
    struct fixture *f = *state;
    char *token = sign(f, 10000);

    assert_int_equal(verify(f, token, f->now_ms + 9000), 0);
    assert_int_equal(verify(f, token, f->now_ms + 10001), -EACCES);
    assert_non_null(strstr(f->problem.data, "expired"));
    assert_int_equal(verify(f, token, f->now_ms - 59000), 0);
    assert_int_equal(verify(f, token, f->now_ms - 62000), -EACCES);
    assert_non_null(strstr(f->problem.data, "future"));
    free(token);
}

static void test_garbage(void **state)
{
    static const char *const tokens[] = {
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "e30.e30.e30",
        "e30.e30.",
        ".e30.e30",
        "e30=.e30.e30",
        "e3 0.e30.e30",
        "bnVsbA.e30.e30",
        "eyJhbGciOiJFUzI1NiIsImFsZyI6Im5vbmUifQ.e30.e30", /* alg twice */
    };
    struct fixture *f = *state;
    char *huge = malloc(1 << 20);

    for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
        assert_int_equal(verify(f, tokens[i], f->now_ms), -EACCES);
    memset(huge, 'e', (1 << 20) - 1);
    huge[(1 << 20) - 1] = '\0';
    assert_int_equal(verify(f, huge, f->now_ms), -EACCES);
    huge[5] = huge[10] = '.';
    assert_int_equal(verify(f, huge, f->now_ms), -EACCES);
    free(huge);
}

static void test_changed_bytes(void **state)
{
    struct fixture *f = *state;
    char *token = sign(f, DAY_MS);
    size_t len = strlen(token);

    /* The last digit of each part may hold bits that no byte comes from: left out. */
    for (size_t i = 0; i + 1 < len; i++) {
        char was = token[i];

        if (was == '.' || token[i + 1] == '.')
            continue;
        token[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(verify(f, token, f->now_ms), -EACCES);
        token[i] = was;
    }
    assert_int_equal(verify(f, token, f->now_ms), 0);
    free(token);
}

/* That libjwt is as lenient as trust_token.c says: should it get strict, this says so. */
static void test_libjwt_takes_what_the_token_says(void **state)
{
    struct fixture *f = *state;
    const char *public_pem = trust_signer_pem(f->trust);
    char *none = forge(f, JWT_ALG_NONE, NULL, NULL, NULL);
    char *hs256 = forge(f, JWT_ALG_HS256, public_pem, NULL, NULL);
    jwt_t *jwt = NULL;

    assert_int_equal(jwt_decode(&jwt, none, NULL, 0), 0);
    jwt_free(jwt);
    assert_int_equal(
        jwt_decode(&jwt, hs256, (const unsigned char *)public_pem, (int)strlen(public_pem)), 0);
    jwt_free(jwt);
    free(none);
    free(hs256);
}

static void test_algorithm_is_pinned(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *rsa = EVP_RSA_gen(2048), *p384 = EVP_EC_gen("P-384");
    char *rsa_pem = private_pem_of(rsa), *p384_pem = private_pem_of(p384);

    refuse_forged(f, JWT_ALG_NONE, NULL, NULL, NULL, "ES256");
    refuse_forged(f, JWT_ALG_HS256, trust_signer_pem(f->trust), NULL, NULL, "ES256");
    refuse_forged(f, JWT_ALG_HS512, trust_signer_pem(f->trust), NULL, NULL, "ES256");
    refuse_forged(f, JWT_ALG_RS256, rsa_pem, NULL, NULL, "ES256");
    refuse_forged(f, JWT_ALG_ES384, p384_pem, NULL, NULL, "ES256");
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p384);
    free(rsa_pem);
    free(p384_pem);
}

static void test_headers_and_claims(void **state)
{
    struct fixture *f = *state;
    const char *key = f->signing_pem;
    EVP_PKEY *foreign = EVP_EC_gen("P-256");
    char *foreign_pem = private_pem_of(foreign), *good = forge(f, JWT_ALG_ES256, key, NULL, NULL);

    assert_int_equal(verify(f, good, f->now_ms), 0);
    refuse_forged(f, JWT_ALG_ES256, foreign_pem, NULL, NULL, "signature");
    refuse_forged(f, JWT_ALG_ES256, key, "{\"crit\": [\"b64\"]}", NULL, "extensions");
    refuse_forged(f, JWT_ALG_ES256, key, NULL, "{\"iss\": \"bulkhead:other\"}", "installation");
    refuse_forged(f, JWT_ALG_ES256, key, NULL, "{\"iss\": 1}", "installation");
    refuse_forged(f, JWT_ALG_ES256, key, NULL, "{\"exp\": \"never\"}", "expires");
    refuse_forged(f, JWT_ALG_ES256, key, NULL, "{\"exp\": 1}", "expired");
    refuse_forged(f, JWT_ALG_ES256, key, NULL, "{\"iat\": 99999999999}", "future");
    refuse_forged(f, JWT_ALG_ES256, key, NULL, "{\"nbf\": 99999999999}", "not valid yet");
    refuse_forged(f, JWT_ALG_ES256, key, NULL, "{\"nbf\": true}", "not valid yet");
    EVP_PKEY_free(foreign);
    free(foreign_pem);
    free(good);
}

static void test_rotation(void **state)
{
    struct fixture *f = *state;
    char *first = strdup(trust_signer_kid(f->trust)), *token = sign(f, 80 * DAY_MS), *dropped,
         path[256];
    char *file;
    bool is_new;
    size_t len;

    assert_int_equal(trust_signer_rotate(f->trust, f->now_ms + 89 * DAY_MS, &is_new, &dropped), 0);
    assert_false(is_new);
    assert_int_equal(trust_signer_rotate(f->trust, f->now_ms + 91 * DAY_MS, &is_new, &dropped), 0);
    assert_true(is_new);
    assert_null(dropped);
    assert_string_not_equal(trust_signer_kid(f->trust), first);
    assert_int_equal(verify(f, token, f->now_ms + 79 * DAY_MS), 0);
    snprintf(path, sizeof(path), "%s/signing-%s.key", f->dir, first);
    assert_int_equal(file_read(path, 65536, &file, &len), 0);
    assert_null(strstr(file, "PRIVATE")); /* what signs no more is not kept */
    free(file);
    trust_free(&f->trust);
    assert_int_equal(trust_open(f->dir, NULL, &f->problem, &f->trust), 0);
    assert_string_not_equal(trust_signer_kid(f->trust), first);
    assert_int_equal(verify(f, token, f->now_ms), 0);
    assert_int_equal(trust_signer_rotate(f->trust, f->now_ms + 180 * DAY_MS, &is_new, &dropped), 0);
    assert_false(is_new);
    assert_null(dropped);
    assert_int_equal(trust_signer_rotate(f->trust, f->now_ms + 182 * DAY_MS, &is_new, &dropped), 0);
    assert_string_equal(dropped, first);
    assert_int_equal(access(path, F_OK), -1);
    expect_refused(f, token, "not known here");
    free(dropped);
    free(first);
    free(token);
}

/* Two Consoles with one CA, each with a signing key of its own. */
static void test_signers_of_others(void **state)
{
    struct fixture *f = *state, *other = NULL;
    char command[512], *token, *kid;

    assert_int_equal(make_fixture((void **)&other), 0);
    assert(other);
    token = sign(other, DAY_MS);
    expect_refused(f, token, "not known here");
    assert_int_equal(
        trust_signer_add(f->trust, trust_signer_kid(other->trust), trust_signer_pem(other->trust)),
        0);
    expect_refused(f, token, "another installation"); /* the CA is another one */
    free(token);
    trust_free(&other->trust);
    snprintf(command, sizeof(command), "cp -p %s/ca.* %s/", f->dir, other->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(trust_open(other->dir, NULL, &other->problem, &other->trust), 0);
    token = sign(other, DAY_MS);
    assert_int_equal(verify(f, token, f->now_ms), 0);
    kid = strdup(trust_signer_kid(other->trust));
    trust_signer_remove(f->trust, kid);
    expect_refused(f, token, "not known here");
    trust_signer_remove(f->trust, trust_signer_kid(f->trust)); /* never its own */
    free(token);
    token = sign(f, DAY_MS);
    assert_int_equal(verify(f, token, f->now_ms), 0);
    free(token);
    free(kid);
    assert_int_equal(drop_fixture((void **)&other), 0);
}

static void test_bad_signers(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256"), *p384 = EVP_EC_gen("P-384");
    char *pem = public_pem_of(key), *p384_pem = public_pem_of(p384);

    assert_int_equal(trust_signer_add(f->trust, "x", "x"), -EINVAL);
    assert_int_equal(trust_signer_add(f->trust, "x", pem), -EINVAL);
    assert_int_equal(trust_signer_add(f->trust, "x", p384_pem), -EINVAL);
    assert_int_equal(trust_signer_add(f->trust, trust_signer_kid(f->trust), pem), 0);
    EVP_PKEY_free(key);
    EVP_PKEY_free(p384);
    free(pem);
    free(p384_pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_libjwt_reads_ours, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_times, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_garbage, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_changed_bytes, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_libjwt_takes_what_the_token_says, make_fixture,
                                        drop_fixture),
        cmocka_unit_test_setup_teardown(test_algorithm_is_pinned, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_headers_and_claims, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_rotation, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_signers_of_others, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_bad_signers, make_fixture, drop_fixture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
