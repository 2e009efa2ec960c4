/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Load on a Console from one process: thousands of simulated Enforcers over TLS with certificates
 * of their own, and HTTP requests over kept connections. One epoll loop in one thread.
 *
 *   stream.c    one TLS connection        registry.c  keys and certificates, kept in a directory
 *   socket.c    WebSocket on a stream     sim.c       one simulated Enforcer
 *   http.c      requests                  watch.c     who has got what, and when
 *   command.c   what a driver asks for, one JSON a line
 */

#include <jansson.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/macros.h"
#include "enforcer/backoff.h"
#include "link/link.h"

#define LOAD_ENFORCERS_MAX 16000
#define LOAD_HTTP_MAX 4096
#define LOAD_UNITS_MAX 64
#define LOAD_REQUESTS_MAX 4000000
#define LOAD_STREAM_BYTES_MAX (64u << 20)
#define LOAD_ID_MAX 32

struct load;
struct stream;

/* `closed` may open the stream again; nothing is freed while events are served. */
struct stream_events {
    void (*opened)(struct stream *stream);
    void (*data)(struct stream *stream);
    void (*closed)(struct stream *stream, const char *why);
};

struct stream {
    struct load *load;
    const struct stream_events *events;
    void *owner;
    SSL *ssl;
    int fd;                        /* -1: closed */
    bool reached, open, wants_out; /* TCP, then TLS */
    struct buf in, out;
};

int stream_open(struct stream *stream, X509 *certificate, EVP_PKEY *key);
void stream_send(struct stream *stream, const void *data, size_t len);
void stream_close(struct stream *stream, const char *why);
void stream_event(struct stream *stream, uint32_t events);

/* WebSocket, client side, on an open stream. */
void socket_ask(struct stream *stream, const char *path, const char *protocol);
void socket_send(struct stream *stream, uint8_t opcode, const void *data, size_t len);
/* What has arrived. `upgraded`: whether the answer to socket_ask() is in. NULL when all is well. */
const char *socket_read(struct stream *stream, bool *upgraded,
                        void (*message)(void *context, const void *data, size_t len),
                        void *context);

struct held { /* an entry that an Enforcer has */
    uint64_t version;
    UT_hash_handle hh;
    char key[];
};

enum sim_state { SIM_OFF, SIM_WAITING, SIM_OPENING, SIM_HELLO, SIM_DELTA, SIM_STEP };

struct sim {
    struct load *load;
    unsigned index;
    char id[LOAD_ID_MAX];
    X509 *certificate;
    EVP_PKEY *key;
    struct stream stream;
    enum sim_state state;
    bool upgraded, step_at_hello, units_sent;
    struct held *held;
    struct link_digest digest;
    uint64_t revision;
    int64_t due_ms;         /* connect, or heartbeat */
    struct backoff backoff; /* the Enforcer's own */
    bool settled;           /* since the mark */
    bool hit;               /* has what the watch looks for, to be acknowledged */
};

/* Since the last mark. */
struct tally {
    int64_t start_us, last_us;
    unsigned settled, step_at_hello, lost, byes[LINK_BYE_REFUSED + 1];
    uint64_t deltas, entries, applied_deltas;
    char problem[256]; /* the last one */
};

struct watch {
    char key[LINK_KEY_MAX + 1]; /* "": nothing is watched */
    int64_t start_us;
    unsigned expected, n, others;
    uint32_t *us; /* latency of each */
};

struct options {
    const char *directory, *ca;
    int port;
    unsigned units, group;
    char *token;
};

struct request {
    struct stream stream;
    struct buf body;
    uint64_t number;
    int64_t start_us;
    bool busy, head, used;
    int status;
    size_t wanted; /* of the body */
};

struct job {
    bool active;
    char *method, *path, *namespace, *body;
    uint64_t next, limit, modulo, done, failed, bytes;
    int64_t start_us, end_us; /* when to stop; 0: at the limit */
    struct request *requests;
    size_t n_requests, n_busy, n_open;
    uint32_t *us;
    size_t n_us;
    int last_status;
    char last_body[512];
    bool keep_ids, registers, changes;
};

struct load {
    int epoll;
    SSL_CTX *tls;
    struct options options;
    struct link_decoder *decoder;
    struct sim *sims;
    unsigned n_sims, n_connecting, concurrency, wanted;
    bool again; /* connect again when a connection is lost */
    uint64_t seed;
    struct tally tally;
    struct watch watch;
    struct job job;
    char (*ids)[LOAD_ID_MAX];
    size_t n_ids, size_ids;
    struct { /* a command that waits */
        json_t *command;
        int64_t deadline_us;
    } pending;
    struct buf line;
    bool ending;
};

int64_t now_us(void);
uint64_t load_random(struct load *load);

/* registry.c */
int registry_read(struct load *load);
int registry_request(struct load *load, unsigned index, char **ret_csr);
int registry_add(struct load *load, unsigned index, const char *id, const char *certificate);

/* sim.c */
extern const struct stream_events sim_events;
void sim_connect(struct sim *sim);
void sim_drop(struct sim *sim);
void sims_tick(struct load *load);
void sim_clear(struct sim *sim);

/* sim_units.c */
void sim_units(struct sim *sim);
void sim_hello(struct sim *sim);

/* watch.c */
void tally_mark(struct load *load);
void tally_settled(struct sim *sim);
void watch_start(struct load *load, const char *key, unsigned expected);
void watch_entry(struct sim *sim, const char *key);
void watch_acked(struct sim *sim);
json_t *latencies(uint32_t *us, size_t n);
json_t *load_state(struct load *load);

/* http.c */
int job_start(struct load *load, const json_t *command);
void job_tick(struct load *load);
json_t *job_result(struct load *load);

/* command.c */
void command_line(struct load *load, const char *line);
void command_tick(struct load *load);
