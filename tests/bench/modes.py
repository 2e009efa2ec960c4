# SPDX-License-Identifier: Apache-2.0
"""What judges the traffic of a world: nftables in two shapes, NFQUEUE, Bulkhead. Both ends, always."""

import ipaddress
import subprocess

from enforcer import Enforcer
from lab import SERVER_PORT, BenchError, Lab
from pairs import Mode

LINEAR_RULES = 1000
QUEUE = 7
PORTS = f"{SERVER_PORT}-{SERVER_PORT + 2}"


def strangers(count):
    """Addresses that no world has, so that a linear list is walked to its end."""
    base = int(ipaddress.ip_address("203.0.0.0"))
    return [str(ipaddress.ip_address(base + i)) for i in range(count)]


class Empty(Mode):
    """The price of the hooks themselves: no program of ours could cost less."""

    name = "empty"
    title = "programs that only return, on cgroup_skb, sock_ops and connect4"
    PROGRAMS = ("empty_ingress", "empty_egress", "empty_sockops", "empty_connect4")

    def __init__(self):
        self.holder = None

    def on(self, world):
        programs = [f"{name}={host.cgroup}" for name in self.PROGRAMS for host in world.hosts()]
        self.holder = world.lab.start(world.lab.tool("bpfbench"), "hold", world.lab.tool("empty.bpf.o"), *programs,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline().strip() != "ready":
            raise BenchError("the empty program was not attached")

    def off(self, world):
        if self.holder:
            world.lab.stop(self.holder)
        self.holder = None


class Nftables(Mode):
    """A host firewall as people write it: replies by conntrack, then rules, then drop."""

    def rules(self, world):
        raise NotImplementedError

    def on(self, world):
        for host in world.hosts():
            Lab.in_netns(host.netns, "nft", "-f", "-", stdin=self.rules(world))

    def off(self, world):
        for host in world.hosts():
            Lab.in_netns(host.netns, "nft", "flush", "ruleset", check=False)
            Lab.in_netns(host.netns, "conntrack", "-F", check=False)


class NftLinear(Nftables):
    name = "nft-linear"
    title = f"nftables, conntrack, {LINEAR_RULES:,} linear rules, match at the end"

    def rules(self, world):
        client = world.client.address
        server = world.server.address
        chains = []
        for hook, side, last in (("input", "saddr", client), ("output", "daddr", server)):
            rules = [f"ip {side} {address} tcp dport {PORTS} accept" for address in strangers(LINEAR_RULES - 1)]
            rules.append(f"ip {side} {last} tcp dport {PORTS} accept")
            chains.append(f"chain {hook} {{ type filter hook {hook} priority 0; policy drop;\n"
                          "ct state established,related accept\n" + "\n".join(rules) + "\n}")
        return "table inet bench {\n" + "\n".join(chains) + "\n}\n"


class NftSet(Nftables):
    name = "nft-set"
    title = f"nftables, conntrack, one set of {LINEAR_RULES:,} (address, port)"

    def rules(self, world):
        ports = range(SERVER_PORT, SERVER_PORT + 3)
        client = world.client.address
        server = world.server.address
        chains = []
        for hook, side, last in (("input", "saddr", client), ("output", "daddr", server)):
            elements = [f"{address} . {SERVER_PORT}" for address in strangers(LINEAR_RULES - 3)]
            elements += [f"{last} . {port}" for port in ports]
            chains.append(f"set {hook}_allowed {{ type ipv4_addr . inet_service; elements = {{ {', '.join(elements)} }} }}\n"
                          f"chain {hook} {{ type filter hook {hook} priority 0; policy drop;\n"
                          f"ct state established,related accept\nip {side} . tcp dport @{hook}_allowed accept\n}}")
        return "table inet bench {\n" + "\n".join(chains) + "\n}\n"


class Nfqueue(Mode):
    """
    Each of the three handshake packets goes through user space once, at the end that receives it. A
    mark in conntrack says that a connection is decided, at both ends, as such agents do it.
    """

    name = "nfqueue"
    title = "NFQUEUE, 3 handshake packets, a C program that only accepts"

    SERVER = f"""*mangle
:DECIDE - [0:0]
-A INPUT -p tcp --tcp-flags SYN,ACK SYN -j NFQUEUE --queue-num {QUEUE}
-A INPUT -p tcp --tcp-flags SYN,ACK ACK -m connmark --mark 0 -j DECIDE
-A DECIDE -j CONNMARK --set-mark 1
-A DECIDE -j NFQUEUE --queue-num {QUEUE}
COMMIT
"""
    CLIENT = f"""*mangle
:DECIDE - [0:0]
-A INPUT -p tcp --tcp-flags SYN,ACK SYN,ACK -m connmark --mark 0 -j DECIDE
-A DECIDE -j CONNMARK --set-mark 1
-A DECIDE -j NFQUEUE --queue-num {QUEUE}
COMMIT
"""

    def __init__(self):
        self.programs = []

    def on(self, world):
        for host, rules in ((world.server, self.SERVER), (world.client, self.CLIENT)):
            program = world.lab.start(world.lab.tool("nfq_accept"), "--netns", f"/run/netns/{host.netns}",
                                      "--cpu", str(world.cpu), *(["--rt"] if world.realtime else []),
                                      "--queue", str(QUEUE), stdout=subprocess.PIPE, text=True)
            self.programs.append(program)
            if program.stdout.readline().strip() != "ready":
                raise BenchError("nfq_accept did not start")
            Lab.in_netns(host.netns, "iptables-legacy-restore", stdin=rules)

    def off(self, world):
        for host in world.hosts():
            Lab.in_netns(host.netns, "iptables-legacy", "-t", "mangle", "-F", check=False)
            Lab.in_netns(host.netns, "iptables-legacy", "-t", "mangle", "-X", check=False)
            Lab.in_netns(host.netns, "conntrack", "-F", check=False)
        for program in self.programs:
            world.lab.stop(program)
        self.programs = []


class Bulkhead(Mode):
    """An Enforcer on each host; the pair knows each other by identity."""

    name = "bulkhead"
    title = "Bulkhead, identity at both ends"

    def __init__(self, name="bulkhead", extra=None, title=None):
        self.name = name
        self.title = title or Bulkhead.title
        self.extra = extra  # extra(host) → rulesets and peers on top, estate.Extra
        self.enforcers = []

    def on(self, world):
        self.enforcers = [
            Enforcer(world.lab, world.client, 1, {"pu": (world.client.pu_cgroup, ["app=bench-client"])}),
            Enforcer(world.lab, world.server, 2, {"pu": (world.server.pu_cgroup, ["app=bench-server"])})]
        for enforcer in self.enforcers:
            enforcer.write_pair_policy(self.extra)
        descriptions = [enforcer.describe() for enforcer in self.enforcers]
        self.enforcers[0].write_peer("b", descriptions[1])
        self.enforcers[1].write_peer("a", descriptions[0])
        for enforcer in self.enforcers:
            enforcer.start()

    def check(self):
        """The figure counts only if connections were let through by proof, not by address."""
        verified = self.enforcers[1].counter("identity_ack_verified")
        if verified == 0:
            raise BenchError("no connection was verified by identity")

    def off(self, world):
        for enforcer in self.enforcers:
            enforcer.remove()
        self.enforcers = []
