/* SPDX-License-Identifier: Apache-2.0 */
#include "console/hooks_auth.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "console/trust.h"

/*
 * App credentials. Each has an API authorization policy that follows it: made, changed and deleted
 * in the same change set, found by its name.
 *
 *   create              CSR signed; policy made
 *   update without CSR  policy follows roles, subnets, disabled
 *   update with CSR     renewal: new certificate, the old one good for CREDENTIAL_GRACE_MS more
 *   delete, disable     at once: realm_certificate.c and auth_origin_problem() ask the object
 */

#define CREDENTIAL_GRACE_MS (12LL * 3600 * 1000)
#define POLICY_NAME "App credential %s"
#define COMMON_NAME_MAX 2048

static int refuse(struct api_error *error, int status, const char *title, const char *attribute,
                  const char *text)
{
    api_error_set(error, status, title, "%s", text);
    snprintf(error->attribute, sizeof(error->attribute), "%s", attribute);
    return -EINVAL;
}

/* ---- Its policy ----------------------------------------------------------------------------- */

static const struct object *policy_find(struct api_call *call, const char *id,
                                        const char *namespace)
{
    const struct schema_kind *kind = schema_kind_find("apiauthorizationpolicy");
    _cleanup_free_
    char *key = NULL;
    char name[64];

    snprintf(name, sizeof(name), POLICY_NAME, id);
    key = objects_unique_key(kind, namespace, name);
    return key ? objects_find_unique(call->console->objects, kind, key) : NULL;
}

static json_t *policy_make(const char *id, const char *namespace, const json_t *credential)
{
    json_t *subnets = json_object_get(credential, "authorizedSubnets");
    char name[64], claim[64];
    json_t *policy;

    snprintf(name, sizeof(name), POLICY_NAME, id);
    snprintf(claim, sizeof(claim), "@auth:id=%s", id);
    policy = json_pack("{s:s, s:s, s:[[s, s]], s:O, s:s}", "name", name, "description",
                       "Made and deleted with its app credential.", "subject", claim,
                       "@auth:realm=certificate", "authorizedIdentities",
                       json_object_get(credential, "roles"), "authorizedNamespace", namespace);
    if (policy && json_array_size(subnets) > 0)
        json_object_set(policy, "authorizedSubnets", subnets);
    if (policy && json_is_true(json_object_get(credential, "disabled")))
        json_object_set_new(policy, "disabled", json_true());
    return policy;
}

static int policy_follow(struct api_call *call, const char *namespace, const json_t *credential,
                         struct change_set *set)
{
    const struct object *policy = policy_find(call, call->id, namespace);
    _cleanup_json_ json_t *sparse = policy_make(call->id, namespace, credential);

    if (!sparse)
        return -ENOMEM;
    if (policy)
        return change_set_update(set, policy, sparse);
    return change_set_create(set, schema_kind_find("apiauthorizationpolicy"), namespace, sparse,
                             NULL);
}

/* ---- Who may -------------------------------------------------------------------------------- */

static int claims_of(const char *id, const char *namespace, const char *name, struct tag_set *ret)
{
    if (tag_set_addf(ret, "@auth:realm=certificate") < 0 ||
        tag_set_addf(ret, "@auth:subject=app:credential:%s:%s", id, name) == -ENOMEM ||
        tag_set_addf(ret, "@auth:commonname=app:credential:%s:%s", id, name) == -ENOMEM ||
        tag_set_addf(ret, "@auth:organization=%s", namespace) == -ENOMEM ||
        tag_set_addf(ret, "@auth:id=%s", id) < 0)
        return -ENOMEM;
    return 0;
}

/* In the words of a credential, which has roles, and no end. */
static void translate(struct api_error *error)
{
    size_t len = strlen(error->description);

    if (!*error->attribute || strcmp(error->attribute, "authorizedSubnets") == 0)
        return;
    if (strcmp(error->attribute, "authorizedIdentities") != 0)
        snprintf(error->description + len, sizeof(error->description) - len,
                 " - which an app credential does not have: it cannot be given such a right");
    snprintf(error->attribute, sizeof(error->attribute), "roles");
}

static void clear_networks(struct cidr_list *networks)
{
    cidr_list_clear(networks);
}

/* All that whoever shows this credential may, by whatever policy, from where it is good. */
static int check_owner(struct api_call *call, const char *id, const char *namespace,
                       const json_t *credential, struct api_error *error)
{
    const json_t *subnets = json_object_get(credential, "authorizedSubnets");
    const char *name = json_string_value(json_object_get(credential, "name"));
    _cleanup_tag_set_ struct tag_set claims = {0};
    _cleanup_(clear_networks) struct cidr_list networks = {0};

    if (!call->caller)
        return 0;
    if (claims_of(id, namespace, name ? name : "", &claims) < 0 ||
        cidr_list_add_list(&networks, subnets) < 0)
        return -ENOMEM;
    if (!auth_covers(call->console->auth, call->caller, &claims,
                     json_array_size(subnets) > 0 ? &networks : NULL))
        return refuse(error, 403, "Forbidden", "ID",
                      "the credential may do things by API authorization policies that you may "
                      "not: whoever changes it could use it, or take it away from its owner");
    return 0;
}

static int check_before(struct api_call *call, const struct object *before, struct api_error *error)
{
    const struct object *policy = policy_find(call, before->id, before->space->name);
    _cleanup_json_ json_t *body = policy ? object_parse(policy) : NULL;
    _cleanup_json_ json_t *credential = object_parse(before);
    int r = credential ? check_owner(call, before->id, before->space->name, credential, error)
                       : -ENOMEM;

    /* Whatever somebody made of its policy: it changes with the credential. */
    if (r == 0 && call->caller && body)
        r = auth_check_grant(call->console->auth, call->caller, before->space->name, body, error);
    return r;
}

/* What it gets. */
static int check_after(struct api_call *call, const char *namespace, const json_t *object,
                       struct api_error *error)
{
    _cleanup_json_ json_t *policy = policy_make(call->id, namespace, object);
    int r;

    if (!call->caller)
        return 0;
    if (!policy)
        return -ENOMEM;
    r = auth_check_grant(call->console->auth, call->caller, namespace, policy, error);
    if (r < 0) {
        translate(error);
        return r;
    }
    return check_owner(call, call->id, namespace, object, error);
}

/* ---- Its certificate ------------------------------------------------------------------------ */

static json_t *base64(const char *text)
{
    size_t len = strlen(text);
    _cleanup_free_
    char *out = malloc(4 * ((len + 2) / 3) + 1);

    if (!out)
        return NULL;
    EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len);
    return json_string(out);
}

/* What goes into the file of the client, who adds the key. */
static json_t *credentials(struct api_call *call, const char *namespace, const char *name,
                           const char *pem)
{
    const char *url = call->console->public_url;
    json_t *certificate = base64(pem), *ca = base64(trust_ca_pem(call->console->trust));

    if (!certificate || !ca) {
        json_decref(certificate);
        json_decref(ca);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s}", "ID", call->id, "name", name,
                     "namespace", namespace, "APIURL", url ? url : "", "certificate", certificate,
                     "certificateAuthority", ca, "certificateKey", "");
}

static int sign(struct api_call *call, const char *namespace, json_t *object, const char *csr,
                struct api_error *error)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    const char *validity = json_string_value(json_object_get(object, "maxIssuedTokenValidity"));
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_free_
    char *pem = NULL;
    char common_name[COMMON_NAME_MAX];
    uint8_t sha256[32];
    const struct trust_certificate_request request = {
        .usage = TRUST_CREDENTIAL,
        .csr = csr,
        .common_name = common_name,
        .organization = namespace,
        .max_validity = validity && *validity ? validity : NULL,
        .now_ms = console_now_ms(),
        .days = TRUST_CREDENTIAL_DAYS,
    };
    int r;

    snprintf(common_name, sizeof(common_name), "app:credential:%s:%s", call->id, name ? name : "");
    r = trust_certificate_sign(call->console->trust, &request, &problem, &pem, sha256);
    if (r < 0)
        return refuse(error, 422, "Validation error", "CSR",
                      problem.len ? problem.data : "the certificate cannot be made");
    if (json_object_set_new(object, "certificate", json_string(pem)) < 0)
        return -ENOMEM;
    json_decref(call->reply);
    call->reply = json_pack("{s:o}", "credentials", credentials(call, namespace, name, pem));
    return call->reply ? 0 : -ENOMEM;
}

static const char *csr_of(const struct api_call *call)
{
    const char *csr = json_string_value(json_object_get(call->transient, "CSR"));

    return csr && *csr ? csr : NULL;
}

/* ---- Hooks ---------------------------------------------------------------------------------- */

/* The credential that the caller's own token was made with, and that one's parents. */
static int set_parents(struct api_call *call, json_t *object)
{
    const json_t *origin =
        call->caller && call->caller->token ? json_object_get(call->caller->token, "origin") : NULL;
    const char *id = json_string_value(json_object_get(origin, "id"));
    const struct object *parent = id ? objects_find(call->console->objects, id) : NULL;
    json_t *body, *parents;

    if (!parent || strcmp(parent->kind->name, "appcredential") != 0)
        return 0;
    body = object_parse(parent);
    parents = json_object_get(body, "parentIDs");
    parents = parents ? json_copy(parents) : json_array();
    json_decref(body);
    if (json_array_append_new(parents, json_string(id)) < 0) {
        json_decref(parents);
        return -ENOMEM;
    }
    return json_object_set_new(object, "parentIDs", parents);
}

static int credential_create(struct api_call *call, json_t *object, struct change_set *set,
                             struct api_error *error)
{
    const char *csr = csr_of(call);
    int r = check_after(call, call->namespace, object, error);

    if (r == 0)
        r = set_parents(call, object);
    if (r == 0 && csr)
        r = sign(call, call->namespace, object, csr, error);
    if (r == 0 && !csr)
        api_warn(call, "the app credential has no certificate until it is renewed with a CSR");
    return r < 0 ? r : policy_follow(call, call->namespace, object, set);
}

static int renew(struct api_call *call, const struct object *before, json_t *object,
                 const char *csr, struct api_error *error)
{
    _cleanup_free_
    char *old = object_text(before, "certificate");
    char until[SCHEMA_TIME_LEN + 1];
    int r = sign(call, before->space->name, object, csr, error);

    if (r < 0 || !old || !*old)
        return r;
    if (!schema_time_format(console_now_ms() + CREDENTIAL_GRACE_MS, until) ||
        json_object_set_new(object, "previousCertificate", json_string(old)) < 0 ||
        json_object_set_new(object, "previousUntil", json_string(until)) < 0)
        return -ENOMEM;
    return 0;
}

static int credential_update(struct api_call *call, const struct object *before, json_t *object,
                             struct change_set *set, struct api_error *error)
{
    const char *csr = csr_of(call);
    int r;

    memcpy(call->id, before->id, sizeof(call->id)); /* an import updates without a route */
    r = check_before(call, before, error);
    if (r == 0)
        r = check_after(call, before->space->name, object, error);
    if (r == 0 && csr)
        r = renew(call, before, object, csr, error);
    return r < 0 ? r : policy_follow(call, before->space->name, object, set);
}

static int credential_remove(struct api_call *call, const struct object *before,
                             struct change_set *set, struct api_error *error)
{
    const struct object *policy = policy_find(call, before->id, before->space->name);
    int r = check_before(call, before, error);

    return r < 0 || !policy ? r : change_set_delete(set, policy);
}

static const struct api_hooks credential_hooks = {
    .kind = "appcredential",
    .create = credential_create,
    .update = credential_update,
    .remove = credential_remove,
};

int hooks_credentials(struct console *console)
{
    return api_register(console, &credential_hooks);
}
