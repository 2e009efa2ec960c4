/* SPDX-License-Identifier: Apache-2.0 */

/*
 *   change_probe [place] --to ADDRESS --port P --file TARGET --allow FILE --reject FILE --count N
 *
 * Writes TARGET with the text of the two files in turn. Each time it prints the microseconds from
 * close() to the first datagram that was judged anew (EPERM came or went), each tried with a new
 * socket. The target must allow when it starts. Ends with an error when a change is not seen within
 * DEADLINE_NS.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "place.h"

#define FILE_BYTES_MAX (64 << 20)
#define DEADLINE_NS 5000000000ull
#define POLL_US 50       /* leaves the CPU to the daemon */
#define SETTLE_US 100000 /* nothing of the last change is left when the next begins */
#define COUNT_MAX 100000

struct text {
    char *data;
    size_t len;
};

struct options {
    struct place place;
    struct sockaddr_in to;
    const char *target, *allow, *reject;
    long count;
};

static struct text read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct text text = {0};
    struct stat info;

    if (fd < 0 || fstat(fd, &info) < 0 || info.st_size > FILE_BYTES_MAX)
        fail(path);
    text.data = malloc((size_t)info.st_size + 1);
    if (!text.data)
        fail("malloc");
    while (text.len < (size_t)info.st_size) {
        ssize_t n = read(fd, text.data + text.len, (size_t)info.st_size - text.len);

        if (n <= 0)
            fail(path);
        text.len += (size_t)n;
    }
    close(fd);
    return text;
}

static void write_file(const char *path, const struct text *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t done = 0;

    if (fd < 0)
        fail(path);
    while (done < text->len) {
        ssize_t n = write(fd, text->data + done, text->len - done);

        if (n < 0)
            fail(path);
        done += (size_t)n;
    }
    if (close(fd) < 0)
        fail(path);
}

/* Does a datagram get out? Rejected is EPERM, from connect() or from send(). */
static bool allowed(const struct sockaddr_in *to)
{
    _cleanup_close_
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        fail("socket");
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0) {
        if (errno != EPERM)
            fail("connect");
        return false;
    }
    if (send(fd, "x", 1, 0) < 0) {
        if (errno != EPERM)
            fail("send");
        return false;
    }
    return true;
}

static void change(const struct options *options, const struct text *text, bool wanted)
{
    unsigned long long start;

    write_file(options->target, text);
    start = place_now_ns();
    while (allowed(&options->to) != wanted) {
        if (place_now_ns() - start > DEADLINE_NS) {
            errno = ETIMEDOUT;
            fail("the change was not seen");
        }
        usleep(POLL_US);
    }
    printf("%.1f\n", (double)(place_now_ns() - start) / 1e3);
    fflush(stdout);
    usleep(SETTLE_US);
}

static void usage(void)
{
    fprintf(stderr,
            "usage: change_probe [--cgroup DIR] [--netns FILE] [--cpu N] --to ADDRESS --port P "
            "--file TARGET --allow FILE --reject FILE --count N\n");
    exit(2);
}

static bool own_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--to") == 0)
        return inet_pton(AF_INET, value, &options->to.sin_addr) == 1;
    if (strcmp(name, "--port") == 0)
        options->to.sin_port = htons((uint16_t)number(value, 1, UINT16_MAX));
    else if (strcmp(name, "--file") == 0)
        options->target = value;
    else if (strcmp(name, "--allow") == 0)
        options->allow = value;
    else if (strcmp(name, "--reject") == 0)
        options->reject = value;
    else if (strcmp(name, "--count") == 0)
        options->count = number(value, 1, COUNT_MAX);
    else
        return false;
    return true;
}

int main(int argc, char *argv[])
{
    struct options options = {.place = PLACE_NONE, .to.sin_family = AF_INET};
    struct text allow, reject;
    int used;

    for (int i = 1; i < argc; i += used) {
        used = place_option(&options.place, argc - i, argv + i);
        if (used)
            continue;
        used = 2;
        if (i + 1 >= argc || !own_option(&options, argv[i], argv[i + 1]))
            usage();
    }
    if (!options.to.sin_port || !options.target || !options.allow || !options.reject ||
        !options.count)
        usage();
    allow = read_file(options.allow);
    reject = read_file(options.reject);
    place_enter(&options.place);
    for (long i = 0; i < options.count; i++)
        change(&options, i % 2 == 0 ? &reject : &allow, i % 2 != 0);
    return 0;
}
