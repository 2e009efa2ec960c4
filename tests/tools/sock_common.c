/* SPDX-License-Identifier: Apache-2.0 */
#include "sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool sock_parse_address(const char *address, const char *port, struct sock_address *ret)
{
    struct sock_address out = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out.storage;
    char *end = NULL;
    unsigned long number = port ? strtoul(port, &end, 10) : 0;

    if ((port && (*end || end == port)) || number > UINT16_MAX)
        return false;
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)number);
        out.len = sizeof(*v4);
    } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)number);
        out.len = sizeof(*v6);
    } else {
        return false;
    }
    out.family = out.storage.ss_family;
    *ret = out;
    return true;
}

void sock_print_address(const struct sock_address *address, char *ret, size_t size)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    char text[INET6_ADDRSTRLEN] = "";
    uint16_t port;

    if (address->storage.ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
        port = ntohs(v4->sin_port);
    } else {
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
        port = ntohs(v6->sin6_port);
    }
    snprintf(ret, size, "\"peer\":\"%s\",\"peerPort\":%u", text, port);
}

int64_t sock_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sock_event(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("{\"event\":");
    vprintf(format, arguments);
    printf("}\n");
    va_end(arguments);
    fflush(stdout);
}

int sock_error(const char *call, int error, int64_t started_ms)
{
    const char *name = error ? strerrorname_np(error) : "none";

    sock_event("\"error\",\"call\":\"%s\",\"errno\":\"%s\",\"ms\":%lld", call, name ? name : "?",
               (long long)(sock_now_ms() - started_ms));
    return 1;
}

void sock_escape(const char *data, size_t len, char *ret, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < len && at + 2 < size; i++) {
        bool plain = data[i] >= ' ' && data[i] <= '~' && data[i] != '"' && data[i] != '\\';

        ret[at++] = plain ? data[i] : '.';
    }
    ret[at] = 0;
}

int sock_wait(int fd, short events, int timeout_ms)
{
    struct pollfd item = {.fd = fd, .events = events};
    int64_t until = sock_now_ms() + timeout_ms;
    int r;

    do {
        int64_t left = until - sock_now_ms();

        r = poll(&item, 1, left > 0 ? (int)left : 0);
    } while (r < 0 && errno == EINTR);
    return r > 0;
}

int sock_set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

int sock_set_md5(int fd, const struct sock_address *peer)
{
    struct tcp_md5sig md5 = {.tcpm_keylen = 8, .tcpm_key = "bulkhead"};

    memcpy(&md5.tcpm_addr, &peer->storage, peer->len);
    return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof(md5));
}
