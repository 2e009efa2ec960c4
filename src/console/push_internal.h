/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 *   push.c           life of the table, flush, timers
 *   push_feed.c      objects → render
 *   push_session.c   one Enforcer: messages in
 *   push_trust.c     one Enforcer: its certificate, renewal
 *   push_delta.c     one Enforcer: scope → messages out
 *   push_units.c     units that an Enforcer reports → objects
 *   push_identity.c  numbers for identities
 *   push_profile.c   which profile an Enforcer has
 *   push_services.c  which host services
 */

#include <uthash.h>

#include "base/error.h"
#include "base/vec.h"
#include "console/auth.h"
#include "console/commit.h"
#include "console/push.h"
#include "console/trust.h"
#include "link/link.h"

enum session_state {
    SESSION_HELLO,     /* nothing heard yet */
    SESSION_INVENTORY, /* asked what it has */
    SESSION_STREAM,
    SESSION_ENDING,
};

struct session {
    struct push *push;
    struct http_socket *socket;
    char enforcer_id[SCHEMA_ID_LEN + 1];
    enum session_state state;
    uint8_t certificate[32]; /* SHA-256 of the one that it is open by, which ends then: */
    int64_t expires_ms;
    bool renewing;            /* a new one is being stored */
    bool filed;               /* in push->sessions */
    struct render_scope sent; /* what it has, or will have when it has read everything */
    bool dirty;               /* waits for a slice, or for its queue to drain */
    bool reset;               /* send everything anew */
    uint64_t acked, revision;
    unsigned unacked; /* deltas and the like that it owes an acknowledgement of */
    int64_t heard_ms, synced_ms;
    char *machine_id, *problem;
    UT_hash_handle hh;
};

/* Bodies by entry and version: made and signed once for many sessions. */
struct body {
    uint64_t entry_id, version;
    char *text;
    size_t len;
    UT_hash_handle hh;
};

/* Which object is an Enforcer's unit; by Enforcer, so that its units cost what it has. */
struct unit_index {
    char *local_id;
    char id[SCHEMA_ID_LEN + 1];
    UT_hash_handle hh;
};
struct unit_host {
    char enforcer_id[SCHEMA_ID_LEN + 1];
    struct unit_index *units;
    UT_hash_handle hh;
};

/* A session ended: after PUSH_LINGER_MS its Enforcer is Disconnected, unless it came back. */
struct departed {
    char enforcer_id[SCHEMA_ID_LEN + 1];
    int64_t at_ms;
    UT_hash_handle hh;
};

struct push {
    struct console *console;
    struct render *render;
    struct session *sessions; /* by Enforcer */
    struct departed *departed;
    struct patch *patches;  /* first of each object (push_patch.c) */
    struct report *reports; /* first of each Enforcer (push_reports.c) */
    size_t reports_bytes;   /* of those that wait */
    struct pointers dirty;
    struct body *bodies;
    size_t bodies_bytes;
    struct unit_host *hosts;
    struct link_decoder *decoder;
    uv_timer_t flush_timer, sweep_timer;
    bool flush_pending, started, profiles_dirty, identities_busy;
    unsigned handles; /* open timers */
    struct push_counters counters;
};

/* push.c */
void push_flush_later(struct push *push);
void session_dirty(struct session *session);
struct session *session_find(struct push *push, const char *enforcer_id);

/* push_feed.c */
void feed_changes(void *context, uint64_t revision, const struct object_change *changes, size_t n);
int feed_everything(struct push *push);
const char *unit_find(struct push *push, const char *enforcer_id, const char *local_id);
/* The unit has this ID, perhaps before the object is there; `there` false: no more. */
int unit_file(struct push *push, const char *enforcer_id, const char *local_id, const char *id,
              bool there);
/* Objects that were to be made for units of this Enforcer do not come. */
void units_forget_pending(struct push *push, const char *enforcer_id);
struct unit_index *units_of(struct push *push, const char *enforcer_id); /* hash table */
void feed_clear(struct push *push);
int feed_trust(struct push *push);

/* push_session.c */
extern const struct http_socket_events session_events;
void session_bye(struct session *session, enum link_bye code, const char *reason);
void session_send(struct session *session, const struct link_message *message);

/* push_trust.c */
void session_begin(struct session *session, const struct caller *caller);
/* Each says bye when it is so. */
bool session_expire(struct session *session, int64_t now_ms); /* true: it is over */
bool session_check(struct session *session);                  /* false: it is over */
void session_renew(struct session *session, const struct link_message *message);
/* An Enforcer's object is another one now: does its session go on? */
void trust_changed(struct push *push, const struct object *before, const struct object *after);

/* push_delta.c */
int delta_send(struct session *session); /* what it lacks */
/* Compare with what the Enforcer says it has; *ret_step: nothing to do. */
int delta_resume(struct session *session, const struct link_digest *digest, bool *ret_step);
int delta_inventory(struct session *session, const struct link_entry *entries, size_t n);
void bodies_clear(struct push *push);

/* push_units.c */
bool json_expression_matches(const json_t *expression, const struct tag_set *tags);
/* What a report of units changes in objects. @return -ENOMEM; -ENOENT: there is no such Enforcer;
 * -EBUSY: units of another report are being stored. Units that are not allowed are left out. */
int units_change(struct push *push, const char *enforcer_id, const struct link_message *message,
                 struct change_set *set);
/* Namespace that the mapping policies give to a unit with these tags. */
const char *units_namespace(struct push *push, const char *namespace, const struct tag_set *tags);

/* push_reports.c: store a report of units, of which `bytes` is the message. */
void units_take(struct session *session, const struct link_message *message, const void *bytes,
                size_t len);

/* push_identity.c */
void identities_number(struct push *push);

/* push_profile.c */
const struct object *profile_choose(struct push *push, const struct object *enforcer); /* NULL */
int profiles_work_out(struct push *push);                                              /* of all */
void profile_work_out(struct push *push, const struct object *enforcer);
/* The profile in force for an Enforcer as JSON; new reference, NULL on ENOMEM. */
json_t *profile_of(struct push *push, const struct object *enforcer);

/* push_services.c */
#define SERVICES_PROBLEM_MAX 512
/* Host services mapped to an Enforcer, by ID. */
int services_mapped(struct push *push, const struct object *enforcer, struct pointers *ret);
/* Those in force: the mapped ones, or while these contradict themselves (then `problem` is not
 * empty) the last that did not. New reference, NULL on ENOMEM. */
json_t *services_in_force(struct push *push, const struct object *enforcer,
                          char problem[SERVICES_PROBLEM_MAX]);
void services_remember(struct push *push, const struct object *enforcer, json_t *services);

/* hooks_enforcers.c: nothing heard of it for five minutes. */
bool enforcer_is_silent(struct console *console, const struct object *enforcer);
/* hooks_enforcers.c: sign a request for an Enforcer's certificate. */
int enforcer_certificate(struct console *console, const char *id, const char *namespace,
                         const char *csr, struct buf *problem, char **ret_pem);

/* push_patch.c: change attributes of an object, whatever else of it changes meanwhile; one after
 * the other. `done`, which may be NULL, is called once, perhaps from within. */
typedef void push_patched_fn(struct push *push, const char *id, const json_t *attributes,
                             int result);
void push_patch(struct push *push, const struct object *object, json_t *attributes /* stolen */,
                push_patched_fn *done);
/* Some that were asked for are not stored yet. */
bool push_is_patching(const struct push *push, const char *id);
