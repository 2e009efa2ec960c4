/* SPDX-License-Identifier: Apache-2.0 */

/* The enforced cgroup itself: one daemon has it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

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

/* A link of a cgroup that was removed says 0, one of an earlier cgroup of this path another id. */
bool root_holds(const struct datapath *dp, const struct bpf_link *link)
{
    struct bpf_link_info info = {0};
    __u32 len = sizeof(info);

    return bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &len) == 0 &&
           info.cgroup.cgroup_id != 0 && info.cgroup.cgroup_id == cgroup_id_of(dp->cgroup_path);
}

bool datapath_stale(const struct datapath *dp)
{
    struct stat st;

    return fstat(dp->cgroup_fd, &st) < 0 || st.st_ino != cgroup_id_of(dp->cgroup_path);
}
