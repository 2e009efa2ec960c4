/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which processing units a host has: the cgroup tree below the enforced root, its systemd services,
 * and the news that cgroups came or went. Reads the cgroup file system; decides nothing.
 *
 * Paths: a cgroup is named by its path inside cgroup v2, absolute ("/system.slice/nginx.service"),
 * whatever directory cgroup v2 is mounted on.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define WORKLOAD_PATH_MAX 4096 /* bytes of a path with its NUL */
#define WORKLOAD_DEPTH_MAX 16  /* levels below the enforced root that are searched */
#define WORKLOAD_DIRECTORIES_MAX                                                                   \
    8192 /* directories looked at in one scan, and so inotify watches */
#define WORKLOAD_SERVICES_MAX 4000

/*
 * Where cgroup v2 is mounted in this mount namespace: by file system type, so that hybrid hosts
 * work.
 * @return 0, -ENOENT when it is not mounted, -errno
 */
int workload_cgroup_mount(char ret[WORKLOAD_PATH_MAX]);
/* The same, on the text of a mountinfo file (proc(5)). Paths are unescaped (\040 …). */
int workload_mountinfo_find(const char *text, char ret[WORKLOAD_PATH_MAX]);

/*
 * NULL, or why `path` is no cgroup path: absolute, no empty, "." or ".." parts, no trailing slash
 * ("/" alone is allowed when `root_allowed`), no control characters.
 */
const char *workload_cgroup_problem(const char *path, bool root_allowed);
/* Levels below "/": "/" 0, "/a" 1, "/a/b" 2. */
size_t workload_cgroup_depth(const char *path);
/* "/x" + "/a" = "/x/a"; "/" + "/a" = "/a". Owned by the caller; NULL on ENOMEM. */
char *workload_cgroup_join(const char *root, const char *path);

/*
 * The tree below one cgroup, watched with inotify. Life cycle: new ── scan (places the watches) ──▶
 * read says 1 when something came or went ── scan again.
 */
struct workload_tree;
/* @param mount  directory of cgroup v2; @param root  cgroup path. @return 0, -errno */
int workload_tree_new(const char *mount, const char *root, struct workload_tree **ret);
void workload_tree_free(struct workload_tree **tree);
int workload_tree_fd(const struct workload_tree *tree);
/* Is this cgroup there now? */
bool workload_tree_has(const struct workload_tree *tree, const char *cgroup);
/* Drain the inotify queue. @return 1 something came or went, 0 nothing, -errno */
int workload_tree_read(struct workload_tree *tree);

struct workload_scan {
    char **services; /* cgroup paths, absolute in cgroup v2, of every *.service below the root;
                        sorted */
    size_t n_services;
    size_t n_directories;
    bool truncated; /* a maximum was reached: the rest was not looked at */
};
int workload_tree_scan(struct workload_tree *tree, struct workload_scan *ret);
void workload_scan_clear(struct workload_scan *scan);

/* "nginx.service" of "/system.slice/nginx.service". Points into `cgroup`. */
const char *workload_unit_name(const char *cgroup);

#define _cleanup_workload_scan_ _cleanup_(workload_scan_clear)
#define _cleanup_workload_tree_ _cleanup_(workload_tree_free)
