/* SPDX-License-Identifier: Apache-2.0 */
/* What is told to the operator and to the service manager. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "enforcer/notify.h"
#include "enforcer/unmatched.h"
#include "enforcer/warnings.h"
#include "scratch.h"

static void test_sources(void **state)
{
    _cleanup_(warnings_free) struct warnings warnings = {0};
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};

    warnings_add(&warnings, WARNING_PEERS, "peer %d", 1);
    diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, "f.yaml", 3, 4, "a.b", "found %s", "x");
    warnings_set(&warnings, WARNING_POLICY, &diagnostics);
    assert_int_equal(warnings_count(&warnings), 2);
    assert_string_equal(warnings.texts[WARNING_POLICY][0], "f.yaml:3: a.b: found x");
    diagnostics_clear(&diagnostics);
    warnings_set(&warnings, WARNING_POLICY, &diagnostics); /* mended: gone */
    assert_int_equal(warnings_count(&warnings), 1);
    warnings_clear(&warnings, WARNING_PEERS);
    assert_int_equal(warnings_count(&warnings), 0);
}

static void test_bounds(void **state)
{
    _cleanup_(warnings_free) struct warnings warnings = {0};
    static char text[2 * WARNING_BYTES_MAX];

    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < WARNINGS_PER_SOURCE_MAX + 7; i++)
        warnings_add(&warnings, WARNING_UNITS, "%s", text);
    assert_int_equal(warnings.n[WARNING_UNITS], WARNINGS_PER_SOURCE_MAX);
    assert_int_equal(warnings.left_out[WARNING_UNITS], 7);
    assert_true(strlen(warnings.texts[WARNING_UNITS][0]) < WARNING_BYTES_MAX);
}

/* ---- Rulesets that select nothing
 * ------------------------------------------------------------------- */

static void test_unmatched(void **state)
{
    static const char text[] =
        "APIVersion: 1\ndata:\n  networkrulesetpolicies:\n"
        "    - {name: used, namespace: /shop, subject: [['app=web']], outgoingRules: [{action: "
        "Allow, object: [['a=b']]}]}\n"
        "    - {name: of-peer, namespace: /eu, subject: [['app=db']]}\n"
        "    - {name: misspelt, namespace: /shop, subject: [['app=wbe']]}\n"
        "    - {name: elsewhere, namespace: /asia, subject: [['app=web']]}\n"
        "    - {name: off, namespace: /shop, subject: [['app=wbe']], disabled: true}\n";
    _cleanup_(warnings_free) struct warnings warnings = {0};
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_builder_ struct estate_builder *builder = NULL;
    _cleanup_estate_ struct estate *estate = NULL;
    _cleanup_tag_set_ struct tag_set web = {0}, db = {0};
    struct identity identities[] = {{.id = 300, .namespace = "/shop", .tags = &web},
                                    {.id = 301, .namespace = "/eu", .tags = &db}};
    const struct directory directory = {.identities = identities, .n = 2};
    _cleanup_policy_ struct policy *policy = NULL;
    struct ruling ruling = {.policies = &policy, .n_policies = 1};

    assert_int_equal(estate_builder_new("/", &builder), 0);
    assert_int_equal(
        estate_builder_add(builder, "p.yaml", text, strlen(text), DOCUMENT_YAML, &diagnostics), 0);
    assert_int_equal(estate_builder_finish(builder, &diagnostics, &estate), 0);
    tag_set_add(&web, "app=web");
    tag_set_add(&db, "app=db");
    assert_int_equal(policy_resolve(estate, "/shop", &web, &policy), 0);
    unmatched_warn(estate, &ruling, &directory, &warnings);
    assert_int_equal(warnings_count(&warnings), 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(strstr(warnings.texts[WARNING_POLICY][i], "'misspelt' of /shop") ||
                    strstr(warnings.texts[WARNING_POLICY][i], "'elsewhere' of /asia"));
    assert_memory_equal(warnings.texts[WARNING_POLICY][0], "p.yaml:", 7);
}

/* ---- sd_notify
 * ------------------------------------------------------------------------------------------ */

static void listen_and_notify(const struct sockaddr_un *address, socklen_t len, const char *path)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char text[64] = "";

    assert_int_equal(bind(fd, (const struct sockaddr *)address, len), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(notify_send("READY=%d", 1), 1);
    assert_int_equal(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 7);
    assert_string_equal(text, "READY=1");
    close(fd);
}

static void test_notify(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[100];
    int len;

    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_send("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_int_equal(notify_send("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    assert_int_equal(notify_send("READY=1"), -ENOENT);

    snprintf(path, sizeof(path), "%s", scratch_path("notify"));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    listen_and_notify(&address, sizeof(address), path);

    memset(address.sun_path, 0, sizeof(address.sun_path));
    len = snprintf(path, sizeof(path), "@bulkhead-unit-%d", (int)getpid());
    memcpy(address.sun_path + 1, path + 1, (size_t)len - 1);
    listen_and_notify(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len),
                      path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_unmatched),
        cmocka_unit_test(test_notify),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
