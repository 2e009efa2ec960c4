# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# What the scenarios share. `work` is a directory of the guest; nothing outlives the guest.
work=/run/test
mkdir -p "$work"

# busybox takes its own `ip` before any in PATH, and that one knows too little.
ip()
{
    /usr/sbin/ip "$@"
}

# listen KIND PORT [PREFIX…]: an echo server on every address; that of UDP takes both families in one socket
listen()
{
    kind=$1 port=$2
    shift 2
    case "$kind" in
    tcp-*) families='0.0.0.0 ::' ;;
    *) families=:: ;;
    esac
    for any in $families; do
        "$@" sock "$kind" "$any" "$port" >"$work/listen-$kind-$port-$any" 2>&1 </dev/null &
        within_seconds 20 said "$work/listen-$kind-$port-$any" ready || echo "RESULT FAIL listen $kind $port"
    done
}

# expect NAME COMMAND…: one result line; what the command said follows after a failure
expect()
{
    expect_name=$1
    shift
    expect_failed=
    expect_from=$(date +%s)
    if "$@" >"$work/said" 2>&1; then
        echo "RESULT ok $expect_name ($(($(date +%s) - expect_from)) s)"
    else
        echo "RESULT FAIL $expect_name: exit $?: $*"
        # shellcheck disable=SC2034 # for the scenario to read
        expect_failed=1
        tail -n 20 "$work/said" | sed 's/^/    /'
    fi
}

refuse()
{
    ! "$@"
}

# within_seconds N COMMAND…: until it succeeds
within_seconds()
{
    deadline=$(($(date +%s) + $1))
    shift
    while ! "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

said()
{
    grep -q "$2" "$1"
}

# answers ERRNO COMMAND…: the tool fails with exactly this errno
answers()
{
    wanted=$1
    shift
    "$@" >"$work/answer" 2>&1 && return 1
    cat "$work/answer"
    grep -q "\"errno\":\"$wanted\"" "$work/answer"
}

# configuration NAME NUMBER CGROUP_ROOT UNITS…: directory $work/NAME with all that an Enforcer needs; a unit is name=tag
configuration()
{
    name=$1 number=$2 root=$3 host_enabled=${host_enabled:-false}
    shift 3
    mkdir -p "$work/$name/policy.d" "$work/$name/peers.d" "$work/$name/state"
    {
        echo "namespace: /shop"
        echo "mode: standalone"
        echo "policy: $work/$name/policy.d"
        echo "peers: $work/$name/peers.d"
        echo "cgroupRoot: $root"
        echo "host: {enabled: $host_enabled, tags: ['app=$name']}"
        echo "discovery: {systemd: false, containers: false, kubernetes: false}"
        echo "identity: {enforcerId: $number, key: $work/$name/enforcer.key}"
        echo "flowReportInterval: 1s"
        [ $# -eq 0 ] || echo "processingUnits:"
        for unit in "$@"; do
            echo "  - {name: ${unit%%=*}, cgroup: /${unit%%=*}, tags: ['app=${unit#*=}']}"
        done
    } >"$work/$name/enforcer.yaml"
}

# put_policy NAME: standard input becomes its policy file, whole or not at all
put_policy()
{
    cat >"$work/$1/policy.d/.new"
    mv "$work/$1/policy.d/.new" "$work/$1/policy.d/policy.yaml"
}

# start_enforcer NAME [PREFIX…]: until `status` shows everything attached
start_enforcer()
{
    started=$1
    shift
    "$@" bulkhead-enforcer run --config "$work/$started/enforcer.yaml" --state "$work/$started/state" \
        --socket "$work/$started/socket" >>"$work/$started/log" 2>&1 </dev/null &
    echo $! >"$work/$started/pid"
    within_seconds 60 all_attached "$started" >"$work/$started/start" || {
        cat "$work/$started/start" "$work/$started/log"
        return 1
    }
}

control()
{
    control_of=$1
    shift
    bulkhead enforcer "$@" --socket "$work/$control_of/socket"
}

# all programs of NAME attached
all_attached()
{
    control "$1" status -o json >"$work/status" || return 1
    cat "$work/status"
    grep -q '"attached": *true' "$work/status" && ! grep -q '"attached": *false' "$work/status"
}

# has_peers NAME NUMBER
has_peers()
{
    control "$1" status -o json | tr -d ' ' | grep -q "\"peers\":$2[,}]"
}

# revision NAME
revision()
{
    control "$1" status -o json | tr ',{' '\n' | sed -n 's/.*"policyRevision": *//p'
}

changed_revision()
{
    [ "$(revision "$1")" != "$2" ]
}

# counter NAME COUNTER
counter()
{
    control "$1" counters -o json | tr -d ' \n' | tr '{' '\n' | sed -n "s/.*\"name\":\"$2\".*\"value\":\\([0-9]*\\).*/\\1/p; s/.*\"value\":\\([0-9]*\\).*\"name\":\"$2\".*/\\1/p" | head -n 1
}

# counted NAME COUNTER MINIMUM
counted()
{
    value=$(counter "$1" "$2")
    echo "$1 $2 = $value, wanted $3 or more"
    [ "${value:-0}" -ge "$3" ]
}

# flow_says NAME TEXT…: one flow report that has all of these
flow_says()
{
    control "$1" flows -o json | tr -d '\n' | sed 's/"timestamp"/\n&/g' >"$work/flows"
    shift
    for text in "$@"; do
        grep -- "$text" "$work/flows" >"$work/flows.next" || return 1
        mv "$work/flows.next" "$work/flows"
    done
}
