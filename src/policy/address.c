/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "vec.h"

#define SET_EMPTY 0u
#define NETWORK_NONE UINT32_MAX /* of the item that stands for all of IPv4 */
#define DEPTH_MAX 130           /* prefixes nested in each other: lengths 0..128 */
#define CLASS_TEXT_BYTES_MAX ((size_t)256 << 20)
#define V4_PREFIX_LEN 96

/* One CIDR or hole of one network. */
struct item {
    struct ip_prefix prefix;
    uint32_t network;
    bool hole;
};

struct items {
    struct item *v;
    size_t n, size;
};

/* The walk goes through the prefixes in order with the ones that hold the current one on a stack.
 */
struct level {
    struct ip_prefix prefix;
    uint32_t set;
};

struct walk {
    struct address_table *table;
    struct level stack[DEPTH_MAX];
    size_t depth;
    struct u32s set;
};

static int add_item(struct items *items, const struct ip_prefix *prefix, uint32_t network,
                    bool hole)
{
    int r;

    r = vec_reserve(&items->v, &items->size, items->n + 1, sizeof(*items->v));
    if (r < 0)
        return r;
    items->v[items->n++] = (struct item){.prefix = *prefix, .network = network, .hole = hole};
    return 0;
}

static int collect(const struct estate *estate, struct items *items)
{
    struct ip_prefix v4 = {.len = V4_PREFIX_LEN};
    int r;

    ip_addr_from_v4(0, &v4.addr);
    r = add_item(items, &v4, NETWORK_NONE, false);
    for (size_t i = 0; r == 0 && i < estate->n_networks; i++) {
        const struct cidr_list *cidrs = &estate->networks[i].cidrs;

        for (size_t j = 0; r == 0 && j < cidrs->n_included; j++)
            r = add_item(items, &cidrs->included[j], (uint32_t)i, false);
        for (size_t j = 0; r == 0 && j < cidrs->n_excluded; j++)
            r = add_item(items, &cidrs->excluded[j], (uint32_t)i, true);
    }
    return r;
}

/* By prefix, network, holes last: where a network has both, the hole wins. */
static int item_compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = ip_prefix_compare(&x->prefix, &y->prefix);

    if (order == 0)
        order = (x->network > y->network) - (x->network < y->network);
    return order ? order : (int)x->hole - (int)y->hole;
}

/* By bits alone, as the kernel's trie sees it: here ::/0 does cover IPv4. */
static bool covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
    unsigned bytes = outer->len / 8, bits = outer->len % 8;

    if (outer->len > inner->len || memcmp(outer->addr.bytes, inner->addr.bytes, bytes) != 0)
        return false;
    return bits == 0 ||
           ((outer->addr.bytes[bytes] ^ inner->addr.bytes[bytes]) & (0xff00u >> bits) & 0xff) == 0;
}

static bool is_all_v4(const struct ip_prefix *prefix)
{
    return prefix->len == V4_PREFIX_LEN && ip_prefix_is_v4(prefix);
}

/* The networks of the enclosing prefix, with what this one includes and without what it excludes.
 * Longest match within each network: the items of one prefix change only their own networks. */
static int derive(struct walk *walk, uint32_t outer, const struct item *items, size_t n)
{
    size_t n_outer, at = 0;
    const uint32_t *networks = intern_get(&walk->table->sets, outer, &n_outer);
    int r = 0;

    n_outer /= sizeof(*networks);
    walk->set.n = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (items[i].network == NETWORK_NONE ||
            (i + 1 < n && items[i + 1].network == items[i].network))
            continue;
        for (; r == 0 && at < n_outer && networks[at] < items[i].network; at++)
            r = u32s_push(&walk->set, networks[at]);
        if (at < n_outer && networks[at] == items[i].network)
            at++;
        if (r == 0 && !items[i].hole)
            r = u32s_push(&walk->set, items[i].network);
    }
    for (; r == 0 && at < n_outer; at++)
        r = u32s_push(&walk->set, networks[at]);
    return r;
}

static int add_entry(struct address_table *table, const struct ip_prefix *prefix, uint32_t set)
{
    int r;

    r = vec_reserve(&table->entries, &table->entries_size, table->n_entries + 1,
                    sizeof(*table->entries));
    if (r < 0)
        return r;
    /* The set's number for now: ids are known when all sets are. */
    table->entries[table->n_entries++] =
        (struct policy_address_entry){.prefix = *prefix, .address_class = set};
    return 0;
}

/* All items of one prefix. */
static int visit(struct walk *walk, const struct item *items, size_t n)
{
    const struct ip_prefix *prefix = &items[0].prefix;
    uint32_t outer, set;
    bool is_new, fence;
    int r;

    while (walk->depth > 0 && !covers(&walk->stack[walk->depth - 1].prefix, prefix))
        walk->depth--;
    outer = walk->depth > 0 ? walk->stack[walk->depth - 1].set : SET_EMPTY;
    /* No IPv6 network holds IPv4, whatever its bits cover. */
    fence = is_all_v4(prefix) && outer != SET_EMPTY;
    r = derive(walk, is_all_v4(prefix) ? SET_EMPTY : outer, items, n);
    if (r < 0)
        return r;
    r = intern_add(&walk->table->sets, walk->set.v, walk->set.n * sizeof(*walk->set.v), &set,
                   &is_new);
    if (r < 0)
        return r;
    assert(walk->depth < DEPTH_MAX);
    walk->stack[walk->depth++] = (struct level){.prefix = *prefix, .set = set};
    if (set == outer && !fence)
        return 0;
    return add_entry(walk->table, prefix, set);
}

static int class_id(const struct estate *estate, const uint32_t *networks, size_t n, uint32_t *ret)
{
    _cleanup_buf_ struct buf text = BUF_INIT(CLASS_TEXT_BYTES_MAX);
    uint8_t digest[SHA256_BYTES];
    int r;

    buf_puts(&text, "bulkhead-address-class-1\n");
    for (size_t i = 0; i < n; i++) {
        buf_puts(&text, estate->networks[networks[i]].namespace);
        buf_append(&text, "\n", 1);
        buf_puts(&text, estate->networks[networks[i]].name);
        buf_append(&text, "\n", 1);
    }
    if (text.error == -ENOSPC)
        return -BULKHEAD_ETOOMANY;
    if (text.error)
        return text.error;
    r = hash_sha256(text.data, text.len, digest);
    if (r < 0)
        return r;
    *ret = (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
    return 0;
}

static int id_compare(const void *a, const void *b, void *ids)
{
    const uint32_t *x = a, *y = b, *id = ids;

    return (id[*x] > id[*y]) - (id[*x] < id[*y]);
}

static int name_classes(const struct estate *estate, struct address_table *table)
{
    size_t n = table->sets.n;
    int r;

    table->ids = calloc(n, sizeof(*table->ids));
    table->order = calloc(n, sizeof(*table->order));
    if (!table->ids || !table->order)
        return -ENOMEM;
    for (uint32_t set = SET_EMPTY + 1; set < n; set++) {
        size_t len;
        const uint32_t *networks = intern_get(&table->sets, set, &len);

        r = class_id(estate, networks, len / sizeof(*networks), &table->ids[set]);
        if (r < 0)
            return r;
        if (table->ids[set] == 0)
            return -BULKHEAD_EIDENTITY_COLLISION;
        table->order[table->n_classes++] = set;
    }
    qsort_r(table->order, table->n_classes, sizeof(*table->order), id_compare, table->ids);
    for (size_t i = 1; i < table->n_classes; i++) {
        if (table->ids[table->order[i - 1]] == table->ids[table->order[i]])
            return -BULKHEAD_EIDENTITY_COLLISION;
    }
    for (size_t i = 0; i < table->n_entries; i++)
        table->entries[i].address_class = table->ids[table->entries[i].address_class];
    return 0;
}

static int walk_items(const struct items *items, struct walk *walk)
{
    int r = 0;

    for (size_t i = 0, n; r == 0 && i < items->n; i += n) {
        for (n = 1; i + n < items->n; n++) {
            if (ip_prefix_compare(&items->v[i].prefix, &items->v[i + n].prefix) != 0)
                break;
        }
        r = visit(walk, &items->v[i], n);
    }
    return r;
}

int address_table_build(const struct estate *estate, struct address_table *table)
{
    struct walk walk = {.table = table};
    struct items items = {0};
    uint32_t empty;
    bool is_new;
    int r;

    r = intern_add(&table->sets, "", 0, &empty, &is_new);
    assert(r < 0 || empty == SET_EMPTY);
    if (r == 0)
        r = collect(estate, &items);
    if (r == 0) {
        qsort(items.v, items.n, sizeof(*items.v), item_compare);
        r = walk_items(&items, &walk);
    }
    if (r == 0)
        r = name_classes(estate, table);
    u32s_free(&walk.set);
    free(items.v);
    return r;
}

void address_table_free(struct address_table *table)
{
    free(table->entries);
    intern_free(&table->sets);
    free(table->ids);
    free(table->order);
    *table = (struct address_table){0};
}
