/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One WebSocket to a Console, in the daemon's loop. libcurl makes the connection in a thread
 * (names, several addresses, proxy, TLS and its checks); from then on its descriptor is polled by
 * the loop and nothing blocks (docs/developer/console.md says why).
 *
 *   idle ── connect ──▶ connecting ──▶ upgrading ── opened() ──▶ open
 *     ▲                                                            │
 *     └───────────── closed() ◀── error, close, silence ◀──────────┘
 */

#include "enforcer/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define CHANNEL_CONNECT_MS 8000 /* with another address or Console to try, ten seconds are kept */
#define CHANNEL_UPGRADE_MS 8000
#define CHANNEL_PING_MS 30000
#define CHANNEL_SILENCE_MS (3 * CHANNEL_PING_MS)
#define CHANNEL_QUEUE_BYTES_MAX (8u << 20)
#define CHANNEL_MESSAGE_BYTES_MAX (2u << 20)
#define CHANNEL_REASON_MAX 512

struct channel;

enum channel_end {
    CHANNEL_ABSENT,  /* nobody took the connection */
    CHANNEL_REACHED, /* somebody did */
    CHANNEL_FOREIGN, /* who speaks no version of ours (status 426) */
};

struct channel_events {
    void (*opened)(void *context);
    void (*message)(void *context, const void *data, size_t len);
    /* Once per connect; the channel is idle again. */
    void (*closed)(void *context, const char *reason, enum channel_end how);
};

struct channel_target {            /* copied */
    const char *url;               /* https://host[:port], wss:// is the same */
    const char *ca;                /* PEM; NULL: the system's store */
    const char *certificate, *key; /* PEM; NULL: none */
    const char *proxy;             /* NULL: from the environment */
};

int channel_new(uv_loop_t *loop, const struct channel_events *events, void *context,
                struct channel **ret);
/* Memory goes when the loop has let go of it; no more events. NULL-safe. */
void channel_free(struct channel **channel);
/* -EBUSY: not idle; -ENOMEM */
int channel_connect(struct channel *channel, const struct channel_target *target);
/* One binary message. -ENOTCONN, -ENOBUFS: the queue is full (the channel closes), -ENOMEM */
int channel_send(struct channel *channel, const struct buf *message);
/* Close with closed(reason) later; nothing when idle. */
void channel_close(struct channel *channel, const char *reason);
