# SPDX-License-Identifier: Apache-2.0
"""Bodies of every route that takes one, as GET /openapi.json describes them: what is wrong is refused and named."""
import json
import pathlib

import pytest

from test_enforcer_routes import register

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "fuzz/corpus/schema_body"
PARENTS = {"enforcers": {"name": "parent", "FQDN": "parent.example"}}


def routes(client):
    """(path, schema of the body) of every POST."""
    api = client.get("/openapi.json").body
    for path, verbs in api["paths"].items():
        if "post" in verbs:
            content = verbs["post"]["requestBody"]["content"]["application/json"]["schema"]
            yield path, api["components"]["schemas"][content["$ref"].rsplit("/", 1)[1]]


@pytest.fixture
def addressed(client, namespace):
    """Path templates to addresses; None: there is no such parent without an Enforcer."""
    made = {}

    def address(path):
        if "{id}" not in path:
            return path
        parent = path.split("/")[1]
        if parent not in PARENTS:
            return None
        if parent not in made:
            answer = client.post("/" + parent, PARENTS[parent], namespace=namespace)
            assert answer.status == 200, answer
            made[parent] = answer.body["ID"]
        return path.replace("{id}", made[parent])
    return address


def problems(answer):
    assert answer.status == 422, answer
    return {problem["data"]["attribute"]: problem["description"] for problem in answer.body}


def test_unknown_attributes_of_every_body(client, namespace, addressed):
    seen = 0
    for path, schema in routes(client):
        if not (address := addressed(path)):
            continue
        known = sorted(schema["properties"])[-1]
        found = problems(client.post(address, {known + "x": 1}, namespace=namespace))
        assert f"'{known}'" in found[known + "x"], (path, found)
        seen += 1
    assert seen > 20


def test_words_of_every_body(client, namespace, addressed):
    seen = 0
    for path, schema in routes(client):
        words = {name: "Nonsense" for name, value in schema["properties"].items()
                 if "enum" in value and not value.get("readOnly") and not value.get("x-enforcer-writes")}
        if not words or not (address := addressed(path)):
            continue
        found = problems(client.post(address, words, namespace=namespace))
        assert set(words) <= set(found), (path, found)
        seen += 1
    assert seen > 6


def test_no_route_is_described_that_is_not_there(client, namespace, addressed):
    for path, _ in routes(client):
        if path != "/logout" and (address := addressed(path)):  # that would be it for the token
            assert client.post(address, {}, namespace=namespace).status in (200, 401, 422), path


def test_every_body_is_fuzzed(client):
    """From a seed with all of its attributes, at the least."""
    api = client.get("/openapi.json").body
    bodies = {verbs[verb]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
              for verbs in api["paths"].values() for verb in ("post", "put", "patch") if verb in verbs}
    for entity in sorted(bodies):
        kind, body = (CORPUS / f"all-of-{entity.lower()}").read_text().split("\n", 1)
        assert kind == entity.lower()
        writable = {name for name, value in api["components"]["schemas"][entity]["properties"].items()
                    if not value.get("readOnly") and not value.get("x-enforcer-writes")}
        assert writable <= set(json.loads(body)), (entity, writable - set(json.loads(body)))


# ---- Refreshes ----------------------------------------------------------------------------------

def test_refresh_of_many(client, namespace):
    register(client, namespace, "one", associatedTags=["role=edge"])
    register(client, namespace, "two", associatedTags=["role=core"])
    child = client.post("/namespaces", {"name": "child"}, namespace=namespace).body["name"]
    register(client, child, "three", associatedTags=["role=edge"])
    for body, n in (({}, 2), ({"propagate": True}, 3), ({"selector": [["role=edge"]]}, 1),
                    ({"selector": [["role=edge"]], "propagate": True}, 2)):
        answer = client.post("/enforcerrefreshes", body, namespace=namespace)
        assert answer.status == 200 and f"{n} of {n} Enforcers" in answer.headers["X-Messages"], answer
    answer = client.post("/enforcerrefreshes", {"selector": [["role=none"]]}, namespace=namespace)
    assert "selects no Enforcer" in answer.headers["X-Messages"]


def test_refresh_says_what_nobody_does(client, namespace):
    enforcer = register(client, namespace, "one")
    path = f"/enforcers/{enforcer['ID']}/enforcerrefreshes"
    answer = client.post(path, {"refreshType": "Migration", "migrationVersion": "1.2.3"}, namespace=namespace)
    assert answer.status == 200 and "refreshType: nothing in this version" in answer.headers["X-Messages"], answer
    assert answer.body["debug"] == "Counters"  # complete, with the defaults
    answer = client.post(path, {"logLevel": "Debug", "logLevelDuration": "30s"}, namespace=namespace)
    assert "logLevel" not in answer.headers["X-Messages"], answer
    assert client.post(path, {"migrationVersion": "latest"}, namespace=namespace).status == 422
    assert json.loads(answer.text)["ID"] == enforcer["ID"]
