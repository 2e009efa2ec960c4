/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "console/api_internal.h"

/*
 * What one client may ask for. Not which request is expensive is written down here, but what it
 * took is counted afterwards: so a new kind of request is limited like the others.
 */

#define MS_NS 1000000u

uint64_t api_thread_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 * MS_NS + (uint64_t)now.tv_nsec;
}

void api_limits_key(const struct caller *caller, char ret[LIMITS_KEY_MAX])
{
    const char *realm = json_string_value(json_object_get(caller->token, "realm"));

    /* Two realms may know the same name. */
    snprintf(ret, LIMITS_KEY_MAX, "%s %s", realm ? realm : "enforcer", caller->subject);
}

static bool within(struct api_call_private *call, enum limit kind, const char *key, uint32_t cost)
{
    struct api_error error = {0};
    uint32_t wait_s = limits_take(call->public.console->limits, kind, key, cost, uv_hrtime());

    if (wait_s == 0)
        return true;
    api_error_limit(&error, kind, key, wait_s);
    api_fail(&call->public, &error, NULL);
    return false;
}

bool api_within_strangers(struct api_call_private *call)
{
    char address[LIMITS_ADDRESS_MAX];

    limits_address(call->public.request->client, address);
    return within(call, LIMIT_STRANGERS, address, 1);
}

/* Reading and writing one object is never long; lists and what is computed may be. */
static bool is_short(const struct api_call_private *call)
{
    return call->route.type == API_ROUTE_OBJECT ||
           (call->route.type == API_ROUTE_KIND && call->route.kind->stored &&
            call->public.verb != AUTH_LIST);
}

bool api_within_own(struct api_call_private *call)
{
    enum auth_verb verb = call->public.verb;
    char key[LIMITS_KEY_MAX];

    api_limits_key(call->public.caller, key);
    if (verb != AUTH_LIST && verb != AUTH_GET && !within(call, LIMIT_WRITES, key, 1))
        return false;
    return is_short(call) || within(call, LIMIT_WORK, key, 0);
}

void api_charge_key(struct console *console, const char *key, uint64_t ns)
{
    if (ns >= LIMITS_WORK_SHORT_MS * MS_NS)
        limits_charge(console->limits, LIMIT_WORK, key, (uint32_t)(ns / MS_NS), uv_hrtime());
}

void api_charge(const struct api_call *call, uint64_t ns)
{
    char key[LIMITS_KEY_MAX];

    if (!call->caller || ns < LIMITS_WORK_SHORT_MS * MS_NS)
        return;
    api_limits_key(call->caller, key);
    api_charge_key(call->console, key, ns);
}
