/* SPDX-License-Identifier: Apache-2.0 */
/* The command table of appcred, auth, profiles, configure and enforcer register. */
#include "cli/tables.h"

#define OPTIONS(array) .options = (array), .n_options = ARRAY_SIZE(array)
#define OUTPUT_FILE                                                                                \
    {                                                                                              \
        .name = "output-file", .value = "FILE",                                                    \
        .help = "Write it there, readable for the owner only (default: standard output)",          \
        .file = true                                                                               \
    }
#define ROLE(text)                                                                                 \
    {                                                                                              \
        .name = "role", .value = "ROLE", .help = (text), .repeat = true, .offer = CLI_OFFER_ROLES  \
    }
#define SUBNET                                                                                     \
    {                                                                                              \
        .name = "authorized-subnet", .value = "CIDR",                                              \
        .help = "It may be used from there only; may be given more than once", .repeat = true      \
    }

#define TYPE                                                                                       \
    {                                                                                              \
        .name = "type", .value = "TYPE",                                                           \
        .help = "json (default), k8s (a Secret) or cert (certificate and key in PEM)",             \
        .choices = file_types                                                                      \
    }
#define COLUMN                                                                                     \
    {                                                                                              \
        .name = "column", .letter = 'c', .value = "ATTRIBUTE",                                     \
        .help = "Print these attributes only; may be given more than once", .repeat = true,        \
        .offer = CLI_OFFER_ATTRIBUTES                                                              \
    }

/* ---- appcred ------------------------------------------------------------------------------ */

static const char *const file_types[] = {"json", "k8s", "cert", NULL};
static const struct cli_option create_options[] = {
    ROLE("What it may do: a role, or KIND,VERB; may be given more than once"),
    TYPE,
    SUBNET,
    {.name = "max-issued-token-validity",
     .value = "DURATION",
     .help = "Longest validity of tokens made with it"},
    {.name = "description", .value = "TEXT", .help = "What it is for"},
    OUTPUT_FILE,
};
static const struct cli_option renew_options[] = {TYPE, OUTPUT_FILE};
static const struct cli_option list_options[] = {
    COLUMN,
    {.name = "recursive", .letter = 'r', .help = "Also in the namespaces below"},
};
static const struct cli_option change_options[] = {COLUMN};
static const struct cli_option roles_options[] = {
    ROLE("New role; all the others go; may be given more than once"),
    {.name = "clear", .help = "Take all away"},
    COLUMN,
};
static const struct cli_option subnets_options[] = {
    SUBNET,
    {.name = "clear", .help = "Take all away: from anywhere"},
    COLUMN,
};

static const struct cli_argument name_argument = {
    .name = "NAME", .help = "Name of the app credential", .min = 1, .max = 1};
#define CREDENTIALS(text, least, most)                                                             \
    {                                                                                              \
        .name = "CREDENTIAL", .help = (text), .min = (least), .max = (most),                       \
        .offer = CLI_OFFER_OBJECTS                                                                 \
    }
static const struct cli_argument credential_argument =
    CREDENTIALS("App credential by name or ID", 1, 1);
static const struct cli_argument maybe_credential_argument =
    CREDENTIALS("App credential by name or ID", 0, 1);
static const struct cli_argument credentials_argument =
    CREDENTIALS("App credentials by name or ID", 1, CLI_ARGUMENTS_MANY);

const struct cli_command cli_appcred_commands[CLI_APPCRED_COMMANDS_N] = {
    {.name = "create",
     .help = "Make an app credential",
     .details = "The private key is made here; the Console never sees it. What is printed (or "
                "written) is the only copy.",
     .example = "bulkhead appcred create ci -n /shop --role namespace.importer --output-file "
                "ci.json\n"
                "bulkhead appcred create app --role namespace.viewer --type k8s | kubectl apply -f "
                "-",
     OPTIONS(create_options),
     .argument = &name_argument,
     .run = cli_appcred_create},
    {.name = "list",
     .help = "List app credentials",
     OPTIONS(list_options),
     .run = cli_appcred_list,
     .kind = "appcredential"},
    {.name = "renew",
     .help = "Make a new key and certificate for an app credential",
     .details = "The old certificate is good for 12 hours more.",
     OPTIONS(renew_options),
     .argument = &credential_argument,
     .run = cli_appcred_renew,
     .kind = "appcredential"},
    {.name = "roles",
     .help = "List the roles there are, or show or set those of an app credential",
     .example = "bulkhead appcred roles\nbulkhead appcred roles ci --role namespace.viewer",
     OPTIONS(roles_options),
     .argument = &maybe_credential_argument,
     .run = cli_appcred_roles,
     .kind = "appcredential"},
    {.name = "subnets",
     .help = "Show or set where an app credential may be used from",
     .example = "bulkhead appcred subnets ci --authorized-subnet 192.0.2.0/24",
     OPTIONS(subnets_options),
     .argument = &credential_argument,
     .run = cli_appcred_subnets,
     .kind = "appcredential"},
    {.name = "enable",
     .help = "Let an app credential be used again",
     OPTIONS(change_options),
     .argument = &credential_argument,
     .run = cli_appcred_enable,
     .kind = "appcredential"},
    {.name = "disable",
     .help = "Refuse an app credential, and its tokens, from now on",
     OPTIONS(change_options),
     .argument = &credential_argument,
     .run = cli_appcred_disable,
     .kind = "appcredential"},
    {.name = "delete",
     .help = "Delete app credentials",
     .argument = &credentials_argument,
     .run = cli_appcred_delete,
     .kind = "appcredential"},
};

/* ---- auth --------------------------------------------------------------------------------- */

#define TOKEN_OPTIONS                                                                              \
    {.name = "validity", .value = "DURATION", .help = "How long it is good: 30m, 24h, 7d"},        \
        {.name = "quota", .value = "N", .help = "How often it may be used"},                       \
        {.name = "restrict-namespace",                                                             \
         .value = "NS",                                                                            \
         .help = "It counts there and below only",                                                 \
         .offer = CLI_OFFER_NAMESPACES},                                                           \
        {.name = "restrict-role",                                                                  \
         .value = "ROLE",                                                                          \
         .help = "It is good for this at most: a role, or KIND,VERB; may be given more than once", \
         .repeat = true,                                                                           \
         .offer = CLI_OFFER_ROLES},                                                                \
        {.name = "restrict-network",                                                               \
         .value = "CIDR",                                                                          \
         .help = "It counts from there only; may be given more than once",                         \
         .repeat = true},                                                                          \
        {.name = "audience", .value = "TEXT", .help = "Who it is for"},                            \
        {.name = "opaque",                                                                         \
         .value = "KEY=VALUE",                                                                     \
         .help = "Claim of your own; may be given more than once",                                 \
         .repeat = true,                                                                           \
         .pair = true},                                                                            \
    {                                                                                              \
        .name = "export", .letter = 'e', .help = "Print export lines for a shell"                  \
    }

static const struct cli_option token_options[] = {TOKEN_OPTIONS};
static const struct cli_option cert_options[] = {
    {.name = "cert", .value = "FILE", .help = "Client certificate in PEM", .file = true},
    {.name = "cert-key", .value = "FILE", .help = "Its private key in PEM", .file = true},
    TOKEN_OPTIONS,
};
static const struct cli_option local_options[] = {
    {.name = "account", .value = "NAME", .help = "Name of the account"},
    {.name = "otp", .value = "CODE", .help = "One-time password; - asks for it"},
    TOKEN_OPTIONS,
};

const struct cli_command cli_auth_commands[CLI_AUTH_COMMANDS_N] = {
    {.name = "appcred",
     .help = "Get a token with an app credential",
     .example = "TOKEN=$(bulkhead auth appcred --creds ci.json --validity 10m --restrict-role "
                "namespace.viewer)\neval \"$(bulkhead auth appcred -e)\"",
     OPTIONS(token_options),
     .run = cli_auth_appcred},
    {.name = "cert",
     .help = "Get a token with a client certificate",
     OPTIONS(cert_options),
     .run = cli_auth_cert},
    {.name = "token",
     .help = "Get a token that may less, with another token",
     OPTIONS(token_options),
     .run = cli_auth_token},
    {.name = "local",
     .help = "Get a token with a local account",
     .details = "Asks for the password without showing it; without a terminal it is the first "
                "line of standard input.",
     OPTIONS(local_options),
     .run = cli_auth_local},
    {.name = "verify",
     .help = "Ask the Console whether a token is good, and print its claims",
     .run = cli_auth_verify},
};

/* ---- profiles, configure ------------------------------------------------------------------ */

static const struct cli_argument profile_argument = {
    .name = "NAME", .help = "Name of a profile", .min = 1, .max = 1, .offer = CLI_OFFER_PROFILES};
static const struct cli_argument maybe_profile_argument = {
    .name = "NAME", .help = "Name of a profile", .min = 0, .max = 1, .offer = CLI_OFFER_PROFILES};

const struct cli_command cli_profiles_commands[CLI_PROFILES_COMMANDS_N] = {
    {.name = "list",
     .help = "List the profiles; * marks the one in force, > when it is so for now only",
     .run = cli_profiles_list},
    {.name = "use",
     .alias = "set",
     .help = "Make a profile the one in force (or: set)",
     .argument = &profile_argument,
     .run = cli_profiles_use},
    {.name = "show",
     .help = "Show all settings in force, and where each comes from",
     .argument = &maybe_profile_argument,
     .run = cli_profiles_show},
};

const struct cli_option cli_configure_options[CLI_CONFIGURE_OPTIONS_N] = {
    {.name = "name", .value = "NAME", .help = "Name of the profile (default 'default')"},
    ROLE("What the new app credential may do (default namespace.administrator)"),
    {.name = "account", .value = "NAME", .help = "Local account to begin with"},
    {.name = "otp", .value = "CODE", .help = "One-time password; - asks for it"},
    {.name = "force", .help = "Replace a profile of this name"},
    {.name = "use", .help = "Make it the profile in force"},
};

/* ---- enforcer register -------------------------------------------------------------------- */

static const char *const registrations[] = {"token", "appcred", NULL};

const struct cli_option cli_register_options[CLI_REGISTER_OPTIONS_N] = {
    {.name = "with",
     .value = "WHAT",
     .help = "token (default): good for a short time; appcred: until it is deleted",
     .choices = registrations},
    {.name = "validity", .value = "DURATION", .help = "Of the token (default 30m)"},
    {.name = "quota", .value = "N", .help = "How many requests the token is good for"},
    {.name = "name", .value = "NAME", .help = "Name of the app credential"},
    SUBNET,
    OUTPUT_FILE,
};
