/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files behind hooks_auth(). */

#include "console/api.h"

int hooks_issue(struct console *console);
int hooks_credentials(struct console *console);
int hooks_accounts(struct console *console);
int hooks_authz(struct console *console);
int hooks_logout(struct console *console);
int hooks_trust(struct console *console);
/* Once, at the start: secrets of one-time passwords that an older Console stored as they are. */
void accounts_seal(struct console *console);

static inline void json_pointer_clear(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}
#define _cleanup_json_ _cleanup_(json_pointer_clear)
