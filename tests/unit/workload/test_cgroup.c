/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "workload/workload.h"

static void test_mountinfo(void **state)
{
    static const struct {
        const char *text;
        int result;
        const char *mount;
    } rows[] = {
        {"", -ENOENT, NULL},
        {"\n\n", -ENOENT, NULL},
        {"nonsense - cgroup2 x\n", -ENOENT, NULL},
        {"1 2 0:3 / /sys/fs/cgroup rw - cgroup cgroup rw\n", -ENOENT, NULL},
        {"1 2 0:3 / /cgroup2 rw - tmpfs cgroup2 rw\n", -ENOENT, NULL},
        {"30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n", 0,
         "/sys/fs/cgroup"},
        {"1 2 0:3 / / rw - ext4 x rw\n30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 c rw", 0,
         "/sys/fs/cgroup/unified"},
        {"30 25 0:26 / /odd\\040name\\134 rw shared:1 master:2 - cgroup2 cgroup2 rw\n", 0,
         "/odd name\\"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char mount[WORKLOAD_PATH_MAX];

        assert_int_equal(workload_mountinfo_find(rows[i].text, mount), rows[i].result);
        if (rows[i].result == 0)
            assert_string_equal(mount, rows[i].mount);
    }
}

static void test_wrong_paths(void **state)
{
    static const char *const rows[] = {
        "", "a", "a/b", "//", "/a/", "/a//b", "/..", "/a/..", "/./a", "/a/.", "/a\n", "/a/\x7f",
    };
    char long_name[300], long_path[WORKLOAD_PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!workload_cgroup_problem(rows[i], true))
            fail_msg("'%s' was taken", rows[i]);
    assert_non_null(workload_cgroup_problem("/", false));
    memset(long_name, 'a', sizeof(long_name));
    long_name[0] = '/';
    long_name[257] = '\0';
    assert_non_null(workload_cgroup_problem(long_name, false));
    for (size_t i = 0; i < sizeof(long_path); i++)
        long_path[i] = i % 2 ? 'a' : '/';
    long_path[WORKLOAD_PATH_MAX / 2] = '\0';
    assert_non_null(workload_cgroup_problem(long_path, false));
}

static void test_good_paths(void **state)
{
    static const struct {
        const char *path;
        size_t depth;
    } rows[] = {
        {"/", 0}, {"/a", 1}, {"/a/b.service", 2}, {"/...", 1}, {"/a b/ü", 2}, {"/a/..b", 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_null(workload_cgroup_problem(rows[i].path, true));
        assert_int_equal(workload_cgroup_depth(rows[i].path), rows[i].depth);
    }
}

static void test_join(void **state)
{
    static const struct {
        const char *root, *path, *joined;
    } rows[] = {
        {"/", "/", "/"},
        {"/", "/a", "/a"},
        {"/x", "/", "/x"},
        {"/x/y", "/a/b", "/x/y/a/b"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_
        char *joined = workload_cgroup_join(rows[i].root, rows[i].path);

        assert_string_equal(joined, rows[i].joined);
    }
    assert_string_equal(workload_unit_name("/system.slice/nginx.service"), "nginx.service");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mountinfo),
        cmocka_unit_test(test_wrong_paths),
        cmocka_unit_test(test_good_paths),
        cmocka_unit_test(test_join),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
