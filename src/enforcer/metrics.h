/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Metrics in the text format of Prometheus (version 0.0.4), and the smallest HTTP server that
 * serves them: GET /metrics, one request a connection.
 */

#include "enforcer/loop.h"

#include "base/buf.h"

#define METRICS_CONNECTIONS_MAX 16
#define METRICS_REQUEST_BYTES_MAX 8192
#define METRICS_TIMEOUT_MS 5000
#define METRICS_BYTES_MAX (1u << 20)

/* bulkhead_<name>_total, with HELP and TYPE */
void metrics_counter(struct buf *buf, const char *name, const char *help, uint64_t value);
/* bulkhead_<name> */
void metrics_gauge(struct buf *buf, const char *name, const char *help, double value);
/* bulkhead_build_info{version="…"} 1 */
void metrics_build_info(struct buf *buf, const char *version);

enum metrics_verdict {
    METRICS_MORE = 0, /* the request is not whole yet */
    METRICS_OK = 200,
    METRICS_BAD = 400,
    METRICS_NOT_FOUND = 404,
    METRICS_METHOD = 405,
    METRICS_TOO_LARGE = 431,
};
/* What to answer to these bytes (RFC 9112); a request body is not read. */
enum metrics_verdict metrics_judge(const char *data, size_t len);

struct metrics_server;
typedef void metrics_collect_fn(struct buf *buf, void *context);
int metrics_server_new(uv_loop_t *loop, const struct sockaddr *address, metrics_collect_fn *collect,
                       void *context, struct metrics_server **ret);
void metrics_server_close(struct metrics_server **server);
