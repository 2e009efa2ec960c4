# SPDX-License-Identifier: Apache-2.0
"""GET /events: what clients hear, what they do not, and what they may say."""
import asyncio
import contextlib
import json
from urllib.parse import quote

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatusCode
from websockets.legacy.client import connect


QUIET_S = 0.4


@pytest.fixture(scope="module")
def admin(console):
    admin = console.administrator()
    for name in ("a", "b"):
        assert admin.post("/namespaces", {"name": name}, namespace="/").status == 200
    assert admin.post("/namespaces", {"name": "c"}, namespace="/a").status == 200
    return admin


@contextlib.asynccontextmanager
async def listen(client, query="", token=None, **headers):
    token = client.token if token is None else token
    uri = f"wss://127.0.0.1:{client.console.port}/events?token={quote(token)}&{query}"
    async with connect(uri, ssl=client.context, extra_headers=headers) as socket:
        yield socket


async def heard(socket, n):
    """So many events, and no more."""
    events = [json.loads(await asyncio.wait_for(socket.recv(), 15)) for _ in range(n)]
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(socket.recv(), QUIET_S)
    return events


def network(admin, namespace, name):
    answer = admin.post("/externalnetworks", {"name": name, "entries": ["192.0.2.0/24"]}, namespace=namespace)
    assert answer.status == 200, answer
    return answer.body


def test_life_of_an_object(admin):
    async def run():
        async with listen(admin, "namespace=/a") as one, listen(admin, "namespace=/a&mode=all") as all_of_it:
            made = network(admin, "/a", "x")
            network(admin, "/a/c", "y")
            network(admin, "/b", "z")
            assert admin.ask("DELETE", f"/externalnetworks/{made['ID']}", namespace="/a").status < 300
            events = await heard(one, 2)
            assert [(e["type"], e["identity"], e["entity"]["name"]) for e in events] == [
                ("create", "externalnetwork", "x"), ("delete", "externalnetwork", "x")]
            assert events[0]["entity"]["ID"] == made["ID"] and events[0]["encoding"] == "application/json"
            assert [e["entity"]["name"] for e in await heard(all_of_it, 3)] == ["x", "y", "x"]

    asyncio.run(run())


def test_configuration_and_its_errors(admin):
    async def run():
        async with listen(admin, "namespace=/b&enableErrors=true") as socket:
            await socket.send(json.dumps({"identities": {"externalnetwork": ["create"]},
                                          "filters": {"externalnetwork": 'name matches ["^web"]'}}))
            await socket.send(json.dumps({"identities": {"externalnetwrk": []}}))
            await socket.send("{")
            errors = [json.loads(await socket.recv()) for _ in range(2)]
            assert all(e["type"] == "error" and e["entity"][0]["code"] == 400 for e in errors)
            assert "did you mean externalnetwork" in errors[0]["entity"][0]["description"]
            network(admin, "/b", "db")
            network(admin, "/b", "web1")
            assert [e["entity"]["name"] for e in await heard(socket, 1)] == ["web1"]
        async with listen(admin, "namespace=/b") as socket:
            await socket.send(json.dumps({"filter": {}}))
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd.code == 1003 and "did you mean filters" in closed.value.rcvd.reason

    asyncio.run(run())


def test_msgpack(admin):
    async def run():
        async with listen(admin, "namespace=/b", Accept="application/msgpack") as socket:
            await socket.send(msgpack.packb({"identities": {"externalnetwork": ["create"]}}))
            network(admin, "/b", "packed")
            event = msgpack.unpackb(await asyncio.wait_for(socket.recv(), 15), timestamp=3)
            assert event["identity"] == "externalnetwork" and event["encoding"] == "application/msgpack"
            assert msgpack.unpackb(event["entity"])["name"] == "packed"

    asyncio.run(run())


@pytest.mark.parametrize("query, token, headers, status", [
    ("namespace=/a", "", {}, 401),
    ("namespace=/a", "abc", {}, 401),
    ("", None, {}, 400),
    ("namespace=/nowhere", None, {}, 404),
    ("namespace=/a&mode=some", None, {}, 400),
    ("namespace=/a&enableError=1", None, {}, 400),
    ("namespace=/a", None, {"Accept": "text/html"}, 406),
    ("namespace=/a", None, {"Content-Type": "text/html"}, 415),
])
def test_refused(admin, query, token, headers, status):
    async def run():
        with pytest.raises(InvalidStatusCode) as refused:
            async with listen(admin, query, token, **headers):
                pass
        assert refused.value.status_code == status

    asyncio.run(run())


def test_cookie_of_another_origin(admin):
    async def run(origin, status):
        uri = f"wss://127.0.0.1:{admin.console.port}/events?namespace=/a"
        with pytest.raises(InvalidStatusCode) as refused:
            async with connect(uri, ssl=admin.context, origin=origin,
                               extra_headers={"Cookie": "x-bulkhead-token=" + admin.token + "x"}):
                pass
        assert refused.value.status_code == status

    asyncio.run(run("https://evil.example", 403))
    asyncio.run(run(f"https://127.0.0.1:{admin.console.port}", 401))


def test_only_what_the_token_may_see(admin):
    token = admin.issue(restrictedPermissions=["enforcer,get"]).body["token"]
    below = admin.issue(restrictedNamespace="/a/c").body["token"]

    async def run():
        async with listen(admin, "namespace=/a&mode=all", token) as blind, \
                listen(admin, "namespace=/a&mode=all", below) as narrow:
            network(admin, "/a", "above")
            network(admin, "/a/c", "below")
            assert await heard(blind, 0) == []
            assert [e["entity"]["name"] for e in await heard(narrow, 1)] == ["below"]
            await blind.send(json.dumps({"parameters": {"token": [admin.token]}}))
            await asyncio.sleep(QUIET_S)
            network(admin, "/a", "seen")
            assert [e["entity"]["name"] for e in await heard(blind, 1)] == ["seen"]

    asyncio.run(run())


def test_expired_token_ends_it(admin):
    token = admin.issue(validity="2s").body["token"]

    async def run():
        async with listen(admin, "namespace=/a", token) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(socket.recv(), 15)
            assert closed.value.rcvd.code == 1008 and "expired" in closed.value.rcvd.reason

    asyncio.run(run())


def test_flood_of_configurations(admin):
    async def run():
        async with listen(admin, "namespace=/a") as socket:
            with pytest.raises(ConnectionClosed) as closed:
                for _ in range(50):
                    await socket.send("{}")
                await asyncio.wait_for(socket.recv(), 15)
            assert closed.value.rcvd.code == 1008

    asyncio.run(run())
