/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "base/hash.h"
#include "store/backup.h"

#define CHUNK_BYTES 65536
#define DIGEST_HEX (2 * SHA256_BYTES)

struct reader {
    FILE *file;
    const struct backup_visitor *visitor;
    void *context;
    struct buf *problem;
    EVP_MD_CTX *digest; /* of the lines before this one */
    struct backup_header header;
    uint64_t lines; /* read, with this one */
    uint64_t settings, objects, log;
    bool ended;
    char chunk[CHUNK_BYTES];
    size_t at, n;
    struct buf line;
};

static int bad(struct reader *reader, const char *what)
{
    buf_printf(reader->problem, "line %" PRIu64 ": %s", reader->lines, what);
    return -EINVAL;
}

/* 1 a line, with its newline, 0 the end of the file. */
static int read_line(struct reader *reader)
{
    buf_consume(&reader->line, reader->line.len);
    reader->lines++;
    for (;;) {
        const char *newline;
        size_t len;

        if (reader->at == reader->n) {
            reader->at = 0;
            reader->n = fread(reader->chunk, 1, sizeof(reader->chunk), reader->file);
        }
        if (reader->n == 0 && ferror(reader->file))
            return -EIO;
        if (reader->n == 0)
            return reader->line.len == 0 ? 0 : bad(reader, "the file is cut off");
        newline = memchr(reader->chunk + reader->at, '\n', reader->n - reader->at);
        len = newline ? (size_t)(newline - reader->chunk) + 1 - reader->at : reader->n - reader->at;
        buf_append(&reader->line, reader->chunk + reader->at, len);
        reader->at += len;
        if (reader->line.error)
            return reader->line.error == -ENOMEM ? -ENOMEM : bad(reader, "the line is too long");
        if (newline)
            return 1;
    }
}

static bool get_number(const json_t *object, const char *name, uint64_t *ret)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

static bool get_time(const json_t *object, const char *name, int64_t *ret)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_integer(value))
        return false;
    *ret = json_integer_value(value);
    return true;
}

static bool get_text(const json_t *object, const char *name, const char **ret)
{
    *ret = json_string_value(json_object_get(object, name));
    return *ret != NULL;
}

static int take_header(struct reader *reader, const json_t *line)
{
    struct backup_header *header = &reader->header;
    uint64_t version = 0, layout = 0;

    if (!get_number(line, "bulkhead-backup", &version))
        return bad(reader, "this is not a backup of Bulkhead");
    if (version > BACKUP_VERSION)
        return bad(reader, "the backup was made by a newer version of Bulkhead");
    if (!get_number(line, "layout", &layout) || !get_number(line, "revision", &header->revision) ||
        !get_time(line, "created", &header->created_ms) ||
        !get_number(line, "settings", &header->settings) ||
        !get_number(line, "objects", &header->objects) || !get_number(line, "log", &header->log))
        return bad(reader, "the header is not complete");
    return reader->visitor->header(reader->context, header);
}

static int take_setting(struct reader *reader, const json_t *value)
{
    struct store_pair pair = {0};

    if (!get_text(value, "name", &pair.name) || !get_text(value, "value", &pair.value))
        return bad(reader, "a setting that is not complete");
    reader->settings++;
    return reader->visitor->setting(reader->context, &pair);
}

static int take_object(struct reader *reader, const json_t *value, enum store_op_type type)
{
    struct store_op op = {.type = type};
    struct store_object *object = &op.object;
    bool complete;

    complete =
        get_text(value, "id", &object->id) && get_text(value, "namespace", &object->namespace) &&
        get_text(value, "body", &object->body) && get_time(value, "created", &object->created_ms) &&
        get_number(value, "revision", &object->revision);
    if (complete && type == STORE_CREATE)
        complete = get_text(value, "kind", &object->kind) &&
                   get_time(value, "updated", &object->updated_ms);
    if (!complete)
        return bad(reader, "an object that is not complete");
    if (object->revision > reader->header.revision)
        return bad(reader, "an object newer than the backup");
    get_text(value, "key", &object->unique_key);
    object->body_len = strlen(object->body);
    if (store_check_op(&op) < 0)
        return bad(reader, "an object with a part that is too long or empty");
    if (type == STORE_LOG) {
        reader->log++;
        return reader->visitor->log(reader->context, object);
    }
    reader->objects++;
    return reader->visitor->object(reader->context, object);
}

static int take_end(struct reader *reader, const json_t *value)
{
    const struct backup_header *header = &reader->header;
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[DIGEST_HEX + 1];
    const char *said = NULL;
    uint64_t lines = 0;

    if (!get_number(value, "lines", &lines) || !get_text(value, "sha256", &said))
        return bad(reader, "an end that is not complete");
    if (EVP_DigestFinal_ex(reader->digest, digest, NULL) != 1)
        return -EIO;
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    if (lines != reader->lines - 1 || reader->settings != header->settings ||
        reader->objects != header->objects || reader->log != header->log)
        return bad(reader, "lines are missing or too many");
    if (strcmp(said, hex) != 0)
        return bad(reader, "the SHA-256 is another one: the file was changed");
    reader->ended = true;
    return 0;
}

static int take_line(struct reader *reader, const json_t *line)
{
    const json_t *value;

    if (reader->ended)
        return bad(reader, "something after the end");
    if (reader->lines == 1)
        return take_header(reader, line);
    if ((value = json_object_get(line, "object")))
        return take_object(reader, value, STORE_CREATE);
    if ((value = json_object_get(line, "log")))
        return take_object(reader, value, STORE_LOG);
    if ((value = json_object_get(line, "setting")))
        return take_setting(reader, value);
    if ((value = json_object_get(line, "end")))
        return take_end(reader, value);
    return bad(reader, "expected an object, log, setting or end");
}

static int read_lines(struct reader *reader)
{
    int r;

    while ((r = read_line(reader)) > 0) {
        json_t *line =
            json_loadb(reader->line.data, reader->line.len, JSON_REJECT_DUPLICATES, NULL);

        r = line ? take_line(reader, line) : bad(reader, "this is not JSON");
        json_decref(line);
        if (r < 0)
            return r;
        if (EVP_DigestUpdate(reader->digest, reader->line.data, reader->line.len) != 1)
            return -EIO;
        if (reader->ended)
            EVP_DigestInit_ex(reader->digest, EVP_sha256(), NULL);
    }
    if (r == 0 && !reader->ended)
        return bad(reader, "the file is cut off: its last line is missing");
    if (r == 0 && reader->visitor->end)
        r = reader->visitor->end(reader->context);
    return r;
}

int backup_read(FILE *file, const struct backup_visitor *visitor, void *context,
                struct buf *problem)
{
    _cleanup_(backup_digest_free) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    _cleanup_free_
    struct reader *reader = NULL;
    int r;

    assert(file);
    assert(visitor);
    assert(problem);

    reader = calloc(1, sizeof(*reader));
    if (!reader || !digest)
        return -ENOMEM;
    *reader = (struct reader){.file = file,
                              .visitor = visitor,
                              .context = context,
                              .problem = problem,
                              .digest = digest,
                              .line = BUF_INIT(BACKUP_LINE_BYTES_MAX)};
    if (EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
        return -EIO;
    r = read_lines(reader);
    buf_free(&reader->line);
    return r;
}
