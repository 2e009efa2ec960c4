/* SPDX-License-Identifier: Apache-2.0 */

/* The TCP client: connects, asks for an echo, holds, and tells when and how the connection ended.
 */

#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

static int client_open(const struct sock_address *address, const struct sock_options *options)
{
    int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    options->mptcp ? IPPROTO_MPTCP : IPPROTO_TCP);
    int error;

    if (fd < 0)
        return -errno;
    if (options->reuse && sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        goto fail;
    if (options->md5_peer.len && sock_set_md5(fd, &options->md5_peer) < 0)
        goto fail;
    if (options->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device,
                                      (socklen_t)strlen(options->device)) < 0)
        goto fail;
    if (options->bind.len &&
        bind(fd, (const struct sockaddr *)&options->bind.storage, options->bind.len) < 0)
        goto fail;
    sock_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
fail:
    error = errno;
    close(fd);
    return -error;
}

/*
 * With Fast Open the text goes into the SYN when there is a cookie; without one it is not queued.
 * @return 0 or the errno of the connection attempt
 */
static int client_connect(int fd, const struct sock_address *address,
                          const struct sock_options *options, bool *ret_sent)
{
    ssize_t r;

    if (options->fastopen)
        r = sendto(fd, options->text, strlen(options->text), MSG_FASTOPEN,
                   (const struct sockaddr *)&address->storage, address->len);
    else
        r = connect(fd, (const struct sockaddr *)&address->storage, address->len);
    if (r < 0 && errno != EINPROGRESS)
        return errno;
    if (!sock_wait(fd, POLLOUT, options->timeout_ms))
        return ETIMEDOUT;
    *ret_sent = options->fastopen && r > 0;
    return socket_error(fd);
}

/* Read exactly `len` bytes within the time. @return 0, an errno, or EPIPE on a clean end */
static int client_read(int fd, char *data, size_t len, int timeout_ms)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n;

        if (!sock_wait(fd, POLLIN, timeout_ms))
            return ETIMEDOUT;
        n = read(fd, data + have, len - have);
        if (n == 0)
            return EPIPE;
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0)
            return errno;
        have += (size_t)n;
    }
    return 0;
}

static int client_echo(int fd, const struct sock_options *options, const char *text, bool sent)
{
    char answer[SOCK_TEXT_MAX];
    size_t len = strlen(text);
    int error;

    if (len > sizeof(answer))
        return EMSGSIZE;
    if (!sent && send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        return errno;
    error = client_read(fd, answer, len, options->timeout_ms);
    if (error)
        return error;
    return memcmp(answer, text, len) == 0 ? 0 : EBADMSG;
}

/* Send `bulk` bytes of a pattern and read them back, both at once. */
static int client_bulk(int fd, const struct sock_options *options)
{
    size_t sent = 0, got = 0;
    unsigned char data[65536];

    while (got < options->bulk) {
        short events = POLLIN | (sent < options->bulk ? POLLOUT : 0);
        ssize_t n;

        if (!sock_wait(fd, events, options->timeout_ms))
            return ETIMEDOUT;
        if (sent < options->bulk) {
            size_t len = options->bulk - sent < sizeof(data) ? options->bulk - sent : sizeof(data);

            for (size_t i = 0; i < len; i++)
                data[i] = (unsigned char)((sent + i) * 7 >> 3);
            n = send(fd, data, len, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN)
                return errno;
            sent += n > 0 ? (size_t)n : 0;
        }
        n = read(fd, data, sizeof(data));
        if (n == 0)
            return EPIPE;
        if (n < 0 && errno != EAGAIN)
            return errno;
        for (ssize_t i = 0; i < n; i++) {
            if (data[i] != (unsigned char)((got + (size_t)i) * 7 >> 3))
                return EBADMSG;
        }
        got += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Keep the connection and watch it; with a tick, exchange one byte each time. */
static int client_hold(int fd, const struct sock_options *options, int64_t started)
{
    int64_t until = sock_now_ms() + options->hold_ms;
    int ticks = 0;

    sock_event("\"held\"");
    while (sock_now_ms() < until) {
        int left = (int)(until - sock_now_ms());
        int wait = options->tick_ms && options->tick_ms < left ? options->tick_ms : left;
        int error = 0;

        if (sock_wait(fd, POLLIN, wait > 0 ? wait : 0)) {
            char byte;
            ssize_t n = read(fd, &byte, 1);

            if (n <= 0 && (n == 0 || errno != EAGAIN))
                error = n == 0 ? EPIPE : errno;
        } else if (options->tick_ms) {
            error = client_echo(fd, options, "t", false);
            ticks += !error;
        }
        if (error) {
            sock_event("\"dead\",\"errno\":\"%s\",\"ticks\":%d,\"ms\":%lld", strerrorname_np(error),
                       ticks, (long long)(sock_now_ms() - started));
            return 1;
        }
    }
    sock_event("\"alive\",\"ticks\":%d", ticks);
    return 0;
}

int sock_tcp_connect(const struct sock_address *address, const struct sock_options *options)
{
    int64_t started = sock_now_ms();
    struct sock_address local = {.len = sizeof(local.storage)};
    char text[80];
    bool sent = false;
    int error, fd = client_open(address, options);

    if (fd < 0)
        return sock_error("socket", -fd, started);
    error = client_connect(fd, address, options, &sent);
    if (error)
        return sock_error("connect", error, started);
    getsockname(fd, (struct sockaddr *)&local.storage, &local.len);
    sock_print_address(&local, text, sizeof(text));
    sock_event("\"connected\",\"ms\":%lld,\"local\":{%s}", (long long)(sock_now_ms() - started),
               text);
    if (options->text) {
        error = client_echo(fd, options, options->text, sent);
        if (error)
            return sock_error("echo", error, started);
        sock_event("\"echo\",\"ms\":%lld", (long long)(sock_now_ms() - started));
    }
    if (options->bulk) {
        error = client_bulk(fd, options);
        if (error)
            return sock_error("bulk", error, started);
        sock_event("\"bulk\",\"ms\":%lld", (long long)(sock_now_ms() - started));
    }
    if (options->hold_ms)
        return client_hold(fd, options, started);
    close(fd);
    return 0;
}
