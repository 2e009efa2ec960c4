# SPDX-License-Identifier: Apache-2.0
"""UDP, ICMP and other IP protocols: by address, stateful for replies."""

import time

import pytest

from estate import policy, wait_for
from support import D, LAN, W, Change, accepted_by, into, lan, out, rejected_by, tcp, udp

ECHO = {4: "icmp/8/0", 6: "icmp6/128/0"}
ANY_ICMP = {4: "icmp", 6: "icmp6"}


def lan_policy(ports_out=(), ports_in=(), **more):
    rulesets = []
    if ports_out:
        rulesets.append(out("lan-out", W, LAN, *ports_out))
    if ports_in:
        rulesets.append(into("lan-in", D, LAN, *ports_in))
    return policy(rulesets, [lan()], **more)


def test_udp_allowed_with_its_replies(estate, ip, port):
    estate.apply(lan_policy([f"udp/{port}"], [f"udp/{port}"]))
    assert udp(estate, port, ip).ok
    assert udp(estate, port, ip, words=("--connected",)).ok
    accepted_by(estate.enforcer("a"), port, "lan-out")
    accepted_by(estate.enforcer("b"), port, "lan-in")


def test_udp_rejected_at_sender(estate, ip, port):
    estate.apply(lan_policy([f"udp/{estate.port()}"], [f"udp/{port}"]))
    assert udp(estate, port, ip).error == "EPERM"
    assert udp(estate, port, ip, words=("--connected",)).error == "EPERM"
    rejected_by(estate.enforcer("a"), port)


def test_udp_rejected_at_receiver(estate, ip, port):
    estate.apply(lan_policy([f"udp/{port}"]))
    assert udp(estate, port, ip).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port)


def test_udp_rejected_to_a_closed_port_is_silent(estate, ip, port):
    estate.apply(lan_policy([f"udp/{port}"]))
    result = estate.a.sock("web", "udp-send", estate.b.addresses[ip], port, "--connected",
                           "--timeout", 400)
    assert result.error == "ETIMEDOUT"


def test_udp_closed_port_answers_when_allowed(estate, ip, port):
    """The ICMP error belongs to a flow of ours: it passes."""
    estate.apply(policy([out("lan-out", W, LAN, f"udp/{port}"),
                         into("host-in", "app=host", LAN, f"udp/{port}")], [lan()]))
    result = estate.a.sock("web", "udp-send", estate.b.addresses[ip], port, "--connected",
                           "--timeout", 1000)
    assert result.error == "ECONNREFUSED"


def test_unsolicited_datagram_rejected(estate, ip, port):
    """To the open port of a client, from the server it talks to, but from another port."""
    other = estate.port()
    estate.apply(policy([out("lan-out", W, LAN, f"udp/{port}"),
                         into("lan-in", D, LAN, f"udp/{port}"),
                         out("db-out", D, LAN, f"udp/{other}")], [lan()]))
    client = f"{estate.a.addresses[ip]},{other}"
    with estate.b.listen("db", port, ip=ip, kind="udp"):
        asking = estate.a.sock_start("web", "udp-send", estate.b.addresses[ip], port, "--bind",
                                     client, "--timeout", 1500, "--count", 1)
        asking.wait_event("echo")
    with estate.a.listen("web", other, ip=ip, kind="udp") as waiting:
        estate.b.sock("db", "udp-send", estate.a.addresses[ip], other, "--timeout", 300)
        assert not waiting.named("data")
    rejected_by(estate.enforcer("a"), other)


def test_udp_large_datagram_in_fragments(estate, ip, port):
    estate.apply(lan_policy([f"udp/{port}"], [f"udp/{port}"]))
    assert udp(estate, port, ip, words=("--size", 6000)).ok


def test_udp_large_datagram_rejected(estate, ip, port):
    estate.apply(lan_policy([f"udp/{port}"]))
    assert udp(estate, port, ip, words=("--size", 6000)).error == "ETIMEDOUT"


def test_udp_from_outsider(estate, ip, port):
    estate.apply(lan_policy([], [f"udp/{port}"]))
    assert udp(estate, port, ip, source=("c", None)).ok
    assert udp(estate, port, ip, source=("x", None)).error == "ETIMEDOUT"


def host_policy(ip, *, far=True):
    """a/web may ping; b answers as the host, because no socket of a unit receives an echo."""
    rulesets = [out("echo-out", W, LAN, ECHO[ip])]
    if far:
        rulesets.append(into("echo-in", "app=host", LAN, ECHO[ip]))
    return policy(rulesets, [lan()])


def ping(estate, ip, source="web", *words):
    return estate.a.sock(source, "ping", estate.b.addresses[ip], 0, "--timeout", 500, *words)


def test_icmp_echo_allowed(estate, ip):
    estate.apply(host_policy(ip))
    assert ping(estate, ip).ok


def test_icmp_echo_rejected_at_sender(estate, ip):
    estate.apply(host_policy(ip))
    assert ping(estate, ip, "other").error in ("EPERM", "ETIMEDOUT")
    wait_for(lambda: [flow for flow in estate.enforcer("a").flows(action="Reject")
                      if "icmp" in flow["protocol"] and flow["source"]["name"] == "other"
                      and flow["destination"]["ip"] == estate.b.addresses[ip]],
             what="report of the rejected echo")


def test_icmp_echo_rejected_at_receiver(estate, ip):
    estate.apply(host_policy(ip, far=False))
    assert ping(estate, ip).error == "ETIMEDOUT"


def test_icmp_other_type_is_another_rule(estate, ip):
    other = {4: "icmp/13/0", 6: "icmp6/139/0"}[ip]
    estate.apply(policy([out("other-out", W, LAN, other),
                         into("echo-in", "app=host", LAN, ANY_ICMP[ip])], [lan()]))
    assert ping(estate, ip).error in ("EPERM", "ETIMEDOUT")


def test_icmp_whole_protocol(estate, ip):
    estate.apply(policy([out("icmp-out", W, LAN, ANY_ICMP[ip]),
                         into("icmp-in", "app=host", LAN, ANY_ICMP[ip])], [lan()]))
    assert ping(estate, ip).ok


@pytest.mark.parametrize("protocol, name", [(253, None), (47, "gre")])
def test_other_protocol(estate, ip, protocol, name):
    """By address; a protocol without a name can only be allowed as part of any."""
    ports = [name] if name else ["any"]
    estate.apply(lan_policy(ports, ports))
    with estate.b.listen("db", protocol, ip=ip, kind="raw"):
        assert estate.a.sock("web", "raw-send", estate.b.addresses[ip], protocol).ok


@pytest.mark.parametrize("far", [False, True], ids=["at-sender", "at-receiver"])
def test_other_protocol_rejected(estate, ip, far):
    estate.apply(lan_policy(["gre"] if far else ["udp/1"], []))
    with estate.b.listen("db", 47, ip=ip, kind="raw") as server:
        result = estate.a.sock("web", "raw-send", estate.b.addresses[ip], 47, "--timeout", 300)
        assert not result.ok and not server.named("data")


def test_neighbour_discovery_under_reject(estate, port):
    """Both directions Reject, no rule at all for ICMPv6: neighbours are found all the same."""
    estate.apply(policy([out("web-out", W, D, f"tcp/{port}"), into("db-in", D, W, f"tcp/{port}")]))
    estate.a.ip("-6", "neigh", "flush", "dev", "eth0")
    estate.b.ip("-6", "neigh", "flush", "dev", "eth0")
    estate.r1.ip("-6", "neigh", "flush", "dev", "to-a")
    estate.r2.ip("-6", "neigh", "flush", "dev", "to-b")
    assert tcp(estate, port, 6, timeout=3000).ok


def test_router_discovery_under_reject(estate):
    """Solicitation out, advertisement in: types 133 and 134 (RFC 4861)."""
    estate.apply(policy())
    done = estate.a.exec("/usr/bin/python3", "-c", ROUTER_SOLICITATION, unit="web", check=False)
    assert done.returncode == 0, done.stderr


ROUTER_SOLICITATION = """
import socket
index = socket.if_nametoindex('eth0')
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(bytes([133]) + bytes(7), ('ff02::2', 0, 0, index))
"""


def test_path_mtu_error_reaches_the_sender(estate, ip, port):
    """Too big for the middle link: the router's ICMP error passes, the next send says EMSGSIZE."""
    estate.apply(lan_policy([f"udp/{port}"], [f"udp/{port}"]))
    routers = (estate.r1, estate.r2)
    try:
        for router in routers:
            router.ip("link", "set", "mid", "mtu", 1280)
        change = Change(estate.enforcer("a"))
        result = udp(estate, port, ip, timeout=300,
                     words=("--size", 1400, "--no-fragment", "--count", 2))
        assert [event["errno"] for event in result.named("error")][-1] == "EMSGSIZE"
        change.wait("icmp_related")
    finally:
        for router in routers:
            router.ip("link", "set", "mid", "mtu", 1500)
        estate.a.ip("route", "flush", "cache")
        estate.a.ip("-6", "route", "flush", "cache")


def test_unreachable_error_reaches_the_client(estate, ip, port):
    """The router's ICMP error about a TCP connection of ours: seen at once, not after a timeout."""
    nowhere = {4: "10.77.0.1", 6: "fd00:77::1"}[ip]
    estate.apply(lan_policy([f"tcp/{port}"]))
    for router in (estate.r1,):
        router.ip(*(["-6"] if ip == 6 else []), "route", "add", "unreachable",
                  {4: "10.77.0.0/24", 6: "fd00:77::/64"}[ip])
    try:
        started = time.monotonic()
        result = estate.a.connect("web", nowhere, port, timeout=4000)
        assert result.error in ("EHOSTUNREACH", "ENETUNREACH") and time.monotonic() - started < 3
    finally:
        estate.r1.ip(*(["-6"] if ip == 6 else []), "route", "del", "unreachable",
                     {4: "10.77.0.0/24", 6: "fd00:77::/64"}[ip])


def test_udp_rule_is_revoked(estate, ip, port):
    """A flow that was allowed is judged anew by its next datagram."""
    estate.apply(lan_policy([f"udp/{port}"], [f"udp/{port}"]))
    with estate.b.listen("db", port, ip=ip, kind="udp"):
        words = ("udp-send", estate.b.addresses[ip], port, "--bind",
                 f"{estate.a.addresses[ip]},{estate.port()}", "--timeout", 400)
        assert estate.a.sock("web", *words).ok
        estate.enforcer("b").apply(lan_policy([], [f"udp/{estate.port()}"]))
        assert estate.a.sock("web", *words).error == "ETIMEDOUT"
