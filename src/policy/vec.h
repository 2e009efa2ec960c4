/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Growing arrays of the compiler. Internal to src/policy. */

#include <stdint.h>

#include "base/vec.h"

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
