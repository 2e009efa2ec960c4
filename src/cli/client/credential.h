/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credential files (docs/formats/credentials.md): JSON with ID, name, namespace, APIURL,
 * certificate, certificateAuthority, certificateKey (base64 of PEM); or, for the registration of an
 * Enforcer, `token` in place of certificate and key. And keys: made here, only the request travels.
 */

#include <jansson.h>

#include "base/buf.h"
#include "base/macros.h"

#define CREDENTIAL_BYTES_MAX ((size_t)1 << 20)

struct credential {
    char *id, *name, *namespace, *api;   /* NULL: not said */
    char *certificate, *key, *authority; /* PEM; NULL: not said */
    char *token;
};

/* 0; -BULKHEAD_EINVALID_INPUT with `problem`; -errno of reading, with `problem`. */
int credential_read(const char *path, struct buf *problem, struct credential **ret);
int credential_parse(const char *text, size_t len, struct buf *problem, struct credential **ret);
void credential_free(struct credential **credential);
#define _cleanup_credential_ _cleanup_(credential_free)

/*
 * A new P-256 key and a request (PKCS#10) for it with the common name.
 * @return 0, -ENOMEM, -EIO when the library cannot
 */
int credential_key_new(const char *common_name, char **ret_key_pem, char **ret_request_pem);

/* Base64 (RFC 4648, padded); owned by the caller, NULL on ENOMEM or, decoding, on wrong text. */
char *base64_encode(const void *data, size_t len);
char *base64_decode(const char *text, size_t *ret_len); /* NUL-terminated */
/* SHA-256 in hexadecimal; owned by the caller. */
char *sha256_hex(const void *data, size_t len);
