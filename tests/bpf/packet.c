/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#define PROTOCOL_ICMP_V4 1
#define PROTOCOL_ICMP_V6 58
#define QUOTED_MAX 128

static void put(struct packet *p, const void *data, size_t n)
{
    assert(p->len + n <= sizeof(p->bytes));
    if (n)
        memcpy(p->bytes + p->len, data, n);
    p->len += n;
}

static void put16_at(struct packet *p, size_t at, size_t value)
{
    p->bytes[at] = (uint8_t)(value >> 8);
    p->bytes[at + 1] = (uint8_t)value;
}

void packet_begin(struct packet *p, const char *from, const char *to)
{
    static const uint8_t link[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    uint8_t v4[20] = {[0] = 0x45, [8] = 64}, v6[40] = {[0] = 0x60, [7] = 64};
    int r;

    memset(p, 0, sizeof(*p));
    p->v6 = strchr(to, ':') != NULL;
    put(p, link, sizeof(link));
    p->len += 2;
    put16_at(p, 12, p->v6 ? 0x86dd : 0x0800);
    if (p->v6) {
        r = inet_pton(AF_INET6, from, v6 + 8) & inet_pton(AF_INET6, to, v6 + 24);
        put(p, v6, sizeof(v6));
        p->next_at = PACKET_LINK + 6;
    } else {
        r = inet_pton(AF_INET, from, v4 + 12) & inet_pton(AF_INET, to, v4 + 16);
        put(p, v4, sizeof(v4));
        p->next_at = PACKET_LINK + 9;
    }
    assert(r == 1);
    (void)r;
}

void packet_options(struct packet *p, size_t n)
{
    static const uint8_t nop[40] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

    assert(!p->v6 && n <= sizeof(nop) && n % 4 == 0);
    put(p, nop, n);
    p->bytes[PACKET_LINK] = (uint8_t)(0x45 + n / 4);
}

void packet_extension(struct packet *p, uint8_t type, uint8_t units)
{
    uint8_t header[8 + 255 * 8] = {[1] = units};

    assert(p->v6);
    p->bytes[p->next_at] = type;
    p->next_at = p->len;
    put(p, header, 8 + (size_t)units * (type == EXT_AUTH ? 4 : 8));
}

void packet_fragment(struct packet *p, uint16_t offset, bool more)
{
    if (!p->v6) {
        put16_at(p, PACKET_LINK + 6, offset | (more ? 0x2000u : 0));
        return;
    }
    packet_extension(p, EXT_FRAGMENT, 0);
    put16_at(p, p->len - 6, (size_t)offset << 3 | more);
}

void packet_end(struct packet *p, uint8_t protocol, const void *data, size_t n)
{
    p->bytes[p->next_at] = protocol;
    put(p, data, n);
    if (p->v6)
        put16_at(p, PACKET_LINK + 4, p->len - PACKET_LINK - 40);
    else
        put16_at(p, PACKET_LINK + 2, p->len - PACKET_LINK);
}

void packet_udp(struct packet *p, uint16_t from, uint16_t to)
{
    const uint8_t udp[12] = {
        (uint8_t)(from >> 8), (uint8_t)from, (uint8_t)(to >> 8), (uint8_t)to, 0, 12};

    packet_end(p, 17, udp, sizeof(udp));
}

void packet_icmp(struct packet *p, uint8_t type, uint8_t code, uint16_t id)
{
    const uint8_t icmp[12] = {type, code, 0, 0, (uint8_t)(id >> 8), (uint8_t)id};

    packet_end(p, p->v6 ? PROTOCOL_ICMP_V6 : PROTOCOL_ICMP_V4, icmp, sizeof(icmp));
}

void packet_tcp(struct packet *p, uint16_t from, uint16_t to, uint8_t flags, uint32_t seq)
{
    const uint8_t tcp[20] = {(uint8_t)(from >> 8),
                             (uint8_t)from,
                             (uint8_t)(to >> 8),
                             (uint8_t)to,
                             (uint8_t)(seq >> 24),
                             (uint8_t)(seq >> 16),
                             (uint8_t)(seq >> 8),
                             (uint8_t)seq,
                             0,
                             0,
                             0,
                             0,
                             0x50,
                             flags};

    packet_end(p, 6, tcp, sizeof(tcp));
}

void packet_error(struct packet *p, uint8_t type, uint8_t code, const struct packet *quoted)
{
    uint8_t icmp[8 + QUOTED_MAX] = {type, code};
    size_t n = quoted->len - PACKET_LINK;

    n = n < QUOTED_MAX ? n : QUOTED_MAX;
    memcpy(icmp + 8, quoted->bytes + PACKET_LINK, n);
    packet_end(p, p->v6 ? PROTOCOL_ICMP_V6 : PROTOCOL_ICMP_V4, icmp, 8 + n);
}

void packet_tcp_checksum(struct packet *p)
{
    const size_t at = PACKET_LINK + 20;
    uint32_t sum = (uint32_t)(6 + p->len - at);
    size_t i;

    assert(!p->v6 && p->bytes[PACKET_LINK] == 0x45 && (p->len - at) % 2 == 0);
    put16_at(p, at + 16, 0);
    for (i = at - 8; i < p->len; i += 2) /* from the addresses on */
        sum += (uint32_t)p->bytes[i] << 8 | p->bytes[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    put16_at(p, at + 16, ~sum & 0xffff);
}
