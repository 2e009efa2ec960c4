/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* GET /events as a WebSocket, for people and tools (product reference 4.3). */

#include "console/auth.h"
#include "console/console.h"

#define EVENTS_CLIENTS_MAX 2000
#define EVENTS_CONFIG_BYTES_MAX 65536

int events_new(struct console *console, struct events **ret);
void events_free(struct events **events);
/* As http_handlers.upgrade, for the path /events. */
int events_upgrade(struct events *events, const struct http_request *request,
                   struct http_socket *socket, void **ret_session,
                   const struct http_socket_events **ret_events);
/* Pseudo-objects that are never stored: policyrefresh, enforcerrefresh, processingunitrefresh. */
void events_publish(struct events *events, const struct schema_kind *kind, const char *namespace,
                    const char *type, const json_t *entity);
