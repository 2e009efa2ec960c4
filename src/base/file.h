/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Read a whole regular file.
 * @param ret_data NUL-terminated, owned by the caller; @param ret_len bytes without the NUL
 * @return 0, -errno, -EFBIG when longer than max_bytes, -EISDIR for a directory
 */
int file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len);
/* Write beside, fsync, rename: readers see the old or the new file, never half of one. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode);
/* mkdir -p */
int dir_make(const char *path, mode_t mode);
/*
 * Names of the files in a directory that end in one of `suffixes` (NULL-terminated list; NULL:
 * all), sorted by byte value, without hidden files. @param ret_names NULL-terminated, free with
 * strv_free.
 */
int dir_list(const char *path, const char *const *suffixes, char ***ret_names, size_t *ret_n);
void strv_free(char ***names);
