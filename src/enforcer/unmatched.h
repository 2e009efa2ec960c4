/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "enforcer/ruling.h"
#include "enforcer/warnings.h"

/* Comparisons at most; past it the rest of the rulesets is not looked at. */
#define UNMATCHED_WORK_MAX 2000000
#define UNMATCHED_WARNINGS_MAX 20

/*
 * Warn of rulesets whose subject selects no processing unit of this host or of its peers: mostly a
 * tag that was misspelt.
 */
void unmatched_warn(const struct estate *estate, const struct ruling *ruling,
                    const struct directory *directory, struct warnings *warnings);
