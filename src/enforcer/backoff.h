/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * When to try again: full jitter below a bound that doubles from a second on, so that many
 * Enforcers do not come back together. To a minute where somebody was reached and it failed then:
 * more tries would cost a Console that has too much to do already. To 15 s where nobody was: a try
 * costs nothing but a SYN, and the first one after the Console's return shall not be a minute late.
 * After a reason that time alone does not mend the bound starts higher. Pure: randomness is given.
 */

#include <stdbool.h>
#include <stdint.h>

#include "link/link.h"

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
#define BACKOFF_ABSENT_MAX_MS 15000
#define BACKOFF_FLOOR_MS 100
#define BACKOFF_LONG_MS (5 * 60 * 1000) /* clock, version, replaced: a person has to act */
#define BACKOFF_AFTER_MAX_S 3600
#define BACKOFF_REVOKED_MS (60 * 60 * 1000)

struct backoff {
    uint32_t failures; /* in a row, of the same sort */
    bool reached;
    uint32_t least_ms; /* of the last bye; 0: none */
    uint32_t after_ms; /* what the Console asked for the last time (Retry-After) */
};

void backoff_success(struct backoff *backoff);
/* @param reached  whether somebody took the connection */
void backoff_failure(struct backoff *backoff, bool reached);
/* A bye says more than a failure. */
void backoff_bye(struct backoff *backoff, enum link_bye code);
/* The Console said when it is worth another try: not before, and not all at that moment. */
void backoff_later(struct backoff *backoff, uint32_t after_s);
/* @param random  any number, uniform */
uint32_t backoff_delay_ms(const struct backoff *backoff, uint64_t random);
