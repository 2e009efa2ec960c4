/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The entry set on disk, for the time before the network and for an outage of any length.
 *
 *   "bulkhead entries 1\n"   magic with the version
 *   revision (8)  number (4)  count (4)
 *   count × { key length (2) key, version (8), body length (4) body }
 *   HMAC-SHA256 (32) over all before, with a key derived from the Enforcer's private TLS key
 *
 * Integers are big endian. Pure: buffers in and out.
 */

#include "enforcer/entries.h"

#define CACHE_FILE "console-entries"
#define CACHE_BYTES_MAX (ENTRIES_BYTES_MAX + ((size_t)ENTRIES_MAX << 7))
#define CACHE_KEY_BYTES 32
#define CACHE_PURPOSE "bulkhead entries on disk 1"

/* @return 0, -ENOMEM, -EIO */
int cache_encode(const struct entries *entries, uint64_t revision, uint32_t number,
                 const uint8_t key[CACHE_KEY_BYTES], struct buf *out);
/*
 * @return 0; -ESTALE: another version of the format, or of another registration; -EBADMSG: the MAC
 * is wrong, or what it covers makes no sense; -ENOMEM
 */
int cache_decode(const void *data, size_t len, uint32_t number, const uint8_t key[CACHE_KEY_BYTES],
                 struct entries *ret, uint64_t *ret_revision);
