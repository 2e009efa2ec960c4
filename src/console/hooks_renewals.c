/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "console/api.h"
#include "console/push_internal.h"

/*
 * POST /enforcers/:id/enforcerrenewals: an Enforcer was away for longer than its certificate lived,
 * and comes back as the one that it was. An Enforcer that is alive renews over its connection, so
 * nothing is given out here while a certificate is good, or somebody was heard lately; and only to
 * who has the private key of the last one (the request is signed with it), on the same machine, and
 * may register Enforcers in this namespace. One that was deleted is not there to come back.
 */

static int refuse(struct api_error *error, int status, const char *title, const char *text)
{
    api_error_set(error, status, title, "%s", text);
    return -EPERM;
}

/* Connected here, or, as it looks in the database, to another Console. */
static bool is_alive(struct console *console, const struct object *enforcer, const json_t *body)
{
    const char *state = json_string_value(json_object_get(body, "operationalStatus"));
    const char *time = json_string_value(json_object_get(body, "lastSyncTime"));
    struct push_status status = {0};
    int64_t heard_ms = 0;

    push_status(console->push, enforcer->id, &status);
    if (status.connected)
        return true;
    if (!state || strcmp(state, "Connected") != 0 || !time || !*time)
        return false;
    schema_time_parse(time, &heard_ms);
    return console_now_ms() - heard_ms < PUSH_UNREACHABLE_MS;
}

static int may_come_back(struct api_call *call, const struct object *enforcer, const json_t *body,
                         const char *csr, struct api_error *error)
{
    const char *pem = json_string_value(json_object_get(body, "certificate"));
    const char *machine = json_string_value(json_object_get(body, "machineID"));
    const char *claimed = json_string_value(json_object_get(call->body, "machineID"));
    struct trust_certificate certificate = {0};
    int r;

    if (!pem || !trust_request_is_of(csr, pem))
        return refuse(error, 403, "Forbidden",
                      "the request is not by the key of this Enforcer's last certificate");
    if (machine && *machine && (!claimed || strcmp(machine, claimed) != 0))
        return refuse(
            error, 403, "Forbidden",
            "this is another machine than the Enforcer's: was its state directory copied? "
            "Register each host by itself");
    r = trust_certificate_read(call->console->trust, pem, console_now_ms(), &certificate);
    trust_certificate_clear(&certificate);
    if (r == 0)
        return refuse(error, 409, "Conflict",
                      "the Enforcer's certificate is good: it is renewed over its connection");
    if (r != -ETIME)
        return refuse(error, 403, "Forbidden", "its last certificate is not one of this Console's");
    if (is_alive(call->console, enforcer, body))
        return refuse(error, 409, "Conflict", "an Enforcer with this certificate is connected");
    return 0;
}

static int renew(struct api_call *call, const struct object *enforcer, json_t *body,
                 struct api_error *error, json_t **ret_answer)
{
    const char *csr = json_string_value(json_object_get(call->body, "certificateRequest"));
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_free_
    char *pem = NULL;
    int r = may_come_back(call, enforcer, body, csr ? csr : "", error);

    if (r < 0)
        return r;
    r = enforcer_certificate(call->console, enforcer->id, enforcer->space->name, csr, &problem,
                             &pem);
    if (r < 0) {
        api_error_set(error, 422, "Validation Error", "certificateRequest: %s",
                      problem.len > 0 ? problem.data : "not usable");
        return r;
    }
    json_object_del(body, "previousCertificate");
    json_object_set_new(body, "certificate", json_string(pem));
    *ret_answer = json_pack("{s:s, s:s, s:O, s:O, s:s, s:s}", "ID", enforcer->id, "namespace",
                            enforcer->space->name, "name", json_object_get(body, "name"), "number",
                            json_object_get(body, "number"), "certificate", pem, "localCA",
                            trust_ca_pem(call->console->trust));
    return *ret_answer ? 0 : -ENOMEM;
}

static void renewal_handle(struct api_call *call)
{
    const struct object *enforcer = api_parent(call);
    _cleanup_change_set_ struct change_set *set = NULL;
    _cleanup_(json_decrefp) json_t *body = enforcer ? object_parse(enforcer) : NULL;
    struct api_error error = {0};
    json_t *answer = NULL;
    int r = -ENOMEM;

    if (!enforcer)
        r = refuse(&error, 404, "Not Found", "POST /enforcers/:id/enforcerrenewals");
    else if (body)
        r = renew(call, enforcer, body, &error, &answer);
    if (r == 0)
        r = change_set_new(&set);
    if (r == 0)
        r = change_set_update(set, enforcer, body);
    if (r == 0) {
        log_event(LOG_LEVEL_INFO, "enforcer.came_back", LOG_F("enforcer", "%s", enforcer->id));
        api_commit(call, &set, 200, answer);
        return;
    }
    json_decref(answer);
    if (!error.status)
        api_error_result(&error, r, "enforcer");
    api_fail(call, &error, NULL);
}

int hooks_renewals(struct console *console)
{
    static const struct api_hooks renewal = {.kind = "enforcerrenewal", .handle = renewal_handle};

    return api_register(console, &renewal);
}
