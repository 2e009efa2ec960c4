# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Two machines with a wire between them. The server's Enforcer has the root cgroup: its host is the processing
# unit. The client works it over a shell connection that is older than the Enforcer, as an administrator
# would; that this connection goes on is part of the test.
# Usage: host.sh server|client
# shellcheck source=tests/kernels/guest/lib.sh
. /guest/lib.sh

role=$1
trap '' PIPE # a lost shell connection is a result, not an end
case "$role" in
server) own=1 ;;
client) own=2 ;;
esac
ip addr add "10.8.0.$own/24" dev eth0
ip -6 addr add "fd08::$own/64" dev eth0 nodad
ip link set eth0 up

if [ "$role" = server ]; then
    # shellcheck disable=SC2034 # read by configuration()
    host_enabled=true
    configuration server 1 /
    listen tcp-listen 22
    listen tcp-listen 8080
    listen tcp-listen 9000
    exec nc -l -p 2222 -e /guest/shell.sh
fi

# ---- client ----

# remote COMMAND: runs in the server, over the one connection
remote()
{
    echo "$*" >&3
    # shellcheck disable=SC3045 # the shell is busybox's
    while IFS= read -r -t 90 line <&4; do
        case "$line" in
        "END "*) return "${line#END }" ;;
        *) echo "$line" ;;
        esac
    done
    echo "no answer over the shell connection"
    return 99
}

# The server listens for it last and for one connection only: try until it does.
connect_shell()
{
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        rm -f "$work/to" "$work/from"
        mkfifo "$work/to" "$work/from"
        nc 10.8.0.1 2222 <"$work/to" >"$work/from" 2>/dev/null &
        exec 3>"$work/to" 4<"$work/from"
        remote true && return
        sleep 1
    done
    return 1
}

# server_policy EXTRA_INCOMING_RULES: standard form, with what is added
server_policy()
{
    cat <<END
APIVersion: 1
label: host
data:
  namespaces:
    - {name: /shop, defaultPUIncomingTrafficAction: Reject, defaultPUOutgoingTrafficAction: Reject}
  externalnetworks:
    - {name: admins, namespace: /shop, entries: [10.8.0.2/32, 'fd08::2/128'], associatedTags: ['externalnetwork:name=admins']}
    - {name: server, namespace: /shop, entries: [10.8.0.1/32, 'fd08::1/128'], associatedTags: ['externalnetwork:name=server']}
  networkrulesetpolicies:
    - name: server
      namespace: /shop
      subject: [['app=server']]
      incomingRules:
        - {action: Allow, object: [['externalnetwork:name=admins']], protocolPorts: [tcp/22]}
        - {action: Allow, object: [['app=client']], protocolPorts: ['tcp/9000:9001']}
$1
    - name: client
      namespace: /shop
      subject: [['app=client']]
      outgoingRules:
        - {action: Allow, object: [['app=server']], protocolPorts: ['tcp/9000:9001']}
END
}

# give_policy NAME RULES: to the server, through the shell
give_policy()
{
    server_policy "$1" | while IFS= read -r line; do
        printf "echo '%s' >>%s/policy.new\n" "$(printf %s "$line" | sed "s/'/'\\\\''/g")" "$work"
    done >"$work/commands"
    remote "rm -f $work/policy.new" || return
    while IFS= read -r command; do
        remote "$command" || return
    done <"$work/commands"
    remote "put_policy server <$work/policy.new"
}

give_policy_and_wait()
{
    before=$(remote revision server)
    give_policy "$1" && remote "within_seconds 20 changed_revision server '$before'"
}

failure_details()
{
    control client counters | grep -v ' 0$'
    remote control server counters | grep -v ' 0$'
    control client flows | tail -n 4
    remote control server flows | tail -n 4
}

pings()
{
    ping -c 2 -W 2 "$1"
}

reach()
{
    within_seconds 60 sh -c "sock tcp-connect 10.8.0.1 22 >/dev/null"
}

expect "machines see each other" reach
expect "shell connection" connect_shell
remote true || exit 1 # nothing below can be asked without it
expect "before: closed port answers" answers ECONNREFUSED sock tcp-connect 10.8.0.1 9
expect "before: ping answers" pings 10.8.0.1
expect "policy to the server" give_policy ""
expect "server's Enforcer takes the root cgroup" remote start_enforcer server
expect "every program attached" remote all_attached server
expect "older connection goes on" remote true
expect "address that a rule allows" sock tcp-connect 10.8.0.1 22 --send hello
expect "the same with IPv6: neighbour discovery passes" sock tcp-connect fd08::1 22 --send hello
expect "open port without a rule is silent" answers ETIMEDOUT sock tcp-connect 10.8.0.1 8080 --timeout 2500
expect "closed port is silent" answers ETIMEDOUT sock tcp-connect 10.8.0.1 9 --timeout 2500
expect "closed port is silent, IPv6" answers ETIMEDOUT sock tcp-connect fd08::1 9 --timeout 2500
expect "closed UDP port is silent" answers ETIMEDOUT sock udp-send 10.8.0.1 9 --connected --send hello --timeout 1500
expect "ICMP is judged" refuse pings 10.8.0.1
expect "ICMPv6 echo is judged" refuse pings fd08::1
expect "server may not go out: EPERM" remote answers EPERM sock tcp-connect 10.8.0.2 80

expect "policy with ICMP and tcp/8080" give_policy_and_wait "        - {action: Allow, object: [['externalnetwork:name=admins']], protocolPorts: [icmp/8, icmp6/128, tcp/8080]}"
expect "ping answers by a rule" pings 10.8.0.1
expect "ICMPv6 echo answers by a rule" pings fd08::1
expect "port answers by a rule" sock tcp-connect 10.8.0.1 8080 --send hello

# An Enforcer on the client's root cgroup as well: two kernels prove identities to each other.
# shellcheck disable=SC2034
host_enabled=true
configuration client 2 /
server_policy "" | put_policy client
expect "describe, both ways" sh -c "bulkhead-enforcer describe --config $work/client/enforcer.yaml >$work/client.peer"
remote "bulkhead-enforcer describe --config $work/server/enforcer.yaml" >"$work/client/peers.d/server.yaml"
remote "rm -f $work/client.peer"
while IFS= read -r line; do
    remote "echo '$(printf %s "$line" | sed "s/'/'\\\\''/g")' >>$work/client.peer"
done <"$work/client.peer"
expect "server gets the client's peer file" remote "cp $work/client.peer $work/server/peers.d/client.yaml"
expect "server knows the client's keys" remote within_seconds 20 has_peers server 1
expect "client's Enforcer takes the root cgroup" start_enforcer client
expect "older connection goes on, enforced on both ends" remote true
expect "older listener, allowed by identity" within_seconds 20 sock tcp-connect 10.8.0.1 9000 --send hello
[ -z "$expect_failed" ] || failure_details | sed 's/^/    /'
expect "client verified the server" counted client identity_synack_verified 1
expect "server verified the client" remote counted server identity_ack_verified 1
expect "the same with IPv6" sock tcp-connect fd08::1 9000 --send hello
expect "listener that is younger than the Enforcer" remote listen tcp-listen 9001
expect "younger listener, allowed by identity" sock tcp-connect 10.8.0.1 9001 --send hello
expect "its programs are attached" remote all_attached server
expect "known identity is not let in by its address: EPERM" answers EPERM sock tcp-connect 10.8.0.1 22
kill -9 "$(cat "$work/client/pid")"
expect "daemon killed: still allowed by identity" sock tcp-connect 10.8.0.1 9000 --send hello
expect "daemon killed: still enforced" answers EPERM sock tcp-connect 10.8.0.1 22
expect "older connection went on all the time" remote true
echo 'poweroff -f' >&3
sleep 1
