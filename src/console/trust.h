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
#include "link/link.h"

#define TRUST_CA_YEARS 20
#define TRUST_SERVER_DAYS 365
#define TRUST_ENFORCER_DAYS 30
#define TRUST_CREDENTIAL_DAYS 3650
#define TRUST_SIGNING_KEY_DAYS 90 /* then a new one signs; the old one verifies as long again */
#define TRUST_SIGNERS_MAX 256     /* own and those of other Consoles */
#define TRUST_TOKEN_BYTES_MAX 16384
#define TRUST_DOCUMENT_BYTES_MAX LINK_ENTRY_BYTES_MAX /* of a host with all units: 120 KiB */
#define TRUST_TOKEN_SKEW_S 60

/* Our extensions hang below a UUID of our own (ITU-T X.667), which needs no registration.
 * .1: longest validity of a token issued from the certificate, UTF8String ("1h30m"). */
#define TRUST_OID_ARC "2.25.215724241282924086493913155908231697326"
#define TRUST_OID_MAX_VALIDITY TRUST_OID_ARC ".1"

struct trust;

/*
 * Makes what is missing. Takes the time from the clock; everything else here gets it from the
 * caller.
 *
 * @param hosts  names and addresses for the server certificate, NULL-terminated; NULL: the operator
 *               gave one, make none
 * @param problem  text for the operator: what is wrong and the mend
 * @return 0; -EPERM: others can read a key; -EINVAL: a file is not what it should be; -errno
 */
int trust_open(const char *data_directory, const char *const *hosts, struct buf *problem,
               struct trust **ret);
void trust_free(struct trust **trust);
#define _cleanup_trust_ _cleanup_(trust_free)
const char *trust_ca_pem(const struct trust *trust);
/* Hexadecimal SHA-256 of the CA certificate. */
const char *trust_ca_fingerprint(const struct trust *trust);
/* Its serial number in hexadecimal. */
const char *trust_ca_serial(const struct trust *trust);

/* Paths of server.crt and server.key. */
const char *trust_server_certificate_file(const struct trust *trust);
const char *trust_server_key_file(const struct trust *trust);
/* A new server certificate with the same key when a third of its life is left. */
int trust_server_renew(struct trust *trust, int64_t now_ms, bool *ret_new);

enum trust_usage { TRUST_CREDENTIAL, TRUST_ENFORCER };
struct x509_st; /* OpenSSL's X509 */
struct trust_certificate_request {
    enum trust_usage usage;
    const char *csr;          /* PEM; its signature is checked, its subject is not believed */
    const char *common_name;  /* "app:credential:ID:NAME", "enforcer:ID" */
    const char *organization; /* namespace */
    const char *max_validity; /* in an extension; NULL: none */
    int64_t now_ms;
    uint32_t days;
    uint32_t seconds; /* 0: `days` */
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
/* @return 0; -EINVAL without names; -EACCES not by our CA, or not for clients; -ETIME not valid at
 * this time */
int trust_certificate_check(struct trust *trust, struct x509_st *certificate, int64_t now_ms,
                            struct trust_certificate *ret);
/* The same of PEM; -EINVAL too when it is no certificate. */
int trust_certificate_read(struct trust *trust, const char *pem, int64_t now_ms,
                           struct trust_certificate *ret);
/* SHA-256 over the DER of a PEM certificate, whoever made it; -EINVAL. */
int trust_certificate_fingerprint(const char *pem, uint8_t ret_sha256[32]);
void trust_certificate_clear(struct trust_certificate *certificate);
/* Does a request name the key of a certificate? Its signature is checked when it is signed. */
bool trust_request_is_of(const char *csr, const char *certificate);

/*
 * One kind of token must not pass for another, they all have the same signers: a caller's token
 * (auth.h) has a claim "use": "api", and nothing else may have it.
 */
/* Sign claims (an object; iat, iss, kid are set, and jti at random unless given) as ES256 JWT with
 * the present key. `exp` (seconds) is the caller's to set. -EMSGSIZE:
 * longer than TRUST_TOKEN_BYTES_MAX. Owned by the caller. */
int trust_token_sign(struct trust *trust, const json_t *claims, int64_t now_ms, char **ret);
/* The same for what goes to Enforcers, which no header has to hold; -EMSGSIZE: longer than
 * TRUST_DOCUMENT_BYTES_MAX. */
int trust_document_sign(struct trust *trust, const json_t *claims, int64_t now_ms, char **ret);
/*
 * Signature by a known key, algorithm exactly ES256, issued by an installation with this CA, not
 * expired, not from the future (TRUST_TOKEN_SKEW_S).
 * @return 0; -EACCES with `problem`: what is wrong with it
 */
int trust_token_verify(struct trust *trust, const char *token, int64_t now_ms, struct buf *problem,
                       json_t **ret_claims);
/* Public halves: own and those of other Consoles. -EINVAL: no P-256 key, or not the one that `kid`
 * names; -BULKHEAD_ETOOMANY. Known already: 0. */
int trust_signer_add(struct trust *trust, const char *kid, const char *public_pem);
void trust_signer_remove(struct trust *trust, const char *kid);
/* The i-th of all that verify, the present one of our own among them; false past the end. */
bool trust_signer_at(const struct trust *trust, size_t i, const char **ret_kid,
                     const char **ret_public_pem);
const char *trust_signer_kid(const struct trust *trust); /* the present one */
const char *trust_signer_pem(const struct trust *trust);
/* A new signing key when the present one is due; *ret_new says whether. Also drops own ones whose
 * last token has expired: *ret_dropped (owned by the caller, NULL: none) is the kid of one of them,
 * whose object may go. */
int trust_signer_rotate(struct trust *trust, int64_t now_ms, bool *ret_new, char **ret_dropped);

/*
 * Secrets that have to lie in the database: a copy of it alone does not give them away, whoever has
 * ca.key as well can read them. `context` (the ID of the object) is bound to it, so that one cannot
 * be moved to another object. @return 0; -ENOMEM, -EIO; -EACCES: not sealed by this CA, with this
 * context, or damaged. *ret is owned by the caller, who wipes what was unsealed.
 */
#define TRUST_SEALED "sealed:1:"
bool trust_is_sealed(const char *text);
int trust_seal(const struct trust *trust, const char *context, const char *text, char **ret);
int trust_unseal(const struct trust *trust, const char *context, const char *sealed, char **ret);
