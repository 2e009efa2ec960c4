/* SPDX-License-Identifier: Apache-2.0 */

/*
 *   flowgen [place] --to ADDRESS --bits N --port P --rate R --seconds S [--start F]
 *
 * R datagrams a second, each to another (address, port): flow number f goes to ADDRESS + f % 2^N,
 * port P + f / 2^N. Paced by the clock in steps of a millisecond. Prints one JSON object: how many
 * were sent, how many of them the kernel refused (EPERM), how long it took.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "place.h"

#define RATE_MAX 1000000
#define SECONDS_MAX 600
#define BITS_MAX 16
#define STEP_US 1000

struct options {
    struct place place;
    struct sockaddr_in to;
    long bits, port, rate, seconds, start;
};

struct result {
    unsigned long long sent, refused, failed;
    double seconds;
};

static void send_flow(int fd, const struct options *options, unsigned long long flow,
                      struct result *result)
{
    struct sockaddr_in to = options->to;

    to.sin_addr.s_addr =
        htonl(ntohl(to.sin_addr.s_addr) + (uint32_t)(flow & ((1u << options->bits) - 1)));
    to.sin_port = htons((uint16_t)((unsigned long long)options->port + (flow >> options->bits)));
    if (sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1)
        result->sent++;
    else if (errno == EPERM)
        result->refused++;
    else
        result->failed++; /* ENOBUFS and the like: no flow */
}

static struct result generate(const struct options *options)
{
    unsigned long long total =
        (unsigned long long)options->rate * (unsigned long long)options->seconds;
    unsigned long long start = place_now_ns(), flow = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct result result = {0};

    if (fd < 0)
        fail("socket");
    while (flow < total) {
        unsigned long long due =
            (place_now_ns() - start) * (unsigned long long)options->rate / 1000000000ull;

        for (; flow < due && flow < total; flow++)
            send_flow(fd, options, flow + (unsigned long long)options->start, &result);
        usleep(STEP_US);
    }
    result.seconds = (double)(place_now_ns() - start) / 1e9;
    close(fd);
    return result;
}

static void usage(void)
{
    fprintf(stderr,
            "usage: flowgen [--cgroup DIR] [--netns FILE] [--cpu N] --to ADDRESS --bits N --port P "
            "--rate R --seconds S [--start F]\n");
    exit(2);
}

static int own_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--to") == 0)
        return inet_pton(AF_INET, value, &options->to.sin_addr) == 1;
    if (strcmp(name, "--bits") == 0)
        options->bits = number(value, 0, BITS_MAX);
    else if (strcmp(name, "--port") == 0)
        options->port = number(value, 1, UINT16_MAX);
    else if (strcmp(name, "--rate") == 0)
        options->rate = number(value, 1, RATE_MAX);
    else if (strcmp(name, "--seconds") == 0)
        options->seconds = number(value, 1, SECONDS_MAX);
    else if (strcmp(name, "--start") == 0)
        options->start = number(value, 0, INT32_MAX);
    else
        return 0;
    return 1;
}

int main(int argc, char *argv[])
{
    struct options options = {.place = PLACE_NONE, .to.sin_family = AF_INET};
    struct result result;
    int used;

    for (int i = 1; i < argc; i += used) {
        used = place_option(&options.place, argc - i, argv + i);
        if (used)
            continue;
        used = 2;
        if (i + 1 >= argc || !own_option(&options, argv[i], argv[i + 1]))
            usage();
    }
    if (!options.to.sin_addr.s_addr || !options.port || !options.rate || !options.seconds)
        usage();
    if (((options.start + options.rate * options.seconds) >> options.bits) + options.port >
        UINT16_MAX)
        usage(); /* not that many (address, port) */
    place_enter(&options.place);
    result = generate(&options);
    printf("{\"sent\": %llu, \"refused\": %llu, \"failed\": %llu, \"seconds\": %.3f}\n",
           result.sent, result.refused, result.failed, result.seconds);
    return 0;
}
