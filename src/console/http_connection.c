/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>

#define IN_BYTES_MAX (HTTP_HEADER_BYTES_MAX + (HTTP_READS_MAX + 1) * HTTP_RECORD_BYTES_MAX)

void http_connection_dirty(struct http_connection *connection)
{
    struct http_server *server = connection->server;

    if (connection->dirty)
        return;
    connection->dirty = true;
    connection->dirty_next = NULL;
    *server->dirty_end = connection;
    server->dirty_end = &connection->dirty_next;
}

void http_connection_doom(struct http_connection *connection)
{
    if (connection->doomed)
        return;
    connection->doomed = true;
    uv_poll_stop(&connection->poll);
    http_connection_dirty(connection);
}

int http_connection_send(struct http_connection *connection, struct http_payload *payload)
{
    int r = http_queue_push(&connection->out, payload);

    if (r < 0)
        http_connection_doom(connection);
    else
        http_connection_dirty(connection);
    return r;
}

static void on_poll(uv_poll_t *handle, int status, int events);

/* What the loop is to watch for. */
static void watch(struct http_connection *connection)
{
    bool reads = connection->state == HTTP_STATE_TLS || connection->state == HTTP_STATE_HEAD ||
                 connection->state == HTTP_STATE_BODY || connection->state == HTTP_STATE_SOCKET ||
                 connection->state == HTTP_STATE_LINGER;
    int events = (reads ? UV_READABLE : 0) | (connection->blocked ? UV_WRITABLE : 0);

    if (connection->doomed || events == connection->poll_events)
        return;
    connection->poll_events = events;
    if (events == 0)
        uv_poll_stop(&connection->poll);
    else if (uv_poll_start(&connection->poll, events, on_poll) < 0)
        http_connection_doom(connection);
}

/* All is said. The client may still be sending; a reset would take the last words from it. */
static void begin_linger(struct http_connection *connection)
{
    struct http_server *server = connection->server;

    http_socket_end(&connection->socket);
    SSL_shutdown(connection->ssl);
    ERR_clear_error();
    SSL_free(TAKE_PTR(connection->ssl));
    shutdown(connection->fd, SHUT_WR);
    buf_free(&connection->in);
    connection->blocked = false;
    connection->state = HTTP_STATE_LINGER;
    connection->deadline_ms = http_now_ms(server) + HTTP_LINGER_SECONDS * 1000;
}

static void linger(struct http_connection *connection)
{
    struct http_server *server = connection->server;

    for (unsigned i = 0; i < HTTP_READS_MAX; i++) {
        ssize_t n = recv(connection->fd, server->in, sizeof(server->in), MSG_DONTWAIT);

        if (n > 0)
            continue;
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            http_connection_doom(connection);
        return;
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_connection *connection = handle->data;
    struct http_server *server = connection->server;

    server->handles_open--;
    free(connection);
}

static void destroy(struct http_connection *connection)
{
    struct http_server *server = connection->server;

    http_socket_end(&connection->socket);
    if (connection->exchange && connection->state == HTTP_STATE_HANDLER)
        connection->exchange->connection = NULL; /* the answer will be thrown away */
    else
        http_exchange_free(&connection->exchange);
    server->counters.answers_bytes_now -= connection->answer_bytes;
    http_queue_clear(&connection->out);
    buf_free(&connection->in);
    SSL_free(TAKE_PTR(connection->ssl));
    X509_free(TAKE_PTR(connection->certificate.x509));
    if (connection->prev)
        connection->prev->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    server->counters.connections_now--;
    uv_close((uv_handle_t *)&connection->poll, on_handle_closed);
    close_fd(&connection->fd);
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* @return true: all is out */
static bool write_out(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    size_t written = 0, len;

    connection->blocked = false;
    while (connection->out.n) {
        const uint8_t *data = http_queue_peek(&connection->out, server->out, &len);
        int n, error;

        if (written >= HTTP_WRITE_BYTES_MAX) {
            connection->blocked = true;
            return false;
        }
        ERR_clear_error(); /* of others in this thread */
        n = SSL_write(connection->ssl, data, (int)MIN(len, HTTP_WRITE_BYTES_MAX));
        error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(connection->ssl, n);
        if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) {
            connection->blocked = true;
            return false;
        }
        if (n <= 0) {
            ERR_clear_error();
            http_connection_doom(connection);
            return false;
        }
        http_queue_sent(&connection->out, (size_t)n);
        written += (size_t)n;
        if (connection->socket)
            connection->socket->progress_ms = http_now_ms(server);
    }
    return true;
}

static void answer_sent(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    bool more = connection->in.len > 0;

    server->counters.answers_bytes_now -= connection->answer_bytes;
    connection->answer_bytes = 0;
    if (!connection->keep_alive || server->stopping) {
        begin_linger(connection);
        return;
    }
    connection->state = HTTP_STATE_HEAD;
    connection->deadline_ms =
        http_now_ms(server) + (more ? HTTP_REQUEST_SECONDS : HTTP_IDLE_SECONDS) * 1000;
    if (more)
        http_exchange_feed(connection);
}

static void flush(struct http_connection *connection)
{
    if (connection->ssl && connection->state != HTTP_STATE_TLS && write_out(connection)) {
        if (connection->state == HTTP_STATE_ANSWER)
            answer_sent(connection);
        else if (connection->state == HTTP_STATE_CLOSING ||
                 (connection->state == HTTP_STATE_SOCKET &&
                  http_socket_flushed(connection->socket)))
            begin_linger(connection);
    }
    watch(connection);
}

void http_connections_flush(struct http_server *server)
{
    while (server->dirty) {
        struct http_connection *connection = server->dirty;

        server->dirty = connection->dirty_next;
        if (!server->dirty)
            server->dirty_end = &server->dirty;
        connection->dirty = false;
        if (!connection->doomed)
            flush(connection);
        if (connection->doomed && !connection->dirty)
            destroy(connection);
    }
}

/* ---- Reading ------------------------------------------------------------------------------- */

static void plain_http(struct http_connection *connection)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                               "Content-Type: text/plain\r\nContent-Length: 25\r\n\r\n"
                               "This port speaks https.\r\n";

    send(connection->fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    begin_linger(connection);
    watch(connection);
}

static void handshake(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    uint64_t start = uv_hrtime();
    int r, error;

    if (server->handshake_ns > HTTP_HANDSHAKE_MS_MAX * 1000000ull)
        return; /* it is still readable in the next turn */
    ERR_clear_error();
    r = SSL_accept(connection->ssl);
    server->handshake_ns += uv_hrtime() - start;
    if (r == 1) {
        connection->state = HTTP_STATE_HEAD;
        connection->blocked = false;
        watch(connection);
        return;
    }
    error = SSL_get_error(connection->ssl, r);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        connection->blocked = error == SSL_ERROR_WANT_WRITE;
        watch(connection);
        return;
    }
    server->counters.tls_failures++;
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
        plain_http(connection);
    else
        http_connection_doom(connection);
    ERR_clear_error();
}

static void take(struct http_connection *connection, const uint8_t *data, size_t len)
{
    if (connection->state == HTTP_STATE_SOCKET && connection->in.len == 0) {
        http_socket_feed(connection, data, len);
        return;
    }
    if (connection->state == HTTP_STATE_HEAD && connection->in.len == 0)
        connection->deadline_ms = http_now_ms(connection->server) + HTTP_REQUEST_SECONDS * 1000;
    buf_append(&connection->in, data, len);
    if (connection->in.error)
        http_connection_doom(connection);
    else
        http_exchange_feed(connection);
}

/* The client sends no more. It may have sent all it wanted to: then it is in HANDLER or ANSWER, is
 * not read from, and gets its answer. */
static void read_end(struct http_connection *connection)
{
    ERR_clear_error();
    http_connection_doom(connection);
}

static void read_in(struct http_connection *connection)
{
    struct http_server *server = connection->server;

    for (unsigned i = 0; i < HTTP_READS_MAX; i++) {
        int n, error;

        if (connection->doomed ||
            (connection->state != HTTP_STATE_HEAD && connection->state != HTTP_STATE_BODY &&
             connection->state != HTTP_STATE_SOCKET))
            return;
        /* A whole record fits, so nothing stays inside OpenSSL where the loop does not see it. */
        ERR_clear_error();
        n = SSL_read(connection->ssl, server->in, sizeof(server->in));
        if (n > 0) {
            take(connection, server->in, (size_t)n);
            continue;
        }
        error = SSL_get_error(connection->ssl, n);
        if (error == SSL_ERROR_WANT_WRITE)
            connection->blocked = true;
        else if (error != SSL_ERROR_WANT_READ)
            read_end(connection);
        return;
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct http_connection *connection = handle->data;

    if (connection->doomed)
        return;
    if (status < 0) {
        http_connection_doom(connection);
        return;
    }
    if (connection->state == HTTP_STATE_TLS) {
        handshake(connection);
        return;
    }
    if (connection->state == HTTP_STATE_LINGER) {
        linger(connection);
        return;
    }
    if (events & UV_WRITABLE)
        http_connection_dirty(connection);
    if (events & UV_READABLE)
        read_in(connection);
    if (!connection->dirty)
        watch(connection);
}

/* ---- Life ---------------------------------------------------------------------------------- */

void http_connection_timeout(struct http_connection *connection, int64_t now_ms)
{
    struct http_server *server = connection->server;
    bool idle = connection->state == HTTP_STATE_HEAD && connection->in.len == 0;

    if (connection->doomed)
        return;
    if (connection->state == HTTP_STATE_SOCKET)
        http_socket_sweep(connection->socket, now_ms);
    if (connection->deadline_ms == 0 || now_ms < connection->deadline_ms)
        return;
    if (connection->state == HTTP_STATE_LINGER) {
        http_connection_doom(connection);
    } else if (idle) {
        connection->state = HTTP_STATE_CLOSING;
        connection->deadline_ms = now_ms + HTTP_LINGER_SECONDS * 1000;
        http_connection_dirty(connection);
    } else {
        server->counters.timeouts++;
        if (connection->state == HTTP_STATE_HEAD || connection->state == HTTP_STATE_BODY)
            http_exchange_refuse(connection, 408, "the request took too long to arrive");
        else
            http_connection_doom(connection);
    }
}

int http_connection_new(struct http_server *server, int fd, const char *client)
{
    struct http_connection *connection = calloc(1, sizeof(*connection));
    int r;

    if (!connection)
        return -ENOMEM;
    connection->server = server;
    connection->fd = fd;
    connection->in = BUF_INIT(IN_BYTES_MAX);
    memcpy(connection->client, client, sizeof(connection->client));
    connection->deadline_ms = http_now_ms(server) + HTTP_REQUEST_SECONDS * 1000;
    connection->ssl = http_tls_accept(server->tls, connection);
    r = connection->ssl ? uv_poll_init(server->loop, &connection->poll, fd) : -ENOMEM;
    if (r < 0) {
        SSL_free(connection->ssl);
        free(connection);
        return r;
    }
    connection->poll.data = connection;
    server->handles_open++;
    server->counters.connections++;
    server->counters.connections_now++;
    connection->next = server->connections;
    if (connection->next)
        connection->next->prev = connection;
    server->connections = connection;
    watch(connection);
    return 0;
}
