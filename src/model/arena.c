/* SPDX-License-Identifier: Apache-2.0 */
#include "model/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define ARENA_CHUNK_FIRST_BYTES 4096u
#define ARENA_CHUNK_MAX_BYTES (1u << 20)
#define ARENA_ALIGN 8u

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data */
    _Alignas(ARENA_ALIGN) char data[];
};

/* Chunks double, so that small owners stay small and large ones need few. */
static int add_chunk(struct arena *arena, size_t needed)
{
    size_t size = ARENA_CHUNK_FIRST_BYTES;
    struct arena_chunk *chunk;

    if (arena->chunks)
        size = MIN(arena->chunks->size * 2, (size_t)ARENA_CHUNK_MAX_BYTES);
    size = MAX(size, needed);
    chunk = malloc(sizeof(*chunk) + size);
    if (!chunk)
        return -1;
    chunk->size = size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->used = 0;
    arena->size = size;
    return 0;
}

static void *take(struct arena *arena, size_t bytes)
{
    void *data;

    if (arena->size - arena->used < bytes && add_chunk(arena, bytes) < 0)
        return NULL;
    data = arena->chunks->data + arena->used;
    arena->used += bytes;
    return data;
}

void *arena_alloc(struct arena *arena, size_t n, size_t size)
{
    size_t bytes;
    void *data;

    assert(arena);

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = MAX((bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1), (size_t)ARENA_ALIGN);
    data = take(arena, bytes);
    return data ? memset(data, 0, bytes) : NULL;
}

char *arena_copy(struct arena *arena, const char *text, size_t len)
{
    char *copy;

    assert(arena);
    assert(len < SIZE_MAX / 2);

    copy = take(arena, (len + 1 + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void arena_clear(struct arena *arena)
{
    struct arena_chunk *chunk, *next;

    for (chunk = arena->chunks; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *arena = (struct arena){0};
}
