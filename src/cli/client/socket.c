/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client/socket.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "cli/client/credential.h"

#define UPGRADE_TIMEOUT_MS 30000
#define CLOSE_HEAD 2 /* bytes of the code */

struct socket {
    CURL *curl;
    int fd;
    struct buf input;   /* not looked at yet */
    struct buf message; /* fragments so far, or the message given out */
    size_t used;        /* of input, by what was given out */
    bool given;
    char text[CLIENT_MESSAGE_MAX];
};

const char *socket_message(const struct socket *socket)
{
    return socket->text;
}

void socket_close(struct socket **socket)
{
    struct socket *s = *socket;

    if (!s)
        return;
    curl_easy_cleanup(s->curl);
    buf_free(&s->input);
    buf_free(&s->message);
    free(s);
    *socket = NULL;
}

static int fail(struct socket *socket, int r, const char *why)
{
    snprintf(socket->text, sizeof(socket->text), "%s", why);
    return r;
}

/* ---- Bytes -------------------------------------------------------------------------------- */

static int send_all(struct socket *socket, const char *data, size_t len)
{
    while (len > 0) {
        struct pollfd poll_fd = {.fd = socket->fd, .events = POLLOUT};
        size_t n = 0;
        CURLcode code = curl_easy_send(socket->curl, data, len, &n);

        if (code == CURLE_AGAIN && poll(&poll_fd, 1, UPGRADE_TIMEOUT_MS) > 0)
            continue;
        if (code != CURLE_OK)
            return fail(socket, -EIO, "the connection to the Console broke");
        data += n;
        len -= n;
    }
    return 0;
}

/* Some bytes into `input`. -ENODATA: closed; -EAGAIN: nothing in time; -EPIPE: see socket.h. */
static int receive_some(struct socket *socket, int timeout_ms, int watch_fd)
{
    char data[16384];
    size_t n = 0;
    CURLcode code = curl_easy_recv(socket->curl, data, sizeof(data), &n);

    if (code == CURLE_AGAIN) {
        struct pollfd fds[2] = {{.fd = socket->fd, .events = POLLIN},
                                {.fd = watch_fd, .events = 0}};
        int r = poll(fds, 2, timeout_ms);

        if (watch_fd >= 0 && fds[1].revents & (POLLERR | POLLHUP))
            return -EPIPE;
        if (r == 0)
            return -EAGAIN;
        return r < 0 && errno != EINTR ? fail(socket, -errno, "poll") : 0;
    }
    if (code != CURLE_OK)
        return fail(socket, -EIO, "the connection to the Console broke");
    if (n == 0)
        return fail(socket, -ENODATA, "the Console closed the connection");
    buf_append(&socket->input, data, n);
    return socket->input.error ? fail(socket, -E2BIG, "the Console sent too much at once") : 0;
}

/* ---- Upgrade ------------------------------------------------------------------------------ */

static int refused(struct socket *socket, const char *head)
{
    const char *space = strchr(head, ' '), *body = strstr(head, "\r\n\r\n");

    snprintf(socket->text, sizeof(socket->text), "the Console does not let us listen: %.3s %.800s",
             space ? space + 1 : "?", body ? body + 4 : "");
    return -EACCES;
}

static int read_head(struct socket *socket)
{
    while (!socket->input.data || !strstr(socket->input.data, "\r\n\r\n")) {
        int r = receive_some(socket, UPGRADE_TIMEOUT_MS, -1);

        if (r == -EAGAIN)
            return fail(socket, r, "the Console does not answer");
        if (r < 0)
            return r;
        if (socket->input.len > SOCKET_HEAD_BYTES_MAX)
            return fail(socket, -EPROTO, "the Console's answer is no HTTP");
    }
    if (strncmp(socket->input.data, "HTTP/1.1 101", 12) != 0) {
        receive_some(socket, 1000, -1); /* the reason comes behind the head */
        return refused(socket, socket->input.data);
    }
    buf_consume(&socket->input,
                (size_t)(strstr(socket->input.data, "\r\n\r\n") + 4 - socket->input.data));
    return 0;
}

static int upgrade(struct socket *socket, const char *api, const char *path, const char *token)
{
    _cleanup_buf_ struct buf head = BUF_INIT(SOCKET_HEAD_BYTES_MAX);
    const char *host = strstr(api, "://");
    uint8_t nonce[16];
    _cleanup_free_
    char *key = NULL;
    int r;

    if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce) ||
        !(key = base64_encode(nonce, sizeof(nonce))))
        return -ENOMEM;
    host = host ? host + 3 : api;
    buf_printf(&head,
               "GET %s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
               "Accept: application/json\r\nAuthorization: Bearer %s\r\n\r\n",
               path, (int)strcspn(host, "/"), host, key, token);
    if (head.error)
        return fail(socket, -E2BIG, "the token is too long");
    r = send_all(socket, head.data, head.len);
    return r < 0 ? r : read_head(socket);
}

int socket_open(struct client *client, const char *path, const char *token, struct socket **ret)
{
    struct socket *socket = calloc(1, sizeof(*socket));
    curl_socket_t fd;
    int r = 0;

    if (!socket)
        return -ENOMEM;
    *ret = socket; /* also when it fails: it says why */
    socket->input = BUF_INIT(2 * SOCKET_MESSAGE_BYTES_MAX);
    socket->message = BUF_INIT(SOCKET_MESSAGE_BYTES_MAX);
    socket->curl = client_connect(client);
    if (!socket->curl)
        return fail(socket, -ECONNREFUSED, client_message(client));
    if (curl_easy_getinfo(socket->curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK)
        return fail(socket, -EIO, "no connection");
    socket->fd = (int)fd;
    r = upgrade(socket, client_api(client), path, token);
    return r;
}

/* ---- Messages ----------------------------------------------------------------------------- */

static int send_frame(struct socket *socket, enum frame_opcode opcode, const void *data, size_t len)
{
    _cleanup_buf_ struct buf frame = BUF_INIT(SOCKET_MESSAGE_BYTES_MAX);
    uint8_t mask[4];

    if (getrandom(mask, sizeof(mask), 0) != sizeof(mask))
        return -EIO;
    frame_append(opcode, data, len, mask, &frame);
    return frame.error ? frame.error : send_all(socket, frame.data, frame.len);
}

int socket_send(struct socket *socket, const char *text)
{
    return send_frame(socket, FRAME_TEXT, text, strlen(text));
}

static int closed(struct socket *socket, const struct frame *frame)
{
    const uint8_t *bytes = (const uint8_t *)frame->payload;

    if (frame->len < CLOSE_HEAD)
        return fail(socket, -ENODATA, "the Console closed the connection");
    snprintf(socket->text, sizeof(socket->text), "the Console closed the connection: %u %.*s",
             bytes[0] << 8 | bytes[1], (int)(frame->len - CLOSE_HEAD), frame->payload + CLOSE_HEAD);
    return -ENODATA;
}

/* 1: a whole message is there; 0: go on. */
static int take_frame(struct socket *socket, const struct frame *frame)
{
    switch (frame->opcode) {
    case FRAME_PING:
        return send_frame(socket, FRAME_PONG, frame->payload, frame->len);
    case FRAME_PONG:
        return 0;
    case FRAME_CLOSE:
        return closed(socket, frame);
    default:
        buf_append(&socket->message, frame->payload, frame->len);
        if (socket->message.error)
            return fail(socket, -E2BIG, "a message of the Console is too long");
        return frame->final;
    }
}

int socket_receive(struct socket *socket, int watch_fd, const char **ret, size_t *ret_len)
{
    if (socket->given) {
        buf_free(&socket->message);
        socket->message = BUF_INIT(SOCKET_MESSAGE_BYTES_MAX);
        socket->given = false;
    }
    for (;;) {
        struct frame frame;
        size_t used = 0;
        int r = frame_parse(socket->input.data ? socket->input.data : "", socket->input.len, &frame,
                            &used);

        if (r == 0) {
            r = take_frame(socket, &frame);
            buf_consume(&socket->input, used);
            if (r < 0)
                return r;
            if (r == 0)
                continue;
            socket->given = true;
            *ret = socket->message.data ? socket->message.data : "";
            *ret_len = socket->message.len;
            return 0;
        }
        if (r != -EAGAIN)
            return fail(socket, r, "the Console does not speak WebSocket as it should");
        r = receive_some(socket, SOCKET_PING_S * 1000, watch_fd);
        if (r == -EAGAIN) /* so that a broken connection is noticed */
            r = send_frame(socket, FRAME_PING, "", 0);
        if (r < 0)
            return r;
    }
}
