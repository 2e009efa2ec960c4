/* SPDX-License-Identifier: Apache-2.0 */
#include "console/push_internal.h"

#include "base/text.h"

/*
 * Which host services an Enforcer has (product reference 1.4): mapping policies of its namespace
 * and the propagating ones of its ancestors whose subject matches the Enforcer's tags, and of the
 * host services in reach those that their object selects. Several mappings add up; together they
 * may contradict themselves, then the Enforcer keeps what it had (`lastValidHostServices`).
 */

#define SERVICES_MAX 1024 /* ports and ranges of one Enforcer */

struct mapping {
    struct push *push;
    const struct object *enforcer;
    const struct space *at; /* where we look now */
    json_t *body;           /* of the policy under test */
    bool fallback;
    struct pointers *found;
    int result;
};

static bool reaches(const struct mapping *mapping, const struct object *object)
{
    return mapping->at == mapping->enforcer->space || object_flag(object, "propagate");
}

static bool service_visit(void *context, const struct object *object)
{
    struct mapping *mapping = context;

    if (!reaches(mapping, object) || object_flag(object, "archived") ||
        !json_expression_matches(json_object_get(mapping->body, "object"), &object->tags))
        return true;
    for (size_t i = 0; i < mapping->found->n; i++)
        if (mapping->found->v[i] == object)
            return true;
    mapping->result = pointers_push(mapping->found, (void *)object);
    return mapping->result == 0;
}

static bool policy_visit(void *context, const struct object *object)
{
    struct mapping *mapping = context;
    const struct space *at = mapping->at;
    bool chosen;

    mapping->body = object_parse(object);
    chosen = mapping->body && reaches(mapping, object) &&
             !json_is_true(json_object_get(mapping->body, "disabled")) &&
             json_is_true(json_object_get(mapping->body, "fallback")) == mapping->fallback &&
             json_expression_matches(json_object_get(mapping->body, "subject"),
                                     &mapping->enforcer->tags);
    for (mapping->at = mapping->enforcer->space; chosen && mapping->at;
         mapping->at = mapping->at->parent)
        objects_in_space(mapping->push->console->objects, mapping->at,
                         schema_kind_find("hostservice"), service_visit, mapping);
    mapping->at = at;
    json_decref(mapping->body);
    mapping->body = NULL;
    return mapping->result == 0;
}

static int compare_objects(const void *a, const void *b)
{
    const struct object *x = *(const struct object *const *)a,
                        *y = *(const struct object *const *)b;

    return strcmp(x->id, y->id);
}

int services_mapped(struct push *push, const struct object *enforcer, struct pointers *ret)
{
    struct mapping mapping = {.push = push, .enforcer = enforcer, .found = ret};

    for (int fallback = 0; fallback <= 1 && ret->n == 0; fallback++) {
        mapping.fallback = fallback;
        for (mapping.at = enforcer->space; mapping.at; mapping.at = mapping.at->parent)
            objects_in_space(push->console->objects, mapping.at,
                             schema_kind_find("hostservicemappingpolicy"), policy_visit, &mapping);
    }
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), compare_objects); /* the same at every Console */
    return mapping.result;
}

/* ---- Do they agree? -------------------------------------------------------------------------- */

struct service_port {
    struct port_match match;
    const char *name;
};

static int compare_ports(const void *a, const void *b)
{
    const struct service_port *x = a, *y = b;

    if (x->match.protocol != y->match.protocol)
        return x->match.protocol < y->match.protocol ? -1 : 1;
    return (x->match.low > y->match.low) - (x->match.low < y->match.low);
}

static bool ports_problem(struct service_port *ports, size_t n, char problem[SERVICES_PROBLEM_MAX])
{
    char text[PORT_TEXT_MAX];

    qsort(ports, n, sizeof(*ports), compare_ports);
    for (size_t i = 1; i < n; i++) {
        const struct port_match *before = &ports[i - 1].match, *match = &ports[i].match;

        if (before->protocol != match->protocol || before->high < match->low)
            continue;
        text_format(problem, SERVICES_PROBLEM_MAX, "the host services %s and %s both have %s",
                    ports[i - 1].name, ports[i].name,
                    port_format(match->protocol, match->low, text));
        return true;
    }
    return false;
}

static bool names_problem(const json_t *services, char problem[SERVICES_PROBLEM_MAX])
{
    for (size_t i = 0; i < json_array_size(services); i++)
        for (size_t j = 0; j < i; j++) {
            const json_t *a = json_array_get(services, i), *b = json_array_get(services, j);

            if (!json_equal(json_object_get(a, "name"), json_object_get(b, "name")))
                continue;
            text_format(problem, SERVICES_PROBLEM_MAX,
                        "there are two host services %s, of %s and %s",
                        json_string_value(json_object_get(a, "name")),
                        json_string_value(json_object_get(b, "namespace")),
                        json_string_value(json_object_get(a, "namespace")));
            return true;
        }
    return false;
}

/* @return true and why; also when memory is short: then what was in force stays as well */
static bool services_problem(const json_t *services, char problem[SERVICES_PROBLEM_MAX])
{
    _cleanup_free_
    struct service_port *ports = calloc(SERVICES_MAX, sizeof(*ports));
    size_t n = 0;

    text_format(problem, SERVICES_PROBLEM_MAX, "%s", "no memory");
    if (!ports)
        return true;
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        const json_t *list = json_object_get(service, "services");

        for (size_t j = 0; j < json_array_size(list); j++) {
            const char *text = json_string_value(json_array_get(list, j));

            if (n == SERVICES_MAX) {
                text_format(problem, SERVICES_PROBLEM_MAX,
                            "the host services have more than %d ports and ranges", SERVICES_MAX);
                return true;
            }
            ports[n].name = json_string_value(json_object_get(service, "name"));
            if (text && host_port_parse(text, &ports[n].match) == 0)
                n++;
        }
    }
    if (ports_problem(ports, n, problem) || names_problem(services, problem))
        return true;
    problem[0] = '\0';
    return false;
}

/* ---- In force -------------------------------------------------------------------------------- */

/* What an Enforcer has to know of one; new reference. */
static json_t *service_body(const struct object *object)
{
    static const char *const names[] = {"name", "services", "hostModeEnabled", "associatedTags"};
    _cleanup_(json_decrefp) json_t *stored = object_parse(object);
    json_t *body =
        stored ? json_pack("{s:s, s:s}", "ID", object->id, "namespace", object->space->name) : NULL;
    json_t *tags;

    for (size_t i = 0; body && i < ARRAY_SIZE(names); i++) {
        json_t *value = json_object_get(stored, names[i]);

        if (value && !json_is_null(value) && !json_is_false(value))
            json_object_set_new(body, names[i], json_deep_copy(value));
    }
    tags = json_object_get(body, "associatedTags");
    if (json_is_array(json_object_get(stored, "metadata"))) {
        if (!tags) {
            tags = json_array();
            json_object_set_new(body, "associatedTags", tags);
        }
        json_array_extend(tags, json_object_get(stored, "metadata"));
    }
    return body;
}

static json_t *mapped_bodies(struct push *push, const struct object *enforcer)
{
    struct pointers found = {0};
    json_t *list = json_array();
    int r = services_mapped(push, enforcer, &found);

    for (size_t i = 0; r == 0 && i < found.n && list; i++)
        r = json_array_append_new(list, service_body(found.v[i]));
    free(found.v);
    if (r == 0)
        return list;
    json_decref(list);
    return NULL;
}

json_t *services_in_force(struct push *push, const struct object *enforcer,
                          char problem[SERVICES_PROBLEM_MAX])
{
    _cleanup_(json_decrefp) json_t *mapped = mapped_bodies(push, enforcer);
    _cleanup_(json_decrefp) json_t *body = NULL;

    if (!mapped)
        return NULL;
    if (!services_problem(mapped, problem))
        return json_incref(mapped);
    body = object_parse(enforcer);
    if (!body)
        return NULL;
    return json_object_get(body, "lastValidHostServices")
               ? json_incref(json_object_get(body, "lastValidHostServices"))
               : json_array();
}

/* A set that is in force because it is right is kept in the object: the next one may be wrong. */
void services_remember(struct push *push, const struct object *enforcer, json_t *services)
{
    _cleanup_(json_decrefp) json_t *body = object_parse(enforcer);
    json_t *before = json_object_get(body, "lastValidHostServices");

    if (!body || json_equal(before, services) || (!before && json_array_size(services) == 0))
        return;
    push_patch(push, enforcer, json_pack("{s:O}", "lastValidHostServices", services), NULL);
}
