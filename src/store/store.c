/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"
#include "store/decide.h"
#include "store/store_internal.h"

bool store_uri_is_postgres(const char *uri)
{
    return strncmp(uri, "postgresql://", 13) == 0 || strncmp(uri, "postgres://", 11) == 0;
}

int store_fail(struct store *store, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vformat(store->problem, sizeof(store->problem), format, args);
    va_end(args);
    return error;
}

int64_t store_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int store_sync_directory_of(const char *path)
{
    _cleanup_free_
    char *directory = NULL;
    _cleanup_close_
    int fd = -1;
    const char *slash = strrchr(path, '/');

    directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!directory)
        return -ENOMEM;
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* Some file systems cannot, and say EINVAL: no error. */
    return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

int store_open(const char *uri, const struct store_options *options, struct buf *problem,
               struct store **ret)
{
    assert(uri);
    assert(options);
    assert(problem);
    assert(ret);

    if (store_uri_is_postgres(uri))
        return store_postgres_open(uri, options, problem, ret);
    return store_sqlite_open(uri, options, problem, ret);
}

void store_close(struct store **store)
{
    if (!store || !*store)
        return;
    (*store)->backend->close(*store);
    *store = NULL;
}

const char *store_problem(const struct store *store)
{
    return store->problem;
}

int store_load(struct store *store, store_visit_fn *visit, void *context, uint64_t *ret_revision)
{
    const struct store_dump dump = {.object = visit};

    assert(store);
    assert(visit);
    assert(ret_revision);

    return store->backend->dump(store, &dump, context, ret_revision);
}

static bool text_fits(const char *text, size_t min, size_t max)
{
    size_t len = text ? strnlen(text, max + 1) : 0;

    return len >= min && len <= max && (!text || text_utf8_valid(text, len, NULL));
}

int store_check_op(const struct store_op *op)
{
    const struct store_object *object = &op->object;

    if (!text_fits(object->id, 1, STORE_ID_BYTES_MAX))
        return -EINVAL;
    if (op->type != STORE_LOG && !text_fits(object->kind, 1, STORE_KIND_BYTES_MAX))
        return -EINVAL;
    if (op->type == STORE_DELETE)
        return 0;
    if (!text_fits(object->namespace, 1, STORE_NAMESPACE_BYTES_MAX))
        return -EINVAL;
    if (op->type != STORE_LOG && !text_fits(object->unique_key, 0, STORE_KEY_BYTES_MAX))
        return -EINVAL;
    if (object->body_len > STORE_BODY_BYTES_MAX)
        return -EFBIG;
    if (!object->body || memchr(object->body, '\0', object->body_len) ||
        !text_utf8_valid(object->body, object->body_len, NULL))
        return -EINVAL;
    return 0;
}

/* What could spoil the others of its batch, or only one of the databases would take, is refused
 * before. */
static void check_transaction(struct store_transaction *transaction)
{
    transaction->result = 0;
    transaction->revision = 0;
    transaction->failed_op = 0;
    if (transaction->n_ops > STORE_OPS_MAX) {
        transaction->result = -BULKHEAD_ETOOMANY;
        return;
    }
    if (transaction->idempotency_key &&
        (!text_fits(transaction->idempotency_key, 1, STORE_KEY_BYTES_MAX) ||
         !text_fits(transaction->idempotency_answer, 0, STORE_BODY_BYTES_MAX))) {
        transaction->result = -EINVAL;
        return;
    }
    for (size_t i = 0; i < transaction->n_ops; i++) {
        transaction->result = store_check_op(&transaction->ops[i]);
        if (transaction->result < 0) {
            transaction->failed_op = i;
            return;
        }
    }
}

static int commit_decided(struct store *store, struct decide *decide)
{
    const struct store_effects *effects = NULL;
    uint64_t revision = 0;
    int r;

    r = store->backend->begin(store, decide, &revision);
    if (r < 0)
        return r;
    r = decide_run(decide, revision, store_now_ms(), &effects);
    if (r < 0 || effects->revision == revision) {
        store->backend->rollback(store);
        return r;
    }
    r = store->backend->write(store, effects, true);
    if (r == 0)
        decide_publish(decide);
    return r;
}

int store_commit(struct store *store, struct store_transaction *const *transactions, size_t n,
                 struct buf *problem)
{
    _cleanup_decide_ struct decide *decide = NULL;
    int r;

    assert(store);
    assert(transactions || n == 0);

    if (n > STORE_BATCH_MAX)
        return -BULKHEAD_ETOOMANY;
    if (store->read_only)
        r = store_fail(store, -EROFS, "the database was opened for reading only");
    else
        r = 0;
    for (size_t i = 0; i < n; i++)
        check_transaction(transactions[i]);
    if (r == 0)
        r = decide_new(transactions, n, &decide);
    if (r == 0 && n > 0)
        r = commit_decided(store, decide);
    if (r < 0 && problem)
        buf_puts(problem, r == -ENOMEM ? error_text(r) : store->problem);
    return r;
}

int store_changes(struct store *store, uint64_t since, store_change_fn *visit, void *context,
                  uint64_t *ret_revision)
{
    assert(store);
    assert(visit);
    assert(ret_revision);

    return store->backend->changes(store, since, visit, context, ret_revision);
}

int store_wait(struct store *store, int timeout_ms)
{
    assert(store);

    return store->backend->wait ? store->backend->wait(store, timeout_ms) : -ENOTSUP;
}

int store_idempotent(struct store *store, const char *key, struct buf *ret_answer)
{
    assert(store);
    assert(key);
    assert(ret_answer);

    return store->backend->idempotent(store, key, ret_answer);
}

int store_log_query(struct store *store, const struct store_log_query *query, store_visit_fn *visit,
                    void *context, uint64_t *ret_total)
{
    assert(store);
    assert(query && query->namespace);
    assert(visit);
    assert(ret_total);

    return store->backend->log_query(store, query, visit, context, ret_total);
}

int store_setting_get(struct store *store, const char *name, struct buf *ret_value)
{
    assert(store);
    assert(name);
    assert(ret_value);

    return store->backend->setting_get(store, name, ret_value);
}

int store_setting_put(struct store *store, const char *name, const char *value, bool only_new)
{
    assert(store);

    if (store->read_only)
        return store_fail(store, -EROFS, "the database was opened for reading only");
    if (!text_fits(name, 1, STORE_KEY_BYTES_MAX) || !value ||
        !text_fits(value, 0, STORE_BODY_BYTES_MAX))
        return store_fail(store, -EINVAL, "a setting is too long or not UTF-8");
    return store->backend->setting_put(store, name, value, only_new);
}

int store_lock(struct store *store, const char *reason)
{
    uint64_t revision;
    int r;

    assert(store);
    assert(reason);

    r = store_setting_put(store, STORE_MAINTENANCE, reason, false);
    if (r == 0) /* behind all that began before, and may not have seen it */
        r = store->backend->begin(store, NULL, &revision);
    if (r == 0)
        store->backend->rollback(store);
    return r;
}

bool store_compact_pause(const struct store_compaction *compaction)
{
    const struct timespec pause = {.tv_nsec = STORE_COMPACT_PAUSE_MS * 1000000L};

    nanosleep(&pause, NULL);
    return !compaction->stop || !atomic_load(compaction->stop);
}

int store_compact(struct store *store, struct store_compaction *compaction)
{
    assert(store);
    assert(compaction);

    compaction->changes_removed = compaction->log_removed = compaction->idempotency_removed = 0;
    if (store->read_only)
        return store_fail(store, -EROFS, "the database was opened for reading only");
    return store->backend->compact(store, compaction);
}

int store_check(struct store *store)
{
    assert(store);

    return store->backend->check(store);
}
