/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The backup file (docs/formats/database.md): JSON lines; the first says how many of what follow,
 * the last how many there were and their SHA-256.
 */

#include <openssl/evp.h>
#include <stdio.h>

#include "store/store_internal.h"

#define BACKUP_VERSION 1
#define BACKUP_LINE_BYTES_MAX (6u * STORE_BODY_BYTES_MAX + 65536) /* every byte as \u00xx */

static inline void backup_digest_free(EVP_MD_CTX **digest)
{
    EVP_MD_CTX_free(*digest);
    *digest = NULL;
}

struct backup_header {
    uint64_t revision, settings, objects, log;
    int64_t created_ms;
};

struct backup_visitor {
    int (*header)(void *context, const struct backup_header *header);
    int (*setting)(void *context, const struct store_pair *setting);
    store_visit_fn *object; /* strings live until it returns */
    store_visit_fn *log;
    /* Everything was there and is whole. NULL: nothing to do. */
    int (*end)(void *context);
};

/*
 * @param problem what is wrong, with the number of the line
 * @return 0; -EINVAL damaged, cut off or of a newer version; -EIO; -ENOMEM; what a member returned
 */
int backup_read(FILE *file, const struct backup_visitor *visitor, void *context,
                struct buf *problem);
