/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/credential.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"

/* ---- Texts -------------------------------------------------------------------------------- */

char *base64_encode(const void *data, size_t len)
{
    char *text;

    if (len > INT_MAX / 2)
        return NULL;
    text = malloc((len + 2) / 3 * 4 + 1);
    if (text)
        EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    return text;
}

char *base64_decode(const char *text, size_t *ret_len)
{
    size_t len = strlen(text), padding = 0;
    char *data;
    int n;

    if (len % 4 || len > INT_MAX / 2)
        return NULL;
    while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
        padding++;
    data = malloc(len / 4 * 3 + 1);
    if (!data)
        return NULL;
    n = EVP_DecodeBlock((unsigned char *)data, (const unsigned char *)text, (int)len);
    if (n < 0) {
        free(data);
        return NULL;
    }
    *ret_len = (size_t)n - padding;
    data[*ret_len] = '\0';
    return data;
}

char *sha256_hex(const void *data, size_t len)
{
    uint8_t digest[SHA256_BYTES];
    char *text = malloc(2 * SHA256_BYTES + 1);

    if (!text || hash_sha256(data, len, digest) < 0) {
        free(text);
        return NULL;
    }
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}

/* ---- Files -------------------------------------------------------------------------------- */

/* Plain PEM is taken as well as base64 of it. */
static int read_pem(const json_t *object, const char *key, struct buf *problem, char **ret)
{
    const char *text = json_string_value(json_object_get(object, key));
    size_t len;

    if (!text || !*text)
        return 0;
    *ret = strncmp(text, "-----BEGIN", 10) == 0 ? strdup(text) : base64_decode(text, &len);
    if (*ret && strstr(*ret, "-----BEGIN"))
        return 0;
    buf_printf(problem, "%s: found something else, expected base64 of PEM", key);
    return -BULKHEAD_EINVALID_INPUT;
}

static int read_text(const json_t *object, const char *key, char **ret)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (!text || !*text)
        return 0;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

static int read_members(const json_t *object, struct buf *problem, struct credential *credential)
{
    int r = read_text(object, "ID", &credential->id);

    if (r == 0)
        r = read_text(object, "name", &credential->name);
    if (r == 0)
        r = read_text(object, "namespace", &credential->namespace);
    if (r == 0)
        r = read_text(object, "APIURL", &credential->api);
    if (r == 0)
        r = read_text(object, "token", &credential->token);
    if (r == 0)
        r = read_pem(object, "certificate", problem, &credential->certificate);
    if (r == 0)
        r = read_pem(object, "certificateAuthority", problem, &credential->authority);
    if (r == 0)
        r = read_pem(object, "certificateKey", problem, &credential->key);
    if (r == 0 && !credential->token && (!credential->certificate || !credential->key)) {
        buf_puts(problem, "expected certificate and certificateKey, or token");
        r = -BULKHEAD_EINVALID_INPUT;
    }
    return r;
}

int credential_parse(const char *text, size_t len, struct buf *problem, struct credential **ret)
{
    _cleanup_credential_ struct credential *credential = calloc(1, sizeof(*credential));
    json_error_t error;
    json_t *object;
    int r;

    if (!credential)
        return -ENOMEM;
    object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        buf_printf(problem, "line %d: expected the JSON of an app credential", error.line);
        return -BULKHEAD_EINVALID_INPUT;
    }
    r = read_members(object, problem, credential);
    json_decref(object);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(credential);
    return 0;
}

int credential_read(const char *path, struct buf *problem, struct credential **ret)
{
    _cleanup_free_
    char *text = NULL;
    size_t len;
    int r = file_read(path, CREDENTIAL_BYTES_MAX, &text, &len);

    buf_printf(problem, "credential %s: ", path);
    if (r < 0) {
        buf_puts(problem, error_text(r));
        return r;
    }
    return credential_parse(text, len, problem, ret);
}

void credential_free(struct credential **credential)
{
    struct credential *c = *credential;

    if (!c)
        return;
    if (c->key)
        OPENSSL_cleanse(c->key, strlen(c->key));
    free(c->id);
    free(c->name);
    free(c->namespace);
    free(c->api);
    free(c->certificate);
    free(c->key);
    free(c->authority);
    free(c->token);
    free(c);
    *credential = NULL;
}

/* ---- Keys --------------------------------------------------------------------------------- */

static char *bio_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    return len > 0 ? strndup(data, (size_t)len) : NULL;
}

static char *key_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
        text = bio_text(bio);
    BIO_free(bio);
    return text;
}

static bool sign_request(X509_REQ *request, EVP_PKEY *key, const char *common_name)
{
    X509_NAME *name = X509_REQ_get_subject_name(request);
    /* ub-common-name of RFC 5280 is 64; the Console names the certificate itself anyway. */
    size_t len = strlen(common_name) > 64 ? 0 : strlen(common_name);

    return X509_REQ_set_version(request, 0) == 1 && X509_REQ_set_pubkey(request, key) == 1 &&
           (len == 0 ||
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                       (const unsigned char *)common_name, (int)len, -1, 0) == 1) &&
           X509_REQ_sign(request, key, EVP_sha256()) > 0;
}

static char *request_text(EVP_PKEY *key, const char *common_name)
{
    X509_REQ *request = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (request && bio && sign_request(request, key, common_name) &&
        PEM_write_bio_X509_REQ(bio, request) == 1)
        text = bio_text(bio);
    BIO_free(bio);
    X509_REQ_free(request);
    return text;
}

int credential_key_new(const char *common_name, char **ret_key_pem, char **ret_request_pem)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_free_
    char *key_pem = key ? key_text(key) : NULL,
         *request_pem = key ? request_text(key, common_name) : NULL;

    EVP_PKEY_free(key);
    if (!key_pem || !request_pem)
        return -EIO;
    *ret_key_pem = TAKE_PTR(key_pem);
    *ret_request_pem = TAKE_PTR(request_pem);
    return 0;
}
