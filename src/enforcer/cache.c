/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/cache.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define MAGIC "bulkhead entries 1\n"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define HEAD_LEN (MAGIC_LEN + 8 + 4 + 4)
#define MAC_LEN 32

/* ---- Out ------------------------------------------------------------------------------------- */

static void put_number(struct buf *out, uint64_t number, unsigned bytes)
{
    uint8_t text[8];

    for (unsigned i = 0; i < bytes; i++)
        text[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
    buf_append(out, text, bytes);
}

static int mac_of(const void *data, size_t len, const uint8_t key[CACHE_KEY_BYTES],
                  uint8_t ret[MAC_LEN])
{
    unsigned int n = 0;

    return HMAC(EVP_sha256(), key, CACHE_KEY_BYTES, data, len, ret, &n) && n == MAC_LEN ? 0 : -EIO;
}

int cache_encode(const struct entries *entries, uint64_t revision, uint32_t number,
                 const uint8_t key[CACHE_KEY_BYTES], struct buf *out)
{
    _cleanup_free_
    struct entry **list = NULL;
    uint8_t mac[MAC_LEN];
    int r = entries_sorted(entries, &list);

    if (r < 0)
        return r;
    buf_append(out, MAGIC, MAGIC_LEN);
    put_number(out, revision, 8);
    put_number(out, number, 4);
    put_number(out, entries->n, 4);
    for (size_t i = 0; i < entries->n; i++) {
        size_t key_len = strlen(list[i]->key);

        put_number(out, key_len, 2);
        buf_append(out, list[i]->key, key_len);
        put_number(out, list[i]->version, 8);
        put_number(out, list[i]->len, 4);
        buf_append(out, list[i]->body, list[i]->len);
    }
    if (out->error)
        return out->error;
    r = mac_of(out->data, out->len, key, mac);
    if (r < 0)
        return r;
    buf_append(out, mac, sizeof(mac));
    return out->error;
}

/* ---- In -------------------------------------------------------------------------------------- */

struct cursor {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static const void *take(struct cursor *cursor, size_t n)
{
    const uint8_t *at = cursor->at;

    if (cursor->bad || n > cursor->left) {
        cursor->bad = true;
        return NULL;
    }
    cursor->at += n;
    cursor->left -= n;
    return at;
}

static uint64_t take_number(struct cursor *cursor, unsigned bytes)
{
    const uint8_t *at = take(cursor, bytes);
    uint64_t number = 0;

    for (unsigned i = 0; at && i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

static int take_entry(struct cursor *cursor, struct entries *entries)
{
    char key[LINK_KEY_MAX + 1];
    size_t key_len = (size_t)take_number(cursor, 2);
    struct link_entry entry = {.key = key};
    const void *text;

    if (key_len == 0 || key_len > LINK_KEY_MAX)
        return -EBADMSG;
    text = take(cursor, key_len);
    if (text)
        memcpy(key, text, key_len);
    key[text ? key_len : 0] = '\0';
    entry.version = take_number(cursor, 8);
    entry.body_len = (size_t)take_number(cursor, 4);
    entry.body = take(cursor, entry.body_len);
    if (cursor->bad || entry.body_len > LINK_ENTRY_BYTES_MAX || strlen(key) != key_len ||
        memchr(entry.body, '\0', entry.body_len))
        return -EBADMSG;
    return entries_put(entries, &entry);
}

static int take_entries(struct cursor *cursor, uint32_t number, struct entries *entries,
                        uint64_t *ret_revision)
{
    uint64_t revision = take_number(cursor, 8);
    uint32_t for_number = (uint32_t)take_number(cursor, 4);
    uint32_t n = (uint32_t)take_number(cursor, 4);
    struct entry *entry, *next;
    int r = for_number == number ? 0 : -ESTALE;

    for (uint32_t i = 0; i < n && r == 0; i++)
        r = take_entry(cursor, entries);
    if (r == 0 && cursor->left > 0)
        r = -EBADMSG;
    if (r < 0)
        return r == -ENOMEM || r == -ESTALE ? r : -EBADMSG;
    HASH_ITER(hh, entries->table, entry, next)
    entry->believed = true;
    *ret_revision = revision;
    return 0;
}

int cache_decode(const void *data, size_t len, uint32_t number, const uint8_t key[CACHE_KEY_BYTES],
                 struct entries *ret, uint64_t *ret_revision)
{
    struct cursor cursor = {.at = (const uint8_t *)data + MAGIC_LEN};
    _cleanup_entries_ struct entries entries = {0};
    uint8_t mac[MAC_LEN];
    int r;

    if (len < HEAD_LEN + MAC_LEN || memcmp(data, MAGIC, MAGIC_LEN) != 0)
        return -ESTALE;
    r = mac_of(data, len - MAC_LEN, key, mac);
    if (r < 0)
        return r;
    if (CRYPTO_memcmp(mac, (const uint8_t *)data + len - MAC_LEN, MAC_LEN) != 0)
        return -EBADMSG;
    cursor.left = len - MAGIC_LEN - MAC_LEN;
    r = take_entries(&cursor, number, &entries, ret_revision);
    if (r < 0)
        return r;
    *ret = entries;
    entries = (struct entries){0};
    return 0;
}
