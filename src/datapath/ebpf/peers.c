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

static int keys_write(int fd, const struct datapath_peer_key *keys, size_t n)
{
    struct abi_peer_keys value;
    size_t i = 0;

    while (i < n) {
        __u32 id = keys[i].enforcer_id;

        i += keys_of_peer(keys + i, n - i, &value);
        if (bpf_map_update_elem(fd, &id, &value, BPF_ANY) < 0)
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

static void *sorted_copy(const void *items, size_t n, size_t size,
                         int (*compare)(const void *, const void *))
{
    void *copy = calloc(n + 1, size);

    if (copy && n) {
        memcpy(copy, items, n * size);
        qsort(copy, n, size, compare);
    }
    return copy;
}

int datapath_peers_set(struct datapath *dp, const struct datapath_peer_key *keys, size_t n_keys,
                       const struct datapath_binding *bindings, size_t n_bindings)
{
    int keys_fd = bpf_map__fd(dp->skeleton->maps.peer_keys);
    int bindings_fd = bpf_map__fd(dp->skeleton->maps.bindings);
    _cleanup_free_
    struct datapath_peer_key *k = sorted_copy(keys, n_keys, sizeof(*k), key_compare);
    _cleanup_free_
    struct datapath_binding *b = sorted_copy(bindings, n_bindings, sizeof(*b), binding_compare);
    uint8_t one = 1;
    size_t i;
    int r;

    if (!k || !b)
        return -ENOMEM;
    r = keys_write(keys_fd, k, n_keys);
    for (i = 0; i < n_bindings && r == 0; i++)
        if (bpf_map_update_elem(bindings_fd, &b[i], &one, BPF_ANY) < 0)
            r = -errno;
    if (r == 0)
        r = others_delete(bindings_fd, sizeof(struct abi_binding_key), b, n_bindings, sizeof(*b),
                          binding_compare);
    if (r == 0)
        r = others_delete(keys_fd, sizeof(__u32), k, n_keys, sizeof(*k), key_compare);
    explicit_bzero(k, n_keys * sizeof(*k));
    return r;
}
