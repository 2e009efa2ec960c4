/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the Console gave this Enforcer: entries by key, and their digest (link.h). Documents (i:,
 * h:) keep what their verified claims say beside the text; whoever uses that holds a reference.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "base/macros.h"
#include "enforcer/documents.h"
#include "link/link.h"

#define ENTRIES_MAX (1u << 20)
#define ENTRIES_BYTES_MAX ((size_t)1 << 30)

struct entry {
    char *key;
    uint64_t version;
    char *body; /* NUL-terminated */
    size_t len;
    struct document_claims *claims; /* NULL: not looked at, or refused */
    bool refused;                   /* looked at: no good */
    bool believed;                  /* from our own authenticated cache: signature was checked */
    UT_hash_handle hh;
};

struct entries {
    struct entry *table;
    struct link_digest digest;
    size_t n, bytes;
};

/* A NULL body removes. @return 0, -ENOMEM, -BULKHEAD_ETOOMANY */
int entries_put(struct entries *entries, const struct link_entry *entry);
const struct entry *entries_find(const struct entries *entries, const char *key);
void entries_clear(struct entries *entries);
/* What we have, for the Console; keys stay ours. Array of entries->n, owned by the caller. */
int entries_inventory(const struct entries *entries, struct link_entry **ret);
/* Sorted by key; array of entries->n, owned by the caller. */
int entries_sorted(const struct entries *entries, struct entry ***ret);
#define _cleanup_entries_ _cleanup_(entries_clear)
