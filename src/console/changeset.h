/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside of struct change_set, for commit.c. */

#include "console/commit.h"

struct change_set {
    struct store_op *ops;
    uint32_t *next_id, *next_unique; /* chains of equal hashes: index + 1 of the one before */
    size_t n, size;
    uint32_t *heads; /* of both, by hash */
    size_t n_heads;
    char *idempotency_key, *idempotency_answer;
    bool lockable;
};
