/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "model/model.h"

const struct cli_command *cli_call_command(const struct cli_call *call)
{
    assert(call->depth > 0);
    return call->path[call->depth - 1];
}

static void vcomplain(const struct cli_call *call, const char *format, va_list ap)
{
    fputs("bulkhead: ", call->err);
    vfprintf(call->err, format, ap);
    fputc('\n', call->err);
}

void cli_error(const struct cli_call *call, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vcomplain(call, format, ap);
    va_end(ap);
}

static void hint_help(const struct cli_call *call)
{
    fputs("Try '", call->err);
    cli_path_print(call->path, call->depth, call->err);
    fputs(" --help'.\n", call->err);
}

int cli_usage_error(const struct cli_call *call, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vcomplain(call, format, ap);
    va_end(ap);
    hint_help(call);
    return CLI_USAGE;
}

int cli_no_memory(const struct cli_call *call)
{
    cli_error(call, "out of memory");
    return CLI_FAILED;
}

/* "unknown <what> '<word>'; did you mean '<near>'?" */
static int unknown(const struct cli_call *call, const char *what, const char *word,
                   const char *const *words, size_t n, const char *dashes)
{
    _cleanup_free_
    char *safe = text_safe(word);
    const char *bare = word + strspn(word, "-");
    const char *near = nearest_word(bare, words, n);

    if (!safe)
        return cli_no_memory(call);
    if (!near)
        return cli_usage_error(call, "unknown %s '%s'", what, safe);
    return cli_usage_error(call, "unknown %s '%s'; did you mean '%s%s'?", what, safe, dashes, near);
}

static int unknown_command(const struct cli_call *call, const char *word)
{
    const struct cli_command *group = cli_call_command(call);
    const char *words[CLI_WORDS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < group->n_children && n < CLI_WORDS_MAX; i++)
        if (!group->children[i].hidden)
            words[n++] = group->children[i].name;
    return unknown(call, "command", word, words, n, "");
}

/* ---- Options ------------------------------------------------------------------------------ */

typedef bool option_matches_fn(const struct cli_option *option, const char *name, size_t len);

static bool has_name(const struct cli_option *option, const char *name, size_t len)
{
    return strlen(option->name) == len && strncmp(option->name, name, len) == 0;
}

static bool has_letter(const struct cli_option *option, const char *name, size_t len)
{
    return len == 1 && option->letter == *name;
}

/* From the deepest command to the root. */
static const struct cli_option *find_option(const struct cli_command *const *path, size_t depth,
                                            option_matches_fn *matches, const char *name,
                                            size_t len)
{
    for (size_t d = depth; d-- > 0;)
        for (size_t i = 0; i < path[d]->n_options; i++)
            if (matches(&path[d]->options[i], name, len))
                return &path[d]->options[i];
    return NULL;
}

static const struct cli_option *find_named(const struct cli_call *call, const char *name)
{
    return find_option(call->path, call->depth, has_name, name, strlen(name));
}

/* Does it, or any command below it? */
static bool asks_console(const struct cli_command *command)
{
    if (command->console)
        return true;
    for (size_t i = 0; i < command->n_children; i++)
        if (!command->children[i].hidden && asks_console(&command->children[i]))
            return true;
    return false;
}

static bool is_in_force(const struct cli_command *const *path, size_t depth,
                        const struct cli_option *option)
{
    if (option != find_option(path, depth, has_name, option->name, strlen(option->name)))
        return false;
    if (!option->console || asks_console(path[depth - 1]))
        return true;
    for (size_t d = 0; d < depth; d++)
        if (path[d]->console)
            return true;
    return false;
}

const struct cli_option *cli_option_next(const struct cli_command *const *path, size_t depth,
                                         size_t *at)
{
    size_t n = 0;

    for (size_t d = depth; d-- > 0;)
        for (size_t i = 0; i < path[d]->n_options; i++) {
            if (n++ < *at)
                continue;
            *at = n;
            if (is_in_force(path, depth, &path[d]->options[i]))
                return &path[d]->options[i];
        }
    return NULL;
}

static int unknown_option(const struct cli_call *call, const char *word)
{
    const struct cli_option *option;
    const char *words[CLI_WORDS_MAX];
    size_t n = 0, at = 0;

    while (n < CLI_WORDS_MAX && (option = cli_option_next(call->path, call->depth, &at)))
        words[n++] = option->name;
    if (word[1] != '-') /* a letter is too short to guess from */
        n = 0;
    return unknown(call, "option", word, words, n, "--");
}

static bool is_given(const struct cli_call *call, const struct cli_option *option)
{
    for (size_t i = 0; i < call->n_given; i++)
        if (strcmp(call->given[i].option->name, option->name) == 0)
            return true;
    return false;
}

static int check_choice(const struct cli_call *call, const char *what, const char *dashes,
                        const char *const *choices, const char *value)
{
    _cleanup_free_
    char *safe = NULL;
    size_t n = 0;

    for (; choices && choices[n]; n++)
        if (strcmp(choices[n], value) == 0)
            return CLI_DONE;
    if (!choices)
        return CLI_DONE;

    safe = text_safe(value);
    if (!safe)
        return cli_no_memory(call);
    fprintf(call->err, "bulkhead: %s%s: found '%s', expected ", dashes, what, safe);
    for (size_t i = 0; i < n; i++)
        fprintf(call->err, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", choices[i]);
    fputc('\n', call->err);
    hint_help(call);
    return CLI_USAGE;
}

/* KEY=VALUE, or KEY with its value in the next word. */
static int add_pair(struct cli_call *call, const struct cli_option *option, const char *value,
                    char **argv, int argc, int *i)
{
    const char *equals = strchr(value, '=');
    struct cli_given given = {.option = option, .value = value};

    if (call->n_given >= CLI_OPTIONS_MAX)
        return cli_usage_error(call, "more than %d options", CLI_OPTIONS_MAX);
    if (equals) {
        given.key_len = (size_t)(equals - value);
        given.second = equals + 1;
    } else if (*i + 1 < argc) {
        given.key_len = strlen(value);
        given.second = argv[++*i];
    } else {
        return cli_usage_error(call, "--%s: expected a value after the key", option->name);
    }
    if (given.key_len == 0)
        return cli_usage_error(call, "--%s: the key is empty", option->name);
    call->given[call->n_given++] = given;
    return CLI_DONE;
}

static int add_option(struct cli_call *call, const struct cli_option *option, const char *value)
{
    if (!option->repeat && option->value && is_given(call, option))
        return cli_usage_error(call, "--%s: given more than once", option->name);
    if (call->n_given >= CLI_OPTIONS_MAX)
        return cli_usage_error(call, "more than %d options", CLI_OPTIONS_MAX);
    call->given[call->n_given++] = (struct cli_given){.option = option, .value = value};
    return CLI_DONE;
}

int cli_give(struct cli_call *call, const char *name, const char *value)
{
    const struct cli_option *option = find_named(call, name);

    assert(option && option->value && value);
    return add_option(call, option, value);
}

/* --name, --name=value, --name value */
static int parse_long(struct cli_call *call, char **argv, int argc, int *i)
{
    const char *word = argv[*i], *name = word + 2, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct cli_option *option = find_option(call->path, call->depth, has_name, name, len);

    if (!option) {
        _cleanup_free_
        char *bare = strndup(word, len + 2);

        return bare ? unknown_option(call, bare) : cli_no_memory(call);
    }
    if (!option->value) {
        if (equals)
            return cli_usage_error(call, "--%s: takes no value", option->name);
        return add_option(call, option, NULL);
    }
    if (!equals && *i + 1 >= argc)
        return cli_usage_error(call, "--%s: expected %s after it", option->name, option->value);
    equals = equals ? equals + 1 : argv[++*i];
    return option->pair ? add_pair(call, option, equals, argv, argc, i)
                        : add_option(call, option, equals);
}

/* -h, -o json, -ojson, -hV */
static int parse_short(struct cli_call *call, char **argv, int argc, int *i)
{
    for (const char *at = argv[*i] + 1; *at; at++) {
        const struct cli_option *option = find_option(call->path, call->depth, has_letter, at, 1);
        int r;

        if (!option) {
            const char word[] = {'-', *at, '\0'};

            return unknown_option(call, word);
        }
        if (option->value) {
            const char *value = at[1] == '=' ? at + 2 : at + 1;

            if (!at[1] && *i + 1 >= argc)
                return cli_usage_error(call, "-%c: expected %s after it", *at, option->value);
            if (!at[1])
                value = argv[++*i];
            return option->pair ? add_pair(call, option, value, argv, argc, i)
                                : add_option(call, option, value);
        }
        r = add_option(call, option, NULL);
        if (r != CLI_DONE)
            return r;
    }
    return CLI_DONE;
}

static int parse_word(struct cli_call *call, const char *word)
{
    const struct cli_command *command = cli_call_command(call);

    if (command->n_children == 0) {
        call->arguments[call->n_arguments++] = word;
        return CLI_DONE;
    }
    for (size_t i = 0; i < command->n_children; i++) {
        const char *alias = command->children[i].alias;

        if (strcmp(command->children[i].name, word) != 0 && !(alias && strcmp(alias, word) == 0))
            continue;
        assert(call->depth < CLI_DEPTH_MAX);
        call->path[call->depth++] = &command->children[i];
        return CLI_DONE;
    }
    return unknown_command(call, word);
}

static int check_arguments(const struct cli_call *call)
{
    const struct cli_argument *argument = cli_call_command(call)->argument;
    size_t max = argument ? argument->max : 0;

    if (call->n_arguments > max) {
        _cleanup_free_
        char *safe = text_safe(call->arguments[max]);

        if (!safe)
            return cli_no_memory(call);
        return cli_usage_error(call, "unexpected argument '%s'", safe);
    }
    for (size_t i = 0; i < call->n_arguments; i++) {
        int r = check_choice(call, argument->name, "", argument->choices, call->arguments[i]);

        if (r != CLI_DONE)
            return r;
    }
    if (argument && call->n_arguments < argument->min)
        return cli_usage_error(call, "%s is missing: %s", argument->name, argument->help);
    return CLI_DONE;
}

/* What was given, as the command has it: an option may stand before the words that say which. */
static int settle_options(struct cli_call *call)
{
    int r;

    for (size_t i = 0; i < call->n_given; i++) {
        struct cli_given *given = &call->given[i];
        const struct cli_option *option;

        assert(given->option);
        option = find_named(call, given->option->name);
        assert(option);
        given->option = option;
        if (!is_in_force(call->path, call->depth, option))
            return cli_usage_error(call, "--%s: this command asks no Console", option->name);
        if (!given->value)
            continue;
        r = check_choice(call, option->name, "--", option->choices, given->value);
        if (r != CLI_DONE)
            return r;
    }
    return CLI_DONE;
}

int cli_parse(const struct cli_command *root, int argc, char **argv, struct cli_call *call)
{
    bool words_only = false;
    int r;

    call->path[0] = root;
    call->depth = 1;
    call->given = calloc((size_t)CLI_OPTIONS_MAX, sizeof(*call->given));
    call->arguments = calloc((size_t)argc + 1, sizeof(*call->arguments));
    if (!call->given || !call->arguments)
        return cli_no_memory(call);

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (words_only || word[0] != '-' || word[1] == '\0')
            r = parse_word(call, word);
        else if (word[1] != '-')
            r = parse_short(call, argv, argc, &i);
        else if (word[2] != '\0')
            r = parse_long(call, argv, argc, &i);
        else {
            words_only = true;
            r = CLI_DONE;
        }
        if (r != CLI_DONE)
            return r;
    }
    r = settle_options(call);
    if (r != CLI_DONE)
        return r;
    return cli_flag(call, "help") ? CLI_DONE : check_arguments(call);
}

void cli_call_clear(struct cli_call *call)
{
    free(call->given);
    free(call->arguments);
    call->given = NULL;
    call->arguments = NULL;
    call->n_given = call->n_arguments = 0;
}

const struct cli_given *cli_next(const struct cli_call *call, const char *name, size_t *at)
{
    const struct cli_option *option = find_named(call, name);

    while (option && *at < call->n_given)
        if (call->given[(*at)++].option == option)
            return &call->given[*at - 1];
    return NULL;
}

const char *cli_value(const struct cli_call *call, const char *name)
{
    const struct cli_option *option = find_named(call, name);

    assert(option && option->value);
    for (size_t i = call->n_given; i-- > 0;)
        if (call->given[i].option == option)
            return call->given[i].value;
    return NULL;
}

bool cli_flag(const struct cli_call *call, const char *name)
{
    const struct cli_option *option = find_named(call, name);

    return option && is_given(call, option);
}

static void visit(const struct cli_command **path, size_t depth, cli_visit_fn *fn, void *arg)
{
    const struct cli_command *command = path[depth - 1];

    fn(path, depth, arg);
    for (size_t i = 0; i < command->n_children; i++) {
        if (command->children[i].hidden)
            continue;
        assert(depth < CLI_DEPTH_MAX);
        path[depth] = &command->children[i];
        visit(path, depth + 1, fn, arg);
    }
}

void cli_visit(const struct cli_command *root, cli_visit_fn *fn, void *arg)
{
    const struct cli_command *path[CLI_DEPTH_MAX] = {root};

    visit(path, 1, fn, arg);
}
