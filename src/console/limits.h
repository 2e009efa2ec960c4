/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How much one client may ask for in a while: a rate and a burst for each kind of work, counted by
 * who asks. Over it the answer is 429 with Retry-After (Enforcers: bye 7).
 *
 * The table has a fixed size and forgets nothing. A client is not one cell but LIMITS_ROWS of them,
 * chosen by a keyed hash, each shared with others; it is as far in debt as the cell of its that is
 * the least so. Sharing can only make a cell look fuller: nobody gets more than his rate, whatever
 * else is asked and by however many (there is nothing to push out of the table), and somebody who
 * asks for little is refused only when all of his cells are also those of somebody who asks for too
 * much, which nobody can bring about without the secret of the hash.
 *
 * Pure, but for the secret: the time is given.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define LIMITS_ROWS 4
#define LIMITS_COLUMNS 8192
#define LIMITS_KEY_MAX 512 /* what is longer counts by its beginning */
#define LIMITS_RATE_MAX 1000000
#define LIMITS_BURST_MAX 1000000

enum limit {
    LIMIT_WRITES,    /* requests that may change objects, by subject */
    LIMIT_WORK,      /* ms of the loop or the database in requests that take long, by subject */
    LIMIT_STRANGERS, /* requests of nobody in particular, first checks of tokens; by address */
    LIMIT_PASSWORDS, /* hashes of passwords, by address */
    LIMIT_REFUSALS,  /* refused writes that become activities, by subject */
    LIMIT_LINK,      /* messages of an Enforcer, by its ID; LIMITS_LINK_RENEW for a certificate */
    LIMITS_N
};
#define LIMITS_LINK_RENEW 100
#define LIMITS_WORK_SHORT_MS 2 /* a request that takes less counts as none */

struct limits_config {
    struct {
        uint32_t rate, burst; /* per second, at once; rate 0: no limit */
    } kinds[LIMITS_N];
};
extern const struct limits_config limits_default;
/*
 * "writes=100,link=50/500": RATE or RATE/BURST (without: as many as in ten seconds) of some kinds;
 * the others stay.
 * @return 0, or -EINVAL with a `message` for people
 */
int limits_parse(const char *text, struct limits_config *config, char *message, size_t size);

struct limits;
int limits_new(const struct limits_config *config, struct limits **ret);
void limits_free(struct limits **limits);
#define _cleanup_limits_ _cleanup_(limits_free)

/*
 * NULL for `limits`: there are none.
 *
 * May `key` have `cost` of it now? Then it is counted.
 * @param now_ns  of a clock that does not jump
 * @return 0: yes; else after how many seconds (at least 1) it is worth another try
 */
uint32_t limits_take(struct limits *limits, enum limit kind, const char *key, uint32_t cost,
                     uint64_t now_ns);
/* Count what was not known before it was done, even beyond the burst: a debt. With a debt of a
 * whole burst limits_take() with a cost of 0 refuses as well. */
void limits_charge(struct limits *limits, enum limit kind, const char *key, uint32_t cost,
                   uint64_t now_ns);
uint64_t limits_refused(const struct limits *limits, enum limit kind);

/* Who sits behind an address: the address, or the /64 of IPv6, all of which one host may have. */
#define LIMITS_ADDRESS_MAX 64
void limits_address(const char *client, char ret[LIMITS_ADDRESS_MAX]);
