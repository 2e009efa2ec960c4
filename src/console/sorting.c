/* SPDX-License-Identifier: Apache-2.0 */
#include "console/sorting.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

static void begin_run(struct sorting *sorting, size_t low)
{
    if (low >= sorting->n) {
        char *sorted = sorting->spare;

        sorting->spare = sorting->items;
        sorting->items = sorted;
        sorting->width *= 2;
        low = 0;
    }
    sorting->low = sorting->left = sorting->out = low;
    sorting->right = MIN(low + sorting->width, sorting->n);
}

int sorting_begin(struct sorting *sorting, void *items, size_t n, size_t size,
                  int (*compare)(const void *a, const void *b, void *context), void *context)
{
    assert(size > 0);

    *sorting = (struct sorting){
        .items = items, .n = n, .size = size, .compare = compare, .context = context, .width = 1};
    sorting->right = MIN((size_t)1, n);
    if (n > 1)
        sorting->spare = reallocarray(NULL, n, size);
    return n <= 1 || sorting->spare ? 0 : -ENOMEM;
}

static void move_one(struct sorting *sorting)
{
    size_t size = sorting->size, middle = MIN(sorting->low + sorting->width, sorting->n),
           end = MIN(sorting->low + 2 * sorting->width, sorting->n);
    const char *left = sorting->items + sorting->left * size,
               *right = sorting->items + sorting->right * size;
    bool is_left = sorting->left < middle &&
                   (sorting->right == end || sorting->compare(left, right, sorting->context) <= 0);

    memcpy(sorting->spare + sorting->out * size, is_left ? left : right, size);
    sorting->left += is_left;
    sorting->right += !is_left;
    if (++sorting->out == end)
        begin_run(sorting, end);
}

bool sorting_step(struct sorting *sorting, size_t moves)
{
    for (; sorting->width < sorting->n && moves > 0; moves--)
        move_one(sorting);
    return sorting->width >= sorting->n;
}

void sorting_clear(struct sorting *sorting)
{
    free(sorting->items);
    free(sorting->spare);
    *sorting = (struct sorting){0};
}
