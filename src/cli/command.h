/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Command grammar as data. One table (commands.c) says which commands there are, what they take and
 * who does them; parsing, usage, --help, completion and the manual page all come from it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/macros.h"
#include "cli/output.h"

#define CLI_DEPTH_MAX 8      /* words of a command, "bulkhead" included */
#define CLI_OPTIONS_MAX 4096 /* options given in one call */
#define CLI_WORDS_MAX 128    /* names looked through for "did you mean" */

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_call;

/* What can stand in a place that only the tables of the schema, files of the user, or the Console
 * know: `bulkhead __complete` works it out. */
enum cli_offer {
    CLI_OFFER_NOTHING,
    CLI_OFFER_KINDS,
    CLI_OFFER_KIND_AND_OBJECTS, /* first the kind, then names of its objects */
    CLI_OFFER_OBJECTS,          /* of the command's own kind: app credentials */
    CLI_OFFER_ATTRIBUTES,       /* of the kind that is the first argument */
    CLI_OFFER_PAIRS,            /* attribute, then value */
    CLI_OFFER_PARAMETERS,       /* key=value of the query */
    CLI_OFFER_NAMESPACES,
    CLI_OFFER_PROFILES,
    CLI_OFFER_ROLES,
    CLI_OFFER_COMMANDS, /* of the command that the words so far are */
};

struct cli_option {
    const char *name;           /* long name without dashes */
    char letter;                /* short name; 0: none */
    const char *value;          /* what to call its value; NULL: the option takes none */
    const char *help;           /* one sentence, without a full stop */
    const char *const *choices; /* the only values allowed, NULL-terminated; NULL: any */
    bool repeat;                /* may be given more than once */
    bool file;                  /* completion offers files */
    bool pair;                  /* KEY=VALUE, or KEY and VALUE as two words */
    bool console;               /* says which Console, who and how: only where one is asked */
    enum cli_offer offer;
};

struct cli_argument {
    const char *name;
    const char *help;
    size_t min, max; /* how many of them */
    const char *const *choices;
    bool file;
    enum cli_offer offer;
};

struct cli_command {
    const char *name;
    const char *alias;                /* another name, not offered; NULL: none */
    const char *help;                 /* one sentence, without a full stop */
    const char *details;              /* paragraphs separated by an empty line; NULL: none */
    const char *example;              /* NULL: none; one command a line */
    const struct cli_option *options; /* hold for all commands below as well */
    size_t n_options;
    const struct cli_command *children;
    size_t n_children;
    const struct cli_argument *argument; /* NULL: takes none */
    int (*run)(struct cli_call *call);   /* enum cli_exit; NULL: a group of commands */
    bool hidden;                         /* not in help, completion and manual */
    const char *kind;                    /* of the objects that CLI_OFFER_OBJECTS offers */
    bool console;                        /* it, or all commands below, ask a Console */
};

struct cli_given {
    const struct cli_option *option;
    const char *value;  /* NULL for a flag */
    size_t key_len;     /* pairs: the key is value[0..key_len) */
    const char *second; /* pairs: the value of the key */
};

/* One parsed command line; strings belong to argv. */
struct cli_call {
    const struct cli_command *path[CLI_DEPTH_MAX]; /* path[0] is `bulkhead` itself */
    size_t depth;
    struct cli_given *given;
    size_t n_given;
    const char **arguments;
    size_t n_arguments;
    struct cli_output output;
    FILE *err;
};

extern const struct cli_command cli_root;

#define CLI_ARGUMENTS_MANY ((size_t)1 << 20)

/*
 * Walk `root` by the words of argv. Wrong usage is explained on `err`, with the nearest known word.
 * Only the form is checked: values against their choices, numbers of arguments; --help switches off
 * what is missing.
 *
 * An option stands anywhere behind the command that has it, so those of the root stand anywhere. A
 * name means the same wherever it is in the table, and the command says what it may be there: what
 * stands before the last word of the command is looked up again when the whole command is known.
 *
 * @param call  output.out and err are set by the caller; cli_call_clear() in any case
 * @return CLI_DONE, CLI_USAGE, or CLI_FAILED when memory is short
 */
int cli_parse(const struct cli_command *root, int argc, char **argv, struct cli_call *call);
void cli_call_clear(struct cli_call *call);
#define _cleanup_cli_call_ _cleanup_(cli_call_clear)

const struct cli_command *cli_call_command(const struct cli_call *call);
/* As if --name value stood on the line; `value` lives as long as the call. CLI_OPTIONS_MAX holds.
 */
int cli_give(struct cli_call *call, const char *name, const char *value);
bool cli_flag(const struct cli_call *call, const char *name);
/* The last value given; NULL when there was none. Asserts that the command has this option. */
const char *cli_value(const struct cli_call *call, const char *name);

/*
 * The options in force for a command, the nearest first: its own and those of the commands above
 * it, without what a nearer one of the same name replaces, and without those of the Console where
 * none is asked. *at is 0 at first; NULL at the end.
 */
const struct cli_option *cli_option_next(const struct cli_command *const *path, size_t depth,
                                         size_t *at);

/* The next one of this name behind *at (0 at first); NULL when there is no more, or the command has
 * no such option. */
const struct cli_given *cli_next(const struct cli_call *call, const char *name, size_t *at);

/* "bulkhead: " text newline, to call->err; foreign strings in it are the caller's to escape. */
void cli_error(const struct cli_call *call, const char *format, ...) _printf_(2, 3);
/* Like cli_error, and where to find help. Returns CLI_USAGE. */
int cli_usage_error(const struct cli_call *call, const char *format, ...) _printf_(2, 3);
/* Returns CLI_FAILED after saying that memory is short. */
int cli_no_memory(const struct cli_call *call);

/* Foreign text, line by line, escaped, the first with "bulkhead: ". */
void cli_complain(const struct cli_call *call, const char *text);
/* The same lines to standard output, without a prefix. enum cli_exit. */
int cli_print_safe(const struct cli_call *call, const char *text);
/* What something of output.h returned, as enum cli_exit, with everything said. */
int cli_answered(const struct cli_call *call, int r);
/* A document in any format but table; a list in any. enum cli_exit. */
int cli_answer(const struct cli_call *call, const json_t *value);
int cli_answer_list(const struct cli_call *call, const json_t *list,
                    const struct cli_column *columns, size_t n_columns);

/* "bulkhead policy eval" */
void cli_path_print(const struct cli_command *const *path, size_t depth, FILE *out);
void cli_usage_print(const struct cli_command *const *path, size_t depth, FILE *out);
void cli_help_print(const struct cli_command *const *path, size_t depth, FILE *out);
/* The manual page bulkhead(1) of the whole table, in roff (man-pages(7)). */
void cli_manual_print(const struct cli_command *root, FILE *out);
enum cli_shell { CLI_BASH, CLI_ZSH, CLI_FISH };
const char *cli_completion_script(enum cli_shell shell);

/*
 * Call `fn` for every command that is not hidden, parents first.
 */
typedef void cli_visit_fn(const struct cli_command *const *path, size_t depth, void *arg);
void cli_visit(const struct cli_command *root, cli_visit_fn *fn, void *arg);

/* Handlers: each returns an enum cli_exit. */
int cli_policy_check(struct cli_call *call);
int cli_policy_eval(struct cli_call *call);
int cli_enforcer_status(struct cli_call *call);
int cli_enforcer_pus(struct cli_call *call);
int cli_enforcer_flows(struct cli_call *call);
int cli_enforcer_counters(struct cli_call *call);
int cli_enforcer_netstat(struct cli_call *call);
int cli_enforcer_disable(struct cli_call *call);
int cli_enforcer_enable(struct cli_call *call);
int cli_enforcer_register(struct cli_call *call);
int cli_api_list(struct cli_call *call);
int cli_api_get(struct cli_call *call);
int cli_api_create(struct cli_call *call);
int cli_api_update(struct cli_call *call);
int cli_api_delete(struct cli_call *call);
int cli_api_delete_many(struct cli_call *call);
int cli_api_count(struct cli_call *call);
int cli_api_describe(struct cli_call *call);
int cli_api_info(struct cli_call *call);
int cli_api_stub(struct cli_call *call);
int cli_api_search(struct cli_call *call);
int cli_api_all(struct cli_call *call);
int cli_api_import(struct cli_call *call);
int cli_api_export(struct cli_call *call);
int cli_api_listen(struct cli_call *call);
int cli_appcred_create(struct cli_call *call);
int cli_appcred_list(struct cli_call *call);
int cli_appcred_renew(struct cli_call *call);
int cli_appcred_roles(struct cli_call *call);
int cli_appcred_subnets(struct cli_call *call);
int cli_appcred_enable(struct cli_call *call);
int cli_appcred_disable(struct cli_call *call);
int cli_appcred_delete(struct cli_call *call);
int cli_auth_appcred(struct cli_call *call);
int cli_auth_cert(struct cli_call *call);
int cli_auth_token(struct cli_call *call);
int cli_auth_local(struct cli_call *call);
int cli_auth_verify(struct cli_call *call);
int cli_configure(struct cli_call *call);
int cli_profiles_list(struct cli_call *call);
int cli_profiles_use(struct cli_call *call);
int cli_profiles_show(struct cli_call *call);
int cli_complete(struct cli_call *call);
int cli_completion(struct cli_call *call);
int cli_help(struct cli_call *call);
int cli_manual(struct cli_call *call);
