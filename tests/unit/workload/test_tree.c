/* SPDX-License-Identifier: Apache-2.0 */
/* Scanning and watching a tree of directories: the same calls as on cgroup v2. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "workload/workload.h"

static char scratch[64];
static struct workload_tree *tree;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void make(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", scratch, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int start(void **state)
{
    snprintf(scratch, sizeof(scratch), "/tmp/bulkhead-unit-XXXXXX");
    if (!mkdtemp(scratch))
        return -1;
    make("root");
    make("root/b.service");
    make("root/b.service/inner.service");
    make("root/slice");
    make("root/slice/a.service");
    make("root/slice/.service");
    make("root/slice/a.servicex");
    make("outside.service");
    return workload_tree_new(scratch, "/root", &tree);
}

static int stop(void **state)
{
    workload_tree_free(&tree);
    return nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_scan(void **state)
{
    _cleanup_workload_scan_ struct workload_scan scan = {0};

    assert_int_equal(workload_tree_scan(tree, &scan), 0);
    assert_int_equal(scan.n_services, 3);
    assert_string_equal(scan.services[0], "/root/b.service");
    assert_string_equal(scan.services[1], "/root/b.service/inner.service");
    assert_string_equal(scan.services[2], "/root/slice/a.service");
    assert_int_equal(scan.n_directories, 7);
    assert_false(scan.truncated);
}

static void test_news(void **state)
{
    char path[512];

    for (int round = 0; round < 2; round++) {
        _cleanup_workload_scan_ struct workload_scan scan = {0};

        assert_int_equal(workload_tree_scan(tree, &scan), 0);
        assert_int_equal(workload_tree_read(tree), 0);
        make(round == 0 ? "root/slice/new" : "root/slice/new/c.service");
        assert_int_equal(workload_tree_read(tree), 1);
        assert_int_equal(workload_tree_read(tree), 0);
    }
    snprintf(path, sizeof(path), "%s/root/slice/new/c.service", scratch);
    {
        _cleanup_workload_scan_ struct workload_scan scan = {0};

        assert_int_equal(workload_tree_scan(tree, &scan), 0);
        assert_int_equal(scan.n_services, 4);
    }
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(workload_tree_read(tree), 1);
}

/* Files that come and go in a cgroup directory are no news. */
static void test_files_are_no_news(void **state)
{
    _cleanup_workload_scan_ struct workload_scan scan = {0};
    char path[512];
    FILE *file;

    assert_int_equal(workload_tree_scan(tree, &scan), 0);
    snprintf(path, sizeof(path), "%s/root/cgroup.procs", scratch);
    file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(workload_tree_read(tree), 0);
}

static void test_bounds(void **state)
{
    _cleanup_workload_scan_ struct workload_scan scan = {0};
    char name[256] = "root/deep";

    make(name);
    for (int i = 0; i < WORKLOAD_DEPTH_MAX; i++) {
        size_t len = strlen(name);

        snprintf(name + len, sizeof(name) - len, "/x");
        make(name);
    }
    assert_int_equal(workload_tree_scan(tree, &scan), 0);
    assert_true(scan.truncated);
    assert_int_equal(scan.n_services, 3);
}

static void test_missing_root(void **state)
{
    _cleanup_workload_tree_ struct workload_tree *missing = NULL;
    struct workload_scan scan;

    assert_int_equal(workload_tree_new(scratch, "/nowhere", &missing), 0);
    assert_int_equal(workload_tree_scan(missing, &scan), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scan, start, stop),
        cmocka_unit_test_setup_teardown(test_news, start, stop),
        cmocka_unit_test_setup_teardown(test_files_are_no_news, start, stop),
        cmocka_unit_test_setup_teardown(test_bounds, start, stop),
        cmocka_unit_test_setup_teardown(test_missing_root, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
