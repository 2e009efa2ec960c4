/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/macros.h"

#define DIR_FILES_MAX 65536
#define READ_STEP_BYTES 65536

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static int read_all(int fd, size_t max_bytes, size_t size_hint, char **ret_data, size_t *ret_len)
{
    _cleanup_free_
    char *data = NULL;
    size_t size = MIN(size_hint, max_bytes) + 2, len = 0;

    data = malloc(size);
    if (!data)
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, data + len, size - len - 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max_bytes)
            return -EFBIG;
        if (len + 1 >= size) {
            char *more = realloc(data, size + MAX(size, (size_t)READ_STEP_BYTES));

            if (!more)
                return -ENOMEM;
            data = more;
            size += MAX(size, (size_t)READ_STEP_BYTES);
        }
    }
    data[len] = '\0';
    *ret_data = TAKE_PTR(data);
    *ret_len = len;
    return 0;
}

int file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len)
{
    _cleanup_close_
    int fd = -1;
    struct stat st;

    assert(path);
    assert(max_bytes < SIZE_MAX / 4);
    assert(ret_data);
    assert(ret_len);

    /* O_NONBLOCK: opening a FIFO must not wait for a writer. It has no effect on regular files. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if (st.st_size > 0 && (uintmax_t)st.st_size > max_bytes)
        return -EFBIG;
    return read_all(fd, max_bytes, (size_t)st.st_size, ret_data, ret_len);
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The new name is durable only when the directory is. Some file systems cannot: EINVAL is no error.
 */
static int sync_directory_of(const char *path)
{
    _cleanup_free_
    char *directory = NULL;
    _cleanup_close_
    int fd = -1;
    const char *slash = strrchr(path, '/');

    if (!slash)
        directory = strdup(".");
    else
        directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!directory)
        return -ENOMEM;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fsync(fd) < 0 && errno != EINVAL)
        return -errno;
    return 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode)
{
    _cleanup_free_
    char *temporary = NULL;
    _cleanup_close_
    int fd = -1;
    int r;

    assert(path);
    assert(data || len == 0);

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        return -ENOMEM;
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = fchmod(fd, mode) < 0 ? -errno : 0;
    if (r == 0)
        r = write_all(fd, data, len);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(temporary);
        return r;
    }
    return sync_directory_of(path);
}

static int make_one(const char *path, mode_t mode)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &st) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make(const char *path, mode_t mode)
{
    _cleanup_free_
    char *part = NULL;

    assert(path);

    if (!*path)
        return -ENOENT;
    part = strdup(path);
    if (!part)
        return -ENOMEM;
    for (char *at = part + 1; *at; at++) {
        int r;

        if (*at != '/')
            continue;
        *at = '\0';
        r = make_one(part, mode);
        if (r < 0)
            return r;
        *at = '/';
    }
    return make_one(part, mode);
}

static bool has_suffix(const char *name, const char *const *suffixes)
{
    size_t len = strlen(name);

    if (!suffixes)
        return true;
    for (; *suffixes; suffixes++) {
        size_t n = strlen(*suffixes);

        if (n <= len && memcmp(name + len - n, *suffixes, n) == 0)
            return true;
    }
    return false;
}

/* Whatever is no directory counts: a dangling link or a FIFO must show as an error when it is read.
 */
static bool is_file(DIR *dir, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type == DT_REG)
        return true;
    if (entry->d_type == DT_DIR)
        return false;
    return fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || !S_ISDIR(st.st_mode);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(char ***names, size_t *n, const char *name)
{
    char **more;

    if (*n >= DIR_FILES_MAX)
        return -BULKHEAD_ETOOMANY;
    more = reallocarray(*names, *n + 2, sizeof(**names));
    if (!more)
        return -ENOMEM;
    *names = more;
    more[*n] = strdup(name);
    if (!more[*n])
        return -ENOMEM;
    more[++*n] = NULL;
    return 0;
}

int dir_list(const char *path, const char *const *suffixes, char ***ret_names, size_t *ret_n)
{
    _cleanup_(strv_free) char **names = NULL;
    _cleanup_(close_dir) DIR *dir = NULL;
    const struct dirent *entry;
    size_t n = 0;

    assert(path);
    assert(ret_names);
    assert(ret_n);

    dir = opendir(path);
    if (!dir)
        return -errno;
    names = calloc(1, sizeof(*names));
    if (!names)
        return -ENOMEM;
    for (errno = 0; (entry = readdir(dir)); errno = 0) {
        int r;

        if (entry->d_name[0] == '.' || !has_suffix(entry->d_name, suffixes) || !is_file(dir, entry))
            continue;
        r = add_name(&names, &n, entry->d_name);
        if (r < 0)
            return r;
    }
    if (errno)
        return -errno;
    if (n > 0)
        qsort(names, n, sizeof(*names), compare_names);
    *ret_names = TAKE_PTR(names);
    *ret_n = n;
    return 0;
}

void strv_free(char ***names)
{
    if (!names || !*names)
        return;
    for (char **name = *names; *name; name++)
        free(*name);
    free(*names);
    *names = NULL;
}
