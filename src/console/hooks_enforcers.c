/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "console/api.h"
#include "console/push_internal.h"

/*
 * Enforcers: registration gives a certificate and a number; the rest of their life is in push.h.
 * Registration is POST /enforcers with a certificate request: the key stays on the host.
 */

int enforcer_certificate(struct console *console, const char *id, const char *namespace,
                         const char *csr, struct buf *problem, char **ret_pem)
{
    const char *life = getenv("BULKHEAD_TEST_ENFORCER_SECONDS"); /* docs/developer/console.md */
    char common_name[SCHEMA_ID_LEN + 16];
    uint8_t sha256[32];
    const struct trust_certificate_request request = {
        .usage = TRUST_ENFORCER,
        .csr = csr,
        .common_name = common_name,
        .organization = namespace,
        .now_ms = console_now_ms(),
        .days = TRUST_ENFORCER_DAYS,
        .seconds = life ? (uint32_t)strtoul(life, NULL, 10) : 0,
    };

    snprintf(common_name, sizeof(common_name), "enforcer:%s", id);
    return trust_certificate_sign(console->trust, &request, problem, ret_pem, sha256);
}

/* A number that nobody has: by the ID, so that two Consoles rarely try the same. */
static int number_reserve(struct api_call *call, struct change_set *set, uint32_t *ret)
{
    const struct schema_kind *kind = schema_kind_find("enforcernumber");
    uint8_t digest[SHA256_BYTES];
    char name[16], id[SCHEMA_ID_LEN + 1];
    _cleanup_(json_decrefp) json_t *record = NULL;
    uint32_t number;
    int r = hash_sha256(call->id, strlen(call->id), digest);

    if (r < 0)
        return r;
    number = (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
             digest[3];
    do {
        number = number == UINT32_MAX || number < 256 ? 256u + digest[4] : number + 1;
        snprintf(name, sizeof(name), "%" PRIu32, number);
    } while (objects_find_unique(call->console->objects, kind, name) ||
             change_set_find_unique(set, kind, name));
    record = json_pack("{s:s, s:s}", "name", name, "enforcerID", call->id);
    if (!record)
        return -ENOMEM;
    *ret = number;
    return change_set_create(set, kind, "/", record, id);
}

static int certify(struct api_call *call, json_t *object, struct api_error *error)
{
    const char *csr = json_string_value(json_object_get(call->transient, "certificateRequest"));
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_free_
    char *pem = NULL;

    if (!csr)
        return 0;
    if (enforcer_certificate(call->console, call->id, call->namespace, csr, &problem, &pem) < 0) {
        api_error_set(error, 422, "Validation Error", "certificateRequest: %s",
                      problem.len > 0 ? problem.data : "not usable");
        snprintf(error->attribute, sizeof(error->attribute), "certificateRequest");
        return -EINVAL;
    }
    json_object_set(object, "previousCertificate", json_object_get(object, "certificate"));
    json_object_set_new(object, "certificate", json_string(pem));
    call->reply =
        json_pack("{s:s, s:s}", "certificate", pem, "localCA", trust_ca_pem(call->console->trust));
    return 0;
}

static int enforcer_create(struct api_call *call, json_t *object, struct change_set *set,
                           struct api_error *error)
{
    uint32_t number;
    int r = certify(call, object, error);

    if (r == 0) {
        r = number_reserve(call, set, &number);
        if (r < 0)
            api_error_result(error, r, "enforcer");
    }
    if (r == 0)
        json_object_set_new(object, "number", json_integer(number));
    return r;
}

/* With a request for a certificate: registering it anew, which takes the right to register. The
 * right to change an Enforcer alone is not one to become it. */
static int enforcer_update(struct api_call *call, const struct object *before, json_t *object,
                           struct change_set *set, struct api_error *error)
{
    memcpy(call->id, before->id, sizeof(call->id)); /* an import updates without a route */
    if (json_object_get(call->transient, "certificateRequest") && call->caller &&
        !auth_allowed(call->console->auth, call->caller, AUTH_CREATE, before->kind,
                      before->space->name, NULL)) {
        api_error_set(error, 403, "Forbidden", "you may not register Enforcers in %s",
                      before->space->name);
        snprintf(error->attribute, sizeof(error->attribute), "certificateRequest");
        return -EPERM;
    }
    return certify(call, object, error);
}

static bool drop_visit(void *context, const struct object *object)
{
    struct change_set *set = context;

    return change_set_delete(set, object) == 0;
}

struct removal {
    struct change_set *set;
    const char *enforcer_id;
    int result;
};

static bool unit_visit(void *context, const struct object *object)
{
    struct removal *removal = context;
    _cleanup_free_
    char *enforcer_id = object_text(object, "enforcerID");

    if (enforcer_id && strcmp(enforcer_id, removal->enforcer_id) == 0)
        removal->result = drop_visit(removal->set, object) ? 0 : -ENOMEM;
    return removal->result == 0;
}

/* Its units go with it; its number is free again. */
static int enforcer_remove(struct api_call *call, const struct object *before,
                           struct change_set *set, struct api_error *error)
{
    struct objects *objects = call->console->objects;
    struct objects_query query = {
        .kind = schema_kind_find("processingunit"), .space = before->space, .recursive = true};
    struct removal removal = {.set = set, .enforcer_id = before->id};
    _cleanup_(json_decrefp) json_t *body = object_parse(before);
    const struct object *number;
    char name[16];
    uint64_t total;
    int r = objects_list(objects, &query, unit_visit, &removal, &total);

    snprintf(name, sizeof(name), "%" PRIu32,
             (uint32_t)json_integer_value(json_object_get(body, "number")));
    number = objects_find_unique(objects, schema_kind_find("enforcernumber"), name);
    if (r == 0)
        r = removal.result;
    if (r == 0 && number)
        r = change_set_delete(set, number);
    if (r < 0)
        api_error_result(error, r, "enforcer");
    return r;
}

bool enforcer_is_silent(struct console *console, const struct object *enforcer)
{
    _cleanup_free_
    char *time = object_text(enforcer, "lastSyncTime");
    struct push_status status = {0};
    int64_t heard_ms = 0;

    if (console->push)
        push_status(console->push, enforcer->id, &status);
    if (time)
        schema_time_parse(time, &heard_ms);
    return !status.connected && heard_ms > 0 && console_now_ms() - heard_ms > PUSH_UNREACHABLE_MS;
}

static const char *const enforcer_live[] = {"unreachable", "lastRevision", "enforcementStatus",
                                            NULL};

static json_t *enforcer_value(struct console *console, const struct object *object,
                              const char *attribute)
{
    struct push_status status = {0};

    if (strcmp(attribute, "unreachable") == 0)
        return json_boolean(enforcer_is_silent(console, object));
    if (console->push)
        push_status(console->push, object->id, &status);
    if (!status.connected)
        return NULL;
    if (strcmp(attribute, "lastRevision") == 0)
        return json_integer((json_int_t)status.acked);
    return status.problem ? json_string("Failed") : NULL;
}

static const struct api_hooks enforcer_hooks = {
    .kind = "enforcer",
    .create = enforcer_create,
    .update = enforcer_update,
    .remove = enforcer_remove,
    .live = enforcer_live,
    .value = enforcer_value,
};

/* ---- GET /enforcers/:id/poke, for clients of the product's API ---------------------------------
 */

/* A GET that writes: an Enforcer about itself and its units, others where they may change them. */
static bool may_poke(const struct api_call *call, const struct object *object)
{
    const char *own = call->caller->enforcer_id;
    _cleanup_free_
    char *enforcer_id = NULL;

    if (!own)
        return auth_allowed(call->console->auth, call->caller, AUTH_UPDATE, object->kind,
                            object->space->name, NULL);
    if (strcmp(object->id, own) == 0)
        return true;
    enforcer_id = object_text(object, "enforcerID");
    return enforcer_id && strcmp(enforcer_id, own) == 0;
}

static void set_text(json_t *patch, const char *attribute, const char *value)
{
    if (value && *value)
        json_object_set_new(patch, attribute, json_string(value));
}

/* What the parameters say, as attributes; load figures belong to reports. */
static json_t *poke_patch(const struct api_call *call, const struct schema_kind *kind)
{
    const char *closed = api_parameter(call, "sessionClose");
    json_t *patch = json_object();
    char time[SCHEMA_TIME_LEN + 1];

    if (closed && strcmp(closed, "false") != 0)
        set_text(patch, "operationalStatus", "Disconnected");
    set_text(patch, "operationalStatus", api_parameter(call, "status"));
    set_text(patch, "enforcementStatus", api_parameter(call, "enforcementStatus"));
    set_text(patch, "currentVersion", api_parameter(call, "version"));
    if (schema_attribute_find(kind, "lastLocalTimestamp"))
        set_text(patch, "lastLocalTimestamp", api_parameter(call, "ts"));
    schema_time_format(console_now_ms(), time);
    set_text(patch, "lastSyncTime", time);
    return patch;
}

static void poke_handle(struct api_call *call)
{
    const struct object *object = api_parent(call);
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    _cleanup_change_set_ struct change_set *set = NULL;
    _cleanup_(json_decrefp) json_t *stored = NULL, *patch = NULL, *sparse = NULL;
    struct api_error error = {0};
    int r;

    if (object && !may_poke(call, object)) {
        api_error_set(&error, 403, "Forbidden", "you may not change this %s", object->kind->name);
        api_fail(call, &error, NULL);
        return;
    }
    stored = object ? object_parse(object) : NULL;
    patch = stored ? poke_patch(call, object->kind) : NULL;
    r = patch ? schema_accept(object->kind, SCHEMA_WRITER_CONSOLE, patch, stored, true, &problems,
                              &sparse)
              : -ENOMEM;
    if (r == 0)
        r = change_set_new(&set);
    if (r == 0)
        r = change_set_update(set, object, sparse);
    if (r == 0) {
        api_commit(call, &set, 204, NULL);
        return;
    }
    if (!problems.n)
        api_error_result(&error, r, "poke");
    api_fail(call, &error, &problems);
}

/* The profile that is in force, as a list of one. */
static void profiles_handle(struct api_call *call)
{
    const struct object *enforcer = api_parent(call);
    const struct object *profile = enforcer ? profile_choose(call->console->push, enforcer) : NULL;
    json_t *list = json_array();

    if (profile)
        json_array_append_new(list, object_show(profile, NULL));
    api_answer_made(call, 200, list);
}

/* ---- GET /enforcers/:id/hostservices
 * -------------------------------------------------------------- */

static bool asked(const struct api_call *call, const char *parameter)
{
    const char *value = api_parameter(call, parameter);

    return value && strcmp(value, "true") == 0;
}

static json_t *mapped_services(struct api_call *call, const struct object *enforcer)
{
    struct pointers found = {0};
    json_t *list = json_array();

    services_mapped(call->console->push, enforcer, &found);
    for (size_t i = 0; i < found.n; i++)
        json_array_append_new(list, object_show(found.v[i], NULL));
    free(found.v);
    return list;
}

/* Those that are mapped; with appliedServices or setServices those that are in force. Whenever a
 * mapping changes they are worked out, so there is nothing that setServices has to store. */
static void services_handle(struct api_call *call)
{
    const struct object *enforcer = api_parent(call);
    char problem[SERVICES_PROBLEM_MAX] = "";
    json_t *applied = enforcer ? services_in_force(call->console->push, enforcer, problem) : NULL;

    if (*problem)
        api_warn(call, "%s: the last valid set stays in force", problem);
    if (enforcer && asked(call, "setServices"))
        profile_work_out(call->console->push, enforcer);
    if (enforcer &&
        (!*problem || !(asked(call, "appliedServices") || asked(call, "setServices")))) {
        json_decref(applied);
        applied = mapped_services(call, enforcer);
    }
    api_answer_made(call, 200, applied ? applied : json_array());
}

int hooks_enforcers(struct console *console)
{
    int r = api_register(console, &enforcer_hooks);

    if (r == 0)
        r = api_register_sub_route(console, "enforcers", "poke", poke_handle);
    if (r == 0)
        r = api_register_sub_route(console, "processingunits", "poke", poke_handle);
    if (r == 0)
        r = api_register_sub_route(console, "enforcers", "enforcerprofiles", profiles_handle);
    if (r == 0)
        r = api_register_sub_route(console, "enforcers", "hostservices", services_handle);
    return r;
}
