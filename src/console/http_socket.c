/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#define EXPLANATION_BYTES_MAX 1024

void http_socket_explain(struct http_socket *socket, const char *format, ...)
{
    _cleanup_free_
    char *text = NULL;
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        text = NULL;
        return;
    }
    buf_free(&socket->explanation);
    socket->explanation = BUF_INIT(EXPLANATION_BYTES_MAX);
    buf_append(&socket->explanation, text, MIN((size_t)len, EXPLANATION_BYTES_MAX - 1));
}

void http_socket_end(struct http_socket **socket)
{
    struct http_socket *s = TAKE_PTR(*socket);
    struct http_server *server;

    if (!s)
        return;
    server = s->connection->server;
    server->counters.bodies_bytes_now -= s->frames.message.len;
    s->close_sent = true;
    if (s->events) {
        server->counters.sockets_now--;
        s->events->closed(s, s->session);
    }
    http_frames_clear(&s->frames);
    http_payload_unref(&s->pong);
    http_payload_unref(&s->pong_queued);
    buf_free(&s->explanation);
    free(s);
}

/* ---- Upgrade ------------------------------------------------------------------------------- */

/* RFC 6455 4.2.2 */
static int accept_key(const char *key, char ret[32])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len;
    char text[24 + sizeof(guid)];

    snprintf(text, sizeof(text), "%s%s", key, guid);
    if (!EVP_Digest(text, strlen(text), digest, &digest_len, EVP_sha1(), NULL))
        return -EIO;
    EVP_EncodeBlock((unsigned char *)ret, digest, (int)digest_len);
    return 0;
}

static int switch_payload(struct http_server *server, const struct http_head *head,
                          const char *subprotocol, struct http_payload **ret)
{
    struct http_response response = {.status = 101};
    char accepted[32];
    int r = accept_key(head->websocket_key, accepted);

    if (r < 0)
        return r;
    http_response_header(&response, "Upgrade", "websocket");
    http_response_header(&response, "Connection", "Upgrade");
    http_response_header(&response, "Sec-WebSocket-Accept", "%s", accepted);
    if (subprotocol)
        http_response_header(&response, "Sec-WebSocket-Protocol", "%s", subprotocol);
    r = http_response_payload(server, &response, false, true, ret);
    http_response_clear(&response);
    return r;
}

static struct http_socket *socket_new(struct http_connection *connection)
{
    struct http_socket *socket = calloc(1, sizeof(*socket));

    if (!socket)
        return NULL;
    socket->connection = connection;
    socket->frames.message = BUF_INIT(HTTP_SOCKET_MESSAGE_BYTES_MAX);
    socket->seen_ms = socket->progress_ms = http_now_ms(connection->server);
    return socket;
}

static void upgrade_refuse(struct http_connection *connection, int status)
{
    struct http_socket *socket = TAKE_PTR(connection->socket);

    http_queue_clear(&connection->out);
    http_exchange_refuse(connection, status,
                         socket->explanation.data ? socket->explanation.data
                                                  : http_status_text(status));
    http_socket_end(&socket);
}

/* The 101 is queued before the handler is asked, so that what it sends comes after. */
void http_socket_upgrade(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    struct http_head *head = &connection->exchange->head;
    const char *subprotocol =
        http_list_choose(head->websocket_protocols, (const char *const *)server->subprotocols);
    const struct http_socket_events *events = NULL;
    struct http_payload *payload = NULL;
    int status;

    server->counters.requests++;
    connection->socket = socket_new(connection);
    if (!connection->socket || switch_payload(server, head, subprotocol, &payload) < 0 ||
        http_connection_send(connection, payload) < 0) {
        http_payload_unref(&payload);
        http_connection_doom(connection);
        return;
    }
    http_payload_unref(&payload);
    status =
        server->stopping || !server->handlers.upgrade
            ? 503
            : server->handlers.upgrade(server->handlers.context, &head->request, subprotocol,
                                       connection->socket, &connection->socket->session, &events);
    if (status != 101) {
        upgrade_refuse(connection, status);
        return;
    }
    assert(events);
    connection->socket->events = events;
    connection->state = HTTP_STATE_SOCKET;
    connection->deadline_ms = 0;
    server->counters.sockets++;
    server->counters.sockets_now++;
    http_exchange_free(&connection->exchange);
    X509_free(TAKE_PTR(connection->certificate.x509)); /* nobody asks again */
    connection->certificate.present = false;
}

/* ---- Sending ------------------------------------------------------------------------------- */

size_t http_socket_queued_bytes(const struct http_socket *socket)
{
    return socket->connection->out.bytes;
}

bool http_socket_send(struct http_socket *socket, struct http_payload *payload)
{
    struct http_connection *connection = socket->connection;
    size_t cost = payload->len + HTTP_PAYLOAD_COST;

    if (connection->doomed || socket->close_sent)
        return false;
    if (cost > HTTP_SOCKET_QUEUE_BYTES_MAX ||
        connection->out.bytes > HTTP_SOCKET_QUEUE_BYTES_MAX - cost) {
        connection->server->counters.sockets_overflowed++;
        http_connection_doom(connection);
        return false;
    }
    if (connection->out.n == 0)
        socket->progress_ms = http_now_ms(connection->server);
    socket->sent_anything = true;
    return http_connection_send(connection, payload) == 0;
}

static void send_control(struct http_socket *socket, enum http_opcode opcode, const void *data,
                         size_t len)
{
    struct http_payload *payload = NULL;

    if (http_payload_frame(opcode, data, len, &payload) < 0 ||
        http_connection_send(socket->connection, payload) < 0)
        http_connection_doom(socket->connection);
    http_payload_unref(&payload);
}

void http_socket_close(struct http_socket *socket, uint16_t code, const char *reason)
{
    struct http_connection *connection = socket->connection;
    uint8_t data[HTTP_FRAME_CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t len = reason ? strlen(reason) : 0;

    if (connection->doomed || socket->close_sent)
        return;
    if (len > sizeof(data) - 2) {
        len = sizeof(data) - 2;
        while (len && ((unsigned char)reason[len] & 0xc0) == 0x80)
            len--; /* not in the middle of a character */
    }
    if (len)
        memcpy(data + 2, reason, len);
    socket->close_sent = true;
    connection->deadline_ms = http_now_ms(connection->server) + HTTP_SOCKET_CLOSE_SECONDS * 1000;
    send_control(socket, HTTP_OPCODE_CLOSE, data, len + 2);
}

/* Only the latest ping is answered when the client does not read (RFC 6455 5.5.3): pings cannot
 * fill the queue. */
static void pong_flush(struct http_socket *socket)
{
    struct http_payload *pong = socket->pong;

    if (socket->pong_queued && socket->pong_queued->refs == 1)
        http_payload_unref(&socket->pong_queued);
    if (!pong || socket->pong_queued || socket->close_sent)
        return;
    socket->pong = NULL;
    socket->pong_queued = pong;
    http_connection_send(socket->connection, pong);
}

bool http_socket_flushed(struct http_socket *socket)
{
    pong_flush(socket);
    if (socket->close_sent && socket->close_received)
        return true;
    if (socket->sent_anything && socket->connection->out.n == 0) {
        socket->sent_anything = false;
        if (socket->events->drained && !socket->close_sent)
            socket->events->drained(socket, socket->session);
    }
    return false;
}

/* ---- Receiving ----------------------------------------------------------------------------- */

/* The client broke the protocol or a limit: say so, and do not listen any more. */
static void fail(struct http_socket *socket, int code, const char *reason)
{
    socket->connection->server->counters.sockets_failed++;
    http_socket_close(socket, (uint16_t)code, reason);
    socket->close_received = true;
    http_connection_dirty(socket->connection);
}

static void on_ping(struct http_socket *socket, const struct http_frame_event *event)
{
    http_payload_unref(&socket->pong);
    if (http_payload_frame(HTTP_OPCODE_PONG, event->data, event->len, &socket->pong) == 0)
        pong_flush(socket);
}

static void on_close(struct http_socket *socket, const struct http_frame_event *event)
{
    int code = http_frame_close_code(event->data, event->len);

    socket->close_received = true;
    if (code < 0)
        http_socket_close(socket, (uint16_t)-code, "the close frame is wrong");
    else
        http_socket_close(socket, code == HTTP_CLOSE_NONE ? HTTP_CLOSE_NORMAL : (uint16_t)code, "");
    http_connection_dirty(socket->connection);
}

static void on_event(struct http_socket *socket, const struct http_frame_event *event)
{
    bool control = event->opcode >= HTTP_OPCODE_CLOSE;

    if (control && ++socket->controls > HTTP_SOCKET_CONTROLS_MAX) {
        fail(socket, HTTP_CLOSE_POLICY, "too many control frames");
        return;
    }
    switch (event->opcode) {
    case HTTP_OPCODE_PING:
        on_ping(socket, event);
        break;
    case HTTP_OPCODE_CLOSE:
        on_close(socket, event);
        break;
    case HTTP_OPCODE_PONG:
        break;
    default:
        if (!socket->close_sent)
            socket->events->message(socket, socket->session, event->data, event->len,
                                    event->opcode == HTTP_OPCODE_TEXT);
    }
}

static const char *close_text(int code)
{
    switch (code) {
    case HTTP_CLOSE_NOT_TEXT:
        return "a text message is not UTF-8";
    case HTTP_CLOSE_TOO_BIG:
        return "the message is larger than 1 MiB";
    case HTTP_CLOSE_POLICY:
        return "the message has too many fragments";
    case HTTP_CLOSE_TRY_LATER:
        return "out of memory";
    default:
        return "the frame is not well-formed";
    }
}

/* @return false: nothing more to do with these bytes */
static bool feed_step(struct http_socket *socket, const uint8_t **data, size_t *len)
{
    struct http_counters *counters = &socket->connection->server->counters;
    size_t used = 0, before = socket->frames.message.len;
    struct http_frame_event event;
    int r = http_frames_next(&socket->frames, *data, *len, &used, &event);

    counters->bodies_bytes_now += socket->frames.message.len - before;
    if (r < 0) {
        fail(socket, -r, close_text(-r));
        return false;
    }
    *data += used;
    *len -= used;
    if (counters->bodies_bytes_now > HTTP_BODIES_BYTES_MAX) {
        fail(socket, HTTP_CLOSE_TRY_LATER, "too many large messages at a time");
        return false;
    }
    if (r == 0)
        return false;
    on_event(socket, &event);
    if (!socket->frames.in_message) {
        counters->bodies_bytes_now -= socket->frames.message.len;
        http_frames_message_done(&socket->frames);
    }
    return true;
}

void http_socket_feed(struct http_connection *connection, const uint8_t *data, size_t len)
{
    struct http_socket *socket = connection->socket;

    socket->seen_ms = http_now_ms(connection->server);
    socket->pinged = false;
    while (len && !connection->doomed && !socket->close_received)
        if (!feed_step(socket, &data, &len))
            break;
}

void http_socket_sweep(struct http_socket *socket, int64_t now_ms)
{
    struct http_connection *connection = socket->connection;
    bool stuck = connection->out.n && now_ms - socket->progress_ms > HTTP_REQUEST_SECONDS * 1000;

    socket->controls = 0;
    if (stuck || now_ms - socket->seen_ms > HTTP_IDLE_SECONDS * 1000) {
        connection->server->counters.timeouts++;
        http_connection_doom(connection);
        return;
    }
    if (now_ms - socket->seen_ms > HTTP_IDLE_SECONDS * 500 && !socket->pinged &&
        !socket->close_sent) {
        socket->pinged = true;
        if (connection->out.n == 0)
            socket->progress_ms = now_ms;
        send_control(socket, HTTP_OPCODE_PING, NULL, 0);
    }
}
