/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/control_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"

static void pump(struct client *client);

/* ---- Writing
 * --------------------------------------------------------------------------------------- */

struct write {
    uv_write_t request;
    struct client *client;
    char data[];
};

static void write_done(uv_write_t *request, int status)
{
    struct write *write = (struct write *)request;
    struct client *client = write->client;

    client->writes--;
    free(write);
    if (client->closing)
        return;
    if (status < 0)
        client_close(client);
    else
        pump(client);
}

int client_write(struct client *client, const char *data, size_t len)
{
    uv_buf_t buffer;
    struct write *write;
    int r;

    if (client->closing)
        return -EPIPE;
    write = malloc(sizeof(*write) + len);
    if (!write)
        return -ENOMEM;
    write->client = client;
    memcpy(write->data, data, len);
    buffer = uv_buf_init(write->data, (unsigned)len);
    r = uv_write(&write->request, (uv_stream_t *)&client->pipe, &buffer, 1, write_done);
    if (r < 0) {
        free(write);
        return r;
    }
    client->writes++;
    return 0;
}

static void timed_out(uv_timer_t *timer)
{
    struct client *client = timer->data;

    client->control->news("control.timeout", &client->peer,
                          client->asked ? "does not take its answer" : "sent no request",
                          client->control->context);
    client_close(client);
}

static void linger_over(uv_timer_t *timer)
{
    client_close(timer->data);
}

static void shutdown_done(uv_shutdown_t *request, int status)
{
    struct client *client = request->data;

    if (client->closing)
        return;
    if (status < 0 || client->ended)
        client_close(client);
    else
        uv_timer_start(&client->timer, linger_over, CONTROL_LINGER_TIMEOUT_MS, 0);
}

static void finish(struct client *client)
{
    client->shutdown.data = client;
    client->finishing = false;
    if (uv_shutdown(&client->shutdown, (uv_stream_t *)&client->pipe, shutdown_done) < 0)
        client_close(client);
}

/* The next piece of a stream as soon as the last one is on its way; then close or stay as a
 * follower. */
static void pump(struct client *client)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);
    int r;

    if (!client->asked || client->writes > 0)
        return;
    if (!client->stream) {
        if (client->finishing)
            finish(client);
        return;
    }
    r = client->stream->next(client->stream, &buf);
    if (r <= 0) {
        client->stream->free(client->stream);
        client->stream = NULL;
    }
    if (r == 0 && client->follow)
        uv_timer_stop(&client->timer);
    else
        uv_timer_start(&client->timer, timed_out, CONTROL_WRITE_TIMEOUT_MS, 0);
    if (r < 0 || buf.error < 0 || (buf.len > 0 && client_write(client, buf.data, buf.len) < 0))
        client_close(client);
    else if (buf.len == 0)
        pump(client); /* nothing to wait for: the stream is gone, so this goes no deeper */
}

/* ---- Answering
 * --------------------------------------------------------------------------------------- */

static void answer_error(struct client *client, enum control_code code, const char *message)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);

    client->asked = client->finishing = true;
    client->control->counters.refused++;
    client->control->news(control_code_name(code), &client->peer, message,
                          client->control->context);
    control_error_print(&buf, code, message);
    uv_timer_start(&client->timer, timed_out, CONTROL_WRITE_TIMEOUT_MS, 0);
    if (buf.error < 0 || client_write(client, buf.data, buf.len) < 0)
        client_close(client);
}

static size_t count_streams(const struct control *control)
{
    size_t n = 0;

    for (size_t i = 0; i < control->n_clients; i++)
        n += control->clients[i]->stream != NULL;
    return n;
}

static void answer(struct client *client, const struct control_request *request)
{
    struct control *control = client->control;
    struct control_reply reply = {.result = BUF_INIT(CONTROL_ANSWER_BYTES_MAX)};
    _cleanup_buf_ struct buf line = BUF_INIT(CONTROL_ANSWER_BYTES_MAX + 64);

    if (request->command == CONTROL_FLOWS && count_streams(control) >= CONTROL_STREAMS_MAX) {
        answer_error(client, CONTROL_INTERNAL, "too many clients read flows; try again");
        return;
    }
    control->run(request, &reply, control->context);
    client->asked = true;
    if (reply.code != CONTROL_OK) {
        answer_error(client, reply.code, reply.message);
    } else if (reply.stream) {
        client->stream = reply.stream;
        client->follow = reply.follow;
        client->finishing = !reply.follow;
        pump(client);
    } else {
        client->finishing = true;
        buf_puts(&line, "{\"ok\":true,\"result\":");
        buf_append(&line, reply.result.data ? reply.result.data : "null",
                   reply.result.data ? reply.result.len : 4);
        buf_puts(&line, "}\n");
        uv_timer_start(&client->timer, timed_out, CONTROL_WRITE_TIMEOUT_MS, 0);
        if (line.error < 0 || reply.result.error < 0)
            answer_error(client, CONTROL_INTERNAL, "the answer is too long");
        else if (client_write(client, line.data, line.len) < 0)
            client_close(client);
    }
    buf_free(&reply.result);
}

/* ---- Reading
 * ------------------------------------------------------------------------------------------- */

static void handle_line(struct client *client, size_t len)
{
    struct control *control = client->control;
    struct control_request request;
    char message[CONTROL_MESSAGE_MAX];
    enum control_code code;

    control->counters.requests++;
    code = control_request_parse(client->in.data, len, &request, message);
    if (code != CONTROL_OK)
        answer_error(client, code, message);
    else if (!control_allowed(&client->peer, geteuid(), control->gid, request.command))
        answer_error(client, CONTROL_FORBIDDEN,
                     control_command_writes(request.command)
                         ? "only root may change what is enforced"
                         : "only root and members of the socket's group may ask");
    else
        answer(client, &request);
    buf_free(&client->in);
}

static void read_done(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    const char *end;

    if (n < 0) {
        /* a client that shuts down its side after its request still wants its answer */
        client->ended = true;
        uv_read_stop(stream);
        if (n != UV_EOF || !client->asked || client->follow || client->writes == 0)
            client_close(client);
        return;
    }
    if (client->asked || n == 0)
        return;
    buf_append(&client->in, buffer->base, (size_t)n);
    end = client->in.data ? memchr(client->in.data, '\n', client->in.len) : NULL;
    if (end)
        handle_line(client, (size_t)(end - client->in.data));
    else if (client->in.error < 0 || client->in.len > CONTROL_REQUEST_BYTES_MAX)
        answer_error(client, CONTROL_TOO_LARGE, "expected one line of at most 65536 bytes");
}

/* One buffer for all: read_done has copied what it wants before the next read. */
static void read_room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
    static char room[16384];

    *ret = uv_buf_init(room, sizeof(room));
}

/* ---- Accepting
 * ------------------------------------------------------------------------------------------- */

static int look_at_peer(struct client *client)
{
    struct ucred ucred = {0};
    socklen_t len = sizeof(ucred);
    uv_os_fd_t fd;
    int r;

    r = uv_fileno((uv_handle_t *)&client->pipe, &fd);
    if (r < 0)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &len) < 0)
        return -errno;
    client->peer.uid = ucred.uid;
    client->peer.gid = ucred.gid;
    client->peer.pid = ucred.pid;
    len = sizeof(client->peer.groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, client->peer.groups, &len) == 0)
        client->peer.n_groups = len / sizeof(gid_t);
    return 0; /* kernels before 4.13 have no SO_PEERGROUPS: then the primary group alone counts */
}

static int client_new(struct control *control, struct client **ret)
{
    struct client *client = calloc(1, sizeof(*client));
    int r;

    if (!client)
        return -ENOMEM;
    r = uv_pipe_init(control->listener.loop, &client->pipe, 0);
    if (r < 0) {
        free(client);
        return r;
    }
    uv_timer_init(control->listener.loop, &client->timer); /* cannot fail */
    client->control = control;
    client->open_handles = 2;
    client->in = BUF_INIT(CONTROL_REQUEST_BYTES_MAX + sizeof("\n") + 16384);
    client->pipe.data = client->timer.data = client;
    control->refs++;
    *ret = client;
    return 0;
}

static bool is_privileged(const struct control_peer *peer)
{
    return peer->uid == 0 || peer->uid == geteuid();
}

/* Whoever may read must not be able to lock out who may switch off. */
static bool has_room(const struct control *control, const struct control_peer *peer)
{
    size_t others = 0;

    if (control->n_clients >= CONTROL_CLIENTS_MAX || is_privileged(peer))
        return control->n_clients < CONTROL_CLIENTS_MAX;
    for (size_t i = 0; i < control->n_clients; i++)
        others += !is_privileged(&control->clients[i]->peer);
    return others < CONTROL_CLIENTS_MAX - CONTROL_CLIENTS_KEPT;
}

/* It fits into the empty buffer of a new socket; nothing is kept for this client. */
static void turn_away(struct client *client)
{
    struct control *control = client->control;
    _cleanup_buf_ struct buf line = BUF_INIT(CONTROL_REQUEST_BYTES_MAX);
    uv_buf_t buffer;

    control->counters.refused++;
    control->news("control.too_many_clients", &client->peer, "turned away", control->context);
    control_error_print(&line, CONTROL_BUSY, "too many clients; try again");
    if (line.error == 0) {
        buffer = uv_buf_init(line.data, (unsigned)line.len);
        uv_try_write((uv_stream_t *)&client->pipe, &buffer, 1);
    }
    client_close(client);
}

void control_accept(uv_stream_t *listener, int status)
{
    struct control *control = listener->data;
    struct client *client;

    if (status < 0 || client_new(control, &client) < 0)
        return;
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) < 0 || look_at_peer(client) < 0) {
        client_close(client);
        return;
    }
    if (!has_room(control, &client->peer)) {
        turn_away(client);
        return;
    }
    control->clients[control->n_clients++] = client;
    uv_timer_start(&client->timer, timed_out, CONTROL_LINE_TIMEOUT_MS, 0);
    if (uv_read_start((uv_stream_t *)&client->pipe, read_room, read_done) < 0)
        client_close(client);
}
