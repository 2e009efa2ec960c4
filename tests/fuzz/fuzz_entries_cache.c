/* SPDX-License-Identifier: Apache-2.0 */
/* libraries: bh_enforcer bh_link bh_model */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "enforcer/cache.h"
#include "fuzz.h"

#define MAC_BYTES 32

/* Under a good MAC, or else nothing but the MAC would be tried. What is read is written the same.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[CACHE_KEY_BYTES] = {7};
    struct buf file = BUF_INIT(1u << 24), again = BUF_INIT(1u << 24);
    struct entries entries = {0}, second = {0};
    uint8_t mac[MAC_BYTES];
    unsigned int len = 0;
    uint64_t revision, other;

    cache_decode(data, size, 0, key, &entries, &revision);
    entries_clear(&entries);
    buf_append(&file, data, size);
    HMAC(EVP_sha256(), key, sizeof(key), data, size, mac, &len);
    buf_append(&file, mac, sizeof(mac));
    if (!file.error && cache_decode(file.data, file.len, 0, key, &entries, &revision) == 0) {
        FUZZ_CHECK(cache_encode(&entries, revision, 0, key, &again) == 0);
        FUZZ_CHECK(cache_decode(again.data, again.len, 0, key, &second, &other) == 0);
        FUZZ_CHECK(other == revision && second.n == entries.n);
        FUZZ_CHECK(memcmp(&second.digest, &entries.digest, sizeof(second.digest)) == 0);
    }
    entries_clear(&entries);
    entries_clear(&second);
    buf_free(&file);
    buf_free(&again);
    return 0;
}
