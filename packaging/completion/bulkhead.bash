# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of bulkhead for bash; made by 'bulkhead completion bash'.
_bulkhead() {
    local word where=bulkhead skip=0 offer='' flags='' files=0
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}"
    local typed=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    for word in "${typed[@]}"; do
        if [ "$skip" = 1 ]; then
            skip=0
            continue
        fi
        case "$word" in
        --output | -o) skip=1 ;;
        --namespace) skip=1 ;;
        --file | -f) skip=1 ;;
        --from) skip=1 ;;
        --to) skip=1 ;;
        --port) skip=1 ;;
        --cases) skip=1 ;;
        --socket) skip=1 ;;
        -*) ;;
        *)
            case "$where $word" in
            'bulkhead policy') where="$where $word" ;;
            'bulkhead policy check') where="$where $word" ;;
            'bulkhead policy eval') where="$where $word" ;;
            'bulkhead enforcer') where="$where $word" ;;
            'bulkhead enforcer status') where="$where $word" ;;
            'bulkhead enforcer pus') where="$where $word" ;;
            'bulkhead enforcer flows') where="$where $word" ;;
            'bulkhead enforcer counters') where="$where $word" ;;
            'bulkhead enforcer netstat') where="$where $word" ;;
            'bulkhead enforcer disable') where="$where $word" ;;
            'bulkhead enforcer enable') where="$where $word" ;;
            'bulkhead completion') where="$where $word" ;;
            'bulkhead help') where="$where $word" ;;
            esac
            ;;
        esac
    done
    case "$where" in
    'bulkhead')
        flags='--output --no-headers --help --version'
        offer='policy enforcer completion help'
        files=0
        ;;
    'bulkhead policy')
        flags=' --output --no-headers --help --version'
        offer='check eval'
        files=0
        ;;
    'bulkhead policy check')
        flags='--namespace --strict --output --no-headers --help --version'
        offer=''
        files=1
        ;;
    'bulkhead policy eval')
        flags='--file --from --to --port --namespace --cases --output --no-headers --help --version'
        offer=''
        files=1
        ;;
    'bulkhead enforcer')
        flags='--socket --output --no-headers --help --version'
        offer='status pus flows counters netstat disable enable'
        files=0
        ;;
    'bulkhead enforcer status')
        flags=' --socket --output --no-headers --help --version'
        offer=''
        files=0
        ;;
    'bulkhead enforcer pus')
        flags=' --socket --output --no-headers --help --version'
        offer=''
        files=0
        ;;
    'bulkhead enforcer flows')
        flags='--follow --socket --output --no-headers --help --version'
        offer=''
        files=0
        ;;
    'bulkhead enforcer counters')
        flags=' --socket --output --no-headers --help --version'
        offer=''
        files=0
        ;;
    'bulkhead enforcer netstat')
        flags=' --socket --output --no-headers --help --version'
        offer=''
        files=0
        ;;
    'bulkhead enforcer disable')
        flags='--yes --socket --output --no-headers --help --version'
        offer=''
        files=0
        ;;
    'bulkhead enforcer enable')
        flags='--yes --socket --output --no-headers --help --version'
        offer=''
        files=0
        ;;
    'bulkhead completion')
        flags=' --output --no-headers --help --version'
        offer='bash zsh'
        files=0
        ;;
    'bulkhead help')
        flags=' --output --no-headers --help --version'
        offer=''
        files=0
        ;;
    esac
    if [ "$skip" = 1 ]; then
        case "$prev" in
        --output | -o) offer='table json yaml' files=0 ;;
        --namespace) offer='' files=0 ;;
        --file | -f) offer='' files=1 ;;
        --from) offer='' files=0 ;;
        --to) offer='' files=0 ;;
        --port) offer='' files=0 ;;
        --cases) offer='' files=1 ;;
        --socket) offer='' files=1 ;;
        esac
    else
        case "$cur" in
        -*) offer="$flags" files=0 ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$offer" -- "$cur")
    if [ "$files" = 1 ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _bulkhead bulkhead
