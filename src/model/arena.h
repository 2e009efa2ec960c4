/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Memory that is freed as a whole: nodes of a document, objects of an estate. Private to model. */

#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used, size;          /* of the newest */
};

/* Zeroed memory for n items of `size` bytes, aligned for any scalar; NULL when there is none left.
 * n may be 0. */
void *arena_alloc(struct arena *arena, size_t n, size_t size);
/* A NUL-terminated copy. */
char *arena_copy(struct arena *arena, const char *text, size_t len);
void arena_clear(struct arena *arena);
