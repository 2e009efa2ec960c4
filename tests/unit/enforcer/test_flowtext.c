/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "enforcer/flowtext.h"

#define PEER_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static struct units *units;
static struct directory *directory;
static struct peers *peers;
static struct estate *estate;
static struct policy *policy;
static struct names *names;
static struct flowtext_cache *cache;
static uint32_t web, far;

static void make_estate(void)
{
    static const char text[] =
        "APIVersion: 1\ndata:\n"
        "  externalnetworks:\n"
        "    - {name: partners, namespace: /shop, entries: [192.0.2.0/24], associatedTags: "
        "['externalnetwork:name=partners']}\n"
        "    - {name: lab, namespace: /shop, entries: [192.0.2.0/28], associatedTags: ['a=b']}\n"
        "  networkrulesetpolicies:\n"
        "    - name: 'out\"'\n      namespace: /shop\n      subject: [['app=web']]\n"
        "      outgoingRules:\n"
        "        - {action: Allow, object: [['app=db']], protocolPorts: [tcp/1], name: first}\n"
        "        - {action: Reject, object: [['app=x']], observationEnabled: true, name: second}\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;

    assert_int_equal(estate_builder_new("/shop", &builder), 0);
    assert_int_equal(
        estate_builder_add(builder, "p.yaml", text, strlen(text), DOCUMENT_YAML, &diagnostics), 0);
    assert_int_equal(estate_builder_finish(builder, &diagnostics, &estate), 0);
}

static void make_units(void)
{
    static const char text[] = "namespace: /shop\npolicy: /p\nprocessingUnits:\n"
                               "  - {name: web, cgroup: /web, tags: ['app=web']}\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *config = NULL;
    size_t left_out;
    bool changed;

    units = calloc(1, sizeof(*units));
    assert_int_equal(config_parse("c", text, strlen(text), &diagnostics, &config), 0);
    assert_int_equal(units_update(units, config, "h", NULL, &changed, &left_out), 0);
    web = units_find(units, "web")->index;
}

static void make_directory(void)
{
    static const char text[] = "{enforcerId: 7, publicKey: '" PEER_KEY "', addresses: [], "
                               "processingUnits: [{namespace: /eu, tags: ['app=db', "
                               "'$name=database']}]}";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    char message[DIRECTORY_MESSAGE_MAX];

    peers = calloc(1, sizeof(*peers));
    peers->hosts = calloc(1, sizeof(*peers->hosts));
    assert_int_equal(
        peer_host_parse("p", text, strlen(text), DOCUMENT_YAML, &diagnostics, &peers->hosts[0]), 0);
    peers->n = 1;
    far = identity_id("/eu", &peers->hosts[0]->pus[0].tags);
    assert_int_equal(directory_new(1, units, peers, message, &directory), 0);
}

static int start(void **state)
{
    uint32_t version = 9;

    make_estate();
    make_units();
    make_directory();
    assert_int_equal(policy_resolve(estate, "/shop", &units_get(units, web)->tags, &policy), 0);
    assert_int_equal(names_new(&names), 0);
    assert_int_equal(names_add(names, estate, (const struct policy *const *)&policy, &version, 1),
                     0);
    return flowtext_cache_new(&cache);
}

static int stop(void **state)
{
    flowtext_cache_free(&cache);
    names_free(&names);
    policy_free(&policy);
    directory_free(&directory);
    peers_free(&peers);
    units_clear(units);
    free(units);
    estate_free(&estate);
    return 0;
}

static json_t *print(const struct flow_news *news)
{
    const struct flowtext text = {units, directory, names, estate, cache};
    _cleanup_buf_ struct buf buf = BUF_INIT(1u << 20);
    json_error_t error;
    json_t *json;

    flowtext_json(&buf, &text, news);
    assert_int_equal(buf.error, 0);
    json = json_loadb(buf.data, buf.len, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        fail_msg("%s: %s", error.text, buf.data);
    return json;
}

static const char *text_at(const json_t *json, const char *object, const char *key)
{
    return json_string_value(json_object_get(object ? json_object_get(json, object) : json, key));
}

static struct flow_news outgoing(void)
{
    struct flow_news news = {
        .key = {.pu = web,
                .direction = MODEL_DIRECTION_OUT,
                .port = 5432,
                .protocol = PROTOCOL_TCP,
                .action = MODEL_ACTION_ALLOW,
                .policy_version = 9,
                .rule = 0,
                .observed_rule = POLICY_RULE_NONE,
                .peer_enforcer = 7,
                .peer_identity = far},
        .count = 3,
        .bytes_in = 10,
        .bytes_out = UINT64_MAX / 2,
        .time_ms = 1700000000123,
    };

    ip_addr_parse("10.0.0.1", &news.key.local);
    ip_addr_parse("2001:db8::2", &news.key.remote);
    return news;
}

static void test_between_units(void **state)
{
    struct flow_news news = outgoing();
    json_t *json = print(&news);

    assert_string_equal(text_at(json, NULL, "timestamp"), "2023-11-14T22:13:20.123Z");
    assert_string_equal(text_at(json, "source", "type"), "ProcessingUnit");
    assert_string_equal(text_at(json, "source", "id"), units_get(units, web)->id);
    assert_string_equal(text_at(json, "source", "name"), "web");
    assert_string_equal(text_at(json, "source", "ip"), "10.0.0.1");
    assert_null(json_object_get(json_object_get(json, "source"), "port"));
    assert_string_equal(text_at(json, "destination", "name"), "database");
    assert_string_equal(text_at(json, "destination", "namespace"), "/eu");
    assert_string_equal(text_at(json, "destination", "ip"), "2001:db8::2");
    assert_int_equal(json_array_size(json_object_get(json_object_get(json, "destination"), "tags")),
                     4);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(json, "destination"), "port")), 5432);
    assert_string_equal(text_at(json, NULL, "protocol"), "tcp");
    assert_string_equal(text_at(json, NULL, "action"), "Accept");
    assert_string_equal(text_at(json, NULL, "direction"), "outgoing");
    assert_string_equal(text_at(json, NULL, "policyNamespace"), "/shop");
    assert_string_equal(text_at(json, NULL, "policyName"), "out\"");
    assert_string_equal(text_at(json, NULL, "ruleName"), "first");
    assert_int_equal(strlen(text_at(json, NULL, "policyId")), 24);
    assert_string_equal(text_at(json, NULL, "observedAction"), "NotApplicable");
    assert_string_equal(text_at(json, NULL, "dropReason"), "");
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 3);
    assert_int_equal(json_integer_value(json_object_get(json, "bytesOut")), INT64_MAX);
    json_decref(json);
}

static void test_incoming_from_networks(void **state)
{
    struct flow_news news = outgoing();
    const json_t *tags;
    json_t *json;

    news.key.direction = MODEL_DIRECTION_IN;
    news.key.peer_identity = news.key.peer_enforcer = 0;
    news.key.address_class = 77;
    news.key.action = MODEL_ACTION_REJECT;
    news.key.reason = ABI_REASON_POLICY;
    news.key.rule = POLICY_RULE_NONE;
    news.key.observed = MODEL_ACTION_REJECT;
    news.key.observed_rule = 1;
    news.key.protocol = 253;
    ip_addr_parse("192.0.2.1", &news.key.remote);
    for (int round = 0; round < 2; round++) { /* looked up, then from the cache */
        json = print(&news);
        assert_string_equal(text_at(json, "source", "type"), "ExternalNetwork");
        assert_string_equal(text_at(json, "source", "id"), "0000004d");
        assert_string_equal(text_at(json, "source", "name"), "lab, partners");
        tags = json_object_get(json_object_get(json, "source"), "tags");
        assert_true(json_array_size(tags) >= 5);
        assert_string_equal(text_at(json, "destination", "name"), "web");
        assert_string_equal(text_at(json, NULL, "direction"), "incoming");
        assert_string_equal(text_at(json, NULL, "protocol"), "253");
        assert_string_equal(text_at(json, NULL, "policyId"), "default");
        assert_string_equal(text_at(json, NULL, "policyName"), "default");
        assert_string_equal(text_at(json, NULL, "policyNamespace"), "/shop");
        assert_string_equal(text_at(json, NULL, "observedAction"), "Reject");
        assert_string_equal(text_at(json, NULL, "observedRuleName"), "second");
        assert_string_equal(text_at(json, NULL, "dropReason"), "policy");
        json_decref(json);
    }
}

/* Numbers that mean nothing here any more are shown as far as they are known. */
static void test_unknown_numbers(void **state)
{
    struct flow_news news = outgoing();
    json_t *json;

    news.key.pu = 4000;
    news.key.peer_identity = 0xabcdef;
    news.key.policy_version = 1;
    news.key.rule = 12;
    news.key.reason = 250;
    json = print(&news);
    assert_string_equal(text_at(json, "source", "name"), "");
    assert_string_equal(text_at(json, "destination", "id"), "00abcdef");
    assert_string_equal(text_at(json, "destination", "type"), "ProcessingUnit");
    assert_string_equal(text_at(json, NULL, "policyName"), "");
    assert_string_equal(text_at(json, NULL, "dropReason"), "unknown");
    json_decref(json);
    news = outgoing();
    news.key.peer_identity = 0;
    json = print(&news);
    assert_string_equal(text_at(json, "destination", "type"), "Somewhere");
    json_decref(json);
}

/* A forged packet was dropped by no policy. */
static void test_malformed(void **state)
{
    struct flow_news news = outgoing();
    json_t *json;

    news.key.action = MODEL_ACTION_REJECT;
    news.key.rule = POLICY_RULE_NONE;
    news.key.reason = ABI_REASON_MAC_MISMATCH;
    json = print(&news);
    assert_string_equal(text_at(json, NULL, "policyName"), "");
    assert_string_equal(text_at(json, NULL, "dropReason"), "mac_mismatch");
    json_decref(json);
    news.key.reason = ABI_REASON_STRIPPED;
    json = print(&news);
    assert_string_equal(text_at(json, NULL, "policyName"), "default");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_between_units),
        cmocka_unit_test(test_incoming_from_networks),
        cmocka_unit_test(test_unknown_numbers),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
