/* SPDX-License-Identifier: Apache-2.0 */
#include "console/api.h"
#include "console/push_internal.h"

/* Processing units and what is rendered for them. */

static const char *const unit_live[] = {"unreachable", NULL};

static json_t *unit_value(struct console *console, const struct object *object,
                          const char *attribute)
{
    _cleanup_free_
    char *enforcer_id = object_text(object, "enforcerID");
    const struct object *enforcer =
        enforcer_id && *enforcer_id ? objects_find(console->objects, enforcer_id) : NULL;

    return enforcer ? json_boolean(enforcer_is_silent(console, enforcer)) : NULL;
}

static const struct api_hooks unit_hooks = {
    .kind = "processingunit", .live = unit_live, .value = unit_value};

/* ---- Rendered policies -------------------------------------------------------------------------
 */

/* What rendering does not look at. */
static int date_policies(struct api_call *call, json_t *policies)
{
    int r = 0;

    for (size_t i = 0; i < json_array_size(policies) && r == 0; i++) {
        json_t *policy = json_array_get(policies, i);
        const char *id = json_string_value(json_object_get(policy, "ID"));
        const struct object *object = id ? objects_find(call->console->objects, id) : NULL;
        char time[SCHEMA_TIME_LEN + 1];

        if (object && schema_time_format(object->updated_ms, time))
            r = json_object_set_new(policy, "policyUpdateTime", json_string(time));
    }
    return r;
}

static void answer_policy(struct api_call *call, const char *namespace, const struct tag_set *tags,
                          json_t *extra, bool list)
{
    struct api_error error = {0};
    json_t *policy = NULL, *complete = NULL, *own = json_array();
    int r = render_policy(push_render(call->console->push), namespace, tags, &policy);

    for (size_t i = 0; i < tags->n && r == 0; i++)
        r = json_array_append_new(own, json_string(tags->tags[i]));
    if (r == 0)
        r = json_object_set(policy, "matchingTags", own);
    if (r == 0)
        r = date_policies(call, json_object_get(policy, "ruleSetPolicies"));
    if (r == 0)
        complete =
            schema_complete(call->kind, policy, extra, (const char *const *)call->request->fields);
    json_decref(own);
    json_decref(extra);
    json_decref(policy);
    if (!complete) {
        api_error_result(&error, -ENOMEM, "renderedpolicy");
        api_fail(call, &error, NULL);
        return;
    }
    api_answer(call, 200, list ? json_pack("[o]", complete) : complete);
}

static int add_tags(const json_t *list, struct tag_set *tags)
{
    int r = 0;

    for (size_t i = 0; i < json_array_size(list) && r == 0; i++)
        r = tag_set_add(tags, json_string_value(json_array_get(list, i)));
    return r;
}

static void what_if(struct api_call *call)
{
    const json_t *unit = json_object_get(call->body, "processingUnit");
    json_t *given = json_object_get(call->body, "processingUnitTags");
    _cleanup_tag_set_ struct tag_set tags = {0};
    struct api_error error = {0};
    int r = add_tags(given, &tags);

    if (r == 0)
        r = add_tags(json_object_get(unit, "associatedTags"), &tags);
    if (r == 0)
        r = add_tags(json_object_get(unit, "metadata"), &tags);
    if (r == 0)
        r = tag_set_add(&tags, "$identity=processingunit");
    if (r == 0)
        r = tag_set_addf(&tags, "$namespace=%s", call->namespace);
    if (r < 0) {
        api_error_result(&error, r, "renderedpolicy");
        api_fail(call, &error, NULL);
        return;
    }
    answer_policy(call, call->namespace, &tags, json_pack("{s:O*}", "processingUnitTags", given),
                  false);
}

static void rendered_handle(struct api_call *call)
{
    const struct object *unit = api_parent(call);

    if (!unit) {
        what_if(call);
        return;
    }
    answer_policy(call, unit->space->name, &unit->tags,
                  json_pack("{s:s}", "processingUnitID", unit->id), true);
}

static const struct api_hooks rendered_hooks = {.kind = "renderedpolicy",
                                                .handle = rendered_handle};

int hooks_units(struct console *console)
{
    int r = api_register(console, &unit_hooks);

    if (r == 0)
        r = api_register(console, &rendered_hooks);
    return r;
}
