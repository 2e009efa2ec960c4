/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control socket's server: clients, time limits, queues. What the commands do is the business
 * of whoever gives `run`.
 *
 * Life cycle of a client
 *   accepted ── one line read ──▶ answered ──▶ shut down ──▶ closed when the client does, or after
 * 2 s └─▶ stream ──▶ shut down, or follower ──▶ closed by the client accepted ── 5 s without a line
 * ──▶ closed What a client sends after its line is read and thrown away, so that it gets to read
 * the answer.
 */

#include "enforcer/loop.h"

#include "enforcer/control_request.h"

#define CONTROL_CLIENTS_MAX 64
#define CONTROL_CLIENTS_KEPT 8 /* of them for root and the daemon's own user alone */
#define CONTROL_STREAMS_MAX 16 /* of the clients: in the middle of a long answer */
#define CONTROL_LINE_TIMEOUT_MS 5000
#define CONTROL_WRITE_TIMEOUT_MS 30000 /* an answer that nobody takes */
#define CONTROL_LINGER_TIMEOUT_MS 2000 /* after the answer, for the client to close */
#define CONTROL_QUEUE_BYTES_MAX (1u << 20)
#define CONTROL_ANSWER_BYTES_MAX (64u << 20)
#define CONTROL_CHUNK_BYTES 65536 /* of a stream, about */

/* An answer that is made while it is read. */
struct control_stream {
    /* Append the next piece. @return 1 there is more, 0 that was the last, -errno */
    int (*next)(struct control_stream *stream, struct buf *buf);
    void (*free)(struct control_stream *stream);
};

struct control_reply {
    enum control_code code;
    char message[CONTROL_MESSAGE_MAX];
    struct buf result;             /* JSON value, when there is no stream */
    struct control_stream *stream; /* whole lines; taken over */
    bool follow;                   /* after the stream: gets what is broadcast */
};

struct control_counters {
    uint64_t requests, refused;
    uint64_t followers, flows_dropped; /* followers: at present */
};

struct control;
typedef void control_run_fn(const struct control_request *request, struct control_reply *reply,
                            void *context);
/* A refusal or a broken client, for the log. */
typedef void control_news_fn(const char *event, const struct control_peer *peer, const char *detail,
                             void *context);

struct control_setup {
    const char *path;
    const char *group; /* may read; NULL: the daemon's own */
    control_run_fn *run;
    control_news_fn *news;
    void *context;
};

/*
 * Make the socket (directories 0755, socket 0660) and listen. A socket of an ended daemon is
 * replaced.
 * @return 0; -EADDRINUSE: a daemon answers there; -ENAMETOOLONG; -errno
 */
int control_new(uv_loop_t *loop, const struct control_setup *setup, struct control **ret);
/* Starts closing everything and removes the socket; memory goes when the loop has run on. */
void control_close(struct control **control);

bool control_has_followers(const struct control *control);
/*
 * Send a line to every follower. One whose queue is full does not get it: `n_flows` is counted for
 * it and told to it in a line of its own ({"ok":true,"result":[],"dropped":N}) once it reads again.
 */
void control_broadcast(struct control *control, const char *line, size_t len, uint64_t n_flows);
void control_counters(const struct control *control, struct control_counters *ret);
