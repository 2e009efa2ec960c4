/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead __complete -- WORD…: what the last word could become, one whole word a line; then
 * ":files" when it can be the name of one. It asks the Console for names only with a token at hand,
 * and does not wait long.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "cli/api/api.h"
#include "cli/profiles.h"

#define NAMES_MAX "200"
#define FILES ":files"
#define FILTER_MAX 512 /* bytes; a longer word is looked for by its beginning */

struct completion {
    struct cli_call *typed; /* the words before the last one */
    const char *word;       /* the last one */
    const char *current;    /* what of it is to be completed: behind "--name=", "key=" */
    bool files;
    FILE *out;
};

static void offer(const struct completion *completion, const char *word)
{
    _cleanup_free_
    char *safe = NULL;

    if (!word || strncmp(word, completion->current, strlen(completion->current)) != 0)
        return;
    safe = text_safe(word);
    if (safe && strcmp(safe, word) == 0 && *word != *FILES) /* what would need escapes is not */
        fprintf(completion->out, "%.*s%s\n", (int)(completion->current - completion->word),
                completion->word, word);
}

static void offer_words(const struct completion *completion, const char *const *words)
{
    for (; words && *words; words++)
        offer(completion, *words);
}

/* ---- What the tables know ----------------------------------------------------------------- */

static const struct schema_kind *kind_of(const struct completion *completion)
{
    const struct cli_call *typed = completion->typed;
    const char *own = cli_call_command(typed)->kind;

    if (own)
        return schema_kind_find(own);
    return typed->n_arguments > 0 ? schema_kind_find(typed->arguments[0]) : NULL;
}

static void offer_kinds(const struct completion *completion)
{
    const struct schema_kind *const *kinds;
    size_t n;

    kinds = schema_kinds(&n);
    for (size_t i = 0; i < n; i++)
        if (kinds[i]->plural && !kinds[i]->hidden)
            offer(completion, kinds[i]->plural);
}

static void offer_attributes(const struct completion *completion)
{
    const struct schema_kind *kind = kind_of(completion);
    const struct schema_attribute *attribute;

    for (size_t i = 0; kind && (attribute = schema_attribute_at(kind, i)); i++)
        offer(completion, attribute->name);
}

static void offer_children(const struct completion *completion, const struct cli_command *command)
{
    for (size_t i = 0; i < command->n_children; i++)
        if (!command->children[i].hidden)
            offer(completion, command->children[i].name);
}

/* Behind `help`: the words are a command line of their own. */
static void offer_commands(const struct completion *completion)
{
    const struct cli_command *command = &cli_root;

    for (size_t i = 0; i < completion->typed->n_arguments; i++) {
        size_t c = 0;

        while (c < command->n_children &&
               strcmp(command->children[c].name, completion->typed->arguments[i]) != 0)
            c++;
        if (c == command->n_children)
            return;
        command = &command->children[c];
    }
    offer_children(completion, command);
}

static void offer_roles(const struct completion *completion)
{
    const struct schema_role *roles;
    size_t n;

    roles = schema_roles(&n);
    for (size_t i = 0; i < n; i++)
        offer(completion, strchr(roles[i].key, '=') + 1);
}

static void offer_values(const struct completion *completion, const char *key)
{
    static const char *const truths[] = {"true", "false", NULL};
    const struct schema_kind *kind = kind_of(completion);
    const struct schema_attribute *attribute = kind ? schema_attribute_find(kind, key) : NULL;

    if (attribute && attribute->type == SCHEMA_BOOL)
        offer_words(completion, truths);
    else if (attribute)
        offer_words(completion, attribute->choices);
}

static void offer_parameters(const struct completion *completion)
{
    const struct schema_kind *kind = kind_of(completion);
    const struct schema_query_key *keys;
    size_t n;

    keys = schema_verb_keys(SCHEMA_LIST, &n);
    for (size_t i = 0; i < n; i++)
        offer(completion, keys[i].name);
    for (size_t i = 0; kind && i < kind->n_keys; i++)
        offer(completion, kind->keys[i].name);
}

static void offer_profiles(const struct completion *completion)
{
    _cleanup_(strv_free) char **names = NULL;
    size_t n;

    names = profiles_names(&n);
    for (size_t i = 0; i < n; i++)
        offer(completion, names[i]);
}

/* ---- What the Console knows --------------------------------------------------------------- */

/* Names that begin like the word; what is special in a pattern is any character there, as offer()
 * looks again. */
static void add_filter(const struct completion *completion, struct client_request *request,
                       char *filter, size_t size)
{
    size_t n = (size_t)snprintf(filter, size, "name matches \"^");

    for (const char *at = completion->current; *at > ' ' && *at < 0x7f && n + 3 < size; at++)
        filter[n++] = isalnum((unsigned char)*at) || strchr("/-_=", *at) ? *at : '.';
    snprintf(filter + n, size - n, "\"");
    if (*completion->current)
        client_query(request, "q", filter);
}

static void offer_names(const struct completion *completion, const char *path, bool stored)
{
    static const char *const fields[] = {"name", NULL};
    _cleanup_session_ struct session session = {0};
    _cleanup_client_answer_ struct client_answer answer = {0};
    struct client_request request = {.method = "GET", .path = path};
    char filter[FILTER_MAX];
    json_t *object;
    size_t i;

    if (session_open_quiet(completion->typed, &session) < 0)
        return;
    if (stored) {
        request.fields = fields;
        client_query(&request, "limit", NAMES_MAX);
        client_query(&request, "recursive", "true");
        add_filter(completion, &request, filter, sizeof(filter));
    }
    if (session_send(&session, &request, &answer) != CLI_DONE)
        return;
    json_array_foreach(answer.body, i, object)
        offer(completion, json_string_value(json_object_get(object, "name")));
}

static void offer_objects(const struct completion *completion, const struct schema_kind *kind)
{
    _cleanup_free_
    char *path = kind ? api_path(kind, NULL) : NULL;

    if (path && kind->plural)
        offer_names(completion, path, kind->stored);
}

/* ---- Where the last word stands ----------------------------------------------------------- */

static void offer_by(const struct completion *completion, enum cli_offer what)
{
    const struct cli_command *command = cli_call_command(completion->typed);

    switch (what) {
    case CLI_OFFER_NOTHING:
        break;
    case CLI_OFFER_KINDS:
        offer_kinds(completion);
        break;
    case CLI_OFFER_KIND_AND_OBJECTS:
        if (completion->typed->n_arguments == 0)
            offer_kinds(completion);
        else
            offer_objects(completion, kind_of(completion));
        break;
    case CLI_OFFER_OBJECTS:
        offer_objects(completion, command->kind ? schema_kind_find(command->kind) : NULL);
        break;
    case CLI_OFFER_ATTRIBUTES:
    case CLI_OFFER_PAIRS:
        offer_attributes(completion);
        break;
    case CLI_OFFER_PARAMETERS:
        offer_parameters(completion);
        break;
    case CLI_OFFER_NAMESPACES:
        /* Where one may begin, and what is below the namespace one is in. */
        offer_names(completion, "/accessiblenamespaces", false);
        offer_names(completion, "/namespaces", true);
        break;
    case CLI_OFFER_PROFILES:
        offer_profiles(completion);
        break;
    case CLI_OFFER_ROLES:
        offer_roles(completion);
        break;
    case CLI_OFFER_COMMANDS:
        offer_commands(completion);
        break;
    }
}

static void offer_options(const struct completion *completion)
{
    const struct cli_call *typed = completion->typed;
    const struct cli_option *option;
    size_t at = 0;

    while ((option = cli_option_next(typed->path, typed->depth, &at))) {
        char name[128];

        snprintf(name, sizeof(name), "--%s", option->name);
        offer(completion, name);
    }
}

/* The option that `word` names, "--name", "--name=…" or "-n", when it takes a value. */
static const struct cli_option *option_of(const struct cli_call *call, const char *word)
{
    const struct cli_option *option;
    size_t at = 0, len = strcspn(word, "=");

    while (*word == '-' && (option = cli_option_next(call->path, call->depth, &at))) {
        if (!option->value)
            continue;
        if (word[1] == '-' && len - 2 == strlen(option->name) &&
            strncmp(word + 2, option->name, len - 2) == 0)
            return option;
        if (word[1] && word[1] == option->letter && !word[2])
            return option;
    }
    return NULL;
}

static void complete_value(struct completion *completion, const struct cli_option *option)
{
    const char *equals = option->pair ? strchr(completion->current, '=') : NULL;

    if (equals && option->offer == CLI_OFFER_PAIRS) {
        _cleanup_free_
        char *key = strndup(completion->current, (size_t)(equals - completion->current));

        completion->current = equals + 1;
        if (key)
            offer_values(completion, key);
        return;
    }
    completion->files = option->file;
    offer_words(completion, option->choices);
    offer_by(completion, option->offer);
}

static void complete_word(struct completion *completion)
{
    const struct cli_call *typed = completion->typed;
    const struct cli_command *command = cli_call_command(typed);
    const struct cli_argument *argument = command->argument;

    offer_children(completion, command);
    if (!argument || typed->n_arguments >= argument->max)
        return;
    completion->files = argument->file;
    offer_words(completion, argument->choices);
    offer_by(completion, argument->offer);
}

/* `last` and `before` are the words before the current one; "" where there is none. */
static void complete(struct completion *completion, const char *last, const char *before)
{
    const struct cli_option *own = option_of(completion->typed, completion->word),
                            *option = option_of(completion->typed, last),
                            *pair = option_of(completion->typed, before);
    const char *equals = strchr(completion->word, '=');

    if (pair && pair->offer == CLI_OFFER_PAIRS && !strchr(last, '=') && !strchr(before, '='))
        offer_values(completion, last);
    else if (option && !strchr(last, '='))
        complete_value(completion, option);
    else if (own && equals && completion->word[1] == '-') {
        completion->current = equals + 1;
        complete_value(completion, own);
    } else if (*completion->word == '-')
        offer_options(completion);
    else
        complete_word(completion);
    if (completion->files)
        fputs(FILES "\n", completion->out);
}

int cli_complete(struct cli_call *call)
{
    _cleanup_cli_call_ struct cli_call typed = {0};
    size_t n = call->n_arguments;
    _cleanup_free_
    char **words = calloc(n + 2, sizeof(*words));
    FILE *nowhere = fopen("/dev/null", "we");

    if (!words || !nowhere || n == 0) {
        if (nowhere)
            fclose(nowhere);
        return CLI_DONE;
    }
    words[0] = (char *)cli_root.name;
    for (size_t i = 0; i + 1 < n; i++)
        words[i + 1] = (char *)call->arguments[i];
    typed = (struct cli_call){.output = call->output, .err = nowhere};
    cli_parse(&cli_root, (int)n, words, &typed); /* as far as it goes */
    {
        const char *word = call->arguments[n - 1];
        struct completion completion = {
            .typed = &typed, .word = word, .current = word, .out = call->output.out};

        complete(&completion, n >= 2 ? call->arguments[n - 2] : "",
                 n >= 3 ? call->arguments[n - 3] : "");
    }
    fclose(nowhere);
    return CLI_DONE;
}
