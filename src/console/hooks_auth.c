/* SPDX-License-Identifier: Apache-2.0 */
#include "console/hooks_auth.h"

int hooks_auth(struct console *console)
{
    static int (*const all[])(struct console *) = {
        hooks_issue, hooks_credentials, hooks_accounts, hooks_authz, hooks_logout, hooks_trust,
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = all[i](console);
    return r;
}
