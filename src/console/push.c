/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "console/push_internal.h"

#define FLUSH_MS 1
#define SWEEP_MS 5000
#define DAY_MS 86400000

struct session *session_find(struct push *push, const char *enforcer_id)
{
    struct session *session = NULL;

    HASH_FIND_STR(push->sessions, enforcer_id, session);
    return session;
}

void session_dirty(struct session *session)
{
    if (session->dirty || session->state != SESSION_STREAM)
        return;
    session->dirty = pointers_push(&session->push->dirty, session) == 0;
    push_flush_later(session->push);
}

static void concerned(void *context, const char *enforcer_id)
{
    struct session *session = session_find(context, enforcer_id);

    if (session)
        session_dirty(session);
}

/* Sessions whose queue is full wait for `drained`; meanwhile changes gather and are merged. */
static void serve(struct push *push)
{
    uint64_t until_ns = uv_hrtime() + PUSH_SLICE_MS * 1000000ull;

    for (unsigned i = 0; i < PUSH_SLICE && push->dirty.n > 0 && uv_hrtime() < until_ns; i++) {
        struct session *session = push->dirty.v[--push->dirty.n];

        session->dirty = false;
        if (session->state == SESSION_STREAM &&
            http_socket_queued_bytes(session->socket) < PUSH_QUEUE_BYTES_MAX &&
            delta_send(session) < 0)
            session_bye(session, LINK_BYE_OVERLOAD, "the Console is out of memory");
    }
}

static void flush(uv_timer_t *timer)
{
    struct push *push = timer->data;

    push->flush_pending = false;
    if (push->console->stopping) /* nothing can be stored any more */
        return;
    if (push->profiles_dirty && profiles_work_out(push) == 0)
        push->profiles_dirty = false;
    if (render_flush(push->render, concerned, push) < 0)
        log_event(LOG_LEVEL_ERROR, "push.out_of_memory", LOG_F("what", "rendering put off"));
    identities_number(push);
    serve(push);
    if (push->dirty.n > 0)
        push_flush_later(push);
}

void push_flush_later(struct push *push)
{
    if (push->flush_pending || !push->started)
        return;
    push->flush_pending = true;
    /* Never 0: libuv before 1.46 runs a timer that is due at once again before it looks at anything
     * else, and all slices would be one. */
    uv_timer_start(&push->flush_timer, flush, FLUSH_MS, 0);
}

/* ---- What time does -------------------------------------------------------------------------- */

static void sessions_end(struct push *push, int64_t now_ms)
{
    struct session *session, *next;

    HASH_ITER(hh, push->sessions, session, next)
    {
        if (!session_expire(session, now_ms) && now_ms - session->heard_ms > PUSH_SILENCE_MS)
            session_bye(session, LINK_BYE_GOING_AWAY, "no heartbeat");
    }
}

static void departed_end(struct push *push, int64_t now_ms)
{
    struct departed *gone, *next;

    HASH_ITER(hh, push->departed, gone, next)
    {
        const struct object *object;

        if (now_ms - gone->at_ms < PUSH_LINGER_MS)
            continue;
        object = objects_find(push->console->objects, gone->enforcer_id);
        if (object && !session_find(push, gone->enforcer_id))
            push_patch(push, object, json_pack("{s:s}", "operationalStatus", "Disconnected"), NULL);
        HASH_DEL(push->departed, gone);
        free(gone);
    }
}

static void sweep(uv_timer_t *timer)
{
    struct push *push = timer->data;
    int64_t now_ms = console_now_ms();

    if (push->console->stopping)
        return;
    sessions_end(push, now_ms);
    departed_end(push, now_ms);
    render_day_set(push->render, (uint32_t)(now_ms / DAY_MS));
    if (push->bodies_bytes > PUSH_BODIES_BYTES_MAX / 2)
        bodies_clear(push);
    push_flush_later(push);
}

int push_new(struct console *console, struct push **ret)
{
    struct push *push = calloc(1, sizeof(*push));
    int r;

    if (!push)
        return -ENOMEM;
    push->console = console;
    uv_timer_init(&console->loop, &push->flush_timer);
    uv_timer_init(&console->loop, &push->sweep_timer);
    push->flush_timer.data = push->sweep_timer.data = push;
    push->handles = 2;
    r = render_new(&push->render);
    if (r == 0)
        r = link_decoder_new(&push->decoder);
    if (r < 0) {
        push_free(&push);
        return r;
    }
    *ret = push;
    return 0;
}

int push_start(struct push *push)
{
    int r;

    render_day_set(push->render, (uint32_t)(console_now_ms() / DAY_MS));
    r = feed_everything(push);
    if (r == 0)
        r = objects_observe(push->console->objects, feed_changes, push);
    if (r < 0)
        return r;
    push->started = true;
    push->profiles_dirty = true;
    push_flush_later(push);
    uv_timer_start(&push->sweep_timer, sweep, SWEEP_MS, SWEEP_MS);
    return 0;
}

static void handle_closed(uv_handle_t *handle)
{
    struct push *push = handle->data;

    if (--push->handles == 0)
        free(push);
}

/* Sessions are gone already: the listener closed them. The memory goes when the loop has closed the
 * timers. */
void push_free(struct push **at)
{
    struct push *push = *at;
    struct departed *gone, *next;

    if (!push)
        return;
    assert(!push->sessions);
    HASH_ITER(hh, push->departed, gone, next)
    {
        HASH_DEL(push->departed, gone);
        free(gone);
    }
    bodies_clear(push);
    feed_clear(push);
    pointers_free(&push->dirty);
    link_decoder_free(&push->decoder);
    render_free(&push->render);
    uv_close((uv_handle_t *)&push->flush_timer, handle_closed);
    uv_close((uv_handle_t *)&push->sweep_timer, handle_closed);
    *at = NULL;
}

struct render *push_render(struct push *push)
{
    return push->render;
}

const struct push_counters *push_counters(const struct push *push)
{
    return &push->counters;
}

void push_status(struct push *push, const char *enforcer_id, struct push_status *ret)
{
    const struct session *session = session_find(push, enforcer_id);
    _cleanup_render_part_ struct render_part *sent = NULL;

    *ret = (struct push_status){0};
    if (!session)
        return;
    sent = render_scope_whole(&session->sent);
    *ret = (struct push_status){
        .connected = true,
        .heard_ms = session->heard_ms,
        .acked = session->acked,
        .sent = session->revision,
        .problem = session->problem,
        .entries = sent ? sent->n : 0,
    };
}

int push_refresh(struct push *push, const char *enforcer_id, const char *log_level,
                 unsigned log_seconds, bool policy)
{
    struct session *session = session_find(push, enforcer_id);
    const struct link_message message = {
        .type = LINK_REFRESH,
        .refresh = {.log_level = log_level, .log_seconds = log_seconds, .policy = policy},
    };

    if (!session)
        return -ENOTCONN;
    session_send(session, &message);
    if (policy) {
        session->reset = true;
        session_dirty(session);
    }
    return 0;
}

void push_revoke(struct push *push, const char *enforcer_id, const char *reason)
{
    struct session *session = session_find(push, enforcer_id);

    if (session)
        session_bye(session, LINK_BYE_REVOKED, reason);
}
