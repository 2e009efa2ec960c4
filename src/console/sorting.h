/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sorting in steps, for what is too long to be sorted while others wait. Stable. Pure. */

#include <stdbool.h>
#include <stddef.h>

struct sorting {
    char *items, *spare; /* both of n * size bytes; what is sorted ends in `items` */
    size_t n, size;
    int (*compare)(const void *a, const void *b, void *context);
    void *context;
    size_t width, low, left, right, out; /* runs of `width` from `low` on are being merged */
};

/* @param items  malloc()ed, belongs to the sorting from here on, also when it fails. -ENOMEM */
int sorting_begin(struct sorting *sorting, void *items, size_t n, size_t size,
                  int (*compare)(const void *a, const void *b, void *context), void *context);
/* Moves at most `moves` items. @return true: sorted */
bool sorting_step(struct sorting *sorting, size_t moves);
void sorting_clear(struct sorting *sorting);
