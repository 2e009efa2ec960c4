/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Growing arrays of the compiler. Internal to src/policy. */

#include <errno.h>
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
    wanted = MAX(MAX(*size * 2, need), (size_t)16);
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

/* A list of 32-bit numbers. Zero-initialised: empty. */
struct u32s {
    uint32_t *v;
    size_t n, size;
};

static inline int u32s_push(struct u32s *list, uint32_t value)
{
    int r;

    r = vec_reserve(&list->v, &list->size, list->n + 1, sizeof(*list->v));
    if (r < 0)
        return r;
    list->v[list->n++] = value;
    return 0;
}

static inline void u32s_free(struct u32s *list)
{
    free(list->v);
    *list = (struct u32s){0};
}
#define _cleanup_u32s_ _cleanup_(u32s_free)
