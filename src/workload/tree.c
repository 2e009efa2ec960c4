/* SPDX-License-Identifier: Apache-2.0 */
#include "workload/workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Every directory of the tree has a watch; any news makes the owner scan again, which places
 * watches on what is new (inotify gives the same watch for the same directory, and drops it with
 * the directory). So there is no table of watches to keep in step.
 */
struct workload_tree {
    char *mount, *root;
    int inotify;
};

#define TREE_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)

int workload_tree_new(const char *mount, const char *root, struct workload_tree **ret)
{
    _cleanup_workload_tree_ struct workload_tree *tree = NULL;

    assert(mount && root && ret);
    assert(!workload_cgroup_problem(root, true));

    tree = calloc(1, sizeof(*tree));
    if (!tree)
        return -ENOMEM;
    tree->inotify = -1;
    tree->mount = strdup(mount);
    tree->root = strdup(root);
    if (!tree->mount || !tree->root)
        return -ENOMEM;
    tree->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (tree->inotify < 0)
        return -errno;
    *ret = TAKE_PTR(tree);
    return 0;
}

void workload_tree_free(struct workload_tree **tree)
{
    if (!*tree)
        return;
    close_fd(&(*tree)->inotify);
    free((*tree)->mount);
    free((*tree)->root);
    free(*tree);
    *tree = NULL;
}

int workload_tree_fd(const struct workload_tree *tree)
{
    return tree->inotify;
}

bool workload_tree_has(const struct workload_tree *tree, const char *cgroup)
{
    char path[2 * WORKLOAD_PATH_MAX];
    struct stat st;

    return snprintf(path, sizeof(path), "%s%s", tree->mount, cgroup) < (int)sizeof(path) &&
           stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Bounded: what is left in the queue makes the descriptor readable again. */
#define READS_PER_CALL_MAX 64

int workload_tree_read(struct workload_tree *tree)
{
    _Alignas(struct inotify_event) char buffer[16384];
    int changed = 0;

    for (int i = 0; i < READS_PER_CALL_MAX; i++) {
        ssize_t n = read(tree->inotify, buffer, sizeof(buffer));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? changed : -errno;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(buffer + at);

            if (event->mask & (IN_ISDIR | IN_Q_OVERFLOW))
                changed = 1;
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    return changed;
}

static bool is_service(const char *name)
{
    size_t len = strlen(name);

    return len > strlen(".service") && strcmp(name + len - strlen(".service"), ".service") == 0;
}

static int add_service(struct workload_scan *scan, const char *cgroup)
{
    char **grown;

    if (scan->n_services >= WORKLOAD_SERVICES_MAX) {
        scan->truncated = true;
        return 0;
    }
    grown = reallocarray(scan->services, scan->n_services + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    scan->services = grown;
    grown[scan->n_services] = strdup(cgroup);
    if (!grown[scan->n_services])
        return -ENOMEM;
    scan->n_services++;
    return 0;
}

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static int scan_directory(struct workload_tree *tree, const char *cgroup, size_t depth,
                          struct workload_scan *scan);

static int scan_child(struct workload_tree *tree, const char *cgroup, const char *name,
                      size_t depth, struct workload_scan *scan)
{
    _cleanup_free_
    char *child = NULL;
    int r = 0;

    if (asprintf(&child, "%s/%s", cgroup[1] ? cgroup : "", name) < 0) {
        child = NULL;
        return -ENOMEM;
    }
    if (workload_cgroup_problem(child, false))
        return 0; /* such as a name with control characters: no PU can be made of it */
    if (is_service(name))
        r = add_service(scan, child);
    return r < 0 ? r : scan_directory(tree, child, depth + 1, scan);
}

/* The watch first, then the listing: what is made in between is seen by one of the two. */
static int scan_directory(struct workload_tree *tree, const char *cgroup, size_t depth,
                          struct workload_scan *scan)
{
    _cleanup_(close_dir) DIR *dir = NULL;
    _cleanup_free_
    char *path = NULL;
    const struct dirent *entry;
    int r;

    if (depth > WORKLOAD_DEPTH_MAX || scan->n_directories >= WORKLOAD_DIRECTORIES_MAX) {
        scan->truncated = true;
        return 0;
    }
    if (asprintf(&path, "%s%s", tree->mount, cgroup) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (inotify_add_watch(tree->inotify, path, TREE_EVENTS) < 0) {
        if (errno == ENOENT && depth > 0)
            return 0; /* went away meanwhile */
        if (errno != ENOSPC)
            return -errno;
        scan->truncated = true; /* fs.inotify.max_user_watches: the slow rescan still sees it */
    }
    scan->n_directories++;
    dir = opendir(path);
    if (!dir)
        return errno == ENOENT && depth > 0 ? 0 : -errno;
    while ((entry = readdir(dir))) {
        if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
            strcmp(entry->d_name, "..") == 0)
            continue;
        r = scan_child(tree, cgroup, entry->d_name, depth, scan);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int workload_tree_scan(struct workload_tree *tree, struct workload_scan *ret)
{
    _cleanup_workload_scan_ struct workload_scan scan = {0};
    int r;

    r = scan_directory(tree, tree->root, 0, &scan);
    if (r < 0)
        return r;
    if (scan.n_services)
        qsort(scan.services, scan.n_services, sizeof(*scan.services), compare_text);
    *ret = scan;
    scan = (struct workload_scan){0};
    return 0;
}

void workload_scan_clear(struct workload_scan *scan)
{
    for (size_t i = 0; i < scan->n_services; i++)
        free(scan->services[i]);
    free(scan->services);
    *scan = (struct workload_scan){0};
}
