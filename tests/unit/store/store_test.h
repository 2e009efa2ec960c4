/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the tests of the store share: directories, objects, transactions of one op, and readers that
 * turn what is in a database into text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "store/store.h"

static inline char *scratch_make(void)
{
    char *path = strdup("/tmp/bulkhead-store-XXXXXX");

    assert_non_null(path);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void scratch_remove(char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
    free(path);
}

/* Text in one of a few static buffers. */
static inline char *text(const char *format, ...) _printf_(1, 2);
static inline char *text(const char *format, ...)
{
    static _Thread_local char texts[64][256];
    static _Thread_local unsigned int next;
    char *at = texts[next++ % 64];
    va_list args;

    va_start(args, format);
    vsnprintf(at, sizeof(texts[0]), format, args);
    va_end(args);
    return at;
}

static inline struct store *open_store(const char *uri)
{
    const struct store_options options = {.create = true};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    struct store *store = NULL;
    int r = store_open(uri, &options, &problem, &store);

    if (r < 0)
        fail_msg("open: %s: %s", error_text(r), problem.data ? problem.data : "");
    return store;
}

static inline struct store_op op_of(enum store_op_type type, const char *id, const char *key,
                                    const char *body)
{
    return (struct store_op){
        .type = type,
        .object = {.id = id,
                   .kind = "thing",
                   .namespace = "/a",
                   .unique_key = key,
                   .body = body,
                   .body_len = body ? strlen(body) : 0,
                   .created_ms = 1000,
                   .updated_ms = 2000},
    };
}

static inline int commit_all(struct store *store, struct store_transaction *transactions, size_t n)
{
    struct store_transaction *list[STORE_BATCH_MAX];
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    int r;

    for (size_t i = 0; i < n; i++)
        list[i] = &transactions[i];
    r = store_commit(store, list, n, &problem);
    assert_true(r == 0 || problem.len > 0);
    return r;
}

/* One transaction; the result of its own, which must not be that of the commit. */
static inline int commit_ops(struct store *store, struct store_op *ops, size_t n)
{
    struct store_transaction transaction = {.ops = ops, .n_ops = n};
    int r = commit_all(store, &transaction, 1);

    if (r < 0)
        fail_msg("commit: %s: %s", error_text(r), store_problem(store));
    assert_true((transaction.revision > 0) == (transaction.result == 0));
    return transaction.result;
}

static inline int commit_one(struct store *store, enum store_op_type type, const char *id,
                             const char *key, const char *body)
{
    struct store_op op = op_of(type, id, key, body);

    return commit_ops(store, &op, 1);
}

static inline int commit_lockable(struct store *store, const char *id, const char *key)
{
    struct store_op op = op_of(STORE_CREATE, id, NULL, "{}");
    struct store_transaction transaction = {
        .ops = &op, .n_ops = 1, .lockable = true, .idempotency_key = key};
    struct store_transaction *list[] = {&transaction};

    assert_int_equal(store_commit(store, list, 1, NULL), 0);
    return transaction.result;
}

static inline int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

#define LINES_MAX 100000
struct lines {
    char *lines[LINES_MAX];
    size_t n;
};

static inline int add_object(void *context, const struct store_object *object)
{
    struct lines *lines = context;

    if (lines->n >= LINES_MAX)
        return -E2BIG;
    return asprintf(&lines->lines[lines->n++],
                    "%s %s %s %s %" PRId64 " %" PRId64 " @%" PRIu64 " %.*s", object->id,
                    object->kind ? object->kind : "-", object->namespace,
                    object->unique_key ? object->unique_key : "-", object->created_ms,
                    object->updated_ms, object->revision, (int)object->body_len, object->body) < 0
               ? -ENOMEM
               : 0;
}

/* Lines sorted, joined; the caller frees. */
static inline char *join_lines(struct lines *lines, bool sorted)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(64u << 20);

    if (sorted && lines->n)
        qsort(lines->lines, lines->n, sizeof(lines->lines[0]), compare_lines);
    for (size_t i = 0; i < lines->n; i++) {
        buf_printf(&buf, "%s\n", lines->lines[i]);
        free(lines->lines[i]);
    }
    free(lines);
    return buf_steal(&buf);
}

static inline char *load_text(struct store *store, uint64_t *ret_revision)
{
    struct lines *lines = calloc(1, sizeof(*lines));
    int r = store_load(store, add_object, lines, ret_revision);

    if (r < 0)
        fail_msg("load: %s: %s", error_text(r), store_problem(store));
    return join_lines(lines, true);
}

#define assert_objects(store, expected)                                                            \
    do {                                                                                           \
        uint64_t assert_revision = 0;                                                              \
        char *assert_text = load_text((store), &assert_revision);                                  \
        assert_string_equal(assert_text, (expected));                                              \
        free(assert_text);                                                                         \
    } while (0)

static inline int count_object(void *context, const struct store_object *object)
{
    ++*(size_t *)context;
    return 0;
}
