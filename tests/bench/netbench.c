/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Request and response, connect-request-close, and stream over TCP, both ends in namespaces and
 * cgroups of the caller's choice.
 *
 *   netbench server [place] --address A --port P
 *   netbench client MODE [place] --address A --port P
 *
 * The server is one process a mode: rr on P, crr on P+1, stream on P+2. The client reads durations
 * in microseconds from standard input, one a line, runs that long and prints "NANOSECONDS DONE"
 * (transactions or bytes) each time; its connection stays open in between, so that worlds can take
 * turns every few milliseconds. In crr the client connects, sends one byte, reads one byte and
 * closes first, as netperf's TCP_CRR does: FIN in both directions, no RST, TIME_WAIT at the client.
 * The caller widens net.ipv4.ip_local_port_range and sets net.ipv4.tcp_tw_reuse=1 so that ports do
 * not run out.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "place.h"

#define STREAM_BLOCK_BYTES 65536
/* One byte comes back after each of these, so that nothing in flight is left for another's turn. */
#define STREAM_UNIT_BYTES (16 * STREAM_BLOCK_BYTES)
/* Fixed, because autotuning makes the speed of one connection another's twice. */
#define BUFFER_BYTES (2 * STREAM_BLOCK_BYTES)
#define BACKLOG 128
#define DURATION_US_MAX 60000000
#define TIMEOUT_SECONDS 5

enum mode { MODE_RR = 0, MODE_CRR, MODE_STREAM, MODES };
static const char *const mode_names[MODES] = {"rr", "crr", "stream"};

struct options {
    struct place place;
    struct sockaddr_in address;
    long port;
};

static char block[STREAM_BLOCK_BYTES];

static void fix_buffers(int fd)
{
    int size = BUFFER_BYTES;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)
        fail("SO_SNDBUF");
}

static int listener(const struct options *options, enum mode mode)
{
    struct sockaddr_in address = options->address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)(options->port + (long)mode));
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        fail("socket");
    if (mode == MODE_STREAM)
        fix_buffers(fd);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
        fail("bind");
    return fd;
}

static void serve_stream(int fd)
{
    size_t received = 0;
    ssize_t n;

    while ((n = read(fd, block, sizeof(block))) > 0) {
        received += (size_t)n;
        if (received < STREAM_UNIT_BYTES)
            continue;
        received -= STREAM_UNIT_BYTES;
        if (write(fd, block, 1) != 1)
            return;
    }
}

static void serve_transactions(int fd)
{
    while (read(fd, block, 1) == 1)
        if (write(fd, block, 1) != 1)
            return;
}

_Noreturn static void serve(const struct options *options, enum mode mode)
{
    int fd = listener(options, mode);

    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        fail("prctl");
    for (;;) {
        int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        if (connection < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            fail("accept");
        }
        if (mode == MODE_STREAM)
            serve_stream(connection);
        else
            serve_transactions(connection);
        close(connection);
    }
}

static int run_server(const struct options *options)
{
    for (int mode = 0; mode < MODES; mode++) {
        pid_t pid = fork();

        if (pid < 0)
            fail("fork");
        if (pid == 0)
            serve(options, (enum mode)mode);
    }
    printf("ready\n");
    fflush(stdout);
    wait(NULL); /* any end of a child is an error: the others die with us */
    return 1;
}

static int connect_server(const struct options *options, enum mode mode)
{
    struct sockaddr_in address = options->address;
    struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)(options->port + (long)mode));
    if (fd < 0)
        fail("socket");
    if (mode == MODE_RR && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        fail("TCP_NODELAY");
    if (mode != MODE_CRR && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        fail("SO_SNDTIMEO");
    if (mode == MODE_STREAM)
        fix_buffers(fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        fail("connect");
    return fd;
}

static void transact(int fd)
{
    char byte = 'x';

    if (write(fd, &byte, 1) != 1)
        fail("write");
    if (read(fd, &byte, 1) != 1)
        fail("read");
}

static unsigned long long stream_unit(int fd)
{
    char byte;

    for (size_t sent = 0; sent < STREAM_UNIT_BYTES;) {
        ssize_t n = write(fd, block, MIN(sizeof(block), STREAM_UNIT_BYTES - sent));

        if (n < 0)
            fail("write");
        sent += (size_t)n;
    }
    if (read(fd, &byte, 1) != 1)
        fail("read");
    return STREAM_UNIT_BYTES;
}

static unsigned long long round_of(const struct options *options, enum mode mode, int fd)
{
    if (mode == MODE_STREAM)
        return stream_unit(fd);
    if (mode == MODE_CRR)
        fd = connect_server(options, mode);
    transact(fd);
    if (mode == MODE_CRR)
        close(fd);
    return 1;
}

static void slice(const struct options *options, enum mode mode, int fd, long microseconds)
{
    unsigned long long start = place_now_ns(), end, done = 0;
    unsigned long long stop = start + (unsigned long long)microseconds * 1000ull;

    alarm((unsigned)(microseconds / 1000000 + TIMEOUT_SECONDS)); /* a lost answer ends the run */
    do {
        done += round_of(options, mode, fd);
        end = place_now_ns();
    } while (end < stop);
    alarm(0);
    printf("%llu %llu\n", end - start, done);
    fflush(stdout);
}

static int run_client(const struct options *options, enum mode mode)
{
    int fd = mode == MODE_CRR ? -1 : connect_server(options, mode);
    char line[32];

    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        slice(options, mode, fd, number(line, 1, DURATION_US_MAX));
    }
    return 0;
}

_Noreturn static void usage(void)
{
    fprintf(stderr, "usage: netbench server|client rr|crr|stream [--cgroup DIR] [--netns FILE] "
                    "[--cpu N] [--rt] --address A --port P\n");
    exit(2);
}

static void parse(struct options *options, int argc, char *const argv[])
{
    int used;

    for (int i = 0; i < argc; i += used) {
        used = place_option(&options->place, argc - i, argv + i);
        if (used)
            continue;
        if (i + 1 >= argc)
            usage();
        used = 2;
        if (strcmp(argv[i], "--address") == 0) {
            if (inet_pton(AF_INET, argv[i + 1], &options->address.sin_addr) != 1)
                usage();
        } else if (strcmp(argv[i], "--port") == 0) {
            options->port = number(argv[i + 1], 1, 65535 - MODES);
        } else {
            usage();
        }
    }
    if (!options->port)
        usage();
}

int main(int argc, char *argv[])
{
    struct options options = {.place = PLACE_NONE, .address.sin_family = AF_INET};
    enum mode mode = MODE_RR;

    if (argc >= 2 && strcmp(argv[1], "server") == 0) {
        parse(&options, argc - 2, argv + 2);
        place_enter(&options.place);
        return run_server(&options);
    }
    if (argc < 3 || strcmp(argv[1], "client") != 0)
        usage();
    while (mode < MODES && strcmp(argv[2], mode_names[mode]) != 0)
        mode++;
    if (mode == MODES)
        usage();
    parse(&options, argc - 3, argv + 3);
    place_enter(&options.place);
    return run_client(&options, mode);
}
