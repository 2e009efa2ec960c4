/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "console/objects_internal.h"

#define NEAR_END 32

int object_entry_compare(const void *a, const void *b)
{
    const struct object_entry *left = *(struct object_entry *const *)a;
    const struct object_entry *right = *(struct object_entry *const *)b;

    return memcmp(left->public.id, right->public.id, SCHEMA_ID_LEN);
}

int id_list_reserve(struct id_list *list)
{
    size_t size = list->size ? list->size + list->size / 2 + 1 : 2;
    struct object_entry **more;

    if (list->n < list->size)
        return 0;
    more = reallocarray(list->items, size, sizeof(*more));
    if (!more)
        return -ENOMEM;
    list->items = more;
    list->size = size;
    return 0;
}

void id_list_sort(struct id_list *list)
{
    if (!list->unsorted)
        return;
    qsort(list->items, list->n, sizeof(*list->items), object_entry_compare);
    list->unsorted = false;
}

/* First index whose ID is not less than (or, with `past`, is greater than) `id`. */
static size_t bound(const struct id_list *list, const char *id, bool past)
{
    size_t low = 0, high = list->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = strncmp(list->items[middle]->public.id, id, SCHEMA_ID_LEN);

        if (r < 0 || (past && r == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t id_list_after(const struct id_list *list, const char *id)
{
    return bound(list, id, true);
}

/* IDs begin with the time, so a new one belongs at the end, or (of another Console) close to it. */
void id_list_add(struct id_list *list, struct object_entry *entry)
{
    size_t at = list->n;

    assert(list->n < list->size);

    while (!list->unsorted && at > 0 && list->n - at < NEAR_END &&
           object_entry_compare(&list->items[at - 1], &entry) > 0)
        at--;
    if (at > 0 && object_entry_compare(&list->items[at - 1], &entry) > 0) {
        list->unsorted = true;
        at = list->n;
    }
    memmove(list->items + at + 1, list->items + at, (list->n - at) * sizeof(*list->items));
    list->items[at] = entry;
    list->n++;
    list->n_archived += entry->archived;
}

void id_list_replace(struct id_list *list, const struct object_entry *before,
                     struct object_entry *after)
{
    size_t at;

    id_list_sort(list);
    at = bound(list, before->public.id, false);
    assert(at < list->n && list->items[at] == before);
    list->items[at] = after;
    list->n_archived += after->archived;
    list->n_archived -= before->archived;
}

void id_list_remove(struct id_list *list, const struct object_entry *entry)
{
    size_t at;

    id_list_sort(list);
    at = bound(list, entry->public.id, false);
    assert(at < list->n && list->items[at] == entry);
    memmove(list->items + at, list->items + at + 1, (list->n - at - 1) * sizeof(*list->items));
    list->n--;
    list->n_archived -= entry->archived;
}

void id_list_clear(struct id_list *list)
{
    free(list->items);
    *list = (struct id_list){0};
}
