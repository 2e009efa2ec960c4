# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of bulkhead for bash; made by 'bulkhead completion bash'.
_bulkhead() {
    local word where=bulkhead skip=0 offer='' flags='' files=0 asks=0
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD - 1]}"
    local typed=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    for word in "${typed[@]}"; do
        if [ "$skip" = 1 ]; then
            skip=0
            continue
        fi
        case "$word" in
        --output | -o) skip=1 ;;
        --template) skip=1 ;;
        --api | -A) skip=1 ;;
        --api-cacert) skip=1 ;;
        --namespace | -n) skip=1 ;;
        --token | -t) skip=1 ;;
        --creds) skip=1 ;;
        --profile) skip=1 ;;
        --encoding) skip=1 ;;
        --tracking-id) skip=1 ;;
        --timeout) skip=1 ;;
        --file | -f) skip=1 ;;
        --from) skip=1 ;;
        --to) skip=1 ;;
        --port) skip=1 ;;
        --cases) skip=1 ;;
        --socket) skip=1 ;;
        --with) skip=1 ;;
        --validity) skip=1 ;;
        --quota) skip=1 ;;
        --name) skip=1 ;;
        --authorized-subnet) skip=1 ;;
        --output-file) skip=1 ;;
        --column | -c) skip=1 ;;
        --filter) skip=1 ;;
        --param | -p) skip=1 ;;
        --order) skip=1 ;;
        --limit) skip=1 ;;
        --page) skip=1 ;;
        --page-size) skip=1 ;;
        --key | -k) skip=1 ;;
        --data | -d) skip=1 ;;
        --label) skip=1 ;;
        --set) skip=1 ;;
        --values) skip=1 ;;
        --identity) skip=1 ;;
        --base) skip=1 ;;
        --role) skip=1 ;;
        --type) skip=1 ;;
        --max-issued-token-validity) skip=1 ;;
        --description) skip=1 ;;
        --restrict-namespace) skip=1 ;;
        --restrict-role) skip=1 ;;
        --restrict-network) skip=1 ;;
        --audience) skip=1 ;;
        --opaque) skip=1 ;;
        --cert) skip=1 ;;
        --cert-key) skip=1 ;;
        --account) skip=1 ;;
        --otp) skip=1 ;;
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
            'bulkhead enforcer register') where="$where $word" ;;
            'bulkhead api') where="$where $word" ;;
            'bulkhead api list') where="$where $word" ;;
            'bulkhead api get') where="$where $word" ;;
            'bulkhead api create') where="$where $word" ;;
            'bulkhead api update') where="$where $word" ;;
            'bulkhead api delete') where="$where $word" ;;
            'bulkhead api delete-many') where="$where $word" ;;
            'bulkhead api count') where="$where $word" ;;
            'bulkhead api describe') where="$where $word" ;;
            'bulkhead api info') where="$where $word" ;;
            'bulkhead api stub') where="$where $word" ;;
            'bulkhead api search') where="$where $word" ;;
            'bulkhead api all') where="$where $word" ;;
            'bulkhead api import') where="$where $word" ;;
            'bulkhead api export') where="$where $word" ;;
            'bulkhead api listen') where="$where $word" ;;
            'bulkhead appcred') where="$where $word" ;;
            'bulkhead appcred create') where="$where $word" ;;
            'bulkhead appcred list') where="$where $word" ;;
            'bulkhead appcred renew') where="$where $word" ;;
            'bulkhead appcred roles') where="$where $word" ;;
            'bulkhead appcred subnets') where="$where $word" ;;
            'bulkhead appcred enable') where="$where $word" ;;
            'bulkhead appcred disable') where="$where $word" ;;
            'bulkhead appcred delete') where="$where $word" ;;
            'bulkhead auth') where="$where $word" ;;
            'bulkhead auth appcred') where="$where $word" ;;
            'bulkhead auth cert') where="$where $word" ;;
            'bulkhead auth token') where="$where $word" ;;
            'bulkhead auth local') where="$where $word" ;;
            'bulkhead auth verify') where="$where $word" ;;
            'bulkhead configure') where="$where $word" ;;
            'bulkhead profiles') where="$where $word" ;;
            'bulkhead profiles list') where="$where $word" ;;
            'bulkhead profiles use') where="$where $word" ;;
            'bulkhead profiles show') where="$where $word" ;;
            'bulkhead completion') where="$where $word" ;;
            'bulkhead help') where="$where $word" ;;
            esac
            ;;
        esac
    done
    case "$where" in
    'bulkhead')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer='policy enforcer api appcred auth configure profiles completion help'
        files=0 asks=0
        ;;
    'bulkhead policy')
        flags='--output --template --no-headers --help --version'
        offer='check eval'
        files=0 asks=0
        ;;
    'bulkhead policy check')
        flags='--namespace --strict --output --template --no-headers --help --version'
        offer=''
        files=1 asks=0
        ;;
    'bulkhead policy eval')
        flags='--file --from --to --port --namespace --cases --output --template --no-headers --help --version'
        offer=''
        files=1 asks=0
        ;;
    'bulkhead enforcer')
        flags='--socket --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer='status pus flows counters netstat disable enable register'
        files=0 asks=0
        ;;
    'bulkhead enforcer status')
        flags='--socket --output --template --no-headers --help --version'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead enforcer pus')
        flags='--socket --output --template --no-headers --help --version'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead enforcer flows')
        flags='--follow --socket --output --template --no-headers --help --version'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead enforcer counters')
        flags='--socket --output --template --no-headers --help --version'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead enforcer netstat')
        flags='--socket --output --template --no-headers --help --version'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead enforcer disable')
        flags='--yes --socket --output --template --no-headers --help --version'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead enforcer enable')
        flags='--yes --socket --output --template --no-headers --help --version'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead enforcer register')
        flags='--with --validity --quota --name --authorized-subnet --output-file --socket --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead api')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer='list get create update delete delete-many count describe info stub search all import export listen'
        files=0 asks=0
        ;;
    'bulkhead api list')
        flags='--column --filter --recursive --propagated --param --order --limit --all --page --page-size --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api get')
        flags='--column --recursive --propagated --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api create')
        flags='--key --data --file --interactive --column --param --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api update')
        flags='--key --data --file --interactive --column --recursive --propagated --param --override --force --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api delete')
        flags='--column --recursive --propagated --override --force --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api delete-many')
        flags='--filter --all --confirm --column --recursive --propagated --param --override --force --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api count')
        flags='--filter --recursive --propagated --param --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api describe')
        flags='--full --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api info')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api stub')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api search')
        flags='--column --recursive --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead api all')
        flags='--column --recursive --propagated --filter --param --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead api import')
        flags='--file --label --set --values --render --no-render --dry-run --delete --override --force --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=1 asks=0
        ;;
    'bulkhead api export')
        flags='--identity --label --filter --base --recursive --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead api listen')
        flags='--identity --filter --recursive --follow --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead appcred')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer='create list renew roles subnets enable disable delete'
        files=0 asks=0
        ;;
    'bulkhead appcred create')
        flags='--role --type --authorized-subnet --max-issued-token-validity --description --output-file --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead appcred list')
        flags='--column --recursive --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead appcred renew')
        flags='--type --output-file --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead appcred roles')
        flags='--role --clear --column --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead appcred subnets')
        flags='--authorized-subnet --clear --column --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead appcred enable')
        flags='--column --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead appcred disable')
        flags='--column --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead appcred delete')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead auth')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer='appcred cert token local verify'
        files=0 asks=0
        ;;
    'bulkhead auth appcred')
        flags='--validity --quota --restrict-namespace --restrict-role --restrict-network --audience --opaque --export --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead auth cert')
        flags='--cert --cert-key --validity --quota --restrict-namespace --restrict-role --restrict-network --audience --opaque --export --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead auth token')
        flags='--validity --quota --restrict-namespace --restrict-role --restrict-network --audience --opaque --export --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead auth local')
        flags='--account --otp --validity --quota --restrict-namespace --restrict-role --restrict-network --audience --opaque --export --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead auth verify')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead configure')
        flags='--name --role --account --otp --force --use --output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead profiles')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer='list use show'
        files=0 asks=0
        ;;
    'bulkhead profiles list')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=0
        ;;
    'bulkhead profiles use')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead profiles show')
        flags='--output --template --no-headers --help --version --api --api-cacert --api-skip-verify --namespace --token --creds --profile --encoding --tracking-id --timeout --verbose --no-cache'
        offer=''
        files=0 asks=1
        ;;
    'bulkhead completion')
        flags='--output --template --no-headers --help --version'
        offer='bash zsh fish'
        files=0 asks=0
        ;;
    'bulkhead help')
        flags='--output --template --no-headers --help --version'
        offer=''
        files=0 asks=0
        ;;
    esac
    if [ "$skip" = 1 ]; then
        case "$prev" in
        --output | -o) offer='table json yaml none template' files=0 asks=0 ;;
        --template) offer='' files=0 asks=0 ;;
        --api | -A) offer='' files=0 asks=0 ;;
        --api-cacert) offer='' files=1 asks=0 ;;
        --namespace | -n) offer='' files=0 asks=1 ;;
        --token | -t) offer='' files=0 asks=0 ;;
        --creds) offer='' files=1 asks=0 ;;
        --profile) offer='' files=0 asks=1 ;;
        --encoding) offer='json msgpack' files=0 asks=0 ;;
        --tracking-id) offer='' files=0 asks=0 ;;
        --timeout) offer='' files=0 asks=0 ;;
        --file | -f) offer='' files=1 asks=0 ;;
        --from) offer='' files=0 asks=0 ;;
        --to) offer='' files=0 asks=0 ;;
        --port) offer='' files=0 asks=0 ;;
        --cases) offer='' files=1 asks=0 ;;
        --socket) offer='' files=1 asks=0 ;;
        --with) offer='token appcred' files=0 asks=0 ;;
        --validity) offer='' files=0 asks=0 ;;
        --quota) offer='' files=0 asks=0 ;;
        --name) offer='' files=0 asks=0 ;;
        --authorized-subnet) offer='' files=0 asks=0 ;;
        --output-file) offer='' files=1 asks=0 ;;
        --column | -c) offer='' files=0 asks=1 ;;
        --filter) offer='' files=0 asks=0 ;;
        --param | -p) offer='' files=0 asks=1 ;;
        --order) offer='' files=0 asks=1 ;;
        --limit) offer='' files=0 asks=0 ;;
        --page) offer='' files=0 asks=0 ;;
        --page-size) offer='' files=0 asks=0 ;;
        --key | -k) offer='' files=0 asks=1 ;;
        --data | -d) offer='' files=0 asks=0 ;;
        --label) offer='' files=0 asks=0 ;;
        --set) offer='' files=0 asks=0 ;;
        --values) offer='' files=1 asks=0 ;;
        --identity) offer='' files=0 asks=1 ;;
        --base) offer='' files=0 asks=0 ;;
        --role) offer='' files=0 asks=1 ;;
        --type) offer='json k8s cert' files=0 asks=0 ;;
        --max-issued-token-validity) offer='' files=0 asks=0 ;;
        --description) offer='' files=0 asks=0 ;;
        --restrict-namespace) offer='' files=0 asks=1 ;;
        --restrict-role) offer='' files=0 asks=1 ;;
        --restrict-network) offer='' files=0 asks=0 ;;
        --audience) offer='' files=0 asks=0 ;;
        --opaque) offer='' files=0 asks=0 ;;
        --cert) offer='' files=1 asks=0 ;;
        --cert-key) offer='' files=1 asks=0 ;;
        --account) offer='' files=0 asks=0 ;;
        --otp) offer='' files=0 asks=0 ;;
        esac
    else
        case "$cur" in
        -*) offer="$flags" files=0 asks=0 ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$offer" -- "$cur")
    if [ "$asks" = 1 ]; then
        mapfile -t COMPREPLY < <(bulkhead __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    fi
    if [ "$files" = 1 ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _bulkhead bulkhead
