/* SPDX-License-Identifier: Apache-2.0 */

/* UDP, ICMP echo and any other IP protocol. */

#include "sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int datagram_open(int family, int type, int protocol, const struct sock_options *options)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    int error;

    if (fd < 0)
        return -errno;
    if (options->no_fragment &&
        (family == AF_INET ? sock_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
                           : sock_set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO)) < 0)
        goto fail;
    if (options->bind.len &&
        bind(fd, (const struct sockaddr *)&options->bind.storage, options->bind.len) < 0)
        goto fail;
    return fd;
fail:
    error = errno;
    close(fd);
    return -error;
}

int sock_udp_listen(const struct sock_address *address, const struct sock_options *options)
{
    struct sock_options with = *options;
    int64_t started = sock_now_ms();
    char data[65536], text[64], from[80];
    int fd;

    with.bind = *address;
    fd = datagram_open(address->family, SOCK_DGRAM, 0, &with);
    if (fd < 0)
        return sock_error("bind", -fd, started);
    sock_event("\"ready\"");
    for (;;) {
        struct sock_address peer = {.len = sizeof(peer.storage)};
        ssize_t n =
            recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer.storage, &peer.len);

        if (n < 0) {
            sock_error("recvfrom", errno, started);
            continue;
        }
        sock_print_address(&peer, from, sizeof(from));
        sock_escape(data, (size_t)n, text, sizeof(text));
        sock_event("\"data\",%s,\"bytes\":%zd,\"text\":\"%s\"", from, n, text);
        if (!options->silent &&
            sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&peer.storage, peer.len) < 0)
            sock_error("sendto", errno, started);
    }
}

/* One datagram out, its echo in. @return 0 or an errno */
static int udp_exchange(int fd, const struct sock_address *address,
                        const struct sock_options *options, const char *data, size_t len)
{
    char answer[65536];
    ssize_t n;

    if (options->connected)
        n = send(fd, data, len, 0);
    else
        n = sendto(fd, data, len, 0, (const struct sockaddr *)&address->storage, address->len);
    if (n < 0)
        return errno;
    if (options->silent)
        return 0;
    if (!sock_wait(fd, POLLIN, options->timeout_ms))
        return ETIMEDOUT;
    n = recv(fd, answer, sizeof(answer), 0);
    if (n < 0)
        return errno;
    return (size_t)n == len && memcmp(answer, data, len) == 0 ? 0 : EBADMSG;
}

int sock_udp_send(const struct sock_address *address, const struct sock_options *options)
{
    char data[65536] = "";
    const char *text = options->text ? options->text : "datagram";
    size_t text_len = strlen(text), len = text_len;
    int64_t started = sock_now_ms();
    int result = 0, error, fd = datagram_open(address->family, SOCK_DGRAM, 0, options);

    if (fd < 0)
        return sock_error("socket", -fd, started);
    if (options->connected &&
        connect(fd, (const struct sockaddr *)&address->storage, address->len) < 0)
        return sock_error("connect", errno, started);
    if (len < (size_t)options->size)
        len = (size_t)options->size < sizeof(data) ? (size_t)options->size : sizeof(data);
    memset(data, '.', len);
    memcpy(data, text, text_len < len ? text_len : len); /* NOLINT: bytes, not a string */
    for (int i = 0; i < options->count; i++) {
        error = udp_exchange(fd, address, options, data, len);
        if (error)
            result = sock_error(error == ETIMEDOUT ? "answer" : "send", error, started);
        else
            sock_event("\"%s\",\"ms\":%lld", options->silent ? "sent" : "echo",
                       (long long)(sock_now_ms() - started));
    }
    return result;
}

static uint16_t checksum(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static bool echo_answers(int family, const unsigned char *packet, size_t len, uint16_t id)
{
    struct icmphdr v4;
    struct icmp6_hdr v6;
    size_t header = family == AF_INET && len > 0 ? (packet[0] & 0xfu) * 4 : 0;

    if (len < header + sizeof(v4))
        return false;
    if (family == AF_INET) {
        memcpy(&v4, packet + header, sizeof(v4));
        return v4.type == ICMP_ECHOREPLY && v4.un.echo.id == id;
    }
    memcpy(&v6, packet, sizeof(v6));
    return v6.icmp6_type == ICMP6_ECHO_REPLY && v6.icmp6_id == id;
}

static size_t echo_request(int family, uint16_t id, int size, unsigned char *ret, size_t max)
{
    struct icmphdr v4 = {.type = ICMP_ECHO, .un.echo = {.id = id, .sequence = htons(1)}};
    struct icmp6_hdr v6 = {.icmp6_type = ICMP6_ECHO_REQUEST};
    size_t len = sizeof(v4) + (size_t)(size > 0 ? size : 16);

    if (len > max)
        len = max;
    memset(ret, 'p', len);
    if (family == AF_INET) {
        memcpy(ret, &v4, sizeof(v4));
        v4.checksum = checksum(ret, len);
        memcpy(ret, &v4, sizeof(v4));
    } else {
        v6.icmp6_id = id;
        v6.icmp6_seq = htons(1);
        memcpy(ret, &v6, sizeof(v6)); /* the kernel fills in the checksum */
    }
    return len;
}

int sock_ping(const struct sock_address *address, const struct sock_options *options)
{
    unsigned char packet[16384];
    uint16_t id = htons((uint16_t)getpid());
    int64_t started = sock_now_ms(), until;
    int fd = datagram_open(address->family, SOCK_RAW,
                           address->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6, options);
    size_t len;

    if (fd < 0)
        return sock_error("socket", -fd, started);
    len = echo_request(address->family, id, options->size, packet, sizeof(packet));
    if (sendto(fd, packet, len, 0, (const struct sockaddr *)&address->storage, address->len) < 0)
        return sock_error("send", errno, started);
    for (until = started + options->timeout_ms; sock_now_ms() < until;) {
        ssize_t n;

        if (!sock_wait(fd, POLLIN, (int)(until - sock_now_ms())))
            break;
        n = recv(fd, packet, sizeof(packet), 0);
        if (n < 0)
            return sock_error("recv", errno, started);
        if (echo_answers(address->family, packet, (size_t)n, id)) {
            sock_event("\"echo\",\"ms\":%lld", (long long)(sock_now_ms() - started));
            return 0;
        }
    }
    return sock_error("answer", ETIMEDOUT, started);
}

int sock_raw_listen(const struct sock_address *address, int protocol,
                    const struct sock_options *options)
{
    struct sock_options with = *options;
    int64_t started = sock_now_ms();
    char data[65536], text[64], from[80];
    int fd;

    with.bind = *address;
    fd = datagram_open(address->family, SOCK_RAW, protocol, &with);
    if (fd < 0)
        return sock_error("socket", -fd, started);
    sock_event("\"ready\"");
    for (;;) {
        struct sock_address peer = {.len = sizeof(peer.storage)};
        ssize_t n =
            recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer.storage, &peer.len);
        size_t header = address->family == AF_INET && n > 0 ? (data[0] & 0xfu) * 4 : 0;

        if (n < (ssize_t)header)
            continue;
        sock_print_address(&peer, from, sizeof(from));
        sock_escape(data + header, (size_t)n - header, text, sizeof(text));
        sock_event("\"data\",%s,\"bytes\":%zu,\"text\":\"%s\"", from, (size_t)n - header, text);
        if (!options->silent && sendto(fd, data + header, (size_t)n - header, 0,
                                       (struct sockaddr *)&peer.storage, peer.len) < 0)
            sock_error("sendto", errno, started);
    }
}

/* Send to a listener that answers with the same bytes. */
int sock_raw_send(const struct sock_address *address, int protocol,
                  const struct sock_options *options)
{
    const char *text = options->text ? options->text : "datagram";
    char answer[65536];
    int64_t started = sock_now_ms();
    int fd = datagram_open(address->family, SOCK_RAW, protocol, options);
    ssize_t n;

    if (fd < 0)
        return sock_error("socket", -fd, started);
    n = sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&address->storage, address->len);
    if (n < 0)
        return sock_error("send", errno, started);
    if (!sock_wait(fd, POLLIN, options->timeout_ms))
        return sock_error("answer", ETIMEDOUT, started);
    n = recv(fd, answer, sizeof(answer), 0);
    if (n < 0)
        return sock_error("answer", errno, started);
    sock_event("\"echo\",\"ms\":%lld", (long long)(sock_now_ms() - started));
    return 0;
}
