/* SPDX-License-Identifier: Apache-2.0 */

/*
 * rejectMode: reset. The programs tell what they refused; the answer is made here and sent from a
 * raw socket: RST to a connection attempt (RFC 9293 3.5.2), ICMP "administratively prohibited" to a
 * UDP datagram (RFC 1812 5.2.7.1, RFC 4443 3.1). Only for sockets of this process's own network
 * namespace: the answer would leave another one by the wrong way. At most RESETS_PER_S, so that a
 * flood of forged packets is not turned into a flood of answers.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

#define RESETS_PER_S ABI_RESETS_MAX
#define RESETS_BURST ABI_RESETS_MAX
#define NS_PER_RESET (1000000000ULL / RESETS_PER_S)
#define HOPS 64

/* ---- The packet ----------------------------------------------------------------------------- */

/* The internet checksum of `data`, added to a sum so far (RFC 1071). */
static uint32_t sum_add(uint32_t sum, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t i;

    for (i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    if (len & 1)
        sum += (uint32_t)bytes[len - 1] << 8;
    return sum;
}

static uint16_t sum_end_be(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* Pseudo header of both families: the zero bytes of one and the mapped prefix add nothing that
 * matters. */
static uint32_t sum_pseudo(const uint8_t from[16], const uint8_t to[16], bool v4, uint8_t protocol,
                           size_t len)
{
    size_t skip = v4 ? 12 : 0;
    uint32_t sum = sum_add(0, from + skip, 16 - skip);

    return sum_add(sum, to + skip, 16 - skip) + protocol + (uint32_t)len;
}

/* @return bytes of the IP header; `packet` has room for the larger one */
static size_t ip_header_put(uint8_t *packet, const uint8_t from[16], const uint8_t to[16], bool v4,
                            uint8_t protocol, size_t len)
{
    struct ip6_hdr v6 = {0};
    struct ip ip = {0};
    uint16_t sum_be;

    if (v4) {
        ip.ip_v = 4;
        ip.ip_hl = sizeof(ip) / 4;
        ip.ip_len = htons((uint16_t)(sizeof(ip) + len));
        ip.ip_ttl = HOPS;
        ip.ip_p = protocol;
        memcpy(&ip.ip_src, from + 12, 4);
        memcpy(&ip.ip_dst, to + 12, 4);
        memcpy(packet, &ip, sizeof(ip));
        sum_be = sum_end_be(sum_add(0, packet, sizeof(ip)));
        memcpy(packet + offsetof(struct ip, ip_sum), &sum_be, sizeof(sum_be));
        return sizeof(ip);
    }
    v6.ip6_flow = htonl(6U << 28);
    v6.ip6_plen = htons((uint16_t)len);
    v6.ip6_nxt = protocol;
    v6.ip6_hlim = HOPS;
    memcpy(&v6.ip6_src, from, 16);
    memcpy(&v6.ip6_dst, to, 16);
    memcpy(packet, &v6, sizeof(v6));
    return sizeof(v6);
}

/* RFC 9293 3.5.2: an ACK is answered at its acknowledgment number, all else from zero. */
static size_t tcp_put(uint8_t *packet, const struct abi_event *event, bool v4)
{
    const struct abi_report_key *flow = &event->flow;
    struct tcphdr tcp = {0};
    uint32_t len = event->payload;
    size_t at = ip_header_put(packet, flow->local, flow->remote, v4, IPPROTO_TCP, sizeof(tcp));

    len += !!(event->tcp_flags & TH_SYN) + !!(event->tcp_flags & TH_FIN);
    tcp.th_sport = htons(event->local_port);
    tcp.th_dport = htons(event->remote_port);
    tcp.th_off = sizeof(tcp) / 4;
    if (event->tcp_flags & TH_ACK) {
        tcp.th_flags = TH_RST;
        tcp.th_seq = htonl(event->ack);
    } else {
        tcp.th_flags = TH_RST | TH_ACK;
        tcp.th_ack = htonl(event->seq + len);
    }
    tcp.th_sum = sum_end_be(sum_add(
        sum_pseudo(flow->local, flow->remote, v4, IPPROTO_TCP, sizeof(tcp)), &tcp, sizeof(tcp)));
    memcpy(packet + at, &tcp, sizeof(tcp));
    return at + sizeof(tcp);
}

/* The header of the refused datagram as far as it is known: all that a receiver finds the socket
 * by. */
static size_t quote_put(uint8_t *packet, const struct abi_event *event, bool v4)
{
    const struct abi_report_key *flow = &event->flow;
    struct udphdr udp = {
        .uh_sport = htons(event->remote_port),
        .uh_dport = htons(event->local_port),
        .uh_ulen = htons(sizeof(udp)),
    };
    size_t at = ip_header_put(packet, flow->remote, flow->local, v4, IPPROTO_UDP, sizeof(udp));

    memcpy(packet + at, &udp, sizeof(udp));
    return at + sizeof(udp);
}

static size_t icmp_put(uint8_t *packet, const struct abi_event *event, bool v4)
{
    const struct abi_report_key *flow = &event->flow;
    uint8_t icmp[8 + sizeof(struct ip6_hdr) + sizeof(struct udphdr)] = {0};
    uint8_t protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    size_t len = 8 + quote_put(icmp + 8, event, v4), at;
    uint32_t sum = 0;
    uint16_t sum_be;

    icmp[0] = v4 ? ICMP_UNREACH : ICMP6_DST_UNREACH;
    icmp[1] = v4 ? ICMP_UNREACH_FILTER_PROHIB : ICMP6_DST_UNREACH_ADMIN;
    at = ip_header_put(packet, flow->local, flow->remote, v4, protocol, len);
    if (!v4)
        sum = sum_pseudo(flow->local, flow->remote, v4, protocol, len);
    sum_be = sum_end_be(sum_add(sum, icmp, len));
    memcpy(icmp + 2, &sum_be, sizeof(sum_be));
    memcpy(packet + at, icmp, len);
    return at + len;
}

/* Neither to nor from a group, everybody or nobody (RFC 1122 3.2.2, RFC 4443 2.4). */
static bool one_host(const uint8_t address[16], bool v4)
{
    static const uint8_t nobody[16];

    if (v4)
        return address[12] != 0 && address[12] < 224;
    return address[0] != 0xff && memcmp(address, nobody, sizeof(nobody)) != 0;
}

size_t reset_build(const struct abi_event *event, uint8_t packet[RESET_BYTES_MAX])
{
    struct ip_addr local, remote;
    bool v4;

    memcpy(local.bytes, event->flow.local, sizeof(local.bytes));
    memcpy(remote.bytes, event->flow.remote, sizeof(remote.bytes));
    v4 = ip_addr_is_v4(&remote);
    if (v4 != ip_addr_is_v4(&local) || !one_host(local.bytes, v4) || !one_host(remote.bytes, v4))
        return 0;
    if (event->flow.protocol == IPPROTO_TCP)
        return event->tcp_flags & TH_RST ? 0 : tcp_put(packet, event, v4);
    return event->flow.protocol == IPPROTO_UDP ? icmp_put(packet, event, v4) : 0;
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* A raw socket only to send from: what the kernel would give it is dropped. */
static int raw_open(int family, uint64_t *ret_cookie)
{
    struct sock_filter drop = {.code = BPF_RET | BPF_K};
    struct sock_fprog program = {.len = 1, .filter = &drop};
    _cleanup_close_
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    socklen_t len = sizeof(*ret_cookie);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, &len) < 0)
        return -errno;
    return TAKE_FD(fd);
}

void resets_init(struct resets *resets)
{
    *resets = (struct resets){.raw = {-1, -1}, .diag_fd = -1};
}

/* What cannot be opened (no CAP_NET_RAW, no IPv6) is not answered: counted when it comes up. */
void resets_open(struct resets *resets)
{
    resets->raw[0] = raw_open(AF_INET, &resets->cookies[0]);
    resets->raw[1] = raw_open(AF_INET6, &resets->cookies[1]);
    resets->diag_fd = diag_open();
}

void resets_close(struct resets *resets)
{
    close_fd(&resets->raw[0]);
    close_fd(&resets->raw[1]);
    close_fd(&resets->diag_fd);
}

bool resets_affordable(struct resets *resets, uint64_t now)
{
    uint64_t gained = (now - resets->refilled_ns) / NS_PER_RESET;

    if (gained) {
        resets->refilled_ns += gained * NS_PER_RESET;
        resets->tokens = (uint32_t)MIN(resets->tokens + gained, (uint64_t)RESETS_BURST);
    }
    if (!resets->tokens)
        return false;
    resets->tokens--;
    return true;
}

/* Is the socket that the packet was for one of our own network namespace? */
static bool socket_here(const struct resets *resets, const struct abi_event *event)
{
    struct diag_socket s = {
        .local_port = event->local_port,
        .remote_port = event->remote_port,
        .protocol = event->flow.protocol,
        .ifindex = event->ifindex,
        .cookie = event->cookie,
    };

    memcpy(s.local.bytes, event->flow.local, 16);
    memcpy(s.remote.bytes, event->flow.remote, 16);
    s.family = ip_addr_is_v4(&s.remote) ? AF_INET : AF_INET6;
    if (diag_has(resets->diag_fd, &s) == 0)
        return true;
    /* the last packet of a handshake: its ends are those of a request, the listener is asked for */
    s.remote_port = 0;
    memset(s.remote.bytes + (s.family == AF_INET ? 12 : 0), 0, s.family == AF_INET ? 4 : 16);
    return event->tcp_flags & TH_ACK && diag_has(resets->diag_fd, &s) == 0;
}

static int packet_send(const struct resets *resets, const struct abi_event *event,
                       const uint8_t *packet, size_t len)
{
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
    struct sockaddr_in to4 = {.sin_family = AF_INET};
    ssize_t sent;

    if (packet[0] >> 4 == 4) {
        memcpy(&to4.sin_addr, event->flow.remote + 12, 4);
        sent =
            sendto(resets->raw[0], packet, len, MSG_DONTWAIT, (struct sockaddr *)&to4, sizeof(to4));
    } else {
        memcpy(&to6.sin6_addr, event->flow.remote, 16);
        if (IN6_IS_ADDR_LINKLOCAL(&to6.sin6_addr))
            to6.sin6_scope_id = event->ifindex;
        sent =
            sendto(resets->raw[1], packet, len, MSG_DONTWAIT, (struct sockaddr *)&to6, sizeof(to6));
    }
    return sent == (ssize_t)len ? 0 : -EIO;
}

void resets_answer(struct datapath *dp, const struct abi_event *event)
{
    uint8_t packet[RESET_BYTES_MAX];
    size_t len = reset_build(event, packet);
    uint32_t outcome = ABI_COUNTER_RESETS_LOST;

    if (!len)
        return;
    if (!resets_affordable(&dp->resets, now_ns()))
        outcome = ABI_COUNTER_RESETS_SUPPRESSED;
    else if (socket_here(&dp->resets, event) && packet_send(&dp->resets, event, packet, len) == 0)
        outcome = ABI_COUNTER_RESETS_SENT;
    dp->counted[outcome]++;
}
