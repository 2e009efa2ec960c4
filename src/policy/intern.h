/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Byte strings to dense numbers 0, 1, 2 … in order of first appearance: tags, tag sets, rule lists,
 * verdicts, class fingerprints. Open addressing with the hashes beside, so that a compilation of
 * 10,000 identities does not spend its time in malloc. Internal to src/policy.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define INTERN_ITEMS_MAX 0x3fffffffu
#define INTERN_NONE UINT32_MAX

struct intern_item {
    uint64_t hash;
    size_t offset;
    uint32_t len;
};

/* Zero-initialised: empty. */
struct intern {
    uint32_t *slots; /* number + 1, 0 is free */
    size_t n_slots, slots_size;
    struct intern_item *items;
    size_t n, items_size;
    uint8_t *data; /* keys, each aligned to 8 bytes */
    size_t data_len, data_size;
};

/* @return 0 (ret_new says whether it was added), -ENOMEM, -BULKHEAD_ETOOMANY */
int intern_add(struct intern *intern, const void *key, size_t len, uint32_t *ret_id, bool *ret_new);
/* INTERN_NONE when it is not there */
uint32_t intern_find(const struct intern *intern, const void *key, size_t len);
/* Valid until the next intern_add. */
const void *intern_get(const struct intern *intern, uint32_t id, size_t *ret_len);
void intern_clear(struct intern *intern); /* keeps the memory */
void intern_free(struct intern *intern);
#define _cleanup_intern_ _cleanup_(intern_free)
