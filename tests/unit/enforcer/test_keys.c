/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "enforcer/keys.h"
#include "scratch.h"

#define GOOD "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static int load(const char *text, mode_t mode, uint8_t key[WIRE_KEY_BYTES], char *message)
{
    const char *path = scratch_write("key", text);

    chmod(path, mode);
    return keys_load(path, key, message);
}

static void test_wrong_content(void **state)
{
    static const char *const rows[] = {
        "",
        "\n",
        "x",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n", /* 31 bytes */
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n", /* 33 bytes */
        (GOOD "x"),
        (GOOD "\n\n"),
        (" " GOOD),
        "-----BEGIN PRIVATE KEY-----\n",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd*h8=\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char message[KEYS_MESSAGE_MAX] = "";
        uint8_t key[WIRE_KEY_BYTES];

        assert_int_equal(load(rows[i], 0600, key, message), -EINVAL);
        assert_non_null(strstr(message, "expected 32 bytes in base64"));
    }
}

static void test_wrong_modes(void **state)
{
    static const mode_t rows[] = {0604, 0640, 0660, 0601, 0644, 0777};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char message[KEYS_MESSAGE_MAX] = "";
        uint8_t key[WIRE_KEY_BYTES];

        assert_int_equal(load(GOOD "\n", rows[i], key, message), -EPERM);
        assert_non_null(strstr(message, "chmod 600"));
    }
}

static void test_wrong_files(void **state)
{
    char message[KEYS_MESSAGE_MAX] = "";
    uint8_t key[WIRE_KEY_BYTES];

    assert_int_equal(keys_load(scratch_path("missing"), key, message), -ENOENT);
    assert_int_equal(keys_load(scratch, key, message), -EINVAL);
    scratch_write("key", GOOD);
    chmod(scratch_path("key"), 0600);
    assert_int_equal(symlink(scratch_path("key"), scratch_path("link")), 0);
    assert_int_equal(keys_load(scratch_path("link"), key, message), -ELOOP);
    if (getuid() == 0) {
        assert_int_equal(chown(scratch_path("key"), 65534, 0), 0);
        assert_int_equal(keys_load(scratch_path("key"), key, message), -EPERM);
        assert_non_null(strstr(message, "chown"));
    }
}

static void test_good(void **state)
{
    static const char *const rows[] = {GOOD, GOOD "\n"};

    unlink(scratch_path("key"));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char message[KEYS_MESSAGE_MAX] = "";
        uint8_t key[WIRE_KEY_BYTES];

        assert_int_equal(load(rows[i], 0600, key, message), 0);
        for (int j = 0; j < WIRE_KEY_BYTES; j++)
            assert_int_equal(key[j], j);
        keys_wipe(key);
        for (int j = 0; j < WIRE_KEY_BYTES; j++)
            assert_int_equal(key[j], 0);
    }
}

static void test_made_once(void **state)
{
    char message[KEYS_MESSAGE_MAX] = "";
    uint8_t first[WIRE_KEY_BYTES], second[WIRE_KEY_BYTES];
    struct stat st;

    assert_int_equal(keys_load_or_make(scratch_path("new/dir/key"), first, message), 0);
    assert_int_equal(keys_load_or_make(scratch_path("new/dir/key"), second, message), 0);
    assert_memory_equal(first, second, WIRE_KEY_BYTES);
    assert_int_equal(stat(scratch_path("new/dir/key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(keys_load_or_make(scratch_path("new/dir/other"), second, message), 0);
    assert_memory_not_equal(first, second, WIRE_KEY_BYTES);
    assert_true(keys_load_or_make("/proc/nowhere/key", second, message) < 0);
    assert_non_null(strstr(message, "/proc/nowhere/key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_content), cmocka_unit_test(test_wrong_modes),
        cmocka_unit_test(test_wrong_files),   cmocka_unit_test(test_good),
        cmocka_unit_test(test_made_once),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
