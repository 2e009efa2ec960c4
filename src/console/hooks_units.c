/* SPDX-License-Identifier: Apache-2.0 */
#include "console/api.h"
#include "console/push_internal.h"

/* Processing units and what is rendered for them. */

static void unit_show(struct console *console, const struct object *object, json_t *complete)
{
    const char *enforcer_id = json_string_value(json_object_get(complete, "enforcerID"));
    const struct object *enforcer =
        enforcer_id && *enforcer_id ? objects_find(console->objects, enforcer_id) : NULL;
    _cleanup_free_
    char *time = enforcer ? object_text(enforcer, "lastSyncTime") : NULL;
    struct push_status status = {0};
    int64_t heard_ms = 0;

    if (enforcer && console->push)
        push_status(console->push, enforcer_id, &status);
    if (time)
        schema_time_parse(time, &heard_ms);
    json_object_set_new(complete, "unreachable",
                        json_boolean(enforcer && !status.connected && heard_ms > 0 &&
                                     console_now_ms() - heard_ms > PUSH_UNREACHABLE_MS));
}

static const struct api_hooks unit_hooks = {.kind = "processingunit", .show = unit_show};

/* ---- Rendered policies -------------------------------------------------------------------------
 */

static void answer_policy(struct api_call *call, const char *namespace, const struct tag_set *tags,
                          json_t *extra, bool list)
{
    struct api_error error = {0};
    json_t *policy = NULL, *answer;

    if (render_policy(push_render(call->console->push), namespace, tags, &policy) < 0) {
        json_decref(extra);
        api_error_result(&error, -ENOMEM, "renderedpolicy");
        api_fail(call, &error, NULL);
        return;
    }
    json_object_update(policy, extra);
    json_decref(extra);
    answer = list ? json_pack("[o]", policy) : policy;
    api_answer(call, 200, answer);
}

static void what_if(struct api_call *call)
{
    const json_t *list = json_object_get(call->body, "processingUnitTags");
    _cleanup_tag_set_ struct tag_set tags = {0};
    struct api_error error = {0};
    int r = 0;

    for (size_t i = 0; i < json_array_size(list) && r == 0; i++) {
        const char *tag = json_string_value(json_array_get(list, i));

        r = tag ? tag_set_add(&tags, tag) : -EINVAL;
        if (r == -EINVAL) {
            api_error_set(&error, 422, "Validation Error", "found '%.200s', expected key=value",
                          tag ? tag : "another type");
            snprintf(error.attribute, sizeof(error.attribute), "processingUnitTags[%zu]", i);
        }
    }
    if (r == 0)
        r = tag_set_add(&tags, "$identity=processingunit");
    if (r == 0)
        r = tag_set_addf(&tags, "$namespace=%s", call->namespace);
    if (r < 0) {
        if (error.status == 0)
            api_error_result(&error, r, "renderedpolicy");
        api_fail(call, &error, NULL);
        return;
    }
    answer_policy(call, call->namespace, &tags,
                  json_pack("{s:O*}", "processingUnitTags", (json_t *)list), false);
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
