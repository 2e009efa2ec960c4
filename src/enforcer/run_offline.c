/* SPDX-License-Identifier: Apache-2.0 */
/* check, describe, detach: what is done without a running daemon. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "enforcer/enforcer.h"
#include "enforcer/offline.h"
#include "enforcer/state.h"

static int fail(int exit_code, const char *message)
{
    fprintf(stderr, "bulkhead-enforcer: %s\n", message);
    return exit_code;
}

static int load(const struct options *options, struct diagnostics *diagnostics, struct config **ret)
{
    int r = config_load(options->config, diagnostics, ret);

    if (r == -ENOMEM)
        return fail(ENFORCER_FAILED, error_text(r));
    return r < 0 ? ENFORCER_WRONG_INPUT : 0;
}

int enforcer_check(const struct options *options)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *config = NULL;
    struct check_summary summary;
    int r;

    r = load(options, &diagnostics, &config);
    if (r == 0) {
        int checked = offline_check(config, &diagnostics, &summary);

        if (checked < 0)
            r = checked == -ENOMEM ? ENFORCER_FAILED : ENFORCER_WRONG_INPUT;
    }
    offline_print(&diagnostics);
    if (r != 0)
        return r;
    printf("%s: good: %zu namespaces, %zu external networks, %zu rulesets with %zu rules, "
           "%zu peers, %zu processing units\n",
           options->config, summary.n_namespaces, summary.n_networks, summary.n_rulesets,
           summary.n_rules, summary.n_peers, summary.n_units);
    return fflush(stdout) != 0 ? ENFORCER_FAILED : ENFORCER_DONE;
}

/* Discovered services are part of it, as far as cgroups can be read. */
static int find_units(const struct config *config, struct units *units)
{
    _cleanup_workload_scan_ struct workload_scan scan = {0};
    _cleanup_workload_tree_ struct workload_tree *tree = NULL;
    char mount[WORKLOAD_PATH_MAX], host_name[OFFLINE_HOST_NAME_MAX];
    bool changed;
    size_t left_out;
    int r;

    if (config->discover_systemd) {
        r = workload_cgroup_mount(mount);
        if (r == 0)
            r = workload_tree_new(mount, config->cgroup_root, &tree);
        if (r == 0)
            r = workload_tree_scan(tree, &scan);
        if (r < 0)
            fprintf(stderr, "warning: services are left out: %s\n", error_text(r));
    }
    offline_host_name(host_name);
    return units_update(units, config, host_name, &scan, &changed, &left_out);
}

static int describe(const struct config *config, struct units *units)
{
    _cleanup_free_
    char *text = NULL;
    char message[KEYS_MESSAGE_MAX];
    int r;

    r = find_units(config, units);
    if (r < 0)
        return fail(ENFORCER_FAILED, error_text(r));
    r = offline_describe(config, units, message, &text);
    if (r < 0)
        return fail(r == -EPERM || r == -EINVAL ? ENFORCER_WRONG_INPUT : ENFORCER_FAILED, message);
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? ENFORCER_FAILED : ENFORCER_DONE;
}

int enforcer_describe(const struct options *options)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *config = NULL;
    struct units *units;
    int r;

    r = load(options, &diagnostics, &config);
    offline_print(&diagnostics);
    if (r != 0)
        return r;
    if (!config->key)
        return fail(ENFORCER_WRONG_INPUT,
                    "identity is not set in the configuration: there is nothing to describe");
    units = calloc(1, sizeof(*units));
    if (!units)
        return fail(ENFORCER_FAILED, error_text(-ENOMEM));
    r = describe(config, units);
    units_clear(units);
    free(units);
    return r;
}

static int detach(const struct options *options, const struct config *config)
{
    _cleanup_close_
    int lock = state_lock(options->state);
    char message[DATAPATH_MESSAGE_MAX] = "";
    struct datapath_config datapath;
    int r;

    if (lock == -EBUSY)
        return fail(ENFORCER_FAILED,
                    "the daemon runs; use `bulkhead enforcer disable`, or stop it first");
    if (lock < 0)
        return fail(ENFORCER_FAILED, error_text(lock));
    offline_datapath_config(config, &datapath);
    r = datapath_detach_pinned(&datapath, message);
    if (r < 0)
        return fail(ENFORCER_FAILED, *message ? message : error_text(r));
    printf("nothing is enforced any more\n");
    return fflush(stdout) != 0 ? ENFORCER_FAILED : ENFORCER_DONE;
}

int enforcer_detach(const struct options *options)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *config = NULL;
    int r;

    r = load(options, &diagnostics, &config);
    offline_print(&diagnostics);
    return r != 0 ? r : detach(options, config);
}
