/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/macros.h"

struct fixture {
    char dir[64];
};

static const char *in(const struct fixture *f, const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *text = path[next++ % 4];

    snprintf(text, sizeof(path[0]), "%s/%s", f->dir, name);
    return text;
}

static int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "/tmp/bulkhead-test-XXXXXX");
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}

static int drop_fixture(void **state)
{
    struct fixture *f = *state;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    if (system(command) != 0)
        return -1;
    free(f);
    return 0;
}

static void test_read_refuses(void **state)
{
    struct fixture *f = *state;
    char *data = NULL;
    size_t len = 7;

    assert_int_equal(file_read(in(f, "absent"), 100, &data, &len), -ENOENT);
    assert_int_equal(file_read(f->dir, 100, &data, &len), -EISDIR);
    assert_int_equal(mkfifo(in(f, "fifo"), 0600), 0);
    assert_int_equal(file_read(in(f, "fifo"), 100, &data, &len), -EINVAL); /* and does not wait */
    assert_int_equal(file_write_atomic(in(f, "big"), "12345", 5, 0600), 0);
    assert_int_equal(file_read(in(f, "big"), 4, &data, &len), -EFBIG);
    assert_null(data);
    assert_int_equal(len, 7);
}

static void test_write_and_read(void **state)
{
    struct fixture *f = *state;
    char **names = NULL;
    char *data = NULL;
    struct stat st;
    size_t len, n;

    assert_int_equal(file_write_atomic(in(f, "a"), "12\000345", 6, 0640), 0);
    assert_int_equal(file_read(in(f, "a"), 6, &data, &len), 0);
    assert_int_equal(len, 6);
    assert_memory_equal(data, "12\000345", 7); /* with the NUL behind it */
    free(data);
    assert_int_equal(stat(in(f, "a"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(file_write_atomic(in(f, "a"), NULL, 0, 0600), 0);
    assert_int_equal(file_read(in(f, "a"), 0, &data, &len), 0);
    assert_int_equal(len, 0);
    assert_string_equal(data, "");
    free(data);
    assert_int_equal(file_write_atomic(in(f, "no/dir"), "x", 1, 0600), -ENOENT);
    assert_int_equal(dir_list(f->dir, NULL, &names, &n), 0);
    assert_int_equal(n, 1); /* nothing left beside it */
    strv_free(&names);
}

static void test_read_of_unknown_size(void **state)
{
    char *data = NULL;
    size_t len;

    /* /proc says 0 bytes */
    assert_int_equal(file_read("/proc/self/status", 1 << 20, &data, &len), 0);
    assert_true(len > 100);
    free(data);
    assert_int_equal(file_read("/proc/self/status", 10, &data, &len), -EFBIG);
}

static void test_dir_make(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(dir_make("", 0700), -ENOENT);
    assert_int_equal(file_write_atomic(in(f, "file"), "", 0, 0600), 0);
    assert_int_equal(dir_make(in(f, "file"), 0700), -ENOTDIR);
    assert_int_equal(dir_make(in(f, "file/below"), 0700), -ENOTDIR);
    assert_int_equal(dir_make(in(f, "a/b/c"), 0700), 0);
    assert_int_equal(dir_make(in(f, "a/b/c/"), 0700), 0);
    assert_int_equal(stat(in(f, "a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
}

static void test_dir_list(void **state)
{
    static const char *const suffixes[] = {".yaml", ".json", NULL};
    struct fixture *f = *state;
    char **names = NULL;
    size_t n = 9;

    assert_int_equal(dir_list(in(f, "absent"), NULL, &names, &n), -ENOENT);
    assert_null(names);
    assert_int_equal(dir_list(f->dir, NULL, &names, &n), 0);
    assert_int_equal(n, 0);
    assert_non_null(names);
    strv_free(&names);
    for (const char *const *name = (const char *const[]){"b.yaml", "a.json", "B.yaml",
                                                         ".hidden.yaml", "c.txt", "yaml", NULL};
         *name; name++)
        assert_int_equal(file_write_atomic(in(f, *name), "", 0, 0600), 0);
    assert_int_equal(dir_make(in(f, "dir.yaml"), 0700), 0);
    assert_int_equal(symlink("nowhere", in(f, "z.yaml")), 0);
    assert_int_equal(dir_list(f->dir, suffixes, &names, &n), 0);
    assert_int_equal(n, 4);
    assert_string_equal(names[0], "B.yaml");
    assert_string_equal(names[1], "a.json");
    assert_string_equal(names[2], "b.yaml");
    assert_string_equal(names[3], "z.yaml"); /* dangling: reading it must fail, not pass unseen */
    assert_null(names[4]);
    strv_free(&names);
    assert_null(names);
    strv_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_refuses, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_write_and_read, make_fixture, drop_fixture),
        cmocka_unit_test(test_read_of_unknown_size),
        cmocka_unit_test_setup_teardown(test_dir_make, make_fixture, drop_fixture),
        cmocka_unit_test_setup_teardown(test_dir_list, make_fixture, drop_fixture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
