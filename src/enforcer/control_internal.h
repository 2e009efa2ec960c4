/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "enforcer/control.h"

struct client {
    struct control *control;
    uv_pipe_t pipe;
    uv_timer_t timer; /* for the line, then for the answer, then for the client to go */
    uv_shutdown_t shutdown;
    unsigned open_handles, writes;
    bool closing;
    bool asked; /* a whole line was read: what comes after it is not looked at */
    bool follow;
    bool finishing; /* when all is written: shut down, and close when the client does */
    bool ended;     /* the client has shut down its side */
    struct buf in;
    struct control_peer peer;
    struct control_stream *stream;
    uint64_t dropped, dropped_total; /* flows that did not fit in its queue: untold; ever */
};

struct control {
    unsigned refs; /* the owner, the listener, each client */
    uv_pipe_t listener;
    char *path;
    gid_t gid;
    control_run_fn *run;
    control_news_fn *news;
    void *context;
    struct client *clients[CONTROL_CLIENTS_MAX];
    size_t n_clients;
    struct control_counters counters;
};

void control_accept(uv_stream_t *listener, int status);
void client_close(struct client *client);
/* Copies. @return 0, -ENOMEM, or what libuv says */
int client_write(struct client *client, const char *data, size_t len);
