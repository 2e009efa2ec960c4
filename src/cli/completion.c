/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion for shells. The scripts know nothing: they hand the words typed so far to `bulkhead
 * __complete` (complete.c) and offer the lines of its answer; a last line ":files" says that files
 * fit as well.
 */
#include "cli/command.h"

/* bash cuts words at the characters of COMP_WORDBREAKS, = and : among them, and replaces only what
 * is behind the last cut. */
static const char bash[] =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# shellcheck shell=bash\n"
    "# Completion of bulkhead for bash; made by 'bulkhead completion bash'.\n"
    "_bulkhead() {\n"
    "    local word cur cut='' files=0 glue=0 breaks=\"[${COMP_WORDBREAKS//[^=:]/}]\"\n"
    "    local -a words=() found=()\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD}\"; do\n"
    "        # shellcheck disable=SC2053\n"
    "        if [ -n \"$word\" ] && [ \"${#words[@]}\" -gt 0 ] &&\n"
    "            [[ $glue = 1 || $word = $breaks* ]]; then\n"
    "            words[-1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "        # shellcheck disable=SC2053\n"
    "        if [[ $word = *$breaks ]]; then glue=1; else glue=0; fi\n"
    "    done\n"
    "    cur=${words[-1]}\n"
    "    mapfile -t found < <(bulkhead __complete -- \"${words[@]}\" 2>/dev/null)\n"
    "    if [ \"${#found[@]}\" -gt 0 ] && [ \"${found[-1]}\" = :files ]; then\n"
    "        unset 'found[-1]'\n"
    "        files=1\n"
    "    fi\n"
    "    # shellcheck disable=SC2053\n"
    "    if [[ $cur = *$breaks* ]]; then\n"
    "        # shellcheck disable=SC2295\n"
    "        cut=${cur%\"${cur##*$breaks}\"}\n"
    "    fi\n"
    "    COMPREPLY=()\n"
    "    for word in \"${found[@]}\"; do\n"
    "        printf -v word %q \"${word#\"$cut\"}\"\n"
    "        COMPREPLY+=(\"$word\")\n"
    "    done\n"
    "    if [ \"$files\" = 1 ]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"${cur#--*=}\")\n"
    "    fi\n"
    "}\n"
    "complete -F _bulkhead bulkhead\n";

static const char zsh[] =
    "#compdef bulkhead\n"
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Completion of bulkhead for zsh; made by 'bulkhead completion zsh'.\n"
    "_bulkhead() {\n"
    "    local -a typed found\n"
    "    typed=(\"${(@Q)words[2,CURRENT]}\")\n"
    "    found=(${(f)\"$(bulkhead __complete -- \"${typed[@]}\" 2>/dev/null)\"})\n"
    "    if [[ ${found[-1]} = :files ]]; then\n"
    "        found[-1]=()\n"
    "        compset -P '--*='\n"
    "        _files\n"
    "    fi\n"
    "    compadd -- \"${found[@]}\"\n"
    "}\n"
    "_bulkhead \"$@\"\n";

static const char fish[] =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "# Completion of bulkhead for fish; made by 'bulkhead completion fish'.\n"
    "function __bulkhead_complete\n"
    "    set -l typed (commandline -opc)[2..-1] (commandline -ct)\n"
    "    set -l found (bulkhead __complete -- $typed 2>/dev/null)\n"
    "    if test \"$found[-1]\" = :files\n"
    "        set -e found[-1]\n"
    "        __fish_complete_path (commandline -ct)\n"
    "    end\n"
    "    printf '%s\\n' $found\n"
    "end\n"
    "complete -c bulkhead -f -a '(__bulkhead_complete)'\n";

const char *cli_completion_script(enum cli_shell shell)
{
    static const char *const scripts[] = {bash, zsh, fish};

    return scripts[shell];
}
