/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/keyfile.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

/* ---- Making ------------------------------------------------------------------------------- */

static json_t *base64_json(const char *text)
{
    _cleanup_free_
    char *encoded = base64_encode(text, strlen(text));

    return encoded ? json_string(encoded) : NULL;
}

/* The answer's `credentials`, with our key and where this Console is. */
static int complete_file(struct session *session, const json_t *answer, const char *key,
                         json_t **ret_file)
{
    json_t *file = json_object_get(answer, "credentials"), *encoded = base64_json(key);
    const char *url = json_string_value(json_object_get(file, "APIURL")),
               *certificate = json_string_value(json_object_get(file, "certificate"));

    if (!certificate || !*certificate) {
        json_decref(encoded);
        cli_error(session->call, "the Console's answer has no certificate");
        return CLI_FAILED;
    }
    if (!encoded || json_object_set_new(file, "certificateKey", encoded) < 0)
        return cli_no_memory(session->call);
    if (!url || !*url)
        json_object_set_new(file, "APIURL", json_string(client_api(session->client)));
    *ret_file = json_incref(file);
    return CLI_DONE;
}

static int send_request(struct session *session, struct client_request *request, json_t *object,
                        const char *name, json_t **ret_file)
{
    _cleanup_client_answer_ struct client_answer answer = {0};
    _cleanup_free_
    char *key = NULL, *csr = NULL;
    int r;

    if (credential_key_new(name, &key, &csr) < 0) {
        cli_error(session->call, "no key can be made");
        return CLI_FAILED;
    }
    if (json_object_set_new(object, "CSR", json_string(csr)) < 0)
        return cli_no_memory(session->call);
    request->body = object;
    r = session_send(session, request, &answer);
    if (r == CLI_DONE)
        r = complete_file(session, answer.body, key, ret_file);
    explicit_bzero(key, strlen(key));
    return r;
}

int keyfile_create(struct session *session, json_t *object, json_t **ret_file)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    struct client_request request = {
        .method = "POST", .path = "/appcredentials", .idempotency_key = true};

    return send_request(session, &request, object, name ? name : "", ret_file);
}

int keyfile_renew(struct session *session, const json_t *present, json_t **ret_file)
{
    const char *name = json_string_value(json_object_get(present, "name")),
               *id = json_string_value(json_object_get(present, "ID")),
               *namespace = json_string_value(json_object_get(present, "namespace"));
    _cleanup_free_
    char *path = NULL;
    struct client_request request = {.method = "PATCH", .namespace = namespace};
    json_t *object = json_object();
    int r;

    if (!object || !id || asprintf(&path, "/appcredentials/%s", id) < 0) {
        json_decref(object);
        return cli_no_memory(session->call);
    }
    request.path = path;
    r = send_request(session, &request, object, name ? name : "", ret_file);
    json_decref(object);
    return r;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static char *pem_of(const json_t *file, const char *key)
{
    const char *text = json_string_value(json_object_get(file, key));
    size_t len;

    return text ? base64_decode(text, &len) : NULL;
}

/* A name that Kubernetes takes (RFC 1123). */
static void append_dns_name(struct buf *text, const char *name)
{
    size_t start = text->len;

    for (size_t i = 0; name && name[i] && i < 63; i++) {
        char c = (char)tolower((unsigned char)name[i]);

        buf_printf(text, "%c", (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-');
    }
    if (text->len == start)
        buf_puts(text, "bulkhead");
}

static int format_secret(const json_t *file, const char *json, struct buf *text)
{
    _cleanup_free_
    char *encoded = base64_encode(json, strlen(json));

    if (!encoded)
        return -ENOMEM;
    buf_puts(text, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ");
    append_dns_name(text, json_string_value(json_object_get(file, "name")));
    buf_printf(text, "\ntype: Opaque\ndata:\n  default.creds: %s\n", encoded);
    return text->error;
}

static int format_pem(const json_t *file, struct buf *text)
{
    _cleanup_free_
    char *certificate = pem_of(file, "certificate"), *key = pem_of(file, "certificateKey");

    if (!certificate || !key)
        return -ENOMEM;
    buf_printf(text, "%s%s", certificate, key);
    return text->error;
}

static int format_file(const char *type, const json_t *file, struct buf *text)
{
    _cleanup_free_
    char *json = json_dumps(file, JSON_INDENT(2) | JSON_ENSURE_ASCII);

    if (!json)
        return -ENOMEM;
    if (strcmp(type, "k8s") == 0)
        return format_secret(file, json, text);
    if (strcmp(type, "cert") == 0)
        return format_pem(file, text);
    buf_printf(text, "%s\n", json);
    return text->error;
}

int keyfile_write(struct cli_call *call, const char *type, const char *path, const json_t *file)
{
    _cleanup_buf_ struct buf text = BUF_INIT(CREDENTIAL_BYTES_MAX);
    _cleanup_free_
    char *safe = path ? text_safe(path) : NULL;
    int r = format_file(type, file, &text);

    if (r < 0 || !text.data)
        return cli_no_memory(call);
    if (!path || strcmp(path, "-") == 0) {
        fputs(text.data, call->output.out);
        return CLI_DONE;
    }
    r = file_write_atomic(path, text.data, text.len, 0600);
    if (r == 0) {
        fprintf(call->err, "bulkhead: wrote %s; who has this file has the credential\n",
                safe ? safe : "");
        return CLI_DONE;
    }
    cli_error(call,
              "cannot write %s: %s; the credential exists: delete it, or renew it to get "
              "another file",
              safe ? safe : "", error_text(r));
    return CLI_FAILED;
}
