/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "enforcer/watch.h"
#include "scratch.h"

static struct watch *watch;

static int start(void **state)
{
    return scratch_make(state) || mkdir(scratch_path("d"), 0755) ||
           watch_new(scratch_path("d"), &watch);
}

static int stop(void **state)
{
    watch_free(&watch);
    return scratch_remove(state);
}

static void test_quiet(void **state)
{
    assert_int_equal(watch_read(watch), 0);
    scratch_write("other", "x"); /* beside, not in it */
    assert_int_equal(watch_read(watch), 0);
}

static void test_whole_changes(void **state)
{
    scratch_write("new", "x");
    assert_int_equal(rename(scratch_path("new"), scratch_path("d/a")), 0);
    assert_int_equal(watch_read(watch), 1);
    assert_int_equal(watch_read(watch), 0);
    scratch_write("d/b", "x");
    assert_int_equal(watch_read(watch), 1);
    assert_false(watch_busy(watch));
    assert_int_equal(unlink(scratch_path("d/a")), 0);
    assert_int_equal(watch_read(watch), 1);
    assert_int_equal(symlink("b", scratch_path("d/link")), 0);
    assert_int_equal(watch_read(watch), 1);
    assert_false(watch_busy(watch));
}

/* Between the first byte and close() somebody is writing. */
static void test_half_written(void **state)
{
    int fd = open(scratch_path("d/a"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(watch_read(watch), 0);
    assert_true(watch_busy(watch));
    assert_int_equal(write(fd, "y", 1), 1);
    close(fd);
    assert_int_equal(watch_read(watch), 1);
    assert_false(watch_busy(watch));
    fd = open(scratch_path("d/a"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "z", 1), 1);
    watch_read(watch);
    assert_true(watch_busy(watch));
    watch_writers_forget(watch);
    assert_false(watch_busy(watch));
    close(fd);
}

static void test_many_writers(void **state)
{
    int fds[WATCH_WRITERS_MAX + 4];
    char name[16];

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        snprintf(name, sizeof(name), "d/%zu", i);
        fds[i] = open(scratch_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    }
    watch_read(watch);
    assert_true(watch_busy(watch));
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    assert_int_equal(watch_read(watch), 1);
    watch_writers_forget(watch);
    assert_false(watch_busy(watch));
}

/* The directory itself is replaced: what happens in the new one is seen. */
static void test_replaced(void **state)
{
    assert_int_equal(mkdir(scratch_path("d2"), 0755), 0);
    assert_int_equal(rename(scratch_path("d"), scratch_path("old")), 0);
    assert_int_equal(watch_read(watch), 1);
    assert_int_equal(rename(scratch_path("d2"), scratch_path("d")), 0);
    assert_int_equal(watch_read(watch), 1);
    scratch_write("d/a", "x");
    assert_int_equal(watch_read(watch), 1);
}

static void test_missing_then_there(void **state)
{
    struct watch *later = NULL;

    assert_int_equal(watch_new(scratch_path("deep/er"), &later), 0);
    assert_false(watch_place(later));
    assert_int_equal(mkdir(scratch_path("deep"), 0755), 0);
    assert_int_equal(mkdir(scratch_path("deep/er"), 0755), 0);
    assert_true(watch_place(later));
    assert_false(watch_place(later));
    scratch_write("deep/er/a", "x");
    assert_int_equal(watch_read(later), 1);
    watch_free(&later);
}

static void test_one_file(void **state)
{
    struct watch *file = NULL;

    scratch_write("one.yaml", "x");
    assert_int_equal(watch_new(scratch_path("one.yaml"), &file), 0);
    assert_int_equal(watch_read(file), 0);
    scratch_write("one.yaml", "y");
    assert_int_equal(watch_read(file), 1);
    scratch_write("two", "z");
    assert_int_equal(watch_read(file), 0);
    assert_int_equal(rename(scratch_path("two"), scratch_path("one.yaml")), 0);
    assert_int_equal(watch_read(file), 1);
    scratch_write("one.yaml", "again");
    assert_int_equal(watch_read(file), 1);
    watch_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quiet, start, stop),
        cmocka_unit_test_setup_teardown(test_whole_changes, start, stop),
        cmocka_unit_test_setup_teardown(test_half_written, start, stop),
        cmocka_unit_test_setup_teardown(test_many_writers, start, stop),
        cmocka_unit_test_setup_teardown(test_replaced, start, stop),
        cmocka_unit_test_setup_teardown(test_missing_then_there, start, stop),
        cmocka_unit_test_setup_teardown(test_one_file, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
