/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the store is: commits of one op in batches of 64, and loading 100,000 objects of 600
 * bytes. Usage: store_bench URI…; each a path of a file that is not there, or the URI of an empty
 * PostgreSQL database.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "store/store.h"

#define OBJECTS 100000
#define BODY_BYTES 600
#define BATCH 64
#define UPDATES 20000

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char body[BODY_BYTES + 1];

static int commit_batch(struct store *store, enum store_op_type type, size_t first, size_t n)
{
    static char ids[BATCH][32], keys[BATCH][32];
    struct store_transaction transactions[BATCH] = {0}, *list[BATCH] = {0};
    struct store_op ops[BATCH] = {0};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    int r;

    for (size_t i = 0; i < n; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%024zx", (first + i) * 7919 % OBJECTS);
        snprintf(keys[i], sizeof(keys[i]), "/ns\n%zu", (first + i) * 7919 % OBJECTS);
        ops[i] = (struct store_op){.type = type,
                                   .object = {.id = ids[i],
                                              .kind = "networkrulesetpolicy",
                                              .namespace = "/ns",
                                              .unique_key = keys[i],
                                              .body = body,
                                              .body_len = BODY_BYTES}};
        transactions[i] = (struct store_transaction){.ops = &ops[i], .n_ops = 1};
        list[i] = &transactions[i];
    }
    r = store_commit(store, list, n, &problem);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = transactions[i].result;
    if (r < 0)
        fprintf(stderr, "commit: %s %s\n", error_text(r), problem.data ? problem.data : "");
    return r;
}

static int run(struct store *store, const char *what, enum store_op_type type, size_t n,
               size_t batch)
{
    double start = now_s(), seconds;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i += batch)
        r = commit_batch(store, type, i, MIN(batch, n - i));
    seconds = now_s() - start;
    printf("  %-34s %9.0f transactions/s\n", what, (double)n / seconds);
    return r;
}

static int count(void *context, const struct store_object *object)
{
    ++*(size_t *)context;
    return 0;
}

static int bench(const char *uri)
{
    const struct store_options options = {.create = true};
    _cleanup_buf_ struct buf problem = BUF_INIT(4096);
    _cleanup_store_ struct store *store = NULL;
    uint64_t revision = 0;
    size_t n = 0;
    double start;
    int r;

    r = store_open(uri, &options, &problem, &store);
    if (r < 0) {
        fprintf(stderr, "%s\n", problem.data);
        return r;
    }
    printf("%s\n", uri);
    r = run(store, "create, batches of 64", STORE_CREATE, OBJECTS, BATCH);
    if (r == 0)
        r = run(store, "update, batches of 64", STORE_UPDATE, UPDATES, BATCH);
    if (r == 0)
        r = run(store, "update, one at a time", STORE_UPDATE, 2000, 1);
    store_close(&store);
    start = now_s();
    if (r == 0)
        r = store_open(uri, &options, &problem, &store);
    if (r == 0)
        r = store_load(store, count, &n, &revision);
    printf("  open and load %zu objects          %9.3f s\n", n, now_s() - start);
    start = now_s();
    if (r == 0)
        r = store_load(store, count, &n, &revision);
    printf("  load again                         %9.3f s\n", now_s() - start);
    return r;
}

int main(int argc, char **argv)
{
    int r = 0;

    memset(body, 'x', BODY_BYTES);
    for (int i = 1; i < argc && r == 0; i++)
        r = bench(argv[i]);
    return r < 0 || argc < 2;
}
