# SPDX-License-Identifier: Apache-2.0
"""What both demos have in common: a small shop, its traffic, and the table of verdicts.

Hosts are network namespaces with a cgroup subtree and an Enforcer each; web runs nginx, db runs
Redis, the outsider has no agent. All real packets, over a router that translates addresses on the
path of api and maps a port on the path of web.
"""

import datetime
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from estate import Host, System, wait_for  # noqa: E402
from estate.network import address, join  # noqa: E402

POLICY = ROOT / "demo" / "policy"
CLIENT = ROOT / "demo" / "client.py"
REPORT_SECONDS = 4.0
MAPPED_PORT = 16379
ADDRESSES = {  # host: IPv4, gateway, IPv6, gateway
    "web": ("10.20.1.2", "10.20.1.1", "fd00:20:1::2", "fd00:20:1::1"),
    "api": ("10.20.2.2", "10.20.2.1", "fd00:20:2::2", "fd00:20:2::1"),
    "db": ("10.20.3.2", "10.20.3.1", "fd00:20:3::2", "fd00:20:3::1"),
    "outsider": ("192.0.2.7", "192.0.2.1", "2001:db8::7", "2001:db8::1"),
}
UNITS = {
    "web": {"nginx": ["app=web"], "batch": ["app=batch"]},
    "api": {"api": ["app=api"]},
    "db": {"redis": ["app=db"]},
}
NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{ listen 80; listen [::]:80; return 200 "shop\\n"; }}
}}
"""
ROUTER = """
table ip shop {
    chain mapped {
        type nat hook prerouting priority -100;
        iifname "to-web" ip daddr 10.20.1.1 tcp dport 16379 dnat to 10.20.3.2:6379
    }
    chain translated {
        type nat hook postrouting priority 100;
        iifname "to-api" oifname "to-db" masquerade
    }
}
"""
QUIET = """
table inet quiet {
    chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }
    chain through { type filter hook forward priority 0; tcp dport 41000 drop; }
}
"""


class Shop:
    """The estate: hosts, router, servers, Enforcers. Where policy comes from is the demos' own."""

    def __init__(self, system, more_addresses=None):
        self.system = system
        self.addresses = {**ADDRESSES, **(more_addresses or {})}
        self.hosts = {name: Host(system, name) for name in self.addresses}
        self.router = Host(system, "router")
        self.enforcers = {}
        self._wire()

    def _wire(self):
        self.router.sysctl("net.ipv4.ip_forward", 1)
        self.router.sysctl("net.ipv6.conf.all.forwarding", 1)
        for name, (v4, gateway4, v6, gateway6) in self.addresses.items():
            host = self.hosts[name]
            join(host, "eth0", self.router, f"to-{name}")
            address(host, "eth0", v4, v6)
            address(self.router, f"to-{name}", gateway4, gateway6)
            host.ip("route", "add", "default", "via", gateway4)
            host.ip("-6", "route", "add", "default", "via", gateway6)
            host.addresses = {4: v4, 6: v6}
        self.router.nft(ROUTER)

    def start_servers(self):
        directory = self.system.directory / "nginx"
        directory.mkdir()
        config = directory / "nginx.conf"
        config.write_text(NGINX.format(directory=directory), encoding="utf-8")
        self.hosts["web"].start("nginx", "-c", config, "-p", directory, unit="nginx")
        self.hosts["db"].start("redis-server", "--port", 6379, "--bind", "*", "-::*",
                               "--protected-mode", "no", "--save", "", "--appendonly", "no",
                               "--dir", self.system.directory, unit="redis")
        for name, kind, port in (("web", "http", 80), ("db", "redis", 6379)):
            wait_for(lambda n=name, k=kind, p=port: self.ask("outsider", None, k, n, p)["ok"], 10,
                     what=f"{name} serves (without any Enforcer yet)")
        for ip in (4, 6):
            wait_for(lambda i=ip: self.ask("web", None, "redis", "db", 6379, i)["ok"], 10,
                     what=f"web reaches db by IPv{ip} (neighbours known on the whole path)")

    def stop_enforcers(self):
        for enforcer in self.enforcers.values():
            if enforcer.process:
                enforcer.stop()

    def ask(self, host, unit, kind, target, port, ip=4):
        """One request; `target` is a host's name or an address."""
        to = self.hosts[target].addresses[ip] if target in self.hosts else target
        result = self.hosts[host].tool(unit, sys.executable, CLIENT, kind, to, port)
        return {"ok": result.ok, "ms": result.ms, "errno": result.error}

    def hold(self, host, unit, target, port):
        client = self.hosts[host].start(sys.executable, CLIENT, "redis",
                                        self.hosts[target].addresses[4], port, "hold", unit=unit)
        client.wait_event("answered")
        return client

    def forge(self, sender, source, syn="", ack="", seq=1000000):
        """A handshake with db by hand; nobody else answers in the forger's stead."""
        sender.nft(QUIET)
        started = time.monotonic()
        try:
            result = sender.forge("handshake", "--source", f"{source},41000", "--destination",
                                  f"{ADDRESSES['db'][0]},6379", "--syn-options", syn,
                                  "--ack-options", ack, "--seq", seq, "--data", "PING\r\n")
        finally:
            sender.nft("delete table inet quiet")
        return {"ok": bool(result.named("echo")), "errno": None,
                "ms": round((time.monotonic() - started) * 1000, 1)}

    def claim_of_web(self):
        """Web's option in a SYN, read from the wire as anyone on the path can."""
        sniffer = self.router.sniff("to-web", 6379)
        self.ask("web", "nginx", "redis", "db", 6379)
        options = bytes.fromhex(sniffer.wait_event("packet")["options"])
        sniffer.kill()
        at = options.find(b"\xfe\x14\xb1\xc4")
        if at < 0:
            raise RuntimeError("web's SYN carries no identity option")
        return options[at:at + 20]


def now_text():
    """The time as flow reports have it: texts that can be compared."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23]


def name_of(flow):
    reason = flow.get("dropReason")
    if reason and reason != "policy":
        return reason
    named = (flow.get("policyName"), flow.get("ruleName"))
    return " ".join(part for part in named if part) or "(not named)"


class Table:
    """Scenarios as they are played; verdicts as they are seen."""

    def __init__(self, shop):
        self.shop = shop
        self.rows = []

    def play(self, scenario, expected, decider, act):
        """`act` makes the traffic; the host `decider` is the one whose report names the rule."""
        enforcer = self.shop.enforcers[decider]
        since = now_text()
        outcome = act()
        if not enforcer.process:
            enforcer.start()
        seen = outcome.get("seen") or ("Accept" if outcome["ok"] else "Reject")
        action = "Accept" if seen == "Accept" else "Reject"
        self.add(scenario, expected, seen, self.decided(enforcer, since, action), outcome["ms"])

    def add(self, scenario, expected, seen, by, ms):
        self.rows.append((scenario, expected, seen, by, f"{ms:.0f}"))
        self.print_row(self.rows[-1])

    @staticmethod
    def decided(enforcer, since, action):
        def look():
            return [flow for flow in enforcer.flows(action=action) if flow["timestamp"] >= since]
        try:
            found = wait_for(look, REPORT_SECONDS)
        except AssertionError:
            return f"{enforcer.host.name}: no report"
        return f"{enforcer.host.name}: {name_of(max(found, key=lambda f: f['timestamp']))}"

    WIDTHS = (48, 9, 9, 34, 6)

    def print_header(self):
        print(self.line(("scenario", "expected", "seen", "decided by", "ms")))
        print("  ".join("-" * width for width in self.WIDTHS), flush=True)

    def line(self, cells):
        padded = [cell.ljust(width) for cell, width in zip(cells[:-1], self.WIDTHS)]
        return "  ".join([*padded, cells[-1].rjust(self.WIDTHS[-1])])

    def print_row(self, row):
        text = self.line(row)
        if sys.stdout.isatty():
            text = f"\033[{32 if self.right(row) else 31}m{text}\033[0m"
        print(text, flush=True)

    @staticmethod
    def right(row):
        return row[1] == row[2] and "no report" not in row[3]

    def verdict(self):
        """Exit status of the demo."""
        n_right = sum(self.right(row) for row in self.rows)
        print(f"\n{n_right} of {len(self.rows)} as expected")
        return 0 if n_right == len(self.rows) else 1


# ---- What happens in both demos ----

def play_identity(table, shop):
    ask = shop.ask
    table.play("allowed pair: web -> db", "Accept", "db",
               lambda: ask("web", "nginx", "redis", "db", 6379))
    table.play("allowed pair, IPv6", "Accept", "db",
               lambda: ask("web", "nginx", "redis", "db", 6379, ip=6))
    table.play("wrong tag: batch -> db", "Reject", "db",
               lambda: ask("web", "batch", "redis", "db", 6379))
    table.play("right tag, but a host without agent -> db", "Reject", "db",
               lambda: ask("outsider", "nginx", "redis", "db", 6379))
    table.play("right address, no identity -> db", "Reject", "db",
               lambda: shop.forge(shop.router, ADDRESSES["web"][0], "020405b4"))
    claim = shop.claim_of_web()
    table.play("forged option: claims to be web -> db", "Reject", "db",
               lambda: shop.forge(shop.hosts["outsider"], ADDRESSES["outsider"][0],
                                  claim.hex(), (claim[:12] + b"\x5a" * 8).hex()))
    table.play("visitor, by address: outsider -> web", "Accept", "web",
               lambda: ask("outsider", None, "http", "web", 80))


def play_paths(table, shop):
    table.play("source NAT on the path: api -> db", "Accept", "db",
               lambda: shop.ask("api", "api", "redis", "db", 6379))
    table.play("port mapped on the path: web -> router -> db", "Accept", "db",
               lambda: shop.ask("web", "nginx", "redis", ADDRESSES["web"][1], MAPPED_PORT))


def play_defaults(table, shop):
    table.play("namespace default Reject: api -> web", "Reject", "api",
               lambda: shop.ask("api", "api", "http", "web", 80))
    shop.apply("monitoring.yaml")
    table.play("namespace default Allow: api -> web", "Accept", "web",
               lambda: shop.ask("api", "api", "http", "web", 80))
    shop.apply("shop.yaml")


def play_live(table, shop, where):
    """`where`: the policy is changed there; what is live runs elsewhere."""
    client = shop.hold("web", "nginx", "db", 6379)

    def change():
        started = time.monotonic()
        shop.cut_web_off()
        try:
            wait_for(lambda: client.named("dead") or client.named("closed"), 3, 0.001)
            seen = "Cut"
        except AssertionError:
            seen = "alive"
        return {"seen": seen, "ms": (time.monotonic() - started) * 1000}

    table.play(f"live connection, policy changed {where}", "Cut", "db", change)
    client.kill()
    shop.restore()
    table.play("and changed back: web -> db", "Accept", "db",
               lambda: shop.ask("web", "nginx", "redis", "db", 6379))


def play_killed(table, shop, what="all daemons killed (-9)"):
    """The daemons are killed before each; the report is told by the next one."""
    for scenario, expected, unit in ((f"{what}: web -> db", "Accept", "nginx"),
                                     (f"{what}: batch -> db", "Reject", "batch")):
        def act(u=unit):
            for enforcer in shop.enforcers.values():
                if enforcer.process:
                    enforcer.kill()
            return shop.ask("web", u, "redis", "db", 6379)
        table.play(scenario, expected, "db", act)


# ---- Start and end ----

def _interrupted(number, _frame):
    raise SystemExit(128 + number)


def main(play):
    """play(system) with a System that is cleaned up, whatever happens."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        system = System()
    except (RuntimeError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    try:
        return play(system)
    except (AssertionError, RuntimeError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    finally:
        system.close()
