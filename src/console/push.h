/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sessions with Enforcers: hello, resume, deltas, heartbeat, units, keys (link/link.h). One session
 * per Enforcer; the cost of a change follows the sessions that it concerns.
 */

#include "console/console.h"
#include "console/http.h"

#define PUSH_SESSIONS_MAX 20000
#define PUSH_UNREACHABLE_MS (5 * 60 * 1000)
#define PUSH_CLOCK_SKEW_MS (5 * 60 * 1000)

int push_new(struct console *console, struct push **ret);
void push_free(struct push **push);
/* As http_handlers.upgrade, for LINK_PATH. */
int push_upgrade(struct push *push, const struct http_request *request, struct http_socket *socket,
                 void **ret_session, const struct http_socket_events **ret_events);
/* From POST /enforcers/:id/enforcerrefreshes and /processingunits/:id/processingunitrefreshes */
int push_refresh(struct push *push, const char *enforcer_id, const char *log_level,
                 unsigned log_seconds, bool policy);
/* Certificate or object gone: cut the session now. */
void push_revoke(struct push *push, const char *enforcer_id, const char *reason);
