/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_schedule.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/macros.h"

#define MINUTE_MS 60000LL
#define DAY_S 86400LL
#define DAY_MS (DAY_S * 1000)

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

struct field {
    unsigned low, high;
    const char *const *names; /* of low, low + 1, …; NULL: none */
};

static bool number(const char **text, const struct field *field, unsigned *ret)
{
    unsigned value = 0;
    int n = 0;

    for (size_t i = 0; field->names && field->names[i]; i++) {
        if (strncasecmp(*text, field->names[i], 3) != 0)
            continue;
        *text += 3;
        *ret = field->low + (unsigned)i;
        return true;
    }
    for (; **text >= '0' && **text <= '9' && n < 3; ++*text, n++)
        value = value * 10 + (unsigned)(**text - '0');
    if (n == 0 || value < field->low || value > field->high)
        return false;
    *ret = value;
    return true;
}

/* "*", "5", "1-5", "*" with a step, "10-50/5" */
static bool part(const char **text, const struct field *field, uint64_t *bits)
{
    unsigned from = field->low, to = field->high, step = 1;
    bool range = true;

    if (**text == '*') {
        ++*text;
    } else {
        if (!number(text, field, &from))
            return false;
        range = **text == '-';
        to = from;
        if (range && (++*text, !number(text, field, &to)))
            return false;
    }
    if (**text == '/') {
        const struct field steps = {.low = 1, .high = field->high};

        ++*text;
        if (!number(text, &steps, &step))
            return false;
        if (!range)
            to = field->high;
    }
    if (from > to)
        return false;
    for (unsigned i = from; i <= to; i += step)
        *bits |= UINT64_C(1) << i;
    return true;
}

static bool parse_field(const char **text, const struct field *field, uint64_t *ret, bool *ret_any)
{
    uint64_t bits = 0;

    *text += strspn(*text, " ");
    *ret_any = **text == '*' && ((*text)[1] == ' ' || (*text)[1] == '\0');
    for (;;) {
        if (!part(text, field, &bits))
            return false;
        if (**text != ',')
            break;
        ++*text;
    }
    *ret = bits;
    return **text == ' ' || **text == '\0';
}

int schedule_parse(const char *cron, int64_t duration_ms, struct schedule *ret)
{
    static const struct field fields[5] = {
        {0, 59, NULL}, {0, 23, NULL}, {1, 31, NULL}, {1, 12, months}, {0, 7, weekdays}};
    uint64_t bits[5];
    bool any[5];

    assert(cron);
    assert(ret);

    for (size_t i = 0; i < 5; i++)
        if (!parse_field(&cron, &fields[i], &bits[i], &any[i]))
            return -EINVAL;
    if (cron[strspn(cron, " ")] || duration_ms < 0)
        return -EINVAL;
    *ret = (struct schedule){
        .minutes = bits[0],
        .hours = (uint32_t)bits[1],
        .days = (uint32_t)bits[2],
        .months = (uint16_t)bits[3],
        .weekdays = (uint8_t)((bits[4] & 0x7f) | (bits[4] >> 7)), /* 7 is Sunday, too */
        .any_day = any[2],
        .any_weekday = any[4],
        .duration_ms = MIN(duration_ms, SCHEDULE_DAYS_MAX * DAY_MS),
    };
    return 0;
}

static bool day_matches(const struct schedule *schedule, time_t day_s)
{
    struct tm tm;
    bool day, weekday;

    if (!gmtime_r(&day_s, &tm) || !(schedule->months >> (tm.tm_mon + 1) & 1))
        return false;
    day = schedule->days >> tm.tm_mday & 1;
    weekday = schedule->weekdays >> tm.tm_wday & 1;
    return schedule->any_day || schedule->any_weekday ? day && weekday : day || weekday;
}

/* Last minute of the day, at most `limit`, at which it fires; -1: none. */
static int last_minute(const struct schedule *schedule, int limit)
{
    for (int hour = limit / 60; hour >= 0; hour--) {
        int top = MIN(limit - hour * 60, 59);
        uint64_t minutes = schedule->minutes & (UINT64_MAX >> (63 - top));

        if ((schedule->hours >> hour & 1) && minutes)
            return hour * 60 + 63 - __builtin_clzll(minutes);
    }
    return -1;
}

bool schedule_active(const struct schedule *schedule, int64_t now_ms)
{
    int64_t today_ms = now_ms - now_ms % DAY_MS;

    assert(schedule);
    assert(now_ms >= 0);

    for (int64_t day_ms = today_ms; day_ms >= 0 && day_ms + DAY_MS > now_ms - schedule->duration_ms;
         day_ms -= DAY_MS) {
        int limit = day_ms == today_ms ? (int)((now_ms - today_ms) / MINUTE_MS) : 24 * 60 - 1;
        int minute;

        if (!day_matches(schedule, (time_t)(day_ms / 1000)))
            continue;
        minute = last_minute(schedule, limit);
        if (minute >= 0)
            return now_ms - (day_ms + minute * MINUTE_MS) < schedule->duration_ms;
    }
    return false;
}
