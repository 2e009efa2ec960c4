/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/documents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <jwt.h>
#include <openssl/evp.h>

/*
 * libjwt 1.10 checks with the algorithm that the token names. So the header is judged here first,
 * libjwt gets nothing but ES256 and a key of the Console, and the claims are read from the bytes
 * that were signed. API tokens have the same signers: they have a claim "use" and are refused.
 */

#define HEADER_BYTES_MAX 1024
#define SIGNATURE_TEXT_MAX 128

struct document_claims *document_claims_ref(struct document_claims *claims)
{
    claims->references++;
    return claims;
}

void document_claims_unref(struct document_claims **at)
{
    struct document_claims *claims = *at;

    *at = NULL;
    if (!claims || --claims->references > 0)
        return;
    free(claims->namespace);
    tag_set_clear(&claims->tags);
    free(claims->addresses);
    free(claims->identities);
    free(claims);
}

static void json_unref(json_t **json)
{
    json_decref(*json);
}

static void jwt_unref(jwt_t **jwt)
{
    if (*jwt)
        jwt_free(*jwt);
}

#define _cleanup_json_ _cleanup_(json_unref)
#define _cleanup_jwt_ _cleanup_(jwt_unref)

/* ---- Signers --------------------------------------------------------------------------------- */

void document_signers_clear(struct document_signers *signers)
{
    for (size_t i = 0; i < signers->n; i++) {
        free(signers->items[i].kid);
        free(signers->items[i].pem);
    }
    free(signers->items);
    free(signers->certificates);
    *signers = (struct document_signers){0};
}

static int add_signer(struct document_signers *signers, const json_t *item)
{
    const char *kid = json_string_value(json_object_get(item, "kid"));
    const char *pem = json_string_value(json_object_get(item, "key"));
    struct document_signer *at = &signers->items[signers->n];

    if (!kid || !pem)
        return -EINVAL;
    signers->n++;
    at->kid = strdup(kid);
    at->pem = strdup(pem);
    return at->kid && at->pem ? 0 : -ENOMEM;
}

int document_signers_read(const char *body, size_t len, struct document_signers *ret)
{
    _cleanup_document_signers_ struct document_signers signers = {0};
    _cleanup_json_ json_t *json = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *list = json_object_get(json, "signers");
    const char *certificates = json_string_value(json_object_get(json, "certificates"));
    size_t n = json_array_size(list);
    int r = 0;

    if (!certificates || n == 0 || n > DOCUMENT_SIGNERS_MAX)
        return -EINVAL;
    signers.items = calloc(n, sizeof(*signers.items));
    signers.certificates = strdup(certificates);
    if (!signers.items || !signers.certificates)
        return -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_signer(&signers, json_array_get(list, i));
    if (r < 0)
        return r;
    *ret = signers;
    signers = (struct document_signers){0};
    return 0;
}

/* ---- Signature -------------------------------------------------------------------------------
 */

static int refuse(struct buf *problem, const char *why)
{
    buf_puts(problem, why);
    return -EACCES;
}

/* RFC 4648 5 without padding. New reference or NULL. */
static json_t *json_from_base64url(const char *text, size_t len)
{
    size_t padded = (len + 3) / 4 * 4;
    _cleanup_free_
    char *standard = malloc(padded + 1);
    _cleanup_free_
    unsigned char *bytes = malloc(padded / 4 * 3 + 1);
    json_t *json;
    int n;

    if (!standard || !bytes || len == 0 || len % 4 == 1 || len > DOCUMENT_BYTES_MAX)
        return NULL;
    memset(standard, '=', padded);
    standard[padded] = '\0';
    for (size_t i = 0; i < len; i++)
        standard[i] = (char)(text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
    if (memchr(text, '=', len) || memchr(text, '+', len) || memchr(text, '/', len))
        return NULL;
    n = EVP_DecodeBlock(bytes, (const unsigned char *)standard, (int)padded);
    if (n < 0 || (size_t)n < padded - len)
        return NULL;
    json =
        json_loadb((const char *)bytes, (size_t)n - (padded - len), JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static const struct document_signer *find_signer(const struct document_signers *signers,
                                                 const char *kid)
{
    for (size_t i = 0; kid && i < signers->n; i++)
        if (strcmp(signers->items[i].kid, kid) == 0)
            return &signers->items[i];
    return NULL;
}

static int check_signature(const char *token, size_t header_len,
                           const struct document_signers *signers, struct buf *problem)
{
    _cleanup_json_ json_t *header = NULL;
    _cleanup_jwt_ jwt_t *jwt = NULL;
    const struct document_signer *signer;
    const char *alg;

    if (header_len > HEADER_BYTES_MAX || !(header = json_from_base64url(token, header_len)))
        return refuse(problem, "its header cannot be read");
    alg = json_string_value(json_object_get(header, "alg"));
    if (!alg || strcmp(alg, "ES256") != 0)
        return refuse(problem, "its algorithm is not ES256");
    if (json_object_get(header, "crit"))
        return refuse(problem, "it wants extensions that are not known here");
    signer = find_signer(signers, json_string_value(json_object_get(header, "kid")));
    if (!signer)
        return refuse(problem, "it is signed by a key that the Console does not vouch for");
    if (jwt_decode(&jwt, token, (const unsigned char *)signer->pem, (int)strlen(signer->pem)) !=
            0 ||
        !jwt || jwt_get_alg(jwt) != JWT_ALG_ES256)
        return refuse(problem, "its signature is wrong");
    return 0;
}

/* ---- Claims ----------------------------------------------------------------------------------
 */

static int read_identity(const json_t *json, struct document_claims *claims)
{
    const char *namespace = json_string_value(json_object_get(json, "ns"));
    const json_t *tags = json_object_get(json, "tags");

    if (!namespace || namespace_problem(namespace) || !json_is_array(tags))
        return -EINVAL;
    claims->namespace = strdup(namespace);
    return claims->namespace ? tag_set_add_list(&claims->tags, tags) : -ENOMEM;
}

static int read_key(const json_t *item, struct document_claims *claims)
{
    const json_t *epoch = json_object_get(item, "epoch");
    const char *text = json_string_value(json_object_get(item, "key"));
    unsigned char bytes[DOCUMENT_KEY_BYTES + 4];
    json_int_t number = json_integer_value(epoch);

    /* 32 bytes in base64: 44 characters, one of them padding */
    if (!json_is_integer(epoch) || number < 0 || number > UINT16_MAX || !text ||
        strlen(text) != 44 || EVP_DecodeBlock(bytes, (const unsigned char *)text, 44) != 33)
        return -EINVAL;
    claims->keys[claims->n_keys].epoch = (uint16_t)number;
    memcpy(claims->keys[claims->n_keys++].key, bytes, DOCUMENT_KEY_BYTES);
    return 0;
}

static int read_addresses(const json_t *list, struct document_claims *claims)
{
    size_t n = json_array_size(list);

    if (n > DOCUMENT_ADDRESSES_MAX)
        return -EINVAL;
    claims->addresses = calloc(n + 1, sizeof(*claims->addresses));
    if (!claims->addresses)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        /* what cannot be used is of no harm: they only say where an option got lost */
        if (text && ip_prefix_parse(text, &claims->addresses[claims->n_addresses]) == 0)
            claims->n_addresses++;
    }
    return 0;
}

static bool is_number(const json_t *json)
{
    return json_is_integer(json) && json_integer_value(json) > 0 &&
           json_integer_value(json) <= UINT32_MAX;
}

static int read_host(const json_t *json, struct document_claims *claims)
{
    const json_t *keys = json_object_get(json, "keys");
    const json_t *identities = json_object_get(json, "identities");
    size_t n = json_array_size(identities);
    int r = read_addresses(json_object_get(json, "addresses"), claims);

    if (json_array_size(keys) > DOCUMENT_KEYS_MAX || n > DOCUMENT_IDENTITIES_MAX)
        return -EINVAL;
    for (size_t i = 0; i < json_array_size(keys) && r == 0; i++)
        r = read_key(json_array_get(keys, i), claims);
    claims->identities = calloc(n + 1, sizeof(*claims->identities));
    if (r == 0 && !claims->identities)
        r = -ENOMEM;
    for (size_t i = 0; i < n && r == 0; i++) {
        const json_t *item = json_array_get(identities, i);

        if (!is_number(item))
            return -EINVAL;
        claims->identities[claims->n_identities++] = (uint32_t)json_integer_value(item);
    }
    return r;
}

static int read_claims(enum document_kind kind, uint32_t id, const json_t *json,
                       struct buf *problem, struct document_claims **ret)
{
    _cleanup_document_claims_ struct document_claims *claims = calloc(1, sizeof(*claims));
    const json_t *number = json_object_get(json, "id");
    int r;

    if (!claims)
        return -ENOMEM;
    claims->references = 1;
    claims->kind = kind;
    claims->id = id;
    claims->expires_s = json_integer_value(json_object_get(json, "exp"));
    if (!is_number(number) || json_integer_value(number) != id)
        return refuse(problem, "it is for another number than its entry");
    if (json_object_get(json, "use"))
        return refuse(problem, "it is a token for something else");
    r = kind == DOCUMENT_IDENTITY ? read_identity(json, claims) : read_host(json, claims);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return refuse(problem, "its claims are not those of such a document");
    *ret = TAKE_PTR(claims);
    return 0;
}

int document_read(enum document_kind kind, uint32_t id, const char *token,
                  const struct document_signers *signers, int64_t now_s, struct buf *problem,
                  struct document_claims **ret)
{
    _cleanup_document_claims_ struct document_claims *claims = NULL;
    _cleanup_json_ json_t *json = NULL;
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    int r;

    if (!second || strchr(second + 1, '.') || strlen(second + 1) > SIGNATURE_TEXT_MAX)
        return refuse(problem, "it is no signed document");
    if (signers) {
        r = check_signature(token, (size_t)(first - token), signers, problem);
        if (r < 0)
            return r;
    }
    json = json_from_base64url(first + 1, (size_t)(second - first - 1));
    if (!json)
        return refuse(problem, "its claims cannot be read");
    r = read_claims(kind, id, json, problem, &claims);
    if (r < 0)
        return r;
    if (signers && claims->expires_s <= now_s)
        return refuse(problem, "it has expired; compare the clocks of host and Console");
    *ret = TAKE_PTR(claims);
    return 0;
}
