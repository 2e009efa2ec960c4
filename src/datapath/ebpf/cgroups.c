/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

#include "bulkhead.skel.h"

#define MOUNTINFO_LINE 4096
#define WALK_DEPTH_MAX 32

/* By type, not by path: on a hybrid host cgroup v2 is at /sys/fs/cgroup/unified. proc(5) mountinfo.
 */
int cgroup_mount_find(char path[PATH_BYTES])
{
    char line[MOUNTINFO_LINE], root[PATH_BYTES], mount[PATH_BYTES];
    FILE *f = fopen("/proc/self/mountinfo", "re");
    int r = -ENOENT;

    if (!f)
        return -errno;
    while (r < 0 && fgets(line, sizeof(line), f)) {
        const char *type = strstr(line, " - ");

        if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
            continue;
        if (sscanf(line, "%*s %*s %*s %511s %511s", root, mount) != 2)
            continue;
        snprintf(path, PATH_BYTES, "%s", mount);
        r = 0;
    }
    fclose(f);
    return r;
}

/* The id is the inode number of the directory on 64-bit kernels (kernel/cgroup/cgroup.c:
 * cgroup_id). */
uint64_t cgroup_id_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    return st.st_ino;
}

static int walked_compare(const void *a, const void *b)
{
    const struct walked_cgroup *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t pu_registered(const struct datapath *dp, uint64_t id)
{
    uint32_t i;

    for (i = 0; i < dp->pus_end; i++)
        if (dp->pus[i].used && dp->pus[i].cgroup_id == id)
            return i;
    return ABI_PU_NONE;
}

static int walk(struct datapath *dp, int dir_fd, uint32_t pu, unsigned depth)
{
    _cleanup_close_
    int own = dir_fd;
    struct dirent *entry;
    struct stat st;
    uint32_t registered;
    DIR *dir;

    if (fstat(own, &st) < 0 || dp->n_walked >= CGROUPS_WALKED_MAX || depth > WALK_DEPTH_MAX)
        return 0;
    registered = pu_registered(dp, st.st_ino);
    if (registered != ABI_PU_NONE)
        pu = registered;
    dp->walked[dp->n_walked++] = (struct walked_cgroup){.id = st.st_ino, .pu = pu};
    dir = fdopendir(dup(own));
    if (!dir)
        return -errno;
    while ((entry = readdir(dir))) {
        int child;

        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        child = openat(own, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (child >= 0)
            walk(dp, child, pu, depth + 1);
    }
    closedir(dir);
    return 0;
}

/* All cgroups below the enforced one with the PU that holds each; kept for one second. */
int cgroups_walk(struct datapath *dp)
{
    struct walked_cgroup *list;
    int fd;

    list = realloc(dp->walked, CGROUPS_WALKED_MAX * sizeof(*list));
    if (!list)
        return -ENOMEM;
    dp->walked = list;
    dp->n_walked = 0;
    fd = open(dp->cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    walk(dp, fd, dp->control.flags & ABI_CONTROL_HOST ? dp->control.host_pu : ABI_PU_NONE, 0);
    qsort(dp->walked, dp->n_walked, sizeof(*dp->walked), walked_compare);
    list = realloc(dp->walked, (dp->n_walked + 1) * sizeof(*list));
    if (list)
        dp->walked = list;
    return 0;
}

bool cgroup_known(const struct datapath *dp, uint64_t id, uint32_t *ret_pu)
{
    struct walked_cgroup key = {.id = id}, *found;

    found =
        dp->n_walked ? bsearch(&key, dp->walked, dp->n_walked, sizeof(key), walked_compare) : NULL;
    if (!found)
        return false;
    *ret_pu = found->pu;
    return true;
}

int own_cgroup_exempt(struct datapath *dp)
{
    int fd = bpf_map__fd(dp->skeleton->maps.pu_by_cgroup);
    uint64_t id, old = dp->own_cgroup_id;
    uint32_t nobody = ABI_PU_NONE;
    char path[2 * PATH_BYTES];

    if (!dp->own_cgroup[0])
        return 0;
    snprintf(path, sizeof(path), "%s%s", dp->cgroup_mount, dp->own_cgroup);
    id = cgroup_id_of(path);
    dp->own_cgroup_id = 0;
    if (old && old != id && !cgroup_wanted(dp, old))
        map_delete(fd, &old, 1, sizeof(old));
    if (!id || cgroup_wanted(dp, id))
        return 0;
    dp->own_cgroup_id = id;
    return map_write(fd, &id, &nobody, 1, sizeof(id), sizeof(nobody));
}
