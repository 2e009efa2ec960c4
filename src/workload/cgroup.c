/* SPDX-License-Identifier: Apache-2.0 */
#include "workload/workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTINFO_BYTES_MAX (4u << 20)

/* \040 and its like: octal, as the kernel writes space, tab, newline and backslash. */
static int unescape(const char *from, size_t len, char ret[WORKLOAD_PATH_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = from[i];

        if (c == '\\' && i + 3 < len && from[i + 1] >= '0' && from[i + 1] <= '3' &&
            from[i + 2] >= '0' && from[i + 2] <= '7' && from[i + 3] >= '0' && from[i + 3] <= '7') {
            c = (char)((from[i + 1] - '0') << 6 | (from[i + 2] - '0') << 3 | (from[i + 3] - '0'));
            i += 3;
        }
        if (n + 1 >= WORKLOAD_PATH_MAX)
            return -ENAMETOOLONG;
        ret[n++] = c;
    }
    ret[n] = '\0';
    return 0;
}

/* One line: "36 35 98:0 /root /mount options shared:1 - cgroup2 cgroup2 rw" */
static bool line_is_cgroup2(const char *line, size_t len, const char **ret_mount, size_t *ret_len)
{
    const char *separator = memmem(line, len, " - cgroup2 ", strlen(" - cgroup2 "));
    const char *field = line;
    const char *end;

    if (!separator)
        return false;
    for (int i = 0; i < 4; i++) {
        field = memchr(field, ' ', (size_t)(separator - field));
        if (!field)
            return false;
        field++;
    }
    end = memchr(field, ' ', (size_t)(separator - field));
    *ret_mount = field;
    *ret_len = (size_t)((end ? end : separator) - field);
    return true;
}

int workload_mountinfo_find(const char *text, char ret[WORKLOAD_PATH_MAX])
{
    for (const char *line = text; *line;) {
        const char *end = strchrnul(line, '\n');
        const char *mount;
        size_t len;

        if (line_is_cgroup2(line, (size_t)(end - line), &mount, &len))
            return unescape(mount, len, ret);
        line = *end ? end + 1 : end;
    }
    return -ENOENT;
}

/* /proc files have no size, so file_read's limit on regular files does not fit them. */
int workload_cgroup_mount(char ret[WORKLOAD_PATH_MAX])
{
    _cleanup_free_
    char *text = malloc(MOUNTINFO_BYTES_MAX + 1);
    FILE *file;
    size_t len;
    int error;

    if (!text)
        return -ENOMEM;
    file = fopen("/proc/self/mountinfo", "re");
    if (!file)
        return -errno;
    len = fread(text, 1, MOUNTINFO_BYTES_MAX, file);
    error = ferror(file) ? -EIO : 0;
    fclose(file);
    if (error)
        return error;
    text[len] = '\0';
    return workload_mountinfo_find(text, ret);
}

static const char *part_problem(const char *part, size_t len)
{
    if (len == 0)
        return "a path without empty parts";
    if (len > 255)
        return "names of at most 255 bytes";
    if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
        return "a path without '.' and '..'";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f)
            return "a path without control characters";
    return NULL;
}

const char *workload_cgroup_problem(const char *path, bool root_allowed)
{
    if (path[0] != '/')
        return "an absolute cgroup path such as /shop/web";
    if (path[1] == '\0')
        return root_allowed ? NULL : "a cgroup below the root";
    if (strlen(path) >= WORKLOAD_PATH_MAX / 2)
        return "a path of at most 2,047 bytes";
    for (const char *part = path + 1;;) {
        const char *end = strchrnul(part, '/');
        const char *problem = part_problem(part, (size_t)(end - part));

        if (problem)
            return problem;
        if (!*end)
            return NULL;
        part = end + 1;
    }
}

size_t workload_cgroup_depth(const char *path)
{
    size_t depth = 0;

    if (path[0] == '/' && path[1] == '\0')
        return 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

char *workload_cgroup_join(const char *root, const char *path)
{
    char *joined;

    assert(root[0] == '/' && path[0] == '/');
    if (root[1] == '\0')
        return strdup(path);
    if (path[1] == '\0')
        return strdup(root);
    return asprintf(&joined, "%s%s", root, path) < 0 ? NULL : joined;
}

const char *workload_unit_name(const char *cgroup)
{
    const char *slash = strrchr(cgroup, '/');

    return slash ? slash + 1 : cgroup;
}
