/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * bulkhead-console: one process, one libuv loop in one thread, and threads for the database.
 *
 *   http.h     libwebsockets, TLS, limits          objects.h  everything in memory
 *   api.h      routes, hooks, encodings            commit.h   the way to the store and back
 *   auth.h     who and whether                     trust.h    CA, certificates, tokens
 *   render.h   (namespace, tags) → rulesets        push.h     Enforcer sessions over link/
 *   events.h   /events for people and tools
 */

#include "console/loop.h"

#include <stdbool.h>

#include "base/buf.h"

struct console {
    uv_loop_t loop;
    const struct console_options *options;
    struct objects *objects;
    struct commit *commit;
    struct trust *trust;
    struct auth *auth;
    struct api *api;
    struct render *render;
    struct push *push;
    struct events *events;
    struct http_server *http;
    bool stopping;
};

struct console_options {
    const char *data;     /* directory, 0700 */
    const char *database; /* SQLite path or postgresql:// URI */
    const char *listen;
    const char *certificate, *key; /* NULL: made by our own CA */
    const char *public_url;        /* what goes into credentials; NULL: from listen and host name */
};

/* The whole program: serve, backup, restore, compact, check. @return exit status 0, 1, 2 */
int console_main(int argc, char **argv);

int64_t console_now_ms(void); /* wall clock */
