/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/model.h"

enum { TAKES_CONFIG = 1, TAKES_STATE = 2, TAKES_SOCKET = 4 };

static const struct command {
    const char *name;
    enum options_command command;
    unsigned takes;
    const char *help;
} commands[] = {
    {"run", OPTIONS_RUN, TAKES_CONFIG | TAKES_STATE | TAKES_SOCKET,
     "usage: bulkhead-enforcer run --config FILE [--state DIR] [--socket PATH]\n"
     "\n"
     "Enforce, in the foreground, until SIGTERM or SIGINT; enforcement then goes on in the "
     "kernel.\n"
     "SIGHUP reads configuration, policy and peers again.\n"
     "\n"
     "  --config FILE   configuration (docs/operator/configuration.md)\n"
     "  --state DIR     what is kept between runs (" OPTIONS_STATE_DEFAULT ")\n"
     "  --socket PATH   control socket (" OPTIONS_SOCKET_DEFAULT ")\n"
     "  --help          this text\n"},
    {"check", OPTIONS_CHECK, TAKES_CONFIG,
     "usage: bulkhead-enforcer check --config FILE\n"
     "\n"
     "Read configuration, policy and peers, print every problem, start nothing.\n"
     "Exit 0 when all can be used, 2 when not.\n"
     "\n"
     "  --config FILE   configuration\n"
     "  --help          this text\n"},
    {"describe", OPTIONS_DESCRIBE, TAKES_CONFIG,
     "usage: bulkhead-enforcer describe --config FILE\n"
     "\n"
     "Print this host's peer file, to be put into the `peers` directory of the other hosts.\n"
     "Makes the identity key when there is none yet.\n"
     "\n"
     "  --config FILE   configuration\n"
     "  --help          this text\n"},
    {"detach", OPTIONS_DETACH, TAKES_CONFIG | TAKES_STATE,
     "usage: bulkhead-enforcer detach --config FILE [--state DIR]\n"
     "\n"
     "Stop enforcing after the daemon has ended: remove its programs and maps from the kernel.\n"
     "While a daemon runs use `bulkhead enforcer disable`.\n"
     "\n"
     "  --config FILE   configuration\n"
     "  --state DIR     what is kept between runs (" OPTIONS_STATE_DEFAULT ")\n"
     "  --help          this text\n"},
    {"register", OPTIONS_REGISTER, TAKES_CONFIG | TAKES_STATE,
     "usage: bulkhead-enforcer register --config FILE [--state DIR]\n"
     "\n"
     "Register this host at its Console (mode: console) and start nothing: a key is made here, "
     "the\n"
     "Console gives a certificate for it. `run` does the same when it has to.\n"
     "\n"
     "  --config FILE   configuration: console, credentials or token, namespace\n"
     "  --state DIR     where key and certificate are kept (" OPTIONS_STATE_DEFAULT ")\n"
     "  --help          this text\n"},
};

static const char *const program_help =
    "usage: bulkhead-enforcer COMMAND [OPTION…]\n"
    "\n"
    "Decides which processing units of this host may talk to whom, by their proven identity.\n"
    "\n"
    "  run        enforce, in the foreground\n"
    "  check      read configuration, policy and peers; print every problem\n"
    "  describe   print this host's peer file for other hosts\n"
    "  detach     stop enforcing after the daemon has ended\n"
    "  register   make this host an Enforcer of its Console\n"
    "\n"
    "  --help     this text; also after each command\n"
    "  --version  print the version\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or input.\n";

const char *options_help(enum options_command topic)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (commands[i].command == topic)
            return commands[i].help;
    return program_help;
}

static const struct command *find_command(const char *name, char message[OPTIONS_MESSAGE_MAX])
{
    const char *words[ARRAY_SIZE(commands)];
    const char *nearest;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        words[i] = commands[i].name;
    }
    nearest = nearest_word(name, words, ARRAY_SIZE(words));
    snprintf(message, OPTIONS_MESSAGE_MAX,
             "unknown command '%.60s', expected run, check, describe, detach or register%s%s%s",
             name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return NULL;
}

/* "--name VALUE" or "--name=VALUE". @return how many arguments it took, 0 when it is another option
 */
static int take_value(const char *name, int argc, char *const argv[], int at, const char **ret)
{
    size_t len = strlen(name);

    if (strncmp(argv[at], name, len) != 0)
        return 0;
    if (argv[at][len] == '=' && argv[at][len + 1]) {
        *ret = argv[at] + len + 1;
        return 1;
    }
    if (argv[at][len] != '\0' || at + 1 >= argc || argv[at + 1][0] == '\0')
        return 0;
    *ret = argv[at + 1];
    return 2;
}

static int parse_option(const struct command *command, int argc, char *const argv[], int at,
                        struct options *options)
{
    int taken = 0;

    if (!taken && command->takes & TAKES_CONFIG)
        taken = take_value("--config", argc, argv, at, &options->config);
    if (!taken && command->takes & TAKES_STATE)
        taken = take_value("--state", argc, argv, at, &options->state);
    if (!taken && command->takes & TAKES_SOCKET)
        taken = take_value("--socket", argc, argv, at, &options->socket);
    return taken;
}

static int parse_command(const struct command *command, int argc, char *const argv[],
                         struct options *ret, char message[OPTIONS_MESSAGE_MAX])
{
    struct options options = {
        .command = command->command,
        .state = OPTIONS_STATE_DEFAULT,
        .socket = OPTIONS_SOCKET_DEFAULT,
    };

    for (int at = 2; at < argc;) {
        int taken = parse_option(command, argc, argv, at, &options);

        if (strcmp(argv[at], "--help") == 0) {
            *ret = (struct options){.command = OPTIONS_HELP, .topic = command->command};
            return 0;
        }
        if (taken == 0) {
            snprintf(message, OPTIONS_MESSAGE_MAX, "%s: unknown option or missing value: '%.100s'",
                     command->name, argv[at]);
            return -EINVAL;
        }
        at += taken;
    }
    if (!options.config) {
        snprintf(message, OPTIONS_MESSAGE_MAX, "%s: --config FILE is missing", command->name);
        return -EINVAL;
    }
    *ret = options;
    return 0;
}

int options_parse(int argc, char *const argv[], struct options *ret,
                  char message[OPTIONS_MESSAGE_MAX])
{
    const struct command *command;

    if (argc < 2) {
        snprintf(message, OPTIONS_MESSAGE_MAX,
                 "a command is missing, expected run, check, describe, detach or register");
        return -EINVAL;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        *ret = (struct options){.command = OPTIONS_HELP, .topic = OPTIONS_HELP};
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        *ret = (struct options){.command = OPTIONS_VERSION};
        return 0;
    }
    if (argv[1][0] == '-') {
        snprintf(message, OPTIONS_MESSAGE_MAX,
                 "unknown option '%.100s' in front of a command; see --help", argv[1]);
        return -EINVAL;
    }
    command = find_command(argv[1], message);
    return command ? parse_command(command, argc, argv, ret, message) : -EINVAL;
}
