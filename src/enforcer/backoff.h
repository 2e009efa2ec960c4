/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * When to try again: full jitter below a bound that doubles from a second to a minute, so that many
 * Enforcers do not come back together. After a reason that time alone does not mend the bound
 * starts higher. Pure: randomness is given.
 */

#include <stdint.h>

#include "link/link.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
#define BACKOFF_FLOOR_MS 100
#define BACKOFF_LONG_MS (5 * 60 * 1000) /* clock, version, replaced: a person has to act */
#define BACKOFF_AFTER_MAX_S 3600
#define BACKOFF_REVOKED_MS (60 * 60 * 1000)

struct backoff {
    uint32_t failures;
    uint32_t least_ms; /* of the last bye; 0: none */
    uint32_t after_ms; /* what the Console asked for the last time (Retry-After) */
};

void backoff_success(struct backoff *backoff);
void backoff_failure(struct backoff *backoff);
/* A bye says more than a failure. */
void backoff_bye(struct backoff *backoff, enum link_bye code);
/* The Console said when it is worth another try: not before, and not all at that moment. */
void backoff_later(struct backoff *backoff, uint32_t after_s);
/* @param random  any number, uniform */
uint32_t backoff_delay_ms(const struct backoff *backoff, uint64_t random);
