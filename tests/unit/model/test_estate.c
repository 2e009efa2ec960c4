/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/model.h"
#include "problems.h"

#define RULESET(body) "data:\n  networkrulesetpolicies:\n  - name: a\n" body
#define RULE(body) RULESET("    subject: [[a=b]]\n    incomingRules:\n    - " body "\n")
#define NETWORK(body) "data:\n  externalnetworks:\n  - name: n\n" body
#define ENTRIES(list) NETWORK("    entries: " list "\n")
#define NAMESPACE(body) "data: {namespaces: [{" body "}]}\n"
#define X16 "xxxxxxxxxxxxxxxx"
#define X256 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16

static int read_text(const char *namespace, const char *text, enum document_format format,
                     struct diagnostics *diagnostics, struct estate **ret)
{
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    int r, added;

    assert_int_equal(estate_builder_new(namespace, &builder), 0);
    added = estate_builder_add(builder, "f", text, strlen(text), format, diagnostics);
    r = estate_builder_finish(builder, diagnostics, ret);
    assert_true(added == 0 || r < 0); /* what was refused is not accepted at the end */
    return r;
}

struct row {
    const char *text, *problems;
};

static void check_refused(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        struct estate *estate = NULL;
        int r = read_text("/", rows[i].text, DOCUMENT_YAML, &diagnostics, &estate);

        assert_string_equal(problems_text(&diagnostics), rows[i].problems);
        assert_int_equal(r, -BULKHEAD_EINVALID_INPUT);
        assert_null(estate);
    }
}

static void test_wrong_envelopes(void **state)
{
    static const struct row rows[] = {
        {"[]", "1:1 found a list, expected a map"},
        {"text", "1:1 found a string 'text', expected a map"},
        {"{}", "1:1 found no 'data', expected this key"},
        {"APIVersion: 2\ndata: {}", "1:13 APIVersion: found an integer '2', expected 0 or 1"},
        {"APIVersion: '1'\ndata: {}", "1:13 APIVersion: found a string '1', expected an integer"},
        {"apiVersion: 1\ndata: {}",
         "1:1 apiVersion: found the unknown key 'apiVersion', expected 'APIVersion'"},
        {"label: 1\ndata: {}", "1:8 label: found an integer '1', expected a string (quote it)"},
        {"identities: [1]\ndata: {}",
         "1:14 identities[0]: found an integer '1', expected a string"},
        {"data: []", "1:7 data: found a list, expected a map"},
        {"data:\n  enforcerprofiles: []",
         "2:3 data.enforcerprofiles: found the unknown key 'enforcerprofiles', expected one of "
         "namespaces, externalnetworks, networkrulesetpolicies"},
        {"data:\n  networkrulesetpolicy: []",
         "2:3 data.networkrulesetpolicy: found the unknown key 'networkrulesetpolicy', expected "
         "'networkrulesetpolicies'"},
        {"data:\n  namespaces: {}", "2:15 data.namespaces: found a map, expected a list"},
        {"data:\n  namespaces:\n  - x",
         "3:5 data.namespaces[0]: found a string 'x', expected a map"},
        {"---\ndata: {}\n---\nx: 1\n",
         "4:1 x: found the unknown key 'x', expected one of APIVersion, label, identities, data\n"
         "4:1 found no 'data', expected this key"},
    };

    check_refused(rows, ARRAY_SIZE(rows));
}

static void test_wrong_rulesets(void **state)
{
    static const struct row rows[] = {
        {"data:\n  networkrulesetpolicies:\n  - {}",
         "3:5 data.networkrulesetpolicies[0]: found no 'name', expected this key\n"
         "3:5 data.networkrulesetpolicies[0]: found no 'subject', expected this key"},
        {"data: {networkrulesetpolicies: [{name: '', subject: [[a=b]]}]}",
         "1:40 data.networkrulesetpolicies[0].name: found 0 characters '', expected 1 to 256"},
        {"data: {networkrulesetpolicies: [{name: " X256 "x, subject: [[a=b]]}]}",
         "1:40 data.networkrulesetpolicies[0].name: found 257 characters "
         "'" X16 X16 X16 X16 X16 "'..., expected 1 to 256"},
        {"data: {networkrulesetpolicies: [{name: \"a\\nb\", subject: [[a=b]]}]}",
         "1:40 data.networkrulesetpolicies[0].name: found 'a\\nb', expected text without control "
         "characters"},
        {RULESET("    subject: []\n"), "4:14 data.networkrulesetpolicies[0].subject: found an "
                                       "empty list, expected at least one list "
                                       "of tags"},
        {RULESET("    subject: [[]]\n"), "4:15 data.networkrulesetpolicies[0].subject[0]: found an "
                                         "empty list, expected at least one tag"},
        {RULESET("    subject: [a=b]\n"), "4:15 data.networkrulesetpolicies[0].subject[0]: found a "
                                          "string 'a=b', expected a list of tags"},
        {RULESET("    subject: [[a=b, 5]]\n"), "4:21 data.networkrulesetpolicies[0].subject[0][1]: "
                                               "found an integer '5', expected a string"},
        {RULESET("    subject: [[a=b, c]]\n"), "4:21 data.networkrulesetpolicies[0].subject[0][1]: "
                                               "found a string 'c', expected a tag of the "
                                               "form key=value"},
        {RULESET("    subject: [[a=b, c=d, a=b]]\n"),
         "4:26 data.networkrulesetpolicies[0].subject[0][2]: found 'a=b' again, expected each tag "
         "once"},
        {RULESET("    subject:\n"),
         "4:13 data.networkrulesetpolicies[0].subject: found nothing, expected a list"},
        {RULESET("    subject: [[a=b]]\n    propagate: yes\n"),
         "5:16 data.networkrulesetpolicies[0].propagate: found a string 'yes', expected true or "
         "false"},
        {RULESET("    subject: [[a=b]]\n    rules: []\n"),
         "5:5 data.networkrulesetpolicies[0].rules: found the unknown key 'rules', expected one of "
         "name, "
         "namespace, description, associatedTags, metadata, annotations, protected, ID, "
         "normalizedTags, "
         "createTime, updateTime, subject, incomingRules, outgoingRules, propagate, fallback, "
         "disabled"},
        {RULESET("    subject: [[a=b]]\n    namespace: a b\n"),
         "5:16 data.networkrulesetpolicies[0].namespace: found 'a b', expected a namespace of "
         "letters, "
         "digits, '-', '_' and '/'"},
        {RULESET("    subject: [[a=b]]\n    associatedTags: ['$a=b', '@a=b', '+a=b', x]\n"),
         "5:22 data.networkrulesetpolicies[0].associatedTags[0]: found a string '$a=b', expected a "
         "tag "
         "that does not start with '@', '$' or '+'\n"
         "5:30 data.networkrulesetpolicies[0].associatedTags[1]: found a string '@a=b', expected a "
         "tag "
         "that does not start with '@', '$' or '+'\n"
         "5:38 data.networkrulesetpolicies[0].associatedTags[2]: found a string '+a=b', expected a "
         "tag "
         "that does not start with '@', '$' or '+'\n"
         "5:46 data.networkrulesetpolicies[0].associatedTags[3]: found a string 'x', expected a "
         "tag of "
         "the form key=value"},
        {RULESET("    subject: [[a=b]]\n    metadata: ['@auth:a=b', a=b]\n"),
         "5:16 data.networkrulesetpolicies[0].metadata[0]: found a string '@auth:a=b', expected a "
         "tag "
         "that does not start with '@auth:'\n"
         "5:29 data.networkrulesetpolicies[0].metadata[1]: found a string 'a=b', expected a tag "
         "that "
         "starts with '@'"},
        {RULESET("    subject: [[a=b]]\n    annotations: {k: v, l: [1]}\n"),
         "5:22 data.networkrulesetpolicies[0].annotations.k: found a string 'v', expected a list "
         "of "
         "strings\n"
         "5:29 data.networkrulesetpolicies[0].annotations.l[0]: found an integer '1', expected a "
         "string"},
        {RULESET("    subject: [[a=b]]\n    description: " X256 X256 X256 X256 "x\n"),
         "5:18 data.networkrulesetpolicies[0].description: found 1025 characters, expected at most "
         "1024"},
    };

    check_refused(rows, ARRAY_SIZE(rows));
}

static void test_wrong_rules(void **state)
{
#define AT "data.networkrulesetpolicies[0].incomingRules"
    static const struct row rows[] = {
        {RULE("{object: [[a=b]]}"), "6:7 " AT "[0]: found no 'action', expected this key"},
        {RULE("{action: Allow}"), "6:7 " AT "[0]: found no 'object', expected this key"},
        {RULE("{action: allow, object: [[a=b]]}"),
         "6:16 " AT "[0].action: found a string 'allow', expected Allow or Reject"},
        {RULE("{action: Allow, object: [[a=b], [c=d], [a=b]]}"),
         "6:46 " AT
         "[0].object[2]: found the same clause as at index 0, expected each clause once"},
        {RULE("{action: Allow, object: [[a=b, c=d], [c=d, a=b]]}"),
         "6:44 " AT
         "[0].object[1]: found the same clause as at index 0, expected each clause once"},
        {RULE("{action: Allow, object: [[a=b]], name: " X16 "x}"),
         "6:46 " AT "[0].name: found 17 characters '" X16 "x', expected 0 to 16"},
        {RULE("{action: Allow, object: [[a=b]], actoin: 1}"),
         "6:40 " AT "[0].actoin: found the unknown key 'actoin', expected 'action'"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: [tcp/99999]}"),
         "6:56 " AT
         "[0].protocolPorts[0]: found a string 'tcp/99999', expected a port of 0 to 65535 "
         "after the protocol"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: [any, tcp/1]}"),
         "6:56 " AT "[0].protocolPorts[0]: found 'any' beside others, expected it alone"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: [tcp/1, Any]}"),
         "6:63 " AT "[0].protocolPorts[1]: found 'any' beside others, expected it alone"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: [tcp/1, udp/1, TCP/1]}"),
         "6:70 " AT "[0].protocolPorts[2]: found a string 'TCP/1' again, expected each entry once"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: [icmp/8, 'icmp/8/0:255']}"),
         "6:64 " AT
         "[0].protocolPorts[1]: found a string 'icmp/8/0:255' again, expected each entry once"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: [80]}"),
         "6:56 " AT "[0].protocolPorts[0]: found an integer '80', expected a string"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: }"),
         "6:55 " AT "[0].protocolPorts: found nothing, expected a list"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: any}"),
         "6:55 " AT "[0].protocolPorts: found a string 'any', expected a list"},
        {RULE("{action: Allow, object: [[a=b]], protocolPorts: [tcp/1, udp/1], name: x}\n"
              "    - {action: Reject, object: [[a=b]], protocolPorts: [tcp/1, udp/1]}\n"
              "    - {action: Allow, object: [[a=b]], protocolPorts: [UDP/1, tcp/1]}"),
         "8:7 " AT
         "[2]: found the same action, object and ports as at index 0 (line 6), expected each "
         "rule once"},
        {RULE("{action: Allow, object: [[a=b]]}\n"
              "    - {action: Allow, object: [[a=b]], protocolPorts: [any], logsDisabled: true}"),
         "7:7 " AT
         "[1]: found the same action, object and ports as at index 0 (line 6), expected each "
         "rule once"},
    };
#undef AT

    check_refused(rows, ARRAY_SIZE(rows));
}

static void test_wrong_networks(void **state)
{
#define AT "data.externalnetworks[0].entries"
    static const struct row rows[] = {
        {NETWORK("    propagate: true\n"),
         "3:5 data.externalnetworks[0]: found no 'entries', expected this key"},
        {ENTRIES("[]"), "4:14 " AT ": found an empty list, expected at least one entry"},
        {ENTRIES("[5]"), "4:15 " AT "[0]: found an integer '5', expected a CIDR or domain name"},
        {ENTRIES("[10.0.0.1/8]"),
         "4:15 " AT
         "[0]: found '10.0.0.1/8', expected a CIDR without address bits past its length"},
        {ENTRIES("[10.0.0.0/33]"),
         "4:15 " AT
         "[0]: found '10.0.0.0/33', expected a CIDR with a length of 0 to 32 (IPv4) or 0 to "
         "128 (IPv6)"},
        {ENTRIES("[10.0.0]"),
         "4:15 " AT
         "[0]: found '10.0.0', expected an IP address or CIDR, with '!' before it for a hole"},
        {ENTRIES("['!a.example']"),
         "4:15 " AT
         "[0]: found '!a.example', expected an IP address or CIDR, with '!' before it for a "
         "hole"},
        {ENTRIES("[10.0.0.0/8, '!11.0.0.0/16']"),
         "4:27 " AT
         "[1]: found '!11.0.0.0/16', expected a hole inside a larger CIDR of the same list"},
        {ENTRIES("[10.0.0.0/8, '::/0', '::ffff:10.0.0.0/104']"),
         "4:35 " AT "[2]: found '::ffff:10.0.0.0/104' again, expected each CIDR once (first in "
         "entries[0])"},
        {ENTRIES("[10.0.0.0/8, 10.1.0.0/16, '!10.1.0.0/16']"),
         "4:40 " AT
         "[2]: found '!10.1.0.0/16' again, expected each CIDR once (first in entries[1])"},
        {ENTRIES("[a.*.example]"),
         "4:15 " AT
         "[0]: found 'a.*.example', expected a CIDR or a domain name with '*.' only at its "
         "front"},
        {ENTRIES("[\"a\\eb\"]"),
         "4:15 " AT
         "[0]: found 'a\\x1bb', expected a CIDR or a domain name of letters, digits, '-', '_' "
         "and '.'"},
        {ENTRIES("[10.0.0.0/8]") "    type: VPC\n",
         "5:11 data.externalnetworks[0].type: found a string 'VPC', expected Subnet, ENI, "
         "RDSCluster, "
         "RDSInstance or SecurityGroup"},
        {ENTRIES("[10.0.0.0/8]") "    servicePorts: [x]\n",
         "5:20 data.externalnetworks[0].servicePorts[0]: found a string 'x', expected any, "
         "tcp/PORT, "
         "udp/PORT, tcp/LOW:HIGH, udp/LOW:HIGH, icmp[/TYPE[/CODES]], icmp6[/TYPE[/CODES]] or the "
         "name of "
         "another IP protocol\n"
         "warning 5:5 data.externalnetworks[0].servicePorts: found 'servicePorts', which has no "
         "effect "
         "here"},
    };
#undef AT

    check_refused(rows, ARRAY_SIZE(rows));
}

static void test_wrong_namespaces(void **state)
{
    static const struct row rows[] = {
        {NAMESPACE("name: a b"),
         "1:28 data.namespaces[0].name: found 'a b', expected a namespace of "
         "letters, digits, '-', '_' and '/'"},
        {NAMESPACE("name: ''"),
         "1:28 data.namespaces[0].name: found '', expected the name of a namespace"},
        {NAMESPACE("name: a, defaultPUIncomingTrafficAction: Drop"),
         "1:63 data.namespaces[0].defaultPUIncomingTrafficAction: found a string 'Drop', expected "
         "Inherit, Allow or Reject"},
        {NAMESPACE("name: a, rejectMode: rst"),
         "1:43 data.namespaces[0].rejectMode: found a string 'rst', expected drop or reset"},
        {NAMESPACE("name: a, type: x"), "1:37 data.namespaces[0].type: found a string 'x', "
                                        "expected Default, Tenant, CloudAccount, "
                                        "Group or Kubernetes"},
        {NAMESPACE("name: a, organizationalMetadata: ['a=b']"),
         "1:56 data.namespaces[0].organizationalMetadata[0]: found a string 'a=b', expected a tag "
         "that "
         "starts with '@org:'"},
        {NAMESPACE("name: a, tagPrefixes: [1]"),
         "1:45 data.namespaces[0].tagPrefixes[0]: found an integer '1', expected a string\n"
         "warning 1:31 data.namespaces[0].tagPrefixes: found 'tagPrefixes', which has no effect "
         "here"},
    };

    check_refused(rows, ARRAY_SIZE(rows));
}

static void test_duplicates_over_files(void **state)
{
    static const char first[] = "data:\n  namespaces: [{name: /a}]\n"
                                "  externalnetworks: [{name: n, entries: ['::/0']}]\n"
                                "  networkrulesetpolicies: [{name: r, subject: [[a=b]]}]\n";
    static const char second[] =
        "data:\n  namespaces:\n  - name: b\n  - name: a\n"
        "  externalnetworks: [{name: n, namespace: /, entries: ['::/0']}]\n"
        "  networkrulesetpolicies:\n"
        "  - {name: r, namespace: /a, subject: [[a=b]]}\n"
        "  - {name: r, subject: [[a=b]]}\n";
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct estate *estate = NULL;

    assert_int_equal(estate_builder_new("/", &builder), 0);
    assert_int_equal(
        estate_builder_add(builder, "one", first, strlen(first), DOCUMENT_YAML, &diagnostics), 0);
    assert_int_equal(
        estate_builder_add(builder, "two", second, strlen(second), DOCUMENT_YAML, &diagnostics), 0);
    assert_int_equal(estate_builder_finish(builder, &diagnostics, &estate),
                     -BULKHEAD_EINVALID_INPUT);
    assert_null(estate);
    assert_string_equal(
        problems_text(&diagnostics),
        "4:5 data.namespaces[1]: found the name '/a' again, expected it once (first at one:2)\n"
        "5:22 data.externalnetworks[0]: found the name 'n' again in namespace /, expected it once "
        "(first "
        "at one:3)\n"
        "8:5 data.networkrulesetpolicies[1]: found the name 'r' again in namespace /, expected it "
        "once "
        "(first at one:4)");
    assert_string_equal(diagnostics.items[0].file, "two");
}

static void test_one_wrong_file_refuses_all(void **state)
{
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0}, none = {0};
    struct estate *estate = NULL;

    assert_int_equal(estate_builder_new("a", &builder), -EINVAL);
    assert_int_equal(estate_builder_new("/", &builder), 0);
    assert_int_equal(estate_builder_add(builder, "one", "x", 1, DOCUMENT_YAML, &diagnostics),
                     -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(estate_builder_add(builder, "two", "data: {}", 8, DOCUMENT_YAML, &diagnostics),
                     0);
    assert_int_equal(estate_builder_finish(builder, &none, &estate), -BULKHEAD_EINVALID_INPUT);
    assert_null(estate);
}

static void test_empty_files(void **state)
{
    static const char *const texts[] = {"", "# nothing\n", "---\n---\n"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        _cleanup_estate_ struct estate *estate = NULL;

        assert_int_equal(read_text("/", texts[i], DOCUMENT_YAML, &diagnostics, &estate), 0);
        assert_string_equal(
            problems_text(&diagnostics),
            "warning 0:0 found an empty file, expected an import envelope with 'data'");
        assert_int_equal(estate->n_namespaces + estate->n_networks + estate->n_rulesets, 0);
    }
}

static void test_namespaces_of_objects(void **state)
{
    static const char text[] = "data:\n"
                               "  namespaces:\n"
                               "  - {name: /z}\n"
                               "  - {name: shop, defaultPUIncomingTrafficAction: Reject}\n"
                               "  - {name: x/y, namespace: sub, rejectMode: reset}\n"
                               "  - {name: w, namespace: /, defaultPUOutgoingTrafficAction: Allow, "
                               "rejectMode: drop}\n"
                               "  networkrulesetpolicies:\n"
                               "  - {name: c, subject: [[a=b]]}\n"
                               "  - {name: b, namespace: deep/er, subject: [[a=b]]}\n"
                               "  - {name: d, namespace: /, subject: [[a=b]]}\n"
                               "  - {name: a, subject: [[a=b]]}\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL;

    assert_int_equal(read_text("/a", text, DOCUMENT_YAML, &diagnostics, &estate), 0);
    assert_int_equal(diagnostics.n, 0);
    assert_int_equal(estate->n_namespaces, 4);
    assert_string_equal(estate->namespaces[0].name, "/a/shop");
    assert_int_equal(estate->namespaces[0].defaults[MODEL_DIRECTION_IN], MODEL_ACTION_REJECT);
    assert_int_equal(estate->namespaces[0].defaults[MODEL_DIRECTION_OUT], MODEL_ACTION_NONE);
    assert_false(estate->namespaces[0].reject_mode_set);
    assert_string_equal(estate->namespaces[1].name, "/a/sub/x/y");
    assert_true(estate->namespaces[1].reject_mode_set && estate->namespaces[1].reject_reset);
    assert_string_equal(estate->namespaces[2].name, "/w");
    assert_int_equal(estate->namespaces[2].defaults[MODEL_DIRECTION_OUT], MODEL_ACTION_ALLOW);
    assert_true(estate->namespaces[2].reject_mode_set && !estate->namespaces[2].reject_reset);
    assert_string_equal(estate->namespaces[3].name, "/z");
    assert_int_equal(estate->namespaces[3].position.line, 3);
    assert_string_equal(estate->namespaces[3].position.file, "f");
    /* By depth, namespace, name. */
    assert_string_equal(estate->rulesets[0].name, "d");
    assert_string_equal(estate->rulesets[1].name, "a");
    assert_string_equal(estate->rulesets[2].name, "c");
    assert_string_equal(estate->rulesets[3].namespace, "/a/deep/er");
}

static void test_network(void **state)
{
    static const char text[] =
        "data:\n"
        "  namespaces: [{name: /shop, organizationalMetadata: ['@org:tenant=acme']}]\n"
        "  externalnetworks:\n"
        "  - name: partners\n"
        "    namespace: /shop\n"
        "    propagate: true\n"
        "    matchProcessingUnits: true\n"
        "    entries: [192.0.2.0/24, '!192.0.2.128/25', '2001:db8::/32', '*.Partner.example', "
        "a.b]\n"
        "    associatedTags: ['externalnetwork:name=partners']\n"
        "    metadata: ['@app=x']\n"
        "    description: d\n"
        "    annotations: {k: [v]}\n"
        "    protected: true\n"
        "    type: Subnet\n"
        "    servicePorts: [tcp/80]\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL;
    const struct model_network *network;

    assert_int_equal(read_text("/", text, DOCUMENT_YAML, &diagnostics, &estate), 0);
    assert_string_equal(problems_text(&diagnostics),
                        "warning 8:14 data.externalnetworks[0].entries: found 2 domain names, "
                        "which match nothing yet: "
                        "only CIDRs do\n"
                        "warning 15:5 data.externalnetworks[0].servicePorts: found 'servicePorts', "
                        "which has no effect "
                        "here");
    network = &estate->networks[0];
    assert_true(network->propagate && network->match_processing_units);
    assert_int_equal(network->cidrs.n_included, 2);
    assert_int_equal(network->cidrs.n_excluded, 1);
    assert_int_equal(network->n_fqdns, 2);
    assert_string_equal(network->fqdns[0], "*.partner.example");
    assert_int_equal(network->tags.n, 6);
    assert_true(tag_set_has(&network->tags, "$identity=externalnetwork"));
    assert_true(tag_set_has(&network->tags, "$namespace=/shop"));
    assert_true(tag_set_has(&network->tags, "$name=partners"));
    assert_true(tag_set_has(&network->tags, "@org:tenant=acme"));
    assert_true(tag_set_has(&network->tags, "@app=x"));
    assert_true(tag_set_has(&network->tags, "externalnetwork:name=partners"));
}

static const char whole[] =
    "{\"APIVersion\": 0, \"label\": \"l\", \"identities\": [\"x\"], \"data\": {\n"
    "\"namespaces\": [{\"name\": \"/shop\", \"defaultPUIncomingTrafficAction\": \"Reject\",\n"
    "  \"defaultPUOutgoingTrafficAction\": \"Inherit\", \"rejectMode\": \"reset\"}, {\"name\": "
    "\"/\"}],\n"
    "\"externalnetworks\": [{\"name\": \"~\", \"entries\": [\"::/0\", \"0.0.0.0/0\", "
    "\"!10.0.0.0/8\", \"a.b\"],\n"
    "  \"associatedTags\": [\"k=\\u2028\\ufeff\\\"\\\\\"], \"metadata\": [\"@a=b\"]}],\n"
    "\"networkrulesetpolicies\": [{\"name\": \"true\", \"namespace\": \"/shop\", \"propagate\": "
    "true,\n"
    "  \"fallback\": true, \"disabled\": true, \"subject\": [[\"b=1\", \"a=1\"], "
    "[\"$identity=x\"]],\n"
    "  \"incomingRules\": [{\"action\": \"Reject\", \"object\": [[\"z=1\"], [\"y=1\"]], \"name\": "
    "\"null\",\n"
    "    \"protocolPorts\": [\"udp/1:9\", \"tcp/80\", \"icmp6/1/7,0:3\", \"icmp/8\", \"icmp\", "
    "\"gre\"],\n"
    "    \"logsDisabled\": true, \"observationEnabled\": true, \"networks\": []},\n"
    "    {\"action\": \"Allow\", \"object\": [[\"z=1\"]], \"protocolPorts\": []}],\n"
    "  \"outgoingRules\": null}]}}\n";

static void test_print_and_parse(void **state)
{
    static const char expected[] =
        "APIVersion: 1\n"
        "data:\n"
        "  namespaces:\n"
        "    - name: /\n"
        "    - name: /shop\n"
        "      defaultPUIncomingTrafficAction: Reject\n"
        "      rejectMode: reset\n"
        "  externalnetworks:\n"
        "    - name: \"~\"\n"
        "      namespace: /\n"
        "      entries: ['::/0', '0.0.0.0/0', '!10.0.0.0/8', a.b]\n"
        "      associatedTags: [\"k=\\u2028\\ufeff\\\"\\\\\"]\n"
        "      metadata: [\"@a=b\"]\n"
        "  networkrulesetpolicies:\n"
        "    - name: \"true\"\n"
        "      namespace: /shop\n"
        "      propagate: true\n"
        "      fallback: true\n"
        "      disabled: true\n"
        "      subject: [[\"$identity=x\"], [\"a=1\", \"b=1\"]]\n"
        "      incomingRules:\n"
        "        - {action: Reject, object: [[\"y=1\"], [\"z=1\"]], protocolPorts: [icmp, icmp/8, "
        "tcp/80, "
        "'udp/1:9', gre, 'icmp6/1/0:3', icmp6/1/7], name: \"null\", logsDisabled: true, "
        "observationEnabled: true}\n"
        "        - {action: Allow, object: [[\"z=1\"]], protocolPorts: [any]}\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL, *again = NULL;
    char *text, *text_again;

    assert_int_equal(read_text("/", whole, DOCUMENT_JSON, &diagnostics, &estate), 0);
    assert_int_equal(diagnostics.n_errors, 0);
    text = estate_format(estate);
    assert_string_equal(text, expected);
    assert_int_equal(read_text("/", text, DOCUMENT_YAML, &diagnostics, &again), 0);
    text_again = estate_format(again);
    assert_string_equal(text, text_again);
    assert_int_equal(again->rulesets[0].n_rules[MODEL_DIRECTION_IN], 2);
    assert_true(tag_set_equal(&estate->networks[0].tags, &again->networks[0].tags));
    free(text);
    free(text_again);
}

static void test_json_positions(void **state)
{
    static const char text[] =
        "{\"data\": {\"networkrulesetpolicies\": [\n"
        "  {\"name\": \"a\", \"subject\": [[\"a=b\"]], \"outgoingRules\": [\n"
        "    {\"action\": \"Allow\", \"object\": [[\"a=b\"]],\n"
        "     \"protocolPorts\": [\"tcp/1\", \"tcp/99999\"]}]}]}}\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct estate *estate = NULL;

    assert_int_equal(read_text("/", text, DOCUMENT_JSON, &diagnostics, &estate),
                     -BULKHEAD_EINVALID_INPUT);
    assert_string_equal(
        problems_text(&diagnostics),
        "4:33 data.networkrulesetpolicies[0].outgoingRules[0].protocolPorts[1]: found a "
        "string 'tcp/99999', expected a port of 0 to 65535 after the protocol");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_envelopes),
        cmocka_unit_test(test_wrong_rulesets),
        cmocka_unit_test(test_wrong_rules),
        cmocka_unit_test(test_wrong_networks),
        cmocka_unit_test(test_wrong_namespaces),
        cmocka_unit_test(test_duplicates_over_files),
        cmocka_unit_test(test_one_wrong_file_refuses_all),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_namespaces_of_objects),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_print_and_parse),
        cmocka_unit_test(test_json_positions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
