/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/macros.h"

static char *path_in(const char *state, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", state, name) < 0 ? NULL : path;
}

int state_lock(const char *state)
{
    _cleanup_free_
    char *path = path_in(state, "lock");
    _cleanup_close_
    int fd = -1;
    int r;

    if (!path)
        return -ENOMEM;
    r = dir_make(state, 0755);
    if (r < 0)
        return r;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return TAKE_FD(fd);
}

bool state_is_disabled(const char *state)
{
    _cleanup_free_
    char *path = path_in(state, "disabled");

    return path && access(path, F_OK) == 0;
}

int state_set_disabled(const char *state, bool disabled)
{
    static const char text[] =
        "enforcement was switched off; `bulkhead enforcer enable` ends this\n";
    _cleanup_free_
    char *path = path_in(state, "disabled");

    if (!path)
        return -ENOMEM;
    if (disabled)
        return file_write_atomic(path, text, sizeof(text) - 1, 0600);
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
