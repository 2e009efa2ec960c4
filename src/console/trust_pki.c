/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust_internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/addr.h"
#include "base/hash.h"

/*
 * Certificates: what goes in is decided here, never by the request. RFC 5280 for the profile,
 * RFC 2986 for requests.
 */

#define MS_PER_DAY (24LL * 3600 * 1000)
#define SERIAL_BYTES 16

/* ---- Keys ----------------------------------------------------------------------------------- */

void trust_secret_free(char **secret)
{
    if (*secret)
        OPENSSL_cleanse(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}

int trust_key_new(EVP_PKEY **ret)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    if (!key)
        return -EIO;
    *ret = key;
    return 0;
}

static int take_text(BIO *bio, char **ret)
{
    char *data, *text;
    long len = BIO_get_mem_data(bio, &data);

    text = len > 0 ? strndup(data, (size_t)len) : NULL;
    if (!text)
        return len > 0 ? -ENOMEM : -EIO;
    *ret = text;
    return 0;
}

int trust_key_private_pem(EVP_PKEY *key, char **ret)
{
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_secmem());

    if (!bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return -EIO;
    return take_text(bio, ret);
}

int trust_key_public_pem(EVP_PKEY *key, char **ret)
{
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || PEM_write_bio_PUBKEY(bio, key) != 1)
        return -EIO;
    return take_text(bio, ret);
}

/* Never ask a terminal for the password of an encrypted key. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    return -1;
}

int trust_key_read(const char *pem, EVP_PKEY **ret)
{
    _cleanup_bio_ BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    if (!key)
        return -EINVAL;
    *ret = key;
    return 0;
}

int trust_key_id(EVP_PKEY *key, char ret_kid[TRUST_KID_LEN + 1])
{
    uint8_t digest[SHA256_BYTES];
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der), r;

    if (len <= 0)
        return -EIO;
    r = hash_sha256(der, (size_t)len, digest);
    OPENSSL_free(der);
    if (r < 0)
        return r;
    for (size_t i = 0; i < TRUST_KID_LEN / 2; i++)
        snprintf(ret_kid + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

/* ---- Certificates as text ------------------------------------------------------------------- */

int trust_x509_read(const char *pem, X509 **ret)
{
    _cleanup_bio_ BIO *bio = NULL;
    X509 *certificate;

    if (strnlen(pem, TRUST_PEM_BYTES_MAX + 1) > TRUST_PEM_BYTES_MAX)
        return -EINVAL;
    bio = BIO_new_mem_buf(pem, -1);
    certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    if (!certificate)
        return -EINVAL;
    *ret = certificate;
    return 0;
}

int trust_x509_pem(X509 *certificate, char **ret)
{
    _cleanup_bio_ BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || PEM_write_bio_X509(bio, certificate) != 1)
        return -EIO;
    return take_text(bio, ret);
}

int trust_x509_sha256(const X509 *certificate, uint8_t ret[32])
{
    unsigned len = 0;

    return X509_digest(certificate, EVP_sha256(), ret, &len) == 1 && len == 32 ? 0 : -EIO;
}

int64_t trust_x509_not_after_ms(const X509 *certificate)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm) * 1000;
}

/* ---- Making them ---------------------------------------------------------------------------- */

static int set_serial(X509 *certificate)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number;
    int r = -EIO;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return -EIO;
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive and of constant length */
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    if (number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)))
        r = 0;
    BN_free(number);
    return r;
}

static int set_times(X509 *certificate, const X509 *ca, int64_t now_ms, int64_t life_ms)
{
    int64_t end_ms = now_ms + life_ms;
    time_t start = (time_t)(now_ms / 1000 - TRUST_BACKDATE_S), end;

    if (ca)
        end_ms = MIN(end_ms, trust_x509_not_after_ms(ca));
    end = (time_t)(end_ms / 1000);
    if (!ASN1_TIME_set(X509_getm_notBefore(certificate), start) ||
        !ASN1_TIME_set(X509_getm_notAfter(certificate), end))
        return -EIO;
    return 0;
}

/* Given by type and not as "multi-byte string": that way OpenSSL does not hold names to 64
 * characters, which a namespace may exceed. */
static int add_name(X509_NAME *name, int nid, const char *text)
{
    if (X509_NAME_add_entry_by_NID(name, nid, V_ASN1_UTF8STRING, (const unsigned char *)text,
                                   (int)strlen(text), -1, 0) != 1)
        return -EIO;
    return 0;
}

/* `value` is always text of our own, never of a request. */
static int add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    int r;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension)
        return -EIO;
    r = X509_add_ext(certificate, extension, -1) == 1 ? 0 : -EIO;
    X509_EXTENSION_free(extension);
    return r;
}

static int add_max_validity(X509 *certificate, const char *text)
{
    ASN1_OBJECT *oid = OBJ_txt2obj(TRUST_OID_MAX_VALIDITY, 1);
    ASN1_UTF8STRING *string = ASN1_UTF8STRING_new();
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    unsigned char *der = NULL;
    int len = 0, r = -EIO;

    if (oid && string && octets && ASN1_STRING_set(string, text, (int)strlen(text)) == 1)
        len = i2d_ASN1_UTF8STRING(string, &der);
    if (len > 0 && ASN1_OCTET_STRING_set(octets, der, len) == 1)
        extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets);
    if (extension && X509_add_ext(certificate, extension, -1) == 1)
        r = 0;
    X509_EXTENSION_free(extension);
    OPENSSL_free(der);
    ASN1_OCTET_STRING_free(octets);
    ASN1_UTF8STRING_free(string);
    ASN1_OBJECT_free(oid);
    return r;
}

/* What all have, except extensions that say what it is for. */
static int begin(X509 *ca, EVP_PKEY *key, int64_t now_ms, int64_t life_ms, X509 **ret)
{
    _cleanup_x509_ X509 *certificate = X509_new();
    int r;

    if (!certificate)
        return -ENOMEM;
    if (X509_set_version(certificate, X509_VERSION_3) != 1 ||
        X509_set_pubkey(certificate, key) != 1)
        return -EIO;
    r = set_serial(certificate);
    if (r == 0)
        r = set_times(certificate, ca, now_ms, life_ms);
    if (r == 0 && ca && X509_set_issuer_name(certificate, X509_get_subject_name(ca)) != 1)
        r = -EIO;
    if (r < 0)
        return r;
    *ret = TAKE_PTR(certificate);
    return 0;
}

int trust_ca_make(EVP_PKEY *key, int64_t now_ms, X509 **ret)
{
    _cleanup_x509_ X509 *ca = NULL;
    char kid[TRUST_KID_LEN + 1], name[64];
    int r;

    r = begin(NULL, key, now_ms, (TRUST_CA_YEARS * 365LL + TRUST_CA_YEARS / 4) * MS_PER_DAY, &ca);
    if (r == 0)
        r = trust_key_id(key, kid);
    if (r < 0)
        return r;
    /* Two installations must not have the same name, or clients that trust both mix them up. */
    snprintf(name, sizeof(name), "Bulkhead CA %.16s", kid);
    r = add_name(X509_get_subject_name(ca), NID_commonName, name);
    if (r == 0 && X509_set_issuer_name(ca, X509_get_subject_name(ca)) != 1)
        r = -EIO;
    if (r == 0)
        r = add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    if (r == 0)
        r = add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (r == 0)
        r = add_extension(ca, ca, NID_subject_key_identifier, "hash");
    if (r == 0 && X509_sign(ca, key, EVP_sha256()) <= 0)
        r = -EIO;
    if (r == 0)
        *ret = TAKE_PTR(ca);
    return r;
}

static int finish_leaf(const struct trust *trust, X509 *certificate, const char *usage)
{
    static const struct {
        int nid;
        const char *value;
    } extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
    };
    int r = add_extension(certificate, trust->ca, NID_ext_key_usage, usage);

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(extensions); i++)
        r = add_extension(certificate, trust->ca, extensions[i].nid, extensions[i].value);
    if (r == 0 && X509_sign(certificate, trust->ca_key, EVP_sha256()) <= 0)
        r = -EIO;
    return r;
}

/* ---- Server certificate --------------------------------------------------------------------- */

static GENERAL_NAME *general_name(const char *host)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = NULL;
    unsigned char bytes[16];
    int len = inet_pton(AF_INET, host, bytes) == 1    ? 4
              : inet_pton(AF_INET6, host, bytes) == 1 ? 16
                                                      : 0;

    if (!name)
        return NULL;
    value = ASN1_STRING_type_new(len ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    if (!value || ASN1_STRING_set(value, len ? (const void *)bytes : host,
                                  len ? len : (int)strlen(host)) != 1) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(name);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, len ? GEN_IPADD : GEN_DNS, value);
    return name;
}

static GENERAL_NAMES *general_names(char *const *hosts)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();

    for (; names && *hosts; hosts++) {
        GENERAL_NAME *name = general_name(*hosts);

        if (!name || sk_GENERAL_NAME_push(names, name) <= 0) {
            GENERAL_NAME_free(name);
            GENERAL_NAMES_free(names);
            return NULL;
        }
    }
    return names;
}

int trust_server_make(const struct trust *trust, EVP_PKEY *key, int64_t now_ms, X509 **ret)
{
    _cleanup_x509_ X509 *certificate = NULL;
    GENERAL_NAMES *names;
    int r;

    r = begin(trust->ca, key, now_ms, TRUST_SERVER_DAYS * MS_PER_DAY, &certificate);
    if (r == 0)
        r = add_name(X509_get_subject_name(certificate), NID_commonName, "Bulkhead Console");
    if (r < 0)
        return r;
    names = general_names(trust->hosts);
    if (!names || X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) != 1)
        r = -EIO;
    GENERAL_NAMES_free(names);
    if (r == 0)
        r = finish_leaf(trust, certificate, "serverAuth");
    if (r == 0)
        *ret = TAKE_PTR(certificate);
    return r;
}

static bool same_hosts(const struct trust *trust, const X509 *certificate)
{
    GENERAL_NAMES *wanted = general_names(trust->hosts);
    GENERAL_NAMES *found = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool same = wanted && found && sk_GENERAL_NAME_num(wanted) == sk_GENERAL_NAME_num(found);

    for (int i = 0; same && i < sk_GENERAL_NAME_num(wanted); i++)
        same = GENERAL_NAME_cmp(sk_GENERAL_NAME_value(wanted, i),
                                sk_GENERAL_NAME_value(found, i)) == 0;
    GENERAL_NAMES_free(wanted);
    GENERAL_NAMES_free(found);
    return same;
}

bool trust_server_good(const struct trust *trust, X509 *certificate, EVP_PKEY *key, int64_t now_ms)
{
    return X509_check_private_key(certificate, key) == 1 &&
           X509_verify(certificate, trust->ca_key) == 1 && same_hosts(trust, certificate) &&
           trust_x509_not_after_ms(certificate) - now_ms >= TRUST_SERVER_DAYS * MS_PER_DAY / 3;
}

/* ---- Requests ------------------------------------------------------------------------------- */

static const char *ec_problem(EVP_PKEY *key)
{
    char group[64];
    int is_explicit = 0;

    if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
        return "its key has a curve without a name, expected P-256 or P-384";
    if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &is_explicit) != 1 ||
        is_explicit)
        return "its key spells the curve out, expected P-256 or P-384 by name";
    if (strcmp(group, "prime256v1") != 0 && strcmp(group, "secp384r1") != 0)
        return "its key has another curve, expected P-256 or P-384";
    return NULL;
}

static const char *key_problem(EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);

    if (EVP_PKEY_is_a(key, "EC"))
        return ec_problem(key);
    if (!EVP_PKEY_is_a(key, "RSA"))
        return "its key is of a type that is not accepted, expected EC (P-256, P-384) or RSA";
    if (bits < TRUST_RSA_BITS_MIN || bits > TRUST_RSA_BITS_MAX)
        return "its RSA key has another size than 2048 to 8192 bits";
    return NULL;
}

/* -EINVAL with `problem` */
static int request_key(const char *pem, struct buf *problem, EVP_PKEY **ret)
{
    _cleanup_bio_ BIO *bio = NULL;
    _cleanup_req_ X509_REQ *request = NULL;
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    const char *why = NULL;

    if (strnlen(pem, TRUST_CSR_BYTES_MAX + 1) > TRUST_CSR_BYTES_MAX) {
        buf_printf(problem, "the CSR is longer than %d bytes", TRUST_CSR_BYTES_MAX);
        return -EINVAL;
    }
    bio = BIO_new_mem_buf(pem, -1);
    request = bio ? PEM_read_bio_X509_REQ(bio, NULL, no_password, NULL) : NULL;
    key = request ? X509_REQ_get_pubkey(request) : NULL;
    if (!request)
        why = "found no PEM certificate signing request (PKCS #10)";
    else if (!key)
        why = "the CSR has a key that cannot be read";
    else
        why = key_problem(key);
    if (!why && X509_REQ_verify(request, key) != 1)
        why = "the CSR is not signed by the key it names: whoever made it does not have the key";
    if (why) {
        buf_puts(problem, why);
        return -EINVAL;
    }
    *ret = TAKE_PTR(key);
    return 0;
}

int trust_certificate_sign(struct trust *trust, const struct trust_certificate_request *request,
                           struct buf *problem, char **ret_pem, uint8_t ret_sha256[32])
{
    _cleanup_pkey_ EVP_PKEY *key = NULL;
    _cleanup_x509_ X509 *certificate = NULL;
    _cleanup_free_
    char *pem = NULL;
    X509_NAME *name;
    int r;

    assert(trust);
    assert(request && request->csr && request->common_name && request->organization);
    assert(request->days > 0);

    r = request_key(request->csr, problem, &key);
    if (r == 0)
        r = begin(trust->ca, key, request->now_ms,
                  request->seconds ? request->seconds * 1000LL : request->days * MS_PER_DAY,
                  &certificate);
    if (r < 0)
        return r;
    name = X509_get_subject_name(certificate);
    r = add_name(name, NID_organizationName, request->organization);
    if (r == 0)
        r = add_name(name, NID_commonName, request->common_name);
    if (r == 0 && request->max_validity)
        r = add_max_validity(certificate, request->max_validity);
    if (r == 0)
        r = finish_leaf(trust, certificate, "clientAuth");
    if (r == 0)
        r = trust_x509_pem(certificate, &pem);
    if (r == 0)
        r = trust_x509_sha256(certificate, ret_sha256);
    if (r == 0)
        *ret_pem = TAKE_PTR(pem);
    return r;
}
