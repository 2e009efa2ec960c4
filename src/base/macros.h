/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))

/* Hand the pointer (or descriptor) on: the cleanup attribute then finds nothing to free. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *taken_at = &(p);                                                            \
        __typeof__(p) taken = *taken_at;                                                           \
        *taken_at = NULL;                                                                          \
        taken;                                                                                     \
    })

#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int *taken_at = &(fd);                                                                     \
        int taken = *taken_at;                                                                     \
        *taken_at = -1;                                                                            \
        taken;                                                                                     \
    })

static inline void free_pointer(void *p)
{
    free(*(void **)p);
    *(void **)p = NULL;
}

static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

#define _cleanup_free_ _cleanup_(free_pointer)
#define _cleanup_close_ _cleanup_(close_fd)
