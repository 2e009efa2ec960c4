/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/entries.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "enforcer/cache.h"

static const uint8_t key[CACHE_KEY_BYTES] = {1, 2, 3}, other_key[CACHE_KEY_BYTES] = {1, 2, 4};

static void put(struct entries *entries, const char *name, uint64_t version, const char *body)
{
    const struct link_entry entry = {
        .key = name, .version = version, .body = body, .body_len = body ? strlen(body) : 0};

    assert_int_equal(entries_put(entries, &entry), 0);
}

static struct link_digest digest_of(const struct entries *entries)
{
    struct link_digest digest = {{0}};
    struct entry *entry, *next;

    HASH_ITER(hh, entries->table, entry, next)
    link_digest_toggle(&digest, entry->key, entry->version);
    return digest;
}

static void check(const struct entries *entries, size_t n)
{
    struct link_digest digest = digest_of(entries);

    assert_int_equal(entries->n, n);
    assert_int_equal(HASH_COUNT(entries->table), n);
    assert_memory_equal(&digest, &entries->digest, sizeof(digest));
}

static void test_digest(void **state)
{
    static const struct link_digest nothing;
    _cleanup_entries_ struct entries entries = {0};

    put(&entries, "r:1", 5, "{}");
    put(&entries, "r:2", 6, "{\"a\":1}");
    check(&entries, 2);
    put(&entries, "r:1", 7, "other");
    check(&entries, 2);
    assert_string_equal(entries_find(&entries, "r:1")->body, "other");
    put(&entries, "r:3", 0, NULL); /* not there */
    check(&entries, 2);
    put(&entries, "r:2", 0, NULL);
    check(&entries, 1);
    assert_null(entries_find(&entries, "r:2"));
    assert_int_equal(entries.bytes, strlen("r:1") + strlen("other"));
    put(&entries, "r:1", 0, NULL);
    check(&entries, 0);
    assert_memory_equal(&entries.digest, &nothing, sizeof(nothing));
    assert_int_equal(entries.bytes, 0);
}

/* The order of changes does not matter, nor does a change that is taken back. */
static void test_same_contents_same_digest(void **state)
{
    _cleanup_entries_ struct entries a = {0}, b = {0};
    char name[32];

    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "i:%u", i);
        put(&a, name, i * 7, "x");
        snprintf(name, sizeof(name), "i:%u", 99 - i);
        put(&b, name, 1, "y");
        put(&b, name, (99 - i) * 7, "x");
    }
    put(&b, "i:500", 3, "z");
    put(&b, "i:500", 0, NULL);
    assert_memory_equal(&a.digest, &b.digest, sizeof(a.digest));
}

static void test_inventory(void **state)
{
    _cleanup_entries_ struct entries entries = {0};
    _cleanup_free_
    struct link_entry *list = NULL;

    put(&entries, "r:1", 5, "{}");
    put(&entries, "p:", 6, "{}");
    assert_int_equal(entries_inventory(&entries, &list), 0);
    for (size_t i = 0; i < entries.n; i++) {
        assert_null(list[i].body);
        assert_int_equal(list[i].version, entries_find(&entries, list[i].key)->version);
    }
}

/* ---- On disk --------------------------------------------------------------------------------- */

static void fill(struct entries *entries)
{
    put(entries, "n:/shop", 0xfedcba9876543210u, "{\"name\":\"/shop\"}");
    put(entries, "i:1000", 1, "a.b.c");
    put(entries, "p:", 2, "");
}

static void encode(const struct entries *entries, struct buf *out)
{
    assert_int_equal(cache_encode(entries, 42, 7, key, out), 0);
}

static void test_round_trip(void **state)
{
    _cleanup_buf_ struct buf out = BUF_INIT(65536), again = BUF_INIT(65536);
    _cleanup_entries_ struct entries entries = {0}, read = {0};
    uint64_t revision = 0;

    fill(&entries);
    encode(&entries, &out);
    assert_int_equal(cache_decode(out.data, out.len, 7, key, &read, &revision), 0);
    assert_int_equal(revision, 42);
    check(&read, 3);
    assert_memory_equal(&read.digest, &entries.digest, sizeof(read.digest));
    assert_string_equal(entries_find(&read, "n:/shop")->body, "{\"name\":\"/shop\"}");
    assert_true(entries_find(&read, "i:1000")->believed);
    encode(&read, &again);
    assert_int_equal(out.len, again.len);
    assert_memory_equal(out.data, again.data, out.len);
}

/* Every single bit counts, and every length. */
static void test_forged(void **state)
{
    _cleanup_buf_ struct buf out = BUF_INIT(65536);
    _cleanup_entries_ struct entries entries = {0}, read = {0};
    uint64_t revision = 0;

    fill(&entries);
    encode(&entries, &out);
    for (size_t i = 0; i < out.len * 8; i++) {
        out.data[i / 8] ^= (char)(1 << i % 8);
        assert_true(cache_decode(out.data, out.len, 7, key, &read, &revision) < 0);
        out.data[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t len = 0; len < out.len; len++)
        assert_true(cache_decode(out.data, len, 7, key, &read, &revision) < 0);
    assert_int_equal(cache_decode(out.data, out.len, 7, other_key, &read, &revision), -EBADMSG);
    assert_int_equal(cache_decode(out.data, out.len, 8, key, &read, &revision), -ESTALE);
    assert_int_equal(read.n, 0);
    assert_int_equal(cache_decode(out.data, out.len, 7, key, &read, &revision), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest),    cmocka_unit_test(test_same_contents_same_digest),
        cmocka_unit_test(test_inventory), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_forged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
