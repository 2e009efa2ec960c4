# SPDX-License-Identifier: Apache-2.0
"""Host services: ports of a host that are a processing unit, and the host itself as one; both from the Console."""
import json

import pytest

from console_estate import ConsoleEstate
from estate import wait_for
from test_enforcer import both_ways, connects, rule, ruleset

TAG = "app=sshd"


@pytest.fixture(scope="module")
def _estate(system):
    estate = ConsoleEstate(system, "h")
    try:
        estate.enforcers["b"].write_config(host={"enabled": False})
        estate.start()
        yield estate
    finally:
        estate.close()


@pytest.fixture
def estate(_estate):
    _estate.ensure()
    yield _estate
    _estate.ensure()
    for kind in ("networkrulesetpolicies", "externalnetworks", "hostservicemappingpolicies", "hostservices"):
        for item in _estate.console.list(kind):
            _estate.console.delete(kind, item["ID"])
    wait_for(lambda: names(_estate) == {"db", "svc"}, what="nothing of the test is left")
    _estate.end_tools()


@pytest.fixture
def port(estate):
    return estate.port()


def units(estate):
    return {unit["name"]: unit for unit in estate.enforcers["b"].json("pus")}


def names(estate):
    return set(units(estate))


def service(estate, name, *ports, host_mode=False, tags=(TAG,)):
    console = estate.console
    made = console.create("hostservices", {"name": name, "services": list(ports), "hostModeEnabled": host_mode,
                                           "associatedTags": [f"hostservice={name}", *tags]})
    mapping = console.create("hostservicemappingpolicies", {
        "name": name, "subject": [["$name=hb.test"]], "object": [[f"hostservice={name}"]]})
    return made, mapping


def reaches(estate, port):
    """From a host without Enforcer."""
    return estate.c.connect(None, estate.b.addresses[4], port, timeout=500).ok


def object_of(estate, name):
    return next((u for u in estate.console.list("processingunits") if u["name"] == name), None)


def test_ports_are_a_unit_with_an_identity(estate):
    port, other = estate.port(), estate.port()
    for at in (port, other):
        estate.b.listen(None, at)
    wait_for(lambda: reaches(estate, port), what="the host is nobody's")
    service(estate, "sshd", f"tcp/{port}")
    unit = wait_for(lambda: object_of(estate, "sshd"), what="the unit at the Console")
    assert unit["type"] == "HostService" and unit["nativeContextID"] == "sshd", unit
    assert unit["operationalStatus"] == "Running" and unit["enforcerID"], unit
    assert {TAG, "$name=sshd", "$type=HostService"} <= set(unit["normalizedTags"]), unit
    wait_for(lambda: not reaches(estate, port), what="the default of the namespace holds for it")
    assert reaches(estate, other), "the rest of the host stays nobody's"
    assert not connects(estate, "web", port)
    both_ways(estate.console, port, server=TAG)
    wait_for(lambda: connects(estate, "web", port), what="web is let in")
    assert not connects(estate, "other", port) and not reaches(estate, port)
    flow = estate.enforcers["b"].wait_flow(port, action="Accept")
    assert flow["destination"]["name"] == "sshd" and flow["source"]["name"] == "web", flow
    flow = estate.enforcers["a"].wait_flow(port, action="Accept")  # by what the answer proved
    assert flow["destination"]["type"] == "ProcessingUnit" and TAG in flow["destination"]["tags"], flow
    assert units(estate)["sshd"]["listening"] == [f"tcp/{port}"]


def test_what_the_host_opens_is_not_the_services(estate, port):
    """A connection from the service's own port is of whoever opened it; so is a port in another network namespace."""
    service(estate, "sshd", f"tcp/{port}")
    wait_for(lambda: "sshd" in names(estate))
    estate.c.listen(None, port)
    assert estate.b.connect(None, estate.c.addresses[4], port, "--bind", f"{estate.b.addresses[4]},{port}").ok
    netns = estate.system.make_namespace("elsewhere")
    estate.b.exec("ip", "link", "set", "lo", "up", netns=netns)
    server = estate.b.listen(None, port, address="127.0.0.1", netns=netns)
    assert estate.b.connect(None, "127.0.0.1", port, netns=netns).ok
    server.kill()
    estate.b.listen(None, port, address="127.0.0.1")
    assert not estate.b.connect(None, "127.0.0.1", port).ok, "here it is the service's"


def test_datagrams(estate, port):
    service(estate, "dns", f"udp/{port - 1}:{port + 1}")
    estate.b.listen(None, port, kind="udp")
    wait_for(lambda: not estate.c.sock(None, "udp-send", estate.b.addresses[4], port, "--timeout", 300).ok, 10,
             what="the default rejects")
    estate.console.create("externalnetworks", {"name": "c", "entries": ["10.3.0.0/24"],
                                               "associatedTags": ["externalnetwork:name=c"]})
    estate.console.create("networkrulesetpolicies", {
        "name": "dns", "subject": [[TAG]], "incomingRules": [
            {"action": "Allow", "object": [["externalnetwork:name=c"]], "protocolPorts": [f"udp/{port}"]}]})
    wait_for(lambda: estate.c.sock(None, "udp-send", estate.b.addresses[4], port, "--timeout", 300).ok, 8,
             what="a rule lets it in")


def test_changes_are_live(estate):
    one, two = estate.port(), estate.port()
    made, mapping = service(estate, "sshd", f"tcp/{one}")
    for at in (one, two):
        estate.b.listen(None, at)
    wait_for(lambda: not reaches(estate, one))
    both_ways(estate.console, one, server=TAG)
    wait_for(lambda: connects(estate, "web", one))
    held = estate.a.hold("web", estate.b.addresses[4], one)
    estate.console.update("hostservices", made["ID"], {"services": [f"tcp/{two}"]})
    wait_for(lambda: reaches(estate, one) and not reaches(estate, two), what="the other port is the service's")
    estate.console.update("hostservices", made["ID"], {"services": [f"tcp/{one}"]})
    wait_for(lambda: not reaches(estate, one) and reaches(estate, two), what="and back")
    estate.console.create("networkrulesetpolicies",
                          ruleset("no", TAG, "incoming", rule(["app=web"], action="Reject")))
    wait_for(lambda: not held.running, what="a connection of before is cut by the service's policy")
    estate.console.delete("hostservicemappingpolicies", mapping["ID"])
    wait_for(lambda: reaches(estate, one) and "sshd" not in names(estate), what="nobody's again")
    wait_for(lambda: not object_of(estate, "sshd"), what="the object goes")


def test_without_the_console(estate, port):
    """The copy on disk has the services as well: nothing in the kernel, the Console away, as after a reboot."""
    b = estate.enforcers["b"]
    estate.b.listen(None, port)
    service(estate, "sshd", f"tcp/{port}")
    both_ways(estate.console, port, server=TAG)
    wait_for(lambda: connects(estate, "web", port))
    wait_for(lambda: b"sshd" in (b.directory / "state" / "console-entries").read_bytes())
    estate.console.stop()
    b.stop()
    b.detach()
    b.start()
    assert "sshd" in names(estate) and not reaches(estate, port)
    estate.console.start()
    estate.await_connected(b, 90)
    wait_for(lambda: connects(estate, "web", port), what="web knows the new key")


def test_host_mode(estate, port):
    estate.b.listen(None, port)
    assert reaches(estate, port)
    _, mapping = service(estate, "whole", host_mode=True, tags=("app=whole",))
    wait_for(lambda: not reaches(estate, port), what="the host is a unit")
    host = units(estate)["hb.test"]
    assert host["type"] == "Host" and "app=whole" in host["tags"], host
    assert "whole" not in names(estate)
    wait_for(lambda: any(hook.startswith("tc/ingress") for hook in estate.enforcers["b"].programs()))
    both_ways(estate.console, port, server="app=whole")
    wait_for(lambda: connects(estate, "web", port))
    estate.console.delete("hostservicemappingpolicies", mapping["ID"])
    wait_for(lambda: reaches(estate, port), what="and is none any more")


def enforcer_of(estate):
    return next(e for e in estate.console.list("enforcers") if e["name"] == "hb.test")


def services_of(estate, query=""):
    answer = estate.console.admin.get(f"/enforcers/{enforcer_of(estate)['ID']}/hostservices{query}", namespace="/shop")
    assert answer.status == 200, answer
    return {item["name"]: item["services"] for item in answer.body or []}, answer.headers.get("X-Messages", "")


@pytest.mark.parametrize("restart", [False, True], ids=["running", "console restarted"])
def test_services_that_overlap(estate, restart):
    """What is in force stays, and everybody says why."""
    port, _, other = estate.port(), estate.port(), estate.port()
    service(estate, "sshd", f"tcp/{port}")
    wait_for(lambda: "sshd" in names(estate))
    wait_for(lambda: [s["name"] for s in enforcer_of(estate).get("lastValidHostServices") or []] == ["sshd"])
    made, mapping = service(estate, "wide", f"tcp/{port - 1}:{port + 1}", f"tcp/{other}")
    if restart:
        estate.console.stop()
        estate.console.start()
        estate.await_connected(estate.enforcers["b"], 90)
    both, messages = services_of(estate)
    assert set(both) == {"sshd", "wide"} and "both have tcp/" in messages, (both, messages)
    for query in ("?appliedServices=true", "?setServices=true"):
        applied, messages = services_of(estate, query)
        assert applied == {"sshd": [f"tcp/{port}"]} and "both have tcp/" in messages, (applied, messages)
    wait_for(lambda: "contradict themselves" in json.dumps(estate.enforcers["b"].status()["warnings"]))
    assert "sshd" in names(estate) and "wide" not in names(estate)
    estate.console.update("hostservices", made["ID"], {"services": [f"tcp/{other}"]})
    wait_for(lambda: {"sshd", "wide"} <= names(estate), what="both, now that they agree")
    wait_for(lambda: "contradict themselves" not in json.dumps(estate.enforcers["b"].status()["warnings"]))
    applied, messages = services_of(estate, "?appliedServices=true")
    assert set(applied) == {"sshd", "wide"} and "both have" not in messages
    estate.console.delete("hostservicemappingpolicies", mapping["ID"])
    wait_for(lambda: "wide" not in names(estate))


def test_beside_the_host_unit(estate, ip):
    """Where the host is a unit as well, the service is another one: of rules, identities and reports."""
    console, a, port, other = estate.console, estate.enforcers["a"], estate.port(), estate.port()
    for at in (port, other):
        estate.a.listen(None, at, ip=ip)
    console.create("hostservices", {"name": "sshd", "services": [f"tcp/{port}"],
                                    "associatedTags": ["hostservice=sshd", TAG]})
    console.create("hostservicemappingpolicies", {"name": "sshd", "subject": [["$name=ha.test"]],
                                                  "object": [["hostservice=sshd"]]})
    wait_for(lambda: "sshd" in {unit["name"] for unit in a.json("pus")})
    console.create("networkrulesetpolicies", ruleset("out", "app=db", "outgoing", rule([TAG]), rule(["app=host"])))
    console.create("networkrulesetpolicies", ruleset("in", TAG, "incoming", rule(["app=db"], port=port)))

    def reached(at, unit="db", host="b"):
        return estate.hosts[host].connect(unit, estate.a.addresses[ip], at, timeout=700).ok

    wait_for(lambda: reached(port), what="the service lets db in")
    assert not reached(other), "the host does not"
    assert not reached(port, unit=None, host="a"), "not even the host itself"
    flow = estate.enforcers["b"].wait_flow(port, action="Accept")
    assert TAG in flow["destination"]["tags"] and "app=host" not in flow["destination"]["tags"], flow
    console.create("networkrulesetpolicies", ruleset("host", "app=host", "incoming", rule(["app=db"], port=other)))
    wait_for(lambda: reached(other), what="now the host does")
    flow = estate.enforcers["b"].wait_flow(other, action="Accept")
    assert "app=host" in flow["destination"]["tags"], flow
    assert {unit["name"]: unit["listening"] for unit in a.json("pus")}["sshd"] == [f"tcp/{port}"]
