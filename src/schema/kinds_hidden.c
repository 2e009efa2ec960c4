/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/internal.h"

/*
 * The Console's own bookkeeping: objects like all others (so they are committed, replicated and
 * loaded like all others) that no route shows. The unique name decides who was first when several
 * Consoles write.
 */

#define HIDDEN_KIND(word, text, array)                                                             \
    {                                                                                              \
        .name = (word), .entity = (word), .help = (text), .mixins = SCHEMA_NAMED,                  \
        .unique = SCHEMA_UNIQUE_NAME, .stored = true, .hidden = true, SCHEMA_ATTRIBUTES(array),    \
        .index = SCHEMA_INDEX,                                                                     \
    }

static const struct schema_attribute signingkey_attributes[] = {
    {.name = "publicKey",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .check = schema_check_public_key,
     .help = "Public half, in PEM; the name is the kid."},
    {.name = "notAfter",
     .type = SCHEMA_TIME,
     .help = "When the last token that it signed has ended; unset: still signing."},
    {.name = "console", .type = SCHEMA_STRING, .help = "The Console that has the private half."},
};
static const struct schema_kind kind_signingkey =
    HIDDEN_KIND("signingkey", "A key that signs tokens.", signingkey_attributes);

static const struct schema_attribute identityrecord_attributes[] = {
    {.name = "number",
     .type = SCHEMA_INTEGER,
     .flags = SCHEMA_REQUIRED,
     .minimum = 1,
     .maximum = 4294967295,
     .help = "Identity id on the wire."},
    {.name = "identityNamespace",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .check = schema_check_namespace,
     .help = "Namespace of the units that have it."},
    {.name = "tags",
     .type = SCHEMA_STRINGS,
     .max_items = 512,
     .check = schema_check_tag,
     .help = "Tags of the identity."},
};
static const struct schema_kind kind_identityrecord = HIDDEN_KIND(
    "identityrecord", "Identity by (namespace, tags): the name is a digest of both in hexadecimal.",
    identityrecord_attributes);

static const struct schema_attribute identitynumber_attributes[] = {
    {.name = "record",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .help = "Name of the identityrecord."},
};
static const struct schema_kind kind_identitynumber =
    HIDDEN_KIND("identitynumber", "Identity by number: the name is the number in decimal.",
                identitynumber_attributes);

static const struct schema_attribute enforcernumber_attributes[] = {
    {.name = "enforcerID",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .check = schema_check_id,
     .help = "The Enforcer that has the number."},
};
static const struct schema_kind kind_enforcernumber =
    HIDDEN_KIND("enforcernumber", "Enforcer by number: the name is the number in decimal.",
                enforcernumber_attributes);

static const struct schema_attribute loginstate_attributes[] = {
    {.name = "failures", .type = SCHEMA_INTEGER, .help = "Wrong passwords since the first one."},
    {.name = "firstFailure", .type = SCHEMA_INTEGER, .help = "When that was, in ms."},
    {.name = "lockedUntil", .type = SCHEMA_INTEGER, .help = "Until when none is taken, in ms."},
    {.name = "lastStep",
     .type = SCHEMA_INTEGER,
     .minimum = -1,
     .help = "Step of the one-time password that was taken last; -1: none."},
};
static const struct schema_kind kind_loginstate = HIDDEN_KIND(
    "loginstate", "Log-ins by name of account: the name is a digest of it.", loginstate_attributes);

static const struct schema_attribute tokenrevocation_attributes[] = {
    {.name = "tokens",
     .type = SCHEMA_STRINGS,
     .max_items = 64,
     .max_chars = 128,
     .help = "IDs of tokens that are not taken any more, and of what was made from them."},
    {.name = "notBefore",
     .type = SCHEMA_INTEGER,
     .help = "Nor are those that were made up to then, in s."},
};
static const struct schema_kind kind_tokenrevocation = HIDDEN_KIND(
    "tokenrevocation", "Log-outs: the name is the ID of what the tokens were made from.",
    tokenrevocation_attributes);

static const struct schema_attribute refreshrequest_attributes[] = {
    {.name = "kind",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .help = "enforcerrefresh or processingunitrefresh."},
    {.name = "at",
     .type = SCHEMA_STRING,
     .flags = SCHEMA_REQUIRED,
     .check = schema_check_namespace,
     .help = "Namespace that it was asked for in."},
    {.name = "target", .type = SCHEMA_STRING, .help = "Enforcer or unit of the route, if any."},
    {.name = "enforcerID", .type = SCHEMA_STRING, .help = "The one Enforcer that it is for."},
    {.name = "body", .type = SCHEMA_FREE, .help = "What was asked for."},
};
static const struct schema_kind kind_refreshrequest = {
    .name = "refreshrequest",
    .entity = "refreshrequest",
    .help = "A refresh, for every Console to tell its Enforcers; gone after a minute or more.",
    .stored = true,
    .hidden = true,
    SCHEMA_ATTRIBUTES(refreshrequest_attributes),
    .index = SCHEMA_INDEX,
};

static const struct schema_attribute setting_attributes[] = {
    {.name = "value", .type = SCHEMA_FREE, .help = "Anything."},
};
static const struct schema_kind kind_setting =
    HIDDEN_KIND("setting", "Something the Consoles of one database agree on.", setting_attributes);

const struct schema_kind *const schema_kinds_hidden[] = {
    &kind_signingkey,     &kind_identityrecord, &kind_identitynumber,
    &kind_enforcernumber, &kind_loginstate,     &kind_tokenrevocation,
    &kind_refreshrequest, &kind_setting,        NULL,
};
