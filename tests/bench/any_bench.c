/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any to any: each of N hosts has a unit that all others may talk to, so the scope of each has the
 * documents of all. How long does one changed host take until N sessions know what to send, and
 * what do the sessions hold meanwhile? Usage: any_bench HOSTS
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "console/render.h"

#define RUNS 5

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void put_host(struct render *render, unsigned i, unsigned epoch)
{
    char id[32], unit_id[32];
    json_t *keys = json_pack("[{s:i, s:s}]", "epoch", (int)epoch, "key", "AAAA");
    struct render_enforcer_input host = {
        .id = id, .namespace = "/", .number = 1 + i, .keys = keys, .addresses = NULL};
    _cleanup_tag_set_ struct tag_set tags = {0};
    struct render_unit_input unit = {.id = unit_id,
                                     .local_id = "one",
                                     .enforcer_id = id,
                                     .namespace = "/",
                                     .tags = &tags,
                                     .active = true};

    snprintf(id, sizeof(id), "%024x", 1000000 + i);
    snprintf(unit_id, sizeof(unit_id), "%024x", 2000000 + i);
    if (!keys || tag_set_add(&tags, "app=any") < 0 || render_enforcer_put(render, &host) < 0 ||
        (epoch == 0 && render_unit_put(render, &unit) < 0))
        abort();
    json_decref(keys);
}

static void ignore(void *context, const char *enforcer_id)
{
    ++*(unsigned *)context;
}

static int count(void *context, const struct render_item *item, bool is_gone)
{
    ++*(size_t *)context;
    return 0;
}

static void number(struct render *render)
{
    _cleanup_tag_set_ struct tag_set tags = {0};

    if (tag_set_add(&tags, "app=any") < 0 || render_identity_put(render, 4711, "/", &tags) < 0)
        abort();
}

int main(int argc, char **argv)
{
    static const char text[] = "{\"name\":\"any\",\"subject\":[[\"app=any\"]],\"incomingRules\":[{"
                               "\"action\":\"Allow\",\"object\":[[\"app=any\"]]}]}";
    unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000, concerned = 0;
    struct render_scope *sent = calloc(n, sizeof(*sent));
    struct render *render;
    size_t before, changes = 0;
    double start;

    if (!sent || render_new(&render) < 0 || render_trust_put(render, "{}") < 0 ||
        render_ruleset_put(render, "any", "/", text, strlen(text)) < 0)
        abort();
    number(render);
    for (unsigned i = 0; i < n; i++)
        put_host(render, i, 0);
    if (render_flush(render, ignore, &concerned) < 0)
        abort();
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (unsigned i = 0; i < n; i++) {
        char id[32];

        snprintf(id, sizeof(id), "%024x", 1000000 + i);
        if (render_scope_of(render, id, &sent[i]) < 0)
            abort();
    }
    printf("sessions_bytes %zu\n", mallinfo2().uordblks + mallinfo2().hblkhd - before);
    start = now_ms();
    for (unsigned run = 1; run <= RUNS; run++) {
        put_host(render, run, run);
        if (render_flush(render, ignore, &concerned) < 0)
            abort();
        for (unsigned i = 0; i < n; i++) {
            struct render_scope now = {0};
            char id[32];

            snprintf(id, sizeof(id), "%024x", 1000000 + i);
            if (render_scope_of(render, id, &now) < 0)
                abort();
            if (render_scope_compare(&sent[i], &now, count, &changes) < 0)
                abort();
            render_scope_clear(&sent[i]);
            sent[i] = now;
        }
    }
    printf("change_ms %.1f\nchanges %zu\n", (now_ms() - start) / RUNS, changes);
    for (unsigned i = 0; i < n; i++)
        render_scope_clear(&sent[i]);
    free(sent);
    render_free(&render);
    return 0;
}
