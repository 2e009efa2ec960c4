# SPDX-License-Identifier: Apache-2.0
"""What many tests say: who talks to whom, and what must have come of it."""

import contextlib

from estate import external, policy, rule, ruleset, wait_for

W, D, SVC, OTHER, HOST = "app=web", "app=db", "app=svc", "app=other", "app=host"
LAN = "externalnetwork:name=lan"
LAN_ENTRIES = ("10.0.0.0/8", "fd00::/8")
PARTNERS = "externalnetwork:name=partners"
PARTNER_ENTRIES = ("192.0.2.0/24", "2001:db8::/32")


def out(name, subject, target, *ports, **more):
    return ruleset(name, subject, outgoing=[rule(target, *ports, **more)])


def into(name, subject, target, *ports, **more):
    return ruleset(name, subject, incoming=[rule(target, *ports, **more)])


def pair(*ports, sender=W, receiver=D):
    """The two rulesets that let a pair talk."""
    return [out("sender-out", sender, receiver, *ports), into("receiver-in", receiver, sender,
                                                              *ports)]


def lan(**more):
    return external("lan", *LAN_ENTRIES, **more)


def partners(*entries, **more):
    return external("partners", *PARTNER_ENTRIES, *entries, **more)


def by_address(*ports, subject_out=W, subject_in=D):
    """Rulesets that let the pair talk by address only."""
    return policy([out("lan-out", subject_out, LAN, *ports),
                   into("lan-in", subject_in, LAN, *ports)], [lan()])


def tcp(estate, port, ip=4, source=("a", "web"), target=("b", "db"), address=None, timeout=700,
        words=(), server_words=(), **where):
    """One connection from a unit to a unit; the result of the client."""
    sender, receiver = estate.hosts[source[0]], estate.hosts[target[0]]
    with receiver.listen(target[1], port, *server_words, ip=ip):
        return sender.connect(source[1], address or receiver.addresses[ip], port, *words,
                              timeout=timeout, **where)


def udp(estate, port, ip=4, source=("a", "web"), target=("b", "db"), timeout=500, words=()):
    sender, receiver = estate.hosts[source[0]], estate.hosts[target[0]]
    with receiver.listen(target[1], port, ip=ip, kind="udp"):
        return sender.sock(source[1], "udp-send", receiver.addresses[ip], port, "--timeout",
                           timeout, *words)


def rejected_by(enforcer, port, name=None, **wanted):
    """Wait for the report of a reject: by this ruleset, or by the namespace's default."""
    if name:
        wanted["policyName"] = name
    elif "dropReason" not in wanted:
        wanted["policyId"] = "default"
    return enforcer.wait_flow(port, action="Reject", **wanted)


def accepted_by(enforcer, port, name, **wanted):
    return enforcer.wait_flow(port, action="Accept", policyName=name, **wanted)


class Change:
    """How counters of one Enforcer moved since the beginning."""

    def __init__(self, enforcer):
        self.enforcer = enforcer
        self.before = enforcer.counters()

    def __getitem__(self, name):
        return self.enforcer.counters()[name] - self.before[name]

    def wait(self, name, at_least=1):
        return wait_for(lambda: self[name] >= at_least, interval=0.05,
                        what=lambda: f"{self.enforcer.host.name}: {name} +{at_least}; changed: {self.all()}")

    def all(self):
        now = self.enforcer.counters()
        return {name: now[name] - value for name, value in self.before.items()
                if now[name] != value}


@contextlib.contextmanager
def nft(host, table, text):
    """A table in a router for a while."""
    host.nft(f"table {table} {{\n{text}\n}}\n")
    try:
        yield
    finally:
        host.nft(f"delete table {table}\n")


@contextlib.contextmanager
def quiet(host, port):
    """The kernel of this host does not answer the forger's connections with RST."""
    with nft(host, "inet quiet", "chain out {\n type filter hook output priority 0;\n"
                                 f"tcp flags & rst == rst tcp dport {port} drop\n}}"):
        yield


def real_options(estate, port, ip=4):
    """Option bytes of SYN, SYN-ACK and first ACK of a real handshake of the allowed pair."""
    with estate.b.listen("db", port, ip=ip), estate.r1.sniff("mid", port) as sniffer:
        assert estate.a.connect("web", estate.b.addresses[ip], port).ok
    packets = sniffer.named("packet")
    return [identity_bytes(packet["options"]) for packet in packets[:3]], packets


def identity_bytes(options):
    """The identity option (hex) among TCP options (hex); None when absent."""
    data = bytes.fromhex(options)
    at = 0
    while at < len(data) and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        length = data[at + 1]
        if data[at] == 254 and data[at + 2:at + 4] == b"\xb1\xc4":
            return data[at:at + length].hex()
        at += length
    return None


class Claim:
    """What a unit of host a says of itself in a SYN, read from the wire as anyone on the path can."""

    def __init__(self, estate, unit):
        port = estate.port()
        with estate.r1.sniff("to-a", port) as sniffer:
            estate.enforcer("a").apply(policy([out("probe", f"app={unit}", D, f"tcp/{port}")]))
            estate.a.connect(unit, estate.b.addresses[4], port, timeout=100)
            packet = sniffer.wait_event("packet")
        data = bytes.fromhex(identity_bytes(packet["options"]))
        self.enforcer = int.from_bytes(data[4:8], "big")
        self.identity = int.from_bytes(data[8:12], "big")
        self.hello = data[12:]
        self.epoch = int.from_bytes(self.hello[2:4], "big")
