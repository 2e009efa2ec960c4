/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/internal.h"

/* What is given to whom: profiles, host services, namespaces (product reference 4.6 A). */

#define MAPPING_MIXINS                                                                             \
    (SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_DESCRIBED | SCHEMA_DISABLED | SCHEMA_METADATABLE |   \
     SCHEMA_NAMED | SCHEMA_PROPAGATED | SCHEMA_FALLBACK | SCHEMA_TIMEABLE)

static const struct schema_attribute profile_mapping_attributes[] = {
    {.name = "subject", .type = SCHEMA_TAG_EXPR, .help = "Enforcers that get the profile."},
    {.name = "object", .type = SCHEMA_TAG_EXPR, .help = "The profile."},
};
static const struct schema_sub_route profile_mapping_routes[] = {
    {"enforcers", SCHEMA_LIST, NULL, 0},
    {"enforcerprofiles", SCHEMA_LIST, NULL, 0},
};

static const struct schema_kind kind_enforcerprofilemappingpolicy = {
    .name = "enforcerprofilemappingpolicy",
    .plural = "enforcerprofilemappingpolicies",
    .entity = "EnforcerProfileMappingPolicy",
    .aliases = SCHEMA_WORDS("enfpol", "enfpols", "epm"),
    .help = "Which Enforcers have which profile.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = MAPPING_MIXINS,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    .exported = SCHEMA_EXPORT_ALWAYS,
    SCHEMA_ATTRIBUTES(profile_mapping_attributes),
    SCHEMA_SUB_ROUTES(profile_mapping_routes),
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "disabled", "subject", "object"),
    .index = SCHEMA_INDEX,
};

/* ---- Host services (product reference 1.4) ---- */

static const struct schema_attribute service_attributes[] = {
    {.name = "name",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .max_chars = 127,
     .check = schema_check_native_name,
     .help = "Letters, digits and `_`: it becomes the native id of the unit."},
    {.name = "services",
     .type = SCHEMA_STRINGS,
     .max_items = 1024,
     .check = schema_check_host_port,
     .whole = schema_whole_host_ports,
     .help = "`tcp/80`, `udp/80:100`, `443` (tcp); no overlap."},
    {.name = "hostModeEnabled",
     .type = SCHEMA_BOOL,
     .help = "All traffic of the host is that of one unit."},
};

static bool check_hostservice(const json_t *object, struct schema_problems *problems)
{
    if (json_array_size(json_object_get(object, "services")) > 0 ||
        json_is_true(json_object_get(object, "hostModeEnabled")))
        return true;
    schema_problem_add(problems, "services",
                       "found nothing, expected at least one service, or hostModeEnabled");
    return false;
}

static const struct schema_kind kind_hostservice = {
    .name = "hostservice",
    .plural = "hostservices",
    .entity = "HostService",
    .aliases = SCHEMA_WORDS("hostsrv", "hostsrvs"),
    .help = "Ports of a host that are a unit of their own.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_ARCHIVABLE | SCHEMA_DESCRIBED |
              SCHEMA_METADATABLE | SCHEMA_NAMED | SCHEMA_PROPAGATED | SCHEMA_TIMEABLE,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    .exported = SCHEMA_EXPORT_ALWAYS,
    SCHEMA_ATTRIBUTES(service_attributes),
    .check = check_hostservice,
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "services", "hostModeEnabled"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute service_mapping_attributes[] = {
    {.name = "subject", .type = SCHEMA_TAG_EXPR, .help = "Enforcers that get the host services."},
    {.name = "object", .type = SCHEMA_TAG_EXPR, .help = "The host services."},
};
static const struct schema_sub_route service_mapping_routes[] = {
    {"enforcers", SCHEMA_LIST, NULL, 0},
    {"hostservices", SCHEMA_LIST, NULL, 0},
};

static const struct schema_kind kind_hostservicemappingpolicy = {
    .name = "hostservicemappingpolicy",
    .plural = "hostservicemappingpolicies",
    .entity = "HostServiceMappingPolicy",
    .aliases = SCHEMA_WORDS("hostsrvmappol", "hostsrvmappols"),
    .help = "Which Enforcers have which host services.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = MAPPING_MIXINS | SCHEMA_SCHEDULABLE,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    .exported = SCHEMA_EXPORT_ALWAYS,
    SCHEMA_ATTRIBUTES(service_mapping_attributes),
    SCHEMA_SUB_ROUTES(service_mapping_routes),
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "disabled", "subject", "object"),
    .index = SCHEMA_INDEX,
};

/* ---- Placement of units (product reference 1.2) ---- */

static const struct schema_attribute namespace_mapping_attributes[] = {
    {.name = "subject", .type = SCHEMA_TAG_EXPR, .help = "New units that are moved."},
    {.name = "mappedNamespace",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .max_chars = 1024,
     .check = schema_check_namespace,
     .help = "Namespace below that they are moved to, and looked at again there."},
};

static const struct schema_kind kind_namespacemappingpolicy = {
    .name = "namespacemappingpolicy",
    .plural = "namespacemappingpolicies",
    .entity = "NamespaceMappingPolicy",
    .aliases = SCHEMA_WORDS("nspolicy", "nspolicies", "nsmap", "nsmaps"),
    .help = "Which namespace new units are put in.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_DESCRIBED | SCHEMA_DISABLED |
              SCHEMA_METADATABLE | SCHEMA_NAMED | SCHEMA_TIMEABLE,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    .exported = SCHEMA_EXPORT_ALWAYS,
    SCHEMA_ATTRIBUTES(namespace_mapping_attributes),
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "disabled", "mappedNamespace"),
    .index = SCHEMA_INDEX,
};

const struct schema_kind *const schema_kinds_mapping[] = {
    &kind_enforcerprofilemappingpolicy,
    &kind_hostservice,
    &kind_hostservicemappingpolicy,
    &kind_namespacemappingpolicy,
    NULL,
};
