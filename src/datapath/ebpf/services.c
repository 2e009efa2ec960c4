/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Host services: which ports of the host belong to which PU. The map is small and is asked only
 * when a socket of the host that is in no PU's cgroup wants to know whose it is.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "bulkhead.skel.h"

static int compare_services(const void *a, const void *b)
{
    const struct service_range *x = a, *y = b;

    if (x->range.protocol != y->range.protocol)
        return x->range.protocol < y->range.protocol ? -1 : 1;
    return (x->range.low > y->range.low) - (x->range.low < y->range.low);
}

/* @return -EINVAL: two PUs have one port, or there are too many */
static int services_list(const struct datapath_pu *pus, size_t n_pus, struct service_range **ret,
                         size_t *ret_n)
{
    size_t i, j, n = 0;
    struct service_range *list;

    for (i = 0; i < n_pus; i++)
        n += pus[i].n_ports;
    if (n > DATAPATH_SERVICE_RANGES_MAX)
        return -EINVAL;
    list = calloc(n + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (n = i = 0; i < n_pus; i++)
        for (j = 0; j < pus[i].n_ports; j++)
            list[n++] = (struct service_range){.range = pus[i].ports[j], .pu = pus[i].index};
    qsort(list, n, sizeof(*list), compare_services);
    for (i = 1; i < n; i++) {
        if (list[i].range.protocol != list[i - 1].range.protocol ||
            list[i].range.low > list[i - 1].range.high)
            continue;
        free(list);
        return -EINVAL;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

static bool services_equal(const struct datapath *dp, const struct service_range *list, size_t n)
{
    size_t i;

    for (i = 0; n == dp->n_services && i < n; i++)
        if (list[i].pu != dp->services[i].pu || list[i].range.low != dp->services[i].range.low ||
            list[i].range.high != dp->services[i].range.high ||
            list[i].range.protocol != dp->services[i].range.protocol)
            return false;
    return n == dp->n_services;
}

/* A range as the fewest blocks that are a prefix each. @return how many */
static size_t range_split(const struct datapath_ports *range, struct abi_port_key *keys)
{
    uint32_t low = range->low, block;
    uint8_t bits;
    size_t n = 0;

    while (low <= range->high) {
        for (bits = 0; bits < 16; bits++) {
            block = 2u << bits;
            if (low % block || low + block - 1 > range->high)
                break;
        }
        keys[n++] = (struct abi_port_key){.prefixlen = 24u - bits,
                                          .protocol = range->protocol,
                                          .port_be = {(uint8_t)(low >> 8), (uint8_t)low}};
        low += 1u << bits;
    }
    return n;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct abi_port_key));
}

/* What the map has and the list has not. */
static int services_purge(int fd, struct abi_port_key *wanted, size_t n)
{
    struct abi_port_key key, kept, *at = NULL;

    qsort(wanted, n, sizeof(*wanted), compare_keys);
    while (bpf_map_get_next_key(fd, at, &key) == 0) {
        if (!bsearch(&key, wanted, n, sizeof(key), compare_keys)) {
            if (bpf_map_delete_elem(fd, &key) < 0)
                return -errno;
            continue;
        }
        kept = key;
        at = &kept;
    }
    return 0;
}

static int services_write(struct datapath *dp, const struct service_range *list, size_t n)
{
    int fd = bpf_map__fd(dp->skeleton->maps.service_ports), r;
    size_t max = n * RANGE_PREFIXES_MAX + 1, n_keys = 0, part, i;
    _cleanup_free_
    struct abi_port_key *keys = calloc(max, sizeof(*keys));
    _cleanup_free_
    uint32_t *values = calloc(max, sizeof(*values));

    if (!keys || !values)
        return -ENOMEM;
    for (i = 0; i < n; i++)
        for (part = range_split(&list[i].range, keys + n_keys); part > 0; part--)
            values[n_keys++] = list[i].pu;
    r = map_write(fd, keys, values, n_keys, sizeof(*keys), sizeof(*values));
    return r < 0 ? r : services_purge(fd, keys, n_keys);
}

int services_sync(struct datapath *dp, const struct datapath_pu *pus, size_t n_pus, bool *changed)
{
    struct service_range *list;
    size_t n;
    int r = services_list(pus, n_pus, &list, &n);

    if (r < 0)
        return r;
    if (services_equal(dp, list, n) && !dp->purge && !dp->services_torn) {
        free(list);
        return 0;
    }
    dp->services_torn = true; /* until all of it is written */
    r = services_write(dp, list, n);
    if (r < 0) {
        free(list);
        return r;
    }
    dp->services_torn = false;
    free(dp->services);
    dp->services = list;
    dp->n_services = n;
    if (n)
        dp->control.flags |= ABI_CONTROL_SERVICES;
    else
        dp->control.flags &= ~(uint32_t)ABI_CONTROL_SERVICES;
    *changed = true;
    return 0;
}

/* The same question as pu_of_port() in src/bpf/socket.h. */
uint32_t service_of(const struct datapath *dp, const struct diag_socket *s, uint32_t rest)
{
    bool serves = s->protocol == IPPROTO_UDP || s->state == TCP_LISTEN ||
                  (s->has_state && s->socket.direction == ABI_IN);
    size_t i;

    for (i = 0; serves && i < dp->n_services; i++) {
        const struct datapath_ports *range = &dp->services[i].range;

        if (range->protocol == s->protocol && range->low <= s->local_port &&
            s->local_port <= range->high)
            return dp->services[i].pu;
    }
    return rest;
}
