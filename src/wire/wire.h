/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Identity on the wire, for user space: the option's layout, the key schedule, the MAC. The BPF
 * side (src/bpf/identity.bpf.h) implements the same transcript; tests compare the two.
 */

#include <stddef.h>
#include <stdint.h>

#define WIRE_KEY_BYTES 32 /* X25519 */
#define WIRE_PAIR_KEY_BYTES 16

/* New X25519 key pair by OpenSSL EVP. 0 or -EIO. */
int wire_keypair_new(uint8_t ret_private[WIRE_KEY_BYTES], uint8_t ret_public[WIRE_KEY_BYTES]);
/* Public half of a private key. 0 or -EIO. */
int wire_public_key(const uint8_t private_key[WIRE_KEY_BYTES], uint8_t ret_public[WIRE_KEY_BYTES]);

/*
 * K(a,b): HKDF-SHA256 (RFC 5869) over X25519 (RFC 7748), no salt, info = "bulkhead pair key 1" ‖
 * lower enforcer id (4, big endian) ‖ higher id (4) ‖ epoch of the lower (2) ‖ epoch of the higher
 * (2). Both ends get the same key. Also for a = b (own key both times).
 *
 * @return 0; -EINVAL: the peer's key is a point of small order; -EIO: the library refused
 */
int wire_pair_key(const uint8_t private_key[WIRE_KEY_BYTES], uint32_t own_id, uint16_t own_epoch,
                  const uint8_t peer_public[WIRE_KEY_BYTES], uint32_t peer_id, uint16_t peer_epoch,
                  uint8_t ret_key[WIRE_PAIR_KEY_BYTES]);

enum wire_role { WIRE_ROLE_A = 'A', WIRE_ROLE_B = 'B' }; /* who proves: opener, answerer */

struct wire_transcript {
    uint32_t isn_a, isn_b;
    uint32_t enforcer_a, identity_a;
    uint32_t enforcer_b, identity_b;
    uint16_t epoch_a, epoch_b;
};

/* SipHash-2-4 (Aumasson, Bernstein 2012), 64 bits */
uint64_t wire_siphash(const uint8_t key[WIRE_PAIR_KEY_BYTES], const void *data, size_t len);
uint64_t wire_mac(const uint8_t key[WIRE_PAIR_KEY_BYTES], enum wire_role role,
                  const struct wire_transcript *transcript);
