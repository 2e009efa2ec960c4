/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/pki.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/macros.h"

#define SCALAR_BYTES 32

static void bio_free(BIO **bio)
{
    BIO_free(*bio);
}
static void key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
static void request_free(X509_REQ **request)
{
    X509_REQ_free(*request);
}
static void certificate_free(X509 **certificate)
{
    X509_free(*certificate);
}
#define _cleanup_bio_ _cleanup_(bio_free)
#define _cleanup_key_ _cleanup_(key_free)

static int bio_text(BIO *bio, char **ret)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    *ret = strndup(data, (size_t)len);
    return *ret ? 0 : -ENOMEM;
}

static EVP_PKEY *read_key(const char *pem)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(pem, -1);

    return bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
}

int pki_key_new(char **ret_pem)
{
    _cleanup_key_ EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_secmem());

    if (!key || !bio || !PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
        return -EIO;
    return bio_text(bio, ret_pem);
}

int pki_request_new(const char *key_pem, const char *common_name, char **ret_pem)
{
    _cleanup_key_ EVP_PKEY *key = read_key(key_pem);
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_mem());
    _cleanup_(request_free) X509_REQ *request = X509_REQ_new();
    X509_NAME *name = request ? X509_REQ_get_subject_name(request) : NULL;

    if (!key || !bio || !name ||
        !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                    (int)MIN(strlen(common_name), (size_t)64), -1, 0) ||
        !X509_REQ_set_pubkey(request, key) || !X509_REQ_sign(request, key, EVP_sha256()) ||
        !PEM_write_bio_X509_REQ(bio, request))
        return -EIO;
    return bio_text(bio, ret_pem);
}

static int time_of(const ASN1_TIME *time, int64_t *ret_s)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(time, &tm))
        return -EINVAL;
    *ret_s = timegm(&tm);
    return 0;
}

int pki_certificate_read(const char *certificate_pem, const char *key_pem,
                         int64_t *ret_not_before_s, int64_t *ret_not_after_s)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(certificate_pem, -1);
    _cleanup_key_ EVP_PKEY *key = read_key(key_pem);
    _cleanup_(certificate_free) X509 *certificate =
        bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    int64_t not_before, not_after;

    if (!certificate || !key || X509_check_private_key(certificate, key) != 1 ||
        time_of(X509_get0_notBefore(certificate), &not_before) < 0 ||
        time_of(X509_get0_notAfter(certificate), &not_after) < 0)
        return -EINVAL;
    *ret_not_before_s = not_before;
    *ret_not_after_s = not_after;
    return 0;
}

static int scalar_of(EVP_PKEY *key, uint8_t ret[SCALAR_BYTES])
{
    BIGNUM *scalar = NULL;
    int n = -1;

    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar))
        n = BN_bn2binpad(scalar, ret, SCALAR_BYTES);
    BN_clear_free(scalar);
    return n == SCALAR_BYTES ? 0 : -EIO;
}

int pki_derive(const char *key_pem, const char *purpose, uint8_t ret[PKI_DERIVED_BYTES])
{
    _cleanup_key_ EVP_PKEY *key = read_key(key_pem);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    uint8_t scalar[SCALAR_BYTES];
    size_t len = PKI_DERIVED_BYTES;
    int r = key && context ? scalar_of(key, scalar) : -EIO;

    if (r == 0 && (EVP_PKEY_derive_init(context) <= 0 ||
                   EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) <= 0 ||
                   EVP_PKEY_CTX_set1_hkdf_key(context, scalar, SCALAR_BYTES) <= 0 ||
                   EVP_PKEY_CTX_add1_hkdf_info(context, (const unsigned char *)purpose,
                                               (int)strlen(purpose)) <= 0 ||
                   EVP_PKEY_derive(context, ret, &len) <= 0 || len != PKI_DERIVED_BYTES))
        r = -EIO;
    explicit_bzero(scalar, sizeof(scalar));
    EVP_PKEY_CTX_free(context);
    return r;
}
