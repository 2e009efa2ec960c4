/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/wire.h"

#include "base/macros.h"

/*
 * SipHash-2-4 (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012, section 2)
 * and the transcript that it runs over. Pure: no state, no failure.
 */

/* Layout: docs/formats/identity-option.md, "Transcript". */
#define TRANSCRIPT_BYTES 32
#define WIRE_VERSION 1

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t x = 0;

    for (int i = 7; i >= 0; i--)
        x = (x << 8) | p[i];
    return x;
}

static void sip_round(struct sip_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static void sip_word(struct sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

uint64_t wire_siphash(const uint8_t key[WIRE_PAIR_KEY_BYTES], const void *data, size_t len)
{
    const uint8_t *bytes = data;
    struct sip_state s;
    uint64_t k0, k1, last;
    size_t i;

    assert(key);
    assert(data || len == 0);

    k0 = load_le64(key);
    k1 = load_le64(key + 8);
    s.v0 = k0 ^ 0x736f6d6570736575ULL;
    s.v1 = k1 ^ 0x646f72616e646f6dULL;
    s.v2 = k0 ^ 0x6c7967656e657261ULL;
    s.v3 = k1 ^ 0x7465646279746573ULL;

    for (i = 0; i + 8 <= len; i += 8)
        sip_word(&s, load_le64(bytes + i));
    last = (uint64_t)len << 56; /* length modulo 256 in the top byte */
    for (size_t j = 0; i + j < len; j++)
        last |= (uint64_t)bytes[i + j] << (8 * j);
    sip_word(&s, last);

    s.v2 ^= 0xff;
    for (int round = 0; round < 4; round++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static uint8_t *put_be16(uint8_t *p, uint16_t x)
{
    *p++ = (uint8_t)(x >> 8);
    *p++ = (uint8_t)x;
    return p;
}

static uint8_t *put_be32(uint8_t *p, uint32_t x)
{
    return put_be16(put_be16(p, (uint16_t)(x >> 16)), (uint16_t)x);
}

uint64_t wire_mac(const uint8_t key[WIRE_PAIR_KEY_BYTES], enum wire_role role,
                  const struct wire_transcript *transcript)
{
    uint8_t bytes[TRANSCRIPT_BYTES], *p = bytes;

    assert(key);
    assert(role == WIRE_ROLE_A || role == WIRE_ROLE_B);
    assert(transcript);

    *p++ = (uint8_t)role;
    *p++ = WIRE_VERSION;
    p = put_be16(p, transcript->epoch_a);
    p = put_be32(p, transcript->isn_a);
    p = put_be32(p, transcript->isn_b);
    p = put_be32(p, transcript->enforcer_a);
    p = put_be32(p, transcript->identity_a);
    p = put_be32(p, transcript->enforcer_b);
    p = put_be32(p, transcript->identity_b);
    p = put_be16(p, transcript->epoch_b);
    p = put_be16(p, 0);
    assert(p == bytes + sizeof(bytes));
    return wire_siphash(key, bytes, sizeof(bytes));
}
