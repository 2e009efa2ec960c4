/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/daemon.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

/* Followers are told before the table could be full of what they have not been told. */
#define UNTOLD_MAX (FLOWS_MAX / 4)

struct intake {
    struct daemon *daemon;
    int64_t clock_offset_ns;
    size_t untold;
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

uint64_t daemon_now_ns(void)
{
    return (uint64_t)clock_ns(CLOCK_MONOTONIC);
}

static void take_in(const struct datapath_flow *flow, void *context)
{
    struct intake *intake = context;

    if (intake->daemon->remote)
        remote_met(intake->daemon->remote, flow);
    if (!flows_add(intake->daemon->flows, flow, intake->clock_offset_ns) ||
        ++intake->untold < UNTOLD_MAX)
        return;
    intake->untold = 0;
    daemon_flows_tell(intake->daemon, false);
}

static void said(const char *what, int r)
{
    if (r < 0)
        log_event(LOG_LEVEL_WARN, "flows.failed", LOG_F("what", "%s", what),
                  LOG_F("error", "%s", error_text(r)));
}

static struct intake intake_now(struct daemon *daemon)
{
    return (struct intake){
        .daemon = daemon,
        .clock_offset_ns = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC),
    };
}

/* What this kernel cannot do shows a moment after the start, when the datapath has tried. */
static void said_limits(struct daemon *daemon)
{
    for (unsigned i = 0; i < DATAPATH_WARNINGS; i++) {
        const char *limit = datapath_warning(daemon->datapath, i);

        if (!limit || daemon->limits_said & 1u << i)
            continue;
        daemon->limits_said |= 1u << i;
        warnings_add(&daemon->warnings, WARNING_LIMITS, "%s", limit);
        log_event(LOG_LEVEL_WARN, "datapath.limited", LOG_F("reason", "%s", limit));
    }
}

void daemon_flows_drain(struct daemon *daemon)
{
    struct intake intake = intake_now(daemon);

    if (!daemon->datapath)
        return;
    said("events", MIN(datapath_events(daemon->datapath, take_in, &intake), 0));
    said("reports", MIN(datapath_reports_drain(daemon->datapath, take_in, &intake), 0));
    said_limits(daemon);
    daemon_flows_tell(daemon, false);
}

static void events_ready(uv_poll_t *poll, int status, int events)
{
    struct daemon *daemon = poll->data;
    struct intake intake = intake_now(daemon);

    if (!daemon->datapath)
        return;
    said("events", MIN(datapath_events(daemon->datapath, take_in, &intake), 0));
    daemon_flows_tell(daemon, false);
}

int daemon_flows_poll(struct daemon *daemon)
{
    assert(daemon->datapath && !daemon->events_poll);

    return poll_new(&daemon->loop, datapath_events_fd(daemon->datapath), events_ready, daemon,
                    &daemon->events_poll);
}

/* Before the descriptor is closed by datapath_free. */
void daemon_flows_unpoll(struct daemon *daemon)
{
    poll_close(&daemon->events_poll);
}

void daemon_flowtext(const struct daemon *daemon, struct flowtext *ret)
{
    *ret = (struct flowtext){
        .units = &daemon->units,
        .directory = daemon->directory,
        .names = daemon->names,
        .estate = daemon->estate,
        .cache = daemon->cache,
    };
}

static void put_array(struct buf *buf, const struct flowtext *text, const struct flow_news *news,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_append(buf, ",", 1);
        flowtext_json(buf, text, &news[i]);
    }
}

#define LINE_START "{\"ok\":true,\"result\":["
#define LINE_END "]}\n"

void daemon_flows_tell(struct daemon *daemon, bool all_changed)
{
    struct flow_news news[DAEMON_LINE_FLOWS];
    struct flowtext text;
    size_t cursor = 0;
    size_t n;

    if (!control_has_followers(daemon->control))
        return;
    daemon_flowtext(daemon, &text);
    do {
        _cleanup_buf_ struct buf buf = BUF_INIT(CONTROL_ANSWER_BYTES_MAX);

        n = all_changed ? flows_take_changed(daemon->flows, &cursor, news, DAEMON_LINE_FLOWS)
                        : flows_take_fresh(daemon->flows, news, DAEMON_LINE_FLOWS);
        if (n == 0)
            break;
        buf_puts(&buf, LINE_START);
        put_array(&buf, &text, news, n);
        buf_puts(&buf, LINE_END);
        if (buf.error == 0)
            control_broadcast(daemon->control, buf.data, buf.len, n);
    } while (n == DAEMON_LINE_FLOWS);
}

/* ---- The answer to `flows`
 * ------------------------------------------------------------------------- */

/*
 * A copy of the table as it was when the command came, formatted piece by piece as the client
 * reads. For a follower: lines of their own; else one line in pieces.
 */
struct flow_stream {
    struct control_stream base;
    struct daemon *daemon;
    struct flow_news *news;
    size_t n, at;
    bool follow, begun;
};

static int stream_next(struct control_stream *base, struct buf *buf)
{
    struct flow_stream *stream = (struct flow_stream *)base;
    struct flowtext text;

    daemon_flowtext(stream->daemon, &text);
    if (!stream->begun || stream->follow)
        buf_puts(buf, LINE_START);
    for (bool first = stream->follow || !stream->begun;
         stream->at < stream->n && buf->len < CONTROL_CHUNK_BYTES; first = false) {
        if (!first)
            buf_append(buf, ",", 1);
        flowtext_json(buf, &text, &stream->news[stream->at++]);
    }
    stream->begun = true;
    if (stream->follow || stream->at == stream->n)
        buf_puts(buf, LINE_END);
    if (buf->error < 0)
        return buf->error;
    return stream->at < stream->n;
}

static void stream_free(struct control_stream *base)
{
    free(((struct flow_stream *)base)->news);
    free(base);
}

int daemon_flows_stream(struct daemon *daemon, bool follow, struct control_stream **ret)
{
    struct flow_stream *stream;
    int r;

    daemon_flows_drain(daemon);
    if (follow) {
        struct flow_news news[DAEMON_LINE_FLOWS];
        size_t cursor = 0;

        /* What is told now is in the copy with its whole count; from here on only what is new is
         * told. */
        daemon_flows_tell(daemon, true);
        while (flows_take_changed(daemon->flows, &cursor, news, DAEMON_LINE_FLOWS) > 0)
            ;
    }
    stream = calloc(1, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    stream->base.next = stream_next;
    stream->base.free = stream_free;
    stream->daemon = daemon;
    stream->follow = follow;
    r = flows_snapshot(daemon->flows, &stream->news, &stream->n);
    if (r < 0) {
        free(stream);
        return r;
    }
    *ret = &stream->base;
    return 0;
}
