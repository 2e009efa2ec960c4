/* SPDX-License-Identifier: Apache-2.0 */
#include "render_test.h"

/* Hosts that meet without a rule that names them, and what is told of a ruleset. */

static void put_lonely(struct render *render, const char *id, uint32_t number,
                       const char *namespace)
{
    _cleanup_tag_set_ struct tag_set tags = {0};
    const struct render_enforcer_input enforcer = {
        .id = id, .namespace = namespace, .number = number};
    const struct render_unit_input unit = {.id = id,
                                           .local_id = "l",
                                           .enforcer_id = id,
                                           .namespace = namespace,
                                           .tags = &tags,
                                           .active = true};

    assert_int_equal(tag_set_addf(&tags, "app=%s", id), 0);
    assert_int_equal(render_enforcer_put(render, &enforcer), 0);
    assert_int_equal(render_unit_put(render, &unit), 0);
}

static void put_object(struct render *render, const char *kind, const char *name, const char *text)
{
    json_t *body = json_loads(text, 0, NULL);

    assert_non_null(body);
    if (strcmp(kind, "namespace") == 0)
        assert_int_equal(render_namespace_put(render, name, body), 0);
    else if (strcmp(kind, "ruleset") == 0)
        put_ruleset(render, text, name, body);
    else
        assert_int_equal(render_network_put(render, text, name, body), 0);
    json_decref(body);
}

static bool knows(struct render *render, const char *id, const char *key)
{
    char *text = scope_text(render, id);
    bool has = strstr(text, key) != NULL;

    free(text);
    return has;
}

static const char allow[] = "{\"defaultPUIncomingTrafficAction\": \"Allow\"}";

static void flush(struct render *render)
{
    bool concerned[ENFORCERS];

    give_numbers(render);
    assert_int_equal(render_flush(render, note_concerned, concerned), 0);
}

/* e0 in /a, e1 in /b, e2 in /c; numbers 2000, 2001, 2002. */
static struct render *three_lonely(void)
{
    struct render *render;

    assert_int_equal(render_new(&render), 0);
    assert_int_equal(render_trust_put(render, "{}"), 0);
    put_lonely(render, "e0", 2000, "/a");
    put_lonely(render, "e1", 2001, "/b");
    put_lonely(render, "e2", 2002, "/c");
    return render;
}

/* No rule needs them: whoever fetches a host is told of it, and the host of whoever fetched. */
static void test_fetch(void **state)
{
    bool concerned[ENFORCERS] = {false};
    uint32_t met = 2001, stranger = 4711;
    struct render *render = three_lonely();

    put_object(render, "namespace", "/", allow);
    flush(render);
    assert_false(knows(render, "e0", "h:2001"));

    assert_int_equal(render_fetch(render, "e9", &met, 1, NULL, 0), -ENOENT);
    assert_int_equal(render_fetch(render, "e0", &stranger, 1, NULL, 0), 0);
    assert_int_equal(render_fetch(render, "e0", &met, 1, NULL, 0), 0);
    assert_int_equal(render_flush(render, note_concerned, concerned), 0);
    assert_true(concerned[0] && concerned[1] && !concerned[2]);
    assert_true(knows(render, "e0", "h:2001"));
    assert_true(knows(render, "e1", "h:2000"));
    assert_true(knows(render, "e1", "i:"));
    render_free(&render);
}

#define TO_NETWORK                                                                                 \
    "{\"name\": \"r\", \"subject\": [[\"app=e1\"]], \"outgoingRules\": [{\"action\": \"Allow\", "  \
    "\"object\": [[\"externalnetwork:name=x\"]]}]}"
#define TO_UNIT(subject, object)                                                                   \
    "{\"name\": \"r\", \"subject\": [[\"" subject "\"]], \"incomingRules\": [{\"action\": "        \
    "\"Allow\", \"object\": [[\"" object "\"]]}]}"
#define NETWORK                                                                                    \
    "{\"name\": \"x\", \"associatedTags\": [\"externalnetwork:name=x\"], \"entries\": "            \
    "[\"192.0.2.0/24\"]}"

/* e0 asks for everything that there is: it is told of those that could talk to it. */
static void test_fetch_needs_a_reason(void **state)
{
    static const struct {
        struct {
            const char *kind, *namespace, *body;
        } objects[2];
        bool host, back;
    } cases[] = {
        {{{NULL, NULL, NULL}}, false, false},
        {{{"namespace", "/a", allow}}, false, false}, /* e0 is open, but e1 could not answer */
        {{{"namespace", "/b", allow}}, true, false},
        {{{"namespace", "/c", allow}}, false, false},
        {{{"namespace", "/b", allow}, {"namespace", "/a", allow}}, true, true},
        {{{"ruleset", "/b", TO_NETWORK}}, false, false}, /* there is no such network */
        {{{"ruleset", "/b", TO_NETWORK}, {"network", "/c", NETWORK}}, false, false},
        {{{"ruleset", "/b", TO_NETWORK}, {"network", "/b", NETWORK}}, true, false},
        {{{"ruleset", "/c", TO_NETWORK}, {"network", "/c", NETWORK}}, false, false},
        {{{"ruleset", "/b", TO_UNIT("app=e1", "app=e0")}}, true, true} /* e1 by its rule */,
        {{{"ruleset", "/b", TO_UNIT("app=e1", "app=e2")}}, false, false},
        {{{"ruleset", "/b", TO_UNIT("app=e1", "app=e1")}}, false, false},
    };
    uint32_t hosts[] = {2000, 2001, 2002};
    _cleanup_tag_set_ struct tag_set tags = {0};
    uint32_t identity;
    char key[32];

    assert_int_equal(tag_set_add(&tags, "app=e1"), 0);
    identity = identity_id("/b", &tags);
    snprintf(key, sizeof(key), "i:%u", identity);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct render *render = three_lonely();

        for (size_t j = 0; j < 2 && cases[i].objects[j].kind; j++)
            put_object(render, cases[i].objects[j].kind, cases[i].objects[j].namespace,
                       cases[i].objects[j].body);
        flush(render);
        assert_int_equal(render_fetch(render, "e0", hosts, 3, &identity, 1), 0);
        flush(render);
        if (knows(render, "e0", "h:2001") != cases[i].host ||
            knows(render, "e0", key) != cases[i].host ||
            knows(render, "e1", "h:2000") != cases[i].back)
            fail_msg("case %zu", i);
        render_free(&render);
    }
}

/* What an answer was remembered for is not true any more. */
static void test_fetch_after_a_change(void **state)
{
    struct render *render = three_lonely();
    uint32_t met = 2001;

    flush(render);
    assert_int_equal(render_fetch(render, "e0", &met, 1, NULL, 0), 0);
    put_object(render, "namespace", "/b", allow);
    flush(render);
    assert_false(knows(render, "e0", "h:2001"));
    put_object(render, "namespace", "/b", "{\"defaultPUIncomingTrafficAction\": \"Reject\"}");
    flush(render);
    assert_int_equal(render_fetch(render, "e0", &met, 1, NULL, 0), 0);
    flush(render);
    assert_false(knows(render, "e0", "h:2001"));
    put_object(render, "namespace", "/b", allow);
    flush(render);
    assert_int_equal(render_fetch(render, "e0", &met, 1, NULL, 0), 0);
    flush(render);
    assert_true(knows(render, "e0", "h:2001"));
    render_free(&render);
}

/* What is handed on of a ruleset is what policy files have, as it is stored; tags are compared as
 * they are meant, however they are written. */
static void test_ruleset_text(void **state)
{
    static const char body[] = "{\"description\":\"stays here\",\"name\":\"a "
                               "\\\"b\\\"\",\"outgoingRules\":[{\"object\":[[\"ne"
                               "t=x\"]],\"action\":\"Allow\"}],\"subject\":[[\"none=\\\"\"],[\"app="
                               "\\u00650\",\"app=e0\"]]}";
    static const char expected[] =
        "{\"name\":\"a "
        "\\\"b\\\"\",\"outgoingRules\":[{\"object\":[[\"net=x\"]],\"action\":\"Allow\"}],"
        "\"subject\":[[\"none=\\\"\"],[\"app=\\u00650\",\"app=e0\"]],\"namespace\":\"/a\"}";
    struct render *render = three_lonely();
    char line[64];

    snprintf(line, sizeof(line), "r:one %llx\n",
             (unsigned long long)link_version(expected, strlen(expected)));
    assert_int_equal(render_ruleset_put(render, "one", "/a", body, strlen(body)), 0);
    flush(render);
    assert_true(knows(render, "e0", line));
    assert_false(knows(render, "e1", "r:one"));
    assert_int_equal(render_ruleset_put(render, "one", "/a", NULL, 0), 0);
    flush(render);
    assert_false(knows(render, "e0", "r:one"));
    render_free(&render);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch),
        cmocka_unit_test(test_fetch_needs_a_reason),
        cmocka_unit_test(test_fetch_after_a_change),
        cmocka_unit_test(test_ruleset_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
