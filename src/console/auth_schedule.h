/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* activeSchedule and activeDuration of a policy: five cron fields in UTC, and how long after. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_DAYS_MAX 366 /* a longer duration counts as this one */

struct schedule {
    uint64_t minutes; /* bit set: fires then */
    uint32_t hours, days;
    uint16_t months;
    uint8_t weekdays;          /* Sunday is 0 */
    bool any_day, any_weekday; /* the field is "*": the other one decides */
    int64_t duration_ms;
};

/* Fields as in cron(5): numbers, ranges, lists, steps, names of months and weekdays. When day and
 * weekday are both given, either will do. -EINVAL. */
int schedule_parse(const char *cron, int64_t duration_ms, struct schedule *ret);
/* Has it fired within the last duration_ms? */
bool schedule_active(const struct schedule *schedule, int64_t now_ms);
