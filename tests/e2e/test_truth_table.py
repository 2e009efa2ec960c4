# SPDX-License-Identifier: Apache-2.0
"""Every row of the truth table of the policy page, with real packets."""

from estate import option, policy
from support import (D, PARTNERS, W, Change, Claim, accepted_by, into, out, pair, partners, quiet,
                     rejected_by, tcp)


def test_no_rulesets_reject_at_sender(estate, ip, port):
    estate.apply(policy())
    result = tcp(estate, port, ip)
    assert result.error == "EPERM"
    rejected_by(estate.enforcer("a"), port)
    assert not estate.enforcer("b").flows(port)


def test_sender_side_only_reject_at_receiver(estate, ip, port):
    estate.apply(policy([out("web-out", W, D, f"tcp/{port}")]))
    assert tcp(estate, port, ip).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port)


def test_both_sides_accept(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    assert tcp(estate, port, ip).ok
    accepted_by(estate.enforcer("a"), port, "sender-out")
    accepted_by(estate.enforcer("b"), port, "receiver-in")


def test_other_port_reject_at_sender(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{estate.port()}")))
    assert tcp(estate, port, ip).error == "EPERM"
    rejected_by(estate.enforcer("a"), port)


def test_parents_reject_wins(estate, ip, port):
    parent = into("parent-reject", D, W, "any", action="Reject")
    parent.update(namespace="/", propagate=True)
    estate.apply(policy([*pair(f"tcp/{port}"), parent]))
    assert tcp(estate, port, ip).error == "ETIMEDOUT"
    flow = rejected_by(estate.enforcer("b"), port, "parent-reject")
    assert flow["policyNamespace"] == "/"


def test_external_network_accept(estate, ip, port):
    estate.apply(policy([into("from-partners", D, PARTNERS, f"tcp/{port}")], [partners()]))
    assert tcp(estate, port, ip, source=("x", None)).ok
    accepted_by(estate.enforcer("b"), port, "from-partners")


def inside_partners(port, **more):
    return policy([out("web-out", W, D, f"tcp/{port}"),
                   into("from-partners", D, PARTNERS, f"tcp/{port}")],
                  [partners("10.1.0.0/16", "fd00:1::/32", **more)])


def test_known_identity_inside_external_network_reject(estate, ip, port):
    estate.apply(inside_partners(port))
    assert tcp(estate, port, ip).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port)


def test_match_processing_units_accept(estate, ip, port):
    estate.apply(inside_partners(port, matchProcessingUnits=True))
    assert tcp(estate, port, ip).ok
    accepted_by(estate.enforcer("b"), port, "from-partners")


def test_forged_option_from_inside_partners(estate, ip, port):
    """Enforcer 1 and one of its identities are known; the proof is not."""
    web = Claim(estate, "web")
    estate.apply(policy([into("from-partners", D, PARTNERS, f"tcp/{port}"),
                         into("from-web", D, W, f"tcp/{port}")], [partners()]))
    change = Change(estate.enforcer("b"))
    with estate.b.listen("db", port, ip=ip) as server, quiet(estate.x, port):
        result = estate.x.forge(
            "handshake", "--source", f"{estate.x.addresses[ip]},{estate.port()}",
            "--destination", f"{estate.b.addresses[ip]},{port}",
            "--syn-options", option(1, web.identity, web.hello),
            "--ack-options", option(1, web.identity, b"\x5a" * 8), "--data", "forged")
        assert not result.named("echo") and not server.named("accepted")
    change.wait("mac_mismatch")
    rejected_by(estate.enforcer("b"), port, dropReason="mac_mismatch")


def test_observed_rule_does_not_decide(estate, ip, port):
    estate.apply(policy([out("web-out", W, D, f"tcp/{port}"),
                         into("observed-in", D, W, f"tcp/{port}", observationEnabled=True)]))
    assert tcp(estate, port, ip).error == "ETIMEDOUT"
    flow = rejected_by(estate.enforcer("b"), port)
    assert flow["observedAction"] == "Accept"


def test_default_allow_with_reject_rule(estate, ip, port):
    estate.apply(policy([into("no-web", D, W, f"tcp/{port}", action="Reject")],
                        incoming="Allow", outgoing="Allow"))
    assert tcp(estate, port, ip).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port, "no-web")
    assert tcp(estate, port, ip, source=("a", "other")).ok


def test_same_unit_at_both_ends(estate, ip, port):
    estate.apply(policy())
    assert tcp(estate, port, ip, target=("a", "web")).ok
    assert tcp(estate, estate.port(), ip, source=("a", None), target=("a", None)).ok
