/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "console/push_internal.h"

/*
 * One Enforcer.
 *
 *   HELLO ── hello ──▶ STREAM (in step) ◀── inventory ── INVENTORY ◀── hello (not in step)
 *     any ── bye, error ──▶ ENDING ── closed ──▶ freed
 */

#define KEY_TEXT_MAX 48 /* base64 of 32 bytes, and a NUL */

void session_send(struct session *session, const struct link_message *message)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(2 * LINK_MESSAGE_BYTES_MAX);
    struct http_payload *payload = NULL;
    bool sent;

    if (session->state == SESSION_ENDING)
        return;
    link_encode(&buf, message);
    if (buf.error == 0 && http_payload_new(buf.data, buf.len, false, &payload) == 0) {
        sent = http_socket_send(session->socket, payload);
        http_payload_unref(&payload); /* the queue has its own reference */
        if (sent)
            return;
        session->push->counters.overflows++;
    }
    session->state = SESSION_ENDING;
    http_socket_close(session->socket, 1011, "overload");
}

void session_bye(struct session *session, enum link_bye code, const char *reason)
{
    const struct link_message message = {.type = LINK_BYE, .bye = {.code = code, .reason = reason}};

    if (session->state == SESSION_ENDING)
        return;
    session_send(session, &message);
    session->state = SESSION_ENDING;
    session->push->counters.refused++;
    log_event(LOG_LEVEL_WARN, "enforcer.bye", LOG_F("enforcer", "%s", session->enforcer_id),
              LOG_F("code", "%d", (int)code), LOG_F("reason", "%s", reason));
    http_socket_close(session->socket, 1008, reason);
}

static void welcome(struct session *session, const struct object *object, bool in_step)
{
    _cleanup_(json_decrefp) json_t *body = object_parse(object);
    const struct link_message message = {
        .type = LINK_WELCOME,
        .welcome = {.version = BULKHEAD_VERSION,
                    .enforcer_id = session->enforcer_id,
                    .namespace = object->space->name,
                    .number = (uint32_t)json_integer_value(json_object_get(body, "number")),
                    .time_ms = console_now_ms(),
                    .revision = objects_revision(session->push->console->objects),
                    .heartbeat_s = LINK_HEARTBEAT_S,
                    .in_step = in_step},
    };
    const struct link_message ask = {.type = LINK_INVENTORY_ASK};

    session_send(session, &message);
    session->unacked += in_step;
    if (!in_step)
        session_send(session, &ask);
}

static json_t *keys_json(const struct link_key *keys, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n && list; i++) {
        char text[KEY_TEXT_MAX];

        EVP_EncodeBlock((unsigned char *)text, keys[i].public_key, sizeof(keys[i].public_key));
        json_array_append_new(list,
                              json_pack("{s:i, s:s}", "epoch", (int)keys[i].epoch, "key", text));
    }
    return list;
}

/* What a host says of itself is stored, shown and sent to others: it is checked like anything else.
 * @return false: the session ends */
static bool is_acceptable(struct session *session, const struct object *object, const json_t *body,
                          const json_t *news)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    _cleanup_(json_decrefp) json_t *sparse = NULL;
    char reason[256];

    if (schema_accept(object->kind, SCHEMA_WRITER_CONSOLE, news, body, true, &problems, &sparse) ==
        0)
        return true;
    text_format(reason, sizeof(reason), "%.80s: %.150s",
                problems.n ? problems.items[0].attribute : "",
                problems.n ? problems.items[0].message : "out of memory");
    session_bye(session, LINK_BYE_PROTOCOL, reason);
    return false;
}

/* Store what is new about the host; most hellos change nothing. */
static void host_update(struct session *session, const struct object *object, json_t *news)
{
    _cleanup_(json_decrefp) json_t *body = object_parse(object);
    const char *name;
    json_t *value;
    bool changed = false;

    if (!body || !news) {
        json_decref(news);
        return;
    }
    json_object_foreach(news, name, value) changed =
        changed || !json_equal(value, json_object_get(body, name));
    /* What waits to be stored may have changed it already. */
    changed = changed || push_is_patching(session->push, object->id);
    if (!changed || !is_acceptable(session, object, body, news)) {
        json_decref(news);
        return;
    }
    push_patch(session->push, object, news, NULL);
}

static json_t *hello_news(const struct link_message *message)
{
    json_t *addresses = json_array();

    for (size_t i = 0; i < message->hello.n_addresses && addresses; i++)
        json_array_append_new(addresses, json_string(message->hello.addresses[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "operationalStatus", "Connected",
                     "enforcementStatus", "Active", "currentVersion", message->hello.version,
                     "machineID", message->hello.machine_id, "addresses", addresses, "publicKeys",
                     keys_json(message->hello.keys, message->hello.n_keys));
}

/* The same certificate twice: the host came back by another way, or somebody copied its disk. */
static void replace(struct session *session, const char *machine_id)
{
    struct session *other = session_find(session->push, session->enforcer_id);
    bool clone;

    if (!other || other == session)
        return;
    clone = other->machine_id && strcmp(other->machine_id, machine_id) != 0;
    session->push->counters.replaced++;
    HASH_DEL(session->push->sessions, other);
    other->filed = false;
    session_bye(other, LINK_BYE_REPLACED,
                clone ? "another host connected with the same certificate (copied disk?): register "
                        "each host by itself"
                      : "the same host connected again");
}

static void file(struct session *session)
{
    struct departed *gone = NULL;

    HASH_FIND_STR(session->push->departed, session->enforcer_id, gone);
    if (gone) {
        HASH_DEL(session->push->departed, gone);
        free(gone);
    }
    if (session->filed)
        return;
    HASH_ADD_STR(session->push->sessions, enforcer_id, session);
    session->filed = true;
    session->push->counters.sessions++;
}

static void take_hello(struct session *session, const struct link_message *message)
{
    const struct object *object =
        objects_find(session->push->console->objects, session->enforcer_id);
    int64_t skew = console_now_ms() - message->hello.time_ms;
    char reason[160];
    bool in_step = false;

    session->push->counters.hellos++;
    if (!session_check(session) || !object)
        return;
    if (skew > PUSH_CLOCK_SKEW_MS || skew < -PUSH_CLOCK_SKEW_MS) {
        text_format(reason, sizeof(reason),
                    "the clock of the host is %" PRId64 " s %s: set it (NTP) and come back",
                    (skew > 0 ? skew : -skew) / 1000, skew > 0 ? "behind" : "ahead");
        session_bye(session, LINK_BYE_CLOCK, reason);
        return;
    }
    replace(session, message->hello.machine_id);
    free(session->machine_id);
    session->machine_id = strdup(message->hello.machine_id);
    file(session);
    host_update(session, object, hello_news(message));
    if (delta_resume(session, &message->hello.digest, &in_step) < 0) {
        session_bye(session, LINK_BYE_OVERLOAD, "the Console is out of memory");
        return;
    }
    session->push->counters.resumed += in_step;
    welcome(session, object, in_step);
    if (session->state != SESSION_ENDING)
        session->state = in_step ? SESSION_STREAM : SESSION_INVENTORY;
}

static void take_inventory(struct session *session, const struct link_message *message)
{
    if (session->state != SESSION_INVENTORY) {
        session_bye(session, LINK_BYE_PROTOCOL, "an inventory that nobody asked for");
        return;
    }
    session->state = SESSION_STREAM;
    if (delta_inventory(session, message->inventory.entries, message->inventory.n) < 0)
        session_bye(session, LINK_BYE_OVERLOAD, "the Console is out of memory");
    else
        session_dirty(session); /* what changed meanwhile */
}

static void take_ack(struct session *session, const struct link_message *message)
{
    session->acked = message->ack.revision;
    free_pointer(&session->problem);
    if (!message->ack.error)
        return;
    session->problem = strdup(message->ack.error);
    log_event(LOG_LEVEL_WARN, "enforcer.policy_refused",
              LOG_F("enforcer", "%s", session->enforcer_id),
              LOG_F("revision", "%" PRIu64, message->ack.revision),
              LOG_F("problem", "%s", message->ack.error));
}

static void take_keys(struct session *session, const struct link_message *message)
{
    const struct object *object =
        objects_find(session->push->console->objects, session->enforcer_id);

    if (object)
        host_update(
            session, object,
            json_pack("{s:o}", "publicKeys", keys_json(message->keys.keys, message->keys.n)));
}

static void take_heartbeat(struct session *session, const struct link_message *message)
{
    const struct object *object =
        objects_find(session->push->console->objects, session->enforcer_id);
    int64_t now_ms = console_now_ms();
    char time[SCHEMA_TIME_LEN + 1];

    if (!object || now_ms - session->synced_ms < PUSH_SYNC_MS)
        return;
    session->synced_ms = now_ms;
    schema_time_format(now_ms, time);
    host_update(session, object,
                json_pack("{s:s, s:s, s:s, s:I}", "lastSyncTime", time, "enforcementStatus",
                          message->heartbeat.status, "operationalStatus", "Connected",
                          "lastRevision", (json_int_t)session->acked));
}

static void take_fetch(struct session *session, const struct link_message *message)
{
    session->push->counters.fetches++;
    render_fetch(session->push->render, session->enforcer_id, message->fetch.hosts,
                 message->fetch.n_hosts, message->fetch.identities, message->fetch.n_identities);
    push_flush_later(session->push);
}

static void dispatch(struct session *session, const struct link_message *message, const void *bytes,
                     size_t len)
{
    switch (message->type) {
    case LINK_HELLO:
        take_hello(session, message);
        break;
    case LINK_INVENTORY:
        take_inventory(session, message);
        break;
    case LINK_ACK:
        take_ack(session, message);
        break;
    case LINK_UNITS:
        units_take(session, message, bytes, len);
        break;
    case LINK_KEYS:
        take_keys(session, message);
        break;
    case LINK_FETCH:
        take_fetch(session, message);
        break;
    case LINK_HEARTBEAT:
        take_heartbeat(session, message);
        break;
    case LINK_RENEW:
        session_renew(session, message);
        break;
    default:
        session_bye(session, LINK_BYE_PROTOCOL, "a message that only a Console sends");
        break;
    }
}

/* What answers a delta came because the Console wanted it. Whoever comes back after a bye is met
 * with the same count, and so stays away for longer each time. */
static bool within_limit(struct session *session, const struct link_message *message)
{
    if (message->type == LINK_ACK && session->unacked > 0) {
        session->unacked--;
        return true;
    }
    if (limits_take(session->push->console->limits, LIMIT_LINK, session->enforcer_id, 1,
                    uv_hrtime()) == 0)
        return true;
    session->push->counters.limited++;
    session_bye(session, LINK_BYE_OVERLOAD, "this Enforcer sends too many messages");
    return false;
}

static void on_message(struct http_socket *socket, void *data, const void *bytes, size_t len,
                       bool text)
{
    struct session *session = data;
    struct link_message message;
    const char *problem = "a text frame";

    if (session->state == SESSION_ENDING)
        return;
    session->heard_ms = console_now_ms();
    if (text || link_decode(session->push->decoder, bytes, len, &message, &problem) < 0) {
        session->push->counters.protocol_errors++;
        session_bye(session, LINK_BYE_PROTOCOL, problem);
        return;
    }
    if ((session->state == SESSION_HELLO) != (message.type == LINK_HELLO)) {
        session_bye(session, LINK_BYE_PROTOCOL, "expected hello first, and once");
        return;
    }
    if (within_limit(session, &message))
        dispatch(session, &message, bytes, len);
}

static void on_drained(struct http_socket *socket, void *data)
{
    struct session *session = data;

    if (session->state == SESSION_STREAM)
        session_dirty(session);
}

static void depart(struct session *session)
{
    struct push *push = session->push;
    struct departed *gone;

    HASH_DEL(push->sessions, session);
    push->counters.sessions--;
    if (push->console->stopping)
        return;
    gone = calloc(1, sizeof(*gone));
    if (!gone)
        return;
    memcpy(gone->enforcer_id, session->enforcer_id, sizeof(gone->enforcer_id));
    gone->at_ms = console_now_ms();
    HASH_ADD_STR(push->departed, enforcer_id, gone);
}

static void on_closed(struct http_socket *socket, void *data)
{
    struct session *session = data;

    if (session->filed)
        depart(session);
    if (session->dirty)
        pointers_remove(&session->push->dirty, session);
    render_scope_clear(&session->sent);
    free(session->machine_id);
    free(session->problem);
    free(session);
}

const struct http_socket_events session_events = {
    .message = on_message, .drained = on_drained, .closed = on_closed};

int push_upgrade(struct push *push, const struct http_request *request, struct http_socket *socket,
                 void **ret_session, const struct http_socket_events **ret_events)
{
    _cleanup_caller_ struct caller *caller = NULL;
    struct api_error error = {0};
    struct session *session;

    if (push->counters.sessions >= PUSH_SESSIONS_MAX)
        return 503;
    session = calloc(1, sizeof(*session));
    if (!session)
        return 503;
    session->push = push;
    session->socket = socket;
    session->heard_ms = session->synced_ms = console_now_ms();
    *ret_session = session;
    *ret_events = &session_events;
    /* Who may not come in is told why over the connection: a status alone says too little. */
    if (!request->certificate.present) {
        free(session);
        return 401;
    }
    if (auth_authenticate(push->console->auth, request, &error, &caller) < 0)
        session_bye(session, LINK_BYE_REVOKED, error.description);
    else if (!caller->enforcer_id)
        session_bye(session, LINK_BYE_REFUSED, "the certificate is not one of an Enforcer");
    else
        session_begin(session, caller);
    return 101;
}
