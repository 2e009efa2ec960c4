/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_store */
/* A backup file, as the restore reads it: what it takes is complete and within its limits, and the
 * end comes last. */
#include <errno.h>

#include "base/buf.h"
#include "fuzz.h"
#include "store/backup.h"

struct seen {
    bool header, end;
    uint64_t rows;
};

static int see_header(void *context, const struct backup_header *header)
{
    struct seen *seen = context;

    FUZZ_CHECK(!seen->header);
    seen->header = true;
    return 0;
}

static int see_setting(void *context, const struct store_pair *setting)
{
    struct seen *seen = context;

    FUZZ_CHECK(seen->header && !seen->end && setting->name && setting->value);
    seen->rows++;
    return 0;
}

static int see_object(void *context, const struct store_object *object)
{
    struct seen *seen = context;

    FUZZ_CHECK(seen->header && !seen->end && object->body && object->namespace);
    FUZZ_CHECK(strlen(object->id) > 0 && strlen(object->id) <= STORE_ID_BYTES_MAX);
    FUZZ_CHECK(strlen(object->body) == object->body_len);
    seen->rows++;
    return 0;
}

static int see_end(void *context)
{
    struct seen *seen = context;

    FUZZ_CHECK(seen->header && !seen->end);
    seen->end = true;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct backup_visitor visitor = {see_header, see_setting, see_object, see_object,
                                                  see_end};
    struct buf problem = BUF_INIT(4096);
    struct seen seen = {0};
    char *text = fuzz_text(data, size);
    FILE *file = fmemopen(text, size ? size : 1, "r");
    int r;

    if (!file)
        abort();
    r = backup_read(file, &visitor, &seen, &problem);
    FUZZ_CHECK(r == 0 || r == -EINVAL);
    FUZZ_CHECK((r == 0) == seen.end);
    FUZZ_CHECK(r == 0 || problem.len > 0);
    fclose(file);
    buf_free(&problem);
    free(text);
    return 0;
}
