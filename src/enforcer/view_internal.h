/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of view.h share. */

#include <jansson.h>

#include "enforcer/view.h"

#define VIEW_SOURCE "Console" /* what stands for the file in messages */

/* view_profile.c */
void view_profile_clear(struct view_profile *profile);
/* @return 0, -ENOMEM, -BULKHEAD_EINVALID_INPUT with a diagnostic */
int view_profile_read(const struct entries *entries, struct diagnostics *diagnostics,
                      struct view_profile *ret);
