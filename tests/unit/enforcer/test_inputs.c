/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "enforcer/inputs.h"
#include "enforcer/offline.h"
#include "enforcer/state.h"
#include "problems.h"
#include "scratch.h"

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define RULESET(name)                                                                              \
    "APIVersion: 1\ndata:\n  networkrulesetpolicies:\n    - name: " name                           \
    "\n      namespace: /shop\n      subject: [['app=web']]\n      outgoingRules:\n"               \
    "        - {action: Allow, object: [['app=db']], protocolPorts: [tcp/1]}\n"

static int fresh(void **state)
{
    return scratch_make(state) || mkdir(scratch_path("p"), 0755);
}

static uint8_t digest[INPUTS_DIGEST_BYTES];

static int load(struct diagnostics *diagnostics, struct estate **ret)
{
    return inputs_policy_load(scratch_path("p"), "/shop", diagnostics, ret, digest);
}

static void test_policy_that_is_not_there(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct estate *estate = NULL;

    assert_int_equal(inputs_policy_load("/nonexistent", "/shop", &diagnostics, &estate, digest),
                     -BULKHEAD_EINVALID_INPUT);
    assert_string_equal(diagnostics.items[0].file, "/nonexistent");
    scratch_write("p/README", "not a policy");
    scratch_write("p/.hidden.yaml", "{");
    assert_int_equal(load(&diagnostics, &estate), -ENOENT);
    assert_int_equal(diagnostics.n_errors, 2);
    assert_null(estate);
}

/* One wrong file among good ones refuses all, and every problem is told. */
static void test_policy_all_or_nothing(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct estate *estate = NULL;

    scratch_write("p/1.yaml", RULESET("a"));
    scratch_write("p/2.yaml", "{");
    scratch_write("p/3.json", "{\"nmae\": 1}");
    assert_int_equal(load(&diagnostics, &estate), -BULKHEAD_EINVALID_INPUT);
    assert_null(estate);
    assert_true(diagnostics.n_errors >= 2);
    assert_string_equal(diagnostics.items[0].file, scratch_path("p/2.yaml"));
    assert_string_equal(diagnostics.items[diagnostics.n - 1].file, scratch_path("p/3.json"));
}

static void test_policy_of_several_files(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_estate_ struct estate *estate = NULL, *again = NULL, *one = NULL;

    scratch_write("p/2.yml", RULESET("b"));
    scratch_write("p/1.yaml", RULESET("a"));
    assert_int_equal(load(&diagnostics, &estate), 0);
    assert_int_equal(estate->n_rulesets, 2);
    assert_int_equal(inputs_last_policy_load(scratch, "/shop", &diagnostics, &again), -ENOENT);
    assert_int_equal(inputs_last_policy_save(scratch, estate), 0);
    assert_int_equal(inputs_last_policy_load(scratch, "/shop", &diagnostics, &again), 0);
    assert_int_equal(again->n_rulesets, 2);
    assert_string_equal(again->rulesets[1].name, "b");
    assert_int_equal(
        inputs_policy_load(scratch_path("p/2.yml"), "/shop", &diagnostics, &one, digest), 0);
    assert_int_equal(one->n_rulesets, 1);
    assert_int_equal(diagnostics.n_errors, 0);
}

/* Equal only when names and bytes of all files are. */
static void test_digest(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    uint8_t first[INPUTS_DIGEST_BYTES];

    for (int step = 0; step < 4; step++) {
        _cleanup_estate_ struct estate *estate = NULL;

        scratch_write("p/1.yaml", step == 2 ? RULESET("b") : RULESET("a"));
        if (step == 3)
            rename(scratch_path("p/1.yaml"), scratch_path("p/2.yaml"));
        assert_int_equal(load(&diagnostics, &estate), 0);
        if (step == 0)
            memcpy(first, digest, sizeof(first));
        else if (step == 1)
            assert_memory_equal(first, digest, sizeof(first));
        else
            assert_memory_not_equal(first, digest, sizeof(first));
    }
}

static void test_broken_last_policy(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct estate *estate = NULL;

    scratch_write(INPUTS_LAST_POLICY, "{");
    assert_int_equal(inputs_last_policy_load(scratch, "/shop", &diagnostics, &estate),
                     -BULKHEAD_EINVALID_INPUT);
    assert_null(estate);
}

/* ---- Peers
 * ----------------------------------------------------------------------------------------- */

static void write_peer(const char *name, int id, const char *key)
{
    char text[256];

    snprintf(text, sizeof(text),
             "{enforcerId: %d, publicKey: '%s', addresses: [], processingUnits: []}\n", id, key);
    scratch_write(name, text);
}

static void assert_refused(const uint8_t *own, const char *file, const char *path)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    struct peers *peers = NULL;

    assert_int_equal(inputs_peers_load(scratch_path("p"), 1, own, &diagnostics, &peers),
                     -BULKHEAD_EINVALID_INPUT);
    assert_null(peers);
    assert_int_equal(diagnostics.n_errors, 1);
    assert_non_null(strstr(diagnostics.items[0].file, file));
    if (path)
        assert_string_equal(diagnostics.items[0].path, path);
}

static void test_wrong_peers(void **state)
{
    uint8_t own[WIRE_KEY_BYTES];

    for (int i = 0; i < WIRE_KEY_BYTES; i++)
        own[i] = (uint8_t)i;
    write_peer("p/2.yaml", 2, KEY_A);
    scratch_write("p/3.yaml", "{");
    assert_refused(own, "p/3.yaml", NULL);
    write_peer("p/3.yaml", 2, KEY_B);
    assert_refused(own, "p/3.yaml", "enforcerId");
    write_peer("p/3.yaml", 1, KEY_B); /* our own id with a key that is not ours */
    assert_refused(own, "p/3.yaml", "publicKey");
}

static void test_good_peers(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0};
    _cleanup_peers_ struct peers *peers = NULL, *none = NULL;
    uint8_t own[WIRE_KEY_BYTES];

    for (int i = 0; i < WIRE_KEY_BYTES; i++)
        own[i] = (uint8_t)i;
    assert_int_equal(inputs_peers_load(scratch_path("p"), 1, own, &diagnostics, &none), 0);
    assert_int_equal(none->n, 0);
    write_peer("p/1.yaml", 1, KEY_A);
    write_peer("p/2.yaml", 2, KEY_B);
    assert_int_equal(inputs_peers_load(scratch_path("p"), 1, own, &diagnostics, &peers), 0);
    assert_int_equal(peers->n, 2);
    assert_int_equal(diagnostics.n, 0);
    assert_int_equal(inputs_peers_load(scratch_path("missing"), 1, own, &diagnostics, &peers),
                     -BULKHEAD_EINVALID_INPUT);
}

/* ---- check, state
 * -------------------------------------------------------------------------------------- */

static void test_check(void **state)
{
    _cleanup_diagnostics_ struct diagnostics diagnostics = {0}, wrong = {0};
    _cleanup_config_ struct config *config = NULL;
    struct check_summary summary;
    char text[512];

    mkdir(scratch_path("peers"), 0755);
    snprintf(text, sizeof(text),
             "namespace: /shop\npolicy: %s/p\npeers: %s/peers\nidentity: {enforcerId: 1, key: "
             "%s/key}\nprocessingUnits: [{name: a, cgroup: /a}]\n",
             scratch, scratch, scratch);
    assert_int_equal(config_parse("c.yaml", text, strlen(text), &diagnostics, &config), 0);
    scratch_write("p/1.yaml", RULESET("a"));
    assert_int_equal(offline_check(config, &diagnostics, &summary), 0);
    assert_int_equal(summary.n_rulesets, 1);
    assert_int_equal(summary.n_rules, 1);
    assert_int_equal(summary.n_units, 1);
    assert_int_not_equal(access(scratch_path("key"), F_OK), 0); /* check makes nothing */
    scratch_write("p/1.yaml", "{");
    scratch_write("peers/2.yaml", "{");
    scratch_write("key", "x");
    assert_int_equal(offline_check(config, &wrong, &summary), -BULKHEAD_EINVALID_INPUT);
    assert_int_equal(wrong.n_errors, 3);
}

static void test_state(void **state)
{
    int lock = state_lock(scratch_path("deep/state"));

    assert_true(lock >= 0);
    assert_int_equal(state_lock(scratch_path("deep/state")), -EBUSY);
    close(lock);
    lock = state_lock(scratch_path("deep/state"));
    assert_true(lock >= 0);
    close(lock);
    assert_true(state_lock("/proc/nowhere") < 0);
    assert_false(state_is_disabled(scratch));
    assert_int_equal(state_set_disabled(scratch, false), 0);
    assert_int_equal(state_set_disabled(scratch, true), 0);
    assert_true(state_is_disabled(scratch));
    assert_int_equal(state_set_disabled(scratch, false), 0);
    assert_false(state_is_disabled(scratch));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_policy_that_is_not_there, fresh, scratch_remove),
        cmocka_unit_test_setup_teardown(test_policy_all_or_nothing, fresh, scratch_remove),
        cmocka_unit_test_setup_teardown(test_policy_of_several_files, fresh, scratch_remove),
        cmocka_unit_test_setup_teardown(test_digest, fresh, scratch_remove),
        cmocka_unit_test_setup_teardown(test_broken_last_policy, fresh, scratch_remove),
        cmocka_unit_test_setup_teardown(test_wrong_peers, fresh, scratch_remove),
        cmocka_unit_test_setup_teardown(test_good_peers, fresh, scratch_remove),
        cmocka_unit_test_setup_teardown(test_check, fresh, scratch_remove),
        cmocka_unit_test_setup_teardown(test_state, fresh, scratch_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
