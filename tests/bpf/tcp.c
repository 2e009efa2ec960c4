/* SPDX-License-Identifier: Apache-2.0 */
#include "tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static socklen_t address_fill(const struct tcp_endpoint *e, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->ss_family = (sa_family_t)e->family;
    if (e->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;

        in->sin_port = htons(e->port);
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

    in6->sin6_port = htons(e->port);
    in6->sin6_addr = in6addr_loopback;
    return sizeof(*in6);
}

/* Echo until the peer goes; exit code 0 or the errno of the connection. */
int tcp_server(void *argument)
{
    struct tcp_endpoint *e = argument;
    struct sockaddr_storage address;
    socklen_t len = address_fill(e, &address);
    int fd = socket(e->family, SOCK_STREAM, 0), one = 1, connection;
    char byte;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 8) < 0)
        return 253;
    if (write(e->ready[1], "r", 1) != 1)
        return 252;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 4000) != 1)
        return ETIMEDOUT;
    connection = accept(fd, NULL, NULL);
    while (read(connection, &byte, 1) == 1)
        if (write(connection, &byte, 1) != 1)
            return errno;
    return 0;
}

static int connect_within(int fd, const struct sockaddr_storage *address, socklen_t len, int ms)
{
    struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return connect(fd, (const struct sockaddr *)address, len) < 0 ? errno : 0;
}

/* Connect, one byte there and back; exit code 0 or the errno. */
int tcp_client(void *argument)
{
    struct tcp_endpoint *e = argument;
    struct sockaddr_storage address;
    socklen_t len = address_fill(e, &address);
    int fd = socket(e->family, SOCK_STREAM, 0), r;
    char byte = 'x';

    r = connect_within(fd, &address, len, 2500);
    if (r)
        return r;
    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
        return errno ? errno : EPIPE;
    if (e->hold[0] < 0)
        return 0;
    /* hold the connection until told, then use it again */
    if (write(e->ready[1], "c", 1) != 1 || read(e->hold[0], &byte, 1) != 1)
        return 251;
    errno = 0;
    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
        return errno ? errno : EPIPE;
    return 0;
}

void tcp_expect_byte(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char byte;

    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(read(fd, &byte, 1), 1);
}

size_t tcp_flows_seen[3]; /* by action */

static void note_flow(const struct datapath_flow *flow, void *context)
{
    (void)context;
    tcp_flows_seen[flow->action]++;
}

/* From one unit to a server in another; the client's exit code. */
int tcp_connection(struct fixture *f, int from, int to, int family, uint16_t port)
{
    struct tcp_endpoint e = {.family = family, .port = port, .hold = {-1, -1}};
    pid_t pid, c;
    int r, status = 0;

    assert_int_equal(pipe(e.ready), 0);
    pid = fixture_fork(f, to, tcp_server, &e);
    tcp_expect_byte(e.ready[0]);
    c = fixture_fork(f, from, tcp_client, &e);
    /* late rejects are closed by whoever drains the events */
    while (waitpid(c, &status, WNOHANG) == 0) {
        if (f->datapath)
            datapath_events(f->datapath, note_flow, NULL);
        usleep(2000);
    }
    r = WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
    kill(pid, 9);
    fixture_wait(pid);
    close(e.ready[0]);
    close(e.ready[1]);
    return r;
}
