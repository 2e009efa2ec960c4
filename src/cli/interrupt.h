/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What must not outlive the process when SIGINT, SIGTERM or SIGHUP ends it: a terminal without
 * echo, a temporary file, a line of progress. The handler puts it right and lets the signal do what
 * it does, so that who started us sees that we were interrupted. There is no handler until there is
 * something to put right; a signal that was ignored at the start stays ignored.
 */

#include <stdbool.h>
#include <termios.h>

/* Of standard input, as it was; NULL: it is again. */
void interrupt_restores(const struct termios *before);
/* NULL: it is not ours any more. What is longer than PATH_MAX stays. */
void interrupt_removes(const char *path);
/* A line of progress stands on standard error. */
void interrupt_wipes(bool line);
