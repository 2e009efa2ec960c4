# SPDX-License-Identifier: Apache-2.0
"""Who may claim to be whom: real pairs, and every lie the forger knows."""

import pytest

from estate import option, policy
from estate.policy import hello
from support import (D, LAN, OTHER, SVC, W, Change, Claim, accepted_by, by_address, identity_bytes,
                     into, lan, out, pair, quiet, real_options, rejected_by, tcp)

GARBAGE = b"\xde\xad\xbe\xef\xde\xad\xbe\xef"
MSS = "020405b4"


def test_pair_proves_both_ends(estate, ip, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    near, far = Change(estate.enforcer("a")), Change(estate.enforcer("b"))
    options, _ = real_options(estate, port, ip)
    assert all(options), "SYN, SYN-ACK and ACK carry the option"
    near.wait("identity_synack_verified")
    far.wait("identity_ack_verified")
    flow = accepted_by(estate.enforcer("b"), port, "receiver-in")
    assert W in flow["source"]["tags"] and D in flow["destination"]["tags"]


def test_option_goes_away_after_the_handshake(estate, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    with estate.b.listen("db", port, "--silent"), estate.r1.sniff("mid", port) as sniffer:
        assert estate.a.connect("web", estate.b.addresses[4], port, "--bulk", 500000).ok
    carrying = [p for p in sniffer.named("packet") if identity_bytes(p["options"])]
    assert 3 <= len(carrying) < 10 < len(sniffer.named("packet"))


def test_wrong_tag(estate, ip, port):
    estate.apply(policy([*pair(f"tcp/{port}"), out("other-out", OTHER, D, f"tcp/{port}")]))
    assert tcp(estate, port, ip, source=("a", "other")).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port)


def test_wrong_server(estate, ip, port):
    """The sender may talk to db; who answers proves to be svc."""
    estate.apply(policy([out("web-out", W, D, f"tcp/{port}"), into("svc-in", SVC, W,
                                                                   f"tcp/{port}")]))
    assert not tcp(estate, port, ip, target=("b", "svc")).ok
    rejected_by(estate.enforcer("a"), port)


def test_right_tag_from_a_host_without_agent(estate, ip, port):
    """The workload calls itself web; nothing proves it."""
    estate.apply(policy(pair(f"tcp/{port}")))
    assert tcp(estate, port, ip, source=("c", "web")).error == "ETIMEDOUT"
    rejected_by(estate.enforcer("b"), port)


def test_right_address_without_identity(estate, ip, port):
    """The address of host a, from someone in between."""
    estate.apply(policy(pair(f"tcp/{port}")))
    with estate.b.listen("db", port, ip=ip), quiet(estate.r1, port):
        result = estate.r1.forge("handshake", "--source", f"{estate.a.addresses[ip]},{port}",
                                 "--destination", f"{estate.b.addresses[ip]},{port}",
                                 "--syn-options", MSS)
    assert not result.named("synack")
    rejected_by(estate.enforcer("b"), port)


def test_peer_without_agent_is_judged_by_address(estate, ip, port):
    estate.apply(by_address(f"tcp/{port}"))
    assert tcp(estate, port, ip, source=("c", None)).ok
    accepted_by(estate.enforcer("b"), port, "lan-in")
    assert tcp(estate, port, ip, target=("c", None)).ok
    accepted_by(estate.enforcer("a"), port, "lan-out")


class Forger:
    """Handshakes of host c with what it writes itself; b would accept web, and c by address."""

    def __init__(self, estate, ip):
        self.estate = estate
        self.ip = ip
        self.claim = Claim(estate, "web")
        self.web = self.claim.identity
        self.hello = self.claim.hello
        self.port = estate.port()
        estate.apply(policy([into("web-in", D, W, f"tcp/{self.port}"),
                             into("lan-in", D, LAN, f"tcp/{self.port}")], [lan()]))
        self.change = Change(estate.enforcer("b"))

    def attempt(self, syn="", ack="", *words):
        host, target = self.estate.c, self.estate.b
        with target.listen("db", self.port, ip=self.ip) as server, quiet(host, self.port):
            result = host.forge(
                "handshake", "--source", f"{host.addresses[self.ip]},{self.estate.port()}",
                "--destination", f"{target.addresses[self.ip]},{self.port}", "--timeout", 500,
                "--syn-options", syn, "--ack-options", ack, "--data", "forged", *words)
            result.accepted = bool(server.named("accepted"))
        return result

    def option(self, tail, **more):
        return option(1, self.web, tail, **more)

    def fails(self, *words, reason=None, counter=None):
        result = self.attempt(*words)
        assert not result.named("echo") and not result.accepted, result
        if counter or reason:
            self.change.wait(counter or reason)
        if reason:
            rejected_by(self.estate.enforcer("b"), self.port, dropReason=reason)
        return result


@pytest.fixture
def forger(estate, ip):
    return Forger(estate, ip)


def test_forger_without_option_passes_by_address(forger):
    assert forger.attempt(MSS).named("echo"), "else the tests below prove nothing"


def test_garbage_mac(forger):
    forger.fails(forger.option(forger.hello), forger.option(GARBAGE), reason="mac_mismatch")


def test_garbage_mac_without_claim_in_syn(forger):
    forger.fails(MSS, forger.option(GARBAGE))


def test_claim_in_syn_and_nothing_after(forger):
    """As if the option had been stripped: by address, so the claim alone is worth nothing."""
    forger.estate.apply(policy([into("web-in", D, W, f"tcp/{forger.port}")]))
    forger.fails(forger.option(forger.hello), "")


def test_unknown_enforcer(forger):
    forger.fails(option(777777, forger.web, forger.hello), option(777777, forger.web, GARBAGE),
                 reason="peer_miss")


def test_identity_that_the_enforcer_has_not(forger):
    forger.fails(option(1, 0x12345678, forger.hello), option(1, 0x12345678, GARBAGE),
                 reason="identity_unknown")


def test_own_enforcer_from_outside(forger):
    """Enforcer 2 is b itself."""
    forger.fails(option(2, forger.web, forger.hello), option(2, forger.web, GARBAGE))


def test_wrong_epoch(forger):
    forger.fails(forger.option(hello(epoch=(forger.claim.epoch + 4711) % 65536)), forger.option(GARBAGE), reason="epoch")


def test_wrong_version(forger):
    forger.fails(forger.option(hello(version=9, epoch=forger.claim.epoch)), forger.option(GARBAGE),
                 reason="option_invalid")


def test_two_options(forger):
    forger.fails(forger.option(forger.hello) * 2, forger.option(GARBAGE), reason="option_invalid")


@pytest.mark.parametrize("length", [4, 8, 16, 19])
def test_wrong_length(forger, length):
    cut = forger.option(hello(), length=length)[:2 * length]
    forger.fails(cut, cut, reason="option_invalid")


def test_length_beyond_the_header(forger):
    forger.fails(forger.option(hello(), length=40), "")


def test_zero_identity(forger):
    forger.fails(option(1, 0, forger.hello), option(1, 0, GARBAGE))


def test_data_in_syn(forger):
    forger.fails(forger.option(forger.hello), forger.option(GARBAGE), "--syn-data", "early",
                 reason="syn_data")


def test_fragmented_syn(forger):
    forger.fails(forger.option(forger.hello), forger.option(GARBAGE), "--fragment", 24)
    forger.fails(MSS, "", "--fragment", 8)


def test_fragmented_syn_is_reported(forger):
    forger.fails(forger.option(forger.hello), "", "--fragment", 24, reason="fragment")


def test_extension_headers(estate, port):
    forger = Forger(estate, 6)
    assert forger.attempt(MSS, "", "--extensions", 1).named("echo"), "walked"
    forger.fails(forger.option(forger.hello), forger.option(GARBAGE), "--extensions", 2,
                 reason="mac_mismatch")
    forger.fails(MSS, "", "--extensions", 40)


def test_copied_options(forger):
    """Options of a real handshake, on another connection: another pair of initial sequence numbers."""
    options, _ = recorded(forger)
    forger.fails(options[0], options[2], reason="mac_mismatch")


def test_replay_with_the_recorded_sequence_number(forger):
    options, packets = recorded(forger)
    forger.fails(options[0], options[2], "--seq", packets[0]["seq"], reason="mac_mismatch")


def test_replay_from_the_address_of_the_victim(forger):
    """As above, and from the router in between with the victim's address and port."""
    options, packets = recorded(forger)
    estate, ip = forger.estate, forger.ip
    with estate.b.listen("db", forger.port, ip=ip) as server, \
            quiet(estate.r1, forger.port), quiet(estate.a, forger.port):
        estate.r1.forge("handshake", "--source",
                        f"{estate.a.addresses[ip]},{packets[0]['sourcePort']}",
                        "--destination", f"{estate.b.addresses[ip]},{forger.port}",
                        "--seq", packets[0]["seq"] + 4000000 & 0xffffffff,
                        "--syn-options", options[0], "--ack-options", options[2])
        assert not server.named("accepted")


def recorded(forger):
    """A real handshake of web and db, while the forger's policy is in force at b."""
    estate = forger.estate
    estate.enforcer("a").apply(policy(pair(f"tcp/{forger.port}")))
    answer = real_options(estate, forger.port, forger.ip)
    forger.change = Change(estate.enforcer("b"))
    return answer


def test_segments_of_no_connection(estate, ip, port):
    """ACK, data, FIN and SYN-ACK out of nowhere: no answer, nothing accepted."""
    estate.apply(by_address(f"tcp/{port}"))
    with estate.b.listen("db", port, ip=ip) as server:
        for flags in (0x10, 0x18, 0x11, 0x12):
            result = estate.c.forge("send", "--source", f"{estate.c.addresses[ip]},{port}",
                                    "--destination", f"{estate.b.addresses[ip]},{port}",
                                    "--flags", flags, "--seq", 1, "--ack", 1, "--data", "x",
                                    "--timeout", 150)
            assert not result.named("answer")
        assert not server.named("accepted")


def test_rejected_port_does_not_tell_whether_it_is_open(estate, ip, port):
    """A closed port under Reject is as silent as an open one."""
    estate.apply(policy())
    assert estate.c.connect(None, estate.b.addresses[ip], port, timeout=400).error == "ETIMEDOUT"
    assert tcp(estate, port, ip, source=("c", None), timeout=400).error == "ETIMEDOUT"
