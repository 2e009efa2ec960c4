/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_cli */
/* What a Console (or somebody in its place) sends: WebSocket frames, MessagePack, tokens and
 * credential files. */
#include "cli/client/encoding.h"
#include "cli/client/session.h"
#include "cli/client/socket.h"
#include "fuzz.h"

static void frames(const char *data, size_t len)
{
    struct frame frame;
    size_t used = 0;

    while (frame_parse(data, len, &frame, &used) == 0) {
        FUZZ_CHECK(used >= 2 && used <= len);
        FUZZ_CHECK(frame.payload + frame.len == data + used);
        data += used;
        len -= used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    json_t *value = encoding_unpack(data, size);
    _cleanup_credential_ struct credential *credential = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);

    if (value) { /* what was read is written and read as the same */
        _cleanup_buf_ struct buf buf = BUF_INIT(64 << 20);
        json_t *again;

        encoding_pack(value, &buf);
        again = buf.error ? NULL : encoding_unpack(buf.data, buf.len);
        FUZZ_CHECK(buf.error || again);
        json_decref(again);
    }
    json_decref(value);
    frames(text, size);
    token_expiry(text);
    credential_parse(text, size, &problem, &credential);
    free(text);
    return 0;
}
