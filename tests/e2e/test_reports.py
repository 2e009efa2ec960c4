# SPDX-License-Identifier: Apache-2.0
"""What is told about traffic: flow reports, counters, metrics, sockets, status."""

import datetime
import json
import time

import pytest

from estate import policy, rule, ruleset, wait_for
from support import (D, LAN, W, Change, accepted_by, into, lan, out, pair, partners, rejected_by,
                     tcp, udp)

FIELDS = {"timestamp", "source", "destination", "protocol", "action", "direction", "policyId",
          "policyNamespace", "policyName", "ruleName", "dropReason", "count", "bytesIn",
          "bytesOut"}


def test_fields_of_an_accepted_flow(estate, ip, port):
    rulesets = [ruleset("web-out", W, outgoing=[rule(D, f"tcp/{port}", name="to-db")]),
                ruleset("db-in", D, incoming=[rule(W, f"tcp/{port}", name="from-web")])]
    estate.apply(policy(rulesets))
    assert tcp(estate, port, ip).ok
    sent = accepted_by(estate.enforcer("a"), port, "web-out")
    came = accepted_by(estate.enforcer("b"), port, "db-in")
    for flow, name in ((sent, "to-db"), (came, "from-web")):
        assert FIELDS - set(flow) in (set(), {"dropReason"})
        assert flow["ruleName"] == name and flow["policyNamespace"] == "/shop"
        assert flow["source"]["ip"] == estate.a.addresses[ip]
        assert flow["destination"]["ip"] == estate.b.addresses[ip]
        assert flow["protocol"] == "tcp" and flow["count"] >= 1
        assert W in flow["source"]["tags"] and D in flow["destination"]["tags"]
        stamp = datetime.datetime.fromisoformat(flow["timestamp"].replace("Z", "+00:00"))
        assert abs(time.time() - stamp.timestamp()) < 60
    assert sent["direction"] != came["direction"]
    assert sent["source"]["name"] == "web" and came["destination"]["name"] == "db"


def test_fields_of_a_rejected_flow(estate, ip, port):
    estate.apply(policy([], [partners()]))
    assert tcp(estate, port, ip, source=("x", None), timeout=300).error == "ETIMEDOUT"
    flow = rejected_by(estate.enforcer("b"), port)
    assert flow["action"] == "Reject" and flow["dropReason"] == "policy"
    assert flow["source"]["ip"] == estate.x.addresses[ip]
    assert "externalnetwork:name=partners" in flow["source"]["tags"]


def test_first_at_once_then_counted(estate, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    with estate.b.listen("db", port, "--silent"):
        assert estate.a.connect("web", estate.b.addresses[4], port).ok
        first = estate.enforcer("a").wait_flow(port, seconds=0.7)
        assert first["count"] == 1
        for _ in range(9):
            assert estate.a.connect("web", estate.b.addresses[4], port).ok
    wait_for(lambda: sum(f["count"] for f in estate.enforcer("a").flows(port)) == 10, 6, 0.2,
             "ten connections in the count")


def test_bytes_are_counted(estate, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    assert tcp(estate, port, words=("--bulk", 300000), server_words=("--silent",)).ok
    size = len("hello") + 300000
    for name in "ab":
        wait_for(lambda n=name: [sum(f[what] for f in estate.enforcer(n).flows(port))
                                 for what in ("bytesIn", "bytesOut")] == [size, size], 6, 0.2,
                 f"bytes of both directions at {name}, without SYN and FIN")


def test_rule_without_log(estate, port):
    quiet_port = estate.port()
    rulesets = [out("web-out", W, D, f"tcp/{port}", logsDisabled=True),
                into("db-in", D, W, f"tcp/{port}", f"tcp/{quiet_port}", logsDisabled=True)]
    estate.apply(policy(rulesets))
    assert tcp(estate, port).ok
    assert tcp(estate, quiet_port).error == "EPERM"
    rejected_by(estate.enforcer("a"), quiet_port)
    assert not estate.enforcer("a").flows(port) and not estate.enforcer("b").flows(port)


def test_observed_reject_is_told(estate, port):
    observed = into("would-reject", D, W, f"tcp/{port}", action="Reject", observationEnabled=True)
    estate.apply(policy([*pair(f"tcp/{port}"), observed]))
    assert tcp(estate, port).ok
    flow = accepted_by(estate.enforcer("b"), port, "receiver-in")
    assert flow["observedAction"] == "Reject" and flow["observedPolicyName"] == "would-reject"


def test_udp_and_icmp_flows(estate, ip, port):
    echo = {4: "icmp/8/0", 6: "icmp6/128/0"}[ip]
    estate.apply(policy([out("lan-out", W, LAN, f"udp/{port}", echo),
                         into("lan-in", D, LAN, f"udp/{port}")], [lan()]))
    assert udp(estate, port, ip).ok
    flow = accepted_by(estate.enforcer("a"), port, "lan-out")
    assert flow["protocol"] == "udp"
    estate.a.sock("web", "ping", estate.b.addresses[ip], 0, "--timeout", 200)
    wait_for(lambda: [f for f in estate.enforcer("a").flows()
                      if f["protocol"] in ("icmp", "icmp6", "ipv6-icmp")
                      and f["destination"]["ip"] == estate.b.addresses[ip]], what="echo flow")


def test_follow(estate, port):
    estate.apply(policy(pair(f"tcp/{port}")))
    enforcer = estate.enforcer("a")
    follower = estate.a.start(enforcer.cli, "enforcer", "flows", "--follow", "-o", "json",
                              "--socket", enforcer.socket)

    def followed():
        assert tcp(estate, port).ok
        return [flow for flow in follower.events if flow["destination"]["port"] == port]

    wait_for(followed, interval=0.2, what="the flow in the stream")
    follower.kill()


def test_counters_have_help(estate):
    answer = estate.enforcer("a").json("counters")
    names = [item["name"] for item in answer]
    assert len(names) == len(set(names)) and all(item["help"] for item in answer)
    assert {"mac_mismatch", "peer_miss", "identity_stripped", "identity_fallback"} <= set(names)


def metrics(enforcer):
    script = ("import urllib.request as r; "
              "print(r.urlopen('http://127.0.0.1:9464/metrics', timeout=3).read().decode())")
    done = enforcer.host.exec("/usr/bin/python3", "-c", script, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{enforcer.log()[-2000:]}\n{enforcer.status()}"
    return done.stdout


def test_metrics(estate, port):
    """Prometheus text: HELP and TYPE for each, and values that agree with the counters."""
    estate.apply(policy(pair(f"tcp/{port}")))
    assert tcp(estate, port).ok
    text = metrics(estate.enforcer("a"))
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert samples and all(line.startswith("bulkhead_") for line in samples)
    assert all(float(line.rsplit(" ", 1)[1]) >= 0 for line in samples)
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {line.split("{")[0].split()[0] for line in samples} <= named


@pytest.mark.parametrize("path", ["/", "/metrics/../etc", "/" + "a" * 9000],
                         ids=["root", "dots", "long"])
def test_metrics_other_paths(estate, path):
    script = (f"import http.client as h; c = h.HTTPConnection('127.0.0.1', 9464, timeout=3); "
              f"c.request('GET', {path!r}); print(c.getresponse().status)")
    done = estate.a.exec("/usr/bin/python3", "-c", script, check=False)
    assert done.stdout.strip() in ("400", "404", "414", "431", ""), done
    assert "bulkhead_" in metrics(estate.enforcer("a"))


def netstat(enforcer, port, unit=None):
    return [item for item in enforcer.json("netstat", *([unit] if unit else []))
            if port in (int(item["destinationPort"] or 0), int(item["sourcePort"] or 0))]


def test_netstat(estate, ip, port):
    estate.apply(policy([*pair(f"tcp/{port}"), into("lan-in", D, LAN, f"tcp/{port}")], [lan()]))
    estate.b.listen("db", port, "--silent", ip=ip)
    estate.a.hold("web", estate.b.addresses[ip], port)
    estate.c.hold(None, estate.b.addresses[ip], port)
    mine = netstat(estate.enforcer("a"), port)
    assert [item["type"] for item in mine] == ["PU to PU"]
    assert mine[0]["destinationIP"] == estate.b.addresses[ip]
    assert int(mine[0]["destinationPort"]) == port and mine[0]["protocol"].lower() == "tcp"
    theirs = {(item["type"], item["sourceIP"]) for item in netstat(estate.enforcer("b"), port)
              if item["type"] != "Listen"}
    assert theirs == {("PU to PU", estate.a.addresses[ip]), ("EXT to PU", estate.c.addresses[ip])}
    assert netstat(estate.enforcer("b"), port, "db")
    assert not netstat(estate.enforcer("b"), port, "svc")


def test_netstat_to_an_external_network(estate, ip, port):
    estate.apply(policy([out("partners-out", W, "externalnetwork:name=partners", f"tcp/{port}")],
                        [partners()]))
    estate.x.listen(None, port, "--silent", ip=ip)
    estate.a.hold("web", estate.x.addresses[ip], port)
    assert [item["type"] for item in netstat(estate.enforcer("a"), port)] == ["PU to EXT"]


def test_status(estate):
    estate.apply(policy())
    status = estate.enforcer("a").status()
    assert status["mode"] == "standalone" and status["datapath"] == "ebpf" and status["version"]
    assert status["uptimeSeconds"] >= 0 and status["processingUnits"]
    hooks = " ".join(estate.enforcer("a").programs())
    for hook in ("sock_ops", "ingress", "egress", "connect4", "connect6"):
        assert hook in hooks
    assert all(estate.enforcer("a").programs().values())
    assert "eth0" in hooks


def test_unmatched_subject_is_warned_about(estate):
    estate.apply(policy([out("nobody", "app=no-such-thing", D, "any")]))
    wait_for(lambda: "nobody" in json.dumps(estate.enforcer("a").status()["warnings"]),
             what="warning for a ruleset that selects nothing")
    estate.apply(policy())


def test_names_networks_warn(estate):
    """FQDN entries are read and match nothing yet; the operator is told."""
    network = {"name": "names", "entries": ["*.example.com"],
               "associatedTags": ["externalnetwork:name=names"]}
    estate.apply(policy([out("web-out", W, "externalnetwork:name=names", "tcp/443")], [network]))
    wait_for(lambda: "example.com" in json.dumps(estate.enforcer("a").status()["warnings"])
             or "names" in json.dumps(estate.enforcer("a").status()["warnings"]), what="warning")
    estate.apply(policy())


def test_flood_of_kinds_is_counted(estate):
    """Many distinct flows in a row: told or counted as lost, never silent."""
    estate.apply(policy())
    enforcer = estate.enforcer("a")
    before = sum(flow["count"] for flow in enforcer.flows())
    lost_before = enforcer.counters().get("events_lost", 0)
    estate.a.exec("/usr/bin/python3", "-c", FLOOD, estate.x.addresses[4], unit="other")

    def told():
        now = sum(flow["count"] for flow in enforcer.flows())
        lost = enforcer.counters().get("events_lost", 0) - lost_before
        return now - before + lost >= 3000
    wait_for(told, 10, 0.3, "3000 flows told or counted")


FLOOD = """
import socket, sys
for port in range(30000, 33000):
    s = socket.socket()
    s.setblocking(False)
    try:
        s.connect((sys.argv[1], port))
    except OSError:
        pass
    s.close()
"""


def test_datagrams_are_no_connections(estate, port):
    """What is rejected is counted by its kind."""
    estate.apply(policy())
    change = Change(estate.enforcer("b"))
    assert not udp(estate, port, source=("c", None)).ok
    change.wait("datagram_rejected")
    assert change["connections_rejected"] == 0
    assert tcp(estate, port, source=("c", None)).error == "ETIMEDOUT"
    change.wait("connections_rejected")
