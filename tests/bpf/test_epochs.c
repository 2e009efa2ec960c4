/* SPDX-License-Identifier: Apache-2.0 */

/* New keys of our own and of a peer: which of them the kernel holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "bulkhead.skel.h"
#include "fixture.h"
#include "internal.h"

static struct fixture fixture;

static int setup(void **state)
{
    (void)state;
    return fixture_setup(&fixture) || fixture_open(&fixture, NULL) ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_teardown(&fixture);
    return 0;
}

static void expect_keys(const uint16_t (*epochs)[2], size_t n)
{
    struct abi_peer_keys value;
    uint32_t id = 9;
    int fd = bpf_map__fd(fixture.datapath->skeleton->maps.peer_keys);

    assert_int_equal(bpf_map_lookup_elem(fd, &id, &value), 0);
    for (size_t i = 0; i < ABI_KEYS_PER_PEER; i++) {
        assert_int_equal(value.key[i].valid, i < n);
        if (i < n) {
            assert_int_equal(value.key[i].peer_epoch, epochs[i][0]);
            assert_int_equal(value.key[i].own_epoch, epochs[i][1]);
            assert_int_equal(value.key[i].k0, (uint64_t)epochs[i][0] << 8 | epochs[i][1]);
        }
    }
}

static void set_keys_of(uint16_t peer_epoch, uint16_t own_epoch)
{
    struct datapath_peer_key keys[2] = {
        {.enforcer_id = 9, .peer_epoch = peer_epoch, .own_epoch = own_epoch},
        {.enforcer_id = 9, .peer_epoch = (uint16_t)(peer_epoch - 1), .own_epoch = own_epoch}};
    struct abi_control control;
    uint32_t zero = 0;

    for (size_t i = 0; i < 2; i++) {
        keys[i].key[0] = (uint8_t)own_epoch;
        keys[i].key[1] = (uint8_t)keys[i].peer_epoch;
    }
    datapath_epoch_set(fixture.datapath, own_epoch);
    assert_int_equal(datapath_peers_set(fixture.datapath, keys, 2, NULL, 0), 0);
    assert_int_equal(datapath_epoch(fixture.datapath), own_epoch);
    assert_int_equal(
        bpf_map_lookup_elem(bpf_map__fd(fixture.datapath->skeleton->maps.control), &zero, &control),
        0);
    assert_int_equal(control.epoch, own_epoch);
}

/* A new own key: those of the one before stay behind, until the next. */
static void test_epochs(void **state)
{
    (void)state;
    set_keys_of(5, 1);
    expect_keys((const uint16_t[][2]){{5, 1}, {4, 1}}, 2);
    set_keys_of(5, 2);
    expect_keys((const uint16_t[][2]){{5, 2}, {4, 2}, {5, 1}, {4, 1}}, 4);
    set_keys_of(6, 2); /* the peer's changes meanwhile */
    expect_keys((const uint16_t[][2]){{6, 2}, {5, 2}, {5, 1}, {4, 1}}, 4);
    set_keys_of(6, 3);
    expect_keys((const uint16_t[][2]){{6, 3}, {5, 3}, {6, 2}, {5, 2}}, 4);
    datapath_epoch_set(fixture.datapath, 0);
    assert_int_equal(datapath_peers_set(fixture.datapath, NULL, 0, NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs),
    };

    if (geteuid() != 0) {
        printf("needs root\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
