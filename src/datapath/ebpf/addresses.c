/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel looks an address up once. Its entry holds the address class of the external networks,
 * whether identity is added towards it, whether it is excluded, whether a known enforcer has it:
 * the longest prefix of each list, joined here. Sorted prefixes nest, so a stack of the enclosing
 * ones gives what an entry inherits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "bulkhead.skel.h"

enum mark_kind { MARK_FAMILY, MARK_CLASS, MARK_TARGET, MARK_EXCLUDED, MARK_PEER };

struct mark {
    struct ip_prefix prefix;
    uint32_t value;
    uint8_t kind;
    uint8_t set;
};

struct marks {
    struct mark *items;
    size_t n, size;
};

static int mark_add(struct marks *marks, const struct ip_prefix *prefix, enum mark_kind kind,
                    uint32_t value, bool set)
{
    if (marks->n == marks->size) {
        size_t size = marks->size ? marks->size * 2 : 256;
        void *items = realloc(marks->items, size * sizeof(*marks->items));

        if (!items)
            return -ENOMEM;
        marks->items = items;
        marks->size = size;
    }
    marks->items[marks->n++] =
        (struct mark){.prefix = *prefix, .kind = (uint8_t)kind, .value = value, .set = set};
    return 0;
}

static int marks_of_list(struct marks *marks, const struct cidr_list *list, enum mark_kind kind)
{
    size_t i;
    int r = 0;

    for (i = 0; i < list->n_included && r == 0; i++)
        r = mark_add(marks, &list->included[i], kind, 0, true);
    for (i = 0; i < list->n_excluded && r == 0; i++)
        r = mark_add(marks, &list->excluded[i], kind, 0, false);
    return r;
}

static int mark_compare(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    int r = ip_prefix_compare(&x->prefix, &y->prefix);

    return r ? r : (int)x->kind - (int)y->kind;
}

/* Does `outer` hold `inner` bit for bit, whatever the family. */
static bool prefix_encloses(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
    unsigned bytes = outer->len / 8, bits = outer->len % 8;

    if (outer->len > inner->len || memcmp(outer->addr.bytes, inner->addr.bytes, bytes) != 0)
        return false;
    return bits == 0 || ((outer->addr.bytes[bytes] ^ inner->addr.bytes[bytes]) >> (8 - bits)) == 0;
}

static void mark_apply(struct abi_address *value, const struct mark *mark)
{
    static const uint32_t flag_of[] = {[MARK_TARGET] = ABI_ADDRESS_TARGET,
                                       [MARK_EXCLUDED] = ABI_ADDRESS_EXCLUDED,
                                       [MARK_PEER] = ABI_ADDRESS_PEER};

    switch (mark->kind) {
    case MARK_FAMILY:
        *value = (struct abi_address){0};
        break;
    case MARK_CLASS:
        value->address_class = mark->value;
        break;
    default:
        if (mark->set)
            value->flags |= flag_of[mark->kind];
        else
            value->flags &= ~flag_of[mark->kind];
    }
}

static int marks_collect(struct datapath *dp, const struct policy_compiled *compiled,
                         struct marks *marks)
{
    struct ip_prefix v4 = {.len = 96};
    size_t i;
    int r;

    v4.addr.bytes[10] = v4.addr.bytes[11] = 0xff;
    r = mark_add(marks, &v4, MARK_FAMILY, 0, true);
    for (i = 0; compiled && i < compiled->n_addresses && r == 0; i++)
        r = mark_add(marks, &compiled->addresses[i].prefix, MARK_CLASS,
                     compiled->addresses[i].address_class, true);
    if (r == 0)
        r = marks_of_list(marks, &dp->target, MARK_TARGET);
    if (r == 0)
        r = marks_of_list(marks, &dp->excluded, MARK_EXCLUDED);
    for (i = 0; i < dp->n_peer_addresses && r == 0; i++)
        r = mark_add(marks, &dp->peer_addresses[i], MARK_PEER, 0, true);
    return r;
}

/* Prefixes can nest at most 129 deep. */
#define NESTING_MAX 129

static int items_make(const struct marks *marks, struct address_item **ret, size_t *ret_n)
{
    struct {
        struct ip_prefix prefix;
        struct abi_address value;
    } stack[NESTING_MAX];
    struct address_item *items = calloc(marks->n + 1, sizeof(*items));
    size_t i = 0, n = 0, depth = 0;

    if (!items)
        return -ENOMEM;
    while (i < marks->n) {
        const struct ip_prefix *prefix = &marks->items[i].prefix;
        struct abi_address value = {0};

        while (depth && !prefix_encloses(&stack[depth - 1].prefix, prefix))
            depth--;
        if (depth)
            value = stack[depth - 1].value;
        for (; i < marks->n && ip_prefix_compare(&marks->items[i].prefix, prefix) == 0; i++)
            mark_apply(&value, &marks->items[i]);
        assert(depth < NESTING_MAX);
        stack[depth].prefix = *prefix;
        stack[depth++].value = value;
        items[n].key.prefixlen = prefix->len;
        memcpy(items[n].key.addr, prefix->addr.bytes, 16);
        items[n++].value = value;
    }
    *ret = items;
    *ret_n = n;
    return 0;
}

static int item_compare(const struct address_item *a, const struct address_item *b)
{
    int r = memcmp(a->key.addr, b->key.addr, 16);

    return r ? r : (int)a->key.prefixlen - (int)b->key.prefixlen;
}

int addresses_fd(const struct datapath *dp, uint32_t bank)
{
    return bpf_map__fd(bank ? dp->skeleton->maps.addresses_1 : dp->skeleton->maps.addresses_0);
}

bool address_known(const struct datapath *dp, uint32_t bank, const struct abi_address_key *key)
{
    const struct address_item *items = dp->addresses[bank];
    struct address_item wanted = {.key = *key};
    size_t low = 0, high = dp->n_addresses[bank];

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = item_compare(&wanted, &items[middle]);

        if (c == 0)
            return true;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* Write what is new or other, then remove what is gone: both lists are sorted. */
static int items_write(struct datapath *dp, const struct address_item *items, size_t n,
                       uint32_t bank)
{
    const struct address_item *old = dp->addresses[bank];
    size_t n_old = dp->n_addresses[bank], i = 0, j = 0;
    int fd = addresses_fd(dp, bank), r;

    while (i < n) {
        int c = j < n_old ? item_compare(&items[i], &old[j]) : -1;

        if (c > 0) {
            j++;
            continue;
        }
        if (c < 0 || memcmp(&items[i].value, &old[j].value, sizeof(items[i].value)) != 0)
            if (bpf_map_update_elem(fd, &items[i].key, &items[i].value, BPF_ANY) < 0)
                return -errno;
        j += c == 0;
        i++;
    }
    for (i = 0, j = 0; j < n_old; j++) {
        while (i < n && item_compare(&items[i], &old[j]) < 0)
            i++;
        if (i < n && item_compare(&items[i], &old[j]) == 0)
            continue;
        r = map_delete(fd, &old[j].key, 1, sizeof(old[j].key));
        if (r < 0)
            return r;
    }
    return 0;
}

/* Make the trie of a bank hold just what `compiled` and the configuration say. */
int addresses_sync(struct datapath *dp, const struct policy_compiled *compiled, uint32_t bank)
{
    struct marks marks = {0};
    _cleanup_free_
    struct address_item *items = NULL;
    size_t n = 0;
    int r;

    r = marks_collect(dp, compiled, &marks);
    if (r == 0) {
        qsort(marks.items, marks.n, sizeof(*marks.items), mark_compare);
        r = items_make(&marks, &items, &n);
    }
    free(marks.items);
    if (r == 0)
        r = items_write(dp, items, n, bank);
    if (r < 0)
        return r;
    free(dp->addresses[bank]);
    dp->addresses[bank] = TAKE_PTR(items);
    dp->n_addresses[bank] = n;
    return 0;
}

int datapath_peer_addresses_set(struct datapath *dp, const struct ip_prefix *addresses, size_t n)
{
    struct ip_prefix *copy = calloc(n + 1, sizeof(*copy));

    if (!copy)
        return -ENOMEM;
    if (n)
        memcpy(copy, addresses, n * sizeof(*copy));
    free(dp->peer_addresses);
    dp->peer_addresses = copy;
    dp->n_peer_addresses = n;
    /* before the first policy of this run the trie in force may be an earlier run's */
    return dp->compiled ? addresses_sync(dp, dp->compiled, dp->control.bank) : 0;
}
