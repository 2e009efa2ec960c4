/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the files trust*.c, by nobody else. */

#include "console/trust.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define TRUST_PEM_BYTES_MAX 65536
#define TRUST_CSR_BYTES_MAX 32768
#define TRUST_RSA_BITS_MIN 2048
#define TRUST_RSA_BITS_MAX 8192 /* the check of a larger one costs more than an attacker pays */
#define TRUST_BACKDATE_S 300    /* clocks of others may be behind ours */
#define TRUST_KID_LEN 32

#define TRUST_CLEANUP(name, type, fn)                                                              \
    static inline void name(type **p)                                                              \
    {                                                                                              \
        fn(*p);                                                                                    \
        *p = NULL;                                                                                 \
    }
TRUST_CLEANUP(trust_pkey_free, EVP_PKEY, EVP_PKEY_free)
TRUST_CLEANUP(trust_x509_free, X509, X509_free)
TRUST_CLEANUP(trust_req_free, X509_REQ, X509_REQ_free)
TRUST_CLEANUP(trust_bio_free, BIO, BIO_free_all)
#define _cleanup_pkey_ _cleanup_(trust_pkey_free)
#define _cleanup_x509_ _cleanup_(trust_x509_free)
#define _cleanup_req_ _cleanup_(trust_req_free)
#define _cleanup_bio_ _cleanup_(trust_bio_free)

struct signer {
    char kid[TRUST_KID_LEN + 1];
    EVP_PKEY *key; /* parsed once: that costs more than a signature */
    char *public_pem;
    char *private_pem;  /* NULL: another Console's, or our own that signs no more */
    int64_t created_ms; /* own ones */
    bool own;
};

struct trust {
    char *directory, *server_certificate, *server_key;
    EVP_PKEY *ca_key;
    X509 *ca;
    char *ca_pem;
    char ca_fingerprint[2 * 32 + 1], ca_serial[2 * 20 + 1];
    char issuer[64];
    char **hosts; /* of the server certificate; NULL: not ours to make */
    struct signer *signers[TRUST_SIGNERS_MAX];
    size_t n_signers;
    const struct signer *present; /* of `signers`: the one that signs */
};

/* ---- trust.c: files -------------------------------------------------------------------------- */

/* @return 0, -ENOENT (nothing said), or another error with `problem` */
int trust_file_read(const struct trust *trust, const char *name, bool is_secret,
                    struct buf *problem, char **ret);
int trust_file_write(const struct trust *trust, const char *name, const char *text,
                     struct buf *problem);

/* ---- trust_signers.c ------------------------------------------------------------------------ */

/* Read the files, make a key when none signs or the one that does is due. */
int trust_signers_load(struct trust *trust, int64_t now_ms, struct buf *problem);
void trust_signers_free(struct trust *trust);

/* ---- trust_pki.c: keys and certificates, no files ------------------------------------------- */

int trust_key_new(EVP_PKEY **ret);
/* Owned by the caller, who wipes it: trust_secret_free(). */
int trust_key_private_pem(EVP_PKEY *key, char **ret);
int trust_key_public_pem(EVP_PKEY *key, char **ret);
/* -EINVAL: no private key in there. */
int trust_key_read(const char *pem, EVP_PKEY **ret);
/* Hexadecimal digits of SHA-256 over the public key (SubjectPublicKeyInfo). */
int trust_key_id(EVP_PKEY *key, char ret_kid[TRUST_KID_LEN + 1]);
void trust_secret_free(char **secret);
#define _cleanup_secret_ _cleanup_(trust_secret_free)

int trust_x509_read(const char *pem, X509 **ret); /* exactly the first certificate; -EINVAL */
int trust_x509_pem(X509 *certificate, char **ret);
int trust_x509_sha256(const X509 *certificate, uint8_t ret[32]);
int64_t trust_x509_not_after_ms(const X509 *certificate);
int trust_ca_make(EVP_PKEY *key, int64_t now_ms, X509 **ret);
int trust_server_make(const struct trust *trust, EVP_PKEY *key, int64_t now_ms, X509 **ret);
/* Made by our CA, for this key and exactly these hosts, and not due for renewal? */
bool trust_server_good(const struct trust *trust, X509 *certificate, EVP_PKEY *key, int64_t now_ms);
