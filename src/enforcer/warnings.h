/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is not as it should be, for `status`: a list of texts per source. A source says all it has
 * to say each time it is looked at, so what was mended disappears.
 */

#include <stddef.h>

#include "base/macros.h"
#include "model/model.h"

enum warning_source {
    WARNING_CONFIG,
    WARNING_POLICY,
    WARNING_PEERS,
    WARNING_UNITS,
    WARNING_DATAPATH,
    WARNING_LIMITS, /* what this kernel cannot do */
    WARNING_STATE,
    WARNING_CONSOLE,
    WARNING_SOURCES,
};

#define WARNINGS_PER_SOURCE_MAX 50
#define WARNING_BYTES_MAX 2048

struct warnings {
    char *texts[WARNING_SOURCES][WARNINGS_PER_SOURCE_MAX];
    size_t n[WARNING_SOURCES];
    size_t left_out[WARNING_SOURCES];
};

void warnings_clear(struct warnings *warnings, enum warning_source source);
void warnings_add(struct warnings *warnings, enum warning_source source, const char *format, ...)
    _printf_(3, 4);
/* Every problem of a parse; cleared before. */
void warnings_set(struct warnings *warnings, enum warning_source source,
                  const struct diagnostics *diagnostics);
size_t warnings_count(const struct warnings *warnings);
void warnings_free(struct warnings *warnings);
