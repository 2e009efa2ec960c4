/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The order of things at the start, and the other way round at the end:
 *
 *   lock of the data directory → CA and keys → database loaded into memory → the CA is the one of
 *   this database → observers (auth, render, push, events) → first start → listen → ready
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "console/api.h"
#include "console/compaction.h"
#include "console/console.h"
#include "console/events.h"
#include "console/hooks_auth.h"
#include "console/orphans.h"
#include "console/push.h"
#include "console/render.h"
#include "console/slices.h"
#include "console/trust.h"
#include "link/link.h"

#define PROBLEM_BYTES_MAX 4096
#define HOSTS_MAX 8
#define HOST_BYTES_MAX 256
#define TIMER_MS (60 * 60 * 1000)
#define CA_SETTING "ca.fingerprint"

static int fail(const char *message)
{
    fprintf(stderr, "bulkhead-console: %s\n", message);
    return -EIO;
}

static int fail_problem(const struct buf *problem, int r)
{
    return fail(problem->data && *problem->data ? problem->data : error_text(r));
}

/* ---- Data directory ------------------------------------------------------------------------ */

static int take_lock(struct console *console)
{
    _cleanup_free_
    char *path = console_path(console->options, "lock");
    char message[1024];
    int r = dir_make(console->options->data, 0700);

    if (!path)
        return fail(error_text(ENOMEM));
    if (r < 0) {
        snprintf(message, sizeof(message), "%s: %s", console->options->data, error_text(r));
        return fail(message);
    }
    console->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (console->lock >= 0 && flock(console->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        snprintf(message, sizeof(message),
                 "another bulkhead-console runs with %s; stop it first, or give this one a "
                 "directory of its own with --data",
                 console->options->data);
    else
        snprintf(message, sizeof(message), "%s: %s", path, error_text(errno));
    return fail(message);
}

/* ---- Names of this host ---------------------------------------------------------------------- */

struct hosts {
    char text[HOSTS_MAX][HOST_BYTES_MAX];
    const char *list[HOSTS_MAX + 1];
    size_t n;
};

static void add_host(struct hosts *hosts, const char *text, size_t len)
{
    if (len == 0 || len >= HOST_BYTES_MAX || hosts->n == HOSTS_MAX)
        return;
    for (size_t i = 0; i < hosts->n; i++)
        if (strlen(hosts->text[i]) == len && memcmp(hosts->text[i], text, len) == 0)
            return;
    memcpy(hosts->text[hosts->n], text, len);
    hosts->text[hosts->n][len] = '\0';
    hosts->list[hosts->n] = hosts->text[hosts->n];
    hosts->list[++hosts->n] = NULL;
}

/* The host of "host:port", "[address]:port" or "https://host:port/". */
static void add_host_of(struct hosts *hosts, const char *text)
{
    size_t len;

    if (strncmp(text, "https://", 8) == 0)
        text += 8;
    if (*text == '[') {
        text++;
        len = strcspn(text, "]");
    } else {
        len = strcspn(text, ":/");
    }
    if (strncmp(text, "::", len) != 0 && strncmp(text, "0.0.0.0", len) != 0)
        add_host(hosts, text, len);
}

static void find_hosts(const struct console_options *options, struct hosts *hosts)
{
    char name[HOST_BYTES_MAX] = "";

    *hosts = (struct hosts){0};
    if (options->public_url)
        add_host_of(hosts, options->public_url);
    add_host_of(hosts, options->listen);
    if (gethostname(name, sizeof(name) - 1) == 0)
        add_host(hosts, name, strlen(name));
    add_host(hosts, "localhost", 9);
    add_host(hosts, "127.0.0.1", 9);
    add_host(hosts, "::1", 3);
}

static int make_public_url(struct console *console, const struct hosts *hosts)
{
    const char *url = console->options->public_url;
    bool is_v6;

    if (url)
        console->public_url = strdup(url);
    else {
        is_v6 = strchr(hosts->list[0], ':') != NULL;
        if (asprintf(&console->public_url, "https://%s%s%s:%d", is_v6 ? "[" : "", hosts->list[0],
                     is_v6 ? "]" : "", http_server_port(console->http)) < 0)
            console->public_url = NULL;
    }
    return console->public_url ? 0 : fail(error_text(ENOMEM));
}

/* ---- Parts ----------------------------------------------------------------------------------- */

static int open_database(struct console *console)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    _cleanup_free_
    char *backups = console_path(console->options, "backups");
    const struct store_options options = {.create = true, .backup_directory = backups};
    int64_t started_ms = console_now_ms();
    int r = backups ? dir_make(backups, 0700) : -ENOMEM;

    if (r == 0)
        r = objects_new(&console->objects);
    if (r == 0)
        r = commit_new(&console->loop, console->options->database, &options, console->objects,
                       &problem, &console->commit);
    if (r < 0)
        return fail_problem(&problem, r);
    commit_objects_max_set(console->commit, console->options->objects_max
                                                ? console->options->objects_max
                                                : CONSOLE_OBJECTS_LIMIT);
    log_event(LOG_LEVEL_INFO, "database.loaded",
              LOG_F("revision", "%llu", (unsigned long long)objects_revision(console->objects)),
              LOG_F("ms", "%lld", (long long)(console_now_ms() - started_ms)));
    return 0;
}

/* Consoles of one database share one CA: with another one each would refuse the other's clients. */
static int check_ca(struct console *console)
{
    const char *fingerprint = trust_ca_fingerprint(console->trust);
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX), known = BUF_INIT(256);
    const struct store_options options = {0};
    _cleanup_store_ struct store *store = NULL;
    char message[1024];
    int r;

    r = store_open(console->options->database, &options, &problem, &store);
    if (r < 0)
        return fail_problem(&problem, r);
    r = store_setting_put(store, CA_SETTING, fingerprint, true);
    if (r == -EEXIST)
        r = store_setting_get(store, CA_SETTING, &known);
    if (r < 0)
        return fail(store_problem(store));
    if (!known.data || strcmp(known.data, fingerprint) == 0)
        return 0;
    snprintf(message, sizeof(message),
             "%s/ca.crt is not the CA of this database (%.16s…, expected %.16s…): copy ca.crt and "
             "ca.key from the Console that made it, or from its backup",
             console->options->data, fingerprint, known.data);
    return fail(message);
}

static int open_trust(struct console *console, const struct hosts *hosts)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    const char *const *names = console->options->certificate ? NULL : hosts->list;
    int r = trust_open(console->options->data, names, &problem, &console->trust);

    return r < 0 ? fail_problem(&problem, r) : 0;
}

static int make_parts(struct console *console)
{
    int r;

    r = limits_new(&console->options->limits, &console->limits);
    if (r == 0)
        r = slices_new(&console->loop, &console->slices);
    if (r == 0)
        r = auth_new(console, &console->auth);
    if (r == 0)
        r = push_new(console, &console->push);
    if (r == 0)
        console->render = push_render(console->push);
    if (r == 0)
        r = events_new(console, &console->events);
    if (r == 0)
        r = api_new(console, &console->api);
    if (r == 0)
        r = api_register_all(console);
    if (r == 0)
        r = auth_start(console->auth);
    if (r == 0)
        r = push_start(console->push);
    if (r == 0)
        r = orphans_new(console, &console->orphans);
    if (r == 0)
        r = compaction_new(console, &console->compaction);
    return r < 0 ? fail(error_text(r)) : 0;
}

static int upgrade(void *context, const struct http_request *request, const char *subprotocol,
                   struct http_socket *socket, void **ret_session,
                   const struct http_socket_events **ret_events)
{
    struct console *console = context;

    if (strcmp(request->path, "/events") == 0)
        return events_upgrade(console->events, request, socket, ret_session, ret_events);
    if (strcmp(request->path, LINK_PATH) == 0 && !subprotocol) {
        http_socket_explain(socket,
                            "this Console (version %s) speaks %s: use an Enforcer that does",
                            BULKHEAD_VERSION, LINK_PROTOCOL);
        log_event(LOG_LEVEL_WARN, "enforcer.refused", LOG_F("client", "%s", request->client),
                  LOG_F("reason", "no common version of the protocol"));
        return 426;
    }
    if (strcmp(request->path, LINK_PATH) == 0)
        return push_upgrade(console->push, request, socket, ret_session, ret_events);
    return 404;
}

static int listen_now(struct console *console)
{
    static const char *const subprotocols[] = {LINK_PROTOCOL, NULL};
    const struct console_options *options = console->options;
    _cleanup_free_
    char *certificate = console_path(options, "server.crt");
    _cleanup_free_
    char *key = console_path(options, "server.key");
    const struct http_config config = {
        .listen = options->listen,
        .certificate_file = options->certificate ? options->certificate : certificate,
        .key_file = options->key ? options->key : key,
        .client_ca_pem = trust_ca_pem(console->trust),
        .subprotocols = subprotocols,
    };
    const struct http_handlers handlers = {
        .request = api_request,
        .upgrade = upgrade,
        .context = console,
    };
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    int r;

    if (!certificate || !key)
        return fail(error_text(ENOMEM));
    r = http_server_new(&console->loop, &config, &handlers, &problem, &console->http);
    return r < 0 ? fail_problem(&problem, r) : 0;
}

/* ---- Signals and timer ----------------------------------------------------------------------- */

static void reload_certificate(struct console *console)
{
    const struct console_options *options = console->options;
    _cleanup_free_
    char *certificate = console_path(options, "server.crt");
    _cleanup_free_
    char *key = console_path(options, "server.key");
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    int r;

    if (!certificate || !key)
        return;
    console_notify("RELOADING=1");
    r = http_server_certificate_set(console->http,
                                    options->certificate ? options->certificate : certificate,
                                    options->key ? options->key : key, &problem);
    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "certificate.refused",
                  LOG_F("problem", "%s", problem.data ? problem.data : error_text(r)));
    else
        log_event(LOG_LEVEL_INFO, "certificate.reloaded", LOG_F("listen", "%s", options->listen));
    console_notify("READY=1");
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct console *console = handle->data;

    if (signal == SIGHUP) {
        reload_certificate(console);
        return;
    }
    console->stopping = true;
    uv_stop(&console->loop);
}

static void renew_certificate(struct console *console)
{
    const struct trust *trust = console->trust;
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    bool is_new = false;
    int r = trust_server_renew(console->trust, console_now_ms(), &is_new);

    if (r == 0 && is_new)
        r = http_server_certificate_set(console->http, trust_server_certificate_file(trust),
                                        trust_server_key_file(trust), &problem);
    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "certificate.renewal", LOG_F("error", "%s", error_text(r)),
                  LOG_F("problem", "%s", problem.data ? problem.data : ""));
}

static void on_timer(uv_timer_t *timer)
{
    struct console *console = timer->data;
    int r = auth_rotate(console->auth);

    if (r < 0)
        log_event(LOG_LEVEL_ERROR, "signing_key.rotation", LOG_F("error", "%s", error_text(r)));
    renew_certificate(console);
}

static int watch(struct console *console)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    int r = 0;

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++) {
        r = uv_signal_init(&console->loop, &console->signals[i]);
        console->signals[i].data = console;
        if (r == 0)
            r = uv_signal_start(&console->signals[i], on_signal, signals[i]);
    }
    if (r == 0)
        r = uv_timer_init(&console->loop, &console->timer);
    console->timer.data = console;
    if (r == 0)
        r = uv_timer_start(&console->timer, on_timer, TIMER_MS, TIMER_MS);
    return r < 0 ? fail(uv_strerror(r)) : 0;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int start(struct console *console)
{
    struct hosts hosts;
    int r;

    find_hosts(console->options, &hosts);
    r = take_lock(console);
    if (r == 0)
        r = watch(console);
    if (r == 0)
        r = open_trust(console, &hosts);
    if (r == 0)
        r = open_database(console);
    if (r == 0)
        r = check_ca(console);
    if (r == 0)
        r = make_parts(console);
    if (r == 0)
        r = listen_now(console);
    if (r == 0)
        r = make_public_url(console, &hosts);
    if (r == 0)
        r = console_bootstrap(console);
    if (r == 0)
        accounts_seal(console);
    return r;
}

static void close_one(uv_handle_t *handle, void *context)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Writes that wait are committed and answered first, then connections end. */
static void stop(struct console *console)
{
    console->stopping = true;
    if (console->http)
        http_server_stop(console->http);
    commit_free(&console->commit);
    orphans_free(&console->orphans);
    events_free(&console->events);
    http_server_free(&console->http);
    slices_free(&console->slices);
    compaction_free(&console->compaction);
    push_free(&console->push); /* its sessions ended with their connections */
    api_free(&console->api);
    auth_free(&console->auth);
    trust_free(&console->trust);
    objects_free(&console->objects);
    limits_free(&console->limits);
    free(console->public_url);
    for (int i = 0; i < 100 && uv_run(&console->loop, UV_RUN_NOWAIT); i++)
        ;
    uv_walk(&console->loop, close_one, NULL);
    uv_run(&console->loop, UV_RUN_DEFAULT);
    uv_loop_close(&console->loop);
    close_fd(&console->lock);
}

int console_serve(const struct console_options *options)
{
    struct console *console = calloc(1, sizeof(*console));
    int r;

    if (!console || uv_loop_init(&console->loop) < 0) {
        free(console);
        fail(error_text(ENOMEM));
        return 1;
    }
    console->options = options;
    console->lock = -1;
    r = start(console);
    if (r == 0) {
        log_event(LOG_LEVEL_INFO, "console.ready", LOG_F("url", "%s", console->public_url),
                  LOG_F("port", "%d", http_server_port(console->http)),
                  LOG_F("version", "%s", BULKHEAD_VERSION));
        console_notify("READY=1");
        uv_run(&console->loop, UV_RUN_DEFAULT);
        console_notify("STOPPING=1");
        log_event(
            LOG_LEVEL_INFO, "console.stopping",
            LOG_F("revision", "%llu", (unsigned long long)objects_revision(console->objects)));
    }
    stop(console);
    free(console);
    return r < 0 ? 1 : 0;
}
