# SPDX-License-Identifier: Apache-2.0
"""The tools do what the other tests believe they do, on a network without any Enforcer."""

import itertools

import pytest

from estate import Estate, option, wait_for

PORT = 19000
source_ports = itertools.count(18000)


@pytest.fixture(scope="module")
def bare(system):
    estate = Estate(system, label="bare-", enforcers=False)
    yield estate


@pytest.fixture
def net(bare):
    yield bare
    for process in list(bare.system.processes):
        if bare.system.name + "/bare-" in " ".join(process.command):
            process.kill()
    for box in (bare.to_a, bare.to_b):
        box.reset()


def test_tcp_echo(net, ip):
    with net.b.listen("db", PORT, ip=ip) as server:
        assert net.a.connect("web", net.b.addresses[ip], PORT).ok
        assert server.wait_event("accepted")["peer"] == net.a.addresses[ip]


def test_outsiders_reach_everyone(net, ip):
    for name in "cx":
        with net.b.listen("db", PORT, ip=ip):
            assert net.hosts[name].connect(None, net.b.addresses[ip], PORT).ok


def test_closed_port_refuses(net, ip):
    assert net.a.connect("web", net.b.addresses[ip], PORT).error == "ECONNREFUSED"


def test_udp_icmp_raw(net, ip):
    with net.b.listen("db", PORT, ip=ip, kind="udp"):
        assert net.a.sock("web", "udp-send", net.b.addresses[ip], PORT).ok
    assert net.a.sock("web", "ping", net.b.addresses[ip], 0).ok
    with net.b.listen("db", 253, ip=ip, kind="raw"):
        assert net.a.sock("web", "raw-send", net.b.addresses[ip], 253).ok


def test_bulk(net, ip):
    with net.b.listen("db", PORT, "--silent", ip=ip):
        assert net.a.connect("web", net.b.addresses[ip], PORT, "--bulk", 3000000).ok


@pytest.mark.parametrize("kind, box", [("syn", "to_b"), ("synack", "to_a"), ("ack", "to_b")])
def test_box_loses_one(net, ip, kind, box):
    box = getattr(net, box)
    box.lose(kind, port=PORT)
    with net.b.listen("db", PORT, ip=ip):
        assert net.a.connect("web", net.b.addresses[ip], PORT, timeout=3000).ok
    assert box.seen()["dropped"] == 1 and box.seen()["matched"] > 1


def test_box_rewrites_sequence_numbers(net, ip):
    net.to_b.rewrite(seq=0x01020304, port=PORT)
    net.to_a.rewrite(ack=-0x01020304, port=PORT)
    with net.b.listen("db", PORT, "--silent", ip=ip), net.b.sniff("eth0", PORT) as far, \
            net.a.sniff("eth0", PORT) as near:
        assert net.a.connect("web", net.b.addresses[ip], PORT, "--bulk", 100000).ok
        sent, came = near.wait_event("packet"), far.wait_event("packet")
    assert came["seq"] == (sent["seq"] + 0x01020304) % 2**32


def forge(net, port, ip, *words, source="c"):
    host = net.hosts[source]
    host.nft("table inet quiet { chain out { type filter hook output priority 0; "
             f"tcp flags & rst == rst tcp dport {port} drop; }};\n}}")
    try:
        return host.forge("handshake", "--source", f"{host.addresses[ip]},{next(source_ports)}",
                          "--destination", f"{net.b.addresses[ip]},{port}", *words)
    finally:
        host.nft("delete table inet quiet")


def test_forged_handshake(net, ip):
    with net.b.listen("db", PORT, ip=ip), net.b.sniff("eth0", PORT) as far:
        assert forge(net, PORT, ip, "--syn-options", option(1, 2), "--data", "forged").ok
        assert far.wait_event("packet")["options"] == option(1, 2)


def test_box_strips(net, ip):
    net.to_b.strip(PORT)
    with net.b.listen("db", PORT, ip=ip), net.b.sniff("eth0", PORT) as far:
        assert forge(net, PORT, ip, "--syn-options", "0204" "05b4" + option(1, 2), "--data",
                     "forged").ok
        assert far.wait_event("packet")["options"] == "020405b4" + "01" * 20
    assert net.to_b.seen()["with_option"] == 1


def test_box_drops_option(net, ip):
    net.to_b.drop_option(PORT)
    with net.b.listen("db", PORT, ip=ip):
        assert not forge(net, PORT, ip, "--syn-options", option(1, 2)).ok
        assert forge(net, PORT, ip, "--syn-options", "020405b4").ok
    assert net.to_b.seen()["dropped"] == 1


def test_forged_fragments_and_extensions(net, ip):
    with net.b.listen("db", PORT, ip=ip):
        assert forge(net, PORT, ip, "--syn-options", option(1, 2), "--fragment", 24).ok
        if ip == 6:
            assert forge(net, PORT, ip, "--extensions", 1, "--data", "forged").ok


def test_md5_and_mptcp_and_fastopen(net, ip):
    near, far = net.a.addresses[ip], net.b.addresses[ip]
    with net.b.listen("db", PORT, "--md5", near, ip=ip):
        assert net.a.connect("web", far, PORT, "--md5", far).ok
        assert net.a.connect("web", far, PORT, timeout=300).error == "ETIMEDOUT"
    with net.b.listen("db", PORT, "--mptcp", ip=ip):
        assert net.a.connect("web", far, PORT, "--mptcp").ok
    for host in (net.a, net.b):
        host.sysctl("net.ipv4.tcp_fastopen", 3)
    with net.b.listen("db", PORT, "--fastopen", ip=ip), net.b.sniff("eth0", PORT) as sniffer:
        for _ in range(2):
            assert net.a.connect("web", far, PORT, "--fastopen", send="fast").ok
        wait_for(lambda: [p for p in sniffer.named("packet") if p["flags"] & 2 and p["bytes"]],
                 what="the second connection carries data in its SYN")
