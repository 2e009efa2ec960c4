/* SPDX-License-Identifier: Apache-2.0 */
#include "console/auth_internal.h"

#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define LINE_MAX_BYTES 4096 /* holds the longest name, namespace and claim */

/* ---- Authorization -------------------------------------------------------------------------- */

static struct auth_question question_of(const struct auth *auth, const struct caller *caller,
                                        const char *namespace)
{
    return (struct auth_question){
        .claims = &caller->claims,
        .address = caller->has_address ? &caller->address : NULL,
        .namespace = namespace,
        .now_ms = auth->now_ms(),
    };
}

/* Where an Enforcer lives; NULL: it is gone. */
static const char *enforcer_namespace(const struct auth *auth, const struct caller *caller)
{
    const struct object *enforcer = objects_find(auth->console->objects, caller->enforcer_id);

    return enforcer && enforcer->kind == auth->kind_enforcer ? enforcer->space->name : NULL;
}

/* What policies give, before the token's own restrictions. */
static void granted(const struct auth *auth, const struct caller *caller, const char *namespace,
                    struct auth_mask *ret)
{
    const struct auth_question question = question_of(auth, caller, namespace);
    const char *home = caller->enforcer_id ? enforcer_namespace(auth, caller) : NULL;

    auth_policies_mask(&auth->policies, &question, ret);
    if (home && namespace_is_within(home, namespace))
        auth_mask_or(ret, &auth->enforcer_mask);
}

/* Why the token itself forbids it; NULL: it does not. */
static const char *restriction(const struct caller *caller, const char *namespace)
{
    if (caller->restricted_namespace &&
        !namespace_is_within(caller->restricted_namespace, namespace))
        return "the token is restricted to another namespace";
    if (caller->has_restricted_networks &&
        (!caller->has_address || !cidr_list_has(&caller->restricted_networks, &caller->address)))
        return "the token is restricted to networks that the client's address is not in";
    return NULL;
}

/* An Enforcer says what it has to say over its link. Its certificate is on a host that others may
 * have taken over: whatever a policy gives it, it changes no object here. */
static bool is_for_link(const struct caller *caller, const struct schema_kind *kind,
                        enum auth_verb verb)
{
    return caller->enforcer_id && kind->stored && verb != AUTH_LIST && verb != AUTH_GET;
}

static void say(json_t *explain, const char *format, ...) _printf_(2, 3);
static void say(json_t *explain, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;

    if (!explain || json_array_size(explain) >= AUTH_EXPLAIN_MAX)
        return;
    va_start(args, format);
    text_vformat(line, sizeof(line), format, args);
    va_end(args);
    json_array_append_new(explain, json_string(line));
}

/* The clause that lacks least, for the reader. */
static const char *missing_claim(const struct auth_policy *policy, const struct tag_set *claims)
{
    const char *missing = "any claim";
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < policy->n_clauses; i++) {
        const char *first = NULL;
        size_t n = 0;

        for (size_t j = 0; j < policy->clauses[i].n; j++) {
            if (tag_set_has(claims, policy->clauses[i].tags[j]))
                continue;
            first = first ? first : policy->clauses[i].tags[j];
            n++;
        }
        if (n == 0)
            return NULL;
        if (n < least) {
            least = n;
            missing = first;
        }
    }
    return missing;
}

/* @param kind  NULL: nothing in particular is asked for */
static void explain_policy(const struct auth_policy *policy, const struct auth_question *question,
                           enum auth_verb verb, const struct schema_kind *kind, json_t *explain)
{
    const char *fallback = policy->fallback ? " (fallback)" : "";
    const char *obstacle, *missing;

    if (question->namespace && !namespace_is_within(policy->authorized, question->namespace))
        return; /* concerns other places only */
    obstacle = auth_policy_obstacle(policy, question);
    missing = missing_claim(policy, question->claims);
    if (obstacle)
        say(explain, "policy '%s' in %s (%s)%s: %s", policy->name, policy->namespace, policy->id,
            fallback, obstacle);
    else if (missing)
        say(explain, "policy '%s' in %s (%s)%s: the caller lacks %s", policy->name,
            policy->namespace, policy->id, fallback, missing);
    else if (!kind)
        say(explain, "policy '%s' in %s (%s)%s: applies", policy->name, policy->namespace,
            policy->id, fallback);
    else if (auth_mask_has(&policy->mask, kind, verb))
        say(explain, "policy '%s' in %s (%s)%s: allows %s of %s", policy->name, policy->namespace,
            policy->id, fallback, auth_verb_name(verb), kind->name);
    else
        say(explain, "policy '%s' in %s (%s)%s: applies, but does not name %s of %s", policy->name,
            policy->namespace, policy->id, fallback, auth_verb_name(verb), kind->name);
}

static void explain_policies(const struct auth *auth, const struct auth_question *question,
                             enum auth_verb verb, const struct schema_kind *kind, json_t *explain)
{
    struct auth_policy *policy = NULL, *next = NULL;

    HASH_ITER(hh, auth->policies.by_id, policy, next)
    {
        if (json_array_size(explain) >= AUTH_EXPLAIN_MAX)
            break;
        explain_policy(policy, question, verb, kind, explain);
    }
}

void auth_explain(struct auth *auth, const struct caller *caller, const char *namespace,
                  json_t *explain)
{
    struct auth_question question;
    const char *forbidden;

    assert(auth && caller && namespace && explain);

    question = question_of(auth, caller, namespace);
    forbidden = restriction(caller, namespace);
    explain_policies(auth, &question, AUTH_LIST, NULL, explain);
    if (forbidden)
        say(explain, "%s", forbidden);
    if (caller->restricted_mask)
        say(explain, "the token is restricted to some permissions");
    if (json_array_size(explain) == 0)
        say(explain, "there is no policy for %s", namespace);
}

bool auth_allowed(struct auth *auth, const struct caller *caller, enum auth_verb verb,
                  const struct schema_kind *kind, const char *namespace, json_t *explain)
{
    struct auth_question question;
    const char *forbidden;
    struct auth_mask mask;
    bool allowed;

    assert(auth);
    assert(caller);
    assert(kind);
    assert(namespace);

    question = question_of(auth, caller, namespace);
    forbidden = restriction(caller, namespace);
    granted(auth, caller, namespace, &mask);
    if (explain)
        explain_policies(auth, &question, verb, kind, explain);
    if (auth_is_own(kind, verb)) {
        say(explain, "%s of %s is about the caller only: everybody who is known may",
            auth_verb_name(verb), kind->name);
        return true;
    }
    if (forbidden) {
        say(explain, "%s", forbidden);
        return false;
    }
    if (is_for_link(caller, kind, verb)) {
        say(explain, "Enforcers change objects over their link only");
        return false;
    }
    allowed = auth_mask_has(&mask, kind, verb);
    if (!allowed && auth_is_basic(kind, verb) && !auth_mask_empty(&mask)) {
        say(explain, "whoever may do anything in %s may do this", namespace);
        allowed = true;
    }
    if (allowed && caller->restricted_mask && !auth_mask_has(caller->restricted_mask, kind, verb)) {
        say(explain, "the token is restricted to permissions without %s of %s",
            auth_verb_name(verb), kind->name);
        allowed = false;
    }
    return allowed;
}

/* What the caller may do in a namespace with this very token. */
static void effective(const struct auth *auth, const struct caller *caller, const char *namespace,
                      struct auth_mask *ret)
{
    granted(auth, caller, namespace, ret);
    if (restriction(caller, namespace))
        *ret = (struct auth_mask){0};
    if (caller->restricted_mask)
        auth_mask_and(ret, caller->restricted_mask);
}

bool auth_sees(struct auth *auth, const struct caller *caller, const char *namespace)
{
    struct auth_mask mask;

    assert(auth && caller && namespace);

    effective(auth, caller, namespace, &mask);
    return !auth_mask_empty(&mask);
}

json_t *auth_permissions(struct auth *auth, const struct caller *caller, const char *namespace)
{
    const struct schema_kind *const *kinds;
    json_t *all = json_object();
    struct auth_mask mask;
    size_t n;

    effective(auth, caller, namespace, &mask);
    kinds = schema_kinds(&n);
    for (size_t i = 0; all && i < n; i++) {
        json_t *verbs = json_object();

        for (int verb = AUTH_LIST; kinds[i]->plural && !kinds[i]->hidden && verb <= AUTH_DELETE;
             verb++)
            if (auth_mask_has(&mask, kinds[i], (enum auth_verb)verb))
                json_object_set_new(verbs, auth_verb_name((enum auth_verb)verb), json_true());
        if (json_object_size(verbs) > 0)
            json_object_set(all, kinds[i]->name, verbs);
        json_decref(verbs);
    }
    return all;
}

/* ---- Namespaces ----------------------------------------------------------------------------- */

struct names {
    const struct caller *caller;
    json_t *list;
};

static void add_name(struct names *names, const char *name)
{
    const char *limit = names->caller->restricted_namespace;

    if (limit && namespace_is_within(name, limit))
        name = limit;
    else if (limit && !namespace_is_within(limit, name))
        return;
    for (size_t i = 0; i < json_array_size(names->list); i++)
        if (strcmp(json_string_value(json_array_get(names->list, i)), name) == 0)
            return;
    json_array_append_new(names->list, json_string(name));
}

static void add_authorized(void *context, const struct auth_policy *policy)
{
    if (!auth_mask_empty(&policy->mask))
        add_name(context, policy->authorized);
}

json_t *auth_namespaces(struct auth *auth, const struct caller *caller)
{
    struct names names = {.caller = caller};
    struct auth_question question;
    const char *home;

    assert(auth);
    assert(caller);

    names.list = json_array();
    if (!names.list)
        return NULL;
    question = question_of(auth, caller, NULL);
    auth_policies_visit(&auth->policies, &question, add_authorized, &names);
    home = caller->enforcer_id ? enforcer_namespace(auth, caller) : NULL;
    if (home)
        add_name(&names, home);
    return names.list;
}
