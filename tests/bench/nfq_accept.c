/* SPDX-License-Identifier: Apache-2.0 */

/*
 *   nfq_accept [place] --queue N
 *
 * Takes packets from an NFQUEUE and accepts each: the least that any agent in user space costs.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "place.h"

#define COPY_BYTES 256 /* headers with their options; an agent must see them */
#define BUFFER_BYTES 8192

static int accept_packet(struct nfq_q_handle *queue, struct nfgenmsg *message,
                         struct nfq_data *data, void *context)
{
    struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);

    (void)message;
    (void)context;
    return header ? nfq_set_verdict(queue, ntohl(header->packet_id), NF_ACCEPT, 0, NULL) : -1;
}

static void serve(uint16_t number)
{
    struct nfq_handle *handle = nfq_open();
    struct nfq_q_handle *queue;
    char buffer[BUFFER_BYTES];

    if (!handle)
        fail("nfq_open");
    queue = nfq_create_queue(handle, number, accept_packet, NULL);
    if (!queue || nfq_set_mode(queue, NFQNL_COPY_PACKET, COPY_BYTES) < 0)
        fail("nfq_create_queue");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        ssize_t n = recv(nfq_fd(handle), buffer, sizeof(buffer), 0);

        if (n < 0 && errno != EINTR && errno != ENOBUFS)
            fail("recv");
        if (n > 0)
            nfq_handle_packet(handle, buffer, (int)n);
    }
}

int main(int argc, char *argv[])
{
    struct place place = PLACE_NONE;
    long queue = -1;
    int used;

    for (int i = 1; i < argc; i += used) {
        used = place_option(&place, argc - i, argv + i);
        if (!used && i + 1 < argc && strcmp(argv[i], "--queue") == 0) {
            queue = number(argv[i + 1], 0, UINT16_MAX);
            used = 2;
        }
        if (!used)
            break;
    }
    if (queue < 0) {
        fprintf(stderr,
                "usage: nfq_accept [--cgroup DIR] [--netns FILE] [--cpu N] [--rt] --queue N\n");
        return 2;
    }
    place_enter(&place);
    serve((uint16_t)queue);
}
