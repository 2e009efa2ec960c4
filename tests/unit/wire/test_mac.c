/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/macros.h"
#include "wire/wire.h"

/*
 * vectors_sip64 of the SipHash reference implementation: key 00 01 … 0f, message 00 01 … of the
 * length that is the index. Index 15 is the worked example of the paper's appendix A. As 64-bit
 * numbers; the reference prints the same in little-endian bytes.
 */
static const uint64_t vectors[64] = {
    0x726fdb47dd0e0e31ULL, 0x74f839c593dc67fdULL, 0x0d6c8009d9a94f5aULL, 0x85676696d7fb7e2dULL,
    0xcf2794e0277187b7ULL, 0x18765564cd99a68dULL, 0xcbc9466e58fee3ceULL, 0xab0200f58b01d137ULL,
    0x93f5f5799a932462ULL, 0x9e0082df0ba9e4b0ULL, 0x7a5dbbc594ddb9f3ULL, 0xf4b32f46226bada7ULL,
    0x751e8fbc860ee5fbULL, 0x14ea5627c0843d90ULL, 0xf723ca908e7af2eeULL, 0xa129ca6149be45e5ULL,
    0x3f2acc7f57c29bdbULL, 0x699ae9f52cbe4794ULL, 0x4bc1b3f0968dd39cULL, 0xbb6dc91da77961bdULL,
    0xbed65cf21aa2ee98ULL, 0xd0f2cbb02e3b67c7ULL, 0x93536795e3a33e88ULL, 0xa80c038ccd5ccec8ULL,
    0xb8ad50c6f649af94ULL, 0xbce192de8a85b8eaULL, 0x17d835b85bbb15f3ULL, 0x2f2e6163076bcfadULL,
    0xde4daaaca71dc9a5ULL, 0xa6a2506687956571ULL, 0xad87a3535c49ef28ULL, 0x32d892fad841c342ULL,
    0x7127512f72f27cceULL, 0xa7f32346f95978e3ULL, 0x12e0b01abb051238ULL, 0x15e034d40fa197aeULL,
    0x314dffbe0815a3b4ULL, 0x027990f029623981ULL, 0xcadcd4e59ef40c4dULL, 0x9abfd8766a33735cULL,
    0x0e3ea96b5304a7d0ULL, 0xad0c42d6fc585992ULL, 0x187306c89bc215a9ULL, 0xd4a60abcf3792b95ULL,
    0xf935451de4f21df2ULL, 0xa9538f0419755787ULL, 0xdb9acddff56ca510ULL, 0xd06c98cd5c0975ebULL,
    0xe612a3cb9ecba951ULL, 0xc766e62cfcadaf96ULL, 0xee64435a9752fe72ULL, 0xa192d576b245165aULL,
    0x0a8787bf8ecb74b2ULL, 0x81b3e73d20b49b6fULL, 0x7fa8220ba3b2eceaULL, 0x245731c13ca42499ULL,
    0xb78dbfaf3a8d83bdULL, 0xea1ad565322a1a0bULL, 0x60e61c23a3795013ULL, 0x6606d7e446282b93ULL,
    0x6ca4ecb15c5f91e1ULL, 0x9f626da15c9625f3ULL, 0xe51b38608ef25f57ULL, 0x958a324ceb064572ULL,
};

static void counting(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)i;
}

static void test_reference_vectors(void **state)
{
    uint8_t key[WIRE_PAIR_KEY_BYTES], message[ARRAY_SIZE(vectors)];

    counting(key, sizeof(key));
    counting(message, sizeof(message));
    for (size_t len = 0; len < ARRAY_SIZE(vectors); len++)
        assert_true(wire_siphash(key, message, len) == vectors[len]);
    assert_true(wire_siphash(key, NULL, 0) == vectors[0]);
}

static uint64_t openssl_siphash(const uint8_t key[WIRE_PAIR_KEY_BYTES], const uint8_t *data,
                                size_t len)
{
    uint64_t size = sizeof(uint64_t), mac = 0;
    uint8_t out[sizeof(uint64_t)];
    size_t out_len = 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_uint64(OSSL_MAC_PARAM_SIZE, &size),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac_type = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac_type);

    assert_non_null(ctx);
    assert_int_equal(EVP_MAC_init(ctx, key, WIRE_PAIR_KEY_BYTES, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, data, len), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &out_len, sizeof(out)), 1);
    assert_int_equal(out_len, sizeof(out));
    for (size_t i = 0; i < sizeof(out); i++)
        mac |= (uint64_t)out[i] << (8 * i);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac_type);
    return mac;
}

/* An implementation that is not ours, on lengths past one byte of the length field. */
static void test_agrees_with_openssl(void **state)
{
    uint8_t key[WIRE_PAIR_KEY_BYTES], message[600];

    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)(i * 167 + 13);
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(0xff - 11 * i);
    for (size_t len = 0; len <= sizeof(message); len++)
        assert_true(wire_siphash(key, message, len) == openssl_siphash(key, message, len));
}

static const struct wire_transcript sample = {
    .isn_a = 0x01020304,
    .isn_b = 0x05060708,
    .enforcer_a = 0x11121314,
    .identity_a = 0x21222324,
    .enforcer_b = 0x31323334,
    .identity_b = 0x41424344,
    .epoch_a = 0x5152,
    .epoch_b = 0x6162,
};

/* The 32 bytes of docs/formats/identity-option.md, written out by hand. */
static void test_transcript_layout(void **state)
{
    uint8_t key[WIRE_PAIR_KEY_BYTES];
    uint8_t bytes[32] = {
        'A',  1,    0x51, 0x52,                         /* role, version, epoch of a */
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* ISNs */
        0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24, /* a: enforcer, identity */
        0x31, 0x32, 0x33, 0x34, 0x41, 0x42, 0x43, 0x44, /* b: enforcer, identity */
        0x61, 0x62, 0,    0,                            /* epoch of b, zero */
    };

    counting(key, sizeof(key));
    assert_true(wire_mac(key, WIRE_ROLE_A, &sample) == openssl_siphash(key, bytes, sizeof(bytes)));
    bytes[0] = 'B';
    assert_true(wire_mac(key, WIRE_ROLE_B, &sample) == openssl_siphash(key, bytes, sizeof(bytes)));
}

/* Every field, the role and the key count: change any bit and the proof is another one. */
static void test_everything_counts(void **state)
{
    uint8_t key[WIRE_PAIR_KEY_BYTES];
    uint64_t mac;

    counting(key, sizeof(key));
    mac = wire_mac(key, WIRE_ROLE_A, &sample);
    assert_true(mac != wire_mac(key, WIRE_ROLE_B, &sample));
    for (size_t bit = 0; bit < 8 * sizeof(sample); bit++) {
        struct wire_transcript other = sample;

        ((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_true(mac != wire_mac(key, WIRE_ROLE_A, &other));
    }
    for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
        key[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_true(mac != wire_mac(key, WIRE_ROLE_A, &sample));
        key[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

int main(void)
{
    static_assert(sizeof(struct wire_transcript) == 28, "no padding: each bit is tried above");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_vectors),
        cmocka_unit_test(test_agrees_with_openssl),
        cmocka_unit_test(test_transcript_layout),
        cmocka_unit_test(test_everything_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
