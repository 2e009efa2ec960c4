/* SPDX-License-Identifier: Apache-2.0 */
#include "console/hooks_auth.h"

#include <errno.h>
#include <string.h>

#include "console/push_internal.h"
#include "console/trust.h"

static void fail(struct api_call *call, int status, const char *title, const char *attribute,
                 const char *text)
{
    struct api_error error = {0};

    api_error_set(&error, status, title, "%s", text);
    snprintf(error.attribute, sizeof(error.attribute), "%s", attribute);
    api_fail(call, &error, NULL);
}

/* ---- trustedcas, also of one Enforcer ------------------------------------------------------- */

static void trustedcas(struct api_call *call)
{
    const struct trust *trust = call->console->trust;
    const char *type = api_parameter(call, "type");
    const char *url = call->console->public_url;
    json_t *list = json_array();

    if (!type || !*type || strcmp(type, "Any") == 0 || strcmp(type, "X509") == 0)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "namespace", "/",
                                              "namespaceID", "", "type", "X509", "serialnumber",
                                              trust_ca_serial(trust), "controller", url ? url : "",
                                              "certificate", trust_ca_pem(trust)));
    api_answer_made(call, 200, list);
}

/* ---- datapathcertificates ------------------------------------------------------------------- */

/* An Enforcer renews its own certificate, and no other's. Anybody else would become that Enforcer:
 * that takes the right to register one as well. */
static bool may_renew(const struct api_call *call, const struct object *enforcer)
{
    const char *own = call->caller->enforcer_id, *namespace = enforcer->space->name;
    struct auth *auth = call->console->auth;

    if (own)
        return strcmp(own, enforcer->id) == 0;
    return auth_allowed(auth, call->caller, AUTH_CREATE, call->kind, namespace, NULL) &&
           auth_allowed(auth, call->caller, AUTH_CREATE, enforcer->kind, namespace, NULL);
}

/* The Enforcer that a certificate is wanted for; NULL: the call has been failed. */
static const struct object *enforcer_of(struct api_call *call, const json_t *sparse)
{
    const char *id = json_string_value(json_object_get(sparse, "objectID"));
    const char *type = json_string_value(json_object_get(sparse, "type"));
    const struct object *object = id ? objects_find(call->console->objects, id) : NULL;

    if (type && *type && strcmp(type, "Enforcer") != 0) {
        fail(call, 422, "Validation error", "type", "only certificates for Enforcers are made");
        return NULL;
    }
    if (!object || strcmp(object->kind->name, "enforcer") != 0 || !may_renew(call, object)) {
        fail(call, 404, "Object not found", "objectID",
             "there is no such Enforcer whose certificate is yours to renew");
        return NULL;
    }
    return object;
}

/* The one before is the one that it came with, or else the present one. */
static char *certificate_before(const struct api_call *call, const struct object *enforcer)
{
    return call->caller->enforcer_id
               ? auth_enforcer_certificate(enforcer, call->caller->certificate)
               : object_text(enforcer, "certificate");
}

static int change(struct api_call *call, const struct object *enforcer, const char *pem,
                  struct change_set **ret)
{
    _cleanup_change_set_ struct change_set *set = NULL;
    _cleanup_json_ json_t *body = object_parse(enforcer);
    _cleanup_free_
    char *old = certificate_before(call, enforcer);
    int r = body ? change_set_new(&set) : -ENOMEM;

    if (r == 0 && old)
        r = json_object_set_new(body, "previousCertificate", json_string(old));
    if (r == 0)
        r = json_object_set_new(body, "certificate", json_string(pem));
    if (r == 0)
        r = change_set_update(set, enforcer, body);
    if (r == 0)
        *ret = TAKE_PTR(set);
    return r;
}

static void certify(struct api_call *call, const struct object *enforcer, const json_t *sparse)
{
    const char *csr = json_string_value(json_object_get(sparse, "CSR"));
    _cleanup_change_set_ struct change_set *set = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_free_
    char *pem = NULL;
    json_t *complete;
    int r;

    r = enforcer_certificate(call->console, enforcer->id, enforcer->space->name, csr ? csr : "",
                             &problem, &pem);
    if (r < 0) {
        fail(call, 422, "Validation error", "CSR",
             problem.len ? problem.data : "the certificate cannot be made");
        return;
    }
    complete = schema_complete(call->kind, sparse, NULL, NULL);
    r = complete ? change(call, enforcer, pem, &set) : -ENOMEM;
    if (r == 0)
        r = json_object_set_new(complete, "certificate", json_string(pem));
    if (r == 0)
        r = json_object_set_new(complete, "signer",
                                json_string(trust_ca_pem(call->console->trust)));
    if (r < 0) {
        json_decref(complete);
        fail(call, 500, "Internal error", "", "out of memory");
        return;
    }
    api_commit(call, &set, 200, complete);
}

static void datapathcertificate(struct api_call *call)
{
    const struct object *enforcer = enforcer_of(call, call->body);

    if (enforcer)
        certify(call, enforcer, call->body);
}

int hooks_trust(struct console *console)
{
    static const struct api_hooks all[] = {
        {.kind = "trustedca", .handle = trustedcas},
        {.kind = "datapathcertificate",
         .handle = datapathcertificate,
         .own_verbs = 1u << AUTH_CREATE},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
        r = api_register(console, &all[i]);
    return r;
}
