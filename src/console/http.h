/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One listener, TLS with optional client certificates, HTTP/1.1 and WebSocket, one libuv loop, one
 * thread. Knows nothing of objects. Everything a client can make long, large or slow has a limit
 * here; what is over it is answered with an error or cut off, and counted. Why this is not
 * libwebsockets: docs/developer/console.md.
 */

#include "console/loop.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define HTTP_BODY_BYTES_MAX (16u << 20)
#define HTTP_BODIES_BYTES_MAX (256u << 20)  /* of all requests in flight */
#define HTTP_ANSWERS_BYTES_MAX (512u << 20) /* of all answers that are not sent yet */
#define HTTP_HEADER_BYTES_MAX 16384         /* request line and headers */
#define HTTP_HEADERS_MAX 100
#define HTTP_FIELDS_MAX 64 /* lines of X-Fields */
#define HTTP_QUERY_MAX 64
#define HTTP_REQUEST_SECONDS 20 /* for TLS; to send headers and body; to read the answer */
#define HTTP_IDLE_SECONDS 120   /* between requests; without a sign of life of a WebSocket */
#define HTTP_CONNECTIONS_MAX 16000
#define HTTP_SOCKET_QUEUE_BYTES_MAX (4u << 20) /* waiting for one WebSocket client */
#define HTTP_SOCKET_MESSAGE_BYTES_MAX (1u << 20)
#define HTTP_SOCKET_FRAGMENTS_MAX 4096 /* of one message */
#define HTTP_SOCKET_CONTROLS_MAX 200   /* pings and pongs in one second */
#define HTTP_STOP_SECONDS 5            /* for what is in flight at the end */
#define HTTP_CERTIFICATE_HASH_BYTES 32

enum http_method {
    HTTP_GET,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_HEAD,
    HTTP_OPTIONS
};

struct http_parameter {
    char *name, *value;
};

/*
 * SHA-256 over the DER of a client certificate that chains to a trusted CA. One that does not is
 * let into TLS, so that the client can be told why: then present is false and problem says what
 * is wrong ("certificate has expired"). "" when no certificate was shown.
 */
struct http_certificate {
    bool present;
    uint8_t sha256[HTTP_CERTIFICATE_HASH_BYTES];
    struct x509_st *x509; /* OpenSSL's, as TLS has checked it */
    const char *problem;
};

/* All text is valid UTF-8 without NUL, and lives as long as the exchange (or the upgrade call). */
struct http_request {
    enum http_method method;
    char *path; /* decoded, without the query; begins with '/' (or is "*" of OPTIONS) */
    struct http_parameter query[HTTP_QUERY_MAX]; /* decoded, '+' is a space */
    size_t n_query;
    /* "" when absent */
    char *content_type, *accept, *authorization, *cookie, *namespace /* X-Namespace */,
        *idempotency_key, *tracking_id, *host, *origin;
    char **fields;                 /* X-Fields, one a line; NULL-terminated, or NULL */
    char client[INET6_ADDRSTRLEN]; /* IPv4 without ::ffff: */
    struct http_certificate certificate;
    char *body; /* NUL-terminated */
    size_t body_len;
};

#define HTTP_RESPONSE_HEADERS_MAX 16
#define HTTP_RESPONSE_HEADER_BYTES_MAX 32768 /* of one value */
struct http_response {
    int status;
    const char *content_type; /* static; NULL without a body */
    struct http_parameter headers[HTTP_RESPONSE_HEADERS_MAX];
    size_t n_headers;
    struct buf body;
};
/* Control characters in the value become spaces. Cache-Control is no-store unless given here. */
void http_response_header(struct http_response *response, const char *name, const char *format, ...)
    _printf_(3, 4);
void http_response_clear(struct http_response *response);

/* One request on its way. Answer once, now or later, from the loop's thread; if the client has gone
 * meanwhile the answer is thrown away. The answer to HEAD is that of GET: its body is measured, not
 * sent. */
struct http_exchange;
const struct http_request *http_exchange_request(const struct http_exchange *exchange);
/* Has the client closed the connection, or its half of it? What takes long is not done then. */
bool http_exchange_gone(const struct http_exchange *exchange);
void http_answer(struct http_exchange *exchange, struct http_response *response /* consumed */);

/* One WebSocket client. */
struct http_socket;
/* Bytes that several sockets send: encoded once, counted references. */
struct http_payload;
int http_payload_new(const void *data, size_t len, bool text, struct http_payload **ret);
struct http_payload *http_payload_ref(struct http_payload *payload);
void http_payload_unref(struct http_payload **payload);

/* Never called from within a function of this header. After http_socket_close() and after false
 * from http_socket_send() only `closed` comes. */
struct http_socket_events {
    void (*message)(struct http_socket *socket, void *session, const void *data, size_t len,
                    bool text);
    /* Queue empty again after a send. NULL: not wanted. */
    void (*drained)(struct http_socket *socket, void *session);
    void (*closed)(struct http_socket *socket, void *session); /* last call; frees session */
};
/* false: the queue is full; the socket is being closed. */
bool http_socket_send(struct http_socket *socket, struct http_payload *payload);
size_t http_socket_queued_bytes(const struct http_socket *socket);
/* What is queued is sent first; then the client has a few seconds to close as well. The reason is
 * cut to 123 bytes. */
void http_socket_close(struct http_socket *socket, uint16_t code, const char *reason);
/* In upgrade() only: the description that the refused client reads. */
void http_socket_explain(struct http_socket *socket, const char *format, ...) _printf_(2, 3);

struct http_handlers {
    void (*request)(void *context, struct http_exchange *exchange);
    /*
     * A WebSocket wants in. `subprotocol`: the first of the client's that is in the configuration,
     * or NULL. @return HTTP status 101 with session and events filled in (messages may be sent
     * from here on), or the status to refuse it with
     */
    int (*upgrade)(void *context, const struct http_request *request, const char *subprotocol,
                   struct http_socket *socket, void **ret_session,
                   const struct http_socket_events **ret_events);
    void *context;
};

struct http_config {
    const char *listen; /* "[::]:8443", "127.0.0.1:0" */
    const char *certificate_file, *key_file;
    const char *client_ca_pem;       /* what client certificates must chain to; NULL: nothing */
    const char *const *subprotocols; /* of WebSockets, NULL-terminated */
};

struct http_counters {
    uint64_t connections, connections_refused, requests, requests_refused, bodies_refused,
        answers_refused, timeouts, sockets, sockets_overflowed, sockets_failed, tls_failures;
    uint64_t connections_now, sockets_now, bodies_bytes_now, answers_bytes_now;
};

struct http_server;
int http_server_new(uv_loop_t *loop, const struct http_config *config,
                    const struct http_handlers *handlers, struct buf *problem,
                    struct http_server **ret);
int http_server_port(const struct http_server *server);
/* A renewed server certificate, without dropping connections. */
int http_server_certificate_set(struct http_server *server, const char *certificate_file,
                                const char *key_file, struct buf *problem);
const struct http_counters *http_server_counters(const struct http_server *server);
/* Stop listening, tell sockets (1001), close what is idle. No handler gets a request from here on;
 * what handlers have is still answered. */
void http_server_stop(struct http_server *server);
/*
 * Stop, then run the loop (so not from within one of its callbacks) until all is sent or
 * HTTP_STOP_SECONDS are over. Exchanges that are not answered by then may still be: into the void.
 */
void http_server_free(struct http_server **server);
