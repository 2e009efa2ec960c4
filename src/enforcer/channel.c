/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enforcer/https.h"
#include "enforcer/wsframe.h"
#include "link/link.h"

/*
 * Who owns what: while `connecting`, the thread has `curl` and `attempt`; else the loop. Freed when
 * the thread is done, the poll handle is closed and the timer as well (`holds`).
 */

#define READ_BYTES 65536
#define READS_PER_TURN 16 /* then others get a turn */

enum channel_state { CHANNEL_IDLE, CHANNEL_CONNECTING, CHANNEL_UPGRADING, CHANNEL_OPEN };

struct attempt { /* copies, for the thread */
    char *url, *ca, *certificate, *key, *proxy;
    struct buf problem;
    CURLcode code;
};

struct frame { /* stays where it is until it was written: TLS wants the same bytes again */
    struct frame *next;
    size_t len;
    char data[];
};

struct channel {
    uv_loop_t *loop;
    struct channel_events events;
    void *context;
    enum channel_state state;
    uv_work_t work;
    struct attempt attempt;
    CURL *curl;
    char error[CURL_ERROR_SIZE];
    uv_poll_t *poll;
    uv_timer_t timer; /* upgrade, then pings */
    uv_timer_t again; /* more to read, or an end to tell */
    struct frame *first, *last;
    size_t queued;
    struct wsframe_reader reader;
    struct buf answer;
    char key[WSFRAME_KEY_TEXT];
    char reason[CHANNEL_REASON_MAX];
    uint64_t heard_ms;
    bool ending, freed, foreign;
    unsigned holds;
};

static void work_on(struct channel *channel);

/* ---- Memory ---------------------------------------------------------------------------------- */

static void attempt_clear(struct attempt *attempt)
{
    free(attempt->url);
    free(attempt->ca);
    free(attempt->certificate);
    if (attempt->key)
        explicit_bzero(attempt->key, strlen(attempt->key));
    free(attempt->key);
    free(attempt->proxy);
    buf_free(&attempt->problem);
    *attempt = (struct attempt){0};
}

static void release(struct channel *channel)
{
    if (--channel->holds > 0)
        return;
    attempt_clear(&channel->attempt);
    free(channel);
}

static void handle_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void poll_closed(uv_handle_t *handle)
{
    struct channel *channel = handle->data;

    free(handle);
    release(channel);
}

static void frames_clear(struct channel *channel)
{
    while (channel->first) {
        struct frame *next = channel->first->next;

        free(channel->first);
        channel->first = next;
    }
    channel->last = NULL;
    channel->queued = 0;
}

/* Everything of the present connection. */
static void let_go(struct channel *channel)
{
    if (channel->poll) {
        uv_poll_stop(channel->poll);
        uv_close((uv_handle_t *)channel->poll, poll_closed);
        channel->poll = NULL;
    }
    uv_timer_stop(&channel->timer);
    uv_timer_stop(&channel->again);
    frames_clear(channel);
    wsframe_reader_clear(&channel->reader);
    buf_free(&channel->answer);
    if (channel->curl)
        curl_easy_cleanup(channel->curl);
    channel->curl = NULL;
    attempt_clear(&channel->attempt);
    channel->state = CHANNEL_IDLE;
    channel->ending = channel->foreign = false;
}

/* ---- The end of a connection -----------------------------------------------------------------
 */

static enum channel_end how_ended(const struct channel *channel)
{
    CURLcode code = channel->attempt.code;

    if (channel->foreign)
        return CHANNEL_FOREIGN;
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                   code == CURLE_COULDNT_RESOLVE_PROXY
               ? CHANNEL_ABSENT
               : CHANNEL_REACHED;
}

static void tell_end(uv_timer_t *timer)
{
    struct channel *channel = timer->data;
    enum channel_end how = how_ended(channel);
    char reason[CHANNEL_REASON_MAX];

    memcpy(reason, channel->reason, sizeof(reason));
    let_go(channel);
    channel->events.closed(channel->context, reason, how);
}

/* Told from the loop, never from within a call of the owner. */
static void end(struct channel *channel, const char *reason)
{
    if (channel->state == CHANNEL_IDLE || channel->ending)
        return;
    channel->ending = true;
    snprintf(channel->reason, sizeof(channel->reason), "%s", reason);
    if (channel->state != CHANNEL_CONNECTING)
        uv_timer_start(&channel->again, tell_end, 0, 0);
}

void channel_close(struct channel *channel, const char *reason)
{
    if (channel->state == CHANNEL_OPEN && !channel->ending) {
        static const uint8_t normal[] = {0x03, 0xe8};
        _cleanup_buf_ struct buf bytes = BUF_INIT(64);
        size_t n;

        /* politeness only: once, if there is room */
        if (!channel->first && wsframe_put(&bytes, WSFRAME_CLOSE, normal, sizeof(normal)) == 0)
            curl_easy_send(channel->curl, bytes.data, bytes.len, &n);
    }
    end(channel, reason);
}

/* ---- Out ------------------------------------------------------------------------------------- */

static int enqueue(struct channel *channel, const struct buf *bytes)
{
    struct frame *frame;

    if (channel->queued + bytes->len > CHANNEL_QUEUE_BYTES_MAX) {
        end(channel, "the Console reads too slowly");
        return -ENOBUFS;
    }
    frame = malloc(sizeof(*frame) + bytes->len);
    if (!frame)
        return -ENOMEM;
    frame->next = NULL;
    frame->len = bytes->len;
    memcpy(frame->data, bytes->data, bytes->len);
    if (channel->last)
        channel->last->next = frame;
    else
        channel->first = frame;
    channel->last = frame;
    channel->queued += bytes->len;
    return 0;
}

static void write_some(struct channel *channel)
{
    while (channel->first) {
        struct frame *frame = channel->first;
        size_t n = 0;
        CURLcode code = curl_easy_send(channel->curl, frame->data, frame->len, &n);

        if (code == CURLE_AGAIN)
            return;
        if (code != CURLE_OK) {
            end(channel, channel->error[0] ? channel->error : curl_easy_strerror(code));
            return;
        }
        channel->queued -= n;
        if (n < frame->len) { /* TLS took a part: the rest is a frame of its own */
            frame->len -= n;
            memmove(frame->data, frame->data + n, frame->len);
            continue;
        }
        channel->first = frame->next;
        if (!channel->first)
            channel->last = NULL;
        free(frame);
    }
}

static int put(struct channel *channel, enum wsframe_opcode opcode, const void *data, size_t len)
{
    _cleanup_buf_ struct buf bytes = BUF_INIT(CHANNEL_QUEUE_BYTES_MAX);
    int r = wsframe_put(&bytes, opcode, data, len);

    return r < 0 ? r : enqueue(channel, &bytes);
}

int channel_send(struct channel *channel, const struct buf *message)
{
    int r;

    if (channel->state != CHANNEL_OPEN || channel->ending)
        return -ENOTCONN;
    if (message->error)
        return message->error;
    r = put(channel, WSFRAME_BINARY, message->data, message->len);
    if (r == 0)
        work_on(channel);
    return r;
}

/* ---- In -------------------------------------------------------------------------------------- */

static void take_close(struct channel *channel, const struct wsframe_event *event)
{
    const uint8_t *bytes = event->data;
    char text[CHANNEL_REASON_MAX];

    if (event->len < 2)
        snprintf(text, sizeof(text), "the Console closed the connection");
    else
        snprintf(text, sizeof(text), "the Console closed the connection (%d%s%.*s)",
                 bytes[0] << 8 | bytes[1], event->len > 2 ? ": " : "", (int)event->len - 2,
                 (const char *)bytes + 2);
    end(channel, text);
}

static void take_frames(struct channel *channel)
{
    struct wsframe_event event;
    int r = 0;

    while (!channel->ending && !channel->freed &&
           (r = wsframe_next(&channel->reader, &event)) > 0) {
        switch (event.opcode) {
        case WSFRAME_BINARY:
            channel->events.message(channel->context, event.data, event.len);
            break;
        case WSFRAME_PING:
            put(channel, WSFRAME_PONG, event.data, event.len);
            break;
        case WSFRAME_CLOSE:
            take_close(channel, &event);
            break;
        default:
            break;
        }
    }
    if (r < 0)
        end(channel, "the Console sends what is no WebSocket frame");
}

static void take_answer(struct channel *channel)
{
    _cleanup_buf_ struct buf problem = BUF_INIT(1024);
    size_t head;
    int r = wsframe_answer(channel->answer.data, channel->answer.len, channel->key, LINK_PROTOCOL,
                           &head, &problem);

    if (r == 0)
        return;
    if (r < 0) {
        channel->foreign = r == -EPROTONOSUPPORT;
        end(channel, problem.data ? problem.data : "no WebSocket");
        return;
    }
    wsframe_feed(&channel->reader, channel->answer.data + head, channel->answer.len - head);
    buf_free(&channel->answer);
    channel->state = CHANNEL_OPEN;
    channel->events.opened(channel->context);
    take_frames(channel);
}

/* @return false: nothing more for now */
static bool read_once(struct channel *channel)
{
    char bytes[READ_BYTES];
    size_t n = 0;
    CURLcode code = curl_easy_recv(channel->curl, bytes, sizeof(bytes), &n);

    if (code == CURLE_AGAIN)
        return false;
    if (code != CURLE_OK || n == 0) {
        end(channel, code == CURLE_OK    ? "the Console ended the connection"
                     : channel->error[0] ? channel->error
                                         : curl_easy_strerror(code));
        return false;
    }
    channel->heard_ms = uv_now(channel->loop);
    if (channel->state == CHANNEL_UPGRADING) {
        buf_append(&channel->answer, bytes, n);
        take_answer(channel);
    } else if (wsframe_feed(&channel->reader, bytes, n) < 0) {
        end(channel, "the Console sends more than a message can be");
    } else {
        take_frames(channel);
    }
    return !channel->ending && !channel->freed;
}

static void again(uv_timer_t *timer)
{
    work_on(timer->data);
}

static void ready(uv_poll_t *poll, int status, int events)
{
    work_on(poll->data);
}

/* TLS may want to write in order to read and the other way round: both are tried on every news. */
static void work_on(struct channel *channel)
{
    int reads = 0;

    write_some(channel);
    channel->holds++; /* the owner may free it from within an event */
    while (!channel->ending && !channel->freed && reads < READS_PER_TURN && read_once(channel))
        reads++;
    if (!channel->freed && !channel->ending) {
        write_some(channel);
        if (channel->poll && !channel->ending) {
            uv_poll_start(channel->poll, UV_READABLE | (channel->first ? UV_WRITABLE : 0), ready);
            if (reads == READS_PER_TURN)
                uv_timer_start(&channel->again, again, 0, 0);
        }
    }
    release(channel);
}

static void tick(uv_timer_t *timer)
{
    struct channel *channel = timer->data;

    if (channel->state != CHANNEL_OPEN) {
        end(channel, "the Console does not answer the WebSocket handshake");
        return;
    }
    if (uv_now(channel->loop) - channel->heard_ms > CHANNEL_SILENCE_MS) {
        end(channel, "nothing was heard of the Console for 90 seconds");
        return;
    }
    put(channel, WSFRAME_PING, "", 0);
    work_on(channel);
}

/* ---- Connecting ------------------------------------------------------------------------------
 */

static void connect_in_thread(uv_work_t *work)
{
    struct channel *channel = work->data;
    struct attempt *attempt = &channel->attempt;
    const struct channel_target target = {.url = attempt->url,
                                          .ca = attempt->ca,
                                          .certificate = attempt->certificate,
                                          .key = attempt->key,
                                          .proxy = attempt->proxy};

    channel->curl = https_handle(&target, "", channel->error);
    if (!channel->curl) {
        attempt->code = CURLE_OUT_OF_MEMORY;
        buf_printf(&attempt->problem, "%s: certificate, key or URL cannot be used", attempt->url);
        return;
    }
    curl_easy_setopt(channel->curl, CURLOPT_CONNECT_ONLY, 1L);
    attempt->code = curl_easy_perform(channel->curl);
    if (attempt->code != CURLE_OK)
        https_explain(channel->curl, attempt->code, channel->error, attempt->url,
                      &attempt->problem);
}

static int start_poll(struct channel *channel)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    int r;

    if (curl_easy_getinfo(channel->curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD)
        return -ENOTCONN;
    channel->poll = malloc(sizeof(*channel->poll));
    if (!channel->poll)
        return -ENOMEM;
    r = uv_poll_init(channel->loop, channel->poll, fd);
    if (r < 0) {
        free_pointer(&channel->poll);
        return r;
    }
    channel->poll->data = channel;
    channel->holds++;
    return 0;
}

static int start_upgrade(struct channel *channel)
{
    _cleanup_buf_ struct buf request = BUF_INIT(4096);
    char host[300];
    int r = https_host(channel->attempt.url, host);

    if (r == 0)
        r = wsframe_request(&request, host, LINK_PATH, LINK_PROTOCOL, BULKHEAD_VERSION,
                            channel->key);
    if (r == 0)
        r = start_poll(channel);
    if (r == 0)
        r = enqueue(channel, &request);
    if (r < 0)
        return r;
    channel->state = CHANNEL_UPGRADING;
    channel->answer = BUF_INIT(2 * WSFRAME_ANSWER_BYTES_MAX + READ_BYTES);
    wsframe_reader_init(&channel->reader, CHANNEL_MESSAGE_BYTES_MAX);
    channel->heard_ms = uv_now(channel->loop);
    uv_timer_start(&channel->timer, tick, CHANNEL_UPGRADE_MS, CHANNEL_PING_MS);
    work_on(channel);
    return 0;
}

static void connected(uv_work_t *work, int status)
{
    struct channel *channel = work->data;
    const char *problem = channel->attempt.problem.data;
    int r;

    if (channel->freed) {
        let_go(channel);
        release(channel);
        return;
    }
    uv_update_time(channel->loop);
    if (channel->attempt.code != CURLE_OK || channel->ending) {
        if (!channel->ending)
            snprintf(channel->reason, sizeof(channel->reason), "%s",
                     problem ? problem : "no memory");
        channel->ending = true;
        uv_timer_start(&channel->again, tell_end, 0, 0);
    } else {
        r = start_upgrade(channel);
        if (r < 0) {
            channel->state = CHANNEL_UPGRADING;
            end(channel, strerror(-r));
        }
    }
    release(channel);
}

static int copy_text(const char *from, char **ret)
{
    *ret = from ? strdup(from) : NULL;
    return from && !*ret ? -ENOMEM : 0;
}

int channel_connect(struct channel *channel, const struct channel_target *target)
{
    struct attempt *attempt = &channel->attempt;
    int r = channel->state == CHANNEL_IDLE ? 0 : -EBUSY;

    if (r < 0)
        return r;
    attempt_clear(attempt);
    attempt->problem = BUF_INIT(2048);
    if (copy_text(target->url, &attempt->url) < 0 || copy_text(target->ca, &attempt->ca) < 0 ||
        copy_text(target->certificate, &attempt->certificate) < 0 ||
        copy_text(target->key, &attempt->key) < 0 || copy_text(target->proxy, &attempt->proxy) < 0)
        return -ENOMEM;
    channel->error[0] = '\0';
    channel->work.data = channel;
    r = uv_queue_work(channel->loop, &channel->work, connect_in_thread, connected);
    if (r < 0)
        return r;
    channel->holds++;
    channel->state = CHANNEL_CONNECTING;
    return 0;
}

/* ---- Life ------------------------------------------------------------------------------------ */

int channel_new(uv_loop_t *loop, const struct channel_events *events, void *context,
                struct channel **ret)
{
    struct channel *channel = calloc(1, sizeof(*channel));

    if (!channel)
        return -ENOMEM;
    channel->loop = loop;
    channel->events = *events;
    channel->context = context;
    uv_timer_init(loop, &channel->timer);
    uv_timer_init(loop, &channel->again);
    channel->timer.data = channel->again.data = channel;
    channel->holds = 2;
    *ret = channel;
    return 0;
}

void channel_free(struct channel **at)
{
    struct channel *channel = *at;

    *at = NULL;
    if (!channel)
        return;
    channel->freed = true;
    if (channel->state != CHANNEL_CONNECTING)
        let_go(channel);
    uv_close((uv_handle_t *)&channel->timer, handle_closed);
    uv_close((uv_handle_t *)&channel->again, handle_closed);
}
