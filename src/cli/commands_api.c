/* SPDX-License-Identifier: Apache-2.0 */
/* The command table of `bulkhead api`. */
#include "cli/tables.h"

/* ---- Options that several commands have --------------------------------------------------- */

#define COLUMN                                                                                     \
    {                                                                                              \
        .name = "column", .letter = 'c', .value = "ATTRIBUTE",                                     \
        .help = "Print these attributes only; may be given more than once", .repeat = true,        \
        .offer = CLI_OFFER_ATTRIBUTES                                                              \
    }
#define RECURSIVE                                                                                  \
    {                                                                                              \
        .name = "recursive", .letter = 'r', .help = "Also in the namespaces below"                 \
    }
#define PROPAGATED                                                                                 \
    {                                                                                              \
        .name = "propagated", .help = "Also what namespaces above propagate"                       \
    }
#define PARAM                                                                                      \
    {                                                                                              \
        .name = "param", .letter = 'p', .value = "KEY=VALUE",                                      \
        .help = "Parameter of the request; may be given more than once", .repeat = true,           \
        .pair = true, .offer = CLI_OFFER_PARAMETERS                                                \
    }
#define FILTER                                                                                     \
    {                                                                                              \
        .name = "filter", .value = "FILTER",                                                       \
        .help = "Only objects that match (docs/user/filters.md); of several, any", .repeat = true  \
    }
#define OVERRIDE                                                                                   \
    {.name = "override", .help = "Also when the object is protected"},                             \
    {                                                                                              \
        .name = "force", .help = "The same as --override"                                          \
    }
#define INPUT                                                                                      \
    {.name = "key",                                                                                \
     .letter = 'k',                                                                                \
     .value = "KEY VALUE",                                                                         \
     .help = "Set an attribute (KEY VALUE or KEY=VALUE); lists grow with each; goes before -d "    \
             "and -f",                                                                             \
     .repeat = true,                                                                               \
     .pair = true,                                                                                 \
     .offer = CLI_OFFER_PAIRS},                                                                    \
        {.name = "data",                                                                           \
         .letter = 'd',                                                                            \
         .value = "OBJECT",                                                                        \
         .help = "The object, in JSON or YAML; goes before -f"},                                   \
        {.name = "file",                                                                           \
         .letter = 'f',                                                                            \
         .value = "FILE",                                                                          \
         .help = "File, directory or address with the object, - for standard input",               \
         .repeat = true,                                                                           \
         .file = true},                                                                            \
    {                                                                                              \
        .name = "interactive", .letter = 'i', .help = "Write it in $VISUAL or $EDITOR"             \
    }

static const struct cli_option list_options[] = {
    COLUMN,
    FILTER,
    RECURSIVE,
    PROPAGATED,
    PARAM,
    {.name = "order",
     .value = "ATTRIBUTE",
     .help = "Order by this, descending with a - in front; may be given more than once",
     .repeat = true,
     .offer = CLI_OFFER_ATTRIBUTES},
    {.name = "limit", .value = "N", .help = "At most so many"},
    {.name = "all", .help = "All of them, page by page (as without --limit and --page)"},
    {.name = "page", .value = "N", .help = "This page alone, from 1"},
    {.name = "page-size", .value = "N", .help = "Objects on a page (default 100)"},
};
static const struct cli_option get_options[] = {COLUMN, RECURSIVE, PROPAGATED};
static const struct cli_option create_options[] = {INPUT, COLUMN, PARAM};
static const struct cli_option update_options[] = {INPUT,      COLUMN, RECURSIVE,
                                                   PROPAGATED, PARAM,  OVERRIDE};
static const struct cli_option delete_options[] = {COLUMN, RECURSIVE, PROPAGATED, OVERRIDE};
static const struct cli_option delete_many_options[] = {
    FILTER,
    {.name = "all", .help = "Every one, without a --filter"},
    {.name = "confirm", .help = "Do not ask"},
    COLUMN,
    RECURSIVE,
    PROPAGATED,
    PARAM,
    OVERRIDE};
static const struct cli_option count_options[] = {FILTER, RECURSIVE, PROPAGATED, PARAM};
static const struct cli_option describe_options[] = {
    {.name = "full", .help = "Also attributes of what is embedded"}};
static const struct cli_option stub_options[] = {
    {.name = "indent", .value = "N", .help = "Begin each line with so many blanks"}};
static const struct cli_option all_options[] = {COLUMN, RECURSIVE, PROPAGATED, FILTER, PARAM};
static const struct cli_option search_options[] = {COLUMN, RECURSIVE};
static const struct cli_option import_options[] = {
    {.name = "file",
     .letter = 'f',
     .value = "FILE",
     .help = "File, directory or address, - for standard input; the same as an argument",
     .repeat = true,
     .file = true},
    {.name = "url", .value = "URL", .help = "Address; the same as an argument", .repeat = true},
    {.name = "label",
     .value = "LABEL",
     .help = "Name of the import: what an earlier one with it made and this one lacks, goes"},
    {.name = "set",
     .value = "KEY=VALUE",
     .help = "Value for the templates: .Values.KEY; may be given more than once",
     .repeat = true,
     .pair = true},
    {.name = "values",
     .value = "FILE",
     .help = "Values for the templates; later ones go before earlier ones, --set before all",
     .repeat = true,
     .file = true},
    {.name = "render", .help = "Print what comes out of the templates, and do nothing"},
    {.name = "no-render", .help = "Take {{ and }} in the files as they are"},
    {.name = "dry-run", .help = "Print what would change, and change nothing"},
    {.name = "delete",
     .help = "Delete the objects of the files, and all of the label; with --label "
             "files are not needed"},
    OVERRIDE,
};
static const struct cli_option export_options[] = {
    {.name = "identity",
     .value = "RESOURCE",
     .help = "Only this kind; may be given more than once",
     .repeat = true,
     .offer = CLI_OFFER_KINDS},
    {.name = "label", .value = "LABEL", .help = "Label to write into the envelope"},
    FILTER,
    {.name = "base",
     .value = "NS",
     .help = "Put namespaces below this one; else they are relative to the exported one"},
    RECURSIVE,
};
static const struct cli_option listen_options[] = {
    {.name = "identity",
     .value = "RESOURCE",
     .help = "Only this kind; may be given more than once",
     .repeat = true,
     .offer = CLI_OFFER_KINDS},
    {.name = "filter", .value = "FILTER", .help = "Only objects that match; needs --identity"},
    RECURSIVE,
    {.name = "follow", .help = "Connect again when the connection ends"},
};

/* ---- Arguments ---------------------------------------------------------------------------- */

static const struct cli_argument kind_argument = {.name = "RESOURCE",
                                                  .help = "Kind by name, plural or alias",
                                                  .min = 1,
                                                  .max = 1,
                                                  .offer = CLI_OFFER_KINDS};
static const struct cli_argument maybe_kind_argument = {.name = "RESOURCE",
                                                        .help = "Kind by name, plural or alias",
                                                        .min = 0,
                                                        .max = 1,
                                                        .offer = CLI_OFFER_KINDS};
static const struct cli_argument object_argument = {
    .name = "RESOURCE OBJECT",
    .help = "Kind by name, plural or alias; object by ID or name",
    .min = 2,
    .max = 2,
    .offer = CLI_OFFER_KIND_AND_OBJECTS};
static const struct cli_argument objects_argument = {
    .name = "RESOURCE OBJECT",
    .help = "Kind by name, plural or alias; objects by ID or name",
    .min = 2,
    .max = CLI_ARGUMENTS_MANY,
    .offer = CLI_OFFER_KIND_AND_OBJECTS};
static const struct cli_argument words_argument = {
    .name = "WORD", .help = "What to look for", .min = 1, .max = CLI_ARGUMENTS_MANY};
static const struct cli_argument files_argument = {
    .name = "FILE",
    .help = "Files, directories (their *.yaml, *.yml, *.json), addresses, or -",
    .min = 0,
    .max = CLI_ARGUMENTS_MANY,
    .file = true};
static const struct cli_argument kinds_argument = {.name = "RESOURCE",
                                                   .help = "Only these kinds",
                                                   .min = 0,
                                                   .max = CLI_ARGUMENTS_MANY,
                                                   .offer = CLI_OFFER_KINDS};

/* ---- Commands ----------------------------------------------------------------------------- */

#define OPTIONS(array) .options = (array), .n_options = ARRAY_SIZE(array)

const struct cli_command cli_api_commands[CLI_API_COMMANDS_N] = {
    {.name = "list",
     .help = "List objects",
     .details = "Objects come page by page and are printed as they come; columns of a table are as "
                "wide as the first 1000 rows need.",
     .example = "bulkhead api list networkrulesetpolicies -n /shop -r\n"
                "bulkhead api list enforcers --filter 'operationalStatus == Disconnected' -c name "
                "-c lastSyncTime\n"
                "bulkhead api list pu -o template --template '{{.name}} {{join \",\" "
                ".normalizedTags}}'",
     OPTIONS(list_options),
     .argument = &kind_argument,
     .run = cli_api_list},
    {.name = "get",
     .help = "Show one object",
     .example = "bulkhead api get namespace /shop -o yaml\nbulkhead api get extnet partners -c "
                "entries",
     OPTIONS(get_options),
     .argument = &object_argument,
     .run = cli_api_get},
    {.name = "create",
     .help = "Create objects",
     .details = "What is given is checked before anything is sent, with the tables that the "
                "Console has as well.",
     .example =
         "bulkhead api create extnet -n /shop -k name partners -k entries 192.0.2.0/24 -k "
         "entries 2001:db8::/32\n"
         "bulkhead api create netset -k name=web-to-db -k subject app=web,tier=1 -d "
         "'{outgoingRules: [{action: Allow, object: [[app=db]], protocolPorts: [tcp/5432]}]}'\n"
         "bulkhead api create netset -i",
     OPTIONS(create_options),
     .argument = &kind_argument,
     .run = cli_api_create},
    {.name = "update",
     .help = "Change an object",
     .details = "Only the attributes given change; a list is replaced as a whole. With -i all of "
                "the object is edited, and sent only when nobody changed it meanwhile.",
     .example = "bulkhead api update enforcerprofile default -k syslogEnabled=true\n"
                "bulkhead api update netset web-to-db -i",
     OPTIONS(update_options),
     .argument = &object_argument,
     .run = cli_api_update},
    {.name = "delete",
     .help = "Delete objects",
     .example = "bulkhead api delete extnet partners lan -n /shop",
     OPTIONS(delete_options),
     .argument = &objects_argument,
     .run = cli_api_delete},
    {.name = "delete-many",
     .help = "Delete all objects that match a filter",
     .details = "Asks first, with the number; without a terminal to ask on, --confirm is needed.",
     .example = "bulkhead api delete-many pu -r --filter 'operationalStatus == Terminated' "
                "--confirm",
     OPTIONS(delete_many_options),
     .argument = &kind_argument,
     .run = cli_api_delete_many},
    {.name = "count",
     .help = "Count objects",
     OPTIONS(count_options),
     .argument = &kind_argument,
     .run = cli_api_count},
    {.name = "describe",
     .help = "Describe the attributes of a kind; needs no Console",
     OPTIONS(describe_options),
     .argument = &kind_argument,
     .run = cli_api_describe},
    {.name = "info",
     .help = "List kinds with their aliases and verbs; needs no Console",
     .argument = &maybe_kind_argument,
     .run = cli_api_info},
    {.name = "stub",
     .help = "Print an object to begin with; needs no Console",
     .details = "In YAML, with a comment for each attribute; -o json without comments.",
     .example = "bulkhead api stub netset > new.yaml",
     OPTIONS(stub_options),
     .argument = &kind_argument,
     .run = cli_api_stub},
    {.name = "search",
     .help = "Look for objects of every kind by words",
     OPTIONS(search_options),
     .argument = &words_argument,
     .run = cli_api_search},
    {.name = "all",
     .help = "List the objects of every kind that one may read",
     OPTIONS(all_options),
     .run = cli_api_all},
    {.name = "import",
     .help = "Put the objects of files in place, all or none",
     .details =
         "Files are import envelopes {APIVersion, label, data} in YAML or JSON, one or many "
         "documents. Before they are read, what is between {{ and }} is rendered "
         "(docs/formats/templates.md). Everything is checked before anything is sent, and errors "
         "have file and line.\n\n"
         "JSON: {mode, dryRun, unchanged, changes: [{operation, identity, namespace, name, ID, "
         "diff}]}.",
     .example = "bulkhead api import policy.d --label shop -n /shop --dry-run\n"
                "bulkhead api import shop.yaml --values prod.yaml --set replicas=3\n"
                "bulkhead api import --label shop --delete",
     OPTIONS(import_options),
     .argument = &files_argument,
     .run = cli_api_import},
    {.name = "export",
     .help = "Write objects as an import envelope",
     .details = "In YAML, or JSON with -o json; only what differs from the defaults.",
     .example = "bulkhead api export -n /shop -r --label shop > shop.yaml",
     OPTIONS(export_options),
     .argument = &kinds_argument,
     .run = cli_api_export},
    {.name = "listen",
     .help = "Print what changes, as it changes",
     .details = "One JSON object a line: {entity, identity, type, timestamp, encoding}. What "
                "happens while there is no connection is lost: list again.",
     .example = "bulkhead api listen --identity networkrulesetpolicies -n / -r",
     OPTIONS(listen_options),
     .run = cli_api_listen},
};
