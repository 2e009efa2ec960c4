/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a filter asks for, as far as the index of tags can answer it:
 *   required   `normalizedTags contains ["t"]`, `name ==`, `namespace ==`, `ID ==` joined by `and`
 *   any        the same kind of conditions joined by `or`
 * What these conditions do not decide alone is left to filter_matches() on each candidate. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "schema/filter.h"
#include "schema/schema.h"

#define PLAN_REQUIRED_MAX 16
#define PLAN_ANY_MAX 256

struct plan {
    char *required[PLAN_REQUIRED_MAX], *any[PLAN_ANY_MAX]; /* tags */
    size_t n_required, n_any;
    bool residual; /* the filter must be asked as well */
};
/* Into an empty one. `filter` may be NULL. */
void plan_make(struct plan *plan, const struct filter *filter, const struct schema_kind *kind);
void plan_clear(struct plan *plan);
