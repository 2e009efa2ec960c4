/* SPDX-License-Identifier: Apache-2.0 */

/*
 * console_load DIRECTORY CA-FILE PORT: load on a Console, steered by JSON lines on standard input
 * (load/command.c). DIRECTORY keeps the registered Enforcers from run to run.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load/load.h"

#define EVENTS 512
#define TICK_MS 20
#define LINE_BYTES_MAX (4u << 20)

static int start_tls(struct load *load)
{
    load->tls = SSL_CTX_new(TLS_client_method());
    if (!load->tls || SSL_CTX_load_verify_file(load->tls, load->options.ca) != 1)
        return -EINVAL;
    SSL_CTX_set_verify(load->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(load->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return 0;
}

static int start(struct load *load, char *argv[])
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct rlimit files;

    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    load->options = (struct options){.directory = argv[1],
                                     .ca = argv[2],
                                     .port = (int)strtol(argv[3], NULL, 10),
                                     .units = 20,
                                     .group = 10};
    load->seed = (uint64_t)now_us();
    load->line = BUF_INIT(LINE_BYTES_MAX);
    load->sims = calloc(LOAD_ENFORCERS_MAX, sizeof(*load->sims));
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load->sims || load->epoll < 0 || link_decoder_new(&load->decoder) < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < LOAD_ENFORCERS_MAX; i++) {
        struct sim *sim = &load->sims[i];

        sim->load = load;
        sim->index = i;
        sim->stream = (struct stream){.load = load, .events = &sim_events, .owner = sim, .fd = -1};
    }
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0 || start_tls(load) < 0)
        return -EINVAL;
    return registry_read(load);
}

static void take_lines(struct load *load)
{
    char chunk[65536];
    ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
    char *end;

    if (n <= 0) {
        load->ending = true;
        return;
    }
    buf_append(&load->line, chunk, (size_t)n);
    while (load->line.len && (end = memchr(load->line.data, '\n', load->line.len)) != NULL) {
        *end = '\0';
        command_line(load, load->line.data);
        buf_consume(&load->line, (size_t)(end + 1 - load->line.data));
    }
}

static void loop(struct load *load)
{
    struct epoll_event events[EVENTS];
    int64_t next_us = 0;

    while (!load->ending) {
        int n = epoll_wait(load->epoll, events, EVENTS, TICK_MS);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                stream_event(events[i].data.ptr, events[i].events);
            else
                take_lines(load);
        }
        if (now_us() >= next_us) {
            next_us = now_us() + TICK_MS * 1000;
            sims_tick(load);
        }
        command_tick(load);
    }
}

int main(int argc, char *argv[])
{
    static struct load load;
    int r;

    if (argc != 4) {
        fprintf(stderr, "usage: console_load DIRECTORY CA-FILE PORT\n");
        return 2;
    }
    r = start(&load, argv);
    if (r < 0) {
        fprintf(stderr, "console_load: %s\n", strerror(-r));
        return 1;
    }
    loop(&load);
    for (unsigned i = 0; i < load.n_sims; i++)
        sim_drop(&load.sims[i]);
    return 0;
}
