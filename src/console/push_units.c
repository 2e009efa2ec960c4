/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "console/api_internal.h"
#include "console/push_internal.h"

/*
 * Units that an Enforcer reports become objects. Its tags are kept apart from what people add: the
 * annotation REPORTED names those that the host says, so that a tag taken out on the host goes, and
 * one that somebody added stays.
 */

#define REPORTED "bulkhead:reported-tags"
#define MAPPING_DEPTH_MAX 16
#define ORGANIZATIONAL "@org:" /* what namespaces say, not hosts */

struct reporter {
    struct push *push;
    const struct object *enforcer;
};

static json_t *texts(const char *const *items, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n && list; i++)
        json_array_append_new(list, json_string(items[i]));
    return list;
}

static bool list_has(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *other = json_string_value(json_array_get(list, i));

        if (other && strcmp(other, text) == 0)
            return true;
    }
    return false;
}

/* What people added, and what the host says now. */
static json_t *merge_tags(const json_t *before, const json_t *reported, const json_t *now)
{
    json_t *merged = json_array();

    for (size_t i = 0; i < json_array_size(before) && merged; i++) {
        const char *tag = json_string_value(json_array_get(before, i));

        if (tag && !list_has(reported, tag) && !list_has(now, tag))
            json_array_append_new(merged, json_string(tag));
    }
    if (merged)
        json_array_extend(merged, (json_t *)now);
    return merged;
}

/* Not there: it was never, or is not any more. */
static const char *status_of(const struct link_unit *unit, const json_t *stored)
{
    const char *before = json_string_value(json_object_get(stored, "operationalStatus"));

    if (!unit->stopped)
        return "Running";
    return before && (strcmp(before, "Running") == 0 || strcmp(before, "Stopped") == 0)
               ? "Stopped"
               : "Initialized";
}

static json_t *unit_given(const struct reporter *reporter, const struct link_unit *unit,
                          const json_t *stored)
{
    json_t *now = texts(unit->tags, unit->n_tags);
    json_t *annotations = json_deep_copy(json_object_get(stored, "annotations"));
    json_t *given, *merged;

    if (!annotations)
        annotations = json_object();
    merged = merge_tags(json_object_get(stored, "associatedTags"),
                        json_object_get(annotations, REPORTED), now);
    json_object_set_new(annotations, REPORTED, now);
    given = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", unit->name,
                      "type", unit->type, "nativeContextID", unit->native_id, "clientLocalID",
                      unit->local_id, "enforcerID", reporter->enforcer->id, "enforcerNamespace",
                      reporter->enforcer->space->name, "operationalStatus", status_of(unit, stored),
                      "enforcementStatus", unit->stopped ? "Inactive" : "Active", "associatedTags",
                      merged, "annotations", annotations);
    /* a host's cloud may say something else today; @org: tags come from the namespaces below */
    if (given)
        json_object_set_new(given, "metadata", texts(unit->metadata, unit->n_metadata));
    return given;
}

static void complain(const struct reporter *reporter, const struct link_unit *unit,
                     const struct schema_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        log_event(LOG_LEVEL_WARN, "enforcer.unit_refused",
                  LOG_F("enforcer", "%s", reporter->enforcer->id),
                  LOG_F("unit", "%s", unit->local_id),
                  LOG_F("attribute", "%s", problems->items[i].attribute),
                  LOG_F("problem", "%s", problems->items[i].message));
}

static int unit_create(const struct reporter *reporter, const struct schema_kind *kind,
                       const json_t *given, const struct link_unit *unit, struct change_set *set)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    _cleanup_(json_decrefp) json_t *sparse = NULL;
    _cleanup_tag_set_ struct tag_set tags = {0};
    char id[SCHEMA_ID_LEN + 1];
    const char *namespace;
    int r;

    r = schema_accept(kind, SCHEMA_WRITER_ENFORCER, given, NULL, false, &problems, &sparse);
    if (r == -BULKHEAD_EINVALID_INPUT) {
        complain(reporter, unit, &problems);
        return 0;
    }
    for (size_t i = 0; i < unit->n_tags && r == 0; i++)
        r = tag_set_add(&tags, unit->tags[i]);
    for (size_t i = 0; i < unit->n_metadata && r == 0; i++)
        if (strncmp(unit->metadata[i], ORGANIZATIONAL, strlen(ORGANIZATIONAL)) != 0)
            r = tag_set_add(&tags, unit->metadata[i]);
    if (r == 0)
        r = tag_set_addf(&tags, "$name=%s", unit->name);
    if (r == 0)
        r = tag_set_addf(&tags, "$type=%s", unit->type);
    if (r < 0)
        return r;
    namespace = units_namespace(reporter->push, reporter->enforcer->space->name, &tags);
    r = api_stamp_metadata(reporter->push->console, namespace, kind, sparse);
    if (r == 0)
        r = change_set_create(set, kind, namespace, sparse, id);
    if (r == 0)
        r = unit_file(reporter->push, reporter->enforcer->id, unit->local_id, id, true);
    return r;
}

static int unit_change(const struct reporter *reporter, const struct object *object,
                       const json_t *stored, const json_t *given, const struct link_unit *unit,
                       struct change_set *set)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    _cleanup_(json_decrefp) json_t *sparse = NULL;
    int r =
        schema_accept(object->kind, SCHEMA_WRITER_CONSOLE, given, stored, true, &problems, &sparse);

    if (r == -BULKHEAD_EINVALID_INPUT) {
        complain(reporter, unit, &problems);
        return 0;
    }
    if (r == 0)
        r = api_stamp_metadata(reporter->push->console, object->space->name, object->kind, sparse);
    if (r < 0 || json_equal(sparse, (json_t *)stored))
        return r;
    return change_set_update(set, object, sparse);
}

static int unit_take(const struct reporter *reporter, const struct link_unit *unit,
                     struct change_set *set)
{
    const char *id = unit_find(reporter->push, reporter->enforcer->id, unit->local_id);
    const struct object *object = id ? objects_find(reporter->push->console->objects, id) : NULL;
    _cleanup_(json_decrefp) json_t *stored = object ? object_parse(object) : NULL;
    _cleanup_(json_decrefp) json_t *given = unit_given(reporter, unit, stored);

    if (!given || (object && !stored))
        return -ENOMEM;
    if (id && change_set_find(set, id)) /* named twice: the first counts */
        return 0;
    if (object)
        return unit_change(reporter, object, stored, given, unit, set);
    if (id)
        return -EBUSY;
    if (HASH_COUNT(units_of(reporter->push, reporter->enforcer->id)) >= PUSH_UNITS_MAX)
        return -BULKHEAD_ETOOMANY;
    return unit_create(reporter, schema_kind_find("processingunit"), given, unit, set);
}

static int unit_drop(const struct reporter *reporter, const char *local_id, struct change_set *set)
{
    const char *id = unit_find(reporter->push, reporter->enforcer->id, local_id);
    const struct object *object = id ? objects_find(reporter->push->console->objects, id) : NULL;

    if (!id || change_set_find(set, id))
        return 0;
    return object ? change_set_delete(set, object) : -EBUSY;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int drop_unnamed(const struct reporter *reporter, const struct link_message *message,
                        struct change_set *set)
{
    struct unit_index *units = units_of(reporter->push, reporter->enforcer->id), *unit, *next;
    size_t n = message->units.n;
    _cleanup_free_
    const char **named = calloc(n + 1, sizeof(*named));
    int r = named ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && r == 0; i++)
        named[i] = message->units.units[i].local_id;
    if (r == 0)
        qsort(named, n, sizeof(*named), compare_texts);
    HASH_ITER(hh, units, unit, next)
    {
        if (r == 0 && !bsearch(&unit->local_id, named, n, sizeof(*named), compare_texts))
            r = unit_drop(reporter, unit->local_id, set);
    }
    return r;
}

int units_change(struct push *push, const char *enforcer_id, const struct link_message *message,
                 struct change_set *set)
{
    const struct reporter reporter = {push, objects_find(push->console->objects, enforcer_id)};
    size_t n_left_out = 0;
    int r = reporter.enforcer ? 0 : -ENOENT;

    for (size_t i = 0; i < message->units.n && r == 0; i++) {
        r = unit_take(&reporter, &message->units.units[i], set);
        if (r == -BULKHEAD_ETOOMANY) {
            n_left_out++;
            r = 0;
        }
    }
    for (size_t i = 0; i < message->units.n_removed && r == 0; i++)
        r = unit_drop(&reporter, message->units.removed[i], set);
    if (r == 0 && message->units.all)
        r = drop_unnamed(&reporter, message, set);
    if (n_left_out > 0)
        log_event(LOG_LEVEL_WARN, "enforcer.units_left_out", LOG_F("enforcer", "%s", enforcer_id),
                  LOG_F("units", "%zu", n_left_out), LOG_F("limit", "%d", PUSH_UNITS_MAX));
    return r;
}

/* ---- Namespace mapping (product reference 1.2) ------------------------------------------------
 */

struct mapping {
    const struct tag_set *tags;
    const char *namespace;
    char target[MODEL_NAMESPACE_MAX + 1];
};

bool json_expression_matches(const json_t *expression, const struct tag_set *tags)
{
    for (size_t i = 0; i < json_array_size(expression); i++) {
        const json_t *clause = json_array_get(expression, i);
        size_t n = json_array_size(clause), hits = 0;

        for (size_t j = 0; j < n; j++) {
            const char *tag = json_string_value(json_array_get(clause, j));

            hits += tag && tag_set_has(tags, tag);
        }
        if (n > 0 && hits == n)
            return true;
    }
    return false;
}

static bool mapping_visit(void *context, const struct object *object)
{
    struct mapping *mapping = context;
    _cleanup_(json_decrefp) json_t *body = object_parse(object);
    const char *target = json_string_value(json_object_get(body, "mappedNamespace"));

    if (!target || json_is_true(json_object_get(body, "disabled")) ||
        !json_expression_matches(json_object_get(body, "subject"), mapping->tags) ||
        !namespace_is_within(mapping->namespace, target) || strcmp(mapping->namespace, target) == 0)
        return true;
    snprintf(mapping->target, sizeof(mapping->target), "%s", target);
    return false;
}

/* Down, and again from there, until nothing maps any further. The result belongs to the objects. */
const char *units_namespace(struct push *push, const char *namespace, const struct tag_set *tags)
{
    struct objects *objects = push->console->objects;
    const struct schema_kind *kind = schema_kind_find("namespacemappingpolicy");

    for (unsigned depth = 0; depth < MAPPING_DEPTH_MAX; depth++) {
        struct mapping mapping = {.tags = tags, .namespace = namespace};
        const struct space *space = objects_space(objects, namespace), *target;

        if (!space)
            break;
        objects_in_space(objects, space, kind, mapping_visit, &mapping);
        target = *mapping.target ? objects_space(objects, mapping.target) : NULL;
        if (!target || !target->object)
            break;
        namespace = target->name;
    }
    return namespace;
}
