/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/macros.h"
#include "wire/wire.h"

/* RFC 7748, 6.1 */
#define ALICE_PRIVATE "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define ALICE_PUBLIC "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define BOB_PRIVATE "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
#define BOB_PUBLIC "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define SHARED_SECRET "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"

struct pair {
    uint8_t private_key[WIRE_KEY_BYTES], public_key[WIRE_KEY_BYTES];
};

static void hex(const char *text, uint8_t ret[WIRE_KEY_BYTES])
{
    assert_int_equal(strlen(text), 2 * WIRE_KEY_BYTES);
    for (size_t i = 0; i < WIRE_KEY_BYTES; i++) {
        unsigned int byte;

        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        ret[i] = (uint8_t)byte;
    }
}

static struct pair alice(void)
{
    struct pair pair = {0};

    hex(ALICE_PRIVATE, pair.private_key);
    hex(ALICE_PUBLIC, pair.public_key);
    return pair;
}

static struct pair bob(void)
{
    struct pair pair = {0};

    hex(BOB_PRIVATE, pair.private_key);
    hex(BOB_PUBLIC, pair.public_key);
    return pair;
}

/*
 * Points whose product with any private key is zero (order 1, 2, 4, 8 on the curve and its twist,
 * and their encodings above the field's prime or with the ignored top bit set).
 */
static void test_small_order_refused(void **state)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
    };
    const struct pair own = alice();

    for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
        uint8_t point[WIRE_KEY_BYTES], key[WIRE_PAIR_KEY_BYTES], before[WIRE_PAIR_KEY_BYTES];

        hex(points[i], point);
        memset(key, 0xa5, sizeof(key));
        memcpy(before, key, sizeof(key));
        assert_int_equal(wire_pair_key(own.private_key, 1, 0, point, 2, 0, key), -EINVAL);
        assert_memory_equal(key, before, sizeof(key)); /* untouched on failure */
    }
}

static void test_public_key_vectors(void **state)
{
    const struct pair pairs[] = {alice(), bob()};

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        uint8_t public_key[WIRE_KEY_BYTES];

        assert_int_equal(wire_public_key(pairs[i].private_key, public_key), 0);
        assert_memory_equal(public_key, pairs[i].public_key, sizeof(public_key));
    }
}

static void hmac_sha256(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len,
                        uint8_t ret[32])
{
    unsigned int ret_len = 0;

    assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, data, len, ret, &ret_len));
    assert_int_equal(ret_len, 32);
}

/* HKDF as RFC 5869 writes it, by HMAC, over RFC 7748's secret and an info written out by hand. */
static void test_pair_key_by_hand(void **state)
{
    static const uint8_t salt[32];
    static const uint8_t info_and_counter[] = {
        'b', 'u', 'l', 'k', 'h', 'e', 'a', 'd',  ' ',  'p',  'a',  'i', 'r', ' ', 'k', 'e',
        'y', ' ', '1', 0,   0,   0,   7,   0xa1, 0xa2, 0xa3, 0xa4, 2,   1,   4,   3,   1,
    };
    const struct pair a = alice(), b = bob();
    uint8_t secret[32], extracted[32], expanded[32], key[WIRE_PAIR_KEY_BYTES];

    hex(SHARED_SECRET, secret);
    hmac_sha256(salt, sizeof(salt), secret, sizeof(secret), extracted);
    hmac_sha256(extracted, sizeof(extracted), info_and_counter, sizeof(info_and_counter), expanded);

    /* bob has the lower id, 7, epoch 0x0201; alice 0xa1a2a3a4, epoch 0x0403 */
    assert_int_equal(wire_pair_key(a.private_key, 0xa1a2a3a4, 0x0403, b.public_key, 7, 0x0201, key),
                     0);
    assert_memory_equal(key, expanded, sizeof(key));
    assert_int_equal(wire_pair_key(b.private_key, 7, 0x0201, a.public_key, 0xa1a2a3a4, 0x0403, key),
                     0);
    assert_memory_equal(key, expanded, sizeof(key));
}

static void test_both_ends_agree(void **state)
{
    static const uint32_t ids[] = {1, 2, 255, 256, 0x7fffffff, 0x80000000, 0xffffffff};
    static const uint16_t epochs[] = {0, 1, 0x00ff, 0x0100, 0xffff};

    for (size_t i = 0; i < ARRAY_SIZE(ids) * ARRAY_SIZE(ids); i++) {
        uint32_t a_id = ids[i / ARRAY_SIZE(ids)], b_id = ids[i % ARRAY_SIZE(ids)];
        uint16_t a_epoch = epochs[i % ARRAY_SIZE(epochs)];
        uint16_t b_epoch = epochs[(i / 2) % ARRAY_SIZE(epochs)];
        uint8_t a_key[WIRE_PAIR_KEY_BYTES], b_key[WIRE_PAIR_KEY_BYTES];
        struct pair a, b;

        assert_int_equal(wire_keypair_new(a.private_key, a.public_key), 0);
        assert_int_equal(wire_keypair_new(b.private_key, b.public_key), 0);
        assert_int_equal(
            wire_pair_key(a.private_key, a_id, a_epoch, b.public_key, b_id, b_epoch, a_key), 0);
        assert_int_equal(
            wire_pair_key(b.private_key, b_id, b_epoch, a.public_key, a_id, a_epoch, b_key), 0);
        assert_memory_equal(a_key, b_key, sizeof(a_key));
    }
}

/* Two sockets of one host: the enforcer is its own peer, also across a change of its epoch. */
static void test_own_key(void **state)
{
    const struct pair current = alice(), previous = bob();
    uint8_t a[WIRE_PAIR_KEY_BYTES], b[WIRE_PAIR_KEY_BYTES];

    assert_int_equal(wire_pair_key(current.private_key, 9, 4, current.public_key, 9, 4, a), 0);
    assert_int_equal(wire_pair_key(current.private_key, 9, 4, previous.public_key, 9, 3, b), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(wire_pair_key(previous.private_key, 9, 3, current.public_key, 9, 4, a), 0);
    assert_memory_equal(a, b, sizeof(a));
}

/* Ids, epochs and keys each give another key; so does a swap of the two epochs. */
static void test_everything_counts(void **state)
{
    const struct pair a = alice(), b = bob();
    const struct {
        const uint8_t *private_key, *peer_public;
        uint32_t own_id, peer_id;
        uint16_t own_epoch, peer_epoch;
    } cases[] = {
        {a.private_key, b.public_key, 1, 2, 3, 4}, {a.private_key, b.public_key, 1, 3, 3, 4},
        {a.private_key, b.public_key, 5, 2, 3, 4}, {a.private_key, b.public_key, 1, 2, 4, 3},
        {a.private_key, b.public_key, 1, 2, 3, 5}, {a.private_key, b.public_key, 1, 2, 6, 4},
        {a.private_key, a.public_key, 1, 2, 3, 4},
    };
    uint8_t keys[ARRAY_SIZE(cases)][WIRE_PAIR_KEY_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(wire_pair_key(cases[i].private_key, cases[i].own_id, cases[i].own_epoch,
                                       cases[i].peer_public, cases[i].peer_id, cases[i].peer_epoch,
                                       keys[i]),
                         0);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(keys[i], keys[j], WIRE_PAIR_KEY_BYTES);
    }
}

static void test_keypairs_are_new(void **state)
{
    struct pair one, other;
    uint8_t public_key[WIRE_KEY_BYTES];

    assert_int_equal(wire_keypair_new(one.private_key, one.public_key), 0);
    assert_int_equal(wire_keypair_new(other.private_key, other.public_key), 0);
    assert_memory_not_equal(one.private_key, other.private_key, WIRE_KEY_BYTES);
    assert_int_equal(wire_public_key(one.private_key, public_key), 0);
    assert_memory_equal(public_key, one.public_key, WIRE_KEY_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_order_refused),
        cmocka_unit_test(test_public_key_vectors),
        cmocka_unit_test(test_pair_key_by_hand),
        cmocka_unit_test(test_both_ends_agree),
        cmocka_unit_test(test_own_key),
        cmocka_unit_test(test_everything_counts),
        cmocka_unit_test(test_keypairs_are_new),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
