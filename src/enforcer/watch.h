/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * News about a directory or file by inotify, for inputs that are read as a whole. The path itself
 * is watched, and its parent for the day it is replaced. Files that are being written (changed, not
 * yet closed) are known, so that half of a file is not read.
 */

#include <stdbool.h>

#include "base/macros.h"

#define WATCH_WRITERS_MAX 64

struct watch;
/* The path may be missing. @return 0, -ENOMEM, -errno when there is no inotify */
int watch_new(const char *path, struct watch **ret);
void watch_free(struct watch **watch);
int watch_fd(const struct watch *watch);
/* Drain the queue and watch again what was replaced. @return 1 something changed, 0 nothing, -errno
 */
int watch_read(struct watch *watch);
/* Somebody has changed a file and not closed it yet. */
bool watch_busy(const struct watch *watch);
/* Waited long enough for writers: forget them. */
void watch_writers_forget(struct watch *watch);
/* Place the watches anew; also done by watch_read. @return true: the path was missing and is there
 * now */
bool watch_place(struct watch *watch);
#define _cleanup_watch_ _cleanup_(watch_free)
