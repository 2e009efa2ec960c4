/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/macros.h"
#include "enforcer/control_internal.h"

/* ---- Counting and closing
 * -------------------------------------------------------------------------- */

static void control_unref(struct control *control)
{
    if (--control->refs > 0)
        return;
    free(control->path);
    free(control);
}

static void client_handle_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct control *control = client->control;

    if (--client->open_handles > 0)
        return;
    if (client->stream)
        client->stream->free(client->stream);
    buf_free(&client->in);
    free(client);
    control_unref(control);
}

void client_close(struct client *client)
{
    struct control *control = client->control;

    if (client->closing)
        return;
    client->closing = true;
    for (size_t i = 0; i < control->n_clients; i++)
        if (control->clients[i] == client) {
            control->clients[i] = control->clients[--control->n_clients];
            break;
        }
    if (client->dropped_total)
        control->news("control.follower_slow", &client->peer, "flows were left out",
                      control->context);
    uv_close((uv_handle_t *)&client->pipe, client_handle_closed);
    uv_close((uv_handle_t *)&client->timer, client_handle_closed);
}

/* ---- Followers
 * ------------------------------------------------------------------------------------------ */

bool control_has_followers(const struct control *control)
{
    for (size_t i = 0; control && i < control->n_clients; i++)
        if (control->clients[i]->follow)
            return true;
    return false;
}

/* What was left out is said as soon as there is room for a line again. */
static void tell_dropped(struct client *client)
{
    char line[96];
    int len;

    if (client->dropped == 0)
        return;
    len = snprintf(line, sizeof(line), "{\"ok\":true,\"result\":[],\"dropped\":%" PRIu64 "}\n",
                   client->dropped);
    if (client_write(client, line, (size_t)len) == 0)
        client->dropped = 0;
}

void control_broadcast(struct control *control, const char *line, size_t len, uint64_t n_flows)
{
    for (size_t i = control->n_clients; i-- > 0;) {
        struct client *client = control->clients[i];

        if (!client->follow)
            continue;
        if (uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) + len <=
            CONTROL_QUEUE_BYTES_MAX) {
            tell_dropped(client);
            if (client_write(client, line, len) == 0)
                continue;
        }
        if (client->dropped_total == 0)
            control->news("control.follower_slow", &client->peer, "does not keep up",
                          control->context);
        client->dropped += n_flows;
        client->dropped_total += n_flows;
        control->counters.flows_dropped += n_flows;
    }
}

void control_counters(const struct control *control, struct control_counters *ret)
{
    *ret = control->counters;
    ret->followers = 0;
    for (size_t i = 0; i < control->n_clients; i++)
        ret->followers += control->clients[i]->follow;
}

/* ---- The listening socket
 * ---------------------------------------------------------------------------------- */

static int make_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    _cleanup_free_
    char *directory = NULL;

    if (!slash || slash == path)
        return 0;
    directory = strndup(path, (size_t)(slash - path));
    return directory ? dir_make(directory, 0755) : -ENOMEM;
}

/* Only a socket that nobody listens on is removed. */
static int remove_stale(const struct sockaddr_un *address)
{
    _cleanup_close_
    int fd = -1;
    struct stat st;

    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return -EADDRINUSE;
    if (errno != ECONNREFUSED)
        return -errno;
    return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/*
 * From /etc/group alone: name services would bring their libraries into memory, and can make a
 * daemon that starts before the network wait. @return 1 found, 0 the daemon's own group
 */
static int socket_group(const char *name, gid_t *ret)
{
    FILE *file = name ? fopen("/etc/group", "re") : NULL;
    const struct group *group = NULL;

    *ret = getegid();
    while (file && (group = fgetgrent(file)))
        if (strcmp(group->gr_name, name) == 0)
            break;
    if (group)
        *ret = group->gr_gid;
    if (file)
        fclose(file);
    return group != NULL;
}

/* Nobody can connect before listen(), so mode and group are right before they matter. */
static int bind_socket(struct control *control, const struct sockaddr_un *address,
                       const char *group, int *ret)
{
    _cleanup_close_
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask;
    int r;

    if (fd < 0)
        return -errno;
    mask = umask(0177);
    r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
    umask(mask);
    if (r < 0)
        return r;
    if (socket_group(group, &control->gid) > 0 &&
        chown(address->sun_path, (uid_t)-1, control->gid) < 0)
        control->gid = getegid();
    if (chmod(address->sun_path, 0660) < 0) {
        r = -errno;
        unlink(address->sun_path);
        return r;
    }
    *ret = TAKE_FD(fd);
    return 0;
}

static void listener_closed(uv_handle_t *handle)
{
    control_unref(handle->data);
}

static int listen_on(struct control *control, uv_loop_t *loop, int fd)
{
    int r;

    r = uv_pipe_init(loop, &control->listener, 0);
    if (r < 0) {
        close(fd);
        return r;
    }
    control->refs++;
    control->listener.data = control;
    r = uv_pipe_open(&control->listener, fd);
    if (r < 0)
        close(fd);
    else
        r = uv_listen((uv_stream_t *)&control->listener, CONTROL_CLIENTS_MAX, control_accept);
    return r;
}

int control_new(uv_loop_t *loop, const struct control_setup *setup, struct control **ret)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct control *control;
    int fd = -1;
    int r;

    if (strlen(setup->path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, setup->path, strlen(setup->path));
    r = make_directory(setup->path);
    if (r == 0)
        r = remove_stale(&address);
    if (r < 0)
        return r;
    control = calloc(1, sizeof(*control));
    if (!control)
        return -ENOMEM;
    control->refs = 1;
    control->run = setup->run;
    control->news = setup->news;
    control->context = setup->context;
    control->path = strdup(setup->path);
    r = control->path ? bind_socket(control, &address, setup->group, &fd) : -ENOMEM;
    if (r < 0) {
        control_unref(control);
        return r;
    }
    r = listen_on(control, loop, fd);
    if (r < 0) {
        control_close(&control);
        return r;
    }
    *ret = control;
    return 0;
}

void control_close(struct control **at)
{
    struct control *control = *at;

    if (!control)
        return;
    *at = NULL;
    unlink(control->path);
    while (control->n_clients > 0)
        client_close(control->clients[control->n_clients - 1]);
    if (control->listener.data)
        uv_close((uv_handle_t *)&control->listener, listener_closed);
    control_unref(control);
}
