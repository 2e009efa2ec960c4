/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/daemon.h"

#include <string.h>

#include "base/error.h"

/*
 * Networks, interfaces and the host unit are given to the datapath when it is opened. Opening again
 * adopts the pins, so enforcement does not pause.
 */
int daemon_datapath_reopen(struct daemon *daemon)
{
    char message[DATAPATH_MESSAGE_MAX] = "";
    int r;

    daemon_flows_drain(daemon);
    daemon_flows_unpoll(daemon);
    datapath_free(&daemon->datapath);
    r = daemon_attach(daemon, message);
    if (r == 0)
        r = daemon_flows_poll(daemon);
    if (r == 0)
        r = daemon_keys_apply(daemon);
    if (r == 0)
        return daemon_reapply(daemon);
    log_event(LOG_LEVEL_ERROR, "datapath.not_reopened", LOG_F("error", "%s", error_text(r)),
              LOG_F("message", "%s", message));
    warnings_add(&daemon->warnings, WARNING_DATAPATH,
                 "the datapath could not be opened anew, what was in force goes on: %s", message);
    return r;
}

/* All or nothing: with a key that needs a restart nothing of the file counts before one. */
static bool needs_restart(struct daemon *daemon, struct config *config)
{
    const char *names[CONFIG_FIXED_MAX];

    if (config->mode == MODE_CONSOLE) /* the Console says it */
        config->enforcer_id = daemon->config->enforcer_id;
    config_fixed_differences(daemon->config, config, names);
    for (size_t i = 0; names[i]; i++) {
        log_event(LOG_LEVEL_WARN, "config.needs_restart", LOG_F("key", "%s", names[i]));
        warnings_add(&daemon->warnings, WARNING_CONFIG,
                     "%s: %s has changed: the file counts after a restart", config->file, names[i]);
    }
    return names[0] != NULL;
}

static void take_over(struct daemon *daemon, struct config *config)
{
    struct config *old = daemon->config;
    bool datapath_differs = config_datapath_differs(old, config);

    daemon->config = config;
    if (strcmp(old->namespace, config->namespace) != 0) /* the same files mean something else */
        memset(daemon->policy_digest, 0, sizeof(daemon->policy_digest));
    log_setup(config->log_level, config->log_format);
    daemon_report_start(daemon);
    if (daemon_inputs_watch(daemon) < 0)
        warnings_add(&daemon->warnings, WARNING_CONFIG,
                     "policy and peers cannot be watched: changes need SIGHUP");
    if (datapath_differs && daemon->datapath)
        daemon_datapath_reopen(daemon);
    config_free(&old);
}

static void read_config(struct daemon *daemon)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct config *config;
    int r;

    r = config_load(daemon->options->config, &diagnostics, &config);
    warnings_set(&daemon->warnings, WARNING_CONFIG, &diagnostics);
    for (size_t i = 0; i < diagnostics.n; i++) {
        _cleanup_free_
        char *text = diagnostic_format(&diagnostics.items[i]);

        if (text)
            log_event(LOG_LEVEL_WARN, "config.problem", LOG_F("problem", "%s", text));
    }
    if (r < 0) {
        log_event(LOG_LEVEL_ERROR, "config.refused", LOG_F("error", "%s", error_text(r)));
        return;
    }
    if (needs_restart(daemon, config))
        config_free(&config);
    else
        take_over(daemon, config);
}

void daemon_reload(struct daemon *daemon)
{
    log_event(LOG_LEVEL_INFO, "daemon.reload", LOG_F("config", "%s", daemon->options->config));
    read_config(daemon);
    daemon_units_refresh(daemon);
    if (daemon->remote)
        return; /* policy comes from the Console */
    daemon_peers_load(daemon);
    daemon_policy_load(daemon);
}
