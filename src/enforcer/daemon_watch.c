/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/daemon.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"

/* ---- Policy and peers
 * --------------------------------------------------------------------------------- */

static void input_settled(uv_timer_t *timer)
{
    struct input_watch *input = timer->data;
    uint64_t now_ms = uv_now(timer->loop);

    if (watch_busy(input->watch) && now_ms - input->waiting_since_ms < DAEMON_WRITER_WAIT_MS) {
        uv_timer_start(timer, input_settled, DAEMON_DEBOUNCE_MS, 0);
        return;
    }
    watch_writers_forget(input->watch);
    input->waiting_since_ms = 0;
    input->changed(input->daemon);
}

/* A burst is joined: the timer runs from its first event. */
static void input_soon(struct input_watch *input)
{
    if (input->waiting_since_ms)
        return;
    uv_update_time(&input->daemon->loop);
    input->waiting_since_ms = MAX(uv_now(&input->daemon->loop), 1);
    uv_timer_start(&input->debounce, input_settled, DAEMON_DEBOUNCE_MS, 0);
}

static void input_ready(uv_poll_t *poll, int status, int events)
{
    struct input_watch *input = poll->data;

    if (watch_read(input->watch) > 0)
        input_soon(input);
}

static void policy_changed(struct daemon *daemon)
{
    daemon_policy_load(daemon);
}

static void peers_changed(struct daemon *daemon)
{
    daemon_peers_load(daemon);
}

static int input_watch(struct input_watch *input, const char *path)
{
    _cleanup_watch_ struct watch *watch = NULL;
    int r;

    poll_close(&input->poll);
    watch_free(&input->watch);
    uv_timer_stop(&input->debounce);
    input->waiting_since_ms = 0;
    if (!path)
        return 0;
    r = watch_new(path, &watch);
    if (r == 0)
        r = poll_new(&input->daemon->loop, watch_fd(watch), input_ready, input, &input->poll);
    if (r == 0)
        input->watch = TAKE_PTR(watch);
    return r;
}

int daemon_inputs_watch(struct daemon *daemon)
{
    int r = input_watch(&daemon->policy_watch, daemon->config->policy);

    return r < 0 ? r : input_watch(&daemon->peers_watch, daemon->config->peers);
}

/* ---- Cgroups and interfaces
 * ------------------------------------------------------------------------------- */

static void tree_settled(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    bool there = daemon_root_check(daemon);

    daemon_units_refresh(daemon);
    if (!there)
        uv_timer_start(timer, tree_settled, DAEMON_ROOT_RETRY_MS, 0);
}

static void tree_ready(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;

    if (workload_tree_read(daemon->tree) > 0 && !uv_is_active((uv_handle_t *)&daemon->tree_timer))
        uv_timer_start(&daemon->tree_timer, tree_settled, DAEMON_TREE_DEBOUNCE_MS, 0);
}

static void sync_interfaces(struct daemon *daemon)
{
    int r = daemon->datapath ? datapath_interfaces_sync(daemon->datapath) : 0;

    if (r < 0)
        log_event(LOG_LEVEL_WARN, "interfaces.failed", LOG_F("error", "%s", error_text(r)));
}

/* What the messages say does not matter: the datapath looks itself. */
static void netlink_ready(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    char buffer[8192];

    for (int i = 0; i < 64; i++) {
        ssize_t n = recv(daemon->netlink, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n < 0 && errno != ENOBUFS && errno != EINTR)
            break;
    }
    sync_interfaces(daemon);
}

static int netlink_open(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    _cleanup_close_
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* ---- Timers
 * ------------------------------------------------------------------------------------------------
 */

static void drain_due(uv_timer_t *timer)
{
    daemon_flows_drain(timer->data);
}

static void report_due(uv_timer_t *timer)
{
    daemon_flows_tell(timer->data, true);
}

/* The safety net under every kind of news. */
static void rescan_due(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;

    tree_settled(&daemon->tree_timer);
    sync_interfaces(daemon);
    if (daemon->policy_watch.watch && watch_place(daemon->policy_watch.watch))
        input_soon(&daemon->policy_watch);
    if (daemon->peers_watch.watch && watch_place(daemon->peers_watch.watch))
        input_soon(&daemon->peers_watch);
}

static void save_due(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    int r;

    if (!daemon->estate)
        return;
    r = names_save(daemon->names, daemon->options->state);
    if (r < 0)
        log_event(LOG_LEVEL_WARN, "names.not_saved", LOG_F("error", "%s", error_text(r)));
    r = inputs_last_policy_save(daemon->options->state, daemon->estate);
    malloc_trim(0);
    warnings_clear(&daemon->warnings, WARNING_STATE);
    if (r == 0)
        return;
    log_event(LOG_LEVEL_WARN, "state.not_saved", LOG_F("error", "%s", error_text(r)));
    warnings_add(&daemon->warnings, WARNING_STATE, "%s/%s cannot be written: %s",
                 daemon->options->state, INPUTS_LAST_POLICY, error_text(r));
}

void daemon_save_later(struct daemon *daemon)
{
    uv_timer_start(&daemon->save_timer, save_due, DAEMON_SAVE_MS, 0);
}

/* ---- Signals
 * -------------------------------------------------------------------------------------------------
 */

static void stop_wanted(uv_signal_t *signal, int number)
{
    struct daemon *daemon = signal->data;

    log_event(LOG_LEVEL_INFO, "daemon.stopping", LOG_F("signal", "%s", strsignal(number)));
    if (uv_is_active((uv_handle_t *)&daemon->save_timer))
        save_due(&daemon->save_timer);
    uv_stop(&daemon->loop);
}

static void reload_wanted(uv_signal_t *signal, int number)
{
    daemon_reload(signal->data);
}

/* ---- All of it
 * -------------------------------------------------------------------------------------------------
 */

static void init_timer(struct daemon *daemon, uv_timer_t *timer, void *data)
{
    uv_timer_init(&daemon->loop, timer); /* cannot fail */
    timer->data = data;
}

void daemon_watch_init(struct daemon *daemon)
{
    init_timer(daemon, &daemon->drain_timer, daemon);
    init_timer(daemon, &daemon->report_timer, daemon);
    init_timer(daemon, &daemon->rescan_timer, daemon);
    init_timer(daemon, &daemon->save_timer, daemon);
    init_timer(daemon, &daemon->tree_timer, daemon);
    init_timer(daemon, &daemon->policy_watch.debounce, &daemon->policy_watch);
    init_timer(daemon, &daemon->peers_watch.debounce, &daemon->peers_watch);
    daemon->policy_watch.daemon = daemon->peers_watch.daemon = daemon;
    daemon->policy_watch.changed = policy_changed;
    daemon->peers_watch.changed = peers_changed;
}

static int start_signal(struct daemon *daemon, uv_signal_t *signal, uv_signal_cb callback,
                        int number)
{
    int r = uv_signal_init(&daemon->loop, signal);

    signal->data = daemon;
    return r < 0 ? r : uv_signal_start(signal, callback, number);
}

int daemon_watch_start(struct daemon *daemon)
{
    int r;

    daemon->netlink = netlink_open();
    if (daemon->netlink < 0)
        return daemon->netlink;
    r = poll_new(&daemon->loop, daemon->netlink, netlink_ready, daemon, &daemon->netlink_poll);
    if (r == 0)
        r = poll_new(&daemon->loop, workload_tree_fd(daemon->tree), tree_ready, daemon,
                     &daemon->tree_poll);
    if (r == 0)
        r = start_signal(daemon, &daemon->term, stop_wanted, SIGTERM);
    if (r == 0)
        r = start_signal(daemon, &daemon->interrupt, stop_wanted, SIGINT);
    if (r == 0)
        r = start_signal(daemon, &daemon->hangup, reload_wanted, SIGHUP);
    if (r < 0)
        return r;
    /* at once: what the datapath put off at its start is done in its first drain */
    uv_timer_start(&daemon->drain_timer, drain_due, 0, DAEMON_DRAIN_MS);
    uv_timer_start(&daemon->rescan_timer, rescan_due, DAEMON_RESCAN_MS, DAEMON_RESCAN_MS);
    daemon_report_start(daemon);
    return 0;
}

void daemon_report_start(struct daemon *daemon)
{
    uv_timer_start(&daemon->report_timer, report_due, daemon->config->flow_report_ms,
                   daemon->config->flow_report_ms);
}

void daemon_watch_stop(struct daemon *daemon)
{
    input_watch(&daemon->policy_watch, NULL);
    input_watch(&daemon->peers_watch, NULL);
    poll_close(&daemon->netlink_poll);
    poll_close(&daemon->tree_poll);
    close_fd(&daemon->netlink);
}
