/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "schema/internal.h"

#define DAY_MS INT64_C(86400000)
#define DURATION_MAX_MS (INT64_C(1000) * 366 * DAY_MS)

/* Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years from March. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *ret_day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *ret_month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *ret_year = yoe + era * 400 + (*ret_month <= 2);
}

/* Exactly n digits; moves *text on. */
static bool digits(const char **text, int n, unsigned *ret)
{
    unsigned value = 0;

    for (int i = 0; i < n; i++) {
        char c = (*text)[i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (unsigned)(c - '0');
    }
    *text += n;
    *ret = value;
    return true;
}

static bool one_of(const char **text, const char *set)
{
    if (!**text || !strchr(set, **text))
        return false;
    ++*text;
    return true;
}

/* ".678…": more digits than milliseconds are cut off. */
static bool fraction(const char **text, unsigned *ret_ms)
{
    unsigned ms = 0, scale = 100;

    *ret_ms = 0;
    if (!one_of(text, "."))
        return true;
    if (**text < '0' || **text > '9')
        return false;
    for (int i = 0; **text >= '0' && **text <= '9'; ++*text, i++, scale /= 10) {
        if (i == 12)
            return false;
        ms += (unsigned)(**text - '0') * scale;
    }
    *ret_ms = ms;
    return true;
}

/* "Z", "+02:00"; the offset in minutes. */
static bool offset(const char **text, int *ret_minutes)
{
    unsigned hours, minutes;
    bool minus;

    *ret_minutes = 0;
    if (one_of(text, "Zz"))
        return true;
    minus = **text == '-';
    if (!one_of(text, "+-") || !digits(text, 2, &hours) || !one_of(text, ":") ||
        !digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = (minus ? -1 : 1) * (int)(hours * 60 + minutes);
    return true;
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

bool schema_time_parse(const char *text, int64_t *ret_ms)
{
    unsigned year, month, day, hour = 0, minute = 0, second = 0, ms = 0;
    int minutes = 0;
    bool strict;

    assert(text);
    assert(ret_ms);

    if (!digits(&text, 4, &year) || !one_of(&text, "-") || !digits(&text, 2, &month) ||
        !one_of(&text, "-") || !digits(&text, 2, &day) || month < 1 || month > 12 || day < 1 ||
        day > month_days(year, month))
        return false;
    strict = *text == 'T' || *text == 't';
    if (*text) {
        if (!one_of(&text, "Tt ") || !digits(&text, 2, &hour) || !one_of(&text, ":") ||
            !digits(&text, 2, &minute))
            return false;
        if (one_of(&text, ":")) {
            if (!digits(&text, 2, &second) || !fraction(&text, &ms))
                return false;
        } else if (strict) {
            return false;
        }
        if ((strict || *text) && !offset(&text, &minutes))
            return false;
    }
    if (*text || hour > 23 || minute > 59 || second > 60)
        return false;
    *ret_ms = days_from_date(year, month, day) * DAY_MS +
              ((int64_t)hour * 60 + minute - minutes) * 60000 + (int64_t)second * 1000 + ms;
    return true;
}

bool schema_time_format(int64_t ms, char text[SCHEMA_TIME_LEN + 1])
{
    int64_t days = ms / DAY_MS - (ms % DAY_MS < 0), rest = ms - days * DAY_MS, year;
    unsigned month, day;

    date_from_days(days, &year, &month, &day);
    if (year < 0 || year > 9999)
        return false;
    return snprintf(text, SCHEMA_TIME_LEN + 1, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                    (unsigned)year % 10000, month % 100, day % 100, (unsigned)(rest / 3600000) % 24,
                    (unsigned)(rest / 60000 % 60), (unsigned)(rest / 1000 % 60),
                    (unsigned)(rest % 1000)) == SCHEMA_TIME_LEN;
}

struct unit {
    const char *name;
    int64_t ms;
};

static const struct unit *unit_at(const char *text)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", DAY_MS},
    };

    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strncmp(text, units[i].name, strlen(units[i].name)) == 0)
            return &units[i];
    return NULL;
}

/* One number with its unit, "1.5h"; thousandths are exact. */
static bool duration_part(const char **text, int64_t *total)
{
    const struct unit *unit;
    int64_t value = 0;
    unsigned thousandths;

    if (**text < '0' || **text > '9')
        return false;
    for (; **text >= '0' && **text <= '9'; ++*text) {
        value = value * 10 + (**text - '0');
        if (value > DURATION_MAX_MS)
            return false;
    }
    if (!fraction(text, &thousandths))
        return false;
    unit = unit_at(*text);
    if (!unit || value > DURATION_MAX_MS / unit->ms)
        return false;
    *text += strlen(unit->name);
    *total += value * unit->ms + (int64_t)thousandths * unit->ms / 1000;
    return *total <= DURATION_MAX_MS;
}

bool schema_duration_parse(const char *text, bool is_signed, int64_t *ret_ms)
{
    int64_t total = 0;
    bool minus;

    assert(text);
    assert(ret_ms);

    minus = is_signed && *text == '-';
    if (is_signed && (*text == '-' || *text == '+'))
        text++;
    if (strcmp(text, "0") != 0) {
        do {
            if (!duration_part(&text, &total))
                return false;
        } while (*text);
    }
    *ret_ms = minus ? -total : total;
    return true;
}
