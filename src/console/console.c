/* SPDX-License-Identifier: Apache-2.0 */
#include "console/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "console/compaction.h"
#include "store/store.h"

#define PROBLEM_BYTES_MAX 4096
#define DATABASE_NAME "console.db"

int64_t console_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *console_path(const struct console_options *options, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", options->data, name) < 0 ? NULL : path;
}

void console_notify(const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    _cleanup_close_
    int fd = -1;
    size_t len = path ? strlen(path) : 0;

    if (len == 0 || len >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (*path == '@')
        address.sun_path[0] = '\0'; /* abstract */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
        log_event(LOG_LEVEL_WARN, "notify", LOG_F("error", "%s", error_text(errno)));
}

static int fail(int status, const char *message)
{
    fprintf(stderr, "bulkhead-console: %s\n", message);
    return status;
}

static int fail_problem(const struct buf *problem, int r)
{
    return fail(1, problem->data && *problem->data ? problem->data : error_text(r));
}

/* ---- Commands on the database -------------------------------------------------------------- */

static void progress(void *context, uint64_t done, uint64_t total)
{
    int64_t *last_ms = context, now_ms = console_now_ms();

    if (now_ms - *last_ms < 1000)
        return;
    *last_ms = now_ms;
    fprintf(stderr, "%llu of %llu\n", (unsigned long long)done, (unsigned long long)total);
}

static int open_store(const struct console_options *options, bool read_only, struct store **ret)
{
    const struct store_options how = {.read_only = read_only};
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    int r = store_open(options->database, &how, &problem, ret);

    return r < 0 ? fail_problem(&problem, r) : 0;
}

int console_backup(const struct console_options *options)
{
    _cleanup_store_ struct store *store = NULL;
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    int64_t last_ms = console_now_ms();
    int status = open_store(options, true, &store), r;

    if (status)
        return status;
    r = store_backup(store, options->file, progress, &last_ms, &problem);
    return r < 0 ? fail_problem(&problem, r) : 0;
}

int console_restore(const struct console_options *options)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(PROBLEM_BYTES_MAX);
    int64_t last_ms = console_now_ms();
    int r = dir_make(options->data, 0700);

    if (r == 0)
        r = store_restore(options->database, options->file, progress, &last_ms, &problem);
    if (r == -EINVAL) {
        fail_problem(&problem, r);
        return 2;
    }
    return r < 0 ? fail_problem(&problem, r) : 0;
}

int console_compact(const struct console_options *options)
{
    _cleanup_store_ struct store *store = NULL;
    struct store_compaction compaction = compaction_bounds(options);
    int status = open_store(options, false, &store), r;

    if (status)
        return status;
    compaction.changes_before_ms = MIN(compaction.changes_before_ms, compaction.log_before_ms);
    r = store_compact(store, &compaction);
    if (r < 0)
        return fail(1, store_problem(store));
    printf("removed %llu changes and %llu activities\n",
           (unsigned long long)compaction.changes_removed,
           (unsigned long long)compaction.log_removed);
    return 0;
}

int console_check(const struct console_options *options)
{
    _cleanup_store_ struct store *store = NULL;
    int status = open_store(options, true, &store), r;

    if (status)
        return status;
    r = store_check(store);
    if (r < 0)
        return fail(1, store_problem(store));
    printf("%s is in order\n", options->database);
    return 0;
}

static int maintenance_status(struct store *store)
{
    _cleanup_buf_ struct buf reason = BUF_INIT(STORE_BODY_BYTES_MAX);
    int r = store_setting_get(store, STORE_MAINTENANCE, &reason);

    if (r < 0 && r != -ENOENT)
        return fail(1, store_problem(store));
    printf("%s%s\n", reason.len ? "on: " : "off", reason.len ? reason.data : "");
    return 0;
}

int console_maintenance(const struct console_options *options)
{
    _cleanup_store_ struct store *store = NULL;
    bool on = strcmp(options->word, "on") == 0, asks = strcmp(options->word, "status") == 0;
    int status = open_store(options, asks, &store), r;

    if (status || asks)
        return status ? status : maintenance_status(store);
    r = store_lock(store, !on ? "" : options->reason ? options->reason : "no reason was given");
    return r < 0 ? fail(1, store_problem(store)) : 0;
}

/* ---- Program -------------------------------------------------------------------------------- */

static int setup_log(const char *text)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    size_t len = text ? strcspn(text, ",") : 0;
    enum log_format format = LOG_FORMAT_TEXT;

    if (!text) {
        log_setup(LOG_LEVEL_INFO, format);
        return 0;
    }
    if (strcmp(text + len, ",json") == 0)
        format = LOG_FORMAT_JSON;
    else if (text[len])
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (strlen(levels[i]) == len && strncmp(levels[i], text, len) == 0) {
            log_setup((enum log_level)i, format);
            return 0;
        }
    }
    return -EINVAL;
}

static int run(enum console_command command, const struct console_options *options)
{
    switch (command) {
    case CONSOLE_SERVE:
        return console_serve(options);
    case CONSOLE_BACKUP:
        return console_backup(options);
    case CONSOLE_RESTORE:
        return console_restore(options);
    case CONSOLE_COMPACT:
        return console_compact(options);
    case CONSOLE_MAINTENANCE:
        return console_maintenance(options);
    default:
        return console_check(options);
    }
}

int console_main(int argc, char **argv)
{
    enum console_command command, topic;
    struct console_options options = {0};
    char message[CONSOLE_MESSAGE_MAX] = "";
    _cleanup_free_
    char *database = NULL;

    if (console_options_parse(argc, argv, &command, &topic, &options, message) < 0)
        return fail(2, message);
    if (command == CONSOLE_HELP || command == CONSOLE_VERSION) {
        fputs(command == CONSOLE_HELP ? console_help(topic)
                                      : "bulkhead-console " BULKHEAD_VERSION "\n",
              stdout);
        return 0;
    }
    if (setup_log(options.log) < 0)
        return fail(2, "--log: expected error, warn, info or debug, and perhaps ,json");
    if (!options.database) {
        database = console_path(&options, DATABASE_NAME);
        if (!database)
            return fail(1, error_text(ENOMEM));
        options.database = database;
    }
    return run(command, &options);
}
