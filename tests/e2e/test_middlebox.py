# SPDX-License-Identifier: Apache-2.0
"""Boxes in between: those that leave the option alone, and those that do not."""

from estate import policy
from support import (D, LAN, OTHER, W, Change, accepted_by, by_address, identity_bytes, into, lan,
                     nft, out, pair, rejected_by, tcp)


def strip(estate, port):
    estate.to_a.strip(port)
    estate.to_b.strip(port)


def test_stripping_box_judged_by_address(estate, ip, port):
    estate.apply(by_address(f"tcp/{port}"))
    strip(estate, port)
    change = Change(estate.enforcer("a"))
    assert tcp(estate, port, ip).ok
    accepted_by(estate.enforcer("b"), port, "lan-in")
    change.wait("identity_stripped")
    assert estate.to_b.seen()["with_option"] > 0


def test_stripping_box_without_address_rule(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    strip(estate, port)
    assert tcp(estate, port, ip).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port)


def test_dropping_box_falls_back(estate, ip, port):
    """Two SYNs with the option vanish, the third goes without and is judged by address."""
    estate.apply(by_address(f"tcp/{port}"))
    estate.to_b.drop_option(port)
    change = Change(estate.enforcer("a"))
    with estate.b.sniff("eth0", port) as sniffer:
        assert tcp(estate, port, ip, timeout=8000).ok
        syn = sniffer.wait_event("packet")
    assert identity_bytes(syn["options"]) is None
    assert estate.to_b.seen()["dropped"] == 2
    change.wait("identity_fallback")
    accepted_by(estate.enforcer("b"), port, "lan-in")


def test_dropping_box_without_address_rule(estate, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.to_b.drop_option(port)
    assert not tcp(estate, port, timeout=4000).ok
    assert estate.to_b.seen()["dropped"] >= 2


def test_rewriting_box(estate, ip, port):
    """Other sequence numbers, so no proof holds; and an address rule does not help."""
    rulesets = [*pair(f"tcp/{port}"), out("lan-out", W, LAN, f"tcp/{port}"),
                into("lan-in", D, LAN, f"tcp/{port}")]
    estate.apply(policy(rulesets, [lan()]))
    estate.to_b.rewrite(seq=0x10203040, port=port)
    estate.to_a.rewrite(ack=-0x10203040, port=port)
    change = Change(estate.enforcer("a"))
    assert not tcp(estate, port, ip, timeout=1500).ok
    change.wait("mac_mismatch")
    rejected_by(estate.enforcer("a"), port, dropReason="mac_mismatch")


def test_rewriting_box_other_direction(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.to_a.rewrite(seq=7, port=port)
    estate.to_b.rewrite(ack=-7, port=port)
    change = Change(estate.enforcer("a"))
    assert not tcp(estate, port, ip, timeout=1500).ok
    change.wait("mac_mismatch")


def source_nat(estate, ip):
    family = "ip" if ip == 4 else "ip6"
    return nft(estate.r2, f"{family} translated", "chain out {\n type nat hook postrouting priority 100;\n"
                                            "oifname \"to-b\" masquerade\n}")


def test_source_nat(estate, ip, port):
    """Identity goes through; the address that the server sees is the router's."""
    estate.apply(policy(pair(f"tcp/{port}")))
    with source_nat(estate, ip), estate.b.listen("db", port, ip=ip) as server:
        assert estate.a.connect("web", estate.b.addresses[ip], port).ok
        peer = server.wait_event("accepted")["peer"]
    assert peer == {4: "10.2.0.1", 6: "fd00:2::1"}[ip]
    flow = accepted_by(estate.enforcer("b"), port, "receiver-in")
    assert W in flow["source"]["tags"]


def test_source_nat_wrong_tag(estate, ip, port):
    """Behind one address, two units are told apart."""
    estate.apply(policy([*pair(f"tcp/{port}"), out("other-out", OTHER, D, f"tcp/{port}")]))
    with source_nat(estate, ip):
        assert tcp(estate, port, ip).ok
        assert tcp(estate, port, ip, source=("a", "other")).error == "ETIMEDOUT"


def test_port_mapping(estate, ip, port):
    """The client knows the router's address and another port."""
    outside = estate.port()
    family = "ip" if ip == 4 else "ip6"
    target = estate.b.addresses[ip] if ip == 4 else f"[{estate.b.addresses[ip]}]"
    estate.apply(policy([out("web-out", W, D, f"tcp/{outside}"), into("web-in", D, W,
                                                                      f"tcp/{port}")]))
    with nft(estate.r2, f"{family} mapped",
             "chain in {\n type nat hook prerouting priority -100;\n"
             f"iifname \"mid\" tcp dport {outside} dnat to {target}:{port}\n}}"):
        with estate.b.listen("db", port, ip=ip):
            assert estate.a.connect("web", estate.r2.addresses[ip], outside).ok
    flow = accepted_by(estate.enforcer("a"), outside, "web-out")
    assert D in flow["destination"]["tags"]
    accepted_by(estate.enforcer("b"), port, "web-in")
