/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#include "address.h"
#include "base/error.h"
#include "base/hash.h"
#include "flatten.h"
#include "index.h"
#include "vec.h"

/*
 * Estate, policies and identities to what the kernel looks up (docs/developer/policy.md):
 *
 *   1. index        every object expression of the policies' rules, once
 *   2. match        each distinct tag set → list of rules of the whole estate, once
 *   3. per policy   that list cut down to the policy's rules; each distinct one → class, once
 *   4. per policy   the rules of all networks in scope that hold an address → class, once
 *
 * What is not found in step 2 to 4 costs nothing, so the work is O(tags of the peers + rules +
 * matches), not O(peers × rules).
 */

#define IDENTITY_RESERVED_MAX 255u
#define CLASS_NONE UINT32_MAX
#define CLASS_UNKNOWN (UINT32_MAX - 1)

struct compiler {
    const struct estate *estate;
    const struct policy *const *policies;
    const struct policy_identity *identities;
    size_t n_policies, n_identities;

    struct index index;
    struct intern tag_sets;  /* distinct tag sets of peers, as tag numbers */
    struct intern lists;     /* distinct lists of ordinals */
    struct u32s list_of_set; /* by tag set */
    uint32_t *order;         /* identities by ascending id */
    uint32_t *identity_list; /* by place in `order`: its list of rules */
    uint32_t *network_list;  /* by network */
    struct address_table addresses;

    struct policy_compiled *out;
    size_t classes_size;
    struct intern fingerprints; /* of out->classes, same numbers */
    struct flatten flatten;
    struct flatten_any any;

    /* of the policy at hand */
    const struct policy *policy;
    uint32_t *rule_of;        /* by ordinal: index in the policy, or POLICY_RULE_NONE */
    bool *network_in_scope;   /* by network */
    struct intern rule_lists; /* of the direction and kind at hand */
    struct u32s class_of;     /* by rule list */
    uint32_t *class_of_list;  /* by list of ordinals, in the direction at hand */
    uint8_t *rule_flags;      /* by rule of the policy: RULE_…, while a list is put together */
    struct u32s words;
    size_t peers_size;
};

enum { RULE_FOUND = 1, RULE_ID = 2 };

static void compiler_free(struct compiler *c)
{
    index_free(&c->index);
    intern_free(&c->tag_sets);
    intern_free(&c->lists);
    u32s_free(&c->list_of_set);
    free(c->order);
    free(c->identity_list);
    free(c->network_list);
    address_table_free(&c->addresses);
    policy_compiled_free(&c->out);
    intern_free(&c->fingerprints);
    flatten_free(&c->flatten);
    flatten_any_reset(&c->any, MODEL_ACTION_NONE);
    free(c->rule_of);
    free(c->network_in_scope);
    intern_free(&c->rule_lists);
    u32s_free(&c->class_of);
    free(c->class_of_list);
    free(c->rule_flags);
    u32s_free(&c->words);
}

/* ---- Peers to lists of rules ---------------------------------------------------------------- */

static int id_compare(const void *a, const void *b, void *identities)
{
    const struct policy_identity *all = identities;
    uint32_t x = all[*(const uint32_t *)a].id, y = all[*(const uint32_t *)b].id;

    return (x > y) - (x < y);
}

static int order_identities(struct compiler *c)
{
    for (size_t i = 0; i < c->n_identities; i++) {
        assert(c->identities[i].id > IDENTITY_RESERVED_MAX);
        c->order[i] = (uint32_t)i;
    }
    qsort_r(c->order, c->n_identities, sizeof(*c->order), id_compare, (void *)c->identities);
    for (size_t i = 1; i < c->n_identities; i++) {
        if (c->identities[c->order[i - 1]].id == c->identities[c->order[i]].id)
            return -BULKHEAD_EIDENTITY_COLLISION;
    }
    return 0;
}

static int add_tag_set(struct compiler *c, const struct tag_set *tags, uint32_t *ret)
{
    bool is_new;
    int r;

    c->words.n = 0;
    r = index_tags(&c->index, tags, &c->words);
    if (r == 0)
        r = intern_add(&c->tag_sets, c->words.v, c->words.n * sizeof(*c->words.v), ret, &is_new);
    if (r == 0 && is_new)
        index_count(&c->index, c->words.v, c->words.n);
    return r;
}

static int match_tag_set(struct compiler *c, uint32_t tag_set)
{
    size_t len;
    const uint32_t *tags = intern_get(&c->tag_sets, tag_set, &len);
    uint32_t list = 0;
    bool is_new;
    int r;

    r = index_match(&c->index, tags, len / sizeof(*tags), &c->words);
    if (r == 0)
        r = intern_add(&c->lists, c->words.v, c->words.n * sizeof(*c->words.v), &list, &is_new);
    return r < 0 ? r : u32s_push(&c->list_of_set, list);
}

/* Steps 1 and 2. identity_list and network_list hold numbers of tag sets first, then of lists. */
static int match_peers(struct compiler *c)
{
    int r;

    r = index_build(c->estate, c->policies, c->n_policies, &c->index);
    if (r == 0)
        r = order_identities(c);
    for (size_t i = 0; r == 0 && i < c->n_identities; i++)
        r = add_tag_set(c, c->identities[c->order[i]].tags, &c->identity_list[i]);
    for (size_t i = 0; r == 0 && i < c->estate->n_networks; i++)
        r = add_tag_set(c, &c->estate->networks[i].tags, &c->network_list[i]);
    if (r == 0)
        r = index_finish(&c->index);
    for (uint32_t i = 0; r == 0 && i < c->tag_sets.n; i++)
        r = match_tag_set(c, i);
    if (r < 0)
        return r;
    for (size_t i = 0; i < c->n_identities; i++)
        c->identity_list[i] = c->list_of_set.v[c->identity_list[i]];
    for (size_t i = 0; i < c->estate->n_networks; i++)
        c->network_list[i] = c->list_of_set.v[c->network_list[i]];
    return 0;
}

/* ---- Classes ----------------------------------------------------------------------------------
 */

/* Entries as bytes without padding, integers big endian. */
#define ENTRY_BYTES 26

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(value >> shift);
    return at;
}

static void put_entry(uint8_t *at, const struct policy_class_entry *entry)
{
    const struct policy_verdict *v = &entry->verdict;

    *at++ = entry->prefix_len;
    *at++ = entry->protocol;
    *at++ = (uint8_t)(entry->port >> 8);
    *at++ = (uint8_t)entry->port;
    *at++ = v->action;
    *at++ = v->observed;
    *at++ = v->id_action;
    *at++ = v->id_observed;
    *at++ = v->logs_disabled;
    *at++ = v->id_logs_disabled;
    at = put32(at, v->rule);
    at = put32(at, v->observed_rule);
    at = put32(at, v->id_rule);
    put32(at, v->id_observed_rule);
}

static int class_fingerprint(const struct policy_class_entry *entries, size_t n,
                             uint8_t ret[SHA256_BYTES])
{
    _cleanup_free_
    uint8_t *bytes = malloc(n * ENTRY_BYTES);

    if (!bytes)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        put_entry(bytes + i * ENTRY_BYTES, &entries[i]);
    return hash_sha256(bytes, n * ENTRY_BYTES, ret);
}

/* The class of the entries that flatten holds; CLASS_NONE when there are none. */
static int add_class(struct compiler *c, uint32_t *ret)
{
    size_t n = c->flatten.n_entries;
    struct policy_class *class;
    uint8_t digest[SHA256_BYTES];
    bool is_new = false;
    int r;

    if (n == 0) {
        *ret = CLASS_NONE;
        return 0;
    }
    r = class_fingerprint(c->flatten.entries, n, digest);
    if (r == 0)
        r = vec_reserve(&c->out->classes, &c->classes_size, c->out->n_classes + 1, sizeof(*class));
    if (r == 0)
        r = intern_add(&c->fingerprints, digest, sizeof(digest), ret, &is_new);
    if (r < 0 || !is_new)
        return r;
    assert(*ret == c->out->n_classes);
    class = &c->out->classes[c->out->n_classes];
    *class = (struct policy_class){.n_entries = n};
    memcpy(class->fingerprint, digest, sizeof(digest));
    class->entries = malloc(n * sizeof(*class->entries));
    if (!class->entries)
        return -ENOMEM;
    memcpy(class->entries, c->flatten.entries, n * sizeof(*class->entries));
    c->out->n_classes++;
    return 0;
}

/* The class of the rules in c->words, made at its first appearance. */
static int class_of_words(struct compiler *c, uint32_t *ret)
{
    uint32_t list, class;
    bool is_new;
    int r;

    if (c->words.n == 0) {
        *ret = CLASS_NONE;
        return 0;
    }
    r = intern_add(&c->rule_lists, c->words.v, c->words.n * sizeof(*c->words.v), &list, &is_new);
    if (r < 0)
        return r;
    if (!is_new) {
        *ret = c->class_of.v[list];
        return 0;
    }
    r = flatten_rules(&c->flatten, c->words.v, c->words.n);
    if (r == 0)
        r = add_class(c, &class);
    if (r == 0)
        r = u32s_push(&c->class_of, class);
    if (r == 0)
        *ret = class;
    return r;
}

static int add_peer(struct compiler *c, struct policy_compiled_policy *out,
                    enum model_direction direction, enum policy_peer_kind kind, uint32_t peer,
                    uint32_t class)
{
    int r;

    if (class == CLASS_NONE)
        return 0;
    r = vec_reserve(&out->peers, &c->peers_size, out->n_peers + 1, sizeof(*out->peers));
    if (r < 0)
        return r;
    out->peers[out->n_peers++] = (struct policy_peer_entry){
        .direction = (uint8_t)direction, .kind = (uint8_t)kind, .peer = peer, .class = class};
    return 0;
}

static void start_kind(struct compiler *c, enum policy_peer_kind kind, struct flatten_any *any)
{
    c->flatten.policy = c->policy;
    c->flatten.kind = kind;
    c->flatten.any = any;
    intern_clear(&c->rule_lists);
    c->class_of.n = 0;
}

/* ---- Identities of one policy ------------------------------------------------------------------
 */

/* The policy's rules of this direction out of a list of ordinals. Both have the same order. */
static int project(struct compiler *c, uint32_t list, enum model_direction direction)
{
    size_t len;
    const uint32_t *ordinals = intern_get(&c->lists, list, &len);
    int r = 0;

    c->words.n = 0;
    for (size_t i = 0; r == 0 && i < len / sizeof(*ordinals); i++) {
        uint32_t rule = c->rule_of[ordinals[i]];

        if (rule != POLICY_RULE_NONE && c->policy->rules[rule].direction == direction)
            r = u32s_push(&c->words, FLATTEN_RULE(rule, 0));
    }
    return r;
}

static int add_any_class(struct compiler *c, bool unselected, struct policy_compiled_policy *out)
{
    uint32_t class = CLASS_NONE;
    int r;

    /* An identity that no rule selects gets the default everywhere. */
    if (unselected && c->any.fallback == MODEL_ACTION_ALLOW)
        c->any.open++;
    r = flatten_any(&c->flatten);
    if (r == 0)
        r = add_class(c, &class);
    return r < 0 ? r
                 : add_peer(c, out, MODEL_DIRECTION_OUT, POLICY_PEER_IDENTITY, POLICY_IDENTITY_ANY,
                            class);
}

static int compile_identities(struct compiler *c, enum model_direction direction,
                              struct policy_compiled_policy *out)
{
    bool with_any = direction == MODEL_DIRECTION_OUT, unselected = false;
    int r = 0;

    flatten_any_reset(&c->any, c->policy->defaults[direction]);
    start_kind(c, POLICY_PEER_IDENTITY, with_any ? &c->any : NULL);
    for (size_t i = 0; i < c->lists.n; i++)
        c->class_of_list[i] = CLASS_UNKNOWN;
    for (size_t i = 0; r == 0 && i < c->n_identities; i++) {
        uint32_t *class = &c->class_of_list[c->identity_list[i]];

        if (*class == CLASS_UNKNOWN) {
            r = project(c, c->identity_list[i], direction);
            if (r == 0)
                r = class_of_words(c, class);
        }
        unselected |= *class == CLASS_NONE;
    }
    if (r == 0 && with_any)
        r = add_any_class(c, unselected, out);
    for (size_t i = 0; r == 0 && i < c->n_identities; i++)
        r = add_peer(c, out, direction, POLICY_PEER_IDENTITY, c->identities[c->order[i]].id,
                     c->class_of_list[c->identity_list[i]]);
    return r;
}

/* ---- Addresses of one policy
 * --------------------------------------------------------------------- */

static int mark_network(struct compiler *c, uint32_t network, enum model_direction direction)
{
    bool match_identities = c->estate->networks[network].match_processing_units;
    size_t len;
    const uint32_t *ordinals = intern_get(&c->lists, c->network_list[network], &len);
    int r = 0;

    for (size_t i = 0; r == 0 && i < len / sizeof(*ordinals); i++) {
        uint32_t rule = c->rule_of[ordinals[i]];

        if (rule == POLICY_RULE_NONE || c->policy->rules[rule].direction != direction)
            continue;
        if (c->rule_flags[rule] == 0)
            r = u32s_push(&c->words, rule);
        c->rule_flags[rule] |= RULE_FOUND;
        if (match_identities || c->policy->rules[rule].rule->action == MODEL_ACTION_REJECT)
            c->rule_flags[rule] |= RULE_ID;
    }
    return r;
}

static int word_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* All rules that match any of the networks in scope; each network is matched by itself. */
static int collect_set(struct compiler *c, uint32_t set, enum model_direction direction)
{
    size_t len;
    const uint32_t *networks = intern_get(&c->addresses.sets, set, &len);
    int r = 0;

    c->words.n = 0;
    for (size_t i = 0; r == 0 && i < len / sizeof(*networks); i++) {
        if (c->network_in_scope[networks[i]])
            r = mark_network(c, networks[i], direction);
    }
    if (c->words.n > 1)
        qsort(c->words.v, c->words.n, sizeof(*c->words.v), word_compare);
    for (size_t i = 0; i < c->words.n; i++) {
        uint32_t rule = c->words.v[i];

        c->words.v[i] = FLATTEN_RULE(rule, (c->rule_flags[rule] & RULE_ID) != 0);
        c->rule_flags[rule] = 0;
    }
    return r;
}

static int compile_addresses(struct compiler *c, enum model_direction direction,
                             struct policy_compiled_policy *out)
{
    int r = 0;

    start_kind(c, POLICY_PEER_ADDRESS, NULL);
    for (size_t i = 0; r == 0 && i < c->addresses.n_classes; i++) {
        uint32_t set = c->addresses.order[i], class = CLASS_NONE;

        r = collect_set(c, set, direction);
        if (r == 0)
            r = class_of_words(c, &class);
        if (r == 0)
            r = add_peer(c, out, direction, POLICY_PEER_ADDRESS, c->addresses.ids[set], class);
    }
    return r;
}

/* ---- The whole
 * ------------------------------------------------------------------------------------ */

static int start_policy(struct compiler *c, const struct policy *policy)
{
    c->policy = policy;
    c->peers_size = 0;
    free(c->rule_flags);
    c->rule_flags = calloc(policy->n_rules + 1, sizeof(*c->rule_flags));
    if (!c->rule_flags)
        return -ENOMEM;
    for (size_t i = 0; i < policy->n_rules; i++)
        c->rule_of[index_ordinal(&c->index, &policy->rules[i])] = (uint32_t)i;
    for (size_t i = 0; i < c->estate->n_networks; i++)
        c->network_in_scope[i] =
            policy_network_in_scope(&c->estate->networks[i], policy->namespace);
    return 0;
}

static int compile_policy(struct compiler *c, const struct policy *policy,
                          struct policy_compiled_policy *out)
{
    int r;

    assert(policy->n_rules <= POLICY_RULES_MAX);
    out->policy = policy;
    r = start_policy(c, policy);
    for (int direction = 0; r == 0 && direction < 2; direction++) {
        r = compile_identities(c, (enum model_direction)direction, out);
        if (r == 0)
            r = compile_addresses(c, (enum model_direction)direction, out);
    }
    if (r < 0)
        return r;
    for (size_t i = 0; i < policy->n_rules; i++)
        c->rule_of[index_ordinal(&c->index, &policy->rules[i])] = POLICY_RULE_NONE;
    return 0;
}

static int allocate(struct compiler *c)
{
    c->order = calloc(c->n_identities + 1, sizeof(*c->order));
    c->identity_list = calloc(c->n_identities + 1, sizeof(*c->identity_list));
    c->network_list = calloc(c->estate->n_networks + 1, sizeof(*c->network_list));
    c->network_in_scope = calloc(c->estate->n_networks + 1, sizeof(*c->network_in_scope));
    c->out = calloc(1, sizeof(*c->out));
    if (!c->order || !c->identity_list || !c->network_list || !c->network_in_scope || !c->out)
        return -ENOMEM;
    c->out->policies = calloc(c->n_policies + 1, sizeof(*c->out->policies));
    if (!c->out->policies)
        return -ENOMEM;
    c->out->n_policies = c->n_policies;
    return 0;
}

static int compile_policies(struct compiler *c)
{
    int r = 0;

    c->rule_of = malloc((c->index.n_ordinals + 1) * sizeof(*c->rule_of));
    c->class_of_list = calloc(c->lists.n + 1, sizeof(*c->class_of_list));
    if (!c->rule_of || !c->class_of_list)
        return -ENOMEM;
    memset(c->rule_of, 0xff, (c->index.n_ordinals + 1) * sizeof(*c->rule_of));
    for (size_t i = 0; r == 0 && i < c->n_policies; i++)
        r = compile_policy(c, c->policies[i], &c->out->policies[i]);
    return r;
}

int policy_compile(const struct estate *estate, const struct policy *const *policies,
                   size_t n_policies, const struct policy_identity *identities, size_t n_identities,
                   struct policy_compiled **ret)
{
    struct compiler *c;
    int r;

    assert(estate && ret);
    assert(policies || n_policies == 0);
    assert(identities || n_identities == 0);
    assert(n_identities < INTERN_ITEMS_MAX);

    c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->estate = estate;
    c->policies = policies;
    c->n_policies = n_policies;
    c->identities = identities;
    c->n_identities = n_identities;
    r = allocate(c);
    if (r == 0)
        r = match_peers(c);
    if (r == 0)
        r = address_table_build(estate, &c->addresses);
    if (r == 0)
        r = compile_policies(c);
    if (r == 0) {
        c->out->addresses = TAKE_PTR(c->addresses.entries);
        c->out->n_addresses = c->addresses.n_entries;
        c->out->n_address_classes = c->addresses.n_classes;
        *ret = TAKE_PTR(c->out);
    }
    compiler_free(c);
    free(c);
    return r;
}
