# SPDX-License-Identifier: Apache-2.0
"""Two Consoles on one PostgreSQL, and a database that goes and comes back."""
import asyncio
import json
import threading
import time

import pytest

from installation import Installation, Postgres
from link_client import REFRESH, Registered
from test_events import heard, listen


def until(condition, seconds=10, what=""):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, what or "not in time"
        time.sleep(0.02)
    return value


@pytest.fixture
def pair(postgres, tmp_path_factory):
    first = Installation(tmp_path_factory.mktemp("one"), postgres.database())
    second = first.second(tmp_path_factory.mktemp("two"))
    yield first, second
    assert second.stop() == 0
    assert first.stop() == 0


@pytest.fixture
def clients(pair):
    first, second = pair
    root = first.credential()
    return first.administrator(root), second.administrator(root)


def test_tokens_and_objects_of_one_are_good_at_the_other(pair, clients):
    a, b = clients
    made = a.post("/namespaces", {"name": "shared"}, namespace="/")
    assert made.status == 200
    path = "/namespaces/" + made.body["ID"]
    seen = until(lambda: (r := b.get(path)).status == 200 and r)
    assert seen.body == made.body
    assert b.get("/namespaces", namespace="/", token=a.token).status == 200
    changed = b.ask("PATCH", path, {"description": "by the other"})
    assert changed.status == 200
    until(lambda: a.get(path).body["description"] == "by the other")
    assert b.ask("DELETE", path).status == 200
    until(lambda: a.get(path).status == 404)


def test_only_one_wins(pair, clients):
    """The database decides: one name once, one version after another."""
    a, b = clients
    for i in range(20):
        answers = []
        threads = [threading.Thread(target=lambda c=c: answers.append(
            c.post("/namespaces", {"name": f"race{i}"}, namespace="/").status)) for c in (a, b)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200, 422], answers
    until(lambda: a.get("/namespaces", namespace="/").body == b.get("/namespaces", namespace="/").body)
    made = a.post("/namespaces", {"name": "version"}, namespace="/").body
    path = "/namespaces/" + made["ID"]
    until(lambda: b.get(path).status == 200)
    for i in range(20):
        answers = []

        def put(client, who):
            answer = client.ask("PATCH", path, {"description": f"{who} {i}"})
            answers.append((answer.status, who))
        threads = [threading.Thread(target=put, args=(c, who)) for who, c in (("a", a), ("b", b))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {status for status, _ in answers} <= {200, 409} and 200 in {s for s, _ in answers}, answers
        until(lambda: a.get(path).body == b.get(path).body)


def test_many_writes_at_both(pair, clients):
    """Every revision once, in order: both memories end up the same."""
    first, second = pair
    root = first.credential()
    space = clients[0].post("/namespaces", {"name": "many"}, namespace="/").body["name"]
    until(lambda: clients[1].get("/networkrulesetpolicies", namespace=space).status == 200)
    wrong = []

    def write(installation, who):
        client = installation.administrator(root)
        for i in range(60):
            made = client.post("/networkrulesetpolicies", {"name": f"{who}-{i}", "subject": [["a=b"]]},
                               namespace=space)
            if made.status != 200:
                wrong.append(made)
                continue
            path = "/networkrulesetpolicies/" + made.body["ID"]
            if i % 3 == 0 and client.ask("DELETE", path).status != 200:
                wrong.append("delete")
            if i % 3 == 1 and client.ask("PATCH", path, {"description": str(i)}).status != 200:
                wrong.append("patch")

    threads = [threading.Thread(target=write, args=(installation, f"{name}{n}"))
               for name, installation in (("a", first), ("b", second)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]

    def state(client):
        return client.get("/networkrulesetpolicies", namespace=space).body
    until(lambda: len(state(clients[0])) == 6 * 40)  # news of the other one come a moment later
    until(lambda: state(clients[0]) == state(clients[1]))


def test_refreshes_reach_enforcers_of_the_other(pair, clients):
    """Asked for at one Console, told by the other: to its Enforcers, and to who listens on its /events."""
    a, b = clients
    assert a.post("/namespaces", {"name": "edge"}, namespace="/").status == 200
    host = Registered(a, "host", "/edge")
    away = Registered(a, "away", "/edge")
    host.console = pair[1]
    until(lambda: b.get("/enforcers/" + host.id).status == 200)

    async def ask(path, body, identity):
        async with listen(b, "namespace=/edge") as socket:
            await socket.send(json.dumps({"identities": {"enforcerrefresh": ["create"], "processingunitrefresh": ["create"]}}))
            answer = await asyncio.to_thread(a.post, path, body, namespace="/edge")
            events = await heard(socket, 1)
        assert answer.status == 200 and [e["identity"] for e in events] == [identity], (answer, events)
        assert events[0]["entity"] == answer.body
        return answer

    with host.connect() as link:
        link.snapshot()
        link.units(["app=web"])
        unit = until(lambda: a.get("/processingunits", namespace="/edge").body)[0]
        until(lambda: a.get("/enforcers/" + host.id).body["operationalStatus"] == "Connected")
        for path, body, level, policy in (
                (f"/enforcers/{host.id}/enforcerrefreshes", {"logLevel": "Debug", "logLevelDuration": "7s"}, "Debug", True),
                ("/enforcerrefreshes", {"logLevel": "Trace"}, "Trace", True),
                (f"/processingunits/{unit['ID']}/processingunitrefreshes", {"refreshPolicy": True}, "", True),
                (f"/processingunits/{unit['ID']}/processingunitrefreshes", {}, "", False)):
            answer = asyncio.run(ask(path, body, "enforcerrefresh" if level else "processingunitrefresh"))
            assert ("1 of 2 Enforcers have no connection" in answer.headers.get("X-Messages", "")) == \
                (path == "/enforcerrefreshes"), answer.headers
            told = link.wait_for(REFRESH)[1]
            assert (told["logLevel"] or "", told["policy"]) == (level, policy), told
            assert level != "Debug" or told["logSeconds"] == 7
    done = a.get("/activities?pagesize=4", namespace="/edge").body
    assert [one["targetIdentity"] for one in done] == 2 * ["processingunitrefresh"] + 2 * ["enforcerrefresh"]
    assert "Trace" in done[2]["diff"]
    # What was said is said: not again to who comes later, at a Console that starts anew.
    assert pair[1].stop() == 0
    pair[1].start()
    with host.connect() as link:
        link.snapshot()
        assert a.post(f"/enforcers/{host.id}/enforcerrefreshes", {"logLevel": "Info"}, namespace="/edge").status == 200
        assert link.wait_for(REFRESH)[1]["logLevel"] == "Info"
    assert away.id


def test_another_ca_is_refused(postgres, pair, tmp_path):
    with pytest.raises(AssertionError, match="is not the CA of this database"):
        Installation(tmp_path, pair[0].database)


def test_database_gone_and_back(tmp_path):
    """Reads go on, writes get 503, and come back by themselves."""
    server = Postgres()
    try:
        own = Installation(tmp_path, server.database())
        client = own.administrator()
        made = client.post("/namespaces", {"name": "before"}, namespace="/").body
        server.stop("immediate")
        assert client.post("/namespaces", {"name": "lost"}, namespace="/").status == 503
        assert client.get("/namespaces/" + made["ID"]).body == made
        assert client.get("/healthchecks").status == 503
        start = time.monotonic()
        assert client.post("/namespaces", {"name": "lost"}, namespace="/").status == 503
        assert time.monotonic() - start < 4  # refused at once while it is known to be gone
        server.start()
        until(lambda: client.post("/namespaces", {"name": "after"}, namespace="/").status in (200, 422), 20)
        until(lambda: client.get("/healthchecks").status == 200)
        assert [n["name"] for n in client.get("/namespaces", namespace="/").body if n["name"] != "/"][0] == "/before"
        assert own.stop() == 0
    finally:
        server.close()
