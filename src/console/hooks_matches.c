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
    const char *home;         /* namespace of the policy */
    bool policy_propagates;   /* it also acts below */
    bool anywhere, upwards;   /* besides where the policy acts */
    const struct space *last; /* of the object before: most are where others are */
    bool last_allowed;
    size_t n, size;
    struct tag_set *clauses;
};

static bool acts_on(const struct matching *matching, const struct object *object)
{
    const char *there = object->space->name;

    if (matching->anywhere || strcmp(matching->home, there) == 0)
        return true;
    if (namespace_is_within(matching->home, there))
        return matching->policy_propagates;
    return matching->upwards && namespace_is_within(there, matching->home) &&
           object_flag(object, "propagate");
}

static bool may_list(struct matching *matching, const struct object *object)
{
    const struct api_call *call = matching->call;

    if (object->space != matching->last) {
        matching->last = object->space;
        matching->last_allowed = strcmp(object->space->name, call->namespace) == 0 ||
                                 auth_allowed(call->console->auth, call->caller, AUTH_LIST,
                                              object->kind, object->space->name, NULL);
    }
    return matching->last_allowed;
}

static bool is_matched(void *context, const struct object *object)
{
    return acts_on(context, object) && may_list(context, object);
}

static int add_clause(struct matching *matching, const json_t *clause)
{
    struct tag_set *more;
    struct tag_set *set;
    const json_t *tag;
    size_t i;
    int r = 0;

    if (matching->n == matching->size) {
        matching->size = matching->size ? matching->size * 2 : 16;
        more = reallocarray(matching->clauses, matching->size, sizeof(*more));
        if (!more)
            return -ENOMEM;
        matching->clauses = more;
    }
    set = &matching->clauses[matching->n++];
    *set = (struct tag_set){0};
    json_array_foreach((json_t *)clause, i, tag)
    {
        if (r == 0 && json_is_string(tag))
            r = tag_set_add(set, json_string_value(tag));
    }
    if (r < 0) /* what is no tag has nobody */
        tag_set_clear(set);
    return r == -ENOMEM ? r : 0;
}

static int add_expression(struct matching *matching, const json_t *expression)
{
    const json_t *clause;
    size_t i;
    int r = 0;

    json_array_foreach((json_t *)expression, i, clause)
    {
        if (r == 0)
            r = add_clause(matching, clause);
    }
    return r;
}

static int add_rules(struct matching *matching, const json_t *rules)
{
    const json_t *rule;
    size_t i;
    int r = 0;

    json_array_foreach((json_t *)rules, i, rule)
    {
        if (r == 0)
            r = add_expression(matching, json_object_get(rule, "object"));
    }
    return r;
}

static void matching_free(void *context)
{
    struct matching *matching = context;

    for (size_t i = 0; i < matching->n; i++)
        tag_set_clear(&matching->clauses[i]);
    free(matching->clauses);
    free(matching);
}

static int add_side(struct matching *matching, const struct object *policy, bool object_side)
{
    bool is_ruleset = strcmp(policy->kind->name, "networkrulesetpolicy") == 0;
    json_t *body = object_parse(policy);
    int r = body ? 0 : -ENOMEM;

    matching->upwards = object_side;
    matching->anywhere =
        object_side && is_ruleset && strcmp(matching->call->kind->name, "processingunit") == 0;
    if (r == 0 && object_side && is_ruleset) {
        r = add_rules(matching, json_object_get(body, "incomingRules"));
        if (r == 0)
            r = add_rules(matching, json_object_get(body, "outgoingRules"));
    } else if (r == 0) {
        r = add_expression(matching, json_object_get(body, object_side ? "object" : "subject"));
    }
    json_decref(body);
    return r;
}

static void run(struct api_call *call, bool object_side)
{
    static const struct tag_set none = {0};
    const struct object *policy = api_parent(call);
    struct matching *matching = calloc(1, sizeof(*matching));
    struct objects_query query = {.kind = call->kind, .filter = api_private(call)->query.filter};
    struct api_error error = {0};
    int r = matching ? 0 : -ENOMEM;

    if (r == 0) {
        *matching = (struct matching){.call = call,
                                      .home = policy->space->name,
                                      .policy_propagates = object_flag(policy, "propagate")};
        r = add_side(matching, policy, object_side);
    }
    if (r < 0) {
        if (matching)
            matching_free(matching);
        api_error_result(&error, r, call->kind->name);
        api_fail(call, &error, NULL);
        return;
    }
    query.clauses = matching->n ? matching->clauses : &none;
    query.n_clauses = matching->n;
    query.accept = is_matched;
    query.accept_context = matching;
    api_read_query(api_private(call), &query, matching, matching_free);
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
