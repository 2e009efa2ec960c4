/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files of hooks that belong to no part of their own, for api_register_all(). */

#include "console/api.h"

int hooks_namespaces(struct console *console);
/* Is an object of this kind and name made with each namespace: the default profile, its mapping? */
bool namespace_brings(const struct schema_kind *kind, const char *name);
/* Made so, and never changed. */
bool namespace_came_with(const struct object *object);
int hooks_space_info(struct console *console);
int hooks_activities(struct console *console);
int hooks_look(struct console *console);
int hooks_tags(struct console *console);
int hooks_matches(struct console *console);
int hooks_import(struct console *console);
