/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * kill -9 in the middle of commits: a child commits batches of pairs and says over a pipe what is
 * committed; after the kill all of that must be there, nothing half, and the clock must fit.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "store_test.h"

#define CRASH_BATCH 8

/* Transaction i of a round makes the objects rN-iA and rN-iB. */
static inline void crash_child(const char *uri, unsigned int round, int report)
{
    struct store *store = open_store(uri);

    for (uint32_t n = 0;; n += CRASH_BATCH) {
        struct store_transaction transactions[CRASH_BATCH] = {0};
        struct store_op ops[CRASH_BATCH][2];
        char ids[CRASH_BATCH][2][32];

        for (uint32_t i = 0; i < CRASH_BATCH; i++) {
            for (int j = 0; j < 2; j++) {
                snprintf(ids[i][j], sizeof(ids[i][j]), "r%u-%u%c", round, n + i, 'A' + j);
                ops[i][j] = op_of(STORE_CREATE, ids[i][j], ids[i][j], "{}");
            }
            transactions[i] = (struct store_transaction){.ops = ops[i], .n_ops = 2};
        }
        if (commit_all(store, transactions, CRASH_BATCH) < 0)
            _exit(2);
        if (write(report, &(uint32_t){n + CRASH_BATCH}, 4) != 4)
            _exit(3);
    }
}

struct crash_seen {
    unsigned int round;
    uint32_t a, b;
    size_t objects;
};

static inline int crash_see(void *context, const struct store_object *object)
{
    struct crash_seen *seen = context;
    unsigned int round = 0, number = 0;
    char letter = 0;

    assert_int_equal(sscanf(object->id, "r%u-%u%c", &round, &number, &letter), 3);
    seen->objects++;
    if (round == seen->round)
        ++*(letter == 'A' ? &seen->a : &seen->b);
    return 0;
}

static inline void crash_and_check(const char *uri, unsigned int round, unsigned int after_ms)
{
    struct crash_seen seen = {.round = round};
    struct store *store;
    uint32_t said = 0, more = 0;
    uint64_t revision = 0;
    int pipes[2], status = 0;
    pid_t pid;

    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        close(pipes[0]);
        crash_child(uri, round, pipes[1]);
    }
    close(pipes[1]);
    if (read(pipes[0], &said, 4) != 4) /* the clock runs from the first commit */
        said = 0;
    usleep(after_ms * 1000);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(pipes[0], &more, 4) == 4)
        said = more;
    close(pipes[0]);
    assert_true(said > 0);

    store = open_store(uri);
    assert_int_equal(store_load(store, crash_see, &seen, &revision), 0);
    assert_int_equal(seen.a, seen.b);
    assert_true(seen.a >= said && seen.a <= said + CRASH_BATCH);
    assert_int_equal(seen.a % CRASH_BATCH, 0); /* batches are whole, too */
    assert_int_equal(seen.objects, 2 * revision);
    assert_int_equal(store_check(store), 0);
    store_close(&store);
}
