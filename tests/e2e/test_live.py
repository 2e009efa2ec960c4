# SPDX-License-Identifier: Apache-2.0
"""A changed policy acts on live connections: what is now rejected is cut, nothing else."""

import time

import pytest

from estate import policy, wait_for
from support import (D, LAN, SVC, W, Change, accepted_by, by_address, into, lan, out, pair)


def cut(change_policy, client, server, here, there):
    """Both ends learn it (how soon: make bench): who rejects sees `here`, the other `there`."""
    change_policy()
    dead = client.wait_event("dead")
    closed = server.wait_event("closed")
    assert (dead["errno"], closed["errno"]) == (here, there)


@pytest.mark.parametrize("tick", [0, 20], ids=["idle", "busy"])
def test_cut_by_the_senders_side(estate, ip, port, tick):
    estate.apply(policy(pair(f"tcp/{port}")))
    server = estate.b.listen("db", port, "--silent", ip=ip)
    client = estate.a.hold("web", estate.b.addresses[ip], port, "--tick", tick)
    change = Change(estate.enforcer("a"))
    new = policy(pair(f"tcp/{estate.port()}"))
    cut(lambda: estate.enforcer("a").apply(new), client, server, "ECONNABORTED", "ECONNRESET")
    change.wait("revoked")


@pytest.mark.parametrize("tick", [0, 20], ids=["idle", "busy"])
def test_cut_by_the_receivers_side(estate, ip, port, tick):
    estate.apply(policy(pair(f"tcp/{port}")))
    server = estate.b.listen("db", port, "--silent", ip=ip)
    client = estate.a.hold("web", estate.b.addresses[ip], port, "--tick", tick)
    new = policy(pair(f"tcp/{estate.port()}"))
    cut(lambda: estate.enforcer("b").apply(new), client, server, "ECONNRESET", "ECONNABORTED")


def test_only_the_rejected_is_cut(estate, ip, port):
    """Two units with a connection each and an unrelated one: one of three ends."""
    other = estate.port()
    rulesets = [out("web-out", W, [[D], [SVC]], f"tcp/{port}", f"tcp/{other}"),
                into("db-in", D, W, f"tcp/{port}"), into("svc-in", SVC, W, f"tcp/{other}")]
    estate.apply(policy(rulesets))
    estate.b.listen("db", port, "--silent", ip=ip)
    estate.b.listen("svc", other, "--silent", ip=ip)
    idle = estate.a.hold("web", estate.b.addresses[ip], other)
    busy = estate.a.hold("web", estate.b.addresses[ip], other, "--tick", 10)
    doomed = estate.a.hold("web", estate.b.addresses[ip], port)
    estate.apply(policy([rulesets[0], rulesets[2]]))
    doomed.wait_event("dead")
    time.sleep(0.5)
    assert not idle.named("dead") and not busy.named("dead")


def test_unrelated_changes_cut_nothing(estate, port):
    """Names, order and other rules change twenty times under a busy connection."""
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.b.listen("db", port, "--silent")
    client = estate.a.hold("web", estate.b.addresses[4], port, "--tick", 5)
    for i in range(20):
        more = [into(f"noise-{i}-{j}", SVC, f"app=n{j}", f"tcp/{j + 1}") for j in range(i)]
        estate.apply(policy([*more, *pair(f"tcp/{port}")]))
    assert client.running and not client.named("dead")


def test_allowed_by_another_rule(estate, ip, port):
    """The rule that let it in goes, another one that allows it comes: not cut."""
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.b.listen("db", port, "--silent", ip=ip)
    client = estate.a.hold("web", estate.b.addresses[ip], port, "--tick", 20)
    estate.apply(policy([out("anything", W, D, "any"), into("all-tcp", D, W, "tcp/1:65535")]))
    time.sleep(0.3)
    assert not client.named("dead")
    estate.apply(policy())
    client.wait_event("dead")


def test_identity_is_rejudged(estate, ip, port):
    """Allowed by default, then a Reject for the identity that was proven at the start."""
    estate.apply(policy(incoming="Allow", outgoing="Allow"))
    estate.b.listen("db", port, "--silent", ip=ip)
    client = estate.a.hold("web", estate.b.addresses[ip], port)
    bystander = estate.a.hold("other", estate.b.addresses[ip], port)
    estate.enforcer("b").apply(policy([into("no-web", D, W, "any", action="Reject")],
                                      incoming="Allow", outgoing="Allow"))
    client.wait_event("dead")
    assert not bystander.named("dead")


def test_judged_by_address_is_rejudged_by_address(estate, ip, port):
    estate.apply(by_address(f"tcp/{port}"))
    estate.b.listen("db", port, "--silent", ip=ip)
    client = estate.c.hold(None, estate.b.addresses[ip], port)
    estate.apply(policy([into("lan-in", D, LAN, f"tcp/{port}")],
                        [{**lan(), "entries": ["10.200.0.0/16"]}]))
    client.wait_event("dead")


def test_default_action_is_rejudged(estate, ip, port):
    estate.apply(policy(incoming="Allow", outgoing="Allow"))
    estate.b.listen("db", port, "--silent", ip=ip)
    client = estate.a.hold("web", estate.b.addresses[ip], port)
    estate.apply(policy())
    client.wait_event("dead")


def test_new_connection_after_the_change(estate, ip, port):
    """Back and forth: each connection sees the policy of its time."""
    with estate.b.listen("db", port, ip=ip):
        for _ in range(3):
            estate.apply(policy(pair(f"tcp/{port}")))
            assert estate.a.connect("web", estate.b.addresses[ip], port).ok
            estate.apply(policy())
            assert estate.a.connect("web", estate.b.addresses[ip], port).error == "EPERM"


def test_change_during_a_handshake(estate, port):
    """The SYN goes under one policy, its retransmission under another."""
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.to_b.lose("syn", 1, 1, port=port)
    with estate.b.listen("db", port) as server:
        client = estate.a.sock_start("web", "tcp-connect", estate.b.addresses[4], port,
                                     "--timeout", 3000, "--send", "x")
        wait_for(lambda: estate.to_b.seen()["dropped"], what="first SYN lost")
        estate.enforcer("b").apply(policy())
        assert not client.wait(6).ok
        assert not server.named("accepted")


def test_loopback_connection_is_cut(estate, ip, port):
    address = {4: "127.0.0.1", 6: "::1"}[ip]
    estate.apply(policy(pair(f"tcp/{port}", receiver="app=other")))
    server = estate.a.listen("other", port, "--silent", address=address)
    client = estate.a.hold("web", address, port)
    estate.apply(policy())
    client.wait_event("dead")
    server.wait_event("closed")


def test_connection_of_another_network_namespace_is_cut(estate, ip, port):
    """Cut where the socket is, not only in the network of the Enforcer."""
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.b.listen("db", port, "--silent", ip=ip)
    client = estate.a.hold("web", estate.b.addresses[ip], port, netns=estate.c.netns)
    estate.enforcer("a").apply(policy())
    assert client.wait_event("dead")["errno"] == "ECONNABORTED"


def test_bulk_survives_changes(estate, port):
    """Throughput under a policy that changes all the time; not a byte wrong or lost."""
    estate.apply(policy(pair(f"tcp/{port}")))
    estate.b.listen("db", port, "--silent")
    client = estate.a.sock_start("web", "tcp-connect", estate.b.addresses[4], port, "--bulk",
                                 60000000, "--timeout", 5000)
    client.wait_event("connected")
    for i in range(5):
        estate.apply(policy([*pair(f"tcp/{port}"), into(f"n{i}", SVC, W, f"tcp/{i + 1}")]))
    assert client.wait(30).ok
    accepted_by(estate.enforcer("b"), port, "receiver-in")


def test_bound_to_a_device(estate, ip, port):
    """The answer rejects a socket that sock_diag finds by its device only: told at once."""
    estate.apply(policy([out("web-out", W, D, f"tcp/{port}")]))
    for words in ((), ("--device", "eth0")):
        with estate.c.listen(None, port, ip=ip):
            result = estate.a.connect("web", estate.c.addresses[ip], port, *words, timeout=3000)
        assert result.error == "ECONNABORTED" and result.ms < 1000
