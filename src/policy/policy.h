/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What rules mean (docs/developer/policy.md): resolve which rules apply to a processing unit,
 * compile them to the two-step form that the kernel looks up, evaluate, explain, compare. Pure:
 * values in, values out; opens no file, reads no clock, writes no log.
 *
 *   estate + (namespace, tags) ── policy_resolve ──▶ policy (ordered rules, defaults)
 *   policies + identities + networks ── policy_compile ──▶ compiled (peer → class,
 *                                                          class × port → verdict)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "model/model.h"

#define POLICY_RULES_MAX 1000000 /* of one policy */
#define POLICY_RULE_NONE UINT32_MAX

/* ---- Resolution --------------------------------------------------------------------------- */

struct policy_rule {
    const struct model_ruleset *ruleset; /* in the estate, which must outlive the policy */
    const struct model_rule *rule;
    enum model_direction direction;
    uint32_t index_in_ruleset;
};

/*
 * What applies to a PU. Rules are sorted by (namespace depth of the ruleset, ruleset namespace,
 * ruleset name, direction, rule index); a rule's place in the array is its index everywhere else.
 * The first matching one in this order is the one that reports name.
 */
struct policy {
    char *namespace;
    struct policy_rule *rules;
    size_t n_rules;
    enum model_action defaults[2]; /* by direction; ALLOW or REJECT */
    bool reject_reset;
    /* Equal for equal rules, defaults and networks in scope, by content, also in another estate. Of
     * networks all but the addresses counts: those are in the address table. */
    uint8_t fingerprint[32];
};

/* @return 0, -ENOMEM, -BULKHEAD_ETOOMANY */
int policy_resolve(const struct estate *estate, const char *namespace, const struct tag_set *tags,
                   struct policy **ret);
void policy_free(struct policy **policy);
/* Does this network count for PUs of `namespace`: its own, or a propagating one of an ancestor. */
bool policy_network_in_scope(const struct model_network *network, const char *namespace);

/* ---- Evaluation: the slow, obvious reference ------------------------------------------------ */

struct policy_peer {
    bool has_identity;
    const char *namespace;      /* with identity */
    const struct tag_set *tags; /* with identity: completed tags */
    bool has_address;
    struct ip_addr address;
};

/* What one side decides. */
struct policy_decision {
    enum model_action action; /* ALLOW or REJECT, never NONE */
    bool by_default;
    uint32_t rule;              /* deciding rule, POLICY_RULE_NONE by default */
    enum model_action observed; /* what observed rules would have done; NONE when none matched */
    uint32_t observed_rule;
    bool logs_disabled; /* of the deciding rule */
};

/* Straight from the words of docs/developer/policy.md; no tables, no index. */
void policy_evaluate(const struct estate *estate, const struct policy *policy,
                     enum model_direction direction, const struct policy_peer *peer,
                     uint8_t protocol, uint16_t port, struct policy_decision *ret);

/*
 * For a default verdict: the rule that came nearest to matching and what it lacked.
 * @param ret_missing  text such as "object tag app=web", "port tcp/5432 (rule has tcp/22)";
 *                     owned by the caller, NULL when no rule has this direction
 */
int policy_nearest(const struct estate *estate, const struct policy *policy,
                   enum model_direction direction, const struct policy_peer *peer, uint8_t protocol,
                   uint16_t port, uint32_t *ret_rule, char **ret_missing);

/* ---- Compilation to the form of the datapath ------------------------------------------------ */

struct policy_identity {
    uint32_t id;
    const char *namespace;
    const struct tag_set *tags;
};

/*
 * Verdict of a class for one protocol and port range. In classes of identities the id_… fields are
 * NONE. In address classes the others hold for peers without identity, the id_… ones for peers that
 * proved one (Reject rules always, Allow rules only of networks with matchProcessingUnits).
 * NONE: no rule, the default decides.
 */
struct policy_verdict {
    uint8_t action, observed; /* enum model_action */
    bool logs_disabled;
    uint32_t rule, observed_rule;
    uint8_t id_action, id_observed;
    bool id_logs_disabled;
    uint32_t id_rule, id_observed_rule;
};

/*
 * One entry of the longest-prefix table of a class. Key bits: protocol (8), port (16), after the
 * class id. prefix_len 0: any protocol; 8: any port; 9..24: the top prefix_len - 8 bits of port.
 */
struct policy_class_entry {
    uint8_t prefix_len;
    uint8_t protocol;
    uint16_t port;
    struct policy_verdict verdict;
};

/* Content-addressed: two compilations give the same class the same fingerprint. */
struct policy_class {
    uint8_t fingerprint[32];
    struct policy_class_entry *entries;
    size_t n_entries;
};

enum policy_peer_kind { POLICY_PEER_IDENTITY = 0, POLICY_PEER_ADDRESS = 1 };

/*
 * Reserved identity: "any known identity", in the OUT direction only. Its class says ALLOW exactly
 * where at least one known identity would be let through by this policy (default included, rejects
 * by address left aside), so that a connect() which no proof could save fails at once. NONE, or no
 * class, means that no known identity would be; here the default must not be asked again.
 */
#define POLICY_IDENTITY_ANY 1u

struct policy_peer_entry {
    uint8_t direction; /* enum model_direction */
    uint8_t kind;      /* enum policy_peer_kind */
    uint32_t peer;     /* identity id, or address class id */
    uint32_t class;    /* index in compiled.classes */
};

/* One distinct policy: PUs with equal fingerprints share it. */
struct policy_compiled_policy {
    const struct policy *policy;
    /* sorted by (direction, kind, peer); peers that no rule selects are absent */
    struct policy_peer_entry *peers;
    size_t n_peers;
};

/*
 * Longest prefix → address class id. The id is the first 32 bits of SHA-256 over the (namespace,
 * name) list, in the estate's order, of the networks that hold the prefix, so it means the same
 * before and after a change and is never reused; 0 = no network. A collision is refused
 * (BULKHEAD_EIDENTITY_COLLISION).
 */
struct policy_address_entry {
    struct ip_prefix prefix;
    uint32_t address_class;
};

struct policy_compiled {
    struct policy_compiled_policy *policies; /* same order as the input */
    size_t n_policies;
    struct policy_class *classes; /* distinct */
    size_t n_classes;
    struct policy_address_entry *addresses; /* sorted; nothing of IPv6 covers ::ffff:0:0/96 */
    size_t n_addresses;
    size_t n_address_classes;
};

/*
 * @param policies    distinct ones (by fingerprint)
 * @param identities  every known identity, distinct ids; tags completed
 * @return 0, -ENOMEM, -BULKHEAD_ETOOMANY, -BULKHEAD_EIDENTITY_COLLISION
 */
int policy_compile(const struct estate *estate, const struct policy *const *policies,
                   size_t n_policies, const struct policy_identity *identities, size_t n_identities,
                   struct policy_compiled **ret);
void policy_compiled_free(struct policy_compiled **compiled);

/* The address class that the kernel's longest-prefix lookup finds. */
uint32_t policy_compiled_address_class(const struct policy_compiled *compiled,
                                       const struct ip_addr *addr);

/*
 * The same lookups, in the same order, as src/bpf does. Identity 0: none.
 * Used by the daemon to judge live connections and by the property tests.
 */
void policy_compiled_decide(const struct policy_compiled *compiled, size_t policy,
                            enum model_direction direction, uint32_t identity,
                            uint32_t address_class, uint8_t protocol, uint16_t port,
                            struct policy_decision *ret);

/* ---- Comparison --------------------------------------------------------------------------- */

/* Exact difference of two compilations: what a datapath has to write and to delete. */
struct policy_delta {
    /* indices into after.classes that `before` does not have, and into before.classes no longer
     * used */
    size_t *classes_added, *classes_removed;
    size_t n_classes_added, n_classes_removed;
    /* addresses: set (new or other class) in `after`, removed from `before` */
    size_t *addresses_set, *addresses_removed;
    size_t n_addresses_set, n_addresses_removed;
    /* after.policies whose content (peer entries by class fingerprint, defaults) is not in `before`
     */
    size_t *policies_changed;
    size_t n_policies_changed;
};
/* `before` may be NULL: everything is new. */
int policy_diff(const struct policy_compiled *before, const struct policy_compiled *after,
                struct policy_delta **ret);
void policy_delta_free(struct policy_delta **delta);

#define _cleanup_policy_ _cleanup_(policy_free)
#define _cleanup_policy_compiled_ _cleanup_(policy_compiled_free)
#define _cleanup_policy_delta_ _cleanup_(policy_delta_free)
