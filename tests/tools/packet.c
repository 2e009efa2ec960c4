/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

bool packet_parse_address(const char *text, struct packet_address *ret)
{
    struct packet_address out = {0};

    if (inet_pton(AF_INET, text, out.bytes) == 1)
        out.family = AF_INET;
    else if (inet_pton(AF_INET6, text, out.bytes) == 1)
        out.family = AF_INET6;
    else
        return false;
    *ret = out;
    return true;
}

void packet_print_address(const struct packet_address *address, char ret[INET6_ADDRSTRLEN])
{
    inet_ntop(address->family, address->bytes, ret, INET6_ADDRSTRLEN);
}

bool packet_parse_options(const char *hex, uint8_t ret[PACKET_OPTIONS_MAX], size_t *ret_len)
{
    size_t digits = strlen(hex);

    if (digits % 2 || digits / 2 > PACKET_OPTIONS_MAX)
        return false;
    memset(ret, 0, PACKET_OPTIONS_MAX);
    for (size_t i = 0; i < digits / 2; i++) {
        unsigned byte;

        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return false;
        ret[i] = (uint8_t)byte;
    }
    *ret_len = (digits / 2 + 3) & ~(size_t)3;
    return true;
}

static uint32_t sum_add(uint32_t sum, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static uint16_t sum_close(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static size_t address_bytes(int family)
{
    return family == AF_INET ? 4 : 16;
}

static size_t build_tcp(const struct packet_segment *segment, uint8_t *ret)
{
    size_t header = sizeof(struct tcphdr) + segment->options_len;
    size_t len = header + segment->data_len, width = address_bytes(segment->source.family);
    struct tcphdr tcp = {0};
    uint32_t sum;

    tcp.source = htons(segment->source_port);
    tcp.dest = htons(segment->destination_port);
    tcp.seq = htonl(segment->seq);
    tcp.ack_seq = htonl(segment->ack);
    tcp.doff = (header / 4) & 0xf;
    tcp.th_flags = segment->flags;
    tcp.window = htons(64240);
    memcpy(ret, &tcp, sizeof(tcp));
    memcpy(ret + sizeof(tcp), segment->options, segment->options_len);
    if (segment->data_len)
        memcpy(ret + header, segment->data, segment->data_len);

    sum = sum_add(IPPROTO_TCP + (uint32_t)len, segment->source.bytes, width);
    sum = sum_add(sum, segment->destination.bytes, width);
    tcp.check = sum_close(sum_add(sum, ret, len));
    memcpy(ret, &tcp, sizeof(tcp));
    return len;
}

/* Destination option headers of 8 bytes, each PadN, before TCP. */
static size_t build_extensions(unsigned n, uint8_t last, uint8_t *ret)
{
    for (unsigned i = 0; i < n; i++) {
        const uint8_t header[8] = {i + 1 < n ? IPPROTO_DSTOPTS : last, 0, 1, 4, 0, 0, 0, 0};

        memcpy(ret + 8 * i, header, sizeof(header));
    }
    return 8 * (size_t)n;
}

static int send_raw(int fd, const struct packet_segment *segment, const uint8_t *bytes, size_t len)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    ssize_t n;

    memcpy(&v4.sin_addr, segment->destination.bytes, 4);
    memcpy(&v6.sin6_addr, segment->destination.bytes, 16);
    if (segment->destination.family == AF_INET)
        n = sendto(fd, bytes, len, 0, (struct sockaddr *)&v4, sizeof(v4));
    else
        n = sendto(fd, bytes, len, 0, (struct sockaddr *)&v6, sizeof(v6));
    return n < 0 ? -errno : 0;
}

struct fragment {
    size_t offset;
    bool more, whole;
};

static int send_v4(int fd, const struct packet_segment *segment, const uint8_t *payload, size_t len,
                   struct fragment fragment)
{
    uint8_t packet[PACKET_BYTES_MAX];
    struct ip ip = {.ip_v = 4, .ip_hl = 5, .ip_ttl = 64, .ip_p = IPPROTO_TCP};
    size_t total = sizeof(ip) + len;

    if (total > sizeof(packet))
        return -EMSGSIZE;
    ip.ip_len = htons((uint16_t)total);
    ip.ip_id = htons((uint16_t)(segment->seq | 1));
    ip.ip_off = htons((uint16_t)(fragment.offset / 8 | (fragment.more ? IP_MF : 0)));
    memcpy(&ip.ip_src, segment->source.bytes, 4);
    memcpy(&ip.ip_dst, segment->destination.bytes, 4);
    memcpy(packet, &ip, sizeof(ip));
    memcpy(packet + sizeof(ip), payload, len);
    return send_raw(fd, segment, packet, total);
}

static int send_v6(int fd, const struct packet_segment *segment, const uint8_t *payload, size_t len,
                   uint8_t next, struct fragment fragment)
{
    uint8_t packet[PACKET_BYTES_MAX];
    struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28), .ip6_hops = 64};
    struct ip6_frag header = {.ip6f_nxt = next, .ip6f_ident = htonl(segment->seq)};
    size_t extra = fragment.whole ? 0 : sizeof(header), total = sizeof(ip) + extra + len;

    if (total > sizeof(packet))
        return -EMSGSIZE;
    ip.ip6_nxt = fragment.whole ? next : IPPROTO_FRAGMENT;
    ip.ip6_plen = htons((uint16_t)(extra + len));
    header.ip6f_offlg = htons((uint16_t)(fragment.offset | (fragment.more ? 1 : 0)));
    memcpy(&ip.ip6_src, segment->source.bytes, 16);
    memcpy(&ip.ip6_dst, segment->destination.bytes, 16);
    memcpy(packet, &ip, sizeof(ip));
    memcpy(packet + sizeof(ip), &header, extra);
    memcpy(packet + sizeof(ip) + extra, payload, len);
    return send_raw(fd, segment, packet, total);
}

int packet_socket(int family)
{
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

    return fd < 0 ? -errno : fd;
}

int packet_send(int fd, const struct packet_segment *segment, const struct packet_shape *shape)
{
    bool v4 = segment->source.family == AF_INET;
    uint8_t payload[PACKET_BYTES_MAX];
    uint8_t next = !v4 && shape->extensions ? IPPROTO_DSTOPTS : IPPROTO_TCP;
    struct fragment fragment = {.whole = true};
    size_t len = 0, at = 0;

    if (segment->source.family != segment->destination.family ||
        segment->options_len > PACKET_OPTIONS_MAX || segment->data_len > 2048 ||
        shape->extensions > PACKET_EXTENSIONS_MAX || shape->first_fragment % 8)
        return -EINVAL;
    if (!v4)
        len = build_extensions(shape->extensions, IPPROTO_TCP, payload);
    len += build_tcp(segment, payload + len);
    if (shape->first_fragment && shape->first_fragment < len)
        fragment = (struct fragment){.more = true};
    for (;;) {
        size_t part = fragment.more ? shape->first_fragment : len - at;
        int r = v4 ? send_v4(fd, segment, payload + at, part, fragment)
                   : send_v6(fd, segment, payload + at, part, next, fragment);

        if (r < 0 || !fragment.more)
            return r;
        at += part;
        fragment = (struct fragment){.offset = at};
    }
}

static bool read_tcp(const uint8_t *bytes, size_t len, struct packet_segment *ret)
{
    struct tcphdr tcp;
    size_t header;

    if (len < sizeof(tcp))
        return false;
    memcpy(&tcp, bytes, sizeof(tcp));
    header = tcp.doff * 4u;
    if (header < sizeof(tcp) || header > len)
        return false;
    ret->source_port = ntohs(tcp.source);
    ret->destination_port = ntohs(tcp.dest);
    ret->seq = ntohl(tcp.seq);
    ret->ack = ntohl(tcp.ack_seq);
    ret->flags = tcp.th_flags;
    ret->options_len = header - sizeof(tcp);
    memcpy(ret->options, bytes + sizeof(tcp), ret->options_len);
    ret->data = bytes + header;
    ret->data_len = len - header;
    return true;
}

bool packet_read(const uint8_t *bytes, size_t len, struct packet_segment *ret)
{
    struct packet_segment out = {0};
    struct ip v4;
    struct ip6_hdr v6;

    if (len >= sizeof(v4) && bytes[0] >> 4 == 4) {
        memcpy(&v4, bytes, sizeof(v4));
        out.source.family = out.destination.family = AF_INET;
        memcpy(out.source.bytes, &v4.ip_src, 4);
        memcpy(out.destination.bytes, &v4.ip_dst, 4);
        if (v4.ip_p != IPPROTO_TCP || ntohs(v4.ip_off) & (IP_MF | IP_OFFMASK) ||
            ntohs(v4.ip_len) > len || ntohs(v4.ip_len) < v4.ip_hl * 4u ||
            !read_tcp(bytes + v4.ip_hl * 4u, ntohs(v4.ip_len) - v4.ip_hl * 4u, &out))
            return false;
    } else if (len >= sizeof(v6) && bytes[0] >> 4 == 6) {
        memcpy(&v6, bytes, sizeof(v6));
        out.source.family = out.destination.family = AF_INET6;
        memcpy(out.source.bytes, &v6.ip6_src, 16);
        memcpy(out.destination.bytes, &v6.ip6_dst, 16);
        if (v6.ip6_nxt != IPPROTO_TCP || ntohs(v6.ip6_plen) > len - sizeof(v6) ||
            !read_tcp(bytes + sizeof(v6), ntohs(v6.ip6_plen), &out))
            return false;
    } else {
        return false;
    }
    *ret = out;
    return true;
}
