/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "model/model.h"

/* Comparisons of tag clauses after which the search for opposite sides gives up, and says so. */
#define LINT_COMPARISONS_MAX 5000000u

/*
 * Warnings about an estate that is right in form: an Allow rule between processing units whose
 * opposite side no ruleset here has, and tags in objects that no subject, network or namespace here
 * mentions. Which processing units there are is not known, so a warning is given only where no
 * processing unit at all could make the rule useful by these files alone.
 *
 * @return 0 or -ENOMEM
 */
int lint_estate(const struct estate *estate, struct diagnostics *diagnostics);
