/* SPDX-License-Identifier: Apache-2.0 */
/* The command table. Everything the command line knows about itself is here. */
#include "cli/command.h"
#include "cli/tables.h"

static const char *const encodings[] = {"json", "msgpack", NULL};
static const char *const shells[] = {
    [CLI_BASH] = "bash", [CLI_ZSH] = "zsh", [CLI_FISH] = "fish", NULL};

static const struct cli_option root_options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "FORMAT",
     .help = "How to print the answer: table (default), json, yaml, none or template",
     .choices = cli_formats},
    {.name = "template",
     .value = "TEXT",
     .help = "Print this for the answer, for each element of a list: '{{.name}} {{.ID}}' "
             "(docs/formats/templates.md)"},
    {.name = "no-headers", .help = "Print tables without titles"},
    {.name = "help", .letter = 'h', .help = "Explain the command and do nothing"},
    {.name = "version", .letter = 'V', .help = "Print the version and do nothing"},
    {.name = "api",
     .letter = 'A',
     .value = "URL",
     .help = "Address of the Console",
     .console = true},
    {.name = "api-cacert",
     .value = "FILE",
     .help = "Trust the authorities in this file, and no others",
     .file = true,
     .console = true},
    {.name = "api-skip-verify",
     .help = "Do not check who the Console is: whoever is in between reads and changes all",
     .console = true},
    {.name = "namespace",
     .letter = 'n',
     .value = "NS",
     .help = "Namespace to work in",
     .offer = CLI_OFFER_NAMESPACES,
     .console = true},
    {.name = "token",
     .letter = 't',
     .value = "TOKEN",
     .help = "Token to use as it is",
     .console = true},
    {.name = "creds",
     .value = "FILE",
     .help = "App credential to get tokens with",
     .file = true,
     .console = true},
    {.name = "profile",
     .value = "NAME",
     .help = "Profile to take what is not given here from",
     .offer = CLI_OFFER_PROFILES,
     .console = true},
    {.name = "encoding",
     .value = "FORM",
     .help = "How to talk to the Console: json (default) or msgpack",
     .choices = encodings,
     .console = true},
    {.name = "tracking-id",
     .value = "ID",
     .help = "Identifier that the Console logs",
     .console = true},
    {.name = "timeout",
     .value = "SECONDS",
     .help = "How long to wait for the next byte (default 60)",
     .console = true},
    {.name = "verbose",
     .letter = 'v',
     .help = "Say on standard error what is asked",
     .console = true},
    {.name = "no-cache",
     .help = "Neither use nor keep tokens in ~/.cache/bulkhead",
     .console = true},
};

/* ---- policy --------------------------------------------------------------------------------- */

static const struct cli_argument check_argument = {
    .name = "PATH",
    .help = "File or directory (its *.yaml, *.yml and *.json); all of them form one estate",
    .min = 1,
    .max = CLI_ARGUMENTS_MANY,
    .file = true};

static const struct cli_option check_options[] = {
    {.name = "namespace",
     .letter = 'n',
     .value = "NS",
     .help = "Namespace the files are imported into (default /)"},
    {.name = "strict", .help = "Exit 1 for warnings, too"},
};

static const struct cli_argument eval_argument = {
    .name = "PATH",
    .help = "More policy files or directories, as with --file",
    .min = 0,
    .max = CLI_ARGUMENTS_MANY,
    .file = true};

static const struct cli_option eval_options[] = {
    {.name = "file",
     .letter = 'f',
     .value = "PATH",
     .help = "Policy file or directory; may be given more than once",
     .repeat = true,
     .file = true},
    {.name = "from", .value = "PEER", .help = "Who opens the flow"},
    {.name = "to", .value = "PEER", .help = "Who receives it"},
    {.name = "port",
     .value = "PORT",
     .help = "Protocol and port: tcp/5432, udp/53, icmp/8/0, sctp"},
    {.name = "namespace",
     .letter = 'n',
     .value = "NS",
     .help = "Namespace the files are imported into and of peers that name none (default /)"},
    {.name = "cases",
     .value = "FILE",
     .help = "Judge a list of {from, to, port, expect?, namespace?} instead",
     .file = true},
};

static const struct cli_command policy_commands[] = {
    {.name = "check",
     .help = "Find errors and likely mistakes in policy files",
     .details =
         "Prints every problem as 'file:line: path: message'. An error makes the policy unusable "
         "as a "
         "whole; a warning says that something is likely not meant so: an Allow rule between "
         "processing units without its opposite side, or a tag that nothing in these files "
         "mentions.\n\n"
         "JSON: an array of {severity, file, line, column, path, message}.\n\n"
         "Exits 1 when there is an error (with --strict: or a warning), else 0.",
     .example = "bulkhead policy check /etc/bulkhead/policy.d\nbulkhead policy check --strict -o "
                "json a.yaml",
     .options = check_options,
     .n_options = ARRAY_SIZE(check_options),
     .argument = &check_argument,
     .run = cli_policy_check},
    {.name = "eval",
     .help = "Judge a flow by policy files: verdict, deciding rules, nearest rules",
     .details =
         "A PEER is made of parts joined by ';': 'ns:/shop/eu;tags:app=web,tier=1;ip:10.0.0.7'. "
         "With "
         "tags it is a processing unit, enforced on its own host; with 'ip:' alone, or a bare "
         "address, "
         "it is a peer without identity, and nothing enforces there. The sender's side is judged "
         "when "
         "--from is a processing unit, the receiver's when --to is one; the flow passes only when "
         "every "
         "side accepts.\n\n"
         "JSON: {verdict, sides: [{side, verdict, policyNamespace, policyName, ruleName, action, "
         "default, observed: [{action, policyNamespace, policyName, ruleName}], nearest: "
         "{policyNamespace, policyName, ruleName, missing}}]}. 'nearest' is there in verdicts by "
         "default only, and null else. With --cases: an array of these in the order of the file, "
         "with "
         "from, to and port, and 'ok' where the case has an 'expect' (Accept or Reject).\n\n"
         "Exits 0 for Accept and 1 for Reject; with --cases 0, or 1 when a verdict is not the "
         "expected "
         "one.",
     .example =
         "bulkhead policy eval -f policy.d --namespace /shop --from tags:app=web --to tags:app=db "
         "--port tcp/5432\n"
         "bulkhead policy eval -f policy.d --from 192.0.2.7 --to 'ns:/shop;tags:app=db' --port "
         "tcp/5432\n"
         "bulkhead policy eval -f policy.d --cases cases.json -o json",
     .options = eval_options,
     .n_options = ARRAY_SIZE(eval_options),
     .argument = &eval_argument,
     .run = cli_policy_eval},
};

/* ---- enforcer ------------------------------------------------------------------------------- */

static const struct cli_option enforcer_options[] = {
    {.name = "socket",
     .value = "PATH",
     .help = "Control socket (default /run/bulkhead/enforcer.sock)",
     .file = true},
};

static const struct cli_option flows_options[] = {
    {.name = "follow", .help = "Go on printing flows as they are seen, until interrupted"},
};

static const struct cli_option yes_options[] = {
    {.name = "yes", .letter = 'y', .help = "Do not ask"},
};

static const struct cli_argument pu_argument = {
    .name = "PU", .help = "Name or id of a processing unit", .min = 0, .max = 1};

static const struct cli_command enforcer_commands[] = {
    {.name = "status",
     .help = "Show version, mode, policy, and what is attached to the kernel",
     .details =
         "JSON: {version, mode, datapath, policyRevision, uptimeSeconds, console: {state, url, "
         "since, revision, lastError, enforcerId, number, namespace, certificateNotAfter}, "
         "processingUnits, peers, programs: [{hook, attached}], warnings}.",
     .run = cli_enforcer_status},
    {.name = "pus",
     .help = "List the processing units of this host",
     .details =
         "JSON: an array of {id, name, namespace, tags, cgroup, policyId, listening, status}.",
     .run = cli_enforcer_pus},
    {.name = "flows",
     .help = "List the flows seen, or follow them",
     .details =
         "JSON: an array of {timestamp, source: {type, id, name, ip, tags}, destination: {type, "
         "id, "
         "name, ip, port, tags}, protocol, action, direction, policyId, policyNamespace, "
         "policyName, "
         "ruleName, observed..., dropReason, count, bytesIn, bytesOut}. With --follow: one object "
         "a "
         "line, first of the flows known, then of those that come; in YAML one document a flow.",
     .example = "bulkhead enforcer flows --follow -o json",
     .options = flows_options,
     .n_options = ARRAY_SIZE(flows_options),
     .run = cli_enforcer_flows},
    {.name = "counters",
     .help = "Show the counters of the datapath",
     .details = "JSON: an array of {name, value, help}.",
     .run = cli_enforcer_counters},
    {.name = "netstat",
     .help = "List the connections of one processing unit, or of all",
     .details =
         "The type says how a connection came about: PU to PU, PU to EXT, EXT to PU, or Existing "
         "for one "
         "that is older than the enforcer.\n\n"
         "JSON: an array of {sourceIP, destinationIP, protocol, sourcePort, destinationPort, type, "
         "policyId, duration, pu}; the duration is in seconds.",
     .argument = &pu_argument,
     .run = cli_enforcer_netstat},
    {.name = "disable",
     .help = "Stop enforcing: detach everything from the kernel",
     .details = "Asks first. Without a terminal to ask on, --yes is needed.",
     .options = yes_options,
     .n_options = ARRAY_SIZE(yes_options),
     .run = cli_enforcer_disable},
    {.name = "enable",
     .help = "Enforce again after disable",
     .details = "Asks first when there is a terminal to ask on.",
     .options = yes_options,
     .n_options = ARRAY_SIZE(yes_options),
     .run = cli_enforcer_enable},
    {.name = "register",
     .help = "Get from the Console what a new host needs to register its enforcer",
     .details =
         "Asks the Console, not the enforcer of this host. The answer is a credential file for "
         "`credentials:` of bulkhead-enforcer: a token that can register enforcers in the "
         "namespace and nothing else, good for 30 minutes; with --with appcred, an app credential "
         "that can do the same until it is deleted. The enforcer trades it for a certificate of "
         "its own.",
     .example = "bulkhead enforcer register -n /shop --output-file registration.json\n"
                "bulkhead enforcer register -n /shop --with appcred --authorized-subnet "
                "192.0.2.0/24",
     .options = cli_register_options,
     .n_options = ARRAY_SIZE(cli_register_options),
     .run = cli_enforcer_register,
     .console = true},
};

/* ---- the rest ------------------------------------------------------------------------------- */

static const struct cli_argument shell_argument = {
    .name = "SHELL", .help = "bash, zsh or fish", .min = 1, .max = 1, .choices = shells};
static const struct cli_argument help_argument = {.name = "COMMAND",
                                                  .help = "Words of a command",
                                                  .min = 0,
                                                  .max = CLI_DEPTH_MAX,
                                                  .offer = CLI_OFFER_COMMANDS};

static const struct cli_argument help_words = {
    .name = "WORD", .help = "What was typed", .min = 0, .max = CLI_ARGUMENTS_MANY};

static const struct cli_command root_commands[] = {
    {.name = "policy",
     .help = "Check policy files and ask them for verdicts; needs no enforcer",
     .children = policy_commands,
     .n_children = ARRAY_SIZE(policy_commands)},
    {.name = "enforcer",
     .help = "Look at the enforcer of this host, switch it off and on",
     .details =
         "Talks to bulkhead-enforcer over its control socket: --socket, else BULKHEAD_SOCKET, else "
         "/run/bulkhead/enforcer.sock.",
     .options = enforcer_options,
     .n_options = ARRAY_SIZE(enforcer_options),
     .children = enforcer_commands,
     .n_children = ARRAY_SIZE(enforcer_commands)},
    {.name = "api",
     .help = "Work with the objects of a Console",
     .details =
         "Every kind of object goes by its name, its plural or an alias (bulkhead api info), every "
         "object by its ID or its name.\n\n"
         "Which Console, by which credential, in which namespace: flags, else BULKHEAD_API, "
         "BULKHEAD_CREDENTIALS, BULKHEAD_TOKEN and BULKHEAD_NAMESPACE, else the profile "
         "(bulkhead profiles show), else what the credential says.",
     .children = cli_api_commands,
     .n_children = ARRAY_SIZE(cli_api_commands),
     .console = true},
    {.name = "appcred",
     .help = "Make and manage app credentials: certificates for programs",
     .children = cli_appcred_commands,
     .n_children = ARRAY_SIZE(cli_appcred_commands),
     .console = true},
    {.name = "auth",
     .help = "Get tokens, and look at them",
     .children = cli_auth_commands,
     .n_children = ARRAY_SIZE(cli_auth_commands),
     .console = true},
    {.name = "configure",
     .help = "Make a profile with an app credential of its own",
     .details =
         "Begins with --creds (the administrator's file that the Console wrote at its first "
         "start), --token, or --api and an --account; else with what environment and profile "
         "say. Asks for what is missing when there is a terminal.",
     .example = "bulkhead configure --creds administrator.json\n"
                "bulkhead configure --api https://console.example:8443 --api-cacert ca.crt "
                "--account ann --name work --role namespace.viewer",
     .options = cli_configure_options,
     .n_options = ARRAY_SIZE(cli_configure_options),
     .run = cli_configure,
     .console = true},
    {.name = "profiles",
     .help = "List and choose profiles",
     .details = "A profile is ~/.config/bulkhead/NAME.yaml with api, namespace, creds, "
                "api-cacert, encoding, output, timeout.",
     .children = cli_profiles_commands,
     .n_children = ARRAY_SIZE(cli_profiles_commands),
     .console = true},
    {.name = "completion",
     .help = "Print the completion script for a shell",
     .example = "source <(bulkhead completion bash)",
     .argument = &shell_argument,
     .run = cli_completion},
    {.name = "help",
     .help = "Explain a command",
     .example = "bulkhead help policy eval",
     .argument = &help_argument,
     .run = cli_help},
    {.name = "__complete",
     .help = "Offer words for completion",
     .argument = &help_words,
     .run = cli_complete,
     .hidden = true},
    {.name = "__manual", .help = "Print the manual page", .run = cli_manual, .hidden = true},
};

const struct cli_command cli_root = {
    .name = "bulkhead",
    .help = "identity-based microsegmentation",
    .details =
        "Checks rulesets, says what they mean for a flow, shows what the enforcer of this host "
        "does, and works with the objects of a Console.\n\n"
        "Exit status: 0 done, 1 the answer is no or something failed, 2 wrong usage or input. "
        "Errors "
        "go to standard error; nothing but the answer goes to standard output.",
    .options = root_options,
    .n_options = ARRAY_SIZE(root_options),
    .children = root_commands,
    .n_children = ARRAY_SIZE(root_commands),
};
