/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Hand-made TCP segments in IPv4 and IPv6 packets, and the reading of those that come back. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_OPTIONS_MAX 40
#define PACKET_BYTES_MAX 4096
#define PACKET_EXTENSIONS_MAX 64

struct packet_address {
    int family;
    uint8_t bytes[16];
};

struct packet_segment {
    struct packet_address source, destination;
    uint16_t source_port, destination_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint8_t options[PACKET_OPTIONS_MAX];
    size_t options_len; /* a multiple of 4 */
    const void *data;
    size_t data_len;
};

struct packet_shape {
    unsigned extensions;   /* IPv6: destination option headers before TCP */
    size_t first_fragment; /* 0: whole; else bytes of payload in the first fragment, 8 | n */
};

bool packet_parse_address(const char *text, struct packet_address *ret);
void packet_print_address(const struct packet_address *address, char ret[INET6_ADDRSTRLEN]);
/* Hexadecimal to option bytes, padded with zeros to a multiple of 4. */
bool packet_parse_options(const char *hex, uint8_t ret[PACKET_OPTIONS_MAX], size_t *ret_len);

/* A raw socket for whole packets of this family, or -errno. */
int packet_socket(int family);
/* @return 0 or -errno */
int packet_send(int fd, const struct packet_segment *segment, const struct packet_shape *shape);
/* `data` points into the packet. @return false: no TCP segment */
bool packet_read(const uint8_t *bytes, size_t len, struct packet_segment *ret);
