/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "console/jsonscan.h"
#include "console/objects.h"

static void load(struct objects *objects, const char *id, const char *kind, const char *space,
                 const char *body)
{
    const struct store_object object = {.id = id,
                                        .kind = kind,
                                        .namespace = space,
                                        .body = body,
                                        .body_len = strlen(body),
                                        .created_ms = 1700000000123,
                                        .updated_ms = 1700000000456,
                                        .revision = 7};

    assert_int_equal(objects_load(objects, &object), 0);
}

static bool has(const struct object *object, const char *tag)
{
    return tag_set_has(&object->tags, tag);
}

#define UNIT "00000000000000000000000a"

static void test_normalized_tags(void **state)
{
    struct objects *objects;
    const struct object *unit;
    json_t *shown;

    assert_int_equal(objects_new(&objects), 0);
    load(objects, UNIT, "processingunit", "/a",
         "{\"name\":\"we\\\"b\",\"type\":\"Docker\",\"images\":[\"nginx\",\"nginx:1\"],"
         "\"metadata\":[\"@org:x=y\"],\"associatedTags\":[\"app=web\",\"app=web\",\"no tag\"]}");
    unit = objects_find(objects, UNIT);
    assert_non_null(unit);
    assert_string_equal(unit->name, "we\"b");
    assert_true(has(unit, "$identity=processingunit") && has(unit, "$id=" UNIT));
    assert_true(has(unit, "$namespace=/a") && has(unit, "$name=we\"b") && has(unit, "app=web"));
    assert_true(has(unit, "$type=Docker") && has(unit, "$image=nginx") &&
                has(unit, "$image=nginx:1"));
    assert_true(has(unit, "@org:x=y") && has(unit, "$operationalstatus=Initialized"));
    for (size_t i = 1; i < unit->tags.n; i++)
        assert_true(strcmp(unit->tags.tags[i - 1], unit->tags.tags[i]) < 0);
    shown = object_show(unit, NULL);
    assert_string_equal(json_string_value(json_object_get(shown, "updateTime")),
                        "2023-11-14T22:13:20.456Z");
    assert_int_equal(json_array_size(json_object_get(shown, "normalizedTags")), unit->tags.n);
    json_decref(shown);
    objects_free(&objects);
}

/* Text and tree say the same, in the same order. */
static void compare_shown(const struct object *object)
{
    _cleanup_buf_ struct buf text = BUF_INIT(1u << 20);
    json_t *shown = object_show(object, NULL), *read;
    char *wanted;

    assert_non_null(shown);
    assert_int_equal(object_show_text(object, &text), 0);
    read = json_loads(text.data, 0, NULL);
    assert_non_null(read);
    wanted = json_dumps(shown, JSON_COMPACT);
    json_decref(shown);
    shown = read;
    read = NULL;
    free(text.data);
    text.data = json_dumps(shown, JSON_COMPACT);
    assert_string_equal(text.data, wanted);
    json_decref(shown);
    free(wanted);
}

static void test_text_is_the_tree(void **state)
{
    static const struct {
        const char *kind, *body;
    } rows[] = {
        {"networkrulesetpolicy",
         "{\"name\":\"r\\\"x\",\"subject\":[[\"a=b\"]],\"propagate\":true,\"incomingRules\":["
         "{\"action\":\"Reject\",\"object\":[[\"c=d\"],[\"e=\\u00fc\"]]},"
         "{\"action\":\"Allow\",\"object\":[[\"c=d\"]],\"protocolPorts\":[\"tcp/1\"],"
         "\"name\":\"n\"}],\"annotations\":{\"a\":[\"b,}]\"]}}"},
        {"networkrulesetpolicy", "{\"name\":\"r\",\"outgoingRules\":[],\"nobodyknows\":{}}"},
        {"processingunit",
         "{\"name\":\"p\",\"networkServices\":[{\"protocol\":6}],\"tracing\":{\"IPTables\":true}}"},
        {"namespace", "{\"name\":\"/x\",\"tagPrefixes\":null}"},
        {"account", "{\"name\":\"a\",\"passwordHash\":\"secret\",\"OTPSecret\":\"secret\"}"},
        {"importreference", "{\"name\":\"i\",\"data\":{\"label\":\"l\",\"data\":{\"x\":[1]}}}"},
    };
    struct objects *objects;
    size_t n;
    const struct schema_kind *const *all = schema_kinds(&n);

    assert_int_equal(objects_new(&objects), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        load(objects, UNIT, rows[i].kind, "/a", rows[i].body);
        compare_shown(objects_find(objects, UNIT));
    }
    for (size_t i = 0; i < n; i++) {
        if (!all[i]->stored || all[i]->hidden)
            continue;
        load(objects, UNIT, all[i]->name, "/a", "{\"name\":\"/x\"}");
        compare_shown(objects_find(objects, UNIT));
    }
    objects_free(&objects);
}

static void test_unknown_kinds_and_broken_bodies(void **state)
{
    static const char *const bodies[] = {
        "",         "{",  "[]",         "{\"name\"", "{\"name\":", "{\"name\":\"", "{\"name\":\"x",
        "{\"a\":[", "\"", "{\"a\":\"\\"};
    struct objects *objects;

    assert_int_equal(objects_new(&objects), 0);
    load(objects, UNIT, "fromthefuture", "/", "{}");
    assert_null(objects_find(objects, UNIT));
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        load(objects, UNIT, "externalnetwork", "/", bodies[i]);
        assert_non_null(objects_find(objects, UNIT));
    }
    objects_free(&objects);
}

static void test_spaces(void **state)
{
    struct objects *objects;

    assert_int_equal(objects_new(&objects), 0);
    assert_non_null(objects_space(objects, "/"));
    load(objects, UNIT, "externalnetwork", "/a/b", "{\"name\":\"x\"}");
    assert_null(objects_space(objects, "/a/b")); /* nobody made it yet */
    load(objects, "00000000000000000000000b", "namespace", "/a", "{\"name\":\"/a/b\"}");
    assert_non_null(objects_space(objects, "/a/b"));
    assert_null(objects_space(objects, "/a"));
    assert_string_equal(objects_space(objects, "/a/b")->parent->name, "/a");
    objects_free(&objects);
}

static void test_scan(void **state)
{
    static const char text[] =
        "{ \"a\" : \"x\\\\\\\"y\", \"b\":[1,{\"a\":2},\"]\"], \"c\":{} ,\"d\":-1.5e3}";
    struct json_slice value;
    char *decoded;

    assert_true(json_scan_find(text, sizeof(text) - 1, "a", &value));
    decoded = json_slice_string(&value);
    assert_string_equal(decoded, "x\\\"y");
    free(decoded);
    assert_true(json_scan_find(text, sizeof(text) - 1, "b", &value));
    assert_true(json_slice_is(&value, "[1,{\"a\":2},\"]\"]"));
    assert_null(json_slice_string(&value));
    assert_true(json_scan_find(text, sizeof(text) - 1, "c", &value) && json_slice_is(&value, "{}"));
    assert_true(json_scan_find(text, sizeof(text) - 1, "d", &value));
    assert_true(json_slice_is(&value, "-1.5e3"));
    assert_false(json_scan_find(text, sizeof(text) - 1, "e", &value));
    for (size_t len = 0; len < sizeof(text); len++) /* never past the end */
        json_scan_find(text, len, "zzz", &value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_normalized_tags),
        cmocka_unit_test(test_unknown_kinds_and_broken_bodies),
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_text_is_the_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
