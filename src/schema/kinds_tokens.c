/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/internal.h"

/* Tokens, certificates, trust (product reference 4.6 B). None of these is stored. */

#define REQUIRED SCHEMA_REQUIRED
#define ANSWER SCHEMA_ANSWER
#define RESTRICTIONS_MAX 256

static const struct schema_attribute issue_attributes[] = {
    {.name = "realm",
     .type = SCHEMA_ENUM,
     .flags = REQUIRED,
     .choices =
         SCHEMA_WORDS("Certificate", "Vince", "BulkheadIdentityToken", "AporetoIdentityToken",
                      "OIDC", "SAML", "LDAP", "Google", "AWSSecurityToken", "AzureIdentityToken",
                      "GCPIdentityToken", "PCIdentityToken"),
     .help = "How the caller shows who it is; not every realm is available."},
    {.name = "metadata",
     .type = SCHEMA_FREE,
     .fallback = "{}",
     .check = schema_check_object_map,
     .help = "What the realm needs: vinceAccount, vincePassword, vinceOTP; token."},
    {.name = "data", .type = SCHEMA_STRING, .flags = SCHEMA_DEPRECATED, .help = "Use `metadata`."},
    {.name = "validity",
     .type = SCHEMA_DURATION,
     .fallback = "\"24h\"",
     .help = "How long the token is good; the Console may make it shorter."},
    {.name = "quota",
     .type = SCHEMA_INTEGER,
     .maximum = 1000000000,
     .help = "How often it may be used; 0: as often as one likes."},
    {.name = "audience", .type = SCHEMA_STRING, .max_chars = 1024, .help = "Who the token is for."},
    {.name = "opaque",
     .type = SCHEMA_STRING_MAP,
     .max_items = 64,
     .max_chars = 1024,
     .help = "Claims of the caller's own."},
    {.name = "restrictedNamespace",
     .type = SCHEMA_STRING,
     .max_chars = 1024,
     .check = schema_check_namespace,
     .help = "The token counts only there and below."},
    {.name = "restrictedPermissions",
     .type = SCHEMA_STRINGS,
     .max_items = RESTRICTIONS_MAX,
     .check = schema_check_permission,
     .help = "The token is good for these at most."},
    {.name = "restrictedNetworks",
     .type = SCHEMA_STRINGS,
     .max_items = RESTRICTIONS_MAX,
     .check = schema_check_cidr,
     .help = "The token counts only from there."},
    {.name = "token", .type = SCHEMA_STRING, .flags = ANSWER, .help = "The token."},
    {.name = "claims",
     .type = SCHEMA_FREE,
     .flags = ANSWER,
     .fallback = "{}",
     .help = "What the token says."},
};

static const struct schema_query_key issue_keys[] = {
    {.name = "asCookie", .help = "The token comes as a cookie as well."},
    {.name = "token", .help = "Token to be exchanged, in place of `metadata`."},
};

static const struct schema_kind kind_issue = {
    .name = "issue",
    .plural = "issue",
    .entity = "Issue",
    .help = "Get a token.",
    .verbs = SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(issue_attributes),
    SCHEMA_KEYS(issue_keys),
    .columns = SCHEMA_WORDS("realm", "validity", "token"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute authn_attributes[] = {
    {.name = "token", .type = SCHEMA_STRING, .help = "Token to look at; default: the caller's."},
    {.name = "claims",
     .type = SCHEMA_FREE,
     .flags = ANSWER,
     .fallback = "{}",
     .help = "What it says, when it is good."},
    {.name = "tags",
     .type = SCHEMA_STRINGS,
     .flags = ANSWER,
     .help = "Claims as API authorizations see them: `@auth:…`."},
};

static const struct schema_query_key authn_keys[] = {
    {.name = "token", .help = "Token to look at; default: the caller's."},
};

static const struct schema_kind kind_authn = {
    .name = "authn",
    .plural = "authn",
    .entity = "Authn",
    .help = "Is a token good, and what does it say?",
    .verbs = SCHEMA_LIST | SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(authn_attributes),
    SCHEMA_KEYS(authn_keys),
    .columns = SCHEMA_WORDS("claims"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute authz_attributes[] = {
    {.name = "claims",
     .type = SCHEMA_STRINGS,
     .flags = REQUIRED,
     .max_items = 128,
     .check = schema_check_tag,
     .help = "Claims `@auth:…` of the caller in question."},
    {.name = "targetNamespace",
     .type = SCHEMA_STRING,
     .flags = REQUIRED,
     .max_chars = 1024,
     .check = schema_check_namespace,
     .help = "Where it wants to act."},
    {.name = "targetID",
     .type = SCHEMA_STRING,
     .check = schema_check_id,
     .help = "On which object."},
    {.name = "clientIP",
     .type = SCHEMA_STRING,
     .check = schema_check_cidr,
     .help = "Where it comes from."},
    {.name = "restrictedNamespace",
     .type = SCHEMA_STRING,
     .max_chars = 1024,
     .check = schema_check_namespace,
     .help = "Restriction of its token."},
    {.name = "restrictedNetworks",
     .type = SCHEMA_STRINGS,
     .max_items = RESTRICTIONS_MAX,
     .check = schema_check_cidr,
     .help = "Restriction of its token."},
    {.name = "restrictedPermissions",
     .type = SCHEMA_STRINGS,
     .max_items = RESTRICTIONS_MAX,
     .check = schema_check_permission,
     .help = "Restriction of its token."},
    {.name = "permissions",
     .type = SCHEMA_FREE,
     .flags = ANSWER,
     .fallback = "{}",
     .help = "Kind to verb to whether it may."},
    {.name = "explanation",
     .type = SCHEMA_STRINGS,
     .flags = ANSWER,
     .help = "Each policy that was looked at, and why it did or did not let the caller in."},
    {.name = "error", .type = SCHEMA_STRING, .flags = ANSWER, .help = "Why there is no answer."},
    {.name = "APIAuthorizationPolicies",
     .type = SCHEMA_OBJECTS,
     .flags = ANSWER,
     .embedded = &schema_kind_apiauthorizationpolicy,
     .help = "Policies that let the caller in, with `forwardpolicyrules`."},
};

static const struct schema_query_key authz_keys[] = {
    {.name = "forwardpolicyrules", .help = "Answer the policies as well."},
};

static const struct schema_kind kind_authz = {
    .name = "authz",
    .plural = "authz",
    .entity = "Authz",
    .help = "Who may do what in a namespace, and by which policy?",
    .verbs = SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(authz_attributes),
    SCHEMA_KEYS(authz_keys),
    .columns = SCHEMA_WORDS("targetNamespace", "permissions"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute apicheck_attributes[] = {
    {.name = "namespace",
     .type = SCHEMA_STRING,
     .flags = REQUIRED,
     .max_chars = 1024,
     .check = schema_check_namespace,
     .help = "Where the caller wants to act."},
    {.name = "operation",
     .type = SCHEMA_ENUM,
     .flags = REQUIRED,
     .choices =
         SCHEMA_WORDS("Create", "Delete", "Info", "Patch", "Retrieve", "RetrieveMany", "Update"),
     .help = "What it wants to do."},
    {.name = "targetIdentities",
     .type = SCHEMA_STRINGS,
     .flags = REQUIRED,
     .max_items = 256,
     .check = schema_check_identity,
     .help = "With which kinds."},
    {.name = "authorized",
     .type = SCHEMA_FREE,
     .flags = ANSWER,
     .fallback = "{}",
     .help = "Kind to whether it may."},
};

static const struct schema_kind kind_apicheck = {
    .name = "apicheck",
    .plural = "apichecks",
    .entity = "APICheck",
    .help = "May the caller do this with these kinds?",
    .verbs = SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(apicheck_attributes),
    .columns = SCHEMA_WORDS("namespace", "operation", "authorized"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute logout_attributes[] = {
    {.name = "everywhere",
     .type = SCHEMA_BOOL,
     .help = "All tokens of the same account or app credential, not only this one."},
};

static const struct schema_kind kind_logout = {
    .name = "logout",
    .plural = "logout",
    .entity = "Logout",
    .help = "Ends the token that is sent.",
    .verbs = SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(logout_attributes),
    .columns = SCHEMA_WORDS("everywhere"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute certificate_attributes[] = {
    {.name = "CSR",
     .type = SCHEMA_STRING,
     .flags = REQUIRED,
     .check = schema_check_request,
     .help = "Certificate request in PEM."},
    {.name = "objectID",
     .type = SCHEMA_STRING,
     .flags = REQUIRED,
     .check = schema_check_id,
     .help = "The Enforcer or service that it is for."},
    {.name = "sessionID", .type = SCHEMA_STRING, .max_chars = 256, .help = "Of the Enforcer."},
    {.name = "type",
     .type = SCHEMA_ENUM,
     .choices = SCHEMA_WORDS("Enforcer", "Service", "ServicePing"),
     .help = "What it is for."},
    {.name = "certificate", .type = SCHEMA_STRING, .flags = ANSWER, .help = "In PEM."},
    {.name = "signer",
     .type = SCHEMA_STRING,
     .flags = ANSWER,
     .help = "Certificate of the authority, in PEM."},
    {.name = "token",
     .type = SCHEMA_STRING,
     .flags = ANSWER,
     .help = "Signed statement about the key."},
};

static const struct schema_kind kind_datapathcertificate = {
    .name = "datapathcertificate",
    .plural = "datapathcertificates",
    .entity = "DataPathCertificate",
    .help = "A certificate for an Enforcer.",
    .verbs = SCHEMA_CREATE,
    SCHEMA_ATTRIBUTES(certificate_attributes),
    .columns = SCHEMA_WORDS("objectID", "type", "certificate"),
    .index = SCHEMA_INDEX,
};

#define RO SCHEMA_READ_ONLY

static const struct schema_attribute ca_attributes[] = {
    {.name = "namespace", .type = SCHEMA_STRING, .flags = RO, .help = "That it is for."},
    {.name = "namespaceID", .type = SCHEMA_STRING, .flags = RO, .help = "Of that namespace."},
    {.name = "type",
     .type = SCHEMA_ENUM,
     .flags = RO,
     .choices = SCHEMA_WORDS("X509", "SSH", "JWT"),
     .help = "What it signs."},
    {.name = "serialnumber", .type = SCHEMA_STRING, .flags = RO, .help = "Of the certificate."},
    {.name = "controller", .type = SCHEMA_STRING, .flags = RO, .help = "Console it belongs to."},
    {.name = "certificate", .type = SCHEMA_STRING, .flags = RO, .help = "In PEM."},
};

static const struct schema_query_key ca_keys[] = {
    {.name = "type",
     .help = "Only authorities of this type.",
     .choices = SCHEMA_WORDS("Any", "X509", "SSH", "JWT")},
};

static const struct schema_kind kind_trustedca = {
    .name = "trustedca",
    .plural = "trustedcas",
    .entity = "TrustedCA",
    .help = "Authorities that the namespace trusts.",
    .verbs = SCHEMA_LIST,
    SCHEMA_ATTRIBUTES(ca_attributes),
    SCHEMA_KEYS(ca_keys),
    .columns = SCHEMA_WORDS("namespace", "type", "serialnumber"),
    .index = SCHEMA_INDEX,
};

const struct schema_kind *const schema_kinds_tokens[] = {
    &kind_issue,     &kind_authn,  &kind_authz,
    &kind_apicheck,  &kind_logout, &kind_datapathcertificate,
    &kind_trustedca, NULL,
};
