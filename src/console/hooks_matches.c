/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "console/api_internal.h"
#include "console/hooks.h"

/*
 * What a policy matches now: /networkrulesetpolicies/:id/processingunits?mode=subject|object and
 * the like. Subjects are in the namespace of the policy, below it when it propagates. Objects of
 * rules are processing units of any namespace, and external networks that are in reach.
 */

struct matching {
    struct api_call *call;
    const struct object *policy;
    bool anywhere, upwards; /* besides where the policy acts */
    json_t *seen, *found;
};

static bool acts_on(const struct matching *matching, const struct object *object)
{
    const char *home = matching->policy->space->name, *there = object->space->name;

    if (matching->anywhere || strcmp(home, there) == 0)
        return true;
    if (namespace_is_within(home, there))
        return object_flag(matching->policy, "propagate");
    return matching->upwards && namespace_is_within(there, home) &&
           object_flag(object, "propagate");
}

static bool visit(void *context, const struct object *object)
{
    struct matching *matching = context;
    struct api_call *call = matching->call;

    if (!acts_on(matching, object) || object_flag(object, "archived") ||
        json_object_get(matching->seen, object->id))
        return true;
    if (strcmp(object->space->name, call->namespace) != 0 &&
        !auth_allowed(call->console->auth, call->caller, AUTH_LIST, object->kind,
                      object->space->name, NULL))
        return true;
    json_object_set_new(matching->seen, object->id, json_true());
    json_array_append_new(matching->found, api_show(call, object));
    return true;
}

static void match_expression(struct matching *matching, const json_t *expression)
{
    size_t i, j;
    json_t *clause, *tag;

    json_array_foreach((json_t *)expression, i, clause)
    {
        _cleanup_tag_set_ struct tag_set set = {0};

        json_array_foreach(clause, j, tag) if (json_is_string(tag))
            tag_set_add(&set, json_string_value(tag));
        if (set.n)
            objects_by_tags(matching->call->console->objects, matching->call->kind, &set, visit,
                            matching);
    }
}

static void match_rules(struct matching *matching, const json_t *rules)
{
    size_t i;
    json_t *rule;

    json_array_foreach((json_t *)rules, i, rule)
        match_expression(matching, json_object_get(rule, "object"));
}

static void run(struct api_call *call, bool object_side)
{
    const struct object *policy = api_parent(call);
    struct matching matching = {
        .call = call, .policy = policy, .seen = json_object(), .found = json_array()};
    json_t *body = policy ? object_parse(policy) : NULL;
    bool is_ruleset = policy && strcmp(policy->kind->name, "networkrulesetpolicy") == 0;

    matching.upwards = object_side;
    matching.anywhere =
        object_side && is_ruleset && strcmp(call->kind->name, "processingunit") == 0;
    if (!object_side)
        match_expression(&matching, json_object_get(body, "subject"));
    else if (is_ruleset) {
        match_rules(&matching, json_object_get(body, "incomingRules"));
        match_rules(&matching, json_object_get(body, "outgoingRules"));
    } else {
        match_expression(&matching, json_object_get(body, "object"));
    }
    json_decref(body);
    json_decref(matching.seen);
    api_answer_page(call, matching.found);
}

static void by_mode(struct api_call *call)
{
    const char *mode = api_parameter(call, "mode");

    run(call,
        mode ? strcmp(mode, "object") == 0 : strcmp(call->kind->name, "externalnetwork") == 0);
}

static void subjects(struct api_call *call)
{
    run(call, false);
}

static void targets(struct api_call *call)
{
    run(call, true);
}

int hooks_matches(struct console *console)
{
    static const struct {
        const char *parent, *child;
        void (*handle)(struct api_call *call);
    } all[] = {
        {"networkrulesetpolicies", "processingunits", by_mode},
        {"networkrulesetpolicies", "externalnetworks", by_mode},
        {"enforcerprofilemappingpolicies", "enforcers", subjects},
        {"enforcerprofilemappingpolicies", "enforcerprofiles", targets},
        {"hostservicemappingpolicies", "enforcers", subjects},
        {"hostservicemappingpolicies", "hostservices", targets},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register_sub_route(console, all[i].parent, all[i].child, all[i].handle);
    return r;
}
