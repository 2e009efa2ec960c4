/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The Console's HTTP shell with nothing behind it, for tests of malicious clients and for its
 * figures.
 *   http-server LISTEN CERTIFICATE KEY CLIENT_CA
 * Says "port N" when it listens. SIGHUP: reads certificate and key again. SIGTERM: stops.
 */

#include "console/http.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#define FILE_BYTES_MAX 65536
#define LATER_MAX 1024

struct peer {
    struct http_socket *socket;
    struct peer *next, *prev;
};

static struct program {
    uv_loop_t loop;
    struct http_server *server;
    const char *certificate, *key;
    struct peer peers; /* ring */
    struct http_exchange *never[LATER_MAX];
    size_t n_never, drained;
} program;

struct later {
    uv_timer_t timer;
    struct http_exchange *exchange;
};

static const char *parameter(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_query; i++)
        if (strcmp(request->query[i].name, name) == 0)
            return request->query[i].value;
    return "0";
}

static void answer_text(struct http_exchange *exchange, int status, const char *text)
{
    struct http_response response = {
        .status = status, .content_type = "text/plain", .body = BUF_INIT(4096)};

    buf_puts(&response.body, text);
    http_answer(exchange, &response);
}

static void answer_json(struct http_exchange *exchange, json_t *json)
{
    struct http_response response = {
        .status = 200, .content_type = "application/json", .body = BUF_INIT(1u << 20)};
    char *text = json_dumps(json, JSON_COMPACT);

    buf_puts(&response.body, text);
    http_response_header(&response, "X-Messages", "first\r\nX-Injected: yes");
    http_answer(exchange, &response);
    free(text);
    json_decref(json);
}

static json_t *describe(const struct http_request *request)
{
    json_t *query = json_array(), *fields = json_array();

    for (size_t i = 0; i < request->n_query; i++)
        json_array_append_new(query,
                              json_pack("[ss]", request->query[i].name, request->query[i].value));
    for (char **field = request->fields; field && *field; field++)
        json_array_append_new(fields, json_string(*field));
    return json_pack("{si ss ss ss ss ss ss ss ss ss ss ss sb ss si so so}", "method",
                     (int)request->method, "path", request->path, "contentType",
                     request->content_type, "accept", request->accept, "authorization",
                     request->authorization, "cookie", request->cookie, "namespace",
                     request->namespace, "idempotencyKey", request->idempotency_key, "trackingID",
                     request->tracking_id, "host", request->host, "origin", request->origin,
                     "client", request->client, "certificate", request->certificate.present,
                     "problem", request->certificate.problem, "bodyLength", (int)request->body_len,
                     "query", query, "fields", fields);
}

static json_t *counters_json(void)
{
    const struct http_counters *c = http_server_counters(program.server);

#define COUNTER(name) #name, (json_int_t)c->name
    return json_pack("{sI sI sI sI sI sI sI sI sI sI sI sI sI sI sI sI}", COUNTER(connections),
                     COUNTER(connections_refused), COUNTER(requests), COUNTER(requests_refused),
                     COUNTER(bodies_refused), COUNTER(answers_refused), COUNTER(timeouts),
                     COUNTER(sockets), COUNTER(sockets_overflowed), COUNTER(sockets_failed),
                     COUNTER(tls_failures), COUNTER(connections_now), COUNTER(sockets_now),
                     COUNTER(bodies_bytes_now), COUNTER(answers_bytes_now), "drained",
                     (json_int_t)program.drained);
#undef COUNTER
}

static void on_later_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_later(uv_timer_t *timer)
{
    struct later *later = timer->data;

    answer_text(later->exchange, 200, "later");
    uv_close((uv_handle_t *)timer, on_later_closed);
}

static void answer_later(struct http_exchange *exchange, uint64_t ms)
{
    struct later *later = calloc(1, sizeof(*later));

    if (!later)
        abort();
    later->exchange = exchange;
    uv_timer_init(&program.loop, &later->timer);
    later->timer.data = later;
    uv_timer_start(&later->timer, on_later, ms, 0);
}

static void answer_big(struct http_exchange *exchange, size_t bytes)
{
    struct http_response response = {
        .status = 200, .content_type = "application/octet-stream", .body = BUF_INIT(1u << 30)};
    char block[4096];

    memset(block, 'x', sizeof(block));
    while (response.body.len < bytes)
        buf_append(&response.body, block, MIN(sizeof(block), bytes - response.body.len));
    http_answer(exchange, &response);
}

static void on_request(void *context, struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct http_response response = {.status = 200, .content_type = "application/octet-stream"};

    if (strcmp(request->path, "/hello") == 0) {
        answer_text(exchange, 200, "hello");
    } else if (strcmp(request->path, "/request") == 0) {
        answer_json(exchange, describe(request));
    } else if (strcmp(request->path, "/counters") == 0) {
        answer_json(exchange, counters_json());
    } else if (strcmp(request->path, "/echo") == 0) {
        response.body = BUF_INIT(HTTP_BODY_BYTES_MAX);
        buf_append(&response.body, request->body, request->body_len);
        http_answer(exchange, &response);
    } else if (strcmp(request->path, "/later") == 0) {
        answer_later(exchange, strtoull(parameter(request, "ms"), NULL, 10));
    } else if (strcmp(request->path, "/big") == 0) {
        answer_big(exchange, strtoull(parameter(request, "bytes"), NULL, 10));
    } else if (strcmp(request->path, "/never") == 0 && program.n_never < LATER_MAX) {
        program.never[program.n_never++] = exchange;
    } else if (strcmp(request->path, "/nothing") == 0) {
        response = (struct http_response){.status = 204};
        http_answer(exchange, &response);
    } else {
        answer_text(exchange, 404, "no such path");
    }
}

/* ---- WebSockets ---------------------------------------------------------------------------- */

static struct http_payload *payload_of(size_t bytes)
{
    struct http_payload *payload = NULL;
    char *data = malloc(bytes + 1);

    if (!data)
        abort();
    memset(data, 'x', bytes);
    if (http_payload_new(data, bytes, true, &payload) < 0)
        abort();
    free(data);
    return payload;
}

static void broadcast(size_t bytes)
{
    struct http_payload *payload = payload_of(bytes);

    for (struct peer *p = program.peers.next; p != &program.peers; p = p->next)
        http_socket_send(p->socket, payload);
    http_payload_unref(&payload);
}

static void flood(struct http_socket *socket, size_t n, size_t bytes)
{
    struct http_payload *payload = payload_of(bytes);

    while (n-- && http_socket_send(socket, payload))
        ;
    http_payload_unref(&payload);
}

static void on_message(struct http_socket *socket, void *session, const void *data, size_t len,
                       bool text)
{
    char words[64] = {0}, *rest = words, *verb, *first, *second;
    struct http_payload *payload = NULL;

    memcpy(words, data, MIN(len, sizeof(words) - 1));
    verb = strsep(&rest, " ");
    first = strsep(&rest, " ");
    second = strsep(&rest, " ");
    if (text && first && strcmp(verb, "broadcast") == 0) {
        broadcast(strtoul(first, NULL, 10));
    } else if (text && first && strcmp(verb, "close") == 0) {
        http_socket_close(socket, (uint16_t)strtoul(first, NULL, 10), second);
    } else if (text && first && second && strcmp(verb, "flood") == 0) {
        flood(socket, strtoul(first, NULL, 10), strtoul(second, NULL, 10));
    } else if (http_payload_new(data, len, text, &payload) == 0) {
        http_socket_send(socket, payload);
        http_payload_unref(&payload);
    }
}

static void on_drained(struct http_socket *socket, void *session)
{
    program.drained++;
}

static void on_closed(struct http_socket *socket, void *session)
{
    struct peer *peer = session;

    peer->next->prev = peer->prev;
    peer->prev->next = peer->next;
    free(peer);
}

static int on_upgrade(void *context, const struct http_request *request, const char *subprotocol,
                      struct http_socket *socket, void **ret_session,
                      const struct http_socket_events **ret_events)
{
    static const struct http_socket_events events = {on_message, on_drained, on_closed};
    struct peer *peer;

    if (strcmp(request->path, "/socket") != 0) {
        http_socket_explain(socket, "no socket at %s", request->path);
        return 403;
    }
    peer = calloc(1, sizeof(*peer));
    if (!peer)
        return 503;
    peer->socket = socket;
    peer->next = program.peers.next;
    peer->prev = &program.peers;
    peer->next->prev = peer->prev->next = peer;
    *ret_session = peer;
    *ret_events = &events;
    return 101;
}

/* ---- Program ------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int number)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);

    if (number == SIGTERM)
        uv_stop(&program.loop);
    else if (http_server_certificate_set(program.server, program.certificate, program.key,
                                         &problem) < 0)
        fprintf(stderr, "%s\n", problem.data);
}

static int serve(char **argv)
{
    static const char *const subprotocols[] = {"bulk", "other", NULL};
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    _cleanup_buf_ struct buf ca = BUF_INIT(FILE_BYTES_MAX);
    struct http_config config = {argv[1], argv[2], argv[3], NULL, subprotocols};
    struct http_handlers handlers = {on_request, on_upgrade, NULL};
    char block[4096];
    FILE *file = fopen(argv[4], "re");
    size_t n;

    while (file && (n = fread(block, 1, sizeof(block), file)) > 0)
        buf_append(&ca, block, n);
    if (file)
        fclose(file);
    config.client_ca_pem = ca.data;
    if (http_server_new(&program.loop, &config, &handlers, &problem, &program.server) < 0) {
        fprintf(stderr, "%s\n", problem.data ? problem.data : "no server");
        return 1;
    }
    printf("port %d\n", http_server_port(program.server));
    fflush(stdout);
    uv_run(&program.loop, UV_RUN_DEFAULT);
    http_server_free(&program.server);
    for (size_t i = 0; i < program.n_never; i++)
        answer_text(program.never[i], 200, "too late");
    return 0;
}

int main(int argc, char **argv)
{
    uv_signal_t term, hup;
    int status;

    if (argc != 5) {
        fprintf(stderr, "usage: http-server LISTEN CERTIFICATE KEY CLIENT_CA\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    program.certificate = argv[2];
    program.key = argv[3];
    program.peers.next = program.peers.prev = &program.peers;
    uv_loop_init(&program.loop);
    uv_signal_init(&program.loop, &term);
    uv_signal_init(&program.loop, &hup);
    uv_signal_start(&term, on_signal, SIGTERM);
    uv_signal_start(&hup, on_signal, SIGHUP);
    status = serve(argv);
    uv_close((uv_handle_t *)&term, NULL);
    uv_close((uv_handle_t *)&hup, NULL);
    uv_run(&program.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&program.loop) == 0 ? status : 1;
}
