/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "load.h"

#define CHUNK 65536

static void want(struct stream *stream, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = stream};

    if (out == stream->wants_out)
        return;
    stream->wants_out = out;
    epoll_ctl(stream->load->epoll, EPOLL_CTL_MOD, stream->fd, &event);
}

static void release(struct buf *buf)
{
    buf_free(buf);
    *buf = BUF_INIT(LOAD_STREAM_BYTES_MAX);
}

/* Reset instead of a goodbye: thousands of ports must not wait for their end. */
void stream_close(struct stream *stream, const char *why)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (stream->fd < 0)
        return;
    setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    SSL_free(stream->ssl);
    stream->ssl = NULL;
    close_fd(&stream->fd);
    stream->open = false;
    release(&stream->in);
    release(&stream->out);
    stream->events->closed(stream, why);
}

static const char *tls_problem(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *text = error ? ERR_reason_error_string(error) : NULL;

    ERR_clear_error();
    return text ? text : "connection lost";
}

/* @return false: it failed, and is closed */
static bool handle(struct stream *stream, int result)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return true;
    case SSL_ERROR_WANT_WRITE:
        want(stream, true);
        return true;
    case SSL_ERROR_ZERO_RETURN:
        stream_close(stream, "closed");
        return false;
    default:
        stream_close(stream, tls_problem());
        return false;
    }
}

static void flush(struct stream *stream)
{
    while (stream->out.len > 0) {
        int n = SSL_write(stream->ssl, stream->out.data, (int)MIN(stream->out.len, (size_t)CHUNK));

        if (n <= 0) {
            handle(stream, n);
            return;
        }
        buf_consume(&stream->out, (size_t)n);
    }
    if (stream->out.size > CHUNK)
        release(&stream->out);
    want(stream, false);
}

void stream_send(struct stream *stream, const void *data, size_t len)
{
    if (stream->fd < 0)
        return;
    buf_append(&stream->out, data, len);
    if (stream->open)
        flush(stream);
}

static void take(struct stream *stream)
{
    static char chunk[CHUNK];

    for (;;) {
        int n = SSL_read(stream->ssl, chunk, sizeof(chunk));

        if (n <= 0) {
            handle(stream, n);
            return;
        }
        buf_append(&stream->in, chunk, (size_t)n);
        stream->events->data(stream);
        if (stream->fd < 0)
            return;
        if (stream->in.len == 0)
            release(&stream->in);
    }
}

static bool shake(struct stream *stream)
{
    int r = SSL_do_handshake(stream->ssl);

    if (r != 1)
        return handle(stream, r) && false;
    stream->open = true;
    want(stream, false);
    stream->events->opened(stream);
    return stream->fd >= 0;
}

static int connect_error(const struct stream *stream)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

void stream_event(struct stream *stream, uint32_t events)
{
    int error = 0;

    if (stream->fd < 0)
        return;
    if (!stream->reached)
        error = connect_error(stream);
    if (error) {
        stream_close(stream, strerror(error));
        return;
    }
    stream->reached = true;
    ERR_clear_error();
    if (!stream->open && !shake(stream))
        return;
    if (events & EPOLLOUT)
        flush(stream);
    if (stream->fd >= 0)
        take(stream);
}

static int start_tls(struct stream *stream, X509 *certificate, EVP_PKEY *key)
{
    stream->ssl = SSL_new(stream->load->tls);
    if (!stream->ssl)
        return -ENOMEM;
    if (certificate && (SSL_use_certificate(stream->ssl, certificate) != 1 ||
                        SSL_use_PrivateKey(stream->ssl, key) != 1))
        return -EINVAL;
    SSL_set_fd(stream->ssl, stream->fd);
    SSL_set_connect_state(stream->ssl);
    return 0;
}

int stream_open(struct stream *stream, X509 *certificate, EVP_PKEY *key)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)stream->load->options.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = stream};
    int one = 1;

    release(&stream->in);
    release(&stream->out);
    stream->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->fd < 0)
        return -errno;
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (start_tls(stream, certificate, key) < 0 ||
        (connect(stream->fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(stream->load->epoll, EPOLL_CTL_ADD, stream->fd, &event) < 0) {
        SSL_free(stream->ssl);
        stream->ssl = NULL;
        close_fd(&stream->fd);
        return -EIO;
    }
    stream->wants_out = true;
    stream->reached = false;
    return 0;
}
