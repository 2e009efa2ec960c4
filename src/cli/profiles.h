/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/command.h"
#include "model/model.h"

/* Names of the profiles there are; free with strv_free; NULL when there are none. */
char **profiles_names(size_t *ret_n);
/* Make one the current one. enum cli_exit. */
int profiles_use(struct cli_call *call, const char *name);
