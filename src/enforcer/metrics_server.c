/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/metrics.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

/*
 * Life cycle: accepted ── header whole, wrong or too long ──▶ answered ──▶ closed; or 5 s ──▶
 * closed.
 */
struct metrics_server {
    unsigned refs; /* the owner's or the listener's, and each connection */
    uv_tcp_t listener;
    metrics_collect_fn *collect;
    void *context;
    struct connection *connections[METRICS_CONNECTIONS_MAX];
};

struct connection {
    struct metrics_server *server;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    unsigned open_handles;
    bool closing, answered;
    struct buf in, out;
};

static void server_unref(struct metrics_server *server)
{
    if (--server->refs == 0)
        free(server);
}

static void handle_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    if (--connection->open_handles > 0)
        return;
    buf_free(&connection->in);
    buf_free(&connection->out);
    server_unref(connection->server);
    free(connection);
}

static void connection_close(struct connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++)
        if (connection->server->connections[i] == connection)
            connection->server->connections[i] = NULL;
    uv_close((uv_handle_t *)&connection->tcp, handle_closed);
    uv_close((uv_handle_t *)&connection->timer, handle_closed);
}

static void timed_out(uv_timer_t *timer)
{
    connection_close(timer->data);
}

static void write_done(uv_write_t *request, int status)
{
    connection_close(request->data);
}

static const char *reason_of(enum metrics_verdict verdict)
{
    switch (verdict) {
    case METRICS_OK:
        return "OK";
    case METRICS_NOT_FOUND:
        return "Not Found";
    case METRICS_METHOD:
        return "Method Not Allowed";
    case METRICS_TOO_LARGE:
        return "Request Header Fields Too Large";
    default:
        return "Bad Request";
    }
}

static void answer(struct connection *connection, enum metrics_verdict verdict)
{
    _cleanup_buf_ struct buf body = BUF_INIT(METRICS_BYTES_MAX);
    uv_buf_t buffer;

    connection->answered = true;
    uv_read_stop((uv_stream_t *)&connection->tcp);
    if (verdict == METRICS_OK)
        connection->server->collect(&body, connection->server->context);
    else
        buf_printf(&body, "%s\n", reason_of(verdict));
    buf_printf(&connection->out,
               "HTTP/1.1 %d %s\r\n"
               "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
               "Content-Length: %zu\r\n"
               "%sConnection: close\r\n\r\n",
               (int)verdict, reason_of(verdict), body.len,
               verdict == METRICS_METHOD ? "Allow: GET\r\n" : "");
    buf_append(&connection->out, body.data ? body.data : "", body.len);
    if (body.error < 0 || connection->out.error < 0) {
        connection_close(connection);
        return;
    }
    buffer = uv_buf_init(connection->out.data, (unsigned)connection->out.len);
    connection->write.data = connection;
    if (uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &buffer, 1, write_done) < 0)
        connection_close(connection);
}

static void read_done(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    enum metrics_verdict verdict;

    if (n < 0) {
        connection_close(connection);
        return;
    }
    if (n == 0 || connection->answered)
        return;
    buf_append(&connection->in, buffer->base, (size_t)n);
    verdict = connection->in.error < 0 ? METRICS_TOO_LARGE
                                       : metrics_judge(connection->in.data, connection->in.len);
    if (verdict != METRICS_MORE)
        answer(connection, verdict);
}

static void read_room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
    static char room[4096];

    *ret = uv_buf_init(room, sizeof(room));
}

/* false: all places are taken */
static bool take_place(struct metrics_server *server, struct connection *connection)
{
    for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++) {
        if (server->connections[i])
            continue;
        server->connections[i] = connection;
        return true;
    }
    return false;
}

static void accept_connection(uv_stream_t *listener, int status)
{
    struct metrics_server *server = listener->data;
    struct connection *connection;

    if (status < 0)
        return;
    connection = calloc(1, sizeof(*connection));
    if (!connection || uv_tcp_init(listener->loop, &connection->tcp) < 0) {
        free(connection);
        return;
    }
    uv_timer_init(listener->loop, &connection->timer); /* cannot fail */
    connection->server = server;
    connection->open_handles = 2;
    connection->in = BUF_INIT(METRICS_REQUEST_BYTES_MAX + 4096);
    connection->out = BUF_INIT(METRICS_BYTES_MAX + 1024);
    connection->tcp.data = connection->timer.data = connection;
    server->refs++;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) < 0 ||
        !take_place(server, connection) ||
        uv_timer_start(&connection->timer, timed_out, METRICS_TIMEOUT_MS, 0) < 0 ||
        uv_read_start((uv_stream_t *)&connection->tcp, read_room, read_done) < 0)
        connection_close(connection);
}

static void listener_closed(uv_handle_t *handle)
{
    server_unref(handle->data);
}

int metrics_server_new(uv_loop_t *loop, const struct sockaddr *address, metrics_collect_fn *collect,
                       void *context, struct metrics_server **ret)
{
    struct metrics_server *server = calloc(1, sizeof(*server));
    int r;

    if (!server)
        return -ENOMEM;
    r = uv_tcp_init(loop, &server->listener);
    if (r < 0) {
        free(server);
        return r;
    }
    server->refs = 1;
    server->listener.data = server;
    server->collect = collect;
    server->context = context;
    r = uv_tcp_bind(&server->listener, address, 0);
    if (r == 0)
        r = uv_listen((uv_stream_t *)&server->listener, METRICS_CONNECTIONS_MAX, accept_connection);
    if (r < 0)
        metrics_server_close(&server);
    else
        *ret = server;
    return r;
}

void metrics_server_close(struct metrics_server **at)
{
    struct metrics_server *server = *at;

    if (!server)
        return;
    *at = NULL;
    for (size_t i = 0; i < METRICS_CONNECTIONS_MAX; i++)
        if (server->connections[i])
            connection_close(server->connections[i]);
    uv_close((uv_handle_t *)&server->listener, listener_closed);
}
