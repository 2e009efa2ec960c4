/* SPDX-License-Identifier: Apache-2.0 */

/*
 * render_bench: what it costs to work out what applies to one new processing unit, among RULESETS
 * rulesets whose namespace it is in. Prints microseconds: median and 99th percentile.
 *
 *   all      every ruleset selects it
 *   some     one in a hundred does
 *   change   one ruleset that selects it is another one now
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "console/render.h"

#define RULESETS 10000
#define RUNS 200

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void report(const char *name, int64_t *ns, size_t rulesets)
{
    qsort(ns, RUNS, sizeof(*ns), compare);
    printf("%s_p50_us %.1f\n%s_p99_us %.1f\n%s_rulesets %zu\n", name, (double)ns[RUNS / 2] / 1e3,
           name, (double)ns[RUNS * 99 / 100] / 1e3, name, rulesets);
}

static void put_ruleset(struct render *render, unsigned i, unsigned version)
{
    char id[32], name[32], bucket[32], port[32], *text;
    json_t *body;

    snprintf(id, sizeof(id), "%024x", i);
    snprintf(name, sizeof(name), "ruleset %u", i);
    snprintf(bucket, sizeof(bucket), "bucket=b%02u", i % 100);
    snprintf(port, sizeof(port), "tcp/%u", 1 + (i + version * 7) % 60000);
    body = json_pack("{s:s, s:[[s], [s, s]], s:b, s:[{s:s, s:[[s]], s:[s]}]}", "name", name,
                     "subject", "every=thing", bucket, "app=web", "propagate", 1, "outgoingRules",
                     "action", "Allow", "object", "net=world", "protocolPorts", port);
    text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (!text || render_ruleset_put(render, id, "/", text, strlen(text)) < 0)
        abort();
    free(text);
    json_decref(body);
}

static void visit(void *context, const char *enforcer_id)
{
    (*(unsigned *)context)++;
}

static void put_unit(struct render *render, unsigned run, const char *tag)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    const struct render_unit_input input = {.id = "unit",
                                            .local_id = "unit",
                                            .enforcer_id = "enforcer",
                                            .namespace = "/a/b",
                                            .tags = &tags,
                                            .active = true};

    if (tag_set_add(&tags, tag) < 0 || tag_set_add(&tags, "app=web") < 0 ||
        tag_set_addf(&tags, "run=%u", run) < 0 || render_unit_put(render, &input) < 0)
        abort();
}

static size_t flush(struct render *render)
{
    _cleanup_render_scope_ struct render_scope scope = {0};
    _cleanup_render_part_ struct render_part *whole = NULL;
    unsigned concerned = 0;
    size_t n = 0;

    if (render_flush(render, visit, &concerned) < 0 ||
        render_scope_of(render, "enforcer", &scope) < 0 || concerned != 1)
        abort();
    whole = render_scope_whole(&scope);
    for (size_t i = 0; whole && i < whole->n; i++)
        n += whole->items[i].entry->key[0] == 'r';
    return n;
}

static void measure(struct render *render, const char *name, const char *tag)
{
    static int64_t ns[RUNS];
    unsigned concerned;
    size_t n = 0;

    for (unsigned run = 0; run < RUNS; run++) {
        int64_t start;

        render_unit_remove(render, "unit");
        render_flush(render, visit, &concerned);
        start = now_ns();
        put_unit(render, run, tag);
        n = flush(render);
        ns[run] = now_ns() - start;
    }
    report(name, ns, n);
}

static void measure_change(struct render *render)
{
    static int64_t ns[RUNS];
    size_t n = 0;

    for (unsigned run = 0; run < RUNS; run++) {
        int64_t start = now_ns();

        put_ruleset(render, run, run + 1);
        n = flush(render);
        ns[run] = now_ns() - start;
    }
    report("change", ns, n);
}

int main(void)
{
    const struct render_enforcer_input enforcer = {
        .id = "enforcer", .namespace = "/a/b", .number = 1000};
    struct render *render = NULL;

    if (render_new(&render) < 0 || render_enforcer_put(render, &enforcer) < 0)
        abort();
    for (unsigned i = 0; i < RULESETS; i++)
        put_ruleset(render, i, 0);
    put_unit(render, 0, "bucket=b00");
    flush(render);
    measure(render, "some", "bucket=b01");
    measure(render, "all", "every=thing");
    measure_change(render);
    render_free(&render);
    return 0;
}
