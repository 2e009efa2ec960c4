# SPDX-License-Identifier: Apache-2.0
"""What X-Messages says of writes that are allowed and odd, with units that an Enforcer reported."""
import time

import pytest

from link_client import Registered

NOTHING = "selects no processing unit now"
NO_OBJECT = "the object selects no unit and no external network now"


def rules(clause, ports=("tcp/80",), action="Allow"):
    return [{"action": action, "object": clause, "protocolPorts": list(ports)}]


@pytest.fixture(scope="module")
def estate(client):
    """A namespace with a unit app=web, foo=web and one app=db, foo=db at 10.9.9.9, and one below it."""
    namespace = client.post("/namespaces", {"name": f"warned{time.time_ns()}"}, namespace="/").body["name"]
    client.post("/namespaces", {"name": "below"}, namespace=namespace)
    with Registered(client, "host", namespace).connect() as link:
        link.snapshot()
        link.units(["app=web", "foo=web"], ["app=db", "foo=db"])
        for _ in range(100):
            if len(client.get("/processingunits", namespace=namespace).body) == 2:
                break
            time.sleep(0.1)
        link.delta()
        yield namespace


@pytest.fixture
def write(client, estate):
    """Makes a ruleset or a network, gives what the answer warned of, takes it away at the end of the test."""
    made = []

    def one(kind="networkrulesetpolicies", below="", **body):
        answer = client.post("/" + kind, {"name": f"w{len(made)}", **body}, namespace=estate + below)
        assert answer.status == 200, answer
        made.append(f"/{kind}/{answer.body['ID']}")
        return answer.headers["X-Messages"] or ""
    yield one
    for path in made:
        assert client.ask("DELETE", path).status == 200


WEB, DB = [["app=web"]], [["app=db"]]


def test_what_selects_nothing(write):
    assert NOTHING in write(subject=[["app=none"]])
    assert NOTHING not in write(subject=WEB)
    assert NOTHING not in write(subject=[["foo=web"]])  # its own host knows all of its tags
    assert NO_OBJECT in write(subject=WEB, outgoingRules=rules([["app=none"]]))
    assert NO_OBJECT not in write(subject=WEB, outgoingRules=rules(DB))


def test_the_other_side(write):
    assert "no rule of the other side" in write(subject=WEB, outgoingRules=rules(DB))
    assert "lets go out to" in write(subject=WEB, incomingRules=rules(DB))
    write(subject=DB, incomingRules=rules(WEB))
    assert write(subject=WEB, outgoingRules=rules(DB)) == ""
    assert write(subject=WEB, outgoingRules=rules(DB, action="Reject")) == ""  # one side is enough to reject


def test_tags_outside_the_prefixes(write):
    """Units are known by them on their own host alone: as an object they are nobody, also beside one that is."""
    write(subject=DB, incomingRules=rules(WEB))
    for clause in ([["foo=db"]], [["app=db"], ["foo=db"]]):
        assert "tag 'foo=db' has none of the tagPrefixes" in write(subject=WEB, outgoingRules=rules(clause)), clause
    assert "tagPrefixes" not in write(subject=WEB, outgoingRules=rules([["app=none"]]))
    write("externalnetworks", entries=["192.0.2.0/24"], associatedTags=["far=away"])
    assert write(subject=WEB, outgoingRules=rules([["far=away"]])) == ""


def test_networks_that_hold_units(write):
    assert "hold 10.9.9.9, an address of known units" in write("externalnetworks", entries=["10.9.0.0/16"])
    assert write("externalnetworks", entries=["10.9.0.0/16", "!10.9.9.0/24"]) == ""
    assert write("externalnetworks", entries=["192.0.2.0/24", "*.example.com"]) == ""


@pytest.mark.parametrize("rejected, wanted, pointless", [
    (["any"], ["tcp/80"], True), ([], ["tcp/80"], True), (["tcp/1:1024"], ["tcp/80", "TCP/90:100"], True),
    (["tcp/80"], ["tcp/80", "tcp/81"], False), (["udp/1:1024"], ["tcp/80"], False), (["tcp/80"], ["any"], False),
    (["icmp/8/0:5"], ["icmp/8/0,3"], True), (["icmp/8/0"], ["icmp/8"], False), (["tcp/80"], [], False)])
def test_what_a_parent_rejects(write, rejected, wanted, pointless):
    said = "without effect, because ruleset 'w0'"
    write(subject=WEB, propagate=True, outgoingRules=rules([["app=db"]], rejected, "Reject"))
    assert (said in write(below="/below", subject=WEB, outgoingRules=rules(DB, wanted))) == pointless
    narrower = write(below="/below", subject=[["app=web", "x=y"]], outgoingRules=rules([["app=db", "x=y"]], wanted))
    assert (said in narrower) == pointless
    assert said not in write(below="/below", subject=WEB, outgoingRules=rules([["app=other"]], wanted))
    assert said not in write(below="/below", subject=WEB, outgoingRules=rules(DB, wanted, "Reject"))


def test_mappings_of_units(client, estate):
    def post(target):
        return client.post("/namespacemappingpolicies", {"name": "m", "subject": [["a=b"]], "mappedNamespace": target},
                           namespace=estate)

    for target in ("/", estate, estate + "x", "below", "/elsewhere"):
        answer = post(target)
        assert answer.status == 422 and answer.body[0]["data"]["attribute"] == "mappedNamespace", answer
    answer = post(estate + "/none")
    assert "there is no namespace" in answer.headers["X-Messages"], answer
    path = "/namespacemappingpolicies/" + answer.body["ID"]
    changed = client.ask("PATCH", path, {"mappedNamespace": estate + "/below"})
    assert changed.status == 200 and not changed.headers["X-Messages"], changed
    assert client.ask("PATCH", path, {"mappedNamespace": "/"}).status == 422


def test_units_are_put_where_they_are_mapped(client, estate):
    """Down, and down again from there; what nothing maps stays; nobody maps sideways."""
    deep = client.post("/namespaces", {"name": "deep"}, namespace=estate + "/below").body["name"]
    for name, where, tag, target in (("one", estate, "go=down", estate + "/below"),
                                     ("two", estate + "/below", "far=yes", deep)):
        answer = client.post("/namespacemappingpolicies", {"name": name, "subject": [[tag]], "mappedNamespace": target},
                             namespace=where)
        assert answer.status == 200, answer
    with Registered(client, "mapper", estate).connect() as link:
        link.snapshot()
        link.units(["n=0"], ["n=1", "go=down"], ["n=2", "go=down", "far=yes"], ["n=3", "far=yes"])
        for _ in range(100):
            units = [u for u in client.get("/processingunits?recursive", namespace=estate).body
                     if any(tag.startswith("n=") for tag in u["normalizedTags"])]
            if len(units) == 4:
                break
            time.sleep(0.1)
    where = {next(t for t in u["normalizedTags"] if t.startswith("n=")): u["namespace"] for u in units}
    assert where == {"n=0": estate, "n=1": estate + "/below", "n=2": deep, "n=3": estate}


def test_what_has_no_effect_yet(client, estate):
    """It is kept, for clients and imports that have it, and said."""
    made = client.post("/namespaces", {"name": "said", "localCAEnabled": True, "type": "Group"}, namespace=estate)
    assert made.status == 200 and made.headers["X-Messages"] == "localCAEnabled: nothing in this version acts upon it"
    profile = client.post("/enforcerprofiles", {"name": "p", "syslogEnabled": True, "targetNetworks": ["10.0.0.0/8"],
                                                "targetUDPNetworks": ["10.0.0.0/8"]}, namespace=estate)
    assert profile.status == 200 and profile.body["syslogEnabled"] is True
    assert {m.split(":")[0] for m in profile.headers["X-Messages"].split("; ")} == {"syslogEnabled", "targetUDPNetworks"}
    plain = client.post("/enforcerprofiles", {"name": "q", "targetNetworks": ["10.0.0.0/8"], "syslogEnabled": False},
                        namespace=estate)
    assert plain.status == 200 and not plain.headers["X-Messages"]
