/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "load.h"

/* The Enforcer's side of link.h: keeps its entries as key and version, and their digest. */

#define HEARTBEAT_MS (LINK_HEARTBEAT_S * 1000)

static void send_message(struct sim *sim, const struct link_message *message)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(2 * LINK_MESSAGE_BYTES_MAX);

    link_encode(&buf, message);
    if (buf.error == 0)
        socket_send(&sim->stream, 2, buf.data, buf.len);
}

/* ---- Entries --------------------------------------------------------------------------------- */

static void held_remove(struct sim *sim, struct held *held)
{
    link_digest_toggle(&sim->digest, held->key, held->version);
    HASH_DEL(sim->held, held);
    free(held);
}

void sim_clear(struct sim *sim)
{
    struct held *held, *next;

    HASH_ITER(hh, sim->held, held, next)
    {
        held_remove(sim, held);
    }
}

static void held_put(struct sim *sim, const struct link_entry *entry)
{
    size_t len = strlen(entry->key);
    struct held *held;

    HASH_FIND(hh, sim->held, entry->key, len, held);
    if (held)
        held_remove(sim, held);
    if (!entry->body)
        return;
    held = calloc(1, sizeof(*held) + len + 1);
    if (!held)
        abort();
    held->version = entry->version;
    memcpy(held->key, entry->key, len);
    HASH_ADD(hh, sim->held, key, len, held);
    link_digest_toggle(&sim->digest, held->key, held->version);
}

static void send_inventory(struct sim *sim)
{
    size_t n = HASH_COUNT(sim->held), i = 0;
    struct link_entry *entries = calloc(n + 1, sizeof(*entries));
    struct link_message message = {.type = LINK_INVENTORY};
    struct held *held, *next;

    if (!entries)
        abort();
    HASH_ITER(hh, sim->held, held, next)
    {
        entries[i++] = (struct link_entry){.key = held->key, .version = held->version};
    }
    message.inventory.entries = entries;
    message.inventory.n = MIN(n, (size_t)LINK_INVENTORY_MAX);
    send_message(sim, &message);
    free(entries);
}

/* ---- Messages -------------------------------------------------------------------------------- */

static void in_step(struct sim *sim)
{
    sim->state = SIM_STEP;
    tally_settled(sim);
    if (!sim->units_sent)
        sim_units(sim);
    sim->units_sent = true;
}

static void take_delta(struct sim *sim, const struct link_message *delta)
{
    const struct link_message ack = {.type = LINK_ACK, .ack.revision = delta->delta.revision};

    if (delta->delta.reset)
        sim_clear(sim);
    for (size_t i = 0; i < delta->delta.n; i++) {
        held_put(sim, &delta->delta.entries[i]);
        watch_entry(sim, delta->delta.entries[i].key);
    }
    sim->load->tally.entries += delta->delta.n;
    if (!delta->delta.last)
        return;
    sim->revision = delta->delta.revision;
    sim->load->tally.applied_deltas++;
    send_message(sim, &ack);
    watch_acked(sim);
    in_step(sim);
}

static void take_bye(struct sim *sim, const struct link_message *message)
{
    struct tally *tally = &sim->load->tally;

    tally->byes[message->bye.code]++;
    snprintf(tally->problem, sizeof(tally->problem), "bye %d: %s", (int)message->bye.code,
             message->bye.reason);
    stream_close(&sim->stream, tally->problem);
}

static void on_message(void *context, const void *data, size_t len)
{
    struct sim *sim = context;
    struct link_message message;
    const char *problem = "";

    if (link_decode(sim->load->decoder, data, len, &message, &problem) < 0) {
        stream_close(&sim->stream, problem);
        return;
    }
    switch (message.type) {
    case LINK_WELCOME:
        backoff_success(&sim->backoff);
        sim->revision = message.welcome.revision;
        sim->step_at_hello = message.welcome.in_step;
        sim->state = SIM_DELTA;
        if (message.welcome.in_step)
            in_step(sim);
        break;
    case LINK_INVENTORY_ASK:
        send_inventory(sim);
        break;
    case LINK_DELTA:
        take_delta(sim, &message);
        break;
    case LINK_BYE:
        take_bye(sim, &message);
        break;
    default:
        break;
    }
}

/* ---- Connection ------------------------------------------------------------------------------ */

static void on_opened(struct stream *stream)
{
    struct sim *sim = stream->owner;

    sim->load->n_connecting--;
    sim->state = SIM_HELLO;
    sim->due_ms = now_us() / 1000 + (int64_t)(load_random(sim->load) % HEARTBEAT_MS);
    socket_ask(stream, LINK_PATH, LINK_PROTOCOL);
}

static void on_data(struct stream *stream)
{
    struct sim *sim = stream->owner;
    bool before = sim->upgraded;
    const char *problem = socket_read(stream, &sim->upgraded, on_message, sim);

    if (problem)
        stream_close(stream, problem);
    else if (!before && sim->upgraded)
        sim_hello(sim);
}

static void later(struct sim *sim)
{
    backoff_failure(&sim->backoff, sim->stream.reached);
    sim->state = SIM_WAITING;
    sim->due_ms = now_us() / 1000 + backoff_delay_ms(&sim->backoff, load_random(sim->load));
}

static void on_closed(struct stream *stream, const char *why)
{
    struct sim *sim = stream->owner;
    struct tally *tally = &sim->load->tally;

    if (sim->state == SIM_OPENING)
        sim->load->n_connecting--;
    if (why != tally->problem)
        snprintf(tally->problem, sizeof(tally->problem), "%s", why);
    tally->lost++;
    if (sim->load->again)
        later(sim);
    else
        sim->state = SIM_OFF;
}

const struct stream_events sim_events = {.opened = on_opened, .data = on_data, .closed = on_closed};

void sim_connect(struct sim *sim)
{
    sim->upgraded = sim->units_sent = sim->step_at_hello = false;
    sim->state = SIM_OPENING;
    sim->load->n_connecting++;
    if (stream_open(&sim->stream, sim->certificate, sim->key) < 0) {
        sim->load->n_connecting--;
        later(sim);
    }
}

void sim_drop(struct sim *sim)
{
    bool again = sim->load->again;

    sim->load->again = false;
    stream_close(&sim->stream, "dropped");
    sim->load->again = again;
    sim->state = SIM_OFF;
}

static void heartbeat(struct sim *sim, int64_t now_ms)
{
    struct timespec now;
    struct link_message message = {
        .type = LINK_HEARTBEAT,
        .heartbeat = {
            .memory_bytes = 20 << 20, .cpu_permille = 5, .processes = 100, .status = "Active"}};

    clock_gettime(CLOCK_REALTIME, &now);
    message.heartbeat.time_ms = (int64_t)now.tv_sec * 1000;
    sim->due_ms = now_ms + HEARTBEAT_MS;
    send_message(sim, &message);
}

void sims_tick(struct load *load)
{
    int64_t now_ms = now_us() / 1000;

    for (unsigned i = 0; i < load->n_sims; i++) {
        struct sim *sim = &load->sims[i];

        if (sim->state == SIM_OFF || sim->due_ms > now_ms)
            continue;
        if (sim->state == SIM_STEP)
            heartbeat(sim, now_ms);
        else if (sim->state == SIM_WAITING && load->n_connecting < load->concurrency)
            sim_connect(sim);
    }
}
