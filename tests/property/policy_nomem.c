/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of resolve, compile, diff and nearest fails once: the answer is -ENOMEM, what
 * the caller gave is untouched, and nothing is lost (LeakSanitizer looks at the end). The linker
 * puts the
 * __wrap_ functions in place of the allocator's (see CMakeLists.txt).
 */
#include <errno.h>
#include <stdlib.h>

#include "world.h"

#define SEEDS 12
#define ALLOCATIONS_MAX 100000

static long countdown = -1; /* -1: never fails */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(void)
{
    if (countdown < 0)
        return false;
    return countdown-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

/* Resolve, compile, compare, explain, as a daemon does it. 0 or the first error. */
static int work(const struct world *world, const struct gen *gen)
{
    _cleanup_policy_delta_ struct policy_delta *delta = NULL;
    _cleanup_policy_compiled_ struct policy_compiled *compiled = NULL;
    _cleanup_policy_ struct policy *policy = NULL;
    _cleanup_free_
    char *missing = NULL;
    struct policy_identity identities[GEN_PUS_MAX];
    struct policy_peer peer = {.has_identity = true, .tags = &world->tags[0]};
    uint32_t rule = 77;
    int r;

    for (size_t i = 0; i < gen->n_pus; i++)
        identities[i] = (struct policy_identity){.id = 256 + (uint32_t)i, .tags = &world->tags[i]};
    r = policy_resolve(world->estate, gen_namespaces[gen->pus[0].namespace], &world->tags[0],
                       &policy);
    if (r == 0)
        r = policy_compile(world->estate, (const struct policy *const *)&policy, 1, identities,
                           gen->n_pus, &compiled);
    else
        assert(!policy);
    if (r == 0)
        r = policy_diff(world->compiled, compiled, &delta);
    else
        assert(!compiled);
    if (r == 0)
        r = policy_nearest(world->estate, policy, MODEL_DIRECTION_OUT, &peer, PROTOCOL_TCP, 80,
                           &rule, &missing);
    if (r < 0)
        assert(!delta || (rule == 77 && !missing));
    return r;
}

int main(void)
{
    unsigned long failures = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct gen_entropy entropy = {.state = seed};
        struct world world = {0};
        struct gen gen;
        long n = 0;
        int r;

        gen_fill(&entropy, &gen);
        if (world_new(&gen, &world) < 0)
            return EXIT_FAILURE;
        do {
            countdown = n;
            r = work(&world, &gen);
            countdown = -1;
            if (r != 0 && r != -ENOMEM) {
                printf("FAILED: seed %d, allocation %ld: error %d\n", (int)seed, n, r);
                return EXIT_FAILURE;
            }
            failures += r != 0;
        } while (r != 0 && ++n < ALLOCATIONS_MAX);
        world_clear(&world);
    }
    printf("%lu failed allocations\n", failures);
    return failures > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
