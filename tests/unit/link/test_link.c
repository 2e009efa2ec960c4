/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mpscan.h"
#include "link/link.h"

static struct link_message round_trip(struct link_decoder *decoder,
                                      const struct link_message *message)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(LINK_MESSAGE_BYTES_MAX);
    struct link_message back = {0};
    const char *problem = NULL;

    link_encode(&buf, message);
    assert_int_equal(buf.error, 0);
    /* Whatever is cut off, or follows, it is no message any more. */
    for (size_t len = 0; len < buf.len; len++)
        assert_int_equal(link_decode(decoder, buf.data, len, &back, &problem), -EPROTO);
    buf_append(&buf, "\xc0", 1);
    assert_int_equal(link_decode(decoder, buf.data, buf.len, &back, &problem), -EPROTO);
    assert_int_equal(link_decode(decoder, buf.data, buf.len - 1, &back, &problem), 0);
    assert_int_equal(back.type, message->type);
    return back;
}

static void test_hello(void **state)
{
    struct link_message message = {
        .type = LINK_HELLO,
        .hello = {.version = "1.2.3",
                  .machine_id = "m",
                  .boot_id = "",
                  .host_name = "höst",
                  .time_ms = 1790000000123,
                  .keys = {{7, {1, 2, 3}}, {6, {9}}},
                  .n_keys = 2,
                  .addresses = {"10.0.0.1", "2001:db8::1"},
                  .n_addresses = 2,
                  .revision = 1ull << 60,
                  .digest = {{0xaa, 0xbb}}},
    };
    struct link_message back = round_trip(*state, &message);

    assert_string_equal(back.hello.host_name, "höst");
    assert_string_equal(back.hello.addresses[1], "2001:db8::1");
    assert_int_equal(back.hello.n_addresses, 2);
    assert_int_equal(back.hello.keys[0].epoch, 7);
    assert_memory_equal(back.hello.keys, message.hello.keys, sizeof(message.hello.keys));
    assert_int_equal(back.hello.revision, 1ull << 60);
    assert_int_equal(back.hello.time_ms, 1790000000123);
    assert_memory_equal(&back.hello.digest, &message.hello.digest, LINK_DIGEST_BYTES);
}

static void test_delta(void **state)
{
    struct link_entry entries[] = {
        {"r:1", 5, "{\"a\":1}", 7}, {"x:2", 6, NULL, 0}, {"p:", 0, "", 0}};
    struct link_message message = {
        .type = LINK_DELTA,
        .delta = {.revision = 9, .last = true, .entries = entries, .n = 3},
    };
    struct link_message back = round_trip(*state, &message);

    assert_int_equal(back.delta.n, 3);
    assert_string_equal(back.delta.entries[0].body, "{\"a\":1}");
    assert_int_equal(back.delta.entries[0].body_len, 7);
    assert_null(back.delta.entries[1].body);
    assert_string_equal(back.delta.entries[2].body, "");
    assert_true(back.delta.last);
    assert_false(back.delta.reset);

    message =
        (struct link_message){.type = LINK_INVENTORY, .inventory = {.entries = entries, .n = 3}};
    back = round_trip(*state, &message);
    assert_int_equal(back.inventory.entries[1].version, 6);
    assert_null(back.inventory.entries[0].body);
}

static void test_units(void **state)
{
    struct link_unit units[] = {
        {"host", "host", "Host", "", {"app=x", "env=y"}, {"@os:host=linux"}, 2, 1, false},
        {"/a/b", "b", "LinuxService", "/a/b", {0}, {0}, 0, 0, true},
    };
    const char *removed[] = {"/gone"};
    struct link_message message = {
        .type = LINK_UNITS,
        .units = {.all = true, .units = units, .n = 2, .removed = removed, .n_removed = 1},
    };
    struct link_message back = round_trip(*state, &message);

    assert_int_equal(back.units.n, 2);
    assert_string_equal(back.units.units[0].tags[1], "env=y");
    assert_int_equal(back.units.units[1].n_tags, 0);
    assert_string_equal(back.units.removed[0], "/gone");
    assert_true(!back.units.units[0].stopped && back.units.units[1].stopped);
}

/* The Console makes the key of an entry from it: a longer one would be cut, perhaps within a
 * letter. */
static void test_names_of_units_fit_into_keys(void **state)
{
    char local_id[LINK_LOCAL_ID_MAX + 2];
    struct link_unit unit = {.local_id = local_id, .name = "n", .type = "Host", .native_id = ""};
    struct link_message message = {.type = LINK_UNITS, .units = {.units = &unit, .n = 1}}, back;
    _cleanup_buf_ struct buf buf = BUF_INIT(LINK_MESSAGE_BYTES_MAX);
    const char *problem;

    memset(local_id, 'x', LINK_LOCAL_ID_MAX);
    local_id[LINK_LOCAL_ID_MAX] = '\0';
    assert_string_equal(round_trip(*state, &message).units.units[0].local_id, local_id);
    local_id[LINK_LOCAL_ID_MAX] = 'x';
    local_id[LINK_LOCAL_ID_MAX + 1] = '\0';
    link_encode(&buf, &message);
    assert_int_equal(link_decode(*state, buf.data, buf.len, &back, &problem), -EPROTO);
}

static void test_the_rest(void **state)
{
    struct link_message messages[] = {
        {.type = LINK_WELCOME,
         .welcome = {.version = "1", .enforcer_id = "e", .namespace = "/", .number = 77}},
        {.type = LINK_INVENTORY_ASK},
        {.type = LINK_ACK, .ack = {.revision = 3, .error = "no room"}},
        {.type = LINK_KEYS, .keys = {.n = 1}},
        {.type = LINK_FETCH,
         .fetch = {.hosts = {5}, .n_hosts = 1, .identities = {600, 700}, .n_identities = 2}},
        {.type = LINK_HEARTBEAT,
         .heartbeat = {.status = "Active", .counters = {{"a", 5}}, .n_counters = 1}},
        {.type = LINK_REFRESH, .refresh = {.log_level = "debug", .log_seconds = 9}},
        {.type = LINK_RENEW, .renew = {.csr = "PEM"}},
        {.type = LINK_CERTIFICATE, .certificate = {.error = "no"}},
        {.type = LINK_BYE, .bye = {.code = LINK_BYE_CLOCK, .reason = "clock"}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(messages); i++)
        round_trip(*state, &messages[i]);
    assert_int_equal(round_trip(*state, &messages[4]).fetch.identities[1], 700);
    assert_string_equal(round_trip(*state, &messages[2]).ack.error, "no room");
    assert_null(round_trip(*state, &messages[8]).certificate.certificate);
    assert_int_equal(round_trip(*state, &messages[9]).bye.code, LINK_BYE_CLOCK);
}

static void refused(struct link_decoder *decoder, const char *bytes, size_t len)
{
    struct link_message back = {.type = LINK_BYE};
    const char *problem = NULL;

    assert_int_equal(link_decode(decoder, bytes, len, &back, &problem), -EPROTO);
    assert_non_null(problem);
    assert_int_equal(back.type, LINK_BYE);
}

static void test_hostile(void **state)
{
    refused(*state, "", 0);
    refused(*state, "\x92\x0e", 2);
    refused(*state, "\x92\x00\x80", 3);         /* type 0 */
    refused(*state, "\x92\x0f\x80", 3);         /* unknown type */
    refused(*state, "\x92\x06\x90", 3);         /* no map */
    refused(*state, "\x92\x06\x80", 3);         /* fields missing */
    refused(*state, "\xdd\xff\xff\xff\xff", 5); /* a count without what it counts */
    refused(*state,
            "\x92\x0e\x82\xa4"
            "code\x01\xa6reason\xa1\xff",
            18); /* no UTF-8 */
    refused(*state,
            "\x92\x0e\x82\xa4"
            "code\x01\xa6reason\xa2"
            "a\0",
            19); /* NUL */
    refused(*state, "\x92\x06\xdf\x7f\xff\xff\xff\x01", 8);
    /* Fields that nobody knows yet are skipped. */
    struct link_message back;
    const char *problem;
    assert_int_equal(
        link_decode(*state, "\x92\x03\x81\xa3new\x93\x01\x02\x03", 11, &back, &problem), 0);
    assert_int_equal(link_decode(*state, "", (size_t)LINK_MESSAGE_BYTES_MAX + 1, &back, &problem),
                     -EMSGSIZE);
}

static void test_scan(void **state)
{
    char deep[64];

    memset(deep, 0x91, sizeof(deep));
    deep[MPSCAN_DEPTH_MAX] = 0x01;
    assert_int_equal(mpscan(deep, MPSCAN_DEPTH_MAX + 1, 1000), 0);
    deep[MPSCAN_DEPTH_MAX] = (char)0x91;
    assert_int_equal(mpscan(deep, sizeof(deep), 1000), -E2BIG);
    assert_int_equal(mpscan("\x93\x01\x02\x03", 4, 4), 0);
    assert_int_equal(mpscan("\x93\x01\x02\x03", 4, 3), -E2BIG);
    assert_int_equal(mpscan("\xc1", 1, 10), -EPROTO);
    assert_int_equal(mpscan("\xd4\x01\x01", 3, 10), -EPROTO);
    assert_int_equal(mpscan("\x90\x90", 2, 10), -EPROTO);
    assert_int_equal(mpscan("\xdb\xff\xff\xff\xff", 5, 10), -EPROTO);
}

static void test_digest(void **state)
{
    struct link_digest a = {{0}}, b = {{0}}, zero = {{0}};

    link_digest_toggle(&a, "r:1", 1);
    link_digest_toggle(&a, "x:2", 2);
    link_digest_toggle(&b, "x:2", 2);
    link_digest_toggle(&b, "r:1", 1);
    assert_memory_equal(&a, &b, sizeof(a));
    link_digest_toggle(&b, "r:1", 1);
    assert_memory_not_equal(&a, &b, sizeof(a));
    link_digest_toggle(&b, "x:2", 2);
    assert_memory_equal(&zero, &b, sizeof(b));
    link_digest_toggle(&a, "x:2", 3);
    link_digest_toggle(&a, "x:2", 2);
    assert_memory_not_equal(&a, &b, sizeof(a));
    assert_int_equal(link_version("abc", 3), 0xba7816bf8f01cfeaull); /* FIPS 180-4, SHA-256 */
}

static int setup(void **state)
{
    return link_decoder_new((struct link_decoder **)state);
}

static int teardown(void **state)
{
    link_decoder_free((struct link_decoder **)state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),    cmocka_unit_test(test_delta),
        cmocka_unit_test(test_units),    cmocka_unit_test(test_names_of_units_fit_into_keys),
        cmocka_unit_test(test_the_rest), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_scan),     cmocka_unit_test(test_digest),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
