/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static void bodies_count(struct http_exchange *exchange, size_t before)
{
    exchange->server->counters.bodies_bytes_now += exchange->body.len - before;
}

void http_exchange_free(struct http_exchange **exchange)
{
    struct http_exchange *e = TAKE_PTR(*exchange);

    if (!e)
        return;
    if (e->server) {
        e->server->counters.bodies_bytes_now -= e->body.len;
        if (e->prev)
            e->prev->next = e->next;
        else
            e->server->exchanges = e->next;
        if (e->next)
            e->next->prev = e->prev;
    }
    buf_free(&e->body);
    X509_free(e->head.request.certificate.x509);
    http_head_clear(&e->head);
    free(e);
}

static struct http_exchange *exchange_new(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = calloc(1, sizeof(*exchange));

    if (!exchange)
        return NULL;
    exchange->server = server;
    exchange->connection = connection;
    exchange->body = BUF_INIT(HTTP_BODY_BYTES_MAX);
    exchange->next = server->exchanges;
    if (exchange->next)
        exchange->next->prev = exchange;
    server->exchanges = exchange;
    return exchange;
}

const struct http_request *http_exchange_request(const struct http_exchange *exchange)
{
    return &exchange->head.request;
}

/* While a request is at work nothing is read, so the kernel is asked. */
bool http_exchange_gone(const struct http_exchange *exchange)
{
    struct pollfd poll_fd = {.events = POLLRDHUP};

    if (!exchange->connection || exchange->connection->doomed)
        return true;
    poll_fd.fd = exchange->connection->fd;
    return poll(&poll_fd, 1, 0) == 1;
}

/* The payload is on its way; how long may the client take to read it? */
static void answering(struct http_connection *connection, enum http_state state, size_t len)
{
    connection->state = state;
    connection->deadline_ms = http_now_ms(connection->server) + HTTP_REQUEST_SECONDS * 1000 +
                              (int64_t)(len * 1000 / HTTP_ANSWER_BYTES_PER_SECOND);
}

void http_exchange_refuse(struct http_connection *connection, int status, const char *why)
{
    struct http_response response = {0};
    struct http_payload *payload = NULL;
    bool is_head = connection->exchange && connection->exchange->head.request.method == HTTP_HEAD;
    int r;

    connection->server->counters.requests_refused++;
    http_response_error(&response, status, why);
    r = http_response_payload(connection->server, &response, is_head, false, &payload);
    http_response_clear(&response);
    http_exchange_free(&connection->exchange);
    if (r < 0 || http_connection_send(connection, payload) < 0)
        http_connection_doom(connection);
    else
        answering(connection, HTTP_STATE_CLOSING, payload->len);
    http_payload_unref(&payload);
}

/* Too much is waiting for slow readers already. */
static void too_much(struct http_server *server, struct http_response *response)
{
    server->counters.answers_refused++;
    http_response_clear(response);
    http_response_error(response, 503, "too many answers are waiting to be read");
    http_response_header(response, "Retry-After", "5");
}

/* Head and body as one payload, or as two when the body is large. */
static int queue_answer(struct http_connection *connection, struct http_response *response,
                        bool is_head)
{
    struct http_server *server = connection->server;
    struct http_payload *first = NULL, *second = NULL;
    bool apart = !is_head && response->content_type && response->status != 204 &&
                 response->status != 304 && !response->body.error &&
                 response->body.len >= HTTP_APART_BYTES;
    int r =
        http_response_payload(server, response, is_head || apart, connection->keep_alive, &first);

    if (r == 0 && apart)
        r = http_payload_take(&response->body, &second);
    if (r == 0)
        r = http_connection_send(connection, first);
    if (r == 0 && second)
        r = http_connection_send(connection, second);
    if (r == 0)
        connection->answer_bytes = first->len + (second ? second->len : 0);
    http_payload_unref(&first);
    http_payload_unref(&second);
    return r;
}

void http_answer(struct http_exchange *exchange, struct http_response *response)
{
    struct http_connection *connection = exchange->connection;
    struct http_server *server = exchange->server;

    assert(response->status >= 200 && response->status <= 599);
    assert(!connection ||
           (connection->exchange == exchange && connection->state == HTTP_STATE_HANDLER));

    if (connection && !connection->doomed) {
        if (response->body.len > HTTP_ANSWERS_BYTES_MAX - server->counters.answers_bytes_now)
            too_much(server, response);
        connection->keep_alive = exchange->head.keep_alive && !server->stopping;
        if (queue_answer(connection, response, exchange->head.request.method == HTTP_HEAD) < 0) {
            http_connection_doom(connection);
        } else {
            server->counters.answers_bytes_now += connection->answer_bytes;
            answering(connection, HTTP_STATE_ANSWER, connection->answer_bytes);
        }
    }
    if (connection)
        connection->exchange = NULL;
    http_response_clear(response);
    http_exchange_free(&exchange);
}

/* ---- Requests ------------------------------------------------------------------------------ */

static int identify(struct http_connection *connection, struct http_exchange *exchange)
{
    struct http_request *request = &exchange->head.request;
    int r = http_tls_certificate(connection);

    if (r < 0)
        return r;
    memcpy(request->client, connection->client, sizeof(request->client));
    request->certificate = connection->certificate;
    if (request->certificate.x509)
        X509_up_ref(request->certificate.x509); /* may outlive the connection */
    return 0;
}

/* OPTIONS *: of the server as such. */
static void answer_server_options(struct http_exchange *exchange)
{
    struct http_response response = {.status = 204};

    http_response_header(&response, "Allow", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS");
    http_answer(exchange, &response);
}

static void dispatch(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    struct http_server *server = connection->server;

    if (server->stopping) { /* what handlers need may be gone already */
        http_exchange_refuse(connection, 503, "the Console stops");
        return;
    }
    server->counters.requests++;
    connection->state = HTTP_STATE_HANDLER;
    connection->deadline_ms = 0;
    if (exchange->body.len) {
        exchange->head.request.body = exchange->body.data;
        exchange->head.request.body_len = exchange->body.len;
    }
    if (*exchange->head.request.path == '*')
        answer_server_options(exchange);
    else
        server->handlers.request(server->handlers.context, exchange);
}

static void body_refuse(struct http_connection *connection, int status, const char *why)
{
    connection->server->counters.bodies_refused++;
    http_exchange_refuse(connection, status, why);
}

/* A head is there: on to the body, the handler or the WebSocket. */
static void head_done(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    struct http_head *head = &exchange->head;
    struct http_server *server = connection->server;
    struct http_payload *go_on = NULL;

    if (head->is_websocket) {
        http_socket_upgrade(connection);
    } else if (head->length > HTTP_BODY_BYTES_MAX) {
        body_refuse(connection, 413, "the body is larger than 16 MiB");
    } else if (head->length > HTTP_BODIES_BYTES_MAX - server->counters.bodies_bytes_now) {
        body_refuse(connection, 503, "too many large requests at a time");
    } else if (!head->chunked && head->length == 0) {
        dispatch(connection);
    } else {
        connection->state = HTTP_STATE_BODY;
        if (!head->expects_continue || connection->in.len)
            return;
        if (http_payload_raw("HTTP/1.1 100 Continue\r\n\r\n", 25, NULL, 0, &go_on) < 0 ||
            http_connection_send(connection, go_on) < 0)
            http_connection_doom(connection);
        http_payload_unref(&go_on);
    }
}

/* Empty lines before a request are skipped (RFC 9112 2.2). */
static void skip_empty_lines(struct http_connection *connection)
{
    size_t n = 0;

    while (n + 1 < connection->in.len && memcmp(connection->in.data + n, "\r\n", 2) == 0)
        n += 2;
    if (n) {
        buf_consume(&connection->in, n);
        connection->in_searched = 0;
    }
}

/* @return false: more is needed */
static bool head_step(struct http_connection *connection)
{
    struct http_refusal refusal = {0};
    size_t len;
    int r;

    skip_empty_lines(connection);
    if (connection->in.len == 0)
        return false;
    len = http_head_length(connection->in.data, connection->in.len, &connection->in_searched);
    if (len > HTTP_HEADER_BYTES_MAX || (len == 0 && connection->in.len > HTTP_HEADER_BYTES_MAX)) {
        http_exchange_refuse(connection, 431, "the request line and headers exceed 16 KiB");
        return true;
    }
    if (len == 0)
        return false;
    connection->exchange = exchange_new(connection);
    r = connection->exchange
            ? http_head_parse(connection->in.data, len, &connection->exchange->head, &refusal)
            : -ENOMEM;
    if (r == 0)
        r = identify(connection, connection->exchange);
    buf_consume(&connection->in, len);
    connection->in_searched = 0;
    if (r == -EINVAL)
        http_exchange_refuse(connection, refusal.status, refusal.why);
    else if (r < 0)
        http_exchange_refuse(connection, 503, "out of memory");
    else
        head_done(connection);
    return true;
}

/* @return 1 complete, 0 not yet, < 0 as http_chunk_feed() */
static int body_take(struct http_connection *connection)
{
    struct http_exchange *exchange = connection->exchange;
    size_t used = connection->in.len, before = exchange->body.len;
    int r;

    if (exchange->head.chunked) {
        r = http_chunk_feed(&exchange->chunk, connection->in.data, connection->in.len,
                            &exchange->body, &used);
    } else {
        used = (size_t)MIN((uint64_t)used, exchange->head.length - before);
        buf_append(&exchange->body, connection->in.data, used);
        r = exchange->body.error ? exchange->body.error
                                 : exchange->body.len == exchange->head.length;
    }
    bodies_count(exchange, before);
    if (r >= 0)
        buf_consume(&connection->in, used);
    return r;
}

static bool body_step(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    int r = body_take(connection);

    if (r == -EINVAL)
        body_refuse(connection, 400, "the chunks of the body are not well-formed");
    else if (r == -ENOSPC)
        body_refuse(connection, 413, "the body is larger than 16 MiB");
    else if (r < 0 || server->counters.bodies_bytes_now > HTTP_BODIES_BYTES_MAX)
        body_refuse(connection, 503, "too many large requests at a time");
    else if (r == 1)
        dispatch(connection);
    return r != 0;
}

void http_exchange_feed(struct http_connection *connection)
{
    bool more = true;

    while (more && connection->in.len && !connection->doomed) {
        if (connection->state == HTTP_STATE_HEAD)
            more = head_step(connection);
        else if (connection->state == HTTP_STATE_BODY)
            more = body_step(connection);
        else
            more = false;
    }
    if (connection->state == HTTP_STATE_SOCKET && connection->in.len && !connection->doomed) {
        _cleanup_buf_ struct buf early = connection->in;

        connection->in = BUF_INIT(early.max);
        http_socket_feed(connection, (const uint8_t *)early.data, early.len);
    }
    if (connection->in.len == 0)
        buf_free(&connection->in); /* an idle connection has no memory here */
}
