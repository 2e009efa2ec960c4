/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust_internal.h"

#include <errno.h>
#include <string.h>

#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

/*
 * Tokens: RFC 7515, 7519, the advice of RFC 8725. libjwt 1.10 checks with whatever algorithm the
 * token itself names, so a token decides how it is checked: "none" passes when no key is given, and
 * HS256 takes the text of a public key as its secret. Therefore the header is read and judged here,
 * before libjwt sees the token; it gets only ES256 with a key of ours, and is asked for nothing but
 * the signature. The claims are read from the very bytes that were signed.
 */

#define HEADER_BYTES_MAX 1024
#define JTI_BYTES 16

struct parts {
    char *text; /* owned; the dots are NUL */
    char *header, *payload, *signature;
};

static void parts_clear(struct parts *parts)
{
    free(parts->text);
}

static void jwt_pointer_free(jwt_t **jwt)
{
    if (*jwt)
        jwt_free(*jwt);
    *jwt = NULL;
}

static void json_pointer_free(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

#define _cleanup_jwt_ _cleanup_(jwt_pointer_free)
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

/* RFC 4648 5 without padding; `text` was checked by is_base64url(). New reference or NULL. */
static json_t *json_from_base64url(const char *text)
{
    size_t len = strlen(text), padded = (len + 3) / 4 * 4;
    _cleanup_free_
    char *standard = malloc(padded + 1);
    _cleanup_free_
    unsigned char *bytes = malloc(padded / 4 * 3 + 1);
    json_t *json;
    int n;

    if (!standard || !bytes)
        return NULL;
    memset(standard, '=', padded);
    standard[padded] = '\0';
    for (size_t i = 0; i < len; i++)
        standard[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    n = EVP_DecodeBlock(bytes, (const unsigned char *)standard, (int)padded);
    if (n < 0 || (size_t)n < padded - len)
        return NULL;
    json =
        json_loadb((const char *)bytes, (size_t)n - (padded - len), JSON_REJECT_DUPLICATES, NULL);
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

static bool signature_good(const char *token, const struct signer *signer)
{
    _cleanup_jwt_ jwt_t *jwt = NULL;

    return jwt_decode(&jwt, token, (const unsigned char *)signer->public_pem,
                      (int)strlen(signer->public_pem)) == 0 &&
           jwt && jwt_get_alg(jwt) == JWT_ALG_ES256;
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
    if (!signature_good(token, signer))
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

int trust_token_sign(struct trust *trust, const json_t *claims, int64_t now_ms, char **ret)
{
    _cleanup_jwt_ jwt_t *jwt = NULL;
    _cleanup_json_ json_t *all = json_copy((json_t *)claims);
    _cleanup_free_
    char *text = NULL, *token = NULL;
    const struct signer *signer;
    int r;

    assert(trust);
    assert(json_is_object(claims));
    assert(ret);

    if (!all)
        return -ENOMEM;
    signer = trust->present;
    r = add_own_claims(trust, all, now_ms);
    if (r < 0)
        return r;
    text = json_dumps(all, JSON_COMPACT);
    if (!text || jwt_new(&jwt) != 0)
        return -ENOMEM;
    if (jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)signer->private_pem,
                    (int)strlen(signer->private_pem)) != 0 ||
        jwt_add_header(jwt, "kid", signer->kid) != 0 || jwt_add_grants_json(jwt, text) != 0)
        return -EIO;
    token = jwt_encode_str(jwt);
    if (!token)
        return -EIO;
    if (strlen(token) > TRUST_TOKEN_BYTES_MAX)
        return -EMSGSIZE;
    *ret = TAKE_PTR(token);
    return 0;
}
