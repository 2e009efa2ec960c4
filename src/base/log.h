/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "macros.h"

/*
 * Log lines: `key=value` pairs after a level and an event name, to standard error. Called at the
 * edge only (daemon, CLI). Foreign strings are escaped by log_event itself. Each call site is
 * limited to LOG_BURST lines in LOG_WINDOW_S seconds; what was left out is counted and said.
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

#define LOG_BURST 50
#define LOG_WINDOW_S 10

void log_setup(enum log_level level, enum log_format format);
enum log_level log_level_get(void);

struct log_site {
    long window_start_s;
    unsigned int lines, suppressed;
};

struct log_field {
    const char *key;
    char value[512];
};
struct log_field log_field(const char *key, const char *format, ...) _printf_(2, 3);
void log_write(struct log_site *site, enum log_level level, const char *event,
               const struct log_field *fields, size_t n);

#define LOG_F(key, ...) log_field((key), __VA_ARGS__)
#define log_event(level, event, ...)                                                               \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        if ((level) <= log_level_get()) {                                                          \
            const struct log_field log_fields_here[] = {__VA_ARGS__};                              \
            log_write(&log_site_here, (level), (event), log_fields_here,                           \
                      ARRAY_SIZE(log_fields_here));                                                \
        }                                                                                          \
    } while (0)
/* Use: log_event(LOG_LEVEL_INFO, "policy.applied", LOG_F("revision", "%u", rev), LOG_F("rules",
 * "%zu", n)); */
