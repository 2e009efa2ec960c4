/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Refreshes reach Enforcers wherever they are connected: what was asked for is a hidden object for
 * a while, so that every Console of the database hears of it as of any other change, and tells the
 * Enforcers that it has, and who listens on its /events.
 */

#include <jansson.h>

#include "console/objects.h"

#define REFRESH_KIND "refreshrequest"
#define REFRESH_KEEP_MS 60000
#define REFRESH_AGE_MS 300000 /* clocks of Consoles may differ by that much */

struct push;

typedef bool refresh_visit_fn(void *context, const struct object *enforcer); /* false: no more */
/* The Enforcers that a request is about. */
void refresh_each(const struct objects *objects, const json_t *request, refresh_visit_fn *visit,
                  void *context);
/* A new object of REFRESH_KIND: do what it asks for. */
void refresh_tell(struct push *push, const struct object *object);
/* How long `logLevel` lasts, by the body of an Enforcer or of a refresh. */
unsigned enforcer_log_seconds(const json_t *body);
