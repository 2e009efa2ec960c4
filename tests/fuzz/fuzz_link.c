/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_link */
#include "base/buf.h"
#include "fuzz.h"
#include "link/link.h"

/* What decodes encodes again, and decodes to the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct link_decoder *decoder;
    struct buf first = BUF_INIT(4 * LINK_MESSAGE_BYTES_MAX),
               second = BUF_INIT(4 * LINK_MESSAGE_BYTES_MAX);
    struct link_message message;
    const char *problem;

    if (!decoder && link_decoder_new(&decoder) < 0)
        return 0;
    if (link_decode(decoder, data, size, &message, &problem) == 0) {
        link_encode(&first, &message);
        FUZZ_CHECK(first.error == 0);
        if (first.len <= LINK_MESSAGE_BYTES_MAX) {
            FUZZ_CHECK(link_decode(decoder, first.data, first.len, &message, &problem) == 0);
            link_encode(&second, &message);
            FUZZ_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
        }
    }
    buf_free(&first);
    buf_free(&second);
    return 0;
}
