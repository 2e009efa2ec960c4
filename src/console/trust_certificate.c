/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust_internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>

#include "base/hash.h"

/* What certificates that others show say, and whether it is to be believed. */

/* Owned by the caller; NULL: absent, there twice, with a NUL inside, or ENOMEM. */
static char *name_text(X509_NAME *name, int nid)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    unsigned char *bytes = NULL;
    char *text = NULL;
    int len;

    if (at < 0 || X509_NAME_get_index_by_NID(name, nid, at) >= 0)
        return NULL;
    len = ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (len >= 0 && !memchr(bytes, 0, (size_t)len))
        text = strndup((const char *)bytes, (size_t)len);
    OPENSSL_free(bytes);
    return text;
}

static char *max_validity_text(X509 *certificate)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(TRUST_OID_MAX_VALIDITY, 1);
    int at = oid ? X509_get_ext_by_OBJ(certificate, oid, -1) : -1;
    const ASN1_OCTET_STRING *octets;
    const unsigned char *der;
    ASN1_UTF8STRING *string;
    char *text = NULL;

    ASN1_OBJECT_free(oid);
    if (at < 0)
        return NULL;
    octets = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
    der = ASN1_STRING_get0_data(octets);
    string = d2i_ASN1_UTF8STRING(NULL, &der, ASN1_STRING_length(octets));
    if (string)
        text = strndup((const char *)ASN1_STRING_get0_data(string),
                       (size_t)ASN1_STRING_length(string));
    ASN1_UTF8STRING_free(string);
    return text;
}

int trust_certificate_check(struct trust *trust, X509 *certificate, int64_t now_ms,
                            struct trust_certificate *ret)
{
    struct trust_certificate out = {0};
    time_t now = (time_t)(now_ms / 1000);
    X509_NAME *name;
    int r;

    assert(trust);
    assert(certificate);
    assert(ret);

    if (X509_check_issued(trust->ca, certificate) != X509_V_OK ||
        X509_verify(certificate, trust->ca_key) != 1 ||
        X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0) != 1 ||
        X509_check_ca(certificate) != 0)
        return -EACCES;
    if (X509_cmp_time(X509_get0_notBefore(certificate), &now) >= 0 ||
        X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0)
        return -ETIME;
    r = trust_x509_sha256(certificate, out.sha256);
    if (r < 0)
        return r;
    name = X509_get_subject_name(certificate);
    out.common_name = name_text(name, NID_commonName);
    out.organization = name_text(name, NID_organizationName);
    out.max_validity = max_validity_text(certificate);
    out.not_after_ms = trust_x509_not_after_ms(certificate);
    if (!out.common_name || !out.organization) {
        trust_certificate_clear(&out);
        return -EINVAL;
    }
    *ret = out;
    return 0;
}

int trust_certificate_read(struct trust *trust, const char *pem, int64_t now_ms,
                           struct trust_certificate *ret)
{
    _cleanup_x509_ X509 *certificate = NULL;
    int r;

    assert(pem);

    r = trust_x509_read(pem, &certificate);
    return r < 0 ? r : trust_certificate_check(trust, certificate, now_ms, ret);
}

/* The bytes as they are: making a certificate of them costs ten times as much. */
int trust_certificate_fingerprint(const char *pem, uint8_t ret_sha256[32])
{
    _cleanup_bio_ BIO *bio = NULL;
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long len = 0;
    int r = -EINVAL;

    if (strnlen(pem, TRUST_PEM_BYTES_MAX + 1) > TRUST_PEM_BYTES_MAX)
        return -EINVAL;
    bio = BIO_new_mem_buf(pem, -1);
    if (!bio)
        return -ENOMEM;
    if (PEM_read_bio(bio, &name, &header, &data, &len) == 1 && strcmp(name, PEM_STRING_X509) == 0)
        r = hash_sha256(data, (size_t)len, ret_sha256);
    ERR_clear_error(); /* of a text without one: nobody asks */
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    return r;
}

void trust_certificate_clear(struct trust_certificate *certificate)
{
    free(certificate->common_name);
    free(certificate->organization);
    free(certificate->max_validity);
    *certificate = (struct trust_certificate){0};
}
