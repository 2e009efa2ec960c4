/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/warnings.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void warnings_clear(struct warnings *warnings, enum warning_source source)
{
    for (size_t i = 0; i < warnings->n[source]; i++)
        free(warnings->texts[source][i]);
    warnings->n[source] = 0;
    warnings->left_out[source] = 0;
}

static void add(struct warnings *warnings, enum warning_source source, const char *text)
{
    char *copy;

    if (warnings->n[source] == WARNINGS_PER_SOURCE_MAX) {
        warnings->left_out[source]++;
        return;
    }
    copy = strndup(text, WARNING_BYTES_MAX);
    if (copy)
        warnings->texts[source][warnings->n[source]++] = copy;
}

void warnings_add(struct warnings *warnings, enum warning_source source, const char *format, ...)
{
    char text[WARNING_BYTES_MAX];
    va_list args;

    va_start(args, format);
    text_vformat(text, sizeof(text), format, args);
    va_end(args);
    add(warnings, source, text);
}

void warnings_set(struct warnings *warnings, enum warning_source source,
                  const struct diagnostics *diagnostics)
{
    warnings_clear(warnings, source);
    for (size_t i = 0; i < diagnostics->n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics->items[i]);

        if (text)
            add(warnings, source, text);
    }
    warnings->left_out[source] += diagnostics->n_dropped;
}

size_t warnings_count(const struct warnings *warnings)
{
    size_t n = 0;

    for (int source = 0; source < WARNING_SOURCES; source++)
        n += warnings->n[source] + warnings->left_out[source];
    return n;
}

void warnings_free(struct warnings *warnings)
{
    for (int source = 0; source < WARNING_SOURCES; source++)
        warnings_clear(warnings, source);
}
