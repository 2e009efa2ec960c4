/* SPDX-License-Identifier: Apache-2.0 */
#include "console/totp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/buf.h"

#define URI_BYTES_MAX 2048

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

int totp_code(const uint8_t *secret, size_t len, int64_t step, unsigned digits, uint32_t *ret_code)
{
    uint8_t counter[8], mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0, offset;
    uint32_t code, modulus = 1;

    assert(secret);
    assert(digits > 0 && digits < 10);
    assert(ret_code);

    for (size_t i = 0; i < sizeof(counter); i++)
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    if (!HMAC(EVP_sha1(), secret, (int)len, counter, sizeof(counter), mac, &mac_len) ||
        mac_len != 20)
        return -EIO;
    offset = mac[19] & 0xf; /* RFC 4226 5.3 */
    code = (uint32_t)(mac[offset] & 0x7f) << 24 | (uint32_t)mac[offset + 1] << 16 |
           (uint32_t)mac[offset + 2] << 8 | mac[offset + 3];
    for (unsigned i = 0; i < digits; i++)
        modulus *= 10;
    *ret_code = code % modulus;
    return 0;
}

int totp_check(const char *secret, const char *code, int64_t now_ms, int64_t after,
               int64_t *ret_step)
{
    uint8_t bytes[TOTP_SECRET_BYTES_MAX];
    int64_t now = now_ms / TOTP_STEP_MS, found = -1;
    size_t len;
    int r;

    assert(secret);
    assert(code);
    assert(ret_step);

    r = totp_base32_decode(secret, bytes, sizeof(bytes), &len);
    if (r < 0)
        return -EINVAL;
    if (strlen(code) != TOTP_DIGITS)
        return -EACCES;
    for (int64_t step = now - TOTP_WINDOW; step <= now + TOTP_WINDOW; step++) {
        char wanted[16];
        uint32_t value;

        r = totp_code(bytes, len, step, TOTP_DIGITS, &value);
        if (r < 0)
            break;
        snprintf(wanted, sizeof(wanted), "%0*u", TOTP_DIGITS, value);
        /* All of them, always: how long it takes must not say which one it was. */
        if (CRYPTO_memcmp(wanted, code, TOTP_DIGITS) == 0 && step > after)
            found = step;
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (r < 0)
        return r;
    if (found < 0)
        return -EACCES;
    *ret_step = found;
    return 0;
}

int totp_secret_new(char **ret)
{
    uint8_t bytes[TOTP_SECRET_BYTES];
    char *text = calloc(1, TOTP_SECRET_BYTES * 8 / 5 + 1);

    assert(ret);

    if (!text)
        return -ENOMEM;
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        free(text);
        return -EIO;
    }
    for (size_t i = 0; i < TOTP_SECRET_BYTES * 8 / 5; i++) {
        unsigned value = 0;

        for (size_t bit = i * 5; bit < i * 5 + 5; bit++)
            value = value << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1);
        text[i] = alphabet[value];
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    *ret = text;
    return 0;
}

int totp_base32_decode(const char *text, uint8_t *bytes, size_t size, size_t *ret_len)
{
    unsigned held = 0, n_bits = 0;
    size_t len = 0;

    assert(text);
    assert(bytes);
    assert(ret_len);

    for (; *text && *text != '='; text++) {
        const char *digit = strchr(alphabet, *text);

        if (!digit)
            return -EINVAL;
        held = held << 5 | (unsigned)(digit - alphabet);
        n_bits += 5;
        if (n_bits < 8)
            continue;
        if (len == size)
            return -ENOSPC;
        n_bits -= 8;
        bytes[len++] = (uint8_t)(held >> n_bits);
        held &= (1u << n_bits) - 1;
    }
    if (len == 0 || text[strspn(text, "=")] || held != 0)
        return -EINVAL;
    *ret_len = len;
    return 0;
}

static void put_escaped(struct buf *buf, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *text; text++) {
        if (strchr(plain, *text))
            buf_append(buf, text, 1);
        else
            buf_printf(buf, "%%%02X", (unsigned char)*text);
    }
}

char *totp_uri(const char *secret, const char *issuer, const char *account)
{
    _cleanup_buf_ struct buf buf = BUF_INIT(URI_BYTES_MAX);

    assert(secret && issuer && account);

    buf_puts(&buf, "otpauth://totp/");
    put_escaped(&buf, issuer);
    buf_puts(&buf, ":");
    put_escaped(&buf, account);
    buf_printf(&buf, "?secret=%s&issuer=", secret);
    put_escaped(&buf, issuer);
    return buf_steal(&buf);
}
