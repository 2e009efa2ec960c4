/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of the HTTP shell share.
 *
 * Life of a connection (enum http_state):
 *
 *   TLS ──▶ HEAD ──▶ BODY ──▶ HANDLER ──▶ ANSWER ──▶ HEAD (keep-alive)
 *             │                              └─────▶ CLOSING ──▶ LINGER ──▶ destroyed
 *             └──▶ SOCKET ──────────────────────────────────────▶ LINGER
 *
 * Nothing is destroyed and nothing is written where it is decided: a connection that has something
 * to send, or is doomed, goes onto the server's dirty list, which is worked off before and after
 * the loop waits. So no function of http.h calls back into its caller, and several small messages
 * become one TLS record and one system call.
 */

#include "console/http.h"

#include <openssl/ssl.h>

#include "console/http_chunk.h"
#include "console/http_frame.h"
#include "console/http_head.h"

#define HTTP_RECORD_BYTES_MAX 16384     /* one TLS record: what one SSL_read() can give */
#define HTTP_READS_MAX 4                /* records read from one client before others have a turn */
#define HTTP_WRITE_BYTES_MAX (1u << 20) /* written to one client before others have a turn */
#define HTTP_HANDSHAKE_MS_MAX 20        /* spent on handshakes before others have a turn */
#define HTTP_ACCEPTS_MAX 64             /* connections taken in one turn */
#define HTTP_BACKLOG 4096
#define HTTP_LINGER_SECONDS 2       /* so that the client can read why it is cut off */
#define HTTP_SOCKET_CLOSE_SECONDS 5 /* for the client to answer our close */
#define HTTP_SWEEP_MS 1000
#define HTTP_ANSWER_BYTES_PER_SECOND 65536 /* whoever reads slower is cut off */
#define HTTP_APART_BYTES 65536             /* a body of so much is not copied behind its head */
#define HTTP_PAYLOAD_COST 64       /* of a queue's maximum, for each payload besides its bytes */
#define HTTP_DESCRIPTORS_SPARE 512 /* for everything that is not a client */

enum http_state {
    HTTP_STATE_TLS,
    HTTP_STATE_HEAD,
    HTTP_STATE_BODY,
    HTTP_STATE_HANDLER,
    HTTP_STATE_ANSWER,
    HTTP_STATE_SOCKET,
    HTTP_STATE_CLOSING,
    HTTP_STATE_LINGER,
};

/* Bytes as they go out; of WebSocket messages with the frame header in front. */
struct http_payload {
    unsigned refs;
    size_t len;
    uint8_t *data; /* behind the structure, or `owned` */
    char *owned;
    uint8_t own[];
};

struct http_queue {
    struct http_payload **items;
    size_t head, n, size; /* items[head .. n) wait */
    size_t offset;        /* of the first, already sent */
    size_t bytes;         /* with HTTP_PAYLOAD_COST each */
};

struct http_connection {
    struct http_server *server;
    struct http_connection *next, *prev, *dirty_next;
    uv_poll_t poll;
    SSL *ssl;
    int fd, poll_events;
    enum http_state state;
    bool dirty, doomed, keep_alive, blocked;
    int64_t deadline_ms; /* of the loop's clock; 0: none */
    struct buf in;       /* read, not looked at yet */
    size_t in_searched;
    struct http_exchange *exchange;
    struct http_socket *socket;
    struct http_queue out;
    size_t answer_bytes;
    struct http_certificate certificate;
    bool certificate_known;
    const char *certificate_problem; /* set while TLS checks the chain */
    char client[INET6_ADDRSTRLEN];
};

struct http_exchange {
    struct http_server *server;
    struct http_connection *connection; /* NULL: the client has gone */
    struct http_exchange *next, *prev;
    struct http_head head;
    struct http_chunk chunk;
    struct buf body;
};

struct http_socket {
    struct http_connection *connection;
    void *session;
    const struct http_socket_events *events; /* NULL: not let in (yet) */
    struct http_frames frames;
    struct http_payload *pong, *pong_queued;
    bool close_sent, close_received, sent_anything, pinged;
    unsigned controls;
    int64_t seen_ms, progress_ms;
    struct buf explanation;
};

struct http_server {
    uv_loop_t *loop;
    struct http_handlers handlers;
    char *client_ca_pem;
    char **subprotocols;
    SSL_CTX *tls;
    int fd, port;
    uv_poll_t listener;
    uv_timer_t sweep;
    uv_prepare_t before;
    uv_check_t after;
    bool handles_ready, listening, stopping;
    unsigned handles_open;
    struct http_connection *connections, *dirty, **dirty_end;
    struct http_exchange *exchanges;
    struct http_counters counters;
    uint64_t handshake_ns; /* in this turn of the loop */
    int64_t date_s;
    char date[40];
    uint8_t in[HTTP_RECORD_BYTES_MAX], out[HTTP_RECORD_BYTES_MAX];
};

int64_t http_now_ms(const struct http_server *server); /* of the loop */

/* http_queue.c */
int http_queue_push(struct http_queue *queue, struct http_payload *payload);
void http_queue_sent(struct http_queue *queue, size_t len); /* drop so many bytes at the front */
void http_queue_clear(struct http_queue *queue);
/* What to send next: from the first payload, or several small ones gathered in `scratch`. */
const uint8_t *http_queue_peek(const struct http_queue *queue,
                               uint8_t scratch[HTTP_RECORD_BYTES_MAX], size_t *ret_len);
int http_payload_raw(const void *data, size_t len, const void *more, size_t more_len,
                     struct http_payload **ret);
/* The bytes of a buffer, which is empty afterwards. */
int http_payload_take(struct buf *buf, struct http_payload **ret);
int http_payload_frame(enum http_opcode opcode, const void *data, size_t len,
                       struct http_payload **ret);

/* http_tls.c */
int http_tls_new(const char *certificate_file, const char *key_file, const char *client_ca_pem,
                 struct buf *problem, SSL_CTX **ret);
SSL *http_tls_accept(SSL_CTX *tls, struct http_connection *connection);
/* Fill in connection->certificate. 0, -ENOMEM */
int http_tls_certificate(struct http_connection *connection);

/* http_connection.c */
int http_connection_new(struct http_server *server, int fd, const char *client);
void http_connection_dirty(struct http_connection *connection);
void http_connection_doom(struct http_connection *connection);
void http_connection_timeout(struct http_connection *connection, int64_t now_ms);
int http_connection_send(struct http_connection *connection, struct http_payload *payload);
/* Work the dirty list off. */
void http_connections_flush(struct http_server *server);

/* http_exchange.c */
/* Bytes in connection->in: go on with requests as far as possible. */
void http_exchange_feed(struct http_connection *connection);
/* Refuse what the client sends: answer, then close. */
void http_exchange_refuse(struct http_connection *connection, int status, const char *why);
void http_exchange_free(struct http_exchange **exchange);

/* http_response.c */
const char *http_status_text(int status);
int http_response_payload(struct http_server *server, const struct http_response *response,
                          bool is_head, bool keep_alive, struct http_payload **ret);
void http_response_error(struct http_response *response, int status, const char *description);

/* http_socket.c */
/* Answers the upgrade either way; the exchange is freed. */
void http_socket_upgrade(struct http_connection *connection);
void http_socket_feed(struct http_connection *connection, const uint8_t *data, size_t len);
/* Everything is sent. @return true: the connection is to end now */
bool http_socket_flushed(struct http_socket *socket);
void http_socket_sweep(struct http_socket *socket, int64_t now_ms);
/* Tell the session and free. */
void http_socket_end(struct http_socket **socket);
