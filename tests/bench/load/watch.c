/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint64_t load_random(struct load *load)
{
    load->seed = load->seed * 6364136223846793005ull + 1442695040888963407ull;
    return load->seed >> 33;
}

void tally_mark(struct load *load)
{
    load->tally = (struct tally){.start_us = now_us(), .last_us = now_us()};
    for (unsigned i = 0; i < load->n_sims; i++)
        load->sims[i].settled = false;
}

void tally_settled(struct sim *sim)
{
    struct tally *tally = &sim->load->tally;

    tally->last_us = now_us();
    if (sim->settled)
        return;
    sim->settled = true;
    tally->settled++;
    tally->step_at_hello += sim->step_at_hello;
}

void watch_start(struct load *load, const char *key, unsigned expected)
{
    struct watch *watch = &load->watch;

    free(watch->us);
    *watch = (struct watch){.start_us = now_us(), .expected = expected};
    snprintf(watch->key, sizeof(watch->key), "%s", key);
    watch->us = calloc(load->n_sims + 1, sizeof(*watch->us));
    for (unsigned i = 0; i < load->n_sims; i++)
        load->sims[i].hit = false;
}

void watch_entry(struct sim *sim, const char *key)
{
    if (strcmp(key, sim->load->watch.key) == 0)
        sim->hit = true;
}

void watch_acked(struct sim *sim)
{
    struct watch *watch = &sim->load->watch;

    if (!*watch->key)
        return;
    if (!sim->hit)
        watch->others++;
    else if (watch->n < sim->load->n_sims)
        watch->us[watch->n++] = (uint32_t)(now_us() - watch->start_us);
    sim->hit = false;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

json_t *latencies(uint32_t *us, size_t n)
{
    if (n == 0)
        return json_object();
    qsort(us, n, sizeof(*us), compare);
    return json_pack("{s:f, s:f, s:f, s:f}", "min_ms", us[0] / 1e3, "p50_ms", us[n / 2] / 1e3,
                     "p99_ms", us[(n * 99 + 99) / 100 - 1] / 1e3, "max_ms", us[n - 1] / 1e3);
}

static json_t *byes(const struct tally *tally)
{
    static const char *const names[] = {"",        "goingAway", "revoked",  "replaced", "clock",
                                        "version", "protocol",  "overload", "refused"};
    json_t *object = json_object();

    for (size_t i = 1; i < ARRAY_SIZE(names); i++)
        if (tally->byes[i])
            json_object_set_new(object, names[i], json_integer(tally->byes[i]));
    return object;
}

json_t *load_state(struct load *load)
{
    const struct tally *tally = &load->tally;
    unsigned connected = 0, step = 0;
    size_t entries = 0;

    for (unsigned i = 0; i < load->n_sims; i++) {
        connected += load->sims[i].state >= SIM_HELLO;
        step += load->sims[i].state == SIM_STEP;
        entries += HASH_COUNT(load->sims[i].held);
    }
    return json_pack(
        "{s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:f, s:o, s:s}", "connected", connected, "inStep",
        step, "settled", tally->settled, "stepAtHello", tally->step_at_hello, "lost", tally->lost,
        "deltas", (json_int_t)tally->applied_deltas, "received", (json_int_t)tally->entries,
        "entries", (json_int_t)entries, "seconds", (double)(tally->last_us - tally->start_us) / 1e6,
        "byes", byes(tally), "problem", tally->problem);
}
