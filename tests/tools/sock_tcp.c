/* SPDX-License-Identifier: Apache-2.0 */

/* The echoing TCP server: one loop, every connection's life told in events. */

#include "sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct server {
    struct pollfd items[SOCK_CLIENTS_MAX + 1]; /* [0] listens */
    char peers[SOCK_CLIENTS_MAX + 1][80];
    size_t n;
    const struct sock_options *options;
};

static int listener_open(const struct sock_address *address, const struct sock_options *options)
{
    int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC,
                    options->mptcp ? IPPROTO_MPTCP : IPPROTO_TCP);
    int error;

    if (fd < 0)
        return -errno;
    if (sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        goto fail;
    if (address->family == AF_INET6 && sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0)
        goto fail;
    if (options->fastopen && sock_set(fd, IPPROTO_TCP, TCP_FASTOPEN, 16) < 0)
        goto fail;
    if (options->md5_peer.len && sock_set_md5(fd, &options->md5_peer) < 0)
        goto fail;
    if (bind(fd, (const struct sockaddr *)&address->storage, address->len) < 0)
        goto fail;
    if (listen(fd, 128) < 0)
        goto fail;
    return fd;
fail:
    error = errno;
    close(fd);
    return -error;
}

static void server_accept(struct server *server)
{
    struct sock_address peer = {.len = sizeof(peer.storage)};
    int fd = accept4(server->items[0].fd, (struct sockaddr *)&peer.storage, &peer.len,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    if (server->n > SOCK_CLIENTS_MAX) {
        close(fd);
        return;
    }
    sock_print_address(&peer, server->peers[server->n], sizeof(server->peers[0]));
    sock_event("\"accepted\",%s", server->peers[server->n]);
    server->items[server->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void server_close(struct server *server, size_t i, int error)
{
    sock_event("\"closed\",%s,\"errno\":\"%s\"", server->peers[i],
               error ? strerrorname_np(error) : "none");
    close(server->items[i].fd);
    server->n--;
    server->items[i] = server->items[server->n];
    memmove(server->peers[i], server->peers[server->n], sizeof(server->peers[0]));
}

/* Everything is echoed; the event is told once a read, with the beginning of what came. */
static void server_read(struct server *server, size_t i)
{
    char data[65536], text[64];
    ssize_t n = read(server->items[i].fd, data, sizeof(data));
    ssize_t done = 0;

    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return;
        server_close(server, i, n < 0 ? errno : 0);
        return;
    }
    if (!server->options->silent) {
        sock_escape(data, (size_t)n, text, sizeof(text));
        sock_event("\"data\",%s,\"bytes\":%zd,\"text\":\"%s\"", server->peers[i], n, text);
    }
    while (done < n) {
        ssize_t written = write(server->items[i].fd, data + done, (size_t)(n - done));

        if (written < 0 && errno == EAGAIN && sock_wait(server->items[i].fd, POLLOUT, 2000))
            continue;
        if (written <= 0) {
            server_close(server, i, errno);
            return;
        }
        done += written;
    }
}

int sock_tcp_listen(const struct sock_address *address, const struct sock_options *options)
{
    struct server server = {.n = 1, .options = options};
    int64_t started = sock_now_ms();
    int fd = listener_open(address, options);

    if (fd < 0)
        return sock_error("listen", -fd, started);
    server.items[0] = (struct pollfd){.fd = fd, .events = POLLIN};
    sock_event("\"ready\"");
    for (;;) {
        if (poll(server.items, server.n, -1) < 0 && errno != EINTR)
            return sock_error("poll", errno, started);
        for (size_t i = server.n; i-- > 1;) {
            if (server.items[i].revents)
                server_read(&server, i);
        }
        if (server.items[0].revents & POLLIN)
            server_accept(&server);
    }
}
