/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * mode: console: what makes a daemon live from a Console. For the files that make it up:
 *
 *   remote.c         life; registration; which Console, when again
 *   remote_link.c    messages in and out
 *   remote_apply.c   entries → view → daemon; the copy on disk
 *   remote_keys.c    own keys, keys shared with others
 *   remote_report.c  units, heartbeat, asking for what is missing
 *   remote_facts.c   what the host says of itself
 *
 *   unregistered ── registered ──▶ connecting ⇄ waiting
 *                                     └─ welcome ──▶ connected ── end ──▶ waiting
 */

#include <jansson.h>

#include "enforcer/backoff.h"
#include "enforcer/channel.h"
#include "enforcer/daemon.h"
#include "enforcer/epochs.h"
#include "enforcer/registration.h"
#include "enforcer/view.h"

#define REMOTE_APPLY_MS 3         /* a burst of changes is one */
#define REMOTE_APPLY_LATEST_MS 50 /* however long it lasts */
#define REMOTE_CACHE_MS 500
#define REMOTE_DISTRIBUTED_MS 2000 /* from our own document back to: others have it */
#define REMOTE_DISTRIBUTED_LATEST_MS 10000
#define REMOTE_RENEW_RETRY_MS 600000
#define REMOTE_FETCH_MS 200
#define REMOTE_FETCH_AGAIN_MS 30000
#define REMOTE_FETCHED_MAX 1024
#define REMOTE_ERROR_MAX 512

enum remote_state {
    REMOTE_UNREGISTERED,
    REMOTE_REGISTERING,
    REMOTE_WAITING,
    REMOTE_CONNECTING,
    REMOTE_CONNECTED,
};

struct shared_key { /* with one peer for one of its epochs */
    struct {
        uint32_t enforcer;
        uint32_t epoch;
    } id;
    uint8_t public_key[WIRE_KEY_BYTES];
    uint8_t key[WIRE_PAIR_KEY_BYTES];
    bool good;
    uint64_t round; /* when it was wanted last */
    UT_hash_handle hh;
};

struct fetched { /* asked for lately */
    uint32_t number;
    bool host, sent;
    uint64_t at_ms;
};

struct registering; /* in a thread: registering, or coming back after the certificate ended */
struct collecting;

struct remote {
    struct daemon *daemon;
    enum remote_state state;
    int64_t since_ms; /* wall clock, of the state */
    char error[REMOTE_ERROR_MAX];
    char url[CONFIG_URL_MAX + 1];      /* that is or was tried last */
    struct registration *registration; /* NULL: none */
    struct registering *registering;
    bool renewal_refused; /* the next attempt is with what there is */
    struct channel *channel;
    struct link_decoder *decoder;
    struct backoff backoff;
    enum link_bye bye; /* of this connection; 0: none */
    size_t url_at, urls_tried;
    bool any_reached; /* of these */
    uv_timer_t retry_timer;

    struct entries entries;
    struct view *view; /* in force; NULL: none */
    uint64_t revision; /* of what entries say */
    uint64_t apply_since_ms;
    bool entries_whole; /* not in the middle of a change */
    bool cache_read, ack_wanted;
    uv_timer_t apply_timer, cache_timer;
    uint64_t deltas, snapshots, resumed, connects;

    struct epochs epochs;
    struct shared_key *shared;
    uint64_t shared_round;
    uint16_t shared_epoch, epoch_in_use; /* the latter: as the file says */
    uint64_t announced_ms;               /* 0: not on this connection */
    uv_timer_t switch_timer, rotate_timer;

    uv_timer_t heartbeat_timer, log_timer, fetch_timer;
    uint64_t cpu_ns, cpu_at_ns, renew_asked_ms;
    bool units_told, facts_known;
    uv_timer_t facts_timer;
    struct collecting *collecting;
    struct tag_set facts, facts_metadata; /* of the host, with what its cloud says */
    struct fetched fetched[REMOTE_FETCHED_MAX];
    size_t n_fetched;
    unsigned timers;
};

/* remote.c */
void remote_state_set(struct remote *remote, enum remote_state state);
void remote_error_set(struct remote *remote, const char *text);
int64_t remote_wall_ms(void);
void remote_ended(struct remote *remote, const char *reason, bool reached);

/* remote_link.c */
extern const struct channel_events remote_channel_events;
void remote_send(struct remote *remote, const struct link_message *message);
void remote_ack(struct remote *remote, const char *error);

/* remote_apply.c */
void remote_apply_later(struct remote *remote);
int remote_apply(struct remote *remote, char problem[REMOTE_ERROR_MAX]);
void remote_cache_later(struct remote *remote);
void remote_cache_load(struct remote *remote);
void remote_cache_save(struct remote *remote);

/* remote_keys.c */
int remote_keys_start(struct remote *remote);
void remote_keys_stop(struct remote *remote);
void remote_keys_rotate(struct remote *remote);
void remote_keys_announced(struct remote *remote); /* in hello */
void remote_keys_look(struct remote *remote);      /* documents changed: is ours there? */

/* remote_report.c */
void remote_report_start(struct remote *remote); /* connected */
void remote_report_stop(struct remote *remote);
void remote_units_tell(struct remote *remote);
void remote_refresh(struct remote *remote, const struct link_message *message);

/* remote_facts.c */
void remote_facts_start(struct remote *remote);
void remote_facts_stop(struct remote *remote);

/* remote_status.c */
json_t *remote_status_json(const struct remote *remote); /* new reference */
