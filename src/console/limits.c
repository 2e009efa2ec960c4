/* SPDX-License-Identifier: Apache-2.0 */
#include "console/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/log.h"

#define SECRET_BYTES 16
#define BURST_SECONDS 10
#define NS 1000000000ull
#define LOG_NS (10 * NS)

static const char *const names[LIMITS_N] = {
    [LIMIT_WRITES] = "writes",       [LIMIT_WORK] = "work",         [LIMIT_STRANGERS] = "strangers",
    [LIMIT_PASSWORDS] = "passwords", [LIMIT_REFUSALS] = "refusals", [LIMIT_LINK] = "link",
};

/* Far above what people and programs need: what is left is one client that shuts out the others. */
const struct limits_config limits_default = {{
    [LIMIT_WRITES] = {10000, 50000},
    [LIMIT_WORK] = {800, 20000},
    [LIMIT_STRANGERS] = {2000, 20000}, /* thousands of Enforcers behind one address */
    [LIMIT_PASSWORDS] = {10, 100},
    [LIMIT_REFUSALS] = {1, 100},
    [LIMIT_LINK] = {200, 4000},
}};

/* When a cell will be empty again; its debt is what is left until then, at its rate. */
struct cells {
    uint64_t empty_ns[LIMITS_ROWS][LIMITS_COLUMNS];
};

struct limits {
    struct limits_config config;
    uint8_t secret[SECRET_BYTES];
    uint64_t refused[LIMITS_N], logged_ns[LIMITS_N];
    struct cells kinds[LIMITS_N];
};

int limits_new(const struct limits_config *config, struct limits **ret)
{
    _cleanup_limits_ struct limits *limits = calloc(1, sizeof(*limits));

    assert(config);
    assert(ret);

    if (!limits)
        return -ENOMEM;
    limits->config = *config;
    if (RAND_bytes(limits->secret, sizeof(limits->secret)) != 1)
        return -EIO;
    *ret = TAKE_PTR(limits);
    return 0;
}

void limits_free(struct limits **limits)
{
    free(*limits);
    *limits = NULL;
}

uint64_t limits_refused(const struct limits *limits, enum limit kind)
{
    return limits->refused[kind];
}

/* ---- Cells ---------------------------------------------------------------------------------- */

struct place {
    uint64_t *cells[LIMITS_ROWS];
};

static_assert(LIMITS_ROWS * sizeof(uint32_t) <= SHA256_BYTES, "the digest names a cell per row");

static void find(struct limits *limits, enum limit kind, const char *key, struct place *ret)
{
    uint8_t text[SECRET_BYTES + LIMITS_KEY_MAX], digest[SHA256_BYTES] = {0};
    size_t len = strnlen(key, LIMITS_KEY_MAX);

    memcpy(text, limits->secret, SECRET_BYTES);
    memcpy(text + SECRET_BYTES, key, len);
    /* Should the library refuse, all share one place: then the limit is one for all together. */
    hash_sha256(text, SECRET_BYTES + len, digest);
    for (size_t row = 0; row < LIMITS_ROWS; row++) {
        uint32_t number;

        memcpy(&number, digest + row * sizeof(number), sizeof(number));
        ret->cells[row] = &limits->kinds[kind].empty_ns[row][number % LIMITS_COLUMNS];
    }
}

static uint64_t place_empty_ns(const struct place *place, uint64_t now_ns)
{
    uint64_t least = UINT64_MAX;

    for (size_t row = 0; row < LIMITS_ROWS; row++)
        least = MIN(least, *place->cells[row]);
    return MAX(least, now_ns);
}

/* Only as far as the least full one needs: cells that others fill are not filled further. */
static void place_fill(const struct place *place, uint64_t until_ns)
{
    for (size_t row = 0; row < LIMITS_ROWS; row++)
        *place->cells[row] = MAX(*place->cells[row], until_ns);
}

static void refuse(struct limits *limits, enum limit kind, const char *key, uint64_t now_ns)
{
    limits->refused[kind]++;
    if (limits->logged_ns[kind] && now_ns - limits->logged_ns[kind] < LOG_NS)
        return;
    limits->logged_ns[kind] = MAX(now_ns, 1);
    log_event(LOG_LEVEL_WARN, "limits.refused", LOG_F("limit", "%s", names[kind]),
              LOG_F("who", "%.200s", key),
              LOG_F("refused", "%llu", (unsigned long long)limits->refused[kind]));
}

uint32_t limits_take(struct limits *limits, enum limit kind, const char *key, uint32_t cost,
                     uint64_t now_ns)
{
    uint32_t rate = limits ? limits->config.kinds[kind].rate : 0;
    uint64_t burst, until_ns, bound_ns;
    struct place place;

    assert(key);

    if (rate == 0)
        return 0;
    burst = limits->config.kinds[kind].burst;
    find(limits, kind, key, &place);
    /* What costs more than a burst waits for a whole one. */
    until_ns = place_empty_ns(&place, now_ns) + MIN((uint64_t)cost, burst) * NS / rate;
    bound_ns = now_ns + burst * NS / rate;
    if (until_ns <= bound_ns) {
        place_fill(&place, until_ns);
        return 0;
    }
    refuse(limits, kind, key, now_ns);
    return (uint32_t)((until_ns - bound_ns + NS - 1) / NS);
}

void limits_charge(struct limits *limits, enum limit kind, const char *key, uint32_t cost,
                   uint64_t now_ns)
{
    uint32_t rate = limits ? limits->config.kinds[kind].rate : 0;
    struct place place;

    assert(key);

    if (rate == 0 || cost == 0)
        return;
    find(limits, kind, key, &place);
    place_fill(&place, place_empty_ns(&place, now_ns) + (uint64_t)cost * NS / rate);
}

void limits_address(const char *client, char ret[LIMITS_ADDRESS_MAX])
{
    struct ip_addr address;

    snprintf(ret, LIMITS_ADDRESS_MAX, "%s", client);
    if (ip_addr_parse(client, &address) < 0 || ip_addr_is_v4(&address))
        return;
    memset(address.bytes + 8, 0, 8);
    ip_addr_format(&address, ret);
}

/* ---- Options -------------------------------------------------------------------------------- */

static int wrong(const char *word, size_t len, const char *expected, char *message, size_t size)
{
    snprintf(message, size, "--limits: found '%.*s', expected %s", (int)MIN(len, (size_t)60), word,
             expected);
    return -EINVAL;
}

static int find_kind(const char *word, size_t len, enum limit *ret)
{
    for (size_t i = 0; i < LIMITS_N; i++) {
        if (strlen(names[i]) == len && strncmp(names[i], word, len) == 0) {
            *ret = (enum limit)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* @return past the number; NULL: none, or more than `max` */
static const char *number(const char *at, uint32_t max, uint32_t *ret)
{
    uint64_t value = 0;
    const char *start = at;

    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (uint64_t)(*at - '0');
        if (value > max)
            return NULL;
    }
    *ret = (uint32_t)value;
    return at > start ? at : NULL;
}

static int parse_one(const char *word, size_t len, struct limits_config *config, char *message,
                     size_t size)
{
    size_t name_len = strcspn(word, "=,");
    const char *at = word + name_len;
    uint32_t rate, burst;
    enum limit kind;

    if (find_kind(word, name_len, &kind) < 0 || *at != '=')
        return wrong(word, len, "KIND=RATE of writes, work, strangers, passwords, refusals or link",
                     message, size);
    at = number(at + 1, LIMITS_RATE_MAX, &rate);
    if (!at)
        return wrong(word, len, "a RATE of 0 to 1000000 a second (0: none)", message, size);
    burst = MIN(rate * BURST_SECONDS, (uint32_t)LIMITS_BURST_MAX);
    if (*at == '/')
        at = number(at + 1, LIMITS_BURST_MAX, &burst);
    if (!at || at != word + len || (rate && burst == 0))
        return wrong(word, len, "KIND=RATE/BURST with a BURST of 1 to 1000000", message, size);
    config->kinds[kind].rate = rate;
    config->kinds[kind].burst = burst;
    return 0;
}

int limits_parse(const char *text, struct limits_config *config, char *message, size_t size)
{
    struct limits_config parsed = *config;
    int r = 0;

    assert(text);
    assert(message);

    while (r == 0 && *text) {
        size_t len = strcspn(text, ",");

        r = parse_one(text, len, &parsed, message, size);
        text += len;
        text += *text == ',';
    }
    if (r == 0)
        *config = parsed;
    return r;
}
