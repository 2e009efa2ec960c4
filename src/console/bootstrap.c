/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first start on an empty database: the root namespace, and an administrator with an app
 * credential of his own. The file is written before the commit, so that a crash between the two
 * locks nobody out: the next start finds no root namespace and does all of it again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "console/api_internal.h"

#define ADMINISTRATOR "administrator"
#define ADMINISTRATOR_FILE "administrator.json"
#define ADMINISTRATOR_ROLE "@auth:role=namespace.administrator"

/* ---- Key and request ------------------------------------------------------------------------- */

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_request(X509_REQ **request)
{
    X509_REQ_free(*request);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static char *bio_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);

    return len > 0 ? strndup(data, (size_t)len) : NULL;
}

static int make_request(char **ret_key, char **ret_csr)
{
    _cleanup_(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(free_request) X509_REQ *request = X509_REQ_new();
    _cleanup_(free_bio) BIO *key_bio = BIO_new(BIO_s_mem());
    _cleanup_(free_bio) BIO *csr_bio = BIO_new(BIO_s_mem());
    _cleanup_free_
    char *key_text = NULL, *csr_text = NULL;

    if (!key || !request || !key_bio || !csr_bio)
        return -ENOMEM;
    if (X509_REQ_set_pubkey(request, key) != 1 ||
        X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC,
                                   (const unsigned char *)ADMINISTRATOR, -1, -1, 0) != 1 ||
        X509_REQ_sign(request, key, EVP_sha256()) <= 0 ||
        PEM_write_bio_X509_REQ(csr_bio, request) != 1 ||
        PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return -EIO;
    key_text = bio_text(key_bio);
    csr_text = bio_text(csr_bio);
    if (!key_text || !csr_text)
        return -ENOMEM;
    *ret_key = TAKE_PTR(key_text);
    *ret_csr = TAKE_PTR(csr_text);
    return 0;
}

static char *base64(const char *text)
{
    size_t len = strlen(text);
    char *out = malloc((len + 2) / 3 * 4 + 1);

    if (out)
        EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len);
    return out;
}

static int write_credential(struct console *console, json_t *credentials, const char *key,
                            const char *path)
{
    _cleanup_free_
    char *encoded = base64(key), *text = NULL;
    int r;

    if (!encoded || !json_is_object(credentials) ||
        json_object_set_new(credentials, "certificateKey", json_string(encoded)) < 0)
        return -ENOMEM;
    text = json_dumps(credentials, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (!text)
        return -ENOMEM;
    r = dir_make(console->options->data, 0700);
    return r < 0 ? r : file_write_atomic(path, text, strlen(text), 0600);
}

/* ---- Objects --------------------------------------------------------------------------------- */

struct waiting {
    bool done;
    int result;
};

static void committed(void *context, int result, size_t failed_op, uint64_t revision)
{
    struct waiting *waiting = context;

    waiting->done = true;
    waiting->result = result;
}

static int commit_and_wait(struct console *console, struct change_set **set)
{
    struct waiting waiting = {0};

    commit_submit(console->commit, set, committed, &waiting);
    while (!waiting.done && !console->stopping)
        uv_run(&console->loop, UV_RUN_ONCE);
    return waiting.done ? waiting.result : -EINTR;
}

static int add_root(struct change_set *set)
{
    json_t *root = json_pack("{s:s, s:s}", "name", "/", "description", "Root of all namespaces");
    int r = root ? change_set_create(set, schema_kind_find("namespace"), "/", root, NULL) : -ENOMEM;

    json_decref(root);
    return r;
}

/* As if the Console itself had asked for it, through the same hooks as everybody. */
static int add_administrator(struct api_call_private *call, const char *csr, struct change_set *set,
                             struct api_error *error)
{
    const struct schema_kind *kind = schema_kind_find("appcredential");
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *given, *sparse = NULL;
    int r;

    given = json_pack("{s:s, s:s, s:[s], s:s}", "name", ADMINISTRATOR, "description",
                      "Made at the first start", "roles", ADMINISTRATOR_ROLE, "CSR", csr);
    r = given ? schema_accept(kind, SCHEMA_WRITER_CONSOLE, given, NULL, false, &problems, &sparse)
              : -ENOMEM;
    if (r == 0) {
        call->public.kind = kind;
        r = api_prepare_create(&call->public, sparse, set, error);
    } else if (problems.n) {
        api_error_set(error, 422, "", "%s: %s", problems.items[0].attribute,
                      problems.items[0].message);
    }
    json_decref(given);
    json_decref(sparse);
    return r;
}

static int make_all(struct console *console, struct api_call_private *call, const char *path,
                    struct api_error *error)
{
    _cleanup_change_set_ struct change_set *set = NULL;
    _cleanup_free_
    char *key = NULL, *csr = NULL;
    int r;

    r = change_set_new(&set);
    if (r == 0)
        r = add_root(set);
    if (r == 0)
        r = make_request(&key, &csr);
    if (r == 0)
        r = add_administrator(call, csr, set, error);
    if (r == 0)
        r = write_credential(console, json_object_get(call->public.reply, "credentials"), key,
                             path);
    if (r == 0)
        r = commit_and_wait(console, &set);
    return r;
}

int console_bootstrap(struct console *console)
{
    const struct space *root = objects_space(console->objects, "/");
    char none[] = "", slash[] = "/";
    struct http_request request = {.path = slash,
                                   .content_type = none,
                                   .accept = none,
                                   .authorization = none,
                                   .cookie = none,
                                   .namespace = slash,
                                   .idempotency_key = none,
                                   .tracking_id = none,
                                   .host = none,
                                   .origin = none};
    _cleanup_free_
    char *path = console_path(console->options, ADMINISTRATOR_FILE);
    struct api_call_private *call;
    struct api_error error = {0};
    int r;

    if (root->object)
        return 0;
    call = calloc(1, sizeof(*call));
    if (!path || !call) {
        free(call);
        return -ENOMEM;
    }
    call->api = console->api;
    call->public.console = console;
    call->public.request = &request;
    call->public.namespace = "/";
    call->public.verb = AUTH_CREATE;
    r = make_all(console, call, path, &error);
    api_call_free(call);
    if (r == -EEXIST) /* another Console on this database was first */
        return 0;
    if (r < 0) {
        fprintf(stderr, "bulkhead-console: first start: %s\n",
                *error.description ? error.description : error_text(r));
        return r;
    }
    log_event(LOG_LEVEL_INFO, "console.first_start", LOG_F("administrator", "%s", path));
    return 0;
}
