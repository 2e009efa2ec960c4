/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Wrong passwords and used one-time passwords, by name, whether there is such an account or not:
 * hidden objects (kind loginstate), so that all Consoles of a database and the next start know of
 * them. What cannot be stored (the database is gone, LOGINS_RECORDED_MAX names of nobody are there)
 * is counted in memory, as is what is under way: so as many guesses as can be tried at once are no
 * more than one after the other would be, at one Console. Between Consoles a commit takes
 * milliseconds.
 */

#include "console/commit.h"
#include "console/console.h"

#define LOGINS_KIND "loginstate"
#define LOGINS_FAILURES_MAX 5
#define LOGINS_LOCK_MS (5 * 60 * 1000)
#define LOGINS_KEEP_MS                                                                             \
    (2 * LOGINS_LOCK_MS) /* after its last change nothing of it counts any more */
#define LOGINS_RECORDED_MAX 65536
#define LOGINS_MEMORY_MAX 65536
#define LOGINS_NAME_MAX 256

/* How long no password of that name is taken; 0: now. */
int64_t logins_locked_ms(struct console *console, const char *name, int64_t now_ms);
/* A password is being checked; then logins_failed() or logins_passed(), once. -ENOMEM */
int logins_begin(const char *name);
void logins_failed(struct console *console, const char *name, int64_t now_ms);
/* The step of the one-time password that was taken last; -1: none. */
int64_t logins_last_step(struct console *console, const char *name);
/*
 * @param step  of the one-time password; -1: none was asked for
 * @param done  is called once, perhaps from within: 0; -EACCES: the one-time password was used
 *              before, here or elsewhere; else it cannot be stored that it was used now. NULL
 */
void logins_passed(struct console *console, const char *name, int64_t step, int64_t now_ms,
                   void (*done)(void *context, int result), void *context);
/* Somebody set a new password: with `set` the failures go. */
int logins_forgive(struct console *console, const char *name, struct change_set *set);
/* For GET /accounts. The last log-in is of this Console. */
void logins_show(struct console *console, const char *name, int64_t now_ms, unsigned *ret_failures,
                 int64_t *ret_locked_until_ms, int64_t *ret_last_login_ms);
