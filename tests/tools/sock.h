/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * `sock`: the traffic of the end-to-end tests. One event a line on standard output, as JSON with
 * the key "event"; exit 0 when the traffic came through, 1 when not, 2 on wrong usage.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SOCK_TEXT_MAX 2048
#define SOCK_CLIENTS_MAX 256

struct sock_address {
    struct sockaddr_storage storage;
    socklen_t len;
    int family;
};

struct sock_options {
    struct sock_address bind; /* len 0: none */
    struct sock_address md5_peer;
    const char *device; /* --device: SO_BINDTODEVICE, for tcp-connect */
    const char *text;   /* --send */
    int timeout_ms;     /* --timeout, for connecting and for each answer */
    int hold_ms;        /* --hold */
    int tick_ms;        /* --tick */
    int size;           /* --size */
    int count;          /* --count */
    size_t bulk;        /* --bulk */
    bool fastopen, mptcp, reuse, connected, no_fragment, silent;
};

/* sock_common.c */
bool sock_parse_address(const char *address, const char *port, struct sock_address *ret);
void sock_print_address(const struct sock_address *address, char *ret, size_t size);
int64_t sock_now_ms(void);
void sock_event(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* {"event":"error","call":…,"errno":…,"ms":…}; returns 1, the exit code. */
int sock_error(const char *call, int error, int64_t started_ms);
void sock_escape(const char *data, size_t len, char *ret, size_t size);
/* 1 readable or writable as asked, 0 timeout */
int sock_wait(int fd, short events, int timeout_ms);
int sock_set(int fd, int level, int name, int value);
int sock_set_md5(int fd, const struct sock_address *peer);

/* sock_tcp.c, sock_tcp_client.c */
int sock_tcp_listen(const struct sock_address *address, const struct sock_options *options);
int sock_tcp_connect(const struct sock_address *address, const struct sock_options *options);

/* sock_datagram.c */
int sock_udp_listen(const struct sock_address *address, const struct sock_options *options);
int sock_udp_send(const struct sock_address *address, const struct sock_options *options);
int sock_ping(const struct sock_address *address, const struct sock_options *options);
int sock_raw_listen(const struct sock_address *address, int protocol,
                    const struct sock_options *options);
int sock_raw_send(const struct sock_address *address, int protocol,
                  const struct sock_options *options);
