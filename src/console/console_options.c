/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/console.h"
#include "model/model.h"

enum { TAKES_DATA = 1, TAKES_SERVE = 2, TAKES_FILE = 4, TAKES_KEEP = 8, TAKES_WORD = 16 };

#define HELP_DATA                                                                                  \
    "  --data DIR           where database, keys and certificates are (made when missing)\n"       \
    "  --database URI       postgresql://…, or a path; else DIR/console.db (SQLite)\n"
#define HELP_KEEP                                                                                  \
    "  --keep-days N        how long to keep activities (30)\n"                                    \
    "  --keep-activities N  and how many (5000000)\n"
#define HELP_LAST                                                                                  \
    "  --log LEVEL[,json]   error, warn, info or debug\n"                                          \
    "  --help               this text\n"

static const struct command {
    const char *name;
    enum console_command command;
    unsigned takes;
    const char *help;
} commands[] = {
    {"serve", CONSOLE_SERVE, TAKES_DATA | TAKES_SERVE | TAKES_KEEP,
     "usage: bulkhead-console serve --data DIR [OPTION…]\n"
     "\n"
     "Run the Console, in the foreground, until SIGTERM or SIGINT. SIGHUP reads the certificate\n"
     "again. The first start says where it wrote the administrator's credential.\n"
     "\n" HELP_DATA "  --listen ADDRESS     [::]:8443; port 0: any free one\n"
     "  --certificate FILE   PEM chain of the server; else one by the own CA\n"
     "  --key FILE           its private key\n"
     "  --public-url URL     what credentials say where this Console is\n"
     "  --limits LIST        KIND=RATE[/BURST],… a second for one client, 0: none; of\n"
     "                       writes=10000/50000, work=800/20000 (ms), strangers=2000/20000,\n"
     "                       passwords=10/100, refusals=1/100, link=200/4000\n"
     "  --objects-max N      creations beyond are refused (2000000)\n" HELP_KEEP HELP_LAST},
    {"backup", CONSOLE_BACKUP, TAKES_DATA | TAKES_FILE,
     "usage: bulkhead-console backup --data DIR --file FILE [OPTION…]\n"
     "\n"
     "Write a consistent copy of all objects, settings and activities, while the Console runs.\n"
     "Keys and certificates are files in DIR and are not in it: copy them as well.\n"
     "\n" HELP_DATA "  --file FILE          the backup, mode 0600\n" HELP_LAST},
    {"restore", CONSOLE_RESTORE, TAKES_DATA | TAKES_FILE,
     "usage: bulkhead-console restore --data DIR --file FILE [OPTION…]\n"
     "\n"
     "Read a backup of either kind of database into an empty or missing one. The Console must\n"
     "not run.\n"
     "\n" HELP_DATA "  --file FILE          the backup\n" HELP_LAST},
    {"compact", CONSOLE_COMPACT, TAKES_DATA | TAKES_KEEP,
     "usage: bulkhead-console compact --data DIR [OPTION…]\n"
     "\n"
     "Remove old changes and activities. A running Console does that by itself every hour.\n"
     "\n" HELP_DATA HELP_KEEP HELP_LAST},
    {"maintenance", CONSOLE_MAINTENANCE, TAKES_DATA | TAKES_WORD,
     "usage: bulkhead-console maintenance on|off|status --data DIR [OPTION…]\n"
     "\n"
     "While it is on, all Consoles of the database answer writes with 423 and the reason. Reads,\n"
     "tokens, and the connections of Enforcers go on, and what Enforcers report is stored. When\n"
     "the command ends it is in force.\n"
     "\n" HELP_DATA "  --reason TEXT        what people are told\n" HELP_LAST},
    {"check", CONSOLE_CHECK, TAKES_DATA,
     "usage: bulkhead-console check --data DIR [OPTION…]\n"
     "\n"
     "Read everything, change nothing, say what is wrong. Exit 0 when all is well.\n"
     "\n" HELP_DATA HELP_LAST},
};

static const char program_help[] =
    "usage: bulkhead-console COMMAND [OPTION…]\n"
    "\n"
    "Keeps the objects of a Bulkhead installation, and tells Enforcers what applies to them.\n"
    "\n"
    "  serve      run the Console\n"
    "  backup     copy everything into a file\n"
    "  restore    read such a file into an empty database\n"
    "  compact    remove old changes and activities\n"
    "  maintenance on|off|status   refuse writes for a while\n"
    "  check      read everything and say what is wrong\n"
    "  version    print the version\n"
    "\n"
    "  --help     this text; also after each command\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or input.\n";

const char *console_help(enum console_command topic)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (commands[i].command == topic)
            return commands[i].help;
    return program_help;
}

static const struct command *find(const char *name, char message[CONSOLE_MESSAGE_MAX])
{
    const char *words[ARRAY_SIZE(commands)], *nearest;

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        words[i] = commands[i].name;
    }
    nearest = nearest_word(name, words, ARRAY_SIZE(words));
    snprintf(message, CONSOLE_MESSAGE_MAX,
             "unknown command '%.60s', expected serve, backup, restore, compact, maintenance, "
             "check or version%s%s%s",
             name, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return NULL;
}

/* "--name VALUE" or "--name=VALUE". @return how many arguments it took */
static int take(const char *name, int argc, char *const argv[], int at, const char **ret)
{
    size_t len = strlen(name);

    if (strncmp(argv[at], name, len) != 0)
        return 0;
    if (argv[at][len] == '=' && argv[at][len + 1]) {
        *ret = argv[at] + len + 1;
        return 1;
    }
    if (argv[at][len] != '\0' || at + 1 >= argc || !*argv[at + 1])
        return 0;
    *ret = argv[at + 1];
    return 2;
}

/* What has to be read further. */
struct texts {
    const char *keep_days, *keep_activities, *objects_max, *limits;
};

static int take_any(const struct command *command, int argc, char *const argv[], int at,
                    struct console_options *options, struct texts *texts)
{
    const struct {
        unsigned takes;
        const char *name, **value;
    } known[] = {
        {TAKES_DATA, "--data", &options->data},
        {TAKES_DATA, "--database", &options->database},
        {TAKES_DATA, "--log", &options->log},
        {TAKES_SERVE, "--listen", &options->listen},
        {TAKES_SERVE, "--certificate", &options->certificate},
        {TAKES_SERVE, "--key", &options->key},
        {TAKES_SERVE, "--public-url", &options->public_url},
        {TAKES_FILE, "--file", &options->file},
        {TAKES_KEEP, "--keep-days", &texts->keep_days},
        {TAKES_KEEP, "--keep-activities", &texts->keep_activities},
        {TAKES_SERVE, "--objects-max", &texts->objects_max},
        {TAKES_SERVE, "--limits", &texts->limits},
        {TAKES_WORD, "--reason", &options->reason},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        int taken = command->takes & known[i].takes
                        ? take(known[i].name, argc, argv, at, known[i].value)
                        : 0;

        if (taken)
            return taken;
    }
    return 0;
}

/* NULL: stays as it is. */
static bool read_number(const char *text, unsigned max, unsigned *ret)
{
    unsigned long number = text ? strtoul(text, NULL, 10) : 0;

    if (!text)
        return true;
    if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 10 || number > max)
        return false;
    *ret = (unsigned)number;
    return true;
}

static bool is_word(const char *text)
{
    return strcmp(text, "on") == 0 || strcmp(text, "off") == 0 || strcmp(text, "status") == 0;
}

static int missing(const struct command *command, const char *what,
                   char message[CONSOLE_MESSAGE_MAX])
{
    snprintf(message, CONSOLE_MESSAGE_MAX, "%s: %s", command->name, what);
    return -EINVAL;
}

static int check_options(const struct command *command, const struct texts *texts,
                         struct console_options *options, char message[CONSOLE_MESSAGE_MAX])
{
    if (!options->data)
        return missing(command, "--data DIR is missing", message);
    if ((command->takes & TAKES_FILE) && !options->file)
        return missing(command, "--file FILE is missing", message);
    if (!options->certificate != !options->key)
        return missing(command, "--certificate and --key go together", message);
    if (options->public_url && strncmp(options->public_url, "https://", 8) != 0)
        return missing(command, "--public-url: expected https://…", message);
    if (!read_number(texts->keep_days, CONSOLE_KEEP_DAYS_MAX, &options->keep_days))
        return missing(command, "--keep-days: expected a number of days", message);
    if (!read_number(texts->keep_activities, CONSOLE_KEEP_NUMBER_MAX, &options->keep_activities) ||
        !read_number(texts->objects_max, CONSOLE_OBJECTS_LIMIT, &options->objects_max))
        return missing(command, "--keep-activities, --objects-max: expected a number", message);
    if ((command->takes & TAKES_WORD) && !options->word)
        return missing(command, "expected on, off or status", message);
    if (options->reason && (strcmp(options->word, "on") != 0 ||
                            strnlen(options->reason, CONSOLE_REASON_MAX + 1) > CONSOLE_REASON_MAX))
        return missing(command, "--reason: only with on, and at most 500 bytes", message);
    if (texts->limits)
        return limits_parse(texts->limits, &options->limits, message, CONSOLE_MESSAGE_MAX);
    return 0;
}

static int parse_command(const struct command *command, int argc, char *const argv[],
                         enum console_command *ret, enum console_command *ret_topic,
                         struct console_options *ret_options, char message[CONSOLE_MESSAGE_MAX])
{
    struct console_options options = {
        .listen = CONSOLE_LISTEN_DEFAULT,
        .keep_days = CONSOLE_KEEP_DAYS,
        .keep_activities = CONSOLE_KEEP_ACTIVITIES,
        .objects_max = CONSOLE_OBJECTS_MAX,
        .limits = limits_default,
    };
    struct texts texts = {0};
    int r;

    for (int at = 2; at < argc;) {
        int taken = take_any(command, argc, argv, at, &options, &texts);

        if ((command->takes & TAKES_WORD) && !options.word && is_word(argv[at])) {
            options.word = argv[at];
            taken = 1;
        }
        if (strcmp(argv[at], "--help") == 0) {
            *ret = CONSOLE_HELP;
            *ret_topic = command->command;
            return 0;
        }
        if (taken == 0) {
            snprintf(message, CONSOLE_MESSAGE_MAX, "%s: unknown option or missing value: '%.100s'",
                     command->name, argv[at]);
            return -EINVAL;
        }
        at += taken;
    }
    r = check_options(command, &texts, &options, message);
    if (r < 0)
        return r;
    *ret = command->command;
    *ret_options = options;
    return 0;
}

int console_options_parse(int argc, char *const argv[], enum console_command *ret,
                          enum console_command *ret_topic, struct console_options *ret_options,
                          char message[CONSOLE_MESSAGE_MAX])
{
    const struct command *command;

    *ret_topic = CONSOLE_HELP;
    if (argc < 2) {
        snprintf(message, CONSOLE_MESSAGE_MAX, "a command is missing; see --help");
        return -EINVAL;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "--version") == 0 ||
        strcmp(argv[1], "version") == 0) {
        *ret = strcmp(argv[1], "--help") == 0 ? CONSOLE_HELP : CONSOLE_VERSION;
        if (argc > 2 && strcmp(argv[2], "--help") == 0)
            *ret = CONSOLE_HELP;
        return 0;
    }
    command = find(argv[1], message);
    return command ? parse_command(command, argc, argv, ret, ret_topic, ret_options, message)
                   : -EINVAL;
}
