/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "enforcer/enforcer.h"
#include "enforcer/notify.h"
#include "enforcer/privileges.h"
#include "enforcer/state.h"

#define SOCKET_GROUP "bulkhead"

static int fail(int exit_code, const char *message)
{
    fprintf(stderr, "bulkhead-enforcer: %s\n", message);
    return exit_code;
}

/* ---- Enable, disable
 * --------------------------------------------------------------------------------- */

int daemon_enable(struct daemon *daemon, char message[DATAPATH_MESSAGE_MAX])
{
    int r;

    r = daemon_attach(daemon, message);
    if (r == 0)
        r = daemon_flows_poll(daemon);
    if (r == 0)
        r = daemon_keys_apply(daemon);
    if (r < 0)
        return r;
    if (daemon->estate)
        return daemon_reapply(daemon);
    daemon_policy_fallback(daemon);
    return 0;
}

void daemon_disabled_warn(struct daemon *daemon)
{
    warnings_clear(&daemon->warnings, WARNING_DATAPATH);
    if (!daemon->datapath)
        warnings_add(&daemon->warnings, WARNING_DATAPATH,
                     "enforcement is disabled: nothing is attached; `bulkhead enforcer enable` "
                     "ends this");
}

/* ---- Start
 * --------------------------------------------------------------------------------------------- */

static void unit_forgotten(uint32_t index, void *context)
{
    struct daemon *daemon = context;

    flows_forget_unit(daemon->flows, index);
}

static int daemon_new(const struct options *options, struct daemon **ret)
{
    struct daemon *daemon = calloc(1, sizeof(*daemon));
    int r;

    if (!daemon)
        return -ENOMEM;
    *ret = daemon;
    daemon->options = options;
    daemon->lock = daemon->netlink = -1;
    daemon->started_ns = daemon_now_ns();
    daemon->units.forgotten = unit_forgotten;
    daemon->units.context = daemon;
    r = uv_loop_init(&daemon->loop);
    if (r < 0)
        return r;
    daemon_watch_init(daemon);
    r = flows_new(FLOWS_MAX, &daemon->flows);
    if (r == 0)
        r = names_new(&daemon->names);
    if (r == 0)
        r = flowtext_cache_new(&daemon->cache);
    return r;
}

static int load_config(struct daemon *daemon)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    int r;

    r = config_load(daemon->options->config, &diagnostics, &daemon->config);
    if (r < 0) {
        offline_print(&diagnostics);
        return r == -ENOMEM ? fail(ENFORCER_FAILED, error_text(r)) : ENFORCER_WRONG_INPUT;
    }
    warnings_set(&daemon->warnings, WARNING_CONFIG, &diagnostics);
    log_setup(daemon->config->log_level, daemon->config->log_format);
    offline_host_name(daemon->host_name);
    return 0;
}

static int take_lock(struct daemon *daemon)
{
    char message[1024];

    daemon->lock = state_lock(daemon->options->state);
    if (daemon->lock >= 0)
        return 0;
    if (daemon->lock == -EBUSY)
        snprintf(message, sizeof(message),
                 "another bulkhead-enforcer runs with the state directory %s; stop it first, or "
                 "give this one its own with --state",
                 daemon->options->state);
    else
        snprintf(message, sizeof(message), "%s: cannot be used as state directory: %s",
                 daemon->options->state, error_text(daemon->lock));
    return fail(ENFORCER_FAILED, message);
}

/* Everything that can be found wrong before anything is attached. */
static int look_around(struct daemon *daemon)
{
    char message[DATAPATH_MESSAGE_MAX] = "";
    char text[WORKLOAD_PATH_MAX + 256];
    struct datapath_config config;
    int r;

    daemon_datapath_config(daemon, &config);
    r = datapath_check(&config, message);
    if (r < 0)
        return fail(ENFORCER_FAILED, *message ? message : error_text(r));
    r = workload_cgroup_mount(daemon->cgroup_mount);
    if (r < 0)
        return fail(ENFORCER_FAILED,
                    "cgroup v2 is not mounted; mend it with: mount -t cgroup2 none /sys/fs/cgroup");
    r = workload_tree_new(daemon->cgroup_mount, daemon->config->cgroup_root, &daemon->tree);
    if (r < 0)
        return fail(ENFORCER_FAILED, error_text(r));
    r = daemon_units_refresh(daemon);
    if (r < 0) {
        snprintf(text, sizeof(text), "cgroupRoot %s (%s%s): %s", daemon->config->cgroup_root,
                 daemon->cgroup_mount, daemon->config->cgroup_root, error_text(r));
        return fail(ENFORCER_FAILED, text);
    }
    return 0;
}

static int load_key(struct daemon *daemon)
{
    uint8_t private_key[WIRE_KEY_BYTES];
    char message[KEYS_MESSAGE_MAX];
    int r;

    if (!daemon->config->key)
        return 0;
    r = keys_load_or_make(daemon->config->key, private_key, message);
    if (r == 0) {
        r = wire_public_key(private_key, daemon->public_key);
        keys_wipe(private_key);
        snprintf(message, sizeof(message), "%s", error_text(r));
    }
    return r < 0 ? fail(ENFORCER_WRONG_INPUT, message) : 0;
}

/* ---- Servers
 * -------------------------------------------------------------------------------------------- */

static void control_news(const char *event, const struct control_peer *peer, const char *detail,
                         void *context)
{
    log_event(LOG_LEVEL_WARN, "control.client", LOG_F("what", "%s", event),
              LOG_F("uid", "%u", (unsigned)peer->uid), LOG_F("pid", "%d", (int)peer->pid),
              LOG_F("detail", "%s", detail));
}

static int start_control(struct daemon *daemon)
{
    const struct control_setup setup = {
        .path = daemon->options->socket,
        .group = SOCKET_GROUP,
        .run = commands_run,
        .news = control_news,
        .context = daemon,
    };
    char message[512];
    int r;

    r = control_new(&daemon->loop, &setup, &daemon->control);
    if (r < 0) {
        snprintf(message, sizeof(message), "control socket %.200s: %s", daemon->options->socket,
                 r == -EADDRINUSE ? "a daemon answers there; stop it first" : error_text(r));
        return fail(ENFORCER_FAILED, message);
    }
    return 0;
}

/*
 * After the datapath: a listener that is older than it costs more on kernels before 6.11
 * (src/datapath/ebpf/listeners.c), and this would be one at every boot.
 */
static int start_metrics(struct daemon *daemon)
{
    char message[512], endpoint[ENDPOINT_TEXT_MAX];
    int r;

    if (!daemon->config->metrics_enabled)
        return 0;
    r = metrics_server_new(&daemon->loop, (const struct sockaddr *)&daemon->config->metrics,
                           daemon_metrics_collect, daemon, &daemon->metrics);
    if (r < 0) {
        snprintf(message, sizeof(message), "metrics on %s: %s",
                 endpoint_format(&daemon->config->metrics, endpoint), error_text(r));
        /* nothing was enforced before this start: nor shall it be after */
        if (daemon->datapath && daemon->force == FORCE_FALLBACK)
            daemon_detach(daemon);
        return fail(ENFORCER_FAILED, message);
    }
    return 0;
}

/* ---- The order of things
 * ------------------------------------------------------------------------------------ */

static int attach(struct daemon *daemon)
{
    char message[DATAPATH_MESSAGE_MAX] = "";
    int r;

    if (state_is_disabled(daemon->options->state)) {
        daemon_disabled_warn(daemon);
        log_event(LOG_LEVEL_WARN, "enforcement.disabled",
                  LOG_F("state", "%s", daemon->options->state));
        return 0;
    }
    r = daemon_attach(daemon, message);
    if (r == 0)
        r = daemon_flows_poll(daemon);
    if (r == 0)
        r = daemon_keys_apply(daemon);
    return r < 0 ? fail(ENFORCER_FAILED, *message ? message : error_text(r)) : 0;
}

static void first_policy(struct daemon *daemon)
{
    daemon->ready = true; /* what daemon_policy_load tells the service manager is READY */
    if ((daemon->remote ? remote_first_policy(daemon->remote) : daemon_policy_load(daemon)) < 0)
        daemon_policy_fallback(daemon);
    notify_send("READY=1");
    log_event(LOG_LEVEL_INFO, "daemon.ready", LOG_F("units", "%zu", daemon->units.n),
              LOG_F("revision", "%u", daemon->policy_revision),
              LOG_F("milliseconds", "%" PRIu64, (daemon_now_ns() - daemon->started_ns) / 1000000));
    malloc_trim(0);
}

static int start_remote(struct daemon *daemon)
{
    int r;

    if (daemon->config->mode != MODE_CONSOLE)
        return 0;
    r = remote_new(daemon, &daemon->remote);
    if (r < 0)
        return fail(r == -EPERM || r == -EINVAL ? ENFORCER_WRONG_INPUT : ENFORCER_FAILED,
                    error_text(r));
    daemon_units_console(daemon);
    return 0;
}

static int start(struct daemon *daemon)
{
    int r;

    r = load_config(daemon);
    if (r == 0)
        r = take_lock(daemon);
    if (r == 0)
        r = start_remote(daemon);
    if (r == 0)
        r = look_around(daemon);
    if (r == 0)
        r = load_key(daemon);
    if (r == 0)
        r = start_control(daemon);
    if (r != 0)
        return r;
    if (!daemon->remote)
        daemon_peers_load(daemon); /* without: no proof from others, which status says */
    if (daemon_watch_start(daemon) < 0 || daemon_inputs_watch(daemon) < 0)
        return fail(ENFORCER_FAILED, "inotify or netlink cannot be used");
    r = attach(daemon);
    if (r == 0)
        r = start_metrics(daemon);
    if (r != 0)
        return r;
    first_policy(daemon);
    if (daemon->remote)
        remote_start(daemon->remote);
    if (privileges_drop() < 0)
        log_event(LOG_LEVEL_WARN, "privileges.kept",
                  LOG_F("error", "capabilities stay as they are"));
    return 0;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL); /* those that need more were closed by their owners */
}

static void daemon_free(struct daemon **at)
{
    struct daemon *daemon = *at;

    if (!daemon)
        return;
    control_close(&daemon->control);
    metrics_server_close(&daemon->metrics);
    daemon_watch_stop(daemon);
    daemon_flows_unpoll(daemon);
    remote_close(daemon->remote);
    uv_walk(&daemon->loop, close_handle, NULL);
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    uv_loop_close(&daemon->loop);
    datapath_free(&daemon->datapath);
    ruling_free(&daemon->ruling);
    estate_free(&daemon->estate);
    directory_free(&daemon->directory);
    remote_free(&daemon->remote);
    daemon->units.forgotten = NULL;
    units_clear(&daemon->units);
    peers_free(&daemon->peers);
    workload_tree_free(&daemon->tree);
    names_free(&daemon->names);
    flows_free(&daemon->flows);
    flowtext_cache_free(&daemon->cache);
    warnings_free(&daemon->warnings);
    config_free(&daemon->config);
    close_fd(&daemon->lock);
    free(daemon);
    *at = NULL;
}

int enforcer_run(const struct options *options)
{
    struct daemon *daemon = NULL;
    int r;

    signal(SIGPIPE, SIG_IGN);
    r = daemon_new(options, &daemon);
    if (r < 0)
        r = fail(ENFORCER_FAILED, error_text(r));
    else
        r = start(daemon);
    if (r == 0) {
        uv_run(&daemon->loop, UV_RUN_DEFAULT);
        notify_send("STOPPING=1\nSTATUS=enforcement goes on in the kernel");
        daemon_flows_drain(daemon);
    }
    daemon_free(&daemon);
    return r;
}
