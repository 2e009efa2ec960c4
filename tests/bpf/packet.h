/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Packets by hand, with an Ethernet header as BPF_PROG_TEST_RUN wants it. A packet is begun, gets
 * options or extension headers, then its transport header, which also fixes the lengths.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_BYTES 2048
#define PACKET_LINK 14 /* bytes of the Ethernet header */

enum {
    EXT_HOP = 0,
    EXT_ROUTING = 43,
    EXT_FRAGMENT = 44,
    EXT_AUTH = 51,
    EXT_DESTINATION = 60,
    EXT_MOBILITY = 135
};
enum { TCP_FLAG_FIN = 1, TCP_FLAG_SYN = 2, TCP_FLAG_RST = 4, TCP_FLAG_ACK = 16 };

struct packet {
    uint8_t bytes[PACKET_BYTES];
    size_t len, next_at; /* where the number of the next header goes */
    bool v6;
};

/* Addresses as text; their family is the packet's. */
void packet_begin(struct packet *p, const char *from, const char *to);
/* IPv4: `n` bytes of options (a multiple of four), no-operations. */
void packet_options(struct packet *p, size_t n);
/* IPv6: an extension header of 8 + `units` * 8 bytes (AH: 8 + `units` * 4). */
void packet_extension(struct packet *p, uint8_t type, uint8_t units);
/* Make it a fragment; IPv6: adds the header. `offset` in units of eight bytes. */
void packet_fragment(struct packet *p, uint16_t offset, bool more);
void packet_end(struct packet *p, uint8_t protocol, const void *data, size_t n);

void packet_udp(struct packet *p, uint16_t from, uint16_t to);
void packet_icmp(struct packet *p, uint8_t type, uint8_t code, uint16_t id);
void packet_tcp(struct packet *p, uint16_t from, uint16_t to, uint8_t flags, uint32_t seq);
/* An ICMP error that quotes `quoted` (both of one family). */
void packet_error(struct packet *p, uint8_t type, uint8_t code, const struct packet *quoted);
/* IPv4 without options: what a real stack wants to see. */
void packet_tcp_checksum(struct packet *p);
