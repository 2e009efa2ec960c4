# SPDX-License-Identifier: Apache-2.0
"""
Servers that listened before the Enforcer was there, on a kernel that cannot have sock_ops write
their proofs (before 6.11): tc does it. Forced here; tests/kernels has kernels that need it.
"""

import contextlib

import pytest

from estate import option, policy, wait_for
from support import (D, OTHER, SVC, W, Change, Claim, accepted_by, identity_bytes, into, out, pair,
                     quiet, rejected_by, tcp)
from test_handshake import DUAL_STACK_SERVER, cookies_received, sysctl

GARBAGE = b"\xde\xad\xbe\xef\xde\xad\xbe\xef"
FORCED = {"BULKHEAD_OLD_LISTENERS": "tc"}
EVERYWHERE = {4: "0.0.0.0", 6: "::"}


def answering(enforcer):
    """Which devices have the program, and whether it is there."""
    return {hook.split()[-1]: there for hook, there in enforcer.programs().items()
            if "SYN-ACK" in hook}


def filters(host):
    devices = host.json("ip", "-j", "link")
    return "".join(host.exec("tc", "filter", "show", "dev", device["ifname"], "egress").stdout
                   for device in devices)


def answers(sniffer):
    """The SYN-ACKs that it has seen."""
    return [packet for packet in sniffer.named("packet") if packet["flags"] & 0x12 == 0x12]


class Older:
    """The Enforcer of b started after the servers."""

    def __init__(self, estate):
        self.estate = estate
        self.enforcer = estate.enforcer("b")
        self.servers = []

    def listen(self, unit, port, *words, ip=4, **where):
        where.setdefault("address", EVERYWHERE[ip])
        self.servers.append(self.estate.b.listen(unit, port, *words, ip=ip, **where))
        return self.servers[-1]

    def start(self, text):
        self.enforcer.write_policy(text)
        self.enforcer.start()
        self.estate.enforcer("a").apply(text)
        wait_for(lambda: answering(self.enforcer).get("eth0"), what="program for SYN-ACKs")

    def connect(self, port, ip=4, unit="web", **more):
        return self.estate.a.connect(unit, self.estate.b.addresses[ip], port, **more)


@pytest.fixture
def older(estate):
    it = Older(estate)
    estate.apply(policy())
    it.enforcer.stop()
    it.enforcer.detach()
    it.enforcer.environment = FORCED
    try:
        yield it
    finally:
        it.enforcer.environment = {}
        if it.enforcer.process:
            it.enforcer.stop()
        it.enforcer.detach()
        left = filters(estate.b)
        for server in it.servers:
            server.kill()
        it.enforcer.write_policy(policy())
        it.enforcer.start()
        assert "bulkhead" not in left


def test_proven_at_both_ends(older, estate, ip, port):
    older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}")))
    near, far = Change(estate.enforcer("a")), Change(older.enforcer)
    with estate.r1.sniff("mid", port) as sniffer:
        assert older.connect(port, ip).ok
        wait_for(lambda: len(sniffer.named("packet")) >= 3, what="three packets")
    assert all(identity_bytes(packet["options"]) for packet in sniffer.named("packet")[:3])
    near.wait("identity_synack_verified")
    far.wait("identity_ack_verified")
    assert far["identity_synack_sent"] == 1
    flow = accepted_by(older.enforcer, port, "receiver-in")
    assert W in flow["source"]["tags"] and D in flow["destination"]["tags"]
    assert D in accepted_by(estate.enforcer("a"), port, "sender-out")["destination"]["tags"]
    assert not older.enforcer.status()["warnings"]


def test_both_families_in_one_socket(older, estate, port):
    with estate.b.start("/usr/bin/python3", "-c", DUAL_STACK_SERVER, port, unit="db") as server:
        wait_for(lambda: "ready" in server.lines, what="server")
        older.start(policy(pair(f"tcp/{port}")))
        change = Change(older.enforcer)
        assert older.connect(port, 4).ok and older.connect(port, 6).ok
        change.wait("identity_ack_verified", 2)


def test_wrong_tag(older, estate, ip, port):
    older.listen("db", port, ip=ip)
    older.start(policy([*pair(f"tcp/{port}"), out("other-out", OTHER, D, f"tcp/{port}")]))
    assert older.connect(port, ip, unit="other", timeout=700).error == "ETIMEDOUT"
    rejected_by(older.enforcer, port)
    assert estate.c.connect("web", estate.b.addresses[ip], port, timeout=700).error == "ETIMEDOUT"
    assert older.connect(port, ip).ok


def test_wrong_server(older, estate, ip, port):
    """The proof says svc: it is the listener's unit that is proven, not what the opener hopes for."""
    older.listen("svc", port, ip=ip)
    older.start(policy([out("web-out", W, D, f"tcp/{port}"), into("svc-in", SVC, W,
                                                                   f"tcp/{port}")]))
    assert not older.connect(port, ip).ok
    flow = rejected_by(estate.enforcer("a"), port)
    assert SVC in flow["destination"]["tags"]


def test_forged_proof(older, estate, ip, port):
    """A true claim, answered with a proof, gets no further without one of its own."""
    server = older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}")))
    claim = Claim(estate, "web")
    change = Change(older.enforcer)
    with quiet(estate.c, port):
        result = estate.c.forge(
            "handshake", "--source", f"{estate.c.addresses[ip]},{estate.port()}", "--destination",
            f"{estate.b.addresses[ip]},{port}", "--timeout", 500, "--syn-options",
            option(1, claim.identity, claim.hello), "--ack-options",
            option(1, claim.identity, GARBAGE), "--data", "forged")
    assert identity_bytes(result.named("synack")[0]["options"])
    assert not result.named("echo") and not server.named("accepted")
    change.wait("mac_mismatch")
    rejected_by(older.enforcer, port, dropReason="mac_mismatch")


FORGE_ANSWER = """
import socket, sys
port = int(sys.argv[1])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)
s.bind(('eth0', 3))
print('ready', flush=True)
while True:
    frame = bytearray(s.recv(4096))
    if frame[12:14] != b'\\x08\\x00' or frame[23] != 6:
        continue
    if int.from_bytes(frame[34:36], 'big') != port or frame[47] != 0x12:
        continue
    del frame[-20:]
    frame[16:18] = (int.from_bytes(frame[16:18], 'big') - 20).to_bytes(2, 'big')
    frame[38:42] = b'FAKE'
    frame[46] -= 0x50
    s.send(frame)
    print('sent', flush=True)
    break
"""


def test_packet_socket_gets_no_proof(older, estate, port):
    """A SYN-ACK that no listener made is left as it is, whatever its numbers say."""
    older.listen("db", port)
    older.start(policy(pair(f"tcp/{port}")))
    with estate.r2.sniff("to-b", port) as sniffer, \
            estate.b.start("/usr/bin/python3", "-c", FORGE_ANSWER, port, unit="db") as forger:
        wait_for(lambda: "ready" in forger.lines, what="forger")
        assert older.connect(port).ok
        wait_for(lambda: "sent" in forger.lines, what="forged SYN-ACK")
        wait_for(lambda: [p for p in sniffer.named("packet")
                          if p["seq"] == int.from_bytes(b"FAKE", "big")], what="its arrival")
        for packet in answers(sniffer):
            fake = packet["seq"] == int.from_bytes(b"FAKE", "big")
            assert fake == (identity_bytes(packet["options"]) is None)


def test_sent_again(older, estate, ip, port):
    """Every SYN-ACK has the proof: the first, those of the timer, and answers to SYNs sent again."""
    older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}")))
    with estate.r2.sniff("to-b", port) as sniffer:
        estate.to_a.lose("synack", 1, 2, port=port)
        assert older.connect(port, ip, timeout=6000).ok
        wait_for(lambda: len(answers(sniffer)) >= 3, what="three SYN-ACKs")
    assert all(identity_bytes(packet["options"]) for packet in answers(sniffer))


def test_neighbour_unknown(older, estate, ip, port):
    """The SYN-ACK waits for the router's link address and leaves in another context."""
    older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}")))
    estate.b.ip("neigh", "flush", "dev", "eth0")
    assert older.connect(port, ip, timeout=4000).ok


def test_syn_cookies(older, estate, ip, port):
    older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}")))
    change = Change(older.enforcer)
    with sysctl(estate.b, "net.ipv4.tcp_syncookies", 2, 1):
        before = cookies_received(estate.b)
        assert older.connect(port, ip).ok
        assert cookies_received(estate.b) > before
    change.wait("identity_ack_verified")


@contextlib.contextmanager
def checksums_made(host, device):
    """The kernel computes what it leaves to the device otherwise; so the receiver looks at it."""
    host.exec("ethtool", "-K", device, "tx", "off")
    try:
        yield
    finally:
        host.exec("ethtool", "-K", device, "tx", "on")


def test_checksum(older, estate, ip, port):
    older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}")))
    with checksums_made(estate.b, "eth0"):
        assert older.connect(port, ip).ok
    assert older.connect(port, ip).ok


@pytest.mark.parametrize("address", [{4: "127.0.0.1", 6: "::1"}, {4: "10.2.0.2", 6: "fd00:2::2"}],
                         ids=["loopback", "own-address"])
def test_same_host(older, estate, ip, port, address):
    older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}", sender=SVC)))
    change = Change(older.enforcer)
    assert estate.b.connect("svc", address[ip], port).ok
    assert not estate.b.connect("outer", address[ip], port, timeout=300).ok
    change.wait("identity_ack_verified")
    change.wait("identity_synack_verified")


def test_younger_listener_writes_once(older, estate, ip, port):
    younger = estate.port()
    older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}", f"tcp/{younger}")))
    older.listen("db", younger, ip=ip)
    change = Change(older.enforcer)
    with estate.r2.sniff("to-b", younger) as sniffer:
        assert older.connect(younger, ip).ok
        wait_for(lambda: answers(sniffer), what="SYN-ACK")
    assert answers(sniffer)[0]["options"].count("fe14b1c4") == 1
    assert change["identity_synack_sent"] == 1 and not change["identity_no_room"]


def test_daemon_comes_and_goes(older, estate, ip, port):
    older.listen("db", port, ip=ip)
    older.start(policy(pair(f"tcp/{port}")))
    older.enforcer.kill()
    assert older.connect(port, ip).ok
    older.enforcer.environment = {}
    older.enforcer.start()
    assert older.connect(port, ip).ok
    wait_for(lambda: older.enforcer.counters()["connections_accepted"], what="counters")
    assert all(answering(older.enforcer).values()) and "lo" in answering(older.enforcer)


def test_gone_when_no_older_listener_is_left(older, port):
    """Seen at the daemon's next start: nobody pays for the program longer than that."""
    server = older.listen("db", port)
    older.start(policy(pair(f"tcp/{port}")))
    assert "bulkhead_synack" in filters(older.estate.b)
    server.kill()
    older.enforcer.restart()
    wait_for(lambda: not answering(older.enforcer), what="program gone")
    assert "bulkhead_synack" not in filters(older.estate.b)


def test_not_there_without_older_listeners(older, estate, port):
    older.enforcer.write_policy(policy(pair(f"tcp/{port}")))
    older.enforcer.start()
    estate.enforcer("a").apply(policy(pair(f"tcp/{port}")))
    wait_for(lambda: tcp(estate, port).ok, what="a younger listener")
    wait_for(lambda: older.enforcer.flows(port), what="the daemon's first rounds")
    assert not answering(older.enforcer)


def test_other_network_namespace(older, estate, ip, port):
    """The listener's namespace is not the Enforcer's: the program goes to its devices, too."""
    address, box = estate.c.addresses[ip], estate.c.netns
    older.listen("db", port, address=address, netns=box)
    older.start(policy(pair(f"tcp/{port}")))
    change = Change(older.enforcer)
    wait_for(lambda: "bulkhead_synack" in filters(estate.c), what="its program")
    assert estate.a.connect("web", address, port).ok
    assert estate.x.connect(None, address, port, timeout=400).error == "ETIMEDOUT"
    change.wait("identity_ack_verified")
    older.enforcer.stop()
    older.enforcer.detach()
    assert "bulkhead" not in filters(estate.c)


def test_enforcer_that_is_older_than_its_identity(estate):
    """As one that registers while it runs: what listened before the first start proves itself too."""
    enforcer, port = estate.enforcer("b"), estate.port()
    given = {key: enforcer.config[key] for key in ("identity", "peers")}
    text = policy(pair(f"tcp/{port}", receiver=SVC))
    enforcer.stop()
    enforcer.detach()
    try:
        with estate.b.listen("svc", port):
            enforcer.write_policy(text)
            enforcer.restart(**dict.fromkeys(given))
            enforcer.restart(**given)
            estate.enforcer("a").apply(text)
            result = estate.a.connect("web", estate.b.addresses[4], port)
            assert result.ok, result
            accepted_by(enforcer, port, "receiver-in")
    finally:
        enforcer.restart(**given)
