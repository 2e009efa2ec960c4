/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "schema/internal.h"

/*
 * Roles of product reference 1.10. Whoever has any role may read what clients need to find their
 * way (EVERYBODY). Roles for machines have what the machine does and no more: what an Enforcer may
 * change is further limited to its own object and units by the Console.
 */

#define EVERYBODY                                                                                  \
    "namespace:get,list", "namespaceinfo:list", "accessiblenamespace:list", "tag:list",            \
        "tagvalue:list", "tagprefix:list", "organizationalmetadata:list", "putrafficaction:list",  \
        "role:list", "authn:list,post", "healthcheck:list"

#define POLICIES_READ                                                                              \
    "networkrulesetpolicy:get,list", "externalnetwork:get,list", "namespacemappingpolicy:get,list"
#define POLICIES_WRITE "networkrulesetpolicy:any", "externalnetwork:any"
#define UNITS_READ                                                                                 \
    "processingunit:get,list", "renderedpolicy:get,list,post", "hostservice:get,list",             \
        "hostservicemappingpolicy:get,list"
#define ENFORCERS_READ                                                                             \
    "enforcer:get,list", "enforcerprofile:get,list", "enforcerprofilemappingpolicy:get,list",      \
        "trustedca:list"
#define ENFORCERS_WRITE                                                                            \
    "enforcer:any", "enforcerprofile:any", "enforcerprofilemappingpolicy:any",                     \
        "enforcerrefresh:post", "hostservice:any", "hostservicemappingpolicy:any"
#define ACCESS_READ                                                                                \
    "apiauthorizationpolicy:get,list", "appcredential:get,list", "authz:post", "trustedca:list"
#define LOOK "search:list", "activity:get,list"

static const struct schema_role roles[] = {
    {"@auth:role=namespace.administrator", "Namespace administrator",
     "Everything in the namespace and below.", false, SCHEMA_WORDS("*:any")},
    {"@auth:role=namespace.viewer", "Namespace viewer",
     "Read everything in the namespace and below.", false,
     SCHEMA_WORDS("*:get,list", "authn:post", "authz:post", "renderedpolicy:post", "export:post")},
    {"@auth:role=namespace.contributor", "Namespace contributor",
     "Make and change namespaces and all policy, but not who may do what.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, "namespace:any", "putrafficaction:any", "tagprefix:any",
                  "namespacemappingpolicy:any", POLICIES_WRITE, UNITS_READ,
                  "processingunit:put,patch", ENFORCERS_READ, ENFORCERS_WRITE, "import:post",
                  "importreference:any", "export:post")},
    {"@auth:role=namespace.importer", "Namespace importer", "Import policy.", false,
     SCHEMA_WORDS(EVERYBODY, "import:post", "importreference:any", "namespace:any",
                  "namespacemappingpolicy:any", POLICIES_WRITE, "enforcerprofile:any",
                  "enforcerprofilemappingpolicy:any", "hostservice:any",
                  "hostservicemappingpolicy:any")},
    {"@auth:role=namespace.exporter", "Namespace exporter", "Export policy.", false,
     SCHEMA_WORDS(EVERYBODY, "export:post", POLICIES_READ, "enforcerprofile:get,list",
                  "enforcerprofilemappingpolicy:get,list", "hostservice:get,list",
                  "hostservicemappingpolicy:get,list", "apiauthorizationpolicy:get,list")},
    {"@auth:role=infrastructure.administrator", "Infrastructure administrator",
     "Manage Enforcers, their profiles, networks and rulesets.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, POLICIES_WRITE, "namespacemappingpolicy:any", UNITS_READ,
                  "processingunit:any", "processingunitrefresh:post", ENFORCERS_WRITE,
                  "trustedca:list", "import:post", "importreference:any", "export:post")},
    {"@auth:role=infrastructure.viewer", "Infrastructure viewer",
     "See Enforcers, their profiles, networks and rulesets.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, POLICIES_READ, UNITS_READ, ENFORCERS_READ)},
    {"@auth:role=app.developer", "Application developer",
     "Write rulesets and external networks for one's own units.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, POLICIES_WRITE, UNITS_READ, "processingunit:put,patch",
                  "import:post", "importreference:any", "export:post")},
    {"@auth:role=app.viewer", "Application viewer", "See rulesets, external networks and units.",
     false, SCHEMA_WORDS(EVERYBODY, LOOK, POLICIES_READ, UNITS_READ)},
    {"@auth:role=compute.editor", "Compute editor",
     "Manage Enforcers, units and host services, but no policy.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, UNITS_READ, "processingunit:any", "processingunitrefresh:post",
                  ENFORCERS_WRITE, "trustedca:list")},
    {"@auth:role=compute.viewer", "Compute viewer", "See Enforcers, units and host services.",
     false, SCHEMA_WORDS(EVERYBODY, LOOK, UNITS_READ, ENFORCERS_READ)},
    {"@auth:role=ruleset.administrator", "Ruleset administrator",
     "Write rulesets and external networks, nothing else.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, POLICIES_WRITE, UNITS_READ, "import:post", "importreference:any",
                  "export:post")},
    {"@auth:role=system.editor", "System editor",
     "Manage who may do what: authorizations, app credentials, accounts.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, ACCESS_READ, "apiauthorizationpolicy:any", "appcredential:any",
                  "account:any", "namespace:any")},
    {"@auth:role=system.viewer", "System viewer", "See who may do what.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, ACCESS_READ, "account:get,list")},
    {"@auth:role=automation.editor", "Automation editor",
     "For programs that switch rulesets on and off.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, POLICIES_READ, "networkrulesetpolicy:put,patch", UNITS_READ)},
    {"@auth:role=automation.viewer", "Automation viewer", "For programs that watch policy.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, POLICIES_READ, UNITS_READ)},
    {"@auth:role=appcredentials", "App credentials", "Make and renew app credentials.", false,
     SCHEMA_WORDS(EVERYBODY, "appcredential:any")},
    {"@auth:role=service.publisher", "Service publisher",
     "Describe host services and the networks they are reached by.", false,
     SCHEMA_WORDS(EVERYBODY, "hostservice:any", "hostservicemappingpolicy:any",
                  "externalnetwork:get,list", "processingunit:get,list")},
    {"@auth:role=enforcer-installer", "Enforcer installer",
     "Register Enforcers: for installation scripts.", false,
     SCHEMA_WORDS("enforcer:post", "enforcerrenewal:post", "namespaceinfo:list",
                  "authn:list,post")},
    {"@auth:role=netsecops", "Network security operator",
     "Write rulesets and networks everywhere, see Enforcers and who may do what.", false,
     SCHEMA_WORDS(EVERYBODY, LOOK, POLICIES_WRITE, "namespacemappingpolicy:get,list", UNITS_READ,
                  ENFORCERS_READ, ACCESS_READ, "import:post", "importreference:any",
                  "export:post")},
    {"@auth:role=enforcer", "Enforcer registration",
     "What an Enforcer needs until it has its own certificate.", true,
     SCHEMA_WORDS("enforcer:post", "enforcerrenewal:post", "namespaceinfo:list")},
    {"@auth:role=enforcer.runtime", "Enforcer",
     "What a registered Enforcer does: report itself and its units, read what applies to them.",
     true,
     SCHEMA_WORDS("enforcer:get,put,patch", "enforcerprofile:get,list", "hostservice:list",
                  "processingunit:get,list,post,put,patch,delete", "renderedpolicy:get,list",
                  "datapathcertificate:post", "trustedca:list", "namespaceinfo:list")},
};

const struct schema_role *schema_roles(size_t *ret_n)
{
    assert(ret_n);

    *ret_n = ARRAY_SIZE(roles);
    return roles;
}

const struct schema_role *schema_role_find(const char *key)
{
    assert(key);

    for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
        if (strcmp(roles[i].key, key) == 0)
            return &roles[i];
    return NULL;
}
