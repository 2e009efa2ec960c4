/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The TLS key of this host and what a certificate says. OpenSSL underneath. */

#include <stdint.h>

#define PKI_DERIVED_BYTES 32

/* A new P-256 key in PEM; owned by the caller, who wipes it. 0, -EIO */
int pki_key_new(char **ret_pem);
/* A certificate request for the key in PEM; its subject is decided by the Console. 0, -EIO */
int pki_request_new(const char *key_pem, const char *common_name, char **ret_pem);
/* When a certificate begins and ends, and whether it belongs to the key. 0, -EINVAL */
int pki_certificate_read(const char *certificate_pem, const char *key_pem,
                         int64_t *ret_not_before_s, int64_t *ret_not_after_s);
/* A secret for one purpose out of the private key: HKDF-SHA256 (RFC 5869), no salt. 0, -EIO */
int pki_derive(const char *key_pem, const char *purpose, uint8_t ret[PKI_DERIVED_BYTES]);
