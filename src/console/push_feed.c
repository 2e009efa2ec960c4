/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "console/events.h"
#include "console/push_internal.h"
#include "console/push_refreshes.h"

/* Objects → render. */

static struct unit_host *host_find(struct push *push, const char *enforcer_id)
{
    struct unit_host *host = NULL;

    HASH_FIND_STR(push->hosts, enforcer_id, host);
    return host;
}

struct unit_index *units_of(struct push *push, const char *enforcer_id)
{
    const struct unit_host *host = host_find(push, enforcer_id);

    return host ? host->units : NULL;
}

const char *unit_find(struct push *push, const char *enforcer_id, const char *local_id)
{
    struct unit_index *units = units_of(push, enforcer_id), *unit = NULL;

    HASH_FIND_STR(units, local_id, unit);
    return unit ? unit->id : NULL;
}

static void unit_unfile(struct push *push, struct unit_host *host, struct unit_index *unit)
{
    HASH_DEL(host->units, unit);
    free(unit->local_id);
    free(unit);
    if (host->units)
        return;
    HASH_DEL(push->hosts, host);
    free(host);
}

static int host_get(struct push *push, const char *enforcer_id, struct unit_host **ret)
{
    struct unit_host *host = host_find(push, enforcer_id);

    if (!host) {
        host = calloc(1, sizeof(*host));
        if (!host)
            return -ENOMEM;
        snprintf(host->enforcer_id, sizeof(host->enforcer_id), "%s", enforcer_id);
        HASH_ADD_STR(push->hosts, enforcer_id, host);
    }
    *ret = host;
    return 0;
}

static int unit_put(struct push *push, const char *enforcer_id, const char *local_id,
                    const char *id)
{
    struct unit_index *unit = NULL;
    struct unit_host *host;
    int r = host_get(push, enforcer_id, &host);

    if (r < 0)
        return r;
    HASH_FIND_STR(host->units, local_id, unit);
    if (!unit) {
        unit = calloc(1, sizeof(*unit));
        if (unit)
            unit->local_id = strdup(local_id);
        if (!unit || !unit->local_id) {
            free(unit);
            return -ENOMEM;
        }
        HASH_ADD_KEYPTR(hh, host->units, unit->local_id, strlen(unit->local_id), unit);
    }
    snprintf(unit->id, sizeof(unit->id), "%s", id);
    return 0;
}

int unit_file(struct push *push, const char *enforcer_id, const char *local_id, const char *id,
              bool there)
{
    struct unit_host *host = host_find(push, enforcer_id);
    struct unit_index *unit = NULL;

    if (there)
        return unit_put(push, enforcer_id, local_id, id);
    if (host)
        HASH_FIND_STR(host->units, local_id, unit);
    if (unit && strcmp(unit->id, id) == 0) /* else another object has the place by now */
        unit_unfile(push, host, unit);
    return 0;
}

static void host_clear(struct push *push, struct unit_host *host)
{
    struct unit_index *unit, *next;

    HASH_ITER(hh, host->units, unit, next)
    {
        HASH_DEL(host->units, unit);
        free(unit->local_id);
        free(unit);
    }
    HASH_DEL(push->hosts, host);
    free(host);
}

void units_forget_pending(struct push *push, const char *enforcer_id)
{
    struct unit_host *host = host_find(push, enforcer_id);
    struct unit_index *unit, *next;

    HASH_ITER(hh, units_of(push, enforcer_id), unit, next)
    {
        if (!objects_find(push->console->objects, unit->id))
            unit_unfile(push, host, unit);
    }
}

void feed_clear(struct push *push)
{
    struct unit_host *host, *next;

    HASH_ITER(hh, push->hosts, host, next)
    {
        host_clear(push, host);
    }
}

static const char *text_of(const json_t *body, const char *name)
{
    const char *text = json_string_value(json_object_get(body, name));

    return text ? text : "";
}

static int feed_unit(struct push *push, const struct object *before, const struct object *after)
{
    const struct object *object = after ? after : before;
    _cleanup_(json_decrefp) json_t *body = object_parse(object);
    const char *enforcer_id = text_of(body, "enforcerID"), *local = text_of(body, "clientLocalID");
    struct render_unit_input input = {
        .id = object->id,
        .local_id = *local ? local : object->id,
        .enforcer_id = enforcer_id,
        .namespace = object->space->name,
        .tags = &object->tags,
        .active = after && *enforcer_id && !json_is_true(json_object_get(body, "archived")),
    };
    int r;

    if (!body)
        return -ENOMEM;
    if (*enforcer_id) {
        r = unit_file(push, enforcer_id, input.local_id, object->id, input.active);
        if (r < 0)
            return r;
    }
    if (!after) {
        render_unit_remove(push->render, object->id);
        return 0;
    }
    return render_unit_put(push->render, &input);
}

/* A log level holds for a time; setting it is telling it. */
static void log_level_tell(struct push *push, const struct object *before,
                           const struct object *after, const json_t *body)
{
    _cleanup_(json_decrefp) json_t *old = object_parse(before);
    const char *level = text_of(body, "logLevel");

    if (strcmp(text_of(old, "logLevel"), level) != 0)
        push_refresh(push, after->id, *level ? level : NULL, enforcer_log_seconds(body), false);
}

static int feed_enforcer(struct push *push, const struct object *before, const struct object *after)
{
    _cleanup_(json_decrefp) json_t *body = NULL;
    struct render_enforcer_input input;
    int r;

    if (!after) {
        render_enforcer_remove(push->render, before->id);
        push_revoke(push, before->id, "the Enforcer was deleted at the Console");
        return 0;
    }
    body = object_parse(after);
    if (!body)
        return -ENOMEM;
    input = (struct render_enforcer_input){
        .id = after->id,
        .namespace = after->space->name,
        .number = (uint32_t)json_integer_value(json_object_get(body, "number")),
        .keys = json_object_get(body, "publicKeys"),
        .addresses = json_object_get(body, "addresses"),
    };
    if (before && push->started) {
        log_level_tell(push, before, after, body);
        trust_changed(push, before, after);
    }
    r = render_enforcer_put(push->render, &input);
    if (r == 0 && push->started && !push->profiles_dirty)
        profile_work_out(push, after);
    return r;
}

static int feed_identity(struct push *push, const struct object *object)
{
    _cleanup_(json_decrefp) json_t *body = object ? object_parse(object) : NULL;
    _cleanup_tag_set_ struct tag_set tags = {0};
    const json_t *list = json_object_get(body, "tags");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *tag = json_string_value(json_array_get(list, i));
        int r = tag ? tag_set_add(&tags, tag) : 0;

        if (r < 0)
            return r;
    }
    if (!body)
        return 0; /* numbers are never taken back */
    return render_identity_put(push->render,
                               (uint32_t)json_integer_value(json_object_get(body, "number")),
                               text_of(body, "identityNamespace"), &tags);
}

static int feed_namespace(struct push *push, const struct object *before,
                          const struct object *after)
{
    _cleanup_(json_decrefp) json_t *body = after ? object_parse(after) : NULL;

    if (after)
        return body ? render_namespace_put(push->render, after->name, body) : -ENOMEM;
    render_namespace_remove(push->render, before->name);
    return 0;
}

int feed_trust(struct push *push)
{
    _cleanup_(json_decrefp) json_t *trust = NULL;
    const char *kid, *pem;
    json_t *signers = json_array();
    char *text;
    int r;

    for (size_t i = 0; trust_signer_at(push->console->trust, i, &kid, &pem); i++)
        json_array_append_new(signers, json_pack("{s:s, s:s}", "kid", kid, "key", pem));
    trust = json_pack("{s:s, s:o}", "certificates", trust_ca_pem(push->console->trust), "signers",
                      signers);
    text = trust ? json_dumps(trust, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    r = text ? render_trust_put(push->render, text) : -ENOMEM;
    free(text);
    return r;
}

static int feed_policy(struct push *push, const struct object *before, const struct object *after)
{
    const struct object *object = after ? after : before;
    _cleanup_(json_decrefp) json_t *body = NULL;

    if (strcmp(object->kind->name, "networkrulesetpolicy") == 0)
        return render_ruleset_put(push->render, object->id, object->space->name,
                                  after ? after->body : NULL, after ? after->body_len : 0);
    body = after ? object_parse(after) : NULL;
    if (after && !body)
        return -ENOMEM;
    if (body && json_is_true(json_object_get(body, "archived"))) {
        json_decref(body);
        body = NULL;
    }
    return render_network_put(push->render, object->id, object->space->name, body);
}

static int feed_one(struct push *push, const struct object *before, const struct object *after)
{
    const struct object *object = after ? after : before;
    const char *kind;

    assert(object);
    kind = object->kind->name;
    if (strcmp(kind, "processingunit") == 0)
        return feed_unit(push, before, after);
    if (strcmp(kind, "enforcer") == 0)
        return feed_enforcer(push, before, after);
    if (strcmp(kind, "networkrulesetpolicy") == 0 || strcmp(kind, "externalnetwork") == 0)
        return feed_policy(push, before, after);
    if (strcmp(kind, "identityrecord") == 0)
        return feed_identity(push, after);
    if (strcmp(kind, "namespace") == 0)
        return feed_namespace(push, before, after);
    if (strcmp(kind, "signingkey") == 0)
        return feed_trust(push);
    if (strcmp(kind, REFRESH_KIND) == 0 && push->started && !before)
        refresh_tell(push, after);
    if (strncmp(kind, "enforcerprofile", strlen("enforcerprofile")) == 0 ||
        strncmp(kind, "hostservice", strlen("hostservice")) == 0)
        push->profiles_dirty = true;
    return 0;
}

/* Tools of the product wait for this one rather than for each kind. */
static void refresh_publish(struct push *push, const struct object *object)
{
    static const char *const kinds[] = {"networkrulesetpolicy",
                                        "externalnetwork",
                                        "namespace",
                                        "enforcerprofile",
                                        "enforcerprofilemappingpolicy",
                                        "hostservice",
                                        "hostservicemappingpolicy"};
    _cleanup_(json_decrefp) json_t *entity = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(kinds) && push->console->events; i++) {
        if (strcmp(object->kind->name, kinds[i]) != 0)
            continue;
        entity = json_pack("{s:s, s:s, s:s}", "sourceID", object->id, "sourceNamespace",
                           object->space->name, "type", object->kind->name);
        if (entity)
            events_publish(push->console->events, schema_kind_find("policyrefresh"),
                           object->space->name, "create", entity);
        return;
    }
}

void feed_changes(void *context, uint64_t revision, const struct object_change *changes, size_t n)
{
    struct push *push = context;

    for (size_t i = 0; i < n; i++) {
        const struct object *object = changes[i].after ? changes[i].after : changes[i].before;

        if (feed_one(push, changes[i].before, changes[i].after) < 0)
            log_event(LOG_LEVEL_ERROR, "push.out_of_memory", LOG_F("object", "%s", object->id));
        refresh_publish(push, object);
    }
    push_flush_later(push);
}

struct feeding {
    struct push *push;
    int result;
};

static bool feed_visit(void *context, const struct object *object)
{
    struct feeding *feeding = context;

    feeding->result = feed_one(feeding->push, NULL, object);
    return feeding->result == 0;
}

/* In an order in which nothing has to be done twice. */
int feed_everything(struct push *push)
{
    static const char *const kinds[] = {
        "namespace",      "enforcer", "identityrecord", "externalnetwork", "networkrulesetpolicy",
        "processingunit", NULL};
    struct feeding feeding = {.push = push};
    int r = feed_trust(push);

    for (const char *const *kind = kinds; *kind && r == 0; kind++) {
        struct objects_query query = {.kind = schema_kind_find(*kind),
                                      .space = objects_space(push->console->objects, "/"),
                                      .recursive = true};
        uint64_t total;

        r = objects_list(push->console->objects, &query, feed_visit, &feeding, &total);
        if (r == 0)
            r = feeding.result;
    }
    return r;
}
