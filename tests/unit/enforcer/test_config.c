/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "enforcer/config.h"
#include "problems.h"

#define BASE "namespace: /shop\npolicy: /p\n"
#define CONSOLE "namespace: /shop\nmode: console\n"

static int parse(const char *text, struct diagnostics *diagnostics, struct config **ret)
{
    return config_parse("/etc/bulkhead/enforcer.yaml", text, strlen(text), diagnostics, ret);
}

static const struct {
    const char *text, *problems;
} wrong_rows[] = {
    {"", "1:1 found nothing, expected one document with a map of settings"},
    {"- a\n", "1:1 found a list, expected one document with a map of settings"},
    {BASE "---\n" BASE, "1:1 found several documents, expected one document with a map of "
                        "settings"},
    {"{}", "1:1 found no 'namespace', expected this key\n"
           "1:1 found no 'policy', expected this key"},
    {"namespace: shop\npolicy: /p\n", "1:12 namespace: found 'shop', expected "},
    {BASE "mode: console\n",
     "2:9 policy: found '/p', expected nothing here: it counts only with mode: standalone"},
    {CONSOLE "console: http://c\n",
     "3:10 console: found 'http://c', expected a URL such as https://console.example:443"},
    {CONSOLE "console: []\n", "3:10 console: found a list, expected 1 to 16 URLs"},
    {CONSOLE "proxy: secret@nowhere\n", "1:1 proxy: found nothing, expected a URL such as "},
    {CONSOLE "token: 'a b'\n", "1:1 token: found nothing, expected a token"},
    {CONSOLE "credentials: /c\ntoken: t\n",
     "1:1 token: found nothing, expected either credentials or token"},
    {CONSOLE "identity: {enforcerId: 1, key: /k}\n",
     "3:11 identity: found a map, expected nothing here: it counts only with mode: standalone"},
    {CONSOLE "cloud: maybe\n", "3:8 cloud: found 'maybe', expected off or auto"},
    {BASE "mode: both\n", "3:7 mode: found 'both', expected standalone or console"},
    {BASE "console: https://c:443\n",
     "3:10 console: found 'https://c:443', expected nothing here: it counts only with mode: "
     "console"},
    {BASE "credentials: /c\nca: /d\n",
     "3:14 credentials: found '/c', expected nothing here: it counts only with mode: console\n"
     "4:5 ca: found '/d', expected nothing here: it counts only with mode: console"},
    {"namespace: /shop\npolicy: ''\n",
     "2:9 policy: found '', expected a file name of 1..4095 bytes"},
    {BASE "cgroupRoot: here\n",
     "3:13 cgroupRoot: found 'here', expected an absolute cgroup path such as /shop/web"},
    {BASE "cgroupRoot: /a/../b\n",
     "3:13 cgroupRoot: found '/a/../b', expected a path without '.' and '..'"},
    {BASE "cgroupRoot: /a/\n", "3:13 cgroupRoot: found '/a/', expected a path without empty parts"},
    {BASE "host: {tags: [app=a, app=a, '$name=x', b]}\n",
     "3:22 host.tags[1]: found 'app=a', expected a tag that is not given twice\n"
     "3:29 host.tags[2]: found '$name=x', expected a tag that does not start with '$': those "
     "are made from the unit itself\n"
     "3:40 host.tags[3]: found 'b', expected "},
    {BASE "host: {tags: [[a=b]]}\n",
     "3:15 host.tags[0]: found a list, expected a tag such as app=web"},
    {BASE "discovery: {kubernetes: perhaps}\n",
     "3:25 discovery.kubernetes: found 'perhaps', expected true, false or auto"},
    {BASE "identity: {enforcerId: 0, key: /k}\n",
     "3:24 identity.enforcerId: found '0', expected a number of 1..4294967295"},
    {BASE "identity: {enforcerId: 4294967296, key: /k}\n",
     "3:24 identity.enforcerId: found '4294967296', expected a number of 1..4294967295"},
    {BASE "identity: {enforcerId: -1, key: ''}\n",
     "3:24 identity.enforcerId: found '-1', expected a number of 1..4294967295\n"
     "3:33 identity.key: found '', expected a file name of 1..4095 bytes"},
    {BASE "peers: /peers\n",
     "3:8 peers: found '/peers', expected identity beside it: without a key nothing can be "
     "proven to peers"},
    {BASE "processingUnits:\n  - {name: a, cgroup: /a}\n  - {name: a, cgroup: /a}\n",
     "5:12 processingUnits[1].name: found 'a', expected a name that no other unit has\n"
     "5:23 processingUnits[1].cgroup: found '/a', expected a cgroup that no other unit has"},
    {BASE "processingUnits: [{name: '', cgroup: /}]\n",
     "3:26 processingUnits[0].name: found '', expected a name of 1..256 bytes\n"
     "3:38 processingUnits[0].cgroup: found '/', expected a cgroup below the root"},
    {BASE "processingUnits: [{name: a, cgroup: /1/2/3/4/5/6/7/8/9/10/11/12/13}]\n",
     "3:37 processingUnits[0].cgroup: found '/1/2/3/4/5/6/7/8/9/10/11/12/13', expected a "
     "cgroup at most 12 levels below cgroupRoot"},
    {BASE "processingUnits: [web]\n", "3:19 processingUnits[0]: found 'web', expected a map"},
    {BASE "targetNetworks: [10.0.0.0/33, 7]\n", "3:18 targetNetworks[0]: found '10.0.0.0/33'"},
    {BASE "targetNetworks: [10.0.0.0/8, '!192.168.0.0/16']\n", "3:17 targetNetworks: found a list"},
    {BASE "excludedNetworks: [ten]\n", "3:20 excludedNetworks[0]: found 'ten'"},
    {BASE "excludedInterfaces: [a/b, averyveryverylong, eth0, eth0, 7]\n",
     "3:22 excludedInterfaces[0]: found 'a/b', expected an interface name of 1..15 bytes\n"
     "3:27 excludedInterfaces[1]: found 'averyveryverylong', expected an interface name of "
     "1..15 bytes\n"
     "3:52 excludedInterfaces[3]: found 'eth0', expected an interface that is not named "
     "twice\n"
     "3:58 excludedInterfaces[4]: found '7', expected a string"},
    {BASE "flowReportInterval: soon\n", "3:21 flowReportInterval: found 'soon', expected a "
                                        "duration of 100ms..24h such as 500ms, 30s, 5m or 1h"},
    {BASE "flowReportInterval: 99ms\n", "3:21 flowReportInterval: found '99ms'"},
    {BASE "flowReportInterval: 25h\n", "3:21 flowReportInterval: found '25h'"},
    {BASE "failMode: maybe\n", "3:11 failMode: found 'maybe', expected lastPolicy, open or closed"},
    {BASE "metrics: nowhere\n", "3:10 metrics: found 'nowhere', expected an address and port "
                                "such as 127.0.0.1:9464 or [::1]:9464"},
    {BASE "metrics: 127.0.0.1:0\n", "3:10 metrics: found '127.0.0.1:0'"},
    {BASE "log: {level: loud, format: xml}\n",
     "3:14 log.level: found 'loud', expected error, warn, info or debug\n"
     "3:28 log.format: found 'xml', expected text or json"},
};

static void test_wrong(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(wrong_rows); i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        struct config *config = NULL;

        assert_int_equal(parse(wrong_rows[i].text, &diagnostics, &config),
                         -BULKHEAD_EINVALID_INPUT);
        assert_null(config);
        if (strncmp(problems_text(&diagnostics), wrong_rows[i].problems,
                    strlen(wrong_rows[i].problems)) != 0)
            fail_msg("row %zu: '%s', expected '%s'", i, problems_text(&diagnostics),
                     wrong_rows[i].problems);
    }
}

/* Each key with a value of a kind that it cannot have: named with its path, at its place. */
static void test_wrong_kinds(void **state)
{
    static const struct {
        const char *path, *text;
    } rows[] = {
        {"mode", BASE "mode: 1\n"},
        {"cgroupRoot", BASE "cgroupRoot: []\n"},
        {"host", BASE "host: true\n"},
        {"host.enabled", BASE "host: {enabled: 'yes'}\n"},
        {"host.tags", BASE "host: {tags: a=b}\n"},
        {"host.nonsense", BASE "host: {nonsense: 1}\n"},
        {"processingUnits", BASE "processingUnits: {}\n"},
        {"processingUnits[0].name", BASE "processingUnits: [{name: 7, cgroup: /a}]\n"},
        {"processingUnits[0].cgroup", BASE "processingUnits: [{name: a, cgroup: [x]}]\n"},
        {"processingUnits[0].tags", BASE "processingUnits: [{name: a, cgroup: /a, tags: x=y}]\n"},
        {"processingUnits[0].what", BASE "processingUnits: [{name: a, cgroup: /a, what: x}]\n"},
        {"discovery", BASE "discovery: []\n"},
        {"discovery.systemd", BASE "discovery: {systemd: 'true'}\n"},
        {"discovery.containers", BASE "discovery: {containers: 1}\n"},
        {"discovery.kubernetes", BASE "discovery: {kubernetes: 1}\n"},
        {"discovery.else", BASE "discovery: {else: 1}\n"},
        {"identity", BASE "identity: 1\n"},
        {"identity.enforcerId", BASE "identity: {enforcerId: '1', key: /k}\n"},
        {"identity.key", BASE "identity: {enforcerId: 1, key: 1}\n"},
        {"identity.more", BASE "identity: {enforcerId: 1, key: /k, more: 1}\n"},
        {"peers", BASE "peers: [a]\n"},
        {"targetNetworks", BASE "targetNetworks: 10.0.0.0/8\n"},
        {"excludedNetworks", BASE "excludedNetworks: 10.0.0.0/8\n"},
        {"excludedInterfaces", BASE "excludedInterfaces: eth0\n"},
        {"flowReportInterval", BASE "flowReportInterval: 30\n"},
        {"failMode", BASE "failMode: true\n"},
        {"metrics", BASE "metrics: 9464\n"},
        {"log", BASE "log: debug\n"},
        {"log.level", BASE "log: {level: 3}\n"},
        {"log.format", BASE "log: {format: []}\n"},
        {"log.file", BASE "log: {file: x}\n"},
        {"nonsense", BASE "nonsense: 1\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
        struct config *config = NULL;

        assert_int_equal(parse(rows[i].text, &diagnostics, &config), -BULKHEAD_EINVALID_INPUT);
        assert_int_equal(diagnostics.n, 1);
        if (strcmp(diagnostics.items[0].path, rows[i].path) != 0 || diagnostics.items[0].line != 3)
            fail_msg("row %zu: %s", i, problems_text(&diagnostics));
    }
}

static void test_missing_parts(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct config *config = NULL;

    assert_int_equal(parse(BASE "identity: {}\nprocessingUnits: [{}]\n", &diagnostics, &config),
                     -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(diagnostics.n_errors, 4); /* enforcerId, key; name, cgroup */
}

static void test_everything(void **state)
{
    static const char text[] =
        "namespace: /shop\n"
        "mode: standalone\n"
        "policy: policy.d\n"
        "cgroupRoot: /slice\n"
        "host: {enabled: true, tags: ['app=host']}\n"
        "processingUnits:\n"
        "  - {name: web, cgroup: /shop/web, tags: ['app=web', '@org:team=a']}\n"
        "  - {name: db, cgroup: /db}\n"
        "discovery: {systemd: false, containers: true, kubernetes: auto}\n"
        "identity: {enforcerId: 4294967295, key: enforcer.key}\n"
        "peers: /var/peers\n"
        "targetNetworks: [10.0.0.0/8, '!10.9.0.0/16']\n"
        "excludedNetworks: ['2001:db8::/32']\n"
        "excludedInterfaces: [lo, docker0]\n"
        "flowReportInterval: 500ms\n"
        "failMode: closed\n"
        "metrics: '[::1]:9464'\n"
        "log: {level: debug, format: json}\n";
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *config = NULL;
    char endpoint[ENDPOINT_TEXT_MAX];

    assert_int_equal(parse(text, &diagnostics, &config), 0);
    assert_string_equal(problems_text(&diagnostics), "warning 9:41 discovery.containers: this "
                                                     "build discovers no containers yet");
    assert_string_equal(config->namespace, "/shop");
    assert_string_equal(config->policy, "/etc/bulkhead/policy.d");
    assert_string_equal(config->key, "/etc/bulkhead/enforcer.key");
    assert_string_equal(config->peers, "/var/peers");
    assert_string_equal(config->cgroup_root, "/slice");
    assert_true(config->host_enabled);
    assert_true(tag_set_has(&config->host_tags, "app=host"));
    assert_int_equal(config->n_units, 2);
    assert_string_equal(config->units[0].cgroup, "/slice/shop/web");
    assert_true(tag_set_has(&config->units[0].tags, "@org:team=a"));
    assert_int_equal(config->units[1].tags.n, 0);
    assert_false(config->discover_systemd);
    assert_true(config->enforcer_id == UINT32_MAX);
    assert_int_equal(config->target_networks.n_excluded, 1);
    assert_int_equal(config->excluded_networks.n_included, 1);
    assert_string_equal(config->excluded_interfaces[1], "docker0");
    assert_null(config->excluded_interfaces[2]);
    assert_int_equal(config->flow_report_ms, 500);
    assert_int_equal(config->fail_mode, FAIL_CLOSED);
    assert_string_equal(endpoint_format(&config->metrics, endpoint), "[::1]:9464");
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->log_format, LOG_FORMAT_JSON);
}

static void test_defaults(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *config = NULL;
    struct ip_addr addr;

    assert_int_equal(parse(BASE "metrics:\npeers:\n", &diagnostics, &config), 0);
    assert_int_equal(diagnostics.n, 0);
    assert_string_equal(config->cgroup_root, "/");
    assert_false(config->host_enabled);
    assert_true(config->discover_systemd);
    assert_int_equal(config->enforcer_id, 0);
    assert_null(config->key);
    assert_null(config->peers);
    assert_int_equal(config->flow_report_ms, 30000);
    assert_int_equal(config->fail_mode, FAIL_LAST_POLICY);
    assert_false(config->metrics_enabled);
    assert_int_equal(config->log_level, LOG_LEVEL_INFO);
    assert_int_equal(config->target_networks.n_included, 8);
    assert_int_equal(ip_addr_parse("100.127.0.1", &addr), 0);
    assert_true(cidr_list_has(&config->target_networks, &addr));
    assert_int_equal(ip_addr_parse("8.8.8.8", &addr), 0);
    assert_false(cidr_list_has(&config->target_networks, &addr));
}

static void test_unreadable(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct config *config = NULL;

    assert_int_equal(config_load("/nonexistent/x.yaml", &diagnostics, &config),
                     -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(diagnostics.n_errors, 1);
    assert_string_equal(diagnostics.items[0].file, "/nonexistent/x.yaml");
}

static void assert_fixed(const char *a_text, const char *b_text, const char *expected)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *a = NULL, *b = NULL;
    const char *names[CONFIG_FIXED_MAX];

    assert_int_equal(parse(a_text, &diagnostics, &a), 0);
    assert_int_equal(parse(b_text, &diagnostics, &b), 0);
    config_fixed_differences(a, b, names);
    if (!expected) {
        assert_null(names[0]);
        return;
    }
    assert_non_null(names[0]);
    assert_string_equal(names[0], expected);
    assert_null(names[1]);
}

static void test_fixed_differences(void **state)
{
    assert_fixed(BASE, BASE "log: {level: debug}\nfailMode: open\nhost: {}\n", NULL);
    assert_fixed(BASE, BASE "cgroupRoot: /a\n", "cgroupRoot");
    assert_fixed(BASE "identity: {enforcerId: 1, key: /k}\n",
                 BASE "identity: {enforcerId: 2, key: /k}\n", "identity.enforcerId");
    assert_fixed(BASE "identity: {enforcerId: 1, key: /k}\n",
                 BASE "identity: {enforcerId: 1, key: /l}\n", "identity.key");
    assert_fixed(BASE "metrics: 127.0.0.1:1\n", BASE "metrics: 127.0.0.1:2\n", "metrics");
    assert_fixed(BASE "metrics: 127.0.0.1:1\n", BASE, "metrics");
}

static bool differs(const char *a_text, const char *b_text)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_config_ struct config *a = NULL, *b = NULL;

    assert_int_equal(parse(a_text, &diagnostics, &a), 0);
    assert_int_equal(parse(b_text, &diagnostics, &b), 0);
    return config_datapath_differs(a, b);
}

static void test_datapath_differences(void **state)
{
    assert_false(differs(BASE, BASE "excludedInterfaces: []\nlog: {level: debug}\n"));
    assert_true(differs(BASE, BASE "host: {enabled: true}\n"));
    assert_true(differs(BASE, BASE "targetNetworks: [10.0.0.0/8]\n"));
    assert_true(differs(BASE, BASE "excludedNetworks: [10.0.0.0/8]\n"));
    assert_true(differs(BASE "excludedInterfaces: [lo]\n", BASE "excludedInterfaces: [lo, a]\n"));
    assert_true(differs(BASE "excludedInterfaces: [lo]\n", BASE "excludedInterfaces: [b]\n"));
    assert_true(differs(BASE "excludedInterfaces: [lo]\n", BASE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_wrong_kinds),
        cmocka_unit_test(test_missing_parts),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_fixed_differences),
        cmocka_unit_test(test_datapath_differences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
