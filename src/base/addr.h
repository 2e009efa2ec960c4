/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * IPv4 and IPv6 addresses in one space of 128 bits: IPv4 is held as IPv4-mapped IPv6
 * (::ffff:0:0/96, RFC 4291 2.5.5.2), in network byte order. A prefix of an IPv4 network therefore
 * has a length of 96..128. "::/0" written by a user means IPv6 only; nothing here makes it hold
 * IPv4.
 */

#define IP_TEXT_MAX 64 /* the longest address or prefix with its NUL */

struct ip_addr {
    uint8_t bytes[16];
};

struct ip_prefix {
    struct ip_addr addr; /* bits past `len` are zero */
    uint8_t len;         /* 0..128, in the 128-bit space */
};

/* 0, or -EINVAL: not an address in RFC 4291 / dotted-quad text. */
int ip_addr_parse(const char *text, struct ip_addr *ret);
/* IPv4 as dotted quad, else RFC 5952. Always fits IP_TEXT_MAX. */
const char *ip_addr_format(const struct ip_addr *addr, char text[IP_TEXT_MAX]);
bool ip_addr_is_v4(const struct ip_addr *addr);
void ip_addr_from_v4(uint32_t addr_be, struct ip_addr *ret);

/*
 * "10.0.0.0/8", "2001:db8::/32", or a bare address (a prefix of one address).
 * @return 0; -EINVAL not a prefix; -ERANGE length too long; -EDOM bits set past the length
 */
int ip_prefix_parse(const char *text, struct ip_prefix *ret);
const char *ip_prefix_format(const struct ip_prefix *prefix, char text[IP_TEXT_MAX]);
bool ip_prefix_is_v4(const struct ip_prefix *prefix);
/* Same family and every address of `inner` in `outer`. */
bool ip_prefix_contains(const struct ip_prefix *outer, const struct ip_prefix *inner);
bool ip_prefix_has(const struct ip_prefix *prefix, const struct ip_addr *addr);
int ip_prefix_compare(const struct ip_prefix *a,
                      const struct ip_prefix *b); /* by address, then length */
