# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of bulkhead for bash; made by 'bulkhead completion bash'.
_bulkhead() {
    local word cur cut='' files=0 glue=0 breaks="[${COMP_WORDBREAKS//[^=:]/}]"
    local -a words=() found=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        # shellcheck disable=SC2053
        if [ -n "$word" ] && [ "${#words[@]}" -gt 0 ] &&
            [[ $glue = 1 || $word = $breaks* ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
        # shellcheck disable=SC2053
        if [[ $word = *$breaks ]]; then glue=1; else glue=0; fi
    done
    cur=${words[-1]}
    mapfile -t found < <(bulkhead __complete -- "${words[@]}" 2>/dev/null)
    if [ "${#found[@]}" -gt 0 ] && [ "${found[-1]}" = :files ]; then
        unset 'found[-1]'
        files=1
    fi
    # shellcheck disable=SC2053
    if [[ $cur = *$breaks* ]]; then
        # shellcheck disable=SC2295
        cut=${cur%"${cur##*$breaks}"}
    fi
    COMPREPLY=()
    for word in "${found[@]}"; do
        printf -v word %q "${word#"$cut"}"
        COMPREPLY+=("$word")
    done
    if [ "$files" = 1 ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${cur#--*=}")
    fi
}
complete -F _bulkhead bulkhead
