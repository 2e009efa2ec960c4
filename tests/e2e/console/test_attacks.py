# SPDX-License-Identifier: Apache-2.0
"""What callers with few rights, and Enforcers that lie, get away with."""
import asyncio
import contextlib
import datetime
import itertools
import json
import os
import threading
import time
from urllib.parse import quote

import msgpack
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from websockets.exceptions import ConnectionClosed
from websockets.legacy.client import connect

from auth_client import Client, Console, key_pem, new_key, request_pem
from store_rows import Rows

HELLO, WELCOME, ASK, INVENTORY, DELTA, ACK, UNITS, KEYS, FETCH, HEARTBEAT, REFRESH, RENEW, CERTIFICATE, BYE = range(1, 15)
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def admin(console):
    admin = console.administrator()
    for name in ("a", "b"):
        body = {"name": name, "organizationalMetadata": [f"@org:tenant={name}"]}
        assert admin.post("/namespaces", body, namespace="/").status == 200
    return admin


def fresh(word):
    return f"{word}{next(numbers)}"


def caller(console, admin, namespace, *roles):
    """Somebody with a token and these roles there."""
    _, client = console.credential(admin, fresh("caller"), namespace, roles)
    client.token = client.issue().body["token"]
    return client


def enforcer(console, admin, namespace="/a", **more):
    """(object, client with its certificate)"""
    key, name = new_key(), fresh("host")
    answer = admin.post("/enforcers", {"name": name, "FQDN": name, "certificateRequest": request_pem(key), **more},
                        namespace=namespace)
    assert answer.status == 200, answer
    return answer.body, Client(console, certificate=(answer.body["certificate"], key_pem(key)))


def unit(name, tags=(), metadata=()):
    return [name, name, "LinuxService", name, list(tags), list(metadata)]


class Link:
    """The Enforcer's end of its link."""

    def __init__(self, socket):
        self.socket = socket

    async def say(self, kind, **fields):
        await self.socket.send(msgpack.packb([kind, fields]))

    async def hear(self, kind, within_s=15):
        while True:
            message = msgpack.unpackb(await asyncio.wait_for(self.socket.recv(), within_s))
            if message[0] == kind:
                return message[1]

    async def hello(self, **more):
        fields = {"version": "1", "machineId": "m", "bootId": "b", "hostName": "h", "time": int(time.time() * 1000),
                  "keys": [[1, bytes(range(32))]], "addresses": ["192.0.2.1"], "revision": 0, "digest": bytes(16)}
        await self.say(HELLO, **{**fields, **more})

    async def greet(self, **more):
        await self.hello(**more)
        if not (await self.hear(WELCOME))["inStep"]:
            await self.say(INVENTORY, entries=[])
            await self.hear(DELTA)


@contextlib.asynccontextmanager
async def link(client):
    uri = f"wss://127.0.0.1:{client.console.port}/link"
    async with connect(uri, ssl=client.context, subprotocols=["bulkhead-link-1"], max_queue=None,
                       close_timeout=1) as socket:
        yield Link(socket)


async def until(condition, within_s=15):
    for _ in range(int(within_s / 0.05)):
        if condition():
            return True
        await asyncio.sleep(0.05)
    return condition()


# ---- Rights ----------------------------------------------------------------------------------


def test_reading_is_no_right_to_poke(console, admin):
    host, own = enforcer(console, admin)
    other, _ = enforcer(console, admin)
    viewer = caller(console, admin, "/a", "@auth:role=namespace.viewer")
    path = f"/enforcers/{host['ID']}/poke?status=Disconnected&enforcementStatus=Failed"
    assert viewer.get(path).status == 403
    assert own.get(f"/enforcers/{other['ID']}/poke?status=Disconnected").status == 403
    assert admin.get(f"/enforcers/{host['ID']}").body["operationalStatus"] == "Registered"
    assert own.get(path).status == admin.get(path).status == 204


def test_changing_an_enforcer_is_no_right_to_become_it(console, admin):
    host, _ = enforcer(console, admin)
    runtime = caller(console, admin, "/a", "@auth:role=enforcer.runtime")
    body = {"name": host["name"], "FQDN": host["FQDN"], "description": "x"}
    assert runtime.put(f"/enforcers/{host['ID']}", body).status == 200
    answer = runtime.put(f"/enforcers/{host['ID']}", {**body, "certificateRequest": request_pem(new_key())})
    assert answer.status == 403 and "register" in answer.reason
    imported = runtime.post("/import", {"data": {"APIVersion": 1, "data": {"enforcers": [
        {**body, "certificateRequest": request_pem(new_key())}]}}}, namespace="/a")
    assert imported.status == 403
    renewal = {"objectID": host["ID"], "CSR": request_pem(new_key())}
    assert runtime.post("/datapathcertificates", renewal).status == 404
    assert admin.get(f"/enforcers/{host['ID']}").body["certificate"] == host["certificate"]
    assert admin.put(f"/enforcers/{host['ID']}", {**body, "certificateRequest": request_pem(new_key())}).status == 200
    assert admin.post("/datapathcertificates", renewal).status == 200


def test_the_certificate_of_an_enforcer_changes_nothing_whatever_policies_say(console, admin):
    host, own = enforcer(console, admin)
    other, _ = enforcer(console, admin)
    policy = {"name": fresh("everything"), "subject": [["@auth:realm=enforcer", "@auth:organization=/a"]],
              "authorizedIdentities": ["@auth:role=namespace.administrator"], "authorizedNamespace": "/a"}
    answer = admin.post("/apiauthorizationpolicies", policy, namespace="/a")
    assert answer.status == 200
    try:
        body = {"name": other["name"], "FQDN": other["FQDN"], "certificateRequest": request_pem(new_key())}
        assert own.put(f"/enforcers/{other['ID']}", body).status == 403
        assert own.ask("DELETE", f"/enforcers/{other['ID']}").status == 403
        network = {"name": "x", "entries": ["192.0.2.0/24"]}
        assert own.post("/externalnetworks", network, namespace="/a").status == 403
        data = {"APIVersion": 1, "data": {"externalnetworks": [network]}}
        assert own.post("/import", {"data": data}, namespace="/a").status == 422
        assert own.post("/processingunits", {"name": "x", "enforcerID": other["ID"]}, namespace="/a").status == 403
        assert own.post("/putrafficactions", {"Incoming": "Allow"}, namespace="/a").status == 403
        assert own.get(f"/enforcers/{other['ID']}").status == 200
    finally:
        assert admin.ask("DELETE", f"/apiauthorizationpolicies/{answer.body['ID']}").status == 200
    assert admin.get(f"/enforcers/{host['ID']}").body["certificate"] == host["certificate"]


def test_an_import_gives_no_rights_with_a_namespace(console, admin):
    maker = caller(console, admin, "/a", "namespace,post,get", "import,post")
    data = {"namespaces": [{"name": fresh("n")}]}
    assert maker.post("/import", {"data": {"APIVersion": 1, "data": data}}, namespace="/a").status == 200
    name = fresh("n")
    data = {"namespaces": [{"name": name}],
            "enforcerprofiles": [{"name": "default", "namespace": name, "excludedNetworks": ["0.0.0.0/0"]}]}
    answer = maker.post("/import", {"data": {"APIVersion": 1, "data": data}}, namespace="/a")
    assert answer.status == 422 and "may not create" in answer.reason
    assert maker.get("/namespaces?q=" + f'name=="/a/{name}"'.replace('"', "%22"), namespace="/a").body == []


def test_limits_of_a_token_are_not_left_behind(console, admin):
    """A credential that it makes would be good anywhere, for ever."""
    for limit in ({"restrictedNetworks": ["127.0.0.0/8"]}, {"quota": 5}):
        limited = Client(console, token=admin.issue(**limit).body["token"])
        body = {"name": fresh("way-out"), "roles": ["enforcer,get"], "CSR": request_pem(new_key())}
        assert limited.post("/appcredentials", body, namespace="/a").status == 403
        policy = {"name": fresh("way-out"), "subject": [["@auth:realm=vince", "@auth:account=x"]],
                  "authorizedIdentities": ["enforcer,get"], "authorizedNamespace": "/a"}
        assert limited.post("/apiauthorizationpolicies", policy, namespace="/a").status == 403
        assert limited.get("/enforcers", namespace="/a").status == 200


def account(console, admin, *roles, namespace="/a", **limits):
    """Somebody with a token, and these rights there by a policy with these limits."""
    name, password = fresh("person"), "correct horse battery staple 9"
    made = admin.post("/accounts", {"name": name, "email": "a@b.example", "password": password}, namespace="/")
    assert made.status == 200, made
    policy = {"name": name, "subject": [["@auth:realm=vince", "@auth:account=" + name]],
              "authorizedIdentities": list(roles), "authorizedNamespace": namespace, **limits}
    answer = admin.post("/apiauthorizationpolicies", policy, namespace=namespace)
    assert answer.status == 200, answer
    client = Client(console)
    client.token = client.post("/issue", {"realm": "Vince", "metadata": {
        "vinceAccount": name, "vincePassword": password}}).body["token"]
    return client


SOON, LATER = "2190-01-01T00:00:00Z", "2191-01-01T00:00:00Z"


@pytest.mark.parametrize("own, too_far, within, attribute", [
    ({"expirationTime": SOON}, [{}, {"expirationTime": LATER}], {"expirationTime": SOON}, "expirationTime"),
    ({"authorizedSubnets": ["127.0.0.0/8"]}, [{}, {"authorizedSubnets": ["0.0.0.0/0"]}],
     {"authorizedSubnets": ["127.0.0.1/32"]}, "authorizedSubnets"),
    ({"activeSchedule": "* * * * *", "activeDuration": "1h"},
     [{}, {"activeSchedule": "* * * * *", "activeDuration": "2h"}, {"activeSchedule": "0 * * * *", "activeDuration": "1h"}],
     {"activeSchedule": "* * * * *", "activeDuration": "1m"}, "activeSchedule"),
], ids=["end", "networks", "schedule"])
def test_a_right_is_given_on_with_its_limits(console, admin, own, too_far, within, attribute):
    limited = account(console, admin, "@auth:role=namespace.administrator", **own)
    data = {"subject": [["@auth:realm=vince", "@auth:account=x"]], "authorizedIdentities": ["enforcer,get"],
            "authorizedNamespace": "/a"}
    for limits in too_far:
        body = {"name": fresh("p"), **data, **limits}
        answer = limited.post("/apiauthorizationpolicies", body, namespace="/a")
        assert (answer.status, answer.body[0]["data"]["attribute"]) == (403, attribute), answer
        imported = limited.post("/import", {"data": {"APIVersion": 1, "data": {"apiauthorizationpolicies": [body]}}},
                                namespace="/a")
        assert imported.status == 422 and "you hold" in imported.reason
    made = limited.post("/apiauthorizationpolicies", {"name": fresh("p"), **data, **within}, namespace="/a")
    assert made.status == 200, made
    for limits in too_far:  # nor is it stretched afterwards
        body = {**data, "name": made.body["name"], **limits}
        assert limited.put(f"/apiauthorizationpolicies/{made.body['ID']}", body).status == 403
    # A credential has networks, and no end.
    credential = {"name": fresh("c"), "roles": ["enforcer,get"], "CSR": request_pem(new_key())}
    answer = limited.post("/appcredentials", credential, namespace="/a")
    assert answer.status == 403 and attribute in answer.reason
    if attribute == "authorizedSubnets":
        assert limited.post("/appcredentials", {**credential, **within}, namespace="/a").status == 200


def test_an_import_within_an_import_gives_no_rights(console, admin):
    """What one part of it may make, another one must not make something else of."""
    maker = caller(console, admin, "/a", "apiauthorizationpolicy,any", "import,post", "importreference,any", "appcredential,any")
    own = maker.get("/authn").body["claims"]["data"]["id"]
    little = {"name": fresh("p"), "subject": [["@auth:realm=certificate", "@auth:id=" + own]],
              "authorizedIdentities": ["import,post"], "authorizedNamespace": "/a"}
    much = {**little, "authorizedIdentities": ["@auth:role=namespace.administrator"]}
    data = {"apiauthorizationpolicies": [little], "importreferences": [
        {"name": fresh("r"), "data": {"APIVersion": 1, "data": {"apiauthorizationpolicies": [much]}}}]}
    answer = maker.post("/import", {"data": {"APIVersion": 1, "data": data}}, namespace="/a")
    assert answer.status == 422, answer
    assert maker.get("/enforcers", namespace="/a").status == 403
    data = {"apiauthorizationpolicies": [little, much]}
    assert maker.post("/import", {"data": {"APIVersion": 1, "data": data}}, namespace="/a").status == 422


def test_an_import_tells_nothing(console, admin):
    """Of what is there, to who may only import."""
    importer = caller(console, admin, "/a", "import,post")
    network = {"name": fresh("net"), "entries": ["192.0.2.0/24"]}
    assert admin.post("/externalnetworks", network, namespace="/a").status == 200
    told = set()
    for mode in ("Import", "Remove"):
        for name, entries in ((network["name"], network["entries"]), (network["name"], ["192.0.2.0/25"]), (fresh("none"), ["::/0"])):
            data = {"externalnetworks": [{"name": name, "entries": entries}]}
            answer = importer.post("/import?dryRun=true", {"mode": mode, "data": {"APIVersion": 1, "data": data}}, namespace="/a")
            assert answer.status == 422, answer
            told.add((mode, answer.reason.replace(name, "NAME")))
    assert len(told) == 2


def test_a_credential_is_good_from_its_networks_only(console, admin):
    """By its own policy, and by others that name it."""
    policy = {"name": fresh("all"), "subject": [["@auth:realm=certificate", "@auth:organization=/b"]],
              "authorizedIdentities": ["@auth:role=namespace.administrator"], "authorizedNamespace": "/b"}
    made = admin.post("/apiauthorizationpolicies", policy, namespace="/b")
    assert made.status == 200
    body, client = console.credential(admin, fresh("here"), "/b", ["enforcer,get"], authorizedSubnets=["127.0.0.0/8"])
    client.token = client.issue().body["token"]
    assert client.get("/externalnetworks", namespace="/b").status == 200
    another = {"name": fresh("c"), "roles": ["enforcer,get"], "CSR": request_pem(new_key())}
    answer = client.post("/appcredentials", another, namespace="/b")
    assert answer.status == 403 and "authorizedSubnets" in answer.reason
    another["authorizedSubnets"] = ["127.0.0.1/32"]
    assert client.post("/appcredentials", another, namespace="/b").status == 200
    assert admin.ask("PATCH", "/appcredentials/" + body["ID"], {"authorizedSubnets": ["192.0.2.0/24"]}).status == 200
    answer = client.get("/externalnetworks", namespace="/b")
    assert answer.status == 401 and "127.0.0.1" in answer.reason
    assert admin.ask("DELETE", "/apiauthorizationpolicies/" + made.body["ID"]).status == 200


def test_a_right_without_limits_is_given_on_by_a_token_that_ends(console, admin):
    brief = Client(console, token=admin.issue(validity="1m").body["token"])
    body = {"name": fresh("c"), "roles": ["enforcer,get"], "CSR": request_pem(new_key())}
    assert brief.post("/appcredentials", body, namespace="/a").status == 200


def test_nobody_takes_away_what_he_does_not_hold(console, admin):
    """Who may edit credentials and policies leaves those alone that may more than he, or for longer."""
    kinds = ("appcredential,any", "apiauthorizationpolicy,any", "import,post", "namespace,any", "account,any")
    few, brief = account(console, admin, *kinds), account(console, admin, "*,any", expirationTime=SOON)
    body = {"name": fresh("boss"), "roles": ["@auth:role=namespace.administrator"], "CSR": request_pem(new_key())}
    boss = admin.post("/appcredentials", body, namespace="/a").body
    (its,) = admin.get("/apiauthorizationpolicies?q=" + quote(f'name == "App credential {boss["ID"]}"'), namespace="/a").body
    plain = admin.post("/apiauthorizationpolicies", {
        "name": fresh("p"), "subject": [["@auth:realm=vince", "@auth:account=z"]],
        "authorizedIdentities": ["enforcer,get"], "authorizedNamespace": "/a"}, namespace="/a").body

    def kept(policy):
        return {k: policy[k] for k in ("name", "subject", "authorizedIdentities", "authorizedNamespace")}

    for caller in (few, brief):
        path = "/appcredentials/" + boss["ID"]
        assert caller.ask("DELETE", path).status == 403
        for change in ({"disabled": True}, {"roles": ["appcredential,get"]}, {"CSR": request_pem(new_key())}, {"name": "x"}):
            answer = caller.put(path, {**{k: body[k] for k in ("name", "roles")}, **change})
            assert answer.status == 403 and not (isinstance(answer.body, dict) and answer.body.get("credentials")), answer
            assert caller.ask("PATCH", path, change).status == 403
        for policy in (its, plain):
            path = "/apiauthorizationpolicies/" + policy["ID"]
            assert caller.ask("DELETE", path).status == 403
            for change in ({"disabled": True}, {"authorizedIdentities": ["appcredential,get"]}, {"fallback": True},
                           {"expirationTime": "2020-01-01T00:00:00Z"}, {"authorizedSubnets": ["192.0.2.1/32"]}):
                assert caller.put(path, {**kept(policy), **change}).status == 403, change
            data = {"data": {"APIVersion": 1, "data": {"apiauthorizationpolicies": [{**kept(policy), "disabled": True}]}}}
            assert caller.post("/import", data, namespace="/a").status == 422
            assert caller.post("/import?override=true", {**data, "mode": "Remove"}, namespace="/a").status == 422
        assert admin.get("/appcredentials/" + boss["ID"]).body["disabled"] is False
        assert admin.get("/apiauthorizationpolicies/" + its["ID"]).body["authorizedIdentities"] == body["roles"]
    # Nor with the namespace around it.
    inner = admin.post("/namespaces", {"name": fresh("inner")}, namespace="/a").body
    assert admin.post("/appcredentials", body, namespace=inner["name"]).status == 200
    for caller in (few, brief):
        assert caller.ask("DELETE", f"/namespaces/{inner['ID']}?recursive=true&override=true").status == 403
    assert admin.ask("DELETE", f"/namespaces/{inner['ID']}?recursive=true").status == 200
    # What one could have made, one may change.
    made = few.post("/appcredentials", {"name": fresh("own"), "roles": ["appcredential,get"], "CSR": request_pem(new_key())},
                    namespace="/a").body
    assert few.ask("PATCH", "/appcredentials/" + made["ID"], {"disabled": True}).status == 200
    assert few.ask("DELETE", "/appcredentials/" + made["ID"]).status == 200


def test_fallback_rights_are_not_had_by_undoing_others(console, admin):
    """A policy that is no fallback takes fallback rights away while it is there: making and undoing it are for who holds them."""
    editor = account(console, admin, "apiauthorizationpolicy,any", "enforcer,get", "import,post")
    name = editor.get("/authn").body["claims"]["sub"]
    (its,) = admin.get("/apiauthorizationpolicies?q=" + quote(f'name == "{name}"'), namespace="/a").body
    more = {"name": fresh("more"), "subject": [["@auth:realm=vince", "@auth:organization=/"]], "fallback": True,
            "authorizedIdentities": ["@auth:role=namespace.administrator"], "authorizedNamespace": "/a"}
    made = admin.post("/apiauthorizationpolicies", more, namespace="/a")
    assert made.status == 200
    try:
        path = "/apiauthorizationpolicies/" + its["ID"]
        assert editor.get("/externalnetworks", namespace="/a").status == 403
        assert editor.ask("DELETE", path).status == 403
        for change in ({"disabled": True}, {"fallback": True}, {"subject": [["@auth:realm=vince", "@auth:account=z"]]},
                       {"authorizedSubnets": ["192.0.2.1/32"]}, {"expirationTime": "2020-01-01T00:00:00Z"}):
            assert editor.ask("PATCH", path, change).status == 403, change
        assert editor.get("/externalnetworks", namespace="/a").status == 403
        # Nor are others deprived of theirs.
        few = {"name": fresh("few"), "subject": [["@auth:realm=vince", "@auth:account=somebody"]],
               "authorizedIdentities": ["enforcer,get"], "authorizedNamespace": "/a"}
        answer = editor.post("/apiauthorizationpolicies", few, namespace="/a")
        assert answer.status == 403 and "fallback" in answer.reason
        few["subject"] = [["@auth:realm=certificate", "@auth:id=x"]]  # whom it is not for
        assert editor.post("/apiauthorizationpolicies", few, namespace="/a").status == 200
        assert admin.ask("PATCH", path, {"description": "x"}).status == 200
    finally:
        assert admin.ask("DELETE", "/apiauthorizationpolicies/" + made.body["ID"]).status == 200


def test_nobody_takes_away_the_account_of_somebody_who_may_more(console, admin):
    maker = caller(console, admin, "/", "account,any")
    boss = account(console, admin, "@auth:role=namespace.administrator")
    name = boss.get("/authn").body["claims"]["sub"]
    (its,) = admin.get("/accounts?q=" + quote(f'name == "{name}"'), namespace="/").body
    path = "/accounts/" + its["ID"]
    for change in ({"status": "Disabled"}, {"email": "b@b.example"}, {"password": "another horse battery staple"}):
        assert maker.ask("PATCH", path, change).status == 403, change
    assert maker.ask("DELETE", path).status == 403
    assert boss.get("/enforcers", namespace="/a").status == 200
    by_mail = {"name": fresh("p"), "subject": [["@auth:realm=vince", "@auth:email=chief@b.example"]],
               "authorizedIdentities": ["enforcer,get"], "authorizedNamespace": "/a"}
    assert admin.post("/apiauthorizationpolicies", by_mail, namespace="/a").status == 200
    chief = {"name": fresh("chief"), "email": "chief@b.example", "password": "correct horse battery staple 9"}
    made = admin.post("/accounts", chief, namespace="/").body
    assert maker.ask("PATCH", "/accounts/" + made["ID"], {"email": "a@b.example"}).status == 403


def test_an_id_elsewhere_is_as_unknown_as_one_nowhere(console, admin):
    """IDs can be guessed: no route tells a stranger which ones there are, or where."""
    host, _ = enforcer(console, admin)
    nowhere = host["ID"][:-6] + "ffffff"
    made = {"enforcers": host}
    for plural, body in (("externalnetworks", {"name": fresh("x"), "entries": ["192.0.2.0/24"]}),
                         ("networkrulesetpolicies", {"name": fresh("x"), "subject": [["a=b"]]}),
                         ("processingunits", {"name": fresh("x")}),
                         ("appcredentials", {"name": fresh("x"), "roles": ["enforcer,get"]})):
        answer = admin.post("/" + plural, body, namespace="/a")
        assert answer.status == 200, answer
        made[plural] = answer.body
    made["namespaces"], = admin.get("/namespaces?q=" + quote('name == "/a"'), namespace="/").body
    stranger = caller(console, admin, "/b", "*,any", "@auth:role=namespace.administrator")
    limited = Client(console, token=admin.issue(restrictedNamespace="/b").body["token"])
    paths = admin.get("/openapi.json").body["paths"]
    asked = 0

    def told(client, method, path, id, body=None):
        answer = client.ask(method, path.replace("{id}", id), body, namespace="/b")
        return answer.status, answer.text.replace(id, "ID").split('"trace"')[0]

    for client in (stranger, limited):
        for path, methods in paths.items():
            plural = path.split("/")[1]
            if "{id}" not in path or plural not in made:
                continue
            for method in methods:
                if method.upper() not in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                    continue
                body = {} if method in ("post", "put", "patch") else None
                here = told(client, method.upper(), path, made[plural]["ID"], body)
                assert here[0] == 404 and here == told(client, method.upper(), path, nowhere, body), (method, path, here)
                asked += 1
        for where in ("/", "/b"):
            question = [client.post("/authz", {"claims": ["@auth:realm=vince"], "targetNamespace": where, "targetID": id})
                        for id in (host["ID"], nowhere)]
            assert [answer.status for answer in question] == [422, 422]
            assert question[0].reason == question[1].reason
        renewals = [client.post("/datapathcertificates", {"CSR": request_pem(new_key()), "objectID": id})
                    for id in (host["ID"], nowhere)]
        assert [answer.status for answer in renewals] == [404, 404] and renewals[0].reason == renewals[1].reason
    assert asked > 40
    # Who sees the namespace is told what is missing.
    reader = caller(console, admin, "/a", "@auth:role=namespace.viewer")
    answer = reader.ask("DELETE", "/enforcers/" + host["ID"])
    assert answer.status == 403 and "/a" in answer.reason


# ---- Who one claims to be --------------------------------------------------------------------


def test_nobody_claims_organizational_tags(console, admin):
    answer = admin.post("/externalnetworks", {"name": fresh("x"), "entries": ["192.0.2.0/24"],
                                              "metadata": ["@org:tenant=b", "@cloud:zone=1"]}, namespace="/a")
    assert sorted(answer.body["metadata"]) == ["@cloud:zone=1", "@org:tenant=a"]
    host, own = enforcer(console, admin, metadata=["@org:tenant=b"])
    assert host["metadata"] == ["@org:tenant=a"]

    async def run():
        async with link(own) as enforcer_end:
            await enforcer_end.greet()
            await enforcer_end.say(UNITS, all=True, removed=[],
                                   units=[unit("liar", ["app=db"], ["@org:tenant=b", "@org:group=x", "@app:docker:x=y"])])
            assert await until(liars)

    def liars():
        return admin.get("/processingunits?q=" + "name==liar", namespace="/a").body

    asyncio.run(run())
    (made,) = liars()
    assert sorted(made["metadata"]) == ["@app:docker:x=y", "@org:tenant=a"]


def test_a_namespace_does_not_contradict_those_above(admin):
    def make(parent, name, *tags):
        return admin.post("/namespaces", {"name": name, "organizationalMetadata": list(tags)}, namespace=parent)

    assert make("/a", "one", "@org:tenant=b").status == 422
    assert make("/a", "one", "@org:tenant=a", "@org:group=g").status == 200
    assert make("/a/one", "two", "@org:tenant=b").status == 422
    assert make("/a/one", "two", "@org:group=h").status == 422
    made = make("/a/one", "two", "@org:cloudaccount=c")
    assert made.status == 200
    changed = {"name": "/a/one/two", "organizationalMetadata": ["@org:tenant=b"]}
    assert admin.put(f"/namespaces/{made.body['ID']}", changed).status == 422
    data = {"namespaces": [{"name": "three", "organizationalMetadata": ["@org:group=g"]},
                           {"name": "three/four", "organizationalMetadata": ["@org:group=h"]}]}
    assert admin.post("/import", {"data": {"APIVersion": 1, "data": data}}, namespace="/a").status == 422


# ---- Enforcers that lie, hurry, or talk nonsense ---------------------------------------------


def test_what_a_host_says_of_itself_is_checked(console, admin):
    host, own = enforcer(console, admin)

    async def refused(**more):
        async with link(own) as end:
            await end.hello(**more)
            return (await end.hear(BYE))["reason"]

    assert "addresses[0]" in asyncio.run(refused(addresses=["<script>"]))
    assert "currentVersion" in asyncio.run(refused(version="v" * 65))
    assert "machineID" in asyncio.run(refused(machineId="m" * 257))
    assert admin.get(f"/enforcers/{host['ID']}").body["addresses"] == []
    for length in range(100, 110):  # what is repeated of it in the reason is cut between characters
        assert "\N{REPLACEMENT CHARACTER}" not in asyncio.run(refused(addresses=["x" * length + "\u00e9\u4e2d\U0001f600" * 30]))


def test_changes_in_a_row_are_all_kept(console, admin):
    """Keys, a new certificate and keys again, before any of them is stored."""
    host, own = enforcer(console, admin)

    async def run():
        async with link(own) as end:
            await end.greet()
            key = new_key()
            await end.say(KEYS, keys=[[2, bytes([2]) * 32]])
            await end.say(RENEW, csr=request_pem(key))
            await end.say(KEYS, keys=[[3, bytes([3]) * 32]])
            pem = (await end.hear(CERTIFICATE))["certificate"]
            stored = admin.get(f"/enforcers/{host['ID']}").body
            assert stored["certificate"] == pem
            assert await until(lambda: [k["epoch"] for k in admin.get(f"/enforcers/{host['ID']}").body["publicKeys"]] == [3])
            return Client(console, certificate=(pem, key_pem(key)))

    assert asyncio.run(run()).get(f"/enforcers/{host['ID']}").status == 200


def test_the_last_of_many_keys_stays(console, admin):
    """However fast they come, and whatever others change of the Enforcer between them."""
    host, own = enforcer(console, admin)
    path = f"/enforcers/{host['ID']}"

    def others():
        for i in range(40):
            assert admin.ask("PATCH", path, {"description": f"d{i}"}).status in (200, 409)

    async def run():
        async with link(own) as end:
            await end.greet()
            for last in (2, 1, 5):
                busy = asyncio.create_task(asyncio.to_thread(others))
                for epoch in [*range(2, 42), last]:
                    await end.say(KEYS, keys=[[epoch, bytes([epoch]) * 32]])
                await busy
                assert await until(lambda n=last: [k["epoch"] for k in admin.get(path).body["publicKeys"]] == [n])
                await asyncio.sleep(0.3)
                assert [k["epoch"] for k in admin.get(path).body["publicKeys"]] == [last]

    asyncio.run(run())


def reporting(console, admin, name):
    """A namespace of its own, the Enforcer there, and what units the Console knows: tags by name."""
    assert admin.post("/namespaces", {"name": name}, namespace="/a").status == 200
    _, own = enforcer(console, admin, "/a/" + name)

    def units():
        found = admin.get("/processingunits", namespace="/a/" + name).body
        assert len(found) == len({u["name"] for u in found})
        return {u["name"]: u["associatedTags"] for u in found}

    return own, units


async def stays(end, condition):
    """True before long, and the Console has not said bye."""
    assert await until(condition)
    with pytest.raises(asyncio.TimeoutError):
        await end.hear(BYE, 0.3)
    assert condition()


def test_a_unit_is_one_object_however_often_it_is_reported(console, admin):
    own, units = reporting(console, admin, "units")

    async def run():
        async with link(own) as end:
            await end.greet()
            await end.say(UNITS, all=False, units=[unit("one"), unit("one"), unit("two")], removed=[])
            for _ in range(5):
                await end.say(UNITS, all=False, units=[unit("three")], removed=[])
            await stays(end, lambda: list(units()) == ["one", "two", "three"])
            await end.say(UNITS, all=False, units=[unit("one", ["a=1"]), unit("one", ["a=2"])], removed=["one", "three"])
            await stays(end, lambda: units() == {"one": ["a=1"], "two": []})
            await end.say(UNITS, all=False, units=[unit("new")], removed=["new", "nobody"])
            await end.say(UNITS, all=True, units=[unit("one"), unit("three")], removed=["one", "one"])
        async with link(own) as end:
            await end.greet()
            await stays(end, lambda: sorted(units()) == ["one", "three"])

    asyncio.run(run())


def test_the_last_of_many_reports_stays(console, admin):
    """However fast they come, and whatever others change of the units between them."""
    own, units = reporting(console, admin, "reports")
    other = Client(console, token=admin.issue().body["token"])

    def others(stop):
        for i in itertools.count():
            if stop.is_set():
                return
            for found in other.get("/processingunits", namespace="/a/reports").body:
                change = {"description": f"d{i}"}
                assert other.ask("PATCH", f"/processingunits/{found['ID']}", change).status in (200, 404, 409)

    async def run():
        stop = threading.Event()
        busy = asyncio.create_task(asyncio.to_thread(others, stop))
        try:
            async with link(own) as end:
                await end.greet()
                for i in range(60):
                    some = [unit("always", [f"n={i}"])] + [unit("odd")] * (i % 2)
                    await end.say(UNITS, all=True, units=some, removed=[])
                    await asyncio.sleep(0.02 * (i % 3))
                await stays(end, lambda: set(units()) == {"always", "odd"} and "n=59" in units()["always"])
        finally:
            stop.set()
            await busy

    asyncio.run(run())


def test_reports_that_wait_are_bounded(console, admin):
    own, units = reporting(console, admin, "waiting")

    async def run():
        async with link(own) as end:
            await end.greet()
            with pytest.raises(ConnectionClosed, match="too many reports of units"):
                for i in range(300):
                    some = [unit(f"u{i:03}-{j}", ["x=" + "y" * 900]) for j in range(40)]
                    await end.say(UNITS, all=False, units=some, removed=[])
                await end.hear(None, 15)
        async with link(own) as end:
            await end.greet()
            await end.say(UNITS, all=True, units=[unit("left")], removed=[])
            await stays(end, lambda: list(units()) == ["left"])

    asyncio.run(run())


async def identity_of(end, local_id):
    """The number that the Console gives to what a unit is."""
    while True:
        for key, _, body in (await end.hear(DELTA))["entries"]:
            if key == "u:" + local_id and json.loads(body).get("identity"):
                return json.loads(body)["identity"]


def test_an_enforcer_is_told_only_of_those_that_could_talk_to_it(console, admin):
    """Whoever has a host could ask for every number there is."""
    for name, action in (("closed", "Reject"), ("open", "Allow")):
        body = {"name": name, "defaultPUIncomingTrafficAction": action, "defaultPUOutgoingTrafficAction": action}
        assert admin.post("/namespaces", body, namespace="/b").status == 200
    asking = enforcer(console, admin, "/a")[1]
    hosts = {name: enforcer(console, admin, "/b/" + name) for name in ("closed", "open")}

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            identities = {}
            for name, (_, own) in hosts.items():
                end = await stack.enter_async_context(link(own))
                await end.greet()
                await end.say(UNITS, all=True, removed=[], units=[unit("secret", ["app=secret-" + name])])
                identities[name] = await identity_of(end, "secret")
            end = await stack.enter_async_context(link(asking))
            await end.greet()
            await end.say(FETCH, hosts=[host["number"] for host, _ in hosts.values()], identities=list(identities.values()))
            keys = set()
            with contextlib.suppress(asyncio.TimeoutError):
                while True:
                    keys |= {entry[0] for entry in (await end.hear(DELTA, 1))["entries"]}
            return keys, identities

    keys, identities = asyncio.run(run())
    told = {key for key in keys if key[0] in "hi"}
    assert told >= {f"h:{hosts['open'][0]['number']}", f"i:{identities['open']}"}
    assert not told & {f"h:{hosts['closed'][0]['number']}", f"i:{identities['closed']}"}


def test_an_enforcer_has_a_maximum_of_units(console, admin):
    assert admin.post("/namespaces", {"name": "many"}, namespace="/a").status == 200
    _, own = enforcer(console, admin, "/a/many")

    def count():
        return int(admin.get("/processingunits?pagesize=1&page=1", namespace="/a/many").headers["X-Count-Total"])

    async def run():
        async with link(own) as end:
            await end.greet()
            for block in range(3):
                await end.say(UNITS, all=False, removed=[], units=[unit(f"u{block}-{i}") for i in range(4000)])
            assert await until(lambda: count() == 8192, 60), count()
            await asyncio.sleep(1)
            assert count() == 8192

    asyncio.run(run())


@pytest.mark.parametrize("message", [
    b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x92\x01\x80", b"\x92\x00\x80", b"\x92\xcd\xff\xff\x80", b"\x91\x01",
    b"\x81" * 5000, msgpack.packb([UNITS, {"all": True, "units": [[1, 2, 3, 4, 5, 6]], "removed": []}]),
    msgpack.packb([KEYS, {"keys": [[1, b"short"]]}]), msgpack.packb([WELCOME, {}]),
    msgpack.packb([FETCH, {"hosts": [-1], "identities": []}]),
    msgpack.packb([ACK, {"revision": 2 ** 64 - 1, "error": 5}]), msgpack.packb([RENEW, {"csr": "x" * 20000}]),
    msgpack.packb([UNITS, {"all": False, "units": [], "removed": ["\0"]}]),
], ids=lambda message: f"{len(message)} bytes")
def test_nonsense_ends_the_session_and_nothing_else(console, admin, message):
    _, own = enforcer(console, admin)

    async def run(greeted):
        async with link(own) as end:
            if greeted:
                await end.greet()
            await end.socket.send(message)
            await end.socket.send(message)
            with pytest.raises(ConnectionClosed):
                while True:
                    await asyncio.wait_for(end.socket.recv(), 15)

    for greeted in (True, False):
        asyncio.run(run(greeted))
    assert admin.get("/namespaces", namespace="/").status == 200


def test_what_is_repeated_in_an_error_is_whole_characters(admin):
    """Cut at any length: the answer stays text, in JSON and in MessagePack."""
    for pad in range(4):
        odd = "x" * pad + "\u00e9\u4e2d\U0001f600" * 200
        for answer in (admin.get(f"/{quote(odd)}"), admin.get(f"/namespaces/{quote(odd)}"), admin.get(f"/namespaces?{quote(odd)}=1"),
                       admin.get(f"/namespaces?q={quote(odd + ' == 1')}"), admin.get("/namespaces", namespace=("/" + odd).encode()),
                       admin.get(f"/namespaces?order={quote(odd)}"), admin.get("/namespaces", headers={"X-Fields": odd.encode()}),
                       admin.post("/namespaces", {odd: 1}, namespace="/"), admin.post("/namespaces", {"name": odd}, namespace="/"),
                       admin.post("/import", {"data": {"APIVersion": 1, "data": {odd: []}}}, namespace="/a"),
                       admin.post("/issue", {"realm": odd})):
            assert 400 <= answer.status < 500, answer
            error = answer.body[0]
            assert error.get("title") and error.get("description") and "\N{REPLACEMENT CHARACTER}" not in str(error), (pad, answer)


def test_a_long_text_beside_tags_ends_nothing(alone):
    """More than all the tags of an object together, in any attribute of any kind: stored or refused, and loaded again."""
    admin = alone.console.administrator()
    long, tags = "x" * 300_000, [f"k{i}={'y' * 200}" for i in range(40)]
    document, stored = admin.get("/openapi.json").body, 0
    for path, methods in document["paths"].items():
        plural = path.strip("/")
        if "post" not in methods or "/" in plural:
            continue
        schema = methods["post"]["requestBody"]["content"]["application/json"]["schema"]
        known = document["components"]["schemas"][schema["$ref"].rsplit("/")[-1]]["properties"]
        for name, attribute in known.items():
            if attribute.get("readOnly") or attribute.get("type") not in ("string", "array"):
                continue
            body = {"name": fresh("long"), **{key: tags for key in ("associatedTags", "metadata") if key in known}}
            body[name] = long if attribute["type"] == "string" else [long]
            answer = admin.post(path, body, namespace="/")
            assert answer.status < 500, (path, name, answer.status)
            stored += answer.status == 200
    for number, kind in enumerate(("externalnetworks", "processingunits")):
        body = {"name": f"tagged{number}", "associatedTags": tags, "description": "d" * 1024}
        if kind == "externalnetworks":
            body["entries"] = ["192.0.2.0/24"]
        stored += admin.post("/" + kind, body, namespace="/").status == 200
    assert stored
    alone.stop()
    alone.start()
    assert alone.console.administrator().get("/namespaces", namespace="/").status == 200


# ---- Certificates of Enforcers ---------------------------------------------------------------


class Stopped:
    """A Console that can be stopped and changed behind its back."""

    def __init__(self, directory, database):
        self.directory, self.database, self.console = directory, database, None
        self.start()
        self.rows = Rows(self.console.data, database)

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.directory / "console.log", self.directory / f"{fresh('console')}.log")
        self.console = Console(self.directory, self.database)

    def stop(self):
        assert self.console.stop() == 0


@pytest.fixture
def alone(request, database, tmp_path):
    alone = Stopped(tmp_path, request.getfixturevalue("postgres").database() if database else None)
    yield alone
    if alone.console.process.poll() is None:
        alone.stop()


def short_certificate(console, key, host, seconds):
    """As the Console makes them, but for its end."""
    with open(os.path.join(console.data, "ca.key"), "rb") as file:
        ca_key = serialization.load_pem_private_key(file.read(), None)
    with open(os.path.join(console.data, "ca.crt"), "rb") as file:
        ca = x509.load_pem_x509_certificate(file.read())
    now = datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, host["namespace"]),
                      x509.NameAttribute(x509.NameOID.COMMON_NAME, "enforcer:" + host["ID"])])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(ca.subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(seconds=seconds))
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_a_session_ends_with_its_certificate(alone):
    """Unless it is renewed over the session."""
    life_s = 12
    admin = alone.console.administrator()
    assert admin.post("/namespaces", {"name": "a"}, namespace="/").status == 200
    hosts = {name: (enforcer(alone.console, admin)[0], new_key()) for name in ("lazy", "late", "good")}
    alone.stop()
    pems = {}
    for name, (host, key) in hosts.items():
        pems[name] = short_certificate(alone.console, key, host, life_s)
        alone.rows.change(host["ID"], certificate=pems[name])
    alone.start()
    own = {name: Client(alone.console, certificate=(pems[name], key_pem(key))) for name, (_, key) in hosts.items()}

    async def run():
        async with link(own["lazy"]) as lazy, link(own["late"]) as late, link(own["good"]) as good:
            begin = time.monotonic()
            await lazy.greet()
            await good.greet()
            await good.say(RENEW, csr=request_pem(hosts["good"][1]))
            assert (await good.hear(CERTIFICATE))["certificate"]
            bye = await lazy.hear(BYE, life_s + 8)
            assert bye["code"] == 2 and "expired" in bye["reason"]
            await asyncio.sleep(max(0, begin + life_s + 1 - time.monotonic()))
            await late.hello()  # it said nothing for as long as its certificate was good
            assert "expired" in (await late.hear(BYE))["reason"]
            await asyncio.sleep(6)  # the next sweep as well
            await good.say(KEYS, keys=[[7, bytes([7]) * 32]])
            path = "/enforcers/" + hosts["good"][0]["ID"]
            admin = alone.console.administrator()
            assert await until(lambda: [k["epoch"] for k in admin.get(path).body["publicKeys"]] == [7])

    asyncio.run(run())


def test_a_session_ends_when_its_certificate_is_replaced(console, admin):
    host, own = enforcer(console, admin)

    async def run():
        async with link(own) as end:
            await end.greet()
            path = "/enforcers/" + host["ID"]
            assert await until(lambda: admin.get(path).body["operationalStatus"] == "Connected")
            # The one before is good, for the case that the answer gets lost; the one before that is a copy's.
            for wanted in (None, 2):
                body = {"name": host["name"], "FQDN": host["FQDN"], "certificateRequest": request_pem(new_key())}
                assert admin.put(path, body).status == 200
                if not wanted:
                    with pytest.raises(asyncio.TimeoutError):
                        await end.hear(BYE, 1)
                    continue
                bye = await end.hear(BYE)
                assert bye["code"] == wanted and "replaced" in bye["reason"]

    asyncio.run(run())


def test_an_enforcer_is_let_in_whichever_answers_get_lost(console, admin):
    """It asks again and again, hears nothing, and still has only its first certificate."""
    host, own = enforcer(console, admin)

    async def run():
        for _ in range(3):
            async with link(own) as end:
                await end.greet()
                await end.say(RENEW, csr=request_pem(new_key()))
                await end.hear(CERTIFICATE)
        for _ in range(3):
            answer = own.post("/datapathcertificates", {"CSR": request_pem(new_key()), "objectID": host["ID"]})
            assert answer.status == 200, answer
        async with link(own) as end:  # several at once: the session goes on with the last that was made
            await end.greet()
            for _ in range(4):
                await end.say(RENEW, csr=request_pem(new_key()))
            answers = [await end.hear(CERTIFICATE) for _ in range(4)]
            made = [answer["certificate"] for answer in answers if answer.get("certificate")]
            assert made and admin.get("/enforcers/" + host["ID"]).body["certificate"] == made[-1]
            with pytest.raises(asyncio.TimeoutError):
                await end.hear(BYE, 1)

    asyncio.run(run())


# ---- Seams -----------------------------------------------------------------------------------


def test_nothing_outlives_its_namespace(console, admin):
    """Policies are made while their namespace is deleted, again and again."""
    stop = threading.Event()

    def make(number):
        client, n = Client(console, token=admin.token), 0
        while not stop.is_set():
            n += 1
            client.post("/apiauthorizationpolicies", {
                "name": f"p{number}-{n}", "subject": [["@auth:realm=vince", "@auth:account=nobody"]],
                "authorizedIdentities": ["enforcer,get"], "authorizedNamespace": "/b/race"}, namespace="/b/race")

    makers = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for maker in makers:
        maker.start()
    try:
        for _ in range(20):
            for _ in range(500):  # while something is left of the one before
                made = admin.post("/namespaces", {"name": "race"}, namespace="/b")
                if made.status == 200:
                    break
                assert made.status == 409
                time.sleep(0.01)
            time.sleep(0.02)
            for _ in range(50):  # what is made meanwhile is a conflict
                if admin.ask("DELETE", f"/namespaces/{made.body['ID']}?recursive=true").status == 200:
                    break
            else:
                pytest.fail("the namespace cannot be deleted")
    finally:
        stop.set()
        for maker in makers:
            maker.join()

    def left():
        found = admin.get("/apiauthorizationpolicies?recursive", namespace="/b").body
        return [p["name"] for p in found if p["namespace"] == "/b/race"]

    assert asyncio.run(until(lambda: not left())), left()


def test_a_crash_leaves_nothing_behind_a_namespace(alone):
    """Killed after a namespace was deleted, before what was made in it meanwhile is."""
    admin = alone.console.administrator()
    for parent, name in (("/", "gone"), ("/gone", "below"), ("/", "stays")):
        made = admin.post("/namespaces", {"name": name}, namespace=parent)
        assert made.status == 200
    person = account(alone.console, admin, "*,any", namespace="/gone/below")
    for number in range(3):
        network = {"name": f"n{number}", "entries": ["192.0.2.0/24"]}
        for namespace in ("/gone", "/gone/below", "/stays"):
            assert admin.post("/externalnetworks", network, namespace=namespace).status == 200
    assert person.get("/externalnetworks", namespace="/gone/below").status == 200
    alone.console.process.kill()
    alone.console.process.wait()
    alone.rows.run("DELETE FROM objects WHERE kind = 'namespace' AND unique_key = '/gone'")
    before = alone.rows.run("SELECT id FROM objects WHERE namespace IN ('/gone', '/gone/below')")
    assert len(before) > 6
    alone.start()
    admin = alone.console.administrator()
    for namespace in ("/gone", "/gone/below"):
        for _ in range(100):
            made = admin.post("/namespaces", {"name": namespace.rsplit("/")[-1]}, namespace=namespace.rsplit("/", 1)[0] or "/")
            if made.status == 200:
                break
            assert made.status == 409, made  # never together with what was there before
            time.sleep(0.05)
        assert admin.get("/externalnetworks", namespace=namespace).body == []
        assert admin.get("/apiauthorizationpolicies", namespace=namespace).body == []
    assert len(admin.get("/externalnetworks", namespace="/stays").body) == 3
    person = Client(alone.console, token=person.token)
    assert person.get("/externalnetworks", namespace="/gone/below").status == 403
    alone.stop()
    wanted = ", ".join(f"'{id}'" for id in before)
    assert alone.rows.run(f"SELECT id FROM objects WHERE id IN ({wanted})") == []


def test_an_answer_is_repeated_to_the_same_caller_only(console, admin):
    """An account with the name of a credential is not the credential."""
    credential = caller(console, admin, "/a", "externalnetwork,any")
    subject = credential.get("/authn").body["claims"]["sub"]
    password = "correct horse battery staple 9"
    account = admin.post("/accounts", {"name": subject, "email": "a@b.example", "password": password}, namespace="/")
    assert account.status == 200
    policy = {"name": fresh("poster"), "subject": [["@auth:realm=vince", "@auth:account=" + subject]],
              "authorizedIdentities": ["externalnetwork,post"], "authorizedNamespace": "/a"}
    assert admin.post("/apiauthorizationpolicies", policy, namespace="/a").status == 200
    other = Client(console)
    other.token = other.post("/issue", {"realm": "Vince", "metadata": {
        "vinceAccount": subject, "vincePassword": password}}).body["token"]
    key, answers = {"Idempotency-Key": fresh("key")}, []
    for client in (credential, other, credential):
        answers.append(client.post("/externalnetworks", {"name": fresh("net"), "entries": ["192.0.2.0/24"]},
                                   namespace="/a", headers=key))
    assert [answer.status for answer in answers] == [200] * 3
    assert answers[0].body["ID"] == answers[2].body["ID"] != answers[1].body["ID"]


def test_pages_of_other_origins_do_not_use_the_cookie(console, admin):
    cookie = admin.post("/issue?asCookie", {"realm": "Certificate"}).headers["Set-Cookie"].split(";")[0]
    body = {"name": fresh("net"), "entries": ["192.0.2.0/24"]}
    for origin, status in (("https://evil.example", 403), ("null", 403), (f"https://127.0.0.1:{console.port + 1}", 403),
                           (f"https://127.0.0.1:{console.port}", 200)):
        answer = Client(console).post("/externalnetworks", body, namespace="/a",
                                      headers={"Cookie": cookie, "Origin": origin})
        assert answer.status == status, (origin, answer)


def test_a_filter_does_not_hold_everybody_up(console, admin):
    networks = [{"name": f"slow{i}", "entries": ["192.0.2.0/24"], "description": "a" * 1024} for i in range(1500)]
    data = {"namespaces": [{"name": "slow"}], "externalnetworks": [{**n, "namespace": "slow"} for n in networks]}
    assert admin.post("/import", {"data": {"APIVersion": 1, "data": data}}, namespace="/b").status == 200
    patterns = ",".join(f'"(.*a){{12}}{i}"' for i in range(8))
    begin = time.monotonic()
    answer = admin.get("/externalnetworks?q=" + quote(f"description matches [{patterns}]"), namespace="/b/slow")
    assert answer.status == 422 and "too long" in answer.reason
    assert time.monotonic() - begin < 30
