/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/model.h"

/* The model has no constant strings in its structures, the tables here do. */
#define T(text) ((char *)(text))

static void test_wrong_tags(void **state)
{
    static const char *const wrong[] = {
        "",    "=",    "a",      "a=",    "=b",     " =b",    "a b=c",  "a =b",
        "==b", "a=\n", "a=\x01", "a\t=b", "a=\x7f", "a=\xff", "\xc3=a",
    };
    char text[MODEL_TAG_BYTES_MAX + 2];
    struct tag_set set = {0};

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_non_null(tag_problem(wrong[i]));
        assert_int_equal(tag_set_add(&set, wrong[i]), -EINVAL);
    }
    assert_int_equal(set.n, 0);
    memset(text, 'a', sizeof(text));
    text[1] = '=';
    text[sizeof(text) - 1] = '\0';
    assert_string_equal(tag_problem(text), "a tag of at most 1023 bytes");
    text[sizeof(text) - 2] = '\0';
    assert_null(tag_problem(text));
}

static void test_tags(void **state)
{
    static const char *const right[] = {
        "a=b",
        "a=b c",
        "a==",
        "a= ",
        "$name=x",
        "@org:group=a",
        "externalnetwork:name=p",
        "k\xc3\xa4=\xe2\x82\xac",
        "a=b=c",
    };

    for (size_t i = 0; i < ARRAY_SIZE(right); i++)
        assert_null(tag_problem(right[i]));
}

static void test_set(void **state)
{
    _cleanup_tag_set_ struct tag_set set = {0}, copy = {0}, wanted = {0};

    assert_true(tag_set_has_all(&set, &wanted));
    assert_int_equal(tag_set_add(&set, "b=1"), 0);
    assert_int_equal(tag_set_add(&set, "a=1"), 0);
    assert_int_equal(tag_set_add(&set, "c=1"), 0);
    assert_int_equal(tag_set_add(&set, "a=1"), 0);
    assert_int_equal(tag_set_addf(&set, "a=%d", 0), 0);
    assert_int_equal(tag_set_addf(&set, "a%d", 0), -EINVAL);
    assert_int_equal(set.n, 4);
    assert_string_equal(set.tags[0], "a=0");
    assert_string_equal(set.tags[3], "c=1");
    assert_true(tag_set_has(&set, "b=1"));
    assert_false(tag_set_has(&set, "b=2"));
    assert_int_equal(tag_set_copy(&set, &copy), 0);
    assert_true(tag_set_equal(&set, &copy));
    assert_int_equal(tag_set_add(&wanted, "c=1"), 0);
    assert_true(tag_set_has_all(&set, &wanted));
    assert_false(tag_set_equal(&set, &wanted));
    assert_false(tag_set_has_all(&wanted, &set));
    assert_int_equal(tag_set_add(&wanted, "d=1"), 0);
    assert_false(tag_set_has_all(&set, &wanted));
}

static void test_set_maximum(void **state)
{
    _cleanup_tag_set_ struct tag_set set = {0};

    for (int i = 0; i < MODEL_TAGS_PER_SET_MAX; i++)
        assert_int_equal(tag_set_addf(&set, "k=%d", i), 0);
    assert_int_equal(tag_set_add(&set, "one=more"), -BULKHEAD_ETOOMANY);
    assert_int_equal(tag_set_add(&set, "k=1"), 0);
    assert_int_equal(set.n, MODEL_TAGS_PER_SET_MAX);
    for (size_t i = 1; i < set.n; i++)
        assert_true(strcmp(set.tags[i - 1], set.tags[i]) < 0);
}

static void test_expression(void **state)
{
    char *ab[] = {T("a=1"), T("b=1")}, *c[] = {T("c=1")};
    struct tag_set clauses[] = {{ab, 2}, {c, 1}, {NULL, 0}};
    struct tag_expr expr = {clauses, 2}, empty = {NULL, 0}, vacuous = {&clauses[2], 1};
    char *only_a[] = {T("a=1")}, *all[] = {T("a=1"), T("b=1"), T("z=1")},
         *only_c[] = {T("b=1"), T("c=1")};
    char *text;

    assert_false(tag_expr_matches(&expr, &(struct tag_set){only_a, 1}));
    assert_false(tag_expr_matches(&expr, &(struct tag_set){NULL, 0}));
    assert_false(tag_expr_matches(&empty, &(struct tag_set){all, 3}));
    assert_false(tag_expr_matches(&vacuous, &(struct tag_set){all, 3}));
    assert_true(tag_expr_matches(&expr, &(struct tag_set){all, 3}));
    assert_true(tag_expr_matches(&expr, &(struct tag_set){only_c, 2}));
    text = tag_expr_format(&expr);
    assert_string_equal(text, "[[a=1, b=1], [c=1]]");
    free(text);
    text = tag_expr_format(&empty);
    assert_string_equal(text, "[]");
    free(text);
}

static void test_namespaces(void **state)
{
    static const char *const wrong[] = {"",     "a",    "//",        "/a/",   "/a//b",
                                        "/a b", "/a.b", "/\xc3\xa4", "/a/\n", "*"};
    char deep[200] = "";

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_non_null(namespace_problem(wrong[i]));
    for (int i = 0; i < 32; i++)
        snprintf(deep + 2 * i, 3, "/a");
    assert_null(namespace_problem(deep));
    snprintf(deep + 64, 3, "/a");
    assert_string_equal(namespace_problem(deep), "a namespace of at most 32 levels");
    assert_null(namespace_problem("/"));
    assert_null(namespace_problem("/a-b/C_9"));
    assert_int_equal(namespace_depth("/"), 0);
    assert_int_equal(namespace_depth("/a"), 1);
    assert_int_equal(namespace_depth("/a/b"), 2);
    assert_true(namespace_is_within("/", "/"));
    assert_true(namespace_is_within("/", "/a"));
    assert_true(namespace_is_within("/a", "/a"));
    assert_true(namespace_is_within("/a", "/a/b"));
    assert_false(namespace_is_within("/a", "/ab"));
    assert_false(namespace_is_within("/a/b", "/a"));
    assert_false(namespace_is_within("/a", "/"));
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"protocolPorts", "action", "object", "name", "APIVersion"};
    static const struct {
        const char *word, *nearest;
    } rows[] = {
        {"", NULL},
        {"x", NULL},
        {"zzzzzz", NULL},
        {"actoin", "action"},
        {"acton", "action"},
        {"protocolports", "protocolPorts"},
        {"protocol_ports", "protocolPorts"},
        {"apiVersion", "APIVersion"},
        {"objects", "object"},
        {"nmae", "name"},
        {"em", NULL},
    };
    char text[5000];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *nearest = nearest_word(rows[i].word, words, ARRAY_SIZE(words));

        if (rows[i].nearest)
            assert_string_equal(nearest, rows[i].nearest);
        else
            assert_null(nearest);
    }
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_null(nearest_word(text, words, ARRAY_SIZE(words)));
    assert_null(nearest_word("action", NULL, 0));
}

static void test_completed_tags_and_identity(void **state)
{
    _cleanup_tag_set_ struct tag_set given = {0}, done = {0}, other = {0};
    uint32_t id;

    assert_int_equal(tag_set_add(&given, "app=web"), 0);
    assert_int_equal(pu_tags_complete(&given, "/shop", "web", "Host", &done), 0);
    assert_int_equal(done.n, 5);
    assert_true(tag_set_has(&done, "$identity=processingunit"));
    assert_true(tag_set_has(&done, "$namespace=/shop"));
    assert_true(tag_set_has(&done, "$name=web"));
    assert_true(tag_set_has(&done, "$type=Host"));
    assert_int_equal(given.n, 1);
    assert_int_equal(pu_tags_complete(&given, "/shop", NULL, NULL, &other), 0);
    assert_int_equal(other.n, 3);
    assert_int_equal(pu_tags_complete(&given, "/shop", "", NULL, &other), -EINVAL);

    /* printf 'bulkhead-identity-1\n/shop\n$identity=processingunit\n$namespace=/shop\napp=web\n' |
     * sha256sum */
    id = identity_id("/shop", &other);
    assert_int_equal(id, 0xd2e600a8);
    assert_int_not_equal(identity_id("/shop", &done), id);
    assert_int_not_equal(identity_id("/sho", &other), id);
    assert_true(identity_id("/", &(struct tag_set){0}) > 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_tags), cmocka_unit_test(test_tags),
        cmocka_unit_test(test_set),        cmocka_unit_test(test_set_maximum),
        cmocka_unit_test(test_expression), cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_nearest),    cmocka_unit_test(test_completed_tags_and_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
