# SPDX-License-Identifier: Apache-2.0
"""Writes that were refused are activities: who tried what, and why not."""
import time

import pytest

ID = "0123456789abcdef01234567"
RULESET = {"name": "r", "subject": [["app=web"]]}


@pytest.fixture(scope="module")
def admin(console):
    return console.administrator()


@pytest.fixture
def viewer(console, admin, request):
    """May look at /viewed and below."""
    admin.post("/namespaces", {"name": "viewed"}, namespace="/")
    _, client = console.credential(admin, f"v-{request.node.name[:40]}", "/viewed", ["@auth:role=namespace.viewer"])
    client.token = client.issue().body["token"]
    return client


def activities(admin, namespace, n):
    """The newest `n`; they come a moment after the answer."""
    end = time.monotonic() + 15
    while True:
        found = admin.get(f"/activities?pagesize={n}", namespace=namespace).body
        if len(found) == n and all(one["error"] for one in found) or time.monotonic() > end:
            return found
        time.sleep(0.05)


def test_who_tried_what(admin, viewer):
    made = admin.post("/networkrulesetpolicies", RULESET, namespace="/viewed").body
    path = "/networkrulesetpolicies/" + made["ID"]
    assert viewer.post("/networkrulesetpolicies", RULESET, namespace="/viewed").status == 403
    assert viewer.ask("DELETE", path, namespace="/viewed").status == 403
    assert admin.ask("PATCH", path, {"description": 7}, namespace="/viewed").status == 422
    assert admin.post("/networkrulesetpolicies", {"name": "x"}, namespace="/viewed").status == 422
    found = activities(admin, "/viewed", 4)[::-1]
    assert [(a["operation"], a["targetIdentity"], a["error"]["code"]) for a in found] == [
        (operation, "networkrulesetpolicy", code)
        for operation, code in (("create", 403), ("delete", 403), ("update", 422), ("create", 422))]
    assert found[1]["targetID"] == made["ID"] == found[2]["targetID"]
    assert all("/viewed" == a["namespace"] and "127.0.0.1" in a["source"] and a["claims"] for a in found)
    assert "@auth:subject=" in str(found[0]["claims"]) and found[0]["source"] != found[3]["source"]
    assert found[2]["error"]["attribute"] == "description" and "refused: update" in found[2]["message"]
    done = admin.get(f"/activities?q=targetID%20==%20{made['ID']}%20and%20operation%20==%20create", namespace="/viewed").body
    assert [a["error"] for a in done] in ([None], [{}])


def test_what_is_no_refusal(admin, viewer):
    admin.post("/namespaces", {"name": "quiet"}, namespace="/")
    before = len(admin.get("/activities", namespace="/quiet").body)
    bad = {"data": {"data": {"networkrulesetpolicies": [{"name": "x"}]}}}
    assert admin.post("/import?dryRun", bad, namespace="/quiet").status == 422
    admin.post("/networkrulesetpolicies", RULESET, namespace="/quiet", token="no.such.token")
    viewer.get("/networkrulesetpolicies", namespace="/quiet")
    admin.get("/networkrulesetpolicies/" + ID, namespace="/quiet")
    admin.post("/authz", {"x": 1}, namespace="/quiet")
    admin.post("/nothing", {}, namespace="/quiet")
    time.sleep(0.5)
    assert len(admin.get("/activities", namespace="/quiet").body) == before
    assert admin.post("/import", bad, namespace="/quiet").status == 422
    assert activities(admin, "/quiet", 1)[0]["targetIdentity"] == "import"


def test_nobody_can_push_out_what_others_did(admin, viewer):
    """A hundred at once, then one a second; the answers stay the same."""
    admin.post("/namespaces", {"name": "loud"}, namespace="/viewed")
    for i in range(300):
        assert viewer.post("/networkrulesetpolicies", RULESET, namespace="/viewed/loud").status == 403
    time.sleep(0.5)
    found = admin.get("/activities?pagesize=1000", namespace="/viewed/loud").body
    assert 100 <= len(found) <= 150, len(found)


def test_a_namespace_that_is_not_there(admin):
    """Its administrators are those of the root."""
    assert admin.post("/networkrulesetpolicies", RULESET, namespace="/no/such").status >= 400
    assert "/no/such" not in str(activities(admin, "/", 1)[0]["namespace"])
    assert activities(admin, "/", 1)[0]["error"]
