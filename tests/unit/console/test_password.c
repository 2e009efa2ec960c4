/* SPDX-License-Identifier: Apache-2.0 */
#include "console/password.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The reference implementation's own vector: argon2id, version 19, m = 64 MiB, t = 2, p = 1. */
static const char vector[] = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ"
                             "$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

static void test_vector(void **state)
{
    assert_true(password_verify(vector, "password"));
    assert_false(password_verify(vector, "Password"));
}

static void test_round_trip(void **state)
{
    char *one, *two;

    assert_int_equal(password_hash("correct horse battery", &one), 0);
    assert_int_equal(password_hash("correct horse battery", &two), 0);
    assert_string_not_equal(one, two);
    assert_int_equal(strncmp(one, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
    assert_true(password_verify(one, "correct horse battery"));
    assert_false(password_verify(one, "correct horse batter"));
    assert_false(password_verify(one, ""));
    assert_false(password_verify(NULL, "correct horse battery"));
    assert_false(password_verify("", ""));
    assert_false(password_verify("garbage", "garbage"));
    free(one);
    free(two);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* An account that is not there costs as much as one that is: within a factor of two, in the sum. */
static void test_unknown_accounts_take_as_long(void **state)
{
    char *encoded;
    double known, unknown, start;

    assert_int_equal(password_hash("correct horse battery", &encoded), 0);
    start = seconds();
    for (int i = 0; i < 5; i++)
        password_verify(encoded, "wrong");
    known = seconds() - start;
    start = seconds();
    for (int i = 0; i < 5; i++)
        password_verify(NULL, "wrong");
    unknown = seconds() - start;
    assert_true(unknown > known / 2 && unknown < known * 2);
    free(encoded);
}

static void test_problems(void **state)
{
    char *huge = malloc(2000);
    char *encoded = NULL;

    memset(huge, 'a', 1999);
    huge[0] = 'b';
    huge[1999] = '\0';
    assert_null(password_problem("correct horse", "ann"));
    assert_null(password_problem("äöüäöüäöüäöü", "ann"));
    assert_non_null(password_problem("", "ann"));
    assert_non_null(password_problem("elevenchars", "ann"));
    assert_non_null(password_problem("aaaaaaaaaaaaaa", "ann"));
    assert_non_null(password_problem("this is Annabel", "annabel"));
    assert_non_null(password_problem(huge, "ann"));
    assert_int_equal(password_hash(huge, &encoded), -EINVAL);
    assert_false(password_verify(NULL, huge));
    free(huge);
}

static void test_common_passwords(void **state)
{
    static const char *const bad[] = {
        "password1234",     "Password2024!!",  "P@ssw0rd12345",  "123456789012",
        "qwertyuiop123",    "QWERTY123456789", "Welcome2024!!!", "letmein-letmein",
        "adminadmin123",    "Summer-Winter-1", "iloveyou123456", "1qaz2wsx3edc!!",
        "passwordpassword", "5ecret-5ecret!",  "202401012359",   "!!!!----????....",
    };
    static const char *const good[] = {
        "correct horse battery", "another long password", "long enough for a password",
        "k3$Qz8!vR2pW",          "pässwört-für-alle",     "summer in tokyo 1987",
        "h7-2!9#k4$1%z8&w",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_non_null(password_problem(bad[i], "ann"));
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_null(password_problem(good[i], "ann"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_passwords),
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_unknown_accounts_take_as_long),
        cmocka_unit_test(test_problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
