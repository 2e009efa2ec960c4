/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust_internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

/*
 * Tokens: RFC 7515, 7519, the advice of RFC 8725. A token must never decide how it is checked
 * (libjwt 1.10, which others use, lets it: "none" passes when no key is given, and HS256 takes the
 * text of a public key as its secret). Here the header is judged first, the algorithm is ES256 or
 * nothing, and the claims are read from the very bytes that were signed. The tests hold this
 * against libjwt.
 */

#define HEADER_BYTES_MAX 1024
#define JTI_BYTES 16
#define SIGNATURE_BYTES 64 /* r and s, 32 bytes each, RFC 7518 3.4 */
#define DER_BYTES_MAX 80   /* of the same as a SEQUENCE of two INTEGERs */

struct parts {
    char *text; /* owned; the dots are NUL */
    char *header, *payload, *signature;
};

static void parts_clear(struct parts *parts)
{
    free(parts->text);
}

static void json_pointer_free(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

TRUST_CLEANUP(md_ctx_pointer_free, EVP_MD_CTX, EVP_MD_CTX_free)
TRUST_CLEANUP(ecdsa_pointer_free, ECDSA_SIG, ECDSA_SIG_free)
#define _cleanup_md_ctx_ _cleanup_(md_ctx_pointer_free)
#define _cleanup_ecdsa_ _cleanup_(ecdsa_pointer_free)
#define _cleanup_json_ _cleanup_(json_pointer_free)

static int refuse(struct buf *problem, const char *why)
{
    buf_puts(problem, why);
    return -EACCES;
}

static bool is_base64url(const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    return text[strspn(text, digits)] == '\0' && strlen(text) % 4 != 1;
}

static bool split(const char *token, struct parts *ret)
{
    struct parts parts = {0};
    char *dot;

    if (strnlen(token, TRUST_TOKEN_BYTES_MAX + 1) > TRUST_TOKEN_BYTES_MAX)
        return false;
    parts.text = strdup(token);
    if (!parts.text)
        return false;
    parts.header = parts.text;
    dot = strchr(parts.header, '.');
    parts.payload = dot ? dot + 1 : NULL;
    if (dot)
        *dot = '\0';
    dot = parts.payload ? strchr(parts.payload, '.') : NULL;
    parts.signature = dot ? dot + 1 : NULL;
    if (dot)
        *dot = '\0';
    if (!parts.signature || !is_base64url(parts.header) || !is_base64url(parts.payload) ||
        !is_base64url(parts.signature)) {
        free(parts.text);
        return false;
    }
    *ret = parts;
    return true;
}

/* RFC 4648 5 without padding; `text` was checked by is_base64url(). Owned by the caller, NULL:
 * wrong, or ENOMEM. */
static unsigned char *base64url_decode(const char *text, size_t *ret_len)
{
    size_t len = strlen(text), padded = (len + 3) / 4 * 4, spare = padded - len;
    _cleanup_free_
    char *standard = malloc(padded + 1);
    _cleanup_free_
    unsigned char *bytes = malloc(padded / 4 * 3 + 1);
    int n;

    if (!standard || !bytes)
        return NULL;
    memset(standard, '=', padded);
    standard[padded] = '\0';
    for (size_t i = 0; i < len; i++)
        standard[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    n = EVP_DecodeBlock(bytes, (const unsigned char *)standard, (int)padded);
    if (n < 0 || (size_t)n < spare)
        return NULL;
    *ret_len = (size_t)n - spare;
    return TAKE_PTR(bytes);
}

/* New reference, or NULL. */
static json_t *json_from_base64url(const char *text)
{
    size_t len;
    _cleanup_free_
    unsigned char *bytes = base64url_decode(text, &len);
    json_t *json =
        bytes ? json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (json && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static const struct signer *signer_by_kid(const struct trust *trust, const char *kid)
{
    for (size_t i = 0; i < trust->n_signers; i++)
        if (strcmp(trust->signers[i]->kid, kid) == 0)
            return trust->signers[i];
    return NULL;
}

/* Which key may check this? NULL with `problem`. */
static const struct signer *judge_header(const struct trust *trust, const json_t *header,
                                         struct buf *problem)
{
    const char *alg = json_string_value(json_object_get(header, "alg"));
    const char *kid = json_string_value(json_object_get(header, "kid"));
    const char *typ = json_string_value(json_object_get(header, "typ"));
    const struct signer *signer = NULL;

    if (!alg || strcmp(alg, "ES256") != 0)
        buf_puts(problem, "the token's algorithm is not ES256");
    else if (!typ || strcmp(typ, "JWT") != 0)
        buf_puts(problem, "the token's type is not JWT");
    else if (json_object_get(header, "crit"))
        buf_puts(problem, "the token wants extensions that are not known here");
    else if (!kid)
        buf_puts(problem, "the token does not name its key");
    else if (!(signer = signer_by_kid(trust, kid)))
        buf_puts(problem, "the token is signed by a key that is not known here: another "
                          "installation's, or one that has been rotated out");
    return signer;
}

/* r ‖ s as OpenSSL wants it; 0: no signature. */
static int der_signature(const char *text, unsigned char der[DER_BYTES_MAX])
{
    _cleanup_ecdsa_ ECDSA_SIG *ecdsa = ECDSA_SIG_new();
    size_t len = 0;
    _cleanup_free_
    unsigned char *bytes = base64url_decode(text, &len);
    BIGNUM *r, *s;
    unsigned char *at = der;

    if (!ecdsa || !bytes || len != SIGNATURE_BYTES)
        return 0;
    r = BN_bin2bn(bytes, SIGNATURE_BYTES / 2, NULL);
    s = BN_bin2bn(bytes + SIGNATURE_BYTES / 2, SIGNATURE_BYTES / 2, NULL);
    if (!r || !s || ECDSA_SIG_set0(ecdsa, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return 0;
    }
    return i2d_ECDSA_SIG(ecdsa, &at);
}

/* @param signed_len  header, dot and payload at the front of `token` */
static bool signature_good(const char *token, size_t signed_len, const char *signature,
                           const struct signer *signer)
{
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char der[DER_BYTES_MAX];
    int len = der_signature(signature, der);

    return ctx && len > 0 &&
           EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, signer->key) == 1 &&
           EVP_DigestVerify(ctx, der, (size_t)len, (const unsigned char *)token, signed_len) == 1;
}

static int judge_claims(const struct trust *trust, const json_t *claims, int64_t now_ms,
                        struct buf *problem)
{
    const char *issuer = json_string_value(json_object_get(claims, "iss"));
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *issued = json_object_get(claims, "iat");
    const json_t *not_before = json_object_get(claims, "nbf");
    int64_t now = now_ms / 1000;

    if (!issuer || strcmp(issuer, trust->issuer) != 0)
        return refuse(problem, "the token was issued by another installation");
    if (!json_is_integer(expires))
        return refuse(problem, "the token does not say when it expires");
    if (json_integer_value(expires) <= now)
        return refuse(problem, "the token has expired");
    if (!json_is_integer(issued) || json_integer_value(issued) > now + TRUST_TOKEN_SKEW_S)
        return refuse(problem, "the token was issued in the future; compare the clocks");
    if (not_before &&
        (!json_is_integer(not_before) || json_integer_value(not_before) > now + TRUST_TOKEN_SKEW_S))
        return refuse(problem, "the token is not valid yet");
    return 0;
}

int trust_token_verify(struct trust *trust, const char *token, int64_t now_ms, struct buf *problem,
                       json_t **ret_claims)
{
    _cleanup_(parts_clear) struct parts parts = {0};
    _cleanup_json_ json_t *header = NULL, *claims = NULL;
    const struct signer *signer;
    int r;

    assert(trust);
    assert(token);
    assert(problem);
    assert(ret_claims);

    if (!split(token, &parts))
        return refuse(problem, "this is no token: expected three parts in base64url between dots");
    if (strlen(parts.header) > HEADER_BYTES_MAX || !(header = json_from_base64url(parts.header)))
        return refuse(problem, "the token's header cannot be read");
    signer = judge_header(trust, header, problem);
    if (!signer)
        return -EACCES;
    if (!signature_good(token, (size_t)(parts.signature - parts.text) - 1, parts.signature, signer))
        return refuse(problem, "the token's signature is wrong");
    claims = json_from_base64url(parts.payload);
    if (!claims)
        return refuse(problem, "the token's claims cannot be read");
    r = judge_claims(trust, claims, now_ms, problem);
    if (r == 0)
        *ret_claims = TAKE_PTR(claims);
    return r;
}

/* ---- Signing -------------------------------------------------------------------------------- */

static int add_own_claims(const struct trust *trust, json_t *claims, int64_t now_ms)
{
    unsigned char random[JTI_BYTES];
    char jti[2 * JTI_BYTES + 1];

    if (json_object_set_new(claims, "iss", json_string(trust->issuer)) < 0 ||
        json_object_set_new(claims, "iat", json_integer(now_ms / 1000)) < 0)
        return -ENOMEM;
    if (json_object_get(claims, "jti"))
        return 0;
    if (RAND_bytes(random, sizeof(random)) != 1)
        return -EIO;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(jti + 2 * i, 3, "%02x", random[i]);
    return json_object_set_new(claims, "jti", json_string(jti)) < 0 ? -ENOMEM : 0;
}

static void put_base64url(struct buf *buf, const void *data, size_t len)
{
    size_t padded = (len + 2) / 3 * 4;
    _cleanup_free_
    char *text = malloc(padded + 1);

    if (!text) {
        buf->error = -ENOMEM;
        return;
    }
    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    for (size_t i = 0; i < padded; i++)
        text[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    buf_append(buf, text, padded - (3 - len % 3) % 3);
}

static int sign_bytes(const struct signer *signer, const struct buf *text,
                      unsigned char ret[SIGNATURE_BYTES])
{
    _cleanup_md_ctx_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    _cleanup_ecdsa_ ECDSA_SIG *ecdsa = NULL;
    unsigned char der[DER_BYTES_MAX];
    const unsigned char *at = der;
    size_t len = sizeof(der);

    if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, signer->key) != 1 ||
        EVP_DigestSign(ctx, der, &len, (const unsigned char *)text->data, text->len) != 1)
        return -EIO;
    ecdsa = d2i_ECDSA_SIG(NULL, &at, (long)len);
    if (!ecdsa ||
        BN_bn2binpad(ECDSA_SIG_get0_r(ecdsa), ret, SIGNATURE_BYTES / 2) != SIGNATURE_BYTES / 2 ||
        BN_bn2binpad(ECDSA_SIG_get0_s(ecdsa), ret + SIGNATURE_BYTES / 2, SIGNATURE_BYTES / 2) !=
            SIGNATURE_BYTES / 2)
        return -EIO;
    return 0;
}

static int sign(struct trust *trust, const json_t *claims, int64_t now_ms, size_t max, char **ret)
{
    _cleanup_json_ json_t *all = json_copy((json_t *)claims);
    _cleanup_buf_ struct buf token = BUF_INIT(max);
    _cleanup_free_
    char *text = NULL;
    unsigned char signature[SIGNATURE_BYTES];
    char header[128];
    int r;

    assert(trust);
    assert(json_is_object(claims));
    assert(ret);

    if (!all)
        return -ENOMEM;
    r = add_own_claims(trust, all, now_ms);
    if (r < 0)
        return r;
    text = json_dumps(all, JSON_COMPACT);
    if (!text)
        return -ENOMEM;
    snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
             trust->present->kid);
    put_base64url(&token, header, strlen(header));
    buf_puts(&token, ".");
    put_base64url(&token, text, strlen(text));
    if (!token.error)
        r = sign_bytes(trust->present, &token, signature);
    buf_puts(&token, ".");
    put_base64url(&token, signature, sizeof(signature));
    if (r == 0 && token.error)
        r = token.error == -ENOSPC ? -EMSGSIZE : token.error;
    if (r < 0)
        return r;
    *ret = buf_steal(&token);
    return *ret ? 0 : -ENOMEM;
}

int trust_token_sign(struct trust *trust, const json_t *claims, int64_t now_ms, char **ret)
{
    return sign(trust, claims, now_ms, TRUST_TOKEN_BYTES_MAX, ret);
}

int trust_document_sign(struct trust *trust, const json_t *claims, int64_t now_ms, char **ret)
{
    return sign(trust, claims, now_ms, TRUST_DOCUMENT_BYTES_MAX, ret);
}
