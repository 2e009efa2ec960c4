/* SPDX-License-Identifier: Apache-2.0 */
#include "console/events_config.h"
#include "console/events_encode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS 1600000000123

static int parse(const char *text, char problem[EVENTS_PROBLEM_MAX], struct events_config *ret)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    int r = events_config_parse(json, NOW_MS, problem, ret);

    assert_non_null(json);
    json_decref(json);
    return r;
}

static void test_wrong_configurations(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"[]", "expected an object"},
        {"{\"identity\":{}}", "unknown attribute 'identity'; did you mean identities"},
        {"{\"identities\":[]}", "identities: expected an object"},
        {"{\"identities\":{\"externalnetwrk\":[]}}", "did you mean externalnetwork"},
        {"{\"identities\":{\"namespace\":\"create\"}}", "identities.namespace: expected a list"},
        {"{\"identities\":{\"namespace\":[\"made\"]}}", "found 'made', expected create"},
        {"{\"identities\":{\"namespace\":[1]}}", "found 'something else than text'"},
        {"{\"identities\":{\"namespace\":[\"error\"]}}", "found 'error'"},
        {"{\"identities\":{\"namespace\":[],\"namespaces\":[]}}", "namespace is there twice"},
        {"{\"filters\":{\"namespace\":\"name == a\"}}", "not among identities"},
        {"{\"identities\":{\"namespace\":[]},\"filters\":{\"namespace\":1}}", "expected one text"},
        {"{\"identities\":{\"namespace\":[]},\"filters\":{\"namespace\":\"name ~ a\"}}",
         "filters.namespace: "},
        {"{\"identities\":{\"namespace\":[]},\"filters\":{\"namespace\":\"nme == a\"}}",
         "unknown attribute 'nme'; did you mean name"},
        {"{\"identities\":{\"namespace\":[]},"
         "\"filters\":{\"namespace\":\"name == a or name contains [b]\"}}",
         "expected only =="},
        {"{\"parameters\":{\"tokn\":[\"a\"]}}", "unknown parameter 'tokn'"},
        {"{\"parameters\":{\"token\":[]}}", "parameters.token: expected one text"},
        {"{\"parameters\":{\"token\":[\"a\",\"b\"]}}", "parameters.token: expected one text"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char problem[EVENTS_PROBLEM_MAX] = "";
        struct events_config config = {0};

        assert_int_equal(parse(cases[i].text, problem, &config), -EINVAL);
        if (!strstr(problem, cases[i].expected))
            fail_msg("%s: found '%s', expected '%s'", cases[i].text, problem, cases[i].expected);
        assert_int_equal(config.n, 0);
    }
}

static bool wants(const struct events_config *config, const char *kind, enum events_type type,
                  const char *entity)
{
    const struct filter *filter = NULL;
    json_t *json = json_loads(entity, 0, NULL);
    bool result = events_config_wants(config, schema_kind_find(kind), type, &filter) &&
                  (!filter || filter_matches_json(filter, json));

    json_decref(json);
    return result;
}

static void test_selection(void **state)
{
    char problem[EVENTS_PROBLEM_MAX] = "";
    struct events_config config = {0};

    assert_true(wants(&config, "namespace", EVENTS_DELETE, "{}")); /* nothing said: everything */
    assert_int_equal(
        parse("{\"identities\":{\"namespace\":[\"create\",\"delete\"],\"externalnetwork\":[],"
              "\"enforcer\":null},\"filters\":{\"externalnetwork\":\"name == a or name matches "
              "[\\\"^b\\\"]\"},\"parameters\":null}",
              problem, &config),
        0);
    assert_true(config.selects && !config.token);
    assert_true(wants(&config, "namespace", EVENTS_CREATE, "{}"));
    assert_false(wants(&config, "namespace", EVENTS_UPDATE, "{}"));
    assert_true(wants(&config, "enforcer", EVENTS_UPDATE, "{}"));
    assert_false(wants(&config, "processingunit", EVENTS_UPDATE, "{}"));
    assert_true(wants(&config, "externalnetwork", EVENTS_UPDATE, "{\"name\":\"a\"}"));
    assert_true(wants(&config, "externalnetwork", EVENTS_UPDATE, "{\"name\":\"bc\"}"));
    assert_false(wants(&config, "externalnetwork", EVENTS_UPDATE, "{\"name\":\"c\"}"));
    events_config_clear(&config);
}

static void test_token_alone_keeps_the_selection(void **state)
{
    char problem[EVENTS_PROBLEM_MAX] = "";
    struct events_config config = {0};

    assert_int_equal(
        parse("{\"parameters\":{\"token\":[\"t\"]},\"identities\":null}", problem, &config), 0);
    assert_string_equal(config.token, "t");
    assert_false(config.selects);
    events_config_clear(&config);
    assert_int_equal(
        parse("{\"parameters\":{\"token\":\"t\"},\"identities\":{}}", problem, &config), 0);
    assert_true(config.selects);
    events_config_clear(&config);
    assert_int_equal(parse("{}", problem, &config), 0);
    assert_true(config.selects);
    events_config_clear(&config);
}

static void test_encodings(void **state)
{
    _cleanup_buf_ struct buf text = BUF_INIT(4096), packed = BUF_INIT(4096);
    json_t *entity = json_pack("{ss}", "name", "x");

    events_encode(ENCODING_JSON, entity, "namespace", "create", NOW_MS, &text);
    assert_string_equal(text.data, "{\"entity\":{\"name\":\"x\"},\"identity\":\"namespace\","
                                   "\"type\":\"create\",\"timestamp\":\"2020-09-13T12:26:40.123Z\","
                                   "\"encoding\":\"application/json\"}");
    events_encode(ENCODING_MSGPACK, entity, "namespace", "create", NOW_MS, &packed);
    assert_memory_equal(packed.data,
                        "\x85\xa6"
                        "entity\xc4\x08\x81\xa4name\xa1x\xa8identity\xa9namespace\xa4type\xa6"
                        "create\xa9timestamp\xd7\xff",
                        60);
    assert_int_equal(packed.error, 0);
    json_decref(entity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_configurations),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_token_alone_keeps_the_selection),
        cmocka_unit_test(test_encodings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
