/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/macros.h"
#include "request.h"

#define DAY_MS (24LL * 3600 * 1000)

static const char *const hosts[] = {"console.example", "192.0.2.7", "2001:db8::7", NULL};

struct fixture {
    char dir[64];
    struct trust *trust;
    struct buf problem;
    int64_t now_ms;
};

static int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "/tmp/bulkhead-trust-XXXXXX");
    f->problem = BUF_INIT(4096);
    f->now_ms = (int64_t)time(NULL) * 1000;
    *state = f;
    if (!mkdtemp(f->dir))
        return -1;
    return trust_open(f->dir, hosts, &f->problem, &f->trust);
}

static int drop_fixture(void **state)
{
    struct fixture *f = *state;
    char command[128];

    trust_free(&f->trust);
    buf_free(&f->problem);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    if (system(command) != 0)
        return -1;
    free(f);
    return 0;
}

static const char *in(const struct fixture *f, const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *text = path[next++ % 4];

    snprintf(text, sizeof(path[0]), "%s/%s", f->dir, name);
    return text;
}

static char *read_text(const char *path)
{
    char *text;
    size_t len;

    assert_int_equal(file_read(path, 1 << 20, &text, &len), 0);
    return text;
}

static void reopen(struct fixture *f, const char *const *with_hosts)
{
    trust_free(&f->trust);
    assert_int_equal(trust_open(f->dir, with_hosts, &f->problem, &f->trust), 0);
}

static X509 *certificate_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static void test_files_are_private(void **state)
{
    struct fixture *f = *state;
    char name[128];

    snprintf(name, sizeof(name), "signing-%s.key", trust_signer_kid(f->trust));
    for (const char *const *file =
             (const char *[]){"ca.key", "ca.crt", "server.key", "server.crt", name, NULL};
         *file; file++) {
        struct stat st;

        assert_int_equal(stat(in(f, *file), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static void test_reopen_keeps_all(void **state)
{
    struct fixture *f = *state;
    char *ca = strdup(trust_ca_pem(f->trust)), *kid = strdup(trust_signer_kid(f->trust));
    char *server = read_text(trust_server_certificate_file(f->trust)), *again;

    reopen(f, hosts);
    again = read_text(trust_server_certificate_file(f->trust));
    assert_string_equal(trust_ca_pem(f->trust), ca);
    assert_string_equal(trust_signer_kid(f->trust), kid);
    assert_string_equal(again, server);
    free(ca);
    free(kid);
    free(server);
    free(again);
}

static void test_crash_between_ca_files(void **state)
{
    struct fixture *f = *state;
    char *key = read_text(in(f, "ca.key")), *again;

    assert_int_equal(unlink(in(f, "ca.crt")), 0);
    reopen(f, hosts);
    again = read_text(in(f, "ca.key"));
    assert_string_equal(again, key);
    free(key);
    free(again);
}

static void test_refuses_wrong_files(void **state)
{
    struct fixture *f = *state;
    struct trust *trust = NULL;

    assert_int_equal(chmod(in(f, "ca.key"), 0640), 0);
    assert_int_equal(trust_open(f->dir, hosts, &f->problem, &trust), -EPERM);
    assert_non_null(strstr(f->problem.data, "ca.key"));
    assert_int_equal(chmod(in(f, "ca.key"), 0600), 0);
    assert_int_equal(rename(in(f, "ca.key"), in(f, "away")), 0);
    assert_int_equal(trust_open(f->dir, hosts, &f->problem, &trust), -EINVAL);
    assert_non_null(strstr(f->problem.data, "missing"));
    assert_int_equal(access(in(f, "ca.key"), F_OK), -1); /* and did not make another one */
    assert_int_equal(rename(in(f, "server.key"), in(f, "ca.key")), 0);
    assert_int_equal(trust_open(f->dir, hosts, &f->problem, &trust), -EINVAL);
    assert_int_equal(file_write_atomic(in(f, "ca.key"), "x", 1, 0600), 0);
    assert_int_equal(trust_open(f->dir, hosts, &f->problem, &trust), -EINVAL);
    assert_int_equal(file_write_atomic(in(f, "ca.crt"), "", 0, 0600), 0);
    assert_int_equal(trust_open(f->dir, hosts, &f->problem, &trust), -EINVAL);
    assert_null(trust);
}

/* ---- Server certificate --------------------------------------------------------------------- */

static void test_server_certificate(void **state)
{
    struct fixture *f = *state;
    char *pem = read_text(trust_server_certificate_file(f->trust));
    X509 *server = certificate_of(pem), *ca = certificate_of(trust_ca_pem(f->trust));

    assert_int_equal(X509_check_host(server, "console.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(server, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(server, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ip_asc(server, "2001:db8::7", 0), 1);
    assert_int_equal(X509_check_issued(ca, server), X509_V_OK);
    assert_int_equal(X509_check_purpose(server, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_check_purpose(server, X509_PURPOSE_SSL_CLIENT, 0), 0);
    X509_free(server);
    X509_free(ca);
    free(pem);
}

static void test_server_renewal(void **state)
{
    struct fixture *f = *state;
    char *key = read_text(trust_server_key_file(f->trust)), *same;
    bool is_new = true;

    assert_int_equal(trust_server_renew(f->trust, f->now_ms + 200 * DAY_MS, &is_new), 0);
    assert_false(is_new);
    assert_int_equal(trust_server_renew(f->trust, f->now_ms + 250 * DAY_MS, &is_new), 0);
    assert_true(is_new);
    same = read_text(trust_server_key_file(f->trust));
    assert_string_equal(key, same);
    free(key);
    free(same);
}

static void test_server_hosts_changed(void **state)
{
    struct fixture *f = *state;
    const char *const others[] = {"new.example", NULL};
    X509 *server;
    char *pem;

    reopen(f, others);
    pem = read_text(trust_server_certificate_file(f->trust));
    server = certificate_of(pem);
    assert_int_equal(X509_check_host(server, "new.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(server, "console.example", 0, 0, NULL), 0);
    X509_free(server);
    free(pem);
}

static void test_server_given(void **state)
{
    struct fixture *f = *state;
    bool is_new = true;

    assert_int_equal(unlink(in(f, "server.crt")), 0);
    reopen(f, NULL);
    assert_int_equal(access(in(f, "server.crt"), F_OK), -1);
    assert_int_equal(trust_server_renew(f->trust, f->now_ms, &is_new), 0);
    assert_false(is_new);
}

/* ---- Requests ------------------------------------------------------------------------------- */

static int sign(struct fixture *f, const char *csr, char **pem, uint8_t sha256[32])
{
    const struct trust_certificate_request request = {
        .usage = TRUST_CREDENTIAL,
        .csr = csr,
        .common_name = "app:credential:0123456789abcdef01234567:ci",
        .organization = "/a/long/enough/namespace/to/be/longer/than/the/sixty-four/of/x520/is/this",
        .max_validity = "1h30m",
        .now_ms = f->now_ms,
        .days = 30,
    };

    buf_free(&f->problem);
    return trust_certificate_sign(f->trust, &request, &f->problem, pem, sha256);
}

static void expect_refused(struct fixture *f, EVP_PKEY *key, EVP_PKEY *signer, const char *word)
{
    char *csr = request_make(key, signer, "x"), *pem = NULL;
    uint8_t sha256[32];

    assert_int_equal(sign(f, csr, &pem, sha256), -EINVAL);
    if (!f->problem.data || !strstr(f->problem.data, word))
        fail_msg("problem is '%s', expected '%s' in it", f->problem.data, word);
    assert_null(pem);
    EVP_PKEY_free(key);
    free(csr);
}

static EVP_PKEY *explicit_curve(void)
{
    EC_KEY *ec;
    EVP_PKEY *key = EVP_PKEY_new();

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EC_KEY_set_asn1_flag(ec, OPENSSL_EC_EXPLICIT_CURVE);
    EC_KEY_generate_key(ec);
    EVP_PKEY_assign_EC_KEY(key, ec);
#pragma GCC diagnostic pop
    return key;
}

static void test_bad_requests(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *other = EVP_EC_gen("P-256");
    uint8_t sha256[32];
    char *pem = NULL, *huge = malloc(200000);

    memset(huge, 'A', 199999);
    huge[199999] = '\0';
    assert_int_equal(sign(f, "", &pem, sha256), -EINVAL);
    assert_int_equal(sign(f, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", &pem, sha256), -EINVAL);
    assert_int_equal(sign(f, huge, &pem, sha256), -EINVAL);
    expect_refused(f, EVP_EC_gen("P-256"), other, "does not have the key");
    expect_refused(f, EVP_EC_gen("P-224"), NULL, "another curve");
    expect_refused(f, EVP_EC_gen("P-521"), NULL, "another curve");
    expect_refused(f, EVP_EC_gen("secp256k1"), NULL, "another curve");
    expect_refused(f, EVP_RSA_gen(1024), NULL, "size");
    expect_refused(f, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, "type");
    expect_refused(f, explicit_curve(), NULL, "spells");
    EVP_PKEY_free(other);
    free(huge);
}

static void test_good_requests(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_RSA_gen(2048)};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char *csr = request_make(keys[i], NULL, "enforcer:not-yours"), *pem = NULL;
        struct trust_certificate read = {0};
        uint8_t sha256[32];

        assert_int_equal(sign(f, csr, &pem, sha256), 0);
        assert_int_equal(trust_certificate_read(f->trust, pem, f->now_ms, &read), 0);
        assert_string_equal(read.common_name, "app:credential:0123456789abcdef01234567:ci");
        assert_non_null(strstr(read.organization, "/a/long"));
        assert_string_equal(read.max_validity, "1h30m");
        assert_memory_equal(read.sha256, sha256, 32);
        assert_true(llabs(read.not_after_ms - f->now_ms - 30 * DAY_MS) < 2000);
        trust_certificate_clear(&read);
        EVP_PKEY_free(keys[i]);
        free(csr);
        free(pem);
    }
}

static void test_certificate_profile(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *csr = request_make(key, NULL, "x"), *pem = NULL, *second = NULL;
    uint8_t sha256[32], sha256_second[32];
    X509 *certificate;

    assert_int_equal(sign(f, csr, &pem, sha256), 0);
    assert_int_equal(sign(f, csr, &second, sha256_second), 0);
    assert_memory_not_equal(sha256, sha256_second, 32); /* serial numbers are random */
    certificate = certificate_of(pem);
    assert_int_equal(X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0), 1);
    assert_int_equal(X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0), 0);
    assert_int_equal(X509_check_ca(certificate), 0);
    assert_int_equal(X509_get_signature_nid(certificate), NID_ecdsa_with_SHA256);
    assert_int_equal(ASN1_STRING_length(X509_get_serialNumber(certificate)), 16);
    assert_int_equal(X509_get_ext_count(certificate), 6);
    X509_free(certificate);
    EVP_PKEY_free(key);
    free(csr);
    free(pem);
    free(second);
}

static void test_foreign_certificates(void **state)
{
    struct fixture *f = *state;
    struct fixture *other = NULL;
    struct trust_certificate read = {0};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    char *csr = request_make(key, NULL, "x"), *pem = NULL, *server;
    uint8_t sha256[32];

    assert_int_equal(make_fixture((void **)&other), 0);
    assert(other);
    assert_int_equal(sign(other, csr, &pem, sha256), 0);
    assert_int_equal(trust_certificate_read(f->trust, pem, f->now_ms, &read), -EACCES);
    free(pem);
    pem = NULL;
    assert_int_equal(sign(f, csr, &pem, sha256), 0);
    assert_int_equal(trust_certificate_read(f->trust, pem, f->now_ms + 31 * DAY_MS, &read), -ETIME);
    assert_int_equal(trust_certificate_read(f->trust, pem, f->now_ms - DAY_MS, &read), -ETIME);
    assert_int_equal(trust_certificate_read(f->trust, "x", f->now_ms, &read), -EINVAL);
    assert_int_equal(trust_certificate_read(f->trust, trust_ca_pem(f->trust), f->now_ms, &read),
                     -EACCES);
    server = read_text(trust_server_certificate_file(f->trust));
    assert_int_equal(trust_certificate_read(f->trust, server, f->now_ms, &read), -EACCES);
    assert_int_equal(drop_fixture((void **)&other), 0);
    EVP_PKEY_free(key);
    free(server);
    free(csr);
    free(pem);
}

static void test_sealed(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_
    char *one = NULL, *two = NULL, *text = NULL;

    assert_int_equal(trust_seal(f->trust, "id", "JBSWY3DP", &one), 0);
    assert_int_equal(trust_seal(f->trust, "id", "JBSWY3DP", &two), 0);
    assert_true(trust_is_sealed(one) && !trust_is_sealed("JBSWY3DP"));
    assert_string_not_equal(one, two);
    assert_null(strstr(one, "JBSW"));
    assert_int_equal(trust_unseal(f->trust, "id", one, &text), 0);
    assert_string_equal(text, "JBSWY3DP");
    free_pointer(&text);
    assert_int_equal(trust_unseal(f->trust, "other", one, &text), -EACCES);
    for (size_t i = strlen(TRUST_SEALED); one[i] && one[i] != '='; i++) {
        char was = one[i];

        one[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(trust_unseal(f->trust, "id", one, &text), -EACCES);
        one[i] = '\0';
        assert_int_equal(trust_unseal(f->trust, "id", one, &text), -EACCES);
        one[i] = was;
    }
    assert_int_equal(trust_unseal(f->trust, "id", "sealed:1:", &text), -EACCES);
    assert_int_equal(trust_unseal(f->trust, "id", "sealed:1:====", &text), -EACCES);
    free_pointer(&two);
    assert_int_equal(trust_seal(f->trust, "id", "", &two), 0);
    assert_int_equal(trust_unseal(f->trust, "id", two, &text), 0);
    assert_string_equal(text, "");
    free_pointer(&text);
    /* Another Console with the same CA; and one with another. */
    trust_free(&f->trust);
    assert_int_equal(trust_open(f->dir, hosts, &f->problem, &f->trust), 0);
    assert_int_equal(trust_unseal(f->trust, "id", one, &text), 0);
    free_pointer(&text);
    trust_free(&f->trust);
    assert_int_equal(unlink(in(f, "ca.key")), 0);
    assert_int_equal(unlink(in(f, "ca.crt")), 0);
    assert_int_equal(trust_open(f->dir, hosts, &f->problem, &f->trust), 0);
    assert_int_equal(trust_unseal(f->trust, "id", one, &text), -EACCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sealed, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_files_are_private, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_reopen_keeps_all, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_crash_between_ca_files, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_refuses_wrong_files, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_server_certificate, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_server_renewal, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_server_hosts_changed, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_server_given, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_bad_requests, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_good_requests, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_certificate_profile, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_foreign_certificates, make_fixture, drop_fixture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
