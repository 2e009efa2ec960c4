/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"

#define V4_OFFSET_BITS 96
#define PREFIX_DIGITS_MAX 3

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

int ip_addr_parse(const char *text, struct ip_addr *ret)
{
    struct ip_addr addr;
    uint8_t v4[4];

    assert(text);
    assert(ret);

    if (inet_pton(AF_INET6, text, addr.bytes) == 1) {
        *ret = addr;
        return 0;
    }
    if (inet_pton(AF_INET, text, v4) != 1)
        return -EINVAL;
    memcpy(addr.bytes, mapped_prefix, sizeof(mapped_prefix));
    memcpy(addr.bytes + sizeof(mapped_prefix), v4, sizeof(v4));
    *ret = addr;
    return 0;
}

/* RFC 5952 4.2: the longest run of at least two zero words, the first of equals. */
static void longest_zero_run(const uint16_t words[8], int *ret_start, int *ret_len)
{
    int start = -1, len = 1;

    for (int i = 0; i < 8;) {
        int j = i;

        while (j < 8 && words[j] == 0)
            j++;
        if (j - i > len) {
            start = i;
            len = j - i;
        }
        i = j == i ? i + 1 : j;
    }
    *ret_start = start;
    *ret_len = start < 0 ? 0 : len;
}

const char *ip_addr_format(const struct ip_addr *addr, char text[IP_TEXT_MAX])
{
    uint16_t words[8];
    int start, len, at = 0;

    assert(addr);

    if (ip_addr_is_v4(addr)) {
        const uint8_t *b = addr->bytes + 12;

        snprintf(text, IP_TEXT_MAX, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        return text;
    }
    for (int i = 0; i < 8; i++)
        words[i] = (uint16_t)(addr->bytes[2 * i] << 8 | addr->bytes[2 * i + 1]);
    longest_zero_run(words, &start, &len);
    text[0] = '\0';
    for (int i = 0; i < 8; i++) {
        if (i == start) {
            at += snprintf(text + at, IP_TEXT_MAX - (size_t)at, "::");
            i += len - 1;
            continue;
        }
        at += snprintf(text + at, IP_TEXT_MAX - (size_t)at, "%s%x",
                       i > 0 && i != start + len ? ":" : "", words[i]);
    }
    return text;
}

bool ip_addr_is_v4(const struct ip_addr *addr)
{
    assert(addr);

    return memcmp(addr->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

void ip_addr_from_v4(uint32_t addr_be, struct ip_addr *ret)
{
    assert(ret);

    memcpy(ret->bytes, mapped_prefix, sizeof(mapped_prefix));
    memcpy(ret->bytes + sizeof(mapped_prefix), &addr_be, sizeof(addr_be));
}

/* Zero from bit `len` on; true when any bit there was set. */
static bool mask_addr(struct ip_addr *addr, unsigned len)
{
    bool set = false;

    for (unsigned i = len / 8; i < sizeof(addr->bytes); i++) {
        uint8_t keep = i == len / 8 && len % 8 ? (uint8_t)(0xff00 >> (len % 8)) : 0;

        set |= (addr->bytes[i] & (uint8_t)~keep) != 0;
        addr->bytes[i] &= keep;
    }
    return set;
}

/* Decimal digits alone, no leading zero. */
static int parse_length(const char *text, unsigned *ret)
{
    unsigned value = 0;
    size_t n = strspn(text, "0123456789");

    if (n == 0 || text[n] || (n > 1 && text[0] == '0'))
        return -EINVAL;
    if (n > PREFIX_DIGITS_MAX)
        return -ERANGE;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    *ret = value;
    return 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *ret)
{
    char addr_text[IP_TEXT_MAX];
    struct ip_prefix prefix;
    unsigned len, offset;
    const char *slash;
    size_t n;
    int r;

    assert(text);
    assert(ret);

    slash = strchr(text, '/');
    n = slash ? (size_t)(slash - text) : strlen(text);
    if (n >= sizeof(addr_text))
        return -EINVAL;
    memcpy(addr_text, text, n);
    addr_text[n] = '\0';
    if (ip_addr_parse(addr_text, &prefix.addr) < 0)
        return -EINVAL;
    /* A length belongs to the notation: /104 in ::ffff:10.0.0.0/104, /8 in 10.0.0.0/8. */
    offset = strchr(addr_text, ':') ? 0 : V4_OFFSET_BITS;
    len = 128 - offset;
    if (slash) {
        r = parse_length(slash + 1, &len);
        if (r < 0)
            return r;
        if (len > 128 - offset)
            return -ERANGE;
    }
    prefix.len = (uint8_t)(len + offset);
    if (mask_addr(&prefix.addr, prefix.len))
        return -EDOM;
    *ret = prefix;
    return 0;
}

const char *ip_prefix_format(const struct ip_prefix *prefix, char text[IP_TEXT_MAX])
{
    bool v4 = ip_prefix_is_v4(prefix);
    size_t n;

    ip_addr_format(&prefix->addr, text);
    n = strlen(text);
    if (v4)
        snprintf(text + n, IP_TEXT_MAX - n, "/%u", prefix->len - V4_OFFSET_BITS);
    else
        snprintf(text + n, IP_TEXT_MAX - n, "/%u", prefix->len);
    return text;
}

bool ip_prefix_is_v4(const struct ip_prefix *prefix)
{
    assert(prefix);

    return prefix->len >= V4_OFFSET_BITS && ip_addr_is_v4(&prefix->addr);
}

static bool equal_bits(const struct ip_addr *a, const struct ip_addr *b, unsigned len)
{
    unsigned whole = len / 8;

    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    return len % 8 == 0 ||
           ((a->bytes[whole] ^ b->bytes[whole]) & (0xff00 >> (len % 8)) & 0xff) == 0;
}

bool ip_prefix_contains(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
    assert(outer);
    assert(inner);

    return outer->len <= inner->len && ip_prefix_is_v4(outer) == ip_prefix_is_v4(inner) &&
           equal_bits(&outer->addr, &inner->addr, outer->len);
}

bool ip_prefix_has(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
    assert(prefix);
    assert(addr);

    return ip_prefix_is_v4(prefix) == ip_addr_is_v4(addr) &&
           equal_bits(&prefix->addr, addr, prefix->len);
}

int ip_prefix_compare(const struct ip_prefix *a, const struct ip_prefix *b)
{
    int r;

    assert(a);
    assert(b);

    r = memcmp(a->addr.bytes, b->addr.bytes, sizeof(a->addr.bytes));
    return r ? r : (int)a->len - (int)b->len;
}
