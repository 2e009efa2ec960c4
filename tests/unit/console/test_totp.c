/* SPDX-License-Identifier: Apache-2.0 */
#include "console/totp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* RFC 6238 appendix B, SHA-1, and RFC 4226 appendix D: the same secret. */
static const char secret[] = "12345678901234567890";
static const char secret_base32[] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

static void test_vectors_of_rfc6238(void **state)
{
    static const struct {
        int64_t time_s;
        uint32_t code;
    } vectors[] = {
        {59, 94287082},         {1111111109, 7081804},  {1111111111, 14050471},
        {1234567890, 89005924}, {2000000000, 69279037}, {20000000000, 65353130},
    };

    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        uint32_t code;

        assert_int_equal(totp_code((const uint8_t *)secret, 20, vectors[i].time_s / 30, 8, &code),
                         0);
        assert_int_equal(code, vectors[i].code);
    }
}

static void test_vectors_of_rfc4226(void **state)
{
    static const uint32_t codes[] = {755224, 287082, 359152, 969429, 338314,
                                     254676, 287922, 162583, 399871, 520489};

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        uint32_t code;

        assert_int_equal(totp_code((const uint8_t *)secret, 20, (int64_t)i, 6, &code), 0);
        assert_int_equal(code, codes[i]);
    }
}

static void test_window(void **state)
{
    int64_t step = 0;

    /* 287922 is of step 6: from 180 s to 209 s. */
    assert_int_equal(totp_check(secret_base32, "287922", 149999, -1, &step), -EACCES);
    assert_int_equal(totp_check(secret_base32, "287922", 150000, -1, &step), 0);
    assert_int_equal(step, 6);
    assert_int_equal(totp_check(secret_base32, "287922", 239999, -1, &step), 0);
    assert_int_equal(totp_check(secret_base32, "287922", 240000, -1, &step), -EACCES);
    assert_int_equal(totp_check(secret_base32, "28792", 180000, -1, &step), -EACCES);
    assert_int_equal(totp_check(secret_base32, "2879220", 180000, -1, &step), -EACCES);
    assert_int_equal(totp_check(secret_base32, "", 180000, -1, &step), -EACCES);
    assert_int_equal(totp_check("not base32!", "287922", 180000, -1, &step), -EINVAL);
}

static void test_no_replay(void **state)
{
    int64_t step = 0;

    assert_int_equal(totp_check(secret_base32, "287922", 180000, 5, &step), 0);
    assert_int_equal(totp_check(secret_base32, "287922", 180000, 6, &step), -EACCES);
    /* nor one that is older than the last */
    assert_int_equal(totp_check(secret_base32, "254676", 180000, 6, &step), -EACCES);
}

static void test_secrets(void **state)
{
    char *one, *two, *uri;
    uint8_t bytes[TOTP_SECRET_BYTES_MAX];
    size_t len;

    assert_int_equal(totp_secret_new(&one), 0);
    assert_int_equal(totp_secret_new(&two), 0);
    assert_string_not_equal(one, two);
    assert_int_equal(totp_base32_decode(one, bytes, sizeof(bytes), &len), 0);
    assert_int_equal(len, TOTP_SECRET_BYTES);
    assert_int_equal(totp_base32_decode(secret_base32, bytes, sizeof(bytes), &len), 0);
    assert_memory_equal(bytes, secret, 20);
    assert_int_equal(totp_base32_decode(secret_base32, bytes, 19, &len), -ENOSPC);
    assert_int_equal(totp_base32_decode("", bytes, sizeof(bytes), &len), -EINVAL);
    assert_int_equal(totp_base32_decode("A", bytes, sizeof(bytes), &len), -EINVAL);
    assert_int_equal(totp_base32_decode("ge======", bytes, sizeof(bytes), &len), -EINVAL);
    uri = totp_uri("ABC", "Bulkhead", "a b@c");
    assert_string_equal(uri, "otpauth://totp/Bulkhead:a%20b%40c?secret=ABC&issuer=Bulkhead");
    free(one);
    free(two);
    free(uri);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_rfc6238),
        cmocka_unit_test(test_vectors_of_rfc4226),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_no_replay),
        cmocka_unit_test(test_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
