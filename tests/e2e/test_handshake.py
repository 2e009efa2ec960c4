# SPDX-License-Identifier: Apache-2.0
"""The corners of the TCP handshake, each with an allowed pair that has to get through."""

import contextlib

import pytest

from estate import policy, wait_for
from support import (D, OTHER, W, Change, accepted_by, by_address, identity_bytes, into, out, pair,
                     tcp)


@pytest.mark.parametrize("kind, box", [("syn", "to_b"), ("synack", "to_a"), ("ack", "to_b")])
def test_lost_and_retransmitted(estate, ip, port, kind, box):
    estate.apply(policy(pair(f"tcp/{port}")))
    change = Change(estate.enforcer("b"))
    box = getattr(estate, box)
    box.lose(kind, port=port)
    assert tcp(estate, port, ip, timeout=4000).ok
    assert box.seen()["dropped"] == 1
    accepted_by(estate.enforcer("b"), port, "receiver-in")
    change.wait("identity_ack_verified")
    assert not change["identity_fallback"] and not change["mac_mismatch"]


def test_several_acknowledgements_lost(estate, ip, port):
    """ACK and the first data are lost: proof comes with whatever arrives first."""
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.to_b.lose("ack", 1, 3, port=port)
    assert tcp(estate, port, ip, timeout=6000).ok


@contextlib.contextmanager
def sysctl(host, name, value, back):
    host.sysctl(name, value)
    try:
        yield
    finally:
        host.sysctl(name, back)


def test_syn_cookies(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    change = Change(estate.enforcer("b"))
    with sysctl(estate.b, "net.ipv4.tcp_syncookies", 2, 1):
        assert tcp(estate, port, ip).ok
        assert cookies_received(estate.b) > 0
        change.wait("identity_ack_verified")
    accepted_by(estate.enforcer("b"), port, "receiver-in")


def test_syn_cookies_reject(estate, ip, port):
    """The wrong tag does not get in by way of the cookie either."""
    estate.apply(policy([*pair(f"tcp/{port}"), out("other-out", OTHER, D, f"tcp/{port}")]))
    with sysctl(estate.b, "net.ipv4.tcp_syncookies", 2, 1):
        assert tcp(estate, port, ip, source=("a", "other")).error == "ETIMEDOUT"


def cookies_received(host):
    names, values = (line.split() for line in host.exec("cat", "/proc/net/netstat").stdout.splitlines()
                     if line.startswith("TcpExt:"))
    return int(dict(zip(names, values))["SyncookiesRecv"])


@contextlib.contextmanager
def plugged(estate, ip):
    """Packets for a and b wait at the last router until release() because it lacks their MAC.
    Yields release and a function that tells whether there are some for both."""
    ends = [(estate.r1, "to-a", estate.a), (estate.r2, "to-b", estate.b)]
    macs = []
    for router, interface, host in ends:
        macs.append(host.json("ip", "-j", "link", "show", "eth0")[0]["address"])
        if ip == 4:
            host.sysctl("net.ipv4.conf.eth0.arp_ignore", 8)
        else:
            router.nft("table inet plug { chain in {\n type filter hook input priority 0;\n"
                       "icmpv6 type { nd-neighbor-advert, nd-neighbor-solicit } drop\n } \n}")
        router.ip("neigh", "flush", "dev", interface)

    def release():
        for (router, interface, host), mac in zip(ends, macs):
            router.ip("neigh", "replace", host.addresses[ip], "lladdr", mac, "dev", interface)

    def both_wait():
        return all("INCOMPLETE" in router.ip("neigh", "show", host.addresses[ip], "dev", interface).stdout
                   for router, interface, host in ends)

    try:
        yield release, both_wait
    finally:
        for router, interface, host in ends:
            if ip == 4:
                host.sysctl("net.ipv4.conf.eth0.arp_ignore", 0)
            else:
                router.nft("delete table inet plug")


def test_simultaneous_open(estate, ip, port):
    """Two SYNs cross on the way; both ends are clients."""
    there, back = estate.port(), port
    ports = [f"tcp/{there}", f"tcp/{back}"]
    estate.apply(policy([*pair(*ports), out("db-out", D, W, *ports), into("web-in", W, D, *ports)]))
    near, far = estate.a.addresses[ip], estate.b.addresses[ip]
    with plugged(estate, ip) as (release, both_wait), estate.r1.sniff("mid", there) as sniffer:
        words = ["--send", "cross", "--timeout", 4000]
        one = estate.a.sock_start("web", "tcp-connect", far, there, "--bind", f"{near},{back}",
                                  *words)
        two = estate.b.sock_start("db", "tcp-connect", near, back, "--bind", f"{far},{there}",
                                  *words)
        wait_for(both_wait, what="both SYNs wait at a router")
        release()
        for client in (one, two):
            assert client.wait(8).ok, client.events
    flags = {packet["flags"] & 0x12 for packet in sniffer.named("packet")[:2]}
    assert flags == {2}, "the first two packets are SYNs"


def test_port_reuse(estate, ip, port):
    """The same four-tuple again while the last one is in TIME_WAIT."""
    estate.apply(policy(pair(f"tcp/{port}")))
    source = f"{estate.a.addresses[ip]},{estate.port()}"
    for _ in range(3):
        assert tcp(estate, port, ip, words=("--bind", source, "--reuse"), timeout=3000).ok


def test_port_reuse_by_another_unit(estate, ip, port):
    """What one unit proved is of no use to the next owner of its port."""
    estate.apply(policy([*pair(f"tcp/{port}"), out("other-out", OTHER, D, f"tcp/{port}")]))
    words = ("--bind", f"{estate.a.addresses[ip]},{estate.port()}", "--reuse")
    assert tcp(estate, port, ip, words=words).ok
    assert not tcp(estate, port, ip, source=("a", "other"), words=words).ok


def test_fast_open_client(estate, ip, port):
    """Data in a SYN proves nothing; the client's stack falls back and nothing is lost or doubled."""
    estate.apply(policy([*pair(f"tcp/{port}")]))
    with sysctl(estate.a, "net.ipv4.tcp_fastopen", 3, 1), \
            sysctl(estate.b, "net.ipv4.tcp_fastopen", 3, 1), \
            estate.b.listen("db", port, "--fastopen", ip=ip) as server:
        for i in range(3):
            result = estate.a.connect("web", estate.b.addresses[ip], port, "--fastopen",
                                      send=f"fast{i}", timeout=6000)
            assert result.ok, result
        wait_for(lambda: len(server.named("data")) >= 3, what="data of three connections")
        assert [event["text"] for event in server.named("data")] == ["fast0", "fast1", "fast2"]


def test_fast_open_does_not_let_the_wrong_tag_in(estate, ip, port):
    estate.apply(policy([*pair(f"tcp/{port}"), out("other-out", OTHER, D, f"tcp/{port}")]))
    with sysctl(estate.a, "net.ipv4.tcp_fastopen", 3, 1), \
            sysctl(estate.b, "net.ipv4.tcp_fastopen", 3, 1), \
            estate.b.listen("db", port, "--fastopen", ip=ip) as server:
        assert estate.a.connect("web", estate.b.addresses[ip], port, "--fastopen", send="cookie",
                                timeout=6000).ok
        assert not estate.a.connect("other", estate.b.addresses[ip], port, "--fastopen",
                                    send="steal", timeout=1500).ok
        assert "steal" not in [event["text"] for event in server.named("data")]


def test_multipath(estate, ip, port):
    """MPTCP leaves no room for the option: by address, once reported."""
    estate.apply(by_address(f"tcp/{port}"))
    change = Change(estate.enforcer("a"))
    assert tcp(estate, port, ip, words=("--mptcp",), server_words=("--mptcp",)).ok
    accepted_by(estate.enforcer("b"), port, "lan-in")
    change.wait("identity_no_room")


def test_multipath_without_address_rule(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    assert not tcp(estate, port, ip, words=("--mptcp",), server_words=("--mptcp",)).ok


def test_plain_client_of_a_multipath_server(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    assert tcp(estate, port, ip, server_words=("--mptcp",)).ok


def test_option_space_full(estate, ip, port):
    near, far = estate.a.addresses[ip], estate.b.addresses[ip]
    estate.apply(by_address(f"tcp/{port}"))
    change = Change(estate.enforcer("a"))
    assert tcp(estate, port, ip, words=("--md5", far), server_words=("--md5", near)).ok
    accepted_by(estate.enforcer("b"), port, "lan-in")
    change.wait("identity_no_room")


def test_option_space_full_is_said_once(estate):
    """Whatever the ports: one report for a peer, and every connection counted."""
    enforcer, ports = estate.enforcer("a"), [estate.port() for _ in range(3)]
    near, far = estate.a.addresses, estate.b.addresses
    estate.apply(by_address(*(f"tcp/{port}" for port in ports)))
    enforcer.stop()
    enforcer.detach()  # what earlier tests told is forgotten
    enforcer.start()
    change = Change(enforcer)
    for port in ports:
        assert tcp(estate, port, 4, words=("--md5", far[4]), server_words=("--md5", near[4])).ok
        enforcer.wait_flow(port, action="Accept")
    assert tcp(estate, ports[0], 6, words=("--md5", far[6]), server_words=("--md5", near[6])).ok
    change.wait("identity_no_room", 4)
    assert change["identity_no_room"] == 4

    def said():
        return sorted(flow["destination"]["ip"] for port in ports for flow in enforcer.flows(port)
                      if flow["dropReason"] == "identity_no_room")

    wait_for(lambda: len(said()) >= 2, what="a report of each address")
    assert said() == sorted([far[4], far[6]])


def test_small_mtu(estate, ip, port):
    """1,280 bytes on the middle link; both ends believe in 1,500 until ICMP tells them."""
    estate.apply(policy(pair(f"tcp/{port}")))
    routers = (estate.r1, estate.r2)
    try:
        for router in routers:
            router.ip("link", "set", "mid", "mtu", 1280)
        change = Change(estate.enforcer("a"))
        assert tcp(estate, port, ip, words=("--bulk", 400000), server_words=("--silent",),
                   timeout=5000).ok
        change.wait("icmp_related")
    finally:
        for router in routers:
            router.ip("link", "set", "mid", "mtu", 1500)
        for host in (estate.a, estate.b):
            host.ip("route", "flush", "cache")
            host.ip("-6", "route", "flush", "cache")
    accepted_by(estate.enforcer("b"), port, "receiver-in")


@pytest.mark.parametrize("address", [{4: "127.0.0.1", 6: "::1"}, {4: "10.1.0.2", 6: "fd00:1::2"}],
                         ids=["loopback", "own-address"])
def test_same_host(estate, ip, port, address):
    """Unit to unit on one host: the same protocol with the Enforcer's own key."""
    estate.apply(policy(pair(f"tcp/{port}", receiver=OTHER)))
    change = Change(estate.enforcer("a"))
    with estate.a.listen("other", port, address=address[ip]):
        assert estate.a.connect("web", address[ip], port).ok
        assert not estate.a.connect("outer", address[ip], port, timeout=300).ok
    change.wait("identity_ack_verified")
    change.wait("identity_synack_verified")


def test_listener_on_the_other_family(estate, port):
    """IPv4 client of a server on [::]: mapped addresses are IPv4."""
    estate.apply(policy(pair(f"tcp/{port}")))
    with estate.b.start("/usr/bin/python3", "-c", DUAL_STACK_SERVER, port, unit="db") as server:
        wait_for(lambda: "ready" in server.lines, what="server")
        assert estate.a.connect("web", estate.b.addresses[4], port).ok
        assert estate.a.connect("web", estate.b.addresses[6], port).ok
    flow = accepted_by(estate.enforcer("b"), port, "receiver-in")
    assert not flow["source"]["ip"].startswith("::ffff:")


DUAL_STACK_SERVER = """
import socket, sys
server = socket.create_server(('::', int(sys.argv[1])), family=socket.AF_INET6,
                              dualstack_ipv6=True)
print('ready', flush=True)
while True:
    client, _ = server.accept()
    client.sendall(client.recv(100))
    client.close()
"""


def test_many_connections(estate, ip, port):
    """A burst of handshakes: every one proven in both directions, none by luck."""
    estate.apply(policy(pair(f"tcp/{port}")))
    near, far = Change(estate.enforcer("a")), Change(estate.enforcer("b"))
    with estate.b.listen("db", port, "--silent", ip=ip):
        clients = [estate.a.sock_start("web", "tcp-connect", estate.b.addresses[ip], port,
                                       "--send", f"n{i}", "--timeout", 5000) for i in range(60)]
        assert all(client.wait(10).ok for client in clients)
    near.wait("identity_synack_verified", 60)
    far.wait("identity_ack_verified", 60)
    assert not far["mac_mismatch"] and not near["mac_mismatch"]


def test_listener_closes_between(estate, ip, port):
    """Refused by the server's kernel, not by policy: the client learns it at once."""
    estate.apply(policy(pair(f"tcp/{port}")))
    result = estate.a.connect("web", estate.b.addresses[ip], port, timeout=3000)
    assert result.error in ("ECONNREFUSED", "ETIMEDOUT")


def test_option_only_towards_target_networks(estate, ip, port):
    """x is outside of targetNetworks: it never sees an identity."""
    estate.apply(policy([out("out", W, "externalnetwork:name=any", f"tcp/{port}")],
                        [{"name": "any", "entries": ["0.0.0.0/0", "::/0"],
                          "associatedTags": ["externalnetwork:name=any"]}]))
    with estate.x.listen(None, port, ip=ip), estate.x.sniff("eth0", port) as sniffer:
        assert estate.a.connect("web", estate.x.addresses[ip], port).ok
    packets = sniffer.named("packet")
    assert packets and not any(identity_bytes(p["options"]) for p in packets)
