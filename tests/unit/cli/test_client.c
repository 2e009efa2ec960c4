/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, MessagePack, credentials, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/error.h"
#include "cli/client/encoding.h"
#include "cli/client/session.h"
#include "cli/client/socket.h"

static void refuses_wrong_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        int result;
    } cases[] = {
        {"", 0, -EAGAIN},
        {"\x81", 1, -EAGAIN},
        {"\x81\x05hell", 6, -EAGAIN},
        {"\x81\x7e\x00", 3, -EAGAIN},
        {"\x81\x7f\x00\x00\x00\x00\x00\x00\x00", 9, -EAGAIN},
        {"\x81\x85\x00\x00\x00\x00hello", 11, -EPROTO}, /* masked */
        {"\xc1\x00", 2, -EPROTO},                       /* an extension */
        {"\x83\x00", 2, -EPROTO},                       /* unknown */
        {"\x8b\x00", 2, -EPROTO},
        {"\x09\x00", 2, -EPROTO}, /* a ping in parts */
        {"\x89\x7e\x00\x7e", 4, -EPROTO},
        {"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, -E2BIG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct frame frame;
        size_t used;

        assert_int_equal(frame_parse(cases[i].bytes, cases[i].len, &frame, &used), cases[i].result);
    }
}

static void reads_frames(void **state)
{
    struct frame frame;
    size_t used;

    assert_int_equal(frame_parse("\x81\x05hello\x89", 8, &frame, &used), 0);
    assert_int_equal(used, 7);
    assert_int_equal(frame.opcode, FRAME_TEXT);
    assert_true(frame.final);
    assert_memory_equal(frame.payload, "hello", 5);
    assert_int_equal(frame_parse("\x00\x7e\x00\x01x", 5, &frame, &used), 0);
    assert_int_equal(used, 5);
    assert_false(frame.final);
}

static void writes_masked_frames(void **state)
{
    static const size_t lengths[] = {0, 125, 126, 65535, 65536};
    static const size_t heads[] = {6, 6, 8, 8, 14};
    static const uint8_t mask[] = {1, 2, 3, 4};
    static char data[65536];

    memset(data, 'a', sizeof(data));
    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
        _cleanup_buf_ struct buf buf = BUF_INIT(100000);

        frame_append(FRAME_TEXT, data, lengths[i], mask, &buf);
        assert_int_equal(buf.error, 0);
        assert_int_equal(buf.len, heads[i] + lengths[i]);
        assert_int_equal((uint8_t)buf.data[0], 0x81);
        assert_true((uint8_t)buf.data[1] & 0x80);
        if (lengths[i])
            assert_int_equal((uint8_t)buf.data[heads[i] + lengths[i] - 1],
                             'a' ^ mask[(lengths[i] - 1) % 4]);
    }
}

static void packs_and_unpacks(void **state)
{
    static const char text[] =
        "[null, true, false, -1, 0, 127, 70000, 9007199254740993, 1.5, \"\", \"\\u00e4\", [], {}, "
        "{\"a\": [{\"b\": -2147483649}]}]";
    json_t *value = json_loads(text, 0, NULL), *again;
    _cleanup_buf_ struct buf buf = BUF_INIT(4096);

    encoding_pack(value, &buf);
    assert_int_equal(buf.error, 0);
    again = encoding_unpack(buf.data, buf.len);
    assert_non_null(again);
    assert_true(json_equal(value, again));
    json_decref(again);
    json_decref(value);
    assert_null(encoding_unpack("", 0));
    assert_null(encoding_unpack("\xdd\xff\xff\xff\xff", 5)); /* a list of 4 G */
    assert_null(encoding_unpack("\xa1\xff", 2));             /* no UTF-8 */
    assert_null(encoding_unpack("\x81\x01\x02", 3));         /* a number as key */
    assert_null(encoding_unpack("\x01\x02", 2));             /* two values */
}

static void reads_credentials(void **state)
{
    static const struct {
        const char *text;
        const char *problem; /* NULL: fine */
    } cases[] = {
        {"", "expected the JSON of an app credential"},
        {"[]", "expected the JSON"},
        {"{}", "expected certificate and certificateKey, or token"},
        {"{\"certificate\": \"eA==\", \"certificateKey\": \"eA==\"}",
         "certificate: found something else, expected base64 of PEM"},
        {"{\"certificate\": \"LS0tLS1CRUdJTiBY\"}", "expected certificate and certificateKey"},
        {"{\"certificate\": \"LS0tLS1CRUdJTiBY\", \"certificateKey\": \"LS0tLS1CRUdJTiBY\","
         " \"APIURL\": \"https://c\", \"namespace\": \"/a\"}",
         NULL},
        {"{\"certificate\": \"-----BEGIN X\", \"certificateKey\": \"-----BEGIN X\"}", NULL},
        {"{\"token\": \"a.b.c\", \"APIURL\": \"https://c\"}", NULL},
        {"{\"token\": \"a\", \"token\": \"b\"}", "expected the JSON"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_credential_ struct credential *credential = NULL;
        _cleanup_buf_ struct buf problem = BUF_INIT(1024);
        int r = credential_parse(cases[i].text, strlen(cases[i].text), &problem, &credential);

        assert_int_equal(r, cases[i].problem ? -BULKHEAD_EINVALID_INPUT : 0);
        assert_int_equal(credential == NULL, cases[i].problem != NULL);
        if (cases[i].problem)
            assert_non_null(strstr(problem.data, cases[i].problem));
        else if (!credential->token)
            assert_int_equal(strncmp(credential->certificate, "-----BEGIN X", 12), 0);
    }
}

static void makes_keys_and_requests(void **state)
{
    _cleanup_free_
    char *key = NULL, *request = NULL;
    BIO *bio;
    X509_REQ *parsed;
    EVP_PKEY *pkey;

    assert_int_equal(credential_key_new("ci", &key, &request), 0);
    assert_int_equal(strncmp(key, "-----BEGIN PRIVATE KEY", 22), 0);
    bio = BIO_new_mem_buf(request, -1);
    parsed = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = BIO_new_mem_buf(key, -1);
    pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(parsed);
    assert_non_null(pkey);
    assert_int_equal(X509_REQ_verify(parsed, pkey), 1);
    assert_int_equal(EVP_PKEY_get_bits(pkey), 256);
    X509_REQ_free(parsed);
    EVP_PKEY_free(pkey);
}

static void looks_into_tokens(void **state)
{
    /* {"exp":2000000000} */
    assert_int_equal(token_expiry("x.eyJleHAiOjIwMDAwMDAwMDB9.y"), 2000000000);
    assert_int_equal(token_expiry("x.e30.y"), 0);
    assert_int_equal(token_expiry("nothing"), 0);
    assert_null(token_claims("a.!!!.b"));
    assert_null(token_claims("a.b"));
    assert_null(token_claims(""));
}

static void codes_base64(void **state)
{
    static const char *const texts[][2] = {
        {"", ""}, {"a", "YQ=="}, {"ab", "YWI="}, {"abc", "YWJj"}};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_free_
        char *encoded = base64_encode(texts[i][0], strlen(texts[i][0]));
        size_t len = 99;
        _cleanup_free_
        char *decoded = base64_decode(texts[i][1], &len);

        assert_string_equal(encoded, texts[i][1]);
        assert_string_equal(decoded, texts[i][0]);
        assert_int_equal(len, strlen(texts[i][0]));
    }
    {
        size_t len;

        assert_null(base64_decode("YQ=", &len));
        assert_null(base64_decode("Y!==", &len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_frames), cmocka_unit_test(reads_frames),
        cmocka_unit_test(writes_masked_frames), cmocka_unit_test(packs_and_unpacks),
        cmocka_unit_test(reads_credentials),    cmocka_unit_test(makes_keys_and_requests),
        cmocka_unit_test(looks_into_tokens),    cmocka_unit_test(codes_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
