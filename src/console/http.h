/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The shell around libwebsockets: one listener, TLS with optional client certificates, HTTP/1.1 and
 * WebSocket, one libuv loop, one thread. Knows nothing of objects. Everything a client can make
 * long, large or slow has a limit here; what is over it is answered with an error or cut off, and
 * counted.
 */

#include "console/loop.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

#define HTTP_BODY_BYTES_MAX (16u << 20)
#define HTTP_BODIES_BYTES_MAX (256u << 20) /* of all requests in flight */
#define HTTP_HEADER_BYTES_MAX 16384
#define HTTP_QUERY_MAX 64
#define HTTP_REQUEST_SECONDS 20 /* to send headers and body */
#define HTTP_IDLE_SECONDS 120
#define HTTP_CONNECTIONS_MAX 16000
#define HTTP_SOCKET_QUEUE_BYTES_MAX (4u << 20) /* waiting for one WebSocket client */
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

/* SHA-256 over the DER of a client certificate that chains to a trusted CA. */
struct http_certificate {
    bool present;
    uint8_t sha256[HTTP_CERTIFICATE_HASH_BYTES];
    char *pem;
};

struct http_request {
    enum http_method method;
    char *path; /* decoded, without the query */
    struct http_parameter query[HTTP_QUERY_MAX];
    size_t n_query;
    /* "" when absent */
    char *content_type, *accept, *authorization, *cookie, *namespace /* X-Namespace */,
        *idempotency_key, *tracking_id;
    char **fields; /* X-Fields, one a line; NULL-terminated, or NULL */
    char client[INET6_ADDRSTRLEN];
    struct http_certificate certificate;
    char *body; /* NUL-terminated */
    size_t body_len;
};

struct http_response {
    int status;
    const char *content_type; /* static; NULL without a body */
    struct http_parameter headers[16];
    size_t n_headers;
    struct buf body;
};
void http_response_header(struct http_response *response, const char *name, const char *format, ...)
    _printf_(3, 4);

/* One request on its way. Answer once, now or later, from the loop's thread; if the client has gone
 * meanwhile the answer is thrown away. */
struct http_exchange;
const struct http_request *http_exchange_request(const struct http_exchange *exchange);
void http_answer(struct http_exchange *exchange, struct http_response *response /* consumed */);

/* One WebSocket client. */
struct http_socket;
/* Bytes that several sockets send: encoded once, counted references. */
struct http_payload;
int http_payload_new(const void *data, size_t len, bool text, struct http_payload **ret);
struct http_payload *http_payload_ref(struct http_payload *payload);
void http_payload_unref(struct http_payload **payload);

struct http_socket_events {
    void (*message)(struct http_socket *socket, void *session, const void *data, size_t len,
                    bool text);
    void (*drained)(struct http_socket *socket, void *session); /* queue empty again */
    void (*closed)(struct http_socket *socket, void *session);  /* last call; frees session */
};
/* false: the queue is full; the socket is being closed. */
bool http_socket_send(struct http_socket *socket, struct http_payload *payload);
size_t http_socket_queued_bytes(const struct http_socket *socket);
void http_socket_close(struct http_socket *socket, uint16_t code, const char *reason);

struct http_handlers {
    void (*request)(void *context, struct http_exchange *exchange);
    /*
     * A WebSocket wants in. @return HTTP status 101 with session and events filled in, or the
     * status to refuse it with
     */
    int (*upgrade)(void *context, const struct http_request *request, const char *subprotocol,
                   struct http_socket *socket, void **ret_session,
                   const struct http_socket_events **ret_events);
    void *context;
};

struct http_config {
    const char *listen; /* "[::]:8443", "127.0.0.1:0" */
    const char *certificate_file, *key_file;
    const char *client_ca_pem;       /* what client certificates must chain to */
    const char *const *subprotocols; /* of WebSockets, NULL-terminated */
};

struct http_counters {
    uint64_t connections, connections_refused, requests, bodies_refused, timeouts, sockets,
        sockets_overflowed, tls_failures;
    uint64_t connections_now, bodies_bytes_now;
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
/* Stop listening, answer what is in flight, tell sockets, close. */
void http_server_free(struct http_server **server);
