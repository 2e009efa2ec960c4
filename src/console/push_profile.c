/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "console/push_internal.h"

/*
 * Which profile an Enforcer has (product reference 1.9): mapping policies of its namespace and the
 * propagating ones of its ancestors whose subject matches the Enforcer's tags; of the profiles that
 * their object selects, the one nearest to the Enforcer, then the first by name.
 */

struct choice {
    struct push *push;
    const struct object *enforcer;
    const struct space *at; /* where we look now */
    json_t *mapping;        /* body of the one under test */
    bool fallback;
    const struct object *profile;
};

static bool better(const struct object *a, const struct object *b)
{
    unsigned da = namespace_depth(a->space->name), db = namespace_depth(b->space->name);

    if (da != db)
        return da > db;
    return strcmp(a->name, b->name) < 0;
}

static bool profile_visit(void *context, const struct object *object)
{
    struct choice *choice = context;

    if (choice->at != choice->enforcer->space && !object_flag(object, "propagate"))
        return true;
    if (json_expression_matches(json_object_get(choice->mapping, "object"), &object->tags) &&
        (!choice->profile || better(object, choice->profile)))
        choice->profile = object;
    return true;
}

static void profiles_visit(struct choice *choice)
{
    const struct space *before = choice->at;

    for (const struct space *space = choice->enforcer->space; space; space = space->parent) {
        choice->at = space;
        objects_in_space(choice->push->console->objects, space, schema_kind_find("enforcerprofile"),
                         profile_visit, choice);
    }
    choice->at = before;
}

static bool mapping_visit(void *context, const struct object *object)
{
    struct choice *choice = context;

    choice->mapping = object_parse(object);
    if (choice->mapping && !json_is_true(json_object_get(choice->mapping, "disabled")) &&
        json_is_true(json_object_get(choice->mapping, "fallback")) == choice->fallback &&
        (choice->at == choice->enforcer->space ||
         json_is_true(json_object_get(choice->mapping, "propagate"))) &&
        json_expression_matches(json_object_get(choice->mapping, "subject"),
                                &choice->enforcer->tags))
        profiles_visit(choice);
    json_decref(choice->mapping);
    choice->mapping = NULL;
    return true;
}

const struct object *profile_choose(struct push *push, const struct object *enforcer)
{
    struct choice choice = {.push = push, .enforcer = enforcer};

    for (int fallback = 0; fallback <= 1 && !choice.profile; fallback++) {
        choice.fallback = fallback;
        for (const struct space *space = enforcer->space; space; space = space->parent) {
            choice.at = space;
            objects_in_space(push->console->objects, space,
                             schema_kind_find("enforcerprofilemappingpolicy"), mapping_visit,
                             &choice);
        }
    }
    return choice.profile;
}

/* Host services go with the profile: both are what a host is told about itself. */
static bool add_services(struct push *push, const struct object *enforcer, json_t *profile)
{
    char problem[SERVICES_PROBLEM_MAX] = "";
    _cleanup_(json_decrefp) json_t *services = services_in_force(push, enforcer, problem);

    if (!services)
        return false;
    if (json_array_size(services) > 0)
        json_object_set(profile, "hostServices", services);
    if (*problem) {
        log_event(LOG_LEVEL_WARN, "enforcer.host_services_refused",
                  LOG_F("enforcer", "%s", enforcer->id), LOG_F("problem", "%s", problem));
        json_object_set_new(profile, "hostServicesProblem", json_string(problem));
    } else if (push->started) {
        services_remember(push, enforcer, services);
    }
    return true;
}

json_t *profile_of(struct push *push, const struct object *enforcer)
{
    static const char *const names[] = {"name",
                                        "targetNetworks",
                                        "targetUDPNetworks",
                                        "excludedNetworks",
                                        "excludedInterfaces",
                                        "ignoreExpression",
                                        "trustedCAs",
                                        NULL};
    const struct object *object = profile_choose(push, enforcer);
    _cleanup_(json_decrefp) json_t *body = object ? object_parse(object) : NULL;
    json_t *profile = json_object();

    for (const char *const *name = names; *name && profile; name++) {
        json_t *value = json_object_get(body, *name);

        if (value)
            json_object_set(profile, *name, value);
    }
    if (profile && object) {
        json_object_set_new(profile, "ID", json_string(object->id));
        json_object_set_new(profile, "namespace", json_string(object->space->name));
    }
    if (profile && !add_services(push, enforcer, profile)) {
        json_decref(profile);
        return NULL;
    }
    return profile;
}

static bool enforcer_visit(void *context, const struct object *object)
{
    struct push *push = context;
    _cleanup_(json_decrefp) json_t *profile = profile_of(push, object);
    char *text = profile ? json_dumps(profile, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    bool done = text != NULL;

    if (text)
        render_profile_put(push->render, object->id, text);
    free(text);
    return done;
}

void profile_work_out(struct push *push, const struct object *enforcer)
{
    if (!enforcer_visit(push, enforcer))
        push->profiles_dirty = true;
}

int profiles_work_out(struct push *push)
{
    struct objects_query query = {.kind = schema_kind_find("enforcer"),
                                  .space = objects_space(push->console->objects, "/"),
                                  .recursive = true};
    uint64_t total;

    return objects_list(push->console->objects, &query, enforcer_visit, push, &total);
}
