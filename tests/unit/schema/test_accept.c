/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/error.h"
#include "schema/schema.h"

#define CSR "-----BEGIN CERTIFICATE REQUEST-----\\nx\\n-----END CERTIFICATE REQUEST-----\\n"

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *value = text ? json_loads(text, 0, &error) : NULL;

    if (text && !value)
        fail_msg("%s: %s", text, error.text);
    return value;
}

/* The attribute and message of the first problem as "attribute: message", "" when there is none. */
static const char *refused(const char *kind, enum schema_writer writer, const char *given,
                           const char *stored, bool partial)
{
    static char text[4096];
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *body = parse(given), *present = parse(stored), *result = NULL;
    int r =
        schema_accept(schema_kind_find(kind), writer, body, present, partial, &problems, &result);

    text[0] = '\0';
    if (r == -BULKHEAD_EINVALID_INPUT) {
        assert_true(problems.n > 0);
        assert_null(result);
        snprintf(text, sizeof(text), "%s: %s", problems.items[0].attribute,
                 problems.items[0].message);
    } else {
        assert_int_equal(r, 0);
        assert_int_equal(problems.n, 0);
        assert_non_null(result);
    }
    json_decref(result);
    json_decref(body);
    json_decref(present);
    return text;
}

static json_t *accepted(const char *kind, enum schema_writer writer, const char *given,
                        const char *stored, bool partial)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *body = parse(given), *present = parse(stored), *result = NULL;

    if (schema_accept(schema_kind_find(kind), writer, body, present, partial, &problems, &result) <
        0)
        fail_msg("%s: %s", problems.items[0].attribute, problems.items[0].message);
    json_decref(body);
    json_decref(present);
    return result;
}

/* Takes `value`. */
static void assert_json(json_t *value, const char *expected)
{
    json_t *wanted = parse(expected);

    if (!json_equal(value, wanted)) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

        fail_msg("found %s, expected %s", text, expected);
    }
    json_decref(value);
    json_decref(wanted);
}

struct wrong {
    const char *kind, *given, *problem;
};

#define RULE "\"action\": \"Allow\", \"object\": [[\"b=c\"]]"
#define RULESET(rules) "{\"name\": \"x\", \"subject\": [[\"a=b\"]], \"outgoingRules\": [" rules "]}"
#define NETWORK(entries) "{\"name\": \"x\", \"entries\": [" entries "]}"
#define ACCESS(subject)                                                                            \
    "{\"name\": \"x\", \"subject\": " subject                                                      \
    ", \"authorizedIdentities\": [\"@auth:role=namespace.viewer\"],"                               \
    "\"authorizedNamespace\": \"/a\"}"

static const struct wrong wrong_values[] = {
    {"netset", "[]", ": found an empty list, expected an object"},
    {"netset", "{\"subjekt\": []}",
     "subjekt: found unknown attribute 'subjekt', did you mean 'subject'?"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"a=b\"]], \"zzz\\n\": 1}",
     "'zzz\\n': found unknown attribute 'zzz\\n', expected one of those of the kind"},
    {"netset", "{\"subject\": [[\"a=b\"]]}", "name: found nothing, expected a value"},
    {"netset", "{\"name\": \"\", \"subject\": [[\"a=b\"]]}",
     "name: found nothing, expected a value"},
    {"netset", "{\"name\": 5, \"subject\": [[\"a=b\"]]}",
     "name: found an integer '5', expected a string"},
    {"netset", "{\"name\": \"a\\nb\", \"subject\": [[\"a=b\"]]}",
     "name: found a string 'a\\nb', expected text without control characters"},
    {"netset", "{\"name\": \"x\"}", "subject: found nothing, expected a value"},
    {"netset", "{\"name\": \"x\", \"subject\": []}",
     "subject: found an empty list, expected at least one value"},
    {"netset", "{\"name\": \"x\", \"subject\": [[]]}",
     "subject[0]: found an empty list, expected a list of at least one tag"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"a=b\", \"a\"]]}",
     "subject[0][1]: found a string 'a', expected a tag of the form key=value"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"\"]]}",
     "subject[0][0]: found a string '', expected a tag of the form key=value"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"a=b\", \"c=d\", \"a=b\"]]}",
     "subject[0][2]: found a string 'a=b' again, expected each one once"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"a=b\"]], \"propagate\": \"yes\"}",
     "propagate: found a string 'yes', expected true or false"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"a=b\"]], \"associatedTags\": [\"$a=b\"]}",
     "associatedTags[0]: found a string '$a=b', expected a tag that does not start with '@', '$' "
     "or '+'"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"a=b\"]], \"metadata\": [\"a=b\"]}",
     "metadata[0]: found a string 'a=b', expected a tag that starts with '@'"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"a=b\"]], \"metadata\": [\"@auth:a=b\"]}",
     "metadata[0]: found a string '@auth:a=b', expected a tag that does not start with '@auth:'"},
    {"netset", "{\"name\": \"x\", \"subject\": [[\"a=b\"]], \"annotations\": {\"k\": \"v\"}}",
     "annotations.k: found a string 'v', expected a list of strings"},
    {"netset", RULESET("5"), "outgoingRules[0]: found an integer '5', expected an object"},
    {"netset", RULESET("{\"object\": [[\"b=c\"]]}"),
     "outgoingRules[0].action: found nothing, expected a value"},
    {"netset", RULESET("{\"action\": \"allow\", \"object\": [[\"b=c\"]]}"),
     "outgoingRules[0].action: found a string 'allow', expected Allow or Reject"},
    {"netset", RULESET("{\"action\": \"Allow\"}"),
     "outgoingRules[0].object: found nothing, expected a value"},
    {"netset", RULESET("{" RULE ", \"name\": \"12345678901234567\"}"),
     "outgoingRules[0].name: found 17 characters, expected at most 16"},
    {"netset", RULESET("{" RULE ", \"protcolPorts\": []}"),
     "outgoingRules[0].protcolPorts: found unknown attribute 'protcolPorts', did you mean "
     "'protocolPorts'?"},
    {"netset", RULESET("{" RULE ", \"protocolPorts\": null}"),
     "outgoingRules[0].protocolPorts: found null, expected a list of strings"},
    {"netset", RULESET("{" RULE ", \"protocolPorts\": [\"tcp/80\", \"tcp/99999\"]}"),
     "outgoingRules[0].protocolPorts[1]: found a string 'tcp/99999', expected a port of 0 to 65535 "
     "after the protocol"},
    {"netset", RULESET("{" RULE ", \"protocolPorts\": [\"tcp/80\", \"any\"]}"),
     "outgoingRules[0].protocolPorts[1]: found a string 'any' beside others, expected it alone"},
    {"netset", RULESET("{" RULE ", \"protocolPorts\": [\"icmp6/1\", \"ICMP6/1\"]}"),
     "outgoingRules[0].protocolPorts[1]: found a string 'ICMP6/1' again, expected each entry once"},
    {"netset", RULESET("{" RULE "}, {" RULE ", \"name\": \"n\"}"),
     "outgoingRules[1]: found the same action, object and ports as at index 0, expected each rule "
     "once"},
    {"netset",
     RULESET("{\"action\": \"Allow\", \"object\": [[\"a=1\", \"b=2\"], [\"b=2\", \"a=1\"]]}"),
     "outgoingRules[0].object[1]: found the same clause as at index 0, expected each clause once"},
    {"netset", RULESET("{" RULE ", \"networks\": [{\"ID\": \"1\"}]}"),
     "outgoingRules[0].networks[0].ID: found a string '1', expected no change: the attribute is "
     "read-only"},
    {"extnet", NETWORK(""), "entries: found an empty list, expected at least one value"},
    {"extnet", NETWORK("\"\""),
     "entries[0]: found a string '', expected an IP address or CIDR, with '!' before it for a "
     "hole"},
    {"extnet", NETWORK("\"10.0.0.1/8\""),
     "entries[0]: found a string '10.0.0.1/8', expected a CIDR without address bits past its "
     "length"},
    {"extnet", NETWORK("\"10.0.0.0/8\", \"!11.0.0.0/16\""),
     "entries[1]: found '!11.0.0.0/16', expected a hole inside a larger CIDR of the same list"},
    {"extnet", NETWORK("\"10.0.0.0/8\", \"b.example\", \"10.0.0.0/8\""),
     "entries[2]: found a string '10.0.0.0/8' again, expected each network once"},
    {"extnet", NETWORK("\"a.example\", \"A.example\""),
     "entries[1]: found a string 'A.example' again, expected each name once"},
    {"ns", "{\"name\": \"a//b\"}",
     "name: found a string 'a//b', expected a namespace without empty parts"},
    {"ns", "{\"name\": \"/\"}",
     "name: found a string '/', expected the name of a namespace below the root"},
    {"ns", "{\"name\": \"a\", \"organizationalMetadata\": [\"a=b\"]}",
     "organizationalMetadata[0]: found a string 'a=b', expected a tag that starts with '@org:'"},
    {"ns", "{\"name\": \"a\", \"defaultEnforcerVersion\": \"latest\"}",
     "defaultEnforcerVersion: found a string 'latest', expected a version like 1.2.3"},
    {"ns", "{\"name\": \"a\", \"serviceCertificateValidity\": \"1w\"}",
     "serviceCertificateValidity: found a string '1w', expected a duration like 30s, 15m, 24h or "
     "1h30m"},
    {"profile", "{\"name\": \"a\", \"targetUDPNetworks\": [\"239.0.0.0/8\"]}",
     "targetUDPNetworks[0]: found a string '239.0.0.0/8', expected a network that is not "
     "multicast"},
    {"profile", "{\"name\": \"a\", \"targetNetworks\": [\"www.example\"]}",
     "targetNetworks[0]: found a string 'www.example', expected an IP address or CIDR, with '!' "
     "before it for a hole"},
    {"profile", "{\"name\": \"a\", \"excludedInterfaces\": [\"\"]}",
     "excludedInterfaces[0]: found a string '', expected the name of a network interface (1 to 15 "
     "characters)"},
    {"profile", "{\"name\": \"a\", \"syslogFacility\": 24}",
     "syslogFacility: found an integer '24', expected an integer of 0 to 23"},
    {"hostsrv", "{\"name\": \"a b\", \"services\": [\"tcp/80\"]}",
     "name: found a string 'a b', expected at most 127 letters, digits and '_'"},
    {"hostsrv", "{\"name\": \"a\"}",
     "services: found nothing, expected at least one service, or hostModeEnabled"},
    {"hostsrv", "{\"name\": \"a\", \"services\": [\"sctp\"]}",
     "services[0]: found a string 'sctp', expected a port or range of tcp or udp, like tcp/80, "
     "udp/80:100 or 443"},
    {"hostsrv", "{\"name\": \"a\", \"services\": [\"80:90\", \"udp/85\", \"tcp/85\"]}",
     "services[2]: found a string 'tcp/85', which overlaps another, expected no overlap"},
    {"apiauth", ACCESS("[[\"@auth:realm=vince\"]]"),
     "subject[0]: found only the realm, expected at least one more claim '@auth:…'"},
    {"apiauth", ACCESS("[[\"@auth:a=b\", \"@auth:c=d\"]]"),
     "subject[0]: found 0 claims '@auth:realm=…', expected exactly one"},
    {"apiauth", ACCESS("[[\"@auth:realm=a\", \"@auth:realm=b\"]]"),
     "subject[0]: found 2 claims '@auth:realm=…', expected exactly one"},
    {"apiauth", ACCESS("[[\"@auth:realm=vince\", \"app=x\"]]"),
     "subject[0][1]: found 'app=x', expected a claim that starts with '@auth:'"},
    {"apiauth", ACCESS("[[\"@auth:realm=oidc\", \"@auth:sub=x\"]]"),
     "subject[0]: found no '@auth:namespace=…', expected one with the realms oidc and saml"},
    {"appcred", "{\"name\": \"a\", \"roles\": [\"@auth:role=namespace.viewr\"]}",
     "roles[0]: found a string '@auth:role=namespace.viewr', expected a role of GET /roles: did "
     "you mean '@auth:role=namespace.viewer'?"},
    {"appcred", "{\"name\": \"a\", \"roles\": [\"enforcer,take\"]}",
     "roles[0]: found a string 'enforcer,take', expected verbs of any, get, list, post, put, patch "
     "and delete behind the kind"},
    {"appcred", "{\"name\": \"a\", \"roles\": [\"*,get\"], \"CSR\": \"x\"}",
     "CSR: found a string 'x', expected a PEM text (-----BEGIN CERTIFICATE REQUEST-----)"},
    {"account", "{\"name\": \"a\", \"email\": \"nobody\"}",
     "email: found a string 'nobody', expected an e-mail address"},
    {"import", "{\"data\": {\"data\": {\"namespace\": []}}}",
     "data.data.namespace: found unknown kind 'namespace', did you mean 'namespaces'?"},
    {"apiauth", ACCESS("[[\"@auth:realm=a\", \"@auth:b=c\"]], \"expirationTime\": \"tomorrow\""),
     "expirationTime: found a string 'tomorrow', expected a time like 2026-01-31T12:00:00Z (RFC "
     "3339)"},
    {"hostservicemappingpolicy", "{\"name\": \"a\", \"activeSchedule\": \"0 1 * *\"}",
     "activeSchedule: found a string '0 1 * *', expected five cron fields: minute hour day month "
     "weekday"},
};

static void test_wrong_values(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(wrong_values); i++) {
        const struct wrong *wrong = &wrong_values[i];
        const char *text = refused(wrong->kind, SCHEMA_WRITER_USER, wrong->given, NULL, false);

        if (strcmp(text, wrong->problem) != 0)
            fail_msg("%s %s\n  found    %s\n  expected %s", wrong->kind, wrong->given, text,
                     wrong->problem);
    }
}

static void test_nul_and_depth(void **state)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *body = json_object(), *deep = json_object(), *result = NULL;
    const struct schema_kind *kind = schema_kind_find("issue");

    json_object_set_new(body, "realm", json_string("Vince"));
    for (int i = 0; i < 30; i++) {
        json_t *outer = json_object();

        json_object_set_new(outer, "x", deep);
        deep = outer;
    }
    json_object_set_new(body, "metadata", deep);
    json_object_set_new(body, "audience", json_stringn_nocheck("a\0b", 3));
    assert_int_equal(schema_accept(kind, SCHEMA_WRITER_USER, body, NULL, false, &problems, &result),
                     -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(problems.n, 2);
    assert_string_equal(problems.items[0].attribute, "metadata");
    assert_string_equal(problems.items[1].message,
                        "found a string 'a\\x00b', expected text without NUL characters");
    json_decref(body);
}

/* At most SCHEMA_PROBLEMS_MAX are kept, the rest is counted. */
static void test_many_problems(void **state)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *body = json_object(), *result = NULL;
    char name[32];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "unknown%d", i);
        json_object_set_new(body, name, json_null());
    }
    assert_int_equal(schema_accept(schema_kind_find("ns"), SCHEMA_WRITER_USER, body, NULL, false,
                                   &problems, &result),
                     -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(problems.n, SCHEMA_PROBLEMS_MAX);
    assert_int_equal(problems.n_dropped, 101 - SCHEMA_PROBLEMS_MAX); /* and no name */
    json_decref(body);
}

/* Words that are near to many are costly to look up: a body full of them is answered at once. */
static void test_many_unknown_words(void **state)
{
    _cleanup_schema_problems_ struct schema_problems problems = {0};
    json_t *body = json_object(), *data = json_object(), *result = NULL;
    clock_t start = clock();
    char name[64];

    for (int i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "networkrulesetpoliciesandmore%d", i);
        json_object_set_new(body, name, json_null());
        json_object_set_new(data, name, json_null());
    }
    json_object_set_new(body, "data", json_pack("{s:o}", "data", data));
    assert_int_equal(schema_accept(schema_kind_find("import"), SCHEMA_WRITER_USER, body, NULL,
                                   false, &problems, &result),
                     -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(problems.n, SCHEMA_PROBLEMS_MAX);
    assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
    json_decref(body);
}

static void test_sparse(void **state)
{
    assert_json(
        accepted("netset", SCHEMA_WRITER_USER,
                 "{\"name\": \"x\", \"description\": \"\", \"subject\": [[\"a=b\"]],"
                 "\"propagate\": false, \"disabled\": true, \"metadata\": [], \"annotations\": {},"
                 "\"ID\": \"5f0000000000000000000001\", \"namespace\": \"/a\","
                 "\"createTime\": \"2026-01-01T00:00:00Z\", \"normalizedTags\": [\"$a=b\"],"
                 "\"outgoingRules\": [], \"incomingRules\": [{\"action\": \"Allow\","
                 "\"name\": \"\", \"object\": [[\"b=c\"]], \"protocolPorts\": [\"any\"],"
                 "\"logsDisabled\": false, \"networks\": []}]}",
                 NULL, false),
        "{\"name\": \"x\", \"subject\": [[\"a=b\"]], \"disabled\": true,"
        "\"incomingRules\": [{\"action\": \"Allow\", \"object\": [[\"b=c\"]]}]}");
    assert_json(accepted("apiauth", SCHEMA_WRITER_USER,
                         "{\"name\": \"x\", \"subject\": [[\"@auth:realm=certificate\","
                         "\"@auth:subject=x\"]], \"authorizedIdentities\": [\"*,get,list\"],"
                         "\"authorizedNamespace\": \"/a\","
                         "\"expirationTime\": \"2026-02-03T04:05:06+02:00\"}",
                         NULL, false),
                "{\"name\": \"x\", \"subject\": [[\"@auth:realm=certificate\","
                "\"@auth:subject=x\"]], \"authorizedIdentities\": [\"*,get,list\"],"
                "\"authorizedNamespace\": \"/a\","
                "\"expirationTime\": \"2026-02-03T02:05:06.000Z\"}");
}

static void test_put_and_patch(void **state)
{
    const char *stored = "{\"name\": \"x\", \"type\": \"Tenant\", \"description\": \"d\","
                         "\"rejectMode\": \"reset\"}";

    assert_json(accepted("ns", SCHEMA_WRITER_USER, "{\"name\": \"x\"}", stored, false),
                "{\"name\": \"x\", \"type\": \"Tenant\"}");
    assert_json(accepted("ns", SCHEMA_WRITER_USER, "{\"rejectMode\": null}", stored, true),
                "{\"name\": \"x\", \"type\": \"Tenant\", \"description\": \"d\"}");
    assert_json(accepted("ns", SCHEMA_WRITER_USER, "{}", stored, true), stored);
    assert_string_equal(refused("ns", SCHEMA_WRITER_USER, "{\"name\": \"y\"}", stored, true),
                        "name: found a string 'y', expected no change: it is set at creation only");
    assert_string_equal(refused("ns", SCHEMA_WRITER_USER, "{\"type\": \"Default\"}", stored, true),
                        "type: found a string 'Default', expected no change: it is set at creation "
                        "only");
    assert_string_equal(
        refused("ns", SCHEMA_WRITER_USER, "{\"name\": \"x\", \"type\": \"Tenant\"}", stored, false),
        "");
}

static void test_who_writes(void **state)
{
    const char *stored =
        "{\"name\": \"h\", \"type\": \"Host\", \"operationalStatus\": \"Running\"}";

    assert_string_equal(
        refused("pu", SCHEMA_WRITER_USER, "{\"operationalStatus\": \"Stopped\"}", stored, true),
        "operationalStatus: found a string 'Stopped', expected no change: only "
        "Enforcers set it");
    assert_string_equal(
        refused("pu", SCHEMA_WRITER_USER, "{\"operationalStatus\": \"Running\"}", stored, true),
        "");
    /* A PUT of what was read, with a tag more. */
    assert_json(accepted("pu", SCHEMA_WRITER_USER,
                         "{\"name\": \"h\", \"type\": \"Host\", \"associatedTags\": [\"a=b\"]}",
                         stored, false),
                "{\"name\": \"h\", \"type\": \"Host\", \"operationalStatus\": \"Running\","
                "\"associatedTags\": [\"a=b\"]}");
    assert_json(accepted("pu", SCHEMA_WRITER_ENFORCER, "{\"operationalStatus\": \"Initialized\"}",
                         stored, true),
                "{\"name\": \"h\", \"type\": \"Host\"}");
    assert_string_equal(refused("enforcer", SCHEMA_WRITER_ENFORCER,
                                "{\"name\": \"h\", \"FQDN\": \"h\", \"number\": 5}", NULL, false),
                        "number: found an integer '5', expected no change: the attribute is "
                        "read-only");
    assert_json(accepted("enforcer", SCHEMA_WRITER_CONSOLE,
                         "{\"name\": \"h\", \"FQDN\": \"h\", \"number\": 5}", NULL, false),
                "{\"name\": \"h\", \"FQDN\": \"h\", \"number\": 5}");
    assert_string_equal(
        refused("pu", SCHEMA_WRITER_USER, "{\"name\": \"x\", \"type\": \"Host\"}", NULL, false),
        "type: found a string 'Host', expected no change: only Enforcers set it");
}

static void test_secrets_and_transients(void **state)
{
    json_t *result = accepted("account", SCHEMA_WRITER_USER,
                              "{\"name\": \"a\", \"email\": \"a@b.example\", \"password\": \"p\"}",
                              "{\"name\": \"a\", \"email\": \"x@b.example\","
                              "\"passwordHash\": \"h\"}",
                              false);
    json_t *complete;

    assert_string_equal(json_string_value(json_object_get(result, "password")), "p");
    assert_string_equal(json_string_value(json_object_get(result, "passwordHash")), "h");
    complete = schema_complete(schema_kind_find("account"), result, NULL, NULL);
    assert_null(json_object_get(complete, "password"));
    assert_null(json_object_get(complete, "passwordHash"));
    assert_string_equal(json_string_value(json_object_get(complete, "email")), "a@b.example");
    json_decref(result);
    json_decref(complete);
    assert_json(accepted("appcred", SCHEMA_WRITER_USER,
                         "{\"name\": \"a\", \"roles\": [\"*,any\"], \"CSR\": \"" CSR "\","
                         "\"credentials\": null}",
                         NULL, false),
                "{\"name\": \"a\", \"roles\": [\"*,any\"], \"CSR\": \"" CSR "\"}");
}

static void test_complete(void **state)
{
    const struct schema_kind *kind = schema_kind_find("netset");
    const char *fields[] = {"name", "ID", "propagate", "nothing", NULL};
    json_t *sparse =
        parse("{\"name\": \"x\", \"subject\": [[\"a=b\"]],"
              "\"incomingRules\": [{\"action\": \"Allow\", \"object\": [[\"b=c\"]]}]}");
    json_t *computed = parse("{\"ID\": \"1\", \"namespace\": \"/a\"}");
    json_t *complete = schema_complete(kind, sparse, computed, fields), *rule;

    assert_json(complete, "{\"name\": \"x\", \"ID\": \"1\", \"propagate\": false}");
    complete = schema_complete(kind, sparse, computed, NULL);
    assert_string_equal(json_string_value(json_object_get(complete, "namespace")), "/a");
    rule = json_array_get(json_object_get(complete, "incomingRules"), 0);
    assert_json(json_incref(rule),
                "{\"name\": \"\", \"action\": \"Allow\", \"object\": [[\"b=c\"]],"
                "\"protocolPorts\": [\"any\"], \"logsDisabled\": false,"
                "\"observationEnabled\": false, \"networks\": []}");
    json_decref(complete);
    json_decref(computed);
    json_decref(sparse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_values),  cmocka_unit_test(test_nul_and_depth),
        cmocka_unit_test(test_many_problems), cmocka_unit_test(test_many_unknown_words),
        cmocka_unit_test(test_sparse),        cmocka_unit_test(test_put_and_patch),
        cmocka_unit_test(test_who_writes),    cmocka_unit_test(test_secrets_and_transients),
        cmocka_unit_test(test_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
