/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flow records as JSON (docs/operator/control-socket.md). Written straight into
 * a buffer, since this is the one answer that can be asked for 20,000 times a second.
 */

#include "base/buf.h"
#include "enforcer/flows.h"
#include "enforcer/names.h"

/* Everything that turns numbers into names; members may be NULL. */
struct flowtext {
    const struct units *units;
    const struct directory *directory;
    const struct names *names;
    const struct estate *estate;
    struct flowtext_cache *cache; /* external networks by address class */
};

#define FLOWTEXT_CACHE_MAX 256
int flowtext_cache_new(struct flowtext_cache **ret);
void flowtext_cache_free(struct flowtext_cache **cache);
/* The estate changed: what was looked up in the old one is forgotten. */
void flowtext_cache_clear(struct flowtext_cache *cache);

/* One JSON object, without a newline. */
void flowtext_json(struct buf *buf, const struct flowtext *text, const struct flow_news *news);
/* `"text"` with escapes */
void flowtext_string(struct buf *buf, const char *text);

/* Ids and names of what decided: a rule, a default, or (for malformed packets) nothing. */
struct flowtext_policy {
    char id[RULESET_ID_TEXT];
    const char *namespace, *name, *rule;
};
void flowtext_policy(const struct flowtext *text, uint32_t pu, uint32_t version, uint32_t rule,
                     struct flowtext_policy *ret);
/* "tcp", or the number */
const char *flowtext_protocol(uint8_t protocol, char number[4]);
