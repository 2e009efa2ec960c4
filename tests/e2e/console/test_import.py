# SPDX-License-Identifier: Apache-2.0
"""Import, export and import references."""
import pytest


def envelope(label="", **data):
    return {"data": {"APIVersion": 1, "label": label, "data": data}}


def ruleset(name, **more):
    return {"name": name, "subject": [["app=web"]], **more}


def shop(*names):
    return {"namespaces": [{"name": "shop"}, {"name": "shop/eu"}],
            "networkrulesetpolicies": [ruleset(n, namespace="shop/eu") for n in names],
            "externalnetworks": [{"name": "lan", "namespace": "shop", "entries": ["192.0.2.0/24"]}]}


def operations(answer):
    assert answer.status == 200, answer
    return sorted((c["operation"], c["name"]) for c in answer.body["changes"])


def names(client, plural, namespace):
    return [o["name"] for o in client.get("/" + plural, namespace=namespace).body]


def test_import_export_import(client, namespace):
    first = client.post("/import", envelope(**shop("a", "b")), namespace=namespace)
    assert operations(first) == [("create", n) for n in sorted(
        ["a", "b", "lan", namespace + "/shop", namespace + "/shop/eu"])]
    assert names(client, "networkrulesetpolicies", namespace + "/shop/eu") == ["a", "b"]
    again = client.post("/import", envelope(**shop("a", "b")), namespace=namespace)
    assert operations(again) == [] and again.body["unchanged"] == 5
    out = client.post("/export?recursive=true", {}, namespace=namespace).body
    assert set(out["data"]) == {"namespaces", "networkrulesetpolicies", "externalnetworks"}
    assert operations(client.post("/import", {"data": out}, namespace=namespace)) == []
    other = client.post("/namespaces", {"name": "other"}, namespace=namespace).body["name"]
    assert len(operations(client.post("/import", {"data": out}, namespace=other))) == 5
    assert names(client, "networkrulesetpolicies", other + "/shop/eu") == ["a", "b"]
    only = client.post("/export?recursive=true", {"identities": ["externalnetworks"]}, namespace=namespace).body
    assert set(only["data"]) == {"externalnetworks"}


def test_what_can_be_exported(client, namespace):
    """Every kind that is named, by any of its names; those that are nothing without a key or a host are refused."""
    made = client.post("/apiauthorizationpolicies", {
        "name": "one", "subject": [["@auth:realm=vince", "@auth:account=x"]],
        "authorizedIdentities": ["@auth:role=namespace.viewer"], "authorizedNamespace": namespace}, namespace=namespace)
    assert made.status == 200, made
    client.post("/externalnetworks", {"name": "x", "entries": ["192.0.2.1"]}, namespace=namespace)
    assert list(client.post("/export", {}, namespace=namespace).body["data"]) == ["externalnetworks"]
    named = client.post("/export", {"identities": ["apiauth", "ExternalNetwork"]}, namespace=namespace).body["data"]
    assert set(named) == {"apiauthorizationpolicies", "externalnetworks"}
    for word in ("accounts", "appcred", "enforcers", "pu", "importreferences", "issue"):
        answer = client.post("/export", {"identities": ["externalnetworks", word]}, namespace=namespace)
        assert answer.status == 422 and answer.body[0]["data"]["attribute"] == "identities[1]", answer
        assert "can be exported" in answer.reason



def test_full_paths(client, namespace):
    answer = client.post("/import", envelope(
        namespaces=[{"name": namespace + "/x"}],
        networkrulesetpolicies=[ruleset("a", namespace=namespace + "/x")]), namespace=namespace)
    assert answer.status == 200, answer
    assert names(client, "networkrulesetpolicies", namespace + "/x") == ["a"]


def test_dry_run_changes_nothing(client, namespace):
    dry = client.post("/import?dryRun=true", envelope(**shop("a")), namespace=namespace)
    assert len(operations(dry)) == 4 and dry.body["dryRun"] is True
    assert client.get("/namespaces", namespace=namespace).body == []
    client.post("/import", envelope(**shop("a")), namespace=namespace)
    changed = shop("a")
    changed["networkrulesetpolicies"][0]["disabled"] = True
    dry = client.post("/import?dryRun=true", envelope(**changed), namespace=namespace)
    assert operations(dry) == [("update", "a")]
    assert dry.body["changes"][0]["diff"] == "+ disabled: true\n"


def test_label_replaces(client, namespace):
    assert client.post("/import", envelope("one", **shop("a", "b")), namespace=namespace).status == 200
    client.post("/networkrulesetpolicies", ruleset("mine"), namespace=namespace + "/shop/eu")
    second = client.post("/import", envelope("one", **shop("b", "c")), namespace=namespace)
    assert operations(second) == [("create", "c"), ("delete", "a")]
    assert names(client, "networkrulesetpolicies", namespace + "/shop/eu") == ["b", "mine", "c"]
    stolen = client.post("/import", envelope("two", **shop("b")), namespace=namespace)
    assert stolen.status == 422 and "'one'" in stolen.reason, stolen


def test_remove(client, namespace):
    client.post("/import", envelope(**shop("a", "b")), namespace=namespace)
    gone = client.post("/import", {**envelope(**shop("a")), "mode": "Remove"}, namespace=namespace)
    assert gone.status == 409 or gone.status == 422, gone  # b is still in the namespace
    both = client.post("/import", {**envelope(**shop("a", "b")), "mode": "Remove"}, namespace=namespace)
    assert len(operations(both)) == 5
    assert client.get("/namespaces", namespace=namespace).body == []


@pytest.mark.parametrize("data, attribute", [
    ({"networkrulesetpolicies": [ruleset("a"), ruleset("b", subjct=1)]}, "data.networkrulesetpolicies[1].subjct"),
    ({"networkrulesetpolicies": [ruleset("a"), ruleset("a")]}, "data.networkrulesetpolicies[1].name"),
    ({"networkrulesetpolicies": [ruleset("a", namespace="/elsewhere")]}, "data.networkrulesetpolicies[0].namespace"),
    ({"networkrulesetpolicies": [ruleset("a", namespace="missing")]}, "data.networkrulesetpolicies[0].namespace"),
    ({"externalnetworks": [{"name": "x", "entries": ["10.0.0.0/99"]}]}, "data.externalnetworks[0].entries[0]"),
])
def test_all_or_nothing(client, namespace, data, attribute):
    data = {"externalnetworks": [{"name": "good", "entries": ["192.0.2.1"]}], **data} \
        if "externalnetworks" not in data else data
    answer = client.post("/import", envelope(**data), namespace=namespace)
    assert answer.status == 422 and answer.body[0]["data"]["attribute"] == attribute, answer
    assert names(client, "externalnetworks", namespace) == []
    assert names(client, "networkrulesetpolicies", namespace) == []


def test_unknown_kinds(client, namespace):
    answer = client.post("/import", envelope(networkrulesets=[]), namespace=namespace)
    assert answer.status == 422 and "networkrulesetpolicies" in answer.reason, answer


def test_references(client, namespace):
    body = {"name": "ref", **envelope("r", **shop("a"))}
    made = client.post("/importreferences", body, namespace=namespace)
    assert made.status == 200 and made.body["label"] == "r", made
    assert names(client, "networkrulesetpolicies", namespace + "/shop/eu") == ["a"]
    replaced = client.post("/importreferences", {"name": "ref", **envelope("r", **shop("b"))}, namespace=namespace)
    assert replaced.status == 200, replaced
    assert names(client, "importreferences", namespace) == ["ref"]
    assert names(client, "networkrulesetpolicies", namespace + "/shop/eu") == ["b"]
    unique = client.post("/importreferences", {"name": "ref2", "constraint": "NamespaceUnique", **envelope("r")},
                         namespace=namespace)
    assert unique.status == 422, unique
    assert client.ask("DELETE", "/importreferences/" + replaced.body["ID"]).status == 200
    assert client.get("/namespaces", namespace=namespace).body == []
    assert names(client, "importreferences", namespace) == []


def test_large_import(client, namespace):
    answer = client.post("/import", envelope("big", networkrulesetpolicies=[
        ruleset(f"r{i}", associatedTags=[f"n={i}"]) for i in range(3000)]), namespace=namespace)
    assert answer.status == 200 and len(answer.body["changes"]) == 3000
    gone = client.post("/import", envelope("big"), namespace=namespace)
    assert len(gone.body["changes"]) == 3000
