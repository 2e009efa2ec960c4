/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"
#include "schema/internal.h"

/* Namespaces, rulesets, external networks: what policy is made of (product reference 4.6 A, F). */

#define CO SCHEMA_CREATION_ONLY
#define RO SCHEMA_READ_ONLY
#define REQUIRED SCHEMA_REQUIRED

static const struct schema_query_key modes[] = {
    {.name = "mode",
     .help = "Which side of the policy selects them.",
     .choices = SCHEMA_WORDS("subject", "object")},
};

/* ---- Namespaces ---- */

static const struct schema_attribute namespace_attributes[] = {
    {.name = "name",
     .type = SCHEMA_STRING,
     .flags = REQUIRED | CO,
     .max_chars = MODEL_NAMESPACE_MAX,
     .check = schema_check_namespace_name,
     .help = "Full path; at creation the part below the namespace of the request."},
    {.name = "type",
     .type = SCHEMA_ENUM,
     .flags = CO,
     .fallback = "\"Default\"",
     .choices = SCHEMA_WORDS("Default", "Tenant", "CloudAccount", "Group", "Kubernetes"),
     .help = "What the namespace stands for."},
    {.name = "defaultPUIncomingTrafficAction",
     .type = SCHEMA_ENUM,
     .fallback = "\"Inherit\"",
     .choices = SCHEMA_WORDS("Allow", "Reject", "Inherit"),
     .help = "What happens to incoming traffic that no rule matches."},
    {.name = "defaultPUOutgoingTrafficAction",
     .type = SCHEMA_ENUM,
     .fallback = "\"Inherit\"",
     .choices = SCHEMA_WORDS("Allow", "Reject", "Inherit"),
     .help = "What happens to outgoing traffic that no rule matches."},
    {.name = "rejectMode",
     .type = SCHEMA_ENUM,
     .choices = SCHEMA_WORDS("drop", "reset"),
     .help = "Whether rejected connections get no answer or a reset; unset: as in the parent."},
    {.name = "organizationalMetadata",
     .type = SCHEMA_STRINGS,
     .max_items = 32,
     .check = schema_check_org_tag,
     .whole = schema_whole_unique,
     .help = "Tags `@org:…` put on every unit, Enforcer and network made in the namespace."},
    {.name = "tagPrefixes",
     .type = SCHEMA_STRINGS,
     .max_items = MODEL_TAGS_PER_SET_MAX,
     .check = schema_check_prefix,
     .whole = schema_whole_unique,
     .help = "Starts of the tags that identities carry; inherited by namespaces below."},
    {.name = "defaultEnforcerVersion",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_NO_EFFECT,
     .check = schema_check_version,
     .help = "Version that new Enforcers are to have; empty: the latest."},
    {.name = "localCAEnabled",
     .type = SCHEMA_BOOL,
     .flags = SCHEMA_NO_EFFECT,
     .help = "The namespace has a certificate authority of its own."},
    {.name = "JWTCertificateType",
     .type = SCHEMA_ENUM,
     .flags = SCHEMA_NO_EFFECT,
     .fallback = "\"None\"",
     .choices = SCHEMA_WORDS("RSA", "EC", "None"),
     .help = "Key type of service tokens of the namespace."},
    {.name = "JWTCertificates",
     .type = SCHEMA_STRING_MAP,
     .flags = RO,
     .help = "Certificates of the keys that sign service tokens."},
    {.name = "SSHCAEnabled",
     .type = SCHEMA_BOOL,
     .flags = SCHEMA_DEPRECATED | SCHEMA_NO_EFFECT,
     .help = "Accepted; has no effect."},
    {.name = "associatedSSHCAID", .type = SCHEMA_STRING, .flags = RO, .help = "Unused."},
    {.name = "customZoning",
     .type = SCHEMA_BOOL,
     .flags = CO | SCHEMA_NO_EFFECT,
     .help = "Accepted; has no effect."},
    {.name = "zoning",
     .type = SCHEMA_INTEGER,
     .flags = CO | SCHEMA_NO_EFFECT,
     .help = "Accepted; has no effect."},
    {.name = "networkAccessPolicyTags",
     .type = SCHEMA_STRINGS,
     .flags = SCHEMA_DEPRECATED | SCHEMA_NO_EFFECT,
     .max_items = MODEL_TAGS_PER_SET_MAX,
     .check = schema_check_tag,
     .help = "Accepted; has no effect."},
    {.name = "serviceCertificateValidity",
     .type = SCHEMA_DURATION,
     .flags = SCHEMA_DEPRECATED | SCHEMA_NO_EFFECT,
     .fallback = "\"168h\"",
     .help = "Accepted; has no effect."},
};

static const struct schema_query_key ca_types[] = {
    {.name = "type",
     .help = "Only authorities of this type.",
     .choices = SCHEMA_WORDS("Any", "X509", "SSH", "JWT")},
};
static const struct schema_query_key namespace_keys[] = {
    {.name = "recursive",
     .verbs = SCHEMA_DELETE,
     .help = "Delete it with all that is in it; any value."},
};
static const struct schema_sub_route namespace_routes[] = {
    {"trustedcas", SCHEMA_LIST, ca_types, ARRAY_SIZE(ca_types)},
};

static const struct schema_kind kind_namespace = {
    .name = "namespace",
    .plural = "namespaces",
    .entity = "Namespace",
    .aliases = SCHEMA_WORDS("ns"),
    .help = "A folder of a tree; every object is in exactly one.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins =
        SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_DESCRIBED | SCHEMA_METADATABLE | SCHEMA_TIMEABLE,
    .unique = SCHEMA_UNIQUE_NAME,
    .stored = true,
    .exported = SCHEMA_EXPORT_ALWAYS,
    SCHEMA_ATTRIBUTES(namespace_attributes),
    SCHEMA_SUB_ROUTES(namespace_routes),
    SCHEMA_KEYS(namespace_keys),
    .columns = SCHEMA_WORDS("ID", "name", "type", "defaultPUIncomingTrafficAction",
                            "defaultPUOutgoingTrafficAction"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute action_attributes[] = {
    {.name = "Incoming",
     .type = SCHEMA_ENUM,
     .choices = SCHEMA_WORDS("Allow", "Reject", "Inherit"),
     .help = "Default action for incoming traffic of the namespace; unset: unchanged."},
    {.name = "Outgoing",
     .type = SCHEMA_ENUM,
     .choices = SCHEMA_WORDS("Allow", "Reject", "Inherit"),
     .help = "Default action for outgoing traffic of the namespace; unset: unchanged."},
};

static const struct schema_kind kind_putrafficaction = {
    .name = "putrafficaction",
    .plural = "putrafficactions",
    .entity = "PUTrafficAction",
    .help = "The two default actions of the namespace of the request.",
    .verbs = SCHEMA_LIST | SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(action_attributes),
    .columns = SCHEMA_WORDS("Incoming", "Outgoing"),
    .index = SCHEMA_INDEX,
};

/* ---- Small helpers about namespaces ---- */

static const struct schema_attribute prefix_attributes[] = {
    {.name = "prefixes",
     .type = SCHEMA_STRINGS,
     .max_items = MODEL_TAGS_PER_SET_MAX,
     .check = schema_check_prefix,
     .whole = schema_whole_unique,
     .help = "Tag prefixes of the namespace, inherited ones included when read."},
};

static const struct schema_kind kind_tagprefix = {
    .name = "tagprefix",
    .plural = "tagprefixes",
    .entity = "TagPrefix",
    .help = "Tag prefixes in force in the namespace of the request.",
    .verbs = SCHEMA_LIST | SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(prefix_attributes),
    .columns = SCHEMA_WORDS("prefixes"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute organizational_attributes[] = {
    {.name = "metadata",
     .type = SCHEMA_STRINGS,
     .flags = RO,
     .help = "Tags `@org:…` that objects made here get, those of parents included."},
};

static const struct schema_kind kind_organizationalmetadata = {
    .name = "organizationalmetadata",
    .plural = "organizationalmetadata",
    .entity = "OrganizationalMetadata",
    .aliases = SCHEMA_WORDS("om"),
    .help = "Organizational metadata in force in the namespace of the request.",
    .verbs = SCHEMA_LIST,
    .mixins = SCHEMA_NAMESPACED,
    SCHEMA_ATTRIBUTES(organizational_attributes),
    .columns = SCHEMA_WORDS("namespace", "metadata"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute info_attributes[] = {
    {.name = "name", .type = SCHEMA_STRING, .flags = RO, .help = "Full path."},
    {.name = "description", .type = SCHEMA_STRING, .flags = RO, .help = "Free text."},
    {.name = "PUIncomingTrafficAction",
     .type = SCHEMA_ENUM,
     .flags = RO,
     .choices = SCHEMA_WORDS("Allow", "Reject", "Inherit"),
     .help = "Default action for incoming traffic that is in force."},
    {.name = "PUOutgoingTrafficAction",
     .type = SCHEMA_ENUM,
     .flags = RO,
     .choices = SCHEMA_WORDS("Allow", "Reject", "Inherit"),
     .help = "Default action for outgoing traffic that is in force."},
    {.name = "prefixes",
     .type = SCHEMA_STRINGS,
     .flags = RO,
     .help = "Tag prefixes that are in force."},
    {.name = "protected",
     .type = SCHEMA_BOOL,
     .flags = RO,
     .help = "Whether the namespace is protected."},
};

static const struct schema_kind kind_namespaceinfo = {
    .name = "namespaceinfo",
    .plural = "namespaceinfo",
    .entity = "NamespaceInfo",
    .help = "What holds in the namespace of the request, inheritance resolved.",
    .verbs = SCHEMA_LIST,
    SCHEMA_ATTRIBUTES(info_attributes),
    .columns = SCHEMA_WORDS("name", "PUIncomingTrafficAction", "PUOutgoingTrafficAction"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute accessible_attributes[] = {
    {.name = "name", .type = SCHEMA_STRING, .flags = RO, .help = "Full path."},
};

static const struct schema_kind kind_accessiblenamespace = {
    .name = "accessiblenamespace",
    .plural = "accessiblenamespaces",
    .entity = "AccessibleNamespace",
    .aliases = SCHEMA_WORDS("accns"),
    .help = "Namespaces in which the caller may do anything.",
    .verbs = SCHEMA_LIST,
    SCHEMA_ATTRIBUTES(accessible_attributes),
    .columns = SCHEMA_WORDS("name"),
    .index = SCHEMA_INDEX,
};

/* ---- Rulesets ---- */

static const struct schema_attribute net_attributes[] = {
    {.name = "ID", .type = SCHEMA_STRING, .flags = RO, .help = "Of the external network."},
    {.name = "namespace", .type = SCHEMA_STRING, .flags = RO, .help = "Of the external network."},
    {.name = "entries", .type = SCHEMA_STRINGS, .flags = RO, .help = "Its CIDRs and names."},
};

static const struct schema_kind kind_networkrulenet = {
    .name = "networkrulenet",
    .entity = "NetworkRuleNet",
    .help = "An external network that the object of a rule matches.",
    SCHEMA_ATTRIBUTES(net_attributes),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute rule_attributes[] = {
    {.name = "name",
     .type = SCHEMA_STRING,
     .max_chars = MODEL_RULE_NAME_MAX,
     .check = schema_check_name,
     .help = "Shown in flow reports."},
    {.name = "action",
     .type = SCHEMA_ENUM,
     .flags = REQUIRED,
     .fallback = "\"Allow\"",
     .choices = SCHEMA_WORDS("Allow", "Reject"),
     .help = "What happens to traffic that matches."},
    {.name = "object",
     .type = SCHEMA_TAG_EXPR,
     .flags = REQUIRED,
     .whole = schema_whole_clauses,
     .help = "The other side: processing units and external networks by their tags."},
    {.name = "protocolPorts",
     .type = SCHEMA_STRINGS,
     .flags = SCHEMA_NOT_NULL,
     .fallback = "[\"any\"]",
     .max_items = MODEL_PORTS_PER_RULE_MAX,
     .check = schema_check_port,
     .whole = schema_whole_ports,
     .help = "`any`, `tcp/80`, `udp/8000:8100`, `icmp/8/0`, `gre`, …; an empty list is `any`."},
    {.name = "logsDisabled", .type = SCHEMA_BOOL, .help = "Flows of the rule are not reported."},
    {.name = "observationEnabled",
     .type = SCHEMA_BOOL,
     .help = "The rule is reported as if it decided, and does not decide."},
    {.name = "networks",
     .type = SCHEMA_OBJECTS,
     .flags = RO,
     .embedded = &kind_networkrulenet,
     .help = "External networks that the object matches; only in rendered policies."},
};

const struct schema_kind schema_kind_networkrule = {
    .name = "networkrule",
    .entity = "NetworkRule",
    .help = "What a unit may do or take.",
    SCHEMA_ATTRIBUTES(rule_attributes),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute ruleset_attributes[] = {
    {.name = "subject",
     .type = SCHEMA_TAG_EXPR,
     .flags = REQUIRED,
     .help = "The processing units that the rules are for."},
    {.name = "incomingRules",
     .type = SCHEMA_OBJECTS,
     .embedded = &schema_kind_networkrule,
     .whole = schema_whole_rules,
     .help = "What may come to them."},
    {.name = "outgoingRules",
     .type = SCHEMA_OBJECTS,
     .embedded = &schema_kind_networkrule,
     .whole = schema_whole_rules,
     .help = "Where they may go."},
};

static const struct schema_sub_route ruleset_routes[] = {
    {"externalnetworks", SCHEMA_LIST, modes, ARRAY_SIZE(modes)},
    {"processingunits", SCHEMA_LIST, modes, ARRAY_SIZE(modes)},
};

static const struct schema_kind kind_networkrulesetpolicy = {
    .name = "networkrulesetpolicy",
    .plural = "networkrulesetpolicies",
    .entity = "NetworkRuleSetPolicy",
    .aliases = SCHEMA_WORDS("netruleset", "netrulesets", "netset", "netsets", "networkruleset",
                            "networkrulesets"),
    .help = "Rules for the units that its subject selects.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_DESCRIBED | SCHEMA_DISABLED |
              SCHEMA_METADATABLE | SCHEMA_NAMED | SCHEMA_PROPAGATED | SCHEMA_FALLBACK |
              SCHEMA_TIMEABLE,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    .exported = SCHEMA_EXPORT_ALWAYS,
    SCHEMA_ATTRIBUTES(ruleset_attributes),
    SCHEMA_SUB_ROUTES(ruleset_routes),
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "disabled", "propagate", "subject"),
    .index = SCHEMA_INDEX,
};

/* ---- External networks ---- */

static const struct schema_attribute network_attributes[] = {
    {.name = "entries",
     .type = SCHEMA_STRINGS,
     .flags = REQUIRED,
     .max_items = MODEL_ENTRIES_PER_NETWORK_MAX,
     .check = schema_check_entry,
     .whole = schema_whole_entries,
     .help = "Addresses, CIDRs, `!CIDR` for holes, and domain names."},
    {.name = "matchProcessingUnits",
     .type = SCHEMA_BOOL,
     .help = "Rules that allow the network also match verified units with such an address."},
    {.name = "type",
     .type = SCHEMA_ENUM,
     .fallback = "\"Subnet\"",
     .choices = SCHEMA_WORDS("ENI", "RDSCluster", "RDSInstance", "SecurityGroup", "Subnet"),
     .help = "What the network is at a cloud provider."},
    {.name = "servicePorts",
     .type = SCHEMA_STRINGS,
     .flags = SCHEMA_DEPRECATED | SCHEMA_NO_EFFECT,
     .max_items = MODEL_PORTS_PER_RULE_MAX,
     .check = schema_check_port,
     .whole = schema_whole_ports,
     .help = "Accepted; has no effect: ports are in rules."},
};

static const struct schema_kind kind_externalnetwork = {
    .name = "externalnetwork",
    .plural = "externalnetworks",
    .entity = "ExternalNetwork",
    .aliases = SCHEMA_WORDS("extnet", "extnets"),
    .help = "A named set of addresses and domain names, for the object of rules.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_ARCHIVABLE | SCHEMA_DESCRIBED |
              SCHEMA_METADATABLE | SCHEMA_NAMED | SCHEMA_PROPAGATED | SCHEMA_TIMEABLE,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    .exported = SCHEMA_EXPORT_ALWAYS,
    SCHEMA_ATTRIBUTES(network_attributes),
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "propagate", "entries"),
    .index = SCHEMA_INDEX,
};

const struct schema_kind *const schema_kinds_policy[] = {
    &kind_namespace,
    &kind_putrafficaction,
    &kind_tagprefix,
    &kind_organizationalmetadata,
    &kind_namespaceinfo,
    &kind_accessiblenamespace,
    &kind_networkrulenet,
    &schema_kind_networkrule,
    &kind_networkrulesetpolicy,
    &kind_externalnetwork,
    NULL,
};
