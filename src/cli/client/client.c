/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/error.h"
#include "cli/client/client_internal.h"
#include "cli/client/encoding.h"

/* ---- Life --------------------------------------------------------------------------------- */

static int set_api(struct client *client, const char *api)
{
    size_t len = strlen(api);

    while (len > 0 && api[len - 1] == '/')
        len--;
    client->api = strndup(api, len);
    return client->api ? 0 : -ENOMEM;
}

static char *copy(const char *text, bool *ok)
{
    char *result = text ? strdup(text) : NULL;

    *ok &= !text || result;
    return result;
}

int client_new(const struct client_config *config, struct client **ret)
{
    _cleanup_client_ struct client *client = calloc(1, sizeof(*client));
    bool ok = true;

    assert(config && config->api);
    assert(ret);

    if (!client || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return -ENOMEM;
    client->config = *config;
    client->config.api = NULL;
    client->config.ca_pem = client->ca = copy(config->ca_pem, &ok);
    client->config.only_ca_pem = client->only_ca = copy(config->only_ca_pem, &ok);
    client->config.certificate_pem = client->certificate = copy(config->certificate_pem, &ok);
    client->config.key_pem = client->key = copy(config->key_pem, &ok);
    client->config.tracking_id = client->tracking_id = copy(config->tracking_id, &ok);
    if (!client->config.tries)
        client->config.tries = CLIENT_TRIES_MAX;
    client->curl = curl_easy_init();
    if (!ok || !client->curl || set_api(client, config->api) < 0)
        return -ENOMEM;
    *ret = TAKE_PTR(client);
    return 0;
}

void client_free(struct client **client)
{
    struct client *c = *client;

    if (!c)
        return;
    if (c->config.progress)
        client_progress_end(c);
    curl_easy_cleanup(c->curl);
    free(c->api);
    free(c->ca);
    free(c->only_ca);
    free(c->certificate);
    free(c->key);
    free(c->tracking_id);
    free(c);
    *client = NULL;
}

const char *client_message(const struct client *client)
{
    return client->message;
}

const char *client_api(const struct client *client)
{
    return client->api;
}

void client_query(struct client_request *request, const char *name, const char *value)
{
    assert(request->n_query < CLIENT_PARAMETERS_MAX);
    request->query[request->n_query++] = (struct client_parameter){name, value};
}

void client_answer_clear(struct client_answer *answer)
{
    json_decref(answer->body);
    free(answer->text);
    free(answer->next);
    free(answer->messages);
    *answer = (struct client_answer){.total = -1};
}

/* ---- What is sent ------------------------------------------------------------------------- */

static void append_escaped(struct client *client, struct buf *url, const char *text)
{
    char *escaped = curl_easy_escape(client->curl, text, 0);

    buf_puts(url, escaped ? escaped : "");
    if (!escaped)
        url->error = -ENOMEM;
    curl_free(escaped);
}

static char *url_of(struct client *client, const struct client_request *request)
{
    _cleanup_buf_ struct buf url = BUF_INIT(CLIENT_HEADER_MAX);

    buf_printf(&url, "%s%s", client->api, request->path);
    for (size_t i = 0; i < request->n_query; i++) {
        buf_puts(&url, i ? "&" : "?");
        append_escaped(client, &url, request->query[i].name);
        if (request->query[i].value) {
            buf_puts(&url, "=");
            append_escaped(client, &url, request->query[i].value);
        }
    }
    return buf_steal(&url);
}

/* Line ends in a value would be further headers. */
static void add_header(struct curl_slist **list, bool *ok, const char *name, const char *value)
{
    char *line = NULL;
    struct curl_slist *longer;

    if (!value)
        return;
    if (strpbrk(value, "\r\n") || asprintf(&line, "%s: %s", name, value) < 0) {
        *ok = false;
        return;
    }
    longer = curl_slist_append(*list, line);
    free(line);
    *ok &= longer != NULL;
    *list = longer ? longer : *list;
}

static void random_key(char key[33])
{
    uint8_t bytes[16];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        abort(); /* cannot be for so few bytes */
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(key + 2 * i, 3, "%02x", bytes[i]);
}

static struct curl_slist *headers_of(const struct client *client,
                                     const struct client_request *request)
{
    const char *type = client->config.msgpack ? "application/msgpack" : "application/json";
    struct curl_slist *list = NULL;
    _cleanup_free_
    char *bearer = NULL;
    char key[33];
    bool ok = true;

    if (request->token && asprintf(&bearer, "Bearer %s", request->token) < 0)
        return NULL;
    random_key(key);
    add_header(&list, &ok, "Accept", type);
    add_header(&list, &ok, "Content-Type", request->body ? type : NULL);
    add_header(&list, &ok, "Authorization", bearer);
    add_header(&list, &ok, "X-Namespace", request->namespace);
    add_header(&list, &ok, "X-External-Tracking-ID", client->config.tracking_id);
    add_header(&list, &ok, "Idempotency-Key", request->idempotency_key ? key : NULL);
    /* Wait for no "100 Continue". */
    add_header(&list, &ok, "Expect", request->body ? "" : NULL);
    for (size_t i = 0; request->fields && request->fields[i]; i++)
        add_header(&list, &ok, "X-Fields", request->fields[i]);
    if (!ok) {
        curl_slist_free_all(list);
        return NULL;
    }
    return list;
}

static void encode_body(const struct client *client, const json_t *body, struct buf *buf)
{
    _cleanup_free_
    char *text = NULL;

    if (!body)
        return;
    if (client->config.msgpack) {
        encoding_pack(body, buf);
        return;
    }
    text = json_dumps(body, JSON_COMPACT);
    if (text)
        buf_puts(buf, text);
    else
        buf->error = -ENOMEM;
}

/* ---- What comes back ---------------------------------------------------------------------- */

static size_t receive(char *data, size_t size, size_t n, void *context)
{
    struct buf *body = context;

    buf_append(body, data, size * n);
    return body->error ? 0 : size * n;
}

static void keep_header(const char *line, size_t len, const char *name, char **ret)
{
    size_t name_len = strlen(name);

    if (len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
        return;
    line += name_len + 1;
    len -= name_len + 1;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && strchr("\r\n \t", line[len - 1]))
        len--;
    free(*ret);
    *ret = strndup(line, len);
}

struct incoming {
    char *next, *messages, *total, *type, *retry_after;
    struct buf body;
};

static void incoming_clear(struct incoming *in)
{
    free(in->next);
    free(in->messages);
    free(in->total);
    free(in->type);
    free(in->retry_after);
    buf_free(&in->body);
    *in = (struct incoming){.body = BUF_INIT(CLIENT_ANSWER_BYTES_MAX)};
}

static size_t receive_header(char *data, size_t size, size_t n, void *context)
{
    struct incoming *in = context;
    size_t len = size * n;

    keep_header(data, len, "X-Next", &in->next);
    keep_header(data, len, "X-Messages", &in->messages);
    keep_header(data, len, "X-Count-Total", &in->total);
    keep_header(data, len, "Content-Type", &in->type);
    keep_header(data, len, "Retry-After", &in->retry_after);
    return len;
}

static void decode(struct incoming *in, struct client_answer *answer)
{
    bool msgpack = in->type && strncasecmp(in->type, "application/msgpack", 19) == 0;

    if (in->body.len == 0)
        return;
    if (msgpack)
        answer->body = encoding_unpack(in->body.data, in->body.len);
    else if (!in->type || strncasecmp(in->type, "application/json", 16) == 0)
        answer->body = json_loadb(in->body.data, in->body.len, JSON_DECODE_ANY, NULL);
    if (!answer->body && !msgpack)
        answer->text = strndup(in->body.data, MIN(in->body.len, (size_t)CLIENT_MESSAGE_MAX));
}

static int take(struct client *client, struct incoming *in, const char *method, const char *url,
                struct client_answer *answer)
{
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    decode(in, answer);
    answer->next = in->next && *in->next ? TAKE_PTR(in->next) : NULL;
    answer->messages = TAKE_PTR(in->messages);
    answer->total = in->total ? strtoll(in->total, NULL, 10) : -1;
    if (answer->status >= 200 && answer->status < 300 && in->body.len > 0 && !answer->body) {
        snprintf(
            client->message, sizeof(client->message),
            "%s %s: %ld, with an answer that cannot be read (%s, %zu bytes): not a Console, or "
            "a newer one?",
            method, url, answer->status, in->type ? in->type : "no type", in->body.len);
        return -EPROTO;
    }
    return 0;
}

/* ---- One request -------------------------------------------------------------------------- */

static bool may_repeat(const struct client_request *request)
{
    return strcmp(request->method, "POST") != 0 || request->idempotency_key;
}

/* How long to wait before another try, -1: there is none. */
static long wait_ms(const struct client *client, const struct client_request *request,
                    CURLcode code, const struct incoming *in, unsigned tries)
{
    long status = 0, wait = CLIENT_WAIT_FIRST_MS;
    bool again;

    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK)
        again = status == 503 || status == 429;
    else
        again = code == CURLE_COULDNT_CONNECT ||
                (may_repeat(request) && (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
                                         code == CURLE_SEND_ERROR || code == CURLE_PARTIAL_FILE));
    if (!again || tries >= client->config.tries)
        return -1;
    for (unsigned i = 1; i < tries && wait < CLIENT_WAIT_MAX_MS; i++)
        wait *= 2;
    if (code == CURLE_OK && in->retry_after) {
        long seconds = strtol(in->retry_after, NULL, 10);

        if (seconds > CLIENT_RETRY_AFTER_MAX_S)
            return -1;
        wait = MAX(wait, seconds * 1000);
    }
    return wait + client_jitter(wait / 4);
}

static int finish(struct client *client, const char *method, const char *url, CURLcode code,
                  const struct incoming *in)
{
    if (code == CURLE_OK)
        return 0;
    if (in->body.error == -ENOSPC)
        snprintf(client->message, sizeof(client->message),
                 "%s %s: the answer is longer than %zu MiB", method, url,
                 CLIENT_ANSWER_BYTES_MAX >> 20);
    else
        client_explain(client, method, url, code);
    return -ECONNABORTED;
}

static void prepare(struct client *client, const struct client_request *request, const char *url,
                    struct curl_slist *headers, const struct buf *body, struct incoming *in)
{
    CURL *curl = client->curl;

    client_setup(client, curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &in->body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, receive_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, in);
    if (request->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    }
    client->progress_doing = request->doing;
}

static void log_answer(struct client *client, const char *method, const char *url, CURLcode code,
                       const struct incoming *in)
{
    long status = 0;

    if (!client->config.log)
        return;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    fprintf(client->config.log, "bulkhead: %s %s: %ld %s, %zu bytes\n", method, url, status,
            code == CURLE_OK ? "done" : client->curl_message, in->body.len);
}

/* Between the requests of one piece of work, when nothing else will be said. */
static bool stays_shown(const struct client *client, CURLcode code, const struct incoming *in)
{
    long status = 0;

    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    return client->work && !client->config.shared && !client->config.log && code == CURLE_OK &&
           status >= 200 && status <= 299 && !in->messages;
}

int client_send(struct client *client, const struct client_request *request,
                struct client_answer *ret)
{
    _cleanup_free_
    char *url = url_of(client, request);
    _cleanup_buf_ struct buf body = BUF_INIT(CLIENT_ANSWER_BYTES_MAX);
    _cleanup_(incoming_clear) struct incoming in = {.body = BUF_INIT(CLIENT_ANSWER_BYTES_MAX)};
    struct curl_slist *headers = headers_of(client, request);
    CURLcode code;
    int r;

    *ret = (struct client_answer){.total = -1};
    encode_body(client, request->body, &body);
    if (!url || !headers || body.error) {
        curl_slist_free_all(headers);
        snprintf(client->message, sizeof(client->message),
                 "the request is too long, has a line end in a header, or memory is short");
        return -EINVAL;
    }
    for (unsigned tries = 1;; tries++) {
        long wait;

        incoming_clear(&in);
        prepare(client, request, url, headers, &body, &in);
        client->curl_message[0] = '\0';
        code = curl_easy_perform(client->curl);
        if (!stays_shown(client, code, &in))
            client_progress_end(client);
        log_answer(client, request->method, url, code, &in);
        wait = wait_ms(client, request, code, &in, tries);
        if (wait < 0)
            break;
        client_wait(client, wait);
    }
    curl_slist_free_all(headers);
    r = finish(client, request->method, url, code, &in);
    return r < 0 ? r : take(client, &in, request->method, url, ret);
}
