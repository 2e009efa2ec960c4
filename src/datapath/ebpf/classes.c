/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Classes are known by content: one that two compilations share keeps its number and is written
 * once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "bulkhead.skel.h"

struct verdict_rows {
    struct abi_verdict_key *keys;
    struct abi_range_key *ranges;
    struct abi_verdict *values;
    size_t n, size;
};

static void rows_clear(struct verdict_rows *rows)
{
    free(rows->keys);
    free(rows->ranges);
    free(rows->values);
    memset(rows, 0, sizeof(*rows));
}

static int rows_grow(struct verdict_rows *rows, size_t more)
{
    size_t size = rows->size ? rows->size : 64;
    void *keys, *ranges, *values;

    while (size < rows->n + more)
        size *= 2;
    if (size == rows->size)
        return 0;
    keys = realloc(rows->keys, size * sizeof(*rows->keys));
    if (keys)
        rows->keys = keys;
    ranges = realloc(rows->ranges, size * sizeof(*rows->ranges));
    if (ranges)
        rows->ranges = ranges;
    values = realloc(rows->values, size * sizeof(*rows->values));
    if (values)
        rows->values = values;
    if (!keys || !ranges || !values)
        return -ENOMEM;
    rows->size = size;
    return 0;
}

static uint32_t class_flags(const struct policy_class *class)
{
    uint32_t flags = 0;
    size_t i;

    for (i = 0; i < class->n_entries; i++) {
        switch (class->entries[i].prefix_len) {
        case 0:
            flags |= ABI_CLASS_ANY;
            break;
        case 8:
            flags |= ABI_CLASS_PROTOCOL;
            break;
        case 24:
            flags |= ABI_CLASS_PORTS;
            break;
        default:
            return ABI_CLASS_RANGES;
        }
    }
    return flags;
}

static struct abi_verdict verdict_value(const struct policy_verdict *v)
{
    return (struct abi_verdict){
        .action = v->action,
        .observed = v->observed,
        .id_action = v->id_action,
        .id_observed = v->id_observed,
        .flags = (v->logs_disabled ? ABI_VERDICT_NO_LOG : 0) |
                 (v->id_logs_disabled ? ABI_VERDICT_ID_NO_LOG : 0),
        .rule = v->rule,
        .observed_rule = v->observed_rule,
        .id_rule = v->id_rule,
        .id_observed_rule = v->id_observed_rule,
    };
}

/* Entries of one class, in the form of the map that its number says. */
static int class_rows(const struct policy_class *class, uint32_t number, struct verdict_rows *rows)
{
    size_t i;
    int r = rows_grow(rows, class->n_entries);

    if (r < 0)
        return r;
    for (i = 0; i < class->n_entries; i++) {
        const struct policy_class_entry *e = &class->entries[i];

        rows->ranges[rows->n] = (struct abi_range_key){
            .prefixlen = 32u + e->prefix_len,
            .class_be = htonl(number),
            .protocol = e->protocol,
            .port_be = {(uint8_t)(e->port >> 8), (uint8_t)e->port},
        };
        rows->keys[rows->n] = (struct abi_verdict_key){
            .class = number,
            .port = e->prefix_len == 24 ? e->port : 0,
            .protocol = e->prefix_len ? e->protocol : 0,
            .length = e->prefix_len,
        };
        rows->values[rows->n++] = verdict_value(&e->verdict);
    }
    return 0;
}

static int by_fingerprint(const void *a, const void *b)
{
    const struct class_entry *const *x = a, *const *y = b;

    return memcmp((*x)->fingerprint, (*y)->fingerprint, 32);
}

static const struct class_entry *class_find(const struct class_entry *const *sorted, size_t n,
                                            const uint8_t fingerprint[32])
{
    struct class_entry wanted, *key = &wanted;
    const struct class_entry *const *found;

    memcpy(wanted.fingerprint, fingerprint, 32);
    found = n ? bsearch(&key, sorted, n, sizeof(*sorted), by_fingerprint) : NULL;
    return found ? *found : NULL;
}

static const struct class_entry **class_index(const struct class_entry *classes, size_t n)
{
    const struct class_entry **sorted = calloc(n + 1, sizeof(*sorted));
    size_t i;

    if (!sorted)
        return NULL;
    for (i = 0; i < n; i++)
        sorted[i] = &classes[i];
    qsort(sorted, n, sizeof(*sorted), by_fingerprint);
    return sorted;
}

static int rows_write(struct datapath *dp, struct verdict_rows *rows, bool ranges)
{
    if (ranges)
        return map_write(bpf_map__fd(dp->skeleton->maps.verdict_ranges), rows->ranges, rows->values,
                         rows->n, sizeof(*rows->ranges), sizeof(*rows->values));
    return map_write(bpf_map__fd(dp->skeleton->maps.verdicts), rows->keys, rows->values, rows->n,
                     sizeof(*rows->keys), sizeof(*rows->values));
}

static int rows_retire(struct datapath *dp, struct verdict_rows *rows, bool ranges)
{
    if (ranges)
        return map_retire(dp, bpf_map__fd(dp->skeleton->maps.verdict_ranges), rows->ranges, rows->n,
                          sizeof(*rows->ranges));
    return map_retire(dp, bpf_map__fd(dp->skeleton->maps.verdicts), rows->keys, rows->n,
                      sizeof(*rows->keys));
}

static void rows_delete(struct datapath *dp, const struct verdict_rows *rows, bool ranges)
{
    if (ranges)
        map_delete(bpf_map__fd(dp->skeleton->maps.verdict_ranges), rows->ranges, rows->n,
                   sizeof(*rows->ranges));
    else
        map_delete(bpf_map__fd(dp->skeleton->maps.verdicts), rows->keys, rows->n,
                   sizeof(*rows->keys));
}

/*
 * Give every class of `compiled` its number and write those that the kernel does not have yet.
 * @param ret_classes  in the order of compiled->classes, owned by the caller
 */
int classes_sync(struct datapath *dp, const struct policy_compiled *compiled,
                 struct class_entry **ret_classes)
{
    _cleanup_free_
    struct class_entry *classes = calloc(compiled->n_classes + 1, sizeof(*classes));
    _cleanup_free_
    const struct class_entry **known = class_index(dp->classes, dp->n_classes);
    struct verdict_rows rows[2] = {{0}, {0}};
    size_t i;
    int r = 0;

    if (!classes || !known)
        return -ENOMEM;
    for (i = 0; i < compiled->n_classes && r == 0; i++) {
        const struct policy_class *class = &compiled->classes[i];
        const struct class_entry *old = class_find(known, dp->n_classes, class->fingerprint);
        bool ranges;

        memcpy(classes[i].fingerprint, class->fingerprint, 32);
        if (old) {
            classes[i].number = old->number;
            continue;
        }
        if (dp->next_class >= ABI_CLASS_NUMBER) {
            r = -BULKHEAD_ETOOMANY;
            break;
        }
        classes[i].number = dp->next_class++ | class_flags(class);
        ranges = classes[i].number & ABI_CLASS_RANGES;
        r = class_rows(class, classes[i].number, &rows[ranges]);
    }
    for (i = 0; i < 2 && r == 0; i++)
        r = rows_write(dp, &rows[i], i == 1);
    for (i = 0; i < 2; i++) {
        if (r < 0) /* no program has seen the numbers */
            rows_delete(dp, &rows[i], i == 1);
    }
    rows_clear(&rows[0]);
    rows_clear(&rows[1]);
    if (r < 0)
        return r;
    *ret_classes = TAKE_PTR(classes);
    return 0;
}

/* Classes of the last compilation that are not among `kept`: their entries go once unused. */
void classes_retire(struct datapath *dp, const struct class_entry *kept, size_t n_kept)
{
    _cleanup_free_
    const struct class_entry **sorted = class_index(kept, n_kept);
    struct verdict_rows rows[2] = {{0}, {0}};
    size_t i;

    for (i = 0; sorted && i < dp->n_classes; i++) {
        const struct class_entry *old = &dp->classes[i];

        if (!class_find(sorted, n_kept, old->fingerprint))
            class_rows(&dp->compiled->classes[i], old->number,
                       &rows[old->number & ABI_CLASS_RANGES ? 1 : 0]);
    }
    for (i = 0; i < 2; i++) {
        rows_retire(dp, &rows[i], i == 1);
        rows_clear(&rows[i]);
    }
}

void classes_undo(struct datapath *dp, const struct policy_compiled *compiled,
                  const struct class_entry *classes, uint32_t first)
{
    struct verdict_rows rows[2] = {{0}, {0}};
    size_t i;

    for (i = 0; i < compiled->n_classes; i++) {
        uint32_t number = classes[i].number;

        if ((number & ABI_CLASS_NUMBER) >= first)
            class_rows(&compiled->classes[i], number, &rows[number & ABI_CLASS_RANGES ? 1 : 0]);
    }
    for (i = 0; i < 2; i++) {
        rows_delete(dp, &rows[i], i == 1);
        rows_clear(&rows[i]);
    }
}
