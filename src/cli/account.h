/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/client/session.h"

/* Ask for the password of a local account (and --otp - for the one-time password), and put both
 * into the `metadata` of a body for POST /issue. enum cli_exit. */
int account_metadata(struct cli_call *call, const char *account, json_t *body);
