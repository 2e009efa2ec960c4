/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Nothing outlives its namespace. A write is checked against memory and committed later, so an
 * object may be made while its namespace is being deleted: it is deleted as soon as both are known.
 * Otherwise whoever has the name next would find a stranger's policies in force there.
 */

#include <stdbool.h>

struct console;
struct orphans;
/* Once, after everything was loaded. Begins with what a Console left that was killed. */
int orphans_new(struct console *console, struct orphans **ret);
/* After commit_free(), which ends what is under way. */
void orphans_free(struct orphans **orphans);
/* Is something left in a namespace that is not there? Nobody makes it anew before that is gone,
 * which this sees to. */
bool orphans_in(struct console *console, const char *namespace);
