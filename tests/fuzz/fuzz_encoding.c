/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_console */
#include "console/encoding.h"
#include "fuzz.h"

/* What was read in one encoding is the same after it was written and read in either. */
static void there_and_back(const json_t *value, enum encoding encoding)
{
    struct buf buf = BUF_INIT(16u << 20);
    char problem[ENCODING_PROBLEM_MAX];
    json_t *again;

    encoding_append(encoding, value, &buf);
    FUZZ_CHECK(buf.error == 0);
    again = encoding_decode(encoding, buf.data, buf.len, problem, sizeof(problem));
    FUZZ_CHECK(again && json_equal(value, again));
    json_decref(again);
    buf_free(&buf);
}

/* First byte: even is JSON, odd is MessagePack, and the rest is also looked at as the value of a
 * header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char problem[ENCODING_PROBLEM_MAX], *text;
    enum encoding encoding;
    json_t *value;

    if (size < 1)
        return 0;
    text = fuzz_text(data + 1, size - 1);
    if (encoding_choose(text, &encoding) < 0)
        FUZZ_CHECK(encoding == ENCODING_JSON);
    encoding_of_content(text, &encoding);
    encoding = data[0] & 1 ? ENCODING_MSGPACK : ENCODING_JSON;
    value = encoding_decode(encoding, text, size - 1, problem, sizeof(problem));
    FUZZ_CHECK(value ? !*problem : *problem != '\0');
    if (value) {
        FUZZ_CHECK(json_is_object(value) || json_is_array(value));
        there_and_back(value, ENCODING_JSON);
        there_and_back(value, ENCODING_MSGPACK);
        json_decref(value);
    }
    free(text);
    return 0;
}
