/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Growing arrays. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define VEC_BYTES_MAX ((size_t)1 << 36)

/*
 * Make room for `need` elements, at least doubling.
 * @param array  address of a pointer to elements of `element_bytes` (of any type, hence memcpy)
 * @return 0 or -ENOMEM
 */
static inline int vec_reserve(void *array, size_t *size, size_t need, size_t element_bytes)
{
    void *old, *grown;
    size_t wanted;

    if (need <= *size)
        return 0;
    wanted = MAX(MAX(*size * 2, need), (size_t)4);
    if (wanted > VEC_BYTES_MAX / element_bytes)
        return -ENOMEM;
    memcpy(&old, array, sizeof(old));
    grown = realloc(old, wanted * element_bytes);
    if (!grown)
        return -ENOMEM;
    memcpy(array, &grown, sizeof(grown));
    *size = wanted;
    return 0;
}

/* A list of pointers, owned by somebody else. Zero-initialised: empty. */
struct pointers {
    void **v;
    size_t n, size;
};

static inline int pointers_push(struct pointers *list, void *pointer)
{
    int r;

    r = vec_reserve(&list->v, &list->size, list->n + 1, sizeof(*list->v));
    if (r < 0)
        return r;
    list->v[list->n++] = pointer;
    return 0;
}

/* Order is not kept. False: it was not there. */
static inline bool pointers_remove(struct pointers *list, const void *pointer)
{
    for (size_t i = list->n; i-- > 0;) {
        if (list->v[i] != pointer)
            continue;
        list->v[i] = list->v[--list->n];
        return true;
    }
    return false;
}

static inline bool pointers_has(const struct pointers *list, const void *pointer)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i] == pointer)
            return true;
    return false;
}

static inline void pointers_free(struct pointers *list)
{
    free(list->v);
    *list = (struct pointers){0};
}
#define _cleanup_pointers_ _cleanup_(pointers_free)
