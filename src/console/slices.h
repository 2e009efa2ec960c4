/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Work for callers that may take long, done a slice at a time between everything else that the loop
 * does. A turn of the loop has SLICES_TURN_MS for all of it. Callers have slices by turns; the
 * works of one caller are done one after the other. What is short is done at once, in its first
 * slice.
 */

#include "console/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLICES_MS 2
#define SLICES_TURN_MS 5
#define SLICES_BEGUN_MAX 16 /* works that have begun, and hold memory */
#define SLICES_WAITING_MAX 4096
#define SLICES_CALLER_MAX 256            /* of one caller */
#define SLICES_HELD_BYTES_MAX (1u << 30) /* in what all of them have made so far */

struct slice_work {
    /* Goes on until `until_ns` of uv_hrtime(), at least a little. @return true: it is over, and
     * `context` is not used again */
    bool (*step)(void *context, uint64_t until_ns);
    /* Does anybody still wait for it? Asked before each slice but the first. */
    bool (*is_wanted)(void *context);
    /* Nobody does, or the loop ends: `context` is not used again. */
    void (*cancel)(void *context);
};

struct slices;
int slices_new(uv_loop_t *loop, struct slices **ret);
/* Cancels what is left. */
void slices_free(struct slices **slices);
/*
 * @param caller whose work it is: any number that tells callers apart
 * @return 0 (also when it is over already); -ENOBUFS: too many wait; -EAGAIN: too many of this
 *         caller. Then nothing was called
 */
int slices_run(struct slices *slices, uint64_t caller, const struct slice_work *work,
               void *context);
/* What a work holds now, in place of *held; false: all together hold too much. At its end: 0. */
bool slices_hold(struct slices *slices, size_t *held, size_t bytes);

struct slices_counters {
    uint64_t turns, slices, cancelled, refused;
    size_t begun_now, waiting_now;
};
const struct slices_counters *slices_counters(const struct slices *slices);
