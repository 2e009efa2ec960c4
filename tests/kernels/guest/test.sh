# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Two hosts and an outsider on the guest's kernel: network namespaces joined by veth pairs over a bridge-less
# router (the guest itself), an Enforcer on each host with a subtree of the cgroups.
# shellcheck source=tests/kernels/guest/lib.sh
. /guest/lib.sh

cgroups=/sys/fs/cgroup
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

# make_host NAME NUMBER UNITS…
make_host()
{
    host=$1 number=$2
    shift 2
    ip netns add "$host"
    ip link add "to-$host" type veth peer name eth0 netns "$host"
    ip addr add "10.9.$number.1/24" dev "to-$host"
    ip -6 addr add "fd09:$number::1/64" dev "to-$host" nodad
    ip link set "to-$host" up
    ip -n "$host" addr add "10.9.$number.2/24" dev eth0
    ip -n "$host" -6 addr add "fd09:$number::2/64" dev eth0 nodad
    ip -n "$host" link set eth0 up
    ip -n "$host" link set lo up
    ip -n "$host" route add default via "10.9.$number.1"
    ip -n "$host" -6 route add default via "fd09:$number::1"
    mkdir -p "$cgroups/$host"
    for unit in "$@"; do
        mkdir -p "$cgroups/$host/$unit"
    done
}

# on HOST[/UNIT] COMMAND…
on()
{
    where=$1
    shift
    within -c "$cgroups/$where" -n "/run/netns/${where%%/*}" -- "$@"
}

start()
{
    start_enforcer "$1" within -c "$cgroups/$1" -n "/run/netns/$1" --
}

policy()
{
    cat <<END
APIVersion: 1
label: kernels
data:
  namespaces:
    - {name: /shop, defaultPUIncomingTrafficAction: Reject, defaultPUOutgoingTrafficAction: Reject}
  externalnetworks:
    - {name: web-address, namespace: /shop, entries: [10.9.1.2/32, 'fd09:1::2/128'], associatedTags: ['externalnetwork:name=web-address']}
    - {name: db-address, namespace: /shop, entries: [10.9.2.2/32, 'fd09:2::2/128'], associatedTags: ['externalnetwork:name=db-address']}
    - {name: partners, namespace: /shop, entries: [10.9.3.2/32], associatedTags: ['externalnetwork:name=partners']}
  networkrulesetpolicies:
    - name: web
      namespace: /shop
      subject: [['app=web']]
      outgoingRules:
        - {action: Allow, object: [['app=db']], protocolPorts: [tcp/5432, tcp/5434]}
        - {action: Allow, object: [['externalnetwork:name=db-address']], protocolPorts: [udp/5353]}
    - name: batch
      namespace: /shop
      subject: [['app=batch']]
      outgoingRules:
        - {action: Allow, object: [['app=db']], protocolPorts: [tcp/5432, tcp/5434]}
    - name: db
      namespace: /shop
      subject: [['app=db']]
      incomingRules:
        - {action: $1, object: [['app=web']], protocolPorts: [tcp/5432, tcp/5434], name: from-web}
        - {action: Allow, object: [['externalnetwork:name=partners']], protocolPorts: [tcp/7000]}
        - {action: Allow, object: [['externalnetwork:name=web-address']], protocolPorts: [udp/5353]}
END
}

many_connects()
{
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        on a/web sock tcp-connect "$1" 5432 --send hello || return 1
    done
}

with_cookies()
{
    on b sysctl -qw net.ipv4.tcp_syncookies=2
    "$@"
    cookies_result=$?
    on b sysctl -qw net.ipv4.tcp_syncookies=1
    return "$cookies_result"
}

# warned NAME: `status` has something to complain about
warned()
{
    control "$1" status -o json | tr -d ' \n' | grep -v '"warnings":\[\]'
}

make_host a 1 web batch
make_host b 2 db
make_host x 3
configuration a 1 /a web=web batch=batch
configuration b 2 /b db=db
for host in a b; do
    policy Allow | put_policy "$host"
done
expect "describe" sh -c "bulkhead-enforcer describe --config $work/a/enforcer.yaml >$work/b/peers.d/a.yaml &&
    bulkhead-enforcer describe --config $work/b/enforcer.yaml >$work/a/peers.d/b.yaml"
listen tcp-listen 5434 on b/db
expect "start a" start a
expect "start b" start b
expect "a: every program attached" all_attached a
expect "b: every program attached" all_attached b

# Older than b's Enforcer: sock_ops writes its proofs from 6.11 on, tc before.
expect "older listener, IPv4" within_seconds 20 on a/web sock tcp-connect 10.9.2.2 5434 --send hello
expect "older listener, IPv6" on a/web sock tcp-connect fd09:2::2 5434 --send hello
expect "older listener proved itself" counted a identity_synack_verified 2
expect "older listener: b verified the client" counted b identity_ack_verified 2
expect "older listener: wrong tag rejected by b" refuse on a/batch sock tcp-connect 10.9.2.2 5434 --send hello --timeout 2500
expect "older listener: no identity, rejected by b" refuse on x sock tcp-connect 10.9.2.2 5434 --send hello --timeout 2500
expect "older listener with SYN cookies" with_cookies on a/web sock tcp-connect 10.9.2.2 5434 --send hello
expect "b: programs for it attached" all_attached b
expect "b: nothing that this kernel cannot do" refuse warned b

for service in "tcp-listen 5432" "tcp-listen 7000" "udp-listen 5353" "udp-listen 5354"; do
    # shellcheck disable=SC2086 # two words
    listen $service on b/db
done

expect "allowed pair, IPv4" many_connects 10.9.2.2
expect "allowed pair, IPv6" many_connects fd09:2::2
expect "a verified b's proof" counted a identity_synack_verified 23
expect "b verified a's proof" counted b identity_ack_verified 23
expect "b: report names the tags" within_seconds 5 flow_says b '"Accept"' 'app=web' 'from-web'
expect "port that a's rules do not have: EPERM" answers EPERM on a/web sock tcp-connect 10.9.2.2 22
expect "wrong tag, rejected by b" refuse on a/batch sock tcp-connect 10.9.2.2 5432 --send hello --timeout 2500
expect "b: report of the wrong tag" within_seconds 5 flow_says b '"Reject"' 'app=batch'
expect "address that b's rules allow" on x sock tcp-connect 10.9.2.2 7000 --send hello
expect "no identity, rejected by b" refuse on x sock tcp-connect 10.9.2.2 5432 --send hello --timeout 2500
expect "UDP by address" on a/web sock udp-send 10.9.2.2 5353 --send hello
expect "UDP that no rule allows" refuse on a/web sock udp-send 10.9.2.2 5354 --send hello --timeout 1500

kill -9 "$(cat "$work/b/pid")"
sleep 1
expect "b's daemon killed: allowed pair still connects" many_connects 10.9.2.2
expect "b's daemon killed: wrong tag still rejected" refuse on a/batch sock tcp-connect 10.9.2.2 5432 --send hello --timeout 2500
expect "b starts again" start b
expect "b again: allowed pair" many_connects 10.9.2.2

on a/web sock tcp-connect 10.9.2.2 5432 --send hello --hold 40000 --tick 100 >"$work/live" 2>&1 &
within_seconds 20 said "$work/live" held
before=$(revision b)
policy Reject | put_policy b
expect "b takes the new policy" within_seconds 20 changed_revision b "$before"
expect "live connection is cut" within_seconds 20 said "$work/live" dead
expect "and cannot be opened again" refuse on a/web sock tcp-connect 10.9.2.2 5432 --send hello --timeout 2500
expect "disable ends enforcement" control b disable --yes
expect "everything passes b" on x sock tcp-connect 10.9.2.2 5432 --send hello
