/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/model.h"
#include "schema/schema.h"

/*
 * What the Console accepts an Enforcer must be able to read, and the other way round: random
 * objects, right and wrong ones, are given to both. PROPERTY_SEED and PROPERTY_CASES choose another
 * run.
 */

#define CASES 5000

static uint64_t state_of_random;

static unsigned pick(unsigned n)
{
    state_of_random = state_of_random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(state_of_random >> 33) % n;
}

#define PICK(array) ((array)[pick(ARRAY_SIZE(array))])

static json_t *random_tag(void)
{
    static const char *const tags[] = {
        "a=b",         "a=b",          "a=c",
        "$name=x",     "@org:group=g", "app=web",
        "k=v w",       "x==",          "externalnetwork:name=n",
        "k\xc3\xa4=1", "c=d",          "e=f",
    };
    static const char *const wrong[] = {"a", "", "=b", "a b=c", "a=", "a=\n"};

    return json_string(pick(60) ? PICK(tags) : PICK(wrong));
}

static json_t *random_list(json_t *(*make)(void), unsigned max)
{
    json_t *list = json_array();

    for (unsigned n = pick(12) ? 1 + pick(max) : 0; n > 0; n--)
        json_array_append_new(list, make());
    return list;
}

static json_t *random_clause(void)
{
    return random_list(random_tag, 3);
}

static json_t *random_port(void)
{
    static const char *const ports[] = {
        "tcp/80",      "TCP/80", "tcp/80:90",     "tcp/0",  "udp/65535",
        "icmp",        "icmp/8", "icmp6/1/0:3,5", "gre",    "icmp/8/0",
        "ipv6-icmp/1", "sctp",   "tcp/443",       "udp/53", "esp",
    };
    static const char *const wrong[] = {
        "any", "tcp", "tcp/90:80", "tcp/65536", "icmp/256", "icmp/8/1,1", "nosuch", "", "80",
    };

    return json_string(pick(20) ? PICK(ports) : PICK(wrong));
}

/* Sometimes what is given is no more than the default, or of another type. */
static void maybe(json_t *object, const char *key, json_t *value)
{
    if (pick(150) == 0)
        json_object_set_new(object, key, json_integer(5));
    else if (pick(3))
        json_object_set(object, key, value);
    json_decref(value);
}

static void always(json_t *object, const char *key, json_t *value)
{
    if (pick(40))
        json_object_set(object, key, value);
    json_decref(value);
}

static json_t *random_name(void)
{
    static const char *const names[] = {"",
                                        "r",
                                        "a rule",
                                        "0123456789abcdef",
                                        "0123456789abcdefg",
                                        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"};

    return json_string(PICK(names));
}

static json_t *random_rule(void)
{
    static const char *const actions[] = {"Allow", "Allow", "Allow", "Reject", "Reject", "allow"};
    json_t *rule = json_object();

    always(rule, "action", json_string(actions[pick(20) ? pick(5) : 5]));
    always(rule, "object", random_list(random_clause, 2));
    maybe(rule, "protocolPorts", random_list(random_port, 3));
    maybe(rule, "name", pick(4) ? json_string("r") : random_name());
    maybe(rule, "logsDisabled", json_boolean(pick(2)));
    maybe(rule, "observationEnabled", json_boolean(pick(2)));
    if (pick(200) == 0)
        json_object_set_new(rule, "objekt", json_array());
    return rule;
}

static void random_common(json_t *object)
{
    static const char *const tags[] = {"a=b", "app=x", "externalnetwork:name=n", "a=c", "@a=b"};
    json_t *annotations = json_object();

    always(object, "name", json_string(pick(30) ? "an object" : ""));
    maybe(object, "description", json_string("text"));
    maybe(object, "propagate", json_boolean(pick(2)));
    maybe(object, "protected", json_boolean(pick(2)));
    json_object_set_new(annotations, "k", json_pack("[s]", "v"));
    maybe(object, "annotations", annotations);
    maybe(object, "associatedTags", json_pack("[s]", tags[pick(20) ? pick(4) : 4]));
    maybe(object, "metadata", json_pack("[s]", pick(20) ? "@a:b=c" : "@auth:a=b"));
}

static json_t *random_ruleset(void)
{
    json_t *object = json_object();

    random_common(object);
    always(object, "subject", random_list(random_clause, 3));
    maybe(object, "incomingRules", random_list(random_rule, 4));
    maybe(object, "outgoingRules", random_list(random_rule, 4));
    maybe(object, "fallback", json_boolean(pick(2)));
    maybe(object, "disabled", json_boolean(pick(2)));
    return object;
}

static json_t *random_entry(void)
{
    static const char *const entries[] = {
        "10.0.0.0/8",    "10.1.0.0/16", "!10.1.0.0/16", "!10.2.0.0/16",     "192.0.2.1",
        "2001:db8::/32", "::/0",        "0.0.0.0/0",    "!2001:db8:1::/48", "a.example",
        "*.example",     "A.example.",  "0.0.0.0/1",    "b.example",
    };
    static const char *const wrong[] = {
        "", "!", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "a..b", "*", "a.*.b", "!a.example", "a b",
    };

    return json_string(pick(25) ? PICK(entries) : PICK(wrong));
}

static json_t *random_network(void)
{
    static const char *const types[] = {"Subnet", "ENI", "Subnets"};
    json_t *object = json_object();

    random_common(object);
    always(object, "entries", random_list(random_entry, 5));
    maybe(object, "matchProcessingUnits", json_boolean(pick(2)));
    maybe(object, "type", json_string(types[pick(20) ? pick(2) : 2]));
    maybe(object, "servicePorts", random_list(random_port, 3));
    return object;
}

static json_t *random_namespace(void)
{
    static const char *const names[] = {"a", "/a/b", "a/b", "a//b", "a b", "/a/"};
    static const char *const actions[] = {"Allow", "Reject", "Inherit", "reject"};
    json_t *object = json_object();

    random_common(object);
    json_object_del(object, "propagate");
    json_object_set_new(object, "name", json_string(names[pick(10) ? pick(3) : 3 + pick(3)]));
    maybe(object, "defaultPUIncomingTrafficAction", json_string(actions[pick(20) ? pick(3) : 3]));
    maybe(object, "defaultPUOutgoingTrafficAction", json_string(actions[pick(20) ? pick(3) : 3]));
    maybe(object, "rejectMode", json_string(pick(20) ? "reset" : "Reset"));
    maybe(object, "organizationalMetadata", json_pack("[s]", pick(20) ? "@org:a=b" : "@orga=b"));
    maybe(object, "tagPrefixes", json_pack("[s]", "app="));
    return object;
}

static bool enforcer_takes(const char *plural, json_t *object)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    _cleanup_estate_ struct estate *estate = NULL;
    json_t *envelope = json_pack("{s:{s:[O]}}", "data", plural, object);
    char *text = json_dumps(envelope, JSON_COMPACT);
    int r;

    assert_int_equal(estate_builder_new("/", &builder), 0);
    r = estate_builder_add(builder, "x.json", text, strlen(text), DOCUMENT_JSON, &diagnostics);
    if (r == 0)
        r = estate_builder_finish(builder, &diagnostics, &estate);
    free(text);
    json_decref(envelope);
    return r == 0;
}

static void fail_on(const char *what, const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);

    fail_msg("%s: %s", what, text);
}

/* Returns whether it was accepted. */
static bool check_case(const char *plural, json_t *given)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    const struct schema_kind *kind = schema_kind_by_plural(plural);
    json_t *sparse = NULL, *complete, *again = NULL;
    bool taken =
        schema_accept(kind, SCHEMA_WRITER_USER, given, NULL, false, &problems, &sparse) == 0;

    if (taken != enforcer_takes(plural, given))
        fail_on(taken ? "only the Console takes" : problems.items[0].message, given);
    if (!taken)
        return false;
    complete = schema_complete(kind, sparse, NULL, NULL);
    json_object_del(complete, "ID"); /* empty until the Console fills them in */
    json_object_del(complete, "namespace");
    if (!enforcer_takes(plural, sparse))
        fail_on("the Enforcer does not take the stored form", sparse);
    /* The complete form of a namespace has words for what is not set; no file has those. */
    if (!json_object_get(complete, "rejectMode") && !enforcer_takes(plural, complete))
        fail_on("the Enforcer does not take the complete form", complete);
    assert_int_equal(
        schema_accept(kind, SCHEMA_WRITER_USER, complete, NULL, false, &problems, &again), 0);
    if (!json_equal(sparse, again))
        fail_on("sparse, complete, sparse is another object", given);
    json_decref(again);
    json_decref(complete);
    json_decref(sparse);
    return true;
}

static void run(const char *plural, json_t *(*make)(void))
{
    const char *seed = getenv("PROPERTY_SEED"), *cases = getenv("PROPERTY_CASES");
    unsigned long n = cases ? strtoul(cases, NULL, 10) : CASES, taken = 0;

    state_of_random = seed ? strtoull(seed, NULL, 10) : 1;
    for (unsigned long i = 0; i < n; i++) {
        json_t *object = make();

        taken += check_case(plural, object);
        json_decref(object);
    }
    /* Neither side is empty. */
    assert_true(taken > n / 20 && taken < n - n / 20);
}

static void test_rulesets(void **state)
{
    run("networkrulesetpolicies", random_ruleset);
}

static void test_networks(void **state)
{
    run("externalnetworks", random_network);
}

static void test_namespaces(void **state)
{
    run("namespaces", random_namespace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rulesets),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_namespaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
