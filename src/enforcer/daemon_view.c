/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

/* ---- Units as the Console calls them ---------------------------------------------------------
 */

static bool assigned(void *context, const char *local_id, struct unit_assignment *ret)
{
    const struct daemon *daemon = context;
    const struct view_unit *unit = view_unit_find(daemon->remote->view, local_id);

    if (!unit)
        return false;
    *ret = (struct unit_assignment){.id = unit->id,
                                    .namespace = unit->namespace,
                                    .tags = &unit->tags,
                                    .identity = unit->identity};
    return true;
}

static bool ignored(void *context, const struct tag_set *tags)
{
    const struct daemon *daemon = context;
    const struct view *view = daemon->remote->view;

    return view && view->profile.ignore.n && tag_expr_matches(&view->profile.ignore, tags);
}

static const struct unit_services *services(void *context)
{
    const struct daemon *daemon = context;
    const struct view *view = daemon->remote->view;

    return view ? &view->profile.host : NULL;
}

void daemon_units_console(struct daemon *daemon)
{
    daemon->units.console = (struct units_console){
        .assigned = assigned, .ignored = ignored, .services = services, .context = daemon};
}

void remote_units_changed(struct remote *remote)
{
    if (remote->units_told)
        remote_units_tell(remote);
}

void remote_units_warn(struct remote *remote)
{
    const char *problem = remote->view ? remote->view->profile.host_problem : NULL;

    if (problem)
        warnings_add(&remote->daemon->warnings, WARNING_UNITS,
                     "the host services mapped to this Enforcer contradict themselves, the last "
                     "that did not stay: %s",
                     problem);
}

/* ---- Directory ------------------------------------------------------------------------------- */

int daemon_directory_make(struct daemon *daemon, char message[DIRECTORY_MESSAGE_MAX])
{
    const struct view *view = daemon->remote ? daemon->remote->view : NULL;
    struct directory_given given = {0};

    directory_free(&daemon->directory);
    if (!daemon->remote)
        return directory_new(daemon->config->enforcer_id, &daemon->units, daemon->peers, message,
                             &daemon->directory);
    if (view)
        given = (struct directory_given){.identities = view->identities,
                                         .n_identities = view->n_identities,
                                         .hosts = view->hosts,
                                         .n_hosts = view->n_hosts};
    return directory_new_given(daemon->config->enforcer_id, &daemon->units, &given, message,
                               &daemon->directory);
}

size_t remote_peers_count(const struct remote *remote)
{
    const struct view *view = remote->view;
    size_t n = 0;

    for (size_t i = 0; view && i < view->n_hosts; i++)
        n += view->hosts[i]->id != remote->daemon->config->enforcer_id;
    return n;
}

/* ---- The datapath's settings: the profile over the configuration ------------------------------
 */

/* Alone in its cgroup, the daemon can be exempt by it. */
static bool own_cgroup_find(char ret[WORKLOAD_PATH_MAX])
{
    _cleanup_free_
    char *text = NULL, *procs = NULL;
    char path[2 * WORKLOAD_PATH_MAX], mount[WORKLOAD_PATH_MAX];
    size_t len;
    const char *line;

    if (file_read("/proc/self/cgroup", 65536, &text, &len) < 0 ||
        workload_cgroup_mount(mount) < 0 || !(line = strstr(text, "0::/")))
        return false;
    snprintf(ret, WORKLOAD_PATH_MAX, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    snprintf(path, sizeof(path), "%s%s/cgroup.procs", mount, ret);
    if (strcmp(ret, "/") == 0 || file_read(path, 65536, &procs, &len) < 0)
        return false;
    return strtol(procs, NULL, 10) == getpid() && strchr(procs, '\n') &&
           strchr(procs, '\n')[1] == '\0';
}

/* What the start found holds: at a reload the manager's own command may be in there as well. */
static const char *own_cgroup(struct daemon *daemon)
{
    if (!daemon->own_cgroup_looked && !own_cgroup_find(daemon->own_cgroup))
        daemon->own_cgroup[0] = '\0';
    daemon->own_cgroup_looked = true;
    return daemon->own_cgroup[0] ? daemon->own_cgroup : NULL;
}

void daemon_datapath_config(struct daemon *daemon, struct datapath_config *ret)
{
    const struct view *view = daemon->remote ? daemon->remote->view : NULL;
    const struct view_profile *profile = view ? &view->profile : NULL;

    offline_datapath_config(daemon->config, ret);
    if (!daemon->remote)
        return;
    ret->keep_epoch = true;
    ret->own_cgroup = own_cgroup(daemon);
    if (profile) {
        ret->host_enabled |= profile->host.host_mode;
        ret->services = profile->host.n > 0;
    }
    if (profile && (profile->target_networks.n_included || profile->target_networks.n_excluded))
        ret->target_networks = &profile->target_networks;
    if (profile && (profile->excluded_networks.n_included || profile->excluded_networks.n_excluded))
        ret->excluded_networks = &profile->excluded_networks;
    if (profile && profile->excluded_interfaces)
        ret->excluded_interfaces = (const char *const *)profile->excluded_interfaces;
}

void daemon_number_set(struct daemon *daemon, uint32_t number)
{
    daemon->config->enforcer_id = number;
    if (daemon->datapath)
        daemon_datapath_reopen(daemon);
}

/* ---- All of a view ---------------------------------------------------------------------------
 */

static bool profile_changed(const struct view *old, const struct view *view)
{
    static const struct view_profile nothing;

    return !view_profile_equal(old ? &old->profile : &nothing, &view->profile);
}

/* Units and identities as the view in `remote` says, then keys: before the policy that needs them.
 */
static int prepare(struct daemon *daemon)
{
    char message[DIRECTORY_MESSAGE_MAX] = "";
    bool changed = false;
    int r = daemon_units_scan(daemon, &changed);

    if (r == 0)
        r = daemon_directory_make(daemon, message);
    if (r < 0 && *message)
        log_event(LOG_LEVEL_ERROR, "identities.refused", LOG_F("detail", "%.400s", message));
    if (r == 0)
        r = daemon_keys_apply(daemon);
    daemon->counters.unit_changes += changed;
    return r;
}

int daemon_view_put(struct daemon *daemon, struct view *view, uint64_t began_ns)
{
    struct view *old = daemon->remote->view;
    bool reopen = daemon->datapath && profile_changed(old, view);
    int r;

    daemon->remote->view = view;
    r = prepare(daemon);
    if (r == 0)
        r = daemon_put_in_force(daemon, view->estate);
    if (r < 0) {
        daemon->remote->view = old;
        prepare(daemon);
        return r;
    }
    TAKE_PTR(view->estate);
    if (view->profile.version != (old ? old->profile.version : 0))
        remote_units_changed(daemon->remote); /* services, and who is ignored */
    if (reopen)
        daemon_datapath_reopen(daemon);
    daemon_policy_said(daemon, began_ns);
    daemon_manager_tell(daemon);
    return 0;
}

int remote_first_policy(struct remote *remote)
{
    char problem[REMOTE_ERROR_MAX];
    int r = remote->cache_read ? remote_apply(remote, problem) : -ENOENT;

    if (r == 0)
        log_event(LOG_LEVEL_INFO, "policy.from_copy",
                  LOG_F("revision", "%llu", (unsigned long long)remote->revision));
    return r;
}
