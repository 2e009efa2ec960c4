/* SPDX-License-Identifier: Apache-2.0 */
#include "console/trust_internal.h"

#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

/*
 * "sealed:1:" and base64 of nonce ‖ ciphertext ‖ tag: AES-256-GCM (NIST SP 800-38D, a random nonce
 * of 96 bits) under HKDF-SHA256 (RFC 5869) of the CA's private key, which is the one secret that
 * all Consoles of a database have. The context is authenticated with it.
 */

#define INFO "bulkhead sealed secrets 1"
#define KEY_BYTES 32
#define SCALAR_BYTES 32 /* of a P-256 key */
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define TEXT_BYTES_MAX 4096

TRUST_CLEANUP(seal_cipher_free, EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
TRUST_CLEANUP(seal_pkey_ctx_free, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
TRUST_CLEANUP(seal_bn_free, BIGNUM, BN_clear_free)
#define _cleanup_cipher_ _cleanup_(seal_cipher_free)

static int derive(const struct trust *trust, uint8_t ret[KEY_BYTES])
{
    _cleanup_(seal_bn_free) BIGNUM *scalar = NULL;
    _cleanup_(seal_pkey_ctx_free) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
    uint8_t bytes[SCALAR_BYTES];
    size_t len = KEY_BYTES;
    bool done;

    if (!context || EVP_PKEY_get_bn_param(trust->ca_key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) != 1 ||
        BN_bn2binpad(scalar, bytes, sizeof(bytes)) != SCALAR_BYTES)
        return -EIO;
    done =
        EVP_PKEY_derive_init(context) == 1 &&
        EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1 &&
        EVP_PKEY_CTX_set1_hkdf_key(context, bytes, sizeof(bytes)) == 1 &&
        EVP_PKEY_CTX_add1_hkdf_info(context, (const unsigned char *)INFO, sizeof(INFO) - 1) == 1 &&
        EVP_PKEY_derive(context, ret, &len) == 1 && len == KEY_BYTES;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return done ? 0 : -EIO;
}

/* nonce ‖ ciphertext ‖ tag into `out`, which has room for it. */
static int encrypt(const uint8_t key[KEY_BYTES], const char *context, const char *text,
                   uint8_t *out)
{
    _cleanup_cipher_ EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int len = (int)strlen(text), n = 0, rest = 0;
    bool done =
        cipher && RAND_bytes(out, NONCE_BYTES) == 1 &&
        EVP_EncryptInit_ex2(cipher, EVP_aes_256_gcm(), key, out, NULL) == 1 &&
        EVP_EncryptUpdate(cipher, NULL, &n, (const unsigned char *)context, (int)strlen(context)) ==
            1 &&
        EVP_EncryptUpdate(cipher, out + NONCE_BYTES, &n, (const unsigned char *)text, len) == 1 &&
        EVP_EncryptFinal_ex(cipher, out + NONCE_BYTES + n, &rest) == 1 && n + rest == len &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + NONCE_BYTES + len) == 1;

    return done ? 0 : -EIO;
}

static int decrypt(const uint8_t key[KEY_BYTES], const char *context, uint8_t *in, int len,
                   char *text)
{
    _cleanup_cipher_ EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int text_len = len - NONCE_BYTES - TAG_BYTES, n = 0, rest = 0;
    bool done =
        cipher && EVP_DecryptInit_ex2(cipher, EVP_aes_256_gcm(), key, in, NULL) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, in + len - TAG_BYTES) == 1 &&
        EVP_DecryptUpdate(cipher, NULL, &n, (const unsigned char *)context, (int)strlen(context)) ==
            1 &&
        EVP_DecryptUpdate(cipher, (unsigned char *)text, &n, in + NONCE_BYTES, text_len) == 1 &&
        EVP_DecryptFinal_ex(cipher, (unsigned char *)text + n, &rest) == 1 && n + rest == text_len;

    text[done ? text_len : 0] = '\0';
    return done ? 0 : -EACCES;
}

bool trust_is_sealed(const char *text)
{
    return strncmp(text, TRUST_SEALED, strlen(TRUST_SEALED)) == 0;
}

int trust_seal(const struct trust *trust, const char *context, const char *text, char **ret)
{
    uint8_t key[KEY_BYTES];
    size_t len = strlen(text) + NONCE_BYTES + TAG_BYTES;
    _cleanup_free_
    uint8_t *bytes = malloc(len);
    char *sealed = malloc(strlen(TRUST_SEALED) + (len + 2) / 3 * 4 + 1);
    int r = strlen(text) > TEXT_BYTES_MAX ? -EMSGSIZE : bytes && sealed ? 0 : -ENOMEM;

    assert(trust && context && ret);

    if (r == 0)
        r = derive(trust, key);
    if (r == 0)
        r = encrypt(key, context, text, bytes);
    OPENSSL_cleanse(key, sizeof(key));
    if (r < 0) {
        free(sealed);
        return r;
    }
    memcpy(sealed, TRUST_SEALED, strlen(TRUST_SEALED));
    EVP_EncodeBlock((unsigned char *)sealed + strlen(TRUST_SEALED), bytes, (int)len);
    *ret = sealed;
    return 0;
}

int trust_unseal(const struct trust *trust, const char *context, const char *sealed, char **ret)
{
    uint8_t key[KEY_BYTES];
    const char *base64 = sealed + strlen(TRUST_SEALED);
    size_t size = strlen(sealed);
    _cleanup_free_
    uint8_t *bytes = malloc(size + 1);
    char *text = malloc(size + 1);
    int len = -1, r = bytes && text ? 0 : -ENOMEM;

    assert(trust && context && ret);

    if (r == 0 && trust_is_sealed(sealed) && strlen(base64) <= TEXT_BYTES_MAX * 2)
        len = EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)strlen(base64));
    for (size_t i = strlen(base64); len > 0 && i > 0 && base64[i - 1] == '='; i--)
        len--;
    if (r == 0 && len < NONCE_BYTES + TAG_BYTES)
        r = -EACCES;
    if (r == 0)
        r = derive(trust, key);
    if (r == 0)
        r = decrypt(key, context, bytes, len, text);
    OPENSSL_cleanse(key, sizeof(key));
    if (r < 0) {
        free(text);
        return r;
    }
    *ret = text;
    return 0;
}
