/* SPDX-License-Identifier: Apache-2.0 */
#include "console/http_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>

#define LISTEN_TEXT_MAX 256

int64_t http_now_ms(const struct http_server *server)
{
    return (int64_t)uv_now(server->loop);
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

const struct http_counters *http_server_counters(const struct http_server *server)
{
    return &server->counters;
}

/* ---- Turns of the loop --------------------------------------------------------------------- */

static void on_turn(struct http_server *server)
{
    server->handshake_ns = 0;
    http_connections_flush(server);
}

static void on_before(uv_prepare_t *handle)
{
    on_turn(handle->data);
}

static void on_after(uv_check_t *handle)
{
    on_turn(handle->data);
}

static void on_listener(uv_poll_t *handle, int status, int events);

static void on_sweep(uv_timer_t *handle)
{
    struct http_server *server = handle->data;
    int64_t now_ms = http_now_ms(server);

    for (struct http_connection *c = server->connections; c; c = c->next)
        http_connection_timeout(c, now_ms);
    if (!server->stopping && !server->listening)
        server->listening = uv_poll_start(&server->listener, UV_READABLE, on_listener) == 0;
}

/* ---- Listening ----------------------------------------------------------------------------- */

/*
 * Full: the oldest of those that wait for nothing but their client makes room, so that people who
 * connect and say nothing (or half of it) do not keep others out. WebSockets and requests that are
 * being worked on stay.
 */
static bool make_room(struct http_server *server)
{
    struct http_connection *oldest = NULL, *slow = NULL;

    if (server->counters.connections_now < HTTP_CONNECTIONS_MAX)
        return true;
    for (struct http_connection *c = server->connections; c; c = c->next) {
        if (c->state == HTTP_STATE_TLS || c->state == HTTP_STATE_HEAD ||
            c->state == HTTP_STATE_LINGER)
            oldest = c; /* new ones come in at the front */
        else if (c->state == HTTP_STATE_BODY)
            slow = c;
    }
    server->counters.connections_refused++;
    if (!oldest)
        oldest = slow;
    if (!oldest)
        return false;
    http_connection_doom(oldest);
    http_connections_flush(server);
    return true;
}

static void client_text(const struct sockaddr_storage *address, char ret[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;

    memset(ret, 0, INET6_ADDRSTRLEN);
    if (address->ss_family == AF_INET)
        inet_ntop(AF_INET, &four->sin_addr, ret, INET6_ADDRSTRLEN);
    else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], ret, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, &six->sin6_addr, ret, INET6_ADDRSTRLEN);
}

/* @return false: no more for now */
static bool accept_one(struct http_server *server)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    _cleanup_close_
    int fd = accept4(server->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    char client[INET6_ADDRSTRLEN];
    int one = 1;

    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        /* Would be reported again at once: rest until the next sweep. */
        uv_poll_stop(&server->listener);
        server->listening = false;
        server->counters.connections_refused++;
    }
    if (fd < 0)
        return errno == EINTR || errno == ECONNABORTED;
    if (!make_room(server))
        return true;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    client_text(&address, client);
    if (http_connection_new(server, fd, client) == 0)
        TAKE_FD(fd);
    else
        server->counters.connections_refused++;
    return true;
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
    struct http_server *server = handle->data;

    for (unsigned i = 0; i < HTTP_ACCEPTS_MAX; i++)
        if (!accept_one(server))
            return;
}

static int bind_one(const struct addrinfo *address)
{
    _cleanup_close_
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1, zero = 0;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, HTTP_BACKLOG) < 0)
        return -errno;
    return TAKE_FD(fd);
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address = {0};
    socklen_t len = sizeof(address);

    if (getsockname(fd, &address.any, &len) < 0)
        return -errno;
    return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

/* "[::]:8443", "127.0.0.1:0", ":8443" */
static int listen_at(struct http_server *server, const char *where, struct buf *problem)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char text[LISTEN_TEXT_MAX], *host = text, *port;
    int r;

    snprintf(text, sizeof(text), "%s", where);
    port = strrchr(text, ':');
    if (!port) {
        buf_printf(problem, "listen address '%s': expected ADDRESS:PORT", where);
        return -EINVAL;
    }
    *port++ = '\0';
    if (*host == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        host++;
    }
    if (getaddrinfo(*host ? host : "::", port, &hints, &found) != 0) {
        buf_printf(problem, "listen address '%s': not known", where);
        return -EINVAL;
    }
    r = bind_one(found);
    freeaddrinfo(found);
    if (r < 0) {
        buf_printf(problem, "listen address '%s': %s", where, strerror(-r));
        return r;
    }
    server->fd = r;
    r = port_of(server->fd);
    server->port = r;
    return r < 0 ? r : 0;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur >= HTTP_CONNECTIONS_MAX + HTTP_DESCRIPTORS_SPARE)
        return;
    limit.rlim_cur = MIN(limit.rlim_max, HTTP_CONNECTIONS_MAX + HTTP_DESCRIPTORS_SPARE);
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int copy_config(struct http_server *server, const struct http_config *config)
{
    size_t n = 0;

    while (config->subprotocols && config->subprotocols[n])
        n++;
    server->subprotocols = calloc(n + 1, sizeof(char *));
    if (!server->subprotocols)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        server->subprotocols[i] = strdup(config->subprotocols[i]);
        if (!server->subprotocols[i])
            return -ENOMEM;
    }
    if (config->client_ca_pem) {
        server->client_ca_pem = strdup(config->client_ca_pem);
        if (!server->client_ca_pem)
            return -ENOMEM;
    }
    return 0;
}

static int start_handles(struct http_server *server)
{
    int r = uv_poll_init(server->loop, &server->listener, server->fd);

    if (r < 0)
        return r;
    uv_timer_init(server->loop, &server->sweep);
    uv_prepare_init(server->loop, &server->before);
    uv_check_init(server->loop, &server->after);
    server->listener.data = server->sweep.data = server->before.data = server->after.data = server;
    server->handles_ready = true;
    server->handles_open = 4;
    uv_timer_start(&server->sweep, on_sweep, HTTP_SWEEP_MS, HTTP_SWEEP_MS);
    uv_prepare_start(&server->before, on_before);
    uv_check_start(&server->after, on_after);
    r = uv_poll_start(&server->listener, UV_READABLE, on_listener);
    server->listening = r == 0;
    return r;
}

int http_server_new(uv_loop_t *loop, const struct http_config *config,
                    const struct http_handlers *handlers, struct buf *problem,
                    struct http_server **ret)
{
    struct http_server *server;
    int r;

    assert(loop);
    assert(config);
    assert(handlers && handlers->request);
    assert(problem);
    assert(ret);

    server = calloc(1, sizeof(*server));
    if (!server)
        return -ENOMEM;
    server->loop = loop;
    server->handlers = *handlers;
    server->fd = -1;
    server->dirty_end = &server->dirty;
    raise_descriptors();
    r = copy_config(server, config);
    if (r == 0)
        r = http_tls_new(config->certificate_file, config->key_file, config->client_ca_pem, problem,
                         &server->tls);
    if (r == 0)
        r = listen_at(server, config->listen, problem);
    if (r == 0)
        r = start_handles(server);
    if (r < 0) {
        http_server_free(&server);
        return r;
    }
    *ret = server;
    return 0;
}

int http_server_certificate_set(struct http_server *server, const char *certificate_file,
                                const char *key_file, struct buf *problem)
{
    SSL_CTX *tls = NULL;
    int r = http_tls_new(certificate_file, key_file, server->client_ca_pem, problem, &tls);

    if (r < 0)
        return r;
    SSL_CTX_free(server->tls); /* connections have references of their own */
    server->tls = tls;
    return 0;
}

/* Nothing is under way: end it. */
static void stop_one(struct http_connection *connection)
{
    if (connection->doomed)
        return;
    if (connection->state == HTTP_STATE_TLS) {
        http_connection_doom(connection);
    } else if (connection->state == HTTP_STATE_HEAD) {
        connection->state = HTTP_STATE_CLOSING;
        connection->deadline_ms = http_now_ms(connection->server) + HTTP_LINGER_SECONDS * 1000;
        http_connection_dirty(connection);
    } else if (connection->state == HTTP_STATE_SOCKET) {
        http_socket_close(connection->socket, HTTP_CLOSE_GOING_AWAY, "the Console stops");
    }
}

void http_server_stop(struct http_server *server)
{
    if (server->stopping)
        return;
    server->stopping = true;
    if (server->handles_ready)
        uv_poll_stop(&server->listener);
    server->listening = false;
    if (server->fd >= 0)
        shutdown(server->fd, SHUT_RDWR); /* closed when libuv has let go of its number */
    for (struct http_connection *c = server->connections; c; c = c->next)
        stop_one(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;

    server->handles_open--;
}

/* Whoever only lingers has been told everything. */
static bool is_quiet(const struct http_server *server)
{
    for (const struct http_connection *c = server->connections; c; c = c->next)
        if (c->state != HTTP_STATE_LINGER)
            return false;
    return true;
}

static void drain(struct http_server *server)
{
    uint64_t end = uv_hrtime() + HTTP_STOP_SECONDS * 1000000000ull;

    if (!server->handles_ready)
        return;
    uv_timer_start(&server->sweep, on_sweep, 50, 50);
    while (!is_quiet(server) && uv_hrtime() < end)
        uv_run(server->loop, UV_RUN_ONCE);
    for (struct http_connection *c = server->connections; c; c = c->next)
        http_connection_doom(c);
    http_connections_flush(server);
    uv_close((uv_handle_t *)&server->listener, on_closed);
    close_fd(&server->fd);
    uv_close((uv_handle_t *)&server->sweep, on_closed);
    uv_close((uv_handle_t *)&server->before, on_closed);
    uv_close((uv_handle_t *)&server->after, on_closed);
    while (server->handles_open)
        uv_run(server->loop, UV_RUN_ONCE);
}

void http_server_free(struct http_server **server)
{
    struct http_server *s = TAKE_PTR(*server);

    if (!s)
        return;
    http_server_stop(s);
    drain(s);
    for (struct http_exchange *e = s->exchanges; e; e = e->next)
        e->server = NULL; /* somebody may still answer it */
    close_fd(&s->fd);
    SSL_CTX_free(s->tls);
    free(s->client_ca_pem);
    for (char **name = s->subprotocols; name && *name; name++)
        free(*name);
    free(s->subprotocols);
    free(s);
}
