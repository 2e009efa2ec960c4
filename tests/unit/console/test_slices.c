/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/slices.h"
#include "console/sorting.h"

/* ---- Slices ---------------------------------------------------------------------------------- */

struct world {
    uv_loop_t loop;
    struct slices *slices;
    uint64_t n_steps; /* of all works */
    size_t begun, begun_most;
};

struct work {
    struct world *world;
    unsigned steps, done; /* slices that it takes; had */
    uint64_t first, last; /* when, in steps of all */
    bool over, cancelled, unwanted;
};

/* As long as a slice may be: that many fit into a turn, however slow the machine is. */
static bool work_step(void *context, uint64_t until_ns)
{
    struct work *work = context;

    assert_false(work->over || work->cancelled);
    while (uv_hrtime() < until_ns)
        ;
    work->last = ++work->world->n_steps;
    if (work->done++ == 0) {
        work->first = work->last;
        work->world->begun++;
        work->world->begun_most = MAX(work->world->begun_most, work->world->begun);
    }
    work->over = work->done == work->steps;
    work->world->begun -= work->over;
    return work->over;
}

static bool work_is_wanted(void *context)
{
    const struct work *work = context;

    return !work->unwanted;
}

static void work_cancel(void *context)
{
    struct work *work = context;

    assert_false(work->over || work->cancelled);
    work->cancelled = true;
    work->world->begun -= work->done > 0;
}

static const struct slice_work calls = {work_step, work_is_wanted, work_cancel};

static void start(struct world *world)
{
    *world = (struct world){0};
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(slices_new(&world->loop, &world->slices), 0);
}

static void stop(struct world *world)
{
    slices_free(&world->slices);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
}

static int run(struct world *world, uint64_t caller, struct work *work, unsigned steps)
{
    *work = (struct work){.world = world, .steps = steps};
    return slices_run(world->slices, caller, &calls, work);
}

static void test_short_is_done_at_once(void **state)
{
    struct world world;
    struct work work;

    start(&world);
    assert_int_equal(run(&world, 1, &work, 1), 0);
    assert_true(work.over);
    assert_int_equal(slices_counters(world.slices)->waiting_now, 0);
    assert_int_equal(uv_run(&world.loop, UV_RUN_NOWAIT), 0);
    stop(&world);
}

/* Others are served in between: a turn ends after a few slices. */
static void test_long_does_not_hold_the_loop(void **state)
{
    enum { STEPS = 40 };
    struct world world;
    struct work work;
    unsigned turns = 0;

    start(&world);
    assert_int_equal(run(&world, 1, &work, STEPS), 0);
    assert_int_equal(work.done, 1);
    while (!work.over) {
        unsigned before = work.done;

        uv_run(&world.loop, UV_RUN_NOWAIT);
        assert_true(work.done - before <= SLICES_TURN_MS / SLICES_MS + 1);
        assert_true(++turns < 100000);
    }
    assert_true(turns >= (STEPS - 1) / (SLICES_TURN_MS / SLICES_MS + 1));
    stop(&world);
}

/* What came into a turn that is used up waits, however short it is. */
static void test_turn_is_shared(void **state)
{
    struct world world;
    struct work works[8];

    start(&world);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(run(&world, i, &works[i], 1), 0);
    assert_true(works[0].over);
    assert_false(works[7].over);
    assert_true(world.n_steps <= SLICES_TURN_MS / SLICES_MS + 1);
    for (unsigned i = 0; i < 10; i++)
        uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_true(works[7].over);
    stop(&world);
}

static void test_callers_take_turns(void **state)
{
    enum { GREEDY = 20 };
    struct world world;
    struct work greedy[GREEDY], modest;

    start(&world);
    for (size_t i = 0; i < GREEDY; i++)
        assert_int_equal(run(&world, 1, &greedy[i], 10), 0);
    assert_int_equal(run(&world, 2, &modest, 5), 0);
    while (!modest.over)
        uv_run(&world.loop, UV_RUN_NOWAIT);
    /* For each slice of one, one of the other, and no more than one work of a caller has begun. */
    assert_true(world.n_steps <= 2 * 5 + SLICES_TURN_MS / SLICES_MS + 2);
    assert_int_equal(world.begun, 1);
    while (!greedy[GREEDY - 1].over)
        uv_run(&world.loop, UV_RUN_NOWAIT);
    for (size_t i = 1; i < GREEDY; i++)
        assert_true(greedy[i].first > greedy[i - 1].last);
    stop(&world);
}

static void test_few_have_begun(void **state)
{
    enum { CALLERS = 3 * SLICES_BEGUN_MAX };
    struct world world;
    struct work works[CALLERS];
    bool all = false;

    start(&world);
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(run(&world, i, &works[i], 3), 0);
    while (!all) {
        uv_run(&world.loop, UV_RUN_NOWAIT);
        all = true;
        for (size_t i = 0; i < CALLERS; i++)
            all = all && works[i].over;
    }
    assert_int_equal(world.begun_most, SLICES_BEGUN_MAX);
    assert_int_equal(slices_counters(world.slices)->begun_now, 0);
    assert_int_equal(slices_counters(world.slices)->waiting_now, 0);
    stop(&world);
}

static void test_given_up(void **state)
{
    struct world world;
    struct work gone, stays, left;

    start(&world);
    assert_int_equal(run(&world, 1, &gone, 1000), 0);
    assert_int_equal(run(&world, 1, &stays, 2), 0);
    assert_int_equal(run(&world, 2, &left, 1000), 0);
    gone.unwanted = true;
    while (!stays.over)
        uv_run(&world.loop, UV_RUN_NOWAIT);
    assert_true(gone.cancelled);
    assert_int_equal(gone.done, 1);
    assert_false(left.cancelled);
    stop(&world); /* what is left at the end is told as well */
    assert_true(left.cancelled);
}

static void test_limits(void **state)
{
    struct world world;
    struct work *works = calloc(SLICES_WAITING_MAX + 1, sizeof(*works)), more;
    size_t held[2] = {0}, n = 0;

    assert_non_null(works);
    start(&world);
    for (; n < SLICES_CALLER_MAX; n++)
        assert_int_equal(run(&world, 1, &works[n], 1000), 0);
    assert_int_equal(run(&world, 1, &more, 1), -EAGAIN);
    for (; n < SLICES_WAITING_MAX; n++)
        assert_int_equal(run(&world, 2 + n / SLICES_CALLER_MAX, &works[n], 1000), 0);
    assert_int_equal(run(&world, 1000, &more, 1), -ENOBUFS);
    assert_int_equal(more.done, 0);
    assert_int_equal(slices_counters(world.slices)->refused, 2);

    assert_true(slices_hold(world.slices, &held[0], SLICES_HELD_BYTES_MAX));
    assert_false(slices_hold(world.slices, &held[1], 1));
    assert_false(slices_hold(world.slices, &held[1], 2));
    assert_true(slices_hold(world.slices, &held[0], 5));
    slices_hold(world.slices, &held[0], 0);
    slices_hold(world.slices, &held[1], 0);
    stop(&world);
    for (size_t i = 0; i < n; i++)
        assert_true(works[i].cancelled);
    free(works);
}

/* ---- Sorting --------------------------------------------------------------------------------- */

struct item {
    uint32_t key, place;
};

static int compare(const void *a, const void *b, void *context)
{
    const struct item *left = a, *right = b;

    ++*(uint64_t *)context;
    return (left->key > right->key) - (left->key < right->key);
}

static void test_sorting(void **state)
{
    uint32_t seed = 7;

    for (size_t n = 0; n < 300; n += n < 40 ? 1 : 37) {
        struct item *items = calloc(n + 1, sizeof(*items));
        struct sorting sorting;
        uint64_t compared = 0, before = 0;
        size_t steps = 0, moves = 1 + n % 11;

        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            items[i] = (struct item){(seed >> 16) % 50, (uint32_t)i};
        }
        assert_int_equal(sorting_begin(&sorting, items, n, sizeof(struct item), compare, &compared),
                         0);
        while (!sorting_step(&sorting, moves)) {
            assert_true(compared - before <= moves);
            before = compared;
            assert_true(++steps < 10000);
        }
        items = (struct item *)(void *)sorting.items;
        for (size_t i = 1; i < n; i++)
            assert_true(items[i - 1].key < items[i].key ||
                        (items[i - 1].key == items[i].key && items[i - 1].place < items[i].place));
        sorting_clear(&sorting);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_is_done_at_once),
        cmocka_unit_test(test_long_does_not_hold_the_loop),
        cmocka_unit_test(test_turn_is_shared),
        cmocka_unit_test(test_callers_take_turns),
        cmocka_unit_test(test_few_have_begun),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_sorting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
