# SPDX-License-Identifier: Apache-2.0
"""The object API, on both databases."""
import json
import threading
from urllib.parse import quote

import pytest

ID = "0123456789abcdef01234567"

# The least that each stored kind needs, and something to change.
BODIES = {
    "accounts": None,  # tests of accounts are in test_auth.py
    "apiauthorizationpolicies": (
        {"subject": [["@auth:realm=vince", "@auth:account=x"]],
         "authorizedIdentities": ["@auth:role=namespace.viewer"], "authorizedNamespace": "."}, {}),
    "appcredentials": ({"roles": ["@auth:role=namespace.viewer"]}, {}),
    "enforcerprofilemappingpolicies": ({"subject": [["a=b"]], "object": [["c=d"]]}, {}),
    "enforcerprofiles": ({}, {"targetNetworks": ["10.0.0.0/8"]}),
    "enforcers": ({"FQDN": "host.example"}, {}),
    "externalnetworks": ({"entries": ["192.0.2.0/24"]}, {"entries": ["198.51.100.0/24"]}),
    "hostservicemappingpolicies": ({"subject": [["a=b"]], "object": [["c=d"]]}, {}),
    "hostservices": ({"services": ["tcp/80"]}, {"services": ["tcp/81"]}),
    "importreferences": None,  # test_import.py
    "namespacemappingpolicies": ({"subject": [["a=b"]], "mappedNamespace": "./below"}, {}),
    "namespaces": None,  # here, by themselves
    "networkrulesetpolicies": ({"subject": [["app=web"]]}, {"subject": [["app=db"]]}),
    "processingunits": None,  # Enforcers make them
}


def rulesets(client, namespace, n, **more):
    made = []
    for i in range(n):
        answer = client.post("/networkrulesetpolicies", {
            "name": f"r{i:03}", "subject": [["app=web"]],
            "associatedTags": [f"team={i % 3}"], **more}, namespace=namespace)
        assert answer.status == 200, answer
        made.append(answer.body)
    return made


def names(answer):
    assert answer.status == 200, answer
    return [o["name"] for o in answer.body]


# ---- Every kind ---------------------------------------------------------------------------------

def test_no_kind_is_forgotten(client):
    paths = client.get("/openapi.json").body["paths"]
    stored = {path.strip("/").split("/")[0] for path, verbs in paths.items()
              if path.count("/") == 2 and ("put" in verbs or "delete" in verbs)}
    assert stored == set(BODIES)


@pytest.mark.parametrize("plural", [p for p, body in BODIES.items() if body])
def test_life_of_an_object(client, namespace, plural):
    least, change = json.loads(json.dumps(BODIES[plural]).replace('".', f'"{namespace}'))
    change = change or {"description": "changed"}
    body = {"name": "one", **least}
    made = client.post("/" + plural, body, namespace=namespace)
    assert made.status == 200, made
    path = f"/{plural}/{made.body['ID']}"
    assert made.body["namespace"] == namespace and made.body["createTime"] == made.body["updateTime"]
    assert "$name=one" in made.body["normalizedTags"]

    read = client.get(path)
    assert read.status == 200
    assert {k: v for k, v in made.body.items() if k != "credentials"} == \
        {k: v for k, v in read.body.items() if k != "credentials"}
    assert made.body["ID"] in [o["ID"] for o in client.get("/" + plural, namespace=namespace).body]

    put = client.put(path, {**read.body, **change})
    assert put.status == 200, put
    assert put.body["updateTime"] > read.body["updateTime"]
    assert all(put.body[k] == v for k, v in change.items())
    patched = client.ask("PATCH", path, {"description": "patched"})
    assert patched.status == 200 and patched.body["description"] == "patched", patched
    assert all(patched.body[k] == v for k, v in change.items() if k != "description")

    again = client.post("/" + plural, body, namespace=namespace)
    if plural not in ("enforcers",):
        assert again.status == 422 and again.body[0]["data"]["attribute"] == "name", again
    assert client.ask("DELETE", path).status == 200
    assert client.get(path).status == 404
    assert client.ask("DELETE", path).status == 404


@pytest.mark.parametrize("plural", [p for p, body in BODIES.items() if body])
def test_unknown_attributes_are_refused(client, namespace, plural):
    least = json.loads(json.dumps(BODIES[plural][0]).replace('".', f'"{namespace}'))
    answer = client.post("/" + plural, {"name": "one", "descriptoin": "x", **least}, namespace=namespace)
    assert answer.status == 422, answer
    assert answer.body[0]["data"]["attribute"] == "descriptoin" and "'description'" in answer.reason


# ---- Requests that are wrong --------------------------------------------------------------------

def test_wrong_requests(client, namespace):
    def status(method, path, body=None, **more):
        return client.ask(method, path, body, **{"namespace": namespace, **more}).status

    assert status("GET", "/networkrulesetpolicys") == 404
    assert "networkrulesetpolicies" in client.get("/networkrulesetpolicys", namespace=namespace).reason
    assert status("GET", "/networkrulesetpolicies/xyz") == 404
    assert status("GET", "/networkrulesetpolicies/" + ID) == 404
    assert status("DELETE", "/networkrulesetpolicies") == 405
    assert status("POST", "/roles", {}) == 405
    assert status("POST", "/networkrulesetpolicies/" + ID, {}) == 405
    assert status("GET", "/networkrulesetpolicies", namespace="/none") == 404
    assert status("GET", "/networkrulesetpolicies", namespace="none") == 400
    assert client.get("/networkrulesetpolicies").status == 400  # no X-Namespace
    assert status("GET", "/networkrulesetpolicies", headers={"Accept": "text/html"}) == 406
    assert client.ask("POST", "/externalnetworks", namespace=namespace).status == 400  # no body
    assert status("POST", "/externalnetworks", []) == 400
    assert status("POST", "/externalnetworks", {"name": "x"}) == 422
    assert status("POST", "/networkrulesetpolicies", {"name": "x", "subject": [[]]}) == 422


@pytest.mark.parametrize("query, attribute", [
    ("pagesiz=1", "pagesiz"), ("page=x", "page"), ("page=1&pagesize=2&limit=3", "limit"),
    ("after=" + ID + "&page=1&pagesize=1", "after"), ("after=" + ID + "&order=name&order=-ID", "order"),
    ("order=nam", "order"), ("q=nam%20==%20x", "q"), ("q=name%20=%20x", "q"), ("after=1", "after")])
def test_wrong_queries(client, namespace, query, attribute):
    answer = client.get("/networkrulesetpolicies?" + query, namespace=namespace)
    assert answer.status == 400 and answer.body[0]["data"]["attribute"] == attribute, answer


def test_media_types(client, namespace):
    client.connection = None
    answer = client.ask("GET", "/networkrulesetpolicies", namespace=namespace)
    assert answer.headers["Content-Type"] == "application/json"
    connection = client.connection
    connection.request("POST", "/networkrulesetpolicies", "name: x",
                       {"Content-Type": "text/yaml", "X-Namespace": namespace,
                        "Authorization": "Bearer " + client.token})
    response = connection.getresponse()
    response.read()
    assert response.status == 415


# ---- Lists --------------------------------------------------------------------------------------

def test_pages(client, namespace):
    made = [o["name"] for o in rulesets(client, namespace, 10)]
    path = "/networkrulesetpolicies"
    for page, wanted in ((1, made[:4]), (2, made[4:8]), (3, made[8:]), (4, [])):
        answer = client.get(f"{path}?page={page}&pagesize=4", namespace=namespace)
        assert names(answer) == wanted and answer.headers["X-Count-Total"] == "10"
    assert names(client.get(f"{path}?pagesize=0", namespace=namespace)) == made
    seen, after = [], ""
    for _ in range(10):
        answer = client.get(f"{path}?limit=3{after}", namespace=namespace)
        seen += names(answer)
        if not answer.headers["X-Next"]:
            break
        after = "&after=" + answer.headers["X-Next"]
    assert seen == made
    seen, after = [], ""
    for _ in range(10):
        answer = client.get(f"{path}?limit=3&order=-name{after}", namespace=namespace)
        seen += names(answer)
        if not answer.headers["X-Next"]:
            break
        after = "&after=" + answer.headers["X-Next"]
    assert seen == made[::-1]


def test_order_and_fields(client, namespace):
    rulesets(client, namespace, 5)
    path = "/networkrulesetpolicies"
    assert names(client.get(path + "?order=-name", namespace=namespace)) == [f"r{i:03}" for i in (4, 3, 2, 1, 0)]
    answer = client.get(path + "?order=associatedTags&order=-name", namespace=namespace)
    assert answer.status == 200
    answer = client.ask("GET", path, namespace=namespace, headers={"X-Fields": "name"})
    assert answer.body[0] == {"name": "r000"}
    answer = client.ask("GET", path, namespace=namespace, headers={"X-Fields": "nam"})
    assert answer.status == 400 and "did you mean 'name'" in answer.reason, answer
    assert "did you mean 'name'" in client.get(path + "?order=-nam", namespace=namespace).reason


@pytest.mark.parametrize("q, wanted", [
    ('name == r001', ["r001"]),
    ('normalizedTags contains ["team=1"]', ["r001", "r004"]),
    ('normalizedTags contains ["team=1"] and name == r004', ["r004"]),
    ('associatedTags contains ["team=2"] or name == r000', ["r000", "r002", "r005"]),
    ('name == r000 or name == r001', ["r000", "r001"]),
    ('name matches ["^r00[45]$"]', ["r004", "r005"]),
    ('name != r000 and disabled == false and normalizedTags contains ["team=0"]', ["r003"]),
    ('name == nobody', []),
    ('description == ""', [f"r{i:03}" for i in range(6)]),
    ('createTime <= now("-1h")', []),
    ('createTime > now("-1h")', [f"r{i:03}" for i in range(6)]),
])
def test_filters(client, namespace, q, wanted):
    rulesets(client, namespace, 6)
    for path in ("/networkrulesetpolicies?q=", "/networkrulesetpolicies?order=name&q="):
        answer = client.get(path + quote(q), namespace=namespace)
        assert names(answer) == wanted and answer.headers["X-Count-Total"] == str(len(wanted))


def test_accounts_by_parameter(client):
    for name, status in (("ann", "Active"), ("bob", "Disabled"), ("cat", "Disabled")):
        answer = client.post("/accounts", {"name": name, "email": name + "@example.com", "status": status,
                                           "password": "correct horse battery"}, namespace="/")
        assert answer.status == 200, answer
    for query, wanted in (("name=bob", ["bob"]), ("status=Disabled", ["bob", "cat"]), ("name=ann&status=Disabled", []),
                          ("status=Disabled&q=name%20matches%20%22t$%22&q=name%20==%20ann", ["cat"]),
                          ("name=%22%20or%20name%20!=%20%22", [])):
        assert names(client.get("/accounts?" + query, namespace="/")) == wanted, query


@pytest.mark.parametrize("plural", [p for p, body in BODIES.items() if body])
def test_parameters_of_every_list(client, namespace, plural):
    """None of them hides what is there."""
    least = json.loads(json.dumps(BODIES[plural][0]).replace('".', f'"{namespace}'))
    assert client.post("/" + plural, {"name": "one", **least}, namespace=namespace).status == 200
    for query in ("archived", "recursive", "propagated", "page=1&pagesize=100", "pageSize=100", "limit=100", "order=name",
                  "archived=true&recursive=true&propagated=true"):
        assert "one" in names(client.get(f"/{plural}?{query}", namespace=namespace)), query


def test_parameters_of_lists_that_are_not_stored(client):
    """Roles are made for the answer."""
    everything = [role["key"] for role in client.get("/roles", namespace="/").body]
    assert len(everything) > 5

    def keys(query, **more):
        answer = client.get("/roles?" + query, namespace="/", **more)
        assert answer.status == 200, answer
        return [role["key"] for role in answer.body], answer.headers

    assert keys("order=key")[0] == sorted(everything)
    assert keys("order=-key")[0] == sorted(everything, reverse=True)
    found, headers = keys("page=2&pagesize=3")
    assert found == everything[3:6] and headers["X-Count-Total"] == str(len(everything))
    assert keys("page=4294967295&pagesize=4294967295")[0] == []
    found, headers = keys("limit=2&order=-key")
    walked = found
    while "X-Next" in headers:
        assert headers["X-Count-Total"] == str(len(everything))
        found, headers = keys("limit=2&order=-key&after=" + headers["X-Next"])
        walked = walked + found
    assert walked == sorted(everything, reverse=True)
    assert keys("limit=2&after=" + "f" * 24)[0] == []
    found, headers = keys("q=" + quote(f'key == "{everything[2]}"'))
    assert found == [everything[2]] and headers["X-Count-Total"] == "1"
    shown = client.get("/roles?order=name&q=private%20==%20false", namespace="/", headers={"X-Fields": "name"}).body
    assert shown and all(set(role) == {"name"} for role in shown)
    assert [role["name"] for role in shown] == sorted(role["name"] for role in shown)
    authority = client.get("/trustedcas", namespace="/", headers={"X-Fields": "serialnumber"}).body
    assert [set(one) for one in authority] == [{"serialnumber"}]


def test_two_filters_are_or(client, namespace):
    rulesets(client, namespace, 4)
    answer = client.get(f"/networkrulesetpolicies?q={quote('name == r001')}&q={quote('name == r003')}",
                        namespace=namespace)
    assert names(answer) == ["r001", "r003"]


def test_recursive_and_propagated(client, namespace):
    child = client.post("/namespaces", {"name": "child"}, namespace=namespace).body["name"]
    assert child == namespace + "/child"
    rulesets(client, namespace, 1, propagate=True)
    client.post("/networkrulesetpolicies", {"name": "own", "subject": [["a=b"]]}, namespace=namespace)
    client.post("/networkrulesetpolicies", {"name": "below", "subject": [["a=b"]]}, namespace=child)
    path = "/networkrulesetpolicies"
    assert names(client.get(path, namespace=child)) == ["below"]
    assert names(client.get(path + "?propagated", namespace=child)) == ["r000", "below"]
    assert names(client.get(path, namespace=namespace)) == ["r000", "own"]
    assert names(client.get(path + "?recursive", namespace=namespace)) == ["r000", "own", "below"]
    assert "below" in names(client.get(path + "?recursive", namespace="/"))
    assert names(client.get(path + f"?recursive&q={quote('namespace == ' + child)}", namespace="/")) == ["below"]


def test_head_and_options(client, namespace):
    rulesets(client, namespace, 3)
    answer = client.ask("HEAD", "/networkrulesetpolicies", namespace=namespace)
    assert answer.status == 200 and answer.text == "" and answer.headers["X-Count-Total"] == "3"
    assert "POST" in client.ask("OPTIONS", "/networkrulesetpolicies").headers["Allow"]
    for path, allow in (("/networkrulesetpolicies", "OPTIONS, GET, HEAD, POST"), ("/roles", "OPTIONS, GET, HEAD"),
                        ("/_meta/version", "OPTIONS, GET, HEAD")):
        answer = client.ask("DELETE", path, namespace=namespace)
        assert answer.status == 405 and answer.headers["Allow"] == allow, answer
    assert names(client.get("/v/1/networkrulesetpolicies", namespace=namespace)) == ["r000", "r001", "r002"]
    assert client.get("/_meta/version").body["version"]


# ---- Writes -------------------------------------------------------------------------------------

def test_locking_by_update_time(client, namespace):
    first = rulesets(client, namespace, 1)[0]
    path = "/networkrulesetpolicies/" + first["ID"]
    assert client.put(path, {**first, "description": "mine"}).status == 200
    late = client.put(path, {**first, "description": "theirs"})
    assert late.status == 409 and late.body[0]["data"]["attribute"] == "updateTime", late
    assert client.get(path).body["description"] == "mine"
    del first["updateTime"]
    assert client.put(path, {**first, "description": "last"}).status == 200
    assert client.put(path, {**first, "ID": ID}).status == 422
    assert client.put(path, {**first, "namespace": "/"}).status == 422


def test_put_without_an_attribute_is_its_default(client, namespace):
    made = rulesets(client, namespace, 1, description="x")[0]
    answer = client.put("/networkrulesetpolicies/" + made["ID"], {"name": "r000", "subject": [["a=b"]]})
    assert answer.status == 200 and answer.body["description"] == "" and answer.body["associatedTags"] == []


def test_protected(client, namespace):
    made = rulesets(client, namespace, 1, protected=True)[0]
    path = "/networkrulesetpolicies/" + made["ID"]
    assert client.ask("PATCH", path, {"description": "x"}).status == 403
    assert client.ask("DELETE", path).status == 403
    assert client.ask("PATCH", path + "?override=true", {"description": "x"}).status == 200
    assert client.ask("DELETE", path + "?override=true").status == 200


def test_idempotency(client, namespace):
    key = {"Idempotency-Key": "abc"}
    body = {"name": "once", "subject": [["a=b"]]}
    path = "/networkrulesetpolicies"
    first = client.post(path, body, namespace=namespace, headers=key)
    again = client.post(path, body, namespace=namespace, headers=key)
    assert first.status == again.status == 200 and first.body == again.body
    assert client.post(path, body, namespace=namespace).status == 422
    other = client.post("/externalnetworks", {"name": "x", "entries": ["192.0.2.1"]}, namespace=namespace, headers=key)
    assert other.status == 200  # the key is of one address
    assert names(client.get(path, namespace=namespace)) == ["once"]


def test_idempotency_at_the_same_time(installation, client, namespace):
    answers = []

    def run():
        mine = installation.administrator()
        answers.append(mine.post("/networkrulesetpolicies", {"name": "once", "subject": [["a=b"]]},
                                 namespace=namespace, headers={"Idempotency-Key": "x"}))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [a for a in answers if a.status == 200]
    assert good and len({a.body["ID"] for a in good}) == 1
    assert all(a.status in (200, 422, 503) for a in answers), answers
    assert len(client.get("/networkrulesetpolicies", namespace=namespace).body) == 1


def test_warnings_come_with_the_answer(client, namespace):
    answer = client.post("/networkrulesetpolicies", {"name": "w", "subject": [["app=nobody"]]}, namespace=namespace)
    assert "selects no processing unit" in answer.headers["X-Messages"]


# ---- Namespaces ---------------------------------------------------------------------------------

def test_namespace_names(client, namespace):
    for name in ("a/b", "", "/other/x", "a b", "..", namespace):
        assert client.post("/namespaces", {"name": name}, namespace=namespace).status == 422, name
    made = client.post("/namespaces", {"name": namespace + "/full"}, namespace=namespace)
    assert made.status == 200 and made.body["name"] == namespace + "/full" and made.body["namespace"] == namespace
    assert client.put("/namespaces/" + made.body["ID"], {**made.body, "name": "other"}).status == 422


def test_namespace_comes_with_a_profile(client, namespace):
    assert names(client.get("/enforcerprofiles", namespace=namespace)) == ["default"]
    policies = client.get("/enforcerprofilemappingpolicies", namespace=namespace).body
    found = client.get(f"/enforcerprofilemappingpolicies/{policies[0]['ID']}/enforcerprofiles")
    assert names(found) == ["default"]


def test_namespace_deletion(client, namespace):
    where = client.get(f"/namespaces?q={quote('name == ' + namespace)}", namespace="/").body[0]["ID"]
    root = client.get(f"/namespaces?q={quote('name == /')}", namespace="/").body[0]["ID"]
    assert client.ask("DELETE", "/namespaces/" + root).status == 403
    rulesets(client, namespace, 2)
    child = client.post("/namespaces", {"name": "child"}, namespace=namespace).body["name"]
    rulesets(client, child, 1)
    assert client.ask("DELETE", "/namespaces/" + where).status == 409
    assert client.ask("DELETE", f"/namespaces/{where}?recursive=true").status == 200
    assert client.get("/networkrulesetpolicies", namespace=namespace).status == 404
    assert client.get("/networkrulesetpolicies", namespace=child).status == 404
    again = client.post("/namespaces", {"name": namespace[1:]}, namespace="/")
    assert again.status == 200
    assert client.get("/networkrulesetpolicies", namespace=namespace).body == []
    assert client.ask("DELETE", "/namespaces/" + again.body["ID"]).status == 200  # empty: no question


def test_organizational_metadata(client, namespace):
    space = client.get(f"/namespaces?q={quote('name == ' + namespace)}", namespace="/").body[0]
    answer = client.ask("PATCH", "/namespaces/" + space["ID"], {"organizationalMetadata": ["@org:group=web"]})
    assert answer.status == 200, answer
    child = client.post("/namespaces", {"name": "child"}, namespace=namespace).body["name"]
    made = client.post("/externalnetworks", {"name": "x", "entries": ["192.0.2.1"]}, namespace=child)
    assert made.body["metadata"] == ["@org:group=web"] and "@org:group=web" in made.body["normalizedTags"]
    assert client.get("/organizationalmetadata", namespace=child).body[0]["metadata"] == ["@org:group=web"]


def test_default_actions_and_prefixes(client, namespace):
    child = client.post("/namespaces", {"name": "child"}, namespace=namespace).body["name"]
    assert client.get("/namespaceinfo", namespace=child).body[0]["PUIncomingTrafficAction"] == "Reject"
    assert client.post("/putrafficactions", {"Incoming": "Allow"}, namespace=namespace).status == 200
    info = client.get("/namespaceinfo", namespace=child).body[0]
    assert info["PUIncomingTrafficAction"] == "Allow" and info["PUOutgoingTrafficAction"] == "Reject"
    assert client.get("/putrafficactions", namespace=child).body[0]["Incoming"] == "Inherit"
    assert client.post("/tagprefixes", {"prefixes": ["team="]}, namespace=namespace).status == 200
    assert "team=" in client.get("/tagprefixes", namespace=child).body[0]["prefixes"]


def test_default_actions_need_the_parent(installation, client, namespace):
    from auth_client import key_pem, new_key, request_pem, Client
    import base64
    key = new_key()
    made = client.post("/appcredentials", {"name": "own", "roles": ["@auth:role=namespace.administrator"],
                                           "CSR": request_pem(key)}, namespace=namespace)
    assert made.status == 200, made
    certificate = base64.b64decode(made.body["credentials"]["certificate"]).decode()
    mine = Client(installation, certificate=(certificate, key_pem(key)))
    mine.token = mine.issue().body["token"]
    assert mine.get("/putrafficactions", namespace=namespace).status == 200
    assert mine.post("/putrafficactions", {"Incoming": "Allow"}, namespace=namespace).status == 403
    assert mine.get("/networkrulesetpolicies", namespace="/").status == 403


# ---- Looking around -----------------------------------------------------------------------------

def test_activities(client, namespace):
    made = rulesets(client, namespace, 1)[0]
    client.ask("PATCH", "/networkrulesetpolicies/" + made["ID"], {"description": "new"})
    client.ask("DELETE", "/networkrulesetpolicies/" + made["ID"])
    found = client.get("/activities", namespace=namespace).body
    assert [a["operation"] for a in found] == ["delete", "update", "create"]
    assert 'description: "new"' in found[1]["diff"] and found[1]["targetID"] == made["ID"]
    assert "administrator" in found[0]["source"] and "@auth:realm=certificate" in found[0]["claims"]
    one = client.get("/activities/" + found[0]["ID"], namespace=namespace)
    assert one.status == 200 and one.body == found[0]
    only = client.get(f"/activities?q={quote('operation == update')}", namespace=namespace)
    assert [a["operation"] for a in only.body] == ["update"]
    page = client.get("/activities?page=2&pagesize=1", namespace=namespace)
    assert [a["operation"] for a in page.body] == ["update"] and page.headers["X-Count-Total"] == "3"


def test_tags_and_search(client, namespace):
    rulesets(client, namespace, 3, description="about penguins")
    tags = {t["value"]: t["count"] for t in client.get("/tags", namespace=namespace).body}
    assert tags["team=0"] == 1 and tags["$identity=networkrulesetpolicy"] == 3
    only = [t["value"] for t in client.get("/tags?onlyPolicyTags", namespace=namespace).body]
    assert only == []
    values = client.get("/tagvalues?key=team", namespace=namespace).body
    assert values == [{"key": "team", "values": ["0", "1", "2"]}]
    first = client.get("/tagvalues?page=2&pagesize=1", namespace=namespace)
    assert [v["key"] for v in first.body] == ["$name"] and first.headers["X-Count-Total"] == "4", first
    assert [t["value"] for t in client.get("/tags?limit=2", namespace=namespace).body] == sorted(tags)[:2]
    hits = client.get("/search?q=r001", namespace=namespace).body
    assert [h["object"]["name"] for h in hits] == ["r001"]
    assert len(client.get("/search?q=PENGUINS", namespace=namespace).body) == 3
    assert client.get("/search?q=penguins%20r002", namespace=namespace).headers["X-Count-Total"] == "1"
    assert client.get("/search", namespace=namespace).status == 400


def test_what_a_ruleset_matches(client, namespace):
    net = client.post("/externalnetworks", {"name": "lan", "entries": ["192.0.2.0/24"],
                                            "associatedTags": ["net=lan"]}, namespace=namespace).body
    policy = client.post("/networkrulesetpolicies", {
        "name": "p", "subject": [["app=web"]],
        "outgoingRules": [{"action": "Allow", "object": [["net=lan"]], "protocolPorts": ["tcp/80"]}]},
        namespace=namespace).body
    path = "/networkrulesetpolicies/" + policy["ID"]
    found = client.get(path + "/externalnetworks?mode=object").body
    assert [o["ID"] for o in found] == [net["ID"]]
    assert client.get(path + "/processingunits?mode=subject").body == []
    assert client.get(path + "/processingunits?mode=both").status == 400


def test_health(client):
    answer = client.get("/healthchecks")
    assert answer.status == 200 and {h["status"] for h in answer.body} == {"Operational"}
    database = next(h for h in answer.body if h["type"] == "Database")
    assert 0 < float(database["responseTime"].removesuffix("ms")) < 60000
    assert client.get("/healthchecks?quiet").text == ""
