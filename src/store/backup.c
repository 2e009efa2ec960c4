/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

#define PROGRESS_STEP 1000 /* lines between two calls */

struct writer {
    FILE *file;
    EVP_MD_CTX *digest;
    struct buf line;
    uint64_t lines, done, total;
    store_progress_fn *progress;
    void *context;
};

static void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
    *file = NULL;
}

static int write_line(struct writer *writer)
{
    struct buf *line = &writer->line;

    buf_puts(line, "\n");
    if (line->error)
        return line->error;
    if (EVP_DigestUpdate(writer->digest, line->data, line->len) != 1)
        return -EIO;
    if (fwrite(line->data, 1, line->len, writer->file) != line->len)
        return errno ? -errno : -EIO;
    buf_consume(line, line->len);
    writer->lines++;
    return 0;
}

static int write_row(struct writer *writer)
{
    int r = write_line(writer);

    writer->done++;
    if (r == 0 && writer->progress &&
        (writer->done % PROGRESS_STEP == 0 || writer->done == writer->total))
        writer->progress(writer->context, writer->done, writer->total);
    return r;
}

static void add_text(struct buf *line, const char *before, const char *text, size_t len)
{
    buf_puts(line, before);
    text_json_escape(line, text, len);
    buf_puts(line, "\"");
}

static int write_header(void *context, uint64_t revision, uint64_t settings, uint64_t objects,
                        uint64_t log)
{
    struct writer *writer = context;

    writer->total = settings + objects + log;
    buf_printf(&writer->line,
               "{\"bulkhead-backup\":%d,\"layout\":%d,\"revision\":%" PRIu64 ",\"created\":%" PRId64
               ",\"settings\":%" PRIu64 ",\"objects\":%" PRIu64 ",\"log\":%" PRIu64 "}",
               BACKUP_VERSION, STORE_LAYOUT, revision, store_now_ms(), settings, objects, log);
    return write_line(writer);
}

static int write_setting(void *context, const struct store_pair *setting)
{
    struct writer *writer = context;

    add_text(&writer->line, "{\"setting\":{\"name\":\"", setting->name, strlen(setting->name));
    add_text(&writer->line, ",\"value\":\"", setting->value, strlen(setting->value));
    buf_puts(&writer->line, "}}");
    return write_row(writer);
}

static int write_object(void *context, const struct store_object *object)
{
    struct writer *writer = context;
    struct buf *line = &writer->line;

    add_text(line, "{\"object\":{\"id\":\"", object->id, strlen(object->id));
    add_text(line, ",\"kind\":\"", object->kind, strlen(object->kind));
    add_text(line, ",\"namespace\":\"", object->namespace, strlen(object->namespace));
    if (object->unique_key)
        add_text(line, ",\"key\":\"", object->unique_key, strlen(object->unique_key));
    buf_printf(line, ",\"created\":%" PRId64 ",\"updated\":%" PRId64 ",\"revision\":%" PRIu64 "",
               object->created_ms, object->updated_ms, object->revision);
    add_text(line, ",\"body\":\"", object->body, object->body_len);
    buf_puts(line, "}}");
    return write_row(writer);
}

static int write_log(void *context, const struct store_object *entry)
{
    struct writer *writer = context;
    struct buf *line = &writer->line;

    add_text(line, "{\"log\":{\"id\":\"", entry->id, strlen(entry->id));
    add_text(line, ",\"namespace\":\"", entry->namespace, strlen(entry->namespace));
    buf_printf(line, ",\"created\":%" PRId64 ",\"revision\":%" PRIu64, entry->created_ms,
               entry->revision);
    add_text(line, ",\"body\":\"", entry->body, entry->body_len);
    buf_puts(line, "}}");
    return write_row(writer);
}

static int write_end(struct writer *writer)
{
    uint8_t digest[EVP_MAX_MD_SIZE];

    if (EVP_DigestFinal_ex(writer->digest, digest, NULL) != 1)
        return -EIO;
    buf_printf(&writer->line, "{\"end\":{\"lines\":%" PRIu64 ",\"sha256\":\"", writer->lines);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        buf_printf(&writer->line, "%02x", digest[i]);
    buf_puts(&writer->line, "\"}}\n");
    if (writer->line.error)
        return writer->line.error;
    errno = 0;
    if (fwrite(writer->line.data, 1, writer->line.len, writer->file) != writer->line.len ||
        fflush(writer->file) != 0 || fsync(fileno(writer->file)) < 0)
        return errno ? -errno : -EIO;
    return 0;
}

/* The error of a disk that is full is the file's when the store has no word about it. */
static int write_all(struct store *store, struct writer *writer)
{
    static const struct store_dump dump = {
        .begin = write_header,
        .setting = write_setting,
        .object = write_object,
        .log = write_log,
    };
    uint64_t revision = 0;
    int r;

    if (!writer->digest || EVP_DigestInit_ex(writer->digest, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    errno = 0;
    r = store->backend->dump(store, &dump, writer, &revision);
    if (r == 0)
        r = write_end(writer);
    return r;
}

static int open_beside(const char *path, char **ret_name, FILE **ret_file)
{
    _cleanup_free_
    char *name = NULL;
    _cleanup_close_
    int fd = -1;

    if (asprintf(&name, "%s.XXXXXX", path) < 0) {
        name = NULL;
        return -ENOMEM;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_file = fdopen(fd, "w");
    if (!*ret_file) {
        unlink(name);
        return -ENOMEM;
    }
    TAKE_FD(fd);
    *ret_name = TAKE_PTR(name);
    return 0;
}

int store_backup(struct store *store, const char *path, store_progress_fn *progress, void *context,
                 struct buf *problem)
{
    _cleanup_(backup_digest_free) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    _cleanup_(close_file) FILE *file = NULL;
    _cleanup_free_
    char *name = NULL;
    struct writer writer = {.digest = digest, .progress = progress, .context = context};
    int r;

    assert(store);
    assert(path);
    assert(problem);

    r = open_beside(path, &name, &file);
    if (r < 0) {
        buf_printf(problem, "cannot write %s: %s", path, error_text(r));
        return r;
    }
    assert(name);
    writer.file = file;
    writer.line = BUF_INIT(BACKUP_LINE_BYTES_MAX);
    *store->problem = '\0';
    r = write_all(store, &writer);
    buf_free(&writer.line);
    if (r == 0 && rename(name, path) < 0)
        r = -errno;
    if (r == 0)
        r = store_sync_directory_of(path);
    if (r < 0) {
        unlink(name);
        buf_printf(problem, "cannot write %s: %s", path,
                   *store->problem ? store->problem : error_text(r));
    }
    return r;
}
