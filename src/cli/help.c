/* SPDX-License-Identifier: Apache-2.0 */
/* Usage and --help, from the command table. */
#include <string.h>

#include "cli/command.h"

#define HELP_WIDTH 80
#define HELP_COLUMN 26 /* where explanations begin */

void cli_path_print(const struct cli_command *const *path, size_t depth, FILE *out)
{
    for (size_t i = 0; i < depth; i++)
        fprintf(out, "%s%s", i ? " " : "", path[i]->name);
}

/* Words of `text` in lines of HELP_WIDTH; `column` is where the cursor stands already. */
static void print_wrapped(FILE *out, const char *text, size_t indent, size_t column)
{
    while (*text) {
        size_t len = strcspn(text, " \n");

        if (*text == '\n') { /* an empty line between paragraphs, a line break else */
            fprintf(out, text[1] == '\n' ? "\n\n%*s" : "\n%*s", (int)indent, "");
            text += text[1] == '\n' ? 2 : 1;
            column = indent;
            continue;
        }
        if (column > indent && column + 1 + len > HELP_WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)len, text);
        column += len;
        text += len;
        text += *text == ' ';
    }
    fputc('\n', out);
}

/* "  NAME      explanation", the explanation below when the name is long. */
static void print_entry(FILE *out, const char *name, const char *help)
{
    int len = fprintf(out, "  %s", name);

    if (len + 2 > HELP_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(out, "%*s", HELP_COLUMN - len, "");
    print_wrapped(out, help, HELP_COLUMN, HELP_COLUMN);
}

static const char *argument_form(const struct cli_argument *argument)
{
    if (argument->max == 1)
        return argument->min ? " %s" : " [%s]";
    return argument->min ? " %s..." : " [%s...]";
}

void cli_usage_print(const struct cli_command *const *path, size_t depth, FILE *out)
{
    const struct cli_command *command = path[depth - 1];

    fputs("Usage: ", out);
    cli_path_print(path, depth, out);
    fputs(" [OPTION]...", out);
    if (command->n_children)
        fputs(" COMMAND", out);
    if (command->argument) {
        const char *form = argument_form(command->argument);
        const char *at = strstr(form, "%s");

        fprintf(out, "%.*s%s%s", (int)(at - form), form, command->argument->name, at + 2);
    }
    fputc('\n', out);
}

static void print_option(const struct cli_option *option, FILE *out)
{
    char name[64], letter[8] = "    ";

    if (option->letter)
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(name, sizeof(name), "%s--%s%s%s", letter, option->name, option->value ? " " : "",
             option->value ? option->value : "");
    print_entry(out, name, option->help);
}

static void print_options(const struct cli_command *const *path, size_t depth, bool console,
                          const char *title, FILE *out)
{
    const struct cli_option *option;
    size_t at = 0;

    while ((option = cli_option_next(path, depth, &at))) {
        if (option->console != console)
            continue;
        fputs(title, out);
        title = "";
        print_option(option, out);
    }
}

static void print_children(const struct cli_command *command, FILE *out)
{
    fputs("\nCommands:\n", out);
    for (size_t i = 0; i < command->n_children; i++)
        if (!command->children[i].hidden)
            print_entry(out, command->children[i].name, command->children[i].help);
}

void cli_help_print(const struct cli_command *const *path, size_t depth, FILE *out)
{
    const struct cli_command *command = path[depth - 1];

    cli_usage_print(path, depth, out);
    fputc('\n', out);
    print_wrapped(out, command->help, 0, 0);
    if (command->details) {
        fputc('\n', out);
        print_wrapped(out, command->details, 0, 0);
    }
    if (command->n_children)
        print_children(command, out);
    if (command->argument) {
        fputs("\nArguments:\n", out);
        print_entry(out, command->argument->name, command->argument->help);
    }
    print_options(path, depth, false, "\nOptions:\n", out);
    print_options(path, depth, true, "\nWhich Console, who, and where:\n", out);
    if (command->example) {
        fputs("\nExamples:\n  ", out);
        for (const char *at = command->example; *at; at++)
            fputs(*at == '\n' ? "\n  " : (const char[]){*at, '\0'}, out);
        fputc('\n', out);
    }
    if (command->n_children) {
        fputs("\nRun '", out);
        cli_path_print(path, depth, out);
        fputs(" COMMAND --help' for more about a command.\n", out);
    }
}
