/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "store/backup.h"

#define CHUNK_ROWS 1000
#define CHUNK_BYTES (8u << 20)

/* Rows on their way into the database, a chunk at a time, all in one transaction. */
struct restore {
    const char *uri;
    struct store *store;
    bool begun;
    struct backup_header header;
    struct store_object rows[CHUNK_ROWS];
    struct store_put puts[CHUNK_ROWS];
    struct store_log_entry log[CHUNK_ROWS];
    char *texts[CHUNK_ROWS];
    struct store_effects effects;
    size_t n, bytes;
    uint64_t done, total;
    store_progress_fn *progress;
    void *context;
    struct buf *problem;
};

static void forget_rows(struct restore *restore)
{
    for (size_t i = 0; i < restore->n; i++)
        free(restore->texts[i]);
    restore->n = restore->bytes = 0;
    restore->effects = (struct store_effects){
        .puts = restore->puts,
        .log = restore->log,
        .revision = restore->header.revision,
        .compacted = restore->header.revision,
        .now_ms = store_now_ms(),
    };
}

static int store_said(struct restore *restore, int r)
{
    buf_puts(restore->problem,
             restore->store && *restore->store->problem ? restore->store->problem : error_text(r));
    return r;
}

static int write_rows(struct restore *restore, bool commit)
{
    int r = restore->store->backend->write(restore->store, &restore->effects, commit);

    if (r < 0 || commit)
        restore->begun = false;
    if (r < 0)
        return store_said(restore, r);
    restore->done += restore->n;
    forget_rows(restore);
    if (restore->progress)
        restore->progress(restore->context, restore->done, restore->total);
    return 0;
}

/* Copies of all strings in one piece. */
static int keep_row(struct restore *restore, const struct store_object *from,
                    struct store_object **ret_row)
{
    const char *const parts[] = {from->id, from->kind, from->namespace, from->unique_key,
                                 from->body};
    const char *copies[ARRAY_SIZE(parts)] = {0};
    size_t size = 0, at = 0;
    char *text;

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        size += parts[i] ? strlen(parts[i]) + 1 : 0;
    text = malloc(size);
    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        size_t len = parts[i] ? strlen(parts[i]) + 1 : 0;

        if (!parts[i])
            continue;
        copies[i] = memcpy(text + at, parts[i], len);
        at += len;
    }
    restore->texts[restore->n] = text;
    restore->rows[restore->n] = *from;
    *ret_row = &restore->rows[restore->n++];
    (*ret_row)->id = copies[0];
    (*ret_row)->kind = copies[1];
    (*ret_row)->namespace = copies[2];
    (*ret_row)->unique_key = copies[3];
    (*ret_row)->body = copies[4];
    restore->bytes += size;
    return 0;
}

static int maybe_write(struct restore *restore)
{
    if (restore->n < CHUNK_ROWS && restore->bytes < CHUNK_BYTES)
        return 0;
    return write_rows(restore, false);
}

static int take_object(void *context, const struct store_object *object)
{
    struct restore *restore = context;
    struct store_object *row = NULL;
    int r = keep_row(restore, object, &row);

    if (r < 0)
        return r;
    restore->puts[restore->effects.n_puts++] =
        (struct store_put){.object = row, .created_ms = row->created_ms, .revision = row->revision};
    return maybe_write(restore);
}

static int take_log(void *context, const struct store_object *entry)
{
    struct restore *restore = context;
    struct store_object *row = NULL;
    int r = keep_row(restore, entry, &row);

    if (r < 0)
        return r;
    restore->log[restore->effects.n_log++] = (struct store_log_entry){row, row->revision};
    return maybe_write(restore);
}

static int take_setting(void *context, const struct store_pair *setting)
{
    struct restore *restore = context;
    struct store_pair copy = *setting;
    struct store_effects effects = restore->effects;
    int r;

    effects.n_puts = effects.n_log = 0;
    effects.settings = &copy;
    effects.n_settings = 1;
    r = restore->store->backend->write(restore->store, &effects, false);
    if (r < 0) {
        restore->begun = false;
        return store_said(restore, r);
    }
    restore->done++;
    return 0;
}

static int see_counts(void *context, uint64_t revision, uint64_t settings, uint64_t objects,
                      uint64_t log)
{
    return revision || settings || objects || log ? -ENOTEMPTY : 0;
}

/* The database is opened only now: what is no backup makes none. */
static int take_header(void *context, const struct backup_header *header)
{
    static const struct store_dump dump = {.begin = see_counts};
    const struct store_options options = {.create = true};
    struct restore *restore = context;
    uint64_t revision = 0;
    int r;

    restore->header = *header;
    restore->total = header->settings + header->objects + header->log;
    r = store_open(restore->uri, &options, restore->problem, &restore->store);
    if (r < 0)
        return r;
    r = restore->store->backend->dump(restore->store, &dump, NULL, &revision);
    if (r == -ENOTEMPTY) {
        buf_puts(restore->problem, "the database is not empty; restore into a new one");
        return r;
    }
    if (r == 0)
        r = restore->store->backend->begin(restore->store, NULL, &revision);
    if (r < 0)
        return store_said(restore, r);
    restore->begun = true;
    forget_rows(restore);
    return 0;
}

static int take_end(void *context)
{
    return write_rows(context, true);
}

static void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
    *file = NULL;
}

static void remove_file(const char *path, const char *suffix)
{
    _cleanup_free_
    char *name = NULL;

    if (asprintf(&name, "%s%s", path, suffix) < 0) {
        name = NULL;
        return;
    }
    unlink(name);
}

static int run(struct restore *restore, const char *path)
{
    static const struct backup_visitor visitor = {.header = take_header,
                                                  .setting = take_setting,
                                                  .object = take_object,
                                                  .log = take_log,
                                                  .end = take_end};
    _cleanup_(close_file) FILE *file = fopen(path, "re");
    _cleanup_buf_ struct buf text = BUF_INIT(4096);
    int r;

    if (!file) {
        r = -errno;
        buf_printf(restore->problem, "cannot read %s: %s", path, error_text(r));
        return r;
    }
    r = backup_read(file, &visitor, restore, &text);
    if (r == -EINVAL && text.data)
        buf_printf(restore->problem, "%s, %s", path, text.data);
    else if (r < 0 && restore->problem->len == 0)
        buf_printf(restore->problem, "cannot restore %s: %s", path, error_text(r));
    if (restore->begun)
        restore->store->backend->rollback(restore->store);
    forget_rows(restore);
    return r;
}

int store_restore(const char *uri, const char *path, store_progress_fn *progress, void *context,
                  struct buf *problem)
{
    _cleanup_free_
    struct restore *restore = NULL;
    struct stat st;
    bool missing;
    int r;

    assert(uri);
    assert(path);
    assert(problem);

    restore = calloc(1, sizeof(*restore));
    if (!restore)
        return -ENOMEM;
    restore->uri = uri;
    restore->progress = progress;
    restore->context = context;
    restore->problem = problem;
    missing = !store_uri_is_postgres(uri) && stat(uri, &st) < 0 && errno == ENOENT;
    r = run(restore, path);
    store_close(&restore->store);
    if (r < 0 && missing) {
        remove_file(uri, "");
        remove_file(uri, "-wal");
        remove_file(uri, "-shm");
    }
    return r;
}
