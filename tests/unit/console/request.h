/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Keys and certificate signing requests as clients make them, good and bad. */

#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static inline char *bio_text(BIO *bio)
{
    char *data, *text;
    long len = BIO_get_mem_data(bio, &data);

    text = strndup(data, (size_t)len);
    BIO_free(bio);
    return text;
}

/* PEM, owned by the caller. `signer`: whose key signs it; NULL: the key itself, as it should be. */
static inline char *request_make(EVP_PKEY *key, EVP_PKEY *signer, const char *common_name)
{
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());

    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509_REQ_set_pubkey(request, key);
    X509_REQ_sign(request, signer ? signer : key,
                  EVP_PKEY_is_a(signer ? signer : key, "ED25519") ? NULL : EVP_sha256());
    PEM_write_bio_X509_REQ(bio, request);
    X509_REQ_free(request);
    return bio_text(bio);
}

static inline char *private_pem_of(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return bio_text(bio);
}

static inline char *public_pem_of(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());

    PEM_write_bio_PUBKEY(bio, key);
    return bio_text(bio);
}
