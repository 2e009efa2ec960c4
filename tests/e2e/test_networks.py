# SPDX-License-Identifier: Apache-2.0
"""External networks, excluded networks and interfaces, default actions, the early EPERM."""

import pytest

from estate import external, policy, rule, ruleset
from support import (D, LAN, OTHER, PARTNERS, W, accepted_by, into, lan, out, pair, partners,
                     rejected_by, tcp, udp)


def test_hole_in_a_network(estate, ip, port):
    """`!CIDR` makes a hole in its own network only."""
    hole = {4: "!10.3.0.0/24", 6: "!fd00:3::/64"}[ip]
    network = external("lan", "10.0.0.0/8", "fd00::/8", hole)
    estate.apply(policy([into("lan-in", D, LAN, f"tcp/{port}")], [network]))
    assert tcp(estate, port, ip, source=("c", None)).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port)
    second = external("c-only", {4: "10.3.0.2/32", 6: "fd00:3::2/128"}[ip])
    estate.apply(policy([into("lan-in", D, LAN, f"tcp/{port}"),
                         into("c-in", D, "externalnetwork:name=c-only", f"tcp/{port}")],
                        [network, second]))
    assert tcp(estate, port, ip, source=("c", None)).ok
    accepted_by(estate.enforcer("b"), port, "c-in")


def test_most_specific_means_nothing(estate, ip, port):
    """Several networks hold one address: all match, reject wins whatever its width."""
    wide = external("wide", "0.0.0.0/0", "::/0")
    narrow = external("narrow", "10.3.0.2", "fd00:3::2")
    for allowed, rejected in (("wide", "narrow"), ("narrow", "wide")):
        estate.apply(policy(
            [into("yes", D, f"externalnetwork:name={allowed}", f"tcp/{port}"),
             into("no", D, f"externalnetwork:name={rejected}", f"tcp/{port}", action="Reject")],
            [wide, narrow]))
        assert tcp(estate, port, ip, source=("c", None), timeout=400).error == "ETIMEDOUT"
        rejected_by(estate.enforcer("b"), port, "no")


def test_reject_by_address_holds_for_a_known_identity(estate, ip, port):
    estate.apply(policy([*pair(f"tcp/{port}"),
                         into("no-lan", D, LAN, f"tcp/{port}", action="Reject")], [lan()]))
    assert tcp(estate, port, ip).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port, "no-lan")


def test_outgoing_to_an_outsider(estate, ip, port):
    estate.apply(policy([out("partners-out", W, PARTNERS, f"tcp/{port}")], [partners()]))
    assert tcp(estate, port, ip, target=("x", None)).ok
    assert tcp(estate, port, ip, source=("a", "other"), target=("x", None)).error == "EPERM"


def test_address_in_no_network(estate, ip, port):
    estate.apply(policy([into("lan-in", D, LAN, f"tcp/{port}")], [lan()]))
    assert tcp(estate, port, ip, source=("x", None)).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port)


def test_port_range(estate, ip):
    first, middle, last, after = (estate.port() for _ in range(4))
    estate.apply(policy(pair(f"tcp/{first}:{last}")))
    for port in (first, middle, last):
        assert tcp(estate, port, ip).ok
    assert tcp(estate, after, ip).error == "EPERM"


def test_several_tags_in_one_clause(estate, port):
    """OR of ANDs: a clause with a tag that the peer lacks does not match."""
    target = [["app=db", "tier=gold"], ["app=svc"]]
    estate.apply(policy([ruleset("web-out", W, outgoing=[rule(target, f"tcp/{port}")]),
                         into("db-in", D, W, f"tcp/{port}"),
                         into("svc-in", "app=svc", W, f"tcp/{port}")]))
    assert tcp(estate, port, target=("b", "svc")).ok
    assert not tcp(estate, port, target=("b", "db")).ok


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("incoming, outgoing, verdict", [
    ("Allow", "Allow", None), ("Reject", "Allow", "ETIMEDOUT"), ("Allow", "Reject", "EPERM"),
    ("Reject", "Reject", "EPERM")])
def test_default_actions(estate, ip, port, incoming, outgoing, verdict, kind):
    estate.apply(policy(incoming=incoming, outgoing=outgoing))
    result = {"tcp": tcp, "udp": udp}[kind](estate, port, ip)
    assert result.error == verdict
    if verdict:
        rejected_by(estate.enforcer("a" if outgoing == "Reject" else "b"), port)
    else:
        flow = estate.enforcer("b").wait_flow(port, action="Accept")
        assert flow["policyId"] == "default"


def test_certain_reject_fails_at_once(estate, ip, port):
    """No identity could help: connect() itself fails, long before any answer could come."""
    estate.apply(policy(pair(f"tcp/{port}")))
    for words in ((estate.b.addresses[ip], estate.port()), (estate.x.addresses[ip], port)):
        result = estate.a.connect("web", *words, timeout=3000)
        assert result.error == "EPERM" and result.ms < 1000
    result = estate.a.sock("web", "udp-send", estate.b.addresses[ip], port, "--connected")
    assert result.error == "EPERM" and result.ms < 1000


def test_certain_reject_by_address_rule(estate, ip, port):
    estate.apply(policy([out("web-out", W, D, f"tcp/{port}"),
                         out("no-lan", W, LAN, "any", action="Reject")], [lan()]))
    result = estate.a.connect("web", estate.b.addresses[ip], port, timeout=3000)
    assert result.error == "EPERM" and result.ms < 1000
    rejected_by(estate.enforcer("a"), port, "no-lan")


def test_excluded_networks(estate, ip, port):
    """Neither judged nor reported."""
    estate.apply(policy())
    with estate.enforcer("b").configured(excludedNetworks=["10.3.0.0/24", "fd00:3::/64"]):
        assert tcp(estate, port, ip, source=("c", None)).ok
        assert udp(estate, port, ip, source=("c", None)).ok
        assert tcp(estate, port, ip, source=("x", None)).error == "ETIMEDOUT"
        assert not [flow for flow in estate.enforcer("b").flows(port)
                    if flow["source"]["ip"] == estate.c.addresses[ip]]
    assert tcp(estate, port, ip, source=("c", None)).error == "ETIMEDOUT"


# Rejected by the opener's side: before the SYN, or once the answer proved who is there.
LOCAL = ("EPERM", "ECONNABORTED")


def test_excluded_interfaces(estate, ip, port):
    """lo is excluded, eth0 is not."""
    estate.apply(policy())
    loopback = {4: "127.0.0.1", 6: "::1"}[ip]
    assert tcp(estate, port, ip, target=("b", "svc"), source=("b", "db"),
               address=estate.b.addresses[ip]).error in LOCAL
    with estate.enforcer("b").configured(excludedInterfaces=["lo"]):
        with estate.b.listen("svc", port, address=loopback):
            assert estate.b.connect("db", loopback, port).ok
        assert tcp(estate, port, ip, source=("c", None)).error == "ETIMEDOUT"
    with estate.b.listen("svc", port, address=loopback):
        assert estate.b.connect("db", loopback, port).error in LOCAL


def test_target_networks_by_configuration(estate, ip, port):
    """Identity only where the configuration says: without it the pair is judged by address."""
    estate.apply(policy(pair(f"tcp/{port}")))
    assert tcp(estate, port, ip).ok
    with estate.enforcer("a").configured(targetNetworks=["198.18.0.0/15"]):
        assert not tcp(estate, port, ip).ok
    assert tcp(estate, port, ip).ok


def test_host_is_the_rest(estate, ip, port):
    """Sockets in no unit's cgroup belong to the host."""
    estate.apply(policy([*pair(f"tcp/{port}", sender="app=host")]))
    assert tcp(estate, port, ip, source=("a", None)).ok
    assert tcp(estate, port, ip, source=("a", "not-a-unit/at-all")).ok
    assert tcp(estate, port, ip, source=("a", "web")).error == "EPERM"
    flow = accepted_by(estate.enforcer("b"), port, "receiver-in")
    assert "app=host" in flow["source"]["tags"] and OTHER not in flow["source"]["tags"]
