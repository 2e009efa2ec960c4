/* SPDX-License-Identifier: Apache-2.0 */
#include "enforcer/flowtext.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#define FRAGMENT_BYTES_MAX (1u << 20)

/* Address class → `"type":"ExternalNetwork","id":…,"name":…,"tags":[…]`; the youngest wins a place.
 */
struct flowtext_cache {
    struct {
        uint32_t address_class; /* 0: empty */
        char *fragment;
    } entries[FLOWTEXT_CACHE_MAX];
};

int flowtext_cache_new(struct flowtext_cache **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : -ENOMEM;
}

void flowtext_cache_clear(struct flowtext_cache *cache)
{
    for (size_t i = 0; i < FLOWTEXT_CACHE_MAX; i++) {
        free(cache->entries[i].fragment);
        cache->entries[i].fragment = NULL;
        cache->entries[i].address_class = 0;
    }
}

void flowtext_cache_free(struct flowtext_cache **cache)
{
    if (!*cache)
        return;
    flowtext_cache_clear(*cache);
    free(*cache);
    *cache = NULL;
}

void flowtext_string(struct buf *buf, const char *text)
{
    buf_append(buf, "\"", 1);
    text_json_escape(buf, text, strlen(text));
    buf_append(buf, "\"", 1);
}

static void put_tags(struct buf *buf, const struct tag_set *tags)
{
    buf_puts(buf, "[");
    for (size_t i = 0; tags && i < tags->n; i++) {
        if (i)
            buf_append(buf, ",", 1);
        flowtext_string(buf, tags->tags[i]);
    }
    buf_puts(buf, "]");
}

static void put_unit(struct buf *buf, const char *id, const char *namespace, const char *name,
                     const struct tag_set *tags)
{
    buf_puts(buf, "\"type\":\"ProcessingUnit\",\"id\":");
    flowtext_string(buf, id);
    buf_puts(buf, ",\"namespace\":");
    flowtext_string(buf, namespace);
    buf_puts(buf, ",\"name\":");
    flowtext_string(buf, name);
    buf_puts(buf, ",\"tags\":");
    put_tags(buf, tags);
}

static void put_own(struct buf *buf, const struct flowtext *text, uint32_t pu)
{
    const struct unit *unit = text->units ? units_get(text->units, pu) : NULL;

    put_unit(buf, unit ? unit->id : "", unit ? unit->namespace : "", unit ? unit->name : "",
             unit ? &unit->tags : NULL);
}

static void put_identity(struct buf *buf, const struct flowtext *text, uint32_t id)
{
    const struct identity *identity = directory_find(text->directory, id);
    char number[16];

    if (identity && identity->unit != UNIT_NO_SLOT) {
        put_own(buf, text, identity->unit);
        return;
    }
    snprintf(number, sizeof(number), "%08" PRIx32, id);
    put_unit(buf, number, identity ? identity->namespace : "", identity ? identity->name : "",
             identity ? identity->tags : NULL);
}

/* ---- External networks
 * --------------------------------------------------------------------------- */

static void put_somewhere(struct buf *buf)
{
    buf_puts(buf, "\"type\":\"Somewhere\",\"id\":\"\",\"namespace\":\"\",\"name\":\"somewhere\","
                  "\"tags\":[]");
}

/* Names joined, tags united, of every network that holds the address. */
static char *network_fragment(const struct estate *estate, uint32_t address_class,
                              const struct ip_addr *address)
{
    _cleanup_buf_ struct buf names = BUF_INIT(FRAGMENT_BYTES_MAX);
    _cleanup_buf_ struct buf buf = BUF_INIT(FRAGMENT_BYTES_MAX);
    _cleanup_tag_set_ struct tag_set tags = {0};
    const char *namespace = NULL;

    for (size_t i = 0; i < estate->n_networks; i++) {
        const struct model_network *network = &estate->networks[i];

        if (!cidr_list_has(&network->cidrs, address))
            continue;
        buf_printf(&names, "%s%s", namespace ? ", " : "", network->name);
        namespace = namespace ? namespace : network->namespace;
        for (size_t j = 0; j < network->tags.n; j++)
            if (tag_set_add(&tags, network->tags.tags[j]) < 0)
                break; /* a union too large for one set is shown in part */
    }
    if (!namespace) {
        put_somewhere(&buf);
        return buf_steal(&buf);
    }
    buf_printf(&buf, "\"type\":\"ExternalNetwork\",\"id\":\"%08" PRIx32 "\",\"namespace\":",
               address_class);
    flowtext_string(&buf, namespace);
    buf_puts(&buf, ",\"name\":");
    flowtext_string(&buf, names.data ? names.data : "");
    buf_puts(&buf, ",\"tags\":");
    put_tags(&buf, &tags);
    return buf_steal(&buf);
}

static void put_network(struct buf *buf, const struct flowtext *text, uint32_t address_class,
                        const struct ip_addr *address)
{
    uint32_t at = address_class % FLOWTEXT_CACHE_MAX;

    if (address_class == 0 || !text->estate || !text->cache) {
        put_somewhere(buf);
        return;
    }
    if (text->cache->entries[at].address_class != address_class) {
        free(text->cache->entries[at].fragment);
        text->cache->entries[at].fragment = network_fragment(text->estate, address_class, address);
        text->cache->entries[at].address_class = address_class;
    }
    if (text->cache->entries[at].fragment)
        buf_puts(buf, text->cache->entries[at].fragment);
    else
        put_somewhere(buf);
}

/* ---- What decided
 * ---------------------------------------------------------------------------------- */

void flowtext_policy(const struct flowtext *text, uint32_t pu, uint32_t version, uint32_t rule,
                     struct flowtext_policy *ret)
{
    const struct unit *unit = text->units ? units_get(text->units, pu) : NULL;
    struct names_rule found;

    *ret = (struct flowtext_policy){.namespace = "", .name = "", .rule = ""};
    if (rule == POLICY_RULE_NONE) {
        snprintf(ret->id, sizeof(ret->id), "default");
        ret->namespace = unit ? unit->namespace : "";
        ret->name = "default";
    } else if (text->names && names_find(text->names, version, rule, &found)) {
        ruleset_id(found.namespace, found.ruleset, ret->id);
        ret->namespace = found.namespace;
        ret->name = found.ruleset;
        ret->rule = found.rule;
    }
}

/* Dropped before any rule was asked. */
static bool is_malformed(const struct flow_key *key)
{
    return key->action == MODEL_ACTION_REJECT && key->rule == POLICY_RULE_NONE &&
           key->reason != ABI_REASON_NONE && key->reason != ABI_REASON_POLICY &&
           key->reason != ABI_REASON_STRIPPED && key->reason != ABI_REASON_FALLBACK &&
           key->reason != ABI_REASON_NO_ROOM;
}

static const char *action_name(uint8_t action)
{
    if (action == MODEL_ACTION_NONE)
        return "NotApplicable";
    return action == MODEL_ACTION_ALLOW ? "Accept" : "Reject";
}

static void put_policy(struct buf *buf, const struct flowtext *text, const struct flow_key *key)
{
    struct flowtext_policy policy = {.namespace = "", .name = "", .rule = ""};

    if (!is_malformed(key))
        flowtext_policy(text, key->pu, key->policy_version, key->rule, &policy);
    buf_printf(buf, ",\"policyId\":\"%s\",\"policyNamespace\":", policy.id);
    flowtext_string(buf, policy.namespace);
    buf_puts(buf, ",\"policyName\":");
    flowtext_string(buf, policy.name);
    buf_puts(buf, ",\"ruleName\":");
    flowtext_string(buf, policy.rule);
}

static void put_observed(struct buf *buf, const struct flowtext *text, const struct flow_key *key)
{
    struct flowtext_policy policy = {.namespace = "", .name = "", .rule = ""};

    if (key->observed != MODEL_ACTION_NONE)
        flowtext_policy(text, key->pu, key->policy_version, key->observed_rule, &policy);
    buf_printf(buf, ",\"observedAction\":\"%s\",\"observedPolicyId\":\"%s\"",
               action_name(key->observed), policy.id);
    buf_puts(buf, ",\"observedPolicyNamespace\":");
    flowtext_string(buf, policy.namespace);
    buf_puts(buf, ",\"observedPolicyName\":");
    flowtext_string(buf, policy.name);
    buf_puts(buf, ",\"observedRuleName\":");
    flowtext_string(buf, policy.rule);
}

/* ---- The record
 * --------------------------------------------------------------------------------------- */

static void put_time(struct buf *buf, int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm = {0};

    gmtime_r(&seconds, &tm);
    buf_printf(buf, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900, tm.tm_mon + 1,
               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(time_ms % 1000));
}

static void put_end(struct buf *buf, const struct flowtext *text, const struct flow_key *key,
                    bool local)
{
    char address[IP_TEXT_MAX];

    if (local)
        put_own(buf, text, key->pu);
    else if (key->peer_identity)
        put_identity(buf, text, key->peer_identity);
    else
        put_network(buf, text, key->address_class, &key->remote);
    buf_puts(buf, ",\"ip\":\"");
    buf_puts(buf, ip_addr_format(local ? &key->local : &key->remote, address));
    buf_puts(buf, "\"");
}

const char *flowtext_protocol(uint8_t protocol, char number[4])
{
    const char *name = protocol_name(protocol);

    if (name)
        return name;
    snprintf(number, 4, "%u", (unsigned)protocol);
    return number;
}

void flowtext_json(struct buf *buf, const struct flowtext *text, const struct flow_news *news)
{
    const struct flow_key *key = &news->key;
    bool outgoing = key->direction == MODEL_DIRECTION_OUT;
    char number[4];

    buf_puts(buf, "{\"timestamp\":");
    put_time(buf, news->time_ms);
    buf_puts(buf, ",\"source\":{");
    put_end(buf, text, key, outgoing);
    buf_puts(buf, "},\"destination\":{");
    put_end(buf, text, key, !outgoing);
    buf_printf(buf, ",\"port\":%u},\"protocol\":\"%s\",\"action\":\"%s\",\"direction\":\"%s\"",
               (unsigned)key->port, flowtext_protocol(key->protocol, number),
               action_name(key->action), outgoing ? "outgoing" : "incoming");
    put_policy(buf, text, key);
    put_observed(buf, text, key);
    buf_printf(buf,
               ",\"dropReason\":\"%s\",\"count\":%" PRIu64 ",\"bytesIn\":%" PRIu64
               ",\"bytesOut\":%" PRIu64 "}",
               datapath_reason_name(key->reason), news->count, news->bytes_in, news->bytes_out);
}
