/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/intern.h"

static uint32_t add(struct intern *intern, const char *key, bool expect_new)
{
    uint32_t id;
    bool is_new;

    assert_int_equal(intern_add(intern, key, strlen(key), &id, &is_new), 0);
    assert_int_equal(is_new, expect_new);
    return id;
}

static void test_numbers(void **state)
{
    struct intern intern = {0};
    size_t len;

    assert_int_equal(intern_find(&intern, "a", 1), INTERN_NONE);
    assert_int_equal(add(&intern, "a", true), 0);
    assert_int_equal(add(&intern, "", true), 1);
    assert_int_equal(add(&intern, "ab", true), 2);
    assert_int_equal(add(&intern, "a", false), 0);
    assert_int_equal(add(&intern, "", false), 1);
    assert_int_equal(intern_find(&intern, "ab", 2), 2);
    assert_int_equal(intern_find(&intern, "ab", 1), 0);
    assert_int_equal(intern_find(&intern, "b", 1), INTERN_NONE);
    assert_memory_equal(intern_get(&intern, 2, &len), "ab", 2);
    assert_int_equal(len, 2);
    intern_clear(&intern);
    assert_int_equal(intern_find(&intern, "ab", 2), INTERN_NONE);
    assert_int_equal(add(&intern, "ab", true), 0);
    intern_free(&intern);
}

static void test_many(void **state)
{
    struct intern intern = {0};
    uint32_t key[3] = {0, 7, 9}, id;
    bool is_new;

    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 100000; i++) {
            key[0] = i;
            assert_int_equal(intern_add(&intern, key, sizeof(key), &id, &is_new), 0);
            assert_int_equal(id, i);
            assert_int_equal(is_new, round == 0);
        }
    }
    intern_clear(&intern);
    key[0] = 99999;
    assert_int_equal(intern_find(&intern, key, sizeof(key)), INTERN_NONE);
    intern_free(&intern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_many)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
