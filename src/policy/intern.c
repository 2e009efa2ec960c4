/* SPDX-License-Identifier: Apache-2.0 */
#include "intern.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "vec.h"

#define SLOTS_MIN 64

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Multiply-fold over 8 bytes at a time. Not keyed: what is interned is configuration, and a bad
 * distribution costs time, never a wrong answer. */
static uint64_t hash_bytes(const uint8_t *data, size_t len)
{
    uint64_t hash = 0x9e3779b97f4a7c15ull ^ len, word;

    for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        hash = mix(hash ^ word, 0xa0761d6478bd642full);
    }
    word = 0;
    if (len > 0)
        memcpy(&word, data, len);
    return mix(hash ^ word, 0xe7037ed1a0b428dbull);
}

/* The slot of the key, or the free one where it belongs. */
static size_t probe(const struct intern *intern, const void *key, size_t len, uint64_t hash)
{
    size_t at = hash & (intern->n_slots - 1);

    for (;; at = (at + 1) & (intern->n_slots - 1)) {
        const struct intern_item *item;

        if (intern->slots[at] == 0)
            return at;
        item = &intern->items[intern->slots[at] - 1];
        if (item->hash == hash && item->len == len &&
            (len == 0 || memcmp(intern->data + item->offset, key, len) == 0))
            return at;
    }
}

static int grow_slots(struct intern *intern)
{
    size_t wanted = MAX(intern->n_slots * 2, (size_t)SLOTS_MIN);
    int r;

    r = vec_reserve(&intern->slots, &intern->slots_size, wanted, sizeof(*intern->slots));
    if (r < 0)
        return r;
    memset(intern->slots, 0, wanted * sizeof(*intern->slots));
    intern->n_slots = wanted;
    for (size_t i = 0; i < intern->n; i++) {
        size_t at = intern->items[i].hash & (wanted - 1);

        while (intern->slots[at] != 0)
            at = (at + 1) & (wanted - 1);
        intern->slots[at] = (uint32_t)i + 1;
    }
    return 0;
}

int intern_add(struct intern *intern, const void *key, size_t len, uint32_t *ret_id, bool *ret_new)
{
    uint64_t hash = hash_bytes(key, len);
    size_t at, room = (len + 8) & ~(size_t)7;
    int r;

    assert(len <= UINT32_MAX);
    if (intern->n_slots == 0 || (intern->n + 1) * 2 > intern->n_slots) {
        r = grow_slots(intern);
        if (r < 0)
            return r;
    }
    at = probe(intern, key, len, hash);
    if (intern->slots[at] != 0) {
        *ret_id = intern->slots[at] - 1;
        *ret_new = false;
        return 0;
    }
    if (intern->n >= INTERN_ITEMS_MAX)
        return -BULKHEAD_ETOOMANY;
    r = vec_reserve(&intern->items, &intern->items_size, intern->n + 1, sizeof(*intern->items));
    if (r < 0)
        return r;
    r = vec_reserve(&intern->data, &intern->data_size, intern->data_len + room, 1);
    if (r < 0)
        return r;
    if (len > 0)
        memcpy(intern->data + intern->data_len, key, len);
    intern->items[intern->n] =
        (struct intern_item){.hash = hash, .offset = intern->data_len, .len = (uint32_t)len};
    intern->data_len += room;
    intern->slots[at] = (uint32_t)intern->n + 1;
    *ret_id = (uint32_t)intern->n++;
    *ret_new = true;
    return 0;
}

uint32_t intern_find(const struct intern *intern, const void *key, size_t len)
{
    if (intern->n == 0)
        return INTERN_NONE;
    return intern->slots[probe(intern, key, len, hash_bytes(key, len))] - 1;
}

const void *intern_get(const struct intern *intern, uint32_t id, size_t *ret_len)
{
    assert(id < intern->n);
    *ret_len = intern->items[id].len;
    return intern->data + intern->items[id].offset;
}

void intern_clear(struct intern *intern)
{
    intern->n = intern->data_len = 0;
    intern->n_slots = MIN(intern->n_slots, (size_t)SLOTS_MIN);
    if (intern->slots)
        memset(intern->slots, 0, intern->n_slots * sizeof(*intern->slots));
}

void intern_free(struct intern *intern)
{
    free(intern->slots);
    free(intern->items);
    free(intern->data);
    *intern = (struct intern){0};
}
