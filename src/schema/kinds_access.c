/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/internal.h"

/* Who may do what: credentials, accounts, authorizations, roles (product reference 4.6 B). */

#define RO SCHEMA_READ_ONLY
#define REQUIRED SCHEMA_REQUIRED
#define PERMISSIONS_MAX 256
#define SUBNETS_MAX 256

/* ---- App credentials ---- */

static const struct schema_attribute credential_attributes[] = {
    {.name = "ID", .type = SCHEMA_STRING, .help = "Of the app credential."},
    {.name = "name", .type = SCHEMA_STRING, .help = "Of the app credential."},
    {.name = "namespace", .type = SCHEMA_STRING, .help = "Of the app credential."},
    {.name = "APIURL", .type = SCHEMA_STRING, .help = "Where the Console is."},
    {.name = "certificate", .type = SCHEMA_STRING, .help = "Client certificate, base64 of PEM."},
    {.name = "certificateAuthority",
     .type = SCHEMA_STRING,
     .help = "Authority of the Console, base64 of PEM."},
    {.name = "certificateKey",
     .type = SCHEMA_STRING,
     .help = "Private key; filled in by the client that made it."},
};

static const struct schema_kind kind_credential = {
    .name = "credential",
    .entity = "Credential",
    .help = "What a client puts into its credential file.",
    SCHEMA_ATTRIBUTES(credential_attributes),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute appcredential_attributes[] = {
    {.name = "roles",
     .type = SCHEMA_STRINGS,
     .flags = REQUIRED,
     .max_items = PERMISSIONS_MAX,
     .check = schema_check_permission,
     .whole = schema_whole_unique,
     .help = "What the credential may do in its namespace and below."},
    {.name = "CSR",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_TRANSIENT,
     .check = schema_check_request,
     .help = "Certificate request in PEM; a change with a new one renews the credential."},
    {.name = "authorizedSubnets",
     .type = SCHEMA_STRINGS,
     .max_items = SUBNETS_MAX,
     .check = schema_check_cidr,
     .help = "Where it may be used from; empty: anywhere."},
    {.name = "maxIssuedTokenValidity",
     .type = SCHEMA_DURATION,
     .help = "Longest validity of tokens made with it."},
    {.name = "email",
     .type = SCHEMA_STRING,
     .max_chars = 254,
     .check = schema_check_email,
     .help = "Who to ask about it."},
    {.name = "certificate", .type = SCHEMA_STRING, .flags = RO, .help = "Its certificate in PEM."},
    {.name = "previousCertificate",
     .type = SCHEMA_STRING,
     .flags = RO | SCHEMA_SECRET,
     .help = "The one before a renewal, good until `previousUntil`."},
    {.name = "previousUntil",
     .type = SCHEMA_TIME,
     .flags = RO,
     .help = "Until when the certificate before a renewal is taken."},
    {.name = "credentials",
     .type = SCHEMA_OBJECT,
     .flags = SCHEMA_ANSWER,
     .embedded = &kind_credential,
     .help = "Contents of a credential file; only in the answer to a creation or renewal."},
    {.name = "parentIDs",
     .type = SCHEMA_STRINGS,
     .flags = RO,
     .help = "Credentials that this one was made with."},
};

static const struct schema_kind kind_appcredential = {
    .name = "appcredential",
    .plural = "appcredentials",
    .entity = "AppCredential",
    .aliases = SCHEMA_WORDS("appcred", "appcreds"),
    .help = "A client certificate for a program.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_DESCRIBED | SCHEMA_METADATABLE |
              SCHEMA_TIMEABLE | SCHEMA_NAMED | SCHEMA_DISABLED,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    .exported = SCHEMA_EXPORT_NEVER,
    SCHEMA_ATTRIBUTES(appcredential_attributes),
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "disabled", "roles"),
    .index = SCHEMA_INDEX,
};

/* ---- Local accounts (realm Vince) ---- */

static const struct schema_attribute account_attributes[] = {
    {.name = "name",
     .type = SCHEMA_STRING,
     .flags = REQUIRED | SCHEMA_CREATION_ONLY,
     .max_chars = 64,
     .check = schema_check_name,
     .help = "Name to log in with."},
    {.name = "email",
     .type = SCHEMA_STRING,
     .flags = REQUIRED,
     .max_chars = 254,
     .check = schema_check_email,
     .help = "Address of the person."},
    {.name = "password",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_TRANSIENT | SCHEMA_SECRET,
     .max_chars = 1024,
     .help = "New password; never answered, kept only as a hash."},
    {.name = "passwordHash",
     .type = SCHEMA_STRING,
     .flags = RO | SCHEMA_SECRET,
     .help = "Hash of the password."},
    {.name = "OTPEnabled", .type = SCHEMA_BOOL, .help = "A one-time password is needed as well."},
    {.name = "OTPSecret",
     .type = SCHEMA_STRING,
     .flags = RO | SCHEMA_SECRET,
     .help = "Secret of the one-time passwords."},
    {.name = "OTPURI",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_ANSWER,
     .help = "The secret for an authenticator; only in the answer that switches it on."},
    {.name = "status",
     .type = SCHEMA_ENUM,
     .fallback = "\"Active\"",
     .choices = SCHEMA_WORDS("Active", "Disabled", "Invited", "Pending"),
     .help = "Whether the account can be used."},
    {.name = "failedLogins",
     .type = SCHEMA_INTEGER,
     .flags = RO,
     .help = "Wrong passwords since the last right one."},
    {.name = "lockedUntil",
     .type = SCHEMA_TIME,
     .flags = RO,
     .help = "Until when no password is taken."},
    {.name = "lastLogin", .type = SCHEMA_TIME, .flags = RO, .help = "When it was used last."},
};

static const struct schema_query_key account_keys[] = {
    {.name = "name", .verbs = SCHEMA_LIST, .help = "Only the account of this name."},
    {.name = "status",
     .verbs = SCHEMA_LIST,
     .help = "Only accounts of this status.",
     .choices = SCHEMA_WORDS("Active", "Disabled", "Invited", "Pending")},
};

static const struct schema_kind kind_account = {
    .name = "account",
    .plural = "accounts",
    .entity = "Account",
    .help = "A local account with a password (realm Vince).",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_DESCRIBED | SCHEMA_TIMEABLE,
    .unique = SCHEMA_UNIQUE_NAME,
    .stored = true,
    .exported = SCHEMA_EXPORT_NEVER,
    SCHEMA_ATTRIBUTES(account_attributes),
    SCHEMA_KEYS(account_keys),
    .columns = SCHEMA_WORDS("ID", "name", "email", "status", "OTPEnabled"),
    .index = SCHEMA_INDEX,
};

/* ---- API authorizations (product reference 1.10) ---- */

static const struct schema_attribute authorization_attributes[] = {
    {.name = "subject",
     .type = SCHEMA_TAG_EXPR,
     .flags = REQUIRED,
     .whole = schema_whole_claims,
     .help = "Claims `@auth:…` of callers: in each line exactly one realm and something more."},
    {.name = "authorizedIdentities",
     .type = SCHEMA_STRINGS,
     .flags = REQUIRED,
     .max_items = PERMISSIONS_MAX,
     .check = schema_check_permission,
     .whole = schema_whole_unique,
     .help = "Roles `@auth:role=…`, or `KIND,VERB`."},
    {.name = "authorizedNamespace",
     .type = SCHEMA_STRING,
     .flags = REQUIRED,
     .max_chars = 1024,
     .check = schema_check_namespace,
     .help = "Where they may: this namespace and those below."},
    {.name = "authorizedSubnets",
     .type = SCHEMA_STRINGS,
     .max_items = SUBNETS_MAX,
     .check = schema_check_cidr,
     .help = "Where callers must come from; empty: anywhere."},
    {.name = "expirationTime", .type = SCHEMA_TIME, .help = "When the policy ends; unset: never."},
    {.name = "propagate",
     .type = SCHEMA_BOOL,
     .flags = RO,
     .fallback = "true",
     .help = "Always true."},
};

const struct schema_kind schema_kind_apiauthorizationpolicy = {
    .name = "apiauthorizationpolicy",
    .plural = "apiauthorizationpolicies",
    .entity = "APIAuthorizationPolicy",
    .aliases = SCHEMA_WORDS("apiauth", "apiauths"),
    .help = "Who may do what; nothing is possible without one.",
    .verbs = SCHEMA_ALL_VERBS,
    .mixins = SCHEMA_BASE | SCHEMA_NAMESPACED | SCHEMA_DESCRIBED | SCHEMA_DISABLED |
              SCHEMA_METADATABLE | SCHEMA_NAMED | SCHEMA_HIDDEN | SCHEMA_FALLBACK |
              SCHEMA_PROPAGATED | SCHEMA_SCHEDULABLE | SCHEMA_TIMEABLE,
    .unique = SCHEMA_UNIQUE_NAME_IN_NAMESPACE,
    .stored = true,
    SCHEMA_ATTRIBUTES(authorization_attributes),
    .columns = SCHEMA_WORDS("ID", "name", "namespace", "disabled", "authorizedIdentities",
                            "authorizedNamespace"),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute role_attributes[] = {
    {.name = "key", .type = SCHEMA_STRING, .flags = RO, .help = "What policies name it by."},
    {.name = "name", .type = SCHEMA_STRING, .flags = RO, .help = "For people."},
    {.name = "description", .type = SCHEMA_STRING, .flags = RO, .help = "What it is for."},
    {.name = "authorizations",
     .type = SCHEMA_STRINGS_MAP,
     .flags = RO,
     .help = "Kind to verbs; `*` is every kind."},
    {.name = "private", .type = SCHEMA_BOOL, .flags = RO, .help = "For machines."},
};

static const struct schema_kind kind_role = {
    .name = "role",
    .plural = "roles",
    .entity = "Role",
    .help = "A set of permissions with a name.",
    .verbs = SCHEMA_LIST,
    SCHEMA_ATTRIBUTES(role_attributes),
    .columns = SCHEMA_WORDS("key", "name", "description"),
    .index = SCHEMA_INDEX,
};

const struct schema_kind *const schema_kinds_access[] = {
    &kind_credential, &kind_appcredential,
    &kind_account,    &schema_kind_apiauthorizationpolicy,
    &kind_role,       NULL,
};
