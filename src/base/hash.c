/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/macros.h"

int hash_sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    assert(data || len == 0);
    assert(ret_digest);

    if (!EVP_Digest(data ? data : "", len, digest, &n, EVP_sha256(), NULL) || n != SHA256_BYTES)
        return -EIO;
    memcpy(ret_digest, digest, SHA256_BYTES);
    return 0;
}
