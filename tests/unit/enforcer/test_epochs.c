/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys others are told of, from start to start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enforcer/epochs.h"

static char directory[] = "/tmp/bulkhead-epochs-XXXXXX";

static void put(const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", directory, EPOCHS_FILE);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void forget(void)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", directory, EPOCHS_FILE);
    unlink(path);
}

/* A daemon starts: newest and the one before it, as told to the Console. */
static void start(struct epochs *epochs, unsigned newest, unsigned before)
{
    struct link_key told[2];

    memset(epochs, 0, sizeof(*epochs));
    assert_int_equal(epochs_make(directory, epochs), 0);
    assert_int_equal(epochs_public(epochs, told), before ? 2 : 1);
    assert_int_equal(told[0].epoch, newest);
    if (before)
        assert_int_equal(told[1].epoch, before);
}

static void use(struct epochs *epochs)
{
    epochs_switch(epochs);
    assert_int_equal(epochs_in_use(directory, epochs), 0);
}

static void test_one_after_the_other(void **state)
{
    struct epochs epochs;
    struct stat st;
    char path[256];

    (void)state;
    forget();
    start(&epochs, 1, 0);
    use(&epochs);
    assert_int_equal(epochs_make(directory, &epochs), 0); /* a day later */
    assert_int_equal(epochs.next.epoch, 2);
    assert_int_equal(epochs.previous.epoch, 1);
    assert_memory_equal(epochs.previous.public_key, epochs.used.public_key, WIRE_KEY_BYTES);
    use(&epochs);
    start(&epochs, 3, 2);
    snprintf(path, sizeof(path), "%s/%s", directory, EPOCHS_FILE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* Again and again before the new key was used: the kernel still works with the old one. */
static void test_starts_in_a_row(void **state)
{
    uint8_t in_kernel[WIRE_KEY_BYTES];
    struct epochs epochs;

    (void)state;
    forget();
    start(&epochs, 1, 0);
    use(&epochs);
    memcpy(in_kernel, epochs.used.public_key, sizeof(in_kernel));
    for (unsigned newest = 2; newest < 6; newest++) {
        start(&epochs, newest, 1);
        assert_memory_equal(epochs.previous.public_key, in_kernel, sizeof(in_kernel));
    }
    use(&epochs);
    start(&epochs, 6, 5);
}

static void test_around_the_end(void **state)
{
    struct epochs epochs;

    (void)state;
    put("{\"epoch\": 65535, \"key\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}");
    start(&epochs, 1, 65535); /* the file of an older version: the last one is the one in use */
}

static void test_files_that_are_none(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"epoch\": 0}",
                                        "{\"epoch\": 70000, \"key\": \"x\"}",
                                        "{\"epoch\": 5, \"key\": \"short\", \"used\": 7}",
                                        "{\"epoch\": \"5\", \"key\": null, \"used\": {}}"};
    struct epochs epochs;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(texts[i]);
        start(&epochs, 1, 0);
    }
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    forget();
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_starts_in_a_row),
        cmocka_unit_test(test_around_the_end),
        cmocka_unit_test(test_files_that_are_none),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
