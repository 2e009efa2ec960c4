/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sessions with Enforcers: hello, resume, deltas, heartbeat, units, keys (link/link.h). One session
 * per Enforcer; the cost of a change follows the sessions that it concerns.
 */

#include "console/console.h"
#include "console/http.h"
#include "console/objects.h"
#include "console/render.h"

#define PUSH_SESSIONS_MAX 20000
#define PUSH_UNREACHABLE_MS (5 * 60 * 1000)
#define PUSH_CLOCK_SKEW_MS (5 * 60 * 1000)
#define PUSH_SILENCE_MS (3 * LINK_HEARTBEAT_S * 1000) /* then the connection counts as dead */
#define PUSH_LINGER_MS 60000            /* from the end of a session to status Disconnected */
#define PUSH_SYNC_MS 150000             /* lastSyncTime is stored no more often */
#define PUSH_QUEUE_BYTES_MAX (1u << 20) /* more waiting: deltas are put off, and merged */
#define PUSH_SLICE_MS 5                 /* for all of them */
#define PUSH_SLICE 256                  /* sessions served in one turn of the loop */
#define PUSH_UNITS_MAX 8192             /* of one Enforcer; what it reports beyond is left out */
#define PUSH_REPORTS_MAX 16             /* of units of one Enforcer that wait for the one before */
#define PUSH_REPORTS_BYTES_MAX (64u << 20) /* of all that wait */
/* Of a change that lost against another of the same object. Against one client that changes it
 * without a pause about every third try wins. */
#define PUSH_TRIES_MAX 100
#define PUSH_BODIES_BYTES_MAX (64u << 20)

/* Hooks of enforcers and processing units; for api_register_all(). */
int hooks_enforcers(struct console *console);
int hooks_units(struct console *console);
int hooks_refreshes(struct console *console);
int hooks_renewals(struct console *console);

struct push;
int push_new(struct console *console, struct push **ret);
/* Once, after everything was loaded. */
int push_start(struct push *push);
void push_free(struct push **push);
struct render *push_render(struct push *push);

/* As http_handlers.upgrade, for LINK_PATH. */
int push_upgrade(struct push *push, const struct http_request *request, struct http_socket *socket,
                 void **ret_session, const struct http_socket_events **ret_events);

/* push_refreshes.c: everything anew (`policy`), another log level for a time.
 * -ENOTCONN: it has no session here. */
int push_refresh(struct push *push, const char *enforcer_id, const char *log_level,
                 unsigned log_seconds, bool policy);
/* Certificate or object gone: cut the session now. */
void push_revoke(struct push *push, const char *enforcer_id, const char *reason);

/* What is known of an Enforcer beside its object. */
struct push_status {
    bool connected;
    int64_t heard_ms; /* 0: never since this Console started */
    uint64_t acked, sent;
    const char *problem; /* why it could not put the policy in force; NULL */
    size_t entries;
};
void push_status(struct push *push, const char *enforcer_id, struct push_status *ret);

struct push_counters {
    size_t sessions;
    uint64_t hellos, resumed, snapshots, deltas, entries, fetches, refused, protocol_errors,
        overflows, replaced, limited;
};
const struct push_counters *push_counters(const struct push *push);
