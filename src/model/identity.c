/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "model/model.h"

#define IDENTITY_RESERVED_MAX 255
#define IDENTITY_TEXT_MAX                                                                          \
    (64u + MODEL_NAMESPACE_MAX + MODEL_TAGS_PER_SET_MAX * (MODEL_TAG_BYTES_MAX + 1u))

int pu_tags_complete(const struct tag_set *given, const char *namespace, const char *name,
                     const char *type, struct tag_set *ret)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    int r;

    assert(given);
    assert(namespace);
    assert(ret);

    r = tag_set_copy(given, &tags);
    if (r == 0)
        r = tag_set_add(&tags, "$identity=processingunit");
    if (r == 0)
        r = tag_set_addf(&tags, "$namespace=%s", namespace);
    if (r == 0 && name)
        r = tag_set_addf(&tags, "$name=%s", name);
    if (r == 0 && type)
        r = tag_set_addf(&tags, "$type=%s", type);
    if (r < 0)
        return r;
    *ret = tags;
    tags = (struct tag_set){0};
    return 0;
}

uint32_t identity_id(const char *namespace, const struct tag_set *tags)
{
    _cleanup_buf_ struct buf text = BUF_INIT(IDENTITY_TEXT_MAX);
    uint8_t digest[SHA256_BYTES];

    assert(namespace);
    assert(tags);

    buf_printf(&text, "bulkhead-identity-1\n%s\n", namespace);
    for (size_t i = 0; i < tags->n; i++) {
        buf_puts(&text, tags->tags[i]);
        buf_puts(&text, "\n");
    }
    /*
     * There is no id to return without the digest, and a wrong one would let a stranger in; out of
     * memory for a few kilobytes, or without SHA-256 in the library, nothing can go on.
     */
    if (text.error || hash_sha256(text.data, text.len, digest) < 0)
        abort();
    for (;;) {
        for (size_t i = 0; i < sizeof(digest); i += 4) {
            uint32_t id = (uint32_t)digest[i] << 24 | (uint32_t)digest[i + 1] << 16 |
                          (uint32_t)digest[i + 2] << 8 | digest[i + 3];

            if (id > IDENTITY_RESERVED_MAX)
                return id;
        }
        if (hash_sha256(digest, sizeof(digest), digest) < 0)
            abort();
    }
}
