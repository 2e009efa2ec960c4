# SPDX-License-Identifier: Apache-2.0
"""The estate of the tests: two enforced hosts, two without agent, two routers in a row.

     a 10.1.0.2 ─┐                            ┌─ b 10.2.0.2
     c 10.3.0.2 ─┤ r1 10.9.0.1 ── 10.9.0.2 r2 ┘
   x 192.0.2.7 ──┘                                a, b: Enforcer; c: none; x: none, and outside
                                                  targetNetworks. IPv6 alike.
"""

import itertools

from .enforcer import Enforcer
from .host import Host
from .middlebox import Box
from .system import wait_for

LINKS = (  # host, router, IPv4 of the host, of the router, the same in IPv6
    ("a", "r1", "10.1.0.2", "10.1.0.1", "fd00:1::2", "fd00:1::1"),
    ("b", "r2", "10.2.0.2", "10.2.0.1", "fd00:2::2", "fd00:2::1"),
    ("c", "r1", "10.3.0.2", "10.3.0.1", "fd00:3::2", "fd00:3::1"),
    ("x", "r1", "192.0.2.7", "192.0.2.1", "2001:db8::7", "2001:db8::1"),
)
UNITS = {
    "a": {"web": ["app=web"], "other": ["app=other"], "outer": ["app=outer"],
          "outer/inner": ["app=inner"]},
    "b": {"db": ["app=db"], "svc": ["app=svc"], "outer": ["app=outer"],
          "outer/inner": ["app=inner"]},
}
NUMBERS = {"a": 1, "b": 2}


def join(left, left_interface, right, right_interface):
    left.ip("link", "add", left_interface, "type", "veth", "peer", "name", right_interface,
            "netns", right.netns)


def address(host, interface, *addresses):
    for text in addresses:
        width = 64 if ":" in text else 24
        words = ["addr", "add", f"{text}/{width}", "dev", interface]
        host.ip(*words, *(["nodad"] if ":" in text else []))
    host.ip("link", "set", interface, "up")


class Estate:
    """Hosts and routers; the Enforcers are made but not started."""

    def __init__(self, system, label="", enforcers=True):
        self.system = system
        self.ports = itertools.count(20000)
        self.hosts = {name: Host(system, label + name) for name in ("a", "b", "c", "x", "r1", "r2")}
        self._wire()
        self._warm_up()
        self.to_b = Box(self.r2, "to-b")
        self.to_a = Box(self.r1, "to-a")
        self.enforcers = {}
        if enforcers:
            self.enforcers = {name: Enforcer(self.hosts[name], NUMBERS[name], units)
                              for name, units in UNITS.items()}

    def __getattr__(self, name):
        try:
            return self.__dict__["hosts"][name]
        except KeyError as error:
            raise AttributeError(name) from error

    def _wire(self):
        for router in (self.r1, self.r2):
            router.sysctl("net.ipv4.ip_forward", 1)
            router.sysctl("net.ipv6.conf.all.forwarding", 1)
        for name, router, v4, gateway4, v6, gateway6 in LINKS:
            host, router = self.hosts[name], self.hosts[router]
            join(host, "eth0", router, f"to-{name}")
            address(host, "eth0", v4, v6)
            address(router, f"to-{name}", gateway4, gateway6)
            host.ip("route", "add", "default", "via", gateway4)
            host.ip("-6", "route", "add", "default", "via", gateway6)
            host.addresses = {4: v4, 6: v6}
        join(self.r1, "mid", self.r2, "mid")
        address(self.r1, "mid", "10.9.0.1", "fd00:9::1")
        address(self.r2, "mid", "10.9.0.2", "fd00:9::2")
        self.r1.addresses, self.r2.addresses = ({4: "10.9.0.1", 6: "fd00:9::1"},
                                                {4: "10.9.0.2", 6: "fd00:9::2"})
        self.r1.ip("route", "add", "10.2.0.0/24", "via", "10.9.0.2")
        self.r1.ip("-6", "route", "add", "fd00:2::/64", "via", "fd00:9::2")
        self.r2.ip("route", "add", "default", "via", "10.9.0.1")
        self.r2.ip("-6", "route", "add", "default", "via", "fd00:9::1")

    def _warm_up(self):
        """Addresses usable, neighbours known: the first packet of a test is not the first of all."""
        for name in "abcx":
            for ip in (4, 6):
                host = self.hosts[name]
                target = self.b if name != "b" else self.a
                wait_for(lambda h=host, t=target, i=ip:
                         h.sock(None, "ping", t.addresses[i], 0, "--timeout", 200).ok,
                         what=f"{name} reaches {target.name} by IPv{ip}")

    def port(self):
        """A port that no other test uses: flow reports are told apart by it."""
        return next(self.ports)

    # ---- enforcers ----

    def start(self):
        self.exchange()
        for enforcer in self.enforcers.values():
            enforcer.start()

    @property
    def daemons(self):
        """Processes that stay from test to test."""
        return [enforcer.process for enforcer in self.enforcers.values()]

    def end_tools(self):
        """Everything that a test left running."""
        for process in list(self.system.processes):
            if process not in self.daemons:
                process.kill()

    def exchange(self):
        """Every host's peer file to all others."""
        for one in self.enforcers.values():
            text = one.describe()
            for other in self.enforcers.values():
                if other is not one:
                    other.write_peer(one.number, text)

    def await_peers(self):
        """Until every Enforcer knows all others."""
        for enforcer in self.enforcers.values():
            wait_for(lambda e=enforcer: e.status()["peers"], what="peers")

    def apply(self, text):
        """The same policy on every enforced host, in the kernel when this returns."""
        for enforcer in self.enforcers.values():
            enforcer.apply(text)

    def ensure(self):
        """Whatever the last test did: Enforcers run, the path is straight."""
        for enforcer in self.enforcers.values():
            if enforcer.process is None or not enforcer.process.running:
                enforcer.start()

    def enforcer(self, name):
        return self.enforcers[name]

    def close(self):
        for enforcer in self.enforcers.values():
            if enforcer.process and enforcer.process.running:
                enforcer.stop()
