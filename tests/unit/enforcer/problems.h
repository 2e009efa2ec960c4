/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Diagnostics as lines of text, for tables of wrong input. */

#include <stdio.h>
#include <string.h>

#include "model/model.h"

/* "LINE:COLUMN PATH: MESSAGE\n" each, warnings with "warning " before them; in a static buffer. */
static inline const char *problems_text(const struct diagnostics *list)
{
    static char text[65536];
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; i < list->n; i++) {
        const struct diagnostic *d = &list->items[i];

        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u:%u %s%s%s\n",
                               d->severity == DIAGNOSTIC_WARNING ? "warning " : "", d->line,
                               d->column, d->path, *d->path ? ": " : "", d->message);
    }
    if (at > 0)
        text[at - 1] = '\0';
    return text;
}
