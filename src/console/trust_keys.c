/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust_internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>

/* Whether two things that hold a public key hold the same. */

static int no_password(char *buffer, int size, int writing, void *context)
{
    return -1;
}

static EVP_PKEY *key_of_certificate(const char *pem)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(pem, -1);
    _cleanup_x509_ X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

    return certificate ? X509_get_pubkey(certificate) : NULL;
}

static EVP_PKEY *key_of_request(const char *pem)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(pem, -1);
    _cleanup_req_ X509_REQ *request =
        bio ? PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL) : NULL;

    return request ? X509_REQ_get_pubkey(request) : NULL;
}

bool trust_request_is_of(const char *csr, const char *certificate)
{
    _cleanup_pkey_ EVP_PKEY *asked = NULL, *had = NULL;
    bool same;

    if (strnlen(csr, TRUST_CSR_BYTES_MAX + 1) > TRUST_CSR_BYTES_MAX)
        return false;
    asked = key_of_request(csr);
    had = key_of_certificate(certificate);
    same = asked && had && EVP_PKEY_eq(asked, had) == 1;
    ERR_clear_error();
    return same;
}
