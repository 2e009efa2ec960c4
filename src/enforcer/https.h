/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every connection to a Console has in common, and whole requests (blocking: call from a
 * thread). libcurl underneath.
 */

#include <curl/curl.h>

#include "base/buf.h"
#include "enforcer/channel.h"

#define HTTPS_ANSWER_BYTES_MAX (4u << 20)
#define HTTPS_REQUEST_MS 30000

/* Once per process, before any thread. */
int https_init(void);
/* A handle for a target: TLS, proxy, time limits. `path` is added to the URL. NULL: no memory */
CURL *https_handle(const struct channel_target *target, const char *path,
                   char error[CURL_ERROR_SIZE]);
/* Why it failed, for people: what to look at. */
void https_explain(CURL *curl, CURLcode code, const char *error, const char *url,
                   struct buf *problem);
/* "host:port" of a URL as the Host header has it. */
int https_host(const char *url, char ret[300]);

struct https_request {
    const struct channel_target *target;
    const char *path;
    const char *token, *namespace; /* NULL: none */
    const char *body;              /* JSON: POST; NULL: GET */
    uint32_t *retry_after_s;       /* NULL, or gets the answer's Retry-After (0: none) */
};
/* @return HTTP status, or -EIO with a problem; -ENOMEM */
int https_run(const struct https_request *request, struct buf *answer, struct buf *problem);
