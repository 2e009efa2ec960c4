/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Documents that a Console signs (ES256): which tags an identity number stands for, and which keys,
 * addresses and identities a host has. Read and verified here; pure but for the arithmetic.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/macros.h"
#include "model/model.h"

#define DOCUMENT_BYTES_MAX (768u << 10) /* an entry */
#define DOCUMENT_SIGNERS_MAX 256
#define DOCUMENT_KEYS_MAX 2
#define DOCUMENT_ADDRESSES_MAX 256
#define DOCUMENT_IDENTITIES_MAX 65536
#define DOCUMENT_KEY_BYTES 32 /* X25519 */

enum document_kind { DOCUMENT_IDENTITY, DOCUMENT_HOST };

struct document_claims {
    uint32_t references;
    enum document_kind kind;
    uint32_t id; /* identity number, or number of the Enforcer */
    int64_t expires_s;
    /* identity */
    char *namespace;
    struct tag_set tags;
    /* host: keys in use, newest first */
    struct {
        uint16_t epoch;
        uint8_t key[DOCUMENT_KEY_BYTES];
    } keys[DOCUMENT_KEYS_MAX];
    size_t n_keys;
    struct ip_prefix *addresses;
    size_t n_addresses;
    uint32_t *identities;
    size_t n_identities;
};

struct document_claims *document_claims_ref(struct document_claims *claims);
void document_claims_unref(struct document_claims **claims);
#define _cleanup_document_claims_ _cleanup_(document_claims_unref)

/* Whose signatures count: the body of the entry t:. */
struct document_signers {
    struct document_signer {
        char *kid, *pem;
    } * items;
    size_t n;
    char *certificates; /* PEM of the CA */
};
/* @return 0, -ENOMEM, -EINVAL */
int document_signers_read(const char *body, size_t len, struct document_signers *ret);
void document_signers_clear(struct document_signers *signers);
#define _cleanup_document_signers_ _cleanup_(document_signers_clear)

/*
 * @param id       the number that its entry has in its key
 * @param signers  NULL: its signature and its end were checked before
 * @param problem  what is wrong with it
 * @return 0, -EACCES, -ENOMEM
 */
int document_read(enum document_kind kind, uint32_t id, const char *token,
                  const struct document_signers *signers, int64_t now_s, struct buf *problem,
                  struct document_claims **ret);
