/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "enforcer/https.h"
#include "enforcer/offline.h"
#include "enforcer/pki.h"
#include "enforcer/registration.h"

/*
 * Registration: who we are for the Console is an app credential (then a token is issued for its
 * certificate) or a token. Then a key is made here and only a request for a certificate travels.
 */

#define TOKEN_VALIDITY "10m"
#define PEM_BYTES_MAX 65536

struct credential { /* one or the other */
    char *token;
    char *certificate, *key, *ca, *url, *namespace;
};

static void json_unref(json_t **json)
{
    json_decref(*json);
}
#define _cleanup_json_ _cleanup_(json_unref)

static void wipe(char **at)
{
    if (*at)
        explicit_bzero(*at, strlen(*at));
    free(*at);
    *at = NULL;
}

static void credential_clear(struct credential *credential)
{
    wipe(&credential->token);
    wipe(&credential->key);
    free(credential->certificate);
    free(credential->ca);
    free(credential->url);
    free(credential->namespace);
}

/* ---- Credential ------------------------------------------------------------------------------
 */

static int decode_pem(const json_t *json, const char *name, char **ret)
{
    const char *text = json_string_value(json_object_get(json, name));
    size_t len = text ? strlen(text) : 0, padding = 0;
    unsigned char *bytes;
    int n;

    if (len == 0 || len % 4 || len > PEM_BYTES_MAX)
        return -EINVAL;
    bytes = malloc(len / 4 * 3 + 1);
    if (!bytes)
        return -ENOMEM;
    n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);
    while (padding < 2 && text[len - 1 - padding] == '=')
        padding++;
    if (n < 0 || memchr(bytes, '\0', (size_t)n - padding)) {
        free(bytes);
        return -EINVAL;
    }
    bytes[(size_t)n - padding] = '\0';
    *ret = (char *)bytes;
    return 0;
}

static int copy_optional(const json_t *json, const char *name, char **ret)
{
    const char *text = json_string_value(json_object_get(json, name));

    *ret = text ? strdup(text) : NULL;
    return text && !*ret ? -ENOMEM : 0;
}

static int take_token(const char *text, struct credential *ret)
{
    size_t len = strcspn(text, " \t\r\n");

    ret->token = len > 0 ? strndup(text, len) : NULL;
    return ret->token ? 0 : -EINVAL;
}

/* In place of certificate and key there may be a token (`bulkhead enforcer register`). */
static int read_credential(const char *text, size_t len, struct credential *ret)
{
    _cleanup_json_ json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const char *token = json_string_value(json_object_get(json, "token"));
    int r = token ? take_token(token, ret) : decode_pem(json, "certificate", &ret->certificate);

    if (r == 0 && !token)
        r = decode_pem(json, "certificateKey", &ret->key);
    if (r == 0)
        r = decode_pem(json, "certificateAuthority", &ret->ca);
    if (r == 0)
        r = copy_optional(json, "APIURL", &ret->url);
    if (r == 0)
        r = copy_optional(json, "namespace", &ret->namespace);
    return r;
}

static int find_credential(const struct config *config, struct buf *problem, struct credential *ret)
{
    const char *environment = getenv("BULKHEAD_TOKEN");
    _cleanup_(wipe) char *text = NULL;
    size_t len;
    int r;

    if (config->token)
        return take_token(config->token, ret);
    if (!config->credentials) {
        if (environment && *environment)
            return take_token(environment, ret);
        buf_puts(problem, "nothing is known to register with: set `credentials` or `token` in the "
                          "configuration, or BULKHEAD_TOKEN");
        return -EACCES;
    }
    r = file_read(config->credentials, PEM_BYTES_MAX * 4, &text, &len);
    if (r < 0) {
        buf_printf(problem, "%s: %s", config->credentials, error_text(r));
        return r == -ENOMEM ? r : -EACCES;
    }
    r = text[strspn(text, " \t\r\n")] == '{' ? read_credential(text, len, ret)
                                             : take_token(text, ret);
    if (r == -EINVAL)
        buf_printf(problem, "%s: found neither a credential in JSON nor a token",
                   config->credentials);
    return r == -EINVAL ? -EACCES : r;
}

/* ---- What the Console says -------------------------------------------------------------------
 */

static void add_errors(const struct buf *answer, struct buf *problem)
{
    _cleanup_json_ json_t *json =
        answer->len ? json_loadb(answer->data, answer->len, 0, NULL) : NULL;
    size_t n = json_array_size(json);

    for (size_t i = 0; i < MIN(n, (size_t)3); i++) {
        const char *text =
            json_string_value(json_object_get(json_array_get(json, i), "description"));

        buf_puts(problem, i ? "; " : "");
        text_quote(problem, text ? text : "", text ? strlen(text) : 0);
    }
    if (n == 0)
        text_quote(problem, answer->data ? answer->data : "", answer->len);
}

/* What people do about it. */
static const char *advice(int status)
{
    switch (status) {
    case 401:
        return "the credential or token is not accepted (expired? deleted? compare the clocks)";
    case 403:
        return "the credential or token may not register Enforcers in this namespace (it needs the "
               "role enforcer-installer)";
    case 404:
        return "the namespace does not exist, or the URL is none of a Console";
    case 409:
        return "it is not as the Console has it";
    case 417:
        return "the token has been used up";
    case 422:
        return "the Console does not accept what this Enforcer says";
    case 423:
        return "the Console takes no changes now, and is asked again";
    case 429:
        return "too much was asked of the Console, and it is asked again";
    }
    return status >= 500 ? "the Console is not able to answer now" : "the Console refuses";
}

static int explain(int status, const char *what, const struct buf *answer, struct buf *problem)
{
    buf_printf(problem, "%s: status %d: %s: ", what, status, advice(status));
    add_errors(answer, problem);
    return status >= 500 || status == 429 || status == 423 ? -EAGAIN : -EACCES;
}

static int issue(const struct channel_target *target, struct buf *problem, uint32_t *wait_s,
                 char **ret)
{
    _cleanup_buf_ struct buf answer = BUF_INIT(HTTPS_ANSWER_BYTES_MAX);
    const struct https_request request = {
        .target = target,
        .path = "/issue",
        .body = "{\"realm\":\"Certificate\",\"validity\":\"" TOKEN_VALIDITY "\"}",
        .retry_after_s = wait_s,
    };
    _cleanup_json_ json_t *json = NULL;
    const char *token;
    int status = https_run(&request, &answer, problem);

    if (status < 0)
        return status == -EIO ? -EAGAIN : status;
    if (status != 200)
        return explain(status, "a token could not be got", &answer, problem);
    json = json_loadb(answer.data, answer.len, 0, NULL);
    token = json_string_value(json_object_get(json, "token"));
    if (!token) {
        buf_puts(problem, "POST /issue: the answer has no token");
        return -EACCES;
    }
    *ret = strdup(token);
    return *ret ? 0 : -ENOMEM;
}

/* ---- The Enforcer's object -------------------------------------------------------------------
 */

/* Fully qualified, else the host name. It waits for DNS. */
static char *fully_qualified(void)
{
    char *name;
    char host[OFFLINE_HOST_NAME_MAX];
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *list = NULL;

    offline_host_name(host);
    if (strchr(host, '.') || getaddrinfo(host, NULL, &hints, &list) != 0)
        return strdup(host);
    name =
        strdup(list->ai_canonname && strchr(list->ai_canonname, '.') ? list->ai_canonname : host);
    freeaddrinfo(list);
    return name;
}

static char *object_text(const char *request_pem, const char *fqdn)
{
    char name[OFFLINE_HOST_NAME_MAX];
    json_t *json;
    char *text;

    offline_host_name(name);
    /* version and machine are said in hello: only a connected Enforcer may set them */
    json =
        json_pack("{s:s, s:s, s:s}", "name", name, "FQDN", fqdn, "certificateRequest", request_pem);
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static char *member(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? strdup(text) : NULL;
}

static int read_object(const struct buf *answer, struct registration *registration)
{
    _cleanup_json_ json_t *json = json_loadb(answer->data, answer->len, 0, NULL);
    json_int_t number = json_integer_value(json_object_get(json, "number"));
    const char *certificate = json_string_value(json_object_get(json, "certificate"));

    registration->id = member(json, "ID");
    registration->name = member(json, "name");
    registration->namespace = member(json, "namespace");
    registration->ca = member(json, "localCA");
    registration->number = number > 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
    if (!registration->id || !registration->name || !registration->namespace || !registration->ca ||
        !registration->number || !certificate)
        return -EINVAL;
    return registration_certificate_set(registration, certificate);
}

/* A key that is made here, or the one of the registration that is renewed. */
static int key_and_request(const struct registration *known, struct registration *registration,
                           char **ret_csr)
{
    int r = 0;

    registration->fqdn = known && known->fqdn ? strdup(known->fqdn) : fully_qualified();
    if (known)
        registration->key = strdup(known->key);
    else
        r = pki_key_new(&registration->key);
    if (r == 0 && (!registration->fqdn || !registration->key))
        r = -ENOMEM;
    return r < 0 ? r : pki_request_new(registration->key, "enforcer", ret_csr);
}

static char *renewal_text(const char *request_pem)
{
    char machine[REGISTRATION_MACHINE_ID_MAX];
    json_t *json;
    char *text;

    registration_machine_id(machine);
    json = json_pack("{s:s, s:s}", "certificateRequest", request_pem, "machineID", machine);
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

/* Who we are and what for. */
struct enrolment {
    const struct config *config;
    const struct credential *credential;
    const struct registration *known; /* NULL: a new Enforcer */
    struct buf *problem;
    uint32_t wait_s;
};

static int take_answer(const struct enrolment *enrolment, int status, const struct buf *answer,
                       struct registration *registration)
{
    const struct registration *known = enrolment->known;

    if (status == 409 && known) {
        explain(status, "it is alive, or the clock of this host is far ahead", answer,
                enrolment->problem);
        return -EEXIST;
    }
    if (status != 200 && status != 201)
        return explain(status,
                       known ? "the Enforcer's certificate could not be renewed"
                             : "the Enforcer could not be registered",
                       answer, enrolment->problem);
    if (answer->error || read_object(answer, registration) < 0 ||
        (known &&
         (strcmp(known->id, registration->id) != 0 || known->number != registration->number))) {
        buf_puts(enrolment->problem, "the answer has not all that an Enforcer needs");
        return -EACCES;
    }
    return 0;
}

static int create(struct enrolment *enrolment, const struct channel_target *target,
                  const char *token, struct registration *registration)
{
    _cleanup_buf_ struct buf answer = BUF_INIT(HTTPS_ANSWER_BYTES_MAX);
    const struct registration *known = enrolment->known;
    _cleanup_free_
    char *csr = NULL, *text = NULL;
    char path[128] = "/enforcers";
    struct https_request request = {
        .target = target,
        .path = path,
        .token = token,
        .namespace = known ? known->namespace : enrolment->config->namespace,
        .retry_after_s = &enrolment->wait_s,
    };
    int r = key_and_request(known, registration, &csr);

    if (r < 0)
        return r;
    text = known ? renewal_text(csr) : object_text(csr, registration->fqdn);
    if (!text)
        return -ENOMEM;
    if (known && snprintf(path, sizeof(path), "/enforcers/%s/enforcerrenewals", known->id) >=
                     (int)sizeof(path))
        return -EINVAL;
    request.body = text;
    r = https_run(&request, &answer, enrolment->problem);
    if (r < 0)
        return r == -EIO ? -EAGAIN : r;
    return take_answer(enrolment, r, &answer, registration);
}

static int enrol_at(struct enrolment *enrolment, const char *url, struct registration *registration)
{
    const struct credential *credential = enrolment->credential;
    struct registration known = {.ca = enrolment->known ? enrolment->known->ca : credential->ca};
    struct channel_target target = {.url = url,
                                    .certificate = credential->certificate,
                                    .key = credential->key,
                                    .proxy = enrolment->config->proxy};
    _cleanup_(wipe) char *token = NULL;
    _cleanup_free_
    char *ca = NULL;
    int r = registration_ca(enrolment->config, &known, enrolment->problem, &ca);

    if (r < 0)
        return -EACCES;
    target.ca = ca;
    if (!credential->token)
        r = issue(&target, enrolment->problem, &enrolment->wait_s, &token);
    if (r == 0)
        r = create(enrolment, &target, credential->token ? credential->token : token, registration);
    if (r == 0) {
        registration->url = strdup(url);
        r = registration->url ? 0 : -ENOMEM;
    }
    return r;
}

static int enrol(struct enrolment *enrolment, uint32_t *ret_wait_s, struct registration **ret)
{
    const struct config *config = enrolment->config;
    const char *named = enrolment->known ? enrolment->known->url : enrolment->credential->url;
    size_t n = config->n_consoles ? config->n_consoles : 1;
    int r = 0;

    if (!config->n_consoles && !named) {
        buf_puts(enrolment->problem, "no Console is named: set `console` in the configuration");
        return -EACCES;
    }
    *ret_wait_s = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        struct registration *registration = calloc(1, sizeof(*registration));

        if (!registration)
            return -ENOMEM;
        enrolment->wait_s = 0;
        buf_puts(enrolment->problem, i ? "; " : "");
        r = enrol_at(enrolment, config->n_consoles ? config->consoles[i] : named, registration);
        if (r == 0) {
            *ret = registration;
            return 0;
        }
        registration_free(&registration);
        if (r != -EAGAIN)
            return r;
        *ret_wait_s = MIN(*ret_wait_s, enrolment->wait_s); /* of the Console that is ready first */
    }
    return r;
}

int registration_make(const struct config *config, struct buf *problem, uint32_t *ret_wait_s,
                      struct registration **ret)
{
    _cleanup_(credential_clear) struct credential credential = {0};
    struct enrolment enrolment = {.config = config, .credential = &credential, .problem = problem};
    int r = find_credential(config, problem, &credential);

    return r < 0 ? r : enrol(&enrolment, ret_wait_s, ret);
}

int registration_renew(const struct config *config, const struct registration *known,
                       struct buf *problem, uint32_t *ret_wait_s, struct registration **ret)
{
    _cleanup_(credential_clear) struct credential credential = {0};
    struct enrolment enrolment = {
        .config = config, .credential = &credential, .known = known, .problem = problem};
    char day[32] = "";
    time_t end = (time_t)known->not_after_s;
    struct tm tm;
    int r;

    if (gmtime_r(&end, &tm))
        strftime(day, sizeof(day), "%Y-%m-%d %H:%M UTC", &tm);
    buf_printf(problem, "the certificate of this Enforcer ended at %s, while it was away: ", day);
    r = find_credential(config, problem, &credential);
    return r < 0 ? r : enrol(&enrolment, ret_wait_s, ret);
}
