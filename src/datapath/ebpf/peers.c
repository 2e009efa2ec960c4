/* SPDX-License-Identifier: Apache-2.0 */

/* Keys shared with other enforcers and the identities each of them may speak for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "bulkhead.skel.h"

static int key_compare(const void *a, const void *b)
{
    const struct datapath_peer_key *x = a, *y = b;

    return x->enforcer_id < y->enforcer_id ? -1 : x->enforcer_id > y->enforcer_id;
}

/* Of one enforcer the order given counts: what is sorted already is left alone. (glibc's qsort
 * keeps the order of equals as long as there is memory.) */
static void keys_sort(struct datapath_peer_key *keys, size_t n)
{
    bool sorted = true;

    for (size_t i = 1; i < n && sorted; i++)
        sorted = keys[i - 1].enforcer_id <= keys[i].enforcer_id;
    if (!sorted)
        qsort(keys, n, sizeof(*keys), key_compare);
}

static int binding_compare(const void *a, const void *b)
{
    const struct datapath_binding *x = a, *y = b;

    if (x->enforcer_id != y->enforcer_id)
        return x->enforcer_id < y->enforcer_id ? -1 : 1;
    return x->identity < y->identity ? -1 : x->identity > y->identity;
}

static uint64_t word_of(const uint8_t *bytes)
{
    uint64_t word = 0;
    int i;

    for (i = 7; i >= 0; i--)
        word = word << 8 | bytes[i];
    return word;
}

/* Up to ABI_KEYS_PER_PEER keys of one peer, in the order given. @return how many were taken */
static size_t keys_of_peer(const struct datapath_peer_key *keys, size_t n,
                           struct abi_peer_keys *ret)
{
    size_t i;

    memset(ret, 0, sizeof(*ret));
    ret->owner = keys[0].enforcer_id;
    for (i = 0; i < n && keys[i].enforcer_id == keys[0].enforcer_id; i++) {
        if (i >= ABI_KEYS_PER_PEER)
            continue;
        ret->key[i].k0 = word_of(keys[i].key);
        ret->key[i].k1 = word_of(keys[i].key + 8);
        ret->key[i].peer_epoch = keys[i].peer_epoch;
        ret->key[i].own_epoch = keys[i].own_epoch;
        ret->key[i].valid = 1;
    }
    return i;
}

static size_t keys_count(const struct abi_peer_keys *keys)
{
    size_t n = 0;

    while (n < ABI_KEYS_PER_PEER && keys->key[n].valid)
        n++;
    return n;
}

static bool keys_have(const struct abi_peer_keys *keys, uint16_t own_epoch, uint16_t peer_epoch)
{
    for (size_t i = 0; i < ABI_KEYS_PER_PEER; i++)
        if (keys->key[i].valid && keys->key[i].own_epoch == own_epoch &&
            keys->key[i].peer_epoch == peer_epoch)
            return true;
    return false;
}

/* What the kernel has of the own epoch before, behind the new ones. */
static void keys_keep(int fd, __u32 id, uint16_t own_epoch, struct abi_peer_keys *value)
{
    struct abi_peer_keys old;
    size_t n = keys_count(value);

    if (bpf_map_lookup_elem(fd, &id, &old) < 0)
        return;
    for (size_t i = 0; i < ABI_KEYS_PER_PEER && n < ABI_KEYS_PER_PEER; i++)
        if (old.key[i].valid && old.key[i].own_epoch == own_epoch &&
            !keys_have(value, own_epoch, old.key[i].peer_epoch))
            value->key[n++] = old.key[i];
    explicit_bzero(&old, sizeof(old));
}

/* What is there already is left alone: an element that is replaced is another's a moment later. */
static bool keys_same(int fd, __u32 id, const struct abi_peer_keys *value)
{
    struct abi_peer_keys old;
    bool same = bpf_map_lookup_elem(fd, &id, &old) == 0 && memcmp(&old, value, sizeof(old)) == 0;

    explicit_bzero(&old, sizeof(old));
    return same;
}

static int keys_write(int fd, const struct datapath_peer_key *keys, size_t n, bool keep,
                      uint16_t kept_epoch)
{
    struct abi_peer_keys value;
    size_t i = 0;

    while (i < n) {
        __u32 id = keys[i].enforcer_id;

        i += keys_of_peer(keys + i, n - i, &value);
        if (keep)
            keys_keep(fd, id, kept_epoch, &value);
        if (!keys_same(fd, id, &value) && bpf_map_update_elem(fd, &id, &value, BPF_ANY) < 0)
            return -errno;
    }
    return 0;
}

/* Remove every key of a map that is not in the sorted list `wanted`. */
static int others_delete(int fd, size_t key_size, const void *wanted, size_t n, size_t stride,
                         int (*compare)(const void *, const void *))
{
    uint8_t key[16], next[16], *at = NULL;
    union {
        struct datapath_peer_key key;
        struct datapath_binding binding;
    } probe;

    assert(key_size <= sizeof(key));
    while (bpf_map_get_next_key(fd, at, next) == 0) {
        memset(&probe, 0, sizeof(probe));
        memcpy(&probe, next, key_size);
        if (n && bsearch(&probe, wanted, n, stride, compare)) {
            memcpy(key, next, key_size);
            at = key;
            continue;
        }
        if (bpf_map_delete_elem(fd, next) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

static_assert(offsetof(struct datapath_peer_key, enforcer_id) == 0, "probed as a bare id");
static_assert(sizeof(struct datapath_binding) == sizeof(struct abi_binding_key), "same layout");

static void *copy_of(const void *items, size_t n, size_t size)
{
    void *copy = calloc(n + 1, size);

    if (copy && n)
        memcpy(copy, items, n * size);
    return copy;
}

int datapath_peers_set(struct datapath *dp, const struct datapath_peer_key *keys, size_t n_keys,
                       const struct datapath_binding *bindings, size_t n_bindings)
{
    int keys_fd = bpf_map__fd(dp->skeleton->maps.peer_keys);
    int bindings_fd = bpf_map__fd(dp->skeleton->maps.bindings);
    _cleanup_free_
    struct datapath_peer_key *k = copy_of(keys, n_keys, sizeof(*k));
    _cleanup_free_
    struct datapath_binding *b = copy_of(bindings, n_bindings, sizeof(*b));
    uint8_t one = 1;
    size_t i;
    int r;

    if (!k || !b)
        return -ENOMEM;
    keys_sort(k, n_keys);
    if (n_bindings)
        qsort(b, n_bindings, sizeof(*b), binding_compare);
    r = keys_write(keys_fd, k, n_keys, dp->keeps_epoch, dp->kept_epoch);
    for (i = 0; i < n_bindings && r == 0; i++)
        if (bpf_map_update_elem(bindings_fd, &b[i], &one, BPF_ANY) < 0)
            r = -errno;
    if (r == 0)
        r = others_delete(bindings_fd, sizeof(struct abi_binding_key), b, n_bindings, sizeof(*b),
                          binding_compare);
    if (r == 0)
        r = others_delete(keys_fd, sizeof(__u32), k, n_keys, sizeof(*k), key_compare);
    explicit_bzero(k, n_keys * sizeof(*k));
    if (r == 0 && dp->control.epoch != dp->next_epoch) {
        dp->control.epoch = dp->next_epoch;
        r = control_write(dp);
    }
    return r;
}

void datapath_epoch_set(struct datapath *dp, uint16_t epoch)
{
    if (epoch == dp->control.epoch)
        return;
    dp->keeps_epoch = true;
    dp->kept_epoch = (uint16_t)dp->control.epoch;
    dp->next_epoch = epoch;
}

uint16_t datapath_epoch(const struct datapath *dp)
{
    return (uint16_t)dp->control.epoch;
}
