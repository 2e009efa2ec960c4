/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * bulkhead-console: one process, one libuv loop in one thread, and threads for the database.
 *
 *   http.h     libwebsockets, TLS, limits          objects.h  everything in memory
 *   api.h      routes, hooks, encodings            commit.h   the way to the store and back
 *   auth.h     who and whether                     trust.h    CA, certificates, tokens
 *   render.h   (namespace, tags) → rulesets        push.h     Enforcer sessions over link/
 *   events.h   /events for people and tools        limits.h   who may ask for how much
 *   slices.h   what takes long, in slices
 */

#include "console/loop.h"

#include <stdbool.h>

#include "base/buf.h"
#include "console/limits.h"

struct console {
    uv_loop_t loop;
    const struct console_options *options;
    struct limits *limits;
    struct objects *objects;
    struct commit *commit;
    struct trust *trust;
    struct auth *auth;
    struct api *api;
    struct render *render;
    struct push *push;
    struct events *events;
    struct orphans *orphans;
    struct compaction *compaction;
    struct http_server *http;
    struct slices *slices;
    uv_signal_t signals[3];
    uv_timer_t timer;
    int lock;
    char *public_url; /* what goes into credentials; known once it listens */
    bool stopping;
};

struct console_options {
    const char *data;     /* directory, 0700 */
    const char *database; /* SQLite path or postgresql:// URI */
    const char *listen;
    const char *certificate, *key; /* NULL: made by our own CA */
    const char *public_url;        /* what goes into credentials; NULL: from listen and host name */
    const char *log;               /* "debug", "info", "warn", "error", with ",json" */
    const char *file;              /* of backup and restore */
    const char *word, *reason;     /* of maintenance: on, off, status */
    unsigned keep_days, keep_activities, objects_max;
    struct limits_config limits;
};

enum console_command {
    CONSOLE_SERVE,
    CONSOLE_BACKUP,
    CONSOLE_RESTORE,
    CONSOLE_COMPACT,
    CONSOLE_CHECK,
    CONSOLE_MAINTENANCE,
    CONSOLE_VERSION,
    CONSOLE_HELP
};
#define CONSOLE_LISTEN_DEFAULT "[::]:8443"
#define CONSOLE_MESSAGE_MAX 512
#define CONSOLE_REASON_MAX 500
#define CONSOLE_KEEP_DAYS 30
#define CONSOLE_KEEP_ACTIVITIES 5000000
#define CONSOLE_KEEP_DAYS_MAX 99999
#define CONSOLE_KEEP_NUMBER_MAX 1000000000
#define CONSOLE_OBJECTS_MAX 2000000
#define CONSOLE_OBJECTS_LIMIT 18000000 /* some below OBJECTS_MAX: what the Console itself makes */
/* @return 0, or -EINVAL with `message`. *ret_topic: which help, for CONSOLE_HELP */
int console_options_parse(int argc, char *const argv[], enum console_command *ret,
                          enum console_command *ret_topic, struct console_options *ret_options,
                          char message[CONSOLE_MESSAGE_MAX]);
const char *console_help(enum console_command topic);

/* Each returns an exit status. `database` is filled in. */
int console_serve(const struct console_options *options);
int console_backup(const struct console_options *options);
int console_restore(const struct console_options *options);
int console_compact(const struct console_options *options);
int console_check(const struct console_options *options);
int console_maintenance(const struct console_options *options);

/* What an empty database gets at the first start: the root namespace, an administrator. */
int console_bootstrap(struct console *console);
/* DIR/NAME; owned by the caller, NULL on ENOMEM. */
char *console_path(const struct console_options *options, const char *name);
/* "READY=1" and the like to the service manager, when there is one. */
void console_notify(const char *state);

/* The whole program: serve, backup, restore, compact, check. @return exit status 0, 1, 2 */
int console_main(int argc, char **argv);

int64_t console_now_ms(void); /* wall clock */
