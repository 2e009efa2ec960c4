# SPDX-License-Identifier: Apache-2.0
"""excludedInterfaces count in the host's own network namespace: a container chooses the number of
its interfaces, and must not get around the policy with it."""

import pytest

from estate import policy
from support import D, LAN, SVC, into, lan, tcp, udp

INSIDE = {4: "10.6.0.2", 6: "fd00:6::2"}
GATEWAY = {4: "10.6.0.1", 6: "fd00:6::1"}
WIDTH = {4: 24, 6: 64}


class Container:
    """A network namespace of its own on host b; its eth0 has the number of the host's eth0."""

    def __init__(self, estate):
        self.host = estate.b
        self.netns = estate.system.make_namespace("bc")
        number = self.number(None)
        self.ip("link", "set", "lo", "up")
        self.ip("link", "add", "name", "eth0", "index", number, "type", "veth", "peer", "name",
                "to-bc", "netns", estate.r2.netns)
        assert self.number(self.netns) == number
        estate.r2.ip("link", "set", "to-bc", "up")
        self.ip("link", "set", "eth0", "up")
        for version, inside in INSIDE.items():
            family, nodad = f"-{version}", ["nodad"] if version == 6 else []
            width = WIDTH[version]
            self.ip(family, "addr", "add", f"{inside}/{width}", "dev", "eth0", *nodad)
            estate.r2.ip(family, "addr", "add", f"{GATEWAY[version]}/{width}", "dev", "to-bc",
                         *nodad)
            self.ip(family, "route", "add", "default", "via", GATEWAY[version])
        estate.r1.ip("route", "add", "10.6.0.0/24", "via", "10.9.0.2")
        estate.r1.ip("-6", "route", "add", "fd00:6::/64", "via", "fd00:9::2")

    def ip(self, *words):
        return self.host.exec("ip", *words, netns=self.netns)

    def number(self, netns):
        return int(self.host.exec("cat", "/proc/net/dev_snmp6/eth0", netns=netns)
                   .stdout.split()[1])

    def listen(self, unit, port, ip, **where):
        return self.host.listen(unit, port, address=INSIDE[ip], netns=self.netns, **where)


@pytest.fixture(scope="module")
def container(_started):
    return Container(_started)


@pytest.fixture
def excluding(estate):
    with estate.enforcer("b").configured(excludedInterfaces=["eth0"]):
        yield estate


def test_the_host_is_excluded(excluding, ip, port):
    estate = excluding
    estate.apply(policy())
    assert tcp(estate, port, ip, source=("c", None)).ok
    assert udp(estate, port, ip, source=("c", None)).ok
    assert tcp(estate, port, ip, source=("b", "db"), target=("c", None)).ok
    assert udp(estate, port, ip, source=("b", "db"), target=("c", None)).ok
    assert not estate.enforcer("b").flows(port)


def test_a_container_is_not(excluding, container, ip, port):
    estate = excluding
    estate.apply(policy())
    with container.listen("svc", port, ip):
        assert estate.c.connect(None, INSIDE[ip], port, timeout=700).error == "ETIMEDOUT"
    with container.listen("svc", port, ip, kind="udp"):
        assert not estate.c.sock(None, "udp-send", INSIDE[ip], port, "--timeout", 500).ok
    with estate.c.listen(None, port, ip=ip):
        assert not estate.b.connect("svc", estate.c.addresses[ip], port, timeout=700,
                                    netns=container.netns).ok
    with estate.c.listen(None, port, ip=ip, kind="udp"):
        assert estate.b.sock("svc", "udp-send", estate.c.addresses[ip], port, "--timeout", 500,
                             netns=container.netns).error == "EPERM"
    assert estate.enforcer("b").wait_flow(port, action="Reject")


def test_older_than_the_enforcer(estate, container, ip, port):
    """Sockets that were there before: the host's are known to be its own, the container's not."""
    b = estate.enforcer("b")
    estate.apply(policy())
    b.stop()
    b.detach()
    with estate.b.listen("db", port, ip=ip), container.listen("svc", port, ip):
        here = estate.c.hold(None, estate.b.addresses[ip], port)
        there = estate.c.hold(None, INSIDE[ip], port)
        with b.configured(excludedInterfaces=["eth0"]):
            assert estate.c.connect(None, estate.b.addresses[ip], port).ok
            assert estate.c.connect(None, INSIDE[ip], port, timeout=700).error == "ETIMEDOUT"
            b.apply(policy([into("no-db", D, LAN, "any", action="Reject"),
                            into("no-svc", SVC, LAN, "any", action="Reject")], [lan()]))
            there.wait_event("dead", 3)
            assert here.running and not here.named("dead")


def test_connections_stay_over_changes(excluding, ip, port):
    """Idle, judged by nobody: a policy that rejects everything does not find them either."""
    estate = excluding
    estate.apply(policy())
    with estate.b.listen("db", port, ip=ip):
        idle = estate.c.hold(None, estate.b.addresses[ip], port)
        busy = estate.c.hold(None, estate.b.addresses[ip], port, "--tick", 20)
        for action in ("Reject", "Allow", "Reject"):
            estate.enforcer("b").apply(policy([into("db-lan", D, LAN, "any", action=action)],
                                              [lan()]))
        assert estate.c.connect(None, estate.b.addresses[ip], port).ok
        assert not idle.named("dead") and not busy.named("dead")
