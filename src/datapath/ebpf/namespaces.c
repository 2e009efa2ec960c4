/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sock_diag speaks for one network namespace. Processes of this host may live in several: each gets
 * a socket of its own, made by entering the namespace for a moment.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

#define REFRESH_NS 1000000000ULL
#define PIDS_PER_WALK_MAX 65536

void namespaces_close(struct datapath *dp)
{
    size_t i;

    for (i = 0; i < dp->n_netns; i++) {
        close_fd(&dp->netns[i].diag_fd);
        close_fd(&dp->netns[i].fd);
    }
    free(dp->netns);
    dp->netns = NULL;
    dp->n_netns = 0;
}

void namespaces_expire(struct datapath *dp)
{
    if (!dp->n_netns || now_ns() - dp->walked_at_ns < REFRESH_NS)
        return;
    namespaces_close(dp);
    dp->walked_at_ns = 0;
}

static bool namespace_has(const struct datapath *dp, uint64_t inode)
{
    size_t i;

    for (i = 0; i < dp->n_netns; i++)
        if (dp->netns[i].inode == inode)
            return true;
    return false;
}

/* @param own  this process's namespace, to come back to; our bug or a dying machine when that fails
 */
static int namespace_add(struct datapath *dp, const char *path, int own)
{
    _cleanup_close_
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct netns_handle *list;
    struct stat st;
    int diag;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (namespace_has(dp, st.st_ino) || dp->n_netns >= NETNS_MAX)
        return 0;
    list = realloc(dp->netns, (dp->n_netns + 1) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    dp->netns = list;
    if (setns(fd, CLONE_NEWNET) < 0)
        return -errno;
    diag = diag_open();
    if (setns(own, CLONE_NEWNET) < 0)
        abort();
    if (diag < 0)
        return diag;
    dp->netns[dp->n_netns++] =
        (struct netns_handle){.inode = st.st_ino, .fd = TAKE_FD(fd), .diag_fd = diag};
    return 0;
}

static void processes_of_cgroup(struct datapath *dp, const char *cgroup, int own, unsigned *left)
{
    char path[PATH_BYTES * 2], line[64];
    FILE *f;

    snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
    f = fopen(path, "re");
    if (!f)
        return;
    while (*left && fgets(line, sizeof(line), f)) {
        long pid = strtol(line, NULL, 10);
        struct stat st;

        (*left)--;
        snprintf(path, sizeof(path), "/proc/%ld/ns/net", pid);
        if (pid > 0 && stat(path, &st) == 0 && !namespace_has(dp, st.st_ino))
            namespace_add(dp, path, own);
    }
    fclose(f);
}

static void walk(struct datapath *dp, const char *cgroup, int own, unsigned *left)
{
    char child[PATH_BYTES];
    struct dirent *entry;
    DIR *dir = opendir(cgroup);

    if (!dir)
        return;
    processes_of_cgroup(dp, cgroup, own, left);
    while ((entry = readdir(dir))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if (snprintf(child, sizeof(child), "%s/%s", cgroup, entry->d_name) < (int)sizeof(child))
            walk(dp, child, own, left);
    }
    closedir(dir);
}

int namespaces_visit(struct datapath *dp, namespace_fn *fn, void *context)
{
    _cleanup_close_
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    size_t i;
    int r = 0, result = 0;

    if (own < 0)
        return -errno;
    for (i = 0; i < dp->n_netns; i++) {
        if (setns(dp->netns[i].fd, CLONE_NEWNET) < 0)
            continue;
        r = fn(dp, i, context);
        if (setns(own, CLONE_NEWNET) < 0)
            abort();
        if (r < 0 && result == 0)
            result = r;
    }
    return result;
}

/* Our own namespace first, then those of all processes below the enforced cgroup. */
int namespaces_sync(struct datapath *dp)
{
    _cleanup_close_
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    unsigned left = PIDS_PER_WALK_MAX;
    uint64_t now = now_ns();
    int r;

    if (own < 0)
        return -errno;
    if (dp->walked_at_ns && now - dp->walked_at_ns < REFRESH_NS)
        return 0;
    r = cgroups_walk(dp);
    if (r < 0)
        return r;
    namespaces_close(dp);
    r = namespace_add(dp, "/proc/self/ns/net", own);
    walk(dp, dp->cgroup_path, own, &left);
    dp->walked_at_ns = now;
    return r;
}
