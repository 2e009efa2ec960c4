/* SPDX-License-Identifier: Apache-2.0 */
#include "sock.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sock COMMAND ADDRESS PORT|PROTOCOL [OPTION…]\n"
    "  tcp-listen udp-listen raw-listen tcp-connect udp-send raw-send ping\n"
    "  --bind ADDRESS,PORT --device NAME --timeout MS --send TEXT --hold MS --tick MS --size N "
    "--count N\n"
    "  --bulk BYTES --fastopen --mptcp --md5 PEER --reuse --connected --no-fragment --silent\n";

enum option_id {
    OPTION_BIND = 1,
    OPTION_DEVICE,
    OPTION_TIMEOUT,
    OPTION_SEND,
    OPTION_HOLD,
    OPTION_TICK,
    OPTION_SIZE,
    OPTION_COUNT,
    OPTION_BULK,
    OPTION_FASTOPEN,
    OPTION_MPTCP,
    OPTION_MD5,
    OPTION_REUSE,
    OPTION_CONNECTED,
    OPTION_NO_FRAGMENT,
    OPTION_SILENT
};

static const struct option long_options[] = {
    {"bind", required_argument, NULL, OPTION_BIND},
    {"device", required_argument, NULL, OPTION_DEVICE},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"send", required_argument, NULL, OPTION_SEND},
    {"hold", required_argument, NULL, OPTION_HOLD},
    {"tick", required_argument, NULL, OPTION_TICK},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"count", required_argument, NULL, OPTION_COUNT},
    {"bulk", required_argument, NULL, OPTION_BULK},
    {"fastopen", no_argument, NULL, OPTION_FASTOPEN},
    {"mptcp", no_argument, NULL, OPTION_MPTCP},
    {"md5", required_argument, NULL, OPTION_MD5},
    {"reuse", no_argument, NULL, OPTION_REUSE},
    {"connected", no_argument, NULL, OPTION_CONNECTED},
    {"no-fragment", no_argument, NULL, OPTION_NO_FRAGMENT},
    {"silent", no_argument, NULL, OPTION_SILENT},
    {NULL, 0, NULL, 0},
};

static bool parse_bind(char *text, struct sock_address *ret)
{
    char *comma = strchr(text, ',');

    if (comma)
        *comma++ = 0;
    return sock_parse_address(text, comma ? comma : "0", ret);
}

static bool take_number(int id, int value, struct sock_options *options)
{
    if (id == OPTION_TIMEOUT)
        options->timeout_ms = value;
    else if (id == OPTION_HOLD)
        options->hold_ms = value;
    else if (id == OPTION_TICK)
        options->tick_ms = value;
    else if (id == OPTION_SIZE)
        options->size = value;
    else if (id == OPTION_COUNT)
        options->count = value;
    else if (id == OPTION_BULK)
        options->bulk = (size_t)value;
    else
        return false;
    return true;
}

static bool take_option(int id, char *value, struct sock_options *options)
{
    if (id == OPTION_BIND)
        return parse_bind(value, &options->bind);
    if (id == OPTION_MD5)
        return sock_parse_address(value, NULL, &options->md5_peer);
    if (id == OPTION_DEVICE)
        options->device = value;
    else if (id == OPTION_SEND)
        options->text = value;
    else if (id == OPTION_FASTOPEN)
        options->fastopen = true;
    else if (id == OPTION_MPTCP)
        options->mptcp = true;
    else if (id == OPTION_REUSE)
        options->reuse = true;
    else if (id == OPTION_CONNECTED)
        options->connected = true;
    else if (id == OPTION_NO_FRAGMENT)
        options->no_fragment = true;
    else if (id == OPTION_SILENT)
        options->silent = true;
    else
        return take_number(id, (int)strtol(value, NULL, 10), options);
    return true;
}

static int run(const char *command, const struct sock_address *address, int number,
               const struct sock_options *options)
{
    if (strcmp(command, "tcp-listen") == 0)
        return sock_tcp_listen(address, options);
    if (strcmp(command, "tcp-connect") == 0)
        return sock_tcp_connect(address, options);
    if (strcmp(command, "udp-listen") == 0)
        return sock_udp_listen(address, options);
    if (strcmp(command, "udp-send") == 0)
        return sock_udp_send(address, options);
    if (strcmp(command, "ping") == 0)
        return sock_ping(address, options);
    if (strcmp(command, "raw-listen") == 0)
        return sock_raw_listen(address, number, options);
    if (strcmp(command, "raw-send") == 0)
        return sock_raw_send(address, number, options);
    fputs(usage, stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct sock_options options = {.timeout_ms = 2000, .count = 1};
    struct sock_address address;
    bool raw;
    int id;

    signal(SIGPIPE, SIG_IGN);
    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (id == '?' || !take_option(id, optarg, &options))
            goto wrong;
    }
    if (argc - optind != 3)
        goto wrong;
    raw = strncmp(argv[optind], "raw", 3) == 0;
    if (options.fastopen && !options.text)
        options.text = "";
    if (!sock_parse_address(argv[optind + 1], raw ? "0" : argv[optind + 2], &address))
        goto wrong;
    return run(argv[optind], &address, (int)strtol(argv[optind + 2], NULL, 10), &options);
wrong:
    fputs(usage, stderr);
    return 2;
}
