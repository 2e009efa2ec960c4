/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_console */
#include "console/http_chunk.h"
#include "console/http_frame.h"
#include "console/http_head.h"
#include "fuzz.h"

#include "base/text.h"

static void text_is_good(const char *text)
{
    FUZZ_CHECK(text_utf8_valid(text, strlen(text), NULL));
}

static void head(const char *data, size_t size)
{
    struct http_head *parsed = calloc(1, sizeof(*parsed));
    struct http_refusal refusal = {0};
    size_t from = 0, len = http_head_length(data, size, &from);
    int r;

    if (!parsed)
        abort();
    r = len ? http_head_parse(data, len, parsed, &refusal) : -1;
    if (len && r < 0)
        FUZZ_CHECK(refusal.status >= 400 && refusal.why);
    if (r == 0) {
        FUZZ_CHECK(*parsed->request.path == '/' || strcmp(parsed->request.path, "*") == 0);
        FUZZ_CHECK(!(parsed->chunked && *parsed->content_length));
        text_is_good(parsed->request.path);
        text_is_good(parsed->request.namespace);
        text_is_good(parsed->request.accept);
        for (size_t i = 0; i < parsed->request.n_query; i++) {
            text_is_good(parsed->request.query[i].name);
            text_is_good(parsed->request.query[i].value);
        }
        for (char **field = parsed->request.fields; field && *field; field++)
            text_is_good(*field);
        FUZZ_CHECK(!parsed->is_websocket || strlen(parsed->websocket_key) == 24);
    }
    http_head_clear(parsed);
    free(parsed);
}

/* Cut in two anywhere, the result is the same. */
static void chunks(const char *data, size_t size, size_t cut)
{
    struct http_chunk whole = {0}, parts = {0};
    struct buf a = BUF_INIT(65536), b = BUF_INIT(65536);
    size_t used = 0, used_1 = 0, used_2 = 0;
    int r = http_chunk_feed(&whole, data, size, &a, &used), s;

    cut = size ? cut % size : 0;
    s = http_chunk_feed(&parts, data, cut, &b, &used_1);
    if (s == 0)
        s = http_chunk_feed(&parts, data + cut, size - cut, &b, &used_2);
    FUZZ_CHECK(r == s);
    if (r >= 0)
        FUZZ_CHECK(used == used_1 + used_2 && a.len == b.len &&
                   (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
    buf_free(&a);
    buf_free(&b);
}

static void frames(const uint8_t *data, size_t size)
{
    struct http_frames frames = {.message = BUF_INIT(4096)};
    struct http_frame_event event;
    size_t used;
    int r = 0;

    while (size) {
        used = 0;
        r = http_frames_next(&frames, data, size, &used, &event);
        if (r < 0)
            break;
        FUZZ_CHECK(used <= size && (r == 1 || used == size));
        if (r == 1 && event.opcode == HTTP_OPCODE_TEXT)
            FUZZ_CHECK(text_utf8_valid(event.data, event.len, NULL));
        if (r == 1 && event.opcode == HTTP_OPCODE_CLOSE)
            http_frame_close_code(event.data, event.len);
        if (r == 1)
            http_frames_message_done(&frames);
        data += used;
        size -= used;
    }
    FUZZ_CHECK(r >= 0 || (r <= -1000 && r > -5000));
    http_frames_clear(&frames);
}

/* First byte: which of the three; the second: where a body is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size < 2)
        return 0;
    text = fuzz_text(data + 2, size - 2);
    switch (data[0] % 3) {
    case 0:
        head(text, size - 2);
        break;
    case 1:
        chunks(text, size - 2, data[1]);
        break;
    default:
        frames((const uint8_t *)text, size - 2);
    }
    free(text);
    return 0;
}
