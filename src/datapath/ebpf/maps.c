/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "internal.h"

#include "bulkhead.skel.h"

#define BATCH 4096
#define ENOTSUPP_KERNEL 524 /* include/linux/errno.h, not in the user space headers */

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static bool batch_unknown(int error)
{
    return error == EINVAL || error == EOPNOTSUPP || error == ENOTSUPP_KERNEL;
}

/* Batches where the kernel has them for this kind of map (hash: 5.6, trie: 5.13), else one by one.
 */
int map_write(int fd, const void *keys, const void *values, size_t n, size_t key_size,
              size_t value_size)
{
    const uint8_t *k = keys, *v = values;
    size_t done = 0;

    while (done < n) {
        __u32 count = (__u32)MIN(n - done, (size_t)BATCH);

        if (bpf_map_update_batch(fd, k + done * key_size, v + done * value_size, &count, NULL) ==
            0) {
            done += count;
            continue;
        }
        if (!batch_unknown(errno))
            return -errno;
        break;
    }
    for (; done < n; done++)
        if (bpf_map_update_elem(fd, k + done * key_size, v + done * value_size, BPF_ANY) < 0)
            return -errno;
    return 0;
}

int map_delete(int fd, const void *keys, size_t n, size_t key_size)
{
    const uint8_t *k = keys;
    size_t i;

    for (i = 0; i < n; i++)
        if (bpf_map_delete_elem(fd, k + i * key_size) < 0 && errno != ENOENT)
            return -errno;
    return 0;
}

int map_retire(struct datapath *dp, int fd, const void *keys, size_t n, size_t key_size)
{
    struct retired *r;

    if (!n)
        return 0;
    r = malloc(sizeof(*r) + n * key_size);
    if (!r)
        return -ENOMEM;
    r->at_ns = now_ns();
    r->fd = fd;
    r->n = n;
    r->key_size = key_size;
    memcpy(r->keys, keys, n * key_size);
    r->next = dp->retired;
    dp->retired = r;
    return 0;
}

void map_retired_collect(struct datapath *dp, uint64_t before_ns)
{
    struct retired **at = &dp->retired;

    while (*at) {
        struct retired *r = *at;

        if (r->at_ns > before_ns) {
            at = &r->next;
            continue;
        }
        map_delete(r->fd, r->keys, r->n, r->key_size);
        *at = r->next;
        free(r);
    }
}

int control_write(struct datapath *dp)
{
    __u32 zero = 0;

    if (bpf_map_update_elem(bpf_map__fd(dp->skeleton->maps.control), &zero, &dp->control, BPF_ANY) <
        0)
        return -errno;
    return 0;
}

/* Every socket is judged again at its next packet. 0 means "never judged", so it is left out. */
void generation_bump(struct datapath *dp, bool pus_changed)
{
    if (++dp->control.generation == 0)
        dp->control.generation = 1;
    if (pus_changed && ++dp->control.pu_generation == 0)
        dp->control.pu_generation = 1;
}
