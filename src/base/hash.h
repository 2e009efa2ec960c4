/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

/* SHA-256 (FIPS 180-4) by OpenSSL EVP. 0 or -EIO when the library refuses. */
int hash_sha256(const void *data, size_t len, uint8_t ret_digest[SHA256_BYTES]);
