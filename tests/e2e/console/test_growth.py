# SPDX-License-Identifier: Apache-2.0
"""What would grow for ever has a bound, and a running Console keeps to it by itself."""
import time

import pytest

from installation import Installation


@pytest.fixture(params=["sqlite", "postgresql"])
def start(request, tmp_path, monkeypatch):
    started = []

    def run(*options, interval_ms=None):
        if interval_ms:
            monkeypatch.setenv("BULKHEAD_TEST_COMPACTION_MS", str(interval_ms))
        database = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
        started.append(Installation(tmp_path, database, options))
        return started[-1]
    yield run
    for installation in started:
        assert installation.stop() == 0


def total(client, path):
    answer = client.get(path, namespace="/")
    assert answer.status == 200, answer
    return int(answer.headers["X-Count-Total"])


def test_activities(start):
    console = start("--keep-activities", "25", interval_ms=300)
    client = console.administrator()
    for i in range(60):
        assert client.post("/namespaces", {"name": f"n{i}"}, namespace="/").status == 200
    end = time.monotonic() + 10
    while total(client, "/activities?recursive") > 25:
        assert time.monotonic() < end, console.text()
        time.sleep(0.1)
    newest = client.get("/activities?recursive", namespace="/").body[0]
    assert "n59" in str(newest)
    assert "database.compacted" in console.text() and "database.not_compacted" not in console.text()
    assert total(client, "/namespaces") == 61  # what is there is not history


def test_writes_go_on_beside_it(start):
    console = start("--keep-activities", "1", interval_ms=20)
    client = console.administrator()
    for i in range(100):
        assert client.post("/namespaces", {"name": f"n{i}"}, namespace="/").status == 200
    assert "database.not_compacted" not in console.text()


def test_objects(start):
    console = start("--objects-max", "40")
    client = console.administrator()
    made = []
    for i in range(60):
        answer = client.post("/externalnetworks", {"name": f"n{i}", "entries": ["192.0.2.0/24"]}, namespace="/")
        if answer.status != 200:
            break
        made.append(answer.body["ID"])
    assert answer.status == 507 and "as many objects as it may" in answer.reason, answer
    assert 20 < len(made) < 40
    networks = [{"name": f"m{i}", "entries": ["192.0.2.0/24"]} for i in range(3)]
    imported = client.post("/import", {"data": {"label": "x", "data": {"externalnetworks": networks}}}, namespace="/")
    assert imported.status == 507, imported
    path = "/externalnetworks/"
    assert client.ask("PATCH", path + made[0], {"description": "x"}).status == 200
    assert client.ask("DELETE", path + made[0]).status == 200
    assert client.post("/externalnetworks", {"name": "again", "entries": ["192.0.2.0/24"]}, namespace="/").status == 200


def test_refreshes(start):
    """Each is an object for a while; none stays."""
    console = start("--objects-max", "40", interval_ms=300)
    client = console.administrator()
    for _ in range(30):
        assert client.post("/enforcerrefreshes", {}, namespace="/").status == 200
    end = time.monotonic() + 10
    while client.post("/import", {"data": {"data": {"externalnetworks": [
            {"name": f"n{i}", "entries": ["192.0.2.0/24"]} for i in range(25)]}}}, namespace="/").status == 507:
        assert time.monotonic() < end, console.text()
        time.sleep(0.1)
