/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/documents.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/error.h"
#include "enforcer/pki.h"
#include "enforcer/view.h"

#define NOW 1000000
#define LATER "\"exp\":2000000"
#define IDENTITY "{\"id\":1000,\"ns\":\"/shop\",\"tags\":[\"app=web\",\"$name=x\"]," LATER "}"
#define KEY_TEXT "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=" /* 1, 2 … 32 */

struct fixture {
    char *pem, *public_pem, *other_pem;
    struct document_signers signers;
    char *trust; /* body of t: */
};

static char *public_of(const char *pem)
{
    BIO *in = BIO_new_mem_buf(pem, -1), *out = BIO_new(BIO_s_mem());
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    char *data, *text = NULL;
    long len;

    if (key && PEM_write_bio_PUBKEY(out, key)) {
        len = BIO_get_mem_data(out, &data);
        text = strndup(data, (size_t)len);
    }
    EVP_PKEY_free(key);
    BIO_free(in);
    BIO_free(out);
    return text;
}

static int make(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    json_t *json;

    *state = f;
    if (!f || pki_key_new(&f->pem) < 0 || pki_key_new(&f->other_pem) < 0)
        return -1;
    f->public_pem = public_of(f->pem);
    json = json_pack("{s:s, s:[{s:s, s:s}]}", "certificates", "CA", "signers", "kid", "k1", "key",
                     f->public_pem);
    f->trust = json_dumps(json, 0);
    json_decref(json);
    return document_signers_read(f->trust, strlen(f->trust), &f->signers);
}

static int drop(void **state)
{
    struct fixture *f = *state;

    document_signers_clear(&f->signers);
    free(f->pem);
    free(f->public_pem);
    free(f->other_pem);
    free(f->trust);
    free(f);
    return 0;
}

static char *sign(const char *claims, jwt_alg_t alg, const char *key, const char *kid)
{
    jwt_t *jwt = NULL;
    char *token;

    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, key ? (int)strlen(key) : 0),
                     0);
    assert_int_equal(jwt_add_header(jwt, "kid", kid), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    token = jwt_encode_str(jwt);
    jwt_free(jwt);
    assert_non_null(token);
    return token;
}

/* "" when it is believed. */
static void expect(const struct fixture *f, enum document_kind kind, uint32_t id, const char *token,
                   const char *problem)
{
    _cleanup_document_claims_ struct document_claims *claims = NULL;
    _cleanup_buf_ struct buf text = BUF_INIT(1024);
    int r = document_read(kind, id, token, &f->signers, NOW, &text, &claims);

    if ((r == 0) != (*problem == '\0') || !strstr(text.data ? text.data : "", problem))
        fail_msg("%d '%s', expected '%s'", r, text.data ? text.data : "", problem);
    assert_int_equal(r == 0, claims != NULL);
}

static void expect_claims(const struct fixture *f, enum document_kind kind, const char *claims,
                          const char *problem)
{
    _cleanup_free_
    char *token = sign(claims, JWT_ALG_ES256, f->pem, "k1");

    expect(f, kind, 1000, token, problem);
}

static void test_identity(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_
    char *token = sign(IDENTITY, JWT_ALG_ES256, f->pem, "k1");
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    struct document_claims *claims, *other;

    assert_int_equal(
        document_read(DOCUMENT_IDENTITY, 1000, token, &f->signers, NOW, &problem, &claims), 0);
    assert_int_equal(claims->id, 1000);
    assert_string_equal(claims->namespace, "/shop");
    assert_true(claims->tags.n == 2 && tag_set_has(&claims->tags, "app=web"));
    assert_int_equal(claims->expires_s, 2000000);
    other = document_claims_ref(claims);
    document_claims_unref(&claims);
    assert_null(claims);
    assert_string_equal(other->namespace, "/shop");
    document_claims_unref(&other);
}

static void test_host(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_
    char *token = sign("{\"id\":1000,\"keys\":[{\"epoch\":9,\"key\":\"" KEY_TEXT "\"}],"
                       "\"addresses\":[\"10.0.0.1\",\"fd00::1\",\"nonsense\"],"
                       "\"identities\":[256,4294967295]," LATER "}",
                       JWT_ALG_ES256, f->pem, "k1");
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_document_claims_ struct document_claims *claims = NULL;

    assert_int_equal(document_read(DOCUMENT_HOST, 1000, token, &f->signers, NOW, &problem, &claims),
                     0);
    assert_int_equal(claims->n_keys, 1);
    assert_int_equal(claims->keys[0].epoch, 9);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(claims->keys[0].key[i], i + 1);
    assert_int_equal(claims->n_addresses, 2);
    assert_int_equal(claims->n_identities, 2);
    assert_int_equal(claims->identities[1], 4294967295u);
}

/* Whatever the token says about itself: only ES256 with a key of the Console. */
static void test_signature(void **state)
{
    struct fixture *f = *state;
    char *good = sign(IDENTITY, JWT_ALG_ES256, f->pem, "k1");
    char *rows[] = {
        sign(IDENTITY, JWT_ALG_ES256, f->other_pem, "k1"),
        sign(IDENTITY, JWT_ALG_ES256, f->pem, "k2"),
        sign(IDENTITY, JWT_ALG_HS256, f->public_pem, "k1"),
        sign(IDENTITY, JWT_ALG_NONE, NULL, "k1"),
    };
    static const char *const problems[] = {"signature is wrong", "does not vouch for",
                                           "is not ES256", "is not ES256"};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        expect(f, DOCUMENT_IDENTITY, 1000, rows[i], problems[i]);
        free(rows[i]);
    }
    expect(f, DOCUMENT_IDENTITY, 1001, good, "another number");
    expect(f, DOCUMENT_HOST, 1000, good, ""); /* no keys, no identities: a host without */
    for (size_t i = 0; good[i]; i++) {        /* another character anywhere */
        char was = good[i];
        _cleanup_document_claims_ struct document_claims *claims = NULL;
        _cleanup_buf_ struct buf problem = BUF_INIT(1024);

        if (i + 2 >= strlen(good)) /* bits that no byte has */
            break;
        good[i] = was == 'A' ? 'B' : 'A';
        assert_true(
            document_read(DOCUMENT_IDENTITY, 1000, good, &f->signers, NOW, &problem, &claims) < 0);
        good[i] = was;
    }
    free(good);
}

static void test_claims(void **state)
{
    struct fixture *f = *state;

    expect_claims(f, DOCUMENT_IDENTITY, "{\"id\":1000,\"ns\":\"/s\",\"tags\":[],\"exp\":999999}",
                  "expired");
    expect_claims(f, DOCUMENT_IDENTITY, "{\"id\":1000,\"ns\":\"/s\",\"tags\":[]}", "expired");
    expect_claims(f, DOCUMENT_IDENTITY,
                  "{\"id\":1000,\"ns\":\"/s\",\"tags\":[],\"use\":\"api\"," LATER "}",
                  "something else");
    expect_claims(f, DOCUMENT_IDENTITY, "{\"id\":1000,\"ns\":\"s\",\"tags\":[]," LATER "}",
                  "not those");
    expect_claims(f, DOCUMENT_IDENTITY, "{\"id\":1000,\"ns\":\"/s\",\"tags\":[\"x\"]," LATER "}",
                  "not those");
    expect_claims(f, DOCUMENT_IDENTITY, "{\"id\":1000,\"ns\":\"/s\"," LATER "}", "not those");
    expect_claims(f, DOCUMENT_HOST, "{\"id\":1000,\"identities\":[0]," LATER "}", "not those");
    expect_claims(f, DOCUMENT_HOST, "{\"id\":1000,\"identities\":[4294967296]," LATER "}",
                  "not those");
    expect_claims(f, DOCUMENT_HOST,
                  "{\"id\":1000,\"keys\":[{\"epoch\":1,\"key\":\"AQ==\"}]," LATER "}", "not those");
    expect_claims(f, DOCUMENT_HOST,
                  "{\"id\":1000,\"keys\":[{\"epoch\":65536,\"key\":\"" KEY_TEXT "\"}]," LATER "}",
                  "not those");
    expect_claims(f, DOCUMENT_HOST, "{\"id\":1000," LATER "}", "");
}

static void test_no_tokens(void **state)
{
    static const char *const rows[] = {"", ".", "..", "a.b.c", "a.b.c.d", "e30.e30.", "\xff.x.y"};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_document_claims_ struct document_claims *claims = NULL;
        _cleanup_buf_ struct buf problem = BUF_INIT(1024);
        struct fixture *f = *state;

        assert_int_equal(
            document_read(DOCUMENT_IDENTITY, 1, rows[i], &f->signers, NOW, &problem, &claims),
            -EACCES);
        assert_int_equal(document_read(DOCUMENT_IDENTITY, 1, rows[i], NULL, NOW, &problem, &claims),
                         -EACCES);
    }
}

/* ---- A whole set ------------------------------------------------------------------------------
 */

static void put(struct entries *entries, const char *name, const char *body)
{
    const struct link_entry entry = {
        .key = name, .version = 1, .body = body, .body_len = body ? strlen(body) : 0};

    assert_int_equal(entries_put(entries, &entry), 0);
}

static int view(struct entries *entries, struct view **ret)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};

    return view_new(entries, "/shop", NOW, &diagnostics, ret);
}

static void fill(const struct fixture *f, struct entries *entries)
{
    _cleanup_free_
    char *token = sign(IDENTITY, JWT_ALG_ES256, f->pem, "k1");
    _cleanup_free_
    char *forged = sign(IDENTITY, JWT_ALG_ES256, f->other_pem, "k1");

    put(entries, "t:", f->trust);
    put(entries, "i:1000", token);
    put(entries, "i:1001", forged);
    put(entries, "n:/", "{\"name\":\"/\",\"defaultPUIncomingTrafficAction\":\"Reject\"}");
    put(entries, "r:1",
        "{\"name\":\"r\",\"namespace\":\"/shop\",\"subject\":[[\"app=web\"]],"
        "\"incomingRules\":[{\"action\":\"Allow\",\"object\":[[\"a=b\"]],"
        "\"protocolPorts\":[\"tcp/1\"]}]}");
    put(entries, "x:1", "{\"name\":\"x\",\"namespace\":\"/shop\",\"entries\":[\"192.0.2.0/24\"]}");
    put(entries, "u:host",
        "{\"ID\":\"abc\",\"namespace\":\"/shop\",\"tags\":[\"app=h\"],"
        "\"identity\":1000}");
    put(entries, "u:old",
        "{\"ID\":\"abc\",\"namespace\":\"/shop\",\"tags\":[],\"identity\":0,"
        "\"archived\":true}");
    put(entries, "p:",
        "{\"targetNetworks\":[\"10.0.0.0/8\"],\"excludedInterfaces\":[\"lo\"],"
        "\"ignoreExpression\":[[\"app=x\",\"b=c\"],[]],\"newer\":{}}");
}

static void test_view(void **state)
{
    _cleanup_entries_ struct entries entries = {0};
    _cleanup_view_ struct view *v = NULL;
    const struct view_unit *unit;

    fill(*state, &entries);
    assert_int_equal(view(&entries, &v), 0);
    assert_int_equal(v->estate->n_rulesets, 1);
    assert_int_equal(v->estate->n_networks, 1);
    assert_int_equal(v->n_identities, 1); /* the forged one is left out, the rest counts */
    assert_int_equal(v->n_left_out, 1);
    unit = view_unit_find(v, "host");
    assert_non_null(unit);
    assert_int_equal(unit->identity, 1000);
    assert_null(view_unit_find(v, "old"));
    assert_int_equal(v->profile.target_networks.n_included, 1);
    assert_string_equal(v->profile.excluded_interfaces[0], "lo");
    assert_int_equal(v->profile.ignore.n, 1); /* an empty clause would match everything */
    entries_clear(&entries);                  /* a view stands by itself */
    assert_string_equal(v->identities[0]->namespace, "/shop");
}

static void test_view_refused(void **state)
{
    static const struct {
        const char *key, *body;
    } rows[] = {
        {"r:2", "{\"name\":\"r\",\"namespace\":\"/shop\",\"subject\":[[\"app=web\"]]}"}, /* twice */
        {"r:2", "{\"name\":\"r2\",\"subjct\":[[\"app=web\"]]}"},
        {"r:2", "nonsense"},
        {"r:2", "{}],\"namespaces\":[{}"},
        {"x:2", "{\"name\":\"y\",\"entries\":[\"300.0.0.0/8\"]}"},
        {"n:/a", "{\"name\":\"/a\",\"defaultPUIncomingTrafficAction\":\"Perhaps\"}"},
        {"p:", "[]"},
        {"p:", "{\"targetNetworks\":[\"10.0.0.0/33\"]}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_entries_ struct entries entries = {0};
        struct view *v = NULL;

        fill(*state, &entries);
        put(&entries, rows[i].key, rows[i].body);
        if (view(&entries, &v) != -BULKHEAD_EINVALID_INPUT || v)
            fail_msg("row %zu was taken", i);
        put(&entries, rows[i].key, NULL); /* and taken back */
        if (strcmp(rows[i].key, "p:") != 0) {
            assert_int_equal(view(&entries, &v), 0);
            view_free(&v);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),     cmocka_unit_test(test_host),
        cmocka_unit_test(test_signature),    cmocka_unit_test(test_claims),
        cmocka_unit_test(test_no_tokens),    cmocka_unit_test(test_view),
        cmocka_unit_test(test_view_refused),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
