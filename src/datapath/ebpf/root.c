/* SPDX-License-Identifier: Apache-2.0 */

/* The enforced cgroup itself: one daemon has it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "internal.h"

#define FILEID_KERNFS 0xfe /* linux/exportfs.h; the handle is the 64-bit id */

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
             "another bulkhead-enforcer enforces cgroupRoot %.300s; stop it first, or use another "
             "cgroupRoot",
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

/* Only what the kernel says is gone is: any other answer, such as a missing right, keeps the pins.
 */
static bool cgroup_gone(int mount_fd, uint64_t id)
{
    struct {
        struct file_handle handle;
        uint64_t id;
    } at = {.handle = {.handle_bytes = sizeof(at.id), .handle_type = FILEID_KERNFS}, .id = id};
    _cleanup_close_
    int fd = open_by_handle_at(mount_fd, &at.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 && errno == ESTALE;
}

void root_pins_sweep(const struct datapath *dp)
{
    const char *own = strrchr(dp->pin_dir, '/');
    int parent_len = own ? (int)(own - dp->pin_dir) : 0;
    char path[PATH_BYTES * 2];
    struct dirent *entry;
    _cleanup_close_
    int mount_fd = open(dp->cgroup_mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t id;
    DIR *dir;
    int end;

    snprintf(path, sizeof(path), "%.*s", parent_len, dp->pin_dir);
    dir = own && mount_fd >= 0 ? opendir(path) : NULL;
    while (dir && (entry = readdir(dir))) {
        end = 0;
        if (sscanf(entry->d_name, "cgroup-%" SCNu64 "%n", &id, &end) != 1 || entry->d_name[end])
            continue;
        if (strcmp(entry->d_name, own + 1) == 0 || !cgroup_gone(mount_fd, id))
            continue;
        snprintf(path, sizeof(path), "%.*s/%s", parent_len, dp->pin_dir, entry->d_name);
        directory_remove(path);
    }
    if (dir)
        closedir(dir);
}
