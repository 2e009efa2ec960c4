# SPDX-License-Identifier: Apache-2.0
"""rejectMode: what the other side hears of a reject: nothing, or a reset."""

import json
import time

import pytest

from estate import policy
from support import D, LAN, W, Change, into, lan, out, pair, rejected_by, tcp, udp

PROHIBITED = {4: "EHOSTUNREACH", 6: "EACCES"}
FLOOD = 6000
SOON_MS = 900  # before the SYN is sent again

# SYNs whose sources are made up: raw IPv4, checksums right, as fast as Python sends.
FLOOD_SCRIPT = """
import random, socket, struct, sys
target, port, count = socket.inet_aton(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for i in range(count):
    source = bytes([10, 3, 1 + i // 250 % 250, 2 + i % 250])
    tcp = struct.pack(">HHIIBBHHH", random.randint(1024, 65535), port, i, 0, 0x50, 2, 1000, 0, 0)
    value = checksum(source + target + struct.pack(">HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack(">H", value) + tcp[18:]
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + source + target
    raw.sendto(header + tcp, (sys.argv[1], 0))
"""


def resetting(text):
    """The same policy; the namespace answers what it rejects."""
    whole = json.loads(text)
    whole["data"]["namespaces"][0]["rejectMode"] = "reset"
    return json.dumps(whole)


def refused(result):
    assert result.error == "ECONNREFUSED", result
    assert result.ms < SOON_MS, result


def test_identity_is_rejected_with_reset(estate, ip, port):
    estate.apply(resetting(policy([out("sender-out", W, D, f"tcp/{port}")])))
    sent = Change(estate.enforcer("b"))
    refused(tcp(estate, port, ip))
    rejected_by(estate.enforcer("b"), port)
    assert sent["resets_sent"] == 1


def test_ruleset_rejects_with_reset(estate, ip, port):
    """By an identity that a rule names, where the default would allow."""
    estate.apply(resetting(policy([
        out("sender-out", W, D, f"tcp/{port}"),
        into("not-web", D, W, f"tcp/{port}", action="Reject")], incoming="Allow")))
    refused(tcp(estate, port, ip))
    rejected_by(estate.enforcer("b"), port, "not-web")


@pytest.mark.parametrize("source", ["c", "x"])
def test_address_is_rejected_with_reset(estate, ip, port, source):
    """Senders without agent, inside and outside targetNetworks."""
    estate.apply(resetting(policy()))
    refused(tcp(estate, port, ip, source=(source, None)))
    rejected_by(estate.enforcer("b"), port)


def test_closed_port_of_the_host(estate, ip, port):
    """The kernel's own answer is not held back where a reject is answered anyway."""
    estate.apply(resetting(policy()))
    refused(estate.c.connect(None, estate.b.addresses[ip], port))


def test_datagram_is_rejected_with_icmp(estate, ip, port):
    estate.apply(resetting(policy([out("lan-out", W, LAN, f"udp/{port}")], [lan()])))
    sent = Change(estate.enforcer("b"))
    result = udp(estate, port, ip, words=("--connected",))
    assert result.error == PROHIBITED[ip], result
    assert sent["resets_sent"] >= 1
    rejected_by(estate.enforcer("b"), port)
    result = udp(estate, port, ip, source=("c", None), words=("--connected",))
    assert result.error == PROHIBITED[ip], result


def test_default_is_silent(estate, ip, port):
    estate.apply(policy([out("sender-out", W, D, f"tcp/{port}"),
                         out("lan-out", W, LAN, f"udp/{port}")], [lan()]))
    sent = Change(estate.enforcer("b"))
    assert tcp(estate, port, ip).error == "ETIMEDOUT"
    assert tcp(estate, port, ip, source=("c", None)).error == "ETIMEDOUT"
    assert udp(estate, port, ip, words=("--connected",)).error == "ETIMEDOUT"
    assert sent["resets_sent"] == 0


def test_local_reject_stays_eperm(estate, ip, port):
    estate.apply(resetting(policy()))
    assert tcp(estate, port, ip).error == "EPERM"


def test_allowed_is_not_answered(estate, ip, port):
    estate.apply(resetting(policy(pair(f"tcp/{port}"))))
    sent = Change(estate.enforcer("b"))
    assert tcp(estate, port, ip).ok
    assert sent["resets_sent"] == 0


def test_mode_is_switched_with_the_policy(estate, port):
    for _ in range(2):
        estate.apply(policy())
        assert tcp(estate, port, source=("c", None), timeout=300).error == "ETIMEDOUT"
        estate.apply(resetting(policy()))
        refused(tcp(estate, port, source=("c", None)))


def test_after_restart(estate, port):
    """The new daemon sends from other sockets; what the old one left in the kernel is replaced."""
    estate.apply(resetting(policy()))
    with estate.enforcer("b").configured(flowReportInterval="2s"):
        refused(tcp(estate, port, source=("c", None)))


def test_forged_flood_is_not_answered_as_one(estate, port):
    estate.apply(resetting(policy()))
    change = Change(estate.enforcer("b"))
    began = time.monotonic()
    with estate.b.listen("db", port):
        estate.c.exec("/usr/bin/python3", "-c", FLOOD_SCRIPT, estate.b.addresses[4], port, FLOOD)
        change.wait("resets_sent")
    seconds = time.monotonic() - began
    assert change["connections_rejected"] > FLOOD // 2
    assert change["resets_sent"] <= 1000 * (1 + seconds) + 1
    assert change["resets_suppressed"] > 0
    answerable = sum(change[f"resets_{what}"] for what in ("sent", "suppressed", "lost"))
    assert FLOOD // 2 < answerable <= FLOOD
    assert tcp(estate, port, source=("c", None)).error in ("ECONNREFUSED", "ETIMEDOUT")
