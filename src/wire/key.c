/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/macros.h"

/*
 * The key schedule, OpenSSL EVP only. Nothing is kept between calls; what is secret is wiped before
 * its memory is given back. Results go to the caller's memory at the end, never half of one.
 */

static const char label[] = "bulkhead pair key 1";

#define LABEL_BYTES (sizeof(label) - 1)
#define INFO_BYTES (LABEL_BYTES + 4 + 4 + 2 + 2)

static void pkey_free(EVP_PKEY **pkey)
{
    EVP_PKEY_free(*pkey);
    *pkey = NULL;
}

static void pkey_ctx_free(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
    *ctx = NULL;
}

static void kdf_free(EVP_KDF **kdf)
{
    EVP_KDF_free(*kdf);
    *kdf = NULL;
}

static void kdf_ctx_free(EVP_KDF_CTX **ctx)
{
    EVP_KDF_CTX_free(*ctx);
    *ctx = NULL;
}

#define _cleanup_pkey_ _cleanup_(pkey_free)
#define _cleanup_pkey_ctx_ _cleanup_(pkey_ctx_free)
#define _cleanup_kdf_ _cleanup_(kdf_free)
#define _cleanup_kdf_ctx_ _cleanup_(kdf_ctx_free)

int wire_keypair_new(uint8_t ret_private[WIRE_KEY_BYTES], uint8_t ret_public[WIRE_KEY_BYTES])
{
    _cleanup_pkey_ EVP_PKEY *pkey = NULL;
    uint8_t private_key[WIRE_KEY_BYTES], public_key[WIRE_KEY_BYTES];
    size_t private_len = sizeof(private_key), public_len = sizeof(public_key);
    int r = -EIO;

    assert(ret_private);
    assert(ret_public);

    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    if (pkey && EVP_PKEY_get_raw_private_key(pkey, private_key, &private_len) == 1 &&
        EVP_PKEY_get_raw_public_key(pkey, public_key, &public_len) == 1) {
        memcpy(ret_private, private_key, sizeof(private_key));
        memcpy(ret_public, public_key, sizeof(public_key));
        r = 0;
    }
    OPENSSL_cleanse(private_key, sizeof(private_key));
    return r;
}

int wire_public_key(const uint8_t private_key[WIRE_KEY_BYTES], uint8_t ret_public[WIRE_KEY_BYTES])
{
    _cleanup_pkey_ EVP_PKEY *pkey = NULL;
    uint8_t public_key[WIRE_KEY_BYTES];
    size_t public_len = sizeof(public_key);

    assert(private_key);
    assert(ret_public);

    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, WIRE_KEY_BYTES);
    if (!pkey || EVP_PKEY_get_raw_public_key(pkey, public_key, &public_len) != 1)
        return -EIO;

    memcpy(ret_public, public_key, sizeof(public_key));
    return 0;
}

/*
 * X25519 (RFC 7748, 6.1).
 * @return 0; -EINVAL: the shared secret would be zero, the peer's key is a point of small order;
 * -EIO
 */
static int shared_secret(const uint8_t private_key[WIRE_KEY_BYTES],
                         const uint8_t peer_public[WIRE_KEY_BYTES],
                         uint8_t ret_secret[WIRE_KEY_BYTES])
{
    static const uint8_t zero[WIRE_KEY_BYTES];
    _cleanup_pkey_ EVP_PKEY *own = NULL, *peer = NULL;
    _cleanup_pkey_ctx_ EVP_PKEY_CTX *ctx = NULL;
    size_t len = WIRE_KEY_BYTES;

    own = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, private_key, WIRE_KEY_BYTES);
    peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer_public, WIRE_KEY_BYTES);
    if (!own || !peer)
        return -EIO;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1)
        return -EIO;

    /* With both keys set, OpenSSL refuses nothing here but the zero result; looked at again all the
     * same, so that the promise does not hang on the library's version. */
    if (EVP_PKEY_derive(ctx, ret_secret, &len) != 1 || len != WIRE_KEY_BYTES ||
        CRYPTO_memcmp(ret_secret, zero, sizeof(zero)) == 0)
        return -EINVAL;
    return 0;
}

static void info_fill(uint32_t own_id, uint16_t own_epoch, uint32_t peer_id, uint16_t peer_epoch,
                      uint8_t ret_info[INFO_BYTES])
{
    /* Lower id first. With one's own id at both ends the lower epoch goes first, so that the
     * current and the previous key of one enforcer agree, too. */
    bool own_first = own_id < peer_id || (own_id == peer_id && own_epoch <= peer_epoch);
    const uint32_t id[2] = {own_first ? own_id : peer_id, own_first ? peer_id : own_id};
    const uint16_t epoch[2] = {own_first ? own_epoch : peer_epoch,
                               own_first ? peer_epoch : own_epoch};
    uint8_t *p = ret_info;

    memcpy(p, label, LABEL_BYTES);
    p += LABEL_BYTES;
    for (int i = 0; i < 2; i++)
        for (int shift = 24; shift >= 0; shift -= 8)
            *p++ = (uint8_t)(id[i] >> shift);
    for (int i = 0; i < 2; i++) {
        *p++ = (uint8_t)(epoch[i] >> 8);
        *p++ = (uint8_t)epoch[i];
    }
    assert(p == ret_info + INFO_BYTES);
}

/* HKDF-SHA256 without salt (RFC 5869, 2.2 and 2.3). 0 or -EIO. */
static int hkdf(const uint8_t secret[WIRE_KEY_BYTES], const uint8_t info[INFO_BYTES],
                uint8_t ret_key[WIRE_PAIR_KEY_BYTES])
{
    _cleanup_kdf_ EVP_KDF *kdf = NULL;
    _cleanup_kdf_ctx_ EVP_KDF_CTX *ctx = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, WIRE_KEY_BYTES),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, INFO_BYTES),
        OSSL_PARAM_construct_end(),
    };

    kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    if (!kdf)
        return -EIO;
    ctx = EVP_KDF_CTX_new(kdf);
    if (!ctx || EVP_KDF_derive(ctx, ret_key, WIRE_PAIR_KEY_BYTES, params) != 1)
        return -EIO;
    return 0;
}

int wire_pair_key(const uint8_t private_key[WIRE_KEY_BYTES], uint32_t own_id, uint16_t own_epoch,
                  const uint8_t peer_public[WIRE_KEY_BYTES], uint32_t peer_id, uint16_t peer_epoch,
                  uint8_t ret_key[WIRE_PAIR_KEY_BYTES])
{
    uint8_t secret[WIRE_KEY_BYTES], key[WIRE_PAIR_KEY_BYTES], info[INFO_BYTES];
    int r;

    assert(private_key);
    assert(peer_public);
    assert(ret_key);

    info_fill(own_id, own_epoch, peer_id, peer_epoch, info);
    r = shared_secret(private_key, peer_public, secret);
    if (r == 0)
        r = hkdf(secret, info, key);
    if (r == 0)
        memcpy(ret_key, key, sizeof(key));
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}
