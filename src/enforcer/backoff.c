/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/backoff.h"

void backoff_success(struct backoff *backoff)
{
    *backoff = (struct backoff){0};
}

void backoff_failure(struct backoff *backoff, bool reached)
{
    if (backoff->reached != reached)
        backoff->failures = 0;
    backoff->reached = reached;
    if (backoff->failures < UINT32_MAX)
        backoff->failures++;
    backoff->least_ms = backoff->after_ms = 0;
}

void backoff_later(struct backoff *backoff, uint32_t after_s)
{
    backoff_failure(backoff, true);
    backoff->after_ms = MIN(after_s, (uint32_t)BACKOFF_AFTER_MAX_S) * 1000;
}

void backoff_bye(struct backoff *backoff, enum link_bye code)
{
    backoff_failure(backoff, true);
    switch (code) {
    case LINK_BYE_REVOKED:
    case LINK_BYE_REFUSED:
        backoff->least_ms = BACKOFF_REVOKED_MS;
        break;
    case LINK_BYE_REPLACED:
    case LINK_BYE_CLOCK:
    case LINK_BYE_VERSION:
        backoff->least_ms = BACKOFF_LONG_MS;
        break;
    default:
        break;
    }
}

uint32_t backoff_delay_ms(const struct backoff *backoff, uint64_t random)
{
    uint32_t doublings = backoff->failures > 1 ? MIN(backoff->failures - 1, 6u) : 0;
    uint32_t most = backoff->reached ? BACKOFF_MAX_MS : BACKOFF_ABSENT_MAX_MS;
    uint32_t bound = MIN((uint32_t)BACKOFF_MIN_MS << doublings, most);

    if (backoff->least_ms) /* half of it for sure */
        return backoff->least_ms / 2 + (uint32_t)(random % (backoff->least_ms / 2 + 1));
    return backoff->after_ms + BACKOFF_FLOOR_MS +
           (uint32_t)(random % (bound - BACKOFF_FLOOR_MS + 1));
}
