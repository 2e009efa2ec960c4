/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELF_EVENTS                                                                                \
    (IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CREATE | IN_MODIFY |            \
     IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define PARENT_EVENTS (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE)
#define READS_PER_CALL_MAX 64

struct watch {
    char *path, *parent, *name; /* parent/name = path */
    int inotify;
    int self, above; /* watch descriptors, -1: none */
    char *writers[WATCH_WRITERS_MAX];
    size_t n_writers;
    bool writers_full; /* more than that: treated as writing until forgotten */
};

static int split(struct watch *watch)
{
    char *slash = strrchr(watch->path, '/');

    if (!slash) {
        watch->parent = strdup(".");
        watch->name = strdup(watch->path);
    } else {
        watch->parent = slash == watch->path ? strdup("/")
                                             : strndup(watch->path, (size_t)(slash - watch->path));
        watch->name = strdup(slash + 1);
    }
    return watch->parent && watch->name ? 0 : -ENOMEM;
}

bool watch_place(struct watch *watch)
{
    bool missing = watch->self < 0;

    watch->above = inotify_add_watch(watch->inotify, watch->parent, PARENT_EVENTS | IN_ONLYDIR);
    watch->self = inotify_add_watch(watch->inotify, watch->path, SELF_EVENTS);
    return missing && watch->self >= 0;
}

int watch_new(const char *path, struct watch **ret)
{
    _cleanup_watch_ struct watch *watch = calloc(1, sizeof(*watch));
    size_t len = strlen(path);
    int r;

    if (!watch)
        return -ENOMEM;
    watch->inotify = watch->self = watch->above = -1;
    while (len > 1 && path[len - 1] == '/')
        len--;
    watch->path = strndup(path, len);
    r = watch->path ? split(watch) : -ENOMEM;
    if (r < 0)
        return r;
    watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->inotify < 0)
        return -errno;
    watch_place(watch);
    *ret = TAKE_PTR(watch);
    return 0;
}

void watch_writers_forget(struct watch *watch)
{
    for (size_t i = 0; i < watch->n_writers; i++)
        free(watch->writers[i]);
    watch->n_writers = 0;
    watch->writers_full = false;
}

void watch_free(struct watch **at)
{
    struct watch *watch = *at;

    if (!watch)
        return;
    watch_writers_forget(watch);
    close_fd(&watch->inotify);
    free(watch->path);
    free(watch->parent);
    free(watch->name);
    free(watch);
    *at = NULL;
}

int watch_fd(const struct watch *watch)
{
    return watch->inotify;
}

bool watch_busy(const struct watch *watch)
{
    return watch->n_writers > 0 || watch->writers_full;
}

static void writer_add(struct watch *watch, const char *name)
{
    for (size_t i = 0; i < watch->n_writers; i++)
        if (strcmp(watch->writers[i], name) == 0)
            return;
    if (watch->n_writers == WATCH_WRITERS_MAX) {
        watch->writers_full = true;
        return;
    }
    watch->writers[watch->n_writers] = strdup(name);
    if (watch->writers[watch->n_writers])
        watch->n_writers++;
}

static void writer_remove(struct watch *watch, const char *name)
{
    for (size_t i = 0; i < watch->n_writers; i++)
        if (strcmp(watch->writers[i], name) == 0) {
            free(watch->writers[i]);
            watch->writers[i] = watch->writers[--watch->n_writers];
            return;
        }
}

/* A new name that nobody will close: a symbolic or a hard link. Files that are opened come to an
 * end. */
static bool is_link(const struct watch *watch, const char *name)
{
    char path[PATH_MAX];
    struct stat st;

    if (snprintf(path, sizeof(path), "%s/%s", watch->path, name) >= (int)sizeof(path) ||
        lstat(path, &st) < 0)
        return true; /* gone again: reading finds out */
    return !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

static bool handle_self(struct watch *watch, uint32_t mask, const char *name)
{
    if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
        return true;
    if (mask & (IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE)) {
        writer_remove(watch, name);
        return true;
    }
    if (mask & IN_CREATE && is_link(watch, name))
        return true;
    if (mask & (IN_CREATE | IN_MODIFY))
        writer_add(watch, name);
    return mask & IN_ATTRIB; /* a mode that made it unreadable, or a link gone */
}

static bool handle(struct watch *watch, const struct inotify_event *event)
{
    const char *name = event->len ? event->name : "";

    if (event->mask & IN_Q_OVERFLOW)
        return true;
    if (event->wd == watch->self && event->wd != -1)
        return handle_self(watch, event->mask, name);
    return event->wd == watch->above && strcmp(name, watch->name) == 0;
}

int watch_read(struct watch *watch)
{
    _Alignas(struct inotify_event) char buffer[16384];
    bool changed = false;

    for (int i = 0; i < READS_PER_CALL_MAX; i++) {
        ssize_t n = read(watch->inotify, buffer, sizeof(buffer));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return -errno;
        if (n <= 0)
            break;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(buffer + at);

            changed |= handle(watch, event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    if (changed)
        watch_place(watch);
    return changed;
}
