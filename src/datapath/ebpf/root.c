/* SPDX-License-Identifier: Apache-2.0 */

/* The enforced cgroup itself: one daemon has it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "internal.h"

/*
 * One daemon for a cgroup: a second one would take the links over and leave the first believing it
 * enforces. The lock ends with the daemon, however that ends.
 */
int root_take(struct datapath *dp, char message[DATAPATH_MESSAGE_MAX])
{
    int error;

    dp->cgroup_fd = open(dp->cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dp->cgroup_fd < 0)
        return -errno;
    if (flock(dp->cgroup_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    error = errno;
    dp->pin_dir[0] = '\0'; /* not ours: nothing there is cleaned up */
    if (error != EWOULDBLOCK)
        return -error;
    snprintf(message, DATAPATH_MESSAGE_MAX,
             "another bulkhead-enforcer enforces cgroupRoot %.300s; stop it first, or give this "
             "one its own cgroupRoot",
             dp->cgroup_path);
    return -EBUSY;
}
