# SPDX-License-Identifier: Apache-2.0
"""One host: a network namespace and a cgroup subtree; its processing units are child cgroups."""

import json

from . import system as sys_
from .tool import Process, Result, Sniffer, parse_events


class Host:
    def __init__(self, system, name):
        self.system = system
        self.name = name
        self.netns = system.make_namespace(name)
        self.cgroup = system.cgroup / name
        self.cgroup.mkdir()
        self.addresses = {}  # 4 and 6
        self.exec("ip", "link", "set", "lo", "up")
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)

    @property
    def netns_file(self):
        return f"/run/netns/{self.netns}"

    def cgroup_of(self, unit):
        """Directory of a processing unit's cgroup, made when missing; None: the host itself."""
        path = self.cgroup / unit if unit else self.cgroup
        path.mkdir(parents=True, exist_ok=True)
        return path

    def within(self, unit, *command, netns=None, uid=None):
        words = [sys_.TOOLS / "within", "-c", self.cgroup_of(unit),
                 "-n", f"/run/netns/{netns or self.netns}"]
        if uid is not None:
            words += ["-u", uid]
        return [str(word) for word in [*words, "--", *command]]

    def exec(self, *command, unit=None, check=True, text=None, timeout=30, **where):
        return sys_.run(*self.within(unit, *command, **where), check=check, text=text,
                        timeout=timeout)

    def start(self, *command, unit=None, **where):
        return Process(self.within(unit, *command, **where), self.system)

    def sysctl(self, name, value):
        self.exec("sysctl", "-qw", f"{name}={value}")

    def ip(self, *words, check=True):
        return self.exec("ip", *words, check=check)

    def nft(self, text):
        self.exec("nft", "-f", "-", text=text)

    # ---- traffic ----

    def tool(self, unit, *command, timeout=30, **where):
        done = self.exec(*command, unit=unit, check=False, timeout=timeout, **where)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{command}: {done.returncode} {done.stdout}{done.stderr}")
        return Result(parse_events(done.stdout), done.returncode, done.stderr)

    def sock(self, unit, *words, **where):
        return self.tool(unit, sys_.TOOLS / "sock", *words, **where)

    def sock_start(self, unit, *words, **where):
        return self.start(sys_.TOOLS / "sock", *words, unit=unit, **where)

    def listen(self, unit, port, *words, ip=4, address=None, kind="tcp", **where):
        """An echoing server in the background, ready."""
        server = self.sock_start(unit, f"{kind}-listen", address or self.addresses[ip], port,
                                 *words, **where)
        server.wait_event("ready")
        return server

    def connect(self, unit, address, port, *words, send="hello", timeout=1000, **where):
        """Connect, ask for an echo, close."""
        words = [*words, "--timeout", timeout]
        if send is not None:
            words += ["--send", send]
        return self.sock(unit, "tcp-connect", address, port, *words, **where)

    def hold(self, unit, address, port, *words, hold=120000, timeout=2000, **where):
        """A connection that stays and is watched; returned once it is there."""
        client = self.sock_start(unit, "tcp-connect", address, port, "--send", "hold", "--hold",
                                 hold, "--timeout", timeout, *words, **where)
        client.wait_event("held")
        return client

    def forge(self, *words, **where):
        return self.tool(None, sys_.TOOLS / "forge", *words, **where)

    def sniff(self, interface, port):
        """Every segment of a TCP port; all of them are known after the `with` of it."""
        words = self.within(None, sys_.TOOLS / "forge", "sniff", interface, port)
        process = Sniffer(words, self.system)
        process.wait_event("ready")
        return process

    def json(self, *command):
        return json.loads(self.exec(*command).stdout or "null")
