/* SPDX-License-Identifier: Apache-2.0 */
#include "console/hooks.h"

#include "console/push.h"

int api_register_all(struct console *console)
{
    static int (*const all[])(struct console * console) = {
        hooks_auth,      hooks_namespaces, hooks_space_info, hooks_activities,
        hooks_look,      hooks_tags,       hooks_matches,    hooks_import,
        hooks_enforcers, hooks_units,      hooks_refreshes,  hooks_renewals,
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = all[i](console);
    return r;
}
