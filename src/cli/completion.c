/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion for bash and zsh, from the command table. Both scripts share their middle: it walks
 * the words typed so far to find the command, skipping values of options, and then says what to
 * offer.
 */
#include <string.h>

#include "cli/command.h"

/* Every option of the table once, by name: a name means the same wherever it stands. */
struct option_list {
    const struct cli_option *items[CLI_WORDS_MAX];
    size_t n;
};

static void collect_options(const struct cli_command *const *path, size_t depth, void *arg)
{
    const struct cli_command *command = path[depth - 1];
    struct option_list *list = arg;

    for (size_t i = 0; i < command->n_options; i++) {
        const struct cli_option *option = &command->options[i];
        bool known = false;

        for (size_t j = 0; j < list->n; j++) {
            if (strcmp(list->items[j]->name, option->name) != 0)
                continue;
            known = true;
            if (option->letter && !list->items[j]->letter) /* the one that says most */
                list->items[j] = option;
        }
        if (!option->value || known)
            continue;
        assert(list->n < CLI_WORDS_MAX);
        list->items[list->n++] = option;
    }
}

static void print_choices(FILE *out, const char *const *choices)
{
    for (size_t i = 0; choices && choices[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", choices[i]);
}

static void print_option_arms(const struct option_list *list, bool values, FILE *out)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct cli_option *option = list->items[i];

        fprintf(out, "        --%s", option->name);
        if (option->letter)
            fprintf(out, " | -%c", option->letter);
        if (values) {
            fputs(") offer='", out);
            print_choices(out, option->choices);
            fprintf(out, "' files=%d asks=%d ;;\n", option->file,
                    option->offer != CLI_OFFER_NOTHING);
        } else {
            fputs(") skip=1 ;;\n", out);
        }
    }
}

/* Arms of `case "$where $word" in`: the way down to each command. */
static void print_descend_arm(const struct cli_command *const *path, size_t depth, void *arg)
{
    if (depth == 1)
        return;
    fputs("            '", arg);
    cli_path_print(path, depth, arg);
    fputs("') where=\"$where $word\" ;;\n", arg);
}

/* Arms of `case "$where" in`: what can follow each command. */
static void print_offer_arm(const struct cli_command *const *path, size_t depth, void *arg)
{
    const struct cli_command *command = path[depth - 1];
    const struct cli_option *option;
    size_t at = 0, n_flags = 0;
    FILE *out = arg;

    fputs("    '", out);
    cli_path_print(path, depth, out);
    fputs("')\n        flags='", out);
    while ((option = cli_option_next(path, depth, &at)))
        fprintf(out, "%s--%s", n_flags++ ? " " : "", option->name);
    fputs("'\n        offer='", out);
    for (size_t i = 0, n = 0; i < command->n_children; i++)
        if (!command->children[i].hidden)
            fprintf(out, "%s%s", n++ ? " " : "", command->children[i].name);
    if (command->argument)
        print_choices(out, command->argument->choices);
    fprintf(out, "'\n        files=%d asks=%d\n        ;;\n",
            command->argument && command->argument->file,
            command->argument && command->argument->offer != CLI_OFFER_NOTHING);
}

/* Reads $typed, $prev and $cur; sets $offer (words), $files and $asks (0 or 1: whether
 * `bulkhead __complete` knows more). */
static void print_core(const struct cli_command *root, FILE *out)
{
    struct option_list list = {.n = 0};

    cli_visit(root, collect_options, &list);
    fputs("    for word in \"${typed[@]}\"; do\n"
          "        if [ \"$skip\" = 1 ]; then\n"
          "            skip=0\n"
          "            continue\n"
          "        fi\n"
          "        case \"$word\" in\n",
          out);
    print_option_arms(&list, false, out);
    fputs("        -*) ;;\n"
          "        *)\n"
          "            case \"$where $word\" in\n",
          out);
    cli_visit(root, print_descend_arm, out);
    fputs("            esac\n"
          "            ;;\n"
          "        esac\n"
          "    done\n"
          "    case \"$where\" in\n",
          out);
    cli_visit(root, print_offer_arm, out);
    fputs("    esac\n"
          "    if [ \"$skip\" = 1 ]; then\n"
          "        case \"$prev\" in\n",
          out);
    print_option_arms(&list, true, out);
    fputs("        esac\n"
          "    else\n"
          "        case \"$cur\" in\n"
          "        -*) offer=\"$flags\" files=0 asks=0 ;;\n"
          "        esac\n"
          "    fi\n",
          out);
}

void cli_completion_bash(const struct cli_command *root, FILE *out)
{
    fputs("# SPDX-License-Identifier: Apache-2.0\n"
          "# shellcheck shell=bash\n"
          "# Completion of bulkhead for bash; made by 'bulkhead completion bash'.\n"
          "_bulkhead() {\n"
          "    local word where=bulkhead skip=0 offer='' flags='' files=0 asks=0\n"
          "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD - 1]}\"\n"
          "    local typed=(\"${COMP_WORDS[@]:1:COMP_CWORD-1}\")\n",
          out);
    print_core(root, out);
    fputs("    mapfile -t COMPREPLY < <(compgen -W \"$offer\" -- \"$cur\")\n"
          "    if [ \"$asks\" = 1 ]; then\n"
          "        mapfile -t COMPREPLY < <(bulkhead __complete -- "
          "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
          "    fi\n"
          "    if [ \"$files\" = 1 ]; then\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$cur\")\n"
          "    fi\n"
          "}\n"
          "complete -F _bulkhead bulkhead\n",
          out);
}

void cli_completion_zsh(const struct cli_command *root, FILE *out)
{
    fputs("#compdef bulkhead\n"
          "# SPDX-License-Identifier: Apache-2.0\n"
          "# Completion of bulkhead for zsh; made by 'bulkhead completion zsh'.\n"
          "_bulkhead() {\n"
          "    local cur=\"${words[CURRENT]}\" prev=\"${words[CURRENT - 1]}\"\n"
          "    local -a typed\n"
          "    local word where=bulkhead skip=0 offer='' flags='' files=0 asks=0\n"
          "    typed=(\"${words[@]:1:$((CURRENT - 2))}\")\n",
          out);
    print_core(root, out);
    fputs("    compadd -- ${=offer}\n"
          "    if [ \"$asks\" = 1 ]; then\n"
          "        compadd -- ${(f)\"$(bulkhead __complete -- \"${typed[@]}\" \"$cur\" "
          "2>/dev/null)\"}\n"
          "    fi\n"
          "    if [ \"$files\" = 1 ]; then\n"
          "        _files\n"
          "    fi\n"
          "}\n"
          "_bulkhead \"$@\"\n",
          out);
}

/* All of it is asked for: fish has no words to walk. */
void cli_completion_fish(FILE *out)
{
    fputs("# SPDX-License-Identifier: Apache-2.0\n"
          "# Completion of bulkhead for fish; made by 'bulkhead completion fish'.\n"
          "complete -c bulkhead -a '(bulkhead __complete -- (commandline -opc)[2..-1] "
          "(commandline -ct) 2>/dev/null)'\n",
          out);
}
