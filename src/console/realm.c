/* SPDX-License-Identifier: Apache-2.0 */
#include "console/realm.h"

#include <string.h>

static const struct realm *const realms[] = {
    &realm_certificate,
    &realm_vince,
    &realm_token,
    &realm_token_old,
};

const struct realm *realm_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(realms); i++)
        if (strcmp(realms[i]->name, name) == 0)
            return realms[i];
    return NULL;
}

const char *realm_names(void)
{
    static char names[256];

    if (*names)
        return names;
    for (size_t i = 0; i < ARRAY_SIZE(realms); i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ", " : "",
                 realms[i]->name);
    return names;
}

void realm_identity_clear(struct realm_identity *identity)
{
    free(identity->subject);
    json_decref(identity->data);
    json_decref(identity->origin);
    caller_free(&identity->parent);
    *identity = (struct realm_identity){0};
}
