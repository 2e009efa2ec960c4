/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "link/link.h"

static uint64_t first_bytes(const uint8_t digest[SHA256_BYTES])
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | digest[i];
    return value;
}

uint64_t link_version(const void *body, size_t len)
{
    uint8_t digest[SHA256_BYTES];
    int r = hash_sha256(body, len, digest);

    assert(r == 0); /* only without a crypto library */
    return first_bytes(digest);
}

void link_digest_toggle(struct link_digest *digest, const char *key, uint64_t version)
{
    uint8_t text[LINK_KEY_MAX + 1 + 8], hash[SHA256_BYTES];
    size_t len = strlen(key);
    int r;

    assert(len <= LINK_KEY_MAX);
    memcpy(text, key, len + 1);
    for (int i = 0; i < 8; i++)
        text[len + 1 + i] = (uint8_t)(version >> (56 - 8 * i));
    r = hash_sha256(text, len + 1 + 8, hash);
    assert(r == 0);
    for (size_t i = 0; i < LINK_DIGEST_BYTES; i++)
        digest->bytes[i] ^= hash[i];
}
