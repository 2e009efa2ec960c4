/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/daemon.h"

#include <stdlib.h>

#include "base/error.h"

/* What hangs on the cgroup that is no more decides about nobody: say so, do not look attached. */
static void let_go(struct daemon *daemon)
{
    log_event(LOG_LEVEL_ERROR, "cgroup_root.gone",
              LOG_F("cgroup_root", "%s", daemon->config->cgroup_root));
    if (daemon_detach(daemon) == 0)
        daemon->root_lost = true;
}

/* A part of the way is no way: enabled half, it would not be tried again. */
static void give_up(struct daemon *daemon)
{
    daemon_flows_unpoll(daemon);
    datapath_free(&daemon->datapath);
    daemon->force = FORCE_NOTHING;
}

bool daemon_root_check(struct daemon *daemon)
{
    char message[DATAPATH_MESSAGE_MAX] = "";
    int r;

    if (daemon->datapath && datapath_stale(daemon->datapath))
        let_go(daemon);
    if (!daemon->root_lost)
        return true;
    r = daemon_enable(daemon, message);
    warnings_clear(&daemon->warnings, WARNING_DATAPATH);
    if (r < 0) {
        give_up(daemon);
        warnings_add(&daemon->warnings, WARNING_DATAPATH,
                     "cgroupRoot %s was removed: nothing is enforced until it is there again; %s",
                     daemon->config->cgroup_root, *message ? message : error_text(r));
        return false;
    }
    daemon->root_lost = false;
    log_event(LOG_LEVEL_WARN, "cgroup_root.again",
              LOG_F("cgroup_root", "%s", daemon->config->cgroup_root));
    return true;
}
