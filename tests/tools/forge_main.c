/* SPDX-License-Identifier: Apache-2.0 */

/*
 * `forge`: packets that no kernel would send. What the identity option holds is given as
 * hexadecimal by the caller, so that every wrong form can be tried.
 *
 *   forge handshake --source A,PORT --destination A,PORT [OPTION…]   SYN, then ACK and data
 *   forge send      --source A,PORT --destination A,PORT [OPTION…]   one segment
 *   forge sniff     INTERFACE PORT                                   tell every TCP segment
 *                                                                    until SIGTERM, all before it
 *
 * The caller keeps the kernel of the sending namespace from answering with RST. Events as in
 * sock.h.
 */

#include "packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct forge {
    struct packet_segment segment;
    struct packet_shape shape;
    uint8_t ack_options[PACKET_OPTIONS_MAX];
    size_t ack_options_len;
    const char *syn_data, *data;
    int timeout_ms;
    int raw, capture;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(const char *call, int error)
{
    printf("{\"event\":\"error\",\"call\":\"%s\",\"errno\":\"%s\"}\n", call,
           strerrorname_np(error));
    return 1;
}

static void print_segment(const char *event, const struct packet_segment *s)
{
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];

    packet_print_address(&s->source, source);
    packet_print_address(&s->destination, destination);
    printf("{\"event\":\"%s\",\"source\":\"%s\",\"sourcePort\":%u,\"destination\":\"%s\","
           "\"destinationPort\":%u,\"flags\":%u,\"seq\":%u,\"ack\":%u,\"bytes\":%zu,\"options\":\"",
           event, source, s->source_port, destination, s->destination_port, s->flags, s->seq,
           s->ack, s->data_len);
    for (size_t i = 0; i < s->options_len; i++)
        printf("%02x", s->options[i]);
    printf("\"}\n");
    fflush(stdout);
}

static int capture_open(const char *interface)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));

    if (fd < 0 || !interface)
        return fd < 0 ? -errno : fd;
    address.sll_ifindex = (int)if_nametoindex(interface);
    if (!address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

static bool answers(const struct packet_segment *got, const struct packet_segment *sent)
{
    return got->source_port == sent->destination_port &&
           got->destination_port == sent->source_port &&
           got->source.family == sent->destination.family &&
           memcmp(got->source.bytes, sent->destination.bytes, 16) == 0;
}

/* Wait for a segment of the peer; `wanted` are flags or, when 0, data. @return 1 found, 0 not */
static int receive(struct forge *forge, uint8_t wanted, struct packet_segment *ret)
{
    static uint8_t bytes[65536];
    int64_t until = now_ms() + forge->timeout_ms;

    for (int64_t left = forge->timeout_ms; left > 0; left = until - now_ms()) {
        struct pollfd item = {.fd = forge->capture, .events = POLLIN};
        struct packet_segment got;
        struct sockaddr_ll from = {0};
        socklen_t from_len = sizeof(from);
        ssize_t n;

        if (poll(&item, 1, (int)left) <= 0)
            return 0;
        n = recvfrom(forge->capture, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len);
        if (n <= 0 || from.sll_pkttype == PACKET_OUTGOING || !packet_read(bytes, (size_t)n, &got) ||
            !answers(&got, &forge->segment))
            continue;
        if (got.flags & TH_RST || (wanted ? (got.flags & wanted) == wanted : got.data_len > 0)) {
            *ret = got;
            return 1;
        }
    }
    return 0;
}

/* @return exit code: 0 when an answer came */
static int tell(struct forge *forge, const char *event, uint8_t wanted, struct packet_segment *ret)
{
    if (!receive(forge, wanted, ret)) {
        printf("{\"event\":\"none\",\"instead\":\"%s\"}\n", event);
        return 1;
    }
    print_segment(ret->flags & TH_RST ? "rst" : event, ret);
    return ret->flags & TH_RST ? 1 : 0;
}

static int handshake(struct forge *forge)
{
    struct packet_segment *s = &forge->segment, got;
    int r;

    s->flags = TH_SYN;
    if (forge->syn_data) {
        s->data = forge->syn_data;
        s->data_len = strlen(forge->syn_data);
    }
    r = packet_send(forge->raw, s, &forge->shape);
    if (r < 0)
        return fail("send", -r);
    if (tell(forge, "synack", TH_SYN | TH_ACK, &got) != 0)
        return 1;

    s->seq = got.ack;
    s->ack = got.seq + 1;
    s->flags = TH_ACK;
    s->data = NULL;
    s->data_len = 0;
    memcpy(s->options, forge->ack_options, sizeof(s->options));
    s->options_len = forge->ack_options_len;
    r = packet_send(forge->raw, s, &forge->shape);
    if (r < 0)
        return fail("send", -r);
    if (!forge->data)
        return 0;
    s->flags = TH_ACK | TH_PUSH;
    s->data = forge->data;
    s->data_len = strlen(forge->data);
    r = packet_send(forge->raw, s, &forge->shape);
    if (r < 0)
        return fail("send", -r);
    return tell(forge, "echo", 0, &got);
}

static int send_one(struct forge *forge)
{
    struct packet_segment got;
    int r;

    if (forge->data) {
        forge->segment.data = forge->data;
        forge->segment.data_len = strlen(forge->data);
    }
    r = packet_send(forge->raw, &forge->segment, &forge->shape);
    if (r < 0)
        return fail("send", -r);
    return tell(forge, "answer", TH_ACK, &got);
}

static volatile sig_atomic_t told_to_end;

static void note_end(int signal)
{
    (void)signal;
    told_to_end = 1;
}

/* What the socket holds. */
static void sniff_read(int fd, unsigned long port)
{
    static uint8_t bytes[65536];
    struct packet_segment got;

    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n > 0 && packet_read(bytes, (size_t)n, &got) &&
            (got.source_port == port || got.destination_port == port))
            print_segment("packet", &got);
    }
}

static int sniff(const char *interface, unsigned long port)
{
    struct sigaction action = {.sa_handler = note_end};
    int fd = capture_open(interface), room = 32 << 20;
    struct pollfd item = {.fd = fd, .events = POLLIN};
    sigset_t blocked, before;

    if (fd < 0)
        return fail(interface, -fd);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
        return fail("setsockopt", errno);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    sigaction(SIGTERM, &action, NULL);
    printf("{\"event\":\"ready\"}\n");
    fflush(stdout);
    while (!told_to_end) {
        ppoll(&item, 1, NULL, &before);
        sniff_read(fd, port);
    }
    return 0;
}

static bool parse_endpoint(char *text, struct packet_address *ret, uint16_t *ret_port)
{
    char *comma = strchr(text, ',');

    if (!comma)
        return false;
    *comma = 0;
    *ret_port = (uint16_t)strtoul(comma + 1, NULL, 10);
    return packet_parse_address(text, ret);
}

enum option_id {
    OPTION_SOURCE = 1,
    OPTION_DESTINATION,
    OPTION_SYN_OPTIONS,
    OPTION_ACK_OPTIONS,
    OPTION_SYN_DATA,
    OPTION_DATA,
    OPTION_SEQ,
    OPTION_ACK,
    OPTION_FLAGS,
    OPTION_FRAGMENT,
    OPTION_EXTENSIONS,
    OPTION_TIMEOUT
};

static const struct option long_options[] = {
    {"source", required_argument, NULL, OPTION_SOURCE},
    {"destination", required_argument, NULL, OPTION_DESTINATION},
    {"syn-options", required_argument, NULL, OPTION_SYN_OPTIONS},
    {"ack-options", required_argument, NULL, OPTION_ACK_OPTIONS},
    {"syn-data", required_argument, NULL, OPTION_SYN_DATA},
    {"data", required_argument, NULL, OPTION_DATA},
    {"seq", required_argument, NULL, OPTION_SEQ},
    {"ack", required_argument, NULL, OPTION_ACK},
    {"flags", required_argument, NULL, OPTION_FLAGS},
    {"fragment", required_argument, NULL, OPTION_FRAGMENT},
    {"extensions", required_argument, NULL, OPTION_EXTENSIONS},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {NULL, 0, NULL, 0},
};

static bool take_option(int id, char *value, struct forge *forge)
{
    struct packet_segment *s = &forge->segment;

    if (id == OPTION_SOURCE)
        return parse_endpoint(value, &s->source, &s->source_port);
    if (id == OPTION_DESTINATION)
        return parse_endpoint(value, &s->destination, &s->destination_port);
    if (id == OPTION_SYN_OPTIONS)
        return packet_parse_options(value, s->options, &s->options_len);
    if (id == OPTION_ACK_OPTIONS)
        return packet_parse_options(value, forge->ack_options, &forge->ack_options_len);
    if (id == OPTION_SYN_DATA)
        forge->syn_data = value;
    else if (id == OPTION_DATA)
        forge->data = value;
    else if (id == OPTION_SEQ)
        s->seq = (uint32_t)strtoul(value, NULL, 0);
    else if (id == OPTION_ACK)
        s->ack = (uint32_t)strtoul(value, NULL, 0);
    else if (id == OPTION_FLAGS)
        s->flags = (uint8_t)strtoul(value, NULL, 0);
    else if (id == OPTION_FRAGMENT)
        forge->shape.first_fragment = strtoul(value, NULL, 0);
    else if (id == OPTION_EXTENSIONS)
        forge->shape.extensions = (unsigned)strtoul(value, NULL, 0);
    else
        forge->timeout_ms = (int)strtol(value, NULL, 10);
    return true;
}

static int usage(void)
{
    fputs("usage: forge handshake|send --source A,PORT --destination A,PORT [OPTION…]\n"
          "       forge sniff INTERFACE PORT\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct forge forge = {.timeout_ms = 1000, .segment.seq = 1000000};
    int id;

    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (id == '?' || !take_option(id, optarg, &forge))
            return usage();
    }
    if (argc - optind == 3 && strcmp(argv[optind], "sniff") == 0)
        return sniff(argv[optind + 1], strtoul(argv[optind + 2], NULL, 10));
    if (argc - optind != 1 || !forge.segment.source.family || !forge.segment.destination.family)
        return usage();
    forge.capture = capture_open(NULL);
    if (forge.capture < 0)
        return fail("capture", -forge.capture);
    forge.raw = packet_socket(forge.segment.source.family);
    if (forge.raw < 0)
        return fail("socket", -forge.raw);
    if (strcmp(argv[optind], "handshake") == 0)
        return handshake(&forge);
    if (strcmp(argv[optind], "send") == 0)
        return send_one(&forge);
    return usage();
}
