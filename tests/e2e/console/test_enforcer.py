# SPDX-License-Identifier: Apache-2.0
"""Enforcers that live from a Console: real connections, real rulesets through the API."""
import pytest

from console_estate import ConsoleEstate
from estate import System, wait_for


@pytest.fixture(scope="module")
def _estate(system):
    estate = ConsoleEstate(system)
    try:
        estate.start()
        yield estate
    finally:
        estate.close()


@pytest.fixture
def estate(_estate):
    _estate.ensure()
    made = {item["ID"] for item in _estate.console.list("networkrulesetpolicies")}
    yield _estate
    for item in _estate.console.list("networkrulesetpolicies"):
        if item["ID"] not in made:
            _estate.console.delete("networkrulesetpolicies", item["ID"])


def rule(*clauses, port=None, action="Allow"):
    return {"action": action, "object": [list(clause) for clause in clauses],
            "protocolPorts": [f"tcp/{port}" if port else "any"]}


def both_ways(console, port, client="app=web", server="app=db"):
    """The two rulesets that let a client in."""
    return [console.create("networkrulesetpolicies", {
                "name": f"to-{port}", "subject": [[client]], "outgoingRules": [rule([server], port=port)]}),
            console.create("networkrulesetpolicies", {
                "name": f"from-{port}", "subject": [[server]], "incomingRules": [rule([client], port=port)]})]


def connects(estate, unit, port, server="b", ip=4):
    return estate.hosts["a"].connect(unit, estate.hosts[server].addresses[ip], port, timeout=700).ok


def test_identity_decides(estate, port, ip):
    with_db = estate.b.listen("db", port, ip=ip)
    assert not connects(estate, "web", port, ip=ip)
    both_ways(estate.console, port)
    wait_for(lambda: connects(estate, "web", port, ip=ip), 5, what="web is let in")
    assert not connects(estate, "other", port, ip=ip)
    flow = estate.enforcers["b"].wait_flow(port, action="Accept")
    assert flow["source"]["type"] == "ProcessingUnit" and flow["ruleName"] is not None
    with_db.kill()


@pytest.fixture
def port(estate):
    return estate.port()
