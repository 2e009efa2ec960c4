/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

/* Written while the flag beside it is down: the handler may come at any time. */
static struct termios terminal;
static char file[PATH_MAX];
static volatile sig_atomic_t has_terminal, has_file, has_line;

/* Only what POSIX lists as safe here (signal-safety(7)). */
static void put_right(int signal_number)
{
    static const char wipe[] = "\r\033[K";
    ssize_t ignored = 0;

    if (has_line)
        ignored = write(STDERR_FILENO, wipe, sizeof(wipe) - 1);
    (void)ignored;
    if (has_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    if (has_file)
        unlink(file);
    raise(signal_number); /* SA_RESETHAND: by now it ends us */
}

static void install(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    static bool installed;
    const struct sigaction action = {.sa_handler = put_right,
                                     .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    struct sigaction present;

    for (size_t i = 0; !installed && i < ARRAY_SIZE(signals); i++)
        if (sigaction(signals[i], NULL, &present) == 0 && present.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    installed = true;
}

void interrupt_restores(const struct termios *before)
{
    has_terminal = 0;
    if (!before)
        return;
    terminal = *before;
    has_terminal = 1;
    install();
}

void interrupt_removes(const char *path)
{
    has_file = 0;
    if (!path || strlen(path) >= sizeof(file))
        return;
    snprintf(file, sizeof(file), "%s", path);
    has_file = 1;
    install();
}

void interrupt_wipes(bool line)
{
    has_line = line;
    if (line)
        install();
}
