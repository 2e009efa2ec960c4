/* SPDX-License-Identifier: Apache-2.0 */
#include "console/realm.h"

#include <errno.h>
#include <string.h>

#include "console/trust.h"

/*
 * Realm Certificate: the TLS client certificate of an app credential. The object is asked, not the
 * certificate alone: it must be there, enabled, and name this very certificate (or the one before a
 * renewal, for a while).
 */

#define CREDENTIAL_NAME "app:credential:"

static const struct object *find_credential(const struct realm_attempt *attempt,
                                            const char *common_name)
{
    const struct objects *objects = realm_call(attempt)->console->objects;
    char id[SCHEMA_ID_LEN + 1];
    const struct object *object;

    if (strncmp(common_name, CREDENTIAL_NAME, strlen(CREDENTIAL_NAME)) != 0 ||
        strlen(common_name) < strlen(CREDENTIAL_NAME) + SCHEMA_ID_LEN)
        return NULL;
    memcpy(id, common_name + strlen(CREDENTIAL_NAME), SCHEMA_ID_LEN);
    id[SCHEMA_ID_LEN] = '\0';
    object = objects_find(objects, id);
    return object && strcmp(object->kind->name, "appcredential") == 0 ? object : NULL;
}

static bool is_certificate(const json_t *body, const char *attribute, const uint8_t sha256[32])
{
    const char *pem = json_string_value(json_object_get(body, attribute));
    uint8_t stored[32];

    return pem && *pem && trust_certificate_fingerprint(pem, stored) == 0 &&
           memcmp(stored, sha256, sizeof(stored)) == 0;
}

static bool is_current(const json_t *body, const uint8_t sha256[32], int64_t now_ms)
{
    const char *until = json_string_value(json_object_get(body, "previousUntil"));
    int64_t until_ms = 0;

    if (is_certificate(body, "certificate", sha256))
        return true;
    return until && *until && schema_time_parse(until, &until_ms) && now_ms < until_ms &&
           is_certificate(body, "previousCertificate", sha256);
}

static bool is_authorized_address(const struct object *credential, const char *client)
{
    struct cidr_list networks = {0};
    struct ip_addr address;
    bool has = !auth_credential_networks(credential, &networks) ||
               (ip_addr_parse(client, &address) == 0 && cidr_list_has(&networks, &address));

    cidr_list_clear(&networks);
    return has;
}

/* The smaller of what the object says now and what it said when the certificate was made. */
static int64_t max_validity_ms(const json_t *body, const char *of_certificate)
{
    const char *texts[] = {
        json_string_value(json_object_get(body, "maxIssuedTokenValidity")),
        of_certificate,
    };
    int64_t least_ms = 0, ms;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i] && *texts[i] && schema_duration_parse(texts[i], false, &ms) && ms > 0 &&
            (least_ms == 0 || ms < least_ms))
            least_ms = ms;
    return least_ms;
}

static void accept_credential(struct realm_attempt *attempt, const struct object *object,
                              const json_t *body, const struct trust_certificate *certificate)
{
    struct realm_identity identity = {
        .realm = "certificate",
        .subject = strdup(certificate->common_name),
        .data = json_pack("{s:s, s:s, s:s}", "commonName", certificate->common_name, "organization",
                          object->space->name, "id", object->id),
        .origin = json_pack("{s:s, s:s}", "kind", "appcredential", "id", object->id),
        .max_validity_ms = max_validity_ms(body, certificate->max_validity),
    };

    realm_accept(attempt, &identity);
}

static void judge(struct realm_attempt *attempt, const struct trust_certificate *certificate)
{
    const struct object *object = find_credential(attempt, certificate->common_name);
    json_t *body;

    if (!object) {
        realm_refuse(attempt, 401,
                     "the app credential has been deleted, or this is the "
                     "certificate of something else");
        return;
    }
    body = object_parse(object);
    if (!body)
        realm_refuse(attempt, 500, "out of memory");
    else if (object_flag(object, "disabled"))
        realm_refuse(attempt, 401, "the app credential has been disabled");
    else if (!is_current(body, certificate->sha256, console_now_ms()))
        realm_refuse(attempt, 401,
                     "the app credential has been renewed and this certificate is the old one");
    else if (!is_authorized_address(object, realm_call(attempt)->request->client))
        realm_refuse(attempt, 401, "the app credential may not be used from %s",
                     realm_call(attempt)->request->client);
    else
        accept_credential(attempt, object, body, certificate);
    json_decref(body);
}

static void identify(struct realm_attempt *attempt)
{
    struct api_call *call = realm_call(attempt);
    struct trust_certificate certificate = {0};
    int r;

    if (!call->request->certificate.present) {
        realm_refuse(attempt, 401,
                     "no client certificate: realm Certificate needs the one of an "
                     "app credential in the TLS handshake");
        return;
    }
    r = trust_certificate_check(call->console->trust, call->request->certificate.x509,
                                console_now_ms(), &certificate);
    if (r < 0) {
        realm_refuse(attempt, 401,
                     r == -ETIME ? "the client certificate has expired or is not valid yet"
                                 : "the client certificate is not one of this Console's");
        return;
    }
    judge(attempt, &certificate);
    trust_certificate_clear(&certificate);
}

const struct realm realm_certificate = {.name = "Certificate", .identify = identify};
