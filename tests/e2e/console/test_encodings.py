# SPDX-License-Identifier: Apache-2.0
"""JSON and MessagePack say the same, both ways, and what is neither is refused with its place."""
import json
import struct

import msgpack
import pytest

from test_objects import BODIES

PACKED = "application/msgpack"


class Raw:
    """Bytes out and bytes back, on a connection of its own."""

    def __init__(self, client):
        from auth_client import Client
        self.client = Client(client.console, token=client.token)

    def ask(self, method, path, data=None, namespace=None, content=PACKED, accept=PACKED):
        import http.client
        headers = {"Authorization": "Bearer " + self.client.token, "Accept": accept}
        if namespace:
            headers["X-Namespace"] = namespace
        if data is not None and content:
            headers["Content-Type"] = content
        connection = http.client.HTTPSConnection("127.0.0.1", self.client.console.port, context=self.client.context,
                                                 timeout=30)
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers["Content-Type"], body


@pytest.fixture
def raw(client):
    return Raw(client)


def unpacked(answer, status=200):
    assert answer[0] == status and answer[1] == PACKED, answer
    return msgpack.unpackb(answer[2], strict_map_key=True)


@pytest.mark.parametrize("plural", [p for p, body in BODIES.items() if body])
def test_every_kind_in_messagepack(client, raw, namespace, plural):
    least = json.loads(json.dumps(BODIES[plural][0]).replace('".', f'"{namespace}'))
    made = unpacked(raw.ask("POST", "/" + plural, msgpack.packb({"name": "one", **least}), namespace))
    made.pop("credentials", None)
    path = f"/{plural}/{made['ID']}"
    plain = client.get(path).body
    plain.pop("credentials", None)
    assert unpacked(raw.ask("GET", path)) == client.get(path).body
    assert {k: v for k, v in made.items() if k != "certificate"} == {k: v for k, v in plain.items() if k != "certificate"}
    assert unpacked(raw.ask("GET", "/" + plural, namespace=namespace)) == client.get("/" + plural, namespace=namespace).body
    changed = unpacked(raw.ask("PUT", path, msgpack.packb({**plain, "description": "ä€😀\n"})))
    assert changed["description"] == "ä€😀\n" == client.get(path).body["description"]
    assert unpacked(raw.ask("DELETE", path))["ID"] == made["ID"]


def test_errors_and_pages_in_messagepack(client, raw, namespace):
    problem = unpacked(raw.ask("POST", "/externalnetworks", msgpack.packb({"nme": "x"}), namespace), 422)[0]
    assert problem["code"] == 422 and problem["data"]["attribute"] == "nme"
    assert unpacked(raw.ask("GET", "/nowhere"), 404)[0]["code"] == 404
    for i in range(20):
        client.post("/externalnetworks", {"name": f"n{i:02}", "entries": ["192.0.2.1"]}, namespace=namespace)
    assert [o["name"] for o in unpacked(raw.ask("GET", "/externalnetworks?page=2&pagesize=17", namespace=namespace))] == \
        ["n17", "n18", "n19"]
    assert len(unpacked(raw.ask("GET", "/externalnetworks", namespace=namespace))) == 20
    assert unpacked(raw.ask("GET", "/_meta/version"))["version"]


@pytest.mark.parametrize("content, accept, answered", [
    ("application/json; charset=utf-8", "*/*", "application/json"), ("APPLICATION/JSON", "application/*", "application/json"),
    ("application/json", "application/msgpack;q=0.1, text/html, application/json;q=0.9", "application/json"),
    ("application/json", "application/msgpack, application/json;q=0.9", PACKED),
    ("application/json", "application/json;q=0, application/msgpack", PACKED)])
def test_who_chooses(raw, namespace, content, accept, answered):
    status, kind, _ = raw.ask("POST", "/externalnetworks", json.dumps({"name": "x", "entries": ["192.0.2.1"]}), namespace,
                              content, accept)
    assert (status, kind) == (200, answered)


def short(data):
    return f"{data[:12]!r}-{len(data)}"


def nested(depth):
    return b"\x81\xa1a" * depth + b"\xc0"


@pytest.mark.parametrize("data", [
    b"", b"\x81", b"\xc1", b"\x90", b"\xc0", b"\x81\x01\x02", b"\x81\xc4\x01a\x01", b"\x82\xa1a\x01\xa1a\x02",
    b"\x80\x80", b"\x81\xa1a\xd4\x01\x02", b"\x81\xa4name\xa1\xff", b"\x81\xa4name\xa2a\0", b"\xdf\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff", b"\x81\xa1a\xdb\xff\xff\xff\xff", nested(33), nested(100000),
    b"\x81\xa1a\xcb" + struct.pack("!d", float("nan")), b"\x81\xa1a\xcb" + struct.pack("!d", float("inf")),
    b"\x81\xa1a\xcf" + b"\xff" * 8], ids=short)
def test_what_is_no_messagepack(raw, namespace, data):
    answer = raw.ask("POST", "/externalnetworks", data, namespace)
    assert unpacked(answer, 400)[0]["code"] == 400, answer


@pytest.mark.parametrize("data", [
    b"{", b"[]", b"null", b"{} {}", b'{"a":1,"a":2}', b'{"name":"\xff"}', b'{"name":"\xc0\x80"}', b'{"name":"\xed\xa0\x80"}',
    b'{"name":"\\ud800"}', b'{"name":"\\u0000"}', b"{'name':1}", b'{"a":NaN}', b'{"a":1e999}', b'{"a":99999999999999999999}',
    b'\xef\xbb\xbf{}', b'{"a":' * 33 + b"1" + b"}" * 33, b"[" * 1000000, b'{"a":' * 100000, b'{"a":[' + b"1," * 1100000 + b"1]}"], ids=short)
def test_what_is_no_json(raw, namespace, data):
    status, kind, body = raw.ask("POST", "/externalnetworks", data, namespace, "application/json", "application/json")
    assert (status, kind) == (400, "application/json"), body[:300]
    assert json.loads(body)[0]["description"]
