/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Certificates and tokens; OpenSSL EVP and libjwt underneath, no policy inside (auth.h has that).
 *
 * Files in the data directory, all 0600: ca.crt, ca.key (P-256; several Consoles of one database
 * share them, a Console whose CA is another one refuses to start), server.crt, server.key,
 * signing-KID.key (ES256; the public halves of all Consoles are objects of kind signingkey, so each
 * Console accepts the tokens of the others).
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define TRUST_CA_YEARS 20
#define TRUST_SERVER_DAYS 365
#define TRUST_ENFORCER_DAYS 30
#define TRUST_CREDENTIAL_DAYS 3650
#define TRUST_SIGNING_KEY_DAYS 90 /* then a new one signs; the old one verifies as long again */

struct trust;

/* Makes what is missing. `hosts`: names and addresses for the server certificate. */
int trust_open(const char *data_directory, const char *const *hosts, struct buf *problem,
               struct trust **ret);
void trust_free(struct trust **trust);
const char *trust_ca_pem(const struct trust *trust);
/* Hexadecimal SHA-256 of the CA certificate. */
const char *trust_ca_fingerprint(const struct trust *trust);

enum trust_usage { TRUST_CREDENTIAL, TRUST_ENFORCER };
struct trust_certificate_request {
    enum trust_usage usage;
    const char *csr;          /* PEM; its signature is checked, its subject is not believed */
    const char *common_name;  /* "app:credential:ID:NAME", "enforcer:ID" */
    const char *organization; /* namespace */
    const char *max_validity; /* in an extension; NULL: none */
    int64_t now_ms;
    uint32_t days;
};
/* @return 0; -EINVAL with `problem` (the CSR is no good); PEM owned by the caller */
int trust_certificate_sign(struct trust *trust, const struct trust_certificate_request *request,
                           struct buf *problem, char **ret_pem, uint8_t ret_sha256[32]);
/* What a certificate of ours says. */
struct trust_certificate {
    char *common_name, *organization, *max_validity;
    int64_t not_after_ms;
    uint8_t sha256[32];
};
int trust_certificate_read(struct trust *trust, const char *pem, int64_t now_ms,
                           struct trust_certificate *ret);
void trust_certificate_clear(struct trust_certificate *certificate);

/* Sign claims (an object; iat, iss, kid are added) as ES256 JWT with the present key. Owned by the
 * caller. */
int trust_token_sign(struct trust *trust, const json_t *claims, int64_t now_ms, char **ret);
/*
 * Signature by a known key, algorithm exactly ES256, not expired, not from the future (60 s).
 * @return 0; -EACCES with `problem`: what is wrong with it
 */
int trust_token_verify(struct trust *trust, const char *token, int64_t now_ms, struct buf *problem,
                       json_t **ret_claims);
/* Public halves: own and those of other Consoles. */
int trust_signer_add(struct trust *trust, const char *kid, const char *public_pem);
void trust_signer_remove(struct trust *trust, const char *kid);
const char *trust_signer_kid(const struct trust *trust);
const char *trust_signer_pem(const struct trust *trust);
/* A new signing key when the present one is due; *ret_new says whether. */
int trust_signer_rotate(struct trust *trust, int64_t now_ms, bool *ret_new);
